"""Ensembles: weighted averages of the probabilities of several models."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp

from phosphene.converters import ParameterError
from phosphene.datasets.windows import TrainingSet
from phosphene.pipeline.backbones.backbone import Backbone
from phosphene.pipeline.tiles.render import Tiles

from .estimator import Fit, ImageEstimator, Model, Outputs, Project, model_bytes

SHRINKAGE = 20.0
"""Items of a Dirichlet prior that makes all models equally good: as many as a small validation set has."""
_MOST_ROUNDS = 2000


def ensemble_weights(
    log_probabilities: np.ndarray, targets: np.ndarray, *, shrinkage: float = SHRINKAGE
) -> np.ndarray:
    """Fit the weights of models by the log-loss of the average of their probabilities.

    The weights are those of a mixture, fitted by expectation maximisation, which ends at the only minimum. Shrinkage
    is a Dirichlet prior: items that every model explains equally well, so that a few items do not choose one model.

    Parameters
    ----------
    log_probabilities
        float (n_models, n, n_classes), out-of-fold log-probabilities of each model.
    targets
        int (n,), the class of each item, from 0; without items all weights are equal.
    shrinkage
        Items of the prior, >= 0.

    Returns
    -------
    numpy.ndarray
        float64 (n_models,), none below 0, which add up to 1.

    Raises
    ------
    ParameterError
        The shapes do not fit, there is no model, or the shrinkage is below 0.

    Examples
    --------
    >>> right, wrong = np.log([[0.9, 0.1]] * 30), np.log([[0.2, 0.8]] * 30)
    >>> ensemble_weights(np.stack([right, wrong]), np.zeros(30, int)).round(2).tolist()
    [0.76, 0.24]
    >>> ensemble_weights(np.stack([right, wrong])[:, :0], np.zeros(0, int)).tolist()
    [0.5, 0.5]
    """
    log_proba, targets = np.asarray(log_probabilities, np.float64), np.asarray(targets, int)
    _check(log_proba, targets, shrinkage)
    count = len(log_proba)
    weights = np.full(count, 1 / count)
    if not len(targets) or count == 1:
        return weights
    known = _scaled(log_proba[:, np.arange(len(targets)), targets])
    for _ in range(_MOST_ROUNDS):
        shares = weights[:, None] * known
        shares /= shares.sum(axis=0)
        after = (shares.sum(axis=1) + shrinkage / count) / (len(targets) + shrinkage)
        moved = np.abs(after - weights).max()
        weights = after
        if moved < 1e-9:
            break
    return np.asarray(weights / weights.sum())


def average(log_probabilities: np.ndarray, weights: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """Average the probabilities of several models.

    Parameters
    ----------
    log_probabilities
        float (n_models, n, n_classes).
    weights
        float (n_models,), none below 0, which add up to 1; None for equal ones.

    Returns
    -------
    numpy.ndarray
        float64 (n, n_classes), the logarithms of the averages; no lower than that of 1e-30.

    Raises
    ------
    ParameterError
        There is not one weight a model, or one is below 0, or they do not add up to 1.

    Examples
    --------
    >>> log_proba = np.log([[[0.8, 0.2]], [[0.4, 0.6]]])
    >>> np.exp(average(log_proba)).round(2).tolist(), np.exp(average(log_proba, [0.75, 0.25])).round(2).tolist()
    ([[0.6, 0.4]], [[0.7, 0.3]])
    """
    log_proba = np.asarray(log_probabilities, np.float64)
    shares = (
        np.full(len(log_proba), 1 / len(log_proba)) if weights is None else np.asarray(weights, np.float64)
    )
    if shares.shape != log_proba.shape[:1] or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ParameterError(
            f"weights must be {len(log_proba)} numbers >= 0 that add up to 1, got {shares.tolist()}"
        )
    mixed: np.ndarray = logsumexp(log_proba, axis=0, b=shares[:, None, None])
    return np.asarray(np.maximum(mixed, np.log(1e-30)))


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Models of several backbones; their probabilities are averaged.

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

    @property
    def n_features(self) -> int:
        """How many features it decides by."""
        return sum(member.n_features for member in self.members)

    def trained_bodies(self, view: int) -> tuple[Backbone, ...]:
        """Return the networks of all members that look at a view."""
        return tuple(body for member in self.members for body in member.trained_bodies(view))

    def log_probabilities(self, tiles: Tiles, *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes)."""
        return self.outputs(tiles, progress=progress).log_proba

    def outputs(
        self, tiles: Tiles, project: Project | None = None, *, start: int = 0, progress: bool = False
    ) -> Outputs:
        """Return averaged log-probabilities, and projected features of all members."""
        each = zip(self.members, self.projects(project, start), strict=True)
        return self.joined([member.outputs(tiles, own, progress=progress) for member, own in each])

    def projects(self, project: Project | None, start: int = 0) -> list[Project | None]:
        """Return the projection of the features of each member; the more it weighs, the more its distances do."""
        if project is None:
            return [None] * len(self.members)
        starts = start + np.cumsum([0, *(member.n_features for member in self.members)])
        scales = np.sqrt(self.weights, dtype=np.float32)
        return [_moved(project, int(own), scale) for own, scale in zip(starts[:-1], scales, strict=True)]

    def joined(self, outputs: Sequence[Outputs]) -> Outputs:
        """Join what the members say."""
        projected = [one.projected for one in outputs if one.projected is not None]
        log_proba = average(np.stack([one.log_proba for one in outputs]), self.weights)
        return Outputs(log_proba, np.sum(projected, axis=0) if projected else None)

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


class EnsembleEstimator(ImageEstimator):
    """Fits a model by each of several estimators; their weights are fitted to out-of-fold predictions."""

    def __init__(self, estimators: Sequence[ImageEstimator]) -> None:
        self.estimators = tuple(estimators)

    @property
    def shared_s(self) -> float:
        """Seconds spent so far on what all fits share."""
        return sum(estimator.shared_s for estimator in self.estimators)

    def expect(self, fits: Sequence[TrainingSet]) -> None:
        """Announce the fits to the members."""
        for estimator in self.estimators:
            estimator.expect(fits)

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Fit the members and their weights."""
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
        return self.outputs(model, indices).log_proba

    def outputs(self, model: Model, indices: np.ndarray, project: Project | None = None) -> Outputs:
        """Return the log-probabilities and projected features of items."""
        if not isinstance(model, Ensemble):
            raise TypeError(f"an EnsembleEstimator predicts with its own models, got {type(model).__name__}")
        each = zip(self.estimators, model.members, model.projects(project), strict=True)
        return model.joined([one.outputs(member, indices, own) for one, member, own in each])


def _moved(project: Project, start: int, scale: np.floating) -> Project:
    """Return a projection of features that stand behind others, and are scaled."""
    return lambda rows, own: project(rows * scale, start + own)


def _scaled(known: np.ndarray) -> np.ndarray:
    """Return probabilities in units of each item's greatest: their ratios alone matter, and none vanishes below."""
    greatest = np.maximum(known.max(axis=0), -1e300)
    return np.asarray(np.exp(np.maximum(known, -1e300) - greatest))


def _check(log_proba: np.ndarray, targets: np.ndarray, shrinkage: float) -> None:
    if log_proba.ndim != 3 or not len(log_proba) or targets.shape != log_proba.shape[1:2]:
        raise ParameterError(
            "log_probabilities must be (n_models, n, n_classes) with one or more models and targets (n,), got "
            f"{log_proba.shape} and {targets.shape}"
        )
    if len(targets) and not 0 <= targets.min() <= targets.max() < log_proba.shape[2]:
        raise ParameterError(f"targets must be from 0 to {log_proba.shape[2] - 1}, got {int(targets.max())}")
    if not shrinkage >= 0:
        raise ParameterError(f"shrinkage must be a number >= 0, got {shrinkage!r}")
