"""Where computed things live: files found by what they were computed from, so they are never stale.

What a file holds is up to a codec: a tile is a PNG, a record of numbers an NPZ, a fold result arrays and JSON. Nothing
is ever unpickled. A file is written whole or not at all, and a broken one counts as missing.

PNG files carry their key. Pillow, which reads them, tries five filters on every row and deflates by zlib; one filter
for all rows, the difference to the row above, and ISA-L write files that are no larger several times as fast.
"""

import errno
import hashlib
import io
import os
import re
import struct
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
from isal import isal_zlib

from phosphene.converters import Fragment, PhospheneError
from phosphene.converters.core.facts import cache_folder
from phosphene.converters.core.files import atomic_write

KEY_NAME = "phosphene-key"
HEAD_BYTES = 256
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_KEY = re.compile(
    re.escape(_SIGNATURE) + rb".{4}IHDR.{17}.{4}tEXt" + KEY_NAME.encode() + rb"\0(\w{1,128}).{8}IDAT",
    re.DOTALL | re.ASCII,
)
_COLOR_TYPES = {1: 0, 3: 2}  # grey, and red, green and blue
_UP = 2  # the filter that takes the row above away


class PngCodec:
    """Pixels, uint8 (height, width, 1 or 3), as a PNG that carries its key: letters and digits.

    Examples
    --------
    >>> pixels = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    >>> bool((PngCodec().decode(PngCodec().encode(pixels, "ab12")) == pixels).all())
    True
    """

    suffix = ".png"

    def encode(self, value: np.ndarray, key: str) -> bytes:
        """Return the bytes of a PNG."""
        height, width, channels = value.shape
        header = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
        note = f"{KEY_NAME}\0{key}".encode("latin-1")
        chunks = (_chunk(b"IHDR", header), _chunk(b"tEXt", note), _chunk(b"IDAT", _deflated(value)))
        return b"".join((_SIGNATURE, *chunks, _END))

    def decode(self, data: bytes) -> np.ndarray:
        """Return the pixels, uint8 (height, width, channels); ValueError where it is broken."""
        import PIL.Image

        if not data.endswith(_END):
            raise ValueError("cut short")
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            pixels = np.array(image)
        if pixels.dtype != np.uint8:
            raise ValueError(f"not 8 bits a channel but {pixels.dtype}")
        return pixels[:, :, None] if pixels.ndim == 2 else pixels


def key_of(path: Path) -> str | None:
    """Return the key of a PNG file that begins and ends as one of ours, whatever its pixels; None for any other."""
    try:
        with path.open("rb", buffering=0) as file:
            found = _KEY.match(file.read(HEAD_BYTES))
            file.seek(-len(_END), os.SEEK_END)
            return found[1].decode() if found and file.read(len(_END)) == _END else None
    except OSError:
        return None


def _deflated(pixels: np.ndarray) -> bytes:
    rows = pixels.reshape(len(pixels), -1)
    filtered = np.empty((rows.shape[0], rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return isal_zlib.compress(filtered.data, 1)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


V = TypeVar("V")

_LEFT_BEHIND_S = 60.0
_PART = re.compile(r"\..{1,40}\.[0-9a-f]{12}\.part", re.DOTALL)  # the names of `atomic_write`
# What is wrong with one name and not with the folder.
_OF_ONE_NAME = {errno.ENAMETOOLONG, errno.EISDIR, errno.EILSEQ, errno.EINVAL}


class Codec(Protocol[V]):
    """Values as the bytes of a file, and back."""

    @property
    def suffix(self) -> str:
        """Of the files, with the dot."""

    def encode(self, value: V, key: str) -> bytes:
        """Return the bytes of a value; the key is for files that carry theirs."""

    def decode(self, data: bytes) -> V:
        """Return the value; any exception says that the bytes are broken."""


class StoreError(PhospheneError):
    """A folder of results cannot be written, whatever is to be kept: the fault of no item."""


@dataclass(frozen=True)
class Output:
    """One result of an item that is missing: its number among the results, its key, and the file that it goes to.

    Without a file it is handed to the store in the process that keeps it.
    """

    number: int
    key: str
    target: Path | None = None


@dataclass(frozen=True)
class Store(Generic[V]):
    """Values by key in a folder, one a file."""

    folder: Path
    codec: Codec[V]

    def path(self, key: str) -> Path:
        """Return where the value of a key lies, or would lie."""
        return self.folder / key[:2] / f"{key[2:]}{self.codec.suffix}"

    def put(self, key: str, value: V) -> None:
        """Keep a value.

        Raises
        ------
        StoreError
            The folder cannot be written.
        """
        write_bytes(self.path(key), self.codec.encode(value, key))

    def get(self, key: str) -> V:
        """Return a value.

        Raises
        ------
        KeyError
            There is none, or it is broken in whatever way.
        """
        try:
            return self.codec.decode(self.path(key).read_bytes())
        except Exception as error:
            raise KeyError(key) from error

    def find(self, key: str) -> V | None:
        """Return a value, or None where there is none, or a broken one."""
        try:
            return self.get(key)
        except KeyError:
            return None


def default_folder() -> Path:
    """Return where tiles are kept: `tiles` in the cache folder."""
    return cache_folder() / "tiles"


@dataclass(frozen=True)
class TileStore(Store[np.ndarray]):
    """Tiles as PNG files, uint8 (height, width, 1 or 3), each under its key; by default in the user's cache.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = TileStore(Path(folder))
    ...     store.put("ab12", np.zeros((8, 8, 1), np.uint8))
    ...     "ab12" in store, store.get("ab12").shape
    (True, (8, 8, 1))
    """

    folder: Path = field(default_factory=default_folder)
    codec: Codec[np.ndarray] = field(default_factory=PngCodec, repr=False, compare=False)
    shared: ClassVar[bool] = True

    def __contains__(self, key: str) -> bool:
        return key_of(self.path(key)) == key

    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the tiles of an item that are not there; whoever draws them writes their files."""
        del index
        return tuple(Output(n, key, self.path(key)) for n, key in enumerate(keys) if key not in self)

    def take(self, index: int, keys: Sequence[str], values: Sequence[object], *, failed: bool) -> None:
        """Do nothing: the tiles are in their files."""


def tile_key(content_digest: str, fragment: Fragment | None, fingerprint: str) -> str:
    """Return the key of a result: equal for equal bytes, equal part and equal function, else different."""
    text = f"{content_digest}#{fragment or ''}|{fingerprint}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises
    ------
    StoreError
        The folder cannot be written: full, read-only, or none.
    PhospheneError
        A file of this name cannot be.
    """
    try:
        with atomic_write(path) as file:
            file.write(data)
    except OSError as error:
        if error.errno in _OF_ONE_NAME:
            raise PhospheneError(
                f"{path}: cannot be written ({error.strerror}); rename its source"
            ) from error
        raise unwritable(path.parent, error) from error


def unwritable(folder: Path, error: OSError) -> StoreError:
    """Return what to say of a folder that cannot be written."""
    return StoreError(
        f"{folder}: cannot be written ({error.strerror}); make room, or name another folder "
        "(of the cache: PHOSPHENE_CACHE)"
    )


def sweep(folder: Path) -> None:
    """Remove what killed runs left half-written; what another run may still be writing stays, and files of others."""
    for part in folder.rglob(".*.part"):
        try:
            if _PART.fullmatch(part.name) and time.time() - part.stat().st_mtime > _LEFT_BEHIND_S:
                part.unlink()
        except OSError:
            continue  # another run removed it first
