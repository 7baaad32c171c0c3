"""Recurrence plots straight to grey levels, and the ranks of distances, by compiled loops."""

import numba
import numpy as np

# Numbers that are compared, scaled or rounded at a time.
_LANES = 64
# Of a distance, so that rounding hides no greater one.
_SURELY = 1 - 1e-5


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
    width = canvas.shape[2]
    # Filled up to whole registers, for what is left over would be done number by number.
    others = np.zeros((columns.shape[1], -(-width // _LANES) * _LANES), np.float32)
    row, levels = np.empty(others.shape[1], np.float32), np.empty(others.shape[1], np.uint8)
    for k in range(len(rows)):
        others[:, :width] = columns[k]
        limit, plain = reach[k], rows.shape[1] == 1
        scale = white / limit if limit > 0 else none
        if not plain:  # squares are compared with a square
            limit = limit * limit if limit > 0 else none
        for i in range(rows.shape[2]):
            measure_row(rows[k], i, others, 0, row)
            if near:
                for j in range(len(row)):
                    levels[j] = np.uint8(255) if row[j] < limit else np.uint8(0)
            elif plain:
                for j in range(len(row)):
                    levels[j] = np.uint8(np.int32(row[j] * scale + half))
            else:
                for j in range(len(row)):
                    levels[j] = np.uint8(np.int32(np.sqrt(row[j]) * scale + half))
            pixels = canvas[k, i]
            for j in range(width):
                pixels[j] = levels[j]


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
    second, seconds = rows[1, i], columns[1, first:]
    for j in range(len(row)):
        row[j] = (state - others[j]) ** 2 + (second - seconds[j]) ** 2
    for axis in range(2, len(rows)):
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
def greatest_square(rows: np.ndarray, columns: np.ndarray) -> float:
    """Return the greatest squared distance of a state of the rows and one of the columns; see `measure_pairs`."""
    row, greatest = np.empty(columns.shape[1], np.float32), np.zeros(columns.shape[1], np.float32)
    from_middle, reach = _from_middle(rows, columns)
    farthest = -1.0
    for k in range(-1, rows.shape[1]):
        # The outermost state first; then only those that may lie farther from another one than what was found.
        i = k if k >= 0 else np.argmax(from_middle)
        if from_middle[i] + reach <= farthest:
            continue
        measure_row(rows, i, columns, 0, row)
        for j in range(len(row)):
            greatest[j] = max(row[j], greatest[j])
        farthest = np.sqrt(greatest.max()) * _SURELY
    return float(greatest.max())


@numba.njit(cache=True, nogil=True)
def _from_middle(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, float]:
    """Return how far the states of the rows lie from the middle of the columns, and the farthest of the columns."""
    squares, others = np.zeros(rows.shape[1]), np.zeros(columns.shape[1])
    for axis in range(len(rows)):
        middle = (columns[axis].min() + columns[axis].max()) / 2
        squares += (rows[axis] - middle) ** 2
        others += (columns[axis] - middle) ** 2
    return np.sqrt(squares), np.sqrt(others.max())


@numba.njit(cache=True, nogil=True)
def take_around(
    numbers: np.ndarray, first: int, second: int, counts: np.ndarray, taken: np.ndarray
) -> tuple[int, int]:
    """Take the numbers at two ranks and their neighbours, in no order; return how many are less, and how many taken.

    Parameters
    ----------
    numbers
        float32 (n,), not negative.
    first, second
        Counted from 0, the second not before the first.
    counts, taken
        int32 (32768,) and float32 (n,), which are written over.
    """
    # Numbers that are not negative rise as their bits do; those are taken that share the upper half with one of both.
    bits, half = numbers.view(np.uint32), np.uint32(16)
    counts[:] = 0
    for word in bits:
        counts[word >> half] += 1
    low, below = 0, 0
    while below + counts[low] <= first:
        below += counts[low]
        low += 1
    high, within = low, below + counts[low]
    while within <= second:
        high += 1
        within += counts[high]
    start, reach, found = np.uint32(low << 16), np.uint32((high - low + 1 << 16) - 1), 0
    for i in range(len(bits)):
        if np.uint32(bits[i] - start) <= reach:
            taken[found] = numbers[i]
            found += 1
    return below, found
