"""The base of every reader, and the checks that every file passes before it is read."""

import functools
import hashlib
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from .errors import ReadError
from .fragment import Fragment, Unit
from .signal import Kind, Signal

HEAD_BYTES = 65536


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
    def read(self, path: Path, fragment: Fragment | None) -> Signal:
        """Read a file, or a part of it without reading the rest into memory where the format allows.

        Raises
        ------
        ReadError
            The file is not what it should be; the message starts with its path.
        """

    def extent(self, path: Path) -> float:
        """Return how long a file is, in units of `cut_by`, without reading all of it where the format allows."""
        raise NotImplementedError

    def labels(self, path: Path) -> list[str] | None:
        """Return the label of each row of a file that holds many labelled items; None for any other file."""
        return None

    def rows(self, path: Path) -> int | None:
        """Return how many items a file of many holds, labelled or not; None for a file of one."""
        return None


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file after the checks that any file must pass."""
    try:
        pipe = stat.S_ISFIFO(path.stat().st_mode)  # asked before it is opened, which would wait for a writer
        head = b"" if pipe else _first_bytes(path)
    except FileNotFoundError as error:
        why = "a link to nothing" if path.is_symlink() else "no such file"
        raise ReadError(f"{path}: {why}; check the path") from error
    except IsADirectoryError as error:
        raise ReadError(f"{path}: a folder, not a file; name a file in it") from error
    except PermissionError as error:
        raise ReadError(f"{path}: may not be read; change its permissions") from error
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except ValueError as error:
        raise ReadError(f"{path}: no file has a zero byte in its name; check the path") from error
    if pipe:
        raise ReadError(f"{path}: a pipe, which can be read only once; save it as a file first")
    if not head:
        raise ReadError(f"{path}: empty; there is nothing to read")
    return head


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def content_digest(path: Path) -> str:
    """Return a digest of the bytes of a file and of its suffix, by which some readers tell formats apart.

    Raises
    ------
    ReadError
        The file is missing, a folder, empty or unreadable.
    """
    read_head(path)
    known = path.stat()
    return _digest(str(path.absolute()), path.suffix.lower(), known.st_size, known.st_mtime_ns)


@functools.lru_cache(maxsize=1 << 20)
def _digest(path: str, suffix: str, size: int, mtime_ns: int) -> str:
    del size, mtime_ns  # they make a changed file another entry of the cache
    with Path(path).open("rb") as file:
        return (
            hashlib.file_digest(file, functools.partial(hashlib.blake2b, digest_size=16)).hexdigest() + suffix
        )
