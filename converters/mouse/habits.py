"""How the hand goes about it: what it does after which time, how far it steps, how it turns, and where to."""

from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Converter, Size, register
from ..core.image import Image
from ..core.parameters import Between
from . import kinematics
from .layout import Lines, join_lines
from .motion import compose
from .panels import Panel, density, log_level, share_rows, smooth
from .signal import EVENTS, MouseTrace

_INTERVALS_S = (0.002, 5.0)
_LENGTHS_PX = (1.0, 1000.0)
_SPEEDS_PX_S = (10.0, 20_000.0)
_WIDTH_PX = 2.0
_MARGIN_PX = 1.0


@register
class HabitPanels(Converter):
    """Four plots of how often the hand did what: after which time, how far, with which turn, in which direction.

    ===========  ==============================================================================================
    upper left   a strip each for moves, drags, presses, releases and turns of the wheel, from left to right;
                 upwards the time since the event before, from 0.002 to 5 s
    upper right  from left to right by how much the way turned from one step to the next (-180 to 180 degrees,
                 straight on in the middle); upwards the speed of the second, 10 to 20,000 pixels a second
    lower left   from left to right how far a step went, 1 to 1,000 pixels of the screen; upwards the time that
                 it took, 0.002 to 5 s
    lower right  from left to right where a step went: left, up, right (in the middle), down, left; upwards its
                 speed, 10 to 20,000 pixels of the screen a second
    ===========  ==============================================================================================

    Times, lengths and speeds are on logarithmic scales, and what lies outside is counted at their ends. Brightness is
    the logarithm of how often something occurred, and the commonest is white: log(1 + 16 n) for steps and
    log(1 + 4 n) in the strips. These are pairs of the features by which users of a mouse are told apart in tables [1]_
    (how long a button is held down, how fast steps of some length and direction are), as pictures of their joint
    distributions, without a mean being taken.

    Parameters
    ----------
    size
        Height and width of the picture in pixels.
    pause_s
        Longest time, in seconds, between two events that make a step.

    References
    ----------
    .. [1] Gamboa, Fred: A behavioral biometric system based on human-computer interaction. Proc. SPIE 5404, 2004.
       https://doi.org/10.1117/12.542625

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 0.1, 0.2, 0.3], [10, 20, 30, 30], [5, 5, 5, 5], [0, 0, 2, 3])
    >>> picture = HabitPanels(size=50)(session)
    >>> str(picture.locate(Box(11, 0, 14, 25)))  # the strip of presses
    'time 0.1 to 0.2 s'
    """

    name: ClassVar[str] = "habits"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace

    size: Size = 224
    pause_s: Annotated[float, Between(above=0)] = 0.5

    @property
    def cells(self) -> tuple[int, int]:
        """Two by two in each plot: a spot means something else at another place of it."""
        return (4, 4)

    def _convert(self, trace: MouseTrace) -> Image:
        half, rest = self.size // 2, self.size - self.size // 2
        panels = (
            event_panel(trace, half).moved(0, 0),
            turn_panel(trace, half, pause_s=self.pause_s).moved(rest, 0),
            length_panel(trace, half, pause_s=self.pause_s).moved(0, rest),
            direction_panel(trace, half, pause_s=self.pause_s).moved(rest, rest),
        )
        return Image(compose(panels, self.size), join_lines([panel.lines for panel in panels]))


def event_panel(trace: MouseTrace, size: int) -> Panel:
    """Count how long after the event before each sort of event came, a strip a sort."""
    before = np.maximum(np.arange(len(trace.event)) - 1, 0)
    row = _upwards(trace.time_s - trace.time_s[before], _INTERVALS_S, size)
    counts = smooth(share_rows(row, trace.event.astype(int), (size, len(EVENTS))))
    picture = log_level(counts, 4)[:, np.arange(size) * len(EVENTS) // size]
    middle, half_px = (trace.event + 0.5) * (size / len(EVENTS)), max(size / len(EVENTS) - _WIDTH_PX, 0) / 2
    ends = np.stack([middle - half_px, row, middle + half_px, row], axis=1)
    return Panel(picture, _lines(ends, trace.time_s[before], trace.time_s))


def turn_panel(trace: MouseTrace, size: int, *, pause_s: float) -> Panel:
    """Count by how much the way turned from one step to the next, and how fast it went on."""
    step, moved, speed = _steps(trace, pause_s)
    second = np.flatnonzero(moved[1:] & moved[:-1]) + 1
    turn = step[second] * np.conj(step[second - 1])
    return _plane(trace, (_across(turn, size), _upwards(speed[second], _SPEEDS_PX_S, size)), second, size, 2)


def length_panel(trace: MouseTrace, size: int, *, pause_s: float) -> Panel:
    """Count how far steps went, and how long they took."""
    step, moved, _ = _steps(trace, pause_s)
    which = np.flatnonzero(moved)
    column = size - _upwards(np.abs(step[which]), _LENGTHS_PX, size)
    return _plane(trace, (column, _upwards(np.diff(trace.time_s)[which], _INTERVALS_S, size)), which, size, 1)


def direction_panel(trace: MouseTrace, size: int, *, pause_s: float) -> Panel:
    """Count where steps went to, and how fast."""
    step, moved, speed = _steps(trace, pause_s)
    which = np.flatnonzero(moved)
    place = _across(step[which], size), _upwards(speed[which], _SPEEDS_PX_S, size)
    return _plane(trace, place, which, size, 1)


def _steps(trace: MouseTrace, pause_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return from each event to the next the displacement as a complex number, whether it is a step, and the speed."""
    took_s = np.diff(trace.time_s)
    step = np.diff(trace.x) + 1j * np.diff(trace.y)
    moved = (took_s <= pause_s) & (step != 0)
    return step, moved, np.abs(step) / np.maximum(took_s, kinematics.SHORTEST_S)


def _plane(
    trace: MouseTrace, place: tuple[np.ndarray, np.ndarray], which: np.ndarray, size: int, n_steps: int
) -> Panel:
    """Draw how dense places are; `which` are the steps that they stand for, each the last of `n_steps`."""
    lines = _lines(
        np.stack([*place, *place], axis=1), trace.time_s[which + 1 - n_steps], trace.time_s[which + 1]
    )
    return Panel(density(*place, size), lines)


def _lines(ends: np.ndarray, start_s: np.ndarray, stop_s: np.ndarray) -> Lines:
    return Lines(ends, np.full(len(ends), _WIDTH_PX), start_s, stop_s)


def _upwards(values: np.ndarray, bounds: tuple[float, float], size: int) -> np.ndarray:
    """Return rows on a logarithmic scale, the lower bound below.

    Examples
    --------
    >>> _upwards(np.array([1.0, 10.0, 100.0]), (1.0, 100.0), 10).tolist()
    [9.0, 5.0, 1.0]
    """
    return np.asarray(size - _MARGIN_PX - kinematics.on_log_scale(values, *bounds) * (size - 2 * _MARGIN_PX))


def _across(step: np.ndarray, size: int) -> np.ndarray:
    """Return columns of directions: left, up, right in the middle, down, and left again at the other side.

    Examples
    --------
    >>> _across(np.array([-1j, 1, 1j, -1, complex(-1, -0.0)]), 10).tolist()
    [3.0, 5.0, 7.0, 9.0, 9.0]
    """
    # A negative zero would put straight back at the other side.
    angle = np.arctan2(step.imag + 0.0, step.real)
    return np.asarray((angle / np.pi + 1) / 2 * (size - 2 * _MARGIN_PX) + _MARGIN_PX)
