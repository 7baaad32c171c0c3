"""Power as brightness: decibels, energy normalised per channel, and changes over time."""

from collections.abc import Iterable, Iterator

import numpy as np

from .spectrum import Quantity

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
