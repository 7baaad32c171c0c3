"""Gramian fields straight to grey levels, by a compiled loop over 16-bit integers."""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WORD, _BYTE, _SIZE = ir.IntType(16), ir.IntType(8), ir.IntType(32)


def _high_product(builder: Any, x: Any, y: Any) -> Any:
    """Build `x * y >> 16`.

    Numba would widen both to 64 bits, and the vectoriser then take 4 pixels at a time; as one operation on 16
    bits it takes 16, three times as fast.
    """
    kind = ir.FunctionType(_WORD, [_WORD, _WORD, _SIZE])
    multiply = builder.module.declare_intrinsic("llvm.umul.fix.i16", fnty=kind)
    return builder.call(multiply, [x, y, ir.Constant(_SIZE, 16)])


def _level(*, doublings: int) -> Any:
    """Make the function of a pixel: the high byte of `(a * x >> 16 << doublings) - (b * y >> 16) + c + z`."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        a, x, b, y, c, z = arguments
        plus = builder.shl(_high_product(builder, a, x), ir.Constant(_WORD, doublings))
        minus = _high_product(builder, b, y)
        word = builder.add(builder.add(builder.sub(plus, minus), c), z)
        return builder.trunc(builder.lshr(word, ir.Constant(_WORD, 8)), _BYTE)

    @intrinsic
    def level(_context: Any, _a: Any, _x: Any, _b: Any, _y: Any, _c: Any, _z: Any) -> tuple[Any, Any]:
        return types.uint8(*[types.uint16] * 6), generate

    return level


_sum_level, _difference_level = _level(doublings=1), _level(doublings=0)


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
def draw_fields(
    rows: np.ndarray, columns: np.ndarray, summed: bool, canvas: np.ndarray, top: int, left: int
) -> None:
    """Write a field for each series.

    Parameters
    ----------
    rows, columns
        uint16 (n, 4, height) and (n, 4, width) of `write_factors`.
    summed
        As there.
    canvas
        uint8 (n, size, size), written from `top`, `left` on.
    """
    height, width = rows.shape[2], columns.shape[2]
    for k in range(len(rows)):
        u, sine, alone = columns[k, 0], columns[k, 1], columns[k, 2]
        for i in range(height):
            pixels = canvas[k, top + i, left : left + width]
            row_u, row_sine, row_alone = rows[k, 0, i], rows[k, 1, i], rows[k, 3, i]
            if summed:
                for j in range(width):
                    pixels[j] = _sum_level(row_u, u[j], row_sine, sine[j], row_alone, alone[j])
            else:
                for j in range(width):
                    pixels[j] = _difference_level(row_sine, u[j], row_u, sine[j], row_alone, alone[j])
