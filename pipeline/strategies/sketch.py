"""Sketches: features of any number in 256 dimensions, with nearly the distances that they had."""

import functools

import numpy as np
import scipy.sparse

N_DIMS = 256
_SEED = 0


def sketch(rows: np.ndarray, *, n_dims: int = N_DIMS) -> np.ndarray:
    """Add up features in random bins with random signs, the same ones for every number of features in every version.

    The inner product of two sketches is that of their rows in the mean, with a deviation of about
    `1 / sqrt(n_dims)` of the product of their lengths.

    Parameters
    ----------
    rows
        float (n, n_features).
    n_dims
        Columns of the result; fewer features stay as they are, and are followed by zeros.

    Returns
    -------
    numpy.ndarray
        float32 (n, n_dims).

    References
    ----------
    M. Charikar, K. Chen, M. Farach-Colton 2002, "Finding frequent items in data streams", doi:10.1007/3-540-45465-9_59.
    K. Weinberger et al. 2009, "Feature hashing for large scale multitask learning", doi:10.1145/1553374.1553516.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(2, 5000)).astype(np.float32)
    >>> sketched = sketch(rows)
    >>> before, after = (float(np.linalg.norm(one[0] - one[1])) for one in (rows, sketched))
    >>> sketched.shape, abs(after / before - 1) < 0.1
    ((2, 256), True)
    """
    n, n_features = rows.shape
    if n_features <= n_dims:
        return np.hstack([rows, np.zeros((n, n_dims - n_features))]).astype(np.float32)
    return np.asarray((_signed_bins(n_features, n_dims) @ rows.T).T, np.float32)


@functools.lru_cache(maxsize=8)
def _signed_bins(n_features: int, n_dims: int) -> scipy.sparse.csr_matrix:
    # RandomState: its stream of numbers is promised to stay the same, and saved sketches depend on it.
    drawn = np.random.RandomState(_SEED).randint(0, 2 * n_dims, n_features)
    signs = np.where(drawn % 2, np.float32(1), np.float32(-1))
    shape = (n_dims, n_features)
    return scipy.sparse.csr_matrix((signs, (drawn // 2, np.arange(n_features))), shape=shape)
