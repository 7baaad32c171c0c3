"""Compiled loops: lines with soft edges, and the products and sums of the filter bank."""

import numba
import numpy as np
from numba import types

_FAR_PX = 1e7  # farther ends are pulled in: their squares would not fit, and nothing of them is seen


@numba.njit(cache=True, nogil=True)
def draw_lines(
    image: np.ndarray, ends: np.ndarray, value: np.ndarray, width_px: np.ndarray, over: bool
) -> None:
    """Draw lines with round ends into an image.

    A pixel is covered by as much of its width as lies inside the line, measured from its middle along the distance to
    the line: for every pixel within reach, d = |p - a - t (b - a)| with t = clip((p - a)(b - a) / |b - a|^2, 0, 1),
    and cover = clip(width / 2 + 1/2 - d, 0, min(1, width)).

    Parameters
    ----------
    image
        uint8 (height, width, channels), changed in place.
    ends
        float64 (n, 4): x0, y0, x1, y1 in pixels of the image; the middle of the first pixel is at 0.5, 0.5. A
        line of no length is a dot.
    value
        float64 (n, channels), from 0 to 1: the brightness of each line in each channel.
    width_px
        float64 (n,), the width of each line.
    over
        False: where several lines cover a pixel the brightest counts, channel by channel. True: later ones hide earlier
        ones, as colours must, which would mix to others.
    """
    height, width, channels = image.shape
    flat = image.reshape(-1)
    for i in range(len(ends)):
        x0, y0 = _near(ends[i, 0]), _near(ends[i, 1])
        run, rise = _near(ends[i, 2]) - x0, _near(ends[i, 3]) - y0
        square = run * run + rise * rise
        share = 1 / square if square > 0 else 0.0
        reach, most = width_px[i] / 2 + 0.5, min(1.0, width_px[i])
        steep = abs(rise) > 1e-9
        slope = run / rise if steep else 0.0
        lean = reach * np.sqrt(square) / abs(rise) if steep else 0.0
        low, high = min(x0, x0 + run) - reach, max(x0, x0 + run) + reach
        for row in range(max(0, int(min(y0, y0 + rise) - reach)), _stop(max(y0, y0 + rise) + reach, height)):
            down = row + 0.5 - y0
            left, right = low, high
            if steep:  # where the strip around the line crosses this row
                left, right = max(low, x0 + down * slope - lean), min(high, x0 + down * slope + lean)
            first = max(0, int(left))
            at = np.uint64(
                (row * width + first) * channels
            )  # unsigned: no check for indices counted from the end
            for column in range(first, _stop(right, width)):
                # No branch in here: one that is guessed wrong costs more than all it would save.
                along = column + 0.5 - x0
                part = min(1.0, max(0.0, (down * rise + along * run) * share))
                across, beyond = along - part * run, down - part * rise
                cover = max(0.0, min(most, reach - np.sqrt(across * across + beyond * beyond)))
                if over or channels > 1:
                    if cover > 0:
                        _ink(flat, at, value, i, cover, over)
                else:
                    shade = np.uint8(np.int32(cover * (value[i, 0] * 255) + 0.5))
                    flat[at] = max(flat[at], shade)
                at += np.uint64(channels)


@numba.njit(cache=True, nogil=True, inline="always")
def _near(coordinate: float) -> float:
    return min(_FAR_PX, max(-_FAR_PX, coordinate))


@numba.njit(cache=True, nogil=True, inline="always")
def _stop(coordinate: float, most: int) -> int:
    """Return the pixel behind the one at a coordinate."""
    return min(most, int(coordinate) + 1)


@numba.njit(cache=True, nogil=True, inline="always")
def _ink(flat: np.ndarray, at: np.uint64, value: np.ndarray, i: int, cover: float, over: bool) -> None:
    for channel in range(value.shape[1]):
        index = at + np.uint64(channel)
        shade = cover * (value[i, channel] * 255) + 0.5
        if over:
            flat[index] = np.uint8(np.int32(shade + flat[index] * (1 - cover)))
        else:
            flat[index] = max(flat[index], np.uint8(np.int32(shade)))


_COMPLEX = types.Array(types.complex64, 2, "C")


@numba.njit(
    _COMPLEX(
        types.Array(types.complex64, 1, "C"), types.Array(types.int64, 1, "C", readonly=True),
        types.Array(types.float32, 2, "C", readonly=True), types.int64,
    ), cache=True, nogil=True,
)  # fmt: skip
def folded(spectrum: np.ndarray, starts: np.ndarray, gains: np.ndarray, samples: int) -> np.ndarray:
    """Return a spectrum times each filter, laid over itself every `samples` bins: complex64 (filters, samples).

    Row `i` of `gains` begins at bin `starts[i]`; beyond the spectrum is nothing.
    """
    filters, width = gains.shape
    laid = np.zeros((filters, samples), np.complex64)
    for row in range(filters):
        held = min(width, len(spectrum) - starts[row])
        for first in range(0, held, samples):
            count = min(samples, held - first)
            bins = spectrum[starts[row] + first : starts[row] + first + count]
            weights, sums = gains[row, first : first + count], laid[row, :count]
            for index in range(count):
                sums[index] = complex(
                    sums[index].real + bins[index].real * weights[index],
                    sums[index].imag + bins[index].imag * weights[index],
                )
    return laid


@numba.njit(cache=True, nogil=True)
def _power(value: complex) -> float:
    return value.real * value.real + value.imag * value.imag


@numba.njit(
    types.Array(types.float64, 2, "C")(_COMPLEX, types.Array(types.float64, 1, "C", readonly=True)),
    cache=True, nogil=True, fastmath={"reassoc"},
)  # fmt: skip
def column_power(passed: np.ndarray, borders: np.ndarray) -> np.ndarray:
    """Return the power between borders, where value `i` stands for the span from `i` to `i + 1`.

    Borders between whole numbers take of a value what a cubic through the running sum says, none of it at least and
    all of it at most: it swings beyond where a loud sound begins, and a moment before would have less than no power.

    Parameters
    ----------
    passed
        complex64 (rows, samples); taken as going round.
    borders
        float64 (columns + 1,), rising.

    Returns
    -------
    float64 (rows, columns)
    """
    rows, count = passed.shape
    sums = np.zeros((rows, len(borders) - 1))
    for row in range(rows):
        values = passed[row]
        cell_before, part_before = 0, 0.0
        for border in range(len(borders)):
            cell = min(max(int(borders[border]), 0), count - 1)
            share = borders[border] - cell
            own = _power(values[cell])
            before = _power(values[cell - 1 if cell else count - 1])
            after = _power(values[cell + 1 if cell + 1 < count else 0])
            rise = (share + 1) * share * (share - 1) / 6
            part = before * share * (share - 1) * (share - 2) / 6 + after * rise
            part += own * (rise - (share + 1) * share * (share - 2) / 2)
            part = min(max(part, 0.0), own)
            if border:
                whole = 0.0
                for index in range(cell_before, cell):
                    whole += _power(values[index])
                sums[row, border - 1] = whole + part - part_before
            cell_before, part_before = cell, part
    return sums
