"""A series written in rows: folded like text, or as overlapping windows."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Between, register
from ..core.errors import ParameterError
from ..core.image import Box, Layout, Region, Span, join_spans
from .base import RangedConverter, SeriesConverter, flat_grey, grey, reduced, segments, spread


@register
class Patches(SeriesConverter):
    """The series written in rows like text: what repeats with the width stands in columns.

    With x the series and w the width, the pixel in row i and column j is x[i w + j] [1]_. The lowest value is
    black, the highest white; missing values, and what is left of the last row, are black; a series that never
    changes is mid-grey. Rows and columns beyond the pixels are averaged down.

    A period shows at one width and not at another. Three widths that need no knowledge of the length are
    `patches(scale=0.5),patches,patches(scale=2)` as views, or with `+` for the commas as one RGB image.

    Parameters
    ----------
    size, channels, input
        See `SeriesConverter`.
    width
        Samples a row; none is `scale` times the square root of the length, to the nearest whole number.
    scale
        See `width`, which leaves no choice of it: 1 gives as many rows as columns, 2 a quarter of the rows.

    References
    ----------
    .. [1] Wu, Hu, Liu, Zhou, Wang, Long: TimesNet: Temporal 2D-Variation Modeling for General Time Series Analysis.
       ICLR 2023. https://doi.org/10.48550/arXiv.2210.02186

    Examples
    --------
    >>> from phosphene.converters import Box, Series, make
    >>> image = make("patches", size=8, width=4)(Series([0.0, 1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 0.0]))
    >>> image.pixels[[0, 4], :, 0]
    array([[  0,   0,  85,  85, 170, 170, 255, 255],
           [255, 255, 170, 170,  85,  85,   0,   0]], dtype=uint8)
    >>> str(image.locate(Box(2, 4, 4, 5)))
    'sample 5 to 6'
    """

    name: ClassVar[str] = "patches"

    width: Annotated[int, Between(1, 1_000_000)] | None = None
    scale: Annotated[float, Between(1 / 64, 64)] = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width is not None and self.scale != 1:
            raise ParameterError(f"Patches.scale must be 1 with width={self.width}, got {self.scale:g}")

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        width = self._width_of(values.shape[2])
        for series, image in zip(values, canvas, strict=True):
            image[...] = patches(series[0], width, image.shape)

    def _width_of(self, count: int) -> int:
        return self.width or min(count, max(1, round(self.scale * math.sqrt(count))))

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Layout:
        del part
        count = values.shape[1]
        width = self._width_of(count)
        starts = np.arange(0, count, width)
        rows, columns = (segments(most, n) for most, n in zip((len(starts), width), shape, strict=True))
        return SampleRows(starts, count, rows, columns, step_s)


def patches(values: np.ndarray, width: int, shape: tuple[int, int]) -> np.ndarray:
    """Draw values (n,), NaN where missing, in rows of `width`: uint8 (rows, columns) of the given shape."""
    rows, columns = shape
    folded = reduced(reduced(fold(values, width), rows, axis=0), columns, axis=1)
    low, span = spread(folded, values)
    levels = grey((folded - low) / span) if span else flat_grey(folded)
    own = (segments(count, most)[0] for count, most in zip(levels.shape, shape, strict=True))
    drawn: np.ndarray = levels[np.ix_(*own)]
    return drawn


def fold(values: np.ndarray, width: int) -> np.ndarray:
    """Return a series (n,) as rows of `width`, the rest of the last row NaN.

    Examples
    --------
    >>> fold(np.array([1.0, 2.0, 3.0]), 2)
    array([[ 1.,  2.],
           [ 3., nan]])
    """
    rows = -(-len(values) // width)
    padded = np.pad(values, (0, rows * width - len(values)), constant_values=np.nan)
    return padded.reshape(rows, width)


_FINEST = 8  # samples of a window for each column of pixels; of more, neighbours are averaged before


@register
class OverlappingWindows(RangedConverter):
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
        See `SeriesConverter`.
    value_range
        See `RangedConverter`.
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
        for series, image in zip(values, canvas, strict=True):
            image[...] = draw_windows(series[0], width, starts, image.shape, bounds)

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Layout:
        del part
        width, starts = window_starts(values.shape[-1], self.length, self.hop)
        rows, columns = (
            segments(count, most) for count, most in zip((len(starts), width), shape, strict=True)
        )
        return SampleRows(starts, values.shape[-1], rows, columns, step_s)


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
class SampleRows(Layout):
    """Rows of samples, which may overlap; a pixel may stand for several rows and several samples of each.

    Parameters
    ----------
    starts
        int (n,), the first sample of each row.
    count
        Samples of the series, beyond which a row shows nothing.
    rows, columns
        The first row (sample of a row) that each row (column) of pixels shows, and the first one behind it.
    step_s
        Seconds from one sample to the next, None where not known.
    """

    starts: np.ndarray
    count: int
    rows: tuple[np.ndarray, np.ndarray]
    columns: tuple[np.ndarray, np.ndarray]
    step_s: float | None

    def locate(self, box: Box) -> Region:
        """Return the spans of the series that the box shows, joined where they touch."""
        starts = self.starts[self.rows[0][box.top] : self.rows[1][box.bottom - 1]]
        ends = (starts + self.columns[0][box.left], starts + self.columns[1][box.right - 1])
        joined = join_spans(*(np.minimum(end, self.count) for end in ends))
        quantity, unit, step = ("time", "s", self.step_s) if self.step_s else ("sample", "", 1)
        return Region(tuple(Span(quantity, unit, low * step, high * step) for low, high in joined))
