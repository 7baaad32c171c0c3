"""Windows: how long items are cut, which windows a split learns from, and predictions averaged to one an item."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from phosphene.converters import Fragment, MouseTrace, ParameterError, PhospheneError, SignalError
from phosphene.converters.core.files import Reader, ReadOptions
from phosphene.converters.core.signal import Kind, Signal, Unit
from phosphene.converters.registry import asked, kinds, readers, recognise

from .manifest import Failure, Item, Manifest, describe_failures, kind_of_file
from .splits import Split

WindowUnit = Literal["t", "samples", "events", "bytes", "pause", "path"]

MAX_WINDOWS_PER_CLASS = 500
"""To learn from, spread evenly: the time to fit a head grows with the cube of their number."""
SLACK = 1.1
"""An item up to this many times the length stays whole: two windows that share nine tenths say the same twice."""
LONGEST_WHOLE_S, LONG_WINDOW_S = 600.0, 5.0
"""Longer sound is drawn in windows unless asked otherwise: as one image it would fill the memory."""
LONGEST_WHOLE_BYTES = 1 << 29
"""The same of larger files, however short: sound of many channels."""
LEAST_LONG_BYTES = {".wav": 900_000, "": 300_000}
"""Ten minutes of sound take at least this many bytes, by suffix and in any other format."""

_FORMS = "t=5,2.5, samples=1000, events=250, bytes=65536, pause=1, path=2000 or none"


@dataclass(frozen=True)
class Windows:
    """How long items are cut.

    Parameters
    ----------
    unit
        What is counted: `t` for seconds, `events`, `samples` or `bytes`. Or where mouse sessions are cut: `pause`,
        where nothing happens for more than `length` seconds; `path`, after `length` pixels of the screen.
    length
        How long a window is, above 0.
    hop
        From the start of one window to the start of the next, above 0 and at most `length`; None is `length`.
    most
        At most this many windows an item, spread evenly over it; None for all.

    Examples
    --------
    >>> windows = Windows("t", length=5.0, hop=2.5)
    >>> Windows.from_config(windows.config) == windows
    True
    """

    unit: WindowUnit
    length: float
    hop: float | None = None
    most: int | None = None

    def __post_init__(self) -> None:
        units = get_args(WindowUnit)
        if self.unit not in units:
            raise ParameterError(f"Windows.unit must be one of {', '.join(units)}, got {self.unit!r}")
        if self.hop is None:
            object.__setattr__(self, "hop", self.length)
        if not 0 < self.step <= self.length < float("inf"):
            raise ParameterError(
                f"Windows needs 0 < hop <= length, got hop {self.hop!r} and length {self.length!r}"
            )
        if self.unit in ("pause", "path") and self.hop != self.length:
            raise ParameterError(f"Windows by {self.unit} have no hop, got {self.hop!r}; leave it out")
        if self.unit in ("events", "samples", "bytes") and (self.step % 1 or self.length % 1):
            raise ParameterError(
                f"Windows of {self.unit} need whole numbers, got {self.length!r}, {self.hop!r}"
            )
        if self.most is not None and self.most < 1:
            raise ParameterError(f"Windows.most must be an integer >= 1 or None, got {self.most!r}")

    @property
    def step(self) -> float:
        """From the start of one window to the start of the next."""
        return self.length if self.hop is None else self.hop

    @property
    def fragment_unit(self) -> Unit:
        """What the fragments of the windows count."""
        return "events" if self.unit in ("pause", "path") else cast(Unit, self.unit)

    @property
    def needs_extents(self) -> bool:
        """Whether items are measured before they are cut; sessions are read whole instead."""
        return self.unit == self.fragment_unit

    @property
    def config(self) -> dict[str, Any]:
        """The parameters, as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Windows":
        """Make windows again from their `config`, or from that of earlier versions (`by`, `limit`)."""
        return cls(config["by"], config["limit"]) if "by" in config else cls(**config)

    def of(self, item: Item) -> list[Item]:
        """Return the windows of an item, inside its fragment where it has one.

        An item that is short, of unknown extent, cannot be read, or is counted in another unit stays whole.
        """
        if item.fragment and item.fragment.unit != self.fragment_unit:
            return [item]
        if self.unit in ("pause", "path"):
            return self._of_session(item)
        start, length = (item.fragment.start, _length(item.fragment)) if item.fragment else (0.0, item.extent)
        if length is None:
            return [item]
        spans = self.spans(start, start + length)
        if spans == [(start, start + length)]:
            return [item]
        unit = self.fragment_unit
        return [replace(item, fragment=Fragment(unit, *_rounded(span, unit))) for span in spans]

    def spans(self, start: float, stop: float) -> list[tuple[float, float]]:
        """Return the windows between two positions: one a hop, the last one ending where the item ends.

        Examples
        --------
        >>> Windows("events", length=4, hop=2).spans(0, 9)
        [(0, 4), (2, 6), (4, 8), (5, 9)]
        """
        if stop - start <= self.length * SLACK:
            return [(start, stop)]
        last = stop - self.length
        starts = [start + k * self.step for k in range(int(np.ceil((last - start) / self.step - 1e-9)))]
        spans = [(begin, begin + self.length) for begin in starts] + [(last, stop)]
        return [spans[index] for index in evenly_spaced(len(spans), self.most)]

    def _of_session(self, item: Item) -> list[Item]:
        try:
            session = cast(MouseTrace, item.read("mouse"))
        except PhospheneError:
            return [item]  # the file fails by name when it is read
        first = item.fragment.start if item.fragment else 0
        found = cut_session(session, by=cast(Literal["pause", "path"], self.unit), limit=self.length)
        moved = [Fragment("events", first + window.start, first + window.stop) for window in found]
        kept = [replace(item, fragment=moved[index]) for index in evenly_spaced(len(moved), self.most)]
        return kept if len(moved) > 1 else [item]


def parse_windows(text: str, *, kind: Kind | None = None) -> Windows | None:
    """Turn text into windows; None where items stay whole.

    Parameters
    ----------
    text
        Such as `t=5,2.5`, `events=250`, `pause=1` or `none`.
    kind
        What is to be cut; None is whatever is cut so.

    Raises
    ------
    ParameterError
        The text has none of the known forms, or cuts another kind.

    Examples
    --------
    >>> parse_windows("t=5,2.5")
    Windows(unit='t', length=5.0, hop=2.5, most=None)
    >>> parse_windows("none") is None
    True
    """
    if text.strip() == "none":
        return None
    unit, _, numbers = text.replace(" ", "").partition("=")
    try:
        length, *hop = map(float, numbers.split(","))
    except ValueError:
        raise ParameterError(f"{text!r} is no way to cut recordings; write {_FORMS}") from None
    if unit not in get_args(WindowUnit) or len(hop) > (unit not in ("pause", "path")):
        raise ParameterError(f"{text!r} is no way to cut recordings; write {_FORMS}")
    windows = Windows(cast(WindowUnit, unit), length, hop[0] if hop else None)
    if kind and windows.fragment_unit != readers()[kind].cut_by:
        raise ParameterError(f"{kind} is not cut by {text!r}; write {readers()[kind].cut_by}=LENGTH")
    return windows


def plan_windows(items: Sequence[Item], kind: Kind) -> Windows | None:
    """Choose windows for items: those of their kind; in seconds no longer than 95 % of the items, in tenths."""
    window = kinds()[kind].window
    planned = parse_windows(window, kind=kind) if window else None
    if planned is None or planned.unit != "t":
        return planned
    lengths = [length for length in extents(items, kind) if length]
    if not lengths:
        return None
    usual_s = max(0.1, float(np.ceil(np.percentile(lengths, 95) * 10 - 1e-6)) / 10)
    length_s = min(planned.length, usual_s)
    return Windows("t", length_s, length_s * (planned.step / planned.length))


def extents(items: Sequence[Item], kind: Kind) -> list[float | None]:
    """Return how long each item is, in what windows of its kind count; None where that is not known."""
    reader = readers()[kind]
    unknown = {item.source: item.options for item in items if item.fragment is None and item.extent is None}

    def measure(source: Path | Signal) -> float | None:
        try:
            return (
                source.extent
                if isinstance(source, Signal)
                else asked(_extent, source, reader, unknown[source])
            )
        except Exception:  # of a fault of a reader too
            return None  # the file fails by name when it is read

    with ThreadPoolExecutor(4) as pool:
        known = dict(zip(unknown, pool.map(measure, unknown), strict=True))
    return [
        _length(item.fragment) if item.fragment else known.get(item.source, item.extent) for item in items
    ]


def with_extents(items: Sequence[Item], kind: Kind) -> tuple[Item, ...]:
    """Return items that know how long they are, each file measured once."""
    lengths = extents(items, kind)
    return tuple(replace(item, extent=length) for item, length in zip(items, lengths, strict=True))


def cut(items: Sequence[Item], windows: Windows | None, kind: Kind) -> tuple[tuple[Item, ...], np.ndarray]:
    """Cut items of one kind into windows; return these in order, and the index of the item that each is of, int."""
    if windows and windows.needs_extents:
        items = with_extents(items, kind)
    cut_up = [windows.of(item) if windows else [item] for item in items]
    source = np.repeat(np.arange(len(items)), list(map(len, cut_up)))
    return tuple(window for some in cut_up for window in some), source


def cut_each(items: Sequence[Item], how: str | None, *, kind: Kind | None = None) -> tuple[Item, ...]:
    """Cut items of any kinds; a kind that is not cut so stays whole; None cuts sound over ten minutes or 512 MB."""
    if how is None:
        return tuple(window for item in items for window in _cut_long_sound(item, kind))
    windows = parse_windows(how)
    if windows is None:
        return tuple(items)
    fitting = next(known for known, reader in readers().items() if reader.cut_by == windows.fragment_unit)
    known = {item.path: kind or item.kind for item in items}
    kinds = {path: found or kind_of_file(path) for path, found in known.items()}
    cuttable = [item for item in items if kinds[item.path] == fitting]
    measured = iter(with_extents(cuttable, fitting) if windows.needs_extents else cuttable)
    cut_up = (windows.of(next(measured)) if kinds[item.path] == fitting else [item] for item in items)
    return tuple(window for some in cut_up for window in some)


def cut_session(trace: MouseTrace, *, by: Literal["pause", "path"], limit: float) -> list[Fragment]:
    """Cut a mouse session into windows that hold every event once, in order; none is empty.

    Parameters
    ----------
    trace
        The session.
    by
        `pause`: where more than `limit` seconds pass between two events, one window ends with the first of them and
        the next begins with the second. `path`: a window takes events as long as the way of the pointer from its
        first event to its last is at most `limit` pixels of the screen; the way between two windows belongs to
        neither, so a leap longer than that cuts like a pause.
    limit
        Above 0.

    Returns
    -------
    list of Fragment
        Half-open ranges of events, counted from 0. The last one by `path` is what is left over, and may be short.

    Examples
    --------
    >>> trace = MouseTrace([0, 1, 2, 9, 10], [0, 30, 60, 60, 90], [0, 0, 0, 0, 40], [0, 0, 0, 0, 2])
    >>> [str(window) for window in cut_session(trace, by="pause", limit=2)]
    ['events=0-2', 'events=3-4']
    >>> [str(window) for window in cut_session(trace, by="path", limit=40)]
    ['events=0-1', 'events=2-3', 'events=4-4']
    """
    if by not in ("pause", "path"):
        raise ParameterError(f"by must be one of 'pause', 'path', got {by!r}")
    if not 0 < limit < float("inf"):
        unit = "seconds" if by == "pause" else "pixels"
        raise ParameterError(f"limit must be a number of {unit} > 0, got {limit!r}")
    starts = _starts(trace, by, limit)
    stops = [*starts[1:], len(trace.time_s)]
    return [Fragment("events", start, stop) for start, stop in zip(starts, stops, strict=True)]


def balance(
    windows: Sequence[Item],
    source: np.ndarray,
    labels: Sequence[str | None] | np.ndarray,
    most_per_class: int,
) -> np.ndarray:
    """Return the indices of at most `most_per_class` (an integer >= 1) windows a class, spread evenly, in order."""
    if most_per_class < 1:
        raise ParameterError(f"most_per_class must be an integer >= 1, got {most_per_class!r}")
    by_class: dict[str | None, list[int]] = {}
    for index in range(len(windows)):
        by_class.setdefault(labels[source[index]], []).append(index)
    chosen = [
        indices[k] for indices in by_class.values() for k in evenly_spaced(len(indices), most_per_class)
    ]
    return np.array(sorted(chosen), int)


def combine(log_proba: np.ndarray, source: np.ndarray, n_items: int) -> np.ndarray:
    """Average log-probabilities of windows to one an item: their mean, normalised again; NaN without windows.

    Returns
    -------
    numpy.ndarray
        float64 (n_items, n_classes), log-probabilities; NaN for an item without windows.

    Examples
    --------
    >>> combine(np.log([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0]), 1).round(3).tolist()
    [[-0.288, -1.386]]
    """
    sums = np.zeros((n_items, log_proba.shape[1]))
    np.add.at(sums, source, log_proba)
    counts = np.bincount(source, minlength=n_items)[:, None]
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    top = means.max(axis=1, keepdims=True, initial=-np.inf)
    combined: np.ndarray = means - top - np.log(np.exp(means - top).sum(axis=1, keepdims=True))
    return combined


def evenly_spaced(count: int, most: int | None) -> np.ndarray:
    """Return at most `most` of the indices 0 to `count - 1`, evenly spread from the first to the last.

    Examples
    --------
    >>> evenly_spaced(9, 3).tolist(), evenly_spaced(9, 1).tolist(), evenly_spaced(2, 3).tolist()
    ([0, 4, 8], [4], [0, 1])
    """
    if most is None or count <= most:
        return np.arange(count)
    if most == 1:
        return np.array([count // 2])
    return np.rint(np.linspace(0, count - 1, most)).astype(int)


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """Windows to learn from: int (n,) indices, classes, and groups, which windows of one item or group share."""

    indices: np.ndarray
    targets: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True, eq=False)
class WindowedManifest:
    """The items of a manifest, cut; `source` is int (n_windows,), the index of the item that each window is of."""

    manifest: Manifest
    windows: Windows | None
    items: tuple[Item, ...]
    source: np.ndarray

    def indices(self, items: np.ndarray, *, failed: Collection[int] = ()) -> np.ndarray:
        """Return the indices of the windows of some items, without items that failed; a mapping says why each did.

        Raises
        ------
        SignalError
            All of them failed.
        """
        kept = [item for item in items.tolist() if item not in failed]
        if not kept:
            why = self._why(items, failed)
            raise SignalError(f"{self.manifest.title}: not one of {len(items)} items could be used{why}")
        return np.flatnonzero(np.isin(self.source, kept))

    def _why(self, items: np.ndarray, failed: Collection[int]) -> str:
        """Say why those of some items failed that did, where that is known."""
        known = failed if isinstance(failed, Mapping) else {}
        failures = [
            Failure(self.manifest.items[item], known[item]) for item in items.tolist() if item in known
        ]
        n_files = len({self.manifest.items[item].path for item in items.tolist()})
        return f"; {describe_failures(failures, n_files)}" if failures else ""

    def training_set(self, split: Split, *, failed: Collection[int] = ()) -> TrainingSet:
        """Return the windows to learn from, without items that failed and those whose class nobody knows.

        Raises
        ------
        SignalError
            There is nothing to learn a class from.
        """
        labels = self.manifest.labels
        indices = self.indices(split.train, failed=failed)
        indices = indices[np.array([labels[item] is not None for item in self.source[indices]], bool)]
        items = self.source[indices]
        missing = sorted(set(self.manifest.classes) - set(labels[items]))
        if missing:
            why = self._why(np.flatnonzero(labels == missing[0]), failed)
            raise SignalError(
                f"{self.manifest.title}: no item to learn {missing[0]!r} from in split {split.name!r}{why}; "
                "add items or change the split"
            )
        targets = np.searchsorted(np.array(self.manifest.classes), labels[items].astype(str))
        names = [self.manifest.items[item].group_key or f"#{item}" for item in items]
        return TrainingSet(indices, targets, np.unique(names, return_inverse=True)[1])

    def average(self, log_proba: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Average predictions for windows to one an item.

        Returns
        -------
        items, log_proba
            int (n_items,), the items that the windows of these indices are of, and float64 (n_items, n_classes).
        """
        combined = combine(log_proba, self.source[indices], len(self.manifest))
        items = np.unique(self.source[indices])
        return items, combined[items]


def cut_manifest(manifest: Manifest, how: str | Windows | None, splits: Sequence[Split]) -> WindowedManifest:
    """Cut the items of a manifest; None takes what suits the kind and the items to learn from.

    Splits learn from at most MAX_WINDOWS_PER_CLASS windows a class.
    """
    kind = manifest.kind
    items: Sequence[Item] = manifest.items
    if how is None:
        items = with_extents(items, kind) if readers()[kind].cut_by == "t" else items
        learned = np.unique(np.concatenate([split.train for split in splits])).tolist() if splits else []
        windows = plan_windows([items[index] for index in learned], kind)
    else:
        windows = parse_windows(how, kind=kind) if isinstance(how, str) else how
    cut_up, source = cut(items, windows, kind)
    kept = np.arange(len(cut_up))
    if len(cut_up) != len(manifest):
        learned = np.isin(source, np.unique(np.concatenate([split.train for split in splits])))
        some = np.flatnonzero(learned)
        chosen = balance([cut_up[k] for k in some], source[some], manifest.labels, MAX_WINDOWS_PER_CLASS)
        kept = np.sort(np.concatenate([np.flatnonzero(~learned), some[chosen]]))
    return WindowedManifest(manifest, windows, tuple(cut_up[index] for index in kept), source[kept])


def item_failures(
    items: Sequence[Item], source: np.ndarray, windows: Sequence[Item], failures: Sequence[Failure]
) -> tuple[Failure, ...]:
    """Return the items that were `cut` and of which a window failed, each with the first reason."""
    reasons = {failure.item: failure.error for failure in failures}
    failed: dict[int, str] = {}
    for index, window in zip(source.tolist(), windows, strict=True):
        if window in reasons:
            failed.setdefault(index, reasons[window])
    return tuple(Failure(items[index], reason) for index, reason in failed.items())


def _cut_long_sound(item: Item, kind: Kind | None) -> tuple[Item, ...]:
    try:
        if (kind or item.kind or "audio") != "audio":
            return (item,)
        least = LEAST_LONG_BYTES.get(item.path.suffix.lower(), LEAST_LONG_BYTES[""])
        if item.fragment or item.signal is not None or (size := item.path.stat().st_size) < least:
            return (item,)
        if (kind or item.kind or asked(recognise, item.path)) != "audio":
            return (item,)
        length_s = item.extent or asked(_extent, item.path, readers()["audio"], item.options)
    except Exception:
        return (item,)  # the file fails by name when it is read
    if length_s <= LONGEST_WHOLE_S and size <= LONGEST_WHOLE_BYTES:
        return (item,)
    return tuple(Windows("t", LONG_WINDOW_S).of(replace(item, extent=length_s)))


def _extent(path: Path, reader: Reader, options: ReadOptions) -> float:
    return reader.extent(path, options)


def _starts(trace: MouseTrace, by: Literal["pause", "path"], limit: float) -> list[int]:
    """Return the first event of each window."""
    if by == "pause":
        return [0, *(np.flatnonzero(np.diff(trace.time_s) > limit) + 1).tolist()]
    way_px = np.r_[0.0, np.cumsum(np.hypot(np.diff(trace.x), np.diff(trace.y)))]
    starts, start = [], 0
    while start < len(trace.time_s):
        starts.append(start)
        start = int(np.searchsorted(way_px, way_px[start] + limit, side="right"))
    return starts


def _length(fragment: Fragment) -> float:
    return fragment.stop - fragment.start


def _rounded(span: tuple[float, float], unit: Unit) -> tuple[float, float]:
    """Round seconds to the digits that a fragment is written with, so that text and fragment agree."""
    digits = 6 if unit == "t" else 0
    return round(float(span[0]), digits), round(float(span[1]), digits)
