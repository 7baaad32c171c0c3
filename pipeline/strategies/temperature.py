"""Temperature scaling: scores of classes become calibrated log-probabilities."""

import numpy as np
import scipy.optimize
import scipy.special

_LOG_BOUNDS = (-8.0, 6.0)


def fit_temperature(scores: np.ndarray, targets: np.ndarray, *, default: float = 1.0) -> float:
    """Fit the temperature that makes out-of-fold scores predict their classes best, by `log_loss`.

    Parameters
    ----------
    scores
        float (n, n_classes), out-of-fold; minus infinity for classes that the model has not seen. The score of a row's
        own class is finite.
    targets
        int (n,).
    default
        The temperature where there are no rows.

    Returns
    -------
    float
        What scores are divided by before the softmax, above 0.

    References
    ----------
    C. Guo et al. 2017, "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599. J. Platt 1999,
    "Probabilistic outputs for support vector machines".

    Examples
    --------
    >>> fit_temperature(np.array([[2.0, 0.0]] * 3 + [[0.0, 2.0]]), np.zeros(4, int)) > 1
    True
    """
    if not len(targets):
        return default

    def loss(log_temperature: float) -> float:
        return float(log_loss(scores, targets, temperature=float(np.exp(log_temperature))).mean())

    found = scipy.optimize.minimize_scalar(loss, bounds=_LOG_BOUNDS, method="bounded")
    return float(np.exp(found.x))


def log_loss(scores: np.ndarray, targets: np.ndarray, *, temperature: float) -> np.ndarray:
    """Return the log-loss of each row with smoothed labels, float64 (n,), for arguments as of `fit_temperature`.

    Labels are smoothed as J. Platt did: of n rows a class, each counts as right in n + 1 of n + 2 cases. So a few rows
    that are separated without an error do not make the probabilities 0 and 1.

    Examples
    --------
    >>> log_loss(np.array([[9.0, 0.0], [0.0, 0.0]]), np.array([0, 1]), temperature=1.0).round(2).tolist()
    [1.5, 0.69]
    """
    smoothing = 1.0 / (len(targets) / scores.shape[1] + 2.0)
    seen = np.isfinite(scores)
    log_proba = log_softmax(scores, temperature=temperature)
    right = np.take_along_axis(log_proba, targets[:, None], axis=1)[:, 0]
    all_classes = np.where(seen, log_proba, 0.0).sum(axis=1) / seen.sum(axis=1)
    return np.asarray(-((1.0 - smoothing) * right + smoothing * all_classes))


def log_softmax(scores: np.ndarray, *, temperature: float) -> np.ndarray:
    """Return log-probabilities of scores divided by a temperature: float64 (n, n_classes).

    Examples
    --------
    >>> np.exp(log_softmax(np.array([[1.0, 0.0]]), temperature=1 / np.log(3))).round(2).tolist()
    [[0.75, 0.25]]
    """
    return np.asarray(scipy.special.log_softmax(np.asarray(scores, np.float64) / temperature, axis=1))
