"""The strategy `probe`: a frozen network cut early, and a linear head on features of several depths and all views."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from phosphene.datasets.windows import TrainingSet
from phosphene.pipeline.backbones.backbone import Backbone
from phosphene.pipeline.backbones.features import Extractor, Features, Source, all_sources, view_features
from phosphene.pipeline.tiles.render import Tiles

from .estimator import Estimator, Fit, Model, model_bytes, without_prefix
from .layer_mixture import Mixture, mix_sources
from .ridge_head import LinearHead, Scaling, fit_head, judged_rows

MOST_JUDGED = 500
"""Rows by which stages are weighed, drawn from all to learn from: every run of stages is fitted to them."""
MOST_AT_ALL_STAGES = 2000
"""Of more items the best stages alone are used, and their features kept: those of all take up to 600 kB an item."""

AT_A_TIME = 256
"""Items whose features are in memory while they are answered for."""

_ARRAYS = ("mean", "factor", "weight", "bias")


@dataclass(frozen=True, eq=False)
class Probe:
    """A frozen backbone with a linear head on features of several depths and all views."""

    extractor: Extractor
    head: LinearHead

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """The frozen network."""
        return (self.extractor.backbone,)

    def log_probabilities(self, tiles: Tiles, *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes); zeros for items that failed."""
        answers = np.zeros((len(tiles), len(self.head.bias)))
        parts = _parts(tiles.drawn)
        for places in tqdm(parts, unit="part", desc="answers", delay=1.0, disable=None if progress else True):
            features = view_features(self.extractor, tiles, places, progress=False)
            answers[places] = self.of_features(features, places)
        return answers

    def of_features(self, features: Features, places: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of some items by their features: float64 (n, n_classes)."""
        shares = dict.fromkeys(self.extractor.sources, 1.0)
        rows = (features.rows(some, shares).blocks for some in _parts(places))
        answers = [self.head.log_probabilities(np.concatenate(blocks, axis=1)) for blocks in rows]
        return np.concatenate(answers) if answers else np.zeros((0, len(self.head.bias)))

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
        """Where the features are taken, and the head's two scalars."""
        sources = [list(source) for source in self.extractor.sources]
        scalars = {"sharpness": self.head.sharpness, "penalty": self.head.penalty}
        return {"sort": "probe", "sources": sources, **scalars}

    @classmethod
    def from_tensors(
        cls, config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
    ) -> "Probe":
        """Make a saved probe again."""
        (backbone,) = backbones
        backbone.body.load_state_dict(without_prefix(tensors, "body."))
        mean, factor, weight, bias = (tensors[f"head.{name}"].numpy() for name in _ARRAYS)
        head = LinearHead(Scaling(mean, factor), weight, bias, config["sharpness"], config["penalty"])
        sources = tuple((tap, way) for tap, way in config["sources"])
        return cls(Extractor(backbone, sources), head)


def _parts(places: np.ndarray) -> list[np.ndarray]:
    """Cut places into parts whose features are in memory together."""
    return [places[start : start + AT_A_TIME] for start in range(0, len(places), AT_A_TIME)]


class ProbeEstimator(Estimator):
    """Fits linear heads; the features of a tile are computed once for all fits.

    Parameters
    ----------
    backbone
        The network; it stays as it is.
    tiles
        Pictures of all items.
    copies
        Pictures of the same items after random changes, to learn from besides.
    progress
        Show bars on standard error.
    """

    def __init__(
        self, backbone: Backbone, tiles: Tiles, copies: Sequence[Tiles] = (), *, progress: bool
    ) -> None:
        self.backbone, self.tiles, self.copies, self.progress = backbone, tiles, tuple(copies), progress
        self._everywhere = Extractor(backbone, all_sources(backbone))
        self._few = len(tiles) <= MOST_AT_ALL_STAGES
        self._sources: tuple[Source, ...] = ()
        self._known: list[Features] = []
        self._weighed: dict[bytes, Mixture] = {}
        self._shared_s = 0.0

    @property
    def shared_s(self) -> float:
        """Seconds spent so far on features and the weights of layers."""
        return self._shared_s

    def expect(self, fits: Sequence[TrainingSet]) -> None:
        """Weigh the stages for all fits to come, so that the network looks but once where tiles are many."""
        if self._few:
            return
        spent_s, begin = self._shared_s, time.monotonic()
        mixtures = [self._mixture(fit.indices, fit.targets, fit.groups) for fit in fits]
        self._features(tuple(source for mixture in mixtures for source in mixture.best))
        self._shared_s = spent_s + time.monotonic() - begin

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Weigh the stages and fit a head, by these items alone."""
        mixture = self._mixture(indices, targets, groups)
        weights = mixture.shares if self._few else mixture.best
        sources = tuple(weights)
        tables = self._features(sources)
        learned = [np.flatnonzero(np.isin(indices, table.places)) for table in tables]
        parts = [table.rows(indices[rows], weights) for table, rows in zip(tables, learned, strict=True)]
        blocks = [np.concatenate(same) for same in zip(*(part.blocks for part in parts), strict=True)]
        rows = np.concatenate(learned)
        shares, pixels = parts[0].shares, parts[0].pixels
        fit = fit_head(blocks, targets[rows], groups[rows], shares=shares, pixels=pixels)
        unchanged = fit.rows < len(indices)
        notes = {
            "shares": {f"{tap} {way}": round(share, 3) for (tap, way), share in weights.items()},
            "left_out_accuracy": mixture.accuracy,
        }
        probe = Probe(Extractor(self.backbone, sources), fit.head)
        return Fit(probe, fit.rows[unchanged], fit.left_out[unchanged], model_bytes(probe), notes)

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of items: float64 (n, n_classes)."""
        if not isinstance(model, Probe):
            raise TypeError(f"a ProbeEstimator predicts with its own models, got {type(model).__name__}")
        return model.of_features(self._features(model.extractor.sources)[0], indices)

    def _mixture(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Mixture:
        key = b"".join(part.tobytes() for part in (places, targets, groups))
        if key not in self._weighed:
            rows = judged_rows(groups, MOST_JUDGED)
            some = None if self._few else self._looked(self._everywhere, self.tiles, places[rows])
            features = some or self._features(())[0]
            self._weighed[key] = mix_sources(
                features, self.backbone.taps, places[rows], targets[rows], groups[rows]
            )
        return self._weighed[key]

    def _features(self, sources: tuple[Source, ...]) -> list[Features]:
        """Return the features of the tiles and of their copies: all there are where tiles are few, else some."""
        known = self._known and (self._few or set(sources) <= set(self._sources))
        if not known:
            # What another fit has used stays: the next is likely to use it too.
            self._sources = tuple(dict.fromkeys((*self._sources, *sources)))
            extractor = self._everywhere if self._few else Extractor(self.backbone, self._sources)
            self._known = [self._looked(extractor, some) for some in (self.tiles, *self.copies)]
        return self._known

    def _looked(self, extractor: Extractor, tiles: Tiles, places: np.ndarray | None = None) -> Features:
        """Let the network look at tiles; the time is noted."""
        begin = time.monotonic()
        features = view_features(extractor, tiles, places, progress=self.progress)
        self._shared_s += time.monotonic() - begin
        return features
