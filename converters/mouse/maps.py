"""Maps of soft spots: where the pointer stayed, where buttons were pressed, how fast it was and how hard sped up."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, Converter, Side, register
from ..core.image import Axes, Axis, Box, Image, Layout, Region
from .signal import PRESS, SHORTEST_S, MouseTrace, accelerations, dragging
from .trace import Lines, Scale, trace_frame

TRUNCATE = 3
"""Standard deviations of a spot that are drawn."""


def heat(
    column: np.ndarray, row: np.ndarray, weight: np.ndarray, *, size: int, spot_px: float, bend: float
) -> np.ndarray:
    """Return weights as soft spots on a logarithmic scale: uint8 (size, size, 1), the greatest white.

    Black is nothing at all; `bend` is the weight of a lone spot in whose middle the scale begins to bend.

    Examples
    --------
    >>> both = heat(np.array([4.5, 12.5]), np.array([8.5, 8.5]), np.array([1.0, 3.0]), size=16, spot_px=1, bend=1)
    >>> both[8, [4, 12], 0].tolist()  # as log(1 + 1) to log(1 + 3)
    [128, 255]
    """
    from .loops import log_grey, soft_spots

    reach = int(TRUNCATE * spot_px + 0.5)
    bell = np.exp(-0.5 * (np.arange(-reach, reach + 1) / spot_px) ** 2)
    column, row, weight = (np.asarray(values, np.float64) for values in (column, row, weight))
    return log_grey(soft_spots(column, row, weight, size, bell), bend)


_FAINTEST_S = 0.02


@register
class DwellMap(Converter):
    """Where the pointer stayed: the brighter a position, the longer it lay there, on a logarithmic scale.

    Every event counts with the time until the next one, pauses cut to `pause_s`, in a soft spot around its
    position; the longest stay is white. This is the fixation map of eye tracking [1]_, of a pointer: each pixel
    has log(1 + h / h0), with h the sum of stay_s * exp(-d^2 / (2 spot_px^2)) over all events at distance d, and
    h0 a stay of 0.02 s.

    Parameters
    ----------
    size
        Height and width of the image in pixels.
    scale
        `box` fits the trace into the image and keeps its proportions; `screen` draws every trace at one
        scale, its middle in the middle of the image, and cuts off what lies outside.
    spot_px
        Standard deviation of a spot in pixels of the image.
    pause_s
        Longest time, in seconds, that one event counts.
    reference_px
        Pixels of the screen across the image when `scale` is `screen` and the signal does not know its
        screen; the longer side of the screen where it does.

    References
    ----------
    .. [1] Wooding: Fixation maps: quantifying eye-movement traces. ETRA 2002.
       https://doi.org/10.1145/507072.507078

    Examples
    --------
    >>> image = DwellMap(size=32)(MouseTrace([0, 0.9, 1], [10, 20, 30], [5, 5, 5], [0, 0, 0]))
    >>> int(image.pixels[:, :10].max()), int(image.pixels[:, 22:].max() < 200)
    (255, 1)
    """

    name: ClassVar[str] = "dwell"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace
    version: ClassVar[int] = 2

    size: Side = 224
    scale: Scale = "box"
    spot_px: Annotated[float, Between(0.5, 64)] = 2.5
    pause_s: Annotated[float, Between(above=0)] = 2.0
    reference_px: Annotated[float, Between(1, 100_000)] = 1920.0

    def _convert(self, trace: MouseTrace) -> Image:
        frame = trace_frame(
            trace, self.size, scale=self.scale, margin_px=2 * self.spot_px, reference_px=self.reference_px
        )
        x, y = frame.to_image(trace.x, trace.y)
        until_s = np.r_[trace.time_s[1:], trace.time_s[-1]]
        stay_s = np.clip(until_s - trace.time_s, SHORTEST_S, max(self.pause_s, SHORTEST_S))
        ends = np.stack([x, y, x, y], axis=1)
        width_px = np.full(len(x), 2 * TRUNCATE * self.spot_px)
        pixels = heat(x, y, stay_s, size=self.size, spot_px=self.spot_px, bend=_FAINTEST_S)
        return Image(pixels, Lines(ends, width_px, trace.time_s, until_s, frame))


_FAINTEST_CLICK = 0.25  # of a click


@register
class ClickMap(Converter):
    """Where buttons were pressed: a soft spot for every press, brighter where there were more of them.

    The fullest position is white, on a logarithmic scale: each pixel has log(1 + 4 h), with h the sum of
    exp(-d^2 / (2 spot_px^2)) over all presses at distance d [1]_. A session without presses is black. The
    image covers the whole way of the pointer, so that it lies over those of `trace` and `dwell`.

    Parameters
    ----------
    size
        Height and width of the image in pixels.
    button
        What counts: `pressed`, every press once; `held`, every event with a button down, so that drags leave
        their way too.
    scale
        `box` fits the whole trace into the image and keeps its proportions; `screen` draws every trace at
        one scale, its middle in the middle of the image, and cuts off what lies outside.
    spot_px
        Standard deviation of a spot in pixels of the image.
    reference_px
        Pixels of the screen across the image when `scale` is `screen` and the signal does not know its
        screen; the longer side of the screen where it does.

    References
    ----------
    .. [1] Wooding: Fixation maps: quantifying eye-movement traces. ETRA 2002.
       https://doi.org/10.1145/507072.507078

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 1, 2, 3], [0, 40, 40, 80], [0, 10, 10, 0], [0, 2, 3, 0])
    >>> image = ClickMap(size=32)(session)
    >>> str(image.locate(Box(15, 17, 17, 19)))
    'time 1 to 1 s, x 35 to 45 px, y 10 to 20 px'
    >>> str(image.locate(Box(0, 0, 4, 4)))
    'nothing of the signal'
    """

    name: ClassVar[str] = "clicks"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace

    size: Side = 224
    button: Literal["pressed", "held"] = "pressed"
    scale: Scale = "box"
    spot_px: Annotated[float, Between(0.5, 64)] = 4.0
    reference_px: Annotated[float, Between(1, 100_000)] = 1920.0

    def _convert(self, trace: MouseTrace) -> Image:
        frame = trace_frame(
            trace, self.size, scale=self.scale, margin_px=2 * self.spot_px, reference_px=self.reference_px
        )
        counts = trace.event == PRESS
        if self.button == "held":
            counts |= dragging(trace.event)
        x, y = frame.to_image(trace.x[counts], trace.y[counts])
        ones, time_s = np.ones(len(x)), trace.time_s[counts]
        pixels = heat(x, y, ones, size=self.size, spot_px=self.spot_px, bend=_FAINTEST_CLICK)
        width_px = ones * (2 * TRUNCATE * self.spot_px)
        return Image(pixels, Lines(np.stack([x, y, x, y], axis=1), width_px, time_s, time_s, frame))


# Where the signed logarithm goes over into a straight line.
_STRAIGHT_PX_S, _STRAIGHT_PX_S2 = 30.0, 1000.0
_SPOT_PX, _LINE_PX, _FAINTEST = 1.5, 1.2, 0.25
_SHADE = 0.7


@register
class VelocityAcceleration(Converter):
    """The velocity-acceleration plane: how fast the pointer was, and how hard it was sped up or slowed down.

    Speed grows to the right, from rest at the left border; the upper half is speeding up, the lower half
    slowing down, and the line between them is even speed. Speed and tangential acceleration, the derivative of
    the speed along the way [1]_, are taken over three events each: (v1 + v2) / 2 and 2 (v2 - v1) / (t1 + t2).
    Both axes are signed logarithms, arsinh(v / 30 px/s) and arsinh(a / 1000 px/s^2), straight near zero.
    Where the pointer rested, and over pauses, there is nothing.

    Parameters
    ----------
    size
        Height and width of the image in pixels.
    style
        `histogram`, how often which speed and acceleration came together, on a logarithmic scale, the most
        frequent white; or `trajectory`, the way from each to the next as a line, which takes windows of some
        hundred events to be read.
    speed_px_s
        Speed at the right border, in pixels of the screen a second; faster ones lie there.
    acceleration_px_s2
        Acceleration at the upper border, and slowing down at the lower one; greater ones lie there.
    pause_s
        Longest time, in seconds, between two events of one movement.

    References
    ----------
    .. [1] Gamboa, Fred: A behavioral biometric system based on human-computer interaction. Proc. SPIE 5404, 2004.
       https://doi.org/10.1117/12.542625

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 0.1, 0.2, 0.3], [0, 50, 150, 160], [0, 0, 0, 0], [0, 0, 0, 0])
    >>> image = VelocityAcceleration(size=32)(session)
    >>> str(image.locate(Box(16, 0, 32, 16)))  # fast, and speeding up
    'time 0 to 0.2 s, speed 386.718 to 10000 px/s, acceleration 0 to 300000 px/s^2'
    """

    name: ClassVar[str] = "velocity_acceleration"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace

    size: Side = 224
    style: Literal["histogram", "trajectory"] = "histogram"
    speed_px_s: Annotated[float, Between(100, 1e6)] = 10_000.0
    acceleration_px_s2: Annotated[float, Between(1000, 1e9)] = 300_000.0
    pause_s: Annotated[float, Between(above=0)] = 0.5

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: a spot means something else at another speed."""
        return (4, 4)

    def _convert(self, trace: MouseTrace) -> Image:
        speed, gain, last = accelerations(trace, pause_s=self.pause_s)
        column = self.size * signed_share(speed, _STRAIGHT_PX_S, self.speed_px_s)
        row = self.size / 2 * (1 - signed_share(gain, _STRAIGHT_PX_S2, self.acceleration_px_s2))
        column, row = (np.clip(values, 0.5, self.size - 0.5) for values in (column, row))
        grid = Axes(self._speeds(speed), self._gains(gain))
        if self.style == "histogram":
            ends, begin, width_px = np.stack([column, row] * 2, axis=1), last - 2, 2 * TRUNCATE * _SPOT_PX
            pixels = heat(column, row, np.ones(len(row)), size=self.size, spot_px=_SPOT_PX, bend=_FAINTEST)
        else:
            ends, begin = polyline(column, row, last)
            width_px = _LINE_PX
            pixels = drawn(ends, self.size)
        times = trace.time_s[begin], trace.time_s[last]
        return Image(pixels, Plane(Lines(ends, np.full(len(ends), width_px), *times), grid))

    def _speeds(self, speed: np.ndarray) -> Axis:
        shares = np.linspace(0, 1, self.size + 1)
        edges = signed_value(shares, _STRAIGHT_PX_S, self.speed_px_s)
        edges[-1] = max(self.speed_px_s, speed.max(initial=0))
        return Axis("speed", "px/s", edges)

    def _gains(self, gain: np.ndarray) -> Axis:
        shares = np.linspace(1, -1, self.size + 1)
        edges = signed_value(shares, _STRAIGHT_PX_S2, self.acceleration_px_s2)
        edges[0] = max(self.acceleration_px_s2, gain.max(initial=0))
        edges[-1] = min(-self.acceleration_px_s2, gain.min(initial=0))
        return Axis("acceleration", "px/s^2", edges)


@dataclass(frozen=True, eq=False)
class Plane(Layout):
    """Points on a plane of two quantities, each with the times at which the signal was there."""

    marks: Lines
    grid: Axes

    def locate(self, box: Box) -> Region:
        """Return when the signal was in the box, and which values of both quantities that is."""
        times = self.marks.locate(box).spans
        return Region((*times, *self.grid.locate(box).spans) if times else ())

    def axes(self) -> tuple[Axis, Axis]:
        """Return both quantities."""
        return self.grid.axes()


def signed_share(value: np.ndarray, straight: float, most: float) -> np.ndarray:
    """Return where values lie on a signed logarithmic scale from -1 (-most) to 1 (most), straight near zero.

    Examples
    --------
    >>> signed_share(np.array([-1e9, 0, 10, 1000]), 10, 1000).round(3).tolist()
    [-1.0, 0.0, 0.166, 1.0]
    """
    return np.asarray(np.arcsinh(np.clip(value, -most, most) / straight) / np.arcsinh(most / straight))


def signed_value(share: np.ndarray, straight: float, most: float) -> np.ndarray:
    """Return the values that lie at shares of the scale of `signed_share`."""
    return np.asarray(np.sinh(share * np.arcsinh(most / straight)) * straight)


def polyline(column: np.ndarray, row: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join points of neighbouring events by lines (n, 4), others are dots; with the event at which each begins."""
    before = np.arange(len(last)) - (np.diff(last, prepend=-2) == 1)
    return np.stack([column[before], row[before], column, row], axis=1), last[before] - 2


def drawn(ends: np.ndarray, size: int) -> np.ndarray:
    """Return lines of one brightness: uint8 (size, size, 1)."""
    from ..kernels.loops import draw_lines

    pixels = np.zeros((size, size, 1), np.uint8)
    draw_lines(pixels, ends, np.full((len(ends), 1), _SHADE), np.full(len(ends), _LINE_PX), False)
    return pixels
