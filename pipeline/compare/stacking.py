"""Choosing and stacking estimators by their out-of-fold predictions: test items are never looked at."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.converters import ParameterError
from phosphene.datasets.manifest import Manifest

from .fold_results import FoldResult, ItemPredictions

RIDGE = 10.0
"""The penalty on unequal weights and on biases: of 1, 3, 10 and 30 that with the least log-loss on fresh rows of nine
sorts of simulated problems with 15 to 150 rows to fit to; with 600 it no longer matters."""
_MIN_LOG_PROBA = float(np.log(1e-30))


@dataclass(frozen=True, eq=False)
class Stack:
    """A log-linear pool: the product of the members' probabilities, each to the power of its weight.

    `ensemble_weights` averages probabilities, as suits members that are good at different items. A product suits those
    that see different sides of one item: two that both predict 0.8 give more than 0.8 together. A weight below 1 is for
    a member that is overconfident, or redundant.

    Parameters
    ----------
    weights
        float64 (n_members,), none below 0.
    bias
        float64 (n_classes,), added to the log-probability of each class.
    """

    weights: np.ndarray
    bias: np.ndarray

    def predict_log_proba(self, log_proba: Sequence[np.ndarray]) -> np.ndarray:
        """Return the log-probabilities of the pool.

        Parameters
        ----------
        log_proba
            By member, in the order of the fit: float (n, n_classes), of the same rows.

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
        >>> np.exp(stack.predict_log_proba([np.log([[0.8, 0.2]])] * 2)).round(3).tolist()
        [[0.941, 0.059]]
        """
        known = _checked(log_proba)
        if known.shape[::2] != (len(self.weights), len(self.bias)):
            raise ParameterError(
                f"log_proba must be of {len(self.weights)} members for {len(self.bias)} classes, got {known.shape[0]} "
                f"for {known.shape[2]}"
            )
        return _pooled(known, self.weights, self.bias)


def fit_stack(oof: Sequence[np.ndarray], targets: np.ndarray, *, ridge: float = RIDGE) -> Stack:
    """Fit weights and biases by penalised maximum likelihood.

    The loss is convex and its penalty strictly so: the solution is unique.

    Parameters
    ----------
    oof
        By member, float (n, n_classes): out-of-fold log-probabilities of the same rows.
    targets
        int (n,), the class of each row, from 0. Without rows all members have the same weight.
    ridge
        The penalty on squared distances from equal weights that add up to 1, and of biases from 0; in units of log-loss
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
    known, truth = _checked(oof), np.asarray(targets, int)
    _check(known, truth, ridge)
    count, _, n_classes = known.shape
    start = np.concatenate([np.full(count, 1 / count), np.zeros(n_classes)])
    found = _minimise(known, np.eye(n_classes)[truth], start, ridge) if len(truth) else start
    return Stack(found[:count], found[count:])


def choose_by_oof(manifest: Manifest, results: Mapping[str, Sequence[FoldResult]]) -> tuple[str, ...]:
    """Return the name of the estimator with the best out-of-fold predictions, one a fold.

    Parameters
    ----------
    manifest
        All items.
    results
        By name, one a fold.
    """
    n_folds = len(next(iter(results.values())))
    return tuple(
        max(results, key=lambda name: oof_merit(manifest, results[name][fold])) for fold in range(n_folds)
    )


def oof_merit(manifest: Manifest, result: FoldResult) -> tuple[float, float]:
    """Return the accuracy of the out-of-fold predictions, and as the tie-break their mean log-likelihood."""
    if not len(result.oof.indices):
        return -1.0, 0.0
    log_proba, targets = result.oof.log_proba, targets_of(manifest, result.oof.indices)
    right = log_proba.argmax(axis=1) == targets
    return float(right.mean()), float(log_proba[np.arange(len(targets)), targets].mean())


def stack_folds(manifest: Manifest, members: Sequence[Sequence[FoldResult]]) -> tuple[ItemPredictions, ...]:
    """Return the predictions of a stack for the test items, fitted in each fold to out-of-fold predictions.

    Parameters
    ----------
    manifest
        All items.
    members
        The fold results of each estimator, one a fold.

    Returns
    -------
    tuple of ItemPredictions
        One a fold, for the items that all members have predicted.
    """
    return tuple(_stack_fold(manifest, results) for results in zip(*members, strict=True))


def targets_of(manifest: Manifest, indices: np.ndarray) -> np.ndarray:
    """Return the class of items whose label is known, by index in the manifest's classes: int (n,)."""
    labels = manifest.labels[indices].astype(str)
    return np.searchsorted(np.array(manifest.classes), labels)


def _stack_fold(manifest: Manifest, results: Sequence[FoldResult]) -> ItemPredictions:
    train = _common([result.oof for result in results])
    stack = fit_stack([result.oof.of(train) for result in results], targets_of(manifest, train))
    test = _common([result.test for result in results])
    return ItemPredictions(test, stack.predict_log_proba([result.test.of(test) for result in results]))


def _common(predictions: Sequence[ItemPredictions]) -> np.ndarray:
    return functools.reduce(np.intersect1d, [one.indices for one in predictions])


def _minimise(known: np.ndarray, truth: np.ndarray, start: np.ndarray, ridge: float) -> np.ndarray:
    """Return weights and biases of the least loss; the penalty is on the distance from `start`."""
    from scipy.optimize import minimize

    count = len(known)

    def loss_and_slope(point: np.ndarray) -> tuple[float, np.ndarray]:
        log_proba = _pooled(known, point[:count], point[count:])
        excess = np.exp(log_proba) - truth
        slope = np.concatenate([np.tensordot(known, excess, 2), excess.sum(axis=0)])
        away = point - start
        return float(ridge / 2 * away @ away - (log_proba * truth).sum()), slope + ridge * away

    bounds = [(0.0, None)] * count + [(None, None)] * (len(start) - count)
    found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, np.float64)


def _pooled(known: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    totals = np.tensordot(weights, known, 1) + bias
    totals -= totals.max(axis=1, keepdims=True)
    return np.asarray(totals - np.log(np.exp(totals).sum(axis=1, keepdims=True)))


def _checked(log_proba: Sequence[np.ndarray]) -> np.ndarray:
    """Return log-probabilities as one array (n_members, n, n_classes), none below the logarithm of 1e-30."""
    arrays = [np.asarray(one, np.float64) for one in log_proba]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or len(arrays[0].shape) != 2 or not arrays[0].shape[1]:
        raise ParameterError(
            "log_proba must be of one member or more, each (n, n_classes) for the same rows and classes, got "
            f"{', '.join(str(array.shape) for array in arrays) or 'none'}"
        )
    stacked = np.stack(arrays)
    if not (stacked < np.inf).all():
        raise ParameterError("log_proba must not hold NaN or infinity; leave out rows that failed")
    return np.asarray(np.maximum(stacked, _MIN_LOG_PROBA))


def _check(known: np.ndarray, truth: np.ndarray, ridge: float) -> None:
    if truth.shape != known.shape[1:2]:
        raise ParameterError(f"targets must be one for each of {known.shape[1]} rows, got {truth.shape}")
    if len(truth) and not 0 <= truth.min() <= truth.max() < known.shape[2]:
        strange = int(truth.min()) if truth.min() < 0 else int(truth.max())
        raise ParameterError(f"targets must be from 0 to {known.shape[2] - 1}, got {strange}")
    if not 0 < ridge < np.inf:
        raise ParameterError(f"ridge must be a number > 0, got {ridge!r}")
