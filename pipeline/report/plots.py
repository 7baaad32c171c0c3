"""The figures of a benchmark, as SVG in data URIs with alternative text."""

import base64
import functools
import io
import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

import numpy as np

from phosphene.datasets.scores import share_interval
from phosphene.pipeline.classifier.evaluation import Calibration, LearningPoint
from phosphene.pipeline.compare.statistics import Ranking
from phosphene.pipeline.compare.summary import CurvePoint, Row

from .verdict import duration, kind_of, learning_s, metric_words, plain, score_words, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")

MAX_COUNTED, MAX_NAMED = 12, 60
"""A confusion matrix shows its counts up to the first number of classes, and their names up to the second."""
_INK, _GRID = "#222222", "#dddddd"
# The colours of Okabe and Ito; markers differ too, for those who do not see colours.
_LOOKS = (
    ("#0072B2", "o"),
    ("#D55E00", "s"),
    ("#009E73", "D"),
    ("#CC79A7", "v"),
    ("#E69F00", "P"),
    (_INK, "X"),
)
KINDS = {
    "images": ("images", *_LOOKS[0]),
    "tables": ("baseline", *_LOOKS[1]),
    "both": ("stacked", *_LOOKS[2]),
    "floor": ("majority class", "#666666", "^"),
}
"""What the kinds of rows are called, with colour and marker."""
_EPOCH_LINES = (("", "--"), ("held_out_", "-"))
_TIMES_S = (0.01, 0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
_STYLE: Any = {
    "savefig.pad_inches": 0.05,
    "svg.fonttype": "none",
    "svg.hashsalt": "phosphene",
    "text.parse_math": False,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],  # wider than what browsers show, so that there is always room
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Plot:
    """A figure as the `src` and `alt` of an `<img>`."""

    src: str
    alt: str


def _as_plot(draw: Callable[Concatenate["Figure", P], str]) -> Callable[P, Plot]:
    """Draw in a style of our own, whatever the user's matplotlib is set to: equal input gives equal bytes."""

    @functools.wraps(draw)
    def plot(*args: P.args, **kwargs: P.kwargs) -> Plot:
        import matplotlib.style
        from matplotlib.figure import Figure

        file = io.BytesIO()
        with matplotlib.style.context("default"), matplotlib.rc_context(_STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # a class may be called anything
            figure = Figure(layout="constrained")
            alt = plain(draw(figure, *args, **kwargs))
            figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
        return Plot(f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}", alt)

    return plot


@_as_plot
def critical_differences(figure: "Figure", ranking: Ranking) -> str:
    """Plot mean ranks, the best to the right; a bar joins methods that do not differ significantly.

    References
    ----------
    Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7:1-30.
    """
    pairs = list(zip(ranking.methods, ranking.ranks, strict=True))
    n, bars = len(pairs), [clique for clique in ranking.cliques if len(clique) > 1]
    half, top, worst = math.ceil(n / 2), 0.8 + 0.45 * len(bars), max(n, 2)
    beyond = 0.02 * (worst - 1)
    figure.set_layout_engine("none")
    figure.set_size_inches(6, 0.25 * (top + half) + 0.2)
    axes = figure.add_axes((0, 0, 1, 0.9), xlim=(worst, 1), ylim=(-top - half, 0), yticks=[])
    axes.set_xticks(range(1, worst + 1))
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    axes.spines["top"].set_visible(True)
    for level, bar in enumerate(bars):
        ends = [ranking.ranks[bar[0]] - 0.05, ranking.ranks[bar[-1]] + 0.05]
        axes.plot(ends, [-0.5 - 0.45 * level] * 2, color=_INK, linewidth=3.5, clip_on=False)
    for index, (name, rank) in enumerate(pairs):
        words, look = [f"{rank:.2f}", shortened(name, 44)], dict[str, Any](ha="left", va="center")
        y, end, gap = -top - index, 1 - beyond, 6
        if index >= half:
            y, end, gap, look["ha"] = -top - (n - 1 - index), worst + beyond, -6, "right"
            words.reverse()
        axes.plot([rank, rank, end], [0, y, y], color=_INK, linewidth=0.8, clip_on=False)
        axes.annotate(
            "  ".join(words), (end, y), (gap, 0), textcoords="offset points", annotation_clip=False, **look
        )
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in pairs)
    alike = "; ".join(", ".join(ranking.methods[index] for index in bar) for bar in bars) or "none"
    alt = f"Mean ranks over {ranking.n_sets} data sets, 1 is best: {ranks}."
    return f"{alt} No significant difference within: {alike}."


@_as_plot
def learning_curves(figure: "Figure", points: Sequence[CurvePoint], metric: str) -> str:
    """Plot the score of each method against its number of training items, with confidence intervals."""
    figure.set_size_inches(8, 3.8)
    axes = figure.add_subplot(xscale="log", xlabel="training items", ylabel=metric_words(metric))
    known = sorted((p for p in points if not math.isnan(p.score)), key=lambda p: p.share)
    parts = []
    for index, name in enumerate(dict.fromkeys(p.method for p in known)):
        curve, (color, marker) = [p for p in known if p.method == name], _LOOKS[index % len(_LOOKS)]
        shares, scores, low, high = zip(*((p.share, p.score, p.low, p.high) for p in curve), strict=True)
        axes.plot(shares, scores, color=color, marker=marker, markersize=5, label=shortened(name, 44))
        axes.fill_between(shares, low, high, color=color, alpha=0.12, linewidth=0)
        parts.append(f"{name}: {', '.join(f'{p.score:.3f} from {p.n_items:,.0f}' for p in curve)}")
    items = {p.share: sorted({f"{q.n_items:,.0f}" for q in known if q.share == p.share}) for p in known}
    ticks = [f"{100 * share:.3g} %\n{'/'.join(counts)}" for share, counts in items.items()]
    axes.set_xticks(list(items), ticks)
    axes.set_xticks([], minor=True)
    axes.grid(axis="y", color=_GRID)
    figure.legend(loc="outside right upper")
    return f"{metric_words(metric)} by number of training items. {'; '.join(parts)}."


@_as_plot
def learning_curve(figure: "Figure", points: Sequence[LearningPoint]) -> str:
    """Plot the accuracy of a classifier against its number of training items, with 95 % intervals."""
    figure.set_size_inches(6, 3.4)
    axes = figure.add_subplot(xscale="log", xlabel="training items", ylabel="accuracy")
    counts = [point.n for point in points]
    color, marker = _LOOKS[0]
    low, high = zip(*(point.interval for point in points), strict=True)
    axes.fill_between(counts, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(counts, [point.accuracy for point in points], color=color, marker=marker, markersize=5)
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xticks([], minor=True)
    axes.grid(axis="y", color=_GRID)
    parts = [f"{point.accuracy:.3f} from {point.n:,}" for point in points]
    return f"Accuracy by number of training items: {', '.join(parts)}."


@_as_plot
def epoch_curves(figure: "Figure", networks: Sequence[Sequence[Mapping[str, float]]]) -> str:
    """Plot loss and accuracy of each network by epoch: of training batches dashed, of items held out solid."""
    figure.set_size_inches(8, 3.4)
    parts = []
    for axes, figure_name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.set(xlabel="epoch", ylabel=figure_name)
        axes.grid(axis="y", color=_GRID)
        for (key, style), (index, rows) in itertools.product(_EPOCH_LINES, enumerate(networks)):
            name = f"{key}{figure_name}"
            known = [(epoch, row[name]) for epoch, row in enumerate(rows, 1) if name in row]
            if known:
                axes.plot(*zip(*known, strict=True), linestyle=style, color=_LOOKS[index % len(_LOOKS)][0])
                words = name.replace("_", " ")
                parts.append(f"network {index + 1}, {words} {known[0][1]:.3f} to {known[-1][1]:.3f}")
    for (key, style), label in zip(_EPOCH_LINES, ("training batches", "items held out"), strict=True):
        if any(f"{key}loss" in row for rows in networks for row in rows):
            figure.axes[0].plot([], [], linestyle=style, color=_INK, label=label)
    for index in range(min(len(networks), len(_LOOKS)) if len(networks) > 1 else 0):
        figure.axes[0].plot([], [], color=_LOOKS[index][0], label=f"network {index + 1}")
    figure.legend(loc="outside right upper")
    return f"Loss and accuracy by epoch, first to last: {'; '.join(parts)}."


@_as_plot
def scores_and_times(figure: "Figure", rows: Sequence[Row], metric: str) -> str:
    """Plot a line a method, the best first: its score with confidence interval, and its time to prepare and train."""
    known = sorted((row for row in rows if not math.isnan(row.score)), key=lambda row: row.score)
    figure.set_size_inches(8, 0.9 + 0.24 * len(known))
    scores, times = figure.subplots(1, 2, sharey=True)
    shown_s = [max(learning_s(row), _TIMES_S[0]) if row.cost else math.nan for row in known]
    for kind in dict.fromkeys(map(kind_of, known)):
        label, color, marker = KINDS[kind]
        y = [index for index, row in enumerate(known) if kind_of(row) == kind]
        some = [known[index] for index in y]
        look: Any = {"color": color, "marker": marker, "s": 36, "zorder": 3}
        scores.hlines(y, [row.low for row in some], [row.high for row in some], color=color)
        scores.scatter([row.score for row in some], y, label=label, **look)
        times.scatter([shown_s[index] for index in y], y, **look)
    scores.set_yticks(range(len(known)), [shortened(row.method, 44) for row in known])
    scores.set_xlabel(metric_words(metric))
    times.set(xscale="log", xlabel="time to prepare and train, all folds")
    times.set_xticks(_TIMES_S, [duration(time_s) for time_s in _TIMES_S])
    times.set_xticks([], minor=True)
    if any(row.cost for row in known):  # a factor of ten at least: there is a tick in it
        times.set_xlim(np.nanmin(shown_s) / 3.2, np.nanmax(shown_s) * 3.2)
    for axes in (scores, times):
        axes.grid(color=_GRID)
        axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=len(KINDS))
    times_s = [f"in {duration(learning_s(row))}" if row.cost else "" for row in known]
    parts = [
        f"{row.method} {score_words(row)} {time}".rstrip() for row, time in zip(known, times_s, strict=True)
    ]
    return f"{metric_words(metric)} with 95 % CI, and time to prepare and train: {'; '.join(parts[::-1])}."


@_as_plot
def calibration_curve(figure: "Figure", calibration: Calibration) -> str:
    """Plot how often predictions are right against the probability that they claim."""
    figure.set_size_inches(4.6, 4.2)
    axes = figure.add_subplot(
        xlabel="probability of the predicted class",
        ylabel="share that is right",
        xlim=(0, 1.02),
        ylim=(0, 1.05),
    )
    axes.plot([0, 1], [0, 1], color="#666666", linestyle="--", linewidth=1)
    bins = calibration.bins
    total = sum(one.n for one in bins)
    ends = np.array([share_interval(one.accuracy, one.n) for one in bins])
    color, marker = _LOOKS[0]
    axes.vlines([one.proba for one in bins], *ends.T, color=color, linewidth=1)
    sizes = [20 + 400 * one.n / total for one in bins]
    axes.scatter(
        [one.proba for one in bins],
        [one.accuracy for one in bins],
        sizes,
        color=color,
        marker=marker,
        alpha=0.8,
    )
    axes.grid(color=_GRID)
    parts = [f"{one.accuracy:.2f} at {one.proba:.2f} ({one.n} items)" for one in bins]
    return f"Share that is right by the probability claimed: {'; '.join(parts)}. ECE {calibration.ece:.3f}."


@_as_plot
def novelty_counts(figure: "Figure", novelty: Sequence[float]) -> str:
    """Plot how many items there are of each novelty; a line shows as many as if all were like those learned from."""
    figure.set_size_inches(6, 2.8)
    axes = figure.add_subplot(xlabel="novelty", ylabel="items", xlim=(0, 1))
    counts, edges = np.histogram(novelty, bins=20, range=(0, 1))
    axes.bar(
        edges[:-1], counts, width=0.05, align="edge", color=_LOOKS[0][0], edgecolor="white", linewidth=0.5
    )
    axes.axhline(len(novelty) / 20, color="#666666", linestyle="--", linewidth=1)
    tenths = np.histogram(novelty, bins=10, range=(0, 1))[0]
    parts = [f"{count} to {(index + 1) / 10:.1f}" for index, count in enumerate(tenths)]
    usual = f"{len(novelty) / 10:.0f} each if all are like those learned from"
    return f"Number of items by novelty, in tenths: {', '.join(parts)}; {usual}."


@_as_plot
def confusion_pair(figure: "Figure", left: Row, right: Row) -> str:
    """Plot two confusion matrices side by side, coloured by the share of the true class."""
    n = max(len(row.scores.classes) if row.scores else 0 for row in (left, right))
    side = max(2.6, 0.42 * n) if n <= MAX_COUNTED else max(4.0, 0.14 * min(n, MAX_NAMED))
    figure.set_size_inches(2 * side + 2, side + 1)
    for axes, row in zip(figure.subplots(1, 2), (left, right), strict=True):
        axes.set(xticks=[], yticks=[], xlabel="predicted class", ylabel="true class")
        axes.set_title(f"{shortened(row.method, 34)}, {score_words(row).partition(' ')[0]}", fontsize=9.5)
        axes.spines[:].set_visible(True)
        if row.scores and row.scores.confusion:
            _draw_confusion(axes, np.array(row.scores.confusion), row.scores.classes)
        else:
            why = shortened(row.error or "no item has a label", 80)
            axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", wrap=True)
    words = [f"{row.method}: {row.error or score_words(row)}" for row in (left, right)]
    return f"Confusion matrices, true class by row and predicted class by column. {'; '.join(words)}."


def _draw_confusion(axes: Any, counts: np.ndarray, classes: Sequence[str]) -> None:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none")
    if len(classes) <= MAX_NAMED:
        names, size = [shortened(name, 20) for name in classes], 9 if len(classes) <= MAX_COUNTED else 7
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
        axes.tick_params(length=0)
    if len(classes) <= MAX_COUNTED:
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.55 else _INK
            axes.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=8)
