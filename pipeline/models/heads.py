"""A linear head on features of a frozen network, fitted in closed form.

Ridge regression of the class indicators, as in regularised least-squares classification. One eigendecomposition of
the Gram matrix gives the fit for every penalty and, for each, the predictions for items of groups left out of the fit,
so the penalty and the temperature of the probabilities are chosen without a second fit and without an item judging
itself.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.special

from phosphene.converters import SignalError

PENALTIES = np.logspace(-5, 2, 15)
MOST_JUDGED = 5000
"""Rows by which the penalty is chosen, drawn from all: the time for that grows with the cube of their number."""


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Features to log-probabilities: `(features @ weight + bias) * sharpness`, softmax.

    Parameters
    ----------
    weight, bias
        float32 (n_features, n_classes) and (n_classes,), for raw features.
    sharpness
        The inverse temperature of the softmax, fitted on predictions for left-out groups.
    penalty
        The ridge penalty that was chosen.
    """

    weight: np.ndarray
    bias: np.ndarray
    sharpness: float
    penalty: float

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return float64 (n, n_classes) for float32 (n, n_features)."""
        return self._softened(features @ self.weight + self.bias)

    def _softened(self, scores: np.ndarray) -> np.ndarray:
        answers: np.ndarray = scipy.special.log_softmax(scores.astype(np.float64) * self.sharpness, axis=1)
        return answers


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A fitted head, and what it would have said of training items without having seen them.

    Parameters
    ----------
    head
        Fitted to all training items.
    rows
        int (n,), places of the training items that were left out in turn: all of them, or a sample of many.
    left_out
        float64 (n, n_classes), the log-probabilities of these by a fit to the items of other groups.
    """

    head: LinearHead
    rows: np.ndarray
    left_out: np.ndarray


def fit_head(features: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> HeadFit:
    """Fit a head, its penalty and its sharpness, on training items alone.

    Parameters
    ----------
    features
        float32 (n, n_features).
    targets
        int (n,), the class of each, from 0.
    groups
        int (n,); what shares a number (windows of one recording) is left out together when the penalty is chosen.

    Raises
    ------
    SignalError
        Fewer than two classes.

    References
    ----------
    R. Rifkin, R. Lippert, "Notes on Regularized Least Squares", MIT-CSAIL-TR-2007-025, 2007.

    Examples
    --------
    >>> fit = fit_head(np.array([[0.0], [0.1], [0.9], [1.0]]), np.array([0, 0, 1, 1]), np.arange(4))
    >>> fit.head.log_probabilities(np.array([[0.05], [0.95]])).argmax(axis=1).tolist()
    [0, 1]
    >>> fit.left_out.argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    if len(np.unique(targets)) < 2:
        raise SignalError("a head needs training items of at least two classes, got one")
    mean, scale = standard(features)
    standardised = (features - mean) * scale
    indicators = indicators_of(targets)
    level = indicators.mean(axis=0)
    rows = judged_rows(groups)
    solver = Gram(gram_of(standardised[rows]), indicators[rows] - level, groups[rows])
    penalty, outside = solver.best(PENALTIES)
    outside += level
    if len(rows) == len(features):
        dual = solver.dual(penalty)
        slope, intercept = standardised.T @ dual, level + dual.sum(axis=0)
    else:
        slope, intercept = _solve(standardised, indicators - level, penalty)
        intercept = intercept + level
    weight = slope * scale[:, None]
    head = LinearHead(
        weight.astype(np.float32),
        (intercept - mean @ weight).astype(np.float32),
        _sharpness(outside, targets[rows]),
        penalty,
    )
    return HeadFit(head, rows, head._softened(outside))


class Gram:
    """A Gram matrix with a column of ones for the intercept, taken apart once.

    Parameters
    ----------
    gram
        float64 (n, n), the inner products of the rows; it is overwritten.
    values
        float64 (n, n_values), what is to be predicted, centred.
    groups
        int (n,), what is left out together.
    """

    def __init__(self, gram: np.ndarray, values: np.ndarray, groups: np.ndarray) -> None:
        gram += 1.0
        spectrum, self.vectors = scipy.linalg.eigh(gram, overwrite_a=True, check_finite=False)
        self.spectrum = np.maximum(spectrum, 0.0)
        self.turned = self.vectors.T @ values
        self.values = values
        order = np.argsort(groups, kind="stable")
        self.members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)

    def dual(self, penalty: float) -> np.ndarray:
        """Solve (Gram + penalty) dual = values."""
        solution: np.ndarray = self.vectors @ (self.turned / (self.spectrum + penalty)[:, None])
        return solution

    def left_out(self, penalty: float) -> np.ndarray:
        """Predict each row from a fit to the rows of all other groups.

        With C the inverse of (Gram + penalty), the residual of a left-out group is the solution of C_gg r = dual_g.
        """
        dual = self.dual(penalty)
        shrunk = self.vectors / np.sqrt(self.spectrum + penalty)
        residual = np.empty_like(dual)
        for rows in self.members:
            block = shrunk[rows] @ shrunk[rows].T
            residual[rows] = np.linalg.solve(block, dual[rows])
        left_out: np.ndarray = self.values - residual
        return left_out

    def best(self, penalties: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalty whose predictions for left-out rows err least (mean square), and these predictions."""
        outside = [self.left_out(penalty) for penalty in penalties]
        errors = [float(((scores - self.values) ** 2).mean()) for scores in outside]
        place = int(np.argmin(errors))
        return float(penalties[place]), outside[place]


def gram_of(rows: np.ndarray) -> np.ndarray:
    """Return the inner products of rows, float64 (n, n); float32 rows are multiplied as such, twice as fast."""
    product: np.ndarray = (rows @ rows.T).astype(np.float64)
    return product


def standard(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the factor that bring every feature to unit variance and rows to about unit length."""
    mean, spread = features.mean(axis=0), features.std(axis=0)
    return mean, np.where(spread > 1e-6, 1.0 / np.maximum(spread, 1e-6), 0.0) / np.sqrt(features.shape[1])


def indicators_of(targets: np.ndarray) -> np.ndarray:
    """Return 1 for the class of each item and -1 for every other: float64 (n, n_classes)."""
    return np.where(np.eye(int(targets.max()) + 1)[targets] > 0, 1.0, -1.0)


def judged_rows(groups: np.ndarray, most: int = MOST_JUDGED) -> np.ndarray:
    """Return the places of whole groups, drawn at random but always the same, of together about `most` rows."""
    if len(groups) <= most:
        return np.arange(len(groups))
    names, place = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    kept = np.cumsum(np.bincount(place)[order]) <= most
    kept[0] = True
    return np.flatnonzero(np.isin(place, order[kept]))


def _solve(rows: np.ndarray, values: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Return slope and intercept of the ridge fit, by whichever of both sides of the matrix is shorter."""
    full = np.hstack([rows, np.ones((len(rows), 1), rows.dtype)])
    if full.shape[1] <= len(full):
        square = (full.T @ full).astype(np.float64)
        square[np.diag_indices_from(square)] += penalty
        answer = scipy.linalg.solve(square, full.T @ values, assume_a="pos", overwrite_a=True)
    else:
        square = gram_of(full)
        square[np.diag_indices_from(square)] += penalty
        answer = full.T @ scipy.linalg.solve(square, values, assume_a="pos", overwrite_a=True)
    return answer[:-1], answer[-1]


def _sharpness(scores: np.ndarray, targets: np.ndarray) -> float:
    """Choose the factor that makes the softmax of held-out scores most likely to be right.

    A class of n items is taken to be right in n + 1 of n + 2 cases (J. Platt 1999, "Probabilistic outputs for support
    vector machines"), so that a few items that are told apart without a mistake do not make the head infinitely sure.
    """
    n_items, n_classes = scores.shape
    doubt = 1.0 / (n_items / n_classes + 2.0)

    def surprise(log_factor: float) -> float:
        log_probabilities = scipy.special.log_softmax(scores * np.exp(log_factor), axis=1)
        right = np.take_along_axis(log_probabilities, targets[:, None], axis=1).mean()
        return -float((1.0 - doubt) * right + doubt * log_probabilities.mean())

    return float(np.exp(scipy.optimize.minimize_scalar(surprise, bounds=(-5.0, 5.0), method="bounded").x))
