"""Sounds from a seed: engines, birds and rain, two seconds each, as 16-bit WAV."""

import io
from collections.abc import Callable

import numpy as np

RATE_HZ = 16_000
LENGTH_S = 2.0
_TIME_S = np.arange(int(RATE_HZ * LENGTH_S)) / RATE_HZ


def engine(rng: np.random.Generator) -> np.ndarray:
    """Return harmonics of a pitch that wavers, as (n,) samples about 1 in size."""
    pitch_hz = rng.uniform(35, 110) * (1 + rng.uniform(0.02, 0.12) * _wander(rng))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    order = np.arange(1, int(rng.integers(15, 60)))
    loudness = rng.uniform(0.3, 1, len(order)) / order ** rng.uniform(0.6, 1.4)
    hum = sum(a * np.sin(k * phase + rng.uniform(0, 6.28)) for k, a in zip(order, loudness, strict=True))
    return _unit(np.asarray(hum)) + rng.uniform(0.2, 0.9) * _coloured_noise(rng, rng.uniform(0.3, 1.2))


def bird(rng: np.random.Generator) -> np.ndarray:
    """Return whistles and chirps that sweep, over the wind, as (n,) samples."""
    song = np.zeros(len(_TIME_S))
    for _ in range(int(rng.integers(2, 9))):
        length = int(RATE_HZ * rng.uniform(0.06, 0.35))
        start = int(rng.integers(0, len(song) - length))
        song[start : start + length] += _chirp(rng, length)
    wind = _coloured_noise(rng, rng.uniform(0.2, 1.5))
    return np.asarray(song / np.abs(song).max() + rng.uniform(0.1, 0.5) * wind)


def rain(rng: np.random.Generator) -> np.ndarray:
    """Return a hiss with drops in it, as (n,) samples."""
    hiss = _coloured_noise(rng, rng.uniform(-0.2, 0.9))
    drops = np.zeros(len(_TIME_S))
    for start in rng.integers(0, len(drops) - 800, int(rng.integers(30, 250))):
        decay = np.exp(-np.arange(800) / rng.uniform(20, 150))
        drops[start : start + 800] += rng.exponential(1.0) * decay * rng.standard_normal(800)
    return hiss + rng.uniform(0.3, 1.2) * _unit(drops)


def _chirp(rng: np.random.Generator, length: int) -> np.ndarray:
    """Return one note: from one pitch to another, bent on the way, swelling and dying."""
    progress = np.linspace(0, 1, length)
    low_hz, high_hz = rng.uniform(1200, 6500, 2)
    pitch_hz = (
        low_hz
        + (high_hz - low_hz) * progress ** rng.uniform(0.5, 2)
        + rng.uniform(0, 400) * np.sin(2 * np.pi * rng.uniform(0, 6) * progress)
    )
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    overtone = rng.uniform(0, 0.3) * (pitch_hz < RATE_HZ / 4)
    note = np.sin(phase) + overtone * np.sin(2 * phase)
    return np.asarray(rng.uniform(0.4, 1) * np.sin(np.pi * progress) ** 0.7 * note)


def _wander(rng: np.random.Generator) -> np.ndarray:
    """Return a slow curve between -1 and 1."""
    knots = rng.uniform(-1, 1, 9)
    return np.interp(_TIME_S, np.linspace(0, LENGTH_S, len(knots)), knots)


def _coloured_noise(rng: np.random.Generator, slope: float) -> np.ndarray:
    """Return noise of unit size whose amplitude falls as frequency to the power of `slope`."""
    spectrum = np.fft.rfft(rng.standard_normal(len(_TIME_S)))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20.0) ** slope
    return _unit(np.fft.irfft(spectrum, len(_TIME_S)))


def _unit(samples: np.ndarray) -> np.ndarray:
    return np.asarray(samples / samples.std())


def to_wav(samples: np.ndarray, rng: np.random.Generator) -> bytes:
    """Write samples, as loud as chance has it, as a 16-bit WAV file."""
    from scipy.io import wavfile

    loud = samples / np.abs(samples).max() * rng.uniform(0.2, 0.9)
    file = io.BytesIO()
    wavfile.write(file, RATE_HZ, np.round(loud * 32767).astype(np.int16))
    return file.getvalue()


def _file_of(sound: Callable[[np.random.Generator], np.ndarray]) -> Callable[[np.random.Generator], bytes]:
    return lambda rng: to_wav(sound(rng), rng)


CLASSES = {sound.__name__: _file_of(sound) for sound in (bird, engine, rain)}
