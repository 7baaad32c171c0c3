"""Where in a recording, series, session or file a prediction came from, in its own units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import Audio, Image, ParameterError, ReadError, SignalError
from phosphene.converters.core.files import atomic_write
from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import cut
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.evaluation import Prediction

from .attribution import attribute, contrast
from .grid import Grid
from .plot import evidence_png
from .regions import WeightedRegion, weighted_regions
from .removal import ask, remembering, remove
from .search import KeptCells, search


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
        where none are, those for which it is most probable. None where that was not asked for.
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
    sufficient: KeptCells | None = field(repr=False)
    queries: int = field(repr=False)
    views: tuple[str, ...] = field(repr=False)
    images: tuple[Image, ...] = field(repr=False)
    maps: tuple[np.ndarray, ...] = field(repr=False)

    def __repr__(self) -> str:
        first = f"; first {self.regions[0]}" if self.regions else ""
        count = len(self.regions)
        plural = "" if count == 1 else "s"
        return f"Explanation({self.item}: {self.label} {self.probability:.3f}, {count} region{plural}{first})"

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows: the signal and its images, with what speaks for the class."""
        shown = list(zip(self.views, self.images, self.maps, strict=True))
        return evidence_png(_title(self), self.grid, self.regions, shown)

    @property
    def result(self) -> dict[str, Any]:
        """What `--json` prints."""
        found: dict[str, Any] = {
            "path": str(self.item),
            "label": self.label,
            "probability": self.probability,
            "regions": [region.fields for region in self.regions],
            "probability_of_regions_alone": self.alone,
            "probability_without_regions": self.without,
        }
        if self.sufficient:
            found["sufficient_share"] = round(float(self.sufficient.mask.mean()), 4)
            found["probability_of_sufficient"] = self.sufficient.alone
        return found | {"queries": self.queries, "notes": list(self.notes)}


def explain(
    classifier: Classifier,
    source: Any,
    *,
    label: str | None = None,
    most: int = 10,
    sufficient: bool = True,
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
    sufficient
        Search the smallest part that suffices for the prediction, too: up to two thirds of all queries.
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
    classifier = remembering(classifier)
    items = classifier.items(source, rate_hz=rate_hz, step_s=step_s)
    if len(items) != 1:
        raise ParameterError(
            f"explain takes one item, got {len(items)}; name one, such as {next(iter(items), 'a file')}"
        )
    prediction = _predicted(classifier, items[0])
    label = prediction.label if label is None else label
    if label not in classifier.classes:
        raise ParameterError(f"label must be one of {', '.join(classifier.classes)}, got {label!r}")
    return _explained(classifier, prediction, label, most, sufficient=sufficient)


def _predicted(classifier: Classifier, item: Item) -> Prediction:
    found = classifier.predict([item], workers=1)
    if found.failures:
        raise (ReadError if item.signal is None else SignalError)(found.failures[0].error)
    return found[0]


def _explained(
    classifier: Classifier, prediction: Prediction, label: str, most: int, *, sufficient: bool
) -> Explanation:
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
        sufficient=sufficient,
    )
    views = tuple(view.spec for view in classifier.views)
    regions = tuple(weighted_regions(grid, evidence, found, views)[:most])
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


def _title(explanation: Explanation) -> str:
    name = (
        f"{explanation.item.path.name}#{explanation.item.fragment}"
        if explanation.item.fragment
        else explanation.item.path.name
    )
    name = name.encode("utf-8", "replace").decode()
    name = name if len(name) < 60 else f"{name[:56]}..."
    return (
        f"{name}: {explanation.label} {explanation.probability:.0%}; regions alone {explanation.alone:.0%}, "
        f"without them {explanation.without:.0%}"
    )


def save_explanation(explanation: Explanation, path: str | Path) -> Path:
    """Write an explanation as a picture (.png), or the sound of its regions with all else muted (.wav).

    Raises
    ------
    ParameterError
        Another suffix, or a sound of what is none.
    """
    path = Path(path)
    sound = path.suffix.lower() == ".wav"
    if path.suffix.lower() != ".png" and not sound:
        raise ParameterError(
            f"{path}: an explanation is written as .png, or as .wav of a sound; name such a file"
        )
    signal = explanation.grid.signal
    if sound and not isinstance(signal, Audio):
        raise ParameterError(f"{path}: a {signal.kind} signal cannot be heard; write a .png")
    with atomic_write(path) as file:
        if sound:
            kept = remove(explanation.grid, ~explanation.mask)
            _write_wav(file, kept)
        else:
            file.write(explanation._repr_png_())
    return path


def _write_wav(file: Any, sound: Any) -> None:
    import soundfile

    samples = np.clip(sound.samples.T, -1.0, 1.0)
    soundfile.write(file, samples, round(sound.rate_hz), format="WAV", subtype="PCM_16")
