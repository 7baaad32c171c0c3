"""A linear head on features of a frozen network: scaled blocks of features, ridge regression, a temperature."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from phosphene.converters import SignalError

from .ridge import GroupRidge, class_indicators, inner_products, subsample_groups
from .temperature import fit_temperature, log_loss, log_softmax

PENALTIES = np.logspace(-6, 2, 17)
TIE = 0.01
"""Where no penalty has a log-loss lower by so much than the heaviest, features tell nothing: that one is taken."""
LEAST_STD = 0.3
"""The least standard deviation of a feature, as a share of the median of its block: a feature that is all but constant
in training would outweigh all others where a new item has another value."""
PIXELS_STD = 30.0
"""The same for pixels: so much that all are divided by nearly the same."""


ROWS_AT_A_TIME, FEATURES_AT_A_TIME = 8192, 64
"""Of the features of many items, which are scaled as they are needed."""


@dataclass(frozen=True, eq=False)
class FeatureScaling:
    """Standardises blocks of features; each block has its weight, whatever its size, and rows have length 1.

    Blocks of pixels keep their proportions: a pixel that hardly ever changes carries little.

    Parameters
    ----------
    mean, factor
        float32 (n_features,), what is subtracted and what the rest is multiplied by.
    """

    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(
        cls,
        blocks: Sequence[np.ndarray],
        weights: Sequence[float],
        *,
        pixels: Sequence[int] = (),
        rows: np.ndarray | None = None,
    ) -> "FeatureScaling":
        """Fit the scaling to training items.

        Parameters
        ----------
        blocks
            float32 (n, n_features) each.
        weights
            Weight of each block; they sum to 1.
        pixels
            Which of the blocks are pixels.
        rows
            int (n_rows,), those that count; None for all.
        """
        mean = np.concatenate([_of_columns(np.mean, block, rows) for block in blocks])
        factors = [
            _factor(block, rows, least=PIXELS_STD if index in pixels else LEAST_STD) * weight**0.5
            for index, (block, weight) in enumerate(zip(blocks, weights, strict=True))
        ]
        return cls(mean, np.concatenate(factors).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Scale float32 (n, n_features)."""
        rows = (features - self.mean) * self.factor
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return np.asarray(rows)


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Features to log-probabilities: `log_softmax((scaling(features) @ weight + bias) / temperature)`.

    Parameters
    ----------
    scaling
        Of the raw features.
    weight, bias
        float32 (n_features, n_classes) and (n_classes,).
    temperature
        Fitted on out-of-fold scores.
    penalty
        The ridge penalty that was chosen.
    """

    scaling: FeatureScaling
    weight: np.ndarray
    bias: np.ndarray
    temperature: float
    penalty: float

    def predict_log_proba(self, features: np.ndarray) -> np.ndarray:
        """Return float64 (n, n_classes) for float32 (n, n_features), the blocks side by side."""
        return self.scaled_log_proba(self.scaling(features))

    def scaled_log_proba(self, rows: np.ndarray) -> np.ndarray:
        """Return float64 (n, n_classes) for features that are scaled already."""
        return log_softmax(rows @ self.weight + self.bias, temperature=self.temperature)


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A head fitted to all training items, and its out-of-fold predictions.

    Parameters
    ----------
    head
        The head.
    oof_indices
        int (n_oof,), rising: the training items that were left out in turn; all of them, or some of many.
    oof_log_proba
        float64 (n_oof, n_classes), log-probabilities of these by a fit to the items of other groups.
    """

    head: LinearHead
    oof_indices: np.ndarray
    oof_log_proba: np.ndarray


def fit_head(
    blocks: Sequence[np.ndarray],
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    n_classes: int | None = None,
    weights: Sequence[float] | None = None,
    pixels: Sequence[int] = (),
    rows: np.ndarray | None = None,
) -> HeadFit:
    """Fit a head; its penalty and its temperature are chosen by leave-group-out cross-validation.

    Parameters
    ----------
    blocks
        float32 (n, n_features) each, features that belong together: of one view and one layer.
    targets
        int (n,), the class of each, from 0.
    groups
        int (n,); items of one group (windows of one recording) are left out together.
    n_classes
        None for as many as the targets name.
    weights
        Weight of each block; None for equal ones.
    pixels
        Which of the blocks are pixels, as for `FeatureScaling`.
    rows
        int (n,), the rows of the blocks that are learned from; None for all.

    Raises
    ------
    SignalError
        Fewer than two classes.

    Examples
    --------
    >>> block = np.array([[0.0, 1.0], [0.1, 1.0], [0.9, 0.1], [1.0, 0.0]])
    >>> fit = fit_head([block], np.array([0, 0, 1, 1]), np.arange(4))
    >>> fit.head.predict_log_proba(np.array([[0.05, 0.9], [0.95, 0.2]])).argmax(axis=1).tolist()
    [0, 1]
    >>> fit.oof_log_proba.argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    if len(np.unique(targets)) < 2:
        raise SignalError("a head needs training items of at least two classes, got one")
    scaling = FeatureScaling.of(blocks, weights or [1 / len(blocks)] * len(blocks), pixels=pixels, rows=rows)
    scaled = _ScaledBlocks(blocks, scaling, rows)
    values = class_indicators(targets, n_classes or int(targets.max()) + 1)
    level = values.mean(axis=0)
    oof = subsample_groups(groups)
    ridge = GroupRidge(scaled.gram(oof), values[oof] - level, groups[oof])
    penalty, temperature, oof_scores = choose_penalty(ridge, PENALTIES, level, targets[oof])
    if len(oof) == len(targets):
        dual = ridge.dual(penalty)
        weight, intercept = scaled.weight(dual), dual.sum(axis=0)
    else:
        del ridge  # some 600 MB of 5000 rows, and what follows needs as much
        weight, intercept = scaled.solve(values - level, penalty)
    head = LinearHead(scaling, weight, (level + intercept).astype(np.float32), temperature, penalty)
    return HeadFit(head, oof, log_softmax(oof_scores, temperature=temperature))


def choose_penalty(
    ridge: GroupRidge, penalties: np.ndarray, level: np.ndarray, targets: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """Return the penalty of the least log-loss out of fold, the temperature, and the out-of-fold scores.

    Each penalty has its own temperature.

    The mean squared error would not do: with two items a class, one of which is left out, it is least where all scores
    are all but the same, while their order tells the classes long before.

    Parameters
    ----------
    ridge
        Fits of class indicators less `level`.
    penalties
        Those to try, rising.
    level
        float64 (n_classes,), what is added to its predictions.
    targets
        int (n,), the class of each of its rows.
    """
    scores = [ridge.oof(penalty) + level for penalty in penalties]
    temperatures = [fit_temperature(one, targets) for one in scores]
    losses = [
        float(log_loss(one, targets, temperature=temperature).mean())
        for one, temperature in zip(scores, temperatures, strict=True)
    ]
    index = int(np.argmin(losses))
    if losses[index] > losses[-1] - TIE:
        index = len(losses) - 1
    return float(penalties[index]), temperatures[index], scores[index]


class _ScaledBlocks:
    """Rows of scaled features, worked on some rows at a time: all of them would be in memory three times."""

    def __init__(
        self, blocks: Sequence[np.ndarray], scaling: FeatureScaling, chosen: np.ndarray | None = None
    ) -> None:
        ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
        parts = zip(blocks, np.split(scaling.mean, ends), np.split(scaling.factor, ends), strict=True)
        self.parts = list(parts)
        self._chosen = chosen
        self.n, self.width = len(blocks[0] if chosen is None else chosen), len(scaling.mean)
        starts = range(0, self.n, ROWS_AT_A_TIME)
        self._slices = [slice(start, start + ROWS_AT_A_TIME) for start in starts]
        square = np.concatenate([self._square(rows) for rows in self._slices])
        self.length = np.maximum(np.sqrt(square), 1e-6)

    def _square(self, rows: slice) -> np.ndarray:
        """Return the squared length of some rows before they are brought to length 1: float64 (n_rows,)."""
        parts = (np.square(part).sum(axis=1, dtype=np.float64) for part in self._each(rows))
        return np.asarray(sum(parts))

    def _each(self, rows: np.ndarray | slice) -> Iterator[np.ndarray]:
        rows = rows if self._chosen is None else self._chosen[rows]
        for block, mean, factor in self.parts:
            yield (block[rows] - mean) * factor

    def gram(self, rows: np.ndarray) -> np.ndarray:
        """Return the inner products of some rows, float64 (n, n)."""
        length = self.length[rows]
        product = np.zeros((len(length), len(length)))
        for part in self._each(rows):
            product += inner_products(part)
        product /= length[:, None]
        product /= length
        return product.T  # as LAPACK wants it, which would copy it else

    def solve(self, values: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Return weight and intercept of the ridge fit, by whichever side of the matrix is shorter."""
        if self.width < self.n:
            return self._solve_features(values, penalty)
        square = self.gram(np.arange(len(values))) + 1.0
        square[np.diag_indices_from(square)] += penalty
        dual = scipy.linalg.solve(square, values, assume_a="pos", overwrite_a=True)
        return self.weight(dual), dual.sum(axis=0)

    def _solve_features(self, values: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Return weight and intercept by the products of features, of which there are fewer than rows."""
        square = np.zeros((self.width + 1, self.width + 1))
        right = np.zeros((self.width + 1, values.shape[1]))
        for start in range(0, self.n, ROWS_AT_A_TIME // 4):  # there are three copies of some rows
            rows = slice(start, start + ROWS_AT_A_TIME // 4)
            length = self.length[rows, None].astype(np.float32)
            some = np.hstack([*(part / length for part in self._each(rows)), np.ones_like(length)])
            square += some.T @ some
            right += some.T @ values[rows]
        square[np.diag_indices_from(square)] += penalty
        solution = scipy.linalg.solve(square.T, right, assume_a="pos", overwrite_a=True)
        return solution[:-1].astype(np.float32), solution[-1]

    def weight(self, dual: np.ndarray) -> np.ndarray:
        """Return the weight of each feature for each class, float32 (n_features, n_classes)."""
        values = (dual / self.length[:, None]).astype(np.float32)
        weight = np.zeros((self.width, values.shape[1]), np.float32)
        for rows in self._slices:
            weight += np.concatenate([part.T @ values[rows] for part in self._each(rows)])
        return weight


def _of_columns(what: Callable[..., np.ndarray], block: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    """Return the mean or deviation of features; a whole block would be in memory twice more."""
    starts = range(0, block.shape[1], FEATURES_AT_A_TIME)
    columns = (block[:, start : start + FEATURES_AT_A_TIME] for start in starts)
    return np.concatenate([what(part if rows is None else part[rows], axis=0) for part in columns])


def _factor(block: np.ndarray, rows: np.ndarray | None, *, least: float) -> np.ndarray:
    """Return what brings features to unit variance and their block to unit length: float64 (n_features,)."""
    std = _of_columns(np.std, block, rows).astype(np.float64)
    median = float(np.median(std[std > 0])) if (std > 0).any() else 1.0
    factor = np.where(std > 0, 1.0 / np.hypot(std, least * median), 0.0)
    length = float(np.sqrt(np.square(std * factor).sum()))
    return np.asarray(factor / max(length, 1e-12))
