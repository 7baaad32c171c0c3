"""Predictions a part at a time: the rows, notes and failures are those of one part."""

import csv

import numpy as np
import pytest

from phosphene.converters import PhospheneError
from phosphene.datasets import Item, make_synthetic
from phosphene.datasets.manifest import Failure
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.app import predict as predict_module
from phosphene.pipeline.app.predict import Failures
from phosphene.pipeline.classifier import classifier as classifier_module


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    make_synthetic("series", folder / "seen", items_per_class=4)
    make_synthetic("series", folder / "new", items_per_class=3, seed=1)
    for number in range(4):
        (folder / "new" / "normal" / f"0broken{number}.csv").write_text("time,a\n0,1\n1,oops\n")
    lines = (folder / "new" / "normal" / "000.csv").read_text().splitlines()
    (folder / "new" / "normal" / "short.csv").write_text("\n".join(lines[: len(lines) // 4]) + "\n")
    return folder


@pytest.fixture(scope="module")
def model(raw):
    recipe = Recipe(views="gasf(size=32)", arch="lenet", strategy="scratch", epochs=1, workers=1)
    train(raw / "seen", recipe, valid="none", out=raw / "model", progress=False)
    return raw / "model"


@pytest.fixture
def small_parts(monkeypatch):
    """Parts of three items instead of thousands."""
    monkeypatch.setattr(classifier_module, "PART", 3)


def assert_same_rows(one, other):
    """Equal text, and numbers but for what a network rounds otherwise in a batch of another size."""
    rows = [list(csv.reader(path.read_text().splitlines())) for path in (one, other)]
    for left, right in zip(*rows, strict=True):
        assert left[:2] + left[-3:] == right[:2] + right[-3:]
        if left[0] != "path":
            assert np.array(left[2:6], float) == pytest.approx(np.array(right[2:6], float), abs=5e-3)


def run(phosphene, model, raw, out, *more):
    arguments = ("predict", model, raw / "new", raw / "gone.csv", "--out", out, "--workers", "1", *more)
    return phosphene(*arguments, "--json"), phosphene(*arguments)


def test_rows_notes_and_failures_are_those_of_one_part(raw, model, phosphene, tmp_path, monkeypatch):
    whole, whole_words = run(phosphene, model, raw, tmp_path / "whole.csv")
    monkeypatch.setattr(classifier_module, "PART", 3)
    parts, parts_words = run(phosphene, model, raw, tmp_path / "parts.csv")
    assert_same_rows(tmp_path / "parts.csv", tmp_path / "whole.csv")
    assert (parts.status, parts.json["n"], len(parts.json["failed"])) == (1, 10, 5)
    assert "much shorter than" in parts_words.out
    assert parts.json["failed"] == whole.json["failed"]
    assert parts_words.out.replace("parts.csv", "whole.csv") == whole_words.out
    assert whole.json["summary"].startswith("series: 14 files, 3 classes: ")
    assert parts.json["summary"] == f"series: 14 files in {raw / 'new'}, listed a part at a time"
    with (tmp_path / "parts.csv").open() as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert paths == sorted(paths)


def test_in_python_each_part_comes_alone(raw, model, small_parts):
    parts = list(Classifier.load(model).predict_each(raw / "new", workers=1))
    assert len(parts) == 5
    whole = Classifier.load(model).predict(raw / "new", workers=1)
    assert [(str(one.item), one.label, one.notes) for part in parts for one in part] == [
        (str(one.item), one.label, one.notes) for one in whole
    ]
    assert [failure.error for part in parts for failure in part.failures] == [
        failure.error for failure in whole.failures
    ]


def test_many_failures_are_counted_by_their_reasons(
    raw, model, small_parts, phosphene, tmp_path, monkeypatch
):
    monkeypatch.setattr(predict_module, "MOST_KEPT", 2)
    done, words = run(phosphene, model, raw, tmp_path / "out.csv")
    assert (done.status, done.json["n"], done.json["n_failed"], len(done.json["failed"])) == (1, 10, 5, 2)
    first = done.json["reasons"][0]
    assert (first["count"], first["example"]) == (4, str(raw / "new" / "normal" / "0broken0.csv"))
    assert "'oops' is not a number" in first["reason"]
    assert "5 failed:\n  4 times, such as " in words.out


def test_failures_are_held_in_bounded_memory():
    failures = Failures()
    for number in range(5000):
        failures.add([Failure(Item(f"{number}.csv"), f"{number}.csv: line {number} is wrong")])
    failures.add([Failure(Item("x.csv"), "x.csv: line 7 is wrong")] * 9)
    assert (failures.n, len(failures.first)) == (5009, predict_module.MOST_KEPT)
    assert len(failures.reasons) <= predict_module.MOST_KEPT + 1
    assert failures.reasons[0][:2] == ("other reasons", 4000)
    assert failures.reasons[1] == ("line 7 is wrong", 10, "7.csv")


def test_an_error_half_way_leaves_no_table(raw, model, small_parts, tmp_path, monkeypatch):
    calls = []

    def fail(self, predictions):
        calls.append(len(predictions))
        raise PhospheneError("the disk is full")

    monkeypatch.setattr(predict_module._Csv, "write", fail)
    with pytest.raises(PhospheneError):
        predict_module.predict(Classifier.load(model), [str(raw / "new")], out=tmp_path / "o.csv", workers=1)
    assert calls
    assert list(tmp_path.iterdir()) == []
