"""Markov transition fields straight to grey levels, by compiled loops."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count_levels(values: np.ndarray, edges: np.ndarray, counts: np.ndarray, levels: np.ndarray) -> None:
    """Find the level of each value, and count how often each level follows each other one.

    Parameters
    ----------
    values, edges
        float64 (n, samples) with NaN where missing, and (n, levels - 1), rising: a value is in the level of as
        many edges as lie below it.
    counts
        float64 (n, levels, levels), written: from the first to the second.
    levels
        int64 (n, samples), written; -1 where missing.
    """
    for k in range(len(values)):
        counts[k] = 0
        before = -1
        for i in range(values.shape[1]):
            value, level = values[k, i], 0
            if np.isnan(value):
                level = -1
            else:
                for edge in edges[k]:
                    level += edge < value
            if before >= 0 and level >= 0:
                counts[k, before, level] += 1
            levels[k, i] = before = level


@numba.njit(cache=True, nogil=True)
def share_levels(
    levels: np.ndarray, start: np.ndarray, stop: np.ndarray, n_bins: int, shares: np.ndarray
) -> None:
    """Write how large a share each level has in each segment, missing samples aside.

    Parameters
    ----------
    levels
        int64 (n, samples), -1 where missing.
    start, stop
        int64 (pixels,): the first sample of each segment, and the first one behind it.
    shares
        float32 (n, at least the levels, pixels), written; all 0 where all is missing.
    """
    for k in range(len(levels)):
        shares[k] = 0
        for i in range(len(start)):
            present = 0
            for j in range(start[i], stop[i]):
                level = levels[k, j]
                if level >= 0:
                    shares[k, level, i] += 1
                    present += 1
            if present > 1:
                for level in range(n_bins):
                    shares[k, level, i] /= present


# Contraction alone lets a sum of products be multiplied and added in one step; nothing is assumed of NaN.
@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def draw_transitions(rows: np.ndarray, columns: np.ndarray, canvas: np.ndarray, top: int, left: int) -> None:
    """Write the sum over levels of what rows and columns hold, rounded.

    Parameters
    ----------
    rows, columns
        float32 (n, levels, height) and (n, levels, width), the levels a multiple of 4; the sums lie from 0 to
        255.
    canvas
        uint8 (n, size, size), written from `top`, `left` on.
    """
    n_bins, width = columns.shape[1], columns.shape[2]
    sums = np.empty(width, np.float32)
    for k in range(len(rows)):
        for i in range(rows.shape[2]):
            pixels = canvas[k, top + i, left : left + width]
            if i and np.all(
                rows[k, :, i] == rows[k, :, i - 1]
            ):  # a series that moves slowly stays in a level
                above = canvas[k, top + i - 1, left : left + width]
                for j in range(width):  # several times as fast as assigning a slice
                    pixels[j] = above[j]
                continue
            for j in range(width):
                sums[j] = np.float32(0.5)
            for level in range(0, n_bins, 4):  # more at a time the vectoriser refuses
                a, b = rows[k, level, i], rows[k, level + 1, i]
                c, d = rows[k, level + 2, i], rows[k, level + 3, i]
                first, second = columns[k, level], columns[k, level + 1]
                third, fourth = columns[k, level + 2], columns[k, level + 3]
                for j in range(width):
                    sums[j] += a * first[j] + b * second[j] + c * third[j] + d * fourth[j]
            for j in range(width):
                pixels[j] = np.uint8(np.int32(sums[j]))


@numba.njit(cache=True, nogil=True)
def _repeats(rows: np.ndarray, i: int) -> bool:
    changes = 0
    for level in range(len(rows)):
        changes += rows[level, i] != rows[level, i - 1]
    return changes == 0
