"""A part at a time, the same items are listed as all at once."""

import os
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Fragment, ReadError
from phosphene.datasets import Item
from phosphene.datasets.parts import ItemSpool, find_each, list_in_parts
from phosphene.datasets.sources import find_files


def series(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).standard_normal(12)
    path.write_text("a\n" + "\n".join(f"{value:.3f}" for value in values) + "\n")
    return path


def listed(src, most, **how):
    """All items of a source as text, the sizes of its parts, and its failures."""
    parts = list(find_each(src, most=most, **how))
    items = [str(item) for some, _ in parts for item in some]
    return items, [len(some) for some, _ in parts if some], [failure for _, some in parts for failure in some]


@pytest.fixture
def folder(tmp_path):
    for seed in range(11):
        series(tmp_path / "raw" / "ab"[seed % 2] / f"{seed:02}.csv", seed)
    series(tmp_path / "raw" / "z.csv")
    return tmp_path / "raw"


@pytest.mark.parametrize("most", [1, 3, 5, 12, 100])
def test_a_folder(folder, most):
    items, sizes, failures = listed(folder, most, kind="series")
    assert items == [str(item) for item in find_files(folder, kind="series")]
    assert (max(sizes), sum(sizes), failures) == (min(most, 12), 12, [])


def test_links_and_hidden_files(folder):
    (folder / "link").symlink_to(folder / "a")
    (folder / "loop").symlink_to(folder)
    series(folder / ".hidden" / "x.csv")
    os.mkfifo(folder / "pipe.csv")
    assert len(list(folder.glob("link/*"))) == 6
    assert listed(folder, 2, kind="series")[0] == [str(item) for item in find_files(folder, kind="series")]


def test_rows_of_many_in_a_folder(folder):
    table = "\n".join(",".join(map(str, row)) for row in np.arange(200).reshape(10, 20) % 7 / 10)
    for name in ("many_1.csv", "many_2.csv"):
        (folder / name).write_text(table)
    how = {"kind": "series", "options": find_files(folder, kind="series")[0].options}
    assert listed(folder, 3, **how)[0] == [str(item) for item in find_files(folder, **how)]


def test_clutter_is_left_out_in_every_part_and_counted(folder, caplog):
    for number in range(40):
        series(folder / "c" / f"{number}.csv", number)
    for number in range(30):
        (folder / "b" / f"{number}.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20))
    with caplog.at_level("INFO"):
        items, _, _ = listed(folder, 1, kind="series")
    assert items == [str(item) for item in find_files(folder, kind="series")]
    notes = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("more notes like these" in note for note in notes)
    assert f"series: 82 files in {folder}, listed a part at a time" in caplog.messages


@pytest.fixture
def large_table(folder):
    """A table of more than half a megabyte: a long comment in each row makes it so."""
    files = sorted(folder.glob("?/*.csv"))
    rows = [f"{file.relative_to(folder)},x,{'-' * 60_000}" for file in files]
    table = folder / "meta.csv"
    table.write_text("path,label,comment\n" + "\n".join(rows) + "\n")
    return table


@pytest.mark.parametrize("most", [2, 4, 100])
def test_a_large_table_also_in_a_large_folder(large_table, folder, most):
    expected = [str(item) for item in find_files(large_table, kind="series")]
    assert len(expected) == 11
    assert listed(large_table, most, kind="series")[0] == expected
    assert listed(folder, most, kind="series")[0] == expected


def test_rows_of_a_large_table_that_are_wrong_do_not_stop_the_rest(large_table):
    lines = large_table.read_text().splitlines()
    lines[4] = "too,few"
    lines[9] = ",x,-"
    large_table.write_text("\n".join(lines))
    items, _, failures = listed(large_table, 3, kind="series")
    assert len(items) == 9
    assert [failure.error.partition(": ")[2].split(";")[0] for failure in failures] == [
        "line 5 has 2 cells, the header 3",
        "line 10 has an empty path",
    ]


def test_a_large_table_most_of_whose_files_are_missing_is_refused(large_table):
    for file in large_table.parent.glob("?/*.csv"):
        file.unlink()
    with pytest.raises(ReadError, match=r"meta\.csv: line 2: .*no such file"):
        listed(large_table, 3, kind="series")


def told(item):
    return (str(item), item.label, item.split, item.kind)


@pytest.mark.parametrize("most", [4, 100])
@pytest.mark.parametrize("split", [("",), ("train/", "test/")])
def test_items_of_a_large_folder_have_the_labels_and_splits_of_its_folders(tmp_path, most, split):
    for number in range(9):
        series(tmp_path / "raw" / f"{split[number % len(split)]}{'ab'[number % 2]}" / f"{number}.csv", number)
    (tmp_path / "raw" / "README").write_text("What this is.\n")
    (tmp_path / "raw" / "out").mkdir()
    series(tmp_path / "raw" / "out" / "x.csv")
    how = {"beside": tmp_path / "raw" / "out"}
    spool = list_in_parts(tmp_path / "raw", most=most, **how)
    whole = find_files(tmp_path / "raw", **how)
    for _ in range(2):  # it is read again and again
        assert [told(item) for part in spool for item in part] == [told(item) for item in whole]
    assert (len(spool), spool.classes, spool.kinds) == (9, ("a", "b"), ("series",))
    assert max(map(len, spool)) <= most


def test_a_spool_gives_items_back_as_they_were(tmp_path):
    items = [
        Item(Path(os.fsdecode(b"caf\xe9.csv")), "dög", kind="series"),
        Item(Path("a.wav"), None, Fragment("t", 0.5, 2.25), "train", "3", "g", kind="audio", extent=7.5),
    ]
    spool = ItemSpool()
    spool.add(items[:1])
    spool.add(items[1:])
    found = [item for part in spool for item in part]
    assert found == items
    assert [(item.kind, item.extent) for item in found] == [("series", None), ("audio", 7.5)]
