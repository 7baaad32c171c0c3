"""Names of a package that are imported when they are first asked for.

Two dozen modules of converters take longer to import than all else; a program that reads a file needs none of them.
"""

from collections.abc import Callable, Mapping
from importlib import import_module


def lazily(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package (PEP 562).

    Parameters
    ----------
    package
        Its `__name__`.
    modules
        The module, inside the package, that each name is found in.

    Examples
    --------
    >>> get = lazily("phosphene.converters.audio", {"MelSpectrogram": "mel"})
    >>> get("MelSpectrogram").name
    'mel'
    """

    def get(name: str) -> object:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f".{modules[name]}", package), name)

    return get
