import os
import sys
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Binary, Fragment, ParameterError, ReadError, SignalError
from phosphene.converters.binary import BinaryReader
from phosphene.converters.binary import kind as reader

READER = BinaryReader()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "program.bin"
    path.write_bytes(bytes(range(100)))
    return path


def test_reads_all_bytes(file):
    signal = READER.read(file, None)
    assert signal.data.tobytes() == file.read_bytes()
    assert (signal.offset, signal.path) == (0, file)
    assert signal.describe() == "100 bytes"
    assert READER.extent(file) == 100


@pytest.mark.parametrize(
    ("start", "stop", "want"),
    [(0, 1, b"\0"), (10, 13, b"\n\x0b\x0c"), (98, 5000, b"bc"), (99, 100, b"c")],
)
def test_fragments(file, start, stop, want):
    signal = READER.read(file, Fragment("bytes", start, stop))
    assert signal.data.tobytes() == want
    assert signal.offset == start


def test_one_byte(tmp_path):
    path = tmp_path / "one"
    path.write_bytes(b"x")
    assert READER.read(path, None).describe() == "1 byte"


@pytest.mark.parametrize("fragment", [None, Fragment("bytes", 40, 90)])
def test_large_files_are_mapped(file, monkeypatch, fragment):
    read = READER.read(file, fragment).data
    monkeypatch.setattr(reader, "MAPPED_FROM_BYTES", 50)
    mapped = READER.read(file, fragment).data
    assert isinstance(mapped.base.base, np.memmap)
    assert not isinstance(read.base.base, np.memmap)
    np.testing.assert_array_equal(mapped, read)


def test_two_gigabytes_are_not_read(tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(2 << 30)
    assert READER.read(path, None).describe() == "2147483648 bytes"


def test_data_is_read_only(file):
    with pytest.raises(ValueError, match="read-only"):
        READER.read(file, None).data[0] = 1


def bad_file(tmp_path, sort):
    path = tmp_path / "bad"
    if sort == "empty":
        path.touch()
    elif sort == "folder":
        path.mkdir()
    elif sort == "link":
        path.symlink_to(tmp_path / "nothing")
    elif sort == "forbidden":
        path.write_bytes(b"x")
        path.chmod(0)
    return path


@pytest.mark.parametrize(
    ("sort", "words"),
    [
        ("missing", "no such file; check the path"),
        ("empty", "empty; there is nothing to read"),
        ("folder", "a folder, not a file; name a file in it"),
        ("link", "a link to nothing; check the path"),
        ("forbidden", "may not be read; change its permissions"),
    ],
)
def test_bad_files(tmp_path, sort, words):
    if sort == "forbidden" and (sys.platform == "win32" or os.geteuid() == 0):
        pytest.skip("nothing is forbidden to this user")
    path = bad_file(tmp_path, sort)
    with pytest.raises(ReadError) as caught:
        READER.read(path, None)
    assert str(caught.value) == f"{path}: {words}"


def test_fragment_past_the_end(file):
    with pytest.raises(ReadError) as caught:
        READER.read(file, Fragment("bytes", 100, 200))
    assert str(caught.value) == f"{file}: holds 100 bytes, none of #bytes=100-199; begin before its end"


@pytest.mark.parametrize("unit", ["t", "row", "events", "samples"])
def test_fragment_of_another_unit(file, unit):
    with pytest.raises(
        ParameterError, match=r"program\.bin#.*: a program file is cut by bytes; write #bytes="
    ):
        READER.read(file, Fragment(unit, 1, 2))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no devices here")
def test_endless_device():
    with pytest.raises(
        ReadError, match=r"^/dev/zero: a device, not a file; save what it gives as a file first$"
    ):
        READER.read(Path("/dev/zero"), None)


@pytest.mark.parametrize("data", [b"", [], [[1]], [1.5], ["a"]])
def test_what_is_no_binary(data):
    with pytest.raises(SignalError, match=r"^Binary\.data must be one or more bytes, got "):
        Binary(data)


@pytest.mark.parametrize(
    ("head", "sure"),
    [
        (b"\x7fELF\2\1\1\0", True),
        (b"MZ\x90\0\3\0\0\0", True),
        (b"\xcf\xfa\xed\xfe\7\0\0\1", True),
        (b"\xca\xfe\xba\xbe\0\0\0\2", True),
        (b"\0asm\1\0\0\0", True),
        (b"MZ,t\n1,2\n" * 20, False),
        (b"time,x,y\n", False),
        (b"\0\0\0\0", False),
    ],
)
def test_recognises(head, sure, tmp_path):
    assert READER.recognises(head, tmp_path / "file") is sure


def test_recognises_a_real_library(native):
    assert READER.recognises(native.read_bytes()[:65536], native)
