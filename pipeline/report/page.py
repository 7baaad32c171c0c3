"""One HTML page about a benchmark; needs no network to be read."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from phosphene.pipeline.compare.summary import CurvePoint, Row, SetSummary, Summary

from .markup import bullets, cell, table, words, write_document
from .plots import MOST_COUNTED, confusion_pair, cost_against_score, critical_differences, learning_curves
from .svg import told_apart
from .tables import all_warnings, best_score, common_metric, headline, kind_of
from .words import cost_cells, duration, metric_words, plain, score_words

_SCORES = ("method", "sees", "score (95 % interval)")
_COSTS = ("prepare", "train", "per item", "memory", "size")
_CAPTIONS = {
    "ranks": "Mean ranks, the best to the right. A bar joins methods between which no difference is seen.",
    "curves": "What a method scores against how many training items it learned from, with the 95 % interval.",
    "cost": "What a method scores, with the 95 % interval, against how long it took.",
    "confusion": "True class by row, answer by column; the darker, the more of the true class.",
}


def write_page(path: str | Path, summary: Summary) -> Path:
    """Write a benchmark as a page: the verdict in words, then its figures and pictures, then what was run.

    Parameters
    ----------
    path
        The file to write.
    summary
        Of one data set or of several.

    Returns
    -------
    pathlib.Path
        The file.
    """
    return write_document(
        path, title=plain(f"Benchmark: {summary.name}"), body=told_apart("\n".join(_parts(summary)))
    )


def _parts(summary: Summary) -> Iterator[str]:
    many, metric = len(summary.sets) > 1, common_metric(summary)
    yield _warnings(all_warnings(summary))
    yield _verdict(summary.verdict)
    yield f'<p class="faint">{words(_scope(summary))}</p>'
    yield "<h2>Methods</h2>"
    yield _rows_table(summary.rows, metric, _ranks(summary))
    if summary.ranking and len(summary.ranking.methods) > 1:
        yield "<h2>Critical differences</h2>"
        yield _figure(critical_differences(summary.ranking), "ranks")
    yield from _pictures(summary.rows, summary.curves, metric, level=2)
    if many:
        yield "<h2>Data sets</h2>"
        yield _sets_table(summary)
        yield from (part for place, one in enumerate(summary.sets) for part in _set_parts(one, place))
    yield _failed(summary.failed)
    yield _origin(summary.origin)


def _verdict(text: str, *, size: Literal["large", "usual"] = "large") -> str:
    """Return what it comes to, and under it what else there is to say, a point each."""
    first, *others = text.splitlines() or [""]
    kind = ' class="verdict"' if size == "large" else ""
    return f"<p{kind}>{words(first)}</p>" + (bullets(others) if others else "")


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    title = "<h2>Warning: do not trust these scores before you have read this</h2>"
    return f'<section class="warning" role="alert">\n{title}\n{bullets(warnings)}\n</section>'


def _scope(summary: Summary) -> str:
    sets = summary.sets
    metric = metric_words(common_metric(summary))
    if len(sets) == 1:
        what = f"{sets[0].n_items:,} items of {sets[0].n_classes} classes, by {metric}"
    else:
        what = f"{len(sets)} data sets, {sum(one.n_items for one in sets):,} items, by the mean {metric}"
    return f"{what}; run in {duration(summary.seconds)}."


def _ranks(summary: Summary) -> dict[str, float]:
    ranking = summary.ranking
    return dict(zip(ranking.methods, ranking.ranks, strict=True)) if ranking else {}


def _rows_table(rows: Sequence[Row], metric: str, ranks: dict[str, float]) -> str:
    """Return the table of all methods: of one set with its folds, of several with ranks; errors where one failed."""
    best, failed = best_score(rows), any(row.error for row in rows)
    header = [*_SCORES, "mean rank" if ranks else "folds", *_COSTS, *(["error"] if failed else [])]
    lines = []
    for row in rows:
        cells = [cell(_sees(row)), cell(score_words(row), role="best" if round(row.score, 3) == best else "")]
        rank = ranks.get(row.method)
        folds = " ".join(f"{score:.3f}" for score in row.folds[:10])
        between = (f"{rank:.2f}" if rank else "") if ranks else folds
        cells += [cell(between), *map(cell, cost_cells(row.cost))]
        cells += [cell(row.error, role="text")] if failed else []
        lines.append((row.method, cells))
    return table(header, lines, caption=f"Score: {metric_words(metric)}. Bold: the highest.")


def _sees(row: Row) -> str:
    return {"tables": "no images", "floor": "labels alone"}.get(kind_of(row), kind_of(row))


def _pictures(rows: Sequence[Row], curves: Sequence[CurvePoint], metric: str, *, level: int) -> Iterator[str]:
    """Yield the pictures that there is something to draw in, under headings of a level."""
    if any(not math.isnan(point.score) for point in curves):
        yield f"<h{level}>Learning curves</h{level}>"
        yield _figure(learning_curves(curves, metric), "curves")
    left, right = headline(rows)
    pair = [row for row in (left, right) if row]
    if left and right and any(row.scores and row.scores.confusion for row in pair):
        most = max(len(row.scores.classes) for row in pair if row.scores)
        yield f"<h{level}>Confusions</h{level}>"
        yield _figure(confusion_pair(left, right), "confusion", role="wide" if most > MOST_COUNTED else "")
    if any(row.cost and not math.isnan(row.score) for row in rows):
        yield f"<h{level}>Cost against score</h{level}>"
        yield _figure(cost_against_score(rows, metric), "cost")


def _figure(svg: str, kind: str, *, role: str = "") -> str:
    mark = f' class="{role}"' if role else ""
    return f"<figure{mark}>\n{svg}<figcaption>{words(_CAPTIONS[kind])}</figcaption>\n</figure>"


def _sets_table(summary: Summary) -> str:
    """Return the score of every method on every set, with links to what is told of the sets."""
    methods = list(dict.fromkeys(row.method for one in summary.sets for row in one.rows))
    lines = []
    for one in summary.sets:
        scores = {row.method: row for row in one.rows}
        best = best_score(one.rows)
        cells = [cell(f"{one.n_items:,}"), cell(str(one.n_classes))]
        cells += [_score_cell(scores.get(method), best) for method in methods]
        lines.append((one.name, cells))
    return table(
        ["data set", "items", "classes", *methods],
        lines,
        caption="Scores by data set. Bold: the highest of it.",
    )


def _score_cell(row: Row | None, best: float) -> str:
    if row is None:
        return cell("")
    if math.isnan(row.score):
        return cell("failed")
    return cell(f"{row.score:.3f}", role="best" if round(row.score, 3) == best else "")


def _set_parts(one: SetSummary, place: int) -> Iterator[str]:
    """Yield what is told of one of several sets; open, so that it is printed too."""
    yield f'<details open id="set-{place}">\n<summary><strong>{words(one.name)}</strong></summary>'
    yield _warnings(one.warnings)
    yield _verdict(one.verdict, size="usual")
    yield _rows_table(one.rows, one.metric, {})
    yield from _pictures(one.rows, one.curves, one.metric, level=3)
    yield "</details>"


def _failed(failed: Sequence[tuple[str, str]]) -> str:
    if not failed:
        return ""
    lines = [error if error.startswith(path) else f"{path}: {error}" for path, error in failed]
    return f"<h2>{len(failed)} items failed and are not in these figures</h2>\n{bullets(lines)}"


def _origin(origin: dict[str, str]) -> str:
    lines = "\n".join(f"<dt>{words(name)}</dt><dd>{words(value)}</dd>" for name, value in origin.items())
    return f"<h2>What was run</h2>\n<dl>\n{lines}\n</dl>" if origin else ""
