"""Fold results are found again by what they depend on, and by nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phosphene.datasets import Item, Manifest
from phosphene.datasets.splits import Split
from phosphene.pipeline.compare.fold_results import (
    FoldResult,
    FoldStore,
    ItemPredictions,
    SharedCost,
    fold_key,
    items_digest,
)

SPLIT = Split("1", np.array([0, 1]), np.array([2]))


def predictions(*items):
    return ItemPredictions(np.array(items), np.log(np.full((len(items), 2), 0.5)))


def result():
    return FoldResult(predictions(2), predictions(0, 1), 2, 0.5, 0.25, 100, {"setting": {"C": 1.0}})


def write_files(folder, *contents):
    folder.mkdir(exist_ok=True)
    items = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.bin"
        path.write_bytes(content)
        items.append(Item(path, label="ab"[number % 2]))
    return Manifest(tuple(items), "binary")


def test_a_fold_result_comes_back_as_it_was(tmp_path):
    store = FoldStore(tmp_path)
    store.results.put("abcd", result())
    back = store.results.find("abcd")
    np.testing.assert_array_equal(back.test.log_proba, result().test.log_proba)
    np.testing.assert_array_equal(back.oof.indices, [0, 1])
    assert (back.n_train, back.train_s, back.test_s, back.size_bytes) == (2, 0.5, 0.25, 100)
    assert back.notes == {"setting": {"C": 1.0}}


@pytest.mark.parametrize("harm", [b"", b"PK\x03\x04", b"nonsense"])
def test_a_broken_one_counts_as_missing(tmp_path, harm):
    store = FoldStore(tmp_path)
    store.results.put("abcd", result())
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(harm)
    assert store.results.find("abcd") is None


def test_a_cut_off_one_counts_as_missing(tmp_path):
    store = FoldStore(tmp_path)
    store.results.put("abcd", result())
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:-30])
    assert store.results.find("abcd") is None


def test_objects_are_not_unpickled(tmp_path):
    store = FoldStore(tmp_path)
    (tmp_path / "ab").mkdir()
    np.savez(tmp_path / "ab" / "cd.npz", about=np.array([{"a": 1}], object))
    assert store.results.find("abcd") is None


def test_of_costs_the_highest_stays(tmp_path):
    store = FoldStore(tmp_path)
    assert store.cost("abcd") == SharedCost()
    store.add_cost("abcd", SharedCost(2.0, 200.0, ((1, "broken"),)))
    store.add_cost("abcd", SharedCost(0.5, 300.0))
    assert store.cost("abcd") == SharedCost(2.0, 300.0)


def test_items_are_told_apart_by_bytes_labels_and_groups_not_by_folder(tmp_path):
    here = write_files(tmp_path / "here", b"one", b"two")
    there = write_files(tmp_path / "there", b"one", b"two")
    assert items_digest(here) == items_digest(there)
    assert items_digest(write_files(tmp_path / "other", b"one", b"three")) != items_digest(here)
    for change in ({"label": "c"}, {"group": "g"}, {"claim": "a"}):
        changed = replace(here, items=(replace(here.items[0], **change), here.items[1]))
        assert items_digest(changed) != items_digest(here)


def test_missing_files_have_a_digest_too():
    manifest = Manifest((Item(Path("nowhere.bin"), label="a"),), "binary")
    assert items_digest(manifest) == items_digest(manifest)


def test_everything_that_matters_makes_another_key():
    def key(items="x", split=SPLIT, config=None, seed=0):
        return fold_key(items, split, config or {"name": "images"}, seed)

    others = [
        key("y"),
        key(split=Split("1", np.array([0]), SPLIT.test)),
        key(split=Split("1", SPLIT.train, np.array([1]))),
        key(config={"name": "tables"}),
        key(seed=1),
    ]
    assert len({key(), *others}) == 6
    assert key(split=replace(SPLIT, name="another")) == key()
