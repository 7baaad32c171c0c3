"""What a terminal shows: tables, figures, what a benchmark found, and notes, each once on standard error."""

import contextlib
import logging
import math
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from phosphene.pipeline.compare.summary import BEST_BASELINE, IMAGES, STACKED, SetSummary, Summary
from phosphene.pipeline.report.verdict import (
    all_warnings,
    best_score,
    common_metric,
    cost_cells,
    metric_words,
    plain,
    score_words,
)
from phosphene.pipeline.tiles.remote import named

if TYPE_CHECKING:
    from phosphene.datasets.manifest import Failure

MOST_FAILURES = 20
MOST_LINES = 3


def terminal_width() -> int:
    """Return how many letters a line of the terminal takes; 100 where there is none."""
    return max(40, shutil.get_terminal_size((100, 24)).columns)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Lay out rows in columns as wide as their widest cell.

    Parameters
    ----------
    header, rows
        The cells.
    width
        Wrap the last column, so that lines are no longer; None lets them be.

    Examples
    --------
    >>> print(table(["name", "n"], [["dog", "40"]]))
    name  n
    dog   40
    """
    lines = [[clean(cell) for cell in line] for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header) - 1)]
    indent = sum(widths) + 2 * len(widths)
    return "\n".join(
        "".join(f"{cell:<{size}}  " for cell, size in zip(line[:-1], widths, strict=True))
        + _wrapped(line[-1], indent, width)
        for line in lines
    )


def failure_table(failures: Sequence["Failure"]) -> str:
    """List what failed, and why, as wide as the terminal; of many the first."""
    shown = failures[:MOST_FAILURES]
    rows = [(clean(str(failure.item)), reason(failure)) for failure in shown]
    width, indent = terminal_width(), max(len(path) for path, _ in rows) + 4
    lines = [f"{len(failures)} failed:"]
    for path, why in rows:
        if indent > width // 2:  # a path is never cut: people copy it
            lines += [f"  {path}", "      " + _wrapped(why, 6, width, MOST_LINES)]
        else:
            lines += [f"  {path:<{indent - 2}}" + _wrapped(why, indent, width, MOST_LINES)]
    if len(failures) > len(shown):
        lines += [f"  (and {len(failures) - len(shown)} more; --json lists all)"]
    return "\n".join(lines)


def reason_table(n: int, reasons: Sequence[tuple[str, int, str]]) -> str:
    """List why many items failed: the most frequent reasons, each with its count and an example.

    Examples
    --------
    >>> print(reason_table(2500, [("empty; there is nothing to read", 2500, "a.wav")]))
    2,500 failed:
      2,500 times, such as a.wav
          empty; there is nothing to read
    """
    lines = [f"{n:,} failed:"]
    for why, count, example in reasons[:MOST_FAILURES]:
        such = f", such as {clean(example)}" if example else ""
        lines += [
            f"  {count:,} times{such}",
            "      " + _wrapped(clean(why), 6, terminal_width(), MOST_LINES),
        ]
    if len(reasons) > MOST_FAILURES:
        lines += [f"  (and {len(reasons) - MOST_FAILURES} more reasons; --json has them)"]
    return "\n".join(lines)


def reason(failure: "Failure") -> str:
    """Return why an item failed, without its path, which messages begin with."""
    error = " ".join(failure.error.split())
    for name in (str(failure.item), str(failure.item.path)):
        error = error.removeprefix(f"{name}: ")
    return clean(error)


def clean(text: str) -> str:
    r"""Write what a terminal cannot show, or would obey, as escapes: names of files can hold anything.

    Examples
    --------
    >>> clean("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def share(value: float) -> str:
    """Write a share as a percentage.

    Examples
    --------
    >>> share(0.9375), share(float("nan"))
    ('93.8 %', 'unknown')
    """
    return "unknown" if math.isnan(value) else f"{100 * value:.1f} %"


def figure(value: float) -> str:
    """Write a score between 0 and 1.

    Examples
    --------
    >>> figure(0.9375), figure(float("nan"))
    ('0.938', 'unknown')
    """
    return "unknown" if math.isnan(value) else f"{value:.3f}"


def _wrapped(text: str, indent: int, width: int | None, max_lines: int | None = None) -> str:
    if width is None:
        return text
    room = max(20, width - indent)
    lines = textwrap.wrap(text, room, max_lines=max_lines, placeholder=" ...")
    return f"\n{' ' * indent}".join(lines)


_log = logging.getLogger("phosphene")


class NoteHandler(logging.Handler):
    """Collects what is logged, and writes each line once.

    Parameters
    ----------
    summaries, texts
        What was taken (logged as information), and what was noted (logged as warnings), in order.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.summaries: list[str] = []
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep and write a line that is new."""
        text = named(record.getMessage())
        kept = self.summaries if record.levelno < logging.WARNING else self.texts
        if text not in kept:
            kept.append(text)
            sys.stderr.write(f"{clean(text)}\n")

    @property
    def result(self) -> dict[str, object]:
        """The keys `summary` and `notes` of a result; empty where nothing was taken and nothing noted."""
        if not self.summaries and not self.texts:
            return {}
        return {"summary": "; ".join(self.summaries), "notes": list(self.texts)}


@contextlib.contextmanager
def collected() -> Iterator[NoteHandler]:
    """Collect what is logged meanwhile."""
    notes, level = NoteHandler(), _log.level
    _log.addHandler(notes)
    _log.setLevel(logging.INFO)
    try:
        yield notes
    finally:
        _log.removeHandler(notes)
        _log.setLevel(level)


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
    parts = [_filled(f"WARNING: {warning}", width) for warning in all_warnings(summary)]
    parts.append(_methods(summary, width))
    if many:
        parts.append(_sets(summary.sets, width))
    failed = [(one.name, row) for one in summary.sets for row in one.rows if row.error]
    errors = [(f"{name}: {row.method}" if many else row.method, row.error) for name, row in failed]
    parts.append(_failures("Methods that failed:", errors, width))
    parts.append(_failures(f"{len(summary.failed)} items failed:", summary.failed, width))
    return "\n\n".join(part for part in [*parts, _filled(summary.verdict, width)] if part)


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


def _filled(text: str, width: int) -> str:
    """Return text no wider than the terminal; its own lines stay apart."""
    return "\n".join(part for line in text.splitlines() for part in textwrap.wrap(plain(line), width))
