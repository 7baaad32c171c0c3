"""Markov transition fields straight to grey levels, by compiled loops."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count_levels(values: np.ndarray, edges: np.ndarray, counts: np.ndarray, levels: np.ndarray) -> None:
    """Find the level of each value, and count how often each level follows each other one.

    Parameters
    ----------
    values, edges
        float32 or float64 (n, samples) with NaN where missing, and float64 (n, levels - 1), rising: a value is in
        the level of as many edges as lie below it.
    counts
        float64 (n, levels, levels), written: from the first to the second.
    levels
        int16 (n, samples), written; -1 where missing.
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
        int16 (n, samples), -1 where missing.
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


# Of a product and a sum one rounding is enough.
@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def draw_transitions(rows: np.ndarray, columns: np.ndarray, canvas: np.ndarray) -> None:
    """Write the sum over levels of what rows and columns hold, rounded.

    Parameters
    ----------
    rows, columns
        float32 (n, height, levels) and (n, levels, width); the sums lie from 0 to 255.
    canvas
        uint8 (n, height, width), written.
    """
    sums = np.empty(columns.shape[2], np.float32)
    for k in range(len(rows)):
        for i in range(rows.shape[1]):
            changes = i == 0
            for level in range(columns.shape[1]):
                changes |= rows[k, i, level] != rows[k, i - 1, level]
            if not changes:  # a series that moves slowly stays in a level
                canvas[k, i] = canvas[k, i - 1]
                continue
            sums[:] = np.float32(0.5)
            for level in range(columns.shape[1]):
                weight, shares = rows[k, i, level], columns[k, level]
                if weight > 0:
                    for j in range(len(sums)):
                        sums[j] += weight * shares[j]
            pixels = canvas[k, i]
            for j in range(len(sums)):
                pixels[j] = np.uint8(np.int32(sums[j]))
