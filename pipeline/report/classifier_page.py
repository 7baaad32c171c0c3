"""One HTML page about the answers of a classifier; needs no network to be read."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from phosphene.datasets.manifest import Failure
from phosphene.datasets.scores import Scores, share_interval

from .markup import write_document

_BODY = """<p>{figures}</p>
<p>{about}</p>
{confusion}
{failures}"""
_CONFUSION = """<div class="paper"><table>
<caption>True class by row, answer by column; the darker, the more of the row. Framed: right.</caption>
<tr><th></th>{header}<th scope="col">recall</th></tr>
{rows}
</table></div>"""


def write_report(
    path: str | Path, scores: Scores, *, title: str, config: dict[str, Any], failures: Sequence[Failure] = ()
) -> Path:
    """Write scores and confusion matrix as a page.

    Parameters
    ----------
    path
        The file to write.
    scores
        What `Classifier.evaluate` returned.
    title
        What was judged.
    config
        The configuration of the classifier.
    failures
        Items that are not in the scores, and why.
    """
    body = _BODY.format(
        figures=html.escape(_figures(scores)),
        about=html.escape(_about(config)),
        confusion=_confusion(scores) if scores.confusion else "",
        failures=_failures(failures) if failures else "",
    )
    return write_document(path, title=title, body=body)


def _figures(scores: Scores) -> str:
    words = []
    if not math.isnan(scores.accuracy):
        low, high = share_interval(scores.accuracy, sum(map(sum, scores.confusion)))
        words += [f"Accuracy {_percent(scores.accuracy)} (95 % interval {_percent(low)} to {_percent(high)})"]
        words += [f"macro-F1 {scores.macro_f1:.3f}"]
    if scores.auc is not None:
        words += [f"AUC of the claims {scores.auc:.3f}"]
    return f"{', '.join(words) or 'Nothing to tell'}; {scores.n} items."


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _about(config: dict[str, Any]) -> str:
    notes = config["notes"]
    strategy = notes.get("strategy", "unknown strategy")
    networks = ", ".join(backbone["name"] for backbone in config["backbones"])
    return f"Classifier: {networks}, {strategy}; learned from {notes.get('data') or 'files'}."


def _confusion(scores: Scores) -> str:
    header = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in scores.classes)
    rows = "\n".join(_row(place, scores) for place in range(len(scores.confusion)))
    return _CONFUSION.format(header=header, rows=rows)


def _row(place: int, scores: Scores) -> str:
    counts = scores.confusion[place]
    total = sum(counts)
    cells = "".join(_cell(count, total, right=column == place) for column, count in enumerate(counts))
    recall = _percent(counts[place] / total) if total else "none"
    return f'<tr><th scope="row">{html.escape(scores.classes[place])}</th>{cells}<td>{recall}</td></tr>'


def _cell(count: int, total: int, *, right: bool) -> str:
    weight = count / total if total else 0.0
    ink = "#fff" if weight > 0.6 else "#222"
    mark = ' class="right"' if right else ""
    return f'<td{mark} style="background: rgba(20, 60, 120, {weight:.2f}); color: {ink}">{count}</td>'


def _failures(failures: Sequence[Failure]) -> str:
    lines = "\n".join(f"<li>{html.escape(failure.error)}</li>" for failure in failures)
    return f"<h2>{len(failures)} failed and are not in these figures</h2>\n<ul>\n{lines}\n</ul>"
