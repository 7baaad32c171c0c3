"""What is compared: one way to classify the pieces of items, by images or without them."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

Side = Literal["images", "tables", "floor"]
"""`images` sees pictures alone, `tables` everything else that learns, `floor` nothing but the labels."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A model, and what is known of it from training rows that it did not learn from.

    Parameters
    ----------
    model
        Whatever its contender answers with.
    checked
        int (n,), places among the rows that were given to learn from, in order.
    left_out
        float64 (n, n_classes), log-probabilities of these by fits without them: never of a row's own group.
    size_bytes
        What the model takes when kept; of a network all of it.
    notes
        What is worth telling about the fit (settings tried and chosen), as JSON takes it.
    """

    model: Any
    checked: np.ndarray
    left_out: np.ndarray
    size_bytes: int
    notes: dict[str, Any] = field(default_factory=dict)


class Contender(Protocol):
    """Fits models to parts of one set of pieces; what does not depend on the part is computed once."""

    def fit(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Trained:
        """Fit a model.

        Parameters
        ----------
        places
            int (n,), pieces to learn from.
        targets
            int (n,), the class of each, from 0; some of the `n_classes` may not occur.
        groups
            int (n,), pieces of one group are never on both sides of an inner split.
        """

    def answer(self, model: Any, places: np.ndarray) -> np.ndarray:
        """Return finite log-probabilities of pieces by a model that `fit` made: float64 (n, n_classes)."""
