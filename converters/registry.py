"""All converters by name: our own and those that other packages bring by the entry point `phosphene.converters`."""

import functools
from importlib import import_module
from typing import Any

from .core import parameters
from .core.converter import Converter, registered
from .core.errors import ParameterError, PhospheneError
from .core.signal import KINDS, Kind


@functools.cache
def _load_own() -> None:
    """Import the converters of this package; importing them registers them."""
    for kind in KINDS:
        package = import_module(f".{kind}", __package__)
        for name in package.__all__:
            getattr(package, name)


@functools.cache
def _load_all() -> None:
    """Import our converters and those that other packages bring."""
    _load_own()
    from importlib.metadata import entry_points  # a tenth of the start of the command line

    for entry in entry_points(group="phosphene.converters"):
        try:
            entry.load()
        except Exception as error:
            owner = entry.dist.name if entry.dist else entry.value
            raise PhospheneError(
                f"the package {owner} brings converters that cannot be imported ({error}); update or uninstall it"
            ) from error


def converters(kind: Kind | None = None) -> tuple[type[Converter], ...]:
    """Return every registered converter class, of one kind or of all, ordered by kind and name."""
    _load_all()
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
    _load_all()
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


def make(name: str, *, kind: Kind | None = None, **values: Any) -> Converter:
    """Make a converter by its registered name.

    Examples
    --------
    >>> from phosphene.converters import make
    >>> make("gasf", size=64).fingerprint == make("gasf", size=64).fingerprint
    True
    """
    owner = converter_class(name, kind=kind)
    parameters.check_names(owner, values)
    return owner(**values)
