"""A mouse session in memory."""

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
        uint8 (n,), places in EVENTS: 0 move, 1 drag, 2 press, 3 release, 4 scroll.
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
