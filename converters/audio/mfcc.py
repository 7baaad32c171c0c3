"""Sound as speech recognition sees it: the shape of its spectrum in a few numbers."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import register
from ..core.errors import ParameterError
from ..core.image import Axis, Span
from ..core.parameters import Between
from .mel import MelSpectrogram, mel_filterbank
from .signal import Audio
from .spectrogram import Bands, SoundAxes, Spectrogram, changes

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
        return Bands(weights, np.linspace(0, self.n_mfcc, self.size + 1))

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
        return on_rows(shades, self.size)

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
