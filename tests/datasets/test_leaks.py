"""Every leak planted, beside a harmless twin that must be let through."""

from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Fragment, ParameterError
from phosphene.datasets import open_protocol
from phosphene.datasets.leaks import Leak, find_leaks, require_no_leaks
from phosphene.datasets.manifest import Item, Manifest
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.splits import Split


def halves(n: int) -> Split:
    """The first half to learn from, the second to answer for."""
    return Split("test", np.arange(n // 2), np.arange(n // 2, n))


def leaks_of(items, *, split=None, kind="audio"):
    """Leaks of items of which the first half is learned from; they have no folds, which is told each time."""
    found = find_leaks(Manifest(tuple(items), kind, "birds"), [split or halves(len(items))])
    assert found[-1].sort == "split"
    return found[:-1]


@pytest.fixture
def files(tmp_path):
    """Make a file of some bytes."""

    def make(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return make


def part(path: Path, unit: str, start: float, stop: float, **columns: str) -> Item:
    return Item(path, "a", Fragment(unit, start, stop), **columns)


def test_a_group_on_both_sides():
    items = [Item(Path(f"{k}.wav"), "a", group=group) for k, group in enumerate(["ann", "bob", "ann", "ann"])]
    (leak,) = leaks_of(items)
    assert leak == Leak(
        "group",
        "test",
        "birds: split 'test': 2 of 2 test items, of a group in training ('ann')",
        (items[2], items[3]),
    )


def test_groups_on_one_side_and_items_of_none():
    items = [Item(Path(f"{k}.wav"), "a", group=group) for k, group in enumerate(["ann", None, None, "bob"])]
    assert leaks_of(items) == ()


def test_no_more_than_three_groups_are_named():
    items = [Item(Path(f"{k}.wav"), "a", group=f"g{k % 5}") for k in range(10)]
    assert leaks_of(items)[0].message.endswith("5 of 5 test items, of a group in training "
                                               "('g0', 'g1', 'g2', ...)")  # fmt: skip


def test_the_manifest_refuses_a_group_on_both_sides_before_anybody_looks_for_leaks():
    items = tuple(Item(Path(f"{k}.wav"), "a", group="ann", fold=str(k % 2)) for k in range(4))
    with pytest.raises(ParameterError, match=r"^birds: group 'ann' stands on both sides of split '0', so"):
        Manifest(items, "audio", "birds").splits()


def test_slices_of_a_recording_by_their_names():
    items = [Item(Path(f"{100 + k % 2}-3-0-{k}.wav"), "a", fold="1") for k in range(4)]
    (leak,) = find_leaks(Manifest(tuple(items), "audio", "city"), [halves(4)])
    assert (leak.sort, leak.items) == ("group", tuple(items[2:]))
    assert leak.message == (
        "city: split 'test': 2 of 2 test items, slices of a recording in training ('100', '101')"
    )
    apart = [Item(Path(f"{100 + k // 2}-3-0-{k}.wav"), "a", fold="1") for k in range(4)]
    assert find_leaks(Manifest(tuple(apart), "audio", "city"), [halves(4)]) == ()


def test_equal_bytes_on_both_sides(files):
    data = [b"one", b"two", b"three", b"one", b"five", b"two"]
    items = [Item(files(f"{'ab'[k % 2]}/{k}.wav", bytes_), "ab"[k % 2]) for k, bytes_ in enumerate(data)]
    items = [Item(item.path, "a") for item in items]
    (leak,) = leaks_of(items)
    assert (leak.sort, leak.split, leak.items) == ("copy", "test", (items[3], items[5]))
    assert leak.message == (
        "birds: split 'test': 2 of 3 test items, copies of one in training "
        "(b/3.wav is a/0.wav, b/5.wav is b/1.wav)"
    )


def test_equal_bytes_on_one_side_only(files):
    data = [b"one", b"one", b"two", b"two"]
    assert leaks_of([Item(files(f"{k}.wav", bytes_), "a") for k, bytes_ in enumerate(data)]) == ()


def test_a_copy_under_another_suffix_is_a_copy_and_another_file_under_the_same_name_is_none(files):
    (leak,) = leaks_of([Item(files("x.dll", b"MZ"), "a"), Item(files("x.pyd", b"MZ"), "a")], kind="binary")
    assert leak.message.endswith("(x.pyd is x.dll)")
    assert leaks_of([Item(files("1/x.dll", b"MZ"), "a"), Item(files("2/x.dll", b"MZ."), "a")]) == ()


def test_copies_with_different_labels_are_told_first(files):
    data, labels = [b"one", b"two", b"one", b"two", b"two"], ["cat", "dog", "cat", "cat", None]
    items = [
        Item(files(f"{k}.wav", bytes_), label)
        for k, (bytes_, label) in enumerate(zip(data, labels, strict=True))
    ]
    (leak,) = leaks_of(items, split=Split("1", np.array([0, 1]), np.array([2, 3, 4])))
    assert leak.items == tuple(items[2:])
    assert leak.message.endswith(
        "copies of one in training (3.wav is 1.wav, 2.wav is 0.wav, 4.wav is 1.wav; 1 with another label, "
        "the first with 'cat' and 'dog')"
    )


def test_one_of_several_copies_has_another_label(files):
    items = [Item(files(f"{k}.wav", b"same"), label) for k, label in enumerate(["cat", "dog", "cat"])]
    (leak,) = leaks_of(items, split=Split("1", np.array([0, 1]), np.array([2])))
    assert "(2.wav is 1.wav; 1 with another label, the first with 'cat' and 'dog')" in leak.message


def test_many_copies_are_counted_and_three_named(files):
    items = [Item(files(f"{k}.wav", b"same"), "a") for k in range(10)]
    (leak,) = leaks_of(items)
    assert len(leak.items) == 5
    assert leak.message.endswith(
        "5 of 5 test items, copies of one in training (5.wav is 0.wav, 6.wav is 0.wav, 7.wav is 0.wav, ...)"
    )


def test_an_item_on_both_sides_is_a_copy_of_itself(files):
    items = [Item(files(f"{k}.wav", bytes([k])), "a") for k in range(3)]
    (leak,) = leaks_of(items, split=Split("1", np.array([0, 1]), np.array([1, 2])))
    assert leak.items == (items[1],)


def test_files_that_cannot_be_read_are_nobodys_copies(files, tmp_path):
    items = [Item(files("empty.wav", b""), "a"), Item(tmp_path / "gone.wav", "a")]
    assert leaks_of([*items, Item(files("empty2.wav", b""), "a"), Item(tmp_path / "gone2.wav", "a")]) == ()


def ucr(folder: Path, train: str, test: str) -> Manifest:
    (folder / "Tiny_TRAIN.tsv").write_text(train, encoding="utf-8")
    (folder / "Tiny_TEST.tsv").write_text(test, encoding="utf-8")
    return open_manifest(folder)


def test_rows_with_equal_values_on_both_sides(tmp_path):
    manifest = ucr(
        tmp_path,
        "1\t0.5\t0.25\t0\n2\t3\t2\t1\n2\t9\t9\t9\n",
        "1\t3.0\t2.00\t1\n1\t0.50\t2.5e-1\t-0\n2\t7\t7\t7\n",
    )
    (leak,) = find_leaks(manifest, manifest.splits())
    assert (leak.sort, leak.split) == ("copy", "test")
    assert [str(item.fragment) for item in leak.items] == ["row=0", "row=1"]
    assert leak.message.endswith(
        "2 of 3 test items, copies of one in training "
        "(Tiny_TEST.tsv#row=0 is Tiny_TRAIN.tsv#row=1, Tiny_TEST.tsv#row=1 is Tiny_TRAIN.tsv#row=0; "
        "1 with another label, the first with '1' and '2')"
    )


def test_rows_with_missing_values_are_equal_where_the_same_are_missing(tmp_path):
    manifest = ucr(tmp_path, "1\t1\tNaN\t3\n2\t4\t5\t6\n", "1\t1\tNaN\t3\n1\t1\t2\tNaN\n2\t4\tNaN\t6\n")
    (leak,) = find_leaks(manifest, manifest.splits())
    assert [str(item.fragment) for item in leak.items] == ["row=0"]


def test_equal_rows_on_one_side_and_empty_rows_on_both(tmp_path):
    manifest = ucr(
        tmp_path,
        "1\t1\t2\t3\n1\t1\t2\t3\n2\tNaN\tNaN\tNaN\n",
        "1\tNaN\tNaN\tNaN\n1\t3\t2\t1\n2\t3\t2\t1\n1\t1\t2\tNaN\n",
    )
    assert find_leaks(manifest, manifest.splits()) == ()


def test_the_same_numbers_in_other_channels_are_another_series(tmp_path):
    numbers = np.arange(6, dtype=np.float32)
    for name, shape in (("a", (1, 2, 3)), ("b", (1, 1, 6)), ("c", (1, 2, 3))):
        np.save(tmp_path / f"{name}.npy", numbers.reshape(shape))
    one, other, same = (part(tmp_path / f"{name}.npy", "row", 0, 1) for name in "abc")
    assert leaks_of([one, other], kind="series") == ()
    assert [leak.sort for leak in leaks_of([one, same], kind="series")] == ["copy"]


def test_overlapping_parts_of_one_file(files):
    path = files("long.wav", b"RIFF")
    items = [part(path, "t", 0, 5, group="x"), part(path, "t", 2.5, 7.5, group="y")]
    (leak,) = leaks_of(items)
    assert (leak.sort, leak.items) == ("overlap", (items[1],))
    assert leak.message == (
        "birds: split 'test': 1 of 1 test items, overlapping with one in training "
        "(long.wav#t=2.5,7.5 with long.wav#t=0,5)"
    )


def test_parts_that_touch_and_parts_of_other_files(files):
    one, two = files("one.wav", b"RIFF1"), files("two.wav", b"RIFF2")
    assert leaks_of([part(one, "t", 0, 5, group="x"), part(one, "t", 5, 10, group="y")]) == ()
    assert leaks_of([part(one, "t", 0, 5), part(two, "t", 2.5, 7.5)]) == ()


def test_parts_of_one_file_without_groups_are_of_one_group_too(files):
    path = files("long.wav", b"RIFF")
    assert [leak.sort for leak in leaks_of([part(path, "t", 0, 5), part(path, "t", 5, 9)])] == ["group"]
    assert [leak.sort for leak in leaks_of([part(path, "t", 0, 5), part(path, "t", 4, 9)])] == [
        "group",
        "overlap",
    ]


def test_parts_overlap_with_the_whole_and_with_parts_of_a_copy(files):
    one, copy = files("one.wav", b"RIFF"), files("copy.flac", b"RIFF")
    (whole,) = leaks_of([Item(one, "a"), part(one, "t", 2, 3)])
    assert whole.message.endswith("(one.wav#t=2,3 with one.wav)")
    (of_copy,) = leaks_of([part(one, "t", 0, 5), part(copy, "t", 2, 3)])
    assert of_copy.message.endswith("(copy.flac#t=2,3 with one.wav#t=0,5)")


def test_equal_parts_of_a_copy_are_copies(files):
    one, copy = files("one.bin", b"RIFF"), files("copy.bin", b"RIFF")
    (leak,) = leaks_of([part(one, "bytes", 0, 2), part(copy, "bytes", 0, 2)], kind="binary")
    assert leak.sort == "copy"


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_are_those_of_all_pairs(seed, files):
    """The slow way: every part to answer for against every part to learn from."""
    rng = np.random.default_rng(seed)
    path = files("long.bin", b"RIFF")
    starts, lengths = rng.integers(0, 300, 40), rng.integers(1, 12, 40)
    items = [
        part(path, "bytes", int(start), int(start + length), group=f"{k}")
        for k, (start, length) in enumerate(zip(starts, lengths, strict=True))
    ]

    def shares(one, other):
        first, second = one.fragment.whole, other.fragment.whole
        return set(range(first.start, first.stop)) & set(range(second.start, second.stop))

    train = {str(item) for item in items[:20]}
    wanted = tuple(
        i for i in items[20:] if str(i) not in train and any(shares(i, other) for other in items[:20])
    )
    found = [leak.items for leak in leaks_of(items, kind="binary") if leak.sort == "overlap"]
    assert found == ([wanted] if wanted else [])
    assert wanted


def test_several_splits_each_tell_theirs(files):
    items = tuple(
        Item(files(f"{k}.wav", bytes_), "a", fold=fold)
        for k, (bytes_, fold) in enumerate(zip([b"x", b"x", b"y", b"z"], "1123", strict=True))
    )
    manifest = Manifest(items, "audio", "birds")
    assert find_leaks(manifest, manifest.splits()) == ()
    moved = Manifest((*items[:3], Item(files("3.wav", b"x"), "a", fold="3")), "audio", "birds")
    found = find_leaks(moved, moved.splits())
    assert [(leak.split, len(leak.items)) for leak in found] == [("1", 2), ("3", 1)]


def test_made_folds_are_told_and_never_refused():
    items = tuple(Item(Path(f"{k}.wav"), "ab"[k % 2]) for k in range(10))
    manifest = Manifest(items, "audio", "birds")
    splits = manifest.with_folds(5, seed=0).splits()
    leaks = find_leaks(manifest, splits)
    assert leaks == (
        Leak(
            "split",
            "",
            "birds has neither folds nor a split: 5 folds are made at random, every class in its share, but nothing "
            "is known of how items are related; if some are of one recording, speaker or machine, predictions leak and "
            "scores are too high: name what they share in a column group",
        ),
    )
    for on_leak in ("refuse", "tell"):
        assert require_no_leaks(leaks, on_leak=on_leak) == (leaks[0].message,)


def test_made_folds_with_groups_and_official_folds():
    items = tuple(Item(Path(f"{k}.wav"), "a", group=f"g{k // 2}") for k in range(6))
    manifest = Manifest(items, "audio", "birds")
    made = manifest.with_folds(3, seed=0)
    (leak,) = find_leaks(manifest, made.splits())
    assert leak.message.endswith("3 folds are made at random, every class in its share, groups whole")
    assert find_leaks(made, made.splits()) == ()


def test_the_first_leak_is_refused_with_what_to_do(files):
    path = files("long.wav", b"RIFF")
    leaks = (*leaks_of([part(path, "t", 0, 5), part(path, "t", 4, 9)]), Leak("split", "", "folds were made"))
    with pytest.raises(ParameterError) as caught:
        require_no_leaks(leaks, on_leak="refuse")
    assert str(caught.value) == (
        f"birds: split 'test': 1 of 1 test items, of a group in training ({str(path)!r}) "
        "(and 1 more such findings), so predictions would leak; put all of a group on one side"
    )
    assert len(require_no_leaks(leaks, on_leak="tell")) == 3


@pytest.mark.parametrize(
    ("sort", "advice"),
    [("copy", "keep one of each, or put both on one side"), ("overlap", "cut windows that do not overlap")],
)
def test_each_sort_has_its_advice(sort, advice):
    with pytest.raises(ParameterError, match=f"^birds: x, so predictions would leak; {advice}"):
        require_no_leaks([Leak(sort, "1", "birds: x")], on_leak="refuse")


def test_nothing_found_is_nothing_told():
    assert require_no_leaks((), on_leak="refuse") == ()


@pytest.mark.data
def test_copies_across_the_default_split_of_the_ucr_archive(data):
    """Counted by comparing the numbers of every pair of rows."""
    for name, n_copies in (("SwedishLeaf", 2), ("MedicalImages", 1), ("Trace", 0)):
        manifest = open_protocol(f"ucr/{name}", data)
        train, test = (np.loadtxt(data / "ucr" / name / f"{name}_{half}.tsv") for half in ("TRAIN", "TEST"))
        same = (train[None, :, 1:] == test[:, None, 1:]).all(axis=2).any(axis=1)
        found = [item for leak in find_leaks(manifest, manifest.splits()) for item in leak.items]
        assert [int(item.fragment.start) for item in found] == np.flatnonzero(same).tolist()
        assert len(found) == n_copies
