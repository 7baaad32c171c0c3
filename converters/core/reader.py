"""The base of every reader, and the checks that every file passes before it is read."""

import contextlib
import functools
import hashlib
import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, TypeVar

from .errors import ReadError
from .fragment import Fragment, Unit
from .options import DEFAULTS, ReadOptions
from .signal import Kind, Signal

HEAD_BYTES = 65536
_SETTLED_NS = 100_000_000
"""Two changes within the ticks of a file system's clock may bear one time."""

T = TypeVar("T")


class Reader(ABC):
    """Reads the files of one kind. One instance a kind, listed in `readers()`."""

    kind: ClassVar[Kind]
    suffixes: ClassVar[frozenset[str]]
    """Lower-case suffixes, with the dot, that decide where the content does not."""
    cut_by: ClassVar[Unit]
    """What windows of this kind are counted in."""

    @abstractmethod
    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell from the first bytes of a file (at most HEAD_BYTES) whether it is surely of this kind."""

    @abstractmethod
    def read(self, path: Path, fragment: Fragment | None, options: ReadOptions = DEFAULTS) -> Signal:
        """Read a file, or a part of it without reading the rest into memory where the format allows.

        Raises
        ------
        ReadError
            The file is not what it should be, or reading is strict and it can only be read with a loss; the message
            starts with its path.
        """

    def extent(self, path: Path, options: ReadOptions = DEFAULTS) -> float:
        """Return how long a file is, in units of `cut_by`, without reading all of it where the format allows."""
        raise NotImplementedError

    def labels(self, path: Path, options: ReadOptions = DEFAULTS) -> list[str] | None:
        """Return the label of each row of a file that holds many labelled items; None for any other file."""
        return None

    def rows(self, path: Path, options: ReadOptions = DEFAULTS) -> int | None:
        """Return how many items a file of many holds, labelled or not; None for a file of one."""
        return None


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file after the checks that any file must pass.

    Those of the last few files are kept, so that listing, hashing and reading a small file open it once.
    """
    with _explained(path):
        head = _kept(_head, path, _status(path))
    if not head:
        raise ReadError(f"{path}: empty; there is nothing to read")
    return head


def content_digest(path: Path) -> str:
    """Return a digest of the bytes of a file and of its suffix, by which some readers tell formats apart.

    Raises
    ------
    ReadError
        The file is missing, a folder, empty or unreadable.
    """
    with _explained(path):
        status = _status(path)
        if status.st_size < HEAD_BYTES:
            digest = hashlib.blake2b(read_head(path), digest_size=16).hexdigest()
        else:
            digest = _kept(_digest, path, status)
    return digest + path.suffix.lower()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say in one line why a file cannot be opened."""
    try:
        yield
    except ReadError:
        raise
    except FileNotFoundError as error:
        why = "a link to nothing" if path.is_symlink() else "no such file"
        raise ReadError(f"{path}: {why}; check the path") from error
    except PermissionError as error:
        raise ReadError(f"{path}: may not be read; change its permissions") from error
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except ValueError as error:
        raise ReadError(f"{path}: no file has a zero byte in its name; check the path") from error


def _status(path: Path) -> os.stat_result:
    """Return what is known of a regular file; nothing else is opened: a pipe would wait, a device may never end."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ReadError(f"{path}: a folder, not a file; name a file in it")
    if stat.S_ISFIFO(status.st_mode):
        raise ReadError(f"{path}: a pipe, which can be read only once; save it as a file first")
    if not stat.S_ISREG(status.st_mode):
        raise ReadError(f"{path}: a device, not a file; save what it gives as a file first")
    return status


def _kept(function: "functools._lru_cache_wrapper[T]", path: Path, status: os.stat_result) -> T:
    """Return what a cached function makes of a file as it is now; one written just now may change unseen."""
    known = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS
    return (function if settled else function.__wrapped__)(str(path), known)


@functools.lru_cache(maxsize=256)
def _head(path: str, known: tuple[int, ...]) -> bytes:
    del known  # it makes a changed file another entry of the cache
    with Path(path).open("rb") as file:
        return file.read(HEAD_BYTES)


@functools.lru_cache(maxsize=1 << 20)
def _digest(path: str, known: tuple[int, ...]) -> str:
    del known
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, functools.partial(hashlib.blake2b, digest_size=16)).hexdigest()
