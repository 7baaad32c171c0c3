"""Several data sets together: the means of all methods, their ranking, and one verdict."""

from collections.abc import Mapping, Sequence

import numpy as np

from phosphene.pipeline.report.verdict import TABLES, overall_verdict

from .ranking import rank_methods
from .summary import Cost, CurvePoint, Ranking, Row, SetSummary, Summary


def overall_summary(
    sets: Sequence[SetSummary], *, failed: tuple[tuple[str, str], ...], seconds: float, origin: dict[str, str]
) -> Summary:
    """Return the summary of one data set or several.

    Parameters
    ----------
    sets
        What was found on each.
    failed
        Items that could not be read, and why.
    seconds
        How long all of it took.
    origin
        Versions, device and seed.
    """
    if len(sets) == 1:
        (only,) = sets
        rows, curves, words, ranking, name = only.rows, only.curves, only.verdict, None, only.name
    else:
        rows, curves, ranking = overall_rows(sets), overall_curves(sets), _ranking(sets)
        words = overall_verdict(sets, rows, ranking, curves=curves)
        name = f"{len(sets)} data sets"
    return Summary(name, tuple(sets), rows, curves, words, ranking, failed, seconds, origin)


def overall_rows(sets: Sequence[SetSummary]) -> tuple[Row, ...]:
    """Return the means of each method over the data sets; one that failed on some of them says so."""
    names = dict.fromkeys(row.method for one in sets for row in one.rows)
    return tuple(
        _mean_row([row for one in sets for row in one.rows if row.method == name], sets) for name in names
    )


def overall_curves(sets: Sequence[SetSummary]) -> tuple[CurvePoint, ...]:
    """Return the mean learning curve of each method that has one on every data set.

    Where a share gives the same items as a larger one, the point of the larger one stands for it.
    """
    sides = {row.method: row.side for one in sets for row in one.rows}
    by_set = [_by_line(one, sides) for one in sets]
    lines = [name for name in by_set[0] if all(name in curves for curves in by_set)]
    shares = sorted({point.share for curves in by_set for points in curves.values() for point in points})
    return tuple(
        _mean_point(name, share, [_at(curves[name], share) for curves in by_set])
        for name in lines
        for share in shares
    )


def _by_line(one: SetSummary, sides: Mapping[str, object]) -> dict[str, list[CurvePoint]]:
    """Return the curves of a data set by name; that of its best table is called so, whichever it was."""
    curves: dict[str, list[CurvePoint]] = {}
    for point in one.curves:
        name = TABLES if sides.get(point.method) == "tables" else point.method
        curves.setdefault(name, []).append(point)
    return curves


def _at(points: Sequence[CurvePoint], share: float) -> CurvePoint:
    return min(
        (point for point in points if point.share >= share), key=lambda point: point.share, default=points[-1]
    )


def _mean_point(name: str, share: float, points: Sequence[CurvePoint]) -> CurvePoint:
    scores = [point.score for point in points]
    n_items = float(np.mean([point.n_items for point in points]))
    return CurvePoint(name, share, n_items, float(np.mean(scores)), *_interval(scores))


def _mean_row(rows: Sequence[Row], sets: Sequence[SetSummary]) -> Row:
    scores = [row.score for row in rows if not row.error]
    first = rows[0]
    if len(scores) < len(sets):
        errors = [row.error for row in rows if row.error]
        nothing = float("nan")
        why = f"failed on {len(sets) - len(scores)} of {len(sets)} data sets: {errors[0] if errors else 'was not run'}"
        return Row(first.method, first.side, nothing, nothing, nothing, error=why, n_sets=len(sets))
    low, high = _interval(scores)
    costs = [row.cost for row in rows if row.cost]
    cost = _sum(costs) if len(costs) == len(rows) else None
    return Row(
        first.method,
        first.side,
        float(np.mean(scores)),
        low,
        high,
        tuple(scores),
        cost=cost,
        n_sets=len(sets),
    )


def _interval(scores: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of the mean over data sets, by Student's distribution."""
    from scipy import stats

    mean, n = float(np.mean(scores)), len(scores)
    reach = float(stats.t.ppf(0.975, n - 1) * np.std(scores, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return mean - reach, min(1.0, mean + reach)


def _sum(costs: Sequence[Cost]) -> Cost:
    return Cost(
        prepare_s=sum(cost.prepare_s for cost in costs),
        train_s=sum(cost.train_s for cost in costs),
        predict_s_per_item=float(np.mean([cost.predict_s_per_item for cost in costs])),
        peak_mib=max(cost.peak_mib for cost in costs),
        size_bytes=max(cost.size_bytes for cost in costs),
    )


def _ranking(sets: Sequence[SetSummary]) -> Ranking | None:
    """Rank the methods that answered on every data set, what is put together of others left out."""
    scores: dict[str, list[float]] = {}
    for one in sets:
        for row in one.rows:
            if row.side is not None and not row.error:
                scores.setdefault(row.method, []).append(row.score)
    whole = {name: values for name, values in scores.items() if len(values) == len(sets)}
    return rank_methods(whole) if len(whole) > 1 else None
