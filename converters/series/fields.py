"""Fields of each two moments of a series (Wang and Oates, 2015): Gramian angular fields, and Markov transitions."""

from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, Side, register
from .base import SeriesConverter, averaged, finish, mean_present, segments, spans

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

    size: Side = 224
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

    size: Side = 224
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


Strategy = Literal["quantile", "uniform", "normal"]


@register
class MarkovTransitionField(SeriesConverter):
    """How likely one step leads from the level of the row to the level of the column: white is sure.

    A series longer than the image is cut into levels first, and the field averaged down. Missing values
    belong to no level and leave their row and column black; a series that never changes is mid-grey.

    Parameters
    ----------
    size, channels, input
        See `SeriesConverter`.
    n_bins
        Levels, 2 to 256; fewer where many values are the same.
    strategy
        How the levels are cut: `quantile`, with as many values in each; `uniform`, all as wide; `normal`, with
        as many values in each if they had a normal distribution of the mean and the deviation of the series.

    References
    ----------
    Wang and Oates (2015), https://doi.org/10.48550/arXiv.1506.00327

    Examples
    --------
    >>> from phosphene.converters import Series, make
    >>> make("mtf", size=8, n_bins=2)(Series([0.0, 0.0, 1.0, 1.0])).pixels[[0, 0, 7], [0, 7, 7], 0]
    array([128, 128, 255], dtype=uint8)
    """

    name: ClassVar[str] = "mtf"
    version: ClassVar[int] = 2

    size: Side = 224
    n_bins: Annotated[int, Between(2, 256)] = 8
    strategy: Strategy = "quantile"

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        draw_markov(np.ascontiguousarray(values[:, 0]), canvas, n_bins=self.n_bins, strategy=self.strategy)


def draw_markov(values: np.ndarray, canvas: np.ndarray, *, n_bins: int, strategy: Strategy) -> None:
    """Draw how likely one step leads from the level of the row to the level of the column.

    Parameters
    ----------
    values
        float32 or float64 (n, samples), contiguous, NaN where missing.
    canvas
        uint8 (n, rows, columns), written.
    n_bins, strategy
        See `MarkovTransitionField`.

    Examples
    --------
    >>> canvas = np.empty((1, 5, 5), np.uint8)
    >>> draw_markov(np.array([[0.0, 5.0, 1.0, 6.0, 7.0]]), canvas, n_bins=2, strategy="quantile")
    >>> canvas[0, [0, 0, 4], [0, 4, 0]].tolist()  # 2 of 3, 1 of 3 and no steps
    [170, 85, 0]
    """
    from .loops import count_levels, draw_transitions

    counts = np.empty((len(values), n_bins, n_bins), np.float32)
    levels = np.empty(values.shape, np.int16)
    count_levels(values, bin_edges(values, n_bins, strategy=strategy), counts, levels)
    height, width = canvas.shape[1:]
    columns = _level_shares(levels, width, n_bins)
    rows = columns if width == height else _level_shares(levels, height, n_bins)
    matrices = 255 * counts / np.maximum(counts.sum(2, keepdims=True), 1)
    draw_transitions(np.ascontiguousarray(rows.transpose(0, 2, 1)) @ matrices, columns, canvas)
    flat = np.fmax.reduce(values, 1) == np.fmin.reduce(values, 1)
    finish(canvas, flat=flat, rows=rows.max(1) == 0, columns=columns.max(1) == 0)


def _level_shares(levels: np.ndarray, pixels: int, n_bins: int) -> np.ndarray:
    """Return the share of each level in each segment: float32 (n, levels, pixels).

    The mean of a transition field over a block needs only these shares of its rows and of its columns, so the
    field of all samples is never built.
    """
    from .loops import share_levels

    shares = np.empty((len(levels), n_bins, pixels), np.float32)
    share_levels(levels, *segments(levels.shape[1], pixels), n_bins, shares)
    return shares


def bin_edges(values: np.ndarray, n_bins: int, *, strategy: Strategy = "quantile") -> np.ndarray:
    """Return what parts the levels of each series (n, samples): float64 (n, n_bins - 1), rising.

    Quantiles are interpolated, as NumPy does. NaN is missing.

    Examples
    --------
    >>> values = np.array([[5.0, 1.0, np.nan, 2.0, 9.0]])
    >>> bin_edges(values, 2), bin_edges(values, 2, strategy="uniform")
    (array([[3.5]]), array([[5.]]))
    """
    shares = np.arange(1, n_bins) / n_bins
    if strategy == "quantile":
        return _quantiles(np.sort(values), shares)
    if strategy == "uniform":
        low, high = (extreme(values, 1)[:, None] for extreme in (np.fmin.reduce, np.fmax.reduce))
        low, high = low.astype(np.float64), high.astype(np.float64)
        return np.asarray(low + (high - low) * shares)
    return _normal_edges(values, shares)


def _normal_edges(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    from statistics import NormalDist

    values = values.astype(np.float64)
    mean = mean_present(values, 1)[:, None]
    deviation = np.sqrt(mean_present(np.square(values - mean), 1))[:, None]
    return np.asarray(mean + deviation * np.array([NormalDist().inv_cdf(share) for share in shares]))


def _quantiles(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return quantiles of rows that are sorted, NaN last."""
    present = ordered.shape[1] - np.isnan(ordered).sum(1, keepdims=True)
    positions = shares * (present - 1)
    below = positions.astype(np.int64)
    low = np.take_along_axis(ordered, below, 1).astype(np.float64)
    high = np.take_along_axis(ordered, np.minimum(below + 1, present - 1), 1).astype(np.float64)
    part = positions - below
    # From the nearer end, as NumPy does, so that values equal to a quantile are found equal.
    return np.asarray(np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part)))
