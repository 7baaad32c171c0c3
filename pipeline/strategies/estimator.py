"""What every estimator does, whether it sees images or tables: it is fitted to items by index, and predicts them.

An estimator is made once for all items of a data set and is fitted to parts of them, one fold after another, so that
what does not depend on the fold (features of a frozen network, a table) is computed once.
"""

from collections.abc import Sequence
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


class Outputs(NamedTuple):
    """What a model of images says of items: log-probabilities, and where they lie among what it learned from.

    Parameters
    ----------
    log_proba
        float64 (n, n_classes).
    sketches
        float32 (n, N_DIMS): the features that the model decides by, standardised and sketched.
    """

    log_proba: np.ndarray
    sketches: np.ndarray


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

    def outputs(self, model: "Model", indices: np.ndarray) -> Outputs:
        """Return the log-probabilities and sketches of items by a model of this estimator."""


class Model(Protocol):
    """A model of images that can be saved: tiles to log-probabilities."""

    @property
    def backbones(self) -> "Sequence[Backbone]":
        """The networks it started from."""

    def log_probabilities(self, tiles: "Tiles", *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes); rows of items that failed mean nothing."""

    def outputs(self, tiles: "Tiles", *, progress: bool = False) -> Outputs:
        """Return log-probabilities and sketches of all items, in one pass; rows of items that failed mean nothing."""

    def tensors(self) -> "dict[str, torch.Tensor]":
        """Return all numbers of the model by name."""

    @property
    def config(self) -> dict[str, Any]:
        """What the model is, as JSON takes it."""


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
