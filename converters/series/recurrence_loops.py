"""Recurrence plots straight to grey levels, and the ranks of distances, by compiled loops."""

import numba
import numpy as np

_SAMPLED = 2048


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
        square = limit * limit if limit > 0 else none
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
                        pixels[j] = np.uint8(255) if squares[j] < square else np.uint8(0)
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
def pair_squares(rows: np.ndarray, columns: np.ndarray, mirrored: bool) -> np.ndarray:
    """Return the squared distances of states (dimension, height) and (dimension, width) without NaN, as float32.

    Where rows and columns are the same (`mirrored`), each pair is there once, and none of a state with itself.
    """
    height, width = rows.shape[1], columns.shape[1]
    squares = np.empty(height * (height - 1) // 2 if mirrored else height * width, np.float32)
    at = 0
    for i in range(height):
        first = i + 1 if mirrored else 0
        _write_squares(rows, i, columns[:, first:], squares[at : at + width - first])
        at += width - first
    return squares


@numba.njit(cache=True, nogil=True)
def at_rank(numbers: np.ndarray, rank: int) -> float:
    """Return the number that `rank` others would stand before if float32 (n,), not negative, were sorted.

    A sample of the numbers tells within which bounds it lies, most of the time; only what lies within them is
    put in order. Numbers that are not negative are in the order of their bits.
    """
    bits = numbers.view(np.int32)
    sample = bits[:: max(1, len(bits) // _SAMPLED)].copy()
    place = rank / len(bits) * len(sample)
    reach = 4 * np.sqrt(place * (1 - place / len(sample))) + 4
    low = np.int32(-1)
    high = np.int32(0x7F800000)
    if place > reach:
        low = np.partition(sample, int(place - reach))[int(place - reach)]
    if place + reach < len(sample):
        high = np.partition(sample, int(place + reach))[int(place + reach)]
    below, until = _count(bits, low), _count(bits, high)
    if rank < below:
        low, high, below, until = np.int32(-1), low, 0, below
    elif rank >= until:
        low, high, below, until = high, np.int32(0x7F800000), until, len(bits)
    inside = np.empty(until - below, np.float32)
    found = 0
    for j in range(len(bits)):
        if low < bits[j] <= high:
            inside[found] = numbers[j]
            found += 1
    return float(np.partition(inside, rank - below)[rank - below])


@numba.njit(cache=True, nogil=True)
def _count(bits: np.ndarray, limit: int) -> int:
    """Count what is at most `limit`."""
    count = 0
    for j in range(len(bits)):
        count += bits[j] <= limit
    return count


@numba.njit(cache=True, nogil=True)
def greatest(numbers: np.ndarray) -> float:
    """Return the greatest of float32 (n,), not negative; 0 of none."""
    bits = numbers.view(np.int32)
    found = np.zeros(1, np.int32)
    most = np.int32(0)
    for j in range(len(bits)):  # as integers, whose maximum the vectoriser knows
        most = max(most, bits[j])
    found[0] = most
    return float(found.view(np.float32)[0])
