"""Compiled loops of the series converters."""

import numba
import numpy as np

# Samples of a series that is copied to float64 first: number by number that takes twice as long as the sums.
_SHORT = 4096


@numba.njit(cache=True, nogil=True)
def average_rows(
    values: np.ndarray, start: np.ndarray, stop: np.ndarray, means: np.ndarray, bounds: np.ndarray
) -> None:
    """Write the mean of each segment of each row, over what is not NaN.

    Parameters
    ----------
    values
        float32 or float64 (n, samples).
    start, stop
        int64 (pixels,): the first sample of each segment, and the first one behind it.
    means
        float64 (n, pixels), written: NaN where all is missing.
    bounds
        float64 (n, 2), written: the lowest mean and the highest; infinity and minus infinity where all is missing.
    """
    counts = (stop - start).astype(np.float64)
    short = values.shape[1] <= _SHORT
    wide = np.empty(values.shape[1] if short else 0)
    for k in range(len(values)):
        row, mean = values[k], means[k]
        if short:
            for j in range(len(row)):
                wide[j] = row[j]
            _sum_segments(wide, start, stop, mean)
        else:
            _sum_segments(row, start, stop, mean)
        gaps = 0
        for i in range(len(start)):
            mean[i] /= counts[i]
            gaps += mean[i] != mean[i]  # NaN, as the vectoriser knows it
        if gaps:
            for i in range(len(start)):
                if np.isnan(mean[i]):
                    mean[i] = _mean_of_present(row, start[i], stop[i])
        low, high = np.inf, -np.inf
        for i in range(
            len(start)
        ):  # branches rarely taken cost less than a minimum; NaN is not below anything
            if mean[i] < low:  # noqa: PLR1730
                low = mean[i]
            if mean[i] > high:  # noqa: PLR1730
                high = mean[i]
        bounds[k, 0], bounds[k, 1] = low, high


@numba.njit(cache=True, nogil=True)
def _sum_segments(row: np.ndarray, start: np.ndarray, stop: np.ndarray, sums: np.ndarray) -> None:
    for i in range(len(start)):
        total = 0.0
        for j in range(start[i], stop[i]):
            total += row[j]
        sums[i] = total


@numba.njit(cache=True, nogil=True)
def largest_rows(bits: np.ndarray, infinite: np.ndarray, largest: np.ndarray) -> None:
    """Write the largest magnitude in each row of what is not NaN, 0 where there is none.

    Parameters
    ----------
    bits
        int32 (n, samples): those of float32, or int64, those of float64; as long as they are positive they rise
        as the numbers do, and the vectoriser knows the maximum of integers.
    infinite
        The bits of infinity (1,), above which those of NaN lie.
    largest
        Bits (n,), written.
    """
    limit = infinite[0]
    for k in range(len(bits)):
        most = largest[k] * 0
        for bit in bits[k]:
            size = bit & (limit | (limit - 1))
            size = size if size <= limit else most * 0
            most = size if size > most else most
        largest[k] = most


@numba.njit(cache=True, nogil=True)
def _mean_of_present(row: np.ndarray, start: int, stop: int) -> float:
    total, present = 0.0, 0
    for j in range(start, stop):
        if not np.isnan(row[j]):
            total += row[j]
            present += 1
    return total / present if present else np.nan


# In 256ths of a grey level: half of the 255 levels, and half a level, to round.
_HALF, _ROUND = 32640, 128
# Two factors times these make, once the lower 16 bits of their product are cut off, one half or two.
_TO_HALF, _TO_WHOLE = (_HALF * 65536) ** 0.5, (2 * _HALF * 65536) ** 0.5


@numba.njit(cache=True, nogil=True)
def write_factors(
    points: np.ndarray, low: np.ndarray, width: np.ndarray, unit: bool, summed: bool, factors: np.ndarray
) -> None:
    """Write what each moment brings to a field, from x, the cosine of its angle a, and u = (1 + x) / 2.

    Of two moments cos(a + b) = 2 (2 u v) - sin a sin b - 2 u - 2 v + 1, and sin(a - b) = 2 sin a v - u 2 sin b
    - sin a + sin b: products of numbers that are not negative, and what only one of the moments brings.

    Parameters
    ----------
    points
        float64 (n, pixels), NaN where missing.
    low, width
        float64 (n,): what becomes the lowest x, and how far above it lies what becomes 1.
    unit
        Whether the lowest x is 0, and not -1.
    summed
        Whether for cos(a + b), and not for sin(a - b).
    factors
        uint16 (n, 4, pixels), written: for u, for the sine, and what is added in a column, and in a row.
    """
    # In float32, whose error is a hundredth of what is rounded here, twice as many fit into a register.
    half, one, two, none = np.float32(0.5), np.float32(1), np.float32(2), np.float32(0)
    to_share, to_sine = np.float32(_TO_WHOLE), np.float32(_TO_HALF if summed else _TO_WHOLE)
    of_share, of_sine = np.float32(-2 * _HALF if summed else 0), np.float32(0 if summed else _HALF)
    ends, sign = (2 * _HALF + _ROUND + 1, 1) if summed else (_HALF + _ROUND, -1)
    cosines, sine = np.empty(points.shape[1], np.float32), np.empty(points.shape[1], np.float32)
    for k in range(len(points)):
        scale, base = 1 / width[k] if width[k] > 0 else 0.0, low[k]
        values, shares, sines = points[k], factors[k, 0], factors[k, 1]
        in_column, in_row = factors[k, 2], factors[k, 3]
        # Three loops: the vectoriser takes none that writes to so many arrays.
        for i in range(len(values)):
            share = np.float32((values[i] - base) * scale)
            share = share if share > none else none  # so is a missing one
            share = share if share < one else one
            if unit:
                share = (one + share) * half
            cosines[i] = share
            sine[i] = two * np.sqrt(share * (one - share))
        for i in range(len(values)):
            shares[i] = np.uint16(np.int32(cosines[i] * to_share + half))
            sines[i] = np.uint16(np.int32(sine[i] * to_sine + half))
        for i in range(len(values)):
            alone = np.int32(cosines[i] * of_share + sine[i] * of_sine + np.float32(65536.5))
            in_column[i] = np.uint16(alone)
            in_row[i] = np.uint16(sign * alone + ends)


@numba.njit(cache=True, nogil=True)
def draw_fields(rows: np.ndarray, columns: np.ndarray, summed: bool, canvas: np.ndarray) -> None:
    """Write a field for each series.

    Parameters
    ----------
    rows, columns
        uint16 (n, 4, height) and (n, 4, width) of `write_factors`.
    summed
        As there.
    canvas
        uint8 (n, height, width), written.
    """
    times = np.uint16(2 if summed else 1)
    for k in range(len(rows)):
        shares, sines, in_column = columns[k, 0], columns[k, 1], columns[k, 2]
        for i in range(rows.shape[2]):
            share, sine = np.uint32(rows[k, 0, i]), np.uint32(rows[k, 1, i])
            plus, minus = (share, sine) if summed else (sine, share)
            in_row, pixels = rows[k, 3, i], canvas[k, i]
            for j in range(len(pixels)):
                # All in 16 bits, of which what runs over is lost: so many fit into a register.
                product = np.uint16(times * _high(plus, shares[j])) - _high(minus, sines[j])
                pixels[j] = np.uint8(np.uint16(product + in_column[j] + in_row) >> np.uint16(8))


@numba.njit(cache=True, nogil=True)
def _high(x: np.uint32, y: np.uint16) -> np.uint16:
    """Return the upper half of the product of two numbers of 16 bits."""
    return np.uint16(np.uint32(x * y) >> np.uint32(16))


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


@numba.njit(cache=True, nogil=True)
def plot_lines(
    values: np.ndarray, low: float, span: float, width: int, height: int, margin_px: float
) -> np.ndarray:
    """Return the lines of a plot: in each column of pixels the first, lowest, highest and last sample, joined.

    Parameters
    ----------
    values
        float32 or float64 (n,), NaN where missing.
    low, span
        The value at the bottom, and how far above it the top is; 0 puts every sample into the middle.
    width, height
        Columns and rows of pixels.
    margin_px
        What is left free above and below.

    Returns
    -------
    float64 (m, 4)
        x0, y0, x1, y1 in pixels: the line to each point from the one before; where a sample between them is missing,
        and they are a pixel or more apart, a dot. At most four a column.
    """
    n = len(values)
    lines = np.empty((min(n, 4 * width), 4))
    chosen = np.empty(4, np.int64)
    inner_px = height - 2 * margin_px
    count, before, at = 0, -1, 0
    while at < n:
        stop = _column_stop(at, n, width)
        for k in range(_extremes(values, at, stop, chosen)):
            i = chosen[k]
            x = (i + 0.5) * width / n
            share = (values[i] - low) / span if span > 0 else 0.5
            y = margin_px + (1 - share) * inner_px
            joined = before >= 0 and ((i - before) * width < n or not _any_missing(values, before + 1, i))
            x0, y0 = x, y
            if joined:
                x0, y0 = lines[count - 1, 2], lines[count - 1, 3]
            lines[count, 0], lines[count, 1], lines[count, 2], lines[count, 3] = x0, y0, x, y
            count, before = count + 1, i
        at = stop
    return lines[:count].copy()


@numba.njit(cache=True, nogil=True)
def fill_area(image: np.ndarray, lines: np.ndarray, base: float, level: float) -> None:
    """Fill what is between lines and a row, wherever the middle of a column is under a line or a dot in it.

    Parameters
    ----------
    image
        uint8 (height, width, 1), changed in place; what is brighter stays.
    lines
        float64 (n, 4), as `plot_lines` returns them.
    base
        The row, with fraction, up to which is filled, above or below.
    level
        The grey level.
    """
    width = image.shape[1]
    for x0, y0, x1, y1 in lines:
        if x0 == x1:
            _fill_column(image, min(int(x0), width - 1), y0, base, level)
            continue
        for column in range(int(np.ceil(x0 - 0.5)), min(width, int(np.ceil(x1 - 0.5)))):
            _fill_column(image, column, y0 + (column + 0.5 - x0) / (x1 - x0) * (y1 - y0), base, level)


@numba.njit(cache=True, nogil=True)
def _fill_column(image: np.ndarray, column: int, one: float, other: float, level: float) -> None:
    top, bottom = max(0.0, min(one, other)), min(float(image.shape[0]), max(one, other))
    for row in range(int(top), min(int(np.ceil(bottom)), image.shape[0])):
        cover = min(bottom, row + 1.0) - max(top, float(row))
        image[row, column, 0] = max(image[row, column, 0], np.uint8(cover * level + 0.5))


@numba.njit(cache=True, nogil=True)
def _column_stop(at: int, n: int, width: int) -> int:
    """Return the first sample behind the column of pixels that a sample is in."""
    column = (2 * at + 1) * width // (2 * n)
    stop = ((column + 1) * 2 * n + width - 1) // (2 * width)  # near it; the middle of a sample decides
    stop = max(at + 1, stop - 2)
    while stop < n and (2 * stop + 1) * width // (2 * n) == column:
        stop += 1
    return min(stop, n)


@numba.njit(cache=True, nogil=True)
def _extremes(values: np.ndarray, start: int, stop: int, chosen: np.ndarray) -> int:
    """Set the indices of the first, lowest, highest and last present sample, in order, each once; return how many."""
    first, last, lowest, highest = -1, -1, -1, -1
    for i in range(start, stop):
        if np.isnan(values[i]):
            continue
        last = i
        if first < 0:
            first = lowest = highest = i
        elif values[i] < values[lowest]:
            lowest = i
        elif values[i] > values[highest]:
            highest = i
    if first < 0:
        return 0
    count = 0
    for i in (first, min(lowest, highest), max(lowest, highest), last):
        if count == 0 or i > chosen[count - 1]:
            chosen[count] = i
            count += 1
    return count


@numba.njit(cache=True, nogil=True)
def _any_missing(values: np.ndarray, start: int, stop: int) -> bool:
    while start < stop and not np.isnan(values[start]):
        start += 1
    return start < stop
