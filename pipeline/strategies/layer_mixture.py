"""Where to look in a frozen network: what share its stages have, pooled as a whole or by cells, and the pictures.

How far features of photographs carry over falls with depth, and falls faster the less the new pictures look like
photographs (Yosinski et al. 2014, "How transferable are features in deep neural networks?",
https://arxiv.org/abs/1411.1792). So the stages are weighed for every data set, on its training items alone. To weigh
them is steadier than to choose: of many candidates the best on a few items is the luckiest.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.pipeline.backbones.features import PIXELS, Features, Pooling, Source

from .ridge_head import PENALTIES, Gram, Scaling, gram_of, indicators_of

RUN = 3
"""Neighbouring stages that are weighed together."""
PIXELS_SHARE = 0.2
"""What the pictures themselves weigh beside a run of stages, where they are looked at."""
PATIENCE = 0.03
"""A candidate whose error is greater by this share than the least counts 1/e as much as the best. From 0.2 to 0.02
errors on left-out training items of 24 series sets fell a little; still less would leave the luckiest one alone."""
LEAST_SHARE = 0.01
"""Sources of less are left out: they cost time and change nothing."""

Shares = dict[Source, float]


@dataclass(frozen=True)
class Mixture:
    """What training items say of stages and ways of pooling.

    Parameters
    ----------
    shares
        What each source is to weigh; they sum to 1.
    best
        The same of the candidate that erred least: fewer sources, where features of all would take too much room.
    accuracy
        Of every stage alone, on left-out training items, by the better way of pooling.
    """

    shares: Shares
    best: Shares
    accuracy: dict[str, float]


def mix_sources(
    features: Features, taps: Sequence[str], rows: np.ndarray, targets: np.ndarray, groups: np.ndarray
) -> Mixture:
    """Weigh the sources of features by how well left-out training items are predicted with them.

    Candidates are runs of neighbouring stages, pooled as a whole or by cells, with and without the pictures
    themselves. Each counts the less the greater its error is, and the head sees the average of all.

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
    >>> mix_sources(features, ["early", "late"], np.arange(40), targets, np.arange(40)).shares
    {('late', 'whole'): 1.0}
    """
    judge = _Judge(targets, groups)
    ways: tuple[Pooling, ...] = ("whole", "cells") if features.has_cells else ("whole",)
    pixels: list[Source] = [(PIXELS, "whole")] if features.has_pixels else []
    sources = [*pixels, *itertools.product(taps, ways)]
    kernels = {source: _kernel(features, rows, source) for source in sources}
    candidates = [
        candidate
        for way in ways
        for run in _runs(taps)
        for candidate in _candidates(run, way, features.has_pixels)
    ]
    errors = np.array([judge(_joined(kernels, candidate))[0] for candidate in candidates])
    alone = {source: judge(kernel)[1] for source, kernel in kernels.items()}
    accuracy = {tap: max(right for (name, _), right in alone.items() if name == tap) for tap, _ in sources}
    return Mixture(_averaged(candidates, _weights(errors)), candidates[int(errors.argmin())], accuracy)


def _runs(taps: Sequence[str]) -> list[Sequence[str]]:
    """List the runs of neighbours that leave out the first stage: edges and spots, which every picture has."""
    kept = taps[1:] or taps
    length = min(RUN, (len(kept) + 1) // 2)
    return [kept[first : first + length] for first in range(len(kept) - length + 1)]


def _candidates(run: Sequence[str], way: Pooling, has_pixels: bool) -> list[Shares]:
    stages: Shares = {(tap, way): 1 / len(run) for tap in run}
    if not has_pixels:
        return [stages]
    with_pixels: Shares = {source: share * (1 - PIXELS_SHARE) for source, share in stages.items()}
    with_pixels[PIXELS, "whole"] = PIXELS_SHARE
    return [stages, with_pixels]


def _weights(errors: np.ndarray) -> np.ndarray:
    """Return what candidates count by their errors; they sum to 1."""
    least = max(float(errors.min()), 1e-9)
    weights = np.exp(-(errors - least) / (least * PATIENCE))
    return np.asarray(weights / weights.sum())


def _averaged(candidates: Sequence[Shares], weights: np.ndarray) -> Shares:
    shares: Shares = {}
    for candidate, weight in zip(candidates, weights, strict=True):
        for source, share in candidate.items():
            shares[source] = shares.get(source, 0.0) + weight * share
    kept = {source: share for source, share in shares.items() if share >= LEAST_SHARE}
    total = sum(kept.values())
    return {source: float(share / total) for source, share in kept.items()}


def _joined(kernels: dict[Source, np.ndarray], shares: Shares) -> np.ndarray:
    return np.asarray(sum(share * kernels[source] for source, share in shares.items()))


def _kernel(features: Features, rows: np.ndarray, source: Source) -> np.ndarray:
    """Return the inner products of rows by one source, every view weighing the same."""
    some = features.rows(rows, {source: 1.0})
    scaling = Scaling.of(some.blocks, some.shares, pixels=some.pixels)
    return gram_of((np.concatenate(some.blocks, axis=1) - scaling.mean) * scaling.factor)


class _Judge:
    """Predicts training items from those of other groups."""

    def __init__(self, targets: np.ndarray, groups: np.ndarray) -> None:
        self.targets, self.groups = targets, np.unique(groups, return_inverse=True)[1]
        self.indicators = indicators_of(targets)
        self.level = self.indicators.mean(axis=0)

    def __call__(self, kernel: np.ndarray) -> tuple[float, float]:
        """Judge features by the inner products of their rows, before these get length 1.

        Return the mean squared error, every group counting the same, and the share of rows that were named rightly.
        """
        length = np.sqrt(np.maximum(np.diag(kernel), 1e-12))
        gram = kernel / np.outer(length, length)
        _, outside = Gram(gram, self.indicators - self.level, self.groups).best(PENALTIES[::4])
        scores = outside + self.level
        errors = ((scores - self.indicators) ** 2).mean(axis=1)
        of_group = np.bincount(self.groups, errors) / np.bincount(self.groups)
        return float(of_group.mean()), float((scores.argmax(axis=1) == self.targets).mean())
