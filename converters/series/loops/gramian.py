"""Gramian fields straight to grey levels, by compiled loops over 16-bit integers."""

import numba
import numpy as np

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
        # Three loops: the vectoriser takes none that writes to so many places.
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
