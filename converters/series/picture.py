"""What the pictures of a series share: channels in one image, reduction to pixels, grey levels."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np

from ..core.converter import Converter, Size
from ..core.errors import SignalError
from ..core.image import Axes, Box, Image, Layout
from ..core.signal import Signal
from .layout import (
    PLANES,
    SMALLEST_CELL,
    Differences,
    Labelled,
    Mosaic,
    Nothing,
    SampleAxis,
    Squashed,
    grid,
    planes,
    sample_axis,
    segments,
    strips,
)
from .signal import Series

__all__ = [
    "MID_GREY",
    "SMALLEST_CELL",
    "Mosaic",
    "SampleAxis",
    "SeriesPicture",
    "enlarged",
    "flat_grey",
    "grey",
    "grid",
    "mean_present",
    "reduced",
    "sample_axis",
    "segments",
    "spread",
]

MID_GREY = 128
# Series drawn at a time: what lies between samples and pixels stays in the cache.
_AT_A_TIME = 128
# Samples that are averaged at a time.
_REDUCED_AT_A_TIME = 1 << 20


class SeriesPicture(Converter):
    """A square picture of a series, grey; one that has several channels shares it out among them.

    A subclass draws one channel in `_draw`, or many at once in `_draw_many`.

    Parameters
    ----------
    size
        Width and height in pixels.
    channels
        What is drawn of a series with several channels: `mosaic`, each in a square cell of its own, from the
        left and then downwards; `stack`, each in a strip as wide as the picture, from the top downwards;
        `color`, the first as red, the second as green, the third as blue, in an image that is RGB also where
        there are fewer, whose planes are black then; `mean`, the average of those present; or `first`.
    input
        What of the series is drawn: its `values`, or its first `differences`, each sample subtracted from the
        next one; next to a missing value there is none.
    """

    accepts: ClassVar[type[Signal]] = Series

    size: Size = 224
    channels: Literal["mosaic", "stack", "color", "mean", "first"] = "mosaic"
    input: Literal["values", "differences"] = "values"

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: a pattern means something else at another time."""
        return (4, 4)

    def _convert(self, signal: Series) -> Image:
        (pixels,) = self._batch([signal])
        channels = 1 if self.channels in ("mean", "first") else len(signal.values)
        return self._image(pixels, channels, signal.values.shape[1], signal.step_s)

    def _batch(self, signals: Sequence[Series]) -> np.ndarray:
        shape = (len(signals), self.size, self.size, PLANES if self.channels == "color" else 1)
        return self._fill(np.empty(shape, np.uint8), signals)

    def _fill(self, pixels: np.ndarray, signals: Sequence[Series]) -> np.ndarray:
        """Draw signals into uint8 (n, size, size, planes), whatever it held before."""
        values = [signal.values for signal in signals]
        shapes = [array.shape for array in values]
        if len(set(shapes)) == 1:
            self._fill_alike(pixels, values)
            return pixels
        for shape in dict.fromkeys(shapes):
            places = [place for place, other in enumerate(shapes) if other == shape]
            alike = np.empty((len(places), *pixels.shape[1:]), np.uint8)
            self._fill_alike(alike, [values[place] for place in places])
            pixels[places] = alike
        return pixels

    def _fill_alike(self, pixels: np.ndarray, values: Sequence[np.ndarray]) -> None:
        for first in range(0, len(values), _AT_A_TIME):
            some = values[first : first + _AT_A_TIME]
            stacked = np.concatenate(some) if len(some) > 1 else some[0]  # one may be too long to be copied
            stacked = stacked.reshape(len(some), *some[0].shape)
            self._paint(pixels[first : first + len(some)], stacked)

    def _drawn_channels(self, values: np.ndarray) -> np.ndarray:
        """Return the channels that are drawn of float32 (n, channels, samples); a mean is float64 and one channel."""
        if self.channels == "first":
            return values[:, :1]
        if self.channels == "mean":
            # The mean comes last, since it would jump where a channel begins to be missing.
            return _mean_channel(differences(values) if self.input == "differences" else values)
        return values

    def _paint(self, pixels: np.ndarray, values: np.ndarray) -> None:
        values = self._drawn_channels(values)
        parts = self._parts(values.shape[1])
        cells = self._cells(len(parts))
        if self.channels == "color":
            grey_planes = np.zeros((PLANES, *pixels.shape[:3]), np.uint8)
            for part, cell, plane in zip(parts, cells, grey_planes, strict=False):
                self._draw_many(self._of_part(values, part), plane, cell)
            pixels[...] = np.moveaxis(grey_planes, 0, -1)
            return
        canvas = pixels.reshape(pixels.shape[:3])
        if len(parts) > 1:
            canvas[...] = 0
        for part, cell in zip(parts, cells, strict=True):
            self._draw_many(self._of_part(values, part), canvas, cell)

    def _of_part(self, values: np.ndarray, part: list[int]) -> np.ndarray:
        """Return what one picture shows; of a long series there is no room for the differences of all channels."""
        some = values[:, part[0] : part[0] + 1] if len(part) == 1 else values[:, part]
        return differences(some) if self.input == "differences" and self.channels != "mean" else some

    def _parts(self, channels: int) -> list[list[int]]:
        """Return the channels that each picture shows: here, one each."""
        return [[channel] for channel in range(channels)]

    def _cells(self, count: int) -> list[Box]:
        places = {"stack": strips, "color": planes}.get(self.channels, grid)
        return places(count, self.size)

    def _draw_many(self, values: np.ndarray, canvas: np.ndarray, cell: Box) -> None:
        """Draw float32 or float64 (n, channels of a picture, samples) into a cell of uint8 (n, size, size)."""
        width, height = cell.right - cell.left, cell.bottom - cell.top
        for series, picture in zip(values, canvas, strict=True):
            drawn = squashed(self._draw(series[0], width), height)
            picture[cell.top : cell.bottom, cell.left : cell.right] = drawn

    def _draw(self, values: np.ndarray, size: int) -> np.ndarray:
        """Draw one channel, (n,) with NaN where missing, as uint8 (size, size)."""
        raise NotImplementedError

    def _image(self, pixels: np.ndarray, channels: int, count: int, step_s: float | None) -> Image:
        parts = self._parts(channels)
        cells = self._cells(len(parts))
        layouts = [
            self._part_layout(part, count, cell, step_s) for part, cell in zip(parts, cells, strict=True)
        ]
        if len(parts) > 1:
            layouts = [
                Labelled(layout, f"channel {part[0]}") for part, layout in zip(parts, layouts, strict=True)
            ]
        if self.channels == "color":
            layouts += [Nothing()] * (PLANES - len(layouts))
            return Image(pixels, layouts[0], tuple(layouts))
        return Image(pixels, layouts[0] if len(parts) == 1 else Mosaic(tuple(cells), tuple(layouts)))

    def _part_layout(self, part: list[int], count: int, cell: Box, step_s: float | None) -> Layout:
        if self.input == "values":
            return self._cell_layout(part, count, cell, step_s)
        return Differences(self._cell_layout(part, count - 1, cell, step_s), step_s or 1.0)

    def _cell_layout(self, part: list[int], count: int, cell: Box, step_s: float | None) -> Layout:
        """Return what the pixels of a cell show: here, those of `_layout`, its rows squashed to the cell's."""
        width, height = cell.right - cell.left, cell.bottom - cell.top
        layout = self._layout(count, width, step_s)
        return layout if width == height else Squashed(layout, width, height)

    def _layout(self, count: int, size: int, step_s: float | None) -> Layout:
        """Return what the pixels of a channel of `count` samples show: here, samples in both directions."""
        axis = sample_axis(count, size, step_s)
        return Axes(axis, axis)


def _mean_channel(values: np.ndarray) -> np.ndarray:
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


def squashed(pixels: np.ndarray, rows: int) -> np.ndarray:
    """Average the rows of a picture until `rows` are left.

    Examples
    --------
    >>> squashed(np.array([[0, 8], [4, 8], [9, 9]], np.uint8), 2)
    array([[0, 8],
           [6, 8]], dtype=uint8)
    """
    if len(pixels) == rows:
        return pixels
    start, stop = segments(len(pixels), rows)
    sums = np.add.reduceat(pixels, start, axis=0, dtype=np.float64)
    levels: np.ndarray = np.rint(sums / (stop - start)[:, None]).astype(np.uint8)
    return levels


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
    """Average along the first axis from each of `start`, which counts from the place of the first, to the next."""
    present = ~np.isnan(values)
    places = start - start[0]
    sums = np.add.reduceat(np.where(present, values, 0.0).astype(np.float64, copy=False), places, axis=0)
    return _ratio(sums, np.add.reduceat(present, places, axis=0, dtype=np.int64))


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


def enlarged(pixels: np.ndarray, size: int) -> np.ndarray:
    """Repeat the nearest pixel until a picture is `size` x `size`."""
    if pixels.shape == (size, size):
        return pixels
    rows, columns = (segments(count, size)[0] for count in pixels.shape)
    repeated: np.ndarray = pixels[rows[:, None], columns]
    return repeated
