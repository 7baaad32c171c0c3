"""Compiled loops of the filter bank: products that never lie in memory, and sums of power over columns."""

import numba
import numpy as np
from numba import types

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
            for place in range(count):
                sums[place] = complex(
                    sums[place].real + bins[place].real * weights[place],
                    sums[place].imag + bins[place].imag * weights[place],
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
    """Return the power between borders, where value `i` stands for the stretch from `i` to `i + 1`.

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
                for place in range(cell_before, cell):
                    whole += _power(values[place])
                sums[row, border - 1] = whole + part - part_before
            cell_before, part_before = cell, part
    return sums
