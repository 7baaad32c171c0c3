"""Averages of neighbouring samples, by a compiled loop."""

import numba
import numpy as np

# Samples of a series that is copied to float64 first: number by number that takes twice as long as the sums.
_SHORT = 4096


@numba.njit(cache=True, nogil=True)
def average_rows(
    values: np.ndarray, start: np.ndarray, stop: np.ndarray, means: np.ndarray, bounds: np.ndarray
) -> None:
    """Write the mean of each segment of each row, over what is not NaN.

    Parameters
    ----------
    values
        float32 or float64 (n, samples).
    start, stop
        int64 (pixels,): the first sample of each segment, and the first one behind it.
    means
        float64 (n, pixels), written: NaN where all is missing.
    bounds
        float64 (n, 2), written: the lowest mean and the highest; infinity and minus infinity where all is missing.
    """
    counts = (stop - start).astype(np.float64)
    short = values.shape[1] <= _SHORT
    wide = np.empty(values.shape[1] if short else 0)
    for k in range(len(values)):
        row, mean = values[k], means[k]
        if short:
            for j in range(len(row)):
                wide[j] = row[j]
            _sum_segments(wide, start, stop, mean)
        else:
            _sum_segments(row, start, stop, mean)
        gaps = 0
        for i in range(len(start)):
            mean[i] /= counts[i]
            gaps += mean[i] != mean[i]  # NaN, as the vectoriser knows it
        if gaps:
            for i in range(len(start)):
                if np.isnan(mean[i]):
                    mean[i] = _mean_of_present(row, start[i], stop[i])
        low, high = np.inf, -np.inf
        for i in range(
            len(start)
        ):  # branches rarely taken cost less than a minimum; NaN is not below anything
            if mean[i] < low:  # noqa: PLR1730
                low = mean[i]
            if mean[i] > high:  # noqa: PLR1730
                high = mean[i]
        bounds[k, 0], bounds[k, 1] = low, high


@numba.njit(cache=True, nogil=True)
def _sum_segments(row: np.ndarray, start: np.ndarray, stop: np.ndarray, sums: np.ndarray) -> None:
    for i in range(len(start)):
        total = 0.0
        for j in range(start[i], stop[i]):
            total += row[j]
        sums[i] = total


@numba.njit(cache=True, nogil=True)
def largest_rows(bits: np.ndarray, infinite: np.ndarray, largest: np.ndarray) -> None:
    """Write the largest magnitude in each row of what is not NaN, 0 where there is none.

    Parameters
    ----------
    bits
        int32 (n, samples): those of float32, or int64, those of float64; as long as they are positive they rise
        as the numbers do, and the vectoriser knows the maximum of integers.
    infinite
        The bits of infinity (1,), above which those of NaN lie.
    largest
        Bits (n,), written.
    """
    limit = infinite[0]
    for k in range(len(bits)):
        most = largest[k] * 0
        for bit in bits[k]:
            size = bit & (limit | (limit - 1))
            size = size if size <= limit else most * 0
            most = size if size > most else most
        largest[k] = most


@numba.njit(cache=True, nogil=True)
def _mean_of_present(row: np.ndarray, start: int, stop: int) -> float:
    total, present = 0.0, 0
    for j in range(start, stop):
        if not np.isnan(row[j]):
            total += row[j]
            present += 1
    return total / present if present else np.nan
