"""Paths that visit every pixel of a square once."""

import functools
from typing import Literal

import numpy as np

Curve = Literal["rows", "hilbert", "z_order"]


@functools.lru_cache(maxsize=8)
def visits(curve: Curve, size: int) -> np.ndarray:
    """Return when a curve visits each pixel of a square.

    Parameters
    ----------
    curve
        `rows`: from the left, row after row; `hilbert`, `z_order`: as `hilbert` and `z_order` say.
    size
        Pixels along each side.

    Returns
    -------
    int64 (size, size)
        Each number from 0 to size * size - 1 once; read-only.

    Examples
    --------
    >>> visits("z_order", 3)
    array([[0, 1, 4],
           [2, 3, 5],
           [6, 7, 8]])
    """
    columns, rows = {"rows": _rows, "hilbert": hilbert, "z_order": z_order}[curve](size)
    order = np.empty((size, size), np.int64)
    order[rows, columns] = np.arange(size * size)
    order.flags.writeable = False
    return order


def _rows(size: int) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.divmod(np.arange(size * size), size)
    return columns, rows


def z_order(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows in the order of their interleaved bits; what lies outside the square is left out.

    Examples
    --------
    >>> z_order(2)
    (array([0, 1, 0, 1]), array([0, 0, 1, 1]))
    """
    number, code = np.arange(size), np.zeros(size, np.int64)
    for bit in range(size.bit_length()):
        code |= (number >> bit & 1) << (2 * bit)
    rows, columns = np.divmod(np.argsort((code[:, None] << 1 | code).ravel()), size)
    return columns, rows


def hilbert(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows along a Hilbert curve from the upper left to the upper right corner.

    Where `size` is a power of two this is Hilbert's curve; for any other size consecutive pixels touch as well.

    Examples
    --------
    >>> hilbert(2)
    (array([0, 0, 1, 1]), array([0, 1, 1, 0]))
    """
    columns, rows = _rectangle(size, size, {})
    return columns, rows


def _rectangle(width: int, height: int, known: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Return columns and rows (2, n) of a path through a rectangle from its upper left to its upper right corner.

    A long rectangle is passed in two halves, any other in three parts: down half of it at the left, through all that
    is below, up the rest at the right. Halves of even length are preferred, for only those can the path leave next
    to where the following part begins.
    """
    if (width, height) not in known:
        if min(width, height) == 1:
            along = np.arange(max(width, height))
            way = np.stack([along, 0 * along] if height == 1 else [0 * along, along])
        elif 2 * width > 3 * height:
            half = _even_half(width)
            left, right = (_rectangle(part, height, known) for part in (half, width - half))
            way = np.concatenate([left, right + np.array([[half], [0]])], axis=1)
        else:
            half, down = width // 2, _even_half(height)
            left, below = _rectangle(down, half, known)[::-1], _rectangle(width, height - down, known)
            right = np.array([[width - 1], [down - 1]]) - _rectangle(down, width - half, known)[::-1]
            way = np.concatenate([left, below + np.array([[0], [down]]), right], axis=1)
        known[width, height] = way
    return known[width, height]


def _even_half(length: int) -> int:
    """Return about half of a length, an even number where it is above two."""
    half = length // 2
    return half + 1 if half % 2 and length > 2 else half
