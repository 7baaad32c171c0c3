"""Signals of two classes that one planted thing alone tells apart: a tone burst, a step, clicks, a pattern of bytes.

An explanation of such a class has a truth: the stretch in which the thing was planted.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from phosphene.converters import Audio, Binary, MouseTrace, Series, Signal
from phosphene.converters.core.signal import Kind

BACKGROUND, PLANTED = "background", "planted"


@dataclass(frozen=True)
class Planted:
    """A signal, and where the thing is that makes its class; None where there is none.

    Parameters
    ----------
    signal
        The signal.
    stretch
        In seconds of sound, samples, events or bytes, half-open.
    """

    signal: Signal
    stretch: tuple[float, float] | None

    @property
    def label(self) -> str:
        """The class."""
        return BACKGROUND if self.stretch is None else PLANTED


def plant(kind: Kind, count: int, *, seed: int = 0) -> list[Planted]:
    """Make signals of a kind, those of the two classes in turn.

    Examples
    --------
    >>> [one.label for one in plant("series", 2)]
    ['background', 'planted']
    """
    rng = np.random.default_rng(seed)
    return [_MAKERS[kind](rng, index % 2 == 1) for index in range(count)]


def _sound(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 2 s of noise; a quarter of a second of a tone, some 10 dB above the noise in its band."""
    rate_hz = 8000
    samples = 0.05 * rng.standard_normal(2 * rate_hz)
    start = int(rng.uniform(0.1, 1.65) * rate_hz)
    time_s = np.arange(rate_hz // 4) / rate_hz
    if with_it:
        tone = np.sin(2 * np.pi * rng.uniform(800, 3000) * time_s) * np.hanning(len(time_s)) ** 0.25
        samples[start : start + len(tone)] += 0.15 * tone
    return Planted(Audio(samples, rate_hz), (start / rate_hz, start / rate_hz + 0.25) if with_it else None)


def _series(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 300 samples of a slow wave with noise; a step up, and down again after 40 samples."""
    count, width = 300, 40
    phase = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / rng.uniform(60, 120)
    values = np.sin(phase) + 0.2 * rng.standard_normal(count)
    start = int(rng.integers(10, count - width - 10))
    if with_it:
        values[start : start + width] += 2.5
    return Planted(Series(values), (start, start + width) if with_it else None)


def _session(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 150 movements along a smooth way; six clicks in a row at one place."""
    count, clicks = 150, 12
    turns = np.cumsum(rng.normal(0, 0.25, count))
    x = 960 + np.cumsum(8 * np.cos(turns))
    y = 540 + np.cumsum(8 * np.sin(turns))
    event = np.zeros(count, np.uint8)
    start = int(rng.integers(5, count - clicks - 5))
    if with_it:
        x[start : start + clicks], y[start : start + clicks] = x[start], y[start]
        event[start : start + clicks] = [2, 3] * (clicks // 2)
    time_s = np.cumsum(rng.uniform(0.01, 0.03, count))
    return Planted(
        MouseTrace(time_s, x, y, event, (1920, 1080)), (start, start + clicks) if with_it else None
    )


def _file(rng: np.random.Generator, with_it: bool) -> Planted:
    """Return 16 kB of words and noise; 1.5 kB that repeat a pattern of eight bytes."""
    words = [bytes(rng.integers(97, 123, rng.integers(3, 9)).astype(np.uint8)) for _ in range(60)]
    text = b" ".join(words[index] for index in rng.integers(0, 60, 2000))[:8192]
    data = np.frombuffer(text + rng.bytes(16384 - len(text)), np.uint8).copy()
    length = 1536
    start = int(rng.integers(0, len(data) - length))
    if with_it:
        pattern = np.array([0xFE, 0x01, 0xFD, 0x02, 0xFE, 0x03, 0xFB, 0x04], np.uint8)
        data[start : start + length] = np.tile(pattern, length // 8)
    return Planted(Binary(data), (start, start + length) if with_it else None)


_MAKERS: dict[Kind, Callable[[np.random.Generator, bool], Planted]] = {
    "audio": _sound,
    "series": _series,
    "mouse": _session,
    "binary": _file,
}
