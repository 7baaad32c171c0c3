"""The bytes of a text as UTF-8, whatever they are in the file: UTF-16 and gzip too."""

import codecs
import functools
import gzip
import os
import tempfile
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..core.errors import ReadError

BLANKS = " \t\n\r\v\f"  # what bytes.strip takes off, so that both count the same lines
_GZIP, _UTF16 = b"\x1f\x8b\x08", (b"\xff\xfe", b"\xfe\xff")
_UNPACKED_BYTES = 1 << 22
_LARGEST_UNPACKED = 1 << 33


@functools.lru_cache(maxsize=4)
def plain_head(head: bytes) -> bytes:
    """Return the first bytes of a text as UTF-8, also where the file is UTF-16 or in gzip; other bytes as they are."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(31).decompress(head, _UNPACKED_BYTES)
        except zlib.error:
            return head
    if head.startswith(_UTF16):
        text = head[: len(head) // 2 * 2].decode("utf-16", errors="ignore")
        # Two bytes are a weak signature: one line alone could be anything.
        return text.encode() if text.count("\n") > 1 else head
    return head


def is_packed(head: bytes) -> bool:
    """Tell whether the bytes of a file are not those of its text."""
    return head.startswith((_GZIP, *_UTF16))


class PlainText:
    """The bytes of a text as UTF-8 (or as they are), read in parts.

    What is in gzip or UTF-16 is unpacked into a file without a name, which goes with the object; `unpacked` is one that
    was written before.
    """

    def __init__(self, path: Path, unpacked: IO[bytes] | None = None) -> None:
        self.path = path
        self._unpacked = unpacked
        if unpacked:
            weakref.finalize(self, unpacked.close)
            return
        with path.open("rb") as file:
            head = file.read(4)
        if is_packed(head):
            self._unpacked = _unpacked(path)
            weakref.finalize(self, self._unpacked.close)

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Return `size` bytes from `offset` on, or all."""
        if self._unpacked is None:
            with self.path.open("rb") as file:
                file.seek(offset)
                return file.read(size)
        number = self._unpacked.fileno()
        size = os.fstat(number).st_size - offset if size < 0 else size
        if hasattr(os, "pread"):  # forked workers share the position of a file
            return os.pread(number, size, offset)
        self._unpacked.seek(offset)
        return self._unpacked.read(size)

    def open(self) -> IO[bytes]:
        """Return a file of all of it, to be read from the start."""
        if self._unpacked is None:
            return self.path.open("rb")
        file = os.fdopen(os.dup(self._unpacked.fileno()), "rb")
        file.seek(0)
        return file


def _unpacked(path: Path) -> IO[bytes]:
    """Return a file without a name that holds the text as UTF-8."""
    plain = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the table does)
    try:
        with path.open("rb") as raw:
            zipped = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as unzipped:
                _transcode(unzipped.read if zipped else raw.read, plain, path)
    except BaseException as error:
        plain.close()
        if isinstance(error, EOFError | zlib.error | OSError) and not isinstance(error, ReadError):
            raise ReadError(f"{path}: is damaged or cut short ({error}); get the whole file") from error
        raise
    plain.flush()
    return plain


def _transcode(read: Callable[[int], bytes], plain: IO[bytes], path: Path) -> None:
    decoder = None
    while data := read(1 << 20):
        if not plain.tell() and data.startswith(_UTF16):
            decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        plain.write(decoder.decode(data).encode() if decoder else data)
        if plain.tell() > _LARGEST_UNPACKED:
            raise ReadError(f"{path}: unpacks to more than 8 GiB; unpack it, and read parts of it")


def text_lines(data: bytes) -> list[str]:
    """Return the lines of a text, which end as those of bytes do: a form feed, say, ends none."""
    lines = decoded(data).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def decoded(data: bytes) -> str:
    """Return text from UTF-8, with or without a byte order mark, or else from Latin-1."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
