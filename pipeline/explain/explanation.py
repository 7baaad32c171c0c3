"""Where in a recording, series, session or file a prediction came from, in its own units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from phosphene.converters import Image, ParameterError, ReadError, Region, SignalError, Span
from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import cut
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.evaluation import Prediction

from .attribution import attribute, contrast
from .grid import Grid
from .removal import ask
from .search import KeptCells, SearchResult, search

TRIMMED = 0.03
"""Share of its evidence that may lie beyond either end of a region: thin tails are left out."""
LEAST_WEIGHT = 0.01
"""Regions of less are not named."""


@dataclass(frozen=True)
class WeightedRegion:
    """A part of a signal that speaks for the class.

    Parameters
    ----------
    weight
        Its share of all that speaks for the class.
    view
        The view that has most of it.
    region
        Where it is: seconds and hertz, samples, events and positions on the screen, or bytes, in the file's own count.
    """

    weight: float
    view: str
    region: Region

    def __str__(self) -> str:
        """Say where it is, as a person would: `1.2-1.45 s, 800-1200 Hz`, `0x3a10-0x4c00 in .text`."""
        bytes_ = self.region.of("bytes")
        return _bytes_words(bytes_) if bytes_ else ", ".join(dict.fromkeys(map(_words, self.region.spans)))

    @property
    def fields(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        about: dict[str, Any] = {"weight": round(self.weight, 4), "view": self.view}
        spans = self.region.spans
        for quantity in dict.fromkeys(span.quantity for span in spans):
            some = self.region.of(quantity)
            first, last = _KEYS.get(quantity, (f"start_{quantity}", f"stop_{quantity}"))
            start, stop = min(span.start for span in some), max(span.stop for span in some)
            whole = quantity in ("bytes", "sample", "event")
            about |= {
                first: int(start) if whole else round(start, 6),
                last: int(stop) if whole else round(stop, 6),
            }
        names = list(dict.fromkeys(span.label for span in spans if span.label))
        return about | ({_NAMES.get(spans[0].quantity, "channel"): ", ".join(names)} if names else {})


_KEYS = {
    "time": ("start_s", "stop_s"),
    "frequency": ("low_hz", "high_hz"),
    "sample": ("start_sample", "stop_sample"),
    "event": ("start_event", "stop_event"),
    "x": ("left_px", "right_px"),
    "y": ("top_px", "bottom_px"),
    "bytes": ("start_byte", "stop_byte"),
}
_NAMES = {"bytes": "section"}


def _bytes_words(spans: Sequence[Span]) -> str:
    """Say which bytes, and the sections that have most of them."""
    parts = sorted((one for one in spans if one.label), key=lambda one: one.start - one.stop)
    names = list(dict.fromkeys(one.label for one in parts))
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    inside = f" in {', '.join(names[:2])}{more}" if names else ""
    return f"{int(spans[0].start):#x}-{int(spans[-1].stop):#x}{inside}"


def _words(span: Span) -> str:
    name = f" of {span.label}" if span.label and span.quantity == "sample" else ""
    if span.quantity in ("sample", "event"):
        return f"{span.quantity}s {int(span.start)}-{int(span.stop) - 1}{name}"
    quantity = f"{span.quantity} " if span.quantity in ("x", "y") else ""
    return f"{quantity}{span.start:.4g}-{span.stop:.4g} {span.unit}"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Where a prediction came from.

    Parameters
    ----------
    item, label, probability
        What was predicted, the class that is explained, and its probability.
    regions
        What speaks for the class, the weightiest first.
    alone, without
        The probability of the class for the regions alone, with all else taken out of the signal, and for the signal
        without the regions; NaN where such a signal cannot be drawn.
    notes
        In what the item is unlike the training items.
    grid
        The cells of the signal.
    evidence
        float64 (n_views, n_rows, n_columns): what each view says about each cell, in units of log-odds of the class;
        below 0 it speaks against.
    importance
        float64 (n_rows, n_columns): the share of a cell in all that speaks for the class, the mean of what the maps say
        and of what happens without it and those around it.
    mask
        bool (n_rows, n_columns): the cells of all regions.
    sufficient
        The smallest cells found for which alone the class is as probable as for the whole signal, and its probability;
        where none are, those for which it is most probable.
    queries
        Signals that the classifier was asked about.
    views, images, maps
        The views by name, and of the window that speaks most for the class its images and the evidence of each pixel.

    Examples
    --------
    >>> explanation = explain(Classifier.load("model"), "new.wav")  # doctest: +SKIP
    >>> print(explanation.regions[0])  # doctest: +SKIP
    1.2-1.45 s, 800-1200 Hz
    """

    item: Item
    label: str
    probability: float
    regions: tuple[WeightedRegion, ...]
    alone: float
    without: float
    notes: tuple[str, ...] = field(repr=False)
    grid: Grid = field(repr=False)
    evidence: np.ndarray = field(repr=False)
    importance: np.ndarray = field(repr=False)
    mask: np.ndarray = field(repr=False)
    sufficient: KeptCells = field(repr=False)
    queries: int = field(repr=False)
    views: tuple[str, ...] = field(repr=False)
    images: tuple[Image, ...] = field(repr=False)
    maps: tuple[np.ndarray, ...] = field(repr=False)

    def __repr__(self) -> str:
        first = f"; first {self.regions[0]}" if self.regions else ""
        count = len(self.regions)
        plural = "" if count == 1 else "s"
        return f"Explanation({self.item}: {self.label} {self.probability:.3f}, {count} region{plural}{first})"

    @property
    def result(self) -> dict[str, Any]:
        """What `--json` prints."""
        return {
            "path": str(self.item),
            "label": self.label,
            "probability": self.probability,
            "regions": [region.fields for region in self.regions],
            "probability_of_regions_alone": self.alone,
            "probability_without_regions": self.without,
            "sufficient_share": round(float(self.sufficient.mask.mean()), 4),
            "probability_of_sufficient": self.sufficient.alone,
            "queries": self.queries,
            "notes": list(self.notes),
        }


def explain(
    classifier: Classifier,
    source: Any,
    *,
    label: str | None = None,
    most: int = 10,
    rate_hz: float | None = None,
    step_s: float | None = None,
) -> Explanation:
    """Tell where in one item a prediction came from.

    Parameters
    ----------
    classifier
        Of any strategy.
    source
        One file, `path#fragment`, signal or array, as for `Classifier.predict`.
    label
        The class to explain; None takes the predicted one.
    most
        Regions to name at most.
    rate_hz, step_s
        Of an array.

    Raises
    ------
    ParameterError
        Several items, or no such class.
    ReadError, SignalError
        The file, or the signal in memory, cannot be predicted.

    Examples
    --------
    >>> explain(Classifier.load("model"), "new.wav").result["regions"][0]  # doctest: +SKIP
    {'weight': 0.41, 'view': 'mel', 'start_s': 1.2, 'stop_s': 1.45, 'low_hz': 803.1, 'high_hz': 1204.6}
    """
    items = classifier.items(source, rate_hz=rate_hz, step_s=step_s)
    if len(items) != 1:
        raise ParameterError(
            f"explain takes one item, got {len(items)}; name one, such as {next(iter(items), 'a file')}"
        )
    prediction = _predicted(classifier, items[0])
    label = prediction.label if label is None else label
    if label not in classifier.classes:
        raise ParameterError(f"label must be one of {', '.join(classifier.classes)}, got {label!r}")
    return _explained(classifier, prediction, label, most)


def _predicted(classifier: Classifier, item: Item) -> Prediction:
    found = classifier.predict([item], workers=1)
    if found.failures:
        raise (ReadError if item.signal is None else SignalError)(found.failures[0].error)
    return found[0]


def _explained(classifier: Classifier, prediction: Prediction, label: str, most: int) -> Explanation:
    item, target = prediction.item, classifier.classes.index(label)
    log_proba = np.log(np.maximum(list(prediction.probabilities.values()), 1e-300))
    grid = Grid.of(item.read(classifier.kind), _start(item))
    windows, _ = cut([item], classifier.windows, classifier.kind)
    evidence, images, maps = _evidence(classifier, windows, grid, target, contrast(log_proba, target))
    found = search(
        grid,
        evidence.sum(axis=0),
        lambda signals: _log_odds(ask(classifier, signals), target),
        n_windows=len(windows),
    )
    views = tuple(view.spec for view in classifier.views)
    regions = tuple(_regions(grid, evidence, found, views)[:most])
    return Explanation(
        item, label, float(np.exp(log_proba[target])), regions, found.regions.alone, found.without,
        prediction.notes, grid, evidence, found.importance, found.regions.mask, found.sufficient, found.queries,
        views, images, maps,
    )  # fmt: skip


def _log_odds(log_proba: np.ndarray, target: int) -> np.ndarray:
    """Return the log-odds of a class, float64 (n,), of float64 (n, n_classes)."""
    others = np.logaddexp.reduce(np.delete(log_proba, target, axis=1), axis=1)
    return np.asarray(log_proba[:, target] - others)


def _start(item: Item) -> float:
    """Return where an item begins in its file, in seconds, samples, events or bytes."""
    return item.fragment.start if item.fragment and item.fragment.unit != "row" else 0.0


def _evidence(
    classifier: Classifier, windows: Sequence[Item], grid: Grid, target: int, direction: np.ndarray
) -> tuple[np.ndarray, tuple[Image, ...], tuple[np.ndarray, ...]]:
    """Return the evidence of all views, the mean of the windows that cover a cell; and the window that says most."""
    evidence = np.zeros((len(classifier.views), *grid.shape))
    covered = np.zeros(grid.shape[1])
    best, shown = -np.inf, None
    for window in windows:
        signal = window.read(classifier.kind)
        images = tuple(view(signal) for view in classifier.views)
        pixels = [image.pixels for image in images]
        maps = attribute(classifier.model, pixels, classifier.views, target=target, direction=direction).maps
        offset = _start(window) - grid.start if _start(window) else 0.0
        for view, (image, found) in enumerate(zip(images, maps, strict=True)):
            evidence[view] += grid.evidence(image, found, offset=offset)
        covered += grid.covered(window)
        said = float(sum(one.sum() for one in maps))
        if said > best:
            best, shown = said, (images, maps)
    if shown is None:
        raise SignalError(f"{windows[0]}: its evidence is not a number; train the classifier again")
    return evidence / np.maximum(covered, 1), *shown


def _regions(
    grid: Grid, evidence: np.ndarray, found: SearchResult, views: Sequence[str]
) -> list[WeightedRegion]:
    total = float(np.maximum(found.importance, 0).sum()) or 1.0
    some = []
    for rows, columns in grid.regions(found.regions.mask):
        inside = found.regions.mask[rows, columns]
        of_view = (evidence[:, rows, columns] * inside).sum(axis=(1, 2))
        part = found.importance[rows, columns] * inside
        inner = rows if len(part) < 2 else _trimmed(part.sum(axis=1), rows)
        where = grid.region(inner, _trimmed(part.sum(axis=0), columns))
        some.append(WeightedRegion(float(part.sum() / total), views[int(of_view.argmax())], where))
    return sorted((one for one in some if one.weight >= LEAST_WEIGHT), key=lambda one: -one.weight)


def _trimmed(evidence: np.ndarray, cells: slice) -> slice:
    """Return the cells without the ends that hold next to nothing of what they say together.

    Examples
    --------
    >>> _trimmed(np.array([0.0, 9.0, 11.0, 0.5]), slice(4, 8))
    slice(5, 7, None)
    >>> _trimmed(np.array([-1.0, 0.0]), slice(4, 6))  # nothing speaks for the class
    slice(5, 6, None)
    """
    shares = np.cumsum(np.maximum(evidence, 0)) / max(float(np.maximum(evidence, 0).sum()), 1e-12)
    first = min(int(np.searchsorted(shares, TRIMMED, "right")), len(shares) - 1)
    last = min(int(np.searchsorted(shares, 1 - TRIMMED, "left")), len(shares) - 1)
    return slice(cells.start + first, cells.start + max(first, last) + 1)
