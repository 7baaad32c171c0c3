"""Means, maxima and deviations of feature maps in one walk through memory."""

import numba
import numpy as np
import torch


def pool(maps: torch.Tensor, *, bands: int = 1) -> np.ndarray:
    """Pool feature maps, over their whole height or by bands of it.

    Parameters
    ----------
    maps
        float32 (n, n_features, height, width); fastest where the features of a place lie side by side.
    bands
        Into how many parts of equal height the maps are cut; where rows do not divide evenly, a row at a border
        belongs to both parts.

    Returns
    -------
    numpy.ndarray
        float32 (n, 3, bands, n_features); the axis of three is mean, maximum, standard deviation.

    Examples
    --------
    >>> pool(torch.tensor([[[[1.0, 3.0], [5.0, 5.0]]]]), bands=2)[0, :, :, 0].tolist()
    [[2.0, 5.0], [3.0, 5.0], [1.0, 0.0]]
    """
    places = np.ascontiguousarray(maps.permute(0, 2, 3, 1).numpy())
    pooled = np.empty((len(places), 3, bands, places.shape[3]), np.float32)
    for tile, out in zip(places, pooled, strict=True):
        _pool_tile(tile, out)
    return pooled


@numba.njit(cache=True, nogil=True)
def _pool_tile(tile: np.ndarray, pooled: np.ndarray) -> None:
    height, bands = tile.shape[0], pooled.shape[1]
    for band in range(bands):
        top, bottom = band * height // bands, -(-(band + 1) * height // bands)
        _pool_band(tile[top:bottom], pooled[0, band], pooled[1, band], pooled[2, band])


@numba.njit(cache=True, nogil=True)
def _pool_band(rows: np.ndarray, mean: np.ndarray, most: np.ndarray, spread: np.ndarray) -> None:
    """Two walks, since squares less the squared mean lose digits; the second finds the rows in the cache."""
    height, width, n_features = rows.shape
    mean[:], spread[:], most[:] = np.float32(0), np.float32(0), rows[0, 0]
    for row in range(height):
        for column in range(width):
            for feature in range(n_features):
                value = rows[row, column, feature]
                mean[feature] += value
                most[feature] = value if value > most[feature] else most[feature]
    share = np.float32(1 / (height * width))
    for feature in range(n_features):
        mean[feature] *= share
    for row in range(height):
        for column in range(width):
            for feature in range(n_features):
                off = rows[row, column, feature] - mean[feature]
                spread[feature] += off * off
    for feature in range(n_features):
        spread[feature] = np.sqrt(spread[feature] * share)
