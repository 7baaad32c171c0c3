"""A classifier as an ONNX file: equal to the classifier, whole or not there."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from phosphene.converters import Audio, ParameterError, PhospheneError, Series
from phosphene.pipeline import Recipe, train
from phosphene.pipeline.export import onnx_file
from phosphene.pipeline.export.signals import values_of

pytestmark = pytest.mark.slow
RATE_HZ = 4000.0
RECIPES = {
    "probe": Recipe(
        views="gasf(size=48),mtf(size=100),line(size=64)", arch="lenet", weights=Path("random"), strategy="probe",
        workers=1,
    ),
    "networks": Recipe(
        views="gasf(size=64)+gadf(size=64)+patches(size=64)", arch="lenet", strategy="scratch", epochs=1,
        members=2, workers=1,
    ),
    "sound": Recipe(
        views="mel(size=64),mel(size=48x96)", arch="lenet", weights=Path("random"), strategy="probe",
        windows="t=0.5", workers=1,
    ),
}  # fmt: skip


def waves(count=24, samples=4000, seed=0):
    """Two classes, slow and fast, with gaps in some."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) * np.where(np.arange(count) % 2, 0.6, 0.15)[:, None]
    waves = np.sin(time + rng.uniform(0, 6, (count, 1))) + 0.3 * rng.standard_normal((count, samples))
    return (0.5 * waves).astype(np.float32)


def items(sort, seed):
    if sort == "sound":
        return [Audio(one, RATE_HZ) for one in waves(samples=2000, seed=seed)]
    values = waves(samples=80, seed=seed)
    values[0, 5:9] = np.nan
    return [Series(one) for one in values]


def trained(sort):
    signals = items(sort, 0)
    return train(signals, ["slow", "fast"] * 12, RECIPES[sort], valid="none", progress=False).classifier


@pytest.fixture(scope="module")
def probe():
    return trained("probe")


@pytest.fixture(scope="module", params=RECIPES)
def exported(request, tmp_path_factory):
    """A classifier, its file from images and the one from the signal, and items that neither has seen."""
    classifier, folder = trained(request.param), tmp_path_factory.mktemp("files")
    done = [classifier.export(folder / f"{inputs}.onnx", inputs=inputs) for inputs in ("images", "signal")]
    for one, most in zip(done, (1e-4, most_of(classifier)), strict=True):
        assert one.n == one.same_labels == 100
        assert one.max_difference <= most
    return classifier, *(one.path for one in done), items(request.param, 1)


def run(path, **inputs):
    return onnxruntime.InferenceSession(path).run(["proba"], inputs)[0]


def most_of(classifier):
    """The largest difference from the signal: an FFT rounds otherwise than another one."""
    return 1e-3 if classifier.kind == "audio" else 1e-4


def check_predicts(path, given, expected, most=1e-4):
    assert np.abs(run(path, **given) - expected).max() <= most
    # Any number of items at a time.
    assert run(path, **{name: array[:1] for name, array in given.items()}).shape == (1, 2)


def test_a_file_predicts_new_items_as_its_classifier_does(exported):
    classifier, images, signal, new = exported
    expected = np.array([list(one.probabilities.values()) for one in classifier.predict(new, workers=1)])
    drawn = [view.batch(new) for view in classifier.views]
    names = ["image"] if len(drawn) == 1 else [f"image{index}" for index in range(len(drawn))]
    check_predicts(images, dict(zip(names, drawn, strict=True)), expected)
    check_predicts(
        signal, {"signal": np.stack([values_of(one) for one in new])}, expected, most_of(classifier)
    )


def test_a_file_tells_about_itself(exported):
    classifier, images, path, _ = exported
    model = onnx.load(path)
    onnx.checker.check_model(model)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told["classes"]) == ["fast", "slow"]
    assert json.loads(told["views"]) == json.loads(json.dumps([view.config for view in classifier.views]))
    assert told["phosphene"] == classifier.config["phosphene"]
    assert told["kind"] == classifier.kind
    form = {"channels": 1, "samples": 80, "rate_hz": 0}
    if classifier.kind == "audio":
        form = {"channels": 1, "samples": 2000, "rate_hz": RATE_HZ}
    assert json.loads(told["signal"]) == form
    assert json.loads(told["windows"]) == (classifier.windows.config if classifier.windows else None)
    assert "signal" not in {entry.key for entry in onnx.load(images).metadata_props}


def test_a_file_that_predicts_otherwise_is_not_written(probe, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "MOST_DIFFERENCE", -1.0)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"what was there")
    with pytest.raises(PhospheneError, match=r"not written, of 100 items"):
        probe.export(path)
    assert path.read_bytes() == b"what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_int8_keeps_the_labels(probe, tmp_path):
    with pytest.raises(ParameterError, match="name some with check"):
        probe.export(tmp_path / "model.onnx", precision="int8")
    check = items("probe", 1)
    done = probe.export(tmp_path / "model.onnx", precision="int8", check=check)
    assert done.same_labels >= 0.98 * done.n == 0.98 * len(check)
    model = onnx.load(done.path)
    assert {node.op_type for node in model.graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    assert {entry.key: entry.value for entry in model.metadata_props}["precision"] == "int8"
    arrays = [onnx.numpy_helper.to_array(one) for one in model.graph.initializer]
    most = max(np.abs(one.astype(int)).max() for one in arrays if one.dtype == np.int8 and one.ndim == 4)
    assert 0 < most <= 64  # so that two products with 255 fit into 16 bits


def test_items_of_another_form_cannot_be_compared_by(probe, tmp_path):
    with pytest.raises(ParameterError, match="1 x 80 samples"):
        probe.export(tmp_path / "model.onnx", inputs="signal", check=[Series(np.arange(30.0))])
