"""Every error phosphene raises on purpose, so that one `except PhospheneError` catches them all.

A message shows the value and the rule, starts with the path where a file is at fault, and ends with what to do.
"""

import importlib
from pathlib import Path
from typing import Any


class PhospheneError(Exception):
    """The root of all errors that phosphene raises on purpose."""


class ParameterError(PhospheneError, ValueError):
    """A parameter breaks its rule: `GramianField.size must be an integer >= 8, got 0`."""


class SignalError(PhospheneError, ValueError):
    """A signal in memory is not one (wrong shape, infinite, no samples), or not what the converter draws."""


class ReadError(PhospheneError, OSError):
    """A file cannot be read as what it should be; the message starts with its path."""


class WeightsError(PhospheneError):
    """Pretrained weights cannot be found or do not fit; the message says what to type."""


class MissingExtra(PhospheneError, ImportError):  # noqa: N818  (named for the user, not for the class tree)
    """An optional package is not installed; the message holds the command that installs it."""


def short(error: Exception) -> str:
    """Return what a library says went wrong, on one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def reason(error: Exception) -> str:
    """Return why something failed: what the library says itself, or the fault of another with its type.

    Examples
    --------
    >>> reason(ReadError("a.wav: empty")), reason(KeyError("a"))
    ('a.wav: empty', "KeyError: 'a'")
    """
    return str(error) if isinstance(error, PhospheneError) else f"{type(error).__name__}: {short(error)}"


def library(name: str, path: Path, what: str) -> Any:
    """Import a library of the extra `files`.

    Raises
    ------
    MissingExtra
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(f"{path}: {what}, which needs {name}: pip install 'phosphene[files]'") from error
