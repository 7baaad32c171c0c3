"""The Fourier transform of sixteen real frames at once, in compiled loops.

Every number of the transform is eight numbers wide, one of each of eight frames; eight more frames are the imaginary
part. So no step has to rearrange numbers within a register, whatever the length of the transform.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from .lanes import LANES, load, spread, store

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
