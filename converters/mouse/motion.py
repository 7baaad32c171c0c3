"""How the pointer was moved, whatever it was moved over: four small plots in one picture."""

from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Converter, Size, register
from ..core.image import Image
from ..core.parameters import Between
from . import kinematics
from .layout import join_lines
from .panels import Panel, bar_panel, step_panel, stroke_panel
from .signal import MouseTrace


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
        Height and width of the picture in pixels.
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
    >>> picture = MotionPanels(size=32)(session)
    >>> str(picture.locate(Box(24, 24, 32, 32)))
    'time 0.2 to 9 s'
    """

    name: ClassVar[str] = "motion"
    accepts: ClassVar[type[MouseTrace]] = MouseTrace
    version: ClassVar[int] = 2

    size: Size = 224
    pause_s: Annotated[float, Between(above=0)] = 0.5
    step_px: Annotated[float, Between(1, 100_000)] = 300.0
    stroke_px: Annotated[float, Between(1, 100_000)] = 1200.0

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: plots and strips mean different things, and so do their parts."""
        return (4, 4)

    def _convert(self, trace: MouseTrace) -> Image:
        half, rest = self.size // 2, self.size - self.size // 2
        origin = kinematics.origins(trace.time_s, pause_s=self.pause_s)
        panels = (
            step_panel(trace, origin, reach_px=self.step_px, size=half).moved(0, 0),
            stroke_panel(trace, origin, reach_px=self.stroke_px, size=half).moved(rest, 0),
            bar_panel(trace, kinematics.speed_share(trace, origin), (rest // 2, self.size)).moved(0, half),
            bar_panel(trace, kinematics.interval_share(trace), (rest - rest // 2, self.size)).moved(
                0, half + rest // 2
            ),
        )
        return Image(compose(panels, self.size), join_lines([panel.lines for panel in panels]))


def compose(panels: tuple[Panel, ...], size: int) -> np.ndarray:
    """Put panels in their places: uint8 (size, size, 1), black where there is none."""
    picture = np.zeros((size, size, 1), np.uint8)
    for panel in panels:
        rows, columns = panel.picture.shape
        picture[panel.top : panel.top + rows, panel.left : panel.left + columns, 0] = np.rint(
            panel.picture * 255
        )
    return picture
