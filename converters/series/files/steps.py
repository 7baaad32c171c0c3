"""Time columns: by which names they go, their unit, and whether their steps are even."""

import re
from collections.abc import Sequence

import numpy as np

from .text import is_date

_NAME = re.compile(
    r"(?:time|timestamp|t|date|datetime|date[ _]?time|elapsed|s|sec|secs|seconds|ms|milliseconds)"
    r"(?:[ _]*[\[(]?[ _]*(?P<unit>s|sec|seconds|ms|us|µs|ns|min|h)[\])]?)?"
)
_SECONDS = {"ms": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
_COUNTERS = frozenset({"", "index", "unnamed: 0", "__index_level_0__"})
_EVEN_WITHIN = 0.01


class UnevenTimeError(ValueError):
    """Times do not rise in even steps; `row` is where it shows first."""

    def __init__(self, row: int, why: str) -> None:
        super().__init__(why)
        self.row = row


def is_time(name: str) -> bool:
    """Tell whether a column is one of times by its name: `time`, `t`, `date`, `time [ms]`, `time_s`."""
    return bool(_NAME.fullmatch(name.strip().lower()))


def unit_of_time(name: str) -> float:
    """Return how many seconds one unit of a time column is, by its name; seconds where it names no unit.

    Examples
    --------
    >>> unit_of_time("time [ms]"), unit_of_time("t")
    (0.001, 1.0)
    """
    name = name.strip().lower()
    found = _NAME.fullmatch(name)
    return _SECONDS.get((found and found["unit"]) or name, 1.0)


def counts_rows(name: str, values: np.ndarray) -> bool:
    """Tell whether a column only numbers the rows: no name or `index`, and every value one above the last."""
    return name.strip().lower() in _COUNTERS and bool((np.diff(values) == 1).all())


def rises_evenly(values: np.ndarray) -> bool:
    """Tell whether three or more values rise in even steps, as times do."""
    try:
        return len(values) > 2 and even_step(values) is not None
    except UnevenTimeError:
        return False


def looks_like_time(fields: Sequence[str], values: np.ndarray) -> bool:
    """Tell whether the first column of a table without a header holds dates, or numbers that rise evenly."""
    return is_date(fields[0]) or rises_evenly(values)


def even_step(times: np.ndarray) -> float | None:
    """Return the step of times that rise evenly; None for a single one.

    Every step must lie within 1 % of the median step. Times that were rounded when written (0.033, 0.067,
    0.1) may be off an even grid by one unit of their last decimal, where that is at most half a step.

    Raises
    ------
    UnevenTimeError
        A time is missing, is not above the one before, or steps differ.

    Examples
    --------
    >>> even_step(np.array([0.0, 0.033, 0.067, 0.1])), even_step(np.array([7.0]))
    (0.0333333333333, None)
    """
    if np.isnan(times).any():
        raise UnevenTimeError(int(np.isnan(times).argmax()), "a time is missing or is none")
    if len(times) < 2:
        return None
    steps = np.diff(times)
    if steps.min() <= 0:
        raise UnevenTimeError(int((steps <= 0).argmax()) + 1, "time does not go forwards")
    step = float(times[-1] - times[0]) / (len(times) - 1)
    typical = float(np.median(steps))
    uneven = np.abs(steps - typical) > _EVEN_WITHIN * typical
    if uneven.any() and not _is_rounded_grid(times, step):
        row = int(uneven.argmax()) + 1
        why = f"time steps are uneven, {steps[row - 1]:.6g} s where {typical:.6g} s is usual"
        raise UnevenTimeError(row, why)
    return float(f"{step:.12g}")


def _is_rounded_grid(times: np.ndarray, step: float) -> bool:
    since = times - times[0]
    decimals = (10.0**-places for places in range(10))
    last_decimal = next(
        (unit for unit in decimals if np.abs(since / unit - np.rint(since / unit)).max() < 1e-3), 0.0
    )
    off = np.abs(since - step * np.arange(len(times))).max()
    return 0 < last_decimal <= step / 2 and bool(off <= last_decimal)
