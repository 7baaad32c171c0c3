"""Pieces measured once: what is kept, what is found again, and what a bad one costs."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Fragment, MissingExtra, PhospheneError, SignalError
from phosphene.converters.core import apart
from phosphene.datasets.manifest import Item
from phosphene.pipeline.features import FeatureSet, Table, feature_set, feature_sets
from phosphene.pipeline.features.feature_set import (
    Kept,
    RecordCodec,
    RecordStore,
    fingerprint,
    measure,
    records_folder,
)
from phosphene.pipeline.tiles import engines


def gauge(signal_):
    """Bytes by their sum; what is done to a file stands in its first byte."""
    data = signal_.data.tobytes()
    if log := os.environ.get("MEASURED"):
        with Path(log).open("a") as file:
            file.write("x")
    actions = {b"E": refuse, b"F": fail, b"K": die, b"S": sleep, b"L": lack, b"O": objects}
    return actions.get(data[:1], total)(data)


def total(data):
    return {"sum": np.array(sum(data)), "name": np.array(["sum"])}


def refuse(data):
    raise SignalError("not to be measured; leave it out")


def fail(data):
    return 1 / 0


def die(data):
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(data):
    time.sleep(60)


def lack(data):
    raise MissingExtra("sums need abacus: pip install abacus")


def objects(data):
    return {"sum": np.array([object()])}


def rows(records):
    return Table(np.array([[record["sum"]] for record in records], np.float32), ("sum",))


SUMS = FeatureSet(
    name="sums",
    kind="binary",
    version=1,
    summary="sums of bytes",
    source="this test",
    measure=gauge,
    tabulate=rows,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test, and a file that tells how often was measured."""
    monkeypatch.setenv("PHOSPHENE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MEASURED", str(tmp_path / "log"))
    return tmp_path / "cache"


@pytest.fixture
def here(monkeypatch):
    """Work done in this process, for tests of all but the processes, which take a second to start."""
    monkeypatch.setattr(feature_set, "_is_harmless", lambda features: True)
    monkeypatch.setattr(apart._helper, "is_this", True)


@pytest.fixture
def times(tmp_path):
    """How often something was measured, in whatever process."""
    return lambda: len((tmp_path / "log").read_text()) if (tmp_path / "log").exists() else 0


@pytest.fixture
def files(tmp_path):
    def make(*contents):
        paths = [tmp_path / f"{place}.bin" for place in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return [Item(path) for path in paths]

    return make


def run(items, features=SUMS, workers=1):
    return measure(items, features, workers=workers, progress=False)


def sums(measured):
    return [record and int(record["sum"]) for record in measured.records]


@pytest.mark.usefixtures("here")
def test_each_piece_is_measured_once_and_found_again(files, times):
    items = files(b"\1\2", b"\3", b"\4\5")
    first, again = run(items), run(items)
    assert sums(first) == sums(again) == [3, 3, 9]
    assert (first.measured, first.reused, again.measured, again.reused) == (3, 0, 0, 3)
    assert times() == 3
    assert again.records[0]["name"].tolist() == ["sum"]
    assert first.work_s == pytest.approx(again.work_s)
    assert 0 < first.work_s <= first.seconds


@pytest.mark.usefixtures("here")
def test_equal_bytes_are_measured_once_and_parts_apart(files, times):
    items = files(b"\1\2\3", b"\1\2\3")
    parts = [replace(items[0], fragment=Fragment("bytes", *ends)) for ends in ((0, 2), (1, 3), (0, 2))]
    assert sums(run([*items, *parts])) == [6, 6, 3, 5, 3]
    assert times() == 3
    assert run([*items, *parts]).measured == 0


@pytest.mark.usefixtures("here")
def test_a_changed_file_a_new_version_and_another_set_are_measured_anew(files):
    items = files(b"\1\2")
    assert run(items).measured == 1
    assert run(items, replace(SUMS, version=2)).measured == 1
    assert run(items, replace(SUMS, name="totals")).measured == 1
    items[0].path.write_bytes(b"\1\2\3")
    assert sums(run(items)) == [6]


def test_libraries_are_part_of_the_fingerprint(monkeypatch):
    before = fingerprint(SUMS)
    assert before == fingerprint(replace(SUMS, summary="other words"))
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "99" if name == "lief" else real(name))
    assert fingerprint(SUMS) != before


def test_bad_pieces_are_told_and_the_rest_goes_on(files, tmp_path):
    items = [*files(b"\1", b"E", b"F", b"K", b"\2", b"O", b"E"), Item(tmp_path / "none.bin")]
    found = run(items)
    assert sums(found) == [1, None, None, None, 2, None, None, None]
    assert {failure.item.path.name: failure.error for failure in found.failures} == {
        "1.bin": f"{items[1]}: not to be measured; leave it out",
        "2.bin": f"{items[2]}: ZeroDivisionError: division by zero",
        "3.bin": f"{items[3]}: the process that read it died (SIGKILL)",
        "5.bin": f"{items[5]}: a record holds numbers and text, got objects as sum",
        "6.bin": f"{items[6]}: not to be measured; leave it out",
        "none.bin": f"{items[7]}: no such file; check the path",
    }
    assert [failure.item for failure in found.failures] == [items[place] for place in (1, 2, 3, 5, 6, 7)]
    assert (found.measured, found.reused) == (2, 0)


@pytest.mark.usefixtures("here")
def test_failures_are_tried_again(files, times):
    items = files(b"\1", b"E")
    run(items)
    assert len(run(items).failures) == 1
    assert times() == 3


@pytest.mark.slow
def test_a_piece_that_takes_too_long_is_given_up(files, monkeypatch):
    monkeypatch.setattr(feature_set, "LIMIT_S", 2.0)
    found = run(files(b"S", b"\1"))
    assert sums(found) == [None, 1]
    assert found.failures[0].error.endswith("0.bin: took longer than 2 s and was given up")


@pytest.mark.usefixtures("here")
def test_a_missing_library_ends_the_run(files):
    with pytest.raises(MissingExtra, match="sums need abacus: pip install abacus"):
        run(files(b"\1", b"L"))
    assert run(files(b"\1")).reused == 1  # what was done before is kept


@pytest.mark.usefixtures("here")
def test_a_broken_file_of_the_cache_counts_as_missing(files, cache):
    items = files(b"\1\2")
    run(items)
    (kept,) = (cache / "features").rglob("*.npz")
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index("sum".encode("utf-32-le"))] ^= 1
    for broken in (b"", whole[:-30], whole[: len(whole) // 2], b"\x80\x04N.", bytes(flipped)):
        kept.write_bytes(broken)
        found = run(items)
        assert (sums(found), found.measured) == ([3], 1)
    assert run(items).reused == 1


@pytest.mark.usefixtures("here")
def test_what_would_be_unpickled_counts_as_missing(files, cache):
    items = files(b"\1\2")
    run(items)
    (kept,) = (cache / "features").rglob("*.npz")
    np.savez(kept, head=np.array([{}]), content=np.array([object()]))
    assert run(items).measured == 1


@pytest.mark.usefixtures("here")
def test_records_lie_beside_the_tiles_in_few_files(cache, files):
    item = files(bytes(200))[0]
    items = [replace(item, fragment=Fragment("bytes", place, place + 1)) for place in range(200)]
    assert run(items).measured == 200
    assert records_folder() == cache / "features"
    assert len(list(records_folder().rglob("*.npz"))) < 100
    assert run(items).reused == 200


@pytest.mark.usefixtures("here")
def test_a_cache_that_cannot_be_written_is_told(files, cache):
    cache.write_text("no folder")
    with pytest.raises(PhospheneError, match="cannot be written .*; make room, or name another"):
        run(files(b"\1"))


@pytest.mark.slow
def test_interrupted_and_run_again_repeats_nothing_finished(files, tmp_path, times):
    contents = [bytes([1, 0, place]) for place in range(40)]
    items = files(*contents)
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import time, test_measuring as t\n"
        "def slow(signal):\n"
        "    time.sleep(0.1)\n"
        "    return t.gauge(signal)\n"
        f"items = [t.Item(t.Path(name)) for name in {[str(item) for item in items]!r}]\n"
        "t.run(items, t.replace(t.SUMS, measure=slow))\n"
    )
    process = subprocess.Popen([sys.executable, script])
    deadline = time.monotonic() + 60
    while times() < 10 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    done = -1
    while done != times():  # its worker ends by itself
        done = times()
        time.sleep(1)
    assert 10 <= done < 40
    found = run(items)
    assert sums(found) == [1 + place for place in range(40)]
    assert found.measured + found.reused == 40
    # All but what was finished in the last moment, or was not yet told to the process that keeps it.
    assert times() - done == found.measured <= 40 - done + 6


def test_sets_of_other_people_run_apart_and_ours_of_series_begin_here(files, tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("1\n2\n4\n")
    where = replace(feature_sets("series")[2], name="where", measure=process_id)
    assert int(run([Item(path)], where).records[0]["id"]) != os.getpid()
    assert run([Item(path)], feature_sets("series")[2]).records[0]["values"].tolist() == [[1, 2, 4]]


def process_id(signal_):
    return {"id": np.array(os.getpid())}


@pytest.mark.slow
def test_ours_go_on_in_processes_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "HERE_S", 0.0)
    (tmp_path / "S_TRAIN.tsv").write_text("".join(f"1\t{row}\t2.5\t3.5\n" for row in range(30)))
    items = [Item(tmp_path / "S_TRAIN.tsv", fragment=Fragment("row", row, row + 1)) for row in range(30)]
    found = run(items, feature_sets("series")[2], workers=2)
    assert [record["values"].tolist() for record in found.records] == [[[row, 2.5, 3.5]] for row in range(30)]
    assert found.measured == 30


def test_records_of_every_sort_come_back_as_they_were():
    record = {
        "text": np.array(["a", "längér", ""]),
        "none": np.zeros((0, 3), np.float32),
        "whole": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "scalar": np.array(2.5),
        "yes": np.array([True, False]),
        "turned": np.arange(6.0).reshape(2, 3).T,
    }
    parts = RecordCodec().decode(RecordCodec().encode({"": Kept(record, 1.5), "row=2": Kept({}, 0.0)}))
    assert list(parts) == ["", "row=2"]
    assert parts[""].seconds == 1.5
    for name, array in record.items():
        assert parts[""].record[name].dtype == array.dtype
        assert parts[""].record[name].shape == array.shape
        assert np.array_equal(parts[""].record[name], array)
        assert parts[""].record[name].flags.aligned


def test_a_store_puts_together_what_was_kept_at_several_times(tmp_path):
    for part in ("a", "b"):
        store = RecordStore(tmp_path)
        store.take(0, ("0123", part), [Kept({"x": np.array(part)}, 0.0)], failed=False)
        store.save()
    again = RecordStore(tmp_path)
    assert [str(again.get("0123", part).record["x"]) for part in ("a", "b")] == ["a", "b"]
    assert again.get("0123", "c") is None


@pytest.mark.parametrize("kind", ["audio", "series", "mouse", "binary"])
def test_sets_of_a_kind_are_of_that_kind(kind):
    found = feature_sets(kind)
    assert found
    assert {features.kind for features in found} == {kind}
    assert len({features.name for features in found}) == len(found)


def test_no_such_kind():
    with pytest.raises(PhospheneError, match="audio, series, mouse, binary.* got .*'smell'"):
        feature_sets("smell")
