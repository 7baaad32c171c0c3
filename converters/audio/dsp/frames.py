"""Sound to the power in frequency bands, sixteen frames at a time, in compiled loops that never leave the cache."""

from typing import NamedTuple

import numba
import numpy as np
from numba import types

from ...kernels.fft import Plan, transform
from ...kernels.lanes import LANES, load, root, spread, store, transposed

FRAMES = 2 * LANES
_TABLE_SAMPLES = 1 << 15  # 128 kB

_FLOATS, _INDEX = types.Array(types.float32, 1, "C"), types.Array(types.int64, 1, "C")
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


_PLAN = types.NamedTuple((_INDEX, _INDEX, _INDEX, _FLOATS, types.int64, _INDEX), Plan)
_BANDS = types.NamedTuple((_INDEX, _INDEX, _FLOATS), BandTable)


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

    What the frames need next to each other, the same place of neighbouring frames, then lies next to each other.
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


@numba.njit(types.void(_SAMPLES, _INDEX, _TABLE, _TABLE), cache=True, nogil=True)
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
