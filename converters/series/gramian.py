"""Gramian angular fields: how each two moments of a series relate as angles."""

from typing import ClassVar, Literal

import numpy as np

from ..core.converter import register
from ..core.image import Box
from .pairs import PairPicture, Points, finish, points


class _GramianField(PairPicture):
    """Each sample is read as the cosine of an angle.

    Parameters
    ----------
    scaling
        How samples become cosines: `signed`, to -1 to 1, so that the angles lie from 0 to 180 degrees; or
        `unit`, to 0 to 1, so that they lie from 0 to 90 degrees.
    """

    version: ClassVar[int] = 2
    _summed: ClassVar[bool]

    scaling: Literal["signed", "unit"] = "signed"

    def _draw_many(self, values: np.ndarray, canvas: np.ndarray, cell: Box) -> None:
        from .gramian_loops import draw_fields

        found = points(values[:, 0], cell)
        columns = self._factors(found.columns, found)
        rows = columns if found.rows is found.columns else self._factors(found.rows, found)
        draw_fields(rows, columns, self._summed, canvas, cell.top, cell.left)
        finish(canvas, cell, flat=found.width == 0, rows=found.rows, columns=found.columns)

    def _factors(self, along: np.ndarray, found: Points) -> np.ndarray:
        from .gramian_loops import write_factors

        factors = np.empty((len(along), 4, along.shape[1]), np.uint16)
        write_factors(along, found.low, found.width, self.scaling == "unit", self._summed, factors)
        return factors


@register
class GramianSummationField(_GramianField):
    """The cosine of the sum of each two angles: bright where two moments are alike and extreme.

    The series is scaled to -1 to 1, or to 0 to 1, and read as cosines of angles. A series longer than the
    picture is averaged down first; in a shorter one every sample takes several pixels. Missing values leave
    their row and column black, a series that never changes is mid-grey. Grey levels are those of
    127.5 (1 + cos(a + b)), rounded, but for one level in fewer than 1 of 100 pixels.

    Parameters
    ----------
    size, channels, input
        See `SeriesPicture`.
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
    _summed: ClassVar[bool] = True


@register
class GramianDifferenceField(_GramianField):
    """The sine of the difference of each two angles: bright where the row lies below the column.

    Scaled, reduced and rounded as the summation field; the diagonal is mid-grey.

    Parameters
    ----------
    size, channels, input
        See `SeriesPicture`.
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
    _summed: ClassVar[bool] = False


def gramian_summation(cosine: np.ndarray) -> np.ndarray:
    """Return cos(a_i + a_j) of the angles a with these cosines: float32 (..., n, n), from -1 to 1.

    Examples
    --------
    >>> gramian_summation(np.array([-1.0, 0.0, 1.0])).diagonal()
    array([ 1., -1.,  1.], dtype=float32)
    """
    cosine, sine = _cosine_and_sine(cosine)
    field: np.ndarray = cosine[..., :, None] * cosine[..., None, :] - sine[..., :, None] * sine[..., None, :]
    return field


def gramian_difference(cosine: np.ndarray) -> np.ndarray:
    """Return sin(a_i - a_j) of the angles a with these cosines: float32 (..., n, n), from -1 to 1.

    Examples
    --------
    >>> gramian_difference(np.array([-1.0, 0.0, 1.0]))[0]
    array([0., 1., 0.], dtype=float32)
    """
    cosine, sine = _cosine_and_sine(cosine)
    field: np.ndarray = sine[..., :, None] * cosine[..., None, :] - cosine[..., :, None] * sine[..., None, :]
    return field


def _cosine_and_sine(cosine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # In float32 the root of 1 - x**2 would be off by 2e-4 close to 1.
    sine = np.sqrt(np.clip(1 - np.square(cosine, dtype=np.float64), 0, 1))
    return cosine.astype(np.float32), sine.astype(np.float32)
