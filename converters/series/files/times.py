"""Times: which columns hold them, their unit, and an even step: told, repaired, or made by resampling."""

import re
from collections.abc import Sequence

import numpy as np

from ...core.delimited import UNIT_NAMES, UNITS_S, guessed_unit, is_date, since_1970
from ...core.files import Note

_SILENTLY_EVEN, _EVEN_WITHIN = 0.01, 0.1
_LEAST_ROWS = 8  # fewer say nothing of what step was meant
_GAP_STEPS = 5
_LONGEST = 4


class UnevenTimeError(ValueError):
    """Times do not rise in even steps; `row` is where it shows first."""

    def __init__(self, row: int, why: str) -> None:
        super().__init__(why)
        self.row = row


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
    uneven = np.abs(steps - typical) > _SILENTLY_EVEN * typical
    if uneven.any() and not _is_rounded_grid(times, step):
        row = int(uneven.argmax()) + 1
        why = f"time steps are uneven, {steps[row - 1]:.6g} s where {typical:.6g} s is usual"
        raise UnevenTimeError(row, why)
    rounded = float(f"{step:.6g}")  # large times hold only so many digits of a step
    return rounded if abs(rounded / step - 1) < 5e-7 else float(f"{step:.12g}")


def _is_rounded_grid(times: np.ndarray, step: float) -> bool:
    since = times - times[0]
    last_decimal = _last_decimal(since)
    off = np.abs(since - step * np.arange(len(times))).max()
    return 0 < last_decimal <= step / 2 and bool(off <= last_decimal)


def _last_decimal(since: np.ndarray) -> float:
    decimals = (10.0**-exponent for exponent in range(10))
    return next((unit for unit in decimals if np.abs(since / unit - np.rint(since / unit)).max() < 1e-3), 0.0)


def evenly(
    values: np.ndarray, times: np.ndarray, *, resample: str = "linear"
) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
    """Bring values on an even grid of time.

    Steps within 10 % of the median are taken as even. Otherwise rows whose time repeats the one before are left out,
    and values are interpolated linearly at the median step; in gaps of more than five steps they are missing.

    Parameters
    ----------
    values
        (channels, n).
    times
        (n,), in seconds; NaN where missing, which few may be.
    resample
        `linear`, or `none`: uneven rows are taken as they come, and the step is None.

    Returns
    -------
    values, step_s, notes
        What is in the signal.

    Raises
    ------
    UnevenTimeError
        Time goes backwards, too many times are missing, or the rows are too few to know their step.

    Examples
    --------
    >>> times = np.array([0.0, 1, 2, 3, 5, 6, 7, 8, 9])
    >>> values, step_s, notes = evenly(times[None] * 2, times)
    >>> values[0].tolist(), step_s
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0], 1.0)
    """
    try:
        return values, even_step(times), ()
    except UnevenTimeError as error:
        fault = error
    if len(times) >= _LEAST_ROWS and (np.diff(times) < 0).all():
        values, step, notes = evenly(values[:, ::-1], times[::-1], resample=resample)
        return values, step, (Note("its times run backwards, and its rows are turned round"), *notes)
    _check_order(times, fault)
    if resample == "none":
        return values, None, (Note(f"{fault}: its rows are taken as they come, with no step", loss=True),)
    if step := _coarse_step(times):
        rounded = Note(f"its times are rounded and repeat; taken as even, {step:.6g} s apart", loss=True)
        return values, step, (rounded,)
    kept = ~np.isnan(times)
    kept[1:] &= np.diff(times) != 0
    if 2 * kept.sum() < len(times):
        raise fault
    values, step, notes = _on_grid(values[:, kept], times[kept])
    if kept.all():
        return values, step, notes
    gone = int((~kept).sum())
    left_out = Note(f"{gone} rows whose time is missing or repeats the one before are left out", loss=True)
    return values, step, (left_out, *notes)


def _check_order(times: np.ndarray, fault: UnevenTimeError) -> None:
    """Refuse times that go backwards, that are often missing, or that are too few to know their step."""
    missing = np.isnan(times)
    falls = (np.diff(times[~missing]) < 0).any()
    if falls and not missing.any():
        raise UnevenTimeError(int((np.diff(times) < 0).argmax()) + 1, "time does not go forwards")
    if falls or len(times) < _LEAST_ROWS or 20 * missing.sum() > len(times):
        raise fault


def _on_grid(values: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
    """Take rising times as even where they are within 10 % of the median step; or resample."""
    steps = np.diff(times)
    typical = float(np.median(steps))
    off = float(np.abs(steps / typical - 1).max())
    if off > _EVEN_WITHIN:
        even, step, note = _resampled(values, times, typical)
        return even, step, (note,)
    step = _nominal(steps)
    if off <= _SILENTLY_EVEN:
        return values, step, ()
    note = Note(f"its time steps vary by {100 * off:.0f} %; taken as even, {step:.6g} s apart", loss=True)
    return values, step, (note,)


def _coarse_step(times: np.ndarray) -> float | None:
    """Return the step of times that were rounded to a unit longer than the step, so that most repeat."""
    if np.isnan(times).any() or 2 * len(np.unique(times)) > 1.4 * len(times):
        return None
    steps = np.diff(times)
    unit = float(steps.max())
    step = float(times[-1] - times[0] + unit) / len(times)
    off = np.abs(times - times[0] - step * np.arange(len(times))).max()
    even = step > 0 and bool(np.isin(np.rint(steps / unit * 1e6), (0, 1e6)).all()) and off <= 1.5 * unit
    return float(f"{step:.4g}") if even else None


def _nominal(steps: np.ndarray) -> float:
    """Return the round step, or the step of the round rate, that jitter hides; else the mean."""
    mean = float(steps.mean())
    slack = 3 * float(steps.std()) / len(steps) ** 0.5
    rounded = [
        float(f"{mean:.1g}"),
        float(f"{mean:.2g}"),
        1 / float(f"{1 / mean:.2g}"),
        1 / float(f"{1 / mean:.3g}"),
    ]
    return float(f"{next((step for step in rounded if abs(step - mean) <= slack), mean):.12g}")


def _resampled(values: np.ndarray, times: np.ndarray, typical: float) -> tuple[np.ndarray, float, Note]:
    regular = np.diff(times)
    regular = regular[np.abs(regular / typical - 1) <= 0.5]
    step = _nominal(regular) if len(regular) > 2 else typical
    count = int(np.floor((times[-1] - times[0]) / step + 0.5)) + 1
    if count > _LONGEST * len(times):
        row = int(np.diff(times).argmax()) + 1
        gap = float(np.diff(times).max())
        raise UnevenTimeError(row, f"time steps are uneven, {gap:.6g} s where {typical:.6g} s is usual")
    grid = times[0] + step * np.arange(count)
    even = np.empty((len(values), count), np.float32)
    for channel, row_values in enumerate(values):
        known = ~np.isnan(row_values)
        even[channel] = np.interp(grid, times[known], row_values[known]) if known.any() else np.nan
        if known.any():
            after = np.clip(np.searchsorted(times[known], grid), 1, max(1, known.sum() - 1))
            held = times[known]
            if len(held) > 1:
                wide = held[after] - held[after - 1] > _GAP_STEPS * step
                on_grid = np.minimum(np.abs(held[after] - grid), np.abs(grid - held[after - 1])) <= step / 2
                even[channel, wide & ~on_grid] = np.nan
    gaps = int(np.isnan(even).any(0).sum())
    filled = f", {gaps} of them missing in gaps" if gaps else ""
    return (
        even,
        step,
        Note(
            f"its time steps are uneven ({np.diff(times).min():.4g} to {np.diff(times).max():.4g} s); "
            f"{len(times)} rows are resampled to {count} samples {step:.6g} s apart{filled}; "
            "--resample none takes the rows",
            loss=True,
        ),
    )


_NAME = re.compile(
    r"(?:(?:local|utc|unix|sample|rel|relative|elapsed|epoch|event)?[_ .]?time|timestamps?|time[_ ]?stamp|t|ts|date|"
    r"datetime|date[ _]?time|elapsed|time[_ ]elapsed|seconds[_ ]elapsed|epoch|unix|utc|"
    r"zeit|zeitstempel|datum|uhrzeit|tiempo|fecha|hora|temps|heure|horodatage|czas|tijd|tid|aika|время|дата|时间|日期|時間|日時|"
    r"s|sec|secs|seconds|ms|milliseconds)"
    r"[_ ]{0,3}(?:[\[(]?[_ ]{0,3}(?P<unit>s|sec|secs|seconds|ms|msec|milliseconds|us|µs|μs|usec|microseconds|"
    r"ns|nsec|nanoseconds|min|minutes|h|hours|d|days)[\])]?)?"
)
_DAYS = (("Excel", 20_000, 73_051), ("MATLAB", 693_000, 770_000))
# Steps that clocks are set to, in seconds, and rates, in hertz.
_INTERVALS_S = (
    *(1, 2, 5, 15, 30, 60, 120, 300, 600, 900, 1200, 1800),
    *(3600, 7200, 10800, 14400, 21600, 28800, 43200, 86400, 604800),
)
_RATES_HZ = (
    *(1, 2, 4, 5, 8, 10, 12, 15, 16, 20, 24, 25, 30, 32, 40, 48, 50, 52, 60, 64, 75, 80, 90, 100, 104, 119, 120, 125),
    *(128, 144, 150, 160, 180, 200, 208, 240, 250, 256, 300, 360, 400, 416, 500, 512, 600, 700, 800, 833, 960, 1000),
    *(1024, 1200, 1500, 1600, 2000, 2048, 2500, 4000, 4096, 5000, 8000, 10000, 16000, 20000, 50000, 100000),
)  # fmt: skip
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
    if found := since_1970(times[0]):
        return found
    steps = np.diff(times)
    steps = steps[steps > 0]
    if not len(steps) or 1e9 <= times[0] < 1e10:  # seconds since 1970
        return 1.0, None
    typical = float(np.percentile(steps, 50, method="lower"))  # one of them, so that some are near it
    mean = float(steps[np.abs(steps - typical) <= 0.5 * typical].mean())
    if mean <= 5:
        return 1.0, None
    whole = bool((times % 1 == 0).all())
    # Whole seconds that vary by a few are rather milliseconds that a clock rounded.
    vary = whole and 0 < float(np.ptp(steps)) < 0.5 * typical and mean < 1000
    if not whole and any(abs(mean / known - 1) < 0.01 for known in (10, 20)):
        return 1.0, None
    unit = next((unit for unit in UNIT_NAMES if not (vary and unit == 1) and _is_usual(mean * unit)), 1.0)
    return unit, guessed_unit(unit, f"{mean * unit:.4g} s apart")


def serial_days(times: np.ndarray, name: str) -> tuple[float, Note] | None:
    """Return the seconds in a day, and a note, where times count days as Excel (since 1900) or MATLAB (year 0) do.

    They are known by their size, where days make their step a usual one, or the name of the column speaks of dates.

    Examples
    --------
    >>> serial_days(45292 + np.arange(9) / 1440, "t")[0], serial_days(np.arange(9) / 1440, "t")
    (86400.0, None)
    """
    times = times[np.isfinite(times)]
    program = next((who for who, low, high in _DAYS if ((times > low) & (times < high)).all()), None)
    if program is None or len(times) < 2:
        return None
    step = float(np.median(np.diff(times)))
    whole = bool((times % 1 == 0).all())
    if ("dat" in name.lower() and step <= 31) if whole else (_is_usual(step * 86400) and not _is_usual(step)):
        return 86400.0, Note(
            f"its times are taken as days, as {program} counts them; name another unit with --time COLUMN:UNIT"
        )
    return None


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


def alike(values: np.ndarray) -> float:
    """Return the correlation of neighbours along the last axis, each row taken from its own mean."""
    centred = values - values.mean(axis=1, keepdims=True)
    power = float((centred**2).sum())
    return float((centred[:, 1:] * centred[:, :-1]).sum() / power) if power > 0 else 0.0
