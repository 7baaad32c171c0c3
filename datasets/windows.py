"""Long recordings cut into windows, and the answers for windows put together again into one a file."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from phosphene.converters import Fragment, ParameterError, PhospheneError
from phosphene.converters.core.fragment import Unit
from phosphene.converters.core.signal import Kind
from phosphene.converters.reading import readers

from .manifest import Item

LONGEST_WINDOW_S = 5.0
MOUSE_WINDOW_EVENTS = 150
SLACK = 1.1
"""Up to so many windows an item stays whole: two windows that share nine tenths say the same thing twice."""


class Cut(Protocol):
    """A way to cut items: `Windows`, or `Pieces` of what the pointer did."""

    @property
    def unit(self) -> Unit:
        """What the fragments count."""

    @property
    def config(self) -> dict[str, Any]:
        """The parameters, as JSON takes them."""

    def parts(self, item: Item, length: float | None) -> list[Item]:
        """Return the parts of an item, of this length where it is known; the item itself if it stays whole."""


@dataclass(frozen=True)
class Windows:
    """How long items are cut.

    Parameters
    ----------
    unit
        What is counted: `t` for seconds, or `events`, `samples`, `bytes`.
    length
        How long a window is, above 0.
    hop
        From the start of one window to the start of the next, above 0 and at most `length`.
    most
        At most so many windows an item, spread evenly over it; None for all.

    Examples
    --------
    >>> windows = Windows("t", length=5.0, hop=2.5)
    >>> Windows.from_config(windows.config) == windows
    True
    """

    unit: Unit
    length: float
    hop: float
    most: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.hop <= self.length < float("inf"):
            raise ParameterError(
                f"Windows needs 0 < hop <= length, got hop {self.hop!r} and length {self.length!r}"
            )
        if self.unit != "t" and (self.hop % 1 or self.length % 1):
            raise ParameterError(
                f"Windows of {self.unit} need whole numbers, got {self.length!r}, {self.hop!r}"
            )
        if self.unit == "row":
            raise ParameterError("Windows.unit must be t, events, samples or bytes, got 'row'")
        if self.most is not None and self.most < 1:
            raise ParameterError(f"Windows.most must be an integer >= 1 or None, got {self.most!r}")

    @property
    def config(self) -> dict[str, Any]:
        """The parameters, as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Windows":
        """Make windows again from their `config`."""
        return cls(**config)

    def parts(self, item: Item, length: float | None) -> list[Item]:
        """Return the windows of an item, inside its part where it is a part of a file.

        One that is short, of unknown length, or cut in another unit stays whole.
        """
        inside = item.fragment
        if length is None or (inside and inside.unit != self.unit):
            return [item]
        start = inside.start if inside else 0.0
        spans = self.spans(start, start + length)
        if spans == [(start, start + length)]:
            return [item]
        return [replace(item, fragment=Fragment(self.unit, *_rounded(span, self.unit))) for span in spans]

    def spans(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Return the windows of a stretch: one a hop, the last one ending where the stretch ends.

        Examples
        --------
        >>> Windows("events", length=4, hop=2).spans(0, 9)
        [(0, 4), (2, 6), (4, 8), (5, 9)]
        """
        if stop - start <= self.length * SLACK:
            return [(start, stop)]
        last = stop - self.length
        starts = [start + step * self.hop for step in range(int(np.ceil((last - start) / self.hop - 1e-9)))]
        spans = [(begin, begin + self.length) for begin in starts] + [(last, stop)]
        return [spans[place] for place in spread(len(spans), self.most)]


def plan_windows(items: Sequence[Item], kind: Kind) -> Windows | None:
    """Choose windows for items: sounds at most 5 s, mouse sessions 150 events, other kinds none.

    The windows of sounds overlap by half and are no longer than 95 % of the sounds, in tenths of a second.
    """
    if kind == "mouse":
        return Windows("events", MOUSE_WINDOW_EVENTS, MOUSE_WINDOW_EVENTS)
    if kind != "audio":
        return None
    lengths = [extent for extent in extents(items, kind) if extent]
    if not lengths:
        return None
    length_s = min(LONGEST_WINDOW_S, max(0.1, float(np.ceil(np.percentile(lengths, 95) * 10 - 1e-6)) / 10))
    return Windows("t", length_s, length_s / 2)


def lengths_for(items: Sequence[Item], kind: Kind, how: Cut | None) -> list[float | None]:
    """Return how long each item is where cutting it so asks for that, as windows do; else None for each."""
    return extents(items, kind) if isinstance(how, Windows) else [None] * len(items)


def extents(items: Sequence[Item], kind: Kind) -> list[float | None]:
    """Return how long each item is, in what windows of its kind count; None where that cannot be told."""
    reader = readers()[kind]
    paths = list(dict.fromkeys(item.path for item in items if not item.fragment))

    def measure(item_path: Any) -> float | None:
        try:
            return reader.extent(item_path)
        except (PhospheneError, NotImplementedError):
            return None  # the file fails by name when it is read

    with ThreadPoolExecutor(4) as pool:
        known = dict(zip(paths, pool.map(measure, paths), strict=True))
    return [item.fragment.stop - item.fragment.start if item.fragment else known[item.path] for item in items]


def cut(
    items: Sequence[Item], windows: Cut | None, lengths: Sequence[float | None]
) -> tuple[tuple[Item, ...], np.ndarray]:
    """Cut items into windows.

    Parameters
    ----------
    items
        Files, or parts of files, which are cut inside the part; rows of an archive stay whole.
    windows
        How; None leaves all whole. Rows of an archive stay whole in any case.
    lengths
        How long each item is, as `extents` gives it; an item of unknown length stays whole.

    Returns
    -------
    pieces
        The windows, in the order of the items.
    source
        int (n_pieces,), the place of the item that each window is of.
    """
    pieces: list[Item] = []
    source: list[int] = []
    for place, (item, length) in enumerate(zip(items, lengths, strict=True)):
        parts = windows.parts(item, length) if windows else [item]
        pieces += parts
        source += [place] * len(parts)
    return tuple(pieces), np.array(source, int)


def balance(
    pieces: Sequence[Item], source: np.ndarray, labels: Sequence[str | None] | np.ndarray, most_per_class: int
) -> np.ndarray:
    """Choose at most so many pieces a class, spread evenly over its pieces.

    Parameters
    ----------
    pieces, source
        As `cut` returns them.
    labels
        The class of each item that was cut.
    most_per_class
        An integer >= 1.

    Returns
    -------
    numpy.ndarray
        int, places of the chosen pieces, in order.
    """
    if most_per_class < 1:
        raise ParameterError(f"most_per_class must be an integer >= 1, got {most_per_class!r}")
    by_class: dict[str | None, list[int]] = {}
    for place in range(len(pieces)):
        by_class.setdefault(labels[source[place]], []).append(place)
    chosen = [places[k] for places in by_class.values() for k in spread(len(places), most_per_class)]
    return np.array(sorted(chosen), int)


def combine(log_probabilities: np.ndarray, source: np.ndarray, n_items: int) -> np.ndarray:
    """Put the answers for pieces together: the mean of the log-probabilities, normalised again.

    Parameters
    ----------
    log_probabilities
        float (n_pieces, n_classes), natural logarithms.
    source
        int (n_pieces,), the item of each piece.
    n_items
        How many items there are.

    Returns
    -------
    numpy.ndarray
        float64 (n_items, n_classes), log-probabilities; NaN for an item without pieces.

    Examples
    --------
    >>> combine(np.log([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0]), 1).round(3).tolist()
    [[-0.288, -1.386]]
    """
    sums = np.zeros((n_items, log_probabilities.shape[1]))
    np.add.at(sums, source, log_probabilities)
    counts = np.bincount(source, minlength=n_items)[:, None]
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    top = means.max(axis=1, keepdims=True, initial=-np.inf)
    combined: np.ndarray = means - top - np.log(np.exp(means - top).sum(axis=1, keepdims=True))
    return combined


def spread(count: int, most: int | None) -> np.ndarray:
    """Return at most `most` of the places 0 to `count - 1`, evenly spread from the first to the last.

    Examples
    --------
    >>> spread(9, 3).tolist(), spread(9, 1).tolist(), spread(2, 3).tolist()
    ([0, 4, 8], [4], [0, 1])
    """
    if most is None or count <= most:
        return np.arange(count)
    if most == 1:
        return np.array([count // 2])
    return np.rint(np.linspace(0, count - 1, most)).astype(int)


def _rounded(span: tuple[float, float], unit: Unit) -> tuple[float, float]:
    """Round seconds to the digits that a fragment is written with, so that text and fragment agree."""
    digits = 6 if unit == "t" else 0
    return round(float(span[0]), digits), round(float(span[1]), digits)
