"""Recurrence plots: how far apart the states of a series are at each two moments."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, Side, register
from ..core.errors import SignalError
from ..core.image import Axes
from .base import SeriesConverter, averaged, finish, mean_present, sample_axis, spans

# Of distances in a series that spans 0 to 1, so that pairs just as far apart as the threshold all count as far.
ROUNDING = 1e-6
# Longer series are averaged one sample of their states at a time, so that they are not held many times.
LONG = 100_000


@dataclass(frozen=True)
class States:
    """States averaged down to pixels.

    Parameters
    ----------
    columns, rows
        float32 (n, dimension, width) and (n, dimension, height), spanning 0 to 1, NaN where missing.
    width
        float64 (n,): what 1 is in the unit of the series; 0 where it never changes.
    """

    columns: np.ndarray
    rows: np.ndarray
    width: np.ndarray


@register
class RecurrencePlot(SeriesConverter):
    """How far apart the series is at each two moments: black is the same state, white the greatest distance.

    A state is one sample, or `dimension` samples that lie `delay` apart. A series with more states than
    pixels is averaged down first; with fewer every state takes several pixels. Missing values leave their row
    and column black, a series that never changes is mid-grey.

    Parameters
    ----------
    size, channels, input
        See `SeriesConverter`.
    dimension, delay
        Samples of a state, 1 to 64, and how far they lie apart, in samples.
    threshold
        `none` draws distances. The others draw in white the pairs that are close: `point` the closest
        `percentage` of all pairs, `distance` those nearer than `percentage` of the greatest distance,
        `deviation` those nearer than `percentage` of the standard deviation of the series.
    percentage
        See `threshold`; 0 to 100.
    relation
        What is compared. `self`: each channel with itself. `joint`: all channels in one image, which are the
        same where each is, and as far apart as the one that is farthest. `cross`: each two channels, in
        standard deviations from their means, the moments of the first as columns and of the second as rows. A
        series of one channel is compared with itself.

    References
    ----------
    Eckmann, Oliffson Kamphorst and Ruelle (1987), https://doi.org/10.1209/0295-5075/4/9/004; joint plots: Romano
    et al. (2004), https://doi.org/10.1016/j.physleta.2004.07.066; all of them: Marwan et al. (2007),
    https://doi.org/10.1016/j.physrep.2006.11.001

    Examples
    --------
    >>> from phosphene.converters import Series, make
    >>> make("recurrence", size=8)(Series([0.0, 1.0, 5.0])).pixels[0, :, 0]
    array([  0,   0,   0,  51,  51, 255, 255, 255], dtype=uint8)
    """

    name: ClassVar[str] = "recurrence"
    version: ClassVar[int] = 2

    size: Side = 224
    dimension: Annotated[int, Between(1, 64)] = 1
    delay: Annotated[int, Between(1)] = 1
    threshold: Literal["none", "point", "distance", "deviation"] = "none"
    percentage: Annotated[float, Between(0, 100)] = 10.0
    relation: Literal["self", "joint", "cross"] = "self"

    def _parts(self, channels: int) -> list[list[int]]:
        if self.relation == "joint":
            return [list(range(channels))]
        if self.relation == "cross":
            return [list(pair) for pair in combinations(range(channels), 2)] or [[0, 0]]
        return super()._parts(channels)

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        if self.relation == "joint" and values.shape[1] > 1:
            self._draw_joint(values, canvas)
            return
        if self.relation == "cross":
            values = standardised(values)
        across = values[:, 0]
        found = self._draw_pairs(across, values[:, 1] if self.relation == "cross" else across, canvas)
        missing = {side: np.isnan(getattr(found, side)[:, 0]) for side in ("rows", "columns")}
        finish(canvas, flat=found.width == 0, **missing)

    def _draw_joint(self, values: np.ndarray, canvas: np.ndarray) -> None:
        """Draw as close what is close in every channel; one that never changes has no say."""
        neutral, combine = (0, np.maximum) if self.threshold == "none" else (255, np.minimum)
        canvas[...] = neutral
        drawn, each = np.empty_like(canvas), []
        for channel in values.transpose(1, 0, 2):
            found = self._draw_pairs(channel, channel, drawn)
            drawn[found.width == 0] = neutral
            combine(canvas, drawn, out=canvas)
            each.append(found)
        flat = np.all([found.width == 0 for found in each], 0)
        rows, columns = (
            np.any([np.isnan(getattr(found, side)[:, 0]) for found in each], 0)
            for side in ("rows", "columns")
        )
        finish(canvas, flat=flat, rows=rows, columns=columns)

    def _draw_pairs(self, across: np.ndarray, down: np.ndarray, canvas: np.ndarray) -> States:
        """Draw series (n, samples) as columns and as rows, and return their states."""
        from .loops import draw_distances

        found = states(across, down, canvas.shape[1:], dimension=self.dimension, delay=self.delay)
        reach = self._reach(found, across).astype(np.float32)
        draw_distances(found.rows, found.columns, reach, self.threshold != "none", canvas)
        return found

    def _reach(self, found: States, values: np.ndarray) -> np.ndarray:
        """Return the distance that is drawn white, or below which pairs of states of the values are."""
        share = self.percentage / 100
        if self.threshold == "none":
            return greatest_distances(found)
        if self.threshold == "distance":
            limit = share * greatest_distances(found)
        elif self.threshold == "point":
            limit = distances_at(found, share)
        else:
            limit = share * deviations(values) / np.where(found.width > 0, found.width, 1.0)
        return limit - ROUNDING

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Axes:
        reach = 1 + (self.dimension - 1) * self.delay
        names = [f"channel {channel}" for channel in part] if self.relation == "cross" else []
        if len(set(names)) < 2:
            names = ["", ""]
        x, y = (
            sample_axis(values.shape[1] - reach + 1, pixels, step_s, reach=reach, label=name)
            for pixels, name in zip(shape[::-1], names, strict=True)
        )
        return Axes(x, y)


def states(
    across: np.ndarray, down: np.ndarray, shape: tuple[int, int], *, dimension: int, delay: int
) -> States:
    """Return the states of the columns and of the rows of an image.

    Parameters
    ----------
    across, down
        float64 or float32 (n, samples): series of the columns and of the rows, which may be the same.
    shape
        Rows and columns of pixels.
    dimension, delay
        Samples of a state, and how far they lie apart.

    Raises
    ------
    SignalError
        A series is shorter than one state, or has none that is whole.
    """
    (height, width), same = shape, across is down
    columns, bounds = _averaged(across, width, dimension=dimension, delay=delay)
    rows = columns
    if not same or width != height:
        rows, others = _averaged(down, height, dimension=dimension, delay=delay)
        if not same:
            bounds = np.concatenate([bounds, others], 1)
    if not np.isfinite(bounds).all():
        raise SignalError(f"no {dimension} samples that lie {delay} apart are all present; fill the gaps")
    bounds = np.stack([bounds[..., 0].min(1), bounds[..., 1].max(1), bounds[..., 2].max(1)], 1)
    low, wide = spans(bounds)
    scaled = [_scaled(along, low, wide) for along in ((columns,) if rows is columns else (columns, rows))]
    return States(scaled[0], scaled[-1], wide)


def _averaged(
    values: np.ndarray, pixels: int, *, dimension: int, delay: int
) -> tuple[np.ndarray, np.ndarray]:
    """Average the states of series; of long ones one sample a state at a time, so that none is held many times."""
    n, count = values.shape[0], values.shape[1] - (dimension - 1) * delay
    if count < LONG or np.isnan(values).any():
        states = embedded(values, dimension=dimension, delay=delay)
        means, bounds = averaged(states.reshape(n * dimension, count), pixels)
        return means.reshape(n, dimension, pixels), bounds.reshape(n, dimension, 3)
    parts = [
        averaged(np.ascontiguousarray(values[:, lag * delay : lag * delay + count]), pixels)
        for lag in range(dimension)
    ]
    means, bounds = (np.stack(part, 1) for part in zip(*parts, strict=True))
    return means, bounds


def _scaled(along: np.ndarray, low: np.ndarray, width: np.ndarray) -> np.ndarray:
    shares = (along - low[:, None, None]) / np.where(width > 0, width, 1.0)[:, None, None]
    return np.asarray(shares.astype(np.float32))


def state_count(samples: int, *, dimension: int, delay: int) -> int:
    """Return how many states a series has.

    Raises
    ------
    SignalError
        It is shorter than one state.

    Examples
    --------
    >>> state_count(10, dimension=3, delay=2)
    6
    """
    reach = 1 + (dimension - 1) * delay
    if samples < reach:
        raise SignalError(
            f"a state of dimension={dimension} and delay={delay} spans {reach} samples, the series has {samples}; "
            f"take a smaller dimension or delay"
        )
    return samples - reach + 1


def embedded(values: np.ndarray, *, dimension: int, delay: int) -> np.ndarray:
    """Return the states of series (..., n), one a column: (..., dimension, n - (dimension - 1) * delay).

    A state with a missing sample is NaN throughout.

    Raises
    ------
    SignalError
        The series is shorter than one state.

    Examples
    --------
    >>> embedded(np.array([1.0, 2.0, 3.0, np.nan]), dimension=2, delay=2)
    array([[ 1., nan],
           [ 3., nan]])
    """
    count = state_count(values.shape[-1], dimension=dimension, delay=delay)
    if dimension == 1:
        return values[..., None, :]
    states = np.stack([values[..., lag * delay :][..., :count] for lag in range(dimension)], -2)
    return np.where(np.isnan(states).any(-2, keepdims=True), np.nan, states)


def greatest_distances(states: States) -> np.ndarray:
    """Return the greatest distance of a row and a column of each series: float64 (n,).

    Examples
    --------
    >>> numbers = np.array([[[0.0, 0.25, 1.0]]], np.float32)
    >>> greatest_distances(States(numbers[..., :2], numbers, np.ones(1)))
    array([1.])
    """
    from .loops import greatest_square

    if states.rows.shape[1] == 1:
        low, high = (
            [extreme(side[:, 0], 1) for side in (states.rows, states.columns)]
            for extreme in (np.fmin.reduce, np.fmax.reduce)
        )
        return np.asarray(np.maximum(high[0] - low[1], high[1] - low[0]), np.float64)
    return np.array([greatest_square(*sides) ** 0.5 for sides in _present(states)])


def distances_at(states: States, share: float) -> np.ndarray:
    """Return the distance at a share of all pairs of a row and a column of each series: float64 (n,).

    It is interpolated between the two next to it, as NumPy's percentiles are.

    Examples
    --------
    >>> numbers = np.array([[[0.0, 0.5, 1.0]]], np.float32)  # of 9 pairs, 3 are 0 apart, 4 are 0.5, 2 are 1
    >>> distances_at(States(numbers, numbers, np.ones(1)), 0.3125)
    array([0.25])
    """
    from .loops import measure_pairs, take_around

    found, mirrored = np.zeros(len(states.width)), states.rows is states.columns
    measures, taken = np.empty((2, states.rows.shape[2] * states.columns.shape[2]), np.float32)
    counts = np.empty(1 << 15, np.int32)
    for k, (down, across) in enumerate(_present(states)):
        count = measure_pairs(down, across, mirrored, measures)
        position = share * (down.shape[1] * across.shape[1] - 1)
        first, second = math.floor(position), math.ceil(position)
        if mirrored:  # the nearest pairs are each state with itself; each other one counts twice
            first, second = (first - down.shape[1]) // 2, (second - down.shape[1]) // 2
        if second < 0:
            continue
        below, near = take_around(measures[:count], max(0, first), second, counts, taken)
        ordered = np.sort(taken[:near]).astype(float)
        numbers = np.array([ordered[first - below] if first >= 0 else 0.0, ordered[second - below]])
        low, high = numbers if len(down) == 1 else np.sqrt(numbers)
        found[k] = low + (high - low) * (position % 1)
    return found


def _present(states: States) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and columns of each series without those that are missing."""
    for rows, columns in zip(states.rows, states.columns, strict=True):
        yield _whole(rows), _whole(columns)


def _whole(side: np.ndarray) -> np.ndarray:
    missing = np.isnan(side[0])
    return np.ascontiguousarray(side[:, ~missing] if missing.any() else side)


def standardised(values: np.ndarray) -> np.ndarray:
    """Return series (..., n) in standard deviations from their means; 0 where they never change.

    Examples
    --------
    >>> standardised(np.array([1.0, 3.0, np.nan])).tolist()
    [-1.0, 1.0, nan]
    """
    values = values.astype(np.float64)
    centred = values - mean_present(values, -1)[..., None]
    deviation = deviations(values)[..., None]
    return np.asarray(np.where(deviation > 0, centred / np.where(deviation > 0, deviation, 1.0), centred * 0))


def deviations(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the present values of series (..., n); 0 where it is rounding alone.

    Examples
    --------
    >>> deviations(np.array([1.0, 3.0, np.nan]))
    array(1.)
    """
    values = values.astype(np.float64)
    centred = values - mean_present(values, -1)[..., None]
    deviation = np.sqrt(mean_present(np.square(centred), -1))
    return np.where(deviation > 1e-9 * np.fmax.reduce(np.abs(values), -1), deviation, 0.0)
