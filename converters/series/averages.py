"""Averages of neighbouring samples, by a compiled loop."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def average_rows(
    values: np.ndarray, start: np.ndarray, stop: np.ndarray, means: np.ndarray, bounds: np.ndarray
) -> None:
    """Write the mean of each segment of each row, over what is not NaN.

    Parameters
    ----------
    values
        float64 (n, samples).
    start, stop
        int64 (pixels,): the first sample of each segment, and the first one behind it.
    means
        float64 (n, pixels), written: NaN where all is missing.
    bounds
        float64 (n, 3), written: the lowest mean, the highest, and the largest magnitude of the values; where
        all is missing, infinity, minus infinity and 0.
    """
    for k in range(len(values)):
        row = values[k]
        low, high, largest = np.inf, -np.inf, 0.0
        for i in range(len(start)):
            total = 0.0
            for j in range(start[i], stop[i]):
                total += row[j]
                if abs(row[j]) > largest:  # noqa: PLR1730  # a branch rarely taken costs less than a maximum
                    largest = abs(row[j])
            mean = total / (stop[i] - start[i])
            if np.isnan(mean):
                mean = _mean_of_present(row, start[i], stop[i])
            means[k, i] = mean
            if mean < low:  # noqa: PLR1730  # as above; and NaN is not below anything
                low = mean
            if mean > high:  # noqa: PLR1730
                high = mean
        bounds[k, 0], bounds[k, 1], bounds[k, 2] = low, high, largest


@numba.njit(cache=True, nogil=True)
def _mean_of_present(row: np.ndarray, start: int, stop: int) -> float:
    total, present = 0.0, 0
    for j in range(start, stop):
        if not np.isnan(row[j]):
            total += row[j]
            present += 1
    return total / present if present else np.nan
