"""The power of a signal in many bands over time, at the cost of the bands and not of the samples.

A filter is a product in the frequency domain, and what passes it fills a narrow band. So the spectrum of a block of
the signal is cut to that band and transformed back at a low rate, which holds all of it, and its power is averaged
onto columns at once (as in Holighaus et al. 2013, https://doi.org/10.1109/TASL.2012.2234114). An array of every band at
every sample is never built.
"""

from collections.abc import Callable
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


# Returns float32 samples from a first one to a last one, which is not included; zeros beyond the signal.
Read = Callable[[int, int], np.ndarray]

_BLOCK = 1 << 17
_MOST_PADDING = 1 << 16  # of a block; filters that reach further work on a decimated signal
_STEPS_AN_OCTAVE = 4  # lengths of the inverse transforms
_PER_COLUMN = 16  # least number of samples of the power
_FINER = 4  # times the rate of a decimated signal
_LEAST_COVER = 0.5
_LEAST_WEIGHT = 1e-3
_FADE_START, _FADE_STOP = 0.45, 0.55  # cycles a sample
_TAIL = 32  # decimated samples, to each side, in which the filter of the decimation dies away
_TURN = 64  # decimated samples of a block that are kept


@dataclass(frozen=True, eq=False)
class Source:
    """A signal, whole or decimated.

    Parameters
    ----------
    read
        Its samples.
    gaps
        1 where a sample is missing, 0 elsewhere and beyond both ends; None where none is.
    first, stop
        Where it begins and ends, counted in its own samples.
    step
        Samples of the whole signal from one to the next.
    """

    read: Read
    gaps: Read | None
    first: int
    stop: int
    step: int = 1


def reader(values: np.ndarray, *, first: int = 0) -> Read:
    """Return a function that reads a vector, of which `first` is the index, with zeros beyond.

    Examples
    --------
    >>> reader(np.array([1.0, 2.0]))(-1, 4)
    array([0., 1., 2., 0., 0.], dtype=float32)
    """

    def read(start: int, stop: int) -> np.ndarray:
        begin, end = (min(max(index - first, 0), len(values)) for index in (start, stop))
        block = np.zeros(stop - start, np.float32)
        block[first + begin - start : first + end - start] = values[begin:end]
        return block

    return read


def mean_power(
    read: Read,
    count: int,
    *,
    centres: np.ndarray,
    form: Filter,
    borders: np.ndarray,
    gaps: Read | None = None,
) -> np.ndarray:
    """Return the power that each filter lets through, averaged over columns.

    A sine of amplitude 1 has power 1 behind a filter that is centred on it.

    Parameters
    ----------
    read, count
        The signal, and its length.
    centres
        Of the filters, in cycles a sample, rising, above 0 and below 1/2.
    form
        Of every filter.
    borders
        Of the columns, in samples, rising, (columns + 1,).
    gaps
        1 where a sample is missing, which must be 0 in the signal. For each filter and moment a missing sample counts
        as the mean of those present under the filter's envelope, and the output is divided by their share of it, a
        half at least: normalised convolution, Knutsson and Westin (1993), https://doi.org/10.1109/CVPR.1993.341081.

    Returns
    -------
    numpy.ndarray
        float64 (filters, columns).

    Examples
    --------
    >>> tone = 3 * np.sin(2 * np.pi * 0.125 * np.arange(512))
    >>> whole = np.array([128.0, 384.0])
    >>> mean_power(reader(tone), 512, centres=np.array([0.125]), form=Filter("morlet", 6.0), borders=whole).round(3)
    array([[9.]])
    """
    total = np.zeros((len(centres), len(borders) - 1))
    source, todo = Source(read, gaps, 0, count), len(centres)
    while todo:
        scaled = centres[:todo] * source.step
        near = int(np.searchsorted(scaled, form.measures.reach / _MOST_PADDING))
        _add_power(total[near:todo], source, scaled[near:], form, borders)
        todo = near
        if todo:
            source = _decimated(source, scaled[near - 1] * form.measures.high)
    return np.asarray((total / np.diff(borders)).clip(0))


def _add_power(
    total: np.ndarray, source: Source, centres: np.ndarray, form: Filter, borders: np.ndarray
) -> None:
    """Add, for each filter and column, the sum of the power over the samples of the whole signal."""
    if not len(centres):
        return
    from scipy.fft import rfft

    from .loops import column_power

    plan = _plan_for(source, centres, form, float(np.diff(borders).min()))
    for kept in range(source.first, source.stop, plan.kept):
        begin, end = kept - plan.padding, min(kept + plan.kept, source.stop)
        ends = kept * source.step, end * source.step
        columns = slice(*_touched(borders, ends))
        spectrum = _beyond_half(rfft(source.read(begin, begin + plan.length)))
        holes = _hole_spectrum(source, begin, plan.length)
        cuts = borders[columns.start : columns.stop + 1].clip(*ends) - begin * source.step - 0.5
        for band in plan.bands:
            spacing = plan.length / band.samples * source.step
            power = column_power(band.passed(spectrum, holes), cuts / spacing + 0.5)
            total[band.rows, columns] += power * spacing


def _touched(borders: np.ndarray, ends: tuple[int, int]) -> tuple[int, int]:
    """Return the first column that a span touches, and the first one behind it."""
    last = len(borders) - 1
    first, stop = int(np.searchsorted(borders, ends[0], "right")) - 1, int(np.searchsorted(borders, ends[1]))
    return min(max(first, 0), last - 1), min(max(stop, 1), last)


def _hole_spectrum(source: Source, begin: int, length: int) -> np.ndarray | None:
    from scipy.fft import rfft

    holes = source.gaps(begin, begin + length) if source.gaps else np.zeros(1, np.float32)
    return _beyond_half(rfft(holes)) if holes.any() else None


def _beyond_half(spectrum: np.ndarray) -> np.ndarray:
    """Return the spectrum of an even number of real samples with the bins above half the rate that filters reach."""
    more = int((_FADE_STOP - 0.5) * 2 * len(spectrum)) + 1
    return np.concatenate([spectrum, spectrum[-2 : -2 - more : -1].conj()])


@dataclass(frozen=True, eq=False)
class Band:
    """Filters that are transformed back at one rate.

    Parameters
    ----------
    rows
        Which of the filters.
    length, samples
        Of the transform, and of the inverse one.
    starts
        The first bin of the spectrum that each filter takes.
    gains
        float32 (filters, bins), of each filter from its first bin on.
    widths
        Bandwidth of each filter, in bins.
    """

    rows: slice
    length: int
    samples: int
    starts: np.ndarray
    gains: np.ndarray
    widths: np.ndarray

    def passed(self, spectrum: np.ndarray, holes: np.ndarray | None) -> np.ndarray:
        """Return what passes each filter, turned in phase: complex64 (filters, samples)."""
        passed = self._product(spectrum)
        if holes is None:
            return passed
        cover = 1 - self._smoothed(holes)
        level = self._smoothed(spectrum) / cover.clip(_LEAST_WEIGHT)
        return np.asarray((passed + level * self._product(holes)) / cover.clip(_LEAST_COVER), np.complex64)

    def _product(self, spectrum: np.ndarray) -> np.ndarray:
        from scipy.fft import ifft

        from .loops import folded

        # The band is not moved back in the spectrum, which would turn the phase alone.
        laid = folded(spectrum, self.starts, self.gains, self.samples)
        return np.asarray(ifft(laid, axis=1, overwrite_x=True))

    def _smoothed(self, spectrum: np.ndarray) -> np.ndarray:
        """Return the mean under the envelope of each filter: (filters, samples)."""
        from scipy.fft import irfft

        bins = np.arange(min(self.samples, self.length) // 2 + 1)
        envelopes = np.exp(-((bins / self.widths[:, None]) ** 2) / 2) * (self.samples / self.length)
        return np.asarray(irfft(spectrum[: len(bins)] * envelopes, self.samples, axis=1))


@dataclass(frozen=True, eq=False)
class FilterPlan:
    """How a signal is cut into blocks: `length` samples are transformed, `padding` and then `kept` of them are used."""

    length: int
    padding: int
    kept: int
    bands: tuple[Band, ...]


def _plan_for(source: Source, centres: np.ndarray, form: Filter, width: float) -> FilterPlan:
    """Return the plan of a source; `width` is that of the narrowest column, in samples of the whole signal."""
    count = source.stop - source.first
    padding = int(np.ceil(form.measures.reach / centres[0]))
    around = _TAIL if source.step > 1 else 0
    if count + padding + 2 * around <= 2 * _BLOCK:
        length, before, kept = _roomy(count + padding + 2 * around), around, count
    else:
        length, before = _roomy(max(2 * _BLOCK, 4 * padding)), padding
        kept = length - 2 * padding
    most = length * min(source.step, _FINER)
    least = min(2.0 ** np.ceil(np.log2(_PER_COLUMN * length * source.step / width)), most)
    return FilterPlan(length, before, kept, _bands(length, tuple(centres.tolist()), form, least))


def _roomy(count: int) -> int:
    """Return a length, one of four an octave, so that sounds of nearly the same length share their filters."""
    unit = 1 << max(0, count.bit_length() - 3)
    return max(16, -(-count // unit) * unit)


@lru_cache(maxsize=4)
def _bands(length: int, centres: tuple[float, ...], form: Filter, least: float) -> tuple[Band, ...]:
    from scipy.fft import next_fast_len

    frequencies = np.array(centres)
    wanted = np.maximum((frequencies * form.measures.rate * length).clip(2, length), least)
    steps = np.floor(_STEPS_AN_OCTAVE * np.log2(length / wanted) + 1e-9)
    cuts = np.flatnonzero(np.diff(steps)) + 1
    bands = []
    for rows in np.split(np.arange(len(frequencies)), cuts):
        samples = int(np.ceil(length * 2 ** (-steps[rows[0]] / _STEPS_AN_OCTAVE)))
        samples = min(max(length, int(least)), int(next_fast_len(samples)))
        bands.append(_band(rows, samples, length, frequencies[rows] * length, form))
    return tuple(bands)


def _band(rows: np.ndarray, samples: int, length: int, centres: np.ndarray, form: Filter) -> Band:
    """Return the filters with these centres, in bins of a spectrum of `length` samples."""
    low, high = form.measures.low, form.measures.high
    starts = np.maximum(np.ceil(centres * low), 1).astype(np.int64)
    width = int((np.minimum(np.floor(centres * high), length * _FADE_STOP) - starts).max()) + 1
    bins = starts[:, None] + np.arange(max(width, 1))
    # Filters that were cut off at half the rate would ring; faded out around it they have half their gain there.
    fade = np.cos(np.pi / 2 * ((bins / length - _FADE_START) / (_FADE_STOP - _FADE_START)).clip(0, 1)) ** 2
    # A real signal has each frequency twice, once below zero, where nothing passes: so that a sine keeps its height.
    gains = 2 * form.gain(bins / centres[:, None]) * fade * (samples / length)
    here = slice(int(rows[0]), int(rows[-1]) + 1)
    return Band(here, length, samples, starts, gains.astype(np.float32), centres / form.quality)


def _decimated(source: Source, highest: float) -> Source:
    """Return a source of a lower rate that keeps frequencies up to `highest` cycles a sample."""
    factor = 1 << max(1, int(np.log2(0.25 / highest)))
    first, stop = (source.first // factor - _TAIL, -(-source.stop // factor) + _TAIL)
    reads = [(source.read, stop - first), (source.gaps, stop - first)]
    low, holes = (
        reader(_low_passed(read, first, stop, factor), first=first) if read else None for read, _ in reads
    )
    return Source(
        low or source.read, holes, source.first // factor, -(-source.stop // factor), source.step * factor
    )


def _low_passed(read: Read, first: int, stop: int, factor: int) -> np.ndarray:
    """Return every `factor`-th sample, without the frequencies that these cannot hold."""
    from scipy.fft import irfft, rfft

    length = _TURN + 2 * _TAIL
    bins = np.arange(length // 2 + 1) / length
    taper = np.cos(np.pi / 2 * ((bins - 0.25) / 0.25).clip(0, 1)) ** 2 / factor
    blocks = []
    for start in range(first, stop, _TURN):
        begin = (start - _TAIL) * factor
        spectrum = rfft(read(begin, begin + length * factor))[: len(bins)]
        blocks.append(irfft(spectrum * taper, length)[_TAIL:-_TAIL])
    return np.concatenate(blocks)[: stop - first].astype(np.float32)
