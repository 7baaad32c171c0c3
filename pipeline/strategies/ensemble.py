"""Averages of what several models answer, with weights that suit the items whose classes are known."""

from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp

from phosphene.converters import ParameterError

SHRINKAGE = 20.0
"""As if so many items had found all models equally good: as many as a small validation part has."""
_MOST_ROUNDS = 2000


def ensemble_weights(
    log_probabilities: np.ndarray, targets: np.ndarray, *, shrinkage: float = SHRINKAGE
) -> np.ndarray:
    """Weigh models such that the average of their probabilities fits the targets best.

    The weights are the shares of a mixture: found by expectation and maximisation, which lowers the log-loss in every
    round and ends at its least, for there is one alone. Shrinkage adds items that every model explains equally
    well (a Dirichlet prior), so that few items cannot say that one model is all.

    Parameters
    ----------
    log_probabilities
        float (n_models, n, n_classes), the logarithms of what each model answers for items that it did not learn from.
    targets
        int (n,), the class of each item, from 0; without items all models weigh the same.
    shrinkage
        How many items speak for equal weights, >= 0.

    Returns
    -------
    numpy.ndarray
        float64 (n_models,), none below 0, which add up to 1.

    Raises
    ------
    ParameterError
        The shapes do not fit, there is no model, or the shrinkage is below 0.

    Examples
    --------
    >>> right, wrong = np.log([[0.9, 0.1]] * 30), np.log([[0.2, 0.8]] * 30)
    >>> ensemble_weights(np.stack([right, wrong]), np.zeros(30, int)).round(2).tolist()
    [0.76, 0.24]
    >>> ensemble_weights(np.stack([right, wrong])[:, :0], np.zeros(0, int)).tolist()
    [0.5, 0.5]
    """
    answers, targets = np.asarray(log_probabilities, np.float64), np.asarray(targets, int)
    _check(answers, targets, shrinkage)
    count = len(answers)
    weights = np.full(count, 1 / count)
    if not len(targets) or count == 1:
        return weights
    known = _scaled(answers[:, np.arange(len(targets)), targets])
    for _ in range(_MOST_ROUNDS):
        shares = weights[:, None] * known
        shares /= shares.sum(axis=0)
        after = (shares.sum(axis=1) + shrinkage / count) / (len(targets) + shrinkage)
        moved = np.abs(after - weights).max()
        weights = after
        if moved < 1e-9:
            break
    return np.asarray(weights / weights.sum())


def average(log_probabilities: np.ndarray, weights: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """Average the probabilities of several models.

    Parameters
    ----------
    log_probabilities
        float (n_models, n, n_classes).
    weights
        float (n_models,), none below 0, which add up to 1; None weighs all the same.

    Returns
    -------
    numpy.ndarray
        float64 (n, n_classes), the logarithms of the averages; no lower than that of 1e-30.

    Raises
    ------
    ParameterError
        There is not one weight a model, or one is below 0, or they do not add up to 1.

    Examples
    --------
    >>> answers = np.log([[[0.8, 0.2]], [[0.4, 0.6]]])
    >>> np.exp(average(answers)).round(2).tolist(), np.exp(average(answers, [0.75, 0.25])).round(2).tolist()
    ([[0.6, 0.4]], [[0.7, 0.3]])
    """
    answers = np.asarray(log_probabilities, np.float64)
    shares = np.full(len(answers), 1 / len(answers)) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != answers.shape[:1] or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise ParameterError(
            f"weights must be {len(answers)} numbers >= 0 that add up to 1, got {shares.tolist()}"
        )
    mixed: np.ndarray = logsumexp(answers, axis=0, b=shares[:, None, None])
    return np.asarray(np.maximum(mixed, np.log(1e-30)))


def _scaled(known: np.ndarray) -> np.ndarray:
    """Return probabilities in units of each item's greatest: their ratios alone matter, and none vanishes below."""
    greatest = np.maximum(known.max(axis=0), -1e300)
    return np.asarray(np.exp(np.maximum(known, -1e300) - greatest))


def _check(answers: np.ndarray, targets: np.ndarray, shrinkage: float) -> None:
    if answers.ndim != 3 or not len(answers) or targets.shape != answers.shape[1:2]:
        raise ParameterError(
            "log_probabilities must be (n_models, n, n_classes) with one or more models and targets (n,), got "
            f"{answers.shape} and {targets.shape}"
        )
    if len(targets) and not 0 <= targets.min() <= targets.max() < answers.shape[2]:
        raise ParameterError(f"targets must be from 0 to {answers.shape[2] - 1}, got {int(targets.max())}")
    if not shrinkage >= 0:
        raise ParameterError(f"shrinkage must be a number >= 0, got {shrinkage!r}")
