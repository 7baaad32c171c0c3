"""Where in time, and where on the screen, the lines of an image come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.image import Box, Layout, Region, Span, join_spans
from .signal import MouseTrace

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
