"""Lines that the pointer drew: brightness or colour says when, how fast or where to; and where each line comes from."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, Converter, Side, register
from ..core.errors import ParameterError
from ..core.image import Box, Image, Layout, Region, Span, join_spans
from .signal import MOVE, PRESS, SCROLL, MouseTrace

Scale = Literal["box", "screen"]


@dataclass(frozen=True, eq=False)
class Frame:
    """How the screen lies under the image: x = left + column * pixel_px, y = top + row * pixel_px."""

    left: float
    top: float
    pixel_px: float

    def to_image(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return columns and rows, with fractions, of positions on the screen."""
        return (x - self.left) / self.pixel_px, (y - self.top) / self.pixel_px

    def spans(self, box: Box) -> tuple[Span, Span]:
        """Return the span of x and of y under a box of pixels."""
        return (
            Span("x", "px", self.left + box.left * self.pixel_px, self.left + box.right * self.pixel_px),
            Span("y", "px", self.top + box.top * self.pixel_px, self.top + box.bottom * self.pixel_px),
        )


def trace_frame(
    trace: MouseTrace,
    size: int,
    *,
    scale: Scale,
    margin_px: float,
    reference_px: float,
    corners: tuple[float, float, float, float] | None = None,
) -> Frame:
    """Lay a trace into a square image, its middle in the middle.

    Parameters
    ----------
    trace
        The session.
    size
        Height and width of the image in pixels.
    scale
        `box`: as large as fits, proportions kept; one that stays in one position has a pixel of the screen a pixel.
        `screen`: one screen across the image.
    margin_px
        What `box` leaves free at each side, in pixels of the image, at most a quarter.
    reference_px
        How wide a screen is that the trace does not know; the longer side of one that it knows.
    corners
        The lowest x and y and the highest of the trace, where they are known already.
    """
    left, top, right, bottom = corners or _corners(trace)
    if scale == "screen":
        pixel_px = (max(trace.screen) if trace.screen else reference_px) / size
    else:
        pixel_px = max(right - left, bottom - top) / (size - 2 * min(margin_px, size / 4)) or 1.0
    half_px = pixel_px * size / 2
    return Frame((left + right) / 2 - half_px, (top + bottom) / 2 - half_px, pixel_px)


def _corners(trace: MouseTrace) -> tuple[float, float, float, float]:
    low = float(trace.x.min()), float(trace.y.min())
    return *low, float(trace.x.max()), float(trace.y.max())


@dataclass(frozen=True, eq=False)
class Lines(Layout):
    """Every line in the image was drawn in a span of time.

    Parameters
    ----------
    ends
        float64 (n, 4): x0, y0, x1, y1 in pixels of the image; a dot where both ends are one point.
    width_px
        float64 (n,), the width of each line.
    start_s, stop_s
        float64 (n,), when each line was drawn; a dot for a moment has `start_s == stop_s`.
    frame
        How the screen lies under the image; None where pixels are no positions on it.
    """

    ends: np.ndarray
    width_px: np.ndarray
    start_s: np.ndarray
    stop_s: np.ndarray
    frame: Frame | None = None

    def locate(self, box: Box) -> Region:
        """Return when the lines that cross the box were drawn, and the part of the screen under it."""
        hit = crosses(self.ends, self.width_px, box)
        if not hit.any():
            return Region(())
        # A moment has no length, and would fall away when spans are joined.
        stop_s = np.maximum(self.stop_s[hit], np.nextafter(self.start_s[hit], np.inf))
        times = (Span("time", "s", *span) for span in join_spans(self.start_s[hit], stop_s))
        return Region((*times, *(self.frame.spans(box) if self.frame else ())))


def crosses(ends: np.ndarray, width_px: np.ndarray, box: Box) -> np.ndarray:
    """Tell which lines cross a box of pixels: bool (n,).

    Examples
    --------
    >>> crosses(np.array([[0.5, 4, 9.5, 4], [8, 8, 8, 8]]), np.ones(2), Box(3, 3, 6, 6)).tolist()
    [True, False]
    """
    begin, run = ends[:, :2], ends[:, 2:] - ends[:, :2]
    low = np.array([box.left, box.top]) - width_px[:, None] / 2 - begin
    high = np.array([box.right, box.bottom]) + width_px[:, None] / 2 - begin
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        enter, leave = np.minimum(low / run, high / run), np.maximum(low / run, high / run)
    level, within = run == 0, (low < 0) & (high > 0)
    enter = np.where(level, np.where(within, -np.inf, np.inf), enter)
    leave = np.where(level, np.where(within, np.inf, -np.inf), leave)
    return np.asarray(np.maximum(enter.max(axis=1), 0) <= np.minimum(leave.min(axis=1), 1))


def join_lines(parts: Sequence[Lines]) -> Lines:
    """Join the lines of several plots in one image."""
    return Lines(
        np.concatenate([part.ends for part in parts]),
        np.concatenate([part.width_px for part in parts]),
        np.concatenate([part.start_s for part in parts]),
        np.concatenate([part.stop_s for part in parts]),
    )


Ink = Literal["line", "speed", "time", "direction", "rgb"]
Colors = Literal["grey", "color"]

# What each channel shows, as `pen.pen_marks` takes it (whose module is compiled, and loaded only to draw).
_SHOWN = {"line": (0,), "speed": (1,), "time": (2,), "direction": (3,), "rgb": (0, 1, 2)}
_LEVELS = 257  # a level for each of 256 steps from 0 to 1; four sorts of events, and quarters of a circle, fall on one
_FAINTEST = 0.2  # the slowest and the earliest line must still be seen

# By event: moves, drags, presses, releases, turns of the wheel.
BRIGHTNESS = np.array([0.5, 0.8, 1.0, 0.5, 0.6])
_EVENT_RGB = (
    np.array([[110, 150, 215], [255, 165, 60], [255, 255, 255], [110, 150, 215], [110, 225, 130]]) / 255
)
# From slow (early) to fast (late), lighter all the way, and all of it readable on black.
_RISING_RGB = np.array([[92, 84, 255], [176, 76, 240], [238, 92, 168], [255, 150, 88], [255, 246, 150]]) / 255


@dataclass(frozen=True, eq=False)
class Palette:
    """How a pen turns what it shows into brightness.

    Parameters
    ----------
    shown
        int64 (channels,): what each channel shows, as `pen_marks` takes it.
    scale
        float64 (channels, levels): brightness for shares from 0 to 1, evenly spaced.
    dots
        float64 (3, channels): the brightness of a press, of a turn of the wheel, and of what has no direction.
    """

    shown: np.ndarray
    scale: np.ndarray
    dots: np.ndarray


@functools.cache
def palette(ink: Ink, colors: Colors) -> Palette:
    """Return the palette of an ink.

    Examples
    --------
    >>> palette("line", "grey").scale[0, [0, 64]].tolist()  # moves and drags
    [0.5, 0.8]
    >>> palette("direction", "color").shown.tolist()  # the red, the green and the blue of one hue
    [3, 3, 3]
    """
    if colors == "color":
        scale = _colored(ink).T
        events = _EVENT_RGB if ink == "line" else np.repeat(BRIGHTNESS[:, None], 3, axis=1)
    else:
        parts = ("line", "speed", "time") if ink == "rgb" else (ink,)
        scale = np.stack([_grey(part) for part in parts])
        events = np.repeat(BRIGHTNESS[:, None], len(scale), axis=1)
    shown = np.resize(np.array(_SHOWN[ink]), len(scale))
    return Palette(shown, np.ascontiguousarray(scale), events[[PRESS, SCROLL, MOVE]])


def hue_wheel(turn: np.ndarray) -> np.ndarray:
    """Return colours of one lightness around the circle, red at 0: (n, 3) from 0 to 1.

    The hues are those of the OKLCh space at lightness 0.74 and chroma 0.16, cut to what a screen shows
    (https://bottosson.github.io/posts/oklab).

    Examples
    --------
    >>> (hue_wheel(np.array([0.0, 0.25, 0.5, 0.75])) * 255).round().astype(int).tolist()
    [[255, 126, 118], [168, 182, 31], [0, 198, 218], [179, 148, 255]]
    """
    hue = np.deg2rad(25) + 2 * np.pi * np.asarray(turn)
    a, b = 0.16 * np.cos(hue), 0.16 * np.sin(hue)
    to_cones = np.array([[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728]])
    to_cones = np.vstack([to_cones, [1, -0.0894841775, -1.2914855480]])
    to_rgb = np.array(
        [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965]]
    )
    to_rgb = np.vstack([to_rgb, [-0.0041960863, -0.7034186147, 1.7076147010]])
    linear = (np.stack([np.full_like(a, 0.74), a, b], axis=1) @ to_cones.T) ** 3 @ to_rgb.T
    linear = np.clip(linear, 0, 1)
    return np.asarray(np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear))


def _grey(ink: str) -> np.ndarray:
    share = np.linspace(0, 1, _LEVELS)
    if ink == "line":
        return np.asarray(np.interp(share * SCROLL, np.arange(len(BRIGHTNESS)), BRIGHTNESS))
    if ink == "direction":
        share = (1 + np.cos(2 * np.pi * share)) / 2
    return np.asarray(_FAINTEST + (1 - _FAINTEST) * share)


def _colored(ink: str) -> np.ndarray:
    share = np.linspace(0, 1, _LEVELS)
    if ink == "direction":
        return hue_wheel(share)
    colors = _EVENT_RGB if ink == "line" else _RISING_RGB
    return np.stack(
        [np.interp(share, np.linspace(0, 1, len(colors)), channel) for channel in colors.T], axis=1
    )


# By event: moves, drags, presses, releases, turns of the wheel. A press stands out by size and brightness.
_WIDTHS = np.array([1.0, 1.0, 4.0, 1.0, 2.5])
_WIDEST = 4.0


@register
class TraceDrawing(Converter):
    """The way of the pointer: lines from event to event, dots where a button was pressed, light on black.

    Lines have soft edges, and fractions of a pixel count. A press is a white dot, a turn of the wheel a small
    grey one. Over a pause the pen is lifted. Drawings of this sort let networks that know photographs tell
    users apart [1]_.

    ===========  ======================================  ==================================================
    `ink`        brightness, with `colors=grey`          with `colors=color`
    ===========  ======================================  ==================================================
    `line`       moves are grey, drags brighter          moves blue, drags orange, turns of the wheel green
    `speed`      from faint (10 pixels of the screen a   from blue over pink and orange to light yellow;
                 second) to white (10,000), logarithmic  slow to fast on the same scale
    `time`       from the first event (faint) to the     the same colours, from early to late
                 last (white), pauses cut to `pause_s`
    `direction`  white to the right, faint to the left,  the hue: red to the right, green down, blue to the
                 grey up and down                        left, violet up
    `rgb`        line, speed and time as red, green and  (is in colour as it is)
                 blue
    ===========  ======================================  ==================================================

    A direction is an angle, and grey levels have a first and a last one: so brightness shows its cosine, how
    much to the right, and only colours, which go round, show all of it. In grey the brightest of several lines
    counts, with colours the latest, for mixed colours would mean something else.

    Parameters
    ----------
    size
        Height and width of the image in pixels.
    scale
        `box` fits the trace into the image and keeps its proportions. `screen` draws every trace at one
        scale, its middle in the middle of the image: distances mean the same in every image, what lies
        outside is cut off.
    ink
        What is shown of each line: see the table.
    colors
        `grey`, one channel, of which three make an image (`A+B+C`) or each is a view; or `color`.
    line_width_px
        Width of a line in pixels of the image; a press is a dot of four times that width.
    pause_s
        Longest time, in seconds, between two events that a line joins.
    reference_px
        Pixels of the screen across the image when `scale` is `screen` and the signal does not know its
        screen; the longer side of the screen where it does.

    References
    ----------
    .. [1] Chong, Elovici, Binder: User Authentication Based on Mouse Dynamics Using Deep Neural Networks: A
       Comprehensive Study. IEEE TIFS 15, 2020. https://doi.org/10.1109/TIFS.2019.2930429

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 0.1, 0.2], [10, 20, 30], [5, 5, 5], [0, 0, 2])
    >>> image = TraceDrawing(size=30)(session)
    >>> image.pixels.shape
    (30, 30, 1)
    >>> str(image.locate(Box(0, 0, 10, 30)))
    'time 0 to 0.1 s, x 7.5 to 15.8333 px, y -7.5 to 17.5 px'
    """

    name: ClassVar[str] = "trace"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace
    version: ClassVar[int] = 2

    size: Side = 224
    scale: Scale = "box"
    ink: Ink = "line"
    colors: Colors = "grey"
    line_width_px: Annotated[float, Between(above=0, high=64)] = 1.5
    pause_s: Annotated[float, Between(above=0)] = 1.0
    reference_px: Annotated[float, Between(1, 100_000)] = 1920.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ink == "rgb" and self.colors == "color":
            raise ParameterError(
                "TraceDrawing.colors must be 'grey' with ink='rgb', whose channels are its colours"
            )

    def _convert(self, trace: MouseTrace) -> Image:
        image = self._black()
        return Image(image, self._draw(trace, image))

    def _batch(self, signals: Sequence[MouseTrace]) -> np.ndarray:
        images = np.repeat(self._black()[None], len(signals), axis=0)
        for trace, image in zip(signals, images, strict=True):
            self._draw(trace, image)
        return images

    def _black(self) -> np.ndarray:
        return np.zeros((self.size, self.size, len(palette(self.ink, self.colors).shown)), np.uint8)

    def _draw(self, trace: MouseTrace, image: np.ndarray) -> Lines:
        from ..kernels.loops import draw_lines
        from .loops import corners, pen_marks

        pen, widths = palette(self.ink, self.colors), _WIDTHS * self.line_width_px
        events = np.array((trace.time_s, trace.x, trace.y, trace.event))
        frame = trace_frame(
            trace,
            self.size,
            scale=self.scale,
            margin_px=_WIDEST * self.line_width_px / 2,
            reference_px=self.reference_px,
            corners=corners(events),
        )
        corner = frame.left, frame.top, frame.pixel_px
        marks = pen_marks(events, self.pause_s, corner, widths, pen.shown, pen.scale, pen.dots)
        ends, value, width_px, (start_s, stop_s) = marks
        draw_lines(image, ends, value, width_px, self.colors == "color")
        return Lines(ends, width_px, start_s, stop_s, frame)
