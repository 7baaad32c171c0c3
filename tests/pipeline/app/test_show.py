"""One file through every stage: what `phosphene show` says and draws; and the gallery of what every converter draws."""

import json
import re

import numpy as np
import PIL.Image
import pytest

from phosphene.converters import converters
from phosphene.converters.core.converter import rules
from phosphene.datasets import make_synthetic
from phosphene.pipeline.app.cli import main
from phosphene.pipeline.app.show import choices, write_gallery

SIGNALS = {
    "audio": "2.000 s of mono sound at 16000 Hz",
    "series": "samples of 2 channels",
    "mouse": "events in",
    "binary": "bytes",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One raw file of each kind."""
    folder = tmp_path_factory.mktemp("show")
    return {kind: make_synthetic(kind, folder / kind, items_per_class=1).items[0].path for kind in SIGNALS}


@pytest.mark.parametrize("kind", SIGNALS)
def test_without_names_every_converter_that_fits(phosphene, files, kind, tmp_path):
    done = phosphene("show", files[kind], "--out", tmp_path / "sheet.png", "--json")
    assert (done.status, done.err) == (0, "")
    assert {"kind", "signal", "images"} <= set(done.json)
    assert done.json["kind"] == kind
    assert SIGNALS[kind] in done.json["signal"]
    assert [image["name"] for image in done.json["images"]] == [c.name for c in converters(kind)]
    for image in done.json["images"]:
        assert (image["width"], image["height"]) == (224, 224)
        assert image["covers"]
    with PIL.Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width >= 300 * min(4, len(done.json["images"]))


def test_in_words(phosphene, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = phosphene("show", files["audio"], "--as", "mel(n_mels=40)")
    assert done.out.splitlines() == [
        f"file    {files['audio']}",
        "kind    audio",
        "signal  2.000 s of mono sound at 16000 Hz",
        done.out.splitlines()[3],
        "picture 000.wav.show.png",
    ]
    assert done.out.splitlines()[3].startswith("image   mel(n_mels=40): 224 x 224, mean ")
    assert " of 255, shows time 0 to 2 s; frequency " in done.out
    assert (tmp_path / "000.wav.show.png").exists()


def test_several_views_in_the_order_named(phosphene, files, tmp_path):
    options = ("--as", "stft", "--as", "mel+mel(mel_scale=htk)+stft", "--out", tmp_path / "two.png")
    images = phosphene("show", files["audio"], *options, "--json").json["images"]
    assert [image["spec"] for image in images] == ["stft", "mel+mel(mel_scale=htk)+stft"]
    assert [image["channels"] for image in images] == [1, 3]


def test_a_view_of_another_kind_reads_the_file_as_that(phosphene, files, tmp_path):
    done = phosphene("show", files["audio"], "--as", "grid", "--out", tmp_path / "grid.png", "--json")
    assert (done.json["kind"], done.json["signal"]) == ("binary", "64044 bytes")


def test_a_part_of_a_file(phosphene, files, tmp_path):
    done = phosphene(
        "show", f"{files['audio']}#t=0.5,1", "--as", "mel", "--out", tmp_path / "part.png", "--json"
    )
    assert done.json["signal"] == "0.500 s of mono sound at 16000 Hz"
    assert done.json["path"].endswith("000.wav#t=0.5,1")


def test_of_an_archive_the_first_item(phosphene, tmp_path):
    archive = tmp_path / "New_TRAIN.tsv"
    archive.write_text("".join(f"{label}\t" + "\t".join(map(str, range(20))) + "\n" for label in (1, 2)))
    done = phosphene("show", archive, "--out", tmp_path / "row.png", "--json")
    assert done.json["path"] == f"{archive}#row=0"
    assert phosphene("show", f"{archive}#row=1", "--out", tmp_path / "row.png", "--json").status == 0
    assert phosphene("show", f"{archive}#row=2", "--out", tmp_path / "row.png", "--json").status == 2


def test_a_converter_that_fails_is_status_1_and_the_others_are_drawn(phosphene, tmp_path):
    flat = tmp_path / "short.npy"
    np.save(flat, np.arange(3.0))
    views = ("--as", "gasf", "--as", "recurrence(dimension=3,delay=5)")
    done = phosphene("show", flat, *views, "--out", tmp_path / "sheet.png", "--json")
    drawn, failed = done.json["images"]
    assert done.status == 1
    assert "error" not in drawn
    assert "error" in failed
    assert (tmp_path / "sheet.png").exists()
    words = phosphene("show", flat, *views, "--out", tmp_path / "sheet.png").out
    assert f"recurrence(dimension=3,delay=5): {failed['error']}" in words


def test_where_nothing_can_be_drawn_there_is_no_picture(phosphene, tmp_path):
    flat = tmp_path / "short.npy"
    np.save(flat, np.arange(3.0))
    done = phosphene("show", flat, "--as", "recurrence(dimension=9)", "--out", tmp_path / "no.png", "--json")
    assert (done.status, done.json["picture"]) == (1, None)
    assert not (tmp_path / "no.png").exists()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("esc10/audio/1-100032-A.ogg", "audio"),
        ("ucr/Coffee/Coffee_TRAIN.tsv", "series"),
        ("balabit/test_files/user12/*", "mouse"),
        ("binaries/files/pe/*/*.pyd", "binary"),
    ],
)
def test_real_files(data, phosphene, tmp_path, pattern, kind):
    file = next(data.glob(pattern))
    done = phosphene("show", file, "--out", tmp_path / "sheet.png", "--json")
    assert (done.status, done.json["kind"]) == (0, kind)


def test_a_signal_is_changed_at_random_before_it_is_drawn(phosphene, files, tmp_path):
    def shown(*options):
        done = phosphene(
            "show", files["audio"], "--as", "mel", "--out", tmp_path / "s.png", "--json", *options
        )
        assert (done.status, done.err) == (0, "")
        return done.json["augment"], done.json["images"][0]["mean"]

    plain, one = shown(), shown("--augment", "time_mask(most=0.9)", "--seed", 1)
    assert plain[0] is None
    assert one[0] == "time_mask(most=0.9)"
    assert one[1] < plain[1]
    assert shown("--augment", "time_mask(most=0.9)", "--seed", 1) == one
    assert shown("--augment", "time_mask(most=0.9)", "--seed", 2) != one
    wrong = phosphene("show", files["audio"], "--augment", "jitter")
    assert wrong.status == 2
    assert "no augmentation of audio signals is called 'jitter'; there are frequency_mask, gain" in wrong.err


def test_choices_differ_in_one_parameter():
    for owner in converters():
        base, *others = choices(owner)
        assert base == owner()
        for view in others:
            differing = [name for name in rules(owner) if getattr(view, name) != getattr(base, name)]
            assert len(differing) == 1, view.spec
        assert len({view.spec for view in others}) == len(others)


@pytest.mark.parametrize("kind", ["binary", "mouse"])
def test_every_converter_of_a_kind_is_shown(kind, tmp_path):
    pictures = write_gallery(tmp_path, kind=kind)
    page = (tmp_path / "README.md").read_text()
    for owner in converters(kind):
        assert f"### {owner.name}" in page
    shown = re.findall(r"\]\(([^)]+)\)", page)
    assert [tmp_path / name for name in shown] == list(pictures)
    for picture in pictures:
        assert np.asarray(PIL.Image.open(picture).convert("L")).std() > 10


def test_the_command_names_the_pictures(tmp_path, capsys):
    assert main(["list", "--kind", "binary", "--gallery", str(tmp_path / "out"), "--json"]) == 0
    named = json.loads(capsys.readouterr().out)["gallery"]
    assert str(tmp_path / "out" / "binary.png") in named
    assert main(["list", "--data", str(tmp_path)]) == 2
    assert "add --gallery OUT" in capsys.readouterr().err


@pytest.mark.slow
def test_real_files_are_shown_where_there_are_some(data, tmp_path):
    write_gallery(tmp_path, data=data)
    assert (tmp_path / "audio.png").exists()
