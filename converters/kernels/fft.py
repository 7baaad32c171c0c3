"""Fourier transforms of sixteen frames at a time, and the power in frequency bands, in compiled loops.

Numba leaves it to the compiler to find what can be done eight at a time, and where an array is both read and written
the compiler does not dare to. So `Lanes`, a type of eight numbers, says so itself; processors with narrower vector
registers take two steps for one. The loops never leave the cache.
"""

import operator
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INDEX = ir.IntType(32)


def _operation(build: Callable[..., Any]) -> Any:
    """Make something that compiled loops can call; it takes away the first argument, which types cannot say."""
    return intrinsic(build)


class LanesType(types.Type):
    """The numba type of eight float32."""

    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, front_end: Any) -> None:
        super().__init__(manager, front_end, _VECTOR)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), _VECTOR.as_pointer())


@_operation
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Return eight neighbours in a contiguous float32 vector, from `index` on; the bounds are not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = builder.load(_address(context, builder, signature.args[0], *arguments))
        loaded.align = 4
        return loaded

    return lanes(array, types.intp), generate


@_operation
def store(typing_context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write eight neighbours into a contiguous float32 vector, from `index` on; the bounds are not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], where).align = 4
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@_operation
def spread(typing_context: Any, number: Any) -> Any:
    """Return one float32 eight times."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        first = builder.insert_element(nothing, arguments[0], ir.Constant(_INDEX, 0))
        return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))

    return lanes(types.float32), generate


@_operation
def root(typing_context: Any, value: Any) -> Any:
    """Return the square roots."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        form = ir.FunctionType(_VECTOR, [_VECTOR])
        square_root = cgutils.get_or_insert_function(builder.module, form, f"llvm.sqrt.v{LANES}f32")
        return builder.call(square_root, arguments)

    return lanes(lanes), generate


@_operation
def transposed(typing_context: Any, rows: Any) -> Any:
    """Return the columns of eight rows, given and returned as a tuple."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        parts = cgutils.unpack_tuple(builder, arguments[0], LANES)
        for step in (1, 2, 4):  # swap what lies off the diagonal, in blocks of one, two and four
            swapped = list(parts)
            for i in (i for i in range(LANES) if not i & step):
                low, high = parts[i], parts[i + step]
                kept = [j if not j & step else j - step + LANES for j in range(LANES)]
                moved = [j + step if not j & step else j + LANES for j in range(LANES)]
                swapped[i], swapped[i + step] = (
                    builder.shuffle_vector(low, high, ir.Constant(ir.VectorType(_INDEX, LANES), indices))
                    for indices in (kept, moved)
                )
            parts = swapped
        return cgutils.pack_array(builder, parts)

    return types.UniTuple(lanes, LANES)(types.UniTuple(lanes, LANES)), generate


def _define(symbol: Any, instruction: str) -> None:
    """Let `a symbol b` stand for one instruction; a product and a sum may become one, where the processor can."""

    class Operator(ConcreteTemplate):
        cases: ClassVar = [signature(lanes, lanes, lanes)]

    def generate(context: Any, builder: Any, types_of: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments, flags=("contract",))

    infer_global(symbol)(Operator)
    lower_builtin(symbol, lanes, lanes)(generate)


_define(operator.add, "fadd")
_define(operator.sub, "fsub")
_define(operator.mul, "fmul")


RADICES = (4, 5, 3, 2)
_LEAF = 256  # complex rows of eight that stay in the nearest cache, 16 kB

_SIN_60, _HALF = np.float32(np.sin(np.pi / 3)), np.float32(0.5)
_COS_72, _COS_144 = np.float32(np.cos(np.pi * 2 / 5)), np.float32(np.cos(np.pi * 4 / 5))
_SIN_72, _SIN_144 = np.float32(np.sin(np.pi * 2 / 5)), np.float32(np.sin(np.pi * 4 / 5))


class Plan(NamedTuple):
    """What a transform of one length needs.

    Parameters
    ----------
    radices, sizes
        int64 (n_stages,): into how many parts each stage splits blocks of which size.
    starts
        int64 (n_stages,), where the factors of each stage begin in `factors`.
    factors
        float32, cosine and sine in turns.
    leaf
        Blocks of this size and smaller are done to the end one after the other.
    order
        int64 (n,), in which row each frequency ends up.
    """

    radices: np.ndarray
    sizes: np.ndarray
    starts: np.ndarray
    factors: np.ndarray
    leaf: int
    order: np.ndarray


def plan(n: int) -> Plan:
    """Prepare transforms of a length without prime factors above 5.

    Examples
    --------
    >>> plan(30).radices, plan(8).order
    (array([5, 3, 2]), array([0, 2, 4, 6, 1, 3, 5, 7]))
    """
    radices = _radices(n)
    sizes = [n // int(np.prod(radices[:stage], dtype=np.int64)) for stage in range(len(radices))]
    factors = [_factors(size, radix) for size, radix in zip(sizes, radices, strict=True)]
    starts = np.cumsum([0, *map(len, factors)])[:-1]
    leaf = next((size for size in sizes if size <= _LEAF), 1)
    return Plan(
        np.array(radices), np.array(sizes), starts, np.concatenate(factors), leaf, _order(sizes, radices)
    )


def _radices(n: int) -> list[int]:
    found = []
    for radix in RADICES:
        while n % radix == 0:
            found.append(radix)
            n //= radix
    return found


def _factors(size: int, radix: int) -> np.ndarray:
    """Return the roots of one that a stage turns its parts by, (size // radix, radix - 1, 2) as a vector."""
    turns = np.arange(size // radix)[:, None] * np.arange(1, radix) / size
    roots = np.exp(-2j * np.pi * turns)
    return np.stack([roots.real, roots.imag], axis=-1).astype(np.float32).ravel()


def _order(sizes: list[int], radices: list[int]) -> np.ndarray:
    rest, row = np.arange(sizes[0]), np.zeros(sizes[0], np.int64)
    for size, radix in zip(sizes, radices, strict=True):
        row += rest % radix * (size // radix)
        rest //= radix
    return row


@numba.njit
def _get(re: np.ndarray, im: np.ndarray, row: int) -> tuple[Any, Any]:
    return load(re, row * LANES), load(im, row * LANES)


@numba.njit
def _put(re: np.ndarray, im: np.ndarray, row: int, a: Any, b: Any) -> None:
    store(re, row * LANES, a)
    store(im, row * LANES, b)


@numba.njit
def _root(factors: np.ndarray, at: int) -> tuple[Any, Any]:
    return spread(factors[at]), spread(factors[at + 1])


@numba.njit
def _turned(re: np.ndarray, im: np.ndarray, row: int, a: Any, b: Any, c: Any, s: Any) -> None:
    """Store a complex number times c + is."""
    _put(re, im, row, a * c - b * s, a * s + b * c)


# A stage splits each block from `first` to `stop` into parts, and turns what falls into each.


@numba.njit
def _stage2(
    re: np.ndarray, im: np.ndarray, first: int, stop: int, size: int, factors: np.ndarray, at: int
) -> None:
    step = size // 2
    for block in range(first, stop, size):
        for i in range(step):
            row = block + i
            c1, s1 = _root(factors, at + 2 * i)
            a, b = _get(re, im, row)
            c, d = _get(re, im, row + step)
            _put(re, im, row, a + c, b + d)
            _turned(re, im, row + step, a - c, b - d, c1, s1)


@numba.njit
def _stage3(
    re: np.ndarray, im: np.ndarray, first: int, stop: int, size: int, factors: np.ndarray, at: int
) -> None:
    step = size // 3
    half, sine = spread(_HALF), spread(_SIN_60)
    for block in range(first, stop, size):
        for i in range(step):
            row = block + i
            c1, s1 = _root(factors, at + 4 * i)
            c2, s2 = _root(factors, at + 4 * i + 2)
            a, b = _get(re, im, row)
            c, d = _get(re, im, row + step)
            e, f = _get(re, im, row + 2 * step)
            pr, pi, qr, qi = c + e, d + f, (c - e) * sine, (d - f) * sine
            mr, mi = a - pr * half, b - pi * half
            _put(re, im, row, a + pr, b + pi)
            _turned(re, im, row + step, mr + qi, mi - qr, c1, s1)
            _turned(re, im, row + 2 * step, mr - qi, mi + qr, c2, s2)


@numba.njit
def _stage4(
    re: np.ndarray, im: np.ndarray, first: int, stop: int, size: int, factors: np.ndarray, at: int
) -> None:
    step = size // 4
    for block in range(first, stop, size):
        for i in range(step):
            row = block + i
            c1, s1 = _root(factors, at + 6 * i)
            c2, s2 = _root(factors, at + 6 * i + 2)
            c3, s3 = _root(factors, at + 6 * i + 4)
            a, b = _get(re, im, row)
            c, d = _get(re, im, row + step)
            e, f = _get(re, im, row + 2 * step)
            g, h = _get(re, im, row + 3 * step)
            pr, pi, qr, qi = a + e, b + f, a - e, b - f
            ur, ui, vr, vi = c + g, d + h, c - g, d - h
            _put(re, im, row, pr + ur, pi + ui)
            _turned(re, im, row + step, qr + vi, qi - vr, c1, s1)
            _turned(re, im, row + 2 * step, pr - ur, pi - ui, c2, s2)
            _turned(re, im, row + 3 * step, qr - vi, qi + vr, c3, s3)


@numba.njit
def _stage5(
    re: np.ndarray, im: np.ndarray, first: int, stop: int, size: int, factors: np.ndarray, at: int
) -> None:
    step = size // 5
    x1, y1, x2, y2 = spread(_COS_72), spread(_SIN_72), spread(_COS_144), spread(_SIN_144)
    for block in range(first, stop, size):
        for i in range(step):
            row = block + i
            c1, s1 = _root(factors, at + 8 * i)
            c2, s2 = _root(factors, at + 8 * i + 2)
            c3, s3 = _root(factors, at + 8 * i + 4)
            c4, s4 = _root(factors, at + 8 * i + 6)
            a, b = _get(re, im, row)
            c, d = _get(re, im, row + step)
            e, f = _get(re, im, row + 2 * step)
            g, h = _get(re, im, row + 3 * step)
            k, m = _get(re, im, row + 4 * step)
            pr, pi, qr, qi = c + k, d + m, e + g, f + h
            ur, ui, vr, vi = c - k, d - m, e - g, f - h
            _put(re, im, row, a + pr + qr, b + pi + qi)
            mr, mi = a + pr * x1 + qr * x2, b + pi * x1 + qi * x2
            nr, ni = ur * y1 + vr * y2, ui * y1 + vi * y2
            _turned(re, im, row + step, mr + ni, mi - nr, c1, s1)
            _turned(re, im, row + 4 * step, mr - ni, mi + nr, c4, s4)
            mr, mi = a + pr * x2 + qr * x1, b + pi * x2 + qi * x1
            nr, ni = ur * y2 - vr * y1, ui * y2 - vi * y1
            _turned(re, im, row + 2 * step, mr + ni, mi - nr, c2, s2)
            _turned(re, im, row + 3 * step, mr - ni, mi + nr, c3, s3)


@numba.njit(cache=True, nogil=True)
def transform(re: np.ndarray, im: np.ndarray, plan: Plan) -> None:
    """Replace rows of eight complex numbers by their Fourier transform, in the order of `Plan.order`.

    Parts of a block that fit the nearest cache are done to the end one after the other.
    """
    factors = plan.factors
    for first in range(0, len(re) // LANES, plan.leaf):
        for stage in range(len(plan.radices)):
            radix, size, at = plan.radices[stage], plan.sizes[stage], plan.starts[stage]
            if first % size:
                continue  # a part of a block that this stage has done already
            stop = first + max(size, plan.leaf)
            if radix == 4:
                _stage4(re, im, first, stop, size, factors, at)
            elif radix == 5:
                _stage5(re, im, first, stop, size, factors, at)
            elif radix == 3:
                _stage3(re, im, first, stop, size, factors, at)
            else:
                _stage2(re, im, first, stop, size, factors, at)


FRAMES = 2 * LANES
_TABLE_SAMPLES = 1 << 15  # 128 kB

_FLOATS, _INDICES = types.Array(types.float32, 1, "C"), types.Array(types.int64, 1, "C")
_TABLE = types.Array(types.float32, 2, "C")
_SAMPLES = types.Array(types.float32, 2, "A", readonly=True)


class BandTable(NamedTuple):
    """The weights of bins in bands, as in a sparse matrix by rows.

    Parameters
    ----------
    starts
        int64 (n_bands + 1,), where each band begins in the others.
    bins
        int64 (n,).
    weights
        float32 (n,).
    """

    starts: np.ndarray
    bins: np.ndarray
    weights: np.ndarray


_PLAN = types.NamedTuple((_INDICES, _INDICES, _INDICES, _FLOATS, types.int64, _INDICES), Plan)
_BANDS = types.NamedTuple((_INDICES, _INDICES, _FLOATS), BandTable)


@numba.njit
def _mix(samples: np.ndarray, weights: np.ndarray, first: int, mono: np.ndarray) -> None:
    """Write the weighted sum of the channels from sample `first` on, zero beyond the sound."""
    n_channels, n = samples.shape
    start, stop = min(max(-first, 0), len(mono)), max(min(n - first, len(mono)), 0)
    mono[:start] = 0
    mono[max(start, stop) :] = 0
    if n_channels == 1 and samples.strides[1] == samples.itemsize:
        only, weight = samples[0], spread(weights[0])
        while start + LANES <= stop:
            store(mono, start, weight * load(only, first + start))
            start += LANES
    for i in range(start, stop):
        value = np.float32(0)
        for channel in range(n_channels):
            value += weights[channel] * samples[channel, first + i]
        mono[i] = value


@numba.njit
def _lay_out(mono: np.ndarray, n_rows: int, n_columns: int, table: np.ndarray) -> None:
    """Write columns of `n_rows` samples, which lie one after the other, next to each other.

    What the frames need next to each other, the same sample of neighbouring frames, then lies next to each other.
    """
    whole = n_rows // LANES * LANES
    for left in range(0, n_columns, LANES):
        at = left * n_rows
        for row in range(0, whole, LANES):
            a, b = load(mono, at + row), load(mono, at + row + n_rows)
            c, d = load(mono, at + row + 2 * n_rows), load(mono, at + row + 3 * n_rows)
            e, f = load(mono, at + row + 4 * n_rows), load(mono, at + row + 5 * n_rows)
            g, h = load(mono, at + row + 6 * n_rows), load(mono, at + row + 7 * n_rows)
            for i, values in enumerate(transposed((a, b, c, d, e, f, g, h))):
                store(table, (row + i) * n_columns + left, values)
        for row in range(whole, n_rows):
            for i in range(LANES):
                table[row * n_columns + left + i] = mono[at + row + i * n_rows]


@numba.njit
def _fill(
    re: np.ndarray,
    im: np.ndarray,
    table: np.ndarray,
    n_columns: int,
    hop_length: int,
    window: np.ndarray,
    frame: int,
) -> None:
    """Take sixteen windowed frames: eight as real parts, eight as imaginary parts."""
    n = len(window)
    for start in range(0, n, hop_length):
        at = start // hop_length + frame
        for i in range(start, min(start + hop_length, n)):
            factor = spread(window[i])
            store(re, i * LANES, factor * load(table, at))
            store(im, i * LANES, factor * load(table, at + LANES))
            at += n_columns


@numba.njit
def _square(re: np.ndarray, im: np.ndarray, order: np.ndarray, amplitudes: bool, power: np.ndarray) -> None:
    """Take the two spectra apart, by the symmetry that the spectrum of real numbers has, and square them."""
    n = len(order)
    for k in range(n // 2 + 1):
        i, j = order[k] * LANES, order[(n - k) % n] * LANES
        a, b, c, d = load(re, i), load(im, i), load(re, j), load(im, j)
        p, q, r, s = a + c, b - d, b + d, c - a
        left, right = p * p + q * q, r * r + s * s
        if amplitudes:
            left, right = root(left), root(right)
        store(power, k * FRAMES, left)
        store(power, k * FRAMES + LANES, right)


@numba.njit
def _sum_bands(power: np.ndarray, bands: BandTable, frame: int, out: np.ndarray) -> None:
    """Write sixteen columns of bands from a table of all bins."""
    row = out.reshape(-1)
    for band in range(out.shape[0]):
        left, right = spread(np.float32(0)), spread(np.float32(0))
        for i in range(bands.starts[band], bands.starts[band + 1]):
            weight, at = spread(bands.weights[i]), bands.bins[i] * FRAMES
            left = left + weight * load(power, at)
            right = right + weight * load(power, at + LANES)
        store(row, band * out.shape[1] + frame, left)
        store(row, band * out.shape[1] + frame + LANES, right)


@numba.njit
def _aligned(n: int) -> np.ndarray:
    """Return an empty vector of float32 that begins where a line of the cache does."""
    vector = np.empty(n + 16, np.float32)
    return vector[-(vector.ctypes.data // 4) % 16 :][:n]


@numba.njit(
    types.void(_SAMPLES, _FLOATS, types.int64, types.int64, _FLOATS, _PLAN, _BANDS, types.boolean, _TABLE),
    cache=True,
    nogil=True,
)
def band_frames(  # noqa: PLR0913, PLR0917  # compiled loops take arrays as they are
    samples: np.ndarray,
    mix: np.ndarray,
    first: int,
    hop_length: int,
    window: np.ndarray,
    plan: Plan,
    bands: BandTable,
    amplitudes: bool,
    out: np.ndarray,
) -> None:
    """Write the power in each band of each frame, or the magnitude, into `out`.

    Parameters
    ----------
    samples, mix
        float32 (channels, n), and (channels,): what each channel is multiplied by before they are added.
    first
        The sample that the first frame begins at; there are zeros beyond the sound.
    hop_length
        Samples from one frame to the next.
    window
        Half of the window function.
    plan
        Of the transform.
    bands
        Which bins are in which band.
    amplitudes
        Whether magnitudes are summed instead of powers.
    out
        float32 (n_bands, n_frames), with a multiple of 16 frames.
    """
    n = len(window)
    n_rows = min(hop_length, n)
    step = min(max(_TABLE_SAMPLES // n_rows // FRAMES, 1) * FRAMES, out.shape[1])
    n_columns = (step + (n - 1) // hop_length + LANES - 1) // LANES * LANES
    mono = np.empty(n_columns * n_rows, np.float32)
    table = np.empty(n_rows * n_columns, np.float32)
    re, im, power = _aligned(n * LANES), _aligned(n * LANES), _aligned((n // 2 + 1) * FRAMES)
    for left in range(0, out.shape[1], step):
        at = first + left * hop_length
        together = n_columns if n_rows == hop_length else 1
        for column in range(0, n_columns, together):
            part = mono[column * n_rows : (column + together) * n_rows]
            _mix(samples, mix, at + column * hop_length, part)
        _lay_out(mono, n_rows, n_columns, table)
        for frame in range(0, min(step, out.shape[1] - left), FRAMES):
            _fill(re, im, table, n_columns, hop_length, window, frame)
            transform(re, im, plan)
            _square(re, im, plan.order, amplitudes, power)
            _sum_bands(power, bands, left + frame, out)


@numba.njit(types.void(_SAMPLES, _INDICES, _TABLE, _TABLE), cache=True, nogil=True)
def add_frames(block: np.ndarray, column: np.ndarray, shares: np.ndarray, total: np.ndarray) -> None:
    """Add each frame to the column that it begins in and to the next one.

    Parameters
    ----------
    block
        float32 (n_bands, n_frames).
    column
        int64 (n_frames,).
    shares
        float32 (n_frames, 2), what a frame is multiplied by for either column.
    total
        float32 (n_bands, n_columns + 1).
    """
    n_frames = len(column)
    for band in range(block.shape[0]):
        frame, later = 0, np.float32(0)
        while frame < n_frames:
            at, value, later = column[frame], later, np.float32(0)
            while frame < n_frames and column[frame] == at:
                value += shares[frame, 0] * block[band, frame]
                later += shares[frame, 1] * block[band, frame]
                frame += 1
            total[band, at] += value
        total[band, at + 1] += later
