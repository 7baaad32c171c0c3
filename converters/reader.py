"""Files to signals: which reader takes a file, and the checks that every file passes first."""

import functools
import stat
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from .errors import ParameterError, ReadError
from .fragment import Fragment, Unit, parse_address
from .signal import KINDS, Kind, Signal

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


@functools.cache
def readers() -> Mapping[Kind, Reader]:
    """Return the reader of each kind, in the order in which they are asked."""
    from .audio.reader import AudioReader
    from .binary.reader import BinaryReader
    from .mouse.reader import MouseReader
    from .series.reader import SeriesReader

    asked: tuple[Reader, ...] = (AudioReader(), MouseReader(), SeriesReader(), BinaryReader())
    return MappingProxyType({reader.kind: reader for reader in asked})


def recognise(path: str | Path) -> Kind:
    """Tell the kind of a file: by its content first, by its suffix second; any other bytes are `binary`.

    Raises
    ------
    ReadError
        There is no such file, it is a folder, empty, or may not be read.
    """
    path = Path(path)
    head = read_head(path)
    known = readers()
    by_content = (kind for kind, reader in known.items() if reader.recognises(head, path))
    by_suffix = (kind for kind, reader in known.items() if path.suffix.lower() in reader.suffixes)
    found: Kind | None = next(by_content, None) or next(by_suffix, None)
    return found or "binary"


def read(path: str | Path, kind: Kind | None = None) -> Signal:
    """Read a file, or a part of one written `path#fragment`, as a signal.

    Parameters
    ----------
    path
        A file; or `file#row=12`, `file#t=5,10` (seconds), `file#bytes=0-65535`, `file#events=0-249`,
        `file#samples=0-999`.
    kind
        `audio`, `series`, `mouse` or `binary`; None decides by content first, by suffix second. The answer's
        `kind` says which was taken.

    Raises
    ------
    ReadError
        The file is missing, a folder, empty, unreadable, or not what it should be.
    ParameterError
        No such kind, or a fragment of another kind.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "program.bin")
    ...     _ = file.write_bytes(bytes(range(256)))
    ...     read(file).kind
    'binary'
    """
    path, fragment = parse_address(path)
    if kind is not None and kind not in KINDS:
        raise ParameterError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    if kind is None:
        kind = recognise(path)
    else:
        read_head(path)
    return readers()[kind].read(path, fragment)


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
