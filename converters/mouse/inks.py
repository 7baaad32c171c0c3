"""The colours of the pen: what brightness and colour say about each line and dot."""

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .signal import MOVE, PRESS, SCROLL

Ink = Literal["line", "speed", "time", "direction", "rgb"]
Colors = Literal["grey", "color"]

# What each plane shows, as `pen.pen_marks` takes it (whose module is compiled, and loaded only to draw).
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
        int64 (planes,): what each plane shows, as `pen_marks` takes it.
    scale
        float64 (planes, levels): brightness for shares from 0 to 1, evenly spaced.
    dots
        float64 (3, planes): the brightness of a press, of a turn of the wheel, and of what has no direction.
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
    return np.stack([np.interp(share, np.linspace(0, 1, len(colors)), plane) for plane in colors.T], axis=1)
