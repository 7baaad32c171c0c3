"""A benchmark as text for a terminal."""

import textwrap
from collections.abc import Sequence

from phosphene.pipeline.compare.summary import BEST_BASELINE, IMAGES, STACKED, SetSummary, Summary
from phosphene.pipeline.report.tables import all_warnings, best_score
from phosphene.pipeline.report.verdict import (
    common_metric,
    cost_cells,
    metric_words,
    plain,
    score_words,
)

from .text import MOST_FAILURES, table, terminal_width

MAX_WIDTH, MIN_NAME = 100, 16


def terminal_table(summary: Summary, *, width: int | None = None) -> str:
    """Return warnings, scores and costs of each method, failures, and the verdict.

    Parameters
    ----------
    summary
        Of one data set or of several.
    width
        Letters a line; None takes the terminal's, up to 100.
    """
    width = min(MAX_WIDTH, terminal_width()) if width is None else width
    many = len(summary.sets) > 1
    parts = [_wrapped(f"WARNING: {warning}", width) for warning in all_warnings(summary)]
    parts.append(_methods(summary, width))
    if many:
        parts.append(_sets(summary.sets, width))
    failed = [(one.name, row) for one in summary.sets for row in one.rows if row.error]
    errors = [(f"{name}: {row.method}" if many else row.method, row.error) for name, row in failed]
    parts.append(_failures("Methods that failed:", errors, width))
    parts.append(_failures(f"{len(summary.failed)} items failed:", summary.failed, width))
    return "\n\n".join(part for part in [*parts, _wrapped(summary.verdict, width)] if part)


def _methods(summary: Summary, width: int) -> str:
    """Return the table of methods; a name without room beside its figures stands above them."""
    ranking, best = summary.ranking, best_score(summary.rows)
    ranks = dict(zip(ranking.methods, ranking.ranks, strict=True)) if ranking else {}
    metric = metric_words(common_metric(summary.sets))
    cells = [["", metric, *(["rank"] if ranks else []), "prepare", "train", "per item", "memory", "size"]]
    for row in summary.rows:
        rank = [f"{ranks[row.method]:.2f}" if row.method in ranks else ""] if ranks else []
        mark = "*" if round(row.score, 3) == best else ""
        cells.append([mark, score_words(row), *rank, *cost_cells(row.cost)])
    columns = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{c:>{n}}" for c, n in zip(line, columns, strict=True)).rstrip() for line in cells]
    names = ["method", *(plain(row.method) for row in summary.rows)]
    room = min(max(map(len, names)), max(MIN_NAME, width - sum(columns) - 2 * len(columns)))
    lines = [
        f"{name:<{room}}  {line}" if len(name) <= room else f"{name}\n{'':<{room}}  {line}"
        for name, line in zip(names, lines, strict=True)
    ]
    return "\n".join([*lines, "* the highest score"])


def _sets(sets: Sequence[SetSummary], width: int) -> str:
    """Return a line a set: images, best baseline and stack, and the methods with the highest score."""
    known = {row.method for one in sets for row in one.rows}
    names = [name for name in (IMAGES, BEST_BASELINE, STACKED) if name in known]
    lines = []
    for one in sets:
        scores = {row.method: score_words(row).partition(" ")[0] for row in one.rows}
        best = best_score(one.rows)
        winners = [row for row in one.rows if round(row.score, 3) == best]
        # The best baseline is one of the methods already.
        named = [row.method for row in winners if row.side] or [row.method for row in winners]
        highest = f"{best:.3f} {', '.join(named)}" if winners else ""
        counts = [f"{one.n_items}", f"{one.n_classes}"]
        lines.append(
            [plain(one.name), *counts, *(scores.get(name, "failed") for name in names), plain(highest)]
        )
    return table(["data set", "items", "classes", *names, "highest"], lines, width=width)


def _failures(title: str, lines: Sequence[tuple[str, str]], width: int) -> str:
    """Return a line a failure, cut to the width of the terminal; of many the first."""
    words = [plain(error if error.startswith(name) else f"{name}: {error}") for name, error in lines]
    shown = [word if len(word) <= width - 2 else f"{word[: width - 6]} ..." for word in words[:MOST_FAILURES]]
    if len(lines) > len(shown):
        shown.append(f"(and {len(lines) - len(shown)} more; --json lists all)")
    return "\n  ".join([title, *shown]) if lines else ""


def _wrapped(text: str, width: int) -> str:
    """Return text no wider than the terminal; its own lines stay apart."""
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(plain(line), width))
