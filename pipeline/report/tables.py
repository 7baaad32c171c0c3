"""What a benchmark found, as rows for other programs: CSV and JSON."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

from phosphene.pipeline.compare.summary import CurvePoint, Ranking, Row, SetSummary, Summary

from .words import plain

COLUMNS = (
    "set",
    "method",
    "side",
    "metric",
    "score",
    "low",
    "high",
    "folds",
    "prepare_s",
    "train_s",
    "predict_ms_per_item",
    "peak_mib",
    "size_bytes",
    "error",
)
IMAGES, TABLES, BOTH = "images", "without images", "both"
"""Rows that every benchmark has: the images, the best of the rest, and both together."""


def csv_rows(summary: Summary) -> str:
    """Return a line a data set and method under a line of names; empty where there is no figure.

    Examples
    --------
    >>> csv_rows(Summary("esc10", (), (), (), "", None, (), 0.0, {})).partition(",folds")[0]
    'set,method,side,metric,score,low,high'
    """
    buffer = io.StringIO()
    lines = csv.writer(buffer, lineterminator="\n")
    lines.writerow(COLUMNS)
    for one in summary.sets:
        lines.writerows(_csv_line(one, row) for row in one.rows)
    return buffer.getvalue()


def json_result(summary: Summary) -> dict[str, Any]:
    """Return all that was found as plain JSON: None where there is no figure.

    Returns
    -------
    dict
        `rows`, `curves` and `verdict` of the only data set, or of all together; `sets` with the same for each;
        `metric` is `mixed` where the sets have several.
    """
    found = {
        "name": summary.name,
        "metric": common_metric(summary),
        "rows": [_json_row(row) for row in summary.rows],
        "verdict": summary.verdict,
        "curves": [_json_point(point) for point in summary.curves],
        "sets": [_json_set(one) for one in summary.sets],
        "ranking": _json_ranking(summary.ranking) if summary.ranking else None,
        "warnings": list(all_warnings(summary)),
        "failed": [{"path": path, "error": error} for path, error in summary.failed],
        "seconds": round(summary.seconds, 3),
        "origin": dict(summary.origin),
    }
    return {name: _plain_json(value) for name, value in found.items()}


def kind_of(row: Row) -> str:
    """Return what a method sees: `images`, `tables`, `floor`, or `both`.

    Examples
    --------
    >>> kind_of(Row("both", None, 0.9, 0.8, 1.0)), kind_of(Row("without images", None, 0.9, 0.8, 1.0))
    ('both', 'tables')
    """
    return row.side or ("tables" if row.method == TABLES else "both")


def learning_s(row: Row) -> float:
    """Return how long a method took to prepare all items and to learn from all folds; NaN where it is not known."""
    return row.cost.prepare_s + row.cost.train_s if row.cost else math.nan


def common_metric(summary: Summary) -> str:
    """Return the metric of all sets; `mixed` where they have several."""
    metrics = {one.metric for one in summary.sets}
    return metrics.pop() if len(metrics) == 1 else "mixed"


def best_score(rows: Sequence[Row]) -> float:
    """Return the highest score as it is shown, to three digits; NaN where all failed.

    Examples
    --------
    >>> best_score([Row("a", "images", 0.90049, 0.8, 1.0), Row("b", "tables", float("nan"), 0.0, 1.0)])
    0.9
    """
    return max((round(row.score, 3) for row in rows if not math.isnan(row.score)), default=math.nan)


def headline(rows: Sequence[Row]) -> tuple[Row | None, Row | None]:
    """Return the rows that are held side by side: images, and the best without them."""
    return _named(rows, IMAGES), _named(rows, TABLES) or _best_of_tables(rows)


def all_warnings(summary: Summary) -> tuple[str, ...]:
    """Return the warnings of all sets, each with the name of its set where there are several."""
    many = len(summary.sets) > 1
    return tuple(f"{one.name}: {w}" if many else w for one in summary.sets for w in one.warnings)


def _named(rows: Sequence[Row], method: str) -> Row | None:
    return next((row for row in rows if row.method == method), None)


def _best_of_tables(rows: Sequence[Row]) -> Row | None:
    known = [row for row in rows if row.side == "tables" and not math.isnan(row.score)]
    return max(known, key=lambda row: row.score, default=None)


def _csv_line(one: SetSummary, row: Row) -> list[str]:
    cost = row.cost
    costs = (
        [cost.prepare_s, cost.train_s, 1000 * cost.predict_s_per_item, cost.peak_mib, cost.size_bytes]
        if cost
        else [math.nan] * 5
    )
    scores = [_digits(value) for value in (row.score, row.low, row.high)]
    folds = " ".join(_digits(score) or "nan" for score in row.folds)
    words = [plain(text) for text in (one.name, row.method, kind_of(row), one.metric, row.error)]
    return [*words[:4], *scores, folds, *map(_digits, costs), words[4]]


def _digits(value: float) -> str:
    """Write a number to six digits that count, a whole one to all; nothing for what is not known."""
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def _json_row(row: Row) -> dict[str, Any]:
    cost, scores = row.cost, row.scores
    return {
        "method": row.method,
        "kind": kind_of(row),
        "score": row.score,
        "low": row.low,
        "high": row.high,
        "folds": list(row.folds),
        "seconds": learning_s(row),
        "prepare_s": cost.prepare_s if cost else None,
        "train_s": cost.train_s if cost else None,
        "predict_s_per_item": cost.predict_s_per_item if cost else None,
        "peak_mib": cost.peak_mib if cost else None,
        "size_bytes": cost.size_bytes if cost else None,
        "n": scores.n if scores else None,
        "accuracy": scores.accuracy if scores else None,
        "macro_f1": scores.macro_f1 if scores else None,
        "auc": scores.auc if scores else None,
        "confusion": {"classes": scores.classes, "counts": scores.confusion} if scores else None,
        "n_sets": row.n_sets,
        "error": row.error,
        "notes": row.notes,
    }


def _json_point(point: CurvePoint) -> dict[str, Any]:
    return {
        "method": point.method,
        "share": point.share,
        "n_items": point.n_items,
        "score": point.score,
        "low": point.low,
        "high": point.high,
    }


def _json_set(one: SetSummary) -> dict[str, Any]:
    return {
        "name": one.name,
        "metric": one.metric,
        "n_items": one.n_items,
        "n_classes": one.n_classes,
        "rows": [_json_row(row) for row in one.rows],
        "verdict": one.verdict,
        "curves": [_json_point(point) for point in one.curves],
        "warnings": list(one.warnings),
    }


def _json_ranking(ranking: Ranking) -> dict[str, Any]:
    pairs = sorted(ranking.p_values.items())
    return {
        "methods": list(ranking.methods),
        "ranks": list(ranking.ranks),
        "cliques": [[ranking.methods[place] for place in clique] for clique in ranking.cliques],
        "p_values": [
            {"methods": [ranking.methods[one], ranking.methods[other]], "p": p} for (one, other), p in pairs
        ],
        "n_sets": ranking.n_sets,
    }


def _plain_json(value: Any) -> Any:
    """Return what JSON can hold: numbers of NumPy become Python's, what is no number None, anything else words."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_json(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)
