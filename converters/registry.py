"""Kinds, converters and readers by name, ours and those of other packages; and reading any file.

The module that an entry point of `phosphene.kinds` or `phosphene.converters` names is imported; importing it registers.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from .core.apart import LISTING, FileLimits, ask
from .core.converter import Converter, loaded_first, registered
from .core.errors import ParameterError, PhospheneError, SignalError
from .core.files import (
    DEFAULTS,
    KindSpec,
    Reader,
    ReadOptions,
    is_plain,
    read_head,
    register_kind,
    registered_kinds,
)
from .core.formats import refuse_foreign
from .core.signal import Fragment, Kind, Signal, parse_address

T = TypeVar("T")
OWN_KINDS = ("audio", "mouse", "series", "binary")


@functools.cache
def _load_kinds() -> None:
    """Register our kinds and those that other packages bring."""
    for folder in OWN_KINDS:
        register_kind(import_module(f".{folder}.kind", __package__).KIND)
    _load_entry_points("phosphene.kinds")


@functools.cache
def _load_own() -> None:
    """Import our converters; importing them registers them."""
    for folder in OWN_KINDS:
        package = import_module(f".{folder}", __package__)
        for name in package.__all__:
            getattr(package, name)


loaded_first.append(_load_own)


@functools.cache
def _load_converters() -> None:
    """Import our converters and those that other packages bring."""
    _load_own()
    _load_kinds()
    _load_entry_points("phosphene.converters")


def _load_entry_points(group: str) -> None:
    from importlib.metadata import entry_points  # a tenth of the start of the command line

    for entry in entry_points(group=group):
        try:
            entry.load()
        except Exception as error:
            owner = entry.dist.name if entry.dist else entry.value
            what = group.rpartition(".")[2]
            raise PhospheneError(
                f"the package {owner} brings {what} that cannot be imported ({error}); update or uninstall it"
            ) from error


def kinds() -> Mapping[Kind, KindSpec]:
    """Return every kind by its name, in the order in which their readers are asked: any bytes are `binary` at last."""
    _load_kinds()
    return MappingProxyType(dict(sorted(registered_kinds.items(), key=lambda named: named[0] == "binary")))


def check_kind(kind: Kind | None) -> None:
    """Refuse a name that no kind has; None stands for any.

    Raises
    ------
    ParameterError
        There is no such kind.
    """
    if kind is not None and kind not in kinds():
        raise ParameterError(f"kind must be one of {', '.join(kinds())}, got {kind!r}")


def converters(kind: Kind | None = None) -> tuple[type[Converter], ...]:
    """Return every registered converter class, of one kind or of all, ordered by kind and name."""
    _load_converters()
    found = [converter for kinds in registered.values() for converter in kinds.values()]
    return tuple(
        sorted((c for c in found if kind in (None, c.accepts.kind)), key=lambda c: (c.accepts.kind, c.name))
    )


def converter_class(name: str, *, kind: Kind | None = None) -> type[Converter]:
    """Find a converter class by its registered name.

    Raises
    ------
    ParameterError
        No such name, or the name belongs to several kinds and `kind` says none.
    """
    _load_converters()
    found = {k: c for k, c in registered.get(name, {}).items() if kind in (None, k)}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise ParameterError(
            f"{name!r} is a converter of several kinds ({', '.join(sorted(found))}); name the kind"
        )
    known = sorted({c.name for c in converters(kind)})
    of_kind = f" of {kind} signals" if kind else ""
    raise ParameterError(f"no converter{of_kind} is called {name!r}; there are {', '.join(known)}")


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
    check_options(options or DEFAULTS, [kind], path)
    return readers()[kind].read(path, fragment, options or DEFAULTS)


def check_options(options: ReadOptions, kinds: Iterable[Kind], where: str | Path) -> None:
    """Refuse options that change nothing for any of the kinds that files are read as.

    Raises
    ------
    ParameterError
        The message names the option.

    Examples
    --------
    >>> check_options(ReadOptions(strict=True), ["audio"], "a.wav")
    """
    kinds = sorted(set(kinds))
    heeded = frozenset[str]().union(*(readers()[kind].heeds for kind in kinds))
    ignored = next((name for name in options.config if name not in heeded), None)
    if kinds and ignored and not (ignored == "label" and options.label == "none"):
        raise ParameterError(
            f"{where}: --{ignored} says how tables of numbers are read, and means nothing for {' and '.join(kinds)}; "
            "leave it out, or name the kind that the files are: --kind series"
        )


def asked(question: Callable[..., T], path: Path, *rest: Any, limits: FileLimits = LISTING) -> T:
    """Return `question(path, *rest)`, as `ask` does; of small text, and with kinds of other packages, here."""
    if is_plain(path) or not readers().keys() <= set(OWN_KINDS):
        return question(path, *rest)
    return ask(question, path, *rest, limits=limits)


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
