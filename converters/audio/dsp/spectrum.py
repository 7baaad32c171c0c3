"""The spectrum of sound over time, in blocks, so that memory does not grow with the length."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ...kernels.fft import Plan

Quantity = Literal["power", "magnitude"]

_BLOCK_SAMPLES = 1 << 17  # windowed samples at a time: half a megabyte, which stays in the cache
_BLOCK_FRAMES = 1 << 10
_BLOCK_LEVELS = 1 << 19  # levels in bands at a time
_LARGEST_COMPILED = 1 << 15  # beyond it sixteen frames at once leave the cache


def band_power(
    samples: np.ndarray,
    bands: "csr_array",
    *,
    n_fft: int,
    hop_length: int,
    columns: int | None = None,
    full_scale: float = 1.0,
) -> np.ndarray:
    """Return the power in frequency bands over time, of the mean of the channels.

    Parameters
    ----------
    samples, bands, n_fft, hop_length
        As for `band_blocks`.
    columns
        Where there are more frames they are averaged onto this many equal stretches of time; None keeps them.
    full_scale
        The value that counts as 1.

    Returns
    -------
    numpy.ndarray
        float32 (n_bands, n_columns), the lowest band first.

    Examples
    --------
    >>> from scipy.sparse import eye_array
    >>> band_power(np.ones((1, 100)), eye_array(5, format="csr"), n_fft=8, hop_length=4, columns=10).shape
    (5, 10)
    """
    mix = mean_of_channels(samples) / full_scale
    blocks = band_blocks(samples, bands, n_fft=n_fft, hop_length=hop_length, mix=mix)
    return on_columns(blocks, n_samples=samples.shape[1], hop_length=hop_length, columns=columns)


def mean_of_channels(samples: np.ndarray) -> np.ndarray:
    """Return the weight of each channel in their mean, float64 (channels,)."""
    return np.full(len(samples), 1 / len(samples))


def band_blocks(
    samples: np.ndarray,
    bands: "csr_array",
    *,
    n_fft: int,
    hop_length: int,
    mix: np.ndarray,
    quantity: Quantity = "power",
) -> Iterator[np.ndarray]:
    """Yield what is in frequency bands, block after block of frames.

    Frame `i` is centred on sample `i * hop_length`, with zeros beyond both ends and a Hann window of `n_fft`
    samples, as that of `librosa.stft`.

    Parameters
    ----------
    samples
        (channels, n).
    bands
        (n_bands, n_fft // 2 + 1), the weight of each bin of the spectrum in each band.
    n_fft
        Samples in a window.
    hop_length
        Samples from one frame to the next.
    mix
        (channels,), what each channel is multiplied by before they are added.
    quantity
        Whether the squared magnitude of the bins is summed, or the magnitude.

    Yields
    ------
    numpy.ndarray
        float32 (n_bands, n_frames of this block); all blocks together have 1 + n // hop_length frames.

    Examples
    --------
    >>> from scipy.sparse import eye_array
    >>> every = eye_array(5, format="csr")
    >>> blocks = band_blocks(np.ones((1, 100)), every, n_fft=8, hop_length=4, mix=np.ones(1))
    >>> np.concatenate(list(blocks), axis=1).shape
    (5, 26)
    """
    if n_fft > _LARGEST_COMPILED or not _is_smooth(n_fft):
        for power in stft_power(samples, n_fft=n_fft, hop_length=hop_length, mix=mix):
            spectrum = np.sqrt(power) if quantity == "magnitude" else power
            yield (bands @ spectrum.T).astype(np.float32, copy=False)
        return
    from ...kernels.fft import FRAMES, BandTable, band_frames

    n_bands, n_frames = bands.shape[0], 1 + samples.shape[1] // hop_length
    table = BandTable(
        bands.indptr.astype(np.int64), bands.indices.astype(np.int64), bands.data.astype(np.float32)
    )
    window, plan = _prepared(n_fft)
    sound, weights = samples.astype(np.float32, copy=False), mix.astype(np.float32)
    step = max(FRAMES, min(_BLOCK_FRAMES, _BLOCK_LEVELS // max(n_bands, 1)) // FRAMES * FRAMES)
    for first in range(0, n_frames, step):
        count = min(step, n_frames - first)
        out = np.empty((n_bands, -(-count // FRAMES) * FRAMES), np.float32)
        start = first * hop_length - n_fft // 2
        band_frames(sound, weights, start, hop_length, window, plan, table, quantity == "magnitude", out)
        yield out[:, :count]


def _is_smooth(n: int) -> bool:
    """Tell whether a number has no prime factor above 5."""
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n == 1


@lru_cache(maxsize=32)
def _prepared(n_fft: int) -> "tuple[np.ndarray, Plan]":
    from ...kernels.fft import plan

    return hann(n_fft) / np.float32(2), plan(n_fft)


def on_columns(
    blocks: Iterable[np.ndarray], *, n_samples: int, hop_length: int, columns: int | None
) -> np.ndarray:
    """Join blocks of frames; where there are more frames than columns, average them over equal times.

    The first and the last frame stand for half a hop, the others for one, see `frame_edges`.

    Examples
    --------
    >>> frames = np.array([[1.0, 3.0, 5.0, 7.0]], np.float32)
    >>> on_columns([frames], n_samples=12, hop_length=4, columns=2).round(3)
    array([[2.333, 5.667]], dtype=float32)
    """
    n_frames = 1 + n_samples // hop_length
    if columns is None or n_frames <= columns:
        return np.concatenate(list(blocks), axis=1)
    from ...kernels.fft import add_frames

    total, first = np.zeros((0, 0), np.float32), 0
    for block in blocks:
        if not first:
            total = np.zeros((len(block), columns + 1), np.float32)
        add_frames(block, *_shares(n_samples, hop_length, columns, first, block.shape[1]), total)
        first += block.shape[1]
    return total[:, :columns]


@lru_cache(maxsize=64)
def _shares(
    n_samples: int, hop_length: int, columns: int, first: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the column that each frame begins in, int64, and its shares there and in the next one, float32."""
    borders = np.linspace(0, n_samples / hop_length, columns + 1)
    edges = frame_edges(n_samples, hop_length, first=first, count=count)
    # No frame reaches into a third column: only the last one may be longer than a column, and both end together.
    column = (np.searchsorted(borders, edges[:-1], "right") - 1).clip(0, columns - 1)
    near = np.minimum(edges[1:], borders[column + 1]) - edges[:-1]
    shares = np.stack([near, np.diff(edges) - near], axis=1) / borders[1]
    return column, shares.astype(np.float32)


def frame_edges(n_samples: int, hop_length: int, *, first: int = 0, count: int | None = None) -> np.ndarray:
    """Return where the stretch of time that each frame stands for begins and ends, in hops.

    Parameters
    ----------
    n_samples, hop_length
        Length of the sound, and samples from one frame to the next.
    first, count
        Which frames; None is all the rest.

    Examples
    --------
    >>> frame_edges(11, 4)
    array([0.  , 0.5 , 1.5 , 2.75])
    """
    n_frames = 1 + n_samples // hop_length
    stop = n_frames if count is None else first + count
    edges = np.arange(first, stop + 1) - 0.5
    edges[0] = max(edges[0], 0)
    if stop == n_frames:
        edges[-1] = n_samples / hop_length
    return edges


def stft_power(
    samples: np.ndarray, *, n_fft: int, hop_length: int, mix: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield the power spectrum, block after block of frames, by SciPy's transform, of any length.

    The squared magnitude of `librosa.stft`, transposed, with zeros beyond both ends.

    Parameters
    ----------
    samples, n_fft, hop_length
        As for `band_blocks`.
    mix
        What each channel is multiplied by before they are added; None takes their mean.

    Yields
    ------
    numpy.ndarray
        float32 (n_frames of this block, n_fft // 2 + 1).

    Examples
    --------
    >>> blocks = stft_power(np.ones((1, 100)), n_fft=8, hop_length=4)
    >>> np.concatenate(list(blocks)).shape
    (26, 5)
    """
    from scipy.fft import rfft

    window = hann(n_fft)
    weights = mean_of_channels(samples) if mix is None else mix
    n_frames = 1 + samples.shape[1] // hop_length
    step = max(1, _BLOCK_SAMPLES // n_fft)
    for first in range(0, n_frames, step):
        last = min(first + step, n_frames) - 1
        start = first * hop_length - n_fft // 2
        stop = last * hop_length - n_fft // 2 + n_fft
        piece = padded_mix(samples, weights, start, stop)
        frames = np.lib.stride_tricks.sliding_window_view(piece, n_fft)[::hop_length]
        spectrum = rfft(frames * window, overwrite_x=True)
        yield spectrum.real**2 + spectrum.imag**2


def padded_mix(samples: np.ndarray, mix: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return the weighted sum of the channels from `start` to `stop - 1`, zero where that is beyond the signal.

    Examples
    --------
    >>> padded_mix(np.array([[1.0, 2.0], [3.0, 4.0]], np.float32), np.array([0.5, 0.5]), -1, 4)
    array([0., 2., 3., 0., 0.], dtype=float32)
    """
    inside = mix @ samples[:, max(start, 0) : max(stop, 0)].astype(np.float64)
    before = min(max(-start, 0), stop - start)
    return np.pad(inside, (before, stop - start - before - len(inside))).astype(np.float32)


def hann(n: int) -> np.ndarray:
    """Return the periodic Hann window, float32 (n,).

    Examples
    --------
    >>> hann(4)
    array([0. , 0.5, 1. , 0.5], dtype=float32)
    """
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)
