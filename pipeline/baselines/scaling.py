"""Columns of a table brought to one scale, as measured on training rows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Scale = Literal["none", "standard", "range", "rank"]
_FARTHEST = 10.0
"""So many standard deviations from the mean at most: one column far from all training rows decides nothing."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Columns as they were measured on training rows; those that were constant there are dropped.

    Parameters
    ----------
    scale
        `none` leaves values as they are, `standard` has mean 0 and variance 1, `range` runs from 0 to 1, `rank` is the
        share of training rows that lie below, those that are equal counting half.
    varied
        bool (n_features,), columns that are kept.
    mean, factor
        float64 (n_kept,), what is taken off and what the rest is multiplied by; of `rank`, of the ranks.
    ordered
        float32 (n_train, n_kept), sorted columns; None unless by rank.
    """

    scale: Scale
    varied: np.ndarray
    mean: np.ndarray
    factor: np.ndarray
    ordered: np.ndarray | None = None

    @classmethod
    def of(cls, values: np.ndarray, scale: Scale) -> "Scaling":
        """Measure float (n, n_features)."""
        varied = (values != values[:1]).any(axis=0)
        kept = values[:, varied]
        if scale == "rank":
            ordered = np.sort(kept, axis=0)
            return cls(scale, varied, *_moments(_ranks(kept, ordered)), ordered)
        kept = kept.astype(np.float64)
        if scale == "range":
            least = kept.min(axis=0)
            return cls(scale, varied, least, 1.0 / np.maximum(kept.max(axis=0) - least, 1e-30))
        if scale == "standard":
            return cls(scale, varied, *_moments(kept))
        return cls(scale, varied, np.zeros(kept.shape[1]), np.ones(kept.shape[1]))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return float64 (n, n_kept).

        Examples
        --------
        >>> train = np.array([[1.0, 5.0], [3.0, 5.0]])
        >>> Scaling.of(train, "standard")(np.array([[1.0, 0.0], [4.0, 9.0]])).tolist()
        [[-1.0], [2.0]]
        """
        kept = values[:, self.varied]
        kept = _ranks(kept, self.ordered) if self.ordered is not None else kept.astype(np.float64)
        scaled = (kept - self.mean) * self.factor
        return scaled if self.scale == "none" else np.clip(scaled, -_FARTHEST, _FARTHEST)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values.mean(axis=0), 1.0 / np.maximum(values.std(axis=0), 1e-30)


def _ranks(values: np.ndarray, ordered: np.ndarray) -> np.ndarray:
    ranks = np.empty(values.shape)
    for column in range(values.shape[1]):
        below = np.searchsorted(ordered[:, column], values[:, column], side="left")
        upto = np.searchsorted(ordered[:, column], values[:, column], side="right")
        ranks[:, column] = (below + upto) / (2 * len(ordered))
    return ranks
