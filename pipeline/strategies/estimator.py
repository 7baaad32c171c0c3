"""What every estimator does, whether it sees images or tables: it is fitted to items by index, and predicts them.

An estimator is made once for all items of a data set and is fitted to parts of them, one fold after another, so that
what does not depend on the fold (features of a frozen network, a table) is computed once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from phosphene.datasets.windows import TrainingSet

if TYPE_CHECKING:
    import torch

    from phosphene.pipeline.backbones.backbone import Backbone
    from phosphene.pipeline.tiles.render import Tiles


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model with its out-of-fold predictions.

    Parameters
    ----------
    model
        What the estimator predicts by.
    oof_indices
        int (n_oof,), rising: positions among the rows given to `fit` that have an out-of-fold prediction. All of
        them, some, or none.
    oof_log_proba
        float64 (n_oof, n_classes), finite: log-probabilities of these rows by fits that saw no row of their group.
    size_bytes
        Size of the model as saved; of a network all its weights.
    notes
        Settings tried and chosen, as JSON takes it.
    searches
        `RateSearch` of each network whose learning rate was searched for.
    """

    model: Any
    oof_indices: np.ndarray
    oof_log_proba: np.ndarray
    size_bytes: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    searches: tuple[Any, ...] = ()

    def oof_of_all(self, n: int) -> np.ndarray:
        """Return out-of-fold log-probabilities of all `n` rows given to `fit`: (n, n_classes); NaN where none is."""
        found = np.full((n, self.oof_log_proba.shape[1]), np.nan)
        found[self.oof_indices] = self.oof_log_proba
        return found


Project = Callable[[np.ndarray, int], np.ndarray]
"""A linear map of features float32 (n, width), given the index of the first, to float32 (n, n_dims); parts add up."""


class Outputs(NamedTuple):
    """What a model of images says of items: log-probabilities, and what is asked of its features.

    Parameters
    ----------
    log_proba
        float64 (n, n_classes).
    projected
        float32 (n, n_dims): the features that the model decides by, standardised and of length 1, as projected; None
        where nobody asked.
    """

    log_proba: np.ndarray
    projected: np.ndarray | None


class Estimator(Protocol):
    """Fits models to parts of one set of items, and predicts with them."""

    @property
    def shared_s(self) -> float:
        """Seconds spent so far on what all fits share."""
        return 0.0

    def expect(self, fits: Sequence[TrainingSet]) -> None:
        """Announce fits to come, which may share work; predictions do not depend on it."""
        del fits

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Fit a model.

        Parameters
        ----------
        indices
            int (n,), the items to learn from.
        targets
            int (n,), the class of each, from 0; some of the `n_classes` may not occur.
        groups
            int (n,); items of one group are never on both sides of an inner split.
        """

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return finite log-probabilities of items by a model of this estimator: float64 (n, n_classes)."""


class ImageEstimator(Estimator, Protocol):
    """Fits models of images."""

    def outputs(self, model: "Model", indices: np.ndarray, project: Project | None = None) -> Outputs:
        """Return the log-probabilities and projected features of items by a model of this estimator."""


class Model(Protocol):
    """A model of images that can be saved: tiles to log-probabilities."""

    @property
    def backbones(self) -> "Sequence[Backbone]":
        """The networks it started from."""

    def trained_bodies(self, view: int) -> "Sequence[Backbone]":
        """Return the networks that look at a view, with their weights after training."""

    def log_probabilities(self, tiles: "Tiles", *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes); rows of items that failed mean nothing."""

    def outputs(
        self, tiles: "Tiles", project: Project | None = None, *, start: int = 0, progress: bool = False
    ) -> Outputs:
        """Return the log-probabilities and projected features of all items, in one pass.

        `start` is the index of the model's first feature, among those of all members of an ensemble.
        """

    @property
    def n_features(self) -> int:
        """How many features it decides by."""

    def tensors(self) -> "dict[str, torch.Tensor]":
        """Return all numbers of the model by name."""

    @property
    def config(self) -> dict[str, Any]:
        """What the model is, as JSON takes it."""


def joined(parts: Iterable[Outputs], n_classes: int) -> Outputs:
    """Return the outputs of parts of some items as one.

    Examples
    --------
    >>> joined([Outputs(np.zeros((2, 3)), None)] * 2, 3).log_proba.shape
    (4, 3)
    """
    found = list(parts)
    if not found:
        return Outputs(np.zeros((0, n_classes)), None)
    projected = [one.projected for one in found if one.projected is not None]
    return Outputs(
        np.concatenate([one.log_proba for one in found]), np.concatenate(projected) if projected else None
    )


def scattered(found: Outputs, indices: np.ndarray, n: int) -> Outputs:
    """Return the outputs of some of `n` items with zeros for the others."""
    log_proba = np.zeros((n, found.log_proba.shape[1]))
    log_proba[indices] = found.log_proba
    if found.projected is None:
        return Outputs(log_proba, None)
    projected = np.zeros((n, found.projected.shape[1]), np.float32)
    projected[indices] = found.projected
    return Outputs(log_proba, projected)


def model_bytes(model: Model) -> int:
    """Return the size of a model as saved."""
    return sum(tensor.nbytes for tensor in model.tensors().values())


def without_prefix(tensors: "dict[str, torch.Tensor]", prefix: str) -> "dict[str, torch.Tensor]":
    """Return the tensors whose names begin with a prefix, by the rest of their names.

    Examples
    --------
    >>> without_prefix({"body.a": 0, "head.a": 1}, "head.")
    {'a': 1}
    """
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
