"""Where the pointer stayed."""

from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Converter, Size, register
from ..core.image import Image
from ..core.parameters import Between
from .kinematics import SHORTEST_S
from .layout import Lines, Scale, trace_frame
from .loops.spots import TRUNCATE, heat
from .signal import MouseTrace

_FAINTEST_S = 0.02


@register
class DwellMap(Converter):
    """Where the pointer stayed: the brighter a place, the longer it lay there, on a logarithmic scale.

    Every event counts with the time until the next one, pauses cut to `pause_s`, in a soft spot around its
    place; the longest stay is white. This is the fixation map of eye tracking [1]_, of a pointer: each pixel
    has log(1 + h / h0), with h the sum of stay_s * exp(-d^2 / (2 spot_px^2)) over all events at distance d, and
    h0 a stay of 0.02 s.

    Parameters
    ----------
    size
        Height and width of the picture in pixels.
    scale
        `box` fits the trace into the picture and keeps its proportions; `screen` draws every trace at one
        scale, its middle in the middle of the picture, and cuts off what lies outside.
    spot_px
        Standard deviation of a spot in pixels of the picture.
    pause_s
        Longest time, in seconds, that one event counts.
    reference_px
        Pixels of the screen across the picture when `scale` is `screen` and the signal does not know its
        screen; the longer side of the screen where it does.

    References
    ----------
    .. [1] Wooding: Fixation maps: quantifying eye-movement traces. ETRA 2002.
       https://doi.org/10.1145/507072.507078

    Examples
    --------
    >>> picture = DwellMap(size=32)(MouseTrace([0, 0.9, 1], [10, 20, 30], [5, 5, 5], [0, 0, 0]))
    >>> int(picture.pixels[:, :10].max()), int(picture.pixels[:, 22:].max() < 200)
    (255, 1)
    """

    name: ClassVar[str] = "dwell"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace
    version: ClassVar[int] = 2

    size: Size = 224
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
