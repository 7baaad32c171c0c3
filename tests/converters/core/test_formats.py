"""Files of known formats that are not ours are named, with what to do, and never taken for bytes in silence."""

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from phosphene.converters import ReadError, read
from phosphene.converters.core.formats import hex_dump
from phosphene.converters.registry import recognise

PIXELS = Image.fromarray(np.random.default_rng(3).integers(0, 256, (30, 64), dtype="u1"))


def image(format_):
    file = io.BytesIO()
    PIXELS.convert("RGB").save(file, format_)
    return file.getvalue()


FOREIGN = {
    **{
        format_: (lambda f=format_: image(f), "image")
        for format_ in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")
    },
    "avif": (lambda: b"\0\0\0\x20ftypavif" + bytes(100), "AVIF"),
    "svg": (lambda: b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>\n', "SVG"),
    "dicom": (lambda: bytes(128) + b"DICM" + bytes(100), "DICOM"),
    "json": (lambda: json.dumps({"rate": 5, "values": [1, 2, 3]}).encode(), "JSON"),
    "json columns": (lambda: json.dumps({"t": list(range(60)), "x": list(range(60))}).encode(), "JSON"),
    "json array": (lambda: json.dumps([[1, 2], [3, 4]]).encode(), "JSON"),
    "json records": (lambda: json.dumps([{"a": 1, "b": 2}] * 20, indent=1).encode(), "JSON"),
    "pickle": (lambda: pickle.dumps({"a": [1.5] * 9}), "pickle"),
    "sqlite": (lambda: b"SQLite format 3\0" + bytes(200), "SQLite"),
    "netcdf": (lambda: b"CDF\x01" + bytes(200), "NetCDF"),
    "feather": (lambda: b"ARROW1\0\0" + bytes(200), "Feather"),
    "midi": (lambda: b"MThd\0\0\0\6\0\1\0\2" + bytes(100), "MIDI"),
    "avi": (lambda: b"RIFF\0\1\0\0AVI LIST" + bytes(100), "AVI"),
    "gzip of bytes": (lambda: gzip.compress(bytes(range(256)) * 9), "gzip"),
    "gzip of prose": (lambda: gzip.compress(b"It was a dark and stormy night.\n" * 9), "gzip"),
    "gzip of an image": (lambda: gzip.compress(image("PNG")), "PNG"),
}


@pytest.mark.parametrize("suffix", ["", ".bin", ".dat"])
@pytest.mark.parametrize("name", FOREIGN)
def test_a_known_format_that_is_not_ours_is_named(tmp_path, name, suffix):
    make, word = FOREIGN[name]
    path = tmp_path / f"file{suffix}"
    path.write_bytes(make())
    if suffix == ".bin" and name.startswith("json"):  # text is no sure sign against such a name
        assert recognise(path) == "binary"
        return
    with pytest.raises(ReadError) as caught:
        recognise(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert word in message
    assert "; " in message
    for kind in (None, "series", "audio"):
        with pytest.raises(ReadError, match=f"^{path}: "):
            read(path, kind)
    assert read(path, "binary").data.tobytes() == path.read_bytes()


@pytest.mark.parametrize("suffix", [".wav", ".csv", ".png"])
def test_content_names_an_image_whatever_it_is_called(tmp_path, suffix):
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(image("PNG"))
    for kind in (None, "audio", "series", "mouse"):
        with pytest.raises(ReadError, match="PNG image.*--kind binary"):
            read(path, kind)


@pytest.mark.parametrize("format_", ["PNG", "BMP", "PPM"])
def test_pixels_of_a_greyscale_image_are_bytes_where_these_are_asked_for(tmp_path, format_):
    path = tmp_path / "malware"
    PIXELS.save(path, format_)
    signal = read(path, "binary")
    assert signal.data.tobytes() == np.asarray(PIXELS).tobytes()
    assert "greyscale image" in signal.notes[0]
    assert read(f"{path}#bytes=64-127", "binary").data.tobytes() == np.asarray(PIXELS)[1].tobytes()
    with pytest.raises(ReadError, match="--kind binary"):
        read(path)
    path.write_bytes(path.read_bytes()[:90])
    assert read(path, "binary").data.tobytes() == path.read_bytes()


@pytest.mark.parametrize("name", ["a.csv.zip", "a.csv.bz2", "a.wav.xz", "a.npy.zip"])
def test_packed_files_are_to_be_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(archive())
    with pytest.raises(ReadError, match="packed as .*; unpack it"):
        read(tmp_path / name)


def archive():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("word/document.xml", "<w/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "PDF"),
        (archive(), "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "OLE"),
        (b"Rar!\x1a\x07\1\0" + bytes(99), "RAR"),
        (b"#!/bin/sh\necho hello\n", None),
        (b"import os\nprint(os.name)\n", None),
        (b"MZ" + bytes(500), None),
        (b"\x7fELF" + bytes(500), None),
        (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(99), None),
        (b"dex\n035\0" + bytes(99), None),
        (bytes(range(200, 256)) * 9, None),
        (b"<html><body>1 2 3</body></html>\n", None),
    ],
)
def test_programs_documents_and_what_nobody_knows_are_bytes(tmp_path, content, note):
    path = tmp_path / "file"
    path.write_bytes(content)
    signal = read(path)
    assert signal.kind == "binary"
    assert signal.data.tobytes() == content
    assert bool(signal.notes) is (note is not None)
    assert note is None or note in signal.notes[0]


DATA = bytes(32) + np.random.default_rng(3).bytes(4061)


def lines_of(data, form):
    return "".join(form(k, data[k : k + 16]) + "\n" for k in range(0, len(data), 16))


def text_of(chunk):
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in chunk)


def pairs(chunk):
    return " ".join(chunk[k : k + 2].hex() for k in range(0, len(chunk), 2))


DUMPS = {
    "disassembler": lambda data: lines_of(data, lambda k, c: f"{0x401000 + k:08X} {c.hex(' ').upper()}"),
    "64 bits": lambda data: lines_of(data, lambda k, c: f"{0x140001000 + k:016x}: {c.hex(' ')}"),
    "xxd": lambda data: lines_of(data, lambda k, c: f"{k:08x}: {pairs(c):<39}  {text_of(c)}"),
    "xxd -u": lambda data: lines_of(data, lambda k, c: f"{k:08X}: {pairs(c).upper():<39}  {text_of(c)}"),
    "hexdump -C": lambda data: (
        lines_of(data, lambda k, c: f"{k:08x}  {c[:8].hex(' '):<23}  {c[8:].hex(' '):<23}  |{text_of(c)}|")
        + f"{len(data):08x}\n"
    ),
    "od -A x -t x1": lambda data: lines_of(data, lambda k, c: f"{k:06x} {c.hex(' ')}") + f"{len(data):06x}\n",
    "tabs": lambda data: lines_of(data, lambda k, c: f"0x{k:04x}\t{c.hex(' ')}"),
}


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("suffix", [".bytes", ".txt", ".hex", ""])
@pytest.mark.parametrize("name", DUMPS)
def test_a_hex_dump_is_read_as_the_bytes_that_it_shows(tmp_path, name, suffix, ends):
    path = tmp_path / f"dump{suffix}"
    path.write_bytes(DUMPS[name](DATA).replace("\n", ends).encode())
    assert recognise(path) == "binary"
    signal = read(path)
    assert signal.data.tobytes() == DATA
    assert "hex dump" in signal.notes[0]
    assert str(len(DATA)) in signal.notes[0]
    assert read(f"{path}#bytes=16-31").data.tobytes() == DATA[16:32]


def test_bytes_that_are_not_known_are_zero_and_repeated_lines_are_filled(tmp_path):
    path = tmp_path / "a.bytes"
    path.write_text("00401000 56 8D 44 24\n00401004 ?? ?? 08 50\n00401008 ?? ?? ?? ??\n")
    signal = read(path)
    assert signal.data.tobytes() == bytes.fromhex("568D4424 00000850 00000000")
    assert "6 bytes" in signal.notes[1]
    path.write_text(
        "00000000  41 42 43 44 45 46 47 48  00 00 00 00 00 00 00 00  |ABCDEFGH........|\n"
        "00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n"
        "00000050  5a 5a                                             |ZZ|\n00000052\n"
    )
    assert read(path).data.tobytes() == b"ABCDEFGH" + bytes(72) + b"ZZ"


@pytest.mark.parametrize(
    "text",
    [
        "20240101 12 34 56\n20240102 13 35 57\n20240103 14 36 58\n",
        "1000 10 20\n1001 11 21\n1002 12 22\n",
        "0.5 10 20\n1.0 11 21\n",
        "time,x\n0,1\n1,2\n",
    ],
)
def test_tables_of_numbers_are_no_dumps(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert not hex_dump(text.encode())
    assert recognise(path) == "series"


LEFT = {
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "web page": b"<!DOCTYPE html>\n<html><body>404 not found</body></html>\n",
}


@pytest.mark.parametrize("what", LEFT)
@pytest.mark.parametrize("name", ["a.wav", "a.csv", "a.mp3", "a.npy", "a.jsonl", "a.parquet"])
@pytest.mark.parametrize("named", [False, True])
def test_what_stands_in_the_place_of_a_file_is_named(tmp_path, what, name, named):
    path = tmp_path / name
    path.write_bytes(LEFT[what])
    kind = (
        {"wav": "audio", "mp3": "audio", "jsonl": "mouse"}.get(path.suffix[1:], "series") if named else None
    )
    with pytest.raises(ReadError, match=f"{what}.*get the file itself"):
        read(path, kind)


def test_a_pointer_is_no_program_and_a_web_page_may_be_one(tmp_path):
    pointer, page = tmp_path / "a.exe", tmp_path / "a.html"
    pointer.write_bytes(LEFT["Git LFS"])
    page.write_bytes(LEFT["web page"])
    for kind in (None, "binary"):
        with pytest.raises(ReadError, match="git lfs pull"):
            read(pointer, kind)
    assert read(page).kind == "binary"


def test_raw_samples_without_a_header_are_no_program(tmp_path):
    path = tmp_path / "a.pcm"
    path.write_bytes(np.arange(4000, dtype="<i2").tobytes())
    with pytest.raises(ReadError, match="write them as WAV"):
        read(path)
    assert read(path, "binary").kind == "binary"


def as_intel(data):
    lines = []
    for at in range(0, len(data), 16):
        some = data[at : at + 16]
        record = bytes([len(some), at >> 8, at & 255, 0]) + some
        lines.append(":" + (record + bytes([-sum(record) & 255])).hex().upper())
    return "\n".join([*lines, ":00000001FF"])


def as_motorola(data):
    lines = ["S0030000FC"]
    for at in range(0, len(data), 16):
        some = data[at : at + 16]
        record = bytes([len(some) + 3, at >> 8, at & 255]) + some
        lines.append("S1" + (record + bytes([~sum(record) & 255])).hex().upper())
    return "\n".join([*lines, "S9030000FC"])


def sixteen_a_line(data, form):
    return "\n".join(form(data[at : at + 16]) for at in range(0, len(data), 16))


HEX = {
    "Intel HEX": as_intel,
    "S-records": as_motorola,
    "one line": lambda data: data.hex(),
    "xxd -p": lambda data: sixteen_a_line(data, bytes.hex),
    "pairs": lambda data: sixteen_a_line(data, lambda some: some.hex(" ")),
    "commas": lambda data: sixteen_a_line(
        data, lambda some: ", ".join(f"0x{byte:02x}" for byte in some) + ","
    ),
    "escapes": lambda data: sixteen_a_line(data, lambda some: "".join(f"\\x{byte:02x}" for byte in some)),
}


@pytest.mark.parametrize("form", HEX)
@pytest.mark.parametrize("name", ["a.hex", "a.txt", "a"])
def test_bytes_written_as_digits_are_bytes(tmp_path, form, name):
    data = np.random.default_rng(0).integers(0, 256, 500, np.uint8).tobytes()
    path = tmp_path / name
    path.write_text(HEX[form](data))
    found = read(path)
    assert found.kind == "binary"
    assert found.data.tobytes() == data
    assert "not its letters" in found.notes[0]


def test_numbers_are_no_digits_of_bytes(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(f"{k:02d} {k * 7 % 90:02d} 34" for k in range(90)))
    assert read(path).kind == "series"
