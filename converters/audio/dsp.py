"""Signal processing of sound: mixing channels, spectra over time in blocks, levels, and one grid onto another."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from ..core.errors import SignalError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ..kernels.fft import Plan

ChannelChoice = Literal["mean", "left", "right", "mid", "side", "stack"]


_CANCELLED = 0.01  # the share of the energy of unrelated channels that is left in a mean that hides them
_MIXED_SAMPLES = 1 << 16


class Mix(NamedTuple):
    """A name, and what each channel is multiplied by before they are added: float64 (channels,)."""

    name: str
    weights: np.ndarray


def mixes(channel: ChannelChoice, samples: np.ndarray, *, most: int) -> tuple[Mix, ...]:
    """Return what is drawn: one mix, or for `stack` one for each channel.

    Parameters
    ----------
    channel
        `mean` of all, or the loudest where they cancel; `left` and `right`, the first and the second; half their sum,
        `mid`, or half their difference, `side`. A mono sound is the same on both sides.
    samples
        float (channels, n).
    most
        How many `stack` has room for.

    Raises
    ------
    SignalError
        There are more channels than that.

    Examples
    --------
    >>> [mix.weights.tolist() for mix in mixes("side", np.ones((2, 9)), most=8)]
    [[0.5, -0.5]]
    """
    n_channels = len(samples)
    every = np.eye(n_channels)
    left, right = every[0], every[min(1, n_channels - 1)]
    if channel == "stack":
        if n_channels > most:
            raise SignalError(
                f"a stack on {most} rows holds at most {most} channels, got {n_channels}; raise size, or set channel"
            )
        names = ("left", "right") if n_channels == 2 else tuple(f"channel {i + 1}" for i in range(n_channels))
        return tuple(map(Mix, names, every))
    if channel == "mean":
        return (Mix(channel, mean_weights(samples)),)
    weights = {
        "left": left,
        "right": right,
        "mid": (left + right) / 2,
        "side": (left - right) / 2,
    }[channel]
    return (Mix(channel, weights),)


def mean_weights(samples: np.ndarray) -> np.ndarray:
    """Return the weight of each channel in their mean; of the loudest alone where the mean hides them all.

    That is where it holds less than a hundredth of the energy that it has of unrelated channels: a microphone wired
    the wrong way round cancels the other one.

    Parameters
    ----------
    samples
        float (channels, n).

    Examples
    --------
    >>> mean_weights(np.array([[1.0, 2.0], [1.0, 0.0]])), mean_weights(np.array([[1.0, 2.0], [-1.0, -2.0]]))
    (array([0.5, 0.5]), array([1., 0.]))
    """
    n_channels, n = samples.shape
    even = np.full(n_channels, 1 / n_channels)
    peak = max(float(samples.max()), -float(samples.min()))
    if n_channels == 1 or peak == 0:
        return even
    products = np.zeros((n_channels, n_channels))
    for start in range(0, n, _MIXED_SAMPLES):
        block = samples[:, start : start + _MIXED_SAMPLES] / peak
        products += block @ block.T
    return uncancelled(products)


def uncancelled(products: np.ndarray) -> np.ndarray:
    """Return the weights of `mean_weights` from the products of the channels with each other.

    Examples
    --------
    >>> uncancelled(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    array([1., 0.])
    """
    n_channels = len(products)
    even, energies = np.full(n_channels, 1 / n_channels), products.diagonal()
    if even @ products @ even >= _CANCELLED * energies.mean() / n_channels:
        return even
    loudest = np.zeros(n_channels)
    loudest[energies.argmax()] = 1
    return loudest


Quantity = Literal["power", "magnitude"]

_BLOCK_SAMPLES = 1 << 17  # windowed samples at a time: half a megabyte, which stays in the cache
_BLOCK_FRAMES = 1 << 10
_BLOCK_LEVELS = 1 << 19  # levels in bands at a time
_LARGEST_COMPILED = 1 << 15  # beyond it sixteen frames at once leave the cache


def band_blocks(
    samples: np.ndarray,
    bands: "csr_array",
    *,
    n_fft: int,
    hop_length: int,
    mix: np.ndarray | None = None,
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
        (channels,), what each channel is multiplied by before they are added; None takes their mean.
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
    >>> blocks = band_blocks(np.ones((1, 100)), every, n_fft=8, hop_length=4)
    >>> np.concatenate(list(blocks), axis=1).shape
    (5, 26)
    """
    mix = _mean_of_channels(samples) if mix is None else mix
    if n_fft > _LARGEST_COMPILED or not _is_smooth(n_fft):
        for power in stft_power(samples, n_fft=n_fft, hop_length=hop_length, mix=mix):
            spectrum = np.sqrt(power) if quantity == "magnitude" else power
            yield (bands @ spectrum.T).astype(np.float32, copy=False)
        return
    from ..kernels.fft import FRAMES, BandTable, band_frames

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
    from ..kernels.fft import plan

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
    from ..kernels.fft import add_frames

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
    """Return where the span of time that each frame stands for begins and ends, in hops.

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
    weights = _mean_of_channels(samples) if mix is None else mix
    n_frames = 1 + samples.shape[1] // hop_length
    step = max(1, _BLOCK_SAMPLES // n_fft)
    for first in range(0, n_frames, step):
        last = min(first + step, n_frames) - 1
        start = first * hop_length - n_fft // 2
        stop = last * hop_length - n_fft // 2 + n_fft
        mixed = padded_mix(samples, weights, start, stop)
        frames = np.lib.stride_tricks.sliding_window_view(mixed, n_fft)[::hop_length]
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


def _mean_of_channels(samples: np.ndarray) -> np.ndarray:
    return np.full(len(samples), 1 / len(samples))


def hann(n: int) -> np.ndarray:
    """Return the periodic Hann window, float32 (n,).

    Examples
    --------
    >>> hann(4)
    array([0. , 0.5, 1. , 0.5], dtype=float32)
    """
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


# Of the paper, which counts samples as integers of 32 bits.
_PCEN_SCALE, _PCEN_EPSILON, _PCEN_BIAS, _PCEN_POWER = 2.0**31, 1e-6, 2.0, 0.5
_FLOAT32 = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
_DELTA_WIDTH = 9  # columns that a derivative is taken from, as in librosa


def decibels(
    values: np.ndarray, *, floor_db: float, reference: float | None = None, quantity: Quantity = "power"
) -> np.ndarray:
    """Return power or magnitude in decibels, never below the floor and never above 0; zero is at the floor.

    Parameters
    ----------
    values
        Not negative.
    floor_db
        Below 0.
    reference
        The value at 0 dB; None is the maximum of `values`.
    quantity
        What the values are.

    Returns
    -------
    numpy.ndarray
        float32, of the same shape.

    Examples
    --------
    >>> decibels(np.array([100.0, 10.0, 0.0], np.float32), floor_db=-80)
    array([  0., -10., -80.], dtype=float32)
    """
    peak = float(values.max()) if reference is None else reference
    if peak <= 0:
        return np.full(values.shape, floor_db, np.float32)
    factor = 10 if quantity == "power" else 20
    with np.errstate(over="ignore"):  # far above the reference is white, too
        ratio = values.astype(np.float32, copy=False) / np.float32(np.clip(peak, *_FLOAT32))
    np.clip(ratio, np.float32(10 ** (floor_db / factor)), 1, out=ratio)
    # The natural logarithm of float32 is several times as fast as the one of base ten.
    level_db: np.ndarray = np.log(ratio, out=ratio)
    level_db *= np.float32(factor / np.log(10))
    np.maximum(level_db, np.float32(floor_db), out=level_db)
    return level_db


def grey(level_db: np.ndarray, *, floor_db: float) -> np.ndarray:
    """Return decibels as grey levels: the floor is 0, 0 dB is 255.

    Examples
    --------
    >>> grey(np.array([0.0, -40.0, -80.0]), floor_db=-80)
    array([255, 128,   0], dtype=uint8)
    """
    return shades(1 - level_db / floor_db)


def shades(brightness: np.ndarray) -> np.ndarray:
    """Return brightness from 0 to 1 as grey levels.

    Examples
    --------
    >>> shades(np.array([0.0, 0.5, 1.0]))
    array([  0, 128, 255], dtype=uint8)
    """
    pixels: np.ndarray = np.rint(brightness * 255).clip(0, 255).astype(np.uint8)
    return pixels


def smoothing(time_frames: float) -> float:
    """Return the weight of the newest frame in a running mean that forgets within so many frames.

    Examples
    --------
    >>> round(smoothing(40), 4)
    0.0247
    """
    return float(2 / (1 + np.sqrt(1 + 4 * time_frames**2)))


def pcen_blocks(
    blocks: Iterable[np.ndarray], *, weight: float, gain: float, scale: float = 1.0
) -> Iterator[np.ndarray]:
    """Yield the energy of each band over its own recent mean, compressed: per-channel energy normalisation.

    With M the running mean of a band's energy E, for samples that are integers of 32 bits, it is
    (E / (10⁻⁶ + M)^gain + 2)^½ - 2^½ [1]_. Equal to `librosa.pcen` that was told that the sound has always been
    as it is in the first frame.

    Parameters
    ----------
    blocks
        float32 (n_bands, n_frames), one after the other.
    weight
        Of the newest frame in the mean, see `smoothing`.
    gain
        How much of the mean is taken away, from 0, nothing, to 1, all.
    scale
        What the blocks are multiplied by before they count as energy of samples between -1 and 1.

    Yields
    ------
    numpy.ndarray
        float32, of the same shapes.

    References
    ----------
    .. [1] Y. Wang, P. Getreuer, T. Hughes, R. F. Lyon, R. A. Saurous, Trainable frontend for robust and
       far-field keyword spotting, ICASSP 2017, doi:10.1109/ICASSP.2017.7953127.

    Examples
    --------
    >>> steady = np.full((1, 3), 4.0, np.float32)
    >>> next(pcen_blocks([steady], weight=0.5, gain=1.0)).round(4)  # 3 ** 0.5 - 2 ** 0.5
    array([[0.3178, 0.3178, 0.3178]], dtype=float32)
    """
    from scipy.signal import lfilter

    rise, fall = np.array([weight], np.float32), np.array([1, weight - 1], np.float32)
    state = None
    for block in blocks:
        energy = block * np.float32(
            np.clip(scale * _PCEN_SCALE, 1e-30, 1e30)
        )  # within float32 for the loudest sound
        if state is None:
            state = energy[:, :1] * np.float32(1 - weight)
        mean, state = lfilter(rise, fall, energy, axis=1, zi=state)
        yield compressed(energy, mean, gain=gain)


def compressed(energy: np.ndarray, mean: np.ndarray, *, gain: float) -> np.ndarray:
    """Return the energy over a power of its mean, in the root compression of `pcen_blocks`."""
    level = np.exp(-gain * np.log(mean + np.float32(_PCEN_EPSILON))) * energy
    root: np.ndarray = (level + _PCEN_BIAS) ** _PCEN_POWER - _PCEN_BIAS**_PCEN_POWER
    return root.clip(0)


def compressed_peak(energy: float, *, weight: float, gain: float) -> float:
    """Return what `pcen_blocks` makes of this energy when it comes out of silence."""
    sudden = np.array([energy * _PCEN_SCALE])
    return float(compressed(sudden, weight * sudden, gain=gain)[0])


def delta(values: np.ndarray, *, order: int) -> np.ndarray:
    """Return the first or second derivative over time, in units a column, fitted to nine columns.

    Equal to `librosa.feature.delta`, which is the filter of Savitzky and Golay [1]_; where there are fewer than
    nine columns it takes as many as there are, an odd number, and with fewer than three it is zero.

    Parameters
    ----------
    values
        float (n_rows, n_columns).
    order
        1 or 2; what is fitted is a line or a parabola.

    References
    ----------
    .. [1] A. Savitzky, M. J. E. Golay, Smoothing and differentiation of data by simplified least squares
       procedures, Analytical Chemistry 36(8), 1964, doi:10.1021/ac60214a047.

    Examples
    --------
    >>> delta(np.array([[0.0, 2.0, 4.0]]), order=1).round(6)
    array([[2., 2., 2.]])
    """
    width = min(_DELTA_WIDTH, (values.shape[1] - 1) // 2 * 2 + 1)
    if width < 3:
        return np.zeros_like(values)
    from scipy.signal import savgol_filter

    slopes: np.ndarray = savgol_filter(values, width, polyorder=order, deriv=order, axis=1, mode="interp")
    return slopes


def overlaps(source_edges: np.ndarray, target_edges: np.ndarray) -> np.ndarray:
    """Return how much of each target cell each source cell covers: float32 (n_target, n_source).

    Examples
    --------
    >>> overlaps(np.array([0.0, 1, 3]), np.array([0.5, 1.5, 3]))
    array([[0.5, 0.5],
           [0. , 1.5]], dtype=float32)
    """
    stop = np.minimum(source_edges[1:], target_edges[1:, None])
    start = np.maximum(source_edges[:-1], target_edges[:-1, None])
    return np.asarray((stop - start).clip(0), np.float32)


def area_weights(source_edges: np.ndarray, target_edges: np.ndarray) -> "csr_array":
    """Return the matrix that averages cells onto other cells by the share of each that they cover.

    Parameters
    ----------
    source_edges, target_edges
        Rising borders of the cells, float64 (n_source + 1,) and (n_target + 1,).

    Returns
    -------
    scipy.sparse.csr_array
        float32 (n_target, n_source). A row adds up to 1, or to 0 where no source cell lies.

    Examples
    --------
    >>> area_weights(np.array([0.0, 1, 2, 3]), np.array([0.0, 2, 3])).toarray().tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    from scipy.sparse import csr_array

    n_source, n_target = len(source_edges) - 1, len(target_edges) - 1
    low, high = max(source_edges[0], target_edges[0]), min(source_edges[-1], target_edges[-1])
    cuts = np.unique(np.concatenate([source_edges, target_edges]).clip(low, high))
    middles, widths = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts)
    rows = (np.searchsorted(target_edges, middles) - 1).clip(0, n_target - 1)
    columns = (np.searchsorted(source_edges, middles) - 1).clip(0, n_source - 1)
    covered = np.bincount(rows, widths, n_target)
    weights = (widths / covered[rows]).astype(np.float32)
    return csr_array((weights, (rows, columns)), shape=(n_target, n_source))


def interpolate(values: np.ndarray, positions: np.ndarray, *, axis: int) -> np.ndarray:
    """Return values between the indices 0, 1, 2, ... of an axis, on straight lines; level beyond both ends.

    Examples
    --------
    >>> interpolate(np.array([0.0, 10.0, 30.0]), np.array([-1.0, 0.5, 1.5, 9.0]), axis=0)
    array([ 0.,  5., 20., 30.])
    """
    last = values.shape[axis] - 1
    clipped = positions.clip(0, last)
    below = clipped.astype(np.intp).clip(0, max(last - 1, 0))
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    share = (clipped - below).astype(values.dtype).reshape(shape)
    above = values.take(np.minimum(below + 1, last), axis=axis)
    between: np.ndarray = values.take(below, axis=axis) * (1 - share) + above * share
    return between
