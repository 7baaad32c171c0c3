"""Splits: disjoint, complete, every class in its share, every group whole."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Fragment, ParameterError
from phosphene.datasets.manifest import Item, Manifest
from phosphene.datasets.splits import natural_key


def manifest(n=20, *, classes="ab", **columns):
    """A manifest whose columns are functions of the place."""
    return Manifest(
        tuple(
            Item(Path(f"{k}.wav"), classes[k % len(classes)], **{c: f(k) for c, f in columns.items()})
            for k in range(n)
        ),
        "audio",
        "birds",
    )


labels = st.lists(st.sampled_from("abc"), min_size=8, max_size=60)


@given(labels, st.integers(2, 5), st.integers(0, 9))
def test_folds_are_disjoint_complete_and_even(letters, n_folds, seed):
    items = tuple(Item(Path(str(k)), label) for k, label in enumerate(letters))
    splits = Manifest(items, "audio").with_folds(n_folds, seed=seed).splits()
    held = np.concatenate([split.test for split in splits])
    assert sorted(held.tolist()) == list(range(len(items)))
    for split in splits:
        assert sorted([*split.train, *split.test]) == list(range(len(items)))
        for label in set(letters):
            in_fold = sum(letters[place] == label for place in split.test)
            assert abs(in_fold - letters.count(label) / n_folds) <= 1


@given(labels, st.data())
def test_groups_are_never_on_both_sides(letters, data):
    groups = data.draw(st.lists(st.sampled_from("uvwxyz"), min_size=len(letters), max_size=len(letters)))
    items = tuple(
        Item(Path(str(k)), label, group=group)
        for k, (label, group) in enumerate(zip(letters, groups, strict=True))
    )
    if len(set(groups)) < 3:
        return
    for split in Manifest(items, "audio").with_folds(3, seed=1).splits():
        assert not {groups[k] for k in split.train} & {groups[k] for k in split.test}
    split = Manifest(items, "audio").valid_split("0.3", seed=1)
    assert not {groups[k] for k in split.train} & {groups[k] for k in split.test}
    assert sorted([*split.train, *split.test]) == list(range(len(items)))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8])
def test_a_share_takes_its_share_of_every_class(share):
    split = manifest(200, classes="aabc").valid_split(str(share), seed=0)
    labels = manifest(200, classes="aabc").labels
    for label, count in (("a", 100), ("b", 50), ("c", 50)):
        assert abs((labels[split.test] == label).sum() - share * count) <= 1


def test_small_classes_are_on_both_sides_and_a_single_item_is_learned_from():
    items = tuple(Item(Path(str(k)), label) for k, label in enumerate("aaaaaaaaabbc"))
    split = Manifest(items, "audio").valid_split("0.2", seed=3)
    labels = Manifest(items, "audio").labels
    assert set(labels[split.test]) == {"a", "b"}
    assert set(labels[split.train]) == {"a", "b", "c"}


def test_a_share_is_decided_by_its_seed():
    same = [manifest(100).valid_split("0.2", seed=seed).test.tolist() for seed in (4, 4, 5)]
    assert same[0] == same[1] != same[2]


def test_classes_are_sorted_and_labels_in_order():
    items = (Item(Path("1"), "b"), Item(Path("2"), "a"), Item(Path("3")))
    assert Manifest(items, "audio").classes == ("a", "b")
    assert Manifest(items, "audio").labels.tolist() == ["b", "a", None]


def test_folds_come_in_the_order_of_their_numbers():
    splits = manifest(24, fold=lambda k: str(k % 12)).splits()
    assert [split.name for split in splits] == [str(k) for k in range(12)]
    assert splits[10].test.tolist() == [10, 22]
    assert sorted(["f10", "f9", "", "10x2"], key=natural_key) == ["", "10x2", "f9", "f10"]


def test_an_official_split_holds_test_out_and_learns_from_the_rest():
    names = ["train", "valid", "test", "train"]
    parted = manifest(8, split=lambda k: names[k % 4])
    (split,) = parted.splits()
    assert (split.name, split.test.tolist(), split.train.tolist()) == ("test", [2, 6], [0, 1, 3, 4, 5, 7])
    valid = parted.valid_split("split=valid", seed=0)
    assert (valid.test.tolist(), valid.train.tolist()) == ([1, 5], [0, 3, 4, 7])


def test_the_official_test_split_is_never_learned_from():
    parted = manifest(20, split=lambda k: "test" if k < 10 else "train")
    assert parted.valid_split("0.2", seed=0).train.min() >= 10
    assert parted.valid_split("0.2", seed=0).test.min() >= 10
    assert parted.valid_split("none", seed=0).train.tolist() == list(range(10, 20))


def test_none_holds_nothing_out():
    split = manifest(4).valid_split("none", seed=0)
    assert (split.train.tolist(), split.test.tolist()) == ([0, 1, 2, 3], [])


def test_fold_five():
    assert manifest(10, fold=lambda k: str(k % 5 + 1)).valid_split("fold=5", seed=0).test.tolist() == [4, 9]


def test_parts_of_one_recording_count_as_a_group_and_rows_of_an_archive_do_not():
    halves = tuple(
        Item(Path("a.wav"), "a", Fragment("t", 5 * k, 5 * k + 5), fold=str(k % 2)) for k in range(4)
    )
    with pytest.raises(ParameterError, match=r"group 'a.wav' stands on both sides of split '0'"):
        Manifest(halves, "audio").splits()
    rows = tuple(Item(Path("a.tsv"), "a", Fragment("row", k, k + 1), fold=str(k % 2)) for k in range(4))
    assert len(Manifest(rows, "series").splits()) == 2


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (lambda: manifest().splits(), "birds has neither folds nor a split; make one: --valid 0.2"),
        (
            lambda: manifest(fold=lambda k: "1").splits(),
            "birds has one fold alone, '1'; it needs two or more",
        ),
        (lambda: manifest(fold=lambda k: "1" if k else None).splits(), "0.wav: has no fold, others have"),
        (
            lambda: manifest(fold=lambda k: str(k % 2), group=lambda k: "ann").splits(),
            "birds: group 'ann' stands on both sides of split '0', so predictions would leak",
        ),
        (
            lambda: manifest(split=lambda k: ("train", "test")[k % 2], group=lambda k: f"g{k // 2}").splits(),
            "birds: group 'g0' stands on both sides of split 'test'",
        ),
        (
            lambda: manifest().valid_split("fold=1", seed=0),
            "birds has no folds; ask for a share, such as 0.2",
        ),
        (
            lambda: manifest(fold=lambda k: str(k % 2)).valid_split("fold=9", seed=0),
            "birds has no fold '9'; it has 0, 1",
        ),
        (
            lambda: manifest().valid_split("split=test", seed=0),
            "birds has no test split; its items are in: none",
        ),
        (
            lambda: manifest().valid_split("split=train", seed=0),
            "held out must be valid or test, got 'train'",
        ),
        (
            lambda: manifest().valid_split("1.5", seed=0),
            "valid must be fold=NAME, split=test, a share such as 0.2",
        ),
        (lambda: manifest().valid_split("folds", seed=0), "a share such as 0.2, or none, got 'folds'"),
        (lambda: manifest().valid_split("nan", seed=0), "or none, got 'nan'"),
        (
            lambda: manifest(group=lambda k: "one").valid_split("0.2", seed=0),
            "birds has too few items or groups",
        ),
        (
            lambda: manifest(3).with_folds(5, seed=0),
            "birds has too few items or groups for 5 folds; ask for fewer",
        ),
        (lambda: manifest().with_folds(1, seed=0), "n_folds must be 2 or more, got 1"),
        (lambda: manifest().with_random_split(0, seed=0), "above 0 and below 1, got 0"),
    ],
)
def test_errors_say_what_to_do(what, message):
    with pytest.raises(ParameterError) as caught:
        what()
    assert message in str(caught.value)


def test_a_random_split_is_made_once_and_kept():
    parted = manifest(40).with_random_split(0.25, seed=2)
    (split,) = parted.splits()
    assert len(split.test) == 10
    assert parted.splits()[0].test.tolist() == split.test.tolist()
    assert {item.split for item in parted.items} == {"train", "test"}


def slices(name="{0}-3-0-{1}.wav", **columns):
    """Five slices of each of eight recordings, named as UrbanSound8K names them."""
    return Manifest(
        tuple(
            Item(
                Path(name.format(100 + k // 5, k % 5)),
                "ab"[k // 5 % 2],
                **{c: f(k) for c, f in columns.items()},
            )
            for k in range(40)
        ),
        "audio",
        "city",
    )


AT_RANDOM = [
    lambda manifest: manifest.with_folds(4, seed=0).splits(),
    lambda manifest: manifest.with_random_split(0.25, seed=0).splits(),
    lambda manifest: (manifest.valid_split("0.25", seed=0),),
]


def recordings_on_both_sides(manifest, splits):
    names = [item.path.name.partition("-")[0] for item in manifest.items]
    return [{names[k] for k in split.train} & {names[k] for k in split.test} for split in splits]


@pytest.mark.parametrize("split", AT_RANDOM)
def test_slices_of_urbansound8k_are_never_split_at_random(split):
    for manifest in (
        slices(),
        slices(fold=lambda k: str(k // 10)),
        slices(name="some/where/{0}-9-12-{1}.ogg"),
    ):
        with pytest.raises(ParameterError) as caught:
            split(manifest)
        assert str(caught.value) == (
            "city: its files are named as those of UrbanSound8K, and split at random the slices of a recording "
            "(100, one of 8) would stand on both sides; keep to the official folds (protocol urbansound8k, or a "
            "column fold and --valid fold=10), or give each recording a group"
        )


@pytest.mark.parametrize("split", AT_RANDOM)
def test_slices_of_urbansound8k_are_split_where_groups_keep_recordings_together(split):
    manifest = slices(group=lambda k: f"clip{k // 5}")
    assert not any(recordings_on_both_sides(manifest, split(manifest)))
    wider = slices(group=lambda k: f"street{k // 10}")
    assert not any(recordings_on_both_sides(wider, split(wider)))
    with pytest.raises(ParameterError, match="one of 8"):
        split(slices(group=lambda k: f"ear{k % 4}"))


@pytest.mark.parametrize("split", AT_RANDOM)
@pytest.mark.parametrize(
    "name", ["{0}-3-0-{1}-1.wav", "{0}-13-0-{1}.wav", "1-{0}{1}-A-3.wav", "{0}{1}-3-0-1.wav", "{0}_{1}.wav"]
)
def test_other_names_and_single_slices_are_split(name, split):
    assert split(slices(name=name))


def test_folds_that_part_a_recording_of_urbansound8k_are_refused_and_official_ones_kept():
    with pytest.raises(ParameterError, match=r"^city: recording '100' stands on both sides of split '0', so"):
        slices(fold=lambda k: str(k % 4)).splits()
    official = slices(fold=lambda k: str(k // 10))
    assert recordings_on_both_sides(official, official.splits()) == [set()] * 4
    assert official.valid_split("fold=3", seed=0).test.tolist() == list(range(30, 40))


def test_nine_of_ten_names_tell_urbansound8k():
    kept = slices().items[:36]
    for n_others, refused in ((4, True), (5, False)):
        others = tuple(Item(Path(f"other{k}.wav"), "a") for k in range(n_others))
        manifest = Manifest(kept + others, "audio")
        if refused:
            with pytest.raises(ParameterError, match="UrbanSound8K"):
                manifest.with_folds(2, seed=0)
        else:
            assert manifest.with_folds(2, seed=0).is_split


def test_a_manifest_is_split_by_folds_or_a_split():
    assert not manifest(4).is_split
    assert manifest(4, fold=lambda k: "1" if k == 3 else None).is_split
    assert manifest(4, split=lambda k: "train" if k == 3 else None).is_split
