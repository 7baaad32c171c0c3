"""The strategy `probe`: a frozen network cut early, and a linear head on features of several depths and all views."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from phosphene.pipeline.data.render import Tiles

from .backbones import Backbone
from .depth import Depth, choose_depth
from .features import Extractor, candidate_taps, middle_taps, view_features
from .heads import LinearHead, fit_head, judged_rows
from .model import Fitted, Model, load_part

MOST_DEPTH_ROWS = 600
"""Rows by which the depth is chosen, drawn from all to learn from: every run of stages is fitted to them."""


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
        """Return float64 (n_items, n_classes)."""
        return self.head.log_probabilities(view_features(self.extractor, tiles, progress=progress))

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the head's numbers and the backbone's."""
        head = {"head.weight": torch.tensor(self.head.weight), "head.bias": torch.tensor(self.head.bias)}
        return head | {f"body.{k}": v for k, v in self.extractor.backbone.body.state_dict().items()}

    @property
    def config(self) -> dict[str, Any]:
        """Where the features are taken, and the head's two scalars."""
        head = {"sharpness": self.head.sharpness, "penalty": self.head.penalty}
        return {"sort": "probe", "taps": list(self.extractor.taps), **head}

    @classmethod
    def from_tensors(
        cls, config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
    ) -> "Probe":
        """Make a saved probe again."""
        (backbone,) = backbones
        load_part(backbone.body, tensors, "body.")
        head = LinearHead(
            tensors["head.weight"].numpy(),
            tensors["head.bias"].numpy(),
            config["sharpness"],
            config["penalty"],
        )
        return cls(Extractor(backbone, tuple(config["taps"])), head)


class ProbeTrainer:
    """Fits linear heads; the features of all tiles are computed once.

    Parameters
    ----------
    backbone
        The network; it stays as it is.
    tiles
        Pictures of all items.
    copies
        Pictures of the same items after random changes, to learn from besides.
    progress
        Show a bar on standard error.
    """

    def __init__(
        self, backbone: Backbone, tiles: Tiles, copies: Sequence[Tiles] = (), *, progress: bool
    ) -> None:
        self.extractor = Extractor(backbone, backbone.taps)
        self.n_views = len(tiles.views)
        self.table, *self.changed = (
            view_features(self.extractor, some, progress=progress) for some in (tiles, *copies)
        )
        self.drawn = [copy.drawn for copy in copies]

    def fit(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Fitted:
        """Choose the depth and fit a head, by the items at `places` alone."""
        depth = self._depth(places, targets, groups)
        columns = self._columns(depth.taps)
        parts = [(self.table, np.arange(len(places)))]
        parts += [
            (t, np.flatnonzero(np.isin(places, d))) for t, d in zip(self.changed, self.drawn, strict=True)
        ]
        features = np.concatenate([table[np.ix_(places[rows], columns)] for table, rows in parts])
        rows = np.concatenate([rows for _, rows in parts])
        fit = fit_head(features, targets[rows], groups[rows])
        unchanged = fit.rows < len(places)
        notes = {"depth": list(depth.taps), "left_out_accuracy": depth.accuracy}
        probe = Probe(Extractor(self.extractor.backbone, depth.taps), fit.head)
        return Fitted(probe, fit.rows[unchanged], fit.left_out[unchanged], notes)

    def _depth(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Depth:
        few = judged_rows(groups, MOST_DEPTH_ROWS)
        taps = self.extractor.taps
        stages = {tap: self.table[np.ix_(places[few], self._columns([tap]))] for tap in taps}
        usual, first = middle_taps(taps), candidate_taps(taps)[0]
        return choose_depth(stages, targets[few], groups[few], usual=usual, first=first)

    def answer(self, model: Model, places: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of the items at `places`."""
        if not isinstance(model, Probe):
            raise TypeError(f"a ProbeTrainer answers with its own models, got {type(model).__name__}")
        return model.head.log_probabilities(self.table[np.ix_(places, self._columns(model.extractor.taps))])

    def _columns(self, taps: Sequence[str]) -> np.ndarray:
        return self.extractor.columns(taps, n_views=self.n_views)
