"""The strategy `probe`: a linear head on features of several layers of a frozen network, of all views.

All hyper-parameters (layer weights, pooling, ridge penalty, temperature) are chosen by leave-group-out cross-validation
on the training items.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from phosphene.converters import ParameterError
from phosphene.datasets.windows import TrainingSet
from phosphene.pipeline.backbones.backbone import Backbone
from phosphene.pipeline.backbones.features import (
    PIXELS,
    Extractor,
    Features,
    PooledLayer,
    all_pooled_layers,
    view_features,
)
from phosphene.pipeline.tiles.engines import Engine, make_engine
from phosphene.pipeline.tiles.progress import Progress
from phosphene.pipeline.tiles.render import Tiles

from .estimator import Estimator, Fit, Model, Outputs, Project, joined, model_bytes, scattered, without_prefix
from .layer_weights import WeightedLayers, fit_layer_weights, view_families
from .ridge import subsample_groups
from .ridge_head import FeatureScaling, LinearHead, fit_head

MOST_WEIGHTED = 500
"""Training items by which layers are weighted, at most: every run of layers is fitted to them."""
MOST_AT_ALL_LAYERS = 2000
"""Of more items the best layers alone are used, and their features kept: those of all take up to 600 kB an item."""
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


def _parts(indices: np.ndarray) -> list[np.ndarray]:
    """Cut indices into parts whose features are in memory together."""
    return [indices[start : start + AT_A_TIME] for start in range(0, len(indices), AT_A_TIME)]


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
        engine: Literal["local", "ray"] | Engine = "local",
        progress: bool,
    ) -> None:
        self.backbone, self.tiles, self.copies, self.progress = backbone, tiles, tuple(copies), progress
        self._engine = make_engine(engine, None)
        self._all_layers = Extractor(backbone, all_pooled_layers(backbone))
        self._few = len(tiles) <= MOST_AT_ALL_LAYERS
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
        probe = Probe(Extractor(self.backbone, pooled_layers), fit.head)
        return Fit(probe, fit.oof_indices[own], fit.oof_log_proba[own], model_bytes(probe), notes)

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of items: float64 (n, n_classes)."""
        return self.outputs(model, indices).log_proba

    def outputs(self, model: Model, indices: np.ndarray, project: Project | None = None) -> Outputs:
        """Return the log-probabilities and projected features of items."""
        if not isinstance(model, Probe):
            raise TypeError(f"a ProbeEstimator predicts with its own models, got {type(model).__name__}")
        features = self._features(model.extractor.pooled_layers)[0]
        return model.of_features(features, indices, project)

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
        """Return the features of the tiles and of their copies: of all layers where tiles are few, else of some."""
        known = self._known and (self._few or set(pooled_layers) <= set(self._pooled_layers))
        if not known:
            # Layers of other fits stay: the next is likely to use them too.
            self._pooled_layers = tuple(dict.fromkeys((*self._pooled_layers, *pooled_layers)))
            extractor = self._all_layers if self._few else Extractor(self.backbone, self._pooled_layers)
            self._known = [self._extract(extractor, some) for some in (self.tiles, *self.copies)]
        return self._known

    def _extract(self, extractor: Extractor, tiles: Tiles, indices: np.ndarray | None = None) -> Features:
        begin = time.monotonic()
        features = view_features(extractor, tiles, indices, engine=self._engine, progress=self.progress)
        self._shared_s += time.monotonic() - begin
        return features
