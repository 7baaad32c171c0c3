"""`phosphene convert` on what people really have: good files, broken files, and more of both tomorrow."""

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest

from phosphene.converters import default_views
from phosphene.datasets import make_synthetic

SERIES_PICTURES = 3 * len(default_views("series"))  # of the three good series
PROGRAM = "import sys; from phosphene.pipeline.app.cli import main; sys.exit(main())"
BROKEN_ROW = "".join(f"1\t{value:.1f}\t2.0\t3.0\t4.0\t5.0\n" for value in range(5)).replace("3.0", "three", 1)
MOUSE_ROW = '{"time": 0.0, "x": 1, "y": 2, "event": "move"}\n'

# What is wrong with a file: its name, its bytes, and words of the message.
BROKEN = {
    "text.wav": (b"this is no sound, whatever its name says\n", "no sound that can be decoded"),
    "empty.wav": (b"", "empty; there is nothing to read"),
    "empty.csv": (b"", "empty; there is nothing to read"),
    "words.csv": (b"time,a\n0,1\n1,oops\n2,3\n", "line 3, column 2: 'oops' is not a number"),
    "Broken_TRAIN.tsv": (BROKEN_ROW.encode(), "line 1, column 4: 'three' is not a number"),
    "mouse.jsonl": (f'{MOUSE_ROW * 3}{{"time": 1.0, "x":\n'.encode(), "line 4 is no JSON"),
}


@pytest.fixture
def raw(tmp_path):
    """Ten good files of four kinds, and ten broken ones among them."""
    folder = tmp_path / "raw"
    make_synthetic("audio", folder / "audio", items_per_class=1)
    make_synthetic("series", folder / "series", items_per_class=1)
    make_synthetic("mouse", folder / "mouse", items_per_class=1)
    make_synthetic("binary", folder / "binary", items_per_class=1)
    for name, (content, _) in BROKEN.items():
        (folder / "audio" / name).write_bytes(content)
    sound = (folder / "audio" / "bird" / "000.wav").read_bytes()
    (folder / "bare.wav").write_bytes(sound[:44])
    (folder / "head.wav").write_bytes(sound[:30])
    (folder / "link.wav").symlink_to("nowhere.wav")
    np.save(folder / "cut.npy", np.zeros((2, 50)))
    (folder / "cut.npy").write_bytes((folder / "cut.npy").read_bytes()[:150])
    return folder


MESSAGES = {
    **{f"audio/{name}": words for name, (_, words) in BROKEN.items()},
    "bare.wav": "promises 64000 bytes",
    "head.wav": "no sound that can be decoded",
    "link.wav": "a link to nothing; check the path",
    "cut.npy": "cut short",
}


def test_broken_files_are_named_and_the_good_ones_converted(phosphene, raw, tmp_path):
    out = tmp_path / "out"
    done = phosphene("convert", raw, out, "--json")
    assert done.status == 1
    assert set(done.json) == {"converted", "reused", "failed", "seconds", "summary", "notes"}
    assert done.json["reused"] == 0
    assert {failure["path"] for failure in done.json["failed"]} == {str(raw / name) for name in MESSAGES}
    for failure in done.json["failed"]:
        name = os.path.relpath(failure["path"], raw)
        assert failure["error"].startswith(failure["path"])
        assert MESSAGES[name] in failure["error"], name
    pictures = sorted(out.rglob("*.png"))
    assert len(pictures) == done.json["converted"]
    assert {picture.name.removesuffix(".png") for picture in pictures} == {"000.wav", "000.csv", "000.bin"}
    for picture in pictures:
        with PIL.Image.open(picture) as image:
            assert image.size in ((112, 112), (160, 160), (224, 224))  # views of series are small by default


def test_a_second_run_draws_nothing_again_and_names_the_same_files(phosphene, raw, tmp_path):
    first = phosphene("convert", raw, tmp_path / "out", "--json").json
    second = phosphene("convert", raw, tmp_path / "out", "--json")
    assert second.status == 1
    assert (second.json["converted"], second.json["reused"]) == (0, first["converted"])
    assert second.json["failed"] == first["failed"]


def test_people_read_paths_and_reasons_in_a_table(phosphene, raw, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "72")
    monkeypatch.chdir(raw.parent)
    done = phosphene("convert", "raw", "out")
    assert done.status == 1
    assert "images converted, 0 there already, 10 failed, in " in done.out
    assert max(map(len, done.out.splitlines())) <= 72
    table = " ".join(done.out.split())
    for name, words in MESSAGES.items():
        assert f"raw/{name} " in table
        assert words in table
        assert done.out.count(f"raw/{name}") == 1  # not in the reason again


def test_good_files_alone_are_all_done(phosphene, raw, tmp_path):
    done = phosphene("convert", raw / "binary", tmp_path / "out", "--as", "grid", "--size", "32")
    pdf = f"{raw / 'binary' / 'document' / '000.bin'}: a PDF document: its bytes are read as they are"
    assert (done.status, done.err) == (0, f"binary: 2 files, 2 classes: document 1, program 1\n{pdf}\n")
    assert "2 images converted, 0 there already, 0 failed, in " in done.out
    with PIL.Image.open(tmp_path / "out" / "program" / "000.bin.png") as image:
        assert image.size == (32, 32)


def test_size_without_a_view_is_that_of_every_kind(phosphene, raw, tmp_path):
    done = phosphene("convert", raw, tmp_path / "out", "--size", "32", "--json")
    assert done.status == 1
    pictures = sorted((tmp_path / "out").rglob("*.png"))
    assert len(pictures) == done.json["converted"] == 22 + SERIES_PICTURES
    assert {PIL.Image.open(io.BytesIO(picture.read_bytes())).size for picture in pictures} == {(32, 32)}


def test_a_name_that_several_kinds_have_is_drawn_of_the_files_of_each(phosphene, raw, tmp_path):
    done = phosphene("convert", raw, tmp_path / "out", "--as", "scalogram", "--size", "32", "--json")
    assert done.json["converted"] == 6  # three sounds, three series
    reasons = {item["path"].split("/")[-3]: item["error"] for item in done.json["failed"]}
    for kind in ("mouse", "binary"):
        assert f"a {kind} file; what is to be drawn is of audio, series" in reasons[kind]


def test_a_kind_named_is_the_kind_of_every_file(phosphene, raw, tmp_path):
    done = phosphene(
        "convert", raw / "audio", tmp_path / "out", "--kind", "binary", "--as", "bigram", "--json"
    )
    assert done.json["converted"] == 3 + len(BROKEN) - 2
    assert [failure["path"][-9:] for failure in done.json["failed"]] == ["empty.csv", "empty.wav"]


def test_a_single_file_and_a_protocol_are_sources_too(phosphene, raw, tmp_path):
    file = raw / "audio" / "bird" / "000.wav"
    assert phosphene("convert", file, tmp_path / "one", "--as", "mel+mel(mel_scale=htk)+stft").status == 0
    with PIL.Image.open(tmp_path / "one" / "000.wav.png") as image:
        assert image.mode == "RGB"
    done = phosphene(
        "convert", "synthetic/mouse", tmp_path / "two", "--data", tmp_path, "--as", "dwell", "--json"
    )
    assert done.json["converted"] == 40


@pytest.mark.parametrize("form", ["parquet", "webdataset"])
def test_packed_forms(phosphene, raw, tmp_path, form):
    done = phosphene("convert", raw / "series", tmp_path / "out", "--to", form, "--json")
    assert (done.status, done.json["converted"]) == (0, SERIES_PICTURES)
    assert any((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_leaves_no_halves(tmp_path):
    make_synthetic("audio", tmp_path / "raw", items_per_class=60)
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        "convert",
        str(tmp_path / "raw"),
        str(out),
        "--as",
        "mel(size=1024)",
        "--json",
    ]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while running.poll() is None and not list(out.rglob("*.png")):
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGINT)
    words, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert (
        errors.splitlines()[-1] == "phosphene: interrupted; what was finished is kept, run it again to go on"
    )
    assert "Traceback" not in errors
    assert "interrupted" in json.loads(words)["error"]
    assert not list(out.rglob("*.part"))
    done = len(list(out.rglob("*.png")))
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (json.loads(again.stdout)["converted"], json.loads(again.stdout)["reused"]) == (180 - done, done)
