"""What every signal shares: a kind, and a check of itself when it is made."""

import dataclasses
import hashlib
import html
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from .errors import SignalError
from .fragment import Fragment, Unit

Kind = str
"""The name of a kind of signals: `audio`, `series`, `mouse`, `binary`, or one that another package brings."""


@dataclass(frozen=True, eq=False)
class Signal(ABC):
    """A raw recording in memory, with its units.

    Subclasses are frozen dataclasses (`eq=False`: arrays have no single truth) that check themselves in
    `__post_init__`, raise SignalError for what they cannot be, and keep their arrays read-only.

    Parameters
    ----------
    notes
        What the reader of its file found and made of it, a sentence each; none for a signal from memory.
    """

    notes: tuple[str, ...] = field(default=(), kw_only=True, repr=False)
    kind: ClassVar[Kind]

    @abstractmethod
    def describe(self) -> str:
        """Say in one line what this is: `5.0 s of mono sound at 44100 Hz`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.describe()})"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: one line, and a player or a plot where the kind has one."""
        return f"<p>{html.escape(repr(self))}</p>"

    @property
    def extent(self) -> float:
        """How long it is, in what windows of its kind count."""
        raise NotImplementedError

    def part(self, fragment: Fragment) -> Self:
        """Return a part of the signal.

        Raises
        ------
        SignalError
            The fragment counts something else, or begins past the end.
        """
        raise SignalError(f"{type(self).__name__} has no parts, got #{fragment}; leave the windows out")

    def _bounds(self, fragment: Fragment, unit: Unit, count: int, rate: float = 1.0) -> slice:
        """Return a fragment as a slice of `count` things, `rate` of them a unit."""
        if fragment.unit != unit:
            raise SignalError(f"{type(self).__name__} is cut by {unit}, got #{fragment}; cut it so")
        start, stop = round(fragment.start * rate), min(round(fragment.stop * rate), count)
        if start >= stop:
            raise SignalError(f"#{fragment} holds nothing of {self!r}; begin before its end")
        return slice(start, stop)


def signal_digest(signal: Signal) -> bytes:
    """Return a digest of what a signal holds, not of the file that it came from.

    Examples
    --------
    >>> from phosphene.converters import Audio
    >>> signal_digest(Audio([0.0, 1.0], 8)) == signal_digest(Audio([0.0, 1.0], 8))
    True
    >>> signal_digest(Audio([0.0, 1.0], 8)) == signal_digest(Audio([0.0, 1.0], 9))
    False
    """
    digest = hashlib.blake2b(signal.kind.encode(), digest_size=16)
    for part in dataclasses.fields(signal):  # every signal is a dataclass
        value = getattr(signal, part.name)
        if isinstance(value, np.ndarray):
            digest.update(f"|{part.name}:{value.dtype.str}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).data)
        elif not isinstance(value, Path):
            digest.update(f"|{part.name}:{value!r}".encode())
    return digest.digest()


def line_plot(values: np.ndarray, *, width: int = 600, height: int = 120) -> str:
    """Draw channels as lines, for notebooks: an SVG element.

    Parameters
    ----------
    values
        float (channels, n); NaN leaves a gap. Of long series evenly spaced samples are drawn.
    width, height
        Pixels.

    Examples
    --------
    >>> line_plot(np.array([[0.0, 1.0]])).count("<polyline")
    1
    """
    some = values[:, np.unique(np.linspace(0, values.shape[1] - 1, 2 * width).astype(int))].astype(float)
    low, high = np.nanmin(some), np.nanmax(some)
    x = np.linspace(0, width, some.shape[1])
    y = height * (1 - (some - low) / ((high - low) or 1.0))
    lines = []
    for channel in y:
        pieces = np.split(np.arange(len(x)), np.flatnonzero(np.isnan(channel)))
        for piece in pieces:
            points = " ".join(f"{x[k]:.1f},{channel[k]:.1f}" for k in piece if not np.isnan(channel[k]))
            lines.append(f'<polyline fill="none" stroke="currentColor" points="{points}"/>' if points else "")
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">{"".join(lines)}</svg>'
