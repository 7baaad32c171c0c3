"""Line plots."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import register
from ..core.image import Axes, Axis, Box, Image, Layout, Region, Span
from ..core.parameters import Between
from .picture import SeriesPicture, sample_axis, spread
from .signal import Series

_FILL_LEVEL = 112.0  # far enough from the line's 255 and from black


@register
class LinePlot(SeriesPicture):
    """The series as a line, white on black: time to the right, the lowest value at the bottom, the highest on top.

    The line has soft edges and no axes. Where values are missing there is no line; a value between missing
    ones is a dot. Of more samples than columns of pixels each column shows the first, lowest, highest and last
    one (M4 aggregation [1]_): no peak is lost, and gaps narrower than a pixel are not seen. A series that never
    changes lies in the middle.

    Parameters
    ----------
    size, channels, input
        See `SeriesPicture`; every channel is scaled by itself.
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
    >>> from phosphene.converters import Box, make
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

    def _convert(self, signal: Series) -> Image:
        image = super()._convert(signal)
        drawn = self._drawn_channels(signal.values[None])
        count = drawn.shape[1]
        labels = [f"channel {place}" for place in range(count)] if count > 1 else [""]
        bounds = {
            label: value_bounds(self._of_part(drawn, [place])[0, 0]) for place, label in enumerate(labels)
        }
        planes = tuple(Valued(plane, bounds) for plane in image.planes)
        return Image(image.pixels, Valued(image.layout, bounds), planes)

    def _draw_many(self, values: np.ndarray, canvas: np.ndarray, cell: Box) -> None:
        for series, picture in zip(values, canvas, strict=True):
            picture[cell.top : cell.bottom, cell.left : cell.right] = plot(
                series[0], (cell.bottom - cell.top, cell.right - cell.left), self.fill, self.line_width_px
            )

    def _cell_layout(self, part: list[int], count: int, cell: Box, step_s: float | None) -> Layout:
        del part
        width, height = cell.right - cell.left, cell.bottom - cell.top
        margin_px = margin(height, self.line_width_px)
        shares = 1 - (np.arange(height + 1) - margin_px) / (height - 2 * margin_px)
        return Axes(sample_axis(count, width, step_s), Axis(_HEIGHT, "", shares))


def plot(
    values: np.ndarray, shape: tuple[int, int], fill: Literal["none", "below", "mean"], line_width_px: float
) -> np.ndarray:
    """Draw values (n,), NaN where missing, as a line: uint8 (rows, columns) of the given shape."""
    from ..kernels.strokes import draw_lines
    from .line_loops import fill_area, plot_lines

    picture = np.zeros((*shape, 1), np.uint8)
    margin_px, (low, span) = margin(shape[0], line_width_px), spread(values, values)
    lines = plot_lines(np.ascontiguousarray(values), low, span, shape[1], shape[0], margin_px)
    if fill == "below":
        fill_area(picture, lines, float(shape[0]), _FILL_LEVEL)
    elif fill == "mean":
        share = (float(np.nanmean(values)) - low) / span if span else 0.5
        fill_area(picture, lines, margin_px + (1 - share) * (shape[0] - 2 * margin_px), _FILL_LEVEL)
    draw_lines(picture, lines, np.ones((len(lines), 1)), np.full(len(lines), line_width_px), False)
    return picture[:, :, 0]


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


_HEIGHT = "height"


@dataclass(frozen=True, eq=False)
class Valued(Layout):
    """Plots whose rows are shares of the height, and the values that these stand for.

    Parameters
    ----------
    inside
        What the pixels show, with spans of the quantity `height`: 0 at the bottom, 1 on top.
    bounds
        The values at the bottom and on top, by the name of the channel.
    """

    inside: Layout
    bounds: Mapping[str, tuple[float, float]]

    def locate(self, box: Box) -> Region:
        """Return the samples and the range of values that the box shows."""
        return Region(tuple(map(self._valued, self.inside.locate(box).spans)))

    def axes(self) -> tuple[Axis, Axis] | None:
        """Return samples and values, of a series of one channel."""
        axes = self.inside.axes()
        if axes is None or "" not in self.bounds:
            return axes
        low, high = self.bounds[""]
        return axes[0], Axis("value", "", low + axes[1].edges * (high - low))

    def _valued(self, span: Span) -> Span:
        if span.quantity != _HEIGHT:
            return span
        low, high = self.bounds[span.label]
        start, stop = (low + share * (high - low) for share in (span.start, span.stop))
        return replace(span, quantity="value", start=start, stop=stop)
