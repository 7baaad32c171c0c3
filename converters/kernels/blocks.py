"""Many pixels of a row at once in compiled loops: what builds the vector instructions of the series' kernels.

Left to itself the compiler finds such blocks too, but asks anew for every row whether what is written overlaps what
is read, and a row of a picture has so few blocks that the asking takes as long as the work.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

# Pixels of a block: bytes of a vector register.
WIDTH = 32
# Pixels of the side of a square that is transposed in registers.
TILE = 16

_INDEX = ir.IntType(32)
_FLOAT, _BYTE = ir.VectorType(ir.FloatType(), WIDTH), ir.VectorType(ir.IntType(8), WIDTH)


def operation(build: Callable[..., Any]) -> Any:
    """Make something that compiled loops can call; it takes away the first argument, which types cannot say."""
    return intrinsic(build)


def spread(builder: Any, number: Any, lanes: int) -> Any:
    """Build a vector of one number."""
    nothing = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, lanes), [0] * lanes))


def same(kind: Any, number: float) -> Any:
    """Return a constant vector of one number."""
    return ir.Constant(kind, [number] * kind.count)


def load(builder: Any, data: Any, index: Any, kind: Any) -> Any:
    """Build the reading of a vector of neighbours, from an index on."""
    loaded = builder.load(builder.bitcast(builder.gep(data, [index]), kind.as_pointer()))
    loaded.align = 4 if isinstance(kind.element, ir.FloatType) else kind.element.width // 8
    return loaded


def store(builder: Any, vector: Any, data: Any, index: Any) -> None:
    """Build the writing of a vector of neighbours, from an index on."""
    place = builder.bitcast(builder.gep(data, [index]), vector.type.as_pointer())
    builder.store(vector, place).align = 1


def data_of(context: Any, builder: Any, signature: Any, arguments: Any, place: int) -> Any:
    """Build the pointer to the first element of the array that is one of the arguments."""
    return context.make_array(signature.args[place])(context, builder, arguments[place]).data


def _over_axes(term: Callable[..., Any], start: float) -> Callable[..., Any]:
    """Make what builds the sum over the axes of a term of a number of the row and a block of the columns."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row, columns = (data_of(context, builder, signature, arguments, place) for place in (0, 1))
        axes, width, first = arguments[2:5]
        total = cgutils.alloca_once_value(builder, same(_FLOAT, start))
        with cgutils.for_range(builder, axes) as axis:
            number = spread(builder, builder.load(builder.gep(row, [axis.index])), WIDTH)
            place = builder.add(builder.mul(axis.index, width), first)
            others = load(builder, columns, place, _FLOAT)
            builder.store(term(builder, builder.load(total), number, others), total)
        return builder.load(total)

    return build


def _plus_product(builder: Any, total: Any, number: Any, others: Any) -> Any:
    # Contraction lets both be one step; nothing is assumed of NaN.
    return builder.fadd(total, builder.fmul(number, others, flags=("contract",)), flags=("contract",))


def _plus_square(builder: Any, total: Any, number: Any, others: Any) -> Any:
    apart = builder.fsub(number, others)
    return builder.fadd(total, builder.fmul(apart, apart))


def _to_bytes(builder: Any, levels: Any) -> Any:
    whole = builder.fptosi(levels, ir.VectorType(_INDEX, WIDTH))
    return builder.trunc(whole, _BYTE)


def _root(builder: Any, square: Any) -> Any:
    form = ir.FunctionType(_FLOAT, [_FLOAT])
    function = cgutils.get_or_insert_function(builder.module, form, f"llvm.sqrt.v{WIDTH}f32")
    return builder.call(function, [square])


def _truncated(builder: Any, total: Any, _scale: Any, _before: Any) -> Any:
    return _to_bytes(builder, total)


def _scaled_root(builder: Any, square: Any, scale: Any, _before: Any) -> Any:
    level = builder.fmul(_root(builder, square), spread(builder, scale, WIDTH))
    return _to_bytes(builder, builder.fadd(level, same(_FLOAT, 0.5)))


def _white_below(builder: Any, square: Any, limit: Any, _before: Any) -> Any:
    return builder.sext(builder.fcmp_ordered("<", square, spread(builder, limit, WIDTH)), _BYTE)


def _unchanged(_builder: Any, total: Any, _scale: Any, _before: Any) -> Any:
    return total


def _greater(builder: Any, total: Any, _scale: Any, before: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", total, before()), total, before())


def _block(term: Callable[..., Any], finish: Callable[..., Any], *, start: float = 0.0) -> Any:
    """Make `write(row, columns, axes, width, first, number, written, place)`, which writes a block.

    It takes a term of float32 `row`, of an element an axis, and of float32 `columns` (axes, width), contiguous, for
    `WIDTH` columns from `first` on, and finishes the sums over the axes by means of a float32 number and of what
    was written before. What is written lies in the contiguous array `written` from `place` on. No bounds are checked.
    """
    sum_over_axes = _over_axes(term, start)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        total = sum_over_axes(context, builder, signature, arguments)
        written = data_of(context, builder, signature, arguments, 6)

        def before() -> Any:
            return load(builder, written, arguments[7], _FLOAT)

        store(builder, finish(builder, total, arguments[5], before), written, arguments[7])
        return context.get_dummy_value()

    @operation
    def write(
        _context: Any, row: Any, columns: Any, _a: Any, _w: Any, _f: Any, _n: Any, written: Any, _p: Any
    ) -> tuple[Any, Any]:
        places = types.intp, types.intp, types.intp
        return types.void(row, columns, *places, types.float32, written, types.intp), generate

    return write


write_sums = _block(_plus_product, _truncated, start=0.5)
write_distances = _block(_plus_square, _scaled_root)
write_near = _block(_plus_square, _white_below)
write_squares = _block(_plus_square, _unchanged)
keep_greatest = _block(_plus_square, _greater)


@operation
def transpose_tile(_context: Any, pixels: Any, _first: Any, _place: Any, _stride: Any) -> tuple[Any, Any]:
    """Copy the columns of a square of `TILE` pixels of contiguous uint8 to the rows of another."""
    kind = ir.VectorType(ir.IntType(8), TILE)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = data_of(context, builder, signature, arguments, 0)
        first, place, stride = arguments[1:]
        steps = [builder.mul(stride, ir.Constant(stride.type, i)) for i in range(TILE)]
        rows = [load(builder, data, builder.add(first, step), kind) for step in steps]
        for row, step in zip(_transposed(builder, rows), steps, strict=True):
            store(builder, row, data, builder.add(place, step))
        return context.get_dummy_value()

    return types.void(pixels, types.intp, types.intp, types.intp), generate


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Build the columns of `TILE` rows: the two rows of each pair are interleaved, as often as it takes."""
    half = TILE // 2
    for _ in range(TILE.bit_length() - 1):
        woven = [
            [place for i in range(half) for place in (start + i, start + i + TILE)] for start in (0, half)
        ]
        masks = [ir.Constant(ir.VectorType(_INDEX, TILE), places) for places in woven]
        pairs = zip(rows[:half], rows[half:], strict=True)
        rows = [builder.shuffle_vector(*pair, mask) for pair in pairs for mask in masks]
    return rows


@operation
def mask_between(_context: Any, words: Any, _first: Any, _low: Any, _reach: Any) -> tuple[Any, Any]:
    """Return which of `WIDTH` contiguous uint32 lie from `low` to `low + reach`: the bits of a uint32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = data_of(context, builder, signature, arguments, 0)
        block = load(builder, data, arguments[1], ir.VectorType(_INDEX, WIDTH))
        above = builder.sub(block, spread(builder, arguments[2], WIDTH))
        within = builder.icmp_unsigned("<=", above, spread(builder, arguments[3], WIDTH))
        return builder.bitcast(within, _INDEX)

    return types.uint32(words, types.intp, types.uint32, types.uint32), generate


@operation
def count_bits(_context: Any, _mask: Any) -> tuple[Any, Any]:
    """Return how many bits of a uint32 are set."""
    return types.uint32(types.uint32), lambda _c, builder, _s, arguments: builder.ctpop(arguments[0])


@operation
def lowest_bit(_context: Any, _mask: Any) -> tuple[Any, Any]:
    """Return the place of the lowest bit that is set of a uint32, of which one is."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint32(types.uint32), generate


@operation
def _copy_block(_context: Any, source: Any, _first: Any, target: Any, _place: Any) -> tuple[Any, Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, to = (data_of(context, builder, signature, arguments, place) for place in (0, 2))
        store(builder, load(builder, data, arguments[1], _BYTE), to, arguments[3])
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), generate


@numba.njit(cache=True, nogil=True, inline="always")
def copy_bytes(source: np.ndarray, target: np.ndarray, place: int, count: int) -> None:
    """Copy so many bytes from the beginning of contiguous uint8 to `place`; several times as fast as a slice."""
    if count < WIDTH:
        for j in range(count):
            target[place + j] = source[j]
    for j in range(0, count if count >= WIDTH else 0, WIDTH):
        at = min(j, count - WIDTH)
        _copy_block(source, at, target, place + at)
