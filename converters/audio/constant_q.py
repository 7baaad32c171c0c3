"""What pictures of sound with evenly spaced octaves share: parameters, filters onto rows, levels onto grey."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated

import numpy as np

from ..core.image import Axis, Image
from ..core.parameters import Between
from ..kernels.filterbank import Filter, log_centres
from .dsp.levels import decibels, grey
from .dsp.mixing import mixes
from .layout import SoundAxes, heights, stacked
from .picture import SoundPicture
from .signal import Audio

if TYPE_CHECKING:
    from ..kernels.filterbank import Read


class OctavePicture(SoundPicture):
    """Time to the right, frequency upwards, every octave as high as the next; the louder the brighter.

    Each row is a filter whose bandwidth is a fixed share of its frequency: low rows tell pitches apart, high rows
    moments. Each column is the mean power over its whole stretch of time, so there is no hop to choose.

    See Also
    --------
    SoundPicture : the parameters.
    """

    low_hz: Annotated[float, Between(0.001)] = 20.0

    @abstractmethod
    def _filter(self) -> Filter:
        """Return the form of the filters."""

    def _convert(self, signal: Audio) -> Image:
        first, wanted = self._first(signal), self._wanted(signal)
        samples = signal.samples[:, first : first + wanted]
        # With the peak as full scale neither the faintest nor the loudest sound leaves float32 when squared.
        peak = max(float(samples.max()), -float(samples.min())) or 1.0
        chosen = mixes(self.channel, samples, most=self.size)
        ends_hz = self.low_hz, self._high_hz(signal)
        panels = [
            octave_power(
                self._reader(samples, mix.weights / peak, wanted),
                wanted,
                ends=(ends_hz[0] / signal.rate_hz, ends_hz[1] / signal.rate_hz),
                size=(int(rows), self.size),
                form=self._filter(),
            )[::-1]
            for mix, rows in zip(chosen, heights(self.size, len(chosen)), strict=True)
        ]
        pixels = self._grey(np.concatenate(panels), peak)[:, :, None]
        times = Axis("time", "s", np.linspace(first, first + wanted, self.size + 1) / signal.rate_hz)
        frequency = Axis("frequency", "Hz", np.geomspace(*ends_hz[::-1], self.size + 1))
        axes = SoundAxes(times, frequency, signal.duration_s, self.fill)
        names = tuple(mix.name for mix in chosen)
        return Image(pixels, stacked(axes, names) if self.channel == "stack" else axes)

    def _grey(self, power: np.ndarray, peak: float) -> np.ndarray:
        white = None if self.reference == "loudest" else (float(peak) * self._gain) ** -2.0
        return grey(decibels(power, floor_db=self.floor_db, reference=white), floor_db=self.floor_db)

    def _reader(self, samples: np.ndarray, weights: np.ndarray, wanted: int) -> "Read":
        """Return a function that reads a mix of the channels, filled up to `wanted` samples, with zeros beyond."""
        held = samples.shape[1]
        reach = wanted if self.fill == "repeat" else held

        def read(start: int, stop: int) -> np.ndarray:
            begin, end = min(max(start, 0), reach), min(max(stop, 0), reach)
            part = samples[:, begin:end] if end <= held else samples[:, np.arange(begin, end) % held]
            piece = np.zeros(stop - start, np.float32)
            piece[begin - start : end - start] = weights @ part
            return piece

        return read


def octave_power(
    read: "Read", count: int, *, ends: tuple[float, float], size: tuple[int, int], form: Filter
) -> np.ndarray:
    """Return the mean power in cells of time and of the logarithm of frequency.

    Parameters
    ----------
    read, count
        The sound, and its length in samples.
    ends
        The lowest and the highest frequency, in cycles a sample.
    size
        Rows and columns.
    form
        Of the filters; several share a row where one would leave gaps.

    Returns
    -------
    numpy.ndarray
        float32 (rows, columns), the lowest frequency first; 1 is a sine of amplitude 1. 0 from half the rate on.

    Examples
    --------
    >>> from phosphene.converters.kernels.filterbank import reader
    >>> tone = reader(np.sin(np.pi / 4 * np.arange(4000)))
    >>> octave_power(tone, 4000, ends=(0.12, 0.1302), size=(1, 5), form=Filter("hann", 10.0))[0, 2].round(2)
    np.float32(1.0)
    """
    from ..kernels.filterbank import mean_power

    rows, columns = size
    centres = log_centres(*ends, rows, form=form)
    audible = centres.ravel()[centres.ravel() < 0.5]
    power = np.zeros((centres.size, columns))
    borders = np.linspace(0, count, columns + 1)
    if len(audible):
        power[: len(audible)] = mean_power(read, count, centres=audible, form=form, borders=borders)
    return np.asarray(power.reshape(*centres.shape, columns).mean(axis=1), np.float32)
