"""The pictures of a benchmark, as SVG: ranks, learning curves, confusions, and what a score costs."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from phosphene.datasets.manifest import Metric
from phosphene.pipeline.compare.summary import CurvePoint, Ranking, Row

from .labels import place_labels, spread
from .svg import INK, own_style, svg_of
from .tables import kind_of, learning_s
from .words import duration, metric_words, plain, score_words, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_NAME = 44
MOST_COUNTED, MOST_NAMED = 12, 60
"""Up to so many classes a confusion shows its counts, and the names of its classes."""

# Told apart without colour too: seven hues of Okabe and Ito, each with a mark of its own, then again with dashes.
_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "*", "8")
_DASHES = ("-", "--", ":", "-.")
_KINDS = {
    "images": ("#0072B2", "o", "images"),
    "tables": ("#D55E00", "s", "without images"),
    "both": ("#009E73", "D", "both together"),
    "floor": ("#666666", "^", "floor"),
}
_NEAR = {"shrinkA": 0, "shrinkB": 4}
_LEAST_S = 0.1
"""What takes less is drawn as if it took so much: it costs nothing, and would squeeze the rest."""
_TIMES_S = (0.1, 1, 10, 60, 600, 3600, 36_000, 360_000)
_MORE_TIMES_S = sorted((*_TIMES_S, 0.2, 0.5, 2, 5, 20, 30, 120, 300, 1200, 1800, 7200, 18_000))


def critical_differences(ranking: Ranking) -> str:
    """Draw mean ranks on an axis, the best to the right; a bar joins methods between which no difference is seen.

    Parameters
    ----------
    ranking
        Of one method or more.

    References
    ----------
    Demsar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7.
    """
    title = f"Mean ranks over {ranking.n_sets} data sets"
    about = "; ".join(f"{name} {rank:.2f}" for name, rank in zip(ranking.methods, ranking.ranks, strict=True))
    bars = [clique for clique in ranking.cliques if len(clique) > 1]
    alike = "; ".join(", ".join(ranking.methods[place] for place in clique) for clique in bars)
    about = f"1 is the best. {about}. No difference seen between: {alike or 'none'}."
    with own_style():
        return svg_of(_ranks_figure(ranking, bars), title=title, about=about)


def learning_curves(points: Sequence[CurvePoint], metric: Metric | str) -> str:
    """Draw what each method scores against how many items it learned from, with its interval.

    Parameters
    ----------
    points
        Those without a score are left out.
    metric
        What the score is.
    """
    known = [point for point in points if not math.isnan(point.score)]
    methods = list(dict.fromkeys(point.method for point in known))
    curves = {name: sorted((p for p in known if p.method == name), key=lambda p: p.share) for name in methods}
    about = "; ".join(
        f"{name}: " + ", ".join(f"{point.score:.3f} from {point.n_items:.0f}" for point in curve)
        for name, curve in curves.items()
    )
    with own_style():
        figure = _curves_figure(curves, metric)
        return svg_of(figure, title=f"{metric_words(metric)} against training items", about=about)


def confusion_pair(left: Row, right: Row) -> str:
    """Draw two confusion matrices side by side, by one scale: the share of the true class.

    Parameters
    ----------
    left, right
        Rows of one data set; where one failed, its error stands in its place.
    """
    words = [f"{row.method}: {row.error or score_words(row)}" for row in (left, right)]
    about = (
        f"True class by row, answer by column; the darker, the more of the true class. {'; '.join(words)}."
    )
    with own_style():
        figure = _confusion_figure((left, right))
        return svg_of(figure, title=f"Confusions of {left.method} and of {right.method}", about=about)


def cost_against_score(rows: Sequence[Row], metric: Metric | str) -> str:
    """Draw a dot a method: how long it took to prepare and to learn, against what it scores.

    Parameters
    ----------
    rows
        Those that failed, or are put together of others, are left out.
    metric
        What the score is.
    """
    known = [row for row in rows if row.cost and not math.isnan(row.score)]
    known.sort(key=lambda row: -row.score)
    about = "; ".join(f"{row.method}: {score_words(row)} in {duration(learning_s(row))}" for row in known)
    with own_style():
        figure = _cost_figure(known, metric)
        return svg_of(figure, title=f"{metric_words(metric)} against time", about=about)


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=72)


def _empty(figure: "Figure", words: str) -> "Figure":
    """Say in a figure why nothing is in it."""
    figure.text(0.5, 0.5, words, ha="center", va="center")
    return figure


def _ranks_figure(ranking: Ranking, bars: Sequence[Sequence[int]]) -> "Figure":
    """Draw in inches from the left end of the axis, downwards from it."""
    n = len(ranking.methods)
    width, row = 6.0, 0.24
    levels = _levels([(ranking.ranks[bar[0]], ranking.ranks[bar[-1]]) for bar in bars])
    top = 0.18 + 0.11 * (max(levels, default=-1) + 1)
    height = 0.4 + top + row * math.ceil(n / 2)
    figure = _figure(width, height)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height - 0.4, -0.4))
    axes.axis("off")
    across = [width * (n - rank) / max(n - 1, 1) for rank in ranking.ranks]
    _rank_axis(axes, n, width)
    for bar, level in zip(bars, levels, strict=True):
        ends = [across[bar[0]] + 0.05, across[bar[-1]] - 0.05]
        axes.plot(
            ends, [0.12 + 0.11 * level] * 2, color=INK, linewidth=3.5, solid_capstyle="butt", clip_on=False
        )
    for place, (name, rank) in enumerate(zip(ranking.methods, ranking.ranks, strict=True)):
        right = place < math.ceil(n / 2)
        down = top + row * (0.5 + (place if right else n - 1 - place))
        end, side = (width + 0.12, "left") if right else (-0.12, "right")
        axes.plot([across[place]] * 2 + [end], [0, down, down], color=INK, linewidth=0.8, clip_on=False)
        words = [shortened(name, LONGEST_NAME), f"{rank:.2f}"]
        shown = "  ".join(words[::-1] if right else words)
        axes.text(end + (0.06 if right else -0.06), down, shown, ha=side, va="center")
    return figure


def _rank_axis(axes: Any, n: int, width: float) -> None:
    axes.plot([0, width], [0, 0], color=INK, linewidth=1.2)
    for rank in range(1, max(n, 2) + 1):
        place = width * (max(n, 2) - rank) / (max(n, 2) - 1)
        axes.plot([place, place], [-0.08, 0], color=INK, linewidth=1.2)
        axes.text(place, -0.12, str(rank), ha="center", va="bottom")


def _levels(bars: Sequence[tuple[float, float]]) -> list[int]:
    """Return the line of each bar: the first where it touches no other."""
    ends: list[float] = []  # the worst rank that a level reaches
    levels = []
    for best, worst in sorted(bars):
        level = next((place for place, end in enumerate(ends) if end + 0.2 < best), len(ends))
        ends[level:] = [worst, *ends[level + 1 :]]
        levels.append(level)
    order = sorted(range(len(bars)), key=lambda place: bars[place])
    return [levels[order.index(place)] for place in range(len(bars))]


def _curves_figure(curves: dict[str, list[CurvePoint]], metric: Metric | str) -> "Figure":
    figure = _figure(6.2, 3.8)
    if not curves:
        return _empty(figure, "no method has a score")
    axes: Any = figure.add_subplot()
    _item_axis(axes, [point for curve in curves.values() for point in curve])
    ends = []
    for number, curve in enumerate(curves.values()):
        hue, x = _HUES[number % len(_HUES)], [point.share for point in curve]
        look = {
            "marker": _MARKS[number % len(_MARKS)],
            "linestyle": _DASHES[number // len(_HUES) % len(_DASHES)],
        }
        axes.plot(x, [point.score for point in curve], color=hue, linewidth=1.5, markersize=5, **look)
        axes.fill_between(
            x, [p.low for p in curve], [p.high for p in curve], color=hue, alpha=0.12, linewidth=0
        )
        ends.append(((x[-1], curve[-1].score), hue))
    axes.set_ylabel(metric_words(metric))
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    _label_ends(axes, list(curves), ends)
    return figure


def _item_axis(axes: Any, points: Sequence[CurvePoint]) -> None:
    """Tell the share of training items on a logarithmic axis, and their number where methods agree in it."""
    shares = sorted({point.share for point in points})
    numbers = [{round(point.n_items) for point in points if point.share == share} for share in shares]
    agreed = all(len(number) == 1 for number in numbers)
    words = [
        f"{100 * share:g} %" + (f"\n{number.pop():,}" if agreed else "")
        for share, number in zip(shares, numbers, strict=True)
    ]
    axes.set_xscale("log")
    axes.set_xticks(shares, words)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training items" if agreed else "share of the training items")


def _label_ends(axes: Any, names: Sequence[str], ends: Sequence[tuple[tuple[float, float], str]]) -> None:
    """Write the name of each curve to the right of its end."""
    axes.figure.draw_without_rendering()
    (_, bottom), (right, top) = axes.transAxes.transform([(0, 0), (1, 1)])
    heights = [float(axes.transData.transform(point)[1]) for point, _ in ends]
    for name, (point, hue), height in zip(names, ends, spread(heights, gap=11.5), strict=True):
        axes.annotate(
            shortened(name, LONGEST_NAME),
            point,
            (1 + 14 / (right - axes.bbox.x0), (height - bottom) / (top - bottom)),
            textcoords="axes fraction",
            va="center",
            color=hue,
            arrowprops={"arrowstyle": "-", "color": hue, "linewidth": 0.6, "relpos": (0, 0.5)} | _NEAR,
        )


def _confusion_figure(rows: tuple[Row, Row]) -> "Figure":
    """Draw in panels as large as the classes are many, with the room their names need."""
    classes = [list(row.scores.classes) if row.scores else [] for row in rows]
    most = max(map(len, classes))
    side = max(2.4, 0.42 * most) if most <= MOST_COUNTED else max(4.0, 0.125 * min(most, MOST_NAMED))
    size = 9.0 if most <= MOST_COUNTED else min(9.0, 72 * side / most)
    names = [shortened(name, 20) for name in [*classes[0], *classes[1]]] if most <= MOST_NAMED else []
    room = 0.4 + 0.62 * max(map(len, names), default=0) * size / 72
    width, height = 2 * side + 2 * room + 0.6, side + room + 0.5
    figure = _figure(width, height)
    image: Any = None
    for place, row in enumerate(rows):
        left = room + place * (side + room)
        axes = figure.add_axes((left / width, room / height, side / width, side / height))
        image = _confusion_panel(axes, row, side, size) or image
    if image is not None:
        _share_scale(figure, (width - 0.45) / width, room / height, side / height)
    return figure


def _confusion_panel(axes: Any, row: Row, side: float, size: float) -> Any:
    import textwrap

    letters = int(13 * side)
    heading = f"{plain(row.method)}, {'failed' if math.isnan(row.score) else f'{row.score:.3f}'}"
    axes.set_title("\n".join(textwrap.wrap(heading, letters, max_lines=3, placeholder=" …")), fontsize=9.5)
    axes.spines[:].set_visible(True)
    axes.set_xticks([])
    axes.set_yticks([])
    counts = np.array(row.scores.confusion if row.scores else ())
    if not counts.size:
        words = plain(row.error) or "nothing to confuse: no item has a label"
        told = "\n".join(textwrap.wrap(words, letters, max_lines=8, placeholder=" …"))
        axes.text(0.5, 0.5, told, transform=axes.transAxes, ha="center", va="center", fontsize=8)
        return None
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="none", aspect="auto")
    _name_classes(axes, row.scores.classes if row.scores else (), size)
    if len(counts) <= MOST_COUNTED:
        for (true, answer), count in np.ndenumerate(counts):
            ink = "#ffffff" if shares[true, answer] > 0.55 else INK
            axes.text(answer, true, f"{count}", ha="center", va="center", color=ink, fontsize=8)
    return image


def _name_classes(axes: Any, classes: Sequence[str], size: float) -> None:
    axes.set_xlabel("answer")
    axes.set_ylabel("true class")
    if len(classes) <= MOST_NAMED:
        names = [shortened(name, 20) for name in classes]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        axes.set_yticks(range(len(names)), names, fontsize=size)
        axes.tick_params(length=0, pad=2)


def _share_scale(figure: "Figure", left: float, bottom: float, height: float) -> None:
    """Draw the scale of the colours."""
    width = 0.14 / figure.get_figwidth()
    axes = figure.add_axes((left, bottom + height / 4, width, height / 2))
    steps = np.linspace(1, 0, 64)[:, None]
    axes.imshow(
        steps, cmap="Blues", vmin=0, vmax=1, aspect="auto", extent=(0, 1, 0, 100), interpolation="none"
    )
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"], fontsize=8)
    axes.spines[:].set_visible(True)


def _cost_figure(rows: Sequence[Row], metric: Metric | str) -> "Figure":
    figure = _figure(7.0, 4.4)
    if not rows:
        return _empty(figure, "no method has both a score and a cost")
    axes: Any = figure.add_subplot()
    dots = [(max(learning_s(row), _LEAST_S), row.score) for row in rows]
    for kind, (hue, mark, words) in _KINDS.items():
        chosen = [place for place, row in enumerate(rows) if kind_of(row) == kind]
        if chosen:
            x, y = zip(*(dots[place] for place in chosen), strict=True)
            axes.scatter(x, y, s=42, color=hue, marker=mark, label=words, zorder=3)
    for (x_s, _), row in zip(dots, rows, strict=True):
        axes.plot([x_s, x_s], [row.low, row.high], color="#999999", linewidth=0.8, zorder=1)
    _time_axis(axes, [x_s for x_s, _ in dots])
    axes.set_ylabel(metric_words(metric))
    axes.margins(y=0.12)
    axes.grid(color="#e4e4e4", linewidth=0.6, zorder=0)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=8.5, borderpad=0)
    _label_dots(axes, dots, [shortened(row.method, LONGEST_NAME) for row in rows])
    return figure


def _time_axis(axes: Any, times_s: Sequence[float]) -> None:
    low, high = min(times_s) / 2.5, max(times_s) * 2.5
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    few = [time_s for time_s in _TIMES_S if low <= time_s <= high]
    shown = few if len(few) > 2 else [time_s for time_s in _MORE_TIMES_S if low <= time_s <= high]
    axes.set_xticks(shown, [_round_time(time_s) for time_s in shown])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("time to prepare all items and to learn from all folds")


def _round_time(time_s: float) -> str:
    if time_s <= _LEAST_S:
        return f"≤ {_LEAST_S:g} s"
    unit, name = (3600, "h") if time_s >= 3600 else (60, "min") if time_s >= 60 else (1, "s")
    return f"{time_s / unit:g} {name}"


def _label_dots(axes: Any, dots: Sequence[tuple[float, float]], names: Sequence[str]) -> None:
    """Write each name near its dot; a line leads to those that found no room beside it."""
    axes.figure.draw_without_rendering()
    places = [(float(x), float(y)) for x, y in axes.transData.transform(dots)]
    texts = [axes.text(0, 0, name, fontsize=8, transform=axes.transAxes, va="bottom") for name in names]
    extents = [text.get_window_extent() for text in texts]
    sizes = [(extent.width, extent.height) for extent in extents]
    box = axes.bbox
    boxes = place_labels(places, sizes, within=(box.x0, box.y0, box.x1 + 150, box.y1))
    # Pixels move when the figure is cut to what is in it; shares of the axes do not.
    to_axes = axes.transAxes.inverted()
    for text, (x, y), (left, bottom, right, top) in zip(texts, places, boxes, strict=True):
        text.set_position(to_axes.transform((left, bottom)))
        near = (min(max(x, left), right), min(max(y, bottom), top))
        if math.dist(near, (x, y)) > 12:
            line = to_axes.transform([(x, y), near])
            look = {"color": "#777777", "linewidth": 0.6, "zorder": 1}
            axes.plot(*line.T, transform=axes.transAxes, clip_on=False, **look)
