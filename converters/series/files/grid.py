"""Even steps of time: told from uneven ones, rounded, repeated or jittered times, and made by resampling."""

import numpy as np

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
