"""A benchmark as rows for other programs: CSV and JSON."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

from phosphene.pipeline.compare.statistics import Ranking
from phosphene.pipeline.compare.summary import BEST_BASELINE, Cost, Row, SetSummary, Summary

from .verdict import common_metric, plain

COLUMNS = ("set", "method", "side", "metric", "score", "low", "high", "folds", "prepare_s", "train_s",
           "predict_ms_per_item", "peak_mib", "size_bytes", "error")  # fmt: skip


def csv_rows(summary: Summary) -> str:
    """Return a header and a line a data set and method; a cell is empty where there is no value.

    Examples
    --------
    >>> csv_rows(Summary("esc10", ())).partition(",folds")[0]
    'set,method,side,metric,score,low,high'
    """
    buffer = io.StringIO()
    lines = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    lines.writeheader()
    for one in summary.sets:
        for row in one.rows:
            values = _json_row(row) | {"set": one.name, "side": kind_of(row), "metric": one.metric}
            values["folds"] = " ".join(_cell(score) or "nan" for score in row.folds)
            values["predict_ms_per_item"] = 1000 * row.cost.predict_s_per_item if row.cost else None
            lines.writerow({name: _cell(values[name]) for name in COLUMNS})
    return buffer.getvalue()


def json_result(summary: Summary) -> dict[str, Any]:
    """Return everything as plain JSON; a number that is not known is None.

    Returns
    -------
    dict
        `rows`, `curves` and `verdict` of the only data set, or of all together; `sets` with the same for each;
        `metric` is `mixed` where the sets have several.
    """
    result = {
        "name": summary.name,
        "metric": common_metric(summary.sets),
        "rows": [_json_row(row) for row in summary.rows],
        "verdict": summary.verdict,
        "curves": [asdict(point) for point in summary.curves],
        "sets": [_json_set(one) for one in summary.sets],
        "ranking": _json_ranking(summary.ranking) if summary.ranking else None,
        "warnings": all_warnings(summary),
        "failed": [{"path": path, "error": error} for path, error in summary.failed],
        "seconds": round(summary.seconds, 3),
        "origin": summary.origin,
    }
    return {name: _plain_json(value) for name, value in result.items()}


def kind_of(row: Row) -> str:
    """Return what a row is: `images`, `tables` (a baseline), `floor` (the majority class) or `both` (the stack).

    Examples
    --------
    >>> kind_of(Row("stacked", None, 0.9, 0.8, 1.0)), kind_of(Row("best baseline", None, 0.9, 0.8, 1.0))
    ('both', 'tables')
    """
    return row.side or ("tables" if row.method == BEST_BASELINE else "both")


def learning_s(row: Row) -> float:
    """Return the time to prepare all items and to train all folds, NaN where it is not known."""
    return row.cost.prepare_s + row.cost.train_s if row.cost else math.nan


def best_score(rows: Sequence[Row]) -> float:
    """Return the highest score as it is shown, to three digits; NaN where all failed.

    Examples
    --------
    >>> best_score([Row("a", "images", 0.90049, 0.8, 1.0), Row("b", "tables", float("nan"), 0.0, 1.0)])
    0.9
    """
    return max((round(row.score, 3) for row in rows if not math.isnan(row.score)), default=math.nan)


def all_warnings(summary: Summary) -> list[str]:
    """Return the warnings of all sets, each with the name of its set where there are several."""
    many = len(summary.sets) > 1
    return [f"{one.name}: {text}" if many else text for one in summary.sets for text in one.warnings]


def _cell(value: Any) -> str:
    """Write a number to six significant digits, a whole one to all; nothing for what is not known; text in one line."""
    if not isinstance(value, int | float):
        return plain(str(value or ""))
    if not math.isfinite(value):
        return ""
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def _json_row(row: Row) -> dict[str, Any]:
    scores = row.scores
    names = ("method", "score", "low", "high", "folds", "n_sets", "error", "notes")
    return {
        **{name: getattr(row, name) for name in names},
        "kind": kind_of(row),
        "seconds": learning_s(row),
        **{field.name: getattr(row.cost, field.name, None) for field in fields(Cost)},
        **{name: getattr(scores, name, None) for name in ("n", "accuracy", "macro_f1", "auc")},
        "confusion": {"classes": scores.classes, "counts": scores.confusion} if scores else None,
    }


def _json_set(one: SetSummary) -> dict[str, Any]:
    names = ("name", "metric", "n_items", "n_classes", "verdict", "warnings")
    return {
        **{name: getattr(one, name) for name in names},
        "rows": [_json_row(row) for row in one.rows],
        "curves": [asdict(point) for point in one.curves],
    }


def _json_ranking(ranking: Ranking) -> dict[str, Any]:
    names = ranking.methods
    return {
        "methods": names,
        "ranks": ranking.ranks,
        "cliques": [[names[index] for index in clique] for clique in ranking.cliques],
        "p_values": [
            {"methods": [names[a], names[b]], "p": p} for (a, b), p in sorted(ranking.p_values.items())
        ],
        "n_sets": ranking.n_sets,
    }


def _plain_json(value: Any) -> Any:
    """Return what JSON can hold: NumPy's numbers as Python's, NaN and infinity as None, other objects as text."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _plain_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_json(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | bool | int) else str(value)
