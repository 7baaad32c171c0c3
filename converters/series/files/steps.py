"""Times: which columns hold them, their unit, and whether their steps are even."""

import re
from collections.abc import Sequence

import numpy as np

from ...core.delimited import is_date
from ...core.files import Note
from .grid import UnevenTimeError, even_step

_NAME = re.compile(
    r"(?:time|timestamps?|time[_ ]?stamp|t|ts|date|datetime|date[ _]?time|elapsed|epoch|"
    r"s|sec|secs|seconds|ms|milliseconds)"
    r"[_ ]{0,3}(?:[\[(]?[_ ]{0,3}(?P<unit>s|sec|secs|seconds|ms|msec|milliseconds|us|µs|μs|usec|microseconds|"
    r"ns|nsec|nanoseconds|min|minutes|h|hours)[\])]?)?"
)
UNITS_S = {
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minutes"), 60.0),
    **dict.fromkeys(("h", "hours"), 3600.0),
}
_WORDS = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
_EPOCH = ((1e-9, 1e17), (1e-6, 1e14), (1e-3, 1e11))
# Steps that clocks are set to, in seconds, and rates, in hertz.
_INTERVALS_S = (
    *(1, 2, 5, 15, 30, 60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10800, 14400, 21600, 28800, 43200, 86400, 604800),
)
_RATES_HZ = (
    *(
        1,
        2,
        4,
        5,
        8,
        10,
        12,
        15,
        16,
        20,
        24,
        25,
        30,
        32,
        40,
        48,
        50,
        52,
        60,
        64,
        75,
        80,
        90,
        100,
        104,
        119,
        120,
        125,
        128,
    ),
    *(
        144,
        150,
        160,
        180,
        200,
        208,
        240,
        250,
        256,
        300,
        360,
        400,
        416,
        500,
        512,
        600,
        700,
        800,
        833,
        960,
        1000,
        1024,
    ),
    *(1200, 1500, 1600, 2000, 2048, 2500, 4000, 4096, 5000, 8000, 10000, 16000, 20000, 50000, 100000),
)
COUNTERS = frozenset(
    (
        "", "index", "idx", "unnamed: 0", "__index_level_0__", "no", "no.", "nr", "#", "n", "i", "k", "row", "rows",
        "row_id", "rownum", "sample", "samples", "sample_no", "sample_index", "sample_id", "counter", "count", "frame",
        "frame_no", "seq", "sequence", "packet", "id", "point", "step",
    )
)  # fmt: skip


def is_time(name: str) -> bool:
    """Tell whether a column is one of times by its name: `time`, `t`, `date`, `time [ms]`, `time_s`."""
    return len(name) < 40 and bool(_NAME.fullmatch(name.strip().lower()))


def named_unit_of_time(name: str) -> float | None:
    """Return how many seconds one unit of a time column is, where its name says it.

    Examples
    --------
    >>> named_unit_of_time("time [ms]"), named_unit_of_time("t")
    (0.001, None)
    """
    name = name.strip().lower()
    found = _NAME.fullmatch(name) if len(name) < 40 else None
    return UNITS_S.get((found and found["unit"]) or name)


def unit_by_size(times: np.ndarray) -> tuple[float, Note | None]:
    """Return how many seconds one unit of times without a unit is: by how large they are, and by their step.

    Numbers above 1e11 count from 1970 in milliseconds, above 1e14 in microseconds, above 1e17 in nanoseconds. Others
    are seconds where their step is one that clocks are set to (1, 15, 60, 3600 ...), or else what makes it one, or a
    usual sampling rate (100, 50, 25 Hz ...): a step of 20 is 20 ms.

    Examples
    --------
    >>> unit_by_size(np.arange(5) * 60_000 + 1.7e12)[0], unit_by_size(np.array([0, 33, 67, 100]))[0]
    (0.001, 0.001)
    """
    times = times[np.isfinite(times)]
    if not len(times):
        return 1.0, None
    since_1970 = next((unit for unit, above in _EPOCH if times[0] > above), None)
    if since_1970:
        return since_1970, Note(
            f"its times count {_WORDS[since_1970]} since 1970; name another unit with --time COLUMN:UNIT"
        )
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps) or 1e9 <= times[0] < 1e10:  # seconds since 1970
        return 1.0, None
    typical = float(np.median(steps))
    mean = float(steps[np.abs(steps - typical) <= 0.5 * typical].mean())
    if mean <= 5:
        return 1.0, None
    whole = bool((times % 1 == 0).all())
    # Whole seconds that vary by a few are rather milliseconds that a clock rounded.
    vary = whole and 0 < float(np.ptp(steps)) < 0.5 * typical and mean < 1000
    if not whole and any(abs(mean / known - 1) < 0.01 for known in (10, 20)):
        return 1.0, None
    unit = next((unit for unit in _WORDS if not (vary and unit == 1) and _is_usual(mean * unit)), 1.0)
    return unit, Note(
        f"its times have no unit and are taken as {_WORDS[unit]}, {mean * unit:.4g} s apart; "
        "name another unit with --time COLUMN:UNIT"
    )


def _is_usual(step_s: float) -> bool:
    return any(abs(step_s / known - 1) < 0.01 for known in _INTERVALS_S) or any(
        abs(step_s * known - 1) < 0.01 for known in _RATES_HZ
    )


def runs_like_time(name: str, values: np.ndarray) -> bool:
    """Tell whether a column with the name of a time also runs like one.

    `T` is temperature as often as time: a name of one letter stands for time only where the values rise, and in
    steps that are much alike.

    Examples
    --------
    >>> runs_like_time("T", np.array([20.5, 20.4, 20.6, 20.5])), runs_like_time("T", np.array([0, 1, 2, 3]))
    (False, True)
    """
    values = values[np.isfinite(values)]
    steps = np.diff(values)
    if len(name.strip()) > 1 or len(steps) < 2:
        return True
    if name.strip().isupper():
        return bool((steps > 0).all() and steps.max() <= 3 * np.median(steps))
    if (steps < 0).sum() > max(1, len(steps) // 10) or values[-1] <= values[0]:
        return False
    return len(steps) < 5 or 2 * int((np.abs(steps - np.median(steps)) <= np.median(steps)).sum()) >= len(
        steps
    )


def counts_rows(name: str, values: np.ndarray) -> bool:
    """Tell whether a column only numbers the rows: by its name, and as every value is one above the last."""
    return name.strip().lower() in COUNTERS and bool((np.diff(values) == 1).all())


def rises_evenly(values: np.ndarray) -> bool:
    """Tell whether three or more values rise in even steps, as times do."""
    try:
        return len(values) > 2 and even_step(values) is not None
    except UnevenTimeError:
        return False


def looks_like_time(fields: Sequence[str], values: np.ndarray) -> bool:
    """Tell whether the first column of a table without a header holds dates, or numbers that rise evenly."""
    return is_date(fields[0]) or rises_evenly(values)
