"""Several methods together: their log-probabilities are weighed and added, by weights found on left-out answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.converters import ParameterError

RIDGE = 10.0
"""How strongly weights are held to equal ones, and biases to none: of 1, 3, 10 and 30 that with the least log-loss on
fresh rows of nine sorts of simulated problems with 15 to 150 rows to fit to; with 600 it no longer matters."""
_FLOOR = float(np.log(1e-30))


@dataclass(frozen=True, eq=False)
class Stack:
    """A log-linear pool: a class is as probable as the product of the members' probabilities, each to its weight.

    Where `ensemble_weights` averages probabilities, as suits members that are good at different items, this adds what
    they know, as suits methods that see different sides of one item: two that both say 0.8 say more together. A weight
    below 1 tempers a member that is too sure of itself, or says again what another has said.

    Parameters
    ----------
    weights
        float64 (n_members,), none below 0.
    bias
        float64 (n_classes,), added to the log-probability of each class.
    """

    weights: np.ndarray
    bias: np.ndarray

    def log_probabilities(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Put answers together.

        Parameters
        ----------
        answers
            By member, in the order of the fit: float (n, n_classes), log-probabilities of the same rows.

        Returns
        -------
        numpy.ndarray
            float64 (n, n_classes), finite; the probabilities of a row add up to 1.

        Raises
        ------
        ParameterError
            There is not one array a member, all of one shape, or one holds NaN.

        Examples
        --------
        >>> stack = Stack(np.array([1.0, 1.0]), np.zeros(2))
        >>> np.exp(stack.log_probabilities([np.log([[0.8, 0.2]])] * 2)).round(3).tolist()
        [[0.941, 0.059]]
        """
        known = _stacked(answers)
        if known.shape[::2] != (len(self.weights), len(self.bias)):
            raise ParameterError(
                f"answers must be of {len(self.weights)} members for {len(self.bias)} classes, got {known.shape[0]} "
                f"for {known.shape[2]}"
            )
        return _pooled(known, self.weights, self.bias)


def fit_stack(left_out: Sequence[np.ndarray], targets: np.ndarray, *, ridge: float = RIDGE) -> Stack:
    """Find the weights by which the members together explain best what rows are, by maximum likelihood.

    The loss is convex and its penalty strictly so: there is one best stack, whatever the start.

    Parameters
    ----------
    left_out
        By member, float (n, n_classes): log-probabilities of the same rows, by fits that did not learn from them.
    targets
        int (n,), the class of each row, from 0. Without rows all members weigh the same.
    ridge
        The penalty on squared distances from equal weights that add up to 1, and from no bias; in units of log-loss
        summed over the rows, so that many rows outweigh it.

    Raises
    ------
    ParameterError
        There is no member, shapes or targets do not fit, a log-probability is NaN, or the ridge is not above 0.

    References
    ----------
    D. H. Wolpert, Stacked generalization, Neural Networks 5(2), 1992, doi:10.1016/S0893-6080(05)80023-1. G. E. Hinton,
    Training products of experts by minimizing contrastive divergence, Neural Computation 14(8), 2002,
    doi:10.1162/089976602760128018.

    Examples
    --------
    >>> right, wrong = np.log([[0.9, 0.1], [0.1, 0.9]] * 30), np.log([[0.3, 0.7], [0.9, 0.1]] * 30)
    >>> fit_stack([right, wrong], np.array([0, 1] * 30)).weights.round(2).tolist()
    [1.27, 0.0]
    >>> fit_stack([right[:0], wrong[:0]], np.zeros(0, int)).weights.tolist()
    [0.5, 0.5]
    """
    known, truth = _stacked(left_out), np.asarray(targets, int)
    _check(known, truth, ridge)
    count, _, n_classes = known.shape
    start = np.concatenate([np.full(count, 1 / count), np.zeros(n_classes)])
    found = _minimise(known, np.eye(n_classes)[truth], start, ridge) if len(truth) else start
    return Stack(found[:count], found[count:])


def _minimise(known: np.ndarray, truth: np.ndarray, start: np.ndarray, ridge: float) -> np.ndarray:
    """Return the weights and biases of least loss; `start` is what the penalty holds them to."""
    from scipy.optimize import minimize

    count = len(known)

    def loss_and_slope(point: np.ndarray) -> tuple[float, np.ndarray]:
        answers = _pooled(known, point[:count], point[count:])
        excess = np.exp(answers) - truth
        slope = np.concatenate([np.tensordot(known, excess, 2), excess.sum(axis=0)])
        away = point - start
        return float(ridge / 2 * away @ away - (answers * truth).sum()), slope + ridge * away

    bounds = [(0.0, None)] * count + [(None, None)] * (len(start) - count)
    found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, np.float64)


def _pooled(known: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    totals = np.tensordot(weights, known, 1) + bias
    totals -= totals.max(axis=1, keepdims=True)
    return np.asarray(totals - np.log(np.exp(totals).sum(axis=1, keepdims=True)))


def _stacked(answers: Sequence[np.ndarray]) -> np.ndarray:
    """Return answers as one array (n_members, n, n_classes), none lower than the logarithm of 1e-30."""
    arrays = [np.asarray(one, np.float64) for one in answers]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or len(arrays[0].shape) != 2 or not arrays[0].shape[1]:
        raise ParameterError(
            "answers must be of one member or more, each (n, n_classes) for the same rows and classes, got "
            f"{', '.join(str(array.shape) for array in arrays) or 'none'}"
        )
    stacked = np.stack(arrays)
    if not (stacked < np.inf).all():
        raise ParameterError(
            "answers must be log-probabilities, got NaN or infinity; leave out rows that failed"
        )
    return np.asarray(np.maximum(stacked, _FLOOR))


def _check(known: np.ndarray, truth: np.ndarray, ridge: float) -> None:
    if truth.shape != known.shape[1:2]:
        raise ParameterError(f"targets must be one for each of {known.shape[1]} rows, got {truth.shape}")
    if len(truth) and not 0 <= truth.min() <= truth.max() < known.shape[2]:
        strange = int(truth.min()) if truth.min() < 0 else int(truth.max())
        raise ParameterError(f"targets must be from 0 to {known.shape[2] - 1}, got {strange}")
    if not 0 < ridge < np.inf:
        raise ParameterError(f"ridge must be a number > 0, got {ridge!r}")
