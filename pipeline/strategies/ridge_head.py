"""A linear head on features of a frozen network, fitted in closed form.

Ridge regression of the class indicators, as in regularised least-squares classification. One eigendecomposition of
the Gram matrix gives the fit for every penalty and, for each, the predictions for items of groups left out of the fit,
so the penalty and the temperature of the probabilities are chosen without a second fit and without an item judging
itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.special

from phosphene.converters import SignalError

PENALTIES = np.logspace(-6, 2, 17)
MOST_JUDGED = 5000
"""Rows by which the penalty is chosen, drawn from all: the time for that grows with the cube of their number."""
LEAST_SPREAD = 0.3
"""Features vary at least so much, as a share of what is usual in their block: one that is all but constant in training
would outweigh all others where a new item has another value."""
PIXELS_SPREAD = 30.0
"""The same for pixels: so much that all are divided by nearly the same."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Brings features to a common scale: blocks weigh what they are to, whatever their size, and rows have length 1.

    Blocks of pixels keep their proportions, for one that hardly ever changes tells little.

    Parameters
    ----------
    mean, factor
        float32 (n_features,), what is taken off and what the rest is multiplied by.
    """

    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def of(
        cls, blocks: Sequence[np.ndarray], shares: Sequence[float], *, pixels: Sequence[int] = ()
    ) -> "Scaling":
        """Measure blocks of features of training items.

        Parameters
        ----------
        blocks
            float32 (n, n_features) each.
        shares
            What each block is to weigh; they sum to 1.
        pixels
            Which of the blocks are pixels.
        """
        mean = np.concatenate([block.mean(axis=0) for block in blocks])
        factors = [
            _factor(block, least=PIXELS_SPREAD if place in pixels else LEAST_SPREAD) * share**0.5
            for place, (block, share) in enumerate(zip(blocks, shares, strict=True))
        ]
        return cls(mean, np.concatenate(factors).astype(np.float32))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Scale float32 (n, n_features)."""
        rows = (features - self.mean) * self.factor
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        scaled: np.ndarray = rows
        return scaled


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Features to log-probabilities: `(scaling(features) @ weight + bias) * sharpness`, softmax.

    Parameters
    ----------
    scaling
        Of the raw features.
    weight, bias
        float32 (n_features, n_classes) and (n_classes,).
    sharpness
        The inverse temperature of the softmax, fitted on predictions for left-out groups.
    penalty
        The ridge penalty that was chosen.
    """

    scaling: Scaling
    weight: np.ndarray
    bias: np.ndarray
    sharpness: float
    penalty: float

    def log_probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return float64 (n, n_classes) for float32 (n, n_features), the blocks side by side."""
        return softened(self.scaling(features) @ self.weight + self.bias, self.sharpness)


@dataclass(frozen=True, eq=False)
class HeadFit:
    """A fitted head, and what it would have said of training items without having seen them.

    Parameters
    ----------
    head
        Fitted to all training items.
    rows
        int (n,), places of the training items that were left out in turn: all of them, or some of many.
    left_out
        float64 (n, n_classes), the log-probabilities of these by a fit to the items of other groups.
    """

    head: LinearHead
    rows: np.ndarray
    left_out: np.ndarray


def fit_head(
    blocks: Sequence[np.ndarray],
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    shares: Sequence[float] | None = None,
    pixels: Sequence[int] = (),
) -> HeadFit:
    """Fit a head, its penalty and its sharpness, on training items alone.

    Parameters
    ----------
    blocks
        float32 (n, n_features) each, features that belong together: of one view and one stage.
    targets
        int (n,), the class of each, from 0.
    groups
        int (n,); what shares a number (windows of one recording) is left out together when the penalty is chosen.
    shares
        What each block weighs; None for the same each.
    pixels
        Which of the blocks are pixels, as for `Scaling`.

    Raises
    ------
    SignalError
        Fewer than two classes.

    References
    ----------
    R. Rifkin, R. Lippert, "Notes on Regularized Least Squares", MIT-CSAIL-TR-2007-025, 2007.

    Examples
    --------
    >>> block = np.array([[0.0, 1.0], [0.1, 1.0], [0.9, 0.1], [1.0, 0.0]])
    >>> fit = fit_head([block], np.array([0, 0, 1, 1]), np.arange(4))
    >>> fit.head.log_probabilities(np.array([[0.05, 0.9], [0.95, 0.2]])).argmax(axis=1).tolist()
    [0, 1]
    >>> fit.left_out.argmax(axis=1).tolist()
    [0, 0, 1, 1]
    """
    if len(np.unique(targets)) < 2:
        raise SignalError("a head needs training items of at least two classes, got one")
    scaling = Scaling.of(blocks, shares or [1 / len(blocks)] * len(blocks), pixels=pixels)
    rows = _Scaled(blocks, scaling)
    indicators = indicators_of(targets)
    level = indicators.mean(axis=0)
    judged = judged_rows(groups)
    solver = Gram(rows.gram(judged), indicators[judged] - level, groups[judged])
    penalty, outside = solver.best(PENALTIES)
    outside += level
    if len(judged) == len(targets):
        dual = solver.dual(penalty)
        weight, intercept = rows.weight(dual), dual.sum(axis=0)
    else:
        weight, intercept = rows.solve(indicators - level, penalty)
    sharpness = _sharpness(outside, targets[judged])
    bias = (level + intercept).astype(np.float32)
    head = LinearHead(scaling, weight, bias, sharpness, penalty)
    return HeadFit(head, judged, softened(outside, sharpness))


class _Scaled:
    """Rows of scaled features, worked on block by block: side by side they would be in memory three times."""

    def __init__(self, blocks: Sequence[np.ndarray], scaling: Scaling) -> None:
        ends = np.cumsum([block.shape[1] for block in blocks])[:-1]
        parts = zip(blocks, np.split(scaling.mean, ends), np.split(scaling.factor, ends), strict=True)
        self.parts = list(parts)
        square = sum(np.square(part).sum(axis=1, dtype=np.float64) for part in self._each(slice(None)))
        self.length = np.maximum(np.sqrt(square), 1e-6)

    def _each(self, rows: np.ndarray | slice) -> Iterator[np.ndarray]:
        for block, mean, factor in self.parts:
            yield (block[rows] - mean) * factor

    def gram(self, rows: np.ndarray) -> np.ndarray:
        """Return the inner products of some rows, float64 (n, n)."""
        product: np.ndarray = sum(gram_of(part) for part in self._each(rows))  # type: ignore[assignment]
        length = self.length[rows]
        product /= length
        product /= length[:, None]
        return product

    def solve(self, values: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        """Return slope and intercept of the ridge fit, by whichever of both sides of the matrix is shorter."""
        if sum(block.shape[1] for block, _, _ in self.parts) < len(values):
            return self._solve_features(values, penalty)
        square = self.gram(np.arange(len(values))) + 1.0
        square[np.diag_indices_from(square)] += penalty
        dual = scipy.linalg.solve(square, values, assume_a="pos", overwrite_a=True)
        return self.weight(dual), dual.sum(axis=0)

    def _solve_features(self, values: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
        length = self.length[:, None].astype(np.float32)
        full = np.hstack([*(part / length for part in self._each(slice(None))), np.ones_like(length)])
        square = (full.T @ full).astype(np.float64)
        square[np.diag_indices_from(square)] += penalty
        answer = scipy.linalg.solve(square, full.T @ values, assume_a="pos", overwrite_a=True)
        return answer[:-1].astype(np.float32), answer[-1]

    def weight(self, dual: np.ndarray) -> np.ndarray:
        """Return what each feature counts for each class, float32 (n_features, n_classes)."""
        values = (dual / self.length[:, None]).astype(np.float32)
        return np.concatenate([part.T @ values for part in self._each(slice(None))])


class Gram:
    """A Gram matrix with a column of ones for the intercept, taken apart once.

    Parameters
    ----------
    gram
        float64 (n, n), the inner products of the rows.
    values
        float64 (n, n_values), what is to be predicted, centred.
    groups
        int (n,), what is left out together.
    """

    def __init__(self, gram: np.ndarray, values: np.ndarray, groups: np.ndarray) -> None:
        spectrum, self.vectors = scipy.linalg.eigh(gram + 1.0, overwrite_a=True, check_finite=False)
        self.spectrum = np.maximum(spectrum, 0.0)
        self.turned = self.vectors.T @ values
        self.values = values
        order = np.argsort(groups, kind="stable")
        members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
        self.members = [rows for rows in members if len(rows) > 1]

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
        residual = dual / np.square(shrunk).sum(axis=1, keepdims=True)  # of rows that are groups of their own
        for rows in self.members:
            residual[rows] = np.linalg.solve(shrunk[rows] @ shrunk[rows].T, dual[rows])
        left_out: np.ndarray = self.values - residual
        return left_out

    def best(self, penalties: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the penalty whose predictions for left-out rows err least (mean square), and these predictions."""
        outside = [self.left_out(penalty) for penalty in penalties]
        errors = [float(((scores - self.values) ** 2).mean()) for scores in outside]
        place = int(np.argmin(errors))
        return float(penalties[place]), outside[place]


def softened(scores: np.ndarray, sharpness: float) -> np.ndarray:
    """Return log-probabilities for scores: float64 (n, n_classes)."""
    answers: np.ndarray = scipy.special.log_softmax(scores.astype(np.float64) * sharpness, axis=1)
    return answers


def gram_of(rows: np.ndarray) -> np.ndarray:
    """Return the inner products of rows, float64 (n, n); float32 rows are multiplied as such, twice as fast."""
    product: np.ndarray = (rows @ rows.T).astype(np.float64)
    return product


def indicators_of(targets: np.ndarray) -> np.ndarray:
    """Return 1 for the class of each item and -1 for every other: float64 (n, n_classes)."""
    return np.where(np.eye(int(targets.max()) + 1)[targets] > 0, 1.0, -1.0)


def judged_rows(groups: np.ndarray, most: int | None = None) -> np.ndarray:
    """Return the places of at most `most` rows, drawn at random but always the same, as many of each group as may be.

    All groups stay where that is possible, since a group is judged by the others: with few large ones whole a class
    would have none left to be known by.

    Examples
    --------
    >>> np.bincount(np.repeat([0, 1, 2], [50, 50, 2])[judged_rows(np.repeat([0, 1, 2], [50, 50, 2]), 22)]).tolist()
    [10, 10, 2]
    """
    most = MOST_JUDGED if most is None else most
    if len(groups) <= most:
        return np.arange(len(groups))
    shuffled = np.random.default_rng(0).permutation(len(groups))
    order = shuffled[np.argsort(groups[shuffled], kind="stable")]
    firsts = np.flatnonzero(np.diff(groups[order], prepend=groups[order[0]] - 1))
    rank = np.arange(len(order)) - np.repeat(firsts, np.diff([*firsts, len(order)]))
    # The first of every group, then the second, and so on; among equals by chance.
    turn = np.lexsort((np.argsort(shuffled)[order], rank))
    return np.sort(order[turn[:most]])


def _factor(block: np.ndarray, *, least: float) -> np.ndarray:
    """Return what brings features to unit variance and their block to unit length: float64 (n_features,)."""
    spread = block.std(axis=0).astype(np.float64)
    usual = float(np.median(spread[spread > 0])) if (spread > 0).any() else 1.0
    factor = np.where(spread > 0, 1.0 / np.hypot(spread, least * usual), 0.0)
    length = float(np.sqrt(np.square(spread * factor).sum()))
    return np.asarray(factor / max(length, 1e-12))


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
