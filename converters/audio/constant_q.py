"""What pictures of sound with evenly spaced octaves share: parameters, filters onto rows, levels onto grey."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np

from ..converter import Converter, Size
from ..errors import ParameterError, SignalError
from ..image import Axis, Image
from ..parameters import Between
from ..signal import Signal
from ..wavelet import Filter, log_centres
from .layout import Fill, SoundAxes, heights, stacked
from .levels import decibels, grey
from .mixing import ChannelChoice, mixes
from .signal import Audio

if TYPE_CHECKING:
    from ..filterbank import Read

_HIGHEST_HZ = 20_000.0


class OctavePicture(Converter):
    """Time to the right, frequency upwards, every octave as high as the next; the louder the brighter.

    Each row is a filter whose bandwidth is a fixed share of its frequency: low rows tell pitches apart, high rows
    moments. Each column is the mean power over its whole stretch of time, so there is no hop to choose.

    Parameters
    ----------
    size
        Pixels of each side.
    low_hz, high_hz
        The lowest and the highest frequency; `high_hz=None` is half the rate, at most 20 kHz. The picture is black
        where the rate holds no such frequency.
    reference
        What is white: the `loudest` row at any time, or a sine at `full_scale`.
    floor_db
        The level that is black, below the reference.
    channel
        What is drawn of sound with several channels: their `mean`; `left` or `right`, the first or the second;
        half their sum, `mid`, or half their difference, `side`; or all above each other, `stack`, the first on top.
    duration_s
        What the columns cover together: of longer sound a part is kept, shorter sound is filled. None is all.
    keep
        Which part of longer sound: its `start`, its `middle` or its `end`.
    fill
        What follows shorter sound: `silence`, or the sound again.

    Raises
    ------
    SignalError
        The rate is so low that nothing is left above `low_hz`, or there are more channels to stack than rows.
    """

    accepts: ClassVar[type[Signal]] = Audio

    size: Size = 224
    low_hz: Annotated[float, Between(0.001)] = 20.0
    high_hz: Annotated[float, Between(above=0)] | None = None
    reference: Literal["loudest", "full_scale"] = "loudest"
    floor_db: Annotated[float, Between(-200, -1)] = -80.0
    channel: ChannelChoice = "mean"
    duration_s: Annotated[float, Between(above=0, high=86400)] | None = None
    keep: Literal["start", "middle", "end"] = "start"
    fill: Fill = "silence"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high_hz is not None and self.high_hz <= self.low_hz:
            owner = type(self).__name__
            raise ParameterError(
                f"{owner}.high_hz must be above low_hz {self.low_hz:g}, got {self.high_hz!r}"
            )

    @abstractmethod
    def _filter(self) -> Filter:
        """Return the form of the filters."""

    def _convert(self, signal: Audio) -> Image:
        samples, first, wanted = self._kept(signal)
        # With the peak as full scale neither the faintest nor the loudest sound leaves float32 when squared.
        peak = max(float(samples.max()), -float(samples.min())) or 1.0
        chosen = mixes(self.channel, len(samples), most=self.size)
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
        white = None if self.reference == "loudest" else float(peak) ** -2.0
        return grey(decibels(power, floor_db=self.floor_db, reference=white), floor_db=self.floor_db)

    def _kept(self, signal: Audio) -> tuple[np.ndarray, int, int]:
        """Return the samples that are drawn, which of the sound is their first, and how many columns cover."""
        held = signal.samples.shape[1]
        wanted = held if self.duration_s is None else max(1, round(self.duration_s * signal.rate_hz))
        over = max(0, held - wanted)
        first = {"start": 0, "middle": over // 2, "end": over}[self.keep]
        return signal.samples[:, first : first + wanted], first, wanted

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

    def _high_hz(self, signal: Audio) -> float:
        half_hz = signal.rate_hz / 2
        if half_hz <= self.low_hz:
            raise SignalError(
                f"{self.name} draws {self.low_hz:g} Hz and above, but sound at {signal.rate_hz:g} samples"
                " a second has nothing there; set a lower low_hz"
            )
        return self.high_hz or (half_hz if self.low_hz >= _HIGHEST_HZ else min(half_hz, _HIGHEST_HZ))


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
    >>> from ..filterbank import reader
    >>> tone = reader(np.sin(np.pi / 4 * np.arange(4000)))
    >>> octave_power(tone, 4000, ends=(0.12, 0.1302), size=(1, 5), form=Filter("hann", 10.0))[0, 2].round(2)
    np.float32(1.0)
    """
    from ..filterbank import mean_power

    rows, columns = size
    centres = log_centres(*ends, rows, form=form)
    audible = centres.ravel()[centres.ravel() < 0.5]
    power = np.zeros((centres.size, columns))
    borders = np.linspace(0, count, columns + 1)
    if len(audible):
        power[: len(audible)] = mean_power(read, count, centres=audible, form=form, borders=borders)
    return np.asarray(power.reshape(*centres.shape, columns).mean(axis=1), np.float32)
