"""Gramian fields straight to grey levels, by a compiled loop over 16-bit integers."""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..kernels.blocks import WIDTH, data_of, load, operation, same, spread, store

_WORD, _BYTE, _SIZE = ir.IntType(16), ir.IntType(8), ir.IntType(32)


def _high_product(builder: Any, x: Any, y: Any) -> Any:
    """Build `x * y >> 16`, which processors have as one instruction."""
    kind = ir.FunctionType(x.type, [x.type, x.type, _SIZE])
    name = f"llvm.umul.fix.v{x.type.count}i16"
    multiply = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(multiply, [x, y, ir.Constant(_SIZE, 16)])


def _levels(*, doublings: int, lanes: int) -> Any:
    """Make `write(factors, first, width, a, b, c, canvas, place)`, which writes neighbouring pixels.

    Each is the high byte of `(a * x >> 16 << doublings) - (b * y >> 16) + c + z`, where x, y and z are the first
    three rows of the contiguous uint16 factors, of so many columns, from a first one on. Written is the contiguous
    uint8 canvas from `place` on. No bounds are checked.
    """
    words, levels = ir.VectorType(_WORD, lanes), ir.VectorType(_BYTE, lanes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        factors, canvas = (data_of(context, builder, signature, arguments, place) for place in (0, 6))
        first, width = arguments[1:3]
        places = first, builder.add(first, width), builder.add(first, builder.add(width, width))
        x, y, z = (load(builder, factors, place, words) for place in places)
        a, b, c = (spread(builder, number, lanes) for number in arguments[3:6])
        plus = builder.shl(_high_product(builder, a, x), same(words, doublings))
        word = builder.add(builder.add(builder.sub(plus, _high_product(builder, b, y)), c), z)
        high = builder.lshr(word, same(words, 8))
        store(builder, builder.trunc(high, levels), canvas, arguments[7])
        return context.get_dummy_value()

    @operation
    def write(
        _context: Any, factors: Any, _f: Any, _w: Any, _a: Any, _b: Any, _c: Any, canvas: Any, _p: Any
    ) -> tuple[Any, Any]:
        places = types.intp, types.intp
        return types.void(factors, *places, *[types.uint16] * 3, canvas, types.intp), generate

    return write


_write_sums, _write_sum = (_levels(doublings=1, lanes=lanes) for lanes in (WIDTH, 1))
_write_differences, _write_difference = (_levels(doublings=0, lanes=lanes) for lanes in (WIDTH, 1))


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
    height, width, size = rows.shape[2], columns.shape[2], canvas.shape[1]
    pixels = canvas.reshape(-1)
    for k in range(len(rows)):
        factors = columns[k]
        for i in range(height):
            place = (k * size + top + i) * size + left
            u, sine, alone = rows[k, 0, i], rows[k, 1, i], rows[k, 3, i]
            last = width - WIDTH  # the last block may overlap the one before
            if last < 0:
                for j in range(width):
                    if summed:
                        _write_sum(factors, j, width, u, sine, alone, pixels, place + j)
                    else:
                        _write_difference(factors, j, width, sine, u, alone, pixels, place + j)
            elif summed:
                for j in range(0, width, WIDTH):
                    at = min(j, last)
                    _write_sums(factors, at, width, u, sine, alone, pixels, place + at)
            else:
                for j in range(0, width, WIDTH):
                    at = min(j, last)
                    _write_differences(factors, at, width, sine, u, alone, pixels, place + at)
