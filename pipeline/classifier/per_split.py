"""What depends on the items that a split learns from: whether a view keeps the level, and an estimator for each split.

The default views of sound take the loudest point of each recording as their white, for how near the microphone was says
little of what was heard: a third view at full scale takes ESC-10 from 0.958 to 0.945. There the level alone gains 0.29
of the way from the most frequent class to no mistake; where classes differ in level alone it gains nearly all.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from phosphene.converters import (
    Audio,
    Binary,
    Converter,
    MouseTrace,
    ParameterError,
    Series,
    Signal,
    parse_views,
)
from phosphene.converters.series.base import SMALLEST_CELL
from phosphene.pipeline.strategies.estimator import Fit, ImageEstimator, Model, Outputs, Project

LEVEL_VIEW = "mel(reference=full_scale)"
CHANNEL_VIEWS = (
    "windows(size={0},length=1,channels=stack,value_range=training),"
    "windows(size={0},length=1,channels=stack,input=differences,value_range=training)"
)
CHANNEL_LEVELS = "levels(size=112,value_range=training)"
KERNEL_VIEWS = "rocket(size=112),rocket(size=112,normalise=window)"
"""With both 28 UCR sets have 0.912 in the mean, with the first alone 0.902; MiniRocket has 0.899."""
LEAST_SAMPLES = 9
"""Of the kernels of these views."""
HABITS_VIEW = "habits(size=56,features=pixel)"
"""With it, and smaller images, 0.986 of the sessions of Balabit are named right, 0.958 before; the area under the curve
of claims is 0.977, 0.979 before."""
PROGRAM_VIEW = "words(size=112)"
"""Of program files from other releases than those learned from it takes the accuracy from 0.69 to 0.91."""
LEAST_GAIN = 0.5
WORD_VIEW = "mel(size=112,keep=trimmed,window_s=0.025,n_mels=24)"
"""So few bands that harmonics, which tell the speaker, melt into the formants, which tell the word. Of synthetic spoken
digits, learned from four voices, those of eight others were right at 0.966 instead of 0.898."""
LONGEST_WORD_S = 2.5
LEAST_UNEVEN = 1.5
_LEAST_OF_CLASS = 4
_FOLDS = 4

_Views = tuple[Converter, ...]
_Result = TypeVar("_Result")


def level_views(
    signals: Sequence[Signal], labels: Sequence[str | None], items: Sequence[int]
) -> tuple[Converter, ...]:
    """Return the view that keeps the level where the level tells the classes of some sounds apart, else nothing.

    `items` says of which item each signal is a window.

    Examples
    --------
    >>> loud, faint = ([Audio(level * np.sin(np.arange(800) + k), 8000) for k in range(8)] for level in (0.5, 0.1))
    >>> [view.spec for view in level_views([*loud, *faint], ["loud"] * 8 + ["faint"] * 8, range(16))]
    ['mel(reference=full_scale)']
    >>> level_views([*loud, *faint], ["a", "b"] * 8, range(16))
    ()
    """
    known = [
        (levels_db(one), label, item)
        for one, label, item in zip(signals, labels, items, strict=True)
        if label is not None and isinstance(one, Audio)
    ]
    if not known:
        return ()
    levels, classes, groups = zip(*known, strict=True)
    if level_gain(np.array(levels), np.array(classes), np.array(groups)) < LEAST_GAIN:
        return ()
    return parse_views(LEVEL_VIEW, kind="audio")


def word_views(signals: Sequence[Signal]) -> tuple[Converter, ...]:
    """Return the view of short sounds of uneven lengths, such as words, else nothing.

    Each sound is drawn without silence at its ends, and all over the same columns, so that one spoken fast looks like
    one spoken slowly. Sounds are short where all but a twentieth last at most 2.5 s, uneven where the lengths that a
    twentieth exceeds and falls short of differ by half or more.

    Examples
    --------
    >>> words = [Audio(np.ones(count), 8000) for count in (4000, 5000, 9000)]
    >>> [view.spec for view in word_views(words)]
    ['mel(size=112,keep=trimmed,window_s=0.025,n_mels=24)']
    >>> word_views(words[:1] * 3)
    ()
    """
    lengths_s = [one.duration_s for one in signals if isinstance(one, Audio)]
    if not lengths_s or len(lengths_s) < len(signals):
        return ()
    shorter_s, longer_s = np.percentile(lengths_s, [5, 95])
    if longer_s > LONGEST_WORD_S or longer_s < LEAST_UNEVEN * shorter_s:
        return ()
    return parse_views(WORD_VIEW, kind="audio")


def channel_views(signals: Sequence[Signal]) -> tuple[Converter, ...]:
    """Return the views of series that all have several channels, else nothing.

    All channels side by side over the same time, of values and of differences, as far as their strips fit, and the
    levels of each. In the other views a channel has one small image among others, where its level is lost.

    Examples
    --------
    >>> from phosphene.converters import Series
    >>> [view.name for view in channel_views([Series(np.zeros((3, 9))), Series(np.ones((3, 7)))])]
    ['windows', 'windows', 'levels']
    >>> channel_views([Series(np.zeros(9))])
    ()
    """
    counts = [len(one.values) for one in signals if isinstance(one, Series)]
    if not counts or len(counts) < len(signals) or min(counts) < 2:
        return ()
    size = next((size for size in (112, 224) if max(counts) * SMALLEST_CELL <= size), None)
    strips = [CHANNEL_VIEWS.format(size)] if size else []
    return parse_views(",".join([*strips, CHANNEL_LEVELS]), kind="series")


def pixel_views(signals: Sequence[Signal]) -> tuple[Converter, ...]:
    """Return the views whose every pixel a linear head takes, or nothing.

    They count: answers of series to kernels, steps of pointers, words of programs.

    Examples
    --------
    >>> from phosphene.converters import Series
    >>> [view.spec for view in pixel_views([Series(np.zeros(50))])], pixel_views([Series(np.zeros(5))])
    (['rocket(size=112)', 'rocket(size=112,normalise=window)'], ())
    >>> [view.spec for view in pixel_views([Binary(b"no word")])]
    ['words(size=112)']
    """
    for signal, views in ((Binary, PROGRAM_VIEW), (MouseTrace, HABITS_VIEW)):
        if signals and all(isinstance(one, signal) for one in signals):
            return parse_views(views)
    counts = [one.values.shape[1] for one in signals if isinstance(one, Series)]
    if not counts or len(counts) < len(signals) or np.median(counts) < LEAST_SAMPLES:
        return ()
    return parse_views(KERNEL_VIEWS, kind="series")


def levels_db(sound: Audio) -> tuple[float, float]:
    """Return the mean level and the peak of a sound, in decibels of full scale."""
    power, peak = float(np.square(sound.samples).mean()), float(np.abs(sound.samples).max())
    return 10 * float(np.log10(max(power, 1e-12))), 20 * float(np.log10(max(peak, 1e-6)))


def level_gain(levels: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> float:
    """Return how far levels alone, of items left out of the fit, go from the most frequent class to no mistake.

    Parameters
    ----------
    levels
        float (n, n_features).
    labels, groups
        The class of each, text (n,), and the item that it is of, int (n,).

    Returns
    -------
    float
        1 for no mistake, 0 for as many as by the most frequent class; 0 where a class has fewer than four items.
    """
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.naive_bayes import GaussianNB

    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2 or min(len(set(groups[labels == name])) for name in classes) < _LEAST_OF_CLASS:
        return 0.0
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0)
    accuracy = float(
        np.mean(cross_val_predict(GaussianNB(), levels, labels, cv=folds, groups=groups) == labels)
    )
    floor = float(counts.max()) / len(labels)
    return (accuracy - floor) / (1 - floor)


class EstimatorPerSplit(ImageEstimator):
    """An estimator for each split, whose views took ranges and the like from the items that this split learns from.

    No test item has a part in what it is drawn as. Of smaller parts of the training items, which may belong to several
    splits, the first such split counts.

    Parameters
    ----------
    splits
        Of each split the indices of the windows that it learns from, int (n,), and its views.
    make
        Draws all windows as some views, and makes the estimator of these tiles.
    first
        The estimator of the first split.
    """

    def __init__(
        self,
        splits: Sequence[tuple[np.ndarray, _Views]],
        make: Callable[[_Views], ImageEstimator],
        *,
        first: ImageEstimator,
    ) -> None:
        self.splits, self.make = tuple(splits), make
        self._views, self._estimator = self.splits[0][1], first
        self._of_model: list[tuple[Model, _Views]] = []
        self._shared_s = 0.0

    @property
    def shared_s(self) -> float:
        """Seconds spent so far on tiles and features, which the fits of a split share."""
        return self._shared_s

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Fit a model to windows that one split learns from, or to a part of them."""
        views = self._views_of(indices)
        fit = self._timed(views, lambda one: one.fit(indices, targets, groups, n_classes=n_classes))
        self._of_model.append((fit.model, views))
        return fit

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of windows, drawn as those were that the model learned from."""
        return self._timed(self._seen_as(model), lambda one: one.predict_log_proba(model, indices))

    def outputs(self, model: Model, indices: np.ndarray, project: Project | None = None) -> Outputs:
        """Return the log-probabilities and projected features of windows, drawn as the model saw them."""
        return self._timed(self._seen_as(model), lambda one: one.outputs(model, indices, project))

    def _seen_as(self, model: Model) -> _Views:
        return next(views for known, views in self._of_model if known is model)

    def _views_of(self, indices: np.ndarray) -> _Views:
        for learned, views in self.splits:
            if np.isin(indices, learned).all():
                return views
        raise ParameterError("an estimator per split is fitted to windows that one of its splits learns from")

    def _timed(self, views: _Views, use: Callable[[ImageEstimator], _Result]) -> _Result:
        begin, before_s = time.monotonic(), self._estimator.shared_s
        if views != self._views:
            # One at a time: the features of all items take most of the memory, and splits come one after the other.
            self._estimator, self._views = self.make(views), views
            self._shared_s += time.monotonic() - begin
            before_s = 0.0
        result = use(self._estimator)
        self._shared_s += self._estimator.shared_s - before_s
        return result
