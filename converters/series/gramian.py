"""Gramian angular fields: how each two moments of a series relate as angles."""

from typing import ClassVar, Literal

import numpy as np

from ..core.converter import register
from .base import SeriesConverter, averaged, finish, spans

Scaling = Literal["signed", "unit"]


@register
class GramianSummationField(SeriesConverter):
    """The cosine of the sum of each two angles: bright where two moments are alike and extreme.

    The series is scaled to -1 to 1, or to 0 to 1, and read as cosines of angles. A series longer than the
    image is averaged down first; in a shorter one every sample takes several pixels. Missing values leave
    their row and column black, a series that never changes is mid-grey. Grey levels are those of
    127.5 (1 + cos(a + b)), rounded, but for one level in fewer than 1 of 100 pixels.

    Parameters
    ----------
    size, channels, input
        See `SeriesConverter`.
    scaling
        To what the series is scaled: `signed`, -1 to 1; `unit`, 0 to 1.

    References
    ----------
    Wang and Oates (2015), https://doi.org/10.48550/arXiv.1506.00327

    Examples
    --------
    >>> from phosphene.converters import Series, make
    >>> make("gasf", size=8)(Series([0.0, 1.0])).pixels[[0, 0, 7], [0, 7, 7], 0]
    array([255,   0, 255], dtype=uint8)
    """

    name: ClassVar[str] = "gasf"
    version: ClassVar[int] = 2

    scaling: Scaling = "signed"

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        draw_gramian(values[:, 0], canvas, scaling=self.scaling, field="summation")


@register
class GramianDifferenceField(SeriesConverter):
    """The sine of the difference of each two angles: bright where the row lies below the column.

    Scaled, reduced and rounded as the summation field; the diagonal is mid-grey.

    Parameters
    ----------
    size, channels, input
        See `SeriesConverter`.
    scaling
        To what the series is scaled: `signed`, -1 to 1; `unit`, 0 to 1.

    References
    ----------
    Wang and Oates (2015), https://doi.org/10.48550/arXiv.1506.00327

    Examples
    --------
    >>> from phosphene.converters import Series, make
    >>> make("gadf", size=8)(Series([0.0, 0.5, 1.0])).pixels[[0, 0, 3], [0, 3, 0], 0]
    array([128, 255,   0], dtype=uint8)
    """

    name: ClassVar[str] = "gadf"
    version: ClassVar[int] = 2

    scaling: Scaling = "signed"

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        draw_gramian(values[:, 0], canvas, scaling=self.scaling, field="difference")


def draw_gramian(
    values: np.ndarray, canvas: np.ndarray, *, scaling: Scaling, field: Literal["summation", "difference"]
) -> None:
    """Draw the cosine of the sum of the angles, or the sine of their difference.

    Parameters
    ----------
    values
        float32 or float64 (n, samples), NaN where missing.
    canvas
        uint8 (n, rows, columns), written.
    scaling
        How samples become cosines of angles: `signed`, to -1 to 1, so that the angles lie from 0 to 180 degrees; or
        `unit`, to 0 to 1, so that they lie from 0 to 90 degrees.
    field
        Which of the two.

    Examples
    --------
    >>> canvas = np.empty((1, 3, 3), np.uint8)
    >>> draw_gramian(np.array([[-1.0, 0.0, 1.0]]), canvas, scaling="signed", field="summation")
    >>> canvas[0].tolist()
    [[255, 128, 0], [128, 0, 128], [0, 128, 255]]
    """
    from .loops import draw_fields, write_factors

    (height, width), summed = canvas.shape[1:], field == "summation"
    columns, bounds = averaged(values, width)
    rows = columns if width == height else averaged(values, height)[0]
    low, span = spans(bounds)
    factors = []
    for along in (columns,) if rows is columns else (columns, rows):
        factors.append(np.empty((len(along), 4, along.shape[1]), np.uint16))
        write_factors(along, low, span, scaling == "unit", summed, factors[-1])
    draw_fields(factors[-1], factors[0], summed, canvas)
    finish(canvas, flat=span == 0, rows=np.isnan(rows), columns=np.isnan(columns))
