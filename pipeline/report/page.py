"""Self-contained HTML pages from templates, and the files that a benchmark leaves."""

import json
import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from phosphene.converters.core.files import atomic_write
from phosphene.pipeline.compare.summary import BEST_BASELINE, IMAGES, SetSummary, Summary

from . import tables, verdict
from .plots import KINDS, Plot, confusion_pair, critical_differences, learning_curves, scores_and_times
from .tables import csv_rows, json_result
from .verdict import common_metric, number, percent, plain


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
        "tables": tables,
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
