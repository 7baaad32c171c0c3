"""A mouse session in memory, and how the pointer moved in it."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..core.errors import SignalError
from ..core.signal import Fragment, Kind, Signal, frozen_vector

EVENTS = ("move", "drag", "press", "release", "scroll")
MOVE, DRAG, PRESS, RELEASE, SCROLL = range(len(EVENTS))


@dataclass(frozen=True, eq=False, repr=False)
class MouseTrace(Signal):
    """What a mouse did: when, where, and what happened there.

    Parameters
    ----------
    time_s
        float64 (n,), seconds, never falling.
    x, y
        float64 (n,), pixels of the screen from its upper left corner, fractions allowed.
    event
        uint8 (n,), indices in EVENTS: 0 move, 1 drag, 2 press, 3 release, 4 scroll.
    screen
        Width and height of the screen in pixels; None where not known.

    Raises
    ------
    SignalError
        No events, lengths that differ, NaN or infinity, time that falls, an unknown event.

    Examples
    --------
    >>> MouseTrace([0, 1], [5, 9], [5, 5], [0, 2], (800, 600)).describe()
    '2 events in 1.000 s (1 move, 1 press) on a screen of 800 x 600 pixels'
    """

    time_s: np.ndarray
    x: np.ndarray
    y: np.ndarray
    event: np.ndarray
    screen: tuple[int, int] | None = None
    kind: ClassVar[Kind] = "mouse"

    def __post_init__(self) -> None:
        for name in ("time_s", "x", "y"):
            object.__setattr__(
                self, name, frozen_vector(getattr(self, name), f"MouseTrace.{name}", np.float64)
            )
        object.__setattr__(self, "event", frozen_vector(self.event, "MouseTrace.event", np.uint8))
        lengths = [len(self.time_s), len(self.x), len(self.y), len(self.event)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise SignalError(
                f"MouseTrace needs one or more events and columns of one length, got lengths {lengths}"
            )
        if (np.diff(self.time_s) < 0).any():
            raise SignalError("MouseTrace.time_s must never fall")
        if self.event.max() >= len(EVENTS):
            raise SignalError(f"MouseTrace.event must be from 0 to {len(EVENTS) - 1}, got {self.event.max()}")
        if self.screen is not None and min(self.screen) < 1:
            raise SignalError(f"MouseTrace.screen must be at least 1 x 1, got {self.screen}")

    @property
    def extent(self) -> float:
        """Number of events."""
        return float(len(self.time_s))

    def part(self, fragment: Fragment) -> Self:
        """Return some of the events."""
        part = self._bounds(fragment, "events", len(self.time_s))
        return replace(self, time_s=self.time_s[part], x=self.x[part], y=self.y[part], event=self.event[part])

    def describe(self) -> str:
        """Say how many events, of which sorts, in what time, on what screen."""
        counts = np.bincount(self.event, minlength=len(EVENTS))
        sorts = ", ".join(f"{count} {name}" for name, count in zip(EVENTS, counts, strict=True) if count)
        screen = f" on a screen of {self.screen[0]} x {self.screen[1]} pixels" if self.screen else ""
        return f"{len(self.time_s)} events in {self.time_s[-1] - self.time_s[0]:.3f} s ({sorts}){screen}"


# Clocks of recorders tick every 1 to 16 ms: shorter intervals would make speeds that nobody moved at.
SHORTEST_S = 0.01
SPEEDS_PX_S = (10.0, 10_000.0)
_INTERVALS_S = (0.005, 10.0)


def origins(time_s: np.ndarray, *, pause_s: float) -> np.ndarray:
    """Return where the line to each event begins: at the event before, after a pause at the event itself.

    Examples
    --------
    >>> origins(np.array([0, 0.1, 5, 5.1]), pause_s=1).tolist()
    [0, 0, 2, 2]
    """
    joined = np.r_[False, np.diff(time_s) <= pause_s]
    return np.asarray(np.arange(len(time_s)) - joined)


def speed_px_s(trace: MouseTrace, origin: np.ndarray) -> np.ndarray:
    """Return the speed with which each event was reached from its origin, 0 where it is its own.

    Examples
    --------
    >>> trace = MouseTrace([0, 0.5], [0, 30], [0, 40], [0, 0])
    >>> speed_px_s(trace, np.array([0, 0])).tolist()
    [0.0, 100.0]
    """
    length_px = np.hypot(trace.x - trace.x[origin], trace.y - trace.y[origin])
    return np.asarray(length_px / np.maximum(trace.time_s - trace.time_s[origin], SHORTEST_S))


def speed_share(trace: MouseTrace, origin: np.ndarray) -> np.ndarray:
    """Return each event's speed from 0 (10 pixels a second) to 1 (10,000), logarithmic."""
    return on_log_scale(speed_px_s(trace, origin), *SPEEDS_PX_S)


def accelerations(trace: MouseTrace, *, pause_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return speeds and tangential accelerations where the pointer moved through three events without a pause.

    With v1 and v2 the mean speeds of the two steps, and t1 and t2 their lengths in time (at least 10 ms each, the
    ticks of slow clocks): speed = (v1 + v2) / 2, acceleration = (v2 - v1) / ((t1 + t2) / 2).

    Returns
    -------
    speed_px_s, acceleration_px_s2
        float64 (n,) each.
    last
        int64 (n,): the last of the three events.

    Examples
    --------
    >>> trace = MouseTrace([0, 0.5, 1, 1.5], [0, 30, 90, 90], [0, 40, 120, 120], [0, 0, 0, 0])
    >>> [part.tolist() for part in accelerations(trace, pause_s=1)]
    [[150.0, 100.0], [200.0, -400.0], [2, 3]]
    """
    step_s = np.diff(trace.time_s)
    length_px = np.hypot(np.diff(trace.x), np.diff(trace.y))
    joined, step_s = step_s <= pause_s, np.maximum(step_s, SHORTEST_S)
    speed = length_px / step_s
    first = np.flatnonzero(joined[:-1] & joined[1:] & ((length_px[:-1] > 0) | (length_px[1:] > 0)))
    middle_s = (step_s[first] + step_s[first + 1]) / 2
    gain = (speed[first + 1] - speed[first]) / middle_s
    return (speed[first] + speed[first + 1]) / 2, gain, first + 2


def interval_share(trace: MouseTrace) -> np.ndarray:
    """Return each event's distance from the one before, from 0 (5 ms) to 1 (10 s), logarithmic."""
    return on_log_scale(np.r_[0, np.diff(trace.time_s)], *_INTERVALS_S)


def on_log_scale(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return where values lie between two bounds on a logarithmic scale, from 0 to 1.

    Examples
    --------
    >>> on_log_scale(np.array([0, 10, 100, 1e9]), 10, 1000).tolist()
    [0.0, 0.0, 0.5, 1.0]
    """
    return np.asarray(np.log(np.clip(values, low, high) / low) / np.log(high / low))


def dragging(event: np.ndarray) -> np.ndarray:
    """Tell which events were reached with a button down: drags, and releases after a press or a drag."""
    before = np.r_[event[:1], event[:-1]]
    return np.asarray((event == DRAG) | ((event == RELEASE) & ((before == PRESS) | (before == DRAG))))
