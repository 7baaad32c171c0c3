"""What every strategy makes: a trainer that fits models to parts of one set of tiles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from phosphene.datasets.windows import TrainingSet
from phosphene.pipeline.backbones.backbone import Backbone
from phosphene.pipeline.networks.rates import RateSearch
from phosphene.pipeline.tiles.render import Tiles


class Model(Protocol):
    """What a trainer makes: tiles to log-probabilities, and everything to make it again."""

    @property
    def backbones(self) -> Sequence[Backbone]:
        """The networks it started from."""

    def log_probabilities(self, tiles: Tiles, *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes); rows of items that failed mean nothing."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all numbers of the model by name."""

    @property
    def config(self) -> dict[str, Any]:
        """What the model is, as JSON takes it."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model, and what is known of it from training items that it did not learn from.

    Parameters
    ----------
    model
        The model.
    checked
        int (n,), places among the rows that were given to learn from.
    answers
        float64 (n, n_classes), log-probabilities of these by a fit without them.
    notes
        What is worth telling about the fit, as JSON takes it.
    searches
        The searches for learning rates, where there were any.
    """

    model: Model
    checked: np.ndarray
    answers: np.ndarray
    notes: dict[str, Any] = field(default_factory=dict)
    searches: tuple[RateSearch, ...] = ()


class Trainer(Protocol):
    """Fits models to parts of one set of tiles; what does not depend on the part is computed once."""

    @property
    def shared_s(self) -> float:
        """The seconds so far that went into what all parts share."""

    def expect(self, fits: Sequence[TrainingSet]) -> None:
        """Be told of fits to come, which can share work; what they answer does not depend on it."""

    def fit(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Fitted:
        """Fit a model to the items at `places`; `targets` and `groups` are int vectors beside them."""

    def answer(self, model: Model, places: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of the items at `places`: float64 (n, n_classes)."""


def load_part(module: torch.nn.Module, tensors: dict[str, torch.Tensor], prefix: str) -> None:
    """Load the tensors whose names begin with a prefix into a module."""
    module.load_state_dict(without_prefix(tensors, prefix))


def without_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, by the rest of their names.

    Examples
    --------
    >>> without_prefix({"body.a": torch.zeros(1), "head.a": torch.ones(1)}, "head.")
    {'a': tensor([1.])}
    """
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
