"""Kinds and converters by name: our own and those that other packages bring by entry points.

The module that an entry point of `phosphene.kinds` or `phosphene.converters` names is imported; importing it registers.
"""

import functools
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from .core.converter import Converter, loaded_first, registered
from .core.errors import ParameterError, PhospheneError
from .core.kind import KindSpec, register_kind, registered_kinds
from .core.signal import Kind

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
