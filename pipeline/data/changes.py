"""The augmentations of each kind, named by what they do to the raw signal."""

import random
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np

from phosphene.converters import Audio, Between, Binary, MouseTrace, Series, Signal

from .augment import Augmentation, register_augmentation

Share = Annotated[float, Between(0, 1)]
Factor = Annotated[float, Between(0, 0.9)]


@register_augmentation
class TimeShift(Augmentation):
    """Sound begins later, and what is pushed over its end comes first.

    Parameters
    ----------
    most
        Largest shift to either side, as a share of the length.
    """

    name: ClassVar[str] = "time_shift"
    accepts: ClassVar[type[Signal]] = Audio

    most: Share = 0.5

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        reach = self.most * signal.samples.shape[1]
        return replace(signal, samples=np.roll(signal.samples, round(rng.uniform(-reach, reach)), axis=1))


@register_augmentation
class Gain(Augmentation):
    """Sound becomes louder or fainter.

    Parameters
    ----------
    most_db
        Largest change in either direction.
    """

    name: ClassVar[str] = "gain"
    accepts: ClassVar[type[Signal]] = Audio

    most_db: Annotated[float, Between(0, 60)] = 12.0

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        factor = 10 ** (rng.uniform(-self.most_db, self.most_db) / 20)
        return replace(signal, samples=signal.samples * np.float32(factor))


@register_augmentation
class BackgroundNoise(Augmentation):
    """White noise behind the sound.

    Parameters
    ----------
    low_db, high_db
        Between what ratios of signal to noise one is drawn; silence stays silent.
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
    """A stretch of the sound is silent (Park et al. 2019, https://doi.org/10.21437/Interspeech.2019-2680).

    Parameters
    ----------
    most
        Longest stretch, as a share of the length.
    """

    name: ClassVar[str] = "time_mask"
    accepts: ClassVar[type[Signal]] = Audio

    most: Share = 0.2

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        samples = signal.samples.copy()
        samples[:, _stretch(samples.shape[1], self.most, rng)] = 0
        return replace(signal, samples=samples)


@register_augmentation
class FrequencyMask(Augmentation):
    """A band of frequencies is silent (Park et al. 2019, https://doi.org/10.21437/Interspeech.2019-2680).

    Parameters
    ----------
    most_octaves
        Widest band; its middle lies between 50 Hz and half the rate, in even chance for every octave.
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
    """Sound is higher or lower, as long as before (librosa's phase vocoder).

    Parameters
    ----------
    most_semitones
        Largest change in either direction.
    """

    name: ClassVar[str] = "pitch"
    accepts: ClassVar[type[Signal]] = Audio

    most_semitones: Annotated[float, Between(0, 24)] = 2.0

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        steps = rng.uniform(-self.most_semitones, self.most_semitones)
        before = random.getstate()  # what librosa imports at its first use draws from the global generator
        import librosa

        shifted = librosa.effects.pitch_shift(
            signal.samples,
            sr=round(signal.rate_hz),
            n_steps=steps,
            n_fft=min(2048, signal.samples.shape[1]),
        )
        random.setstate(before)
        return replace(signal, samples=shifted)


@register_augmentation
class Speed(Augmentation):
    """Sound is faster and higher, or slower and lower, as a record at the wrong speed.

    Parameters
    ----------
    most
        Largest change, as a share of the speed.
    """

    name: ClassVar[str] = "speed"
    accepts: ClassVar[type[Signal]] = Audio

    most: Factor = 0.15

    def _change(self, signal: Audio, rng: np.random.Generator) -> Audio:
        count = signal.samples.shape[1]
        wanted = max(1, round(count / (1 + rng.uniform(-self.most, self.most))))
        return replace(signal, samples=_sampled(signal.samples, np.linspace(0, count - 1, wanted)))


@register_augmentation
class Jitter(Augmentation):
    """Every sample is off by a little (Um et al. 2017, https://doi.org/10.1145/3136755.3136817).

    Parameters
    ----------
    deviation
        Standard deviation of what is added, in standard deviations of the channel.
    """

    name: ClassVar[str] = "jitter"
    accepts: ClassVar[type[Signal]] = Series

    deviation: Annotated[float, Between(0, 10)] = 0.03

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        spread = np.nanstd(signal.values, axis=1, keepdims=True, dtype=np.float64)
        return replace(
            signal, values=signal.values + self.deviation * spread * rng.standard_normal(signal.values.shape)
        )


@register_augmentation
class Scaling(Augmentation):
    """Every channel is multiplied by a number near 1 (Um et al. 2017, https://doi.org/10.1145/3136755.3136817).

    Parameters
    ----------
    deviation
        Standard deviation of the number.
    """

    name: ClassVar[str] = "scaling"
    accepts: ClassVar[type[Signal]] = Series

    deviation: Annotated[float, Between(0, 1)] = 0.1

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        return replace(signal, values=signal.values * rng.normal(1, self.deviation, (len(signal.values), 1)))


@register_augmentation
class WindowWarp(Augmentation):
    """A stretch runs at half or double speed; the length stays (Le Guennec et al. 2016, hal-01357973).

    Parameters
    ----------
    share
        Length of the stretch, as a share of the series.
    """

    name: ClassVar[str] = "window_warp"
    accepts: ClassVar[type[Signal]] = Series

    share: Annotated[float, Between(0.01, 0.9)] = 0.1

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        count = signal.values.shape[1]
        start = rng.uniform(0, 1 - self.share)
        stop, factor = start + self.share, rng.choice([0.5, 2.0])
        # Where each moment of the series lies once the stretch is `factor` times as long.
        place = np.linspace(0, 1, count)
        warped = place + (factor - 1) * np.clip(place - start, 0, stop - start)
        source = np.interp(np.linspace(0, warped[-1], count), warped, place)
        return replace(signal, values=_sampled(signal.values, source * (count - 1)))


@register_augmentation
class WindowSlice(Augmentation):
    """A part of the series, stretched to its length (Le Guennec et al. 2016, hal-01357973).

    Parameters
    ----------
    share
        How much of the series is kept.
    """

    name: ClassVar[str] = "window_slice"
    accepts: ClassVar[type[Signal]] = Series

    share: Annotated[float, Between(0.1, 1)] = 0.9

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        count = signal.values.shape[1]
        start = rng.uniform(0, 1 - self.share)
        return replace(
            signal,
            values=_sampled(signal.values, np.linspace(start, start + self.share, count) * (count - 1)),
        )


@register_augmentation
class PointerShift(Augmentation):
    """The session lies elsewhere on the screen.

    Parameters
    ----------
    most_px
        Largest shift in either direction, in pixels of the screen.
    """

    name: ClassVar[str] = "shift"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most_px: Annotated[float, Between(0, 100_000)] = 100.0

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        right, down = rng.uniform(-self.most_px, self.most_px, 2)
        return replace(signal, x=signal.x + right, y=signal.y + down)


@register_augmentation
class PointerScale(Augmentation):
    """The session is larger or smaller, around its middle.

    Parameters
    ----------
    most
        Largest change, as a share of the size.
    """

    name: ClassVar[str] = "scale"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most: Factor = 0.1

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        return _turned(signal, 1 + rng.uniform(-self.most, self.most))


@register_augmentation
class Rotation(Augmentation):
    """The session is turned a little, around its middle.

    Parameters
    ----------
    most_degrees
        Largest angle to either side.
    """

    name: ClassVar[str] = "rotation"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most_degrees: Annotated[float, Between(0, 180)] = 10.0

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        return _turned(signal, np.exp(1j * np.deg2rad(rng.uniform(-self.most_degrees, self.most_degrees))))


@register_augmentation
class TimeScale(Augmentation):
    """The session is faster or slower.

    Parameters
    ----------
    most
        Largest change, as a share of its duration.
    """

    name: ClassVar[str] = "time_scale"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most: Factor = 0.2

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        first_s = signal.time_s[0]
        factor = 1 + rng.uniform(-self.most, self.most)
        return replace(signal, time_s=first_s + (signal.time_s - first_s) * factor)


@register_augmentation
class ByteMask(Augmentation):
    """A range of bytes is zero.

    Parameters
    ----------
    most
        Longest range, as a share of the file.
    """

    name: ClassVar[str] = "byte_mask"
    accepts: ClassVar[type[Signal]] = Binary

    most: Share = 0.1

    def _change(self, signal: Binary, rng: np.random.Generator) -> Binary:
        data = np.array(signal.data)
        data[_stretch(len(data), self.most, rng)] = 0
        return replace(signal, data=data)


def _stretch(count: int, most: float, rng: np.random.Generator) -> slice:
    """Return a stretch of at most this share of `count` places, wherever it fits."""
    length = round(rng.uniform(0, most) * count)
    start = int(rng.integers(0, count - length + 1))
    return slice(start, start + length)


def _sampled(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return float64 (channels, n) at places between samples, on straight lines; NaN beside a missing one."""
    every = np.arange(values.shape[1])
    return np.stack([np.interp(places, every, channel) for channel in values.astype(np.float64)])


def _turned(signal: MouseTrace, factor: complex) -> MouseTrace:
    """Multiply the way from the middle of a session, as complex numbers."""
    middle = (signal.x.min() + signal.x.max() + 1j * (signal.y.min() + signal.y.max())) / 2
    place = middle + (signal.x + 1j * signal.y - middle) * factor
    return replace(signal, x=place.real, y=place.imag)
