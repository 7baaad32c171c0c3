"""The way of the pointer, drawn as lines."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Converter, Size, register
from ..core.errors import ParameterError
from ..core.image import Image
from ..core.parameters import Between
from .inks import Colors, Ink, palette
from .layout import Lines, Scale, trace_frame
from .signal import MouseTrace

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
        Height and width of the picture in pixels.
    scale
        `box` fits the trace into the picture and keeps its proportions. `screen` draws every trace at one
        scale, its middle in the middle of the picture: distances mean the same in every picture, what lies
        outside is cut off.
    ink
        What is shown of each line: see the table.
    colors
        `grey`, one channel, of which three make an image (`A+B+C`) or each is a view; or `color`.
    line_width_px
        Width of a line in pixels of the picture; a press is a dot of four times that width.
    pause_s
        Longest time, in seconds, between two events that a line joins.
    reference_px
        Pixels of the screen across the picture when `scale` is `screen` and the signal does not know its
        screen; the longer side of the screen where it does.

    References
    ----------
    .. [1] Chong, Elovici, Binder: User Authentication Based on Mouse Dynamics Using Deep Neural Networks: A
       Comprehensive Study. IEEE TIFS 15, 2020. https://doi.org/10.1109/TIFS.2019.2930429

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 0.1, 0.2], [10, 20, 30], [5, 5, 5], [0, 0, 2])
    >>> picture = TraceDrawing(size=30)(session)
    >>> picture.pixels.shape
    (30, 30, 1)
    >>> str(picture.locate(Box(0, 0, 10, 30)))
    'time 0 to 0.1 s, x 7.5 to 15.8333 px, y -7.5 to 17.5 px'
    """

    name: ClassVar[str] = "trace"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace
    version: ClassVar[int] = 2

    size: Size = 224
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
                "TraceDrawing.colors must be 'grey' with ink='rgb', whose planes are its colours"
            )

    def _convert(self, trace: MouseTrace) -> Image:
        picture = self._black()
        return Image(picture, self._draw(trace, picture))

    def _batch(self, signals: Sequence[MouseTrace]) -> np.ndarray:
        pictures = np.repeat(self._black()[None], len(signals), axis=0)
        for trace, picture in zip(signals, pictures, strict=True):
            self._draw(trace, picture)
        return pictures

    def _black(self) -> np.ndarray:
        return np.zeros((self.size, self.size, len(palette(self.ink, self.colors).shown)), np.uint8)

    def _draw(self, trace: MouseTrace, picture: np.ndarray) -> Lines:
        from ..kernels.loops import draw_lines
        from .loops.pen import corners, pen_marks

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
        place = frame.left, frame.top, frame.pixel_px
        marks = pen_marks(events, self.pause_s, place, widths, pen.shown, pen.scale, pen.dots)
        ends, value, width_px, (start_s, stop_s) = marks
        draw_lines(picture, ends, value, width_px, self.colors == "color")
        return Lines(ends, width_px, start_s, stop_s, frame)
