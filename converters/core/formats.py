"""Known formats that hold no raw data of ours: each is named, with what to do, and never taken for bytes in silence."""

import functools
import itertools
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import ReadError

_IMAGE = "give the raw data behind it, or take it as bytes with --kind binary"
_DATA = "write its values as CSV, NPY or Parquet"
_VIDEO = "take its sound out as WAV"
_NOTES = "it holds notes and no sound; render it as WAV"
_UNPACK = "unpack it, and give the file inside"


@dataclass(frozen=True)
class Foreign:
    """A known format: what it is called, and what to do with such a file."""

    name: str
    remedy: str


# (offset, bytes) pairs that must all be there.
_FORMS: tuple[tuple[tuple[tuple[int, bytes], ...], str, str], ...] = (
    (((0, b"\x89PNG\r\n\x1a\n"),), "a PNG image", _IMAGE),
    (((0, b"\xff\xd8\xff"),), "a JPEG image", _IMAGE),
    (((0, b"GIF87a"),), "a GIF image", _IMAGE),
    (((0, b"GIF89a"),), "a GIF image", _IMAGE),
    (((0, b"RIFF"), (8, b"WEBP")), "a WebP image", _IMAGE),
    (((0, b"II*\0"),), "a TIFF image", _IMAGE),
    (((0, b"MM\0*"),), "a TIFF image", _IMAGE),
    (((0, b"II+\0"),), "a TIFF image", _IMAGE),
    (((0, b"\0\0\0\x0cjP  "),), "a JPEG 2000 image", _IMAGE),
    (((0, b"\0\0\0\x0cJXL "),), "a JPEG XL image", _IMAGE),
    (((0, b"8BPS\0"),), "a Photoshop image", _IMAGE),
    (((0, b"v/1\x01"),), "an OpenEXR image", _IMAGE),
    *((((4, b"ftyp" + brand),), "a HEIF or AVIF image", _IMAGE) for brand in (
        b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")),
    (((128, b"DICM"),), "a DICOM image", _IMAGE),
    (((0, b"SIMPLE  ="),), "a FITS file", _DATA),
    (((0, b"ARROW1\0\0"),), "an Arrow or Feather file", "write it as Parquet (DataFrame.to_parquet)"),
    (((0, b"ORC"), (3, b"\x0a")), "an ORC file", _DATA),
    (((0, b"Obj\x01"),), "an Avro file", _DATA),
    (((0, b"CDF\x01"),), "a NetCDF file", _DATA),
    (((0, b"CDF\x02"),), "a NetCDF file", _DATA),
    (((0, b"CDF\x05"),), "a NetCDF file", _DATA),
    (((0, b"SQLite format 3\0"),), "an SQLite database", _DATA),
    (((0, b"TDSm"),), "a TDMS file of LabVIEW", _DATA),
    (((0, b"$FL2"),), "an SPSS file", _DATA),
    (((0, b"<stata_dta>"),), "a Stata file", _DATA),
    (((0, b"RDX2\n"),), "an R data file", _DATA),
    (((0, b"RDX3\n"),), "an R data file", _DATA),
    (((344, b"n+1\0"),), "a NIfTI image", _IMAGE),
    (((344, b"ni1\0"),), "a NIfTI image", _IMAGE),
    (((0, b"MThd\0\0\0\x06"),), "a MIDI file", _NOTES),
    (((0, b"RIFF"), (8, b"AVI ")), "an AVI video", _VIDEO),
    (((0, b"FLV\x01"),), "an FLV video", _VIDEO),
    (((0, b"\0\0\x01\xba"),), "an MPEG video", _VIDEO),
    (((0, b"\0\0\x01\xb3"),), "an MPEG video", _VIDEO),
)  # fmt: skip
_PACKED = frozenset((".zip", ".bz2", ".xz", ".zst", ".7z", ".rar", ".lz4"))
_INSIDE = frozenset(
    (".csv", ".tsv", ".txt", ".json", ".jsonl", ".npy", ".wav", ".mp3", ".flac", ".ts", ".arff", ".mat")
)
_BY_SUFFIX = {
    ".pkl": Foreign("a pickle, which is never loaded", _DATA),
    ".pickle": Foreign("a pickle, which is never loaded", _DATA),
    ".xls": Foreign("a workbook of old Excel", "save it as .xlsx or CSV"),
    ".numbers": Foreign("a Numbers workbook", "save it as .xlsx or CSV"),
    ".ods": Foreign("an OpenDocument workbook", "save it as .xlsx or CSV"),
    ".sav": Foreign("an SPSS file", _DATA),
    ".rds": Foreign("an R data file", _DATA),
    ".rdata": Foreign("an R data file", _DATA),
    ".c3d": Foreign("a C3D file", _DATA),
    ".pcm": Foreign(
        "raw samples without a header", "write them as WAV with their rate, or take bytes with --kind binary"
    ),
    ".svg": Foreign("an SVG image", _IMAGE),
    ".bmp": Foreign("a BMP image", _IMAGE),
    ".ico": Foreign("an icon", _IMAGE),
}
_POINTER = Foreign("a pointer that Git LFS left in its place", "get the file itself: git lfs pull")
_PAGE = Foreign("a web page, perhaps what a failed download left", "get the file itself")
_PAGES = frozenset(
    ("", ".html", ".htm", ".xhtml", ".shtml", ".mht", ".php", ".asp", ".jsp", ".hta", ".xml", ".bin")
)
# `*+`, `++` and `(?>` never try again what they took: without them some bytes take for ever.
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html[\s>])", re.IGNORECASE)
_PICKLE = re.compile(rb"\x80[\x02-\x05](?:\x95.{8}[\x8c\x94}\](c]|[}\](c])", re.DOTALL)
_SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:(?><!--.*?-->)\s*|<!DOCTYPE svg[^>]*>\s*)*+<svg[\s>]",
    re.DOTALL,
)
_NETPBM = re.compile(rb"P[1-7]\s+(?:#[^\n]*+\s+)*+\d+\s+\d+\s")


def foreign_format(head: bytes, path: Path) -> Foreign | None:
    r"""Tell a known format that no reader takes by the first bytes of a file, and by its suffix where they say nothing.

    Examples
    --------
    >>> foreign_format(b"\x89PNG\r\n\x1a\n", Path("figure")).name
    'a PNG image'
    """
    if head.startswith(b"\x1f\x8b\x08"):
        return _gzipped(head)
    if path.suffix.lower() in _PACKED and Path(path.stem).suffix.lower() in _INSIDE:
        return Foreign(f"{Path(path.stem).suffix} packed as {path.suffix}", _UNPACK)
    known = (
        Foreign(name, remedy)
        for form, name, remedy in _FORMS
        if all(head.startswith(t, at) for at, t in form)
    )
    return (
        next(known, None)
        or _in_its_place(head, path)
        or _by_structure(head, path)
        or _BY_SUFFIX.get(path.suffix.lower())
    )


def _by_structure(head: bytes, path: Path) -> Foreign | None:
    """Tell formats whose signature is more than a few bytes."""
    if (
        head.startswith(b"BM")
        and head[6:10] == b"\0\0\0\0"
        and len(head) > 26
        and head[14] in (12, 40, 108, 124)
    ):
        return Foreign("a BMP image", _IMAGE)
    if _NETPBM.match(head[:400]):
        return Foreign("a Netpbm image", _IMAGE)
    if _PICKLE.match(head[:16]):
        return _BY_SUFFIX[".pkl"]
    if _SVG.match(head[:2000]):
        return _BY_SUFFIX[".svg"]
    if _is_json(head, path):
        return Foreign(
            "JSON", "write its values as a CSV table; a mouse session needs time, x and y in each event"
        )
    return None


def _in_its_place(head: bytes, path: Path) -> Foreign | None:
    """Tell what stands where a file should be that somebody did not get."""
    if is_pointer(head):
        return _POINTER
    return _PAGE if _HTML.match(head[:400]) and path.suffix.lower() not in _PAGES else None


def is_pointer(head: bytes) -> bool:
    """Tell the few lines that Git LFS leaves where it did not get a file."""
    return head.startswith(b"version https://git-lfs.github.com/spec/")


def _gzipped(head: bytes) -> Foreign:
    try:
        inside = zlib.decompressobj(31).decompress(head, 4096)
    except zlib.error:
        return Foreign("a damaged gzip file", "get the whole file")
    found = foreign_format(inside, Path()) if not inside.startswith(b"\x1f\x8b") else None
    return Foreign("gzip of " + (found.name if found else "something that is no table of numbers"), _UNPACK)


def _is_json(head: bytes, path: Path) -> bool:
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"\0" in head or not start.startswith((b"{", b"[")) or path.suffix.lower() == ".bin":
        return False  # the name says that its bytes are meant
    named = path.suffix.lower() in (".json", ".jsonl", ".ndjson", ".geojson", ".ipynb")
    return named or bool(re.match(rb'(?:\[\s*)?\{\s*"[^"\n]{0,200}"\s*:|\[\s*[-\d\["]', start[:400]))


def refuse_foreign(head: bytes, path: Path) -> None:
    """Refuse a file of a known format that is not ours.

    Raises
    ------
    ReadError
        It is one; the message says which, and what to do.
    """
    if found := foreign_format(head, path):
        raise ReadError(f"{path}: {found.name}; {found.remedy}")


# Dumps: bytes that are written as text.

_DUMP_LINE = re.compile(
    rb"\s*(?:0x)?([0-9A-Fa-f]{4,16}):?[ \t]+"  # the address
    rb"((?:(?:[0-9A-Fa-f]{2}|\?\?)++[ \t]{0,2}){1,32}?)"  # bytes, one by one or in groups
    rb"(?:[ \t]*\|.*\||[ \t]{2,}[ -~]*)?[ \t]*"  # the same as letters
)


@dataclass(frozen=True)
class DumpLine:
    """One line of a hex dump: the address, and the digits of the bytes."""

    address: int
    digits: bytes

    @property
    def count(self) -> int:
        """Bytes on the line."""
        return len(self.digits) // 2


def parse_dump_line(line: bytes) -> DumpLine | None:
    """Split a line of a hex dump, as `xxd`, `hexdump -C` and disassemblers write it; None for any other line.

    Examples
    --------
    >>> parse_dump_line(b"00401000 56 8D ?? 24")
    DumpLine(address=4198400, digits=b'568D??24')
    >>> parse_dump_line(b"00000000: 4d5a 9000  MZ..").count
    4
    """
    found = _DUMP_LINE.fullmatch(line.rstrip(b"\r\n"))
    if not found:
        return None
    digits = b"".join(found[2].split())
    return DumpLine(int(found[1], 16), digits) if len(digits) % 2 == 0 else None


HexForm = Literal["Intel HEX", "S-records", "hex digits"]
_INTEL = re.compile(rb":[0-9A-Fa-f]{10,}")
_MOTOROLA = re.compile(rb"S[0-9][0-9A-Fa-f]{6,}")
_DIGITS = re.compile(rb"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ \t,;:]{0,3})+")
_LEAST_DIGITS = 64


@functools.lru_cache(maxsize=4)
def hex_form(head: bytes) -> HexForm | None:
    r"""Tell bytes that are written as digits without a dump's addresses: images for microcontrollers, plain hex.

    Examples
    --------
    >>> hex_form(b":10010000214601360121470136007EFE09D2190140\n:00000001FF\n"), hex_form(b"4d5a90001020")
    ('Intel HEX', None)
    """
    if b"\0" in head[:4096]:
        return None
    lines = [line.strip() for line in head[:16384].splitlines()[:60] if line.strip()]
    lines = lines[:-1] if len(head) > 16384 and len(lines) > 1 else lines
    forms: tuple[tuple[HexForm, re.Pattern[bytes]], ...] = (
        ("Intel HEX", _INTEL), ("S-records", _MOTOROLA), ("hex digits", _DIGITS),
    )  # fmt: skip
    found = next((name for name, form in forms if lines and all(map(form.fullmatch, lines))), None)
    if found != "hex digits":
        return found
    digits = b"".join(_pairs(line) for line in lines)
    # Digits alone, or words of a few letters, are rather numbers or text.
    lettered = len(re.findall(rb"[A-Fa-f]", digits)) * 8 > len(digits) and re.search(rb"[0-9]", digits)
    return found if lettered and len(digits) >= _LEAST_DIGITS else None


def _pairs(line: bytes) -> bytes:
    return re.sub(rb"0x|\\x|[ \t,;:]", b"", line)


def parse_hex(line: bytes, form: HexForm) -> bytes:
    """Return the bytes that a line of a form shows; none for a line without data.

    Raises
    ------
    ValueError
        The line is cut, or none of this form.

    Examples
    --------
    >>> parse_hex(b":0300300002337A1E", "Intel HEX").hex(), parse_hex(b"S1050000AABB95", "S-records").hex()
    ('02337a', 'aabb')
    """
    line = line.strip()
    if form == "hex digits":
        return bytes.fromhex(_pairs(line).decode())
    if form == "Intel HEX":
        record = bytes.fromhex(line[1:].decode())
        data = record[4:-1] if record[3] == 0 else b""
        if record[0] != len(record) - 5:
            raise ValueError("a record that is cut")
        return data
    record, address = bytes.fromhex(line[2:].decode()), {b"1": 2, b"2": 3, b"3": 4}.get(line[1:2], 0)
    if record[0] != len(record) - 1:
        raise ValueError("a record that is cut")
    return record[1 + address : -1] if address else b""


@functools.lru_cache(maxsize=4)
def hex_dump(head: bytes) -> bool:
    r"""Tell whether a text is a hex dump: each address is the one before and the bytes on that line.

    Examples
    --------
    >>> hex_dump(b"00401000 56 8D\n00401002 24 ??\n"), hex_dump(b"20240101 12 34\n20240102 12 35\n")
    (True, False)
    """
    if b"\0" in head[:4096]:
        return False
    lines = [line.strip() for line in head[:16384].splitlines()[:60] if line.strip()]
    if len(head) > 16384:
        lines = lines[:-1]
    rows = [parse_dump_line(line) for line in lines]
    known = [row for row in rows if row]
    # hexdump writes `*` for lines like the one before, and ends with an address alone.
    others = sum(
        row is None and line != b"*" and not line.isalnum() for row, line in zip(rows, lines, strict=True)
    )
    if len(known) < 2 or 10 * others > len(known):
        return False
    pairs = [(a, b) for a, b in itertools.pairwise(rows) if a and b]
    follows = sum(b.address - a.address == a.count for a, b in pairs)
    return bool(pairs) and 5 * follows >= 4 * len(pairs)
