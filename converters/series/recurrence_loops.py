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
    state, others = rows[0, i], columns[0, first:]
    if len(rows) == 1:
        for j in range(len(row)):
            row[j] = abs(state - others[j])
        return
    for j in range(len(row)):
        row[j] = (state - others[j]) ** 2
    for axis in range(1, len(rows)):
        state, others = rows[axis, i], columns[axis, first:]
        for j in range(len(row)):
            row[j] += (state - others[j]) ** 2


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
def greatest_measure(rows: np.ndarray, columns: np.ndarray) -> float:
    """Return the greatest of all pairs of states, as `measure_row`; see `measure_pairs`."""
    row, greatest = np.empty(columns.shape[1], np.float32), np.zeros(columns.shape[1], np.float32)
    for i in range(rows.shape[1]):
        measure_row(rows, i, columns, 0, row)
        for j in range(len(row)):
            greatest[j] = max(row[j], greatest[j])
    return float(greatest.max())


@numba.njit(cache=True, nogil=True)
def numbers_at(numbers: np.ndarray, first: int, second: int) -> np.ndarray:
    """Return the numbers at two ranks, the second not before the first: float32 (2,).

    Parameters
    ----------
    numbers
        float32 (n,), not negative.
    first, second
        Counted from 0; of a rank below 0 the number is 0.
    """
    # Numbers that are not negative rise as their bits do: the upper half of these is found first, then the lower.
    bits, found = numbers.view(np.uint32), np.zeros(2, np.uint32)
    upper, lower = np.zeros(1 << 15, np.int64), np.zeros(1 << 16, np.int64)
    for word in bits:
        upper[word >> np.uint32(16)] += 1
    high, below, counted = 0, 0, -1
    for index, rank in enumerate((first, second)):
        if rank < 0:
            continue
        while below + upper[high] <= rank:
            below += upper[high]
            high += 1
        if high != counted:
            lower[:] = 0
            for word in bits:
                if word >> np.uint32(16) == high:
                    lower[word & np.uint32(0xFFFF)] += 1
            counted = high
        low, less = 0, below
        while less + lower[low] <= rank:
            less += lower[low]
            low += 1
        found[index] = high << 16 | low
    return found.view(np.float32)
