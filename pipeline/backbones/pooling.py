"""Means, maxima and deviations of feature maps in one walk through memory."""

from collections.abc import Sequence

import numba
import numpy as np
import torch

Grid = tuple[int, int]
WHOLE: Grid = (1, 1)
LEAST_POSITIONS = 3
"""Least width and height of a cell, in positions of the map; small maps have fewer cells."""


def pool_all(maps: torch.Tensor, grids: Sequence[Grid]) -> list[np.ndarray]:
    """Pool feature maps once for each grid, as `pool` does; what the whole is follows from its cells.

    Examples
    --------
    >>> whole, cells = pool_all(torch.arange(24.0).reshape(1, 1, 6, 4), [(1, 1), (2, 1)])
    >>> whole[0, :2, :, 0].tolist(), cells[0, :2, :, 0].tolist()
    ([[11.5], [23.0]], [[5.5, 17.5], [11.0, 23.0]])
    """
    pooled = {grid: pool(maps, grid=grid) for grid in grids if grid != WHOLE}
    if WHOLE in grids:
        grid = next(iter(pooled), WHOLE)
        pooled[WHOLE] = _joined(pooled[grid], _areas(grid, maps)) if pooled else pool(maps)
    return [pooled[grid] for grid in grids]


def _areas(grid: Grid, maps: torch.Tensor) -> np.ndarray:
    """Return what share of the map each cell covers, float32 (n_cells, 1)."""
    down, across = (
        np.array([end - start for start, end in edges(count, size)])
        for count, size in zip(grid, maps.shape[2:], strict=True)
    )
    areas = np.outer(down, across).reshape(-1, 1)
    return np.asarray(areas / areas.sum(), np.float32)


def _joined(cells: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Make the mean, the maximum and the deviation of the whole from those of its cells."""
    means, most, spreads = cells[:, 0], cells[:, 1], cells[:, 2]
    mean = (means * areas).sum(axis=1, keepdims=True)
    variance = ((spreads**2 + (means - mean) ** 2) * areas).sum(axis=1, keepdims=True)
    return np.stack([mean, most.max(axis=1, keepdims=True), np.sqrt(variance)], axis=1)


def pool(maps: torch.Tensor, *, grid: Grid = WHOLE) -> np.ndarray:
    """Pool feature maps, as a whole or by cells.

    Parameters
    ----------
    maps
        float32 (n, n_features, height, width); fastest in channels-last order.
    grid
        Into how many rows and columns of cells the maps are cut, each three positions wide and high or more: small
        maps fall into fewer.

    Returns
    -------
    numpy.ndarray
        float32 (n, 3, n_cells, n_features), the cells row by row; the axis of three is mean, maximum, deviation.

    Examples
    --------
    >>> maps = torch.arange(24.0).reshape(1, 1, 6, 4)
    >>> pool(maps)[0, :2, :, 0].tolist(), pool(maps, grid=(2, 1))[0, :2, :, 0].tolist()
    ([[11.5], [23.0]], [[5.5, 17.5], [11.0, 23.0]])
    """
    positions = np.ascontiguousarray(maps.permute(0, 2, 3, 1).numpy())
    down, across = (edges(count, size) for count, size in zip(grid, positions.shape[1:3], strict=True))
    cells = np.array([(*rows, *columns) for rows in down for columns in across], np.int64)
    pooled = np.empty((len(positions), 3, len(cells), positions.shape[3]), np.float32)
    for tile, out in zip(positions, pooled, strict=True):
        _pool_tile(tile, cells, out)
    return pooled


def edges(count: int, size: int) -> list[tuple[int, int]]:
    """Cut `size` positions into `count` parts of nearly equal size.

    Examples
    --------
    >>> edges(4, 14), edges(4, 7)
    ([(0, 3), (3, 7), (7, 10), (10, 14)], [(0, 3), (3, 7)])
    """
    count = max(1, min(count, size // LEAST_POSITIONS))
    return [(part * size // count, (part + 1) * size // count) for part in range(count)]


@numba.njit(cache=True, nogil=True)
def _pool_tile(tile: np.ndarray, cells: np.ndarray, pooled: np.ndarray) -> None:
    for cell in range(len(cells)):
        _pool_cell(tile, cells[cell], pooled[0, cell], pooled[1, cell], pooled[2, cell])


@numba.njit(cache=True, nogil=True)
def _pool_cell(
    tile: np.ndarray, cell: np.ndarray, mean: np.ndarray, most: np.ndarray, spread: np.ndarray
) -> None:
    """Two walks, since squares less the squared mean lose digits; the second finds the rows in the cache."""
    top, bottom, left, right = cell
    n_features = tile.shape[2]
    mean[:], spread[:], most[:] = np.float32(0), np.float32(0), tile[top, left]
    for row in range(top, bottom):
        for column in range(left, right):
            for feature in range(n_features):
                value = tile[row, column, feature]
                mean[feature] += value
                most[feature] = value if value > most[feature] else most[feature]
    share = np.float32(1 / ((bottom - top) * (right - left)))
    for feature in range(n_features):
        mean[feature] *= share
    for row in range(top, bottom):
        for column in range(left, right):
            for feature in range(n_features):
                off = tile[row, column, feature] - mean[feature]
                spread[feature] += off * off
    for feature in range(n_features):
        spread[feature] = np.sqrt(spread[feature] * share)
