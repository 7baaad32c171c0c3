"""Images that are no squares, from raw files to predictions, explanations and images by the command line."""

import io
import json

import PIL.Image
import pytest
import soundfile

from phosphene.datasets.synthetic import plant


@pytest.fixture(scope="module")
def folder(tmp_path_factory, phosphene):
    """Sounds of two classes, which a tone burst tells apart, and a classifier of wide images of them."""
    folder = tmp_path_factory.mktemp("wide")
    for number, one in enumerate(plant("audio", 16, seed=1)):
        path = folder / "sounds" / one.label / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, one.signal.samples[0], 8000)
    return folder


@pytest.fixture(scope="module")
def trained(folder, phosphene):
    options = (
        "--as",
        "mel(size=96x192)",
        "--windows",
        "none",
        "--strategy",
        "probe",
        "--workers",
        "1",
        "--json",
    )
    return phosphene("train", folder / "sounds", "--out", folder / "model", *options)


def test_train_says_that_networks_are_shown_squares(folder, trained):
    assert trained.status == 0
    assert trained.json["why"] == (
        "named by the user; images of 96 x 192 pixels are brought to squares, which networks take"
    )
    view = json.loads((folder / "model" / "config.json").read_text())["views"][0]
    assert view["parameters"]["size"] == [96, 192]


def test_its_predictions_and_explanations_are_of_files_as_they_are(folder, trained, phosphene):
    planted = plant("audio", 2, seed=1)[1]
    file = folder / "sounds" / "planted" / "1.wav"
    done = phosphene("predict", folder / "model", file, "--workers", "1", "--json")
    assert (done.status, done.json["predictions"][0]["label"]) == (0, "planted")
    done = phosphene("explain", folder / "model", file, "--out", folder / "why.png", "--json")
    assert done.status == 0
    first = done.json["regions"][0]
    assert first["start_s"] < planted.stretch[1]
    assert first["stop_s"] > planted.stretch[0]
    assert (folder / "why.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("options", [("--as", "mel(size=32x80)"), ("--as", "mel", "--size", "32x80")])
def test_convert_writes_images_of_that_form(folder, tmp_path, options, phosphene):
    done = phosphene("convert", folder / "sounds", tmp_path, *options, "--workers", "1", "--json")
    assert (done.status, done.json["converted"]) == (0, 16)
    files = list(tmp_path.rglob("*.png"))
    assert len(files) == 16
    assert {PIL.Image.open(io.BytesIO(file.read_bytes())).size for file in files} == {
        (80, 32)
    }  # Pillow: width first


def test_a_converter_of_squares_says_so_in_one_line(folder, tmp_path, phosphene):
    done = phosphene(
        "convert",
        folder / "sounds" / "planted" / "1.wav",
        tmp_path,
        "--kind",
        "series",
        "--as",
        "gasf",
        "--size",
        "9x20",
    )
    assert done.status == 2
    assert done.err.strip().splitlines()[-1].endswith("<= 4096, the side of a square, got '9x20'")
