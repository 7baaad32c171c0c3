"""Files to signals: which reader takes a file, and what every file is checked for."""

import io
import os
import pickle
import sys
import time

import numpy as np
import pytest
import soundfile

from phosphene.converters import Fragment, ParameterError, ReadError, ReadOptions, Series, read
from phosphene.converters.core.files import content_digest
from phosphene.converters.registry import readers, recognise

CSV = "time,value\n" + "".join(f"{i / 10},{i % 7}\n" for i in range(50))
MOUSE = "time,x,y,event\n" + "".join(f"{i / 10},{i},{2 * i},move\n" for i in range(50))

KINDS = ("audio", "series", "mouse", "binary")


def wave(samples, rate_hz=8000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="WAV")
    return file.getvalue()


CONTENT = {
    "tone.wav": (wave(np.sin(np.arange(800) / 9)), "audio"),
    "tone.dat": (wave(np.sin(np.arange(800) / 9)), "audio"),
    "tone.csv": (wave(np.sin(np.arange(800) / 9)), "audio"),
    "values.csv": (CSV.encode(), "series"),
    "session.csv": (MOUSE.encode(), "mouse"),
    "tool.exe": (b"MZ" + bytes(500), "binary"),
    "anything": (os.urandom(100) + b"\0\xff", "binary"),
}


@pytest.mark.parametrize("name", CONTENT)
def test_content_decides_before_the_suffix(tmp_path, name):
    content, kind = CONTENT[name]
    (tmp_path / name).write_bytes(content)
    assert recognise(tmp_path / name) == kind
    assert read(tmp_path / name).kind == kind


@pytest.mark.parametrize("name", CONTENT)
def test_any_file_can_be_read_as_bytes(tmp_path, name):
    content, _ = CONTENT[name]
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path / name, kind="binary").data.tobytes() == content


def test_a_part_is_read_by_its_address(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(range(256)))
    signal = read(f"{tmp_path / 'x.bin'}#bytes=16-31", kind="binary")
    assert signal.data.tolist() == list(range(16, 32))
    assert signal.offset == 16


def files(folder):
    """A path that cannot be read for each reason, and what is said of it."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "dangling").symlink_to(folder / "gone")
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder / "loop")
    return {
        "gone.wav": "no such file; check the path",
        "dangling": "a link to nothing; check the path",
        "empty.wav": "empty; there is nothing to read",
        "pipe": "a pipe, which can be read only once; save it as a file first",
        "": "a folder, not a file; name a file in it",
        "x\0y": "no file has a zero byte in its name; check the path",
        "x" * 300: "cannot be opened (File name too long); check the path",
        "loop": "cannot be opened (Too many levels of symbolic links); check the path",
    }


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_messages_start_with_the_path_and_end_with_what_to_do(tmp_path, kind):
    for name, message in files(tmp_path).items():
        with pytest.raises(ReadError) as caught:
            read(tmp_path / name, kind)
        assert str(caught.value) == f"{tmp_path / name}: {message}"


def test_notes_are_carried_and_change_nothing_else(tmp_path):
    (tmp_path / "a.csv").write_text("sep=,\n" + CSV)
    noted, plain = read(tmp_path / "a.csv"), Series([1.0, 2.0], 0.5)
    assert len(noted.notes) == 1
    assert str(tmp_path) not in noted.notes[0]
    assert "sep" not in repr(noted)
    assert pickle.loads(pickle.dumps(noted)).notes == noted.notes
    assert plain.notes == ()
    assert Series([1.0, 2.0], 0.5, notes=("x",)).describe() == plain.describe()


def test_options_reach_the_reader_and_strict_refuses_a_loss(tmp_path):
    (tmp_path / "a.csv").write_text("sep=,\n" + CSV)
    assert read(tmp_path / "a.csv", options=ReadOptions(time="none")).values.shape == (2, 50)
    with pytest.raises(ReadError, match=r"a.csv: .*; correct the file, or read it without --strict"):
        read(tmp_path / "a.csv", options=ReadOptions(strict=True))


def test_no_kind(tmp_path):
    with pytest.raises(
        ParameterError, match="^kind must be one of audio, mouse, series, binary, got 'video'$"
    ):
        read(tmp_path / "x", kind="video")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_a_file_that_may_not_be_read(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    (tmp_path / "x").chmod(0)
    with pytest.raises(ReadError, match="x: may not be read; change its permissions$"):
        read(tmp_path / "x")


@pytest.mark.parametrize(
    "content", [b"\0", b"\n", b"RIFF", b"\xff" * 99, b"{}", b"time,x,y,event\n", b"a,b\n1\n"]
)
@pytest.mark.parametrize("suffix", [".wav", ".csv", ".npy", ".parquet", ".jsonl", ".ts", ".arff", ".bin", ""])
@pytest.mark.parametrize("kind", [None, *KINDS])
def test_nonsense_is_read_or_refused_in_one_line(tmp_path, content, suffix, kind):
    file = tmp_path / f"nonsense{suffix}"
    file.write_bytes(content)
    try:
        read(file, kind)
    except ReadError as error:
        assert str(error).startswith(f"{file}: ")
        assert "\n" not in str(error)


def opened(path, use):
    """Count how often a file is opened while it is used."""
    found, active = [], [True]

    def hook(event, arguments):
        if active and event == "open" and str(arguments[0]) == str(path):
            found.append(arguments)

    sys.addaudithook(hook)
    use()
    active.clear()
    return len(found)


@pytest.mark.parametrize(("rows", "most"), [(200, 1), (20_000, 3)])
def test_a_table_is_opened_once_to_recognise_list_hash_and_read_it(tmp_path, rows, most):
    path = tmp_path / "waves.csv"
    path.write_text("\n".join(str(k % 97 / 8) for k in range(rows)))
    time.sleep(0.15)  # of a file that was written just now nothing is kept

    def use():
        reader = readers()[recognise(path)]
        assert reader.labels(path) is None
        assert reader.extent(path) == rows
        content_digest(path)
        for start in range(0, 100, 20):
            reader.read(path, Fragment("samples", start, start + 20))

    assert opened(path, use) <= most


def test_a_table_that_changed_is_read_again(tmp_path):
    path = tmp_path / "waves.csv"
    for value in ("1.5", "2.5"):  # of one length, and quickly one after the other
        path.write_text("\n".join([value, "0.5", "0.25"]))
        assert read(path).values[0, 0] == float(value)
