"""Strategies: how a backbone is put to a new task.

========== ================================================================================================
`probe`    freeze the backbone, cut it early, fit a linear head on features of several depths and all views
`head`     freeze the backbone, train a new head on its last features
`finetune` a new head first, then all layers, earlier ones at lower rates
`scratch`  all layers from random weights
========== ================================================================================================

An estimator is made once for a set of tiles and fits a model for each split of them, so that what does not depend on
the split (the features of a frozen network) is computed once.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from phosphene.datasets.windows import TrainingSet
from phosphene.pipeline.backbones.backbone import Backbone, load_backbone
from phosphene.pipeline.backbones.catalog import blueprint
from phosphene.pipeline.tiles.render import Tiles

from .ensemble import average, ensemble_weights
from .estimator import Estimator, Fit, Model, model_bytes, without_prefix
from .finetune import Networks, fit_networks, held_out
from .probe import Probe, ProbeEstimator
from .recipe import RANDOM, Recipe


def backbones_of(recipe: Recipe) -> tuple[Backbone, ...]:
    """Load the networks that a recipe starts from; `auto` does without pretrained weights where nobody has any."""
    return tuple(
        load_backbone(name, weights=recipe.weights, seed=recipe.seed)
        if _starts_pretrained(recipe, name)
        else load_backbone(name, pretrained=False, seed=recipe.seed)
        for name in recipe.archs
    )


def _starts_pretrained(recipe: Recipe, name: str) -> bool:
    if recipe.strategy == "scratch" or recipe.weights == RANDOM:
        return False
    return recipe.strategy != "auto" or recipe.weights is not None or bool(blueprint(name).published)


def make_estimator(
    recipe: Recipe, backbones: Sequence[Backbone], tiles: Tiles, copies: Sequence[Tiles], *, progress: bool
) -> Estimator:
    """Make the estimator of a recipe's strategy for a set of tiles, and of changed copies of them."""
    estimators: list[Estimator] = [
        ProbeEstimator(backbone, tiles, copies, progress=progress)
        if recipe.strategy == "probe"
        else NetworkEstimator(recipe, backbone, tiles, copies, progress=progress)
        for backbone in backbones
    ]
    return estimators[0] if len(estimators) == 1 else EnsembleEstimator(estimators)


class NetworkEstimator(Estimator):
    """Trains whole networks with fastai, one a view and member."""

    def __init__(
        self, recipe: Recipe, backbone: Backbone, tiles: Tiles, copies: Sequence[Tiles], *, progress: bool
    ) -> None:
        self.recipe, self.backbone, self.tiles, self.progress = recipe, backbone, tiles, progress
        self.copies = tuple(copies)

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Train one network a view and member."""
        recipe = self.recipe
        model = fit_networks(
            self.backbone, self.tiles, indices, targets,
            recipe=recipe, groups=groups, copies=self.copies, progress=self.progress,
        )  # fmt: skip
        held = np.flatnonzero(held_out(targets, groups, schedule=recipe.schedule, seed=recipe.seed))
        oof = model.of_places(self.tiles, indices[held]) if len(held) else np.zeros((0, model.n_classes))
        notes: dict[str, Any] = {} if model.weights is None else {"weights": list(model.weights)}
        if model.searches:
            notes["learning_rates"] = [search.chosen for search in model.searches]
        return Fit(model, held, oof, model_bytes(model), notes, model.searches)

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of items: float64 (n, n_classes)."""
        if not isinstance(model, Networks):
            raise TypeError(f"a NetworkEstimator predicts with its own models, got {type(model).__name__}")
        return model.of_places(self.tiles, indices)


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Models of several backbones, whose probabilities are averaged.

    Parameters
    ----------
    members
        The models.
    weights
        float64 (n_members,), not negative, of sum 1.
    """

    members: tuple[Model, ...]
    weights: np.ndarray

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """The network of each member."""
        return tuple(backbone for member in self.members for backbone in member.backbones)

    def log_probabilities(self, tiles: Tiles, *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes)."""
        answers = [member.log_probabilities(tiles, progress=progress) for member in self.members]
        return average(np.stack(answers), self.weights)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the numbers of all members."""
        return {
            f"member{n}.{k}": v for n, member in enumerate(self.members) for k, v in member.tensors().items()
        }

    @property
    def config(self) -> dict[str, Any]:
        """What the members are, and their weights."""
        members = [member.config for member in self.members]
        return {"sort": "ensemble", "weights": self.weights.tolist(), "members": members}

    @classmethod
    def from_tensors(
        cls, config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
    ) -> "Ensemble":
        """Make a saved ensemble again."""
        members = tuple(
            load_model(member, [backbone], without_prefix(tensors, f"member{n}."))
            for n, (member, backbone) in enumerate(zip(config["members"], backbones, strict=True))
        )
        return cls(members, np.array(config["weights"], np.float64))


class EnsembleEstimator(Estimator):
    """Fits a model by each of several estimators; their weights are chosen on training items that none learned from."""

    def __init__(self, estimators: Sequence[Estimator]) -> None:
        self.estimators = tuple(estimators)

    @property
    def shared_s(self) -> float:
        """The seconds so far that went into what all parts share."""
        return sum(estimator.shared_s for estimator in self.estimators)

    def expect(self, fits: Sequence[TrainingSet]) -> None:
        """Tell the members."""
        for estimator in self.estimators:
            estimator.expect(fits)

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Fit the members and weigh them."""
        fits = [estimator.fit(indices, targets, groups, n_classes=n_classes) for estimator in self.estimators]
        oof = functools.reduce(np.intersect1d, [fit.oof_indices for fit in fits])
        log_proba = np.stack([fit.oof_log_proba[np.isin(fit.oof_indices, oof)] for fit in fits])
        weights = ensemble_weights(log_proba, targets[oof])
        notes = {"weights": weights.tolist(), "members": [fit.notes for fit in fits]}
        model = Ensemble(tuple(fit.model for fit in fits), weights)
        searches = tuple(search for fit in fits for search in fit.searches)
        return Fit(model, oof, average(log_proba, weights), model_bytes(model), notes, searches)

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of items: float64 (n, n_classes)."""
        if not isinstance(model, Ensemble):
            raise TypeError(f"an EnsembleEstimator predicts with its own models, got {type(model).__name__}")
        pairs = zip(self.estimators, model.members, strict=True)
        return average(
            np.stack([one.predict_log_proba(member, indices) for one, member in pairs]), model.weights
        )


def load_model(
    config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
) -> Model:
    """Make a saved model again from its `config` and tensors; the backbones may hold any weights."""
    sorts: dict[str, Any] = {"probe": Probe, "networks": Networks, "ensemble": Ensemble}
    model: Model = sorts[config["sort"]].from_tensors(config, backbones, tensors)
    return model
