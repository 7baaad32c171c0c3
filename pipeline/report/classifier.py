"""The page of a classifier: how good it is, what it mistakes for what, how far to trust it, and what it is made of."""

import base64
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from phosphene.converters import ParameterError, PhospheneError, from_config
from phosphene.datasets.manifest import Failure, Item
from phosphene.datasets.windows import cut
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.evaluation import Evaluation, LearningPoint, Prediction, class_scores
from phosphene.pipeline.classifier.folder import held_out_words, windows_words
from phosphene.pipeline.classifier.novelty import NOVEL
from phosphene.pipeline.explain.explanation import Explanation, explain
from phosphene.pipeline.explain.plot import MARKED, signal_png
from phosphene.pipeline.tiles.pictures import draw_image, figure_png

from .benchmark import write_template
from .plots import Plot, calibration_curve, epoch_curves, learning_curve, novelty_counts
from .verdict import duration, number, percent, plain

MOST_CASES, MOST_PAIRS, MOST_VIEWS = 6, 6, 3
MOST_EXPLAINED = 3
"""Items whose prediction is explained, the first that are shown; each takes some seconds."""
MOST_CLASSES = 40
"""A confusion matrix of more is left out of the page; its largest mistakes are listed."""


@dataclass(frozen=True)
class Case:
    """A predicted item with its images.

    Parameters
    ----------
    title
        What it is called in a heading.
    prediction
        Of the item.
    loss
        Its log-loss, in words.
    images
        Each view, and a drawing of it with axes.
    explanation
        Where the prediction came from; None for those that are not explained.
    """

    title: str
    prediction: Prediction
    loss: str
    images: tuple[tuple[str, Plot], ...]
    explanation: Explanation | None = None

    @property
    def regions(self) -> list[tuple[str, str]]:
        """The weightiest regions and their weights."""
        some = self.explanation.regions[:MARKED] if self.explanation else ()
        return [(str(one), f"{one.weight:.0%}") for one in some]

    @property
    def signal(self) -> Plot:
        """The raw signal with the regions marked."""
        if self.explanation is None:
            raise ParameterError("this item is not explained; raise `explained`")
        where = "; ".join(name for name, _ in self.regions) or "nothing"
        alt = plain(
            f"The raw signal of {self.prediction.item}. For {self.explanation.label} speaks: {where}."
        )
        return _plot(signal_png(self.explanation.grid, self.explanation.regions), alt)


def write_report(
    path: str | Path,
    classifier: Classifier,
    evaluation: Evaluation | None,
    *,
    title: str,
    failures: Sequence[Failure] | None = None,
    explained: int = MOST_EXPLAINED,
) -> Path:
    """Write the page of a classifier and of what it predicted for labelled items.

    Parameters
    ----------
    path
        The file to write.
    classifier
        What predicted.
    evaluation
        What `Classifier.evaluate` returned, or `train` found on the items held out; None if there were none.
    title
        The name of the data.
    failures
        Items that are not in the scores, and why; None for those of the evaluation.
    explained
        How many of the items shown are explained.
    """
    if failures is None:
        failures = evaluation.failures if evaluation else ()
    mistakes = list(_mistakes(classifier, evaluation)) if evaluation else []
    cases = list(_cases(classifier, evaluation)) if evaluation else []
    of_item = _explanations(classifier, [*(case for _, case in mistakes), *cases], explained)
    mistakes = [
        (pair, replace(case, explanation=of_item.get(case.prediction.item))) for pair, case in mistakes
    ]
    cases = [replace(case, explanation=of_item.get(case.prediction.item)) for case in cases]
    context: dict[str, Any] = {
        "done": evaluation,
        "figures": list(figures_rows(evaluation)) if evaluation else [],
        "classes": class_scores(evaluation.scores) if evaluation else (),
        "curves": list(_curves(evaluation)) if evaluation else [],
        "learning": list(_learning(classifier)),
        "mistakes": mistakes,
        "cases": cases,
        "novel": _novel(evaluation) if evaluation else [],
        "used": used_rows(classifier),
        "failures": failures,
        "most_classes": MOST_CLASSES,
        "novel_above": NOVEL,
    }
    return write_template(path, "classifier.html", title=title, **context)


def figures_rows(done: Evaluation) -> Iterator[tuple[str, str, str]]:
    """Yield name, value and 95 % interval of each figure that is known."""
    scores, calibration = done.scores, done.calibration
    if not math.isnan(scores.accuracy):
        yield "accuracy", percent(scores.accuracy), interval(done.accuracy_interval, percent)
        yield "macro-F1", number(scores.macro_f1), interval(done.f1_interval, number)
    if scores.auc is not None:
        yield "AUC of the claimed classes", number(scores.auc), ""
    if calibration:
        ends = interval((calibration.low, calibration.high), number)
        yield "expected calibration error (ECE)", number(calibration.ece), ends
    if done.novel_share is not None:
        yield "items unlike anything it learned from", percent(done.novel_share), ""


def used_rows(classifier: Classifier) -> list[tuple[str, str]]:
    """Return what a classifier is made of: data, views, network, strategy, seed, versions and time."""
    config, notes = classifier.config, classifier.notes
    fit = notes.get("fit") or {}
    layers = sorted((fit.get("layer_weights") or {}).items(), key=lambda pair: -pair[1])
    rows = {
        "kind": classifier.kind,
        "trained on": f"{notes.get('learned_from', 'unknown')} items of {notes.get('data') or 'files'}",
        "held out": held_out_words(notes["held_out"]) if "held_out" in notes else "",
        "out of fold": (notes.get("oof") or {}).get("words", ""),
        "views": "; ".join(from_config(view).spec for view in config["views"]),
        "windows": windows_words(config["windows"]),
        "backbone": ", ".join(f"{one['name']} ({one['weights']})" for one in config["backbones"]),
        "strategy": f"{notes['strategy']}: {notes.get('why', '')}" if "strategy" in notes else "",
        "layer weights": ", ".join(f"{name} {weight:.2f}" for name, weight in layers),
        "epochs": _text(notes.get("epochs") or None),
        "augmentation": _text(notes.get("augment")),
        "seed": _text(notes.get("seed")),
        "versions": ", ".join(f"{name} {one}" for name, one in (notes.get("versions") or {}).items()),
        "time to train": duration(notes["seconds"]) if "seconds" in notes else "",
    }
    return [(name, value) for name, value in rows.items() if value]


def interval(ends: tuple[float, float], write: Callable[[float], str]) -> str:
    """Write an interval; nothing where it is not known."""
    return "" if any(map(math.isnan, ends)) else f"{write(ends[0])} to {write(ends[1])}"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _curves(done: Evaluation) -> Iterator[tuple[str, Plot, str]]:
    """Yield heading, figure and caption."""
    if done.calibration:
        ece = done.calibration
        caption = (
            f"Expected calibration error {ece.ece:.3f} (95 % interval {ece.low:.3f} to {ece.high:.3f}). Above the "
            "line it is right more often than it claims, below the line less often. The area of a point is its share "
            "of the items."
        )
        yield "Calibration", calibration_curve(ece), caption
    known = [one for one in done.predictions if one.novelty is not None]
    if known:
        caption = (
            "Novelty is the share of training items that are less far from what was learned, and less doubtful. Items "
            f"like those learned from are spread evenly; above {NOVEL:g} one is unlike anything learned from."
        )
        yield "Novelty", novelty_counts([float(one.novelty or 0) for one in known]), caption


def _learning(classifier: Classifier) -> Iterator[tuple[str, Plot, str]]:
    """Yield the learning curve of a probe, and loss and accuracy of networks by epoch, where they are kept."""
    points = [LearningPoint(**point) for point in classifier.notes.get("learning_curve", ())]
    if len(points) > 1:
        before, last = points[-2:]
        caption = (
            "Accuracy on training items that were left out of the fit, groups kept whole, by how many were learned "
            "from; the mean of three draws each, the last point out of fold from all. Band: 95 % interval (Wilson). "
            f"From {before.n:,} to {last.n:,} items it goes from {percent(before.accuracy)} to "
            f"{percent(last.accuracy)}."
        )
        yield "Learning curve", learning_curve(points), caption
    networks = list(_epochs(classifier.notes.get("fit") or {}))
    if networks:
        caption = (
            "Loss and accuracy of each network by epoch, on the batches it trains on as they come, and on training "
            "items held out for early stopping, where there are any. Before a network is fine-tuned, the first epochs "
            "train its head alone."
        )
        yield "Epochs", epoch_curves(networks), caption


def _epochs(fit: dict[str, Any]) -> Iterator[list[dict[str, float]]]:
    """Yield the rows of each network of a fit, or of its members."""
    yield from (rows for rows in fit.get("epochs", ()) if rows)
    for member in fit.get("members", ()):
        yield from _epochs(member)


def _mistakes(classifier: Classifier, done: Evaluation) -> Iterator[tuple[Any, Case]]:
    """Yield the most frequent mistakes, each with the item for which it was made most surely."""
    for mistake in done.mistakes[:MOST_PAIRS]:
        made = (
            one for one, _ in done.losses if (one.item.label, one.best) == (mistake.true, mistake.predicted)
        )
        found = next(made, None)
        if found:
            yield mistake, _case(classifier, found, f"{mistake.true} taken for {mistake.predicted}")


def _cases(classifier: Classifier, done: Evaluation) -> Iterator[Case]:
    """Yield the items of the highest losses."""
    for one, _ in done.losses[:MOST_CASES]:
        yield _case(classifier, one, str(one.item))


def _case(classifier: Classifier, one: Prediction, title: str) -> Case:
    loss = "infinite: its class was never learned" if math.isinf(one.loss) else f"{one.loss:.2f}"
    return Case(title, one, loss, tuple(_images(classifier, one.item)))


def _explanations(classifier: Classifier, cases: Sequence[Case], most: int) -> dict[Item, Explanation]:
    """Explain what was predicted for the first items that can be read."""
    found: dict[Item, Explanation] = {}
    for item, label in {case.prediction.item: case.prediction.best for case in cases}.items():
        if len(found) == most:
            break
        with contextlib.suppress(PhospheneError):
            found[item] = explain(classifier, item, label=label, sufficient=False)
    return found


def _plot(png: bytes, alt: str) -> Plot:
    return Plot(f"data:image/png;base64,{base64.b64encode(png).decode()}", alt)


def _images(classifier: Classifier, item: Item) -> Iterator[tuple[str, Plot]]:
    """Yield views and the images of an item's first window with axes; none of what cannot be read any more."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    window = cut([item], classifier.windows, classifier.kind)[0][0]
    for view in classifier.views[:MOST_VIEWS]:
        try:
            image = view(window.read(classifier.kind))
        except PhospheneError:
            return
        figure = Figure(figsize=(3, 3), dpi=100, layout="constrained")
        FigureCanvasAgg(figure)
        draw_image(figure.add_subplot(), image, "")
        axes = image.layout.axes()
        of = f", {axes[0].title} across and {axes[1].title} down" if axes else ""
        alt = plain(f"{window} as {view.spec}, {image.width} by {image.height} pixels{of}.")
        yield view.spec, _plot(figure_png(figure), alt)


def _novel(done: Evaluation) -> list[Prediction]:
    """Return the predictions for items that are unlike anything learned from, the most novel first."""
    found = [one for one in done.predictions if one.is_novel]
    return sorted(found, key=lambda one: -(one.novelty or 0))[:MOST_CASES]
