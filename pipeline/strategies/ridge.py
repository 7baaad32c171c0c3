"""Ridge regression of class indicators, its penalty chosen by leave-group-out cross-validation.

One eigendecomposition of the Gram matrix gives the fit for every penalty and, for each, the predictions for groups that
were left out of the fit (R. Rifkin, R. Lippert, "Notes on Regularized Least Squares", MIT-CSAIL-TR-2007-025, 2007). So
the penalty is chosen without a second fit, and no row is judged by a fit that saw its group.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg

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
