"""Signals: what each is and checks of itself, and the address of a part, written `path#fragment`.

========================  ==========================================================
`#row=12`                 row 12, counted from 0, of an archive that holds many items
`#t=5,10`                 from 5 s up to 10 s
`#bytes=0-65535`          both ends included, as in HTTP
`#events=0-249`           both ends included, of a mouse session
`#samples=0-999`          both ends included, of a series
========================  ==========================================================
"""

import dataclasses
import hashlib
import html
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast, get_args

import numpy as np

from .errors import ParameterError, SignalError

Unit = Literal["row", "t", "bytes", "events", "samples"]


@dataclass(frozen=True)
class Fragment:
    """A part of a file, half-open: `start` is in it, `stop` is not.

    Parameters
    ----------
    unit
        What is counted: seconds for `t`, kept to the microsecond; whole things for the others.
    start, stop
        Where the part begins, and the first index after it; for a row, `stop` is `start + 1`.

    Examples
    --------
    >>> str(Fragment("bytes", 0, 65536)), str(Fragment("t", 5, 7.5)), str(Fragment("row", 3, 4))
    ('bytes=0-65535', 't=5,7.5', 'row=3')
    """

    unit: Unit
    start: float
    stop: float

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise ParameterError(
                f"Fragment.unit must be one of {', '.join(get_args(Unit))}, got {self.unit!r}"
            )
        if self.unit == "t":
            # An address is text: what it says must be what was meant, to the last digit.
            object.__setattr__(self, "start", round(self.start, 6))
            object.__setattr__(self, "stop", round(self.stop, 6))
        elif self.start % 1 or self.stop % 1:
            raise ParameterError(
                f"a fragment in {self.unit} must be in whole numbers, got {self.start:g} to {self.stop:g}"
            )
        if not (0 <= self.start < self.stop and math.isfinite(self.stop)):
            raise ParameterError(
                f"a fragment must begin at 0 or later and end after it begins, got {self.start:g} to {self.stop:g}"
            )

    def __str__(self) -> str:
        if self.unit == "row":
            return f"row={self.start:.0f}"
        if self.unit == "t":
            return f"t={_seconds(self.start)},{_seconds(self.stop)}"
        return f"{self.unit}={self.start:.0f}-{self.stop - 1:.0f}"

    @property
    def whole(self) -> slice:
        """The part as a slice of whole things (not for seconds)."""
        return slice(int(self.start), int(self.stop))


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


_NUMBER = r"(\d+(?:\.\d+)?)"
_FORMS = (
    (re.compile(r"(row)=(\d+)"), lambda start: (start, start + 1)),
    (re.compile(rf"(t)={_NUMBER},{_NUMBER}"), lambda start, stop: (start, stop)),
    (re.compile(r"(bytes|events|samples)=(\d+)-(\d+)"), lambda start, last: (start, last + 1)),
)


def parse_fragment(text: str) -> Fragment:
    """Read the part of an address that stands behind `#`.

    Raises
    ------
    ParameterError
        The text has none of the known forms, or ends before it begins.

    Examples
    --------
    >>> parse_fragment("t=5,10")
    Fragment(unit='t', start=5.0, stop=10.0)
    """
    for form, ends in _FORMS:
        found = form.fullmatch(text)
        if found:
            unit, *numbers = found.groups()
            return Fragment(cast(Unit, unit), *ends(*map(float, numbers)))
    raise ParameterError(
        f"#{text} is no fragment; write #row=12, #t=5,10, #bytes=0-65535, #events=0-249 or #samples=0-999"
    )


def parse_address(address: str | Path) -> tuple[Path, Fragment | None]:
    """Split `path#fragment`; a file whose own name holds the `#` is taken as that file.

    Examples
    --------
    >>> path, fragment = parse_address("bird.wav#t=0,5")
    >>> path.name, str(fragment)
    ('bird.wav', 't=0,5')
    """
    path, mark, fragment = str(address).rpartition("#")
    if not mark or "=" not in fragment or _exists(Path(address)):
        return Path(address), None
    return Path(path), parse_fragment(fragment)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than any file's
        return False


def channels_first(values: Any, name: str, *, missing: Literal["allowed", "refused"]) -> np.ndarray:
    """Return values as read-only float32 (channels, n); a vector becomes one channel.

    Raises
    ------
    SignalError
        Not numbers, not one or two dimensions, no channels or no samples, infinity; with missing values allowed a
        channel of nothing but NaN is refused, without them any NaN is.
    """
    array = _numbers(values, name, np.float32)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not array.size:
        raise SignalError(f"{name} must be (channels, n) with at least one of each, got shape {array.shape}")
    if _surely_finite(array):
        return _frozen(array)
    if np.isinf(array).any():
        raise SignalError(f"{name} must be finite, got infinity")
    gaps = np.isnan(array)
    if missing == "refused" and gaps.any():
        raise SignalError(f"{name} must be finite, got {int(gaps.sum())} NaN")
    if gaps.all(axis=1).any():
        raise SignalError(
            f"{name} must hold a value in every channel, channel {int(gaps.all(axis=1).argmax())} is all NaN"
        )
    return _frozen(array)


def _surely_finite(array: np.ndarray) -> bool:
    """Tell by one quick pass that every number is finite; where the sum is too large a closer look is needed."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(array.sum()))


def frozen_vector(values: Any, name: str, dtype: Any) -> np.ndarray:
    """Return values as a read-only vector of finite numbers.

    Raises
    ------
    SignalError
        Not numbers, not one dimension, NaN or infinity, or a number that the type cannot hold.
    """
    array = _numbers(values, name, np.float64)
    if array.ndim != 1:
        raise SignalError(f"{name} must be a vector, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise SignalError(f"{name} must be finite, got NaN or infinity")
    if np.issubdtype(dtype, np.integer) and array.size:
        bounds = np.iinfo(dtype)
        if array.min() < bounds.min or array.max() > bounds.max or (array % 1).any():
            raise SignalError(f"{name} must be whole numbers from {bounds.min} to {bounds.max}")
    return _frozen(array.astype(dtype, copy=False))


def _numbers(values: Any, name: str, dtype: Any) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):  # too large for float32 becomes infinity, which is refused by name
            array = np.asarray(values)
            # What NumPy would turn into numbers in silence: texts, dates, and the real part alone of a complex number.
            if array.dtype.kind in "SUmMc":
                raise TypeError(f"array of {array.dtype}")
            return np.asarray(array, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise SignalError(f"{name} must be numbers, got {type(values).__name__}") from error


def _frozen(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


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
        runs = np.split(np.arange(len(x)), np.flatnonzero(np.isnan(channel)))
        for run in runs:
            points = " ".join(f"{x[k]:.1f},{channel[k]:.1f}" for k in run if not np.isnan(channel[k]))
            lines.append(f'<polyline fill="none" stroke="currentColor" points="{points}"/>' if points else "")
    return f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}">{"".join(lines)}</svg>'
