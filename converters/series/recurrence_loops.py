"""Recurrence plots straight to grey levels, and the ranks of distances, by compiled loops."""

import numba
import numpy as np

_LARGEST_BITS = np.int64(0x7F7FFFFF)
# Of the bits of a float32: distances in one bucket differ by less than a hundredth of themselves.
_BUCKET_BITS = 16
_N_BUCKETS = (0x7F800000 >> _BUCKET_BITS) + 1


@numba.njit(cache=True, nogil=True)
def draw_distances(
    rows: np.ndarray,
    columns: np.ndarray,
    reach: np.ndarray,
    near: bool,
    canvas: np.ndarray,
    top: int,
    left: int,
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
        uint8 (n, size, size), written from `top`, `left` on; where a state is NaN the level means nothing.
    """
    height, width = rows.shape[2], columns.shape[2]
    squares = np.empty(width, np.float32)
    white, half, none = np.float32(255), np.float32(0.5), np.float32(0)
    for k in range(len(rows)):
        limit = reach[k]
        scale = white / limit if limit > 0 else none
        for i in range(height):
            pixels = canvas[k, top + i, left : left + width]
            if rows.shape[1] == 1:
                state, others = rows[k, 0, i], columns[k, 0]
                if near:
                    for j in range(width):
                        pixels[j] = np.uint8(255) if abs(state - others[j]) < limit else np.uint8(0)
                else:
                    for j in range(width):
                        pixels[j] = np.uint8(np.int32(abs(state - others[j]) * scale + half))
            else:
                _write_squares(rows[k], i, columns[k], squares)
                if near:
                    for j in range(width):
                        pixels[j] = np.uint8(255) if np.sqrt(squares[j]) < limit else np.uint8(0)
                else:
                    for j in range(width):
                        pixels[j] = np.uint8(np.int32(np.sqrt(squares[j]) * scale + half))


@numba.njit(cache=True, nogil=True)
def _write_squares(rows: np.ndarray, i: int, columns: np.ndarray, squares: np.ndarray) -> None:
    squares[:] = np.float32(0)
    for axis in range(len(rows)):
        value, others = rows[axis, i], columns[axis]
        for j in range(len(squares)):
            apart = value - others[j]
            squares[j] += apart * apart


@numba.njit(cache=True, nogil=True)
def rank_squares(rows: np.ndarray, columns: np.ndarray, share: float) -> tuple[float, float, float]:
    """Return the squared distances at a share of all pairs: the two around it, and how far it lies between them.

    Parameters
    ----------
    rows, columns
        float32 (dimension, height) and (dimension, width) without NaN.
    share
        From 0, the nearest pair, to 1, the farthest one.
    """
    place = share * (rows.shape[1] * columns.shape[1] - 1)
    rank = int(place)
    counts = np.zeros(_N_BUCKETS, np.int64)
    squares = np.empty(columns.shape[1], np.float32)
    bits = squares.view(np.int32)
    for i in range(rows.shape[1]):
        _write_squares(rows, i, columns, squares)
        for j in range(len(bits)):
            counts[bits[j] >> _BUCKET_BITS] += 1
    low = _ranked_square(rows, columns, counts, rank)
    if place == rank:
        return low, low, 0.0
    return low, _ranked_square(rows, columns, counts, rank + 1), place - rank


@numba.njit(cache=True, nogil=True)
def _ranked_square(rows: np.ndarray, columns: np.ndarray, counts: np.ndarray, rank: int) -> float:
    bucket = 0
    while rank >= counts[bucket]:
        rank -= counts[bucket]
        bucket += 1
    inside = np.empty(counts[bucket], np.float32)
    squares = np.empty(columns.shape[1], np.float32)
    bits = squares.view(np.int32)
    found = 0
    for i in range(rows.shape[1]):
        _write_squares(rows, i, columns, squares)
        for j in range(len(bits)):
            if bits[j] >> _BUCKET_BITS == bucket:
                inside[found] = squares[j]
                found += 1
    return float(np.partition(inside, rank)[rank])


@numba.njit(cache=True, nogil=True)
def rank_differences(rows: np.ndarray, columns: np.ndarray, share: float) -> tuple[float, float, float]:
    """Return the differences of numbers at a share of all pairs: the two around it, and how far between them.

    Parameters
    ----------
    rows, columns
        float32 (height,) and (width,), rising, without NaN.
    share
        From 0, the nearest pair, to 1, the farthest one.
    """
    place = share * (len(rows) * len(columns) - 1)
    rank = int(place)
    low = _ranked_difference(rows, columns, rank)
    if place == rank:
        return low, low, 0.0
    return low, _ranked_difference(rows, columns, rank + 1), place - rank


@numba.njit(cache=True, nogil=True)
def _ranked_difference(rows: np.ndarray, columns: np.ndarray, rank: int) -> float:
    """Halve the range of floats, which rise as their bits do, until one is left."""
    number = np.empty(1, np.float32)
    bits = number.view(np.int32)
    number[0] = max(rows[-1] - columns[0], columns[-1] - rows[0])
    low, high = np.int64(-1), np.int64(bits[0])
    while high - low > 1:
        middle = (low + high) // 2
        bits[0] = middle
        if _count_within(rows, columns, number[0]) > rank:
            high = middle
        else:
            low = middle
    bits[0] = high
    return float(number[0])


@numba.njit(cache=True, nogil=True)
def _count_within(rows: np.ndarray, columns: np.ndarray, limit: float) -> int:
    """Count pairs at most so far apart: both ends of what is near move on as the row's value rises."""
    count, first, stop = 0, 0, 0
    for value in rows:
        while first < len(columns) and value - columns[first] > limit:
            first += 1
        while stop < len(columns) and columns[stop] - value <= limit:
            stop += 1
        count += stop - first
    return count


@numba.njit(cache=True, nogil=True)
def greatest_square(rows: np.ndarray, columns: np.ndarray) -> float:
    """Return the greatest squared distance of states (dimension, height) and (dimension, width) without NaN."""
    squares = np.empty(columns.shape[1], np.float32)
    bits = squares.view(np.int32)
    greatest = np.int32(0)
    for i in range(rows.shape[1]):
        _write_squares(rows, i, columns, squares)
        for j in range(len(bits)):  # as integers, whose maximum the vectoriser knows
            greatest = max(greatest, bits[j])
    bits[0] = greatest
    return float(squares[0])
