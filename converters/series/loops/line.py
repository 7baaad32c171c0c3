"""The points of a line plot, and the area below it, by compiled loops."""

import numba
import numpy as np


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
def fill_area(picture: np.ndarray, lines: np.ndarray, base: float, level: float) -> None:
    """Fill what is between lines and a row, wherever the middle of a column is under a line or a dot in it.

    Parameters
    ----------
    picture
        uint8 (height, width, 1), changed in place; what is brighter stays.
    lines
        float64 (n, 4), as `plot_lines` returns them.
    base
        The row, with fraction, up to which is filled, above or below.
    level
        The grey level.
    """
    width = picture.shape[1]
    for x0, y0, x1, y1 in lines:
        if x0 == x1:
            _fill_column(picture, min(int(x0), width - 1), y0, base, level)
            continue
        for column in range(int(np.ceil(x0 - 0.5)), min(width, int(np.ceil(x1 - 0.5)))):
            _fill_column(picture, column, y0 + (column + 0.5 - x0) / (x1 - x0) * (y1 - y0), base, level)


@numba.njit(cache=True, nogil=True)
def _fill_column(picture: np.ndarray, column: int, one: float, other: float, level: float) -> None:
    top, bottom = max(0.0, min(one, other)), min(float(picture.shape[0]), max(one, other))
    for row in range(int(top), min(int(np.ceil(bottom)), picture.shape[0])):
        cover = min(bottom, row + 1.0) - max(top, float(row))
        picture[row, column, 0] = max(picture[row, column, 0], np.uint8(cover * level + 0.5))


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
    """Set the places of the first, lowest, highest and last present sample, in order, each once; return how many."""
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
