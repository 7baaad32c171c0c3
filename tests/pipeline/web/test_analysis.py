"""What is computed of one file: its parts, and one line for a file that is bad."""

import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.tiles.process_pool import ProcessPool
from phosphene.pipeline.web.analysis import Task, analyse, make_analyser


@pytest.fixture(scope="module")
def classifier(planted):
    return Classifier.load(planted / "model")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "shown"
    folder.mkdir()
    return folder


def png(path):
    return path.read_bytes().startswith(b"\x89PNG")


def test_a_prediction_with_its_images(classifier, planted, folder):
    file = planted / "sounds" / "planted" / "1.wav"
    found = analyse(classifier, Task("predict", str(file), folder))
    assert (found["kind"], found["label"]) == ("audio", "planted")
    assert found["probabilities"] == classifier.predict(file)[0].probabilities
    assert len(found["nearest"]) == 3
    assert all(png(folder / name) for name in ("signal.png", *(name for name, _ in found["images"])))
    assert soundfile.info(folder / "sound.wav").duration == soundfile.info(file).duration


def test_an_explanation_with_spans_that_can_be_played(classifier, planted, folder):
    found = analyse(classifier, Task("explain", str(planted / "sounds" / "planted" / "1.wav"), folder))
    start_s, stop_s = found["regions"][0]["span_s"]
    assert 0 <= start_s < stop_s <= 2
    assert png(folder / "explanation.png")


def test_the_gallery_has_every_other_converter(classifier, planted, folder):
    from phosphene.converters import converters

    found = analyse(classifier, Task("gallery", str(planted / "sounds" / "planted" / "1.wav"), folder))
    assert [name for _, name in found["images"]] == [c.name for c in converters("audio") if c.name != "mel"]
    assert all(png(folder / name) for name, _ in found["images"])
    assert found["failed"] == []


def test_nothing_is_kept_in_the_cache_of_the_user(classifier, planted, folder):
    cache = Path(os.environ["PHOSPHENE_CACHE"])
    before = sorted(cache.rglob("*"))
    file = folder / "new.wav"
    soundfile.write(file, np.random.default_rng(0).normal(0, 0.1, 16000), 8000)
    assert "error" not in analyse(classifier, Task("predict", str(file), folder))
    assert sorted(cache.rglob("*")) == before
    assert not (folder / "cache").exists()
    assert os.environ["PHOSPHENE_CACHE"] == str(cache)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.txt", b"This is no recording.\n" * 9, "this classifier takes audio"),
        ("empty.wav", b"", "empty"),
        ("cut.wav", b"RIFF\x10\0\0\0WAVEfmt ", "cut.wav"),
        ("missing.wav", None, "no such file"),
    ],
)
def test_a_bad_file_is_one_line_without_our_folders(name, content, words, classifier, folder, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    error = analyse(classifier, Task("predict", str(tmp_path / name), folder))["error"]
    assert words in error
    assert name in error
    assert str(tmp_path) not in error
    assert len(error.splitlines()) == 1


def test_long_sound_is_played_in_part_and_at_a_rate_that_browsers_know(classifier, folder, monkeypatch):
    monkeypatch.setattr("phosphene.pipeline.web.analysis.MOST_SHOWN_S", 2.0)
    soundfile.write(folder / "long.wav", np.random.default_rng(0).normal(0, 0.1, 4 * 4000), 4000)
    found = analyse(classifier, Task("predict", str(folder / "long.wav"), folder))
    assert any("first 2 of 4 s" in note for note in found["notes"])
    info = soundfile.info(folder / "sound.wav")
    assert (info.samplerate, round(info.duration, 2)) == (8000, 2.0)


@pytest.mark.slow
def test_memory_is_limited(planted, folder):
    soundfile.write(folder / "long.wav", np.zeros(150_000_000, np.float32), 48_000, subtype="PCM_U8")
    pool = ProcessPool(partial(make_analyser, planted / "model", 500 * 2**20), workers=1, limit_s=120)
    try:
        good = pool.run(Task("predict", str(planted / "sounds" / "planted" / "1.wav"), folder))
        assert good["label"] == "planted"
        bad = pool.run(Task("predict", str(folder / "long.wav"), folder))
        assert "memory" in str(bad).lower() or "died" in str(bad)
        again = pool.run(Task("predict", str(planted / "sounds" / "planted" / "1.wav"), folder))
        assert again["label"] == "planted"
    finally:
        pool.close()
