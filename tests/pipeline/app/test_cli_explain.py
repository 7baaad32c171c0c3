"""`phosphene explain`: regions in raw units, a picture, and one clear line for wrong use."""

import numpy as np
import pytest
import soundfile

from phosphene.datasets.synthetic import plant


@pytest.fixture(scope="module")
def folder(tmp_path_factory, phosphene):
    """Sounds of two classes, which a tone burst tells apart, and a classifier of them."""
    folder = tmp_path_factory.mktemp("planted")
    for number, one in enumerate(plant("audio", 24, seed=1)):
        path = folder / "sounds" / one.label / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, one.signal.samples[0], 8000)
    options = ("--as", "mel(size=96)", "--windows", "none", "--strategy", "probe", "--workers", "1")
    assert phosphene("train", folder / "sounds", "--out", folder / "model", *options).status == 0
    return folder


def test_regions_are_listed_and_drawn(folder, phosphene):
    planted = plant("audio", 2, seed=1)[1]
    file = folder / "sounds" / "planted" / "1.wav"
    done = phosphene("explain", folder / "model", file, "--out", folder / "why.png", "--json")
    assert done.status == 0
    assert done.json["label"] == "planted"
    first = done.json["regions"][0]
    assert first["start_s"] < planted.stretch[1]
    assert first["stop_s"] > planted.stretch[0]
    assert 0 <= first["low_hz"] < first["high_hz"] <= 4000
    low, high, top = (np.log(1 + hz / 700) for hz in (first["low_hz"], first["high_hz"], 4000))
    share = (
        (first["stop_s"] - first["start_s"]) / 2 * (high - low) / top
    )  # of the seconds and of the mel scale
    assert first["weight"] > 3 * share > 0
    assert done.json["probability_of_regions_alone"] > done.json["probability_without_regions"]
    assert 0 < done.json["sufficient_share"] <= 1
    assert done.json["queries"] > 20
    assert (folder / "why.png").read_bytes().startswith(b"\x89PNG")


def test_the_sound_of_the_regions_is_as_long_as_the_file(folder, phosphene):
    file = folder / "sounds" / "planted" / "1.wav"
    done = phosphene("explain", folder / "model", file, "--out", folder / "why.wav", "--most", "1")
    assert (done.status, soundfile.info(folder / "why.wav").frames) == (0, 16000)
    assert "planted" in done.out
    assert "Hz" in done.out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("{folder}/missing.wav",), "missing.wav"),
        (("{folder}/sounds/planted/1.wav", "--class", "bird"), "background, planted"),
        (("{folder}/sounds/planted/1.wav", "--out", "{folder}/why.jpg"), ".png or .wav"),
        (("{folder}/sounds",), "one item, got 24"),
    ],
)
def test_wrong_use_is_one_line(options, words, folder, phosphene):
    done = phosphene("explain", folder / "model", *(one.format(folder=folder) for one in options))
    assert done.status == 2
    assert words in done.err
    assert len(done.err.strip().splitlines()) <= 2  # what was found, and what is wrong
    assert not (folder / "why.jpg").exists()
