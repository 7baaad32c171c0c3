"""What a classifier knows of its training items, and what it says of files that are unlike them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from phosphene.converters import Audio, Binary, Fragment, MouseTrace, Series
from phosphene.datasets import Item, Manifest, open_manifest
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.app.cli import main
from phosphene.pipeline.classifier import signature
from phosphene.pipeline.classifier.prepare import prepare
from phosphene.pipeline.classifier.signature import Facts, Signature, facts_of, item_facts, read_some

SINE = np.sin(np.arange(400) / 5)


@pytest.mark.parametrize(
    ("signal", "facts"),
    [
        (Audio(0.5 * SINE, 400), {"channels": 1, "rate_hz": 400.0, "length": 1.0, "cancelled": False}),
        (Audio(np.stack([SINE, -SINE]), 800), {"channels": 2, "length": 0.5, "cancelled": True}),
        (Audio(np.stack([SINE, SINE]), 800), {"cancelled": False}),
        (Audio(np.full(9, 0.25), 8), {"constant": True, "low": 0.25, "high": 0.25}),
        (
            Series([1.0, np.nan, 3.0], 0.1),
            {"channels": 1, "step_s": 0.1, "length": 3, "low": 1.0, "high": 3.0},
        ),
        (Series([[1.0, 1.0], [2.0, 2.0]]), {"channels": 2, "step_s": None, "constant": True}),
        (Series([[1.0, 1.0], [2.0, 2.5]]), {"constant": False}),
        (Series([7.0]), {"constant": True, "length": 1}),
        (
            MouseTrace([0, 1], [5, 9], [5, 5], [0, 2]),
            {"length": 2, "low": 5.0, "high": 9.0, "constant": False},
        ),
        (MouseTrace([0, 1], [5, 5], [4, 4], [0, 0]), {"constant": True}),
        (Binary(b"abc"), {"channels": None, "length": 3, "constant": False}),
        (Binary(bytes(9)), {"constant": True}),
    ],
)
def test_facts(signal, facts):
    found = facts_of(signal)
    assert {name: getattr(found, name) for name in facts} == facts


LEARNED = Signature(
    "audio",
    channels=(1,),
    rates_hz=(16000.0, 44100.0),
    steps_s=(0.01,),
    length=(1.0, 4.0),
    values=(-0.5, 0.5),
    least_range=0.2,
)
USUAL = {"channels": 1, "rate_hz": 16000.0, "step_s": 0.01, "length": 2.0, "low": -0.4, "high": 0.4}


@pytest.mark.parametrize(
    ("other", "notes"),
    [
        ({}, ()),
        ({"rate_hz": 44100.5, "step_s": 0.0105, "length": 0.6, "high": 0.9}, ()),
        ({"rate_hz": 8000.0}, ("at 8 kHz, it learned from 16 or 44.1 kHz",)),
        ({"step_s": 0.02}, ("of steps of 0.02 s, it learned from 0.01 s",)),
        ({"length": 0.4}, ("much shorter than the 1 to 4 s that it learned from",)),
        ({"length": 9.0}, ("much longer than the 1 to 4 s that it learned from",)),
        ({"high": 30.0}, ("far outside the values from -0.5 to 0.5 that it learned from",)),
        (
            {"low": -1e-3, "high": 1e-3},
            ("far weaker than what it learned from, whose values differ by 0.2 or more",),
        ),
        (
            {"low": 0.1, "high": 0.1, "constant": True},
            ("constant: nothing happens, unlike in what it learned from",),
        ),
        ({"cancelled": True}, ("in antiphase: the channels cancel, the loudest alone is drawn",)),
        ({"rate_hz": None, "step_s": None, "length": None, "low": None, "high": None}, ()),
    ],
)
def test_notes(other, notes):
    assert LEARNED.notes(Facts(**USUAL | other)) == notes


def test_it_is_the_same_after_json():
    again = Signature.from_config(json.loads(json.dumps(LEARNED.config | {"of a later version": 1})))
    assert again == LEARNED


def test_signals_that_stand_for_all_fit_in_memory(tmp_path, monkeypatch):
    items = []
    for number in range(40):
        soundfile.write(tmp_path / f"{number}.wav", np.full(1000, number / 100), 8000, subtype="FLOAT")
        items.append(Item(tmp_path / f"{number}.wav"))
    items.append(Item(tmp_path / "missing.wav"))
    assert len(read_some(items, "audio", seed=0)) == 40
    monkeypatch.setattr(signature, "MOST_BYTES", 40_000)
    some = [float(sound.samples[0, 0]) for sound in read_some(items, "audio", seed=0).values()]
    assert 4 <= len(some) <= 10
    assert min(some) < 0.1
    assert max(some) > 0.25
    monkeypatch.setattr(signature, "MOST_SIGNALS", 5)
    assert len(read_some(items, "audio", seed=0)) <= 5


def test_windows_of_an_item_are_joined(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.r_[np.zeros(8000), np.full(8000, 0.5)], 8000, subtype="FLOAT")
    windows = [Item(tmp_path / "a.wav", fragment=Fragment("t", t, t + 1.0)) for t in (0.0, 1.0)]
    facts = item_facts(windows, np.array([7, 7]), "audio", workers=1)
    assert list(facts) == [7]
    assert (facts[7].low, facts[7].high, facts[7].length, facts[7].constant) == (0.0, 0.5, 1.0, False)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A classifier of series of one channel, and files unlike what it learned from."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)

    def write(path, values, step_s=0.01):
        path.parent.mkdir(exist_ok=True)
        rows = (
            f"{k * step_s:.4f}," + ",".join(f"{v:.5f}" for v in np.atleast_1d(row))
            for k, row in enumerate(values)
        )
        width = np.atleast_1d(values[0]).size
        path.write_text("\n".join(["time," + ",".join("abc"[:width]), *rows]) + "\n")
        return path

    for k in range(8):
        for label, period in (("slow", 20), ("fast", 5)):
            wave = np.sin(np.arange(100) / period + rng.uniform(0, 6)) + 0.05 * rng.normal(size=100)
            write(folder / label / f"{k}.csv", wave)
    learned = train(
        folder, Recipe(views="gasf(size=64)", workers=1), valid="none", out=folder / "model", progress=False
    )
    wave = np.sin(np.arange(100) / 5)
    files = {
        "usual": write(folder / "new" / "usual.csv", wave),
        "steps": write(folder / "new" / "steps.csv", wave, step_s=0.05),
        "short": write(folder / "new" / "short.csv", wave[:20]),
        "large": write(folder / "new" / "large.csv", 500 * wave),
        "constant": write(folder / "new" / "constant.csv", np.full(100, 0.5)),
        "three": write(folder / "new" / "three.csv", np.stack([wave] * 3, axis=1)),
    }
    return learned.classifier, folder / "model", files


def test_the_signature_is_saved(tables):
    classifier, folder, _ = tables
    assert classifier.signature.channels == (1,)
    assert classifier.signature.steps_s == pytest.approx((0.01,))
    assert classifier.signature.length == (100, 100)
    assert Classifier.load(folder).signature == classifier.signature
    assert json.loads((folder / "config.json").read_text())["signature"]["kind"] == "series"


def test_what_is_unlike_is_told_and_other_channels_are_refused(tables):
    classifier, _, files = tables
    done = classifier.predict(list(files.values()), workers=1)
    notes = {answer.item.path.stem: " ".join(answer.notes) for answer in done}
    assert notes["usual"] == ""
    assert "0.05 s" in notes["steps"]
    assert "shorter" in notes["short"]
    assert "outside the values" in notes["large"]
    assert "nothing happens" in notes["constant"]
    (failure,) = done.failures
    assert failure.item.path == files["three"]
    assert failure.error.startswith(f"{files['three']}: 3 channels, it learned from 1; ")
    assert "train on" in failure.error
    assert len(done.notes) == 5  # those four, and that something is unlike all that was learned from
    assert any(line.startswith("1 of 6 files is of steps") for line in done.notes)


def test_the_command_tells_it(tables, capsys):
    _, folder, files = tables
    arguments = ["predict", str(folder), *map(str, files.values()), "--workers", "1"]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert "1 of 6 files is constant" in out
    assert main([*arguments, "--json"]) == 1
    told = {one["path"]: one["notes"] for one in json.loads(capsys.readouterr().out)["predictions"]}
    assert told[str(files["usual"])] == []
    assert "shorter" in told[str(files["short"])][0]


def test_a_folder_without_signature_predicts_as_before(tables, tmp_path):
    _, folder, files = tables
    for name in ("model.safetensors", "README.md"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    config = json.loads((folder / "config.json").read_text())
    del config["signature"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    done = Classifier.load(tmp_path).predict([files["steps"]], workers=1)
    assert [answer.notes for answer in done] == [()]


def _tones(folder, rate_hz, *, volume=0.3, channels=1):
    rng = np.random.default_rng(rate_hz)
    for k in range(12):
        for label, (low, high) in {"low": (700, 1000), "high": (1600, 2100)}.items():
            time_s = np.arange(int(1.5 * rate_hz)) / rate_hz
            wave = volume * np.sin(2 * np.pi * rng.uniform(low, high) * time_s + rng.uniform(0, 6))
            wave = wave + 0.002 * rng.normal(size=len(time_s))
            path = folder / f"{rate_hz}-{channels}" / label / f"{k}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.stack([wave] * channels, axis=1), rate_hz)
    return sorted((folder / f"{rate_hz}-{channels}").glob("*/*.wav"))


def _right(predictions):
    return np.mean([answer.label == answer.item.path.parent.name for answer in predictions])


@pytest.mark.slow
def test_another_rate_is_drawn_on_the_same_rows_and_told(tmp_path):
    (tmp_path / "learned").mkdir()
    _tones(tmp_path / "learned", 44100)
    classifier = train(
        tmp_path / "learned" / "44100-1", Recipe(workers=1), valid="none", progress=False
    ).classifier
    for rate_hz in (44100, 16000, 8000):
        done = classifier.predict(_tones(tmp_path, rate_hz), workers=1)
        assert (len(done), _right(done)) == (24, 1.0), rate_hz
        told = f"24 of 24 files are at {rate_hz / 1000:g} kHz, it learned from 44.1 kHz"
        unlike = "24 of 24 files are unlike anything it learned from"  # without the upper half of the band
        assert done.notes in ([()] if rate_hz == 44100 else [(told,), (told, unlike)])
    stereo = classifier.predict(_tones(tmp_path, 44100, channels=2), workers=1)
    assert _right(stereo) == 1.0
    assert "2 channels, it learned from 1" in stereo.notes[0]


@pytest.mark.slow
def test_sounds_that_differ_in_level_alone_are_told_apart(tmp_path, caplog):
    rng = np.random.default_rng(0)
    for k in range(40):
        for label, volume in (("loud", 0.1), ("faint", 0.03)):
            wave = volume * np.sin(2 * np.pi * rng.uniform(300, 3000) * np.arange(16000) / 16000)
            path = tmp_path / label / f"{k}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, wave + 0.01 * volume * rng.normal(size=16000), 16000, subtype="FLOAT")
    done = train(tmp_path, Recipe(workers=1), valid="0.5", progress=False)
    assert done.scores.accuracy >= 0.95
    assert [view.name for view in done.classifier.views] == ["mel", "mel", "mel"]
    assert "its classes differ in level" in caplog.text
    shuffled = [replace(item, label="ab"[k % 2]) for k, item in enumerate(open_manifest(tmp_path).items)]
    manifest = Manifest(tuple(shuffled), "audio").with_random_split(0.5, seed=0)
    table = prepare(manifest, Recipe(workers=1), manifest.splits(), progress=False)
    assert len(table.tiles.views) == 2
