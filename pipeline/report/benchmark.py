"""A benchmark from end to end: computed, put into words, and written as a page, as CSV and as JSON."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from phosphene.converters.core.files import atomic_write
from phosphene.datasets.manifest import Manifest
from phosphene.pipeline.compare.run import run_benchmark
from phosphene.pipeline.compare.statistics import Ranking
from phosphene.pipeline.compare.summary import BEST_BASELINE, IMAGES, Cost, Row, SetSummary, Summary
from phosphene.pipeline.strategies.recipe import Recipe

from . import verdict
from .plots import KINDS, Plot, confusion_pair, critical_differences, learning_curves, scores_and_times
from .verdict import all_warnings, common_metric, kind_of, learning_s, number, percent, plain, with_verdicts


def benchmark(
    src: str | Path | Manifest | Sequence[Manifest],
    recipe: Recipe | None = None,
    *,
    methods: str | None = None,
    out: str | Path | None = None,
    on_leak: Literal["refuse", "tell"] = "refuse",
    progress: bool = True,
) -> Summary:
    """Compare image classifiers with tabular baselines.

    Fold results are kept in the user's cache as soon as they are computed: an interrupted run continues.

    Parameters
    ----------
    src
        A folder of class folders, a CSV with `path,label`, an archive, a manifest, or several manifests of one kind.
    recipe
        How classifiers of images are made; None for the defaults.
    methods
        Names of estimators, separated by semicolons, or parts of them; None for all of the kind.
    out
        A folder for the page, the table as CSV and the result as JSON.
    on_leak
        Whether items on both sides of a split end the benchmark, or are reported as warnings.
    progress
        Show bars on standard error.

    Raises
    ------
    MissingExtra
        The packages of the baselines are not installed.
    ParameterError
        Items leak across a split, or there is no such estimator.
    PhospheneError
        Nothing can be read.

    Examples
    --------
    >>> summary = benchmark("recordings/meta.csv", out="report")  # doctest: +SKIP
    >>> print(summary.verdict)  # doctest: +SKIP
    Images are better: ...
    """
    found = run_benchmark(src, recipe or Recipe(), methods=methods, on_leak=on_leak, progress=progress)
    summary = with_verdicts(found)
    if out is not None:
        write_outcome(out, summary)
    return summary


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


def write_outcome(folder: str | Path, summary: Summary) -> None:
    """Write a benchmark into a folder, made if needed: `index.html`, `benchmark.csv` and `benchmark.json`."""
    folder = Path(folder)
    write_page(folder / "index.html", summary)
    _write(folder / "benchmark.csv", csv_rows(summary))
    _write(folder / "benchmark.json", json.dumps(json_result(summary), indent=2, allow_nan=False) + "\n")


def write_page(path: str | Path, summary: Summary) -> Path:
    """Write the page of a benchmark: warnings, verdict, tables and figures, of all sets together and of each.

    Parameters
    ----------
    path
        The file to write.
    summary
        Of one data set or of several.
    """
    ranking = summary.ranking
    context = {
        "ranks": dict(zip(ranking.methods, ranking.ranks, strict=True)) if ranking else {},
        "names": list(dict.fromkeys(row.method for one in summary.sets for row in one.rows)),
    }
    return write_template(
        path, "benchmark.html", title=f"Benchmark: {summary.name}", summary=summary, **context
    )


def _plots(what: Summary | SetSummary) -> Iterator[tuple[str, Plot, str]]:
    """Yield title, figure and caption of each figure for which there are values."""
    if isinstance(what, Summary):
        metric, ranking = common_metric(what.sets), what.ranking
        if ranking and len(ranking.methods) > 1:
            caption = "Mean ranks, best on the right. A bar joins methods that do not differ significantly."
            yield "Critical differences", critical_differences(ranking), caption
    else:
        metric = what.metric
    rows = {row.method: row for row in what.rows}
    if any(not math.isnan(point.score) for point in what.curves):
        caption = "Score by number of training items, with 95 % confidence intervals."
        yield "Learning curves", learning_curves(what.curves, metric), caption
    left, right = rows.get(IMAGES), rows.get(BEST_BASELINE)
    if left and right and any(row.scores and row.scores.confusion for row in (left, right)):
        caption = "Rows: true class. Columns: predicted class. Darker: a larger share of the true class."
        yield "Confusion matrices", confusion_pair(left, right), caption
    if any(not math.isnan(row.score) for row in what.rows):
        caption = "Score with its 95 % confidence interval, and time to prepare all items and to train."
        yield "Scores and times", scores_and_times(what.rows, metric), caption


@cache
def _environment() -> Environment:
    """Return the templates, with names and errors from outside shown as `plain` writes them, and escaped."""

    def finalize(value: object) -> object:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        finalize=finalize,
    )
    environment.globals |= {
        "number": number,
        "percent": percent,
        "words": verdict,
        "plots": _plots,
        "KINDS": KINDS,
    }
    return environment


def write_template(path: str | Path, template: str, **context: Any) -> Path:
    """Write a page, whole or not at all, from a template and what it shows."""
    _write(Path(path), _environment().get_template(template).render(context))
    return Path(path)


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
