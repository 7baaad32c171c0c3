"""Soft spots, by compiled loops that leave out what is empty."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def soft_spots(
    column: np.ndarray, row: np.ndarray, weight: np.ndarray, size: int, bell: np.ndarray
) -> np.ndarray:
    """Return weights spread by a bell in both directions: float64 (size, size).

    Each weight is shared among the four pixels nearest to its place; what lies outside is left out.

    Parameters
    ----------
    column, row
        float64 (n,): places in pixels; the middle of the first pixel is at 0.5.
    weight
        float64 (n,), above 0.
    size
        Height and width of the picture.
    bell
        float64 (2 reach + 1,): how a weight is spread over the pixels around it.
    """
    grid, wide, spots = np.zeros((size, size)), np.zeros((size, size)), np.zeros((size, size))
    for i in range(len(column)):
        left, top = np.floor(column[i] - 0.5), np.floor(row[i] - 0.5)
        right_share, low_share = column[i] - 0.5 - left, row[i] - 0.5 - top
        for down in range(2):
            for along in range(2):
                y, x = top + down, left + along
                if 0 <= y < size and 0 <= x < size:
                    share = (low_share if down else 1 - low_share) * (
                        right_share if along else 1 - right_share
                    )
                    grid[int(y), int(x)] += weight[i] * share
    reach = len(bell) // 2
    for y in range(size):
        lit = False
        for x in range(size):
            if grid[y, x] > 0:
                lit = True
                for k in range(max(-reach, -x), min(reach + 1, size - x)):
                    wide[y, x + k] += grid[y, x] * bell[k + reach]
        if lit:
            for k in range(max(-reach, -y), min(reach + 1, size - y)):
                for x in range(size):
                    spots[y + k, x] += wide[y, x] * bell[k + reach]
    return spots


@numba.njit(cache=True, nogil=True)
def log_grey(values: np.ndarray, bend: float) -> np.ndarray:
    """Return log(1 + values / bend) as grey levels: uint8 (height, width, 1), the greatest 255."""
    height, width = values.shape
    pixels = np.zeros((height, width, 1), np.uint8)
    greatest = np.log1p(values.max() / bend)
    if greatest <= 0:
        return pixels
    for y in range(height):
        for x in range(width):
            if values[y, x] > 0:
                pixels[y, x, 0] = np.uint8(np.int32(np.log1p(values[y, x] / bend) / greatest * 255 + 0.5))
    return pixels
