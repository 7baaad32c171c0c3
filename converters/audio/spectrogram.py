"""Spectrograms: which part of a sound, frequency bands onto rows, levels onto grey, and what pixels stand for."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np

from ..core.converter import Between, Converter, Size, height_width, register
from ..core.errors import ParameterError, SignalError
from ..core.image import Axes, Axis, Box, Image, Layout, Region, Span, join_spans
from ..core.signal import Signal
from .dsp import (
    ChannelChoice,
    Quantity,
    area_weights,
    band_blocks,
    compressed_peak,
    decibels,
    delta,
    interpolate,
    mixes,
    on_columns,
    overlaps,
    pcen_blocks,
    shades,
    smoothing,
)
from .signal import Audio

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Fill = Literal["silence", "repeat"]


@dataclass(frozen=True, eq=False)
class SoundAxes(Axes):
    """Time and frequency, where the columns may go on after the sound has ended.

    Parameters
    ----------
    duration_s
        Length of the sound.
    fill
        What the columns show after its end: nothing, or the sound again.
    """

    duration_s: float
    fill: Fill

    def locate(self, box: Box) -> Region:
        """Return seconds of the sound, in one span or two, and hertz; nothing for columns past its end."""
        time, frequency = super().locate(box).spans
        parts = heard(time.start, time.stop, duration_s=self.duration_s, fill=self.fill)
        spans = tuple(Span(time.quantity, time.unit, start, stop) for start, stop in parts)
        return Region((*spans, frequency) if spans else ())


@dataclass(frozen=True, eq=False)
class StackedAxes(Layout):
    """Spectrograms of several channels above each other.

    Parameters
    ----------
    parts
        The axes of each, the top one first.
    names
        Of the channels.
    """

    parts: tuple[SoundAxes, ...]
    names: tuple[str, ...]

    def locate(self, box: Box) -> Region:
        """Return seconds of the sound, and hertz in each channel, which the spans name."""
        found: list[Span] = []
        top = 0
        for part, name in zip(self.parts, self.names, strict=True):
            height = len(part.y.edges) - 1
            first, stop = max(box.top - top, 0), min(box.bottom - top, height)
            top += height
            if first < stop:
                region = part.locate(Box(box.left, first, box.right, stop))
                found += () if found else region.of("time")
                found += [replace(span, label=name) for span in region.spans if span.quantity != "time"]
        return Region(tuple(found))

    def axes(self) -> tuple[Axis, Axis]:
        """Return time and the channel, counted from 1."""
        heights = [len(part.y.edges) - 1 for part in self.parts]
        edges = [number + np.arange(height) / height for number, height in enumerate(heights, 1)]
        return self.parts[0].x, Axis("channel", "", np.concatenate([*edges, [len(heights) + 1.0]]) - 0.5)


def stacked(axes: SoundAxes, names: tuple[str, ...]) -> StackedAxes:
    """Return the axes of one channel for each of several, above each other on as many rows.

    Examples
    --------
    >>> time, frequency = Axis("time", "s", np.arange(9.0)), Axis("frequency", "Hz", np.arange(8.0, -1, -1))
    >>> both = stacked(SoundAxes(time, frequency, 8.0, "silence"), ("left", "right"))
    >>> str(both.locate(Box(0, 3, 1, 5)))
    'time 0 to 1 s, frequency 0 to 2 Hz (left), frequency 6 to 8 Hz (right)'
    """
    edges = axes.y.edges
    positions = [np.linspace(0, len(edges) - 1, height + 1) for height in heights(len(edges) - 1, len(names))]
    shorter = [np.interp(position, np.arange(len(edges)), edges) for position in positions]
    return StackedAxes(tuple(replace(axes, y=replace(axes.y, edges=part)) for part in shorter), names)


def heights(size: int, count: int) -> np.ndarray:
    """Return how many rows each of several images gets.

    Examples
    --------
    >>> heights(8, 3)
    array([3, 2, 3])
    """
    return np.diff(np.rint(np.linspace(0, size, count + 1)).astype(np.int64))


def heard(start_s: float, stop_s: float, *, duration_s: float, fill: Fill) -> list[tuple[float, float]]:
    """Return which parts of a sound are heard from one time to another, once it is over or over again.

    Examples
    --------
    >>> heard(1.5, 2.5, duration_s=2.0, fill="silence"), heard(1.5, 2.5, duration_s=2.0, fill="repeat")
    ([(1.5, 2.0)], [(0.0, 0.5), (1.5, 2.0)])
    """
    if fill == "silence":
        return [(start_s, min(stop_s, duration_s))] if start_s < duration_s else []
    if stop_s - start_s >= duration_s:
        return [(0.0, duration_s)]
    start = start_s % duration_s
    stop = start + stop_s - start_s
    parts = [(start, min(stop, duration_s)), (0.0, max(stop - duration_s, 0.0))]
    return join_spans(*np.array(parts).T)


_HIGHEST_HZ = 20_000.0
_RECORDED_FOR_PEOPLE_HZ = 48_000.0  # a higher rate is chosen for what lies above the hearing of people
_BLOCK_S = 0.01  # to which the loudest part is found
_TRIM_BLOCK_S = 0.02
_SILENCE = 1e-3  # power, as a share of the loudest: 30 dB below


class SoundConverter(Converter):
    """Time to the right, frequency upwards, the louder the brighter.

    Parameters
    ----------
    size
        Pixels of each side, or (height, width); the rows are frequency, the columns time.
    low_hz, high_hz
        The lowest and the highest frequency; `high_hz=None` is half the rate, and at most 20 kHz for rates up to
        48 kHz. The image is black where the rate holds no such frequency.
    reference
        What is white: the `loudest` at any time, so that a sound and a louder copy of it look the same, or a sine
        at `full_scale`, so that loud sounds are brighter than faint ones.
    gain_db
        With `full_scale`, how much is added to the level; None is 0.
    floor_db
        The level that is black, below the reference.
    channel
        What is drawn of sound with several channels: their `mean`; `left` or `right`, the first or the second;
        half their sum, `mid`, or half their difference, `side`; or all above each other, `stack`, the first on
        top. In a mono sound left, right and mid are the same, and side is silent. Where channels cancel in their
        mean, as in antiphase, it is the loudest of them instead.
    duration_s
        What the columns cover together: of longer sound a part is kept, shorter sound is filled. None is all.
    keep
        Which part of longer sound: its `start`, its `middle`, its `end`, or its `loudest`, the one of most energy. Or
        `trimmed`, without a `duration_s`: each sound without silence at its ends, which is more than 30 dB below its
        loudest 20 ms, over all columns, so that a word is as long however fast it is spoken.
    fill
        What follows shorter sound: `silence`, or the sound again.

    Notes
    -----
    `resolve` puts numbers for None: `high_hz`, up to where all but a twentieth of the signals reach; `duration_s`, the
    length that a twentieth exceeds; `gain_db`, with which a sine as high as the peaks of all but a twentieth is white.

    Raises
    ------
    SignalError
        The rate is so low that nothing is left above `low_hz`, or there are more channels to stack than rows.
    """

    accepts: ClassVar[type[Signal]] = Audio

    size: Size = 224
    low_hz: Annotated[float, Between(0)] = 20.0
    high_hz: Annotated[float, Between(above=0)] | None = None
    reference: Literal["loudest", "full_scale"] = "loudest"
    gain_db: Annotated[float, Between(-400, 400)] | None = None
    floor_db: Annotated[float, Between(-200, -1)] = -80.0
    channel: ChannelChoice = "mean"
    duration_s: Annotated[float, Between(above=0, high=86400)] | None = None
    keep: Literal["start", "middle", "end", "loudest", "trimmed"] = "start"
    fill: Fill = "silence"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high_hz is not None and self.high_hz <= self.low_hz:
            owner = type(self).__name__
            raise ParameterError(
                f"{owner}.high_hz must be above low_hz {self.low_hz:g}, got {self.high_hz!r}"
            )

        if self.keep == "trimmed" and self.duration_s is not None:
            owner = type(self).__name__
            raise ParameterError(
                f"{owner}.duration_s must be none with keep=trimmed, got {self.duration_s!r}"
            )

    @property
    def cells(self) -> tuple[int, int]:
        """Four rows: a pattern means something else at another pitch, and the same at another time.

        Four by four where sounds are stretched, whose beginnings and ends lie one above the other.
        """
        return (4, 4) if self.keep == "trimmed" else (4, 1)

    @property
    def mixes_channels(self) -> bool:
        """Whether one mix of the channels is drawn that a mono sound has as well."""
        return self.channel not in ("side", "stack")

    def resolve(self, signals: Sequence[Signal]) -> Self:
        """Return this converter with the band, the duration and the gain that the signals need, where none is set."""
        sounds = [signal for signal in signals if isinstance(signal, Audio)]
        audible = [sound for sound in sounds if sound.rate_hz / 2 > self.low_hz]
        peaks = [peak for sound in sounds if (peak := float(np.abs(sound.samples).max(initial=0))) > 0]
        changes: dict[str, float] = {}
        if audible and self._open_above:
            tops_hz = [self._high_hz(sound) for sound in audible]
            changes["high_hz"] = float(np.percentile(tops_hz, 5, method="lower"))
        if sounds and self.duration_s is None and self.keep != "trimmed":
            lengths_s = [sound.duration_s for sound in sounds]
            changes["duration_s"] = min(float(np.percentile(lengths_s, 95, method="higher")), 86400.0)
        if peaks and self.reference == "full_scale" and self.gain_db is None:
            peak = float(np.percentile(peaks, 95, method="higher"))
            changes["gain_db"] = round(float(np.clip(-20 * np.log10(peak), -400, 400)), 1) + 0.0
        return self.replace(**changes)

    @property
    def _open_above(self) -> bool:
        """Whether the highest frequency is that of each sound."""
        return self.high_hz is None

    @property
    def _gain(self) -> float:
        """What amplitudes are multiplied by."""
        return float(10 ** ((self.gain_db or 0.0) / 20))

    def _wanted(self, signal: Audio) -> int:
        """Return how many samples are drawn."""
        if self.keep == "trimmed":
            start, stop = _trimmed(signal)
            return stop - start
        if self.duration_s is None:
            return int(signal.samples.shape[1])
        return max(1, round(self.duration_s * signal.rate_hz))

    def _first(self, signal: Audio) -> int:
        """Return which sample is drawn first."""
        if self.keep == "trimmed":
            return _trimmed(signal)[0]
        wanted = self._wanted(signal)
        over = max(0, int(signal.samples.shape[1]) - wanted)
        if over and self.keep == "loudest":
            block = max(1, round(_BLOCK_S * signal.rate_hz))
            return min(over, loudest_start(signal.samples, wanted, block=block))
        return {"middle": over // 2, "end": over}.get(self.keep, 0)

    def _high_hz(self, signal: Audio) -> float:
        half_hz = signal.rate_hz / 2
        if half_hz <= self.low_hz:
            raise SignalError(
                f"{self.name} draws {self.low_hz:g} Hz and above, but sound at {signal.rate_hz:g} samples"
                " a second has nothing there; set a lower low_hz"
            )
        whole = self.low_hz >= _HIGHEST_HZ or signal.rate_hz > _RECORDED_FOR_PEOPLE_HZ
        return self.high_hz or (half_hz if whole else min(half_hz, _HIGHEST_HZ))


def _trimmed(signal: Audio) -> tuple[int, int]:
    return trim(signal.samples, block=max(1, round(_TRIM_BLOCK_S * signal.rate_hz)))


def trim(samples: np.ndarray, *, block: int) -> tuple[int, int]:
    """Return the first sample of (channels, n) that is not silent, and the one behind the last, to `block` samples.

    Examples
    --------
    >>> trim(np.array([[0.0, 0.0, 0.01, 0.0, 0.5, 0.6, 0.0, 0.3, 0.0, 0.0, 0.0]]), block=2)
    (4, 8)
    >>> trim(np.zeros((1, 5)), block=2)
    (0, 5)
    """
    starts = np.arange(0, samples.shape[1], block)
    energy = np.add.reduceat(np.square(samples, dtype=np.float64).sum(axis=0), starts)
    # The last block may be shorter.
    power = energy / np.diff(np.append(starts, samples.shape[1]))
    sounding = np.flatnonzero(power >= power.max() * _SILENCE)
    return int(starts[sounding[0]]), min(int(starts[sounding[-1]]) + block, samples.shape[1])


def loudest_start(samples: np.ndarray, length: int, *, block: int) -> int:
    """Return where the part of most energy begins, at a multiple of `block`; the first of equal ones.

    Parameters
    ----------
    samples
        float (channels, n), whose energies are added up.
    length
        Of the part, in samples, rounded to whole blocks.
    block
        How many samples are taken together, at least 1.

    Examples
    --------
    >>> loudest_start(np.array([[0.0, 1.0, 0.0, 3.0, 1.0, 0.0]]), 2, block=1)
    3
    """
    count = samples.shape[1] // block
    blocks = samples[:, : count * block].reshape(len(samples), count, block)
    energy = np.einsum("cij,cij->i", blocks, blocks, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    taken = min(count, max(1, round(length / block)))
    return int((sums[taken:] - sums[: len(sums) - taken]).argmax()) * block


# The share of its range that an image has to run through in one column to be white, or black, in its derivative.
_STEEPEST = 0.5


@dataclass(frozen=True, eq=False)
class Bands:
    """How bins of a spectrum become rows of an image, the lowest frequency first.

    Parameters
    ----------
    weights
        (n_bands, n_bins), of each bin in each band.
    edges_hz
        Borders of the rows, (n_rows + 1,).
    positions
        Which band each row shows, counted from 0, with fractions between two; None where each shows its own.
    """

    weights: "csr_array"
    edges_hz: np.ndarray
    positions: np.ndarray | None = None


class Spectrogram(SoundConverter):
    """Time to the right, frequency upwards, the louder the brighter.

    Parameters
    ----------
    window_s
        Length of the window of each spectrum; rounded up to a length that the FFT is fast at.
    hop_s
        From one spectrum to the next. Where there are more spectra than columns their power is averaged,
        where there are fewer their levels are interpolated.
    n_fft, hop_length
        Window and hop in samples, where they shall be the same at all rates; None takes `window_s` and `hop_s`.
    quantity
        What is summed in a band and averaged over time: `power`, or `magnitude`, in which one loud bin or
        moment outweighs the others less.
    scaling
        `db`, decibels, or `pcen`: each band over its own recent mean, which takes away what is steady, such as
        hum and hiss, and shows what begins. The formula and the paper stand with `levels.pcen_blocks`.
    pcen_time_s
        How long a sound takes to become a part of the mean.
    pcen_gain
        How much of the mean is taken away: 0 is nothing, 1 makes all steady sounds alike, however loud.
    delta
        0 draws the level; 1 its first derivative over time, 2 the second one, with grey as zero, white as rising
        and black as falling, fitted to nine columns as `levels.delta` says.

    Notes
    -----
    With `reference=full_scale` white is what a sine gives where bands are narrowest; with `pcen` a full-scale sine
    out of silence. Only `db` has a floor.

    See Also
    --------
    SoundConverter : the other parameters.
    """

    window_s: Annotated[float, Between(above=0, high=60)] = 0.046
    hop_s: Annotated[float, Between(above=0, high=60)] = 0.01
    n_fft: Annotated[int, Between(16, 1 << 20)] | None = None
    hop_length: Annotated[int, Between(1, 1 << 24)] | None = None
    quantity: Quantity = "power"
    scaling: Literal["db", "pcen"] = "db"
    pcen_time_s: Annotated[float, Between(0.001, 60)] = 0.4
    pcen_gain: Annotated[float, Between(0, 1)] = 0.98
    delta: Literal[0, 1, 2] = 0

    @abstractmethod
    def _bands(self, rate_hz: float, n_fft: int, high_hz: float) -> Bands:
        """Return the rows of the image for a sampling rate and a length of the FFT."""

    def _convert(self, signal: Audio) -> Image:
        samples, rate_hz = self._fitted(signal), signal.rate_hz
        bands = self._bands(rate_hz, self._n_fft(rate_hz), self._high_hz(signal))
        chosen = mixes(self.channel, samples, most=height_width(self.size)[0])
        # With the peak as full scale neither the faintest nor the loudest sound leaves float32 when squared.
        peak = min(max(float(samples.max()), -float(samples.min()), 1e-37), 1e37)
        values = [self._values(samples, mix.weights / peak, bands, rate_hz, peak) for mix in chosen]
        white = self._white(values, bands, rate_hz, peak)
        parts = [self._brightness(value, white, bands, samples.shape[1], rate_hz) for value in values]
        axes = self._axes(signal, samples.shape[1], bands.edges_hz)
        if self.channel != "stack":
            return Image(shades(parts[0])[::-1, :, None].copy(), axes)
        layout = stacked(axes, tuple(mix.name for mix in chosen))
        return Image(shades(_stack(parts))[:, :, None], layout)

    def _values(
        self, samples: np.ndarray, mix: np.ndarray, bands: Bands, rate_hz: float, peak: float
    ) -> np.ndarray:
        """Return what is in each band over time, (n_bands, at most as many as the image has columns)."""
        hop_length, weights = self._hop_length(rate_hz), bands.weights
        blocks = band_blocks(
            samples,
            weights,
            n_fft=self._n_fft(rate_hz),
            hop_length=hop_length,
            mix=mix,
            quantity=self.quantity,
        )
        if self.scaling == "pcen":
            scale = float(peak) ** self._exponent
            blocks = pcen_blocks(blocks, weight=self._pcen_weight(rate_hz), gain=self.pcen_gain, scale=scale)
        columns = height_width(self.size)[1]
        return on_columns(blocks, n_samples=samples.shape[1], hop_length=hop_length, columns=columns)

    def _white(self, values: list[np.ndarray], bands: Bands, rate_hz: float, peak: float) -> float:
        """Return the value that is white."""
        if self.reference == "loudest":
            return max(float(value.max()) for value in values)
        # A sine of amplitude 1 is a quarter of the window's length in its bin, for a Hann window.
        full = (self._n_fft(rate_hz) / 4) ** self._exponent * float(bands.weights.max())
        full /= self._gain**self._exponent
        if self.scaling == "pcen":
            return compressed_peak(full, weight=self._pcen_weight(rate_hz), gain=self.pcen_gain)
        return full / float(peak) ** self._exponent

    def _brightness(
        self, values: np.ndarray, white: float, bands: Bands, n_samples: int, rate_hz: float
    ) -> np.ndarray:
        """Return brightness from 0 to 1, (height, width), the lowest frequency first."""
        if self.scaling == "db":
            level_db = decibels(values, floor_db=self.floor_db, reference=white, quantity=self.quantity)
            brightness = 1 - level_db / np.float32(self.floor_db)
        else:
            brightness = np.minimum(values / np.float32(white or 1.0), 1)
        if self.delta:
            brightness = changes(brightness, order=self.delta)
        if bands.positions is not None:
            brightness = interpolate(brightness, bands.positions, axis=0)
        columns = height_width(self.size)[1]
        if brightness.shape[1] < columns:
            centres = (np.arange(columns) + 0.5) / columns * n_samples / self._hop_length(rate_hz)
            brightness = interpolate(brightness, centres, axis=1)
        return brightness

    def _axes(self, signal: Audio, n_samples: int, edges_hz: np.ndarray) -> SoundAxes:
        """Return what columns and rows stand for, with the rows' borders from the lowest frequency on."""
        first, columns = self._first(signal), height_width(self.size)[1]
        times = np.linspace(first, first + n_samples, columns + 1) / signal.rate_hz
        frequency = Axis("frequency", "Hz", edges_hz[::-1].copy())
        return SoundAxes(Axis("time", "s", times), frequency, signal.duration_s, self.fill)

    def _fitted(self, signal: Audio) -> np.ndarray:
        """Return the samples of every channel, as many as `duration_s` says."""
        samples, held = signal.samples, signal.samples.shape[1]
        wanted, first = self._wanted(signal), self._first(signal)
        if wanted <= held:
            return samples[:, first : first + wanted]
        if self.fill == "repeat":
            return np.tile(samples, -(-wanted // held))[:, :wanted]
        return np.pad(samples, ((0, 0), (0, wanted - held)))

    def _n_fft(self, rate_hz: float) -> int:
        from scipy.fft import next_fast_len

        return self.n_fft or int(next_fast_len(max(16, round(self.window_s * rate_hz)), real=True))

    def _hop_length(self, rate_hz: float) -> int:
        return self.hop_length or max(1, round(self.hop_s * rate_hz))

    @property
    def _exponent(self) -> int:
        """The power of the amplitude that is drawn."""
        return 2 if self.quantity == "power" else 1

    def _pcen_weight(self, rate_hz: float) -> float:
        return smoothing(self.pcen_time_s * rate_hz / self._hop_length(rate_hz))


def changes(brightness: np.ndarray, *, order: int) -> np.ndarray:
    """Return the derivative of brightness over time as brightness, with one half as zero.

    White is half of what a leap from 0 to 1 between two columns gives; steeper changes are white, too.

    Examples
    --------
    >>> changes(np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]), order=1)[0, 4:6]
    array([1., 1.])
    """
    leap = np.repeat([[0.0, 1.0]], 9, axis=1)
    steepest = delta(leap, order=order).max() * _STEEPEST
    grey_at_zero: np.ndarray = (1 + delta(brightness, order=order) / steepest) / 2
    return grey_at_zero.clip(0, 1)


def _stack(parts: list[np.ndarray]) -> np.ndarray:
    """Put images above each other, with high frequencies on top, on as many rows as one of them has."""
    size, rows = len(parts[0]), []
    for part, height in zip(parts, heights(size, len(parts)), strict=True):
        shares = overlaps(np.arange(size + 1.0), np.linspace(0, size, height + 1)) * np.float32(height / size)
        rows.append((shares @ part)[::-1])
    return np.concatenate(rows)


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
        rows = height_width(self.size)[0]
        return linear_bands(rate_hz=rate_hz, n_fft=n_fft, ends_hz=(self.low_hz, high_hz), n_rows=rows)


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
    positions = ((edges_hz[1:] + edges_hz[:-1]) / 2 / bin_hz).clip(0, n_bins)
    first, last = int(positions[0]), min(int(positions[-1]) + 1, n_bins)
    return Bands(every[first : last + 1], edges_hz, positions - first)
