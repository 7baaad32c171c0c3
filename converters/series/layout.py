"""Where the pictures of the channels of a series lie in one image, and what their pixels stand for."""

import math
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import SignalError
from ..core.image import Axes, Axis, Box, Layout, Region, Span

SMALLEST_CELL = 4
PLANES = 3
# What the axis of a series measures.
_ALONG = ("sample", "time")


def grid(count: int, size: int) -> list[Box]:
    """Return `count` equal square cells of a picture, as large as fit, from the left and then downwards.

    Examples
    --------
    >>> [(cell.left, cell.top) for cell in grid(3, 8)]
    [(0, 0), (4, 0), (0, 4)]
    """
    columns = math.ceil(math.sqrt(count))
    edge = _cell_edge(count, size, columns)
    corners = [(place % columns * edge, place // columns * edge) for place in range(count)]
    return [Box(left, top, left + edge, top + edge) for left, top in corners]


def strips(count: int, size: int) -> list[Box]:
    """Return `count` equal cells of a picture, each as wide as it, from the top downwards.

    Examples
    --------
    >>> [(cell.top, cell.bottom) for cell in strips(2, 8)]
    [(0, 4), (4, 8)]
    """
    height = _cell_edge(count, size, count)
    return [Box(0, place * height, size, (place + 1) * height) for place in range(count)]


def planes(count: int, size: int) -> list[Box]:
    """Return a cell as large as the picture for each of at most three channels.

    Examples
    --------
    >>> planes(2, 8)
    [Box(left=0, top=0, right=8, bottom=8), Box(left=0, top=0, right=8, bottom=8)]
    """
    if count > PLANES:
        raise SignalError(
            f"{count} pictures do not fit into red, green and blue; take channels=mosaic or channels=stack"
        )
    return [Box(0, 0, size, size)] * count


def _cell_edge(count: int, size: int, along: int) -> int:
    edge = size // along
    if edge < SMALLEST_CELL:
        raise SignalError(
            f"{count} channels do not fit into {size} x {size} pixels; "
            f"take size={along * SMALLEST_CELL} or more, or channels=first"
        )
    return edge


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


@dataclass(frozen=True, eq=False)
class Labelled(Layout):
    """The picture of one channel: what has no name is given that of the channel."""

    inside: Layout
    label: str

    def locate(self, box: Box) -> Region:
        """Return the spans of the box, each with a name."""
        spans = self.inside.locate(box).spans
        return Region(tuple(replace(span, label=span.label or self.label) for span in spans))

    def axes(self) -> tuple[Axis, Axis] | None:
        """Return the axes of the picture."""
        return self.inside.axes()


@dataclass(frozen=True, eq=False)
class Mosaic(Layout):
    """Pictures in cells; between the cells is nothing of the signal."""

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
class Squashed(Layout):
    """A picture of `rows` rows, of which several are one row of pixels here.

    Parameters
    ----------
    inside
        What the picture shows before it is squashed.
    rows, pixels
        Its rows before and after.
    """

    inside: Layout
    rows: int
    pixels: int

    def locate(self, box: Box) -> Region:
        """Return what the rows behind the box show."""
        top, bottom = box.top * self.rows // self.pixels, -(-box.bottom * self.rows // self.pixels)
        return self.inside.locate(Box(box.left, top, box.right, bottom))


@dataclass(frozen=True, eq=False)
class Differences(Layout):
    """A picture of first differences: each reaches from its sample over the next one.

    Parameters
    ----------
    inside
        What the picture shows, counted in differences.
    step
        From one sample to the next, in the unit of the spans.
    """

    inside: Layout
    step: float

    def locate(self, box: Box) -> Region:
        """Return the samples between which the differences of the box lie."""
        return Region(tuple(map(self._reaching, self.inside.locate(box).spans)))

    def axes(self) -> tuple[Axis, Axis] | None:
        """Return the axes of the picture, which reach over the last sample."""
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


def sample_axis(
    count: int, pixels: int, step_s: float | None, *, reach: int = 1, label: str = ""
) -> SampleAxis:
    """Return the axis along which `pixels` show `count` places; each place is `reach` samples wide."""
    quantity, unit, step = ("time", "s", step_s) if step_s else ("sample", "", 1.0)
    start, stop = segments(count, pixels)
    edges = np.linspace(0, (count + reach - 1) * step, pixels + 1)
    return SampleAxis(quantity, unit, edges, start * step, (stop + reach - 1) * step, label)


def sample_axes(count: int, cell: Box, step_s: float | None) -> Axes:
    """Return a layout with samples in both directions."""
    width, height = cell.right - cell.left, cell.bottom - cell.top
    return Axes(sample_axis(count, width, step_s), sample_axis(count, height, step_s))
