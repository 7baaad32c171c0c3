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
        float32 (n, levels, height) and (n, levels, width), the levels a multiple of 8; the sums lie from 0 to
        255.
    canvas
        uint8 (n, size, size), written from `top`, `left` on.
    """
    n_bins, width = columns.shape[1], columns.shape[2]
    sums = np.empty(width, np.float32)
    for k in range(len(rows)):
        for i in range(rows.shape[2]):
            sums[:] = np.float32(0.5)
            for first in range(0, n_bins, 8):
                _add_products(rows[k, first : first + 8, i], columns[k, first : first + 8], sums)
            pixels = canvas[k, top + i, left : left + width]
            for j in range(width):
                pixels[j] = np.uint8(np.int32(sums[j]))


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _add_products(weights: np.ndarray, shares: np.ndarray, sums: np.ndarray) -> None:
    a, b, c, d = weights[0], weights[1], weights[2], weights[3]
    e, f, g, h = weights[4], weights[5], weights[6], weights[7]
    s0, s1, s2, s3 = shares[0], shares[1], shares[2], shares[3]
    s4, s5, s6, s7 = shares[4], shares[5], shares[6], shares[7]
    for j in range(len(sums)):  # one expression, so that the eight products stay in registers
        low = a * s0[j] + b * s1[j] + c * s2[j] + d * s3[j]
        sums[j] += low + (e * s4[j] + f * s5[j] + g * s6[j] + h * s7[j])
