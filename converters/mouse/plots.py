"""How the pointer was moved, whatever it was moved over: small plots side by side in one image."""

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, ByPixel, Converter, Side, register
from ..core.image import Image
from .signal import (
    DRAG,
    EVENTS,
    MOVE,
    PRESS,
    RELEASE,
    SHORTEST_S,
    MouseTrace,
    dragging,
    interval_share,
    on_log_scale,
    origins,
    speed_share,
)
from .trace import Lines, join_lines

# By event: moves, drags, presses, releases, turns of the wheel.
_BRIGHTNESS = np.array([0.5, 0.8, 1.0, 0.9, 0.65])
_STROKE_WIDTH_PX, _STEP_WIDTH_PX = 1.2, 2.0
_MARGIN_PX = 1.0


@dataclass(frozen=True, eq=False)
class SmallPlot:
    """A plot and where it stands in the image.

    Parameters
    ----------
    pixels
        float (rows, columns), from 0 to 1.
    lines
        What was drawn, in pixels of the whole image.
    left, top
        Where the plot's first pixel stands.
    """

    pixels: np.ndarray
    lines: Lines
    left: int = 0
    top: int = 0

    def moved(self, left: int, top: int) -> "SmallPlot":
        """Return the plot at another position."""
        ends = self.lines.ends + np.array([left, top, left, top])
        return replace(self, lines=replace(self.lines, ends=ends), left=left, top=top)


def step_plot(trace: MouseTrace, origin: np.ndarray, *, reach_px: float, size: int) -> SmallPlot:
    """Count the steps from event to event on a plane of directions and roots of lengths."""
    source = np.flatnonzero((trace.x != trace.x[origin]) | (trace.y != trace.y[origin]))
    begin = origin[source]
    positions = on_root_plane(
        trace.x[source] - trace.x[begin], trace.y[source] - trace.y[begin], reach_px, size
    )
    ends = np.stack([*positions, *positions], axis=1)
    width_px = np.full(len(source), _STEP_WIDTH_PX)
    return SmallPlot(
        density(*positions, size), Lines(ends, width_px, trace.time_s[begin], trace.time_s[source])
    )


def stroke_plot(trace: MouseTrace, origin: np.ndarray, *, reach_px: float, size: int) -> SmallPlot:
    """Draw every stroke from the middle, on a plane of directions and roots of distances."""
    from ..kernels.loops import draw_lines

    source = np.flatnonzero((trace.x != trace.x[origin]) | (trace.y != trace.y[origin]))
    begin, base = origin[source], stroke_starts(trace.event, origin)[origin[source]]
    tails, heads = (
        on_root_plane(trace.x[at] - trace.x[base], trace.y[at] - trace.y[base], reach_px, size)
        for at in (begin, source)
    )
    ends, width_px = np.stack([*tails, *heads], axis=1), np.full(len(source), _STROKE_WIDTH_PX)
    shades = _BRIGHTNESS[np.where(dragging(trace.event)[source], DRAG, MOVE)]
    image = np.zeros((size, size, 1), np.uint8)
    draw_lines(image, ends, np.ascontiguousarray(shades[:, None]), width_px, False)
    return SmallPlot(image[:, :, 0] / 255, Lines(ends, width_px, trace.time_s[begin], trace.time_s[source]))


def bar_plot(trace: MouseTrace, share: np.ndarray, shape: tuple[int, int]) -> SmallPlot:
    """Draw a bar for every event in their order: `share` of the plot's height, never less than one pixel."""
    rows, columns = shape
    first = np.arange(columns) * len(share) // columns
    height_px = np.maximum(np.maximum.reduceat(share, first) * rows, 1.0)
    shades = np.maximum.reduceat(_BRIGHTNESS[trace.event], first)
    above = rows - np.arange(rows)[:, None]
    image = np.clip(height_px - above + 1, 0, 1) * shades
    x, bottom = np.arange(columns) + 0.5, np.full(columns, float(rows))
    last = np.maximum(np.r_[first[1:], len(share)] - 1, first)
    ends = np.stack([x, bottom, x, rows - height_px], axis=1)
    start_s = trace.time_s[np.maximum(first - 1, 0)]
    return SmallPlot(image, Lines(ends, np.zeros(columns), start_s, trace.time_s[last]))


def stroke_starts(event: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the event at which the stroke through each event began: after a pause, at a press or a release.

    Examples
    --------
    >>> stroke_starts(np.array([0, 0, 2, 3, 0]), np.array([0, 0, 1, 2, 3])).tolist()
    [0, 0, 2, 3, 3]
    """
    index = np.arange(len(event))
    begins = (origin == index) | (event == PRESS) | (event == RELEASE)
    return np.asarray(np.maximum.accumulate(np.where(begins, index, 0)))


def on_root_plane(
    right_px: np.ndarray, down_px: np.ndarray, reach_px: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of displacements: directions as they are, distance as the root of the length.

    Examples
    --------
    >>> column, row = on_root_plane(np.array([0, 25, -900]), np.array([0, 0, 0]), 100, 10)
    >>> column.tolist(), row.tolist()
    ([5.0, 7.0, 1.0], [5.0, 5.0, 5.0])
    """
    length = np.maximum(np.hypot(right_px, down_px), 1e-9)
    factor = np.sqrt(np.minimum(length / reach_px, 1)) / length * (size / 2 - _MARGIN_PX)
    return size / 2 + right_px * factor, size / 2 + down_px * factor


def density(column: np.ndarray, row: np.ndarray, size: int) -> np.ndarray:
    """Count positions on a grid, smoothed, on a logarithmic scale.

    Returns
    -------
    float64 (size, size)
        From 0 to 1, which the fullest pixel has.
    """
    # 16: a lone position, smoothed by 4/16, is well above black
    return log_level(smooth(smooth(share_out(column, row, np.ones(len(column)), size)).T).T, 16)


def log_level(counts: np.ndarray, factor: float) -> np.ndarray:
    """Return log(1 + factor * counts) as shares of the largest.

    Examples
    --------
    >>> log_level(np.array([0.0, 1.0, 3.0]), 1).tolist()
    [0.0, 0.5, 1.0]
    """
    level: np.ndarray = np.log1p(counts * factor)
    return np.asarray(level / max(float(level.max()), 1e-9))


def share_out(column: np.ndarray, row: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """Add weights on a grid, each shared among the four pixels nearest to its position: float64 (size, size).

    Examples
    --------
    >>> share_out(np.array([1.5]), np.array([1.0]), np.array([4.0]), 2).tolist()
    [[0.0, 2.0], [0.0, 2.0]]
    """
    left, top = np.floor(column - 0.5).astype(int), np.floor(row - 0.5).astype(int)
    right_share, low_share = column - 0.5 - left, row - 0.5 - top
    grid = np.zeros((size + 2) ** 2)  # a border takes what lies outside
    for down, row_share in ((1, 1 - low_share), (2, low_share)):
        for along, column_share in ((1, 1 - right_share), (2, right_share)):
            cells = np.clip(top + down, 0, size + 1) * (size + 2) + np.clip(left + along, 0, size + 1)
            grid += np.bincount(cells, weight * row_share * column_share, len(grid))
    return grid.reshape(size + 2, size + 2)[1:-1, 1:-1]


def share_rows(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Count in whole columns, each count shared between the two nearest rows: float64 of `shape`.

    Examples
    --------
    >>> share_rows(np.array([1.0, 0.75]), np.array([0, 1]), (2, 2)).tolist()
    [[0.5, 0.75], [0.5, 0.25]]
    """
    rows, columns = shape
    top = np.floor(row - 0.5).astype(int)
    low_share = row - 0.5 - top
    grid = np.zeros((rows + 2) * columns)  # a row above and one below take what lies outside
    for down, share in ((1, 1 - low_share), (2, low_share)):
        cells = np.clip(top + down, 0, rows + 1) * columns + column
        grid += np.bincount(cells, share, len(grid))
    return grid.reshape(rows + 2, columns)[1:-1]


def smooth(counts: np.ndarray) -> np.ndarray:
    """Spread each row over its neighbours by 1, 2, 1."""
    spread = counts * 2
    spread[1:] += counts[:-1]
    spread[:-1] += counts[1:]
    return np.asarray(spread / 4)


@register
class MotionPanels(Converter):
    """Four plots of how the pointer was moved: step by step, stroke by stroke, how fast, and in what rhythm.

    ============  ==========================================================================================
    upper left    how often the pointer made which step: no step at all is in the middle, directions are as on
                  the screen, the distance from the middle is the root of the step's length; brightness is the
                  logarithm of the number of steps
    upper right   every stroke from one origin, on the same kind of plane; a stroke ends at a pause, a press
                  or a release; drags are brighter than moves
    third strip   the speed of each event, in their order, as bars on a logarithmic scale from 10 to 10,000
                  pixels of the screen a second
    lowest strip  the time since the event before, as bars on a logarithmic scale from 0.005 to 10 s
    ============  ==========================================================================================

    The bars of presses, releases, drags, turns of the wheel and moves differ in brightness, from white to
    grey in this order. Where there are more events than columns, a column shows the greatest.

    On the planes of steps and strokes a displacement d lies at sqrt(min(|d| / reach, 1)) of the way from the
    middle to the border, in its direction; the brightness of steps is log(1 + 16 n). Speeds and intervals are
    log(v / low) / log(high / low). Steps, speeds and intervals are what tells users of a mouse apart in tables
    of features [1]_, and drawn operations of the mouse do so for networks [2]_.

    Parameters
    ----------
    size
        Height and width of the image in pixels.
    pause_s
        Longest time, in seconds, between two events of one stroke.
    step_px
        Length of a step, in pixels of the screen, that reaches the border of its plot; longer ones lie there.
    stroke_px
        The same for the distance from the beginning of a stroke.

    References
    ----------
    .. [1] Gamboa, Fred: A behavioral biometric system based on human-computer interaction. Proc. SPIE 5404, 2004.
       https://doi.org/10.1117/12.542625
    .. [2] Hu, Niu, Zhang, Liu, Lu, Liu: An Insider Threat Detection Approach Based on Mouse Dynamics and Deep
       Learning. Security and Communication Networks, 2019. https://doi.org/10.1155/2019/3898951

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 0.1, 0.2, 9], [10, 20, 30, 30], [5, 5, 5, 5], [0, 0, 2, 3])
    >>> image = MotionPanels(size=32)(session)
    >>> str(image.locate(Box(24, 24, 32, 32)))
    'time 0.2 to 9 s'
    """

    name: ClassVar[str] = "motion"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace
    version: ClassVar[int] = 2

    size: Side = 224
    pause_s: Annotated[float, Between(above=0)] = 0.5
    step_px: Annotated[float, Between(1, 100_000)] = 300.0
    stroke_px: Annotated[float, Between(1, 100_000)] = 1200.0

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: plots and strips mean different things, and so do their parts."""
        return (4, 4)

    def _convert(self, trace: MouseTrace) -> Image:
        half, rest = self.size // 2, self.size - self.size // 2
        origin = origins(trace.time_s, pause_s=self.pause_s)
        plots = (
            step_plot(trace, origin, reach_px=self.step_px, size=half).moved(0, 0),
            stroke_plot(trace, origin, reach_px=self.stroke_px, size=half).moved(rest, 0),
            bar_plot(trace, speed_share(trace, origin), (rest // 2, self.size)).moved(0, half),
            bar_plot(trace, interval_share(trace), (rest - rest // 2, self.size)).moved(0, half + rest // 2),
        )
        return Image(compose(plots, self.size), join_lines([plot.lines for plot in plots]))


def compose(plots: tuple[SmallPlot, ...], size: int) -> np.ndarray:
    """Put plots in their positions: uint8 (size, size, 1), black where there is none."""
    image = np.zeros((size, size, 1), np.uint8)
    for plot in plots:
        rows, columns = plot.pixels.shape
        image[plot.top : plot.top + rows, plot.left : plot.left + columns, 0] = np.rint(plot.pixels * 255)
    return image


_INTERVALS_S = (0.002, 5.0)
_LENGTHS_PX = (1.0, 1000.0)
_SPEEDS_PX_S = (10.0, 20_000.0)


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
    (how long a button is held down, how fast steps of some length and direction are), as images of their joint
    distributions, without a mean being taken.

    Parameters
    ----------
    size
        Height and width of the image in pixels.
    pause_s
        Longest time, in seconds, between two events that make a step.
    features
        What a probe takes from the image: what a `network` sees in it, or each `pixel`, a count, as a feature.

    References
    ----------
    .. [1] Gamboa, Fred: A behavioral biometric system based on human-computer interaction. Proc. SPIE 5404, 2004.
       https://doi.org/10.1117/12.542625

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 0.1, 0.2, 0.3], [10, 20, 30, 30], [5, 5, 5, 5], [0, 0, 2, 3])
    >>> image = HabitPanels(size=50)(session)
    >>> str(image.locate(Box(11, 0, 14, 25)))  # the strip of presses
    'time 0.1 to 0.2 s'
    """

    name: ClassVar[str] = "habits"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace

    size: Side = 224
    pause_s: Annotated[float, Between(above=0)] = 0.5
    features: Literal["network", "pixel"] = "network"

    @property
    def by_pixel(self) -> ByPixel:
        """In proportion, where pixels are features: what hardly ever occurs counts little."""
        return "in proportion" if self.features == "pixel" else ""

    @property
    def cells(self) -> tuple[int, int]:
        """Two by two in each plot: a spot means something else elsewhere in it."""
        return (4, 4)

    def _convert(self, trace: MouseTrace) -> Image:
        half, rest = self.size // 2, self.size - self.size // 2
        plots = (
            event_plot(trace, half).moved(0, 0),
            turn_plot(trace, half, pause_s=self.pause_s).moved(rest, 0),
            length_plot(trace, half, pause_s=self.pause_s).moved(0, rest),
            direction_plot(trace, half, pause_s=self.pause_s).moved(rest, rest),
        )
        return Image(compose(plots, self.size), join_lines([plot.lines for plot in plots]))


def event_plot(trace: MouseTrace, size: int) -> SmallPlot:
    """Count how long after the event before each sort of event came, a strip a sort."""
    before = np.maximum(np.arange(len(trace.event)) - 1, 0)
    row = _upwards(trace.time_s - trace.time_s[before], _INTERVALS_S, size)
    counts = smooth(share_rows(row, trace.event.astype(int), (size, len(EVENTS))))
    image = log_level(counts, 4)[:, np.arange(size) * len(EVENTS) // size]
    middle, half_px = (
        (trace.event + 0.5) * (size / len(EVENTS)),
        max(size / len(EVENTS) - _STEP_WIDTH_PX, 0) / 2,
    )
    ends = np.stack([middle - half_px, row, middle + half_px, row], axis=1)
    return SmallPlot(image, _lines(ends, trace.time_s[before], trace.time_s))


def turn_plot(trace: MouseTrace, size: int, *, pause_s: float) -> SmallPlot:
    """Count by how much the way turned from one step to the next, and how fast it went on."""
    step, moved, speed = _steps(trace, pause_s)
    second = np.flatnonzero(moved[1:] & moved[:-1]) + 1
    turn = step[second] * np.conj(step[second - 1])
    return _plane(trace, (_across(turn, size), _upwards(speed[second], _SPEEDS_PX_S, size)), second, size, 2)


def length_plot(trace: MouseTrace, size: int, *, pause_s: float) -> SmallPlot:
    """Count how far steps went, and how long they took."""
    step, moved, _ = _steps(trace, pause_s)
    which = np.flatnonzero(moved)
    column = size - _upwards(np.abs(step[which]), _LENGTHS_PX, size)
    return _plane(trace, (column, _upwards(np.diff(trace.time_s)[which], _INTERVALS_S, size)), which, size, 1)


def direction_plot(trace: MouseTrace, size: int, *, pause_s: float) -> SmallPlot:
    """Count where steps went to, and how fast."""
    step, moved, speed = _steps(trace, pause_s)
    which = np.flatnonzero(moved)
    position = _across(step[which], size), _upwards(speed[which], _SPEEDS_PX_S, size)
    return _plane(trace, position, which, size, 1)


def _steps(trace: MouseTrace, pause_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return from each event to the next the displacement as a complex number, whether it is a step, and the speed."""
    took_s = np.diff(trace.time_s)
    step = np.diff(trace.x) + 1j * np.diff(trace.y)
    moved = (took_s <= pause_s) & (step != 0)
    return step, moved, np.abs(step) / np.maximum(took_s, SHORTEST_S)


def _plane(
    trace: MouseTrace, position: tuple[np.ndarray, np.ndarray], which: np.ndarray, size: int, n_steps: int
) -> SmallPlot:
    """Draw how dense positions are; `which` are the steps that they stand for, each the last of `n_steps`."""
    lines = _lines(
        np.stack([*position, *position], axis=1), trace.time_s[which + 1 - n_steps], trace.time_s[which + 1]
    )
    return SmallPlot(density(*position, size), lines)


def _lines(ends: np.ndarray, start_s: np.ndarray, stop_s: np.ndarray) -> Lines:
    return Lines(ends, np.full(len(ends), _STEP_WIDTH_PX), start_s, stop_s)


def _upwards(values: np.ndarray, bounds: tuple[float, float], size: int) -> np.ndarray:
    """Return rows on a logarithmic scale, the lower bound below.

    Examples
    --------
    >>> _upwards(np.array([1.0, 10.0, 100.0]), (1.0, 100.0), 10).tolist()
    [9.0, 5.0, 1.0]
    """
    return np.asarray(size - _MARGIN_PX - on_log_scale(values, *bounds) * (size - 2 * _MARGIN_PX))


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
