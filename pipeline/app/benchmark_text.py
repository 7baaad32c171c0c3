"""A benchmark as words for a terminal."""

import math
import textwrap
from collections.abc import Sequence

from phosphene.pipeline.compare.summary import SetSummary, Summary
from phosphene.pipeline.report.tables import BOTH, IMAGES, TABLES, all_warnings, best_score, common_metric
from phosphene.pipeline.report.words import cost_cells, metric_words, plain, score_words

from .text import MOST_FAILURES, table, terminal_width

WIDTH = 100
LEAST_NAME = 16


def terminal_table(summary: Summary, *, width: int | None = None) -> str:
    """Tell a benchmark: warnings, what each method scores and costs, what failed, and the verdict.

    Parameters
    ----------
    summary
        Of one data set or of several.
    width
        Letters a line; None takes the terminal's, up to 100.
    """
    width = min(WIDTH, terminal_width()) if width is None else width
    parts = [_wrapped(f"WARNING: {warning}", width) for warning in all_warnings(summary)]
    parts += [_methods(summary, width)]
    if len(summary.sets) > 1:
        parts += [_sets(summary.sets, width)]
    parts += _errors(summary, width)
    if summary.failed:
        parts += [_listed(f"{len(summary.failed)} items failed:", list(summary.failed), width)]
    return "\n\n".join([*parts, _wrapped(summary.verdict, width)])


def _methods(summary: Summary, width: int) -> str:
    """Return the table of methods; a name that finds no room beside its figures stands above them."""
    ranking, best = summary.ranking, best_score(summary.rows)
    ranks = dict(zip(ranking.methods, ranking.ranks, strict=True)) if ranking else {}
    metric = metric_words(common_metric(summary))
    figures = [["", metric, *(["rank"] if ranks else []), "prepare", "train", "per item", "memory", "size"]]
    for row in summary.rows:
        rank = ranks.get(row.method)
        shown_rank = [f"{rank:.2f}" if rank else ""] if ranks else []
        mark = "*" if round(row.score, 3) == best else ""
        figures.append([mark, score_words(row), *shown_rank, *cost_cells(row.cost)])
    columns = [max(map(len, column)) for column in zip(*figures, strict=True)]
    right = [
        "  ".join(f"{cell:>{size}}" for cell, size in zip(line, columns, strict=True)) for line in figures
    ]
    names = ["method", *(plain(row.method) for row in summary.rows)]
    room = min(max(map(len, names)), max(LEAST_NAME, width - len(right[0]) - 2))
    lines = [
        f"{name:<{room}}  {line}" if len(name) <= room else f"{name}\n{'':<{room}}  {line}"
        for name, line in zip(names, right, strict=True)
    ]
    return "\n".join(line.rstrip() for line in [*lines, "* the highest score"])


def _sets(sets: Sequence[SetSummary], width: int) -> str:
    """Return a line a set: what is held side by side, and what was best of all."""
    shown = [
        name for name in (IMAGES, TABLES, BOTH) if any(row.method == name for s in sets for row in s.rows)
    ]
    lines = []
    for one in sets:
        scores = {row.method: f"{row.score:.3f}" for row in one.rows if not math.isnan(row.score)}
        best = best_score(one.rows)
        winners = [row for row in one.rows if round(row.score, 3) == best]
        # The best without images is one of the methods already.
        names = [row.method for row in winners if row.side] or [row.method for row in winners]
        figures = [scores.get(name, "failed") for name in shown]
        told = f"{best:.3f} {', '.join(names)}" if not math.isnan(best) else ""
        lines.append([plain(one.name), str(one.n_items), str(one.n_classes), *figures, plain(told)])
    return table(["data set", "items", "classes", *shown, "highest"], lines, width=width)


def _errors(summary: Summary, width: int) -> list[str]:
    """Return why methods failed: on the only set, or on each of several."""
    many = len(summary.sets) > 1
    errors = [
        (f"{one.name}: {row.method}" if many else row.method, row.error)
        for one in summary.sets
        for row in one.rows
        if row.error
    ]
    return [_listed("Methods that failed:", errors, width)] if errors else []


def _listed(title: str, lines: Sequence[tuple[str, str]], width: int) -> str:
    """Return a line a failure, cut where it would be longer than the terminal; of many the first."""
    shown = []
    for name, error in lines[:MOST_FAILURES]:
        words = plain(error if error.startswith(name) else f"{name}: {error}")
        shown.append("  " + (words if len(words) <= width - 2 else words[: width - 6] + " ..."))
    more = len(lines) - len(shown)
    return "\n".join([title, *shown, *([f"  (and {more} more; --json lists all)"] if more else [])])


def _wrapped(text: str, width: int) -> str:
    """Return text no wider than the terminal; its own lines stay apart."""
    lines = [textwrap.wrap(plain(line), width) for line in text.splitlines()]
    return "\n".join(part for line in lines for part in line)
