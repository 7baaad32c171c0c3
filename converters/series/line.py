"""Line plots."""

from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, register
from ..core.image import Axes, Axis, Layout
from .base import RangedConverter, sample_axis, spread

_FILL_LEVEL = 112.0  # far enough from the line's 255 and from black


@register
class LinePlot(RangedConverter):
    """The series as a line, white on black: time to the right, the lowest value at the bottom, the highest on top.

    The line has soft edges and no axes. Where values are missing there is no line; a value between missing
    ones is a dot. Of more samples than columns of pixels each column shows the first, lowest, highest and last
    one (M4 aggregation [1]_): no peak is lost, and gaps narrower than a pixel are not seen. A series that never
    changes lies in the middle.

    Parameters
    ----------
    size, channels, input
        See `SeriesConverter`; every channel is scaled by itself.
    value_range
        The values at the bottom and on top; see `RangedConverter`.
    fill
        What is grey: `none`; `below`, the area between the line and the bottom; or `mean`, the area between the
        line and the mean of the series, which shows how long and how far it stays above and below.
    line_width_px
        Width of the line in pixels.

    References
    ----------
    .. [1] Jugel, Jerzak, Hackenbroich, Markl: M4: A Visualization-Oriented Time Series Data Aggregation. PVLDB 7,
       2014. https://doi.org/10.14778/2732951.2732953

    Examples
    --------
    >>> from phosphene.converters import Box, Series, make
    >>> image = make("line", size=8, line_width_px=1)(Series([0.0, 1.0, 1.0, 0.0]))
    >>> image.pixels[[0, 7], :, 0]
    array([[  0,   0, 132, 255, 255, 132,   0,   0],
           [128, 132,   0,   0,   0,   0, 132, 128]], dtype=uint8)
    >>> str(image.locate(Box(2, 0, 4, 4)))
    'sample 1 to 2, value 0.5 to 1.07143'
    """

    name: ClassVar[str] = "line"

    fill: Literal["none", "below", "mean"] = "none"
    line_width_px: Annotated[float, Between(above=0, high=64)] = 1.5

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        for series, image in zip(values, canvas, strict=True):
            bounds = (0.0, 1.0) if self._bounds else spread(series[0], series[0])
            image[...] = plot(
                series[0], bounds, image.shape, fill=self.fill, line_width_px=self.line_width_px
            )

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Layout:
        height, width = shape
        margin_px = margin(height, self.line_width_px)
        low, high = self._bounds[part[0]] if self._bounds else value_bounds(values[0])
        shares = 1 - (np.arange(height + 1) - margin_px) / (height - 2 * margin_px)
        axis = Axis("value", "", low + shares * (high - low))
        return Axes(sample_axis(values.shape[1], width, step_s), axis)


def plot(
    values: np.ndarray,
    bounds: tuple[float, float],
    shape: tuple[int, int],
    *,
    fill: Literal["none", "below", "mean"],
    line_width_px: float,
) -> np.ndarray:
    """Draw values (n,), NaN where missing, as a line: uint8 (rows, columns) of the given shape.

    `bounds` are the value at the bottom and how far above it the one on top lies.
    """
    from ..kernels.loops import draw_lines
    from .loops import fill_area, plot_lines

    image = np.zeros((*shape, 1), np.uint8)
    margin_px, (low, span) = margin(shape[0], line_width_px), bounds
    lines = plot_lines(np.ascontiguousarray(values), low, span, shape[1], shape[0], margin_px)
    if fill == "below":
        fill_area(image, lines, float(shape[0]), _FILL_LEVEL)
    elif fill == "mean":
        share = (float(np.nanmean(values)) - low) / span if span else 0.5
        fill_area(image, lines, margin_px + (1 - share) * (shape[0] - 2 * margin_px), _FILL_LEVEL)
    draw_lines(image, lines, np.ones((len(lines), 1)), np.full(len(lines), line_width_px), False)
    return image[:, :, 0]


def margin(rows: int, line_width_px: float) -> float:
    """Return what is left free above and below, so that the whole width of the line is seen: at most a quarter.

    Examples
    --------
    >>> margin(224, 1.5), margin(8, 20.0)
    (0.75, 2.0)
    """
    return min(line_width_px / 2, rows / 4)


def value_bounds(values: np.ndarray) -> tuple[float, float]:
    """Return the values at the bottom and at the top of a plot; around the only one where all are the same.

    Examples
    --------
    >>> value_bounds(np.array([2.0, np.nan, 5.0])), value_bounds(np.array([3.0, 3.0]))
    ((2.0, 5.0), (2.5, 3.5))
    """
    low, span = spread(values, values)
    if span:
        return low, low + span
    half = max(0.5, abs(low) * 1e-6)
    return low - half, low + half
