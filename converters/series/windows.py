"""Overlapping windows of a series, one below the other."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import register
from ..core.image import Box, Layout, Region, Span, join_stretches
from ..core.parameters import Between
from .layout import segments
from .picture import flat_grey, grey, reduced, spread
from .value_range import RangedPicture

_FINEST = 8  # samples of a window for each column of pixels; of more, neighbours are averaged before


@register
class OverlappingWindows(RangedPicture):
    """Windows of a series written in rows, each a little later than the one above.

    With x the series, L the length of a window and h the hop, the image is the matrix x[i h + j] with i from the top
    and j from the left, brought to the size of the image by linear interpolation that averages where it shrinks. It
    is the trajectory matrix of singular spectrum analysis [1]_ with a hop: what a filter sees in neighbouring rows
    lies h samples apart, so that a small filter spans a long time (a dilated convolution), and what moves in time
    moves along diagonals. Rows of `patches` do not overlap, and tear apart what lies on a border.

    The lowest value is black, the highest white; missing values are black and are left out of averages; a series
    that never changes is mid-grey.

    Parameters
    ----------
    size, channels, input
        See `SeriesPicture`.
    value_range
        See `RangedPicture`.
    length
        Samples of a window, as a share of the series.
    hop
        From one window to the next, as a share of a window. The windows are spread so that the last one ends with
        the series.

    References
    ----------
    .. [1] Broomhead and King (1986), https://doi.org/10.1016/0167-2789(86)90031-X

    Examples
    --------
    >>> from phosphene.converters import Box, Series, make
    >>> image = make("windows", size=8, length=0.5, hop=0.25)(Series([float(n) for n in range(16)]))
    >>> image.pixels[[0, 7], :, 0]
    array([[  0,  17,  34,  51,  68,  85, 102, 119],
           [136, 153, 170, 187, 204, 221, 238, 255]], dtype=uint8)
    >>> str(image.locate(Box(0, 0, 2, 1)))
    'sample 0 to 2'
    """

    name: ClassVar[str] = "windows"

    length: Annotated[float, Between(0.001, 1)] = 1 / 3
    hop: Annotated[float, Between(0.01, 1)] = 0.1

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        width, starts = window_starts(values.shape[2], self.length, self.hop)
        bounds = (0.0, 1.0) if self._bounds else None
        for series, picture in zip(values, canvas, strict=True):
            picture[...] = draw_windows(series[0], width, starts, picture.shape, bounds)

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Layout:
        del part
        width, starts = window_starts(values.shape[-1], self.length, self.hop)
        rows, columns = (
            segments(count, most) for count, most in zip((len(starts), width), shape, strict=True)
        )
        return Windowed(starts, rows, columns, step_s)


def window_starts(count: int, length: float, hop: float) -> tuple[int, np.ndarray]:
    """Return the samples of a window and where each begins, int64 (n,), for `length` and `hop` as of the converter.

    Examples
    --------
    >>> window_starts(10, 0.4, 0.5)
    (4, array([0, 2, 4, 6]))
    """
    width = min(count, max(1, round(length * count)))
    rows = 1 + math.ceil((count - width) / max(1, round(hop * width)))
    return width, np.arange(rows, dtype=np.int64) * (count - width) // max(1, rows - 1)


def draw_windows(
    values: np.ndarray,
    width: int,
    starts: np.ndarray,
    shape: tuple[int, int],
    bounds: tuple[float, float] | None,
) -> np.ndarray:
    """Draw windows of values (n,), NaN where missing, as rows: uint8 (rows, columns) of the given shape.

    `bounds` are the values drawn black and white; None for the lowest and the highest of the series.
    """
    coarse = max(1, width // (_FINEST * shape[1]))
    if coarse > 1:
        values, width, starts = reduced(values, len(values) // coarse), width // coarse, starts // coarse
    rows = values[np.minimum(starts[:, None] + np.arange(width), len(values) - 1)].astype(np.float64)
    down, across = resampling(len(starts), shape[0]), resampling(width, shape[1])
    present = down @ (~np.isnan(rows)).astype(np.float64) @ across.T
    sums = down @ np.nan_to_num(rows, nan=0.0) @ across.T
    levels = np.where(present > 1e-9, sums / np.maximum(present, 1e-9), np.nan)
    low, span = spread(values, values) if bounds is None else (bounds[0], bounds[1] - bounds[0])
    return grey((levels - low) / span) if span else flat_grey(levels)


def resampling(count: int, pixels: int) -> np.ndarray:
    """Return the weights of linear interpolation from `count` values to `pixels`: float64 (pixels, count).

    Where there are fewer pixels than values the triangle is as wide as two pixels, so that every value counts.

    Examples
    --------
    >>> resampling(4, 2).round(3).tolist(), resampling(1, 2).tolist()
    ([[0.429, 0.429, 0.143, 0.0], [0.0, 0.143, 0.429, 0.429]], [[1.0], [1.0]])
    """
    scale = count / pixels
    centre = (np.arange(pixels) + 0.5) * scale - 0.5
    centre = np.clip(centre, 0.0, count - 1.0) if scale < 1 else centre
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(count) - centre[:, None]) / max(scale, 1.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Windowed(Layout):
    """Windows as rows; a pixel may stand for several windows and several samples of each.

    Parameters
    ----------
    starts
        int (n,), the first sample of each window.
    rows, columns
        The first window (sample of a window) that each row (column) of pixels shows, and the first one behind it.
    step_s
        Seconds from one sample to the next, None where not known.
    """

    starts: np.ndarray
    rows: tuple[np.ndarray, np.ndarray]
    columns: tuple[np.ndarray, np.ndarray]
    step_s: float | None

    def locate(self, box: Box) -> Region:
        """Return the stretches of the series that the box shows, joined where they touch."""
        starts = self.starts[self.rows[0][box.top] : self.rows[1][box.bottom - 1]]
        stretches = join_stretches(
            starts + self.columns[0][box.left], starts + self.columns[1][box.right - 1]
        )
        quantity, unit, step = ("time", "s", self.step_s) if self.step_s else ("sample", "", 1)
        return Region(tuple(Span(quantity, unit, low * step, high * step) for low, high in stretches))
