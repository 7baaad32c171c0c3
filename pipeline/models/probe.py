"""The strategy `probe`: a frozen network cut early, and a linear head on features of several depths and all views."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from phosphene.pipeline.data.render import Tiles

from .backbones import Backbone
from .features import PIXELS, Extractor, Features, Pooling, view_features
from .focus import Trials, choose_focus
from .heads import LinearHead, Scaling, fit_head, judged_rows
from .model import Fitted, Model, load_part

MOST_JUDGED = 500
"""Rows by which stages are chosen, drawn from all to learn from: every run of stages is fitted to them."""
MOST_AT_ALL_STAGES = 3000
"""Of more tiles the features of chosen stages alone are kept: those of all take 30 to 300 kB a tile."""

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
        features = view_features(self.extractor, tiles, progress=progress)
        answers = np.zeros((len(tiles), len(self.head.bias)))
        answers[features.places] = self.of_features(features, features.places)
        return answers

    def of_features(self, features: Features, places: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of some items by their features: float64 (n, n_classes)."""
        rows = features.rows(places, self.extractor.taps, self.extractor.poolings[0])
        return self.head.log_probabilities(np.concatenate(rows.blocks, axis=1))

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
        where = {"taps": list(self.extractor.taps), "pooling": self.extractor.poolings[0]}
        return {"sort": "probe", **where, "sharpness": self.head.sharpness, "penalty": self.head.penalty}

    @classmethod
    def from_tensors(
        cls, config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
    ) -> "Probe":
        """Make a saved probe again."""
        (backbone,) = backbones
        load_part(backbone.body, tensors, "body.")
        mean, factor, weight, bias = (tensors[f"head.{name}"].numpy() for name in _ARRAYS)
        head = LinearHead(Scaling(mean, factor), weight, bias, config["sharpness"], config["penalty"])
        return cls(Extractor(backbone, tuple(config["taps"]), (config["pooling"],)), head)


class ProbeTrainer:
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
        self._everywhere = Extractor(backbone, (PIXELS, *backbone.taps), ("whole", "cells"))
        self._few = len(tiles) <= MOST_AT_ALL_STAGES
        self._known: dict[tuple[tuple[str, ...], Pooling] | None, list[Features]] = {}

    def fit(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Fitted:
        """Choose the stages and fit a head, by the items at `places` alone."""
        trials = self._trials(places, targets, groups)
        focus = trials.best
        tables = self._features(focus.sources, focus.pooling)
        learned = [np.flatnonzero(np.isin(places, table.places)) for table in tables]
        parts = [
            table.rows(places[rows], focus.sources, focus.pooling)
            for table, rows in zip(tables, learned, strict=True)
        ]
        blocks = [np.concatenate(same) for same in zip(*(part.blocks for part in parts), strict=True)]
        rows = np.concatenate(learned)
        fit = fit_head(blocks, targets[rows], groups[rows], pixels=parts[0].pixels)
        unchanged = fit.rows < len(places)
        notes = {
            "stages": list(focus.sources),
            "pooling": focus.pooling,
            "left_out_accuracy": trials.accuracy,
        }
        probe = Probe(Extractor(self.backbone, focus.sources, (focus.pooling,)), fit.head)
        return Fitted(probe, fit.rows[unchanged], fit.left_out[unchanged], notes)

    def answer(self, model: Model, places: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of the items at `places`."""
        if not isinstance(model, Probe):
            raise TypeError(f"a ProbeTrainer answers with its own models, got {type(model).__name__}")
        extractor = model.extractor
        return model.of_features(self._features(extractor.taps, extractor.poolings[0])[0], places)

    def _trials(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Trials:
        rows = judged_rows(groups, MOST_JUDGED)
        if self._few:
            features = self._features((), "whole")[0]
        else:
            features = view_features(self._everywhere, self.tiles, places[rows], progress=self.progress)
        return choose_focus(features, self.backbone.taps, places[rows], targets[rows], groups[rows])

    def _features(self, sources: tuple[str, ...], pooling: Pooling) -> list[Features]:
        """Return the features of the tiles and of their copies: all there are where tiles are few, else some."""
        key = None if self._few else (sources, pooling)
        if key not in self._known:
            extractor = Extractor(self.backbone, sources, (pooling,)) if key else self._everywhere
            everything = (self.tiles, *self.copies)
            self._known = {
                key: [view_features(extractor, some, progress=self.progress) for some in everything]
            }
        return self._known[key]
