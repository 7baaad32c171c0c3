"""Where to look in a frozen network: at which stages, and at the whole of their maps or at cells of them.

How far features of photographs carry over falls with depth, and falls faster the less the new pictures look like
photographs (Yosinski et al. 2014, "How transferable are features in deep neural networks?",
https://arxiv.org/abs/1411.1792). So the stages are chosen for every data set, on its training items alone.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from .features import PIXELS, Features, Pooling, Rows
from .heads import PENALTIES, Gram, Scaling, gram_of, indicators_of


@dataclass(frozen=True)
class Focus:
    """The stages of a network that are looked at, and over what their maps are pooled.

    Parameters
    ----------
    taps
        The stages, from early to late.
    pooling
        The `whole` map, or each of the `cells` of the views that have them.
    pixels
        Whether the pictures themselves are looked at too, beside the network.
    """

    taps: tuple[str, ...]
    pooling: Pooling
    pixels: Literal["used", "unused"] = "unused"

    @property
    def sources(self) -> tuple[str, ...]:
        """All that features are taken from: the stages, and the pixels where they are used."""
        return (PIXELS, *self.taps) if self.pixels == "used" else self.taps


@dataclass(frozen=True)
class Trials:
    """What training items say of stages and ways of pooling.

    Parameters
    ----------
    best
        What to look at.
    accuracy
        Of every stage alone, on left-out training items, by the better way of pooling.
    """

    best: Focus
    accuracy: dict[str, float]


def usual_focus(taps: Sequence[str], pooling: Pooling = "whole") -> Focus:
    """Look at the middle of a network: neither the first quarter of its stages nor the last eighth.

    Early stages see edges and spots that every picture has, the last ones the objects of photographs.

    Examples
    --------
    >>> usual_focus("abcdefgh").taps, usual_focus("abcde").taps, usual_focus("a").taps
    (('c', 'd', 'e', 'f', 'g'), ('b', 'c', 'd'), ('a',))
    """
    count = len(taps)
    first = count // 4
    return Focus(tuple(taps[first : max(first + 1, count * 7 // 8)]), pooling)


def choose_focus(
    features: Features, taps: Sequence[str], rows: np.ndarray, targets: np.ndarray, groups: np.ndarray
) -> Trials:
    """Choose neighbouring stages and a way of pooling by which left-out training items are predicted best.

    The usual ones stay unless others are better by more than two standard errors of the difference: on a few items the
    best of many is the luckiest. The pictures themselves are looked at too where that is better in the same sense.

    Parameters
    ----------
    features
        Of all stages.
    taps
        The stages, from early to late.
    rows
        int (n,), places of training items.
    targets, groups
        As for `fit_head`, of these rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> targets = np.repeat([0, 1], 20)
    >>> noise, telling = rng.normal(size=(40, 9)), rng.normal(size=(40, 9)) + 3 * targets[:, None]
    >>> features = Features(np.arange(40), {(0, "early", "whole"): noise, (0, "late", "whole"): telling})
    >>> choose_focus(features, ["early", "late"], np.arange(40), targets, np.arange(40)).best.taps
    ('late',)
    """
    judge = _Judge(targets, groups)
    poolings: tuple[Pooling, ...] = ("whole", "cells") if features.has_cells else ("whole",)
    kernels = {(tap, way): _kernel(features.rows(rows, [tap], way)) for tap in taps for way in poolings}

    def joined(focus: Focus) -> np.ndarray:
        kernel: np.ndarray = np.mean([kernels[tap, focus.pooling] for tap in focus.taps], axis=0)
        return kernel

    outcomes = {focus: judge.outcome(joined(focus)) for way in poolings for focus in _runs(taps, way)}
    usual = min((usual_focus(taps, way) for way in poolings), key=lambda focus: outcomes[focus].error)
    best = min(outcomes, key=lambda focus: outcomes[focus].error)
    chosen = best if outcomes[best].surely_better(outcomes[usual]) else usual
    alone = {key: judge.outcome(kernel).accuracy for key, kernel in kernels.items()}
    accuracy = {tap: max(alone[tap, way] for way in poolings) for tap in taps}
    if features.has_pixels:
        pixels = _kernel(features.rows(rows, [PIXELS], "whole"))
        accuracy = {PIXELS: judge.outcome(pixels).accuracy} | accuracy
        if judge.outcome((joined(chosen) + pixels) / 2).surely_better(outcomes[chosen]):
            chosen = replace(chosen, pixels="used")
    return Trials(chosen, accuracy)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The squared errors of left-out items, one a group, and the share of items that were named rightly."""

    errors: np.ndarray
    accuracy: float

    @property
    def error(self) -> float:
        return float(self.errors.mean())

    def surely_better(self, other: "_Outcome") -> bool:
        """Tell whether the errors are lower by more than two standard errors of the difference."""
        gain = other.errors - self.errors
        return len(gain) > 1 and bool(gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain)))


class _Judge:
    """Predicts training items from those of other groups."""

    def __init__(self, targets: np.ndarray, groups: np.ndarray) -> None:
        self.targets, self.groups = targets, np.unique(groups, return_inverse=True)[1]
        self.indicators = indicators_of(targets)
        self.level = self.indicators.mean(axis=0)

    def outcome(self, kernel: np.ndarray) -> _Outcome:
        """Judge features by the inner products of their rows, before these get length 1."""
        length = np.sqrt(np.maximum(np.diag(kernel), 1e-12))
        gram = kernel / np.outer(length, length)
        _, outside = Gram(gram, self.indicators - self.level, self.groups).best(PENALTIES[::4])
        scores = outside + self.level
        errors = ((scores - self.indicators) ** 2).mean(axis=1)
        of_group = np.bincount(self.groups, errors) / np.bincount(self.groups)
        return _Outcome(of_group, float((scores.argmax(axis=1) == self.targets).mean()))


def _runs(taps: Sequence[str], pooling: Pooling) -> list[Focus]:
    """List the runs of three neighbours or more that leave out the first quarter; of fewer where there are few."""
    ends = range(len(taps) // 4, len(taps) + 1)
    least = min(3, len(ends) // 2)
    return [Focus(tuple(taps[a:b]), pooling) for a, b in itertools.combinations(ends, 2) if b - a >= least]


def _kernel(rows: Rows) -> np.ndarray:
    """Return the inner products of rows, every block weighing the same."""
    scaling = Scaling.of(rows.blocks, pixels=rows.pixels)
    return gram_of((np.concatenate(rows.blocks, axis=1) - scaling.mean) * scaling.factor)
