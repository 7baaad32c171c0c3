"""Recurrence plots straight to grey levels, and the ranks of distances, by compiled loops."""

import numba
import numpy as np

from ..kernels.blocks import (
    TILE,
    WIDTH,
    copy_bytes,
    count_bits,
    keep_greatest,
    lowest_bit,
    mask_between,
    transpose_tile,
    write_distances,
    write_near,
    write_squares,
)

# Guesses of a difference by interpolation; after them, with many that are equal, halving is sure to end.
_INTERPOLATED = 12

# Of a distance, so that rounding hides no greater one.
_SURELY = 1 - 1e-5


@numba.njit(cache=True, nogil=True)
def draw_distances(
    rows: np.ndarray,
    columns: np.ndarray,
    reach: np.ndarray,
    near: bool,
    canvas: np.ndarray,
    place: tuple[int, int, int],
    mirrored: bool,
) -> None:
    """Write distances of states as shares of `reach`, or in white those below it.

    Parameters
    ----------
    rows, columns
        float32 (n, dimension, height) and (n, dimension, at least `WIDTH`).
    reach
        float32 (n,): the distance that is white, or below which pairs are close.
    near
        Whether to draw in white what is close, and not the distances.
    canvas
        uint8 (n, size, size), written in part; where a state is NaN the level means nothing.
    place
        The first row and the first column that are written, and how many columns.
    mirrored
        Whether rows and columns are the same, and at least `WIDTH`: then half is computed.
    """
    top, left, width = place
    height = rows.shape[2]
    white, half, none = np.float32(255), np.float32(0.5), np.float32(0)
    for k in range(len(rows)):
        limit = reach[k]
        scale = white / limit if limit > 0 else none
        square = limit * limit if limit > 0 else none
        if rows.shape[1] > 1:
            _draw_states(rows[k], columns[k], square if near else scale, near, canvas[k], place, mirrored)
            continue
        for i in range(height):
            pixels = canvas[k, top + i, left : left + width]
            state, others = rows[k, 0, i], columns[k, 0]
            if near:
                for j in range(width):
                    pixels[j] = np.uint8(255) if abs(state - others[j]) < limit else np.uint8(0)
            else:
                for j in range(width):
                    pixels[j] = np.uint8(np.int32(abs(state - others[j]) * scale + half))


@numba.njit(cache=True, nogil=True)
def _draw_states(
    rows: np.ndarray,
    columns: np.ndarray,
    number: np.float32,
    near: bool,
    canvas: np.ndarray,
    place: tuple[int, int, int],
    mirrored: bool,
) -> None:
    top, left, width = place
    axes, most, size = len(columns), columns.shape[1], canvas.shape[1]
    pixels, drawn, row = canvas.reshape(-1), np.empty(most, np.uint8), np.empty(axes, np.float32)
    for i in range(rows.shape[1]):
        for axis in range(axes):
            row[axis] = rows[axis, i]
        for j in range(i // TILE * TILE if mirrored else 0, most, WIDTH):
            at = min(j, most - WIDTH)
            if near:
                write_near(row, columns, axes, most, at, number, drawn, at)
            else:
                write_distances(row, columns, axes, most, at, number, drawn, at)
        copy_bytes(drawn, pixels, (top + i) * size + left, width)
    if mirrored:
        for i in range(0, width - TILE, TILE):
            for j in range(i + TILE, width, TILE):
                at = min(j, width - TILE)
                transpose_tile(pixels, (top + i) * size + left + at, (top + at) * size + left + i, size)


@numba.njit(cache=True, nogil=True)
def pair_squares(
    rows: np.ndarray, columns: np.ndarray, width: int, mirrored: bool, squares: np.ndarray
) -> int:
    """Write the squared distances of all pairs of states, and return how many they are.

    Parameters
    ----------
    rows, columns
        float32 (dimension, height) and (dimension, width + `WIDTH`), without NaN.
    width
        Columns that count; what the others are has no effect.
    mirrored
        Whether both are the same; then each pair is there once, and none of a state with itself.
    squares
        float32 (at least height * width + `WIDTH`,), written.
    """
    axes, most, none = len(columns), columns.shape[1], np.float32(0)
    row = np.empty(axes, np.float32)
    at = 0
    for i in range(rows.shape[1]):
        for axis in range(axes):
            row[axis] = rows[axis, i]
        first = i + 1 if mirrored else 0
        for j in range(first, width, WIDTH):  # what is too much the next row writes over
            write_squares(row, columns, axes, most, j, none, squares, at + j - first)
        at += width - first
    return at


@numba.njit(cache=True, nogil=True)
def greatest_square(rows: np.ndarray, columns: np.ndarray) -> float:
    """Return the greatest squared distance of a state of the rows and one of the columns.

    Parameters
    ----------
    rows, columns
        float32 (dimension, height) and (dimension, at least `WIDTH`), without NaN.
    """
    axes, most, none = len(columns), columns.shape[1], np.float32(0)
    row, greatest = np.empty(axes, np.float32), np.zeros(WIDTH, np.float32)
    from_middle, reach = _from_middle(rows, columns)
    before = -1.0
    for i in range(-1, rows.shape[1]):
        # The outermost state first; then only those that may lie farther from another one than what was found.
        at = i if i >= 0 else np.argmax(from_middle)
        if from_middle[at] + reach <= before:
            continue
        for axis in range(axes):
            row[axis] = rows[axis, at]
        for j in range(0, most, WIDTH):
            keep_greatest(row, columns, axes, most, min(j, most - WIDTH), none, greatest, 0)
        before = np.sqrt(greatest.max()) * _SURELY
    return float(greatest.max())


@numba.njit(cache=True, nogil=True)
def _from_middle(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, float]:
    """Return how far the states of the rows lie from the middle of the columns, and the farthest of the columns."""
    squares, others = np.zeros(rows.shape[1]), np.zeros(columns.shape[1])
    for axis in range(len(rows)):
        middle = (columns[axis].min() + columns[axis].max()) / 2
        for i in range(len(squares)):
            squares[i] += (rows[axis, i] - middle) ** 2
        for i in range(len(others)):
            others[i] += (columns[axis, i] - middle) ** 2
    return np.sqrt(squares), np.sqrt(others.max())


@numba.njit(cache=True, nogil=True)
def differences_around(
    rows: np.ndarray, columns: np.ndarray, rank: int, taken: np.ndarray
) -> tuple[np.float32, int, int]:
    """Write some of the differences of a number of the rows and one of the columns, among them that at a rank.

    Parameters
    ----------
    rows, columns
        float32 (n,) and (m,), rising, without NaN.
    rank
        Counted from 0, of all n m pairs.
    taken
        float32 (at least 8,), whose beginning is written; nothing where there is no room for what is equal.

    Returns
    -------
    high, below, within
        The differences up to and including `high` of which fewer than `within` but at least `below` are less; those
        from `below` to `within - 1` are taken, or if they are too many all are `high`.
    """
    low, high = np.float32(0), max(rows[-1] - columns[0], columns[-1] - rows[0])
    below, within, aim = _pairs_within(rows, columns, low), len(rows) * len(columns), len(taken) // 4
    if below > rank:
        return low, 0, below
    turn = 0
    while within - below > len(taken):
        share = 0.5
        if turn < _INTERPOLATED:
            # By turns a little less and a little more, so that the bounds come closer on both sides.
            share = min(max((rank + aim - below) / (within - below), 0.01), 0.99)
        guess = np.float32(low + (high - low) * np.float32(share))
        if not low < guess < high:
            guess = np.float32(low + (high - low) / 2)
            if not low < guess < high:
                return high, below, within
        count = _pairs_within(rows, columns, guess)
        if count > rank:
            high, within = guess, count
        else:
            low, below = guess, count
        aim, turn = -aim, turn + 1
    _take_differences(rows, columns, low, high, taken)
    return high, below, within


@numba.njit(cache=True, nogil=True)
def _take_differences(
    rows: np.ndarray, columns: np.ndarray, low: np.float32, high: np.float32, taken: np.ndarray
) -> None:
    """Write the differences above `low` and up to `high`, in no order."""
    first, left, right, stop, found = 0, 0, 0, 0, 0
    for number in rows:
        while first < len(columns) and number - columns[first] > high:
            first += 1
        while left < len(columns) and number - columns[left] > low:
            left += 1
        while right < len(columns) and columns[right] - number <= low:
            right += 1
        while stop < len(columns) and columns[stop] - number <= high:
            stop += 1
        for place in range(first, left):
            taken[found] = number - columns[place]
            found += 1
        for place in range(right, stop):
            taken[found] = columns[place] - number
            found += 1


@numba.njit(cache=True, nogil=True)
def least_beyond(rows: np.ndarray, columns: np.ndarray, reach: np.float32) -> np.float32:
    """Return the least difference that is greater; infinity without one. See `differences_around`."""
    low, stop, least = 0, 0, np.float32(np.inf)
    for number in rows:
        while low < len(columns) and number - columns[low] > reach:
            low += 1
        while stop < len(columns) and columns[stop] - number <= reach:
            stop += 1
        if low > 0:
            least = min(least, number - columns[low - 1])
        if stop < len(columns):
            least = min(least, columns[stop] - number)
    return least


@numba.njit(cache=True, nogil=True)
def _pairs_within(rows: np.ndarray, columns: np.ndarray, reach: np.float32) -> int:
    """Return how many numbers of rows and columns are at most so far apart."""
    count, low, stop = 0, 0, 0
    for number in rows:
        while low < len(columns) and number - columns[low] > reach:
            low += 1
        while stop < len(columns) and columns[stop] - number <= reach:
            stop += 1
        count += stop - low
    return count


@numba.njit(cache=True, nogil=True)
def take_between(numbers: np.ndarray, low: float, high: float, taken: np.ndarray) -> tuple[int, int]:
    """Copy the numbers from `low` to `high`, both included, and return how many lie below, and how many between.

    Parameters
    ----------
    numbers
        float32 (n,), not negative.
    taken
        float32 (n,), whose beginning is written.
    """
    # In bits, which rise as the numbers do, one comparison tells whether a number lies between.
    bits, ends = numbers.view(np.uint32), np.array([low, high], np.float32).view(np.uint32)
    bottom, reach = ends[0], np.uint32(ends[1] - ends[0])
    below, found, whole = 0, 0, len(bits) // WIDTH * WIDTH
    for i in range(0, whole, WIDTH):
        if bottom > 0:
            below += count_bits(mask_between(bits, i, np.uint32(0), np.uint32(bottom - 1)))
        mask = mask_between(bits, i, bottom, reach)
        while mask:
            taken[found] = numbers[i + lowest_bit(mask)]
            found += 1
            mask = np.uint32(mask & (mask - np.uint32(1)))
    for i in range(whole, len(bits)):
        below += bits[i] < bottom
        if bottom <= bits[i] <= ends[1]:
            taken[found] = numbers[i]
            found += 1
    return below, found
