"""The augmentations of sound, named by what they do to it."""

import random
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np

from phosphene.converters import Audio, Between, Signal

from .base import Augmentation, Factor, Share, register_augmentation, sampled, stretch


@register_augmentation
class TimeShift(Augmentation):
    """Sound begins later, and what is pushed over its end comes first.

    Parameters
    ----------
    most
        Largest shift to either side, as a share of the length.

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
    """Sound becomes louder or fainter.

    Parameters
    ----------
    most_db
        Largest change in either direction.

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
    """White noise behind the sound.

    Parameters
    ----------
    low_db, high_db
        Between what ratios of signal to noise one is drawn; silence stays silent.

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
    """A stretch of the sound is silent (Park et al. 2019, https://doi.org/10.21437/Interspeech.2019-2680).

    Parameters
    ----------
    most
        Longest stretch, as a share of the length.

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
        samples[:, stretch(samples.shape[1], self.most, rng)] = 0
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
    """Sound is higher or lower, as long as before (librosa's phase vocoder).

    Parameters
    ----------
    most_semitones
        Largest change in either direction.

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
    """Sound is faster and higher, or slower and lower, as a record at the wrong speed.

    Parameters
    ----------
    most
        Largest change, as a share of the speed.

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
