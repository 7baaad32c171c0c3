"""Where buttons were pressed."""

from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Converter, Size, register
from ..core.image import Image
from ..core.parameters import Between
from .kinematics import dragging
from .layout import Lines, Scale, trace_frame
from .loops.spots import TRUNCATE, heat
from .signal import PRESS, MouseTrace

_FAINTEST = 0.25  # of a click


@register
class ClickMap(Converter):
    """Where buttons were pressed: a soft spot for every press, brighter where there were more of them.

    The fullest place is white, on a logarithmic scale: each pixel has log(1 + 4 h), with h the sum of
    exp(-d^2 / (2 spot_px^2)) over all presses at distance d [1]_. A session without presses is black. The
    picture covers the whole way of the pointer, so that it lies over those of `trace` and `dwell`.

    Parameters
    ----------
    size
        Height and width of the picture in pixels.
    button
        What counts: `pressed`, every press once; `held`, every event with a button down, so that drags leave
        their way too.
    scale
        `box` fits the whole trace into the picture and keeps its proportions; `screen` draws every trace at
        one scale, its middle in the middle of the picture, and cuts off what lies outside.
    spot_px
        Standard deviation of a spot in pixels of the picture.
    reference_px
        Pixels of the screen across the picture when `scale` is `screen` and the signal does not know its
        screen; the longer side of the screen where it does.

    References
    ----------
    .. [1] Wooding: Fixation maps: quantifying eye-movement traces. ETRA 2002.
       https://doi.org/10.1145/507072.507078

    Examples
    --------
    >>> from phosphene.converters.core.image import Box
    >>> session = MouseTrace([0, 1, 2, 3], [0, 40, 40, 80], [0, 10, 10, 0], [0, 2, 3, 0])
    >>> picture = ClickMap(size=32)(session)
    >>> str(picture.locate(Box(15, 17, 17, 19)))
    'time 1 to 1 s, x 35 to 45 px, y 10 to 20 px'
    >>> str(picture.locate(Box(0, 0, 4, 4)))
    'nothing of the signal'
    """

    name: ClassVar[str] = "clicks"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace

    size: Size = 224
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
        pixels = heat(x, y, ones, size=self.size, spot_px=self.spot_px, bend=_FAINTEST)
        width_px = ones * (2 * TRUNCATE * self.spot_px)
        return Image(pixels, Lines(np.stack([x, y, x, y], axis=1), width_px, time_s, time_s, frame))
