"""Pictures whose pixel tells how two moments of a series relate: columns and rows are both time."""

from dataclasses import dataclass

import numpy as np

from ..core.image import Box, Layout
from .layout import sample_axes, segments
from .picture import MID_GREY, SeriesPicture


class PairPicture(SeriesPicture):
    """Columns and rows are both moments; in a cell that is not square they differ in how fine they are."""

    def _cell_layout(self, part: list[int], count: int, cell: Box, step_s: float | None) -> Layout:
        return sample_axes(count, cell, step_s)


@dataclass(frozen=True)
class Points:
    """Series averaged down to pixels, or each sample repeated.

    Parameters
    ----------
    columns, rows
        float64 (n, width) and (n, height), NaN where all samples are missing.
    low, width
        float64 (n,): the lowest value in `columns`, and how far above it the highest lies; 0 where averages
        differ by rounding alone.
    """

    columns: np.ndarray
    rows: np.ndarray
    low: np.ndarray
    width: np.ndarray


def points(values: np.ndarray, cell: Box) -> Points:
    """Average series, (n, samples) with NaN where missing, down to the pixels of a cell."""
    width, height = cell.right - cell.left, cell.bottom - cell.top
    columns, bounds = averaged(values, width)
    rows = columns if width == height else averaged(values, height)[0]
    low, width_of = spans(bounds)
    return Points(columns, rows, low, width_of)


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
    from .averages import average_rows, largest_rows

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


def finish(canvas: np.ndarray, cell: Box, *, flat: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Make pictures of what never changes mid-grey, and what is missing black.

    Parameters
    ----------
    canvas
        uint8 (n, size, size), of which a cell is changed.
    flat
        bool (n,): which never change.
    rows, columns
        (n, height) and (n, width), NaN where missing.
    """
    within = canvas[:, cell.top : cell.bottom, cell.left : cell.right]
    if flat.any():
        within[flat] = MID_GREY
    gone = np.isnan(columns)
    if gone.any():
        within[np.isnan(rows)] = 0
        within.transpose(0, 2, 1)[gone] = 0


def wide(columns: np.ndarray) -> np.ndarray:
    """Return (..., pixels), in a picture that is narrower than a block with the last one repeated.

    Examples
    --------
    >>> wide(np.ones((2, 20))).shape, wide(np.ones((2, 50))).shape
    ((2, 32), (2, 50))
    """
    from ..kernels.blocks import WIDTH

    missing = max(0, WIDTH - columns.shape[-1])
    return np.pad(columns, [*[(0, 0)] * (columns.ndim - 1), (0, missing)], "edge") if missing else columns
