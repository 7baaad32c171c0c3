"""What the converters of series share: channels in one image, the range of values, averages, grey levels, axes.

A converter of series is its parameters and one method, `_draw`, which fills the pixels of many series at once.
"""

import itertools
import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar, Literal, Self

import numpy as np

from ..core.converter import Converter, Size, height_width
from ..core.errors import ParameterError, SignalError
from ..core.image import Axes, Axis, Box, Image, Layout, Region, Span
from ..core.signal import Signal
from .signal import Series

SMALLEST_CELL = 4
PLANES = 3
# What the axis of a series measures.
_ALONG = ("sample", "time")

Arrangement = Literal["mosaic", "stack", "color", "mean", "first"]


def cells(count: int, size: int | tuple[int, int], arrangement: Arrangement) -> list[Box]:
    """Return `count` equal cells of an image, one a channel.

    Parameters
    ----------
    count
        How many.
    size
        Of the image: pixels of each side, or (height, width).
    arrangement
        `stack` makes strips as wide as the image, from the top downwards; `color` gives each channel the whole image;
        the others make small images of its form, as large as fit, from the left and then downwards.

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
    height, width = height_width(size)
    if arrangement == "color":
        if count > PLANES:
            raise SignalError(
                f"{count} images do not fit into red, green and blue; take channels=mosaic or channels=stack"
            )
        return [Box(0, 0, width, height)] * count
    columns = 1 if arrangement == "stack" else math.ceil(math.sqrt(count))
    along = count if arrangement == "stack" else columns
    down, across = height // along, width // columns
    if min(down, across) < SMALLEST_CELL:
        raise SignalError(
            f"{count} channels do not fit into {height} x {width} pixels; "
            f"take size={along * SMALLEST_CELL} or more, or channels=first"
        )
    corners = [(index % columns * across, index // columns * down) for index in range(count)]
    return [Box(left, top, left + across, top + down) for left, top in corners]


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
        return axes and (self._extended(axes[0]), self._extended(axes[1]))

    def _reaching(self, span: Span) -> Span:
        return replace(span, stop=span.stop + self.step) if span.quantity in _ALONG else span

    def _extended(self, axis: Axis) -> Axis:
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


MID_GREY = 128
# Series drawn at a time: what lies between samples and pixels stays in the cache.
_AT_A_TIME = 128
# Samples that are averaged at a time.
_REDUCED_AT_A_TIME = 1 << 20


class SeriesConverter(Converter):
    """An image of a series, grey; one that has several channels shares it out among them.

    Parameters
    ----------
    size
        Pixels of each side, or (height, width); fields, which have time in both directions, are squares.
    channels
        What is drawn of a series with several channels: `mosaic`, each in a small image of its own, from the
        left and then downwards; `stack`, each in a strip as wide as the image, from the top downwards;
        `color`, the first as red, the second as green, the third as blue, in an image that is RGB also where
        there are fewer, whose channels are black then; `mean`, the average of those present; or `first`.
    input
        What of the series is drawn: its `values`, or its first `differences`, each sample subtracted from the
        next one; next to a missing value there is none.
    """

    accepts: ClassVar[type[Signal]] = Series

    size: Size = 224
    channels: Arrangement = "mosaic"
    input: Literal["values", "differences"] = "values"

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: a pattern means something else at another time."""
        return (4, 4)

    @property
    def family(self) -> str:
        """`side by side` where channels lie in strips, `form` where each series has a range of its own."""
        return "side by side" if self.channels == "stack" else "form"

    @abstractmethod
    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        """Draw one channel of each of many series.

        Parameters
        ----------
        values
            float32 or float64 (n, channels of an image, samples), NaN where missing.
        canvas
            uint8 (n, rows, columns), contiguous; every pixel is written.
        """

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Layout:
        """Return what the pixels (rows, columns) of some channels show: here, samples in both directions."""
        del part
        return sample_axes(values.shape[-1], shape, step_s)

    def _parts(self, channels: int) -> list[list[int]]:
        """Return the channels that each image shows: here, one each."""
        return [[channel] for channel in range(channels)]

    def _convert(self, signal: Series) -> Image:
        (pixels,) = self._batch([signal])
        boxes, layouts, names = [], [], []
        for part, cell, values in self._images(signal.values[None]):
            layout = self._layout(part, values[0], _shape(cell), signal.step_s)
            if self.input == "differences":
                layout = Differences(layout, signal.step_s or 1.0)
            boxes.append(cell)
            layouts.append(layout)
            names.append(f"channel {part[0]}")
        if len(layouts) > 1:
            layouts = [Labelled(layout, name) for layout, name in zip(layouts, names, strict=True)]
        if self.channels == "color":
            return Image(pixels, layouts[0], (*layouts, *[Nothing()] * (PLANES - len(layouts))))
        return Image(pixels, layouts[0] if len(layouts) == 1 else Mosaic(tuple(boxes), tuple(layouts)))

    def _batch(self, signals: Sequence[Series]) -> np.ndarray:
        n_colors = PLANES if self.channels == "color" else 1
        pixels = np.empty((len(signals), *height_width(self.size), n_colors), np.uint8)
        for start, stop in _runs([signal.values.shape for signal in signals]):
            some = [signal.values for signal in signals[start:stop]]
            values = np.concatenate(some) if len(some) > 1 else some[0]  # one may be too long to be copied
            self._paint(values.reshape(len(some), *some[0].shape), pixels[start:stop])
        return pixels

    def _paint(self, values: np.ndarray, pixels: np.ndarray) -> None:
        """Draw float32 (n, channels, samples) into uint8 (n, height, width, colors)."""
        count, height, width, n_colors = pixels.shape
        for index, (_, cell, some) in enumerate(self._images(values)):
            rows, columns = _shape(cell)
            if (rows, columns, n_colors) == (height, width, 1):
                self._draw(some, pixels.reshape(count, height, width))
                continue
            drawn = np.empty((count, rows, columns), np.uint8)
            self._draw(some, drawn)
            if index == 0:
                pixels[...] = 0
            color = index if n_colors > 1 else 0
            pixels[:, cell.top : cell.bottom, cell.left : cell.right, color] = drawn

    def _images(self, values: np.ndarray) -> Iterator[tuple[list[int], Box, np.ndarray]]:
        """Yield the channels of each image, its cell, and what is drawn of (n, channels, samples)."""
        steps = self.input == "differences"
        if self.channels == "first":
            values = values[:, :1]
        elif self.channels == "mean":
            # The mean comes last, since it would jump where a channel begins to be missing.
            values, steps = mean_channel(differences(values) if steps else values), False
        parts = self._parts(values.shape[1])
        for part, cell in zip(parts, cells(len(parts), self.size, self.channels), strict=True):
            # Of a long series there is no room for the differences of all channels.
            some = values[:, part[0] : part[0] + 1] if len(part) == 1 else values[:, part]
            yield part, cell, differences(some) if steps else some


def _shape(cell: Box) -> tuple[int, int]:
    return cell.bottom - cell.top, cell.right - cell.left


def _runs(shapes: Sequence[tuple[int, ...]]) -> Iterator[tuple[int, int]]:
    """Yield the first and the stop of runs of neighbours of one shape, each short enough for the cache."""
    start = 0
    for _, run in groupby(shapes):
        end = start + sum(1 for _ in run)
        for first in range(start, end, _AT_A_TIME):
            yield first, min(first + _AT_A_TIME, end)
        start = end


def mean_channel(values: np.ndarray) -> np.ndarray:
    """Return means of (n, channels, samples) over the channels that are present: float64 (n, 1, samples)."""
    # Channel by channel: of a long series there is no room for copies of all.
    sums = np.zeros((len(values), 1, values.shape[2]))
    counts = np.zeros(sums.shape, np.int32)
    for channel in range(values.shape[1]):
        present = ~np.isnan(values[:, channel : channel + 1])
        np.add(sums, values[:, channel : channel + 1], out=sums, where=present)
        counts += present
    sums[counts == 0] = np.nan
    return np.divide(sums, counts, out=sums, where=counts > 1)


def differences(values: np.ndarray) -> np.ndarray:
    """Return what is added from each sample to the next: (..., n - 1), NaN next to a missing one.

    Raises
    ------
    SignalError
        No two neighbours are present in some channel.

    Examples
    --------
    >>> differences(np.array([[1.0, 3.0, 2.0, np.nan, 5.0]]))
    array([[ 2., -1., nan, nan]])
    """
    with np.errstate(over="ignore"):
        steps = np.diff(values)
    if np.isinf(steps).any():
        steps = np.diff(values.astype(np.float64))
    if np.isnan(np.fmax.reduce(steps, axis=-1, initial=np.nan)).any():
        raise SignalError("no two neighbouring samples of a channel are present; take input=values")
    return steps


def mean_present(values: np.ndarray, axis: int) -> np.ndarray:
    """Return means along an axis over what is not NaN; NaN where all is."""
    present = ~np.isnan(values)
    return _ratio(np.where(present, values, 0.0).sum(axis), present.sum(axis))


def reduced(values: np.ndarray, most: int, *, axis: int = -1) -> np.ndarray:
    """Average neighbours along an axis, without missing values, until at most `most` are left; as float64.

    Examples
    --------
    >>> reduced(np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan]), 3)
    array([ 2.,  5., nan])
    """
    along = np.moveaxis(values, axis, 0)
    if len(along) <= most:
        return values.astype(np.float64)
    start, stop = segments(len(along), most)
    # Part by part: of a long series there is no room for copies of all.
    step = max(1, most * _REDUCED_AT_A_TIME // max(1, values.size))
    parts = [
        _reduced_part(along[start[first] : stop[first : first + step][-1]], start[first : first + step])
        for first in range(0, most, step)
    ]
    return np.moveaxis(np.concatenate(parts), 0, axis)


def _reduced_part(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Average along the first axis from each of `start`, which counts from the index of the first, to the next."""
    present = ~np.isnan(values)
    offsets = start - start[0]
    sums = np.add.reduceat(np.where(present, values, 0.0).astype(np.float64, copy=False), offsets, axis=0)
    return _ratio(sums, np.add.reduceat(present, offsets, axis=0, dtype=np.int64))


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def spread(values: np.ndarray, source: np.ndarray) -> tuple[float, float]:
    """Return the lowest present value, and how far above it the highest lies.

    The latter is 0 where averages of `source` differ by rounding alone.

    Examples
    --------
    >>> spread(np.array([1e-17, 0.0]), np.array([-1.0, 1.0]))
    (0.0, 0.0)
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    rounding = 1e-9 * max(-float(np.nanmin(source)), float(np.nanmax(source)))
    return low, (high - low if high - low > rounding else 0.0)


def grey(shares: np.ndarray) -> np.ndarray:
    """Turn 0 to 1 into grey levels 0 to 255, missing ones into 0.

    Examples
    --------
    >>> grey(np.array([0.0, 0.5, 1.0, np.nan]))
    array([  0, 128, 255,   0], dtype=uint8)
    """
    levels: np.ndarray = np.rint(np.clip(np.nan_to_num(shares, nan=0.0), 0, 1) * 255).astype(np.uint8)
    return levels


def flat_grey(values: np.ndarray) -> np.ndarray:
    """Return the grey levels of values that are all the same: the middle, 0 where missing."""
    return np.where(np.isnan(values), 0, MID_GREY).astype(np.uint8)


def averaged(values: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Average neighbours, without missing values, to so many pixels, or repeat each where there are fewer.

    Returns
    -------
    means, bounds
        float64 (n, pixels), NaN where all is missing; and (n, 3): the lowest and the highest of them, and the
        largest magnitude of the values.

    Examples
    --------
    >>> means, bounds = averaged(np.array([[1.0, 3.0, -4.0, np.nan]]), 2)
    >>> means.tolist(), bounds.tolist()
    ([[2.0, -4.0]], [[-4.0, 2.0, 4.0]])
    """
    from .loops import average_rows, largest_rows

    values = np.ascontiguousarray(values)
    means = np.empty((len(values), pixels))
    bounds = np.empty((len(values), 3))
    average_rows(values, *segments(values.shape[-1], pixels), means, bounds)
    largest, whole = np.empty(len(values), values.dtype), np.dtype(f"i{values.itemsize}")
    largest_rows(values.view(whole), np.array([np.inf], values.dtype).view(whole), largest.view(whole))
    bounds[:, 2] = largest
    return means, bounds


def spans(bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest value and the width between it and the highest, of `averaged`: (n,) each.

    Examples
    --------
    >>> spans(np.array([[-1.0, 3.0, 3.0], [0.0, 1e-17, 1.0]]))
    (array([-1.,  0.]), array([4., 0.]))
    """
    low, high, largest = bounds.T
    width = high - low
    return low, np.where(width > 1e-9 * largest, width, 0.0)


def finish(canvas: np.ndarray, *, flat: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Make images of what never changes mid-grey, and what is missing black.

    Parameters
    ----------
    canvas
        uint8 (n, rows, columns), changed in place.
    flat
        bool (n,): which never change.
    rows, columns
        bool (n, rows) and (n, columns): which are missing.

    Examples
    --------
    >>> canvas, missing = np.full((1, 2, 2), 9, np.uint8), np.array([[False, True]])
    >>> finish(canvas, flat=np.array([True]), rows=missing, columns=missing)
    >>> canvas.tolist()
    [[[128, 0], [0, 0]]]
    """
    if flat.any():
        canvas[flat] = MID_GREY
    if columns.any():
        canvas[rows] = 0
        canvas.transpose(0, 2, 1)[columns] = 0


OUTSIDE = 0.001
"""Share of the training values below the range, and above it: one spike does not squash all others."""


class RangedConverter(SeriesConverter):
    """An image of the values from a lowest to a highest one, which are those of each series or the same for all.

    Parameters
    ----------
    size, channels, input
        See `SeriesConverter`.
    value_range
        `item`: from the lowest to the highest value of each channel of each series. `training`: the same for every
        series, from the 0.1 % quantile of the training items to the 99.9 % quantile, which `resolve` puts in its
        place; until then as `item`. Or numbers: the lowest and the highest value of the first channel, of the second,
        and so on; what lies outside is clipped. Of differences where these are the `input`.
    """

    value_range: Literal["item", "training"] | tuple[float, ...] = "item"

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = self._bounds
        if bounds is not None and not (len(bounds) and all(low < high for low, high in bounds)):
            raise ParameterError(
                f"{type(self).__name__}.value_range must be a lowest and a higher number for each channel, "
                f"got {self.value_range}"
            )

    @property
    def family(self) -> str:
        """`height` where all series have one range: how high a value lies is seen."""
        return "height" if super().family == "form" and self.value_range != "item" else super().family

    def resolve(self, signals: Sequence[Signal]) -> Self:
        """Put numbers in the place of `training`: the range of these training items."""
        if self.value_range != "training":
            return self
        found = [self._values(signal) for signal in signals if isinstance(signal, Series)]
        n_channels = max((len(values) for values in found), default=0)
        bounds = [
            value_quantiles(np.concatenate([values[channel] for values in found if channel < len(values)]))
            for channel in range(n_channels)
        ]
        return self.replace(value_range=tuple(itertools.chain(*bounds))) if bounds else self

    @property
    def _bounds(self) -> list[tuple[float, float]] | None:
        """The lowest and the highest value of each channel, None where they are those of each series."""
        if isinstance(self.value_range, str):
            return None
        numbers = (*self.value_range, *[float("nan")] * (len(self.value_range) % 2))
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def _values(self, signal: Series) -> list[np.ndarray]:
        """Return what is drawn of a series before the range is applied: (samples,) for each channel."""
        return [values[0, 0] for _, _, values in super()._images(signal.values[None])]

    def _images(self, values: np.ndarray) -> Iterator[tuple[list[int], Box, np.ndarray]]:
        for part, cell, some in super()._images(values):
            yield part, cell, self._scaled(some, part[0])

    def _scaled(self, values: np.ndarray, channel: int) -> np.ndarray:
        """Return values from 0 to 1 where there is a range."""
        if self._bounds is None:
            return values
        if channel >= len(self._bounds):
            raise SignalError(
                f"{self.name} has a value_range of {len(self._bounds)} channels, got a series with channel {channel}; "
                "give it as many channels, or take channels=first"
            )
        low, high = self._bounds[channel]
        return np.asarray(np.clip((values.astype(np.float64) - low) / (high - low), 0.0, 1.0))


def value_quantiles(values: np.ndarray) -> tuple[float, float]:
    """Return the range of values (n,) that leaves out the farthest ones, and has some width always.

    Examples
    --------
    >>> value_quantiles(np.arange(1001.0)), value_quantiles(np.array([2.0, np.nan, 2.0]))
    ((1.0, 999.0), (1.5, 2.5))
    """
    low, high = (float(bound) for bound in np.nanquantile(values.astype(np.float64), [OUTSIDE, 1 - OUTSIDE]))
    half = max(0.5, abs(low) * 1e-6)
    low, high = (low, high) if high > low else (low - half, high + half)
    decimals = 5 - math.floor(math.log10(high - low))  # a hundredth of a grey level, and short to read
    return round(low, decimals), round(high, decimals)
