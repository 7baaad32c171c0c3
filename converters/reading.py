"""Files to signals: which reader takes a file."""

from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from .core.errors import SignalError
from .core.formats import refuse_foreign
from .core.fragment import Fragment, parse_address
from .core.options import DEFAULTS, ReadOptions
from .core.reader import Reader, read_head
from .core.signal import Kind, Signal
from .registry import OWN_KINDS, check_kind, kinds


def readers() -> Mapping[Kind, Reader]:
    """Return the reader of each kind, in the order in which they are asked."""
    return {name: kind.reader for name, kind in kinds().items()}


def recognise(path: str | Path, head: bytes | None = None) -> Kind:
    """Tell the kind of a file: by its content first, by its suffix second; any other bytes are `binary`.

    Its first HEAD_BYTES bytes are read where they are not given. A suffix of a kind that another package brings decides
    before all else: who installed it wants it read so.

    Raises
    ------
    ReadError
        There is no such file, it is a folder, empty, or may not be read; or it is of a known format that is not ours.
    """
    path = Path(path)
    head = read_head(path) if head is None else head
    suffix = path.with_suffix("").suffix if path.suffix.lower() == ".gz" else path.suffix
    known = readers()
    named = [kind for kind, reader in known.items() if suffix.lower() in reader.suffixes]
    brought = [kind for kind in named if kind not in OWN_KINDS]
    by_content = (kind for kind, reader in known.items() if reader.recognises(head, path))
    found = next(chain(brought, by_content), None)
    if found is None:
        refuse_foreign(head, path)
    return found or next(iter(named), "binary")


def read(path: str | Path, kind: Kind | None = None, options: ReadOptions | None = None) -> Signal:
    """Read a file, or a part of one written `path#fragment`, as a signal.

    Parameters
    ----------
    path
        A file; or `file#row=12`, `file#t=5,10` (seconds), `file#bytes=0-65535`, `file#events=0-249`,
        `file#samples=0-999`.
    kind
        `audio`, `series`, `mouse` or `binary`; None decides by content first, by suffix second. The signal's
        `kind` says which was taken.
    options
        What the content does not settle: the layout of a table, its columns, and whether a loss is refused.

    Returns
    -------
    Signal
        Its `notes` say what was found in the file that is not plain.

    Raises
    ------
    ReadError
        The file is missing, a folder, empty, unreadable, not what it should be, or of a known format that is not ours.
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
    check_kind(kind)
    if kind is None:
        kind = recognise(path)
    else:
        read_head(path)
    return readers()[kind].read(path, fragment, options or DEFAULTS)


def read_source(
    source: Path | Signal, fragment: Fragment | None, kind: Kind, options: ReadOptions = DEFAULTS
) -> Signal:
    """Return the signal of a file, or one that is in memory already, or a part of either.

    Raises
    ------
    ReadError, SignalError
        The file cannot be read, the signal is of another kind, or there is no such part.

    Examples
    --------
    >>> from phosphene.converters import Series
    >>> read_source(Series([1.0, 2.0, 4.0]), Fragment("samples", 1, 3), "series").values.tolist()
    [[2.0, 4.0]]
    """
    if isinstance(source, Signal):
        if source.kind != kind:
            raise SignalError(f"{source!r} is {source.kind}, not {kind}; give {kind} signals")
        return source.part(fragment) if fragment else source
    read_head(source)
    return readers()[kind].read(source, fragment, options)
