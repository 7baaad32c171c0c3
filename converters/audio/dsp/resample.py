"""Cells of one grid onto the cells of another: frames onto columns, bins and bands onto rows."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def overlaps(source_edges: np.ndarray, target_edges: np.ndarray) -> np.ndarray:
    """Return how much of each target cell each source cell covers: float32 (n_target, n_source).

    Examples
    --------
    >>> overlaps(np.array([0.0, 1, 3]), np.array([0.5, 1.5, 3]))
    array([[0.5, 0.5],
           [0. , 1.5]], dtype=float32)
    """
    stop = np.minimum(source_edges[1:], target_edges[1:, None])
    start = np.maximum(source_edges[:-1], target_edges[:-1, None])
    return np.asarray((stop - start).clip(0), np.float32)


def area_weights(source_edges: np.ndarray, target_edges: np.ndarray) -> "csr_array":
    """Return the matrix that averages cells onto other cells by the share of each that they cover.

    Parameters
    ----------
    source_edges, target_edges
        Rising borders of the cells, float64 (n_source + 1,) and (n_target + 1,).

    Returns
    -------
    scipy.sparse.csr_array
        float32 (n_target, n_source). A row adds up to 1, or to 0 where no source cell lies.

    Examples
    --------
    >>> area_weights(np.array([0.0, 1, 2, 3]), np.array([0.0, 2, 3])).toarray().tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    from scipy.sparse import csr_array

    n_source, n_target = len(source_edges) - 1, len(target_edges) - 1
    low, high = max(source_edges[0], target_edges[0]), min(source_edges[-1], target_edges[-1])
    cuts = np.unique(np.concatenate([source_edges, target_edges]).clip(low, high))
    middles, widths = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    rows = (np.searchsorted(target_edges, middles) - 1).clip(0, n_target - 1)
    columns = (np.searchsorted(source_edges, middles) - 1).clip(0, n_source - 1)
    covered = np.bincount(rows, widths, n_target)
    weights = (widths / covered[rows]).astype(np.float32)
    return csr_array((weights, (rows, columns)), shape=(n_target, n_source))


def interpolate(values: np.ndarray, positions: np.ndarray, *, axis: int) -> np.ndarray:
    """Return values between the places 0, 1, 2, ... of an axis, on straight lines; level beyond both ends.

    Examples
    --------
    >>> interpolate(np.array([0.0, 10.0, 30.0]), np.array([-1.0, 0.5, 1.5, 9.0]), axis=0)
    array([ 0.,  5., 20., 30.])
    """
    last = values.shape[axis] - 1
    places = positions.clip(0, last)
    below = places.astype(np.intp).clip(0, max(last - 1, 0))
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    share = (places - below).astype(values.dtype).reshape(shape)
    above = values.take(np.minimum(below + 1, last), axis=axis)
    between: np.ndarray = values.take(below, axis=axis) * (1 - share) + above * share
    return between
