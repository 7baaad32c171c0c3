"""Scores of classes become log-probabilities that are neither too sure nor too shy."""

import numpy as np

from .inner import with_all_classes

_LOG_BOUNDS = (-6.0, 8.0)
"""Where the logarithm of a sharpness is looked for."""


def sharpened(scores: np.ndarray, sharpness: float) -> np.ndarray:
    """Return log-probabilities of scores.

    Parameters
    ----------
    scores
        float (n, n_classes); minus infinity for a class that the model has not seen, at least one finite in each row.
    sharpness
        What scores are multiplied by, above 0; the order of the classes stays.

    Returns
    -------
    numpy.ndarray
        float64 (n, n_classes), finite.

    Examples
    --------
    >>> np.exp(sharpened(np.array([[1.0, 0.0, -np.inf]]), np.log(3))).round(3).tolist()
    [[0.75, 0.25, 0.0]]
    """
    probabilities = np.exp(_log_softmax(scores, sharpness))
    return with_all_classes(probabilities, np.arange(scores.shape[1]), scores.shape[1])


def fit_sharpness(scores: np.ndarray, targets: np.ndarray, *, otherwise: float) -> float:
    """Return the sharpness by which scores of left-out rows foretell their classes best.

    A class of n rows is taken to be right in n + 1 of n + 2 cases (J. Platt 1999, "Probabilistic outputs for support
    vector machines"), so that a few rows that are told apart without a mistake make no model infinitely sure.

    Parameters
    ----------
    scores
        float (n, n_classes), as for `sharpened`; that of a row's own class is finite.
    targets
        int (n,).
    otherwise
        What it is where there are no rows.

    Examples
    --------
    >>> fit_sharpness(np.array([[2.0, 0.0]] * 3 + [[0.0, 2.0]]), np.zeros(4, int), otherwise=1.0) < 1
    True
    """
    if not len(targets):
        return otherwise
    import scipy.optimize

    doubt = 1.0 / (len(targets) / scores.shape[1] + 2.0)
    seen = np.isfinite(scores)

    def surprise(log_factor: float) -> float:
        logs = _log_softmax(scores, float(np.exp(log_factor)))
        right = logs[np.arange(len(targets)), targets]
        doubted = np.where(seen, logs, 0.0).sum(axis=1) / seen.sum(axis=1)
        return -float(((1.0 - doubt) * right + doubt * doubted).mean())

    found = scipy.optimize.minimize_scalar(surprise, bounds=_LOG_BOUNDS, method="bounded")
    return float(np.exp(found.x))


def log_loss(log_probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean surprise at the true classes, in nats.

    Examples
    --------
    >>> round(log_loss(np.log([[0.5, 0.5]]), np.array([0])), 4)
    0.6931
    """
    return -float(log_probabilities[np.arange(len(targets)), targets].mean())


def hit_rate(log_probabilities: np.ndarray, targets: np.ndarray) -> float | None:
    """Return how often the likeliest class is the true one, None of no rows.

    Examples
    --------
    >>> hit_rate(np.log([[0.6, 0.4], [0.7, 0.3]]), np.array([0, 1]))
    0.5
    """
    return float((log_probabilities.argmax(axis=1) == targets).mean()) if len(targets) else None


def _log_softmax(scores: np.ndarray, sharpness: float) -> np.ndarray:
    raised = (scores - scores.max(axis=1, keepdims=True)) * sharpness
    return np.asarray(raised - np.log(np.exp(raised).sum(axis=1, keepdims=True)))
