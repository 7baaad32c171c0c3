"""Files to signals: which reader takes a file."""

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from .core.errors import ParameterError
from .core.fragment import parse_address
from .core.reader import Reader, read_head
from .core.signal import KINDS, Kind, Signal


@functools.cache
def readers() -> Mapping[Kind, Reader]:
    """Return the reader of each kind, in the order in which they are asked."""
    from .audio.reader import AudioReader
    from .binary.files.reader import BinaryReader
    from .mouse.files.reader import MouseReader
    from .series.files.reader import SeriesReader

    asked: tuple[Reader, ...] = (AudioReader(), MouseReader(), SeriesReader(), BinaryReader())
    return MappingProxyType({reader.kind: reader for reader in asked})


def recognise(path: str | Path, head: bytes | None = None) -> Kind:
    """Tell the kind of a file: by its content first, by its suffix second; any other bytes are `binary`.

    Its first HEAD_BYTES bytes are read where they are not given.

    Raises
    ------
    ReadError
        There is no such file, it is a folder, empty, or may not be read.
    """
    path = Path(path)
    head = read_head(path) if head is None else head
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
