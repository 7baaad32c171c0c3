"""Ridge regression of class indicators, its penalty chosen by leave-group-out cross-validation; the head that it makes.

One eigendecomposition of the Gram matrix gives the fit for every penalty and, for each, the predictions for groups that
were left out of the fit (R. Rifkin, R. Lippert, "Notes on Regularized Least Squares", MIT-CSAIL-TR-2007-025, 2007). So
the penalty is chosen without a second fit, and no row is judged by a fit that saw its group. A linear head on features
of a frozen network is this regression on scaled blocks of features, with a temperature.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg

from phosphene.converters import SignalError

from .temperature import fit_temperature, log_loss, log_softmax

MOST_OOF = 5000
"""Rows by which the penalty is chosen, drawn from all: the time grows with the cube of their number."""
_FREE = 1e4
"""Square of the intercept's column, in units of the mean square length of a row: so large that it bears no penalty."""


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """A ridge classifier: `features @ weight + bias` are scores, +1 for the row's class and -1 for every other.

    Parameters
    ----------
    weight, bias
        float64 (n_features, n_classes) and (n_classes,).
    penalty
        The one of the least mean squared error out of fold.
    oof_indices
        int (n_oof,), rising: the rows that were left out in turn.
    oof_scores
        float64 (n_oof, n_classes): scores of these by a fit to the rows of other groups.
    """

    weight: np.ndarray
    bias: np.ndarray
    penalty: float
    oof_indices: np.ndarray
    oof_scores: np.ndarray

    def scores(self, features: np.ndarray) -> np.ndarray:
        """Return the scores of rows: float64 (n, n_classes)."""
        return np.asarray(features @ self.weight + self.bias)


def fit_ridge_logo(
    features: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, penalties: np.ndarray, n_classes: int
) -> RidgeFit:
    """Fit a ridge classifier with an intercept that bears no penalty.

    Parameters
    ----------
    features
        float64 (n, n_features).
    targets
        int (n,), the class of each row, from 0.
    groups
        int (n,), what is left out together; where all rows are one group each row is left out alone.
    penalties
        float (n_penalties,), those to try, above 0.

    Examples
    --------
    >>> features, targets = np.array([[0.0], [0.1], [0.9], [1.0]]), np.array([0, 0, 1, 1])
    >>> fit = fit_ridge_logo(features, targets, np.arange(4), penalties=np.logspace(-3, 3, 7), n_classes=2)
    >>> fit.penalty, (features @ fit.weight + fit.bias).argmax(axis=1).tolist()
    (0.01, [0, 0, 1, 1])
    """
    values = class_indicators(targets, n_classes)
    level = values.mean(axis=0)
    rows = subsample_groups(groups)
    left_out = groups[rows] if len(np.unique(groups[rows])) > 1 else np.arange(len(rows))
    mean = features.mean(axis=0)
    features = features - mean
    gram = features[rows] @ features[rows].T
    intercept = _FREE * max(float(np.trace(gram)) / len(rows), 1e-12)
    ridge = GroupRidge(gram, values[rows] - level, left_out, intercept=intercept)
    penalty, oof = ridge.best(penalties)
    if len(rows) == len(features):
        dual = ridge.dual(penalty)
        weight, bias = features.T @ dual, intercept * dual.sum(axis=0)
    else:
        column = np.full((len(features), 1), intercept**0.5)
        solution = solve_ridge(np.hstack([features, column]), values - level, penalty)
        weight, bias = solution[:-1], intercept**0.5 * solution[-1]
    return RidgeFit(weight, level + bias - mean @ weight, penalty, rows, oof + level)


class GroupRidge:
    """Ridge fits of one Gram matrix for every penalty, and predictions for groups left out.

    Parameters
    ----------
    gram
        float64 (n, n), the inner products of the rows; it is overwritten.
    values
        float64 (n, n_values), what is to be predicted, centred.
    groups
        int (n,), what is left out together.
    intercept
        Square of the constant that stands beside the features of each row: its weight bears the penalty too, the less
        the larger the constant is.
    """

    def __init__(
        self, gram: np.ndarray, values: np.ndarray, groups: np.ndarray, *, intercept: float = 1.0
    ) -> None:
        gram += intercept
        spectrum, self.vectors = scipy.linalg.eigh(gram, overwrite_a=True, check_finite=False)
        self.spectrum = np.maximum(spectrum, 0.0)
        self.turned = self.vectors.T @ values
        self.values = values
        order = np.argsort(groups, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
        self.members = [rows for rows in members if len(rows) > 1]

    def dual(self, penalty: float) -> np.ndarray:
        """Solve (Gram + penalty) dual = values."""
        return np.asarray(self.vectors @ (self.turned / (self.spectrum + penalty)[:, None]))

    def oof(self, penalty: float) -> np.ndarray:
        """Predict each row by a fit to the rows of all other groups.

        With C the inverse of (Gram + penalty), the residual of a left-out group is the solution of C_gg r = dual_g.
        """
        dual = self.dual(penalty)
        shrunk = self.vectors / np.sqrt(self.spectrum + penalty)
        squares = [np.square(rows).sum(axis=1, keepdims=True) for rows in np.array_split(shrunk, 8)]
        residual = dual / np.concatenate(squares)  # of rows that are groups of their own
        for rows in self.members:
            residual[rows] = np.linalg.solve(shrunk[rows] @ shrunk[rows].T, dual[rows])
        return np.asarray(self.values - residual)

    def best(self, penalties: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalty of the least mean squared error out of fold, and its out-of-fold predictions."""
        oof = [self.oof(penalty) for penalty in penalties]
        index = int(np.argmin([float(np.square(one - self.values).mean()) for one in oof]))
        return float(penalties[index]), oof[index]


def solve_ridge(features: np.ndarray, values: np.ndarray, penalty: float) -> np.ndarray:
    """Return the ridge coefficients (n_features, n_values), by whichever side of the matrix is shorter."""
    if features.shape[1] < len(features):
        square = (features.T @ features).astype(np.float64)
        square[np.diag_indices_from(square)] += penalty
        return np.asarray(scipy.linalg.solve(square, features.T @ values, assume_a="pos", overwrite_a=True))
    square = inner_products(features)
    square[np.diag_indices_from(square)] += penalty
    return np.asarray(features.T @ scipy.linalg.solve(square, values, assume_a="pos", overwrite_a=True))


def inner_products(rows: np.ndarray) -> np.ndarray:
    """Return the inner products of rows, float64 (n, n); float32 rows are multiplied as such, twice as fast."""
    return np.asarray((rows @ rows.T).astype(np.float64))


def class_indicators(targets: np.ndarray, n_classes: int) -> np.ndarray:
    """Return +1 for the class of each row and -1 for every other: float64 (n, n_classes)."""
    return np.where(np.eye(n_classes)[targets] > 0, 1.0, -1.0)


def subsample_groups(groups: np.ndarray, most: int | None = None) -> np.ndarray:
    """Return the indices of at most `most` rows, from all groups as evenly as can be; the same on every call.

    All groups stay where that is possible, since a group is judged by the others: with few large ones whole a class
    would have none left to be learned from. None stands for MOST_OOF.

    Examples
    --------
    >>> np.bincount(np.repeat([0, 1, 2], [50, 50, 2])[subsample_groups(np.repeat([0, 1, 2], [50, 50, 2]), 22)]).tolist()
    [10, 10, 2]
    """
    most = MOST_OOF if most is None else most
    if len(groups) <= most:
        return np.arange(len(groups))
    shuffled = np.random.default_rng(0).permutation(len(groups))
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    firsts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    rank = np.arange(len(order)) - np.repeat(firsts, np.diff([*firsts, len(order)]))
    # The first of every group, then the second, and so on; among equals by chance.
    turn = np.lexsort((np.argsort(shuffled)[order], rank))
    return np.sort(order[turn[:most]])


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
