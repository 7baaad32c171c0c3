"""Wavelets and other filters whose bandwidth is a fixed share of their frequency."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

Wavelet = Literal["morlet", "morse", "ricker"]
Form = Literal["morlet", "morse", "ricker", "hann"]

_NEGLIGIBLE = 1e-4  # of the peak: 80 dB below it
_CROSS_TALK = 1e-3  # what aliases may add to the power
_RICKER_QUALITY = 2.0


@dataclass(frozen=True)
class Filter:
    """A form of filter, the same at every centre frequency when frequency is counted in centres.

    Parameters
    ----------
    form
        `morlet`, a Gaussian; `morse`, the generalised Morse wavelet with gamma 3; `ricker`, the positive
        frequencies of the second derivative of a Gaussian; `hann`, a sine under a Hann window.
    quality
        How many bandwidths from zero to the centre: omega0 of a Morlet wavelet, the square root of beta gamma of a
        Morse wavelet, the periods under a Hann window.

    Examples
    --------
    >>> Filter("morlet", 6.0).gain(np.array([1.0, 1 + 1 / 6])).round(4)
    array([1.    , 0.6065])
    """

    form: Form
    quality: float

    def gain(self, ratio: np.ndarray) -> np.ndarray:
        """Return the gain at frequencies counted in centres; 1 at the centre, 0 at zero and below."""
        if self.form in ("morlet", "hann"):
            away = (ratio - 1) * self.quality
            curve = np.exp(-(away**2) / 2) if self.form == "morlet" else _hann_spectrum(away)
            return np.where(ratio > 0, curve, 0)
        gamma = 2 if self.form == "ricker" else 3
        beta = self.quality**2 / gamma
        inside = np.maximum(ratio, 1e-30)
        return np.where(ratio > 0, np.exp(beta * np.log(inside) + beta / gamma * (1 - inside**gamma)), 0)

    @property
    def measures(self) -> "Measures":
        """What of the filter is not negligible."""
        return _measures(self)


@dataclass(frozen=True)
class Measures:
    """How far a filter reaches.

    Parameters
    ----------
    low, high
        Frequencies, counted in centres, beyond which nothing passes.
    reach
        Periods of the centre, before and after, in which the filter dies away.
    rate
        Samples in a period of the centre that hold the power of what passes.
    """

    low: float
    high: float
    reach: float
    rate: float


def wavelet_filter(wavelet: Wavelet, omega0: float) -> Filter:
    """Return the filter of a wavelet; `omega0` is of no effect on `ricker`, which has but one form.

    Examples
    --------
    >>> wavelet_filter("ricker", 6.0)
    Filter(form='ricker', quality=2.0)
    """
    return Filter(wavelet, _RICKER_QUALITY if wavelet == "ricker" else omega0)


def _hann_spectrum(away: np.ndarray) -> np.ndarray:
    """Return the spectrum of a Hann window of length 1."""
    safe = np.where(np.abs(np.abs(away) - 1) < 1e-6, 1 + 1e-6, away)
    return np.asarray(np.sinc(safe) / (1 - safe**2))


@lru_cache(maxsize=64)
def _measures(form: Filter) -> Measures:
    step = 1 / 32  # bandwidths
    away = np.arange(-512, 512) * step
    gain = form.gain(1 + away / form.quality)
    passes = np.flatnonzero(np.abs(gain) > _NEGLIGIBLE)
    impulse = np.abs(np.fft.ifft(gain, 1 << 14))
    overlap = np.abs(np.fft.ifft(impulse[: 1 << 14] ** 2))
    rings = np.flatnonzero(impulse[: 1 << 13] > _NEGLIGIBLE * impulse[0])[-1]
    talks = np.flatnonzero(overlap[: 1 << 13] > _CROSS_TALK * overlap[0])[-1]
    return Measures(
        low=float(1 + away[passes[0]] / form.quality),
        high=float(1 + away[passes[-1]] / form.quality),
        reach=float(rings / ((1 << 14) * step) * form.quality),
        rate=float(talks * step / form.quality),
    )


def log_centres(low: float, high: float, rows: int, *, form: Filter) -> np.ndarray:
    """Return the centres of filters, (rows, filters a row), evenly spaced on a logarithmic scale.

    There are as many filters in a row as leave no frequency between them unheard.

    Examples
    --------
    >>> log_centres(1.0, 16.0, 2, form=Filter("ricker", 2.0)).round(2)
    array([[ 1.41,  2.83],
           [ 5.66, 11.31]])
    """
    per_row = max(1, int(np.ceil(np.log(high / low) / rows * form.quality / 2)))
    shares = (np.arange(rows * per_row) + 0.5) / (rows * per_row)
    return np.asarray(low * (high / low) ** shares).reshape(rows, per_row)
