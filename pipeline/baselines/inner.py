"""Inner cross-validation: what a baseline decides, it decides on training rows alone."""

import numpy as np

from phosphene.datasets.splits import stratified_group_split

N_INNER = 5
SETTINGS = 20
"""So many settings every model may try on the inner folds: as many mixtures of stages as a probe weighs."""


def inner_folds(targets: np.ndarray, groups: np.ndarray, *, seed: int) -> np.ndarray:
    """Return the inner fold of each training row: groups whole, every class in its share.

    Parameters
    ----------
    targets, groups
        int (n,): the class and the group of each row.
    seed
        Equal seeds give equal folds, whatever the model.

    Returns
    -------
    numpy.ndarray
        int (n,), from 0; N_INNER folds, or as many as there are groups where these are fewer. All 0 where one
        group holds every row, so that nothing can be left out.

    Examples
    --------
    >>> inner_folds(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3]), seed=0).tolist()
    [1, 2, 0, 3]
    """
    n_folds = min(N_INNER, len(np.unique(groups)))
    labels, bonds = [str(target) for target in targets], [str(group) for group in groups]
    return stratified_group_split(labels, bonds, np.full(n_folds, 1 / n_folds), seed=seed)


def with_all_classes(probabilities: np.ndarray, known: np.ndarray, n_classes: int) -> np.ndarray:
    """Return log-probabilities of all classes from probabilities of those that a model has seen.

    Parameters
    ----------
    probabilities
        float (n, n_known), not negative.
    known
        int (n_known,), the class of each column.
    n_classes
        How many columns there shall be.

    Returns
    -------
    numpy.ndarray
        float64 (n, n_classes), finite: no class is held for less likely than 1e-6, since no table of a finite number
        of rows can say so.

    Examples
    --------
    >>> np.exp(with_all_classes(np.array([[1.0, 1.0]]), np.array([0, 2]), 3)).round(3).tolist()
    [[0.5, 0.0, 0.5]]
    """
    whole = np.zeros((len(probabilities), n_classes))
    whole[:, known] = probabilities
    whole /= np.maximum(whole.sum(axis=1, keepdims=True), 1e-12)
    whole = np.maximum(whole, 1e-6)
    return np.asarray(np.log(whole / whole.sum(axis=1, keepdims=True)))
