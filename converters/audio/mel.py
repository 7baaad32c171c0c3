"""Sound on the mel scale, which spaces frequencies as people hear them: spectrogram and cepstral coefficients."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, height_width, register
from ..core.errors import ParameterError
from ..core.image import Axis, Span
from .dsp import area_weights
from .signal import Audio
from .spectrogram import Bands, SoundAxes, Spectrogram, changes

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
        ends_hz, rows = (self.low_hz, high_hz), height_width(self.size)[0]
        return _mel_bands(rate_hz, n_fft, ends_hz, self.n_mels or rows, rows, self.mel_scale)


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


# The share of the range from the floor to white that the spectrum has to swing over, as one half of a cosine, for
# the first coefficient to be white: of ESC-10's coefficients one in a hundred is then beyond white or black.
_WHITE_SWING = 2 / 3


@register
class Mfcc(MelSpectrogram):
    """The shape of the spectrum and how it moves: mel-frequency cepstral coefficients, coefficient 0 below.

    The lowest row is the mean level, black at the floor and white at the reference. The rows above are grey at 0:
    the first is bright where low sounds outweigh high ones, the second where both outweigh the middle, and so on to
    ever finer ripples.

    Parameters
    ----------
    n_mfcc
        How many coefficients share the rows; at most `n_mels`.
    n_mels
        Mel bands that they are taken from.
    liftering
        Coefficient k is multiplied by 1 + (L / 2) sin(pi k / L), which raises the higher ones, smaller in all
        natural sounds, to the height of the first; None is L = 2 `n_mfcc`, 0 changes nothing.
    delta
        0 draws the coefficients; 1 their first derivative over time, 2 the second one, as in a spectrogram.

    See Also
    --------
    Spectrogram : the other parameters.
    MelSpectrogram : `mel_scale`.

    Notes
    -----
    The coefficients are the orthonormal cosine transform (DCT-II) of the levels in mel bands [1]_, those of
    `librosa.feature.mfcc`. They are drawn on a fixed scale, the same in every image and for every coefficient, so
    that images can be compared and rows that hardly move stay calm; only coefficient 0, an order of magnitude
    greater, has a scale of its own.

    References
    ----------
    .. [1] Davis and Mermelstein (1980), https://doi.org/10.1109/TASSP.1980.1163420

    Examples
    --------
    >>> from phosphene.converters import Audio, Box, make
    >>> hiss = np.diff(np.random.default_rng(0).standard_normal(8001))
    >>> image = make("mfcc", size=60)(Audio(hiss, 8000))
    >>> str(image.locate(Box(0, 54, 60, 57)))
    'time 0 to 1 s, coefficient 1 to 2'
    >>> bool(image.pixels[55].mean() < 100)  # high sounds outweigh low ones
    True
    """

    name: ClassVar[str] = "mfcc"

    n_mfcc: Annotated[int, Between(2, 512)] = 20
    n_mels: Annotated[int, Between(8, 4096)] = 128
    liftering: Annotated[int, Between(0, 10_000)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_mfcc > self.n_mels:
            raise ParameterError(f"Mfcc.n_mfcc must be at most n_mels {self.n_mels}, got {self.n_mfcc}")

    def _bands(self, rate_hz: float, n_fft: int, high_hz: float) -> Bands:
        weights = mel_filterbank(
            rate_hz=rate_hz,
            n_fft=n_fft,
            ends_hz=(self.low_hz, high_hz),
            n_mels=self.n_mels,
            mel_scale=self.mel_scale,
        )
        return Bands(weights, np.linspace(0, self.n_mfcc, height_width(self.size)[0] + 1))

    def _brightness(
        self, values: np.ndarray, white: float, bands: Bands, n_samples: int, rate_hz: float
    ) -> np.ndarray:
        levels = Spectrogram._brightness(self.replace(delta=0), values, white, bands, n_samples, rate_hz)
        lifter = 2 * self.n_mfcc if self.liftering is None else self.liftering
        shades = coefficient_shades(
            cepstrum(levels, self.n_mfcc), lifter_weights(self.n_mfcc, lifter), self.n_mels
        )
        if self.delta:
            shades = changes(shades, order=self.delta)
        return on_rows(shades, height_width(self.size)[0])

    def _axes(self, signal: Audio, n_samples: int, edges_hz: np.ndarray) -> SoundAxes:
        axes = super()._axes(signal, n_samples, edges_hz)
        return replace(axes, y=CoefficientAxis("coefficient", "", axes.y.edges))


@dataclass(frozen=True, eq=False)
class CoefficientAxis(Axis):
    """Rows that show whole coefficients."""

    def span(self, first: int, stop: int) -> Span:
        """Return the coefficients that the rows `first` to `stop - 1` show, the last one not included."""
        low, high = sorted((float(self.edges[first]), float(self.edges[stop])))
        return Span(self.quantity, self.unit, float(np.floor(low + 1e-9)), float(np.ceil(high - 1e-9)))


def cepstrum(levels: np.ndarray, n_mfcc: int) -> np.ndarray:
    """Return the first coefficients of the orthonormal cosine transform (DCT-II) of each column.

    Parameters
    ----------
    levels
        (n_mels, n_columns).
    n_mfcc
        How many are kept.

    Returns
    -------
    numpy.ndarray
        (n_mfcc, n_columns), coefficient 0 first.

    Examples
    --------
    >>> cepstrum(np.array([[1.0], [0.0], [-1.0]]), 3).round(4).ravel() + 0.0
    array([0.    , 1.4142, 0.    ])
    """
    from scipy.fft import dct

    return np.asarray(dct(levels, axis=0, norm="ortho")[:n_mfcc])


def lifter_weights(n_mfcc: int, liftering: int) -> np.ndarray:
    """Return what each coefficient is multiplied by.

    librosa counts from 1, so that there coefficient k has the weight of k + 1.

    Examples
    --------
    >>> lifter_weights(3, 2)
    array([1., 2., 1.])
    """
    if not liftering:
        return np.ones(n_mfcc)
    return np.asarray(1 + liftering / 2 * np.sin(np.pi * np.arange(n_mfcc) / liftering))


def coefficient_shades(coefficients: np.ndarray, weights: np.ndarray, n_mels: int) -> np.ndarray:
    """Return brightness from 0 to 1: coefficient 0 as the mean it stands for, the others around one half.

    Parameters
    ----------
    coefficients
        (n_mfcc, n_columns), of levels from 0 to 1.
    weights
        (n_mfcc,), of the lifter.
    n_mels
        How many levels a column has.

    Examples
    --------
    >>> coefficient_shades(np.array([[2.0], [0.0], [9.0]]), np.ones(3), 4).ravel()
    array([1. , 0.5, 1. ])
    """
    # A cosine of amplitude a has the coefficient a sqrt(n / 2), and swings over 2 a.
    white = _WHITE_SWING / 2 * np.sqrt(n_mels / 2) * weights[min(1, len(weights) - 1)]
    shades = 0.5 + coefficients * weights[:, None] / (2 * white)
    shades[0] = coefficients[0] / np.sqrt(n_mels)
    return np.asarray(shades.clip(0, 1))


def on_rows(shades: np.ndarray, size: int) -> np.ndarray:
    """Return as many rows as asked: each coefficient on several, or the mean of several where rows are fewer.

    Examples
    --------
    >>> on_rows(np.array([[0.0], [1.0]]), 4).ravel(), on_rows(np.array([[0.0], [1.0], [1.0], [1.0]]), 2).ravel()
    (array([0., 0., 1., 1.]), array([0.5, 1. ]))
    """
    count = len(shades)
    if count <= size:
        return np.asarray(shades[np.arange(size) * count // size])
    starts = np.arange(size) * count // size
    return np.asarray(np.add.reduceat(shades, starts, axis=0) / np.diff([*starts, count])[:, None])
