"""Sound on the mel scale, which spaces frequencies as people hear them."""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import register
from ..core.parameters import Between
from .dsp import area_weights
from .spectrogram import Bands, Spectrogram

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MelScale = Literal["slaney", "htk"]

# Slaney's scale: a line up to 1 kHz at 15 mel, a logarithm above.
_LINEAR_HZ, _BREAK_HZ, _BREAK_MEL, _LOG_STEP = 200 / 3, 1000.0, 15.0, np.log(6.4) / 27


@register
class MelSpectrogram(Spectrogram):
    """Pitches and their harmonics as people hear them: the mel spectrogram, the usual image of a sound.

    Parameters
    ----------
    n_mels
        Mel bands; None is one a row. More than rows are averaged, fewer are interpolated.
    mel_scale
        `slaney` (librosa's default) or `htk`.

    See Also
    --------
    Spectrogram : the other parameters.

    Notes
    -----
    The bands are librosa's, with Slaney's normalisation of their area [1]_. Rows have their borders half-way
    between the centres of the bands, in mel.

    References
    ----------
    .. [1] M. Slaney, Auditory Toolbox, Interval Research Technical Report 1998-010.

    Examples
    --------
    >>> from phosphene.converters import Audio, Box, make
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> image = make("mel", size=64)(Audio(tone, 8000))
    >>> row = int(image.pixels[:, 32, 0].argmax())
    >>> str(image.locate(Box(0, row, 64, row + 1)))
    'time 0 to 1 s, frequency 967.579 to 1003.45 Hz'
    """

    name: ClassVar[str] = "mel"
    version: ClassVar[int] = 3

    n_mels: Annotated[int, Between(8, 4096)] | None = None
    mel_scale: MelScale = "slaney"

    def _bands(self, rate_hz: float, n_fft: int, high_hz: float) -> Bands:
        ends_hz = (self.low_hz, high_hz)
        return _mel_bands(rate_hz, n_fft, ends_hz, self.n_mels or self.size, self.size, self.mel_scale)


@lru_cache(maxsize=32)
def _mel_bands(
    rate_hz: float, n_fft: int, ends_hz: tuple[float, float], n_mels: int, n_rows: int, mel_scale: MelScale
) -> Bands:
    weights = mel_filterbank(
        rate_hz=rate_hz, n_fft=n_fft, ends_hz=ends_hz, n_mels=n_mels, mel_scale=mel_scale
    )
    low, high = hz_to_mel(np.array(ends_hz), mel_scale=mel_scale)
    half = (high - low) / (n_mels + 1) / 2
    rows = np.linspace(low + half, high - half, n_rows + 1)
    edges_hz = mel_to_hz(rows, mel_scale=mel_scale)
    if n_mels > n_rows:
        weights = area_weights(np.linspace(low + half, high - half, n_mels + 1), rows) @ weights
    positions = (np.arange(n_rows) + 0.5) * n_mels / n_rows - 0.5 if n_mels < n_rows else None
    return Bands(weights, edges_hz, positions)


def mel_filterbank(
    *, rate_hz: float, n_fft: int, ends_hz: tuple[float, float], n_mels: int, mel_scale: MelScale
) -> "csr_array":
    """Return triangles in frequency, evenly spaced in mel, of equal area.

    Equal to `librosa.filters.mel`, but for bands that rise or fall within less than a bin: there librosa's
    triangle catches one bin, or none and stays dark; here the spectrum is interpolated at its centre.

    Parameters
    ----------
    rate_hz, n_fft
        Of the spectrum.
    ends_hz
        Where the first triangle begins and the last one ends.
    n_mels
        Number of bands.
    mel_scale
        `slaney` or `htk`.

    Returns
    -------
    scipy.sparse.csr_array
        float32 (n_mels, n_fft // 2 + 1), in 1 / Hz.

    Examples
    --------
    >>> mel_filterbank(rate_hz=8000, n_fft=512, ends_hz=(0, 4000), n_mels=20, mel_scale="htk").shape
    (20, 257)
    """
    from scipy.sparse import csr_array

    low, high = hz_to_mel(np.array(ends_hz), mel_scale=mel_scale)
    corners_hz = mel_to_hz(np.linspace(low, high, n_mels + 2), mel_scale=mel_scale)
    bin_hz = rate_hz / n_fft
    rows = [_triangle(corners_hz[band : band + 3], bin_hz, n_fft // 2 + 1) for band in range(n_mels)]
    columns, values = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    starts = np.cumsum([0, *(len(row[0]) for row in rows)])
    return csr_array((values.astype(np.float32), columns, starts), shape=(n_mels, n_fft // 2 + 1))


def _triangle(corners_hz: np.ndarray, bin_hz: float, n_bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins under a triangle and their weights."""
    low, centre, high = corners_hz
    rise, fall = centre - low, high - centre
    if min(rise, fall) < bin_hz:
        rise = fall = bin_hz
    area = (rise + fall) / 2
    first, last = np.floor((centre - rise) / bin_hz), np.ceil((centre + fall) / bin_hz)
    bins = np.arange(max(int(first), 0), min(int(last) + 1, n_bins))
    away = bins * bin_hz - centre
    heights = np.where(away < 0, 1 + away / rise, 1 - away / fall)
    return bins[heights > 0], heights[heights > 0] / area


def hz_to_mel(frequency_hz: np.ndarray, *, mel_scale: MelScale) -> np.ndarray:
    """Return frequencies in mel.

    Examples
    --------
    >>> hz_to_mel(np.array([200.0, 1000.0]), mel_scale="slaney")
    array([ 3., 15.])
    """
    if mel_scale == "htk":
        return np.asarray(2595 * np.log10(1 + frequency_hz / 700))
    above = _BREAK_MEL + np.log(np.maximum(frequency_hz, _BREAK_HZ) / _BREAK_HZ) / _LOG_STEP
    return np.where(frequency_hz < _BREAK_HZ, frequency_hz / _LINEAR_HZ, above)


def mel_to_hz(mel: np.ndarray, *, mel_scale: MelScale) -> np.ndarray:
    """Return the frequencies of values in mel, in hertz.

    Examples
    --------
    >>> mel_to_hz(np.array([3.0, 15.0]), mel_scale="slaney")
    array([ 200., 1000.])
    """
    if mel_scale == "htk":
        return np.asarray(700 * (10 ** (mel / 2595) - 1))
    above = _BREAK_HZ * np.exp(_LOG_STEP * (np.maximum(mel, _BREAK_MEL) - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ, above)
