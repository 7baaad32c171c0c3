"""Where computed things live: files found by what they were computed from, so they are never stale.

What a file holds is up to a codec: a tile is a PNG, a record of numbers an NPZ, a fold result arrays and JSON. Nothing
is ever unpickled. A file is written whole or not at all, and a broken one counts as missing.
"""

import errno
import hashlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np

from phosphene.converters import Fragment, PhospheneError
from phosphene.converters.core.files import atomic_write

from .png import PngCodec, key_of

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
    """Values by key in a folder, one a file.

    Parameters
    ----------
    folder
        Where they lie.
    codec
        What the files hold.
    """

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
    """Return where tiles are kept: `$PHOSPHENE_CACHE`, else `phosphene` in the user's cache folder."""
    named = os.environ.get("PHOSPHENE_CACHE")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return (Path(named) if named else Path(cache) / "phosphene") / "tiles"


@dataclass(frozen=True)
class TileStore(Store[np.ndarray]):
    """Tiles as PNG files, uint8 (height, width, 1 or 3), each under its key.

    Parameters
    ----------
    folder
        Where they lie; by default in the user's cache, shared by all runs.

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
