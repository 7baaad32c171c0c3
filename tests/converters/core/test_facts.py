"""Facts of files: found by content alone, and never a reason to fail."""

from pathlib import Path

import pytest

from phosphene.converters.core import facts as module
from phosphene.converters.core.facts import KindFacts
from phosphene.datasets.sources import find_files

ROWS = b"a\n" + b"".join(b"%d.5\n" % n for n in range(20))


@pytest.fixture
def folder(tmp_path):
    for name in "abc":
        (tmp_path / "raw" / name).with_suffix(".csv").parent.mkdir(exist_ok=True)
        (tmp_path / "raw" / f"{name}.csv").write_bytes(ROWS + name.encode().hex().encode())
    return tmp_path / "raw"


def kinds(folder):
    return [(item.path.name, item.kind, item.fragment and str(item.fragment)) for item in find_files(folder)]


def test_a_second_listing_sniffs_no_file_and_finds_the_same(folder, monkeypatch):
    first = kinds(folder)
    assert {kind for _, kind, _ in first} == {"series"}
    monkeypatch.setattr("phosphene.datasets.sources.look", None)
    monkeypatch.setattr("phosphene.datasets.sources.rows_of", None)
    assert kinds(folder) == first


def test_other_bytes_under_an_old_name_are_sniffed_anew(folder):
    kinds(folder)
    rows = "\n".join(",".join(f"{n * k % 7 / 10}" for n in range(30)) for k in range(6))
    (folder / "b.csv").write_text(rows)
    assert [row for row in kinds(folder) if row[0] == "b.csv"] == [
        ("b.csv", "series", f"row={row}") for row in range(6)
    ]


@pytest.mark.parametrize(
    ("path", "head"),
    [("a.wav", b"1"), ("a.csv", b"1\0"), ("a.csv", b"1" * module.HEAD_BYTES), ("a.csv.gz", b"1")],
)
def test_nothing_is_kept_of_other_files(path, head):
    assert KindFacts("").key(Path(path), head) is None


def test_keys_differ_by_bytes_name_options_and_code(tmp_path, monkeypatch):
    keys = [
        KindFacts("", tmp_path).key(Path("a1.csv"), b"1"),
        KindFacts("", tmp_path).key(Path("a1_train.csv"), b"1"),  # a name may say what rows are
        KindFacts("", tmp_path).key(Path("b.csv"), b"2"),
        KindFacts("", tmp_path).key(Path("b.txt"), b"1"),
        KindFacts("label=1", tmp_path).key(Path("b.csv"), b"1"),
    ]
    assert KindFacts("", tmp_path).key(Path("other/a2.CSV"), b"1") == keys[0]
    monkeypatch.setattr(module, "_code_digest", lambda: "other code")
    keys.append(KindFacts("", tmp_path).key(Path("a.csv"), b"1"))
    assert len(set(keys)) == 6


def test_a_run_that_asks_leaves_others_to_write(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE_S", 0.0)
    keys = [bytes([n]) * 16 for n in range(4)]
    asking, writing = KindFacts("", tmp_path), KindFacts("", tmp_path)
    writing.put(keys[0], "series")
    writing.close()
    assert asking.find(keys[0]) == "series"
    asking.let_write()
    writing.put(keys[1], "mouse")
    writing.close()
    assert [asking.find(key) for key in keys[:3]] == ["series", "mouse", None]
    asking.put(keys[2], "binary")  # after questions of its own, which another run may have answered meanwhile
    asking.close()
    assert writing.find(keys[2]) == "binary"
    monkeypatch.setattr(module, "_ASKED_AT_ONCE", 2)
    asking.find(keys[0])
    asking.find(keys[0])
    writing.put(keys[3], "audio")
    writing.close()
    assert asking.find(keys[3]) == "audio"


@pytest.mark.parametrize("broken", ["no database", "a folder", "no folder"])
def test_a_cache_that_cannot_be_used_changes_nothing(folder, tmp_path, monkeypatch, broken):
    cache = tmp_path / "cache"
    if broken == "no folder":
        cache.write_bytes(b"")
    else:
        cache.mkdir()
        file = cache / "kinds.sqlite"
        file.mkdir() if broken == "a folder" else file.write_bytes(b"no database" * 100)
    expected = kinds(folder)
    monkeypatch.setenv("PHOSPHENE_CACHE", str(cache))
    assert kinds(folder) == kinds(folder) == expected


def test_a_table_of_items_is_known_by_the_files_beside_it_and_not_by_its_bytes(tmp_path):
    for name in ("1", "2"):
        (tmp_path / "raw" / name).mkdir(parents=True)
        (tmp_path / "raw" / name / "ids.csv").write_text(
            "id,value\n" + "".join(f"{n},{n}\n" for n in range(9))
        )
    assert {item.path.name for item in find_files(tmp_path / "raw" / "1")} == {"ids.csv"}
    for number in range(9):
        (tmp_path / "raw" / "2" / str(number)).write_bytes(ROWS)
    assert "ids.csv" not in {item.path.name for item in find_files(tmp_path / "raw" / "2")}
