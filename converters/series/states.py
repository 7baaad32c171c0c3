"""States of series, each of one or more samples, and how far apart a share of them lies."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..core.errors import SignalError
from ..core.image import Box
from .pairs import averaged, spans, wide
from .picture import mean_present

_SAMPLED = 8192
LONG = 100_000
# Differences a sample that are put in order.
_TAKEN = 2


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


def states(across: np.ndarray, down: np.ndarray, cell: Box, *, dimension: int, delay: int) -> States:
    """Return the states of the series of the columns and of the rows of a cell, float64 (n, samples) each.

    Raises
    ------
    SignalError
        A series is shorter than one state, or has none that is whole.
    """
    width, height = cell.right - cell.left, cell.bottom - cell.top
    columns, bounds = _averaged(across, width, dimension=dimension, delay=delay)
    rows = columns
    if across is not down or width != height:
        rows, others = _averaged(down, height, dimension=dimension, delay=delay)
        if across is not down:
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
    count = values.shape[-1] - (dimension - 1) * delay
    if count < 1:
        raise SignalError(
            f"a state of dimension={dimension} and delay={delay} spans {values.shape[-1] - count + 1} samples, "
            f"the series has {values.shape[-1]}; take a smaller dimension or delay"
        )
    if dimension == 1:
        return values[..., None, :]
    states = np.stack([values[..., place * delay :][..., :count] for place in range(dimension)], -2)
    return np.where(np.isnan(states).any(-2, keepdims=True), np.nan, states)


def state_distances(states: np.ndarray) -> np.ndarray:
    """Return the Euclidean distance of each two columns of (dimension, n): float32 (n, n), NaN where missing.

    Examples
    --------
    >>> state_distances(np.array([[0.0, 3.0], [0.0, 4.0]]))
    array([[0., 5.],
           [5., 0.]], dtype=float32)
    """
    states = states.astype(np.float32)
    if len(states) == 1:
        return np.asarray(np.abs(states[0][:, None] - states[0]))
    squares = np.zeros((states.shape[1],) * 2, np.float32)
    for row in states:
        squares += np.square(row[:, None] - row)
    return np.sqrt(squares)


def greatest_distances(states: States) -> np.ndarray:
    """Return the greatest distance of a row and a column of each series: float64 (n,).

    Examples
    --------
    >>> numbers = np.array([[[0.0, 0.25, 1.0]]], np.float32)
    >>> greatest_distances(States(numbers[..., :2], numbers, np.ones(1)))
    array([1.])
    """
    from .recurrence_loops import greatest_square

    if states.rows.shape[1] == 1:
        low, high = (
            [extreme(side[:, 0], 1) for side in (states.rows, states.columns)]
            for extreme in (np.fmin.reduce, np.fmax.reduce)
        )
        return np.asarray(np.maximum(high[0] - low[1], high[1] - low[0]), np.float64)
    return np.array([greatest_square(down, wide(across)) ** 0.5 for down, across in _present(states)])


def distances_at(states: States, share: float) -> np.ndarray:
    """Return the distance at a share of all pairs of a row and a column of each series: float64 (n,).

    It is interpolated between the two next to it, as NumPy's percentiles are.

    Examples
    --------
    >>> numbers = np.array([[[0.0, 0.5, 1.0]]], np.float32)  # of 9 pairs, 3 are 0 apart, 4 are 0.5, 2 are 1
    >>> distances_at(States(numbers, numbers, np.ones(1)), 0.3125)
    array([0.25])
    """
    if states.rows.shape[1] == 1:
        return np.array([_difference_at(*sides, share) for sides in _present(states)])
    spare = np.empty(states.rows.shape[2] * states.columns.shape[2], np.float32)
    return np.array([_distance_at(*found, share, spare) for found in _squares(states)])


def _present(states: States) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows and columns of each series without those that are missing."""
    for rows, columns in zip(states.rows, states.columns, strict=True):
        down = _whole(rows)
        yield down, down if columns is rows else _whole(columns)


def _whole(side: np.ndarray) -> np.ndarray:
    missing = np.isnan(side[0])
    return np.ascontiguousarray(side[:, ~missing] if missing.any() else side)


def _squares(states: States) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield the squared distances of each series, how many pairs there are, and how many of them are left out.

    They are left out where rows and columns are the same: a state with itself, and each pair backwards. What is
    yielded is written over by the next.
    """
    from ..kernels.blocks import WIDTH
    from .recurrence_loops import pair_squares

    mirrored = states.rows is states.columns
    scratch = np.empty(states.rows.shape[2] * states.columns.shape[2] + WIDTH, np.float32)
    for down, across in _present(states):
        padded = np.pad(across, ((0, 0), (0, WIDTH)))
        count = pair_squares(down, padded, across.shape[1], mirrored, scratch)
        yield scratch[:count], down.shape[1] * across.shape[1], down.shape[1] if mirrored else 0


def _difference_at(down: np.ndarray, across: np.ndarray, share: float) -> float:
    from .recurrence_loops import differences_around, least_beyond

    rows, columns = np.sort(down[0]), np.sort(across[0])
    place = share * (len(rows) * len(columns) - 1)
    first, second = math.floor(place), math.ceil(place)
    taken = np.empty(_TAKEN * len(rows) + 8, np.float32)
    reach, below, within = differences_around(rows, columns, first, taken)
    low = high = reach
    if within - below <= len(taken) and reach > 0:
        ordered = np.sort(taken[: within - below])
        low, high = ordered[first - below], ordered[min(second, within - 1) - below]
    if second >= within:
        high = least_beyond(rows, columns, low)
    return float(low) + (float(high) - float(low)) * (place % 1)


def _distance_at(squares: np.ndarray, pairs: int, same: int, share: float, spare: np.ndarray) -> float:
    place = share * (pairs - 1)
    ranks = math.floor(place), math.ceil(place)
    if same:  # the nearest pairs are each state with itself; each other one counts twice
        ranks = (ranks[0] - same) // 2, (ranks[1] - same) // 2
    low, high = (number**0.5 for number in at_ranks(squares, *ranks, spare))
    return float(low + (high - low) * (place % 1))


def at_ranks(numbers: np.ndarray, first: int, second: int, spare: np.ndarray) -> tuple[float, float]:
    """Return the numbers at two ranks, next to each other or the same, as if float32 (n,) were sorted.

    Of a rank below the first the number is 0. A sample tells between which bounds the numbers lie, nearly
    always; only what lies there is then put in order, in `spare`, float32 of at least the same length.

    Examples
    --------
    >>> numbers = np.array([7, 1, 5, 3], np.float32)
    >>> at_ranks(numbers, 1, 2, np.empty_like(numbers)), at_ranks(numbers, -1, 0, np.empty_like(numbers))
    ((3.0, 5.0), (0.0, 1.0))
    """
    from .recurrence_loops import take_between

    if second < 0:
        return 0.0, 0.0
    sample = np.ascontiguousarray(numbers[:: -(-len(numbers) // _SAMPLED)])
    place = second / len(numbers) * len(sample)
    reach = 4 * math.sqrt(place * (1 - place / len(sample))) + 4
    bounds = [max(0, int(place - reach)), min(len(sample) - 1, int(place + reach))]
    low, high = np.partition(sample, bounds)[bounds]
    below, found = take_between(numbers, low, high, spare)
    inside = spare[:found]
    if not below <= max(0, first) <= second < below + found:
        below, inside = 0, numbers
    place = max(0, first) - below
    ordered = np.partition(inside, place)
    if first < 0:
        return 0.0, float(ordered[place])
    return float(ordered[place]), float(ordered[place + second - first :].min())


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
