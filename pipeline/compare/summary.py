"""What a benchmark found, on one data set or on several: figures, and no words about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from phosphene.datasets.manifest import Metric
from phosphene.datasets.scores import Scores

from .statistics import ALPHA, Comparison, Ranking, holm, rank_methods, wilcoxon_p

Side = Literal["images", "tables", "floor"]
"""What an estimator sees: `images` images alone, `tables` everything else, `floor` nothing but the labels."""
IMAGES, CONTROL, FLOOR = "images", "images, random weights", "majority"
BEST_BASELINE, STACKED = "best baseline", "stacked"
"""Rows made of others: the baseline chosen on out-of-fold training predictions, and its stack with the images."""
PAIRS = ((IMAGES, BEST_BASELINE), (STACKED, IMAGES), (STACKED, BEST_BASELINE), (IMAGES, CONTROL))
"""The rows that are compared."""

Tests = Mapping[tuple[str, str], Comparison]
"""By the names of two rows, the score of the first compared with that of the second."""


@dataclass(frozen=True)
class Cost:
    """What an estimator takes.

    Parameters
    ----------
    prepare_s
        From raw files to what is trained on (tiles and activations, or tables), for all items.
    train_s
        For all folds, inner cross-validation included.
    predict_s_per_item
        From a raw file to its prediction: its share of `prepare_s`, and the prediction itself.
    peak_mib
        The peak memory of its process, the libraries in it included.
    size_bytes
        The model as saved, the largest of the folds.
    """

    prepare_s: float
    train_s: float
    predict_s_per_item: float
    peak_mib: float
    size_bytes: int


@dataclass(frozen=True)
class Row:
    """One estimator on one data set (or, with `n_sets` above 1, its means over several).

    Parameters
    ----------
    method
        `images`, `images, random weights`, `catch22 + lightgbm`, `minirocket`, `best baseline`, `stacked`, ...
    side
        What it sees; None for the best baseline and the stack, which are made of others.
    score, low, high
        By the metric of the protocol, with the 95 % confidence interval; NaN where it failed.
    folds
        The score of each fold, in order.
    scores
        All scores of the predictions of all folds together; None where it failed.
    cost
        None for what is made of others, and where it failed.
    error
        Why there is no score; empty where there is one.
    notes
        Settings chosen and the like, as JSON takes it.
    """

    method: str
    side: Side | None
    score: float
    low: float
    high: float
    folds: tuple[float, ...] = ()
    scores: Scores | None = None
    cost: Cost | None = None
    error: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    n_sets: int = 1


@dataclass(frozen=True)
class CurvePoint:
    """An estimator trained on a share of the training items: `n_items`, the mean over the folds."""

    method: str
    share: float
    n_items: float
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class SetSummary:
    """One data set: the rows of all estimators, their learning curves, and the tests of PAIRS.

    Whoever reports it fills in the verdict.
    """

    name: str
    metric: Metric
    n_items: int
    n_classes: int
    rows: tuple[Row, ...]
    curves: tuple[CurvePoint, ...] = ()
    tests: Tests = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    verdict: str = ""


@dataclass(frozen=True)
class Summary:
    """A whole benchmark: of several data sets with the means over them and the ranking of the estimators.

    `rows`, `curves`, `tests` and `verdict` are those of the only set, or of all sets together.
    """

    name: str
    sets: tuple[SetSummary, ...]
    rows: tuple[Row, ...] = ()
    curves: tuple[CurvePoint, ...] = ()
    tests: Tests = field(default_factory=dict)
    ranking: Ranking | None = None
    failed: tuple[tuple[str, str], ...] = ()
    """Items that could not be read, and why."""
    seconds: float = 0.0
    origin: dict[str, str] = field(default_factory=dict)
    """Versions, device, seed."""
    verdict: str = ""


def summary_of(
    sets: Sequence[SetSummary], *, failed: tuple[tuple[str, str], ...], seconds: float, origin: dict[str, str]
) -> Summary:
    """Return the summary of one data set or several; `origin` is versions, device and seed."""
    if len(sets) == 1:
        (one,) = sets
        name, rows, curves, tests, ranking = one.name, one.rows, one.curves, one.tests, None
    else:
        name, rows, curves = f"{len(sets)} data sets", mean_rows(sets), mean_curves(sets)
        tests, ranking = compare_over_sets(sets), _ranking(sets)
    return Summary(name, tuple(sets), rows, curves, tests, ranking, failed, seconds, origin)


def scores_over_sets(sets: Sequence[SetSummary], method: str) -> np.ndarray:
    """Return the score of a row on each set, NaN where it has none: float64 (n_sets,)."""
    found = [{row.method: row.score for row in one.rows if not row.error} for one in sets]
    return np.array([scores.get(method, np.nan) for scores in found], np.float64)


def compare_over_sets(sets: Sequence[SetSummary]) -> dict[tuple[str, str], Comparison]:
    """Compare PAIRS of rows over the data sets on which both have a score.

    By Wilcoxon's signed-rank test with Holm's correction for these pairs alone, which are fewer than those of a
    ranking. The interval is Student's, of the mean difference.
    """
    gaps = {pair: scores_over_sets(sets, pair[0]) - scores_over_sets(sets, pair[1]) for pair in PAIRS}
    known = {pair: found for pair, gap in gaps.items() if len(found := gap[np.isfinite(gap)])}
    test = "Wilcoxon signed-rank test"
    test += f", Holm correction for {len(known)} comparisons" if len(known) > 1 else ""
    adjusted = holm([wilcoxon_p(found) for found in known.values()])
    return {
        pair: Comparison(float(found.mean()), *_mean_interval(found), p, test)
        for (pair, found), p in zip(known.items(), adjusted, strict=True)
    }


def mean_rows(sets: Sequence[SetSummary]) -> tuple[Row, ...]:
    """Return the means of each row over the data sets; one that failed on some of them has an error."""
    names = dict.fromkeys(row.method for one in sets for row in one.rows)
    return tuple(
        _mean_row([row for one in sets for row in one.rows if row.method == name], len(sets))
        for name in names
    )


def mean_curves(sets: Sequence[SetSummary]) -> tuple[CurvePoint, ...]:
    """Return the mean learning curve of each estimator that has one on every data set.

    Where a share gives the same items as a larger one, the point of the larger one is taken.
    """
    sides = {row.method: row.side for one in sets for row in one.rows}
    by_set = [_curves_by_name(one, sides) for one in sets]
    names = [name for name in by_set[0] if all(name in curves for curves in by_set)]
    shares = sorted({point.share for curves in by_set for points in curves.values() for point in points})
    means = []
    for name in names:
        for share in shares:
            larger = [[point for point in curves[name] if point.share >= share] for curves in by_set]
            points = [
                min(some, key=lambda point: point.share, default=curves[name][-1])
                for some, curves in zip(larger, by_set, strict=True)
            ]
            n_items = float(np.mean([point.n_items for point in points]))
            means.append(CurvePoint(name, share, n_items, *_mean_score([point.score for point in points])))
    return tuple(means)


def _curves_by_name(one: SetSummary, sides: Mapping[str, Side | None]) -> dict[str, list[CurvePoint]]:
    """Return the learning curves of a data set; that of a baseline is called the best baseline's."""
    curves: dict[str, list[CurvePoint]] = {}
    for point in one.curves:
        name = BEST_BASELINE if sides.get(point.method) == "tables" else point.method
        curves.setdefault(name, []).append(point)
    return curves


def _mean_row(rows: Sequence[Row], n_sets: int) -> Row:
    scores = [row.score for row in rows if not row.error]
    first, nan = rows[0], float("nan")
    if len(scores) < n_sets:
        why = next((row.error for row in rows if row.error), "was not run")
        error = f"failed on {n_sets - len(scores)} of {n_sets} data sets: {why}"
        return Row(first.method, first.side, nan, nan, nan, error=error, n_sets=n_sets)
    costs, cost = [row.cost for row in rows if row.cost], None
    if len(costs) == len(rows):
        cost = Cost(
            prepare_s=sum(one.prepare_s for one in costs),
            train_s=sum(one.train_s for one in costs),
            predict_s_per_item=float(np.mean([one.predict_s_per_item for one in costs])),
            peak_mib=max(one.peak_mib for one in costs),
            size_bytes=max(one.size_bytes for one in costs),
        )
    return Row(first.method, first.side, *_mean_score(scores), folds=tuple(scores), cost=cost, n_sets=n_sets)


def _mean_score(scores: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean with its interval, which ends at 1."""
    low, high = _mean_interval(np.array(scores))
    return float(np.mean(scores)), low, min(1.0, high)


def _mean_interval(values: np.ndarray) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean, NaN for a single value."""
    from scipy import stats

    if len(values) < 2:
        return float("nan"), float("nan")
    half = float(stats.t.ppf(1 - ALPHA / 2, len(values) - 1) * stats.sem(values))
    return float(values.mean()) - half, float(values.mean()) + half


def _ranking(sets: Sequence[SetSummary]) -> Ranking | None:
    """Rank the estimators with a score on every data set, without the rows made of others."""
    names = dict.fromkeys(row.method for one in sets for row in one.rows if row.side is not None)
    scores = {name: scores_over_sets(sets, name) for name in names}
    whole = {name: values.tolist() for name, values in scores.items() if np.isfinite(values).all()}
    return rank_methods(whole) if len(whole) > 1 else None
