"""Augmentations: changed copies of raw signals, of every kind.

An augmentation is named by what it does to the raw signal, and draws from a generator that it is given: the same
generator, the same change.
"""

import dataclasses
import random
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Annotated, Any, ClassVar, TypeVar, dataclass_transform

import numpy as np

from phosphene.converters import Audio, Between, Binary, MouseTrace, Series, Signal, SignalError
from phosphene.converters.core.converter import check_parameters
from phosphene.converters.core.signal import Kind

Share = Annotated[float, Between(0, 1)]
Factor = Annotated[float, Between(0, 0.9)]


@dataclass_transform(kw_only_default=True, frozen_default=True)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation(ABC):
    """Signal and random generator in, changed signal out; neither the signal nor any global seed is touched.

    Class data of a subclass: `name` (in the registry), `accepts` (the signal class), and `version`, a number to raise
    when the same generator gives another change than before. Its parameters are annotated fields, checked as those of
    a converter.
    """

    name: ClassVar[str]
    accepts: ClassVar[type[Signal]]
    version: ClassVar[int] = 1

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)

    def __post_init__(self) -> None:
        check_parameters(self)

    def __call__(self, signal: Signal, rng: np.random.Generator) -> Signal:
        """Return a changed copy.

        Raises
        ------
        SignalError
            The signal is of another kind.
        """
        if not isinstance(signal, self.accepts):
            raise SignalError(f"{self.name} changes {self.accepts.kind} signals, got {type(signal).__name__}")
        return self._change(signal, rng)

    @property
    def spec(self) -> str:
        """The shortest text that `parse_augmentations` turns into this augmentation: `gain(most_db=6.0)`."""
        fields = dataclasses.fields(self)
        values = {f.name: getattr(self, f.name) for f in fields if getattr(self, f.name) != f.default}
        inside = ",".join(f"{name}={value}" for name, value in values.items())
        return f"{self.name}({inside})" if inside else self.name

    @property
    def config(self) -> dict[str, Any]:
        """Everything that decides the change but chance, as JSON takes it."""
        return {"name": self.name, "version": self.version, "parameters": dataclasses.asdict(self)}

    @abstractmethod
    def _change(self, signal: Any, rng: np.random.Generator) -> Signal:
        """Return a changed copy of a signal that is of the accepted kind."""


Registered = TypeVar("Registered", bound=type[Augmentation])
registered: dict[tuple[Kind, str], type[Augmentation]] = {}


def register_augmentation(augmentation: Registered) -> Registered:
    """Make an augmentation known by its name; used as a decorator of the class."""
    registered[augmentation.accepts.kind, augmentation.name] = augmentation
    return augmentation


def random_span(count: int, most: float, rng: np.random.Generator) -> slice:
    """Return a span of at most this share of `count` samples, wherever it fits."""
    length = round(rng.uniform(0, most) * count)
    start = int(rng.integers(0, count - length + 1))
    return slice(start, start + length)


def sampled(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return float64 (channels, n) at positions between samples, on straight lines; NaN where the nearest sample is.

    A channel of which only missing samples would be left is drawn through instead, for a signal must hold something.

    Examples
    --------
    >>> sampled(np.array([[0.0, np.nan, 4.0, 6.0]]), np.array([0.4, 1.0, 2.5])).tolist()
    [[0.8, nan, 5.0]]
    """
    lines = []
    for channel in values.astype(np.float64):
        present = ~np.isnan(channel)
        line = np.interp(positions, np.flatnonzero(present), channel[present])
        missing = ~present[np.rint(positions).astype(int)]
        lines.append(line if missing.all() else np.where(missing, np.nan, line))
    return np.stack(lines)


@register_augmentation
class TimeShift(Augmentation):
    """Sound begins later or earlier, by a share of `most` at most, and what is pushed over an end comes at the other.

    Examples
    --------
    >>> TimeShift()(Audio([1.0, 2.0, 3.0, 4.0], 4), np.random.default_rng(0)).samples.tolist()
    [[4.0, 1.0, 2.0, 3.0]]
    """

    name: ClassVar[str] = "time_shift"
    accepts: ClassVar[type[Signal]] = Audio

    most: Share = 0.5

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        reach = self.most * signal.samples.shape[1]
        return replace(signal, samples=np.roll(signal.samples, round(rng.uniform(-reach, reach)), axis=1))


@register_augmentation
class Gain(Augmentation):
    """Sound becomes louder or fainter, by at most `most_db`.

    Examples
    --------
    >>> louder = Gain(most_db=6)(Audio([0.5, -0.5], 4), np.random.default_rng(0))
    >>> [round(float(sample), 2) for sample in louder.samples[0]]
    [0.6, -0.6]
    """

    name: ClassVar[str] = "gain"
    accepts: ClassVar[type[Signal]] = Audio

    most_db: Annotated[float, Between(0, 60)] = 12.0

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        factor = 10 ** (rng.uniform(-self.most_db, self.most_db) / 20)
        return replace(signal, samples=signal.samples * np.float32(factor))


@register_augmentation
class BackgroundNoise(Augmentation):
    """White noise behind the sound, at a ratio from `low_db` to `high_db` of signal to noise; silence stays silent.

    Examples
    --------
    >>> noisy = BackgroundNoise(low_db=20, high_db=20)(Audio(np.ones(8000), 8000), np.random.default_rng(0))
    >>> round(float(noisy.samples.std()), 2)
    0.1
    """

    name: ClassVar[str] = "noise"
    accepts: ClassVar[type[Signal]] = Audio

    low_db: Annotated[float, Between(-60, 120)] = 10.0
    high_db: Annotated[float, Between(-60, 120)] = 40.0

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        low_db, high_db = sorted((self.low_db, self.high_db))
        ratio_db = rng.uniform(low_db, high_db)
        level = np.sqrt(np.mean(np.square(signal.samples, dtype=np.float64))) / 10 ** (ratio_db / 20)
        noise = rng.standard_normal(signal.samples.shape, np.float32) * np.float32(level)
        return replace(signal, samples=signal.samples + noise)


@register_augmentation
class TimeMask(Augmentation):
    """A span of the sound, a share of `most` at most, is silent (Park et al. 2019, doi:10.21437/Interspeech.2019-2680).

    Examples
    --------
    >>> TimeMask(most=0.9)(Audio(np.ones(8), 8), np.random.default_rng(0)).samples.tolist()
    [[1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """

    name: ClassVar[str] = "time_mask"
    accepts: ClassVar[type[Signal]] = Audio

    most: Share = 0.2

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        samples = signal.samples.copy()
        samples[:, random_span(samples.shape[1], self.most, rng)] = 0
        return replace(signal, samples=samples)


@register_augmentation
class FrequencyMask(Augmentation):
    """A band of frequencies is silent (Park et al. 2019, https://doi.org/10.21437/Interspeech.2019-2680).

    Parameters
    ----------
    most_octaves
        Widest band; its middle lies between 50 Hz and half the rate, in even chance for every octave.

    Examples
    --------
    >>> masked = FrequencyMask()(Audio(np.eye(1, 8000), 8000), np.random.default_rng(0))
    >>> silent_hz = np.flatnonzero(abs(np.fft.rfft(masked.samples[0])) < 1e-3)
    >>> int(silent_hz[0]), int(silent_hz[-1])
    (743, 894)
    """

    name: ClassVar[str] = "frequency_mask"
    accepts: ClassVar[type[Signal]] = Audio

    most_octaves: Annotated[float, Between(0, 10)] = 1.0

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        from scipy.fft import irfft, rfft, rfftfreq

        count = signal.samples.shape[1]
        half_hz = signal.rate_hz / 2
        middle_hz = 2 ** rng.uniform(*np.log2(sorted((min(50.0, half_hz), half_hz))))
        reach = 2 ** (rng.uniform(0, self.most_octaves) / 2)
        spectrum = rfft(signal.samples, axis=1)
        frequency_hz = rfftfreq(count, 1 / signal.rate_hz)
        spectrum[:, (frequency_hz > middle_hz / reach) & (frequency_hz < middle_hz * reach)] = 0
        return replace(signal, samples=irfft(spectrum, count, axis=1))


@register_augmentation
class Pitch(Augmentation):
    """Sound is higher or lower by at most `most_semitones`, as long as before (librosa's phase vocoder).

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> higher = Pitch()(Audio(tone, 8000), np.random.default_rng(0))
    >>> int(abs(np.fft.rfft(higher.samples[0])).argmax())
    1032
    """

    name: ClassVar[str] = "pitch"
    accepts: ClassVar[type[Signal]] = Audio

    most_semitones: Annotated[float, Between(0, 24)] = 2.0

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        steps, count = rng.uniform(-self.most_semitones, self.most_semitones), signal.samples.shape[1]
        if count < 4:  # too short for a window, and for a pitch
            return signal
        before = random.getstate()  # what librosa imports at its first use draws from the global generator
        import librosa

        shifted = librosa.effects.pitch_shift(
            signal.samples, sr=round(signal.rate_hz), n_steps=steps, n_fft=min(2048, count)
        )
        random.setstate(before)
        return replace(signal, samples=shifted)


@register_augmentation
class Speed(Augmentation):
    """Sound is faster and higher, or slower and lower, by a share of `most` at most, as a record at the wrong speed.

    Examples
    --------
    >>> Speed()(Audio(np.arange(1000.0), 1000), np.random.default_rng(0)).duration_s
    0.961
    """

    name: ClassVar[str] = "speed"
    accepts: ClassVar[type[Signal]] = Audio

    most: Factor = 0.15

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        count = signal.samples.shape[1]
        wanted = max(1, round(count / (1 + rng.uniform(-self.most, self.most))))
        return replace(signal, samples=sampled(signal.samples, np.linspace(0, count - 1, wanted)))


@register_augmentation
class Jitter(Augmentation):
    """Every sample is off by `deviation` deviations of its channel (Um et al. 2017, doi:10.1145/3136755.3136817).

    Examples
    --------
    >>> jittered = Jitter()(Series([0.0, 1.0, 2.0]), np.random.default_rng(0))
    >>> jittered.values.astype(float).round(3).tolist()
    [[0.003, 0.997, 2.016]]
    """

    name: ClassVar[str] = "jitter"
    accepts: ClassVar[type[Signal]] = Series

    deviation: Annotated[float, Between(0, 10)] = 0.03

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        values = signal.values
        spread = np.nanstd(values, axis=1, keepdims=True, dtype=np.float64)
        return replace(signal, values=values + self.deviation * spread * rng.standard_normal(values.shape))


@register_augmentation
class Scaling(Augmentation):
    """Every channel is multiplied by a number near 1, off by `deviation` (Um et al. 2017, doi:10.1145/3136755.3136817).

    Examples
    --------
    >>> scaled = Scaling()(Series([[1.0, 2.0], [1.0, 2.0]]), np.random.default_rng(0))
    >>> scaled.values.astype(float).round(2).tolist()
    [[1.01, 2.03], [0.99, 1.97]]
    """

    name: ClassVar[str] = "scaling"
    accepts: ClassVar[type[Signal]] = Series

    deviation: Annotated[float, Between(0, 1)] = 0.1

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        return replace(signal, values=signal.values * rng.normal(1, self.deviation, (len(signal.values), 1)))


@register_augmentation
class WindowWarp(Augmentation):
    """A span, `share` of the series, runs at half or double speed (Le Guennec et al. 2016, hal-01357973).

    Examples
    --------
    >>> warped = WindowWarp(share=0.4)(Series(np.arange(9.0)), np.random.default_rng(0))
    >>> warped.values.astype(float).round(1).tolist()
    [[0.0, 1.4, 2.8, 3.6, 4.3, 5.0, 5.7, 6.7, 8.0]]
    """

    name: ClassVar[str] = "window_warp"
    accepts: ClassVar[type[Signal]] = Series

    share: Annotated[float, Between(0.01, 0.9)] = 0.1

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        count = signal.values.shape[1]
        start = rng.uniform(0, 1 - self.share)
        stop, factor = start + self.share, rng.choice([0.5, 2.0])
        # Where each moment of the series lies once the span is `factor` times as long.
        position = np.linspace(0, 1, count)
        warped = position + (factor - 1) * np.clip(position - start, 0, stop - start)
        source = np.interp(np.linspace(0, warped[-1], count), warped, position)
        return replace(signal, values=sampled(signal.values, source * (count - 1)))


@register_augmentation
class WindowSlice(Augmentation):
    """A part of the series, `share` of it, drawn out to its length (Le Guennec et al. 2016, hal-01357973).

    Examples
    --------
    >>> sliced = WindowSlice(share=0.5)(Series(np.arange(9.0)), np.random.default_rng(0))
    >>> sliced.values.astype(float).round(1).tolist()
    [[2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5]]
    """

    name: ClassVar[str] = "window_slice"
    accepts: ClassVar[type[Signal]] = Series

    share: Annotated[float, Between(0.1, 1)] = 0.9

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        count = signal.values.shape[1]
        start = rng.uniform(0, 1 - self.share)
        kept = np.linspace(start, start + self.share, count) * (count - 1)
        return replace(signal, values=sampled(signal.values, kept))


@register_augmentation
class PointerShift(Augmentation):
    """The session lies elsewhere on the screen, by at most `most_px` pixels in either direction.

    Examples
    --------
    >>> moved = PointerShift()(MouseTrace([0, 1], [5, 9], [5, 5], [0, 2]), np.random.default_rng(0))
    >>> moved.x.round(1).tolist(), moved.y.round(1).tolist()
    ([32.4, 36.4], [-41.0, -41.0])
    """

    name: ClassVar[str] = "shift"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most_px: Annotated[float, Between(0, 100_000)] = 100.0

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        right, down = rng.uniform(-self.most_px, self.most_px, 2)
        return replace(signal, x=signal.x + right, y=signal.y + down)


@register_augmentation
class PointerScale(Augmentation):
    """The session is larger or smaller, around its middle, by a share of `most` at most.

    Examples
    --------
    >>> larger = PointerScale()(MouseTrace([0, 1], [0, 100], [5, 5], [0, 2]), np.random.default_rng(0))
    >>> larger.x.round(1).tolist()
    [-1.4, 101.4]
    """

    name: ClassVar[str] = "scale"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most: Factor = 0.1

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        return _turned(signal, 1 + rng.uniform(-self.most, self.most))


@register_augmentation
class Rotation(Augmentation):
    """The session is turned a little, around its middle, by at most `most_degrees` to either side.

    Examples
    --------
    >>> turned = Rotation()(MouseTrace([0, 1], [0, 100], [5, 5], [0, 2]), np.random.default_rng(0))
    >>> turned.x.round(1).tolist(), turned.y.round(1).tolist()
    ([0.1, 99.9], [2.6, 7.4])
    """

    name: ClassVar[str] = "rotation"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most_degrees: Annotated[float, Between(0, 180)] = 10.0

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        return _turned(signal, np.exp(1j * np.deg2rad(rng.uniform(-self.most_degrees, self.most_degrees))))


@register_augmentation
class TimeScale(Augmentation):
    """The session is faster or slower, by a share of `most` at most.

    Examples
    --------
    >>> TimeScale()(MouseTrace([3, 4], [5, 9], [5, 5], [0, 2]), np.random.default_rng(0)).time_s.round(2).tolist()
    [3.0, 4.05]
    """

    name: ClassVar[str] = "time_scale"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most: Factor = 0.2

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        first_s = signal.time_s[0]
        factor = 1 + rng.uniform(-self.most, self.most)
        return replace(signal, time_s=first_s + (signal.time_s - first_s) * factor)


def _turned(signal: MouseTrace, factor: complex) -> MouseTrace:
    """Multiply the way from the middle of a session, as complex numbers."""
    middle = (signal.x.min() + signal.x.max() + 1j * (signal.y.min() + signal.y.max())) / 2
    turned = middle + (signal.x + 1j * signal.y - middle) * factor
    return replace(signal, x=turned.real, y=turned.imag)


@register_augmentation
class ByteMask(Augmentation):
    """A range of bytes, a share of `most` of the file at most, is zero.

    Examples
    --------
    >>> ByteMask(most=0.9)(Binary(b"12345678"), np.random.default_rng(0)).data.tolist()
    [49, 50, 0, 0, 0, 0, 0, 56]
    """

    name: ClassVar[str] = "byte_mask"
    accepts: ClassVar[type[Signal]] = Binary

    most: Share = 0.1

    def _change(self, signal: Binary, rng: np.random.Generator) -> Binary:
        data = np.array(signal.data)
        data[random_span(len(data), self.most, rng)] = 0
        return replace(signal, data=data)
