"""Weights of the layers of a frozen network, pooled as a whole or by cells, and of the pixels themselves.

How far features of photographs carry over falls with depth, and falls faster the less the new images look like
photographs (Yosinski et al. 2014, "How transferable are features in deep neural networks?",
https://arxiv.org/abs/1411.1792). So layers are weighted anew for every data set, by leave-group-out cross-validation on
its training items. To weight them is steadier than to choose one: of many candidates the best on a few items is the
luckiest.

Views count equally, but for families that see different things: how often a series answers to convolution kernels, or
the images that a network sees; the height of channels, or their form alone. Which of them tells classes apart differs
from data set to data set, so families are weighted in the same way.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.converters import Converter
from phosphene.pipeline.backbones.features import PIXELS, Features, PooledLayer, Pooling

from .ridge import GroupRidge, class_indicators, inner_products
from .ridge_head import PENALTIES, FeatureScaling

RUN = 3
"""Neighbouring layers that are weighted together."""
PIXELS_WEIGHT = 0.2
"""Weight of the pixels beside a run of layers, where they are used."""
TOLERANCE = 0.03
"""A candidate whose error is greater by this share than the least has 1/e of the weight of the best. From 0.2 to 0.02
errors on left-out training items of 24 series sets fell a little; still less would leave the luckiest one alone."""
LEAST_WEIGHT = 0.01
"""Layers of less are left out: they cost time and change nothing."""

WEIGHTED_BESIDE = "levels"
"""Views are weighted by families where one is of this family, which is drawn of several channels alone. On left-out
training items of four sets, a few items each learned from, the mean accuracy was 0.812 with weighted families, 0.791
with equal weights of all views, and 0.794 with the views that series of one channel have."""

LayerWeights = dict[PooledLayer, float]


@dataclass(frozen=True)
class WeightedLayers:
    """Weights of layers and ways of pooling, from training items.

    Parameters
    ----------
    weights
        Of each pooled layer; they sum to 1.
    best
        The same of the candidate of the least error: fewer layers, where features of all would take too much room.
    oof_accuracy
        Of every layer alone, out of fold, by the better way of pooling.
    views
        Weights of the views by their indices, which sum to 1; None where all weigh the same.
    """

    weights: LayerWeights
    best: LayerWeights
    oof_accuracy: dict[str, float]
    views: dict[int, float] | None = None


def view_families(views: Sequence[Converter]) -> list[list[int]]:
    """Return the indices of the views of each family to be weighted; one family of all where views weigh the same.

    Examples
    --------
    >>> from phosphene.converters import parse_views
    >>> view_families(parse_views("line,gadf")), view_families(parse_views("line,levels,gadf"))
    ([[0, 1]], [[0, 2], [1]])
    >>> view_families(parse_views("windows,line,rocket"))
    [[0, 1], [2]]
    """
    beside = any(view.family == WEIGHTED_BESIDE for view in views)
    names = [view.family if beside or view.by_pixel else "" for view in views]
    return [[i for i, name in enumerate(names) if name == family] for family in dict.fromkeys(names)]


def fit_layer_weights(
    features: Features,
    layers: Sequence[str],
    indices: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    families: Sequence[Sequence[int]] = (),
) -> WeightedLayers:
    """Weight layers by how well left-out training items are predicted with them.

    Candidates are runs of neighbouring layers, pooled as a whole or by cells, with and without the pixels themselves.
    The greater the error of a candidate, the less its weight; the head sees the average of all.

    Parameters
    ----------
    features
        Of all layers.
    layers
        Their names, from early to late.
    indices
        int (n,), training items.
    targets, groups
        As for `fit_head`, of these items.
    families
        Indices of the views of each family, which get weights too where there are several.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> targets = np.repeat([0, 1], 20)
    >>> noise, signal = rng.normal(size=(40, 9)), rng.normal(size=(40, 9)) + 3 * targets[:, None]
    >>> features = Features(np.arange(40), {(0, "early", "whole"): noise, (0, "late", "whole"): signal})
    >>> fit_layer_weights(features, ["early", "late"], np.arange(40), targets, np.arange(40)).weights
    {('late', 'whole'): 1.0}
    """
    validate = _CrossValidation(targets, groups)
    seen = features.of_views(features.seen_by_network) if features.seen_by_network else features
    ways: tuple[Pooling, ...] = ("whole", "cells") if seen.has_cells else ("whole",)
    pixels: list[PooledLayer] = [(PIXELS, "whole")] if seen.has_pixels else []
    pooled = [*pixels, *itertools.product(layers, ways)]
    kernels = _kernels(seen, indices, pooled)
    candidates = [
        candidate
        for way in ways
        for run in _runs(layers)
        for candidate in _candidates(run, way, seen.has_pixels)
    ]
    errors = np.array([validate(_weighted_sum(kernels, candidate))[0] for candidate in candidates])
    alone = {layer: validate(kernel)[1] for layer, kernel in kernels.items()}
    accuracy = {name: max(of for (other, _), of in alone.items() if other == name) for name, _ in pooled}
    weights = _average(candidates, _candidate_weights(errors))
    views = _view_weights(features, indices, weights, families, validate) if len(families) > 1 else None
    return WeightedLayers(weights, candidates[int(errors.argmin())], accuracy, views)


def _view_weights(
    features: Features,
    indices: np.ndarray,
    weights: LayerWeights,
    families: Sequence[Sequence[int]],
    validate: "_CrossValidation",
) -> dict[int, float]:
    """Weight families of views: candidates are all unions of families, each of which counts equally in them."""
    kernels = [_family_kernel(features.of_views(family), indices, weights) for family in families]
    numbers = range(len(families))
    unions = [union for size in numbers for union in itertools.combinations(numbers, size + 1)]
    errors = np.array(
        [validate(np.mean([kernels[number] for number in union], axis=0))[0] for union in unions]
    )
    shares = dict.fromkeys(numbers, 0.0)
    for union, weight in zip(unions, _candidate_weights(errors), strict=True):
        for number in union:
            shares[number] += float(weight) / len(union)
    return {view: shares[number] / len(family) for number, family in enumerate(families) for view in family}


def _family_kernel(features: Features, indices: np.ndarray, weights: LayerWeights) -> np.ndarray:
    """Return the inner products of items by some views; those of pixels are the same for every layer."""
    if not features.seen_by_network:
        return _kernel(features, indices, next(iter(weights)))
    return _weighted_sum(_kernels(features, indices, weights), weights)


def _runs(layers: Sequence[str]) -> list[Sequence[str]]:
    """List the runs of neighbours without the first layer: edges and spots, which every image has."""
    kept = layers[1:] or layers
    length = min(RUN, (len(kept) + 1) // 2)
    return [kept[first : first + length] for first in range(len(kept) - length + 1)]


def _candidates(run: Sequence[str], way: Pooling, has_pixels: bool) -> list[LayerWeights]:
    layers: LayerWeights = {(layer, way): 1 / len(run) for layer in run}
    if not has_pixels:
        return [layers]
    with_pixels: LayerWeights = {layer: weight * (1 - PIXELS_WEIGHT) for layer, weight in layers.items()}
    with_pixels[PIXELS, "whole"] = PIXELS_WEIGHT
    return [layers, with_pixels]


def _candidate_weights(errors: np.ndarray) -> np.ndarray:
    """Return the weights of candidates by their errors; they sum to 1."""
    least = max(float(errors.min()), 1e-9)
    weights = np.exp(-(errors - least) / (least * TOLERANCE))
    return np.asarray(weights / weights.sum())


def _average(candidates: Sequence[LayerWeights], weights: np.ndarray) -> LayerWeights:
    average: LayerWeights = {}
    for candidate, weight in zip(candidates, weights, strict=True):
        for layer, share in candidate.items():
            average[layer] = average.get(layer, 0.0) + weight * share
    kept = {layer: weight for layer, weight in average.items() if weight >= LEAST_WEIGHT}
    total = sum(kept.values())
    return {layer: float(weight / total) for layer, weight in kept.items()}


def _weighted_sum(kernels: dict[PooledLayer, np.ndarray], weights: LayerWeights) -> np.ndarray:
    return np.asarray(sum(weight * kernels[layer] for layer, weight in weights.items()))


def _kernels(
    features: Features, indices: np.ndarray, layers: Iterable[PooledLayer]
) -> dict[PooledLayer, np.ndarray]:
    return {layer: _kernel(features, indices, layer) for layer in layers}


def _kernel(features: Features, indices: np.ndarray, layer: PooledLayer) -> np.ndarray:
    """Return the inner products of items by one layer, every view with the same weight."""
    some = features.select(indices, {layer: 1.0})
    scaling = FeatureScaling.of(some.blocks, some.weights, pixels=some.pixels)
    return inner_products((np.concatenate(some.blocks, axis=1) - scaling.mean) * scaling.factor)


class _CrossValidation:
    """Predicts training items from those of other groups."""

    def __init__(self, targets: np.ndarray, groups: np.ndarray) -> None:
        self.targets, self.groups = targets, np.unique(groups, return_inverse=True)[1]
        self.indicators = class_indicators(targets, int(targets.max()) + 1)
        self.level = self.indicators.mean(axis=0)

    def __call__(self, kernel: np.ndarray) -> tuple[float, float]:
        """Return the mean squared error, every group with the same weight, and the accuracy.

        `kernel` holds the inner products of the rows before these get length 1.
        """
        length = np.sqrt(np.maximum(np.diag(kernel), 1e-12))
        gram = kernel / np.outer(length, length)
        _, oof = GroupRidge(gram, self.indicators - self.level, self.groups).best(PENALTIES[::4])
        scores = oof + self.level
        errors = ((scores - self.indicators) ** 2).mean(axis=1)
        of_group = np.bincount(self.groups, errors) / np.bincount(self.groups)
        return float(of_group.mean()), float((scores.argmax(axis=1) == self.targets).mean())
