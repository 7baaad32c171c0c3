"""Sound on a linear scale of frequency."""

from functools import lru_cache
from typing import ClassVar

import numpy as np

from ..core.converter import register
from .dsp.resample import area_weights
from .spectrogram import Bands, Spectrogram


@register
class StftSpectrogram(Spectrogram):
    """All frequencies alike, harmonics evenly spaced: the short-time Fourier transform in decibels.

    See Also
    --------
    Spectrogram : the parameters.

    Examples
    --------
    >>> from phosphene.converters import Audio, Box, make
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> image = make("stft", size=64)(Audio(tone, 8000))
    >>> row = int(image.pixels[:, 32, 0].argmax())
    >>> str(image.locate(Box(0, row, 64, row + 1)))
    'time 0 to 1 s, frequency 952.812 to 1015 Hz'
    """

    name: ClassVar[str] = "stft"
    version: ClassVar[int] = 3

    def _bands(self, rate_hz: float, n_fft: int, high_hz: float) -> Bands:
        return linear_bands(rate_hz=rate_hz, n_fft=n_fft, ends_hz=(self.low_hz, high_hz), n_rows=self.size)


@lru_cache(maxsize=32)
def linear_bands(*, rate_hz: float, n_fft: int, ends_hz: tuple[float, float], n_rows: int) -> Bands:
    """Return rows of equal width: bins are averaged where a row is wider than a bin, else interpolated.

    Examples
    --------
    >>> linear_bands(rate_hz=8000, n_fft=512, ends_hz=(0, 4000), n_rows=64).weights.shape
    (64, 257)
    """
    from scipy.sparse import eye_array

    bin_hz, n_bins = rate_hz / n_fft, n_fft // 2 + 1
    edges_hz = np.linspace(*ends_hz, n_rows + 1)
    if edges_hz[1] - edges_hz[0] >= bin_hz:
        return Bands(area_weights((np.arange(n_bins + 1) - 0.5) * bin_hz, edges_hz), edges_hz)
    # One band more than there are bins, without power: what rows above half the rate show.
    every = eye_array(n_bins + 1, n_bins, dtype=np.float32, format="csr")
    places = ((edges_hz[1:] + edges_hz[:-1]) / 2 / bin_hz).clip(0, n_bins)
    first, last = int(places[0]), min(int(places[-1]) + 1, n_bins)
    return Bands(every[first : last + 1], edges_hz, places - first)
