"""Recurrence plots straight to grey levels, and the ranks of distances, by compiled loops."""

import numba
import numpy as np


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
                _write_squares(rows[k], i, columns[k], 0, squares)
                if near:
                    for j in range(width):
                        pixels[j] = np.uint8(255) if squares[j] < square else np.uint8(0)
                else:
                    for j in range(width):
                        pixels[j] = np.uint8(np.int32(np.sqrt(squares[j]) * scale + half))


@numba.njit(cache=True, nogil=True)
def _write_squares(rows: np.ndarray, i: int, columns: np.ndarray, first: int, squares: np.ndarray) -> None:
    """Write the squared distances of the state of a row from those of the columns from `first` on."""
    for axis in range(len(rows)):
        value, others = rows[axis, i], columns[axis][first:]
        if axis == 0:
            for j in range(len(squares)):
                squares[j] = (value - others[j]) * (value - others[j])
        else:
            for j in range(len(squares)):
                squares[j] += (value - others[j]) * (value - others[j])


@numba.njit(cache=True, nogil=True)
def pair_squares(rows: np.ndarray, columns: np.ndarray, mirrored: bool, squares: np.ndarray) -> int:
    """Write the squared distances of all pairs of states, and return how many they are.

    Parameters
    ----------
    rows, columns
        float32 (dimension, height) and (dimension, width), without NaN.
    mirrored
        Whether both are the same; then each pair is there once, and none of a state with itself.
    squares
        float32 (at least height * width,), written.
    """
    at = 0
    for i in range(rows.shape[1]):
        first = i + 1 if mirrored else 0
        count = columns.shape[1] - first
        _write_squares(rows, i, columns, first, squares[at : at + count])
        at += count
    return at


@numba.njit(cache=True, nogil=True)
def greatest_square(rows: np.ndarray, columns: np.ndarray, mirrored: bool) -> float:
    """Return the greatest of the squared distances that `pair_squares` writes, without keeping them."""
    squares, greatest = np.empty(columns.shape[1], np.float32), np.int32(0)
    for i in range(rows.shape[1]):
        first = i + 1 if mirrored else 0
        ahead = squares[: columns.shape[1] - first]
        _write_squares(rows, i, columns, first, ahead)
        for bits in ahead.view(
            np.int32
        ):  # which rise as the numbers do, and have a maximum in one instruction
            greatest = max(greatest, bits)
    squares.view(np.int32)[0] = greatest
    return float(squares[0])


@numba.njit(cache=True, nogil=True)
def take_between(numbers: np.ndarray, low: float, high: float, taken: np.ndarray) -> tuple[int, int]:
    """Copy the numbers from `low` to `high`, both included, and return how many lie below, and how many between.

    Parameters
    ----------
    numbers
        float32 (n,).
    taken
        float32 (n,), whose beginning is written.
    """
    bottom, top = np.float32(low), np.float32(high)
    below, found = 0, 0
    for number in numbers:
        if number <= top:
            if number >= bottom:
                taken[found] = number
                found += 1
            else:
                below += 1
    return below, found
