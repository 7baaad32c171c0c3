"""Sound with the same number of rows for every octave: the constant-Q transform and the scalogram."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from ..core.converter import Between, height_width, register
from ..core.errors import ParameterError
from ..core.image import Axis, Image
from ..kernels.filterbank import Filter, Wavelet, log_centres, wavelet_filter
from .dsp import decibels, grey, mixes
from .signal import Audio
from .spectrogram import SoundAxes, SoundConverter, heights, stacked

if TYPE_CHECKING:
    from ..kernels.filterbank import Read


class OctaveConverter(SoundConverter):
    """Time to the right, frequency upwards, every octave as high as the next; the louder the brighter.

    Each row is a filter whose bandwidth is a fixed share of its frequency: low rows tell pitches apart, high rows
    moments. Each column is the mean power over its whole span of time, so there is no hop to choose.

    See Also
    --------
    SoundConverter : the parameters.
    """

    low_hz: Annotated[float, Between(0.001)] = 20.0

    @abstractmethod
    def _filter(self) -> Filter:
        """Return the form of the filters."""

    def _convert(self, signal: Audio) -> Image:
        first, wanted = self._first(signal), self._wanted(signal)
        height, width = height_width(self.size)
        samples = signal.samples[:, first : first + wanted]
        # With the peak as full scale neither the faintest nor the loudest sound leaves float32 when squared.
        peak = max(float(samples.max()), -float(samples.min())) or 1.0
        chosen = mixes(self.channel, samples, most=height)
        ends_hz = self.low_hz, self._high_hz(signal)
        parts = [
            octave_power(
                self._reader(samples, mix.weights / peak, wanted),
                wanted,
                ends=(ends_hz[0] / signal.rate_hz, ends_hz[1] / signal.rate_hz),
                size=(int(rows), width),
                form=self._filter(),
            )[::-1]
            for mix, rows in zip(chosen, heights(height, len(chosen)), strict=True)
        ]
        pixels = self._grey(np.concatenate(parts), peak)[:, :, None]
        times = Axis("time", "s", np.linspace(first, first + wanted, width + 1) / signal.rate_hz)
        frequency = Axis("frequency", "Hz", np.geomspace(*ends_hz[::-1], height + 1))
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
            block = np.zeros(stop - start, np.float32)
            block[begin - start : end - start] = weights @ part
            return block

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


@register
class ConstantQ(OctaveConverter):
    """Notes and chords, an interval of the same height wherever it is played: the constant-Q transform.

    Parameters
    ----------
    bins_per_octave
        How finely pitches are told apart: 12 is a semitone, and more blur time in the lower octaves.
    n_octaves
        How many octaves the rows cover above `low_hz`; None goes up to `high_hz`.

    See Also
    --------
    OctaveConverter : the other parameters.

    Notes
    -----
    At the frequency f the sound is multiplied by a sine under a Hann window of Q / f seconds, where
    Q = (r + 1) / (r - 1) with r = 2^(2 / bins_per_octave), as in librosa, 3 % above that of [1]_; the magnitude is
    that of `librosa.cqt`, here such that a sine has its amplitude. There is such a filter for each row, and several
    in a row that is wider than a bin. They are products in the frequency domain [2]_, each transformed back at a
    rate of its own [3]_.

    References
    ----------
    .. [1] Brown (1991), https://doi.org/10.1121/1.400476
    .. [2] Schörkhuber and Klapuri (2010), Constant-Q transform toolbox for music processing, 7th Sound and Music
       Computing Conference.
    .. [3] Holighaus et al. (2013), https://doi.org/10.1109/TASL.2012.2234114

    Examples
    --------
    >>> import numpy as np
    >>> from phosphene.converters import Audio, Box, make
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    >>> image = make("cqt", size=72, n_octaves=6)(Audio(tone, 22050))
    >>> row = int(image.pixels[:, 36, 0].argmax())
    >>> str(image.locate(Box(0, row, 72, row + 1)))
    'time 0 to 1 s, frequency 439.957 to 466.118 Hz'
    """

    name: ClassVar[str] = "cqt"
    version: ClassVar[int] = 2

    low_hz: Annotated[float, Between(0.001)] = 32.7  # the C of the contra octave
    bins_per_octave: Annotated[int, Between(4, 192)] = 12
    n_octaves: Annotated[float, Between(0.5, 40)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_octaves is not None and self.high_hz is not None:
            raise ParameterError(
                f"ConstantQ takes n_octaves or high_hz, got {self.n_octaves!r} and {self.high_hz!r}; leave out one"
            )

    def _high_hz(self, signal: Audio) -> float:
        high_hz = super()._high_hz(signal)
        return high_hz if self.n_octaves is None else self.low_hz * 2**self.n_octaves

    @property
    def _open_above(self) -> bool:
        return super()._open_above and self.n_octaves is None

    def _filter(self) -> Filter:
        return Filter("hann", constant_q(self.bins_per_octave))


def constant_q(bins_per_octave: int) -> float:
    """Return how many periods lie under the window of each filter.

    Examples
    --------
    >>> round(constant_q(12), 2)
    17.33
    """
    ratio = 2 ** (2 / bins_per_octave)
    return float((ratio + 1) / (ratio - 1))


@register
class AudioScalogram(OctaveConverter):
    """When each pitch sounds, with clicks as sharp upright lines: the scalogram, a continuous wavelet transform.

    Parameters
    ----------
    wavelet
        `morlet`; `morse`, the generalised Morse wavelet with gamma 3, which has no negative frequencies at any
        `omega0`; `ricker`, the analytic Mexican hat, sharper in time and blunter in frequency.
    omega0
        Oscillations inside the wavelet, in radians: more tell frequencies apart, fewer moments. For a Morse wavelet
        the root of beta times gamma; a `ricker` has no such choice.

    See Also
    --------
    OctaveConverter : the other parameters.

    Notes
    -----
    A Morlet wavelet of the frequency f has the spectrum 2 exp(-omega0² (g / f - 1)² / 2) at the frequency g > 0
    [1]_; the factor keeps the amplitude of a sine instead of its energy, which would dim high sounds [2]_. Zeros are
    put before and after the sound: within the square root of 2 times omega0 / (2 pi f) of its ends, the cone of
    influence, it grows dim.

    References
    ----------
    .. [1] Torrence and Compo (1998), https://doi.org/10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2
    .. [2] Liu, Liang and Weisberg (2007), https://doi.org/10.1175/2007JTECHO511.1

    Examples
    --------
    >>> import numpy as np
    >>> from phosphene.converters import Audio, Box, make
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> image = make("scalogram", kind="audio", size=64)(Audio(tone, 8000))
    >>> row = int(image.pixels[:, 32, 0].argmax())
    >>> str(image.locate(Box(0, row, 64, row + 1)))
    'time 0 to 1 s, frequency 979.149 to 1063.66 Hz'
    """

    name: ClassVar[str] = "scalogram"
    version: ClassVar[int] = 2

    wavelet: Wavelet = "morlet"
    omega0: Annotated[float, Between(5, 100)] = 6.0

    def _filter(self) -> Filter:
        return wavelet_filter(self.wavelet, self.omega0)
