"""The strategy `probe`: a linear head on weighted features of several layers of a frozen network, of all views.

All hyper-parameters (layer weights, pooling, ridge penalty, temperature) are chosen by leave-group-out cross-validation
on the training items.

How far features of photographs carry over falls with depth, and falls faster the less the new images look like
photographs (Yosinski et al. 2014, "How transferable are features in deep neural networks?",
https://arxiv.org/abs/1411.1792). So layers are weighted anew for every data set. To weight them is steadier than to
choose one: of many candidates the best on a few items is the luckiest.

Views count equally, but for families that see different things: how often a series answers to convolution kernels, or
the images that a network sees; the height of channels, or their form alone. Which of them tells classes apart differs
from data set to data set, so families are weighted in the same way.
"""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from phosphene.converters import Converter, ParameterError
from phosphene.datasets.windows import TrainingSet
from phosphene.pipeline.backbones.backbone import Backbone
from phosphene.pipeline.backbones.features import (
    PIXELS,
    Extractor,
    Features,
    PooledLayer,
    Pooling,
    all_pooled_layers,
    view_features,
)
from phosphene.pipeline.tiles.engines import Engine, make_engine
from phosphene.pipeline.tiles.item_map import Progress
from phosphene.pipeline.tiles.render import Tiles

from .estimator import Estimator, Fit, Model, Outputs, Project, joined, model_bytes, scattered, without_prefix
from .ridge import (
    PENALTIES,
    FeatureScaling,
    GroupRidge,
    LinearHead,
    class_indicators,
    fit_head,
    inner_products,
    subsample_groups,
)

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
    of_images = {tuple(features.seen_by_network): _weighted_sum(kernels, weights)}
    views = (
        _view_weights(features, indices, weights, families, of_images, validate)
        if len(families) > 1
        else None
    )
    return WeightedLayers(weights, candidates[int(errors.argmin())], accuracy, views)


def _view_weights(
    features: Features,
    indices: np.ndarray,
    weights: LayerWeights,
    families: Sequence[Sequence[int]],
    known: dict[tuple[int, ...], np.ndarray],
    validate: "_CrossValidation",
) -> dict[int, float]:
    """Weight families of views: candidates are all unions of families, each of which counts equally in them.

    The inner products of some are `known`.
    """
    kernels = [
        known[tuple(family)]
        if tuple(family) in known
        else _family_kernel(features.of_views(family), indices, weights)
        for family in families
    ]
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


MOST_WEIGHTED = 500
"""Training items by which layers are weighted, at most: every run of layers is fitted to them."""
MOST_AT_ALL_LAYERS = 2000
"""Of more training items the best layers alone are used, and their features kept: those of all take up to 600 kB an
item."""
MOST_KEPT = 4000
"""Items, with those not learned from, whose features of all layers are kept where several fits are to come."""
AT_A_TIME = 256
"""Items whose features are in memory in prediction."""

_ARRAYS = ("mean", "factor", "weight", "bias")


@dataclass(frozen=True, eq=False)
class Probe:
    """A frozen backbone with a linear head on features of several layers and all views."""

    extractor: Extractor
    head: LinearHead

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """The frozen network."""
        return (self.extractor.backbone,)

    @property
    def n_features(self) -> int:
        """How many features it decides by."""
        return len(self.head.scaling.mean)

    def trained_bodies(self, view: int) -> tuple[Backbone, ...]:
        """Return the frozen network, which looks at every view."""
        del view
        return self.backbones

    def log_probabilities(self, tiles: Tiles, *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes); zeros for items that failed."""
        return self.outputs(tiles, progress=progress).log_proba

    def outputs(
        self, tiles: Tiles, project: Project | None = None, *, start: int = 0, progress: bool = False
    ) -> Outputs:
        """Return the log-probabilities and projected features of all items; zeros for items that failed."""
        parts = _parts(tiles.drawn)
        bar = Progress(parts, unit="part", desc="predict", delay=1.0, shown=progress)
        found = (
            self.of_features(view_features(self.extractor, tiles, part, progress=False), part, project, start)
            for part in bar
        )
        return scattered(joined(found, len(self.head.bias)), tiles.drawn, len(tiles))

    def of_features(
        self, features: Features, indices: np.ndarray, project: Project | None = None, start: int = 0
    ) -> Outputs:
        """Return the log-probabilities and projected features of some items by their features."""
        layers, head, found = dict.fromkeys(self.extractor.pooled_layers, 1.0), self.head, []
        for part in _parts(indices):
            rows = head.scaling(np.concatenate(features.select(part, layers).blocks, axis=1))
            found.append(Outputs(head.scaled_log_proba(rows), project and project(rows, start)))
        return joined(found, len(head.bias))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the head's numbers and the backbone's."""
        head = self.head
        arrays = zip(_ARRAYS, (head.scaling.mean, head.scaling.factor, head.weight, head.bias), strict=True)
        body = self.extractor.backbone.body.state_dict()
        return {f"head.{name}": torch.tensor(array) for name, array in arrays} | {
            f"body.{name}": tensor for name, tensor in body.items()
        }

    @property
    def config(self) -> dict[str, Any]:
        """The pooled layers, and the head's two scalars; in files the inverse of the temperature is `sharpness`."""
        sources = [list(layer) for layer in self.extractor.pooled_layers]
        scalars = {"sharpness": 1 / self.head.temperature, "penalty": self.head.penalty}
        return {"sort": "probe", "sources": sources, **scalars}

    @classmethod
    def from_tensors(
        cls, config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
    ) -> "Probe":
        """Make a saved probe again."""
        (backbone,) = backbones
        backbone.body.load_state_dict(without_prefix(tensors, "body."))
        mean, factor, weight, bias = (tensors[f"head.{name}"].numpy() for name in _ARRAYS)
        unknown = {layer for layer, _ in config["sources"]} - {PIXELS, *backbone.layers}
        if unknown or weight.shape != (len(mean), len(bias)) or factor.shape != mean.shape:
            raise ParameterError(
                f"a head must fit its network, got {weight.shape} weights, layers {unknown or 'known'}"
            )
        scaling = FeatureScaling(mean, factor)
        head = LinearHead(scaling, weight, bias, 1 / config["sharpness"], config["penalty"])
        pooled_layers = tuple((layer, way) for layer, way in config["sources"])
        return cls(Extractor(backbone, pooled_layers), head)


def _parts(indices: np.ndarray, most: int = AT_A_TIME) -> list[np.ndarray]:
    """Cut indices into parts whose features are in memory together."""
    return [indices[start : start + most] for start in range(0, len(indices), most)]


class ProbeEstimator(Estimator):
    """Fits linear heads; the features of a tile are computed once for all fits.

    Parameters
    ----------
    backbone
        The network; it stays as it is.
    tiles
        Images of all items.
    copies
        Images of the same items after random augmentation, to learn from besides.
    learned
        int (n,), the items that fits learn from; None for all. Of others those features alone are computed that a head
        asks for, when it predicts them.
    engine
        Where features are computed: `local`, `ray`, or an engine.
    progress
        Show bars on standard error.
    """

    def __init__(
        self,
        backbone: Backbone,
        tiles: Tiles,
        copies: Sequence[Tiles] = (),
        *,
        learned: np.ndarray | None = None,
        engine: Literal["local", "ray"] | Engine = "local",
        progress: bool,
    ) -> None:
        self.backbone, self.tiles, self.copies, self.progress = backbone, tiles, tuple(copies), progress
        self._engine = make_engine(engine, None)
        self._all_layers = Extractor(backbone, all_pooled_layers(backbone))
        self._learned = tiles.drawn if learned is None else np.intersect1d(tiles.drawn, learned)
        self._few = len(self._learned) <= MOST_AT_ALL_LAYERS
        self._kept = self._learned if self._few else tiles.drawn
        self._pooled_layers: tuple[PooledLayer, ...] = ()
        self._known: list[Features] = []
        self._weighted: dict[bytes, WeightedLayers] = {}
        self._shared_s = 0.0

    @property
    def shared_s(self) -> float:
        """Seconds spent so far on features and the weights of layers."""
        return self._shared_s

    def expect(self, fits: Sequence[TrainingSet]) -> None:
        """Weight the layers for all fits to come, so that of many tiles features are computed once."""
        if self._few:
            if len(fits) > 1 and len(self.tiles) <= MOST_KEPT:
                self._kept = self.tiles.drawn  # each may predict all others
            return
        spent_s, begin = self._shared_s, time.monotonic()
        weighted = [self._weight_layers(fit.indices, fit.targets, fit.groups) for fit in fits]
        self._features(tuple(layer for one in weighted for layer in one.best))
        self._shared_s = spent_s + time.monotonic() - begin

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Weight the layers and fit a head, by these items alone."""
        weighted = self._weight_layers(indices, targets, groups)
        weights = weighted.weights if self._few else weighted.best
        pooled_layers = tuple(weights)
        tables = self._features(pooled_layers)
        learned = [np.flatnonzero(np.isin(indices, table.indices)) for table in tables]
        rows, where = np.concatenate(learned), None
        if self._few or self.copies:
            parts = [
                table.select(indices[some], weights, weighted.views)
                for table, some in zip(tables, learned, strict=True)
            ]
            blocks = [
                np.concatenate(same) if len(same) > 1 else same[0]
                for same in zip(*(part.blocks for part in parts), strict=True)
            ]
        else:  # those of many are in memory once
            (table,) = tables
            parts = [table.select(table.indices, weights, weighted.views)]
            blocks, where = parts[0].blocks, np.searchsorted(table.indices, indices[rows])
        fit = fit_head(
            blocks, targets[rows], groups[rows],
            n_classes=n_classes, weights=parts[0].weights, pixels=parts[0].pixels, rows=where,
        )  # fmt: skip
        own = fit.oof_indices < len(indices)  # those of changed copies come behind
        notes = {
            "layer_weights": {f"{layer} {way}": round(share, 3) for (layer, way), share in weights.items()},
            "oof_accuracy": weighted.oof_accuracy,
        }
        if weighted.views:
            specs = [view.spec for view in self.tiles.views]
            notes["view_weights"] = {specs[view]: round(share, 3) for view, share in weighted.views.items()}
        probe = Probe(self._all_layers.some(pooled_layers), fit.head)
        return Fit(probe, fit.oof_indices[own], fit.oof_log_proba[own], model_bytes(probe), notes)

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of items: float64 (n, n_classes)."""
        return self.outputs(model, indices).log_proba

    def outputs(self, model: Model, indices: np.ndarray, project: Project | None = None) -> Outputs:
        """Return the log-probabilities and projected features of items."""
        if not isinstance(model, Probe):
            raise TypeError(f"a ProbeEstimator predicts with its own models, got {type(model).__name__}")
        layers = model.extractor.pooled_layers
        if not self._few or np.isin(indices, self._features(layers)[0].indices).all():
            return model.of_features(self._features(layers)[0], indices, project)
        parts = _parts(indices, MOST_AT_ALL_LAYERS)
        found = (
            model.of_features(self._extract(model.extractor, self.tiles, part), part, project)
            for part in parts
        )
        return joined(found, len(model.head.bias))

    def _weight_layers(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> WeightedLayers:
        key = b"".join(part.tobytes() for part in (indices, targets, groups))
        if key not in self._weighted:
            rows = subsample_groups(groups, MOST_WEIGHTED)
            some = None if self._few else self._extract(self._all_layers, self.tiles, indices[rows])
            features = some or self._features(())[0]
            self._weighted[key] = fit_layer_weights(
                features, self.backbone.layers, indices[rows], targets[rows], groups[rows],
                families=view_families(self.tiles.views),
            )  # fmt: skip
        return self._weighted[key]

    def _features(self, pooled_layers: tuple[PooledLayer, ...]) -> list[Features]:
        """Return the features of tiles and of their copies: of all layers where few are learned from, else of some."""
        known = self._known and (self._few or set(pooled_layers) <= set(self._pooled_layers))
        if not known:
            # Layers of other fits stay: the next is likely to use them too.
            self._pooled_layers = tuple(dict.fromkeys((*self._pooled_layers, *pooled_layers)))
            extractor = self._all_layers if self._few else self._all_layers.some(self._pooled_layers)
            self._known = [self._extract(extractor, some, self._kept) for some in (self.tiles, *self.copies)]
        return self._known

    def _extract(self, extractor: Extractor, tiles: Tiles, indices: np.ndarray) -> Features:
        begin = time.monotonic()
        features = view_features(extractor, tiles, indices, engine=self._engine, progress=self.progress)
        self._shared_s += time.monotonic() - begin
        return features
