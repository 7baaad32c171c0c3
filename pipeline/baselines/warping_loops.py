"""Distances by dynamic time warping in a band, by compiled loops.

One series is compared with a block of others at once. Within one comparison each cell waits for the one before it;
those of a block wait together, so that a processor works on several in the time of one.
"""

import numba
import numpy as np

LANES = 16
"""How many series are compared with one at once."""

# Numbers may be added in any order and none is NaN; infinite ones stand for cells outside of the band.
_QUICK = {"contract", "nnan", "nsz", "reassoc"}


@numba.njit(cache=True, nogil=True)
def distances(x: np.ndarray, values: np.ndarray, chosen: np.ndarray, reach: int) -> np.ndarray:
    """Return the squared distances of a series from others: the sum of squared differences along the cheapest way.

    Parameters
    ----------
    x
        float64 (channels, length); all channels are warped alike.
    values
        float64 (n, channels, length).
    chosen
        int64 (n_chosen,), with which of them it is compared.
    reach
        How many steps a moment may be matched with an earlier or a later one, at least 0.

    Returns
    -------
    numpy.ndarray
        float64 (n_chosen,).
    """
    channels, length = x.shape
    block = np.empty((length * channels * LANES,))
    rows = np.empty((2, (length + 1) * LANES))
    found = np.empty(len(chosen))
    for start in range(0, len(chosen), LANES):
        count = min(LANES, len(chosen) - start)
        _fill(block, values, chosen[start : start + count])
        found[start : start + count] = _warp(x, block, reach, rows)[:count]
    return found


@numba.njit(cache=True, nogil=True)
def nearest(x: np.ndarray, values: np.ndarray, order: np.ndarray, bounds: np.ndarray, reach: int) -> int:
    """Return which of others is nearest to a series.

    Parameters
    ----------
    x, values, reach
        As for `distances`.
    order
        int64 (n_order,), those to choose from, by rising bound.
    bounds
        float64 (n,), not above the squared distance of each; raised to those that are computed.
    """
    best, which = np.inf, order[0]
    for start in range(0, len(order), LANES):
        if bounds[order[start]] >= best:
            break
        part = order[start : start + LANES]
        found = distances(x, values, part, reach)
        for place in range(len(part)):
            bounds[part[place]] = found[place]
            if found[place] < best:
                best, which = found[place], part[place]
    return which


@numba.njit(cache=True, nogil=True)
def _fill(block: np.ndarray, values: np.ndarray, part: np.ndarray) -> None:
    """Put series side by side; where they are fewer than the lanes, the first also stands in those left over."""
    _, channels, length = values.shape
    for lane in range(LANES):
        series = values[part[lane if lane < len(part) else 0]]
        for channel in range(channels):
            for j in range(length):
                block[(j * channels + channel) * LANES + lane] = series[channel, j]


@numba.njit(cache=True, nogil=True, fastmath=_QUICK)
def _warp(x: np.ndarray, block: np.ndarray, reach: int, rows: np.ndarray) -> np.ndarray:
    """Walk down the table of distances, two rows of which are kept; column j stands at j + 1."""
    channels, length = x.shape
    width = channels * LANES
    rows[:] = np.inf
    rows[1, :LANES] = 0.0
    for i in range(length):
        first, end = max(0, i - reach), min(length, i + reach + 1)
        last, now = rows[(i + 1) % 2, first * LANES :], rows[i % 2, first * LANES :]
        now[:LANES] = np.inf
        _fill_row(x[:, i], block[first * width :], last, now, end - first, LANES)
    return rows[(length - 1) % 2, length * LANES :]


@numba.njit(cache=True, nogil=True, fastmath=_QUICK)
def _fill_row(
    x: np.ndarray, block: np.ndarray, last: np.ndarray, now: np.ndarray, count: int, lanes: int
) -> None:
    # Lanes come as an argument: a loop of known length is unrolled before it could be made a vector's.
    channels = len(x)
    for j in range(count):
        left = j * lanes
        cell = left * channels
        for k in range(lanes):
            difference = x[0] - block[cell + k]
            least = min(last[left + k], last[left + lanes + k], now[left + k])
            now[left + lanes + k] = difference * difference + least
        for channel in range(1, channels):
            cell += lanes
            for k in range(lanes):
                difference = x[channel] - block[cell + k]
                now[left + lanes + k] += difference * difference
