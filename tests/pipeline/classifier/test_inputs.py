"""What people hold in their hands: paths, signals, arrays, tensors, data frames."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import phosphene as ph
from phosphene.converters import ParameterError, PhospheneError, SignalError
from phosphene.datasets.leaks import find_leaks
from phosphene.datasets.manifest import Item, Manifest
from phosphene.datasets.splits import Split
from phosphene.datasets.windows import Windows
from phosphene.pipeline.classifier.inputs import ArrayForm, input_items, input_manifest
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

T = np.linspace(0, 1, 64)
RECIPE = ph.Recipe(views="gasf", strategy="probe", workers=1)


def waves(n, seed=0):
    """Slow and fast waves by turns, and their labels."""
    rng = np.random.default_rng(seed)
    x = [
        np.sin((3 + 9 * (k % 2)) * 2 * np.pi * (T + rng.uniform())) + rng.normal(0, 0.1, 64) for k in range(n)
    ]
    return np.array(x), np.array(["slow", "fast"])[np.arange(n) % 2]


@pytest.fixture(scope="module")
def learned():
    return ph.train(*waves(20), RECIPE, progress=False).classifier


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("waves")
    paths = []
    for k, wave in enumerate(waves(4, seed=1)[0]):
        paths.append(folder / f"{k}.csv")
        np.savetxt(paths[-1], wave)
    return paths


FORM = ArrayForm(kind="series", step_s=0.1)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (np.zeros(9), ["array"]),
        ([0.0, 1.0, 2.0], ["array"]),
        (np.zeros((2, 9)), ["array[0]", "array[1]"]),
        (np.zeros((2, 1, 9)), ["array[0]", "array[1]"]),
        (torch.zeros(2, 9), ["array[0]", "array[1]"]),
        ([np.zeros(9), np.zeros(5)], ["array[0]", "array[1]"]),
        (([0.0, 1.0], [1.0, 2.0, 3.0]), ["array[0]", "array[1]"]),
        (ph.Series([1.0, 2.0]), ["signal"]),
        ((ph.Series([1.0, 2.0]) for _ in range(2)), ["signal[0]", "signal[1]"]),
        ("nothing.csv", ["nothing.csv"]),
        (Path("a.csv#row=3"), ["a.csv#row=3"]),
        (pd.DataFrame(np.zeros((2, 9))), ["array[0]", "array[1]"]),
    ],
)
def test_what_is_taken(given, names):
    items = input_items(given, FORM)
    assert [str(item) for item in items] == names
    assert all(item.signal is None or item.signal.kind == "series" for item in items)


def test_channels_decide_what_a_table_of_numbers_is():
    two = ArrayForm(kind="series", channels=(2,))
    (item,) = input_items(np.zeros((2, 9)), two)
    assert item.signal.values.shape == (2, 9)
    with pytest.raises(ParameterError, match=r"2 channels.*\(3, 9\)"):
        input_items(np.zeros((3, 9)), two)


@pytest.mark.parametrize("given", [None, 3, {"a": 1}, b"abc", object(), [None], [{"a": 1}]])
def test_what_is_not_taken_is_told_in_one_line(given):
    with pytest.raises(ParameterError, match="taken are a path") as told:
        input_items(given, FORM)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "form", "match"),
    [
        (np.zeros(9), ArrayForm(kind="audio"), "rate_hz=44100"),
        (np.zeros(9), ArrayForm(kind="mouse"), "mouse signals are no plain arrays"),
        (np.zeros(9, complex), FORM, "complex128"),
        (np.full(9, np.inf), FORM, "infinity"),
        (np.zeros((2, 2, 2, 2)), FORM, r"\(2, 2, 2, 2\)"),
        (ph.Audio([0.0, 1.0], 8), FORM, "audio, not series"),
    ],
)
def test_arrays_that_mean_nothing_are_refused(given, form, match):
    with pytest.raises((ParameterError, SignalError), match=match):
        input_items(given, form)


def test_a_rate_and_a_step_are_one_too_many():
    with pytest.raises(ParameterError, match="not both"):
        ArrayForm(kind="series", rate_hz=1, step_s=1)


def test_integer_samples_of_sound_are_scaled_as_in_a_wav_file():
    form = ArrayForm(kind="audio", rate_hz=8000)
    (item,) = input_items(np.array([0, 16384, -32768], np.int16), form)
    assert item.signal.samples.tolist() == [[0.0, 0.5, -1.0]]
    (item,) = input_items(np.array([128, 255, 0], np.uint8), form)
    assert item.signal.samples[0, [0, 2]].tolist() == [0.0, -1.0]


def test_a_manifest_of_arrays_and_labels():
    manifest = input_manifest(np.zeros((4, 2, 9)), np.array([0, 1, 0, 1]), rate_hz=10)
    assert (manifest.kind, manifest.classes, len(manifest)) == ("series", ("0", "1"), 4)
    assert manifest.items[0].signal.values.shape == (2, 9)
    assert manifest.items[0].signal.step_s == 0.1
    with pytest.raises(ParameterError, match="each of 4 items, got 3"):
        input_manifest(np.zeros((4, 9)), [0, 1, 0])
    with pytest.raises(PhospheneError, match="numbers to predict"):
        input_manifest(np.zeros((30, 9)), np.random.default_rng(0).normal(size=30))


def test_a_missing_file_of_a_data_frame_fails_by_name_and_the_rest_goes_on(files):
    frame = pd.DataFrame({"file": [*files, "gone.csv"], "species": ["a", "b", "a", "b", "a"]})
    manifest = input_manifest(frame)
    assert (len(manifest), manifest.kind) == (5, "series")
    done = ph.train(frame, ph.Recipe(views="gasf(size=32)", workers=1), valid="none", progress=False)
    assert [failure.item.path.name for failure in done.failures] == ["gone.csv"]
    assert "no such file" in done.failures[0].error
    predicted = done.classifier.predict(frame[["file"]], workers=1)
    assert (len(predicted), len(predicted.failures)) == (4, 1)


def test_a_manifest_of_a_data_frame_of_paths(files):
    frame = pd.DataFrame({"file": files, "species": ["a", "b", "a", "b"], "site": [1, 1, 2, 2]})
    manifest = input_manifest(frame)
    assert manifest.summary().startswith("series: 4 files, 2 classes from column 'species'")
    assert [item.group for item in manifest.items] == ["1", "1", "2", "2"]
    other = input_manifest(frame[["file"]], ["x", "y", "y", "x"])
    assert [item.label for item in other.items] == ["x", "y", "y", "x"]


def test_one_item_and_an_unsorted_thing_are_not_to_be_learned_from():
    for wrong in (np.zeros(9), ph.Series([1.0, 2.0]), 3):
        with pytest.raises(ParameterError):
            input_manifest(wrong, [1])


def test_predictions_of_arrays_and_of_their_files_agree(learned, files):
    x, _ = waves(4, seed=1)
    by_array = learned.predict(x.astype(np.float32), workers=1)
    signals = [ph.Series(wave) for wave in x]
    for other in (
        files,
        map(str, files),
        files[0].parent,
        signals,
        torch.tensor(x),
        pd.DataFrame({"path": files}),
    ):
        predictions = learned.predict(other, workers=1)
        assert [one.label for one in predictions] == [one.label for one in by_array]
    assert [one.label for one in by_array] == ["slow", "fast", "slow", "fast"]
    assert str(by_array[1].item) == "array[1]"
    assert learned.predict(x[1], workers=1)[0].label == "fast"


def test_predictions_are_a_table(learned):
    predictions = learned.predict(waves(4)[0], workers=1)
    frame = predictions.to_frame()
    nearest = ["nearest_1", "nearest_2", "nearest_3"]
    assert list(frame.columns) == ["path", "label", "proba_fast", "proba_slow", "novelty", *nearest]
    assert len(predictions) == len(frame) == 4
    assert "\n" not in repr(predictions)
    assert "<table" in predictions._repr_html_()


@pytest.mark.slow
def test_cross_validation_of_arrays_is_a_table_too():
    found = ph.cross_validate(*waves(20), RECIPE, progress=False)
    assert found.accuracy >= 0.8
    assert list(found.to_frame()["fold"]) == ["1", "2", "3", "4", "5"]
    assert "\n" not in repr(found)


def test_labels_and_recipe_may_not_stand_in_one_anothers_place():
    with pytest.raises(ParameterError, match="second recipe"):
        ph.train(waves(4)[0], RECIPE, RECIPE)


def test_signals_are_cut_into_windows_and_drawn(tmp_path):
    series = ph.Series(np.arange(100.0))
    (whole,) = input_items(series, FORM)
    manifest = Manifest((whole,), "series")
    parts = Windows("samples", 50)
    from phosphene.datasets.windows import cut

    windows, source = cut(manifest.items, parts, "series")
    assert [str(item) for item in windows] == ["signal#samples=0-49", "signal#samples=50-99"]
    assert source.tolist() == [0, 0]
    tiles = render(windows, "gasf", store=TileStore(tmp_path), workers=1, progress=False)
    direct = ph.make("gasf")(ph.Series(np.arange(50.0, 100.0))).pixels
    assert not tiles.failures
    assert (tiles.tile(1) == direct).all()


def test_signals_travel_to_other_processes(tmp_path):
    x = np.random.default_rng(0).normal(size=(70, 32))
    items = input_items(x, FORM)
    tiles = render(items, "gasf", store=TileStore(tmp_path), workers=2, progress=False)
    assert (tiles.converted, tiles.failures) == (70, ())
    again = render(input_items(x, FORM), "gasf", store=TileStore(tmp_path), workers=1, progress=False)
    assert (again.converted, again.reused) == (0, 70)


def test_equal_signals_on_both_sides_are_copies():
    items = tuple(
        Item(Path(f"array[{k}]"), "ab"[k % 2], signal=ph.Series([1.0, 2.0, float(k // 2)])) for k in range(4)
    )
    split = Split("1", np.array([0, 2]), np.array([1, 3]))
    leaks = find_leaks(Manifest(items, "series"), [split])
    assert [leak.sort for leak in leaks if leak.sort != "split"] == ["copy"]


@pytest.mark.parametrize(
    ("signal", "fragment", "left"),
    [(ph.Audio(np.zeros(80), 8), ph_fragment, extent) for ph_fragment, extent in (("t=2,4", 2.0),)]
    + [
        (ph.Series(np.zeros(80)), "samples=10-19", 10),
        (ph.MouseTrace(np.arange(9), np.arange(9), np.arange(9), np.zeros(9, int)), "events=2-4", 3),
        (ph.Binary(bytes(range(100))), "bytes=90-120", 10),
    ],
)
def test_parts_of_signals(signal, fragment, left):
    from phosphene.converters.core.signal import parse_fragment

    assert signal.part(parse_fragment(fragment)).extent == left
    with pytest.raises(SignalError):
        signal.part(parse_fragment("row=1"))
