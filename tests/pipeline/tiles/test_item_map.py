"""A function over items with a store and a codec: what is done, what is found again, what is shared."""

import json
from pathlib import Path
from threading import get_ident

import pytest

from phosphene.converters import MissingExtra, SignalError
from phosphene.converters.core.files import content_digest
from phosphene.converters.core.signal import parse_fragment
from phosphene.datasets.manifest import Item
from phosphene.pipeline.tiles import item_map
from phosphene.pipeline.tiles.engines import LocalEngine
from phosphene.pipeline.tiles.item_map import map_items, plan_items
from phosphene.pipeline.tiles.store import Output, Store


class Json:
    suffix = ".json"

    def encode(self, value, key):
        return json.dumps([key, value]).encode()

    def decode(self, data):
        return json.loads(data)[1]


class Sums(Store):
    """A store of numbers, whose files are written where they are computed."""

    shared = True

    def missing(self, index, keys):
        return tuple(Output(n, key, self.path(key)) for n, key in enumerate(keys) if self.find(key) is None)

    def take(self, index, keys, values, *, failed):
        pass


def count_and_sum(item, numbers):
    data, fragment = item.path.read_bytes(), item.fragment
    data = data[int(fragment.start) : int(fragment.stop)] if fragment else data
    if data[:1] == b"E":
        raise SignalError("not to be added up")
    if data[:1] == b"L":
        raise MissingExtra("sums need abacus: pip install abacus")
    for number in numbers:
        yield (len(data), sum(data))[number]


@pytest.fixture
def items(tmp_path):
    for name, data in (("a", b"\1\2"), ("b", b"\1\2"), ("c", b"\5"), ("d", b"E")):
        (tmp_path / name).write_bytes(data)
    return [*(Item(tmp_path / name) for name in "abcd"), Item(tmp_path / "gone")]


def run(items, store, **options):
    planned = plan_items(items, ["count", "sum"])
    failures, n = map_items(planned, count_and_sum, store, engine=LocalEngine(2), progress=False, **options)
    return [[store.find(key) for key in plan.keys] for plan in planned], failures, n


@pytest.mark.parametrize("where", ["anywhere", "apart", "here first"])
def test_each_result_is_computed_once_and_found_again(items, tmp_path, where):
    store = Sums(tmp_path / "store", Json())
    found, failures, n = run(items, store, where=where)
    assert (found, n) == ([[2, 3], [2, 3], [1, 5], [None, None], []], 4)
    assert {index: failure.item for index, failure in failures.items()} == {3: items[3], 4: items[4]}
    assert [failure.error for failure in failures.values()] == [
        f"{items[3]}: not to be added up",
        f"{items[4]}: no such file; check the path",
    ]
    again, _, n = run(items, store, where=where)
    assert (again, n) == (found, 0)


def test_a_part_a_lost_result_and_a_broken_one_are_computed_anew(items, tmp_path):
    store = Sums(tmp_path / "store", Json())
    run(items, store)
    part = Item(items[0].path, fragment=parse_fragment("bytes=1-1"))
    assert run([part], store)[::2] == ([[1, 2]], 2)
    one, other, *_ = sorted(Path(store.folder).rglob("*.json"))
    one.unlink()
    other.write_bytes(b"[")
    assert run([*items, part], store)[2] == 2


def test_files_that_are_slow_to_read_are_hashed_by_threads_to_the_same_keys(tmp_path, monkeypatch):
    paths = [tmp_path / f"{n}.bin" for n in range(100)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * (number + 1))
    some = [Item(path) for path in [*paths, tmp_path / "missing.bin"]]
    threads = []
    monkeypatch.setattr(
        item_map, "content_digest", lambda p: threads.append(get_ident()) or content_digest(p)
    )
    monkeypatch.setattr(item_map, "_SLOW_S", 10.0)
    one_by_one = plan_items(some, ["x"])
    assert set(threads) == {get_ident()}
    threads.clear()
    monkeypatch.setattr(item_map, "_SLOW_S", 0.0)
    assert plan_items(some, ["x"]) == one_by_one
    assert len(set(threads)) > 1
    assert len(threads) == 101
    assert "no such file" in one_by_one[-1].error


def test_an_error_of_the_run_ends_it(items, tmp_path):
    (tmp_path / "d").write_bytes(b"L")
    store = Sums(tmp_path / "store", Json())
    for where in ("anywhere", "apart"):
        with pytest.raises(MissingExtra, match="pip install abacus"):
            run(items, store, ending=(MissingExtra,), where=where)
    assert len(run(items, store)[1]) == 2, "unless it is said to, it costs one item"
