"""`phosphene export`: what it says when it cannot."""

import sys
from pathlib import Path

import numpy as np
import pytest

from phosphene.datasets import make_synthetic
from phosphene.pipeline import Recipe, train


def series(samples=80):
    return np.random.default_rng(0).standard_normal((12, samples)).cumsum(1)


def saved(src, y, views, folder, **how):
    recipe = Recipe(views=views, arch="lenet", weights=Path("random"), strategy="probe", workers=1)
    train(src, y, recipe, valid="none", out=folder, progress=False, **how)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return saved(series(), ["a", "b"] * 6, "scalogram(size=64)", tmp_path_factory.mktemp("model"))


@pytest.mark.slow
def test_a_view_that_has_no_form_as_a_graph_is_named(model, tmp_path, phosphene):
    done = phosphene("export", model, tmp_path / "model.onnx", "--from-signal")
    assert done.status == 2
    assert done.err.startswith("phosphene: scalogram(size=64) has no form as a graph")
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_signals_of_several_lengths_need_one(tmp_path, phosphene):
    signals = [*series()[:6], *series(90)[:6]]
    folder = saved(signals, ["a", "b"] * 6, "gasf(size=64)", tmp_path / "model")
    done = phosphene("export", folder, tmp_path / "model.onnx", "--from-signal")
    assert done.status == 2
    assert "lengths 80, 90; name --samples N" in done.err


def test_a_kind_that_is_no_samples_is_exported_from_images(tmp_path, phosphene):
    manifest = make_synthetic("mouse", tmp_path / "mouse", items_per_class=3)
    folder = saved(manifest, None, "trace(size=64)", tmp_path / "model")
    done = phosphene("export", folder, tmp_path / "model.onnx", "--from-signal")
    assert done.status == 2
    assert "got a classifier of mouse; export from images" in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["model.png"], ".onnx"),
        (["model.onnx", "--precision", "int8"], "--check"),
        (["model.onnx", "--check", "nowhere"], "nowhere"),
        (["model.onnx", "--samples", "90"], "--from-signal"),
        (["model.onnx", "--from-signal", "--rate", "8000"], "got 8000.0 for series"),
    ],
)
def test_wrong_use_is_said_in_one_line(model, arguments, said, tmp_path, phosphene, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = phosphene("export", model, *arguments)
    assert done.status == 2
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(model, tmp_path, phosphene, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    done = phosphene("export", model, tmp_path / "model.onnx")
    assert done.status == 2
    assert "pip install 'phosphene[onnx]'" in done.err


@pytest.mark.slow
def test_a_file_is_written_and_compared(model, tmp_path, phosphene):
    done = phosphene("export", model, tmp_path / "model.onnx", "--json")
    assert done.status == 0
    assert done.json["path"] == str(tmp_path / "model.onnx")
    assert done.json["max_difference"] <= 1e-4
    assert done.json["n"] == done.json["same_labels"] == 100
    assert (tmp_path / "model.onnx").stat().st_size > 10_000
