"""Folded series: one stretch of a series below the other."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import register
from ..core.errors import ParameterError
from ..core.image import Box, Layout, Region, Span, join_stretches
from ..core.parameters import Between
from .layout import segments
from .picture import SeriesPicture, flat_grey, grey, reduced, spread


@register
class Patches(SeriesPicture):
    """The series written in rows like text: what repeats with the width stands in columns.

    With x the series and w the width, the pixel in row i and column j is x[i w + j] [1]_. The lowest value is
    black, the highest white; missing values, and what is left of the last row, are black; a series that never
    changes is mid-grey. Rows and columns beyond the pixels are averaged down.

    A period shows at one width and not at another. Three widths that need no knowledge of the length are
    `patches(scale=0.5),patches,patches(scale=2)` as views, or with `+` for the commas as one RGB image.

    Parameters
    ----------
    size, channels, input
        See `SeriesPicture`.
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
        for series, picture in zip(values, canvas, strict=True):
            picture[...] = patches(series[0], width, picture.shape)

    def _width_of(self, count: int) -> int:
        return self.width or min(count, max(1, round(self.scale * math.sqrt(count))))

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Layout:
        del part
        count = values.shape[1]
        width = self._width_of(count)
        rows, columns = (
            segments(most, pixels) for most, pixels in zip((-(-count // width), width), shape, strict=True)
        )
        return Folded(count, width, rows, columns, step_s)


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


@dataclass(frozen=True, eq=False)
class Folded(Layout):
    """Rows of a folded series; a pixel may stand for several rows and columns.

    Parameters
    ----------
    count, width
        Samples of the series, and of a row.
    rows, columns
        The first row (column) that each row (column) of pixels shows, and the first one behind it.
    step_s
        Seconds from one sample to the next, None where not known.
    """

    count: int
    width: int
    rows: tuple[np.ndarray, np.ndarray]
    columns: tuple[np.ndarray, np.ndarray]
    step_s: float | None

    def locate(self, box: Box) -> Region:
        """Return the stretches of the series that the box shows, joined where they touch."""
        rows = np.arange(self.rows[0][box.top], self.rows[1][box.bottom - 1]) * self.width
        start = rows + self.columns[0][box.left]
        stop = rows + self.columns[1][box.right - 1]
        stretches = join_stretches(np.minimum(start, self.count), np.minimum(stop, self.count))
        quantity, unit, step = ("time", "s", self.step_s) if self.step_s else ("sample", "", 1)
        return Region(tuple(Span(quantity, unit, low * step, high * step) for low, high in stretches))
