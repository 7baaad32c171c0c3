"""Recurrence plots straight to grey levels, and the ranks of distances, by compiled loops."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def draw_distances(
    rows: np.ndarray, columns: np.ndarray, reach: np.ndarray, near: bool, canvas: np.ndarray
) -> None:
    """Write distances of states as shares of `reach`, or in white those below it.

    Parameters
    ----------
    rows, columns
        float32 (n, dimension, height) and (n, dimension, width).
    reach
        float32 (n,): the distance that is white, or below which pairs are close.
    near
        Whether to draw in white what is close, and not the distances.
    canvas
        uint8 (n, height, width), written; where a state is NaN the level means nothing.
    """
    white, half, none = np.float32(255), np.float32(0.5), np.float32(0)
    row = np.empty(columns.shape[2], np.float32)
    for k in range(len(rows)):
        limit, plain = reach[k], rows.shape[1] == 1
        scale = white / limit if limit > 0 else none
        if not plain:  # squares are compared with a square
            limit = limit * limit if limit > 0 else none
        for i in range(rows.shape[2]):
            measure_row(rows[k], i, columns[k], 0, row)
            pixels = canvas[k, i]
            if near:
                for j in range(len(row)):
                    pixels[j] = np.uint8(255) if row[j] < limit else np.uint8(0)
            elif plain:
                for j in range(len(row)):
                    pixels[j] = np.uint8(np.int32(row[j] * scale + half))
            else:
                for j in range(len(row)):
                    pixels[j] = np.uint8(np.int32(np.sqrt(row[j]) * scale + half))


@numba.njit(cache=True, nogil=True)
def measure_row(rows: np.ndarray, i: int, columns: np.ndarray, first: int, row: np.ndarray) -> None:
    """Write how far the state of a row lies from that of each column: differences, or of several samples squares.

    Parameters
    ----------
    rows, columns
        float32 (dimension, height) and (dimension, width).
    i, first
        Which row, and which column is the first.
    row
        float32 (width - first,), written: of states of one sample the difference, of others the square of the distance.
    """
    if len(rows) == 1:
        state, others = rows[0, i], columns[0, first:]
        for j in range(len(row)):
            row[j] = abs(state - others[j])
        return
    row[:] = np.float32(0)
    for axis in range(len(rows)):
        state, others = rows[axis, i], columns[axis, first:]
        for j in range(len(row)):
            apart = state - others[j]
            row[j] += apart * apart


@numba.njit(cache=True, nogil=True)
def measure_pairs(rows: np.ndarray, columns: np.ndarray, mirrored: bool, measures: np.ndarray) -> int:
    """Write how far apart all pairs of states are, as `measure_row`, and return how many they are.

    Parameters
    ----------
    rows, columns
        float32 (dimension, height) and (dimension, width), without NaN.
    mirrored
        Whether both are the same; then each pair is there once, and none of a state with itself.
    measures
        float32 (at least height * width,), written.
    """
    count = 0
    for i in range(rows.shape[1]):
        first = i + 1 if mirrored else 0
        stop = count + columns.shape[1] - first
        measure_row(rows, i, columns, first, measures[count:stop])
        count = stop
    return count


@numba.njit(cache=True, nogil=True)
def greatest_measure(rows: np.ndarray, columns: np.ndarray, mirrored: bool) -> float:
    """Return the greatest of all pairs of states, as `measure_row`; see `measure_pairs`."""
    row, greatest = np.empty(columns.shape[1], np.float32), np.zeros(columns.shape[1], np.float32)
    for i in range(rows.shape[1]):
        first = i if mirrored else 0
        measure_row(rows, i, columns, first, row[first:])
        for j in range(first, len(row)):
            greatest[j] = row[j] if row[j] > greatest[j] else greatest[j]
    return float(greatest.max())


@numba.njit(cache=True, nogil=True)
def number_at(numbers: np.ndarray, rank: int) -> tuple[np.float32, int]:
    """Return the number at a rank, counted from 0, and how many are not greater.

    Parameters
    ----------
    numbers
        float32 (n,), not negative, n > `rank`.
    """
    # Numbers that are not negative rise as their bits do: first the upper half of these is found, then the lower.
    bits, upper = numbers.view(np.uint32), np.zeros(1 << 15, np.int64)
    for word in bits:
        upper[word >> np.uint32(16)] += 1
    high, below = 0, 0
    while below + upper[high] <= rank:
        below += upper[high]
        high += 1
    lower = np.zeros(1 << 16, np.int64)
    for word in bits:
        if word >> np.uint32(16) == high:
            lower[word & np.uint32(0xFFFF)] += 1
    low = 0
    while below + lower[low] <= rank:
        below += lower[low]
        low += 1
    found = np.array([high << 16 | low], np.uint32).view(np.float32)[0]
    return found, below + lower[low]


@numba.njit(cache=True, nogil=True)
def least_beyond(numbers: np.ndarray, bound: np.float32) -> np.float32:
    """Return the least that is greater, infinity without one; float32 (n,), not negative."""
    # In bits, for the vectoriser knows the minimum of integers.
    ends = np.array([bound, np.inf], np.float32).view(np.uint32)
    low, least = ends[0], ends[1]
    for word in numbers.view(np.uint32):
        beyond = word if word > low else ends[1]
        least = beyond if beyond < least else least
    return np.array([least], np.uint32).view(np.float32)[0]
