"""The signature of a classifier's input: what its training signals were like, and how a new one differs from them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from phosphene.converters import Audio, Binary, MouseTrace, ParameterError, Series, Signal
from phosphene.converters.audio.dsp import mean_weights
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import evenly_spaced
from phosphene.pipeline.tiles.engines import TaskError, make_engine
from phosphene.pipeline.tiles.item_map import MOST_IN_CHUNK

MOST_SIGNALS = 500
"""Training signals that are read to say what all are like, at most."""
MOST_BYTES = 1 << 28
"""Training signals that take more memory together are thinned out."""
MOST_WINDOWS = 8
"""Windows of an item that are compared with training items, at most, evenly spaced."""

CONSTANT_NOTE = "constant: nothing happens, unlike in what it learned from"

_SAME_RATE, _SAME_STEP = 1.01, 1.1
_FAR_LENGTH = 2.0  # times the longest, or the shortest by as much
_FAR_WEAKER = 10.0  # 20 dB
_CONSTANT_BYTES = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What a signal is like; None for what its kind has not.

    Parameters
    ----------
    channels, rate_hz, step_s
        Of sound and series.
    length
        Seconds of sound, samples of a series, events of a mouse, bytes.
    low, high
        The smallest and the largest value: of samples, or of positions on the screen.
    constant
        Whether nothing happens in it.
    cancelled
        Whether its channels cancel in their mean.
    """

    channels: int | None = None
    rate_hz: float | None = None
    step_s: float | None = None
    length: float | None = None
    low: float | None = None
    high: float | None = None
    constant: bool = False
    cancelled: bool = False


def facts_of(signal: Signal) -> Facts:
    """Return what a signal is like.

    Examples
    --------
    >>> facts_of(Series([1.0, 3.0, 2.0], step_s=0.5))
    Facts(channels=1, rate_hz=None, step_s=0.5, length=3, low=1.0, high=3.0, constant=False, cancelled=False)
    """
    measure = _FACTS.get(signal.kind)
    return measure(signal) if measure else Facts()


def _of_sound(sound: Audio) -> Facts:
    low, high = float(sound.samples.min()), float(sound.samples.max())
    return Facts(
        channels=len(sound.samples),
        rate_hz=sound.rate_hz,
        length=sound.duration_s,
        low=low,
        high=high,
        constant=low == high,
        cancelled=bool(mean_weights(sound.samples).max() > 1 / len(sound.samples)),
    )


def _of_series(series: Series) -> Facts:
    values = series.values[~np.isnan(series.values)]
    same = [np.ptp(row[~np.isnan(row)]) == 0 for row in series.values if not np.isnan(row).all()]
    return Facts(
        channels=len(series.values),
        step_s=series.step_s,
        length=series.values.shape[1],
        low=float(values.min()) if len(values) else None,
        high=float(values.max()) if len(values) else None,
        constant=all(same),
    )


def _of_mouse(trace: MouseTrace) -> Facts:
    still = np.ptp(trace.x) == 0 and np.ptp(trace.y) == 0 and np.ptp(trace.event) == 0
    low, high = min(trace.x.min(), trace.y.min()), max(trace.x.max(), trace.y.max())
    return Facts(length=len(trace.time_s), low=float(low), high=float(high), constant=bool(still))


def _of_binary(binary: Binary) -> Facts:
    constant = all((part == binary.data[0]).all() for part in (binary.data[:_CONSTANT_BYTES], binary.data))
    return Facts(length=len(binary.data), constant=constant)


_FACTS: dict[Kind, Callable[[Any], Facts]] = {
    "audio": _of_sound,
    "series": _of_series,
    "mouse": _of_mouse,
    "binary": _of_binary,
}
_UNITS: dict[Kind, str] = {"audio": "s", "series": "samples", "mouse": "events", "binary": "bytes"}


@dataclass(frozen=True)
class Signature:
    """What the training signals of a classifier were like.

    Parameters
    ----------
    kind
        Of the signals.
    channels, rates_hz, steps_s
        The different ones that there were, rising.
    length, values
        The smallest and the largest of all; empty where not known.
    least_range
        The smallest range of values of one signal.
    constant
        Whether there were signals in which nothing happens.
    """

    kind: Kind
    channels: tuple[int, ...] = ()
    rates_hz: tuple[float, ...] = ()
    steps_s: tuple[float, ...] = ()
    length: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    least_range: float = 0.0
    constant: bool = False

    @classmethod
    def of(cls, kind: Kind, signals: Iterable[Signal]) -> "Signature":
        """Return the signature of signals of a kind.

        Examples
        --------
        >>> Signature.of("series", [Series([1.0, 3.0]), Series([0.0, 0.5, 1.0], step_s=0.1)]).length
        (2, 3)
        """
        facts = [facts_of(signal) for signal in signals]
        ranges = [one.high - one.low for one in facts if one.low is not None and one.high is not None]
        return cls(
            kind=kind,
            channels=tuple(sorted({one.channels for one in facts if one.channels})),
            rates_hz=tuple(sorted({one.rate_hz for one in facts if one.rate_hz})),
            steps_s=tuple(sorted({one.step_s for one in facts if one.step_s})),
            length=_ends([one.length for one in facts]),
            values=_ends([end for one in facts for end in (one.low, one.high)]),
            least_range=min(ranges, default=0.0),
            constant=any(one.constant for one in facts),
        )

    @property
    def config(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Signature":
        """Make a signature again from its `config`; what a later version wrote besides is left out."""
        try:
            return TypeAdapter(cls).validate_python(config)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise ParameterError(f"signature.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error

    def other_channels(self, facts: Facts) -> str | None:
        """Say that a signal has another number of channels than those learned from; None if it has not.

        Examples
        --------
        >>> Signature("series", channels=(1,)).other_channels(Facts(channels=3))
        '3 channels, it learned from 1'
        """
        if facts.channels is None or not self.channels or facts.channels in self.channels:
            return None
        many = "" if facts.channels == 1 else "s"
        return f"{facts.channels} channel{many}, it learned from {_either(self.channels)}"

    def notes(self, facts: Facts) -> tuple[str, ...]:
        """Say in what a signal is unlike those learned from, each as what follows `it is`.

        Examples
        --------
        >>> Signature("audio", rates_hz=(44100.0,), length=(2.0, 5.0)).notes(Facts(rate_hz=8000.0, length=0.5))
        ('at 8 kHz, it learned from 44.1 kHz', 'much shorter than the 2 to 5 s that it learned from')
        """
        found = [self._constant(facts), self._rate(facts), self._step(facts), self._length(facts)]
        if not facts.constant:
            found.append(self._values(facts))
        if facts.cancelled:
            found.append("in antiphase: the channels cancel, the loudest alone is drawn")
        return tuple(note for note in found if note)

    def _constant(self, facts: Facts) -> str | None:
        if not facts.constant or self.constant:
            return None
        return CONSTANT_NOTE

    def _rate(self, facts: Facts) -> str | None:
        if not facts.rate_hz or not _differs(facts.rate_hz, self.rates_hz, _SAME_RATE):
            return None
        learned = _either([rate / 1000 for rate in self.rates_hz])
        return f"at {facts.rate_hz / 1000:g} kHz, it learned from {learned} kHz"

    def _step(self, facts: Facts) -> str | None:
        if not facts.step_s or not _differs(facts.step_s, self.steps_s, _SAME_STEP):
            return None
        return f"of steps of {facts.step_s:g} s, it learned from {_either(self.steps_s)} s"

    def _length(self, facts: Facts) -> str | None:
        if facts.length is None or not self.length:
            return None
        least, most = self.length
        usual = f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
        for word, far in (
            ("shorter", facts.length * _FAR_LENGTH < least),
            ("longer", facts.length > most * _FAR_LENGTH),
        ):
            if far:
                return f"much {word} than the {usual} {_UNITS.get(self.kind, '')} that it learned from"
        return None

    def _values(self, facts: Facts) -> str | None:
        if facts.low is None or facts.high is None or not self.values:
            return None
        low, high = self.values
        reach = high - low
        if facts.low < low - reach or facts.high > high + reach:
            return f"far outside the values from {low:.3g} to {high:.3g} that it learned from"
        if (facts.high - facts.low) * _FAR_WEAKER < self.least_range:
            return (
                f"far weaker than what it learned from, whose values differ by {self.least_range:.3g} or more"
            )
        return None


def read_some(items: Sequence[Item], kind: Kind, *, seed: int) -> dict[int, Signal]:
    """Return signals that stand for all of some items, by index: at most MOST_SIGNALS, drawn at random, in order.

    Those that cannot be read are left out: whoever draws them says why.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(items))[:MOST_SIGNALS])
    kept: dict[int, Signal] = {}
    every, size = 1, 0
    for number, index in enumerate(chosen.tolist()):
        if number % every:
            continue
        try:
            signal = items[index].read(kind)
        except Exception:  # also a fault of the reader, which is told when it is drawn
            continue
        kept[index] = signal
        size += _n_bytes(signal)
        if size > MOST_BYTES and len(kept) > 1:
            kept, every = dict(list(kept.items())[::2]), 2 * every
            size = sum(map(_n_bytes, kept.values()))
    return kept


def item_facts(
    windows: Sequence[Item], source: np.ndarray, kind: Kind, *, workers: int | None
) -> dict[int, Facts]:
    """Return what items are like, by index; one that cannot be read is missing.

    Parameters
    ----------
    windows, source
        As `cut` returns them; of each item at most MOST_WINDOWS are read, one at a time.
    kind
        As what they are read.
    workers
        How many processes; None takes one a core.
    """
    chosen: list[int] = []
    for some in np.split(np.arange(len(source)), np.flatnonzero(np.diff(source)) + 1):
        chosen += some[evenly_spaced(len(some), MOST_WINDOWS)].tolist()
    tasks = [(int(source[index]), windows[index], kind) for index in chosen]
    chunks = [tasks[first : first + MOST_IN_CHUNK] for first in range(0, len(tasks), MOST_IN_CHUNK)]
    found: dict[int, list[Facts]] = {}
    for (item, _, _), facts in make_engine("local", workers).map(_read_facts, chunks, where="here first"):
        if facts is not None and not isinstance(facts, TaskError):
            found.setdefault(item, []).append(facts)
    return {item: _joined(some) for item, some in found.items()}


def _read_facts(task: tuple[int, Item, Kind]) -> Facts | None:
    _, item, kind = task
    try:
        return facts_of(item.read(kind))
    except Exception:  # told when it is drawn
        return None


def _joined(windows: Sequence[Facts]) -> Facts:
    """Return what an item is like of which these windows were read."""
    values = _ends([end for one in windows for end in (one.low, one.high)])
    lengths = [one.length for one in windows if one.length is not None]
    low, high = values or (None, None)
    return Facts(
        channels=windows[0].channels,
        rate_hz=windows[0].rate_hz,
        step_s=windows[0].step_s,
        length=max(lengths, default=None),
        low=low,
        high=high,
        constant=all(one.constant for one in windows) and (low is None or low == high or len(windows) == 1),
        cancelled=all(one.cancelled for one in windows),
    )


def _ends(values: Iterable[float | None]) -> tuple[float, ...]:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else ()


def _differs(value: float, known: Sequence[float], factor: float) -> bool:
    return bool(known) and not any(one / factor <= value <= one * factor for one in known)


def _either(values: Sequence[float]) -> str:
    """Say which of several values.

    Examples
    --------
    >>> _either([1.0]), _either([1, 2, 8.5]), _either([1, 2, 3, 4])
    ('1', '1, 2 or 8.5', '1 to 4')
    """
    words = [f"{value:g}" for value in values]
    if len(words) > 3:
        return f"{words[0]} to {words[-1]}"
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _n_bytes(signal: Signal) -> int:
    return sum(value.nbytes for value in vars(signal).values() if isinstance(value, np.ndarray))
