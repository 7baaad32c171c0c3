"""Where the channels of a series lie in one image, which samples each pixel shows, and what the axes measure."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..core.errors import SignalError
from ..core.image import Axes, Axis, Box, Layout, Region, Span

SMALLEST_CELL = 4
PLANES = 3
# What the axis of a series measures.
_ALONG = ("sample", "time")

Arrangement = Literal["mosaic", "stack", "color", "mean", "first"]


def cells(count: int, size: int, arrangement: Arrangement) -> list[Box]:
    """Return `count` equal cells of an image of `size` x `size`, one a channel.

    Parameters
    ----------
    count
        How many.
    size
        Width and height of the image in pixels.
    arrangement
        `stack` makes strips as wide as the image, from the top downwards; `color` gives each channel the whole image;
        the others make squares, as large as fit, from the left and then downwards.

    Raises
    ------
    SignalError
        So many do not fit.

    Examples
    --------
    >>> [(cell.left, cell.top) for cell in cells(3, 8, "mosaic")]
    [(0, 0), (4, 0), (0, 4)]
    >>> cells(2, 8, "stack")
    [Box(left=0, top=0, right=8, bottom=4), Box(left=0, top=4, right=8, bottom=8)]
    """
    if arrangement == "color":
        if count > PLANES:
            raise SignalError(
                f"{count} pictures do not fit into red, green and blue; take channels=mosaic or channels=stack"
            )
        return [Box(0, 0, size, size)] * count
    columns = 1 if arrangement == "stack" else math.ceil(math.sqrt(count))
    along = count if arrangement == "stack" else columns
    height = size // along
    if height < SMALLEST_CELL:
        raise SignalError(
            f"{count} channels do not fit into {size} x {size} pixels; "
            f"take size={along * SMALLEST_CELL} or more, or channels=first"
        )
    width = size if arrangement == "stack" else height
    corners = [(index % columns * width, index // columns * height) for index in range(count)]
    return [Box(left, top, left + width, top + height) for left, top in corners]


def segments(count: int, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first sample that each pixel shows, and the first one behind it: int64 (pixels,) each.

    Where there are more samples than pixels every sample falls to one pixel, as in piecewise aggregate
    approximation (https://doi.org/10.1007/PL00011669); where there are fewer, each is shown by as many pixels
    as come nearest.

    Examples
    --------
    >>> [ends.tolist() for ends in segments(5, 3)], segments(2, 5)[0].tolist()
    ([[0, 1, 3], [1, 3, 5]], [0, 0, 1, 1, 1])
    """
    if count >= pixels:
        ends = np.arange(pixels + 1, dtype=np.int64) * count // pixels
        return ends[:-1], ends[1:]
    nearest = (2 * np.arange(pixels, dtype=np.int64) + 1) * count // (2 * pixels)
    return nearest, nearest + 1


@dataclass(frozen=True, eq=False)
class SampleAxis(Axis):
    """Pixels that show whole samples: a span reaches to the borders of the samples it touches."""

    first: np.ndarray
    last: np.ndarray
    label: str = ""

    def span(self, first: int, stop: int) -> Span:
        """Return the samples that the pixels `first` to `stop - 1` show."""
        start, end = float(self.first[first]), float(self.last[stop - 1])
        return Span(self.quantity, self.unit, start, end, self.label)


def sample_axis(
    count: int, pixels: int, step_s: float | None, *, reach: int = 1, label: str = ""
) -> SampleAxis:
    """Return the axis along which `pixels` show `count` states; each state is `reach` samples wide."""
    quantity, unit, step = ("time", "s", step_s) if step_s else ("sample", "", 1.0)
    start, stop = segments(count, pixels)
    edges = np.linspace(0, (count + reach - 1) * step, pixels + 1)
    return SampleAxis(quantity, unit, edges, start * step, (stop + reach - 1) * step, label)


@dataclass(frozen=True, eq=False)
class Mosaic(Layout):
    """Channels in cells, each with its name; between the cells is nothing of the signal."""

    cells: tuple[Box, ...]
    parts: tuple[Layout, ...]

    def locate(self, box: Box) -> Region:
        """Return the spans of every cell that the box touches."""
        touched = [(part, _overlap(box, cell)) for cell, part in zip(self.cells, self.parts, strict=True)]
        return Region(tuple(span for part, own in touched if own for span in part.locate(own).spans))


def _overlap(box: Box, cell: Box) -> Box | None:
    left, top = max(box.left, cell.left), max(box.top, cell.top)
    right, bottom = min(box.right, cell.right), min(box.bottom, cell.bottom)
    if left >= right or top >= bottom:
        return None
    return Box(left - cell.left, top - cell.top, right - cell.left, bottom - cell.top)


@dataclass(frozen=True, eq=False)
class Labelled(Layout):
    """One channel of several: spans without a name are given that of the channel."""

    inside: Layout
    label: str

    def locate(self, box: Box) -> Region:
        """Return the spans of the box, each with a name."""
        spans = self.inside.locate(box).spans
        return Region(tuple(replace(span, label=span.label or self.label) for span in spans))

    def axes(self) -> tuple[Axis, Axis] | None:
        """Return the axes of the channel; that of its values is no other channel's, and has its name."""
        axes = self.inside.axes()
        return axes and (self._named(axes[0]), self._named(axes[1]))

    def _named(self, axis: Axis) -> Axis:
        return replace(axis, quantity=f"value of {self.label}") if axis.quantity == "value" else axis


@dataclass(frozen=True, eq=False)
class Differences(Layout):
    """First differences: each reaches from its sample over the next one.

    Parameters
    ----------
    inside
        What the pixels show, counted in differences.
    step
        From one sample to the next, in the unit of the spans.
    """

    inside: Layout
    step: float

    def locate(self, box: Box) -> Region:
        """Return the samples between which the differences of the box lie."""
        return Region(tuple(map(self._reaching, self.inside.locate(box).spans)))

    def axes(self) -> tuple[Axis, Axis] | None:
        """Return the axes, which reach over the last sample."""
        axes = self.inside.axes()
        return axes and (self._stretched(axes[0]), self._stretched(axes[1]))

    def _reaching(self, span: Span) -> Span:
        return replace(span, stop=span.stop + self.step) if span.quantity in _ALONG else span

    def _stretched(self, axis: Axis) -> Axis:
        if axis.quantity not in _ALONG:
            return axis
        return replace(axis, edges=axis.edges * (1 + self.step / axis.edges[-1]))


class Nothing(Layout):
    """Pixels that stand for nothing."""

    def locate(self, box: Box) -> Region:
        """Return the empty region."""
        return Region(())


def sample_axes(count: int, shape: tuple[int, int], step_s: float | None) -> Axes:
    """Return a layout of (rows, columns) with samples in both directions."""
    rows, columns = shape
    return Axes(sample_axis(count, columns, step_s), sample_axis(count, rows, step_s))
