"""Program files, or any bytes: drawn as grids, bigrams and text."""

import functools
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..core.errors import ParameterError, ReadError
from ..core.files import (
    DEFAULTS,
    MAPPED_FROM_BYTES,
    KindSpec,
    Note,
    Reader,
    ReadOptions,
    check_unpacked,
    kept,
    note_texts,
    read_head,
)
from ..core.formats import HexForm, hex_dump, hex_form, is_pointer, parse_dump_line, parse_hex, refuse_foreign
from ..core.signal import Fragment, Kind, Unit
from .signal import Binary

MAGICS = (
    b"\x7fELF", b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe", b"!<arch>\n", b"dex\n", b"\0asm", b"BC\xc0\xde",
)  # fmt: skip
DOS_HEADER_BYTES = 64
# Documents and archives: not programs, but what carries them.
_CARRIERS = (
    (b"%PDF-", "a PDF document"), (b"{\\rtf", "an RTF document"), (b"PK\x03\x04", "a zip archive or document"),
    (b"PK\x05\x06", "an empty zip archive"), (b"\xd0\xcf\x11\xe0", "an old Office document or other OLE file"),
    (b"Rar!\x1a\x07", "a RAR archive"), (b"7z\xbc\xaf\x27\x1c", "a 7z archive"), (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"), (b"\x28\xb5\x2f\xfd", "a zstd archive"), (b"\x1f\x8b\x08", "a gzip archive"),
    (b"MSCF\0\0\0\0", "a cabinet archive"),
)  # fmt: skip
_LONGEST_FILL = 1 << 26
_IMAGES, _MOST_PIXELS = (b"\x89PNG\r\n\x1a\n", b"BM", b"P5"), 1 << 28


class BinaryReader(Reader):
    """Reads any file as bytes; it is asked last, so that other kinds take what is theirs.

    Of a greyscale image (PNG, BMP, PGM) the pixels are the bytes, as in Malimg's images of programs. A hex dump (an
    address and bytes in each line, `??` where a byte is not known) is read as the bytes that it shows, unknown ones
    as 0. Of a document or an archive the bytes are read as they are, and that is noted.

    Examples
    --------
    >>> import sys
    >>> from pathlib import Path
    >>> BinaryReader().read(Path(sys.executable), Fragment("bytes", 0, 4)).describe()
    '4 bytes'
    """

    kind: ClassVar[Kind] = "binary"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        (
            ".a", ".bin", ".class", ".com", ".dex", ".dll", ".dylib", ".efi", ".elf", ".exe", ".ko", ".lib",
            ".o", ".obj", ".pyd", ".scr", ".so", ".sys", ".wasm", ".bytes",
        )
    )  # fmt: skip
    cut_by: ClassVar[Unit] = "bytes"
    heeds: ClassVar[frozenset[str]] = frozenset(("strict",))

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell whether the first bytes are those of a program, library, object or archive of them."""
        # Text may begin with MZ as well; the header behind it is never without zeros.
        return (
            head.startswith(MAGICS)
            or (head[:2] == b"MZ" and 0 in head[:DOS_HEADER_BYTES])
            or hex_dump(head)
            or hex_form(head) is not None
        )

    def read(self, path: Path, fragment: Fragment | None, options: ReadOptions = DEFAULTS) -> Binary:
        """Read a file, or `#bytes=FIRST-LAST` of it as far as it has them; a large file is mapped."""
        if fragment and fragment.unit != "bytes":
            raise ParameterError(f"{path}#{fragment}: a program file is cut by bytes; write #bytes=0-65535")
        decoded = _decoded(path)
        size = int(self.extent(path))
        start, stop, _ = (fragment.whole if fragment else slice(None)).indices(size)
        if start >= stop:
            raise ReadError(f"{path}: holds {size} bytes, none of #{fragment}; begin before its end")
        found = decoded[1] if decoded else _carrier(path)
        notes = note_texts(found, path=path, strict=options.strict)
        if decoded:
            return Binary(decoded[0][start:stop], start, notes=notes)
        return Binary(_bytes_of(path, start, stop), start, path, notes=notes)

    def extent(self, path: Path, options: ReadOptions = DEFAULTS) -> float:
        """Return the size in bytes; of a hex dump, of what it shows."""
        decoded = _decoded(path)
        return len(decoded[0]) if decoded else path.stat().st_size


def _carrier(path: Path) -> tuple[Note, ...]:
    head = read_head(path)[:16]
    found = next((name for magic, name in _CARRIERS if head.startswith(magic)), None)
    return (Note(f"{found}: its bytes are read as they are"),) if found else ()


def _decoded(path: Path) -> tuple[np.ndarray, tuple[Note, ...]] | None:
    """Return the bytes that a hex dump or a greyscale image shows; None for any other file."""
    head = read_head(path)
    if is_pointer(head):
        refuse_foreign(head, path)
    if head.startswith(_IMAGES):
        return kept(_pixels, path)
    if hex_dump(head):
        return kept(_parsed_dump, path)
    form = hex_form(head)
    return kept(_parsed_hex, path, form) if form else None


@functools.lru_cache(maxsize=2)
def _pixels(path: str, known: tuple[int, ...]) -> tuple[np.ndarray, tuple[Note, ...]] | None:
    """Return the pixels of a greyscale image of 8 bits, row by row."""
    del known
    from PIL import Image

    try:
        with Path(path).open("rb") as file, Image.open(file) as image:  # by its name it would be mapped
            if image.mode != "L" or image.width * image.height > _MOST_PIXELS:
                return None
            pixels = np.asarray(image, np.uint8).reshape(-1)
    except Exception:  # a damaged image is bytes like any other
        return None
    return pixels, (Note(f"a greyscale image: its {len(pixels)} pixels are read as bytes"),)


@functools.lru_cache(maxsize=2)  # a dump is read window after window
def _parsed_dump(path: str, known: tuple[int, ...]) -> tuple[np.ndarray, tuple[Note, ...]]:
    del known
    data, unknown, odd = bytearray(), 0, 0
    repeats, last, following = False, b"", None
    with Path(path).open("rb") as file:
        for text in file:
            if not text.strip():
                continue
            if text.strip() == b"*":  # hexdump: as the line before, up to the next address
                repeats = True
                continue
            line = parse_dump_line(text)
            if line is None:
                odd += not _is_end(text)
                continue
            if repeats and following is not None and last and 0 < line.address - following < _LONGEST_FILL:
                gap = line.address - following
                check_unpacked(Path(path), len(data) + gap)
                data += (last * (gap // len(last) + 1))[:gap]
            unknown += line.digits.count(b"??")
            last = bytes.fromhex(line.digits.replace(b"??", b"00").decode())
            data += last
            repeats, following = False, line.address + line.count
    notes = [Note(f"a hex dump: the {len(data)} bytes that it shows are read, not its letters")]
    if unknown:
        notes.append(Note(f"{unknown} bytes are not known (??) and read as 0"))
    if odd:
        notes.append(Note(f"{odd} lines that are no bytes are left out", loss=True))
    return np.frombuffer(bytes(data), np.uint8), tuple(notes)


@functools.lru_cache(maxsize=2)
def _parsed_hex(
    path: str, form: HexForm, known: tuple[int, ...]
) -> tuple[np.ndarray, tuple[Note, ...]] | None:
    del known
    data, odd = bytearray(), 0
    with Path(path).open("rb") as file:
        for line in file:
            if line.strip():
                try:
                    data += parse_hex(line, form)
                except (ValueError, IndexError):
                    odd += 1
    if not data:
        return None
    notes = [Note(f"bytes written as {form}: the {len(data)} bytes that it shows are read, not its letters")]
    if odd:
        notes.append(Note(f"{odd} lines that are no bytes are left out", loss=True))
    return np.frombuffer(bytes(data), np.uint8), tuple(notes)


def _is_end(text: bytes) -> bool:
    """Tell the last line of `hexdump`: the address behind the last byte, alone."""
    return text.strip().rstrip(b":").isalnum()


def _bytes_of(path: Path, start: int, stop: int) -> np.ndarray:
    if stop - start >= MAPPED_FROM_BYTES:
        return np.memmap(path, np.uint8, mode="r", offset=start, shape=(stop - start,))
    try:
        with path.open("rb") as file:
            file.seek(start)
            return np.frombuffer(file.read(stop - start), np.uint8)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}); check the disk") from error


KIND = KindSpec(Binary, BinaryReader(), views="grid(width_rule=nataraj),bigram,text,text(distance=2)")
