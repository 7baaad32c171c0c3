"""The figures of a benchmark: SVG in data URIs, with what was found in it and in its alternative text."""

import base64
import re
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import replace

import matplotlib as mpl
import pytest
from summaries import METHODS, make_curves, make_failed, make_ranking, make_row, make_set

from phosphene.pipeline.compare.statistics import Ranking
from phosphene.pipeline.compare.summary import Cost
from phosphene.pipeline.report.plots import (
    confusion_pair,
    critical_differences,
    learning_curves,
    scores_and_times,
)

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>alert("&")</script> $x_1^ \udcff \x00 \u202e'
SHOWN = r'<script>alert("&")</script> $x_1^ \udcff \x00 \u202e'
START = "data:image/svg+xml;base64,"


class Figure:
    """A figure as a reader sees it: its alternative text, and its texts."""

    def __init__(self, plot):
        assert plot.src.startswith(START)
        self.alt = plot.alt
        self.source = base64.b64decode(plot.src.removeprefix(START), validate=True).decode()
        self.root = xml.etree.ElementTree.fromstring(self.source)
        self.texts = ["".join(text.itertext()).strip() for text in self.root.iter(f"{SVG}text")]
        self.tags = {element.tag.removeprefix(SVG) for element in self.root.iter()}


def four_plots():
    return [
        critical_differences(make_ranking(5)),
        learning_curves(make_curves(), "accuracy"),
        confusion_pair(make_row(), make_row("best baseline", None, accuracy=0.7)),
        scores_and_times(make_set(n_methods=5).rows, "accuracy"),
    ]


@pytest.fixture(scope="module")
def plots():
    return four_plots()


def test_equal_input_gives_equal_bytes_whatever_matplotlib_is_set_to(plots):
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert four_plots() == plots
        assert mpl.rcParams["font.size"] == 30


def test_every_figure_is_small_has_an_alternative_text_and_needs_nothing_else(plots):
    for plot in plots:
        figure = Figure(plot)
        assert len(figure.alt) > 50
        assert "script" not in figure.tags
        assert not re.findall(r'href="(?!#|data:)', figure.source)
        assert len(figure.source) < 60_000


def test_figures_stand_on_white(plots):
    # They are shown on dark pages too.
    for figure in map(Figure, plots):
        assert "fill: #ffffff" in figure.source[:3000]


def test_names_are_text_whatever_is_in_them():
    ranking, rows = make_ranking(3), make_set(n_methods=4).rows
    plots = [
        critical_differences(replace(ranking, methods=(NASTY, "b", "c"))),
        learning_curves([replace(point, method=NASTY) for point in make_curves()[:5]], "accuracy"),
        confusion_pair(make_row(classes=(NASTY, "dog")), make_failed(NASTY, error=NASTY)),
        scores_and_times([replace(rows[0], method=NASTY), *rows[1:]], "accuracy"),
    ]
    for figure in map(Figure, plots):
        assert "script" not in figure.tags
        assert SHOWN in figure.alt
        # Figures have less room than the words that are read out.
        assert any("<script>" in text for text in figure.texts)


def test_loads_no_window_and_no_pyplot():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from summaries import make_ranking\n"
        "import phosphene.pipeline.report.plots as plots\n"
        "print('matplotlib' in sys.modules, end=' ')\n"
        "plots.critical_differences(make_ranking(3))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    here = __file__.rpartition("/")[0]
    done = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def lines_of(figure, width):
    """The points of every open path drawn with a line of this width."""
    for path in figure.root.iter(f"{SVG}path"):
        if f"stroke-width: {width};" in (path.get("style") or ""):
            numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d") or "")]
            yield list(zip(numbers[::2], numbers[1::2], strict=True))


def test_ranks_stand_on_the_axis_and_bars_span_their_cliques():
    ranking = Ranking(("a", "b", "c"), (1.0, 2.0, 2.5), ((0, 1), (2,)), {}, 16)
    figure = Figure(critical_differences(ranking))
    assert "over 16 data sets" in figure.alt
    assert "a 1.00, b 2.00, c 2.50" in figure.alt
    assert "No significant difference within: a, b." in figure.alt
    assert [text for text in figure.texts if " " in text] == ["1.00  a", "2.00  b", "c  2.50"]
    (a, b, c) = [line[0][0] for line in lines_of(figure, 0.8) if len(line) == 3]
    # Six inches of 72 points: a rank is three of them, and the best stands to the right.
    assert [a - b, b - c] == pytest.approx([216, 108], abs=0.1)
    (bar,) = lines_of(figure, 3.5)
    assert sorted(x for x, _ in bar) == pytest.approx([b - 10.8, a + 10.8], abs=0.1)


def test_bars_lie_on_lines_of_their_own():
    ranking = Ranking(("a", "b", "c", "d", "e"), (1.0, 2.0, 3.0, 4.0, 5.0), ((0, 1), (1, 2), (3, 4)), {}, 9)
    heights = [bar[0][1] for bar in lines_of(Figure(critical_differences(ranking)), 3.5)]
    assert len(set(heights)) == 3


METHOD_NAMES = tuple(method for method, *_ in METHODS)


@pytest.mark.parametrize("n_methods", [1, 2, 14])
def test_any_number_of_methods_is_ranked(n_methods):
    ranking = Ranking(METHOD_NAMES[:n_methods], tuple(range(1, n_methods + 1)), (), {}, 3)
    figure = Figure(critical_differences(ranking))
    assert all(any(name in text for text in figure.texts) for name in ranking.methods)
    assert figure.alt.endswith(": none.")


def test_learning_curves_name_each_method_and_its_items():
    figure = Figure(learning_curves(make_curves(400), "macro_f1"))
    assert figure.alt.startswith("macro-F1")
    assert "images: 0.826 from 16, 0.850 from 32, 0.874 from 64, 0.906 from 160, 0.930 from 320" in figure.alt
    assert {"images", "images, random weights", "statistics + lightgbm", "macro-F1"} <= set(figure.texts)
    ticks = [text for text in figure.texts if "%" in text]
    assert ticks == ["5 %", "10 %", "20 %", "50 %", "100 %"]
    assert "320" in figure.texts


def test_methods_may_learn_from_other_numbers_of_items_at_the_same_share():
    texts = Figure(learning_curves([*make_curves(400, ["a"]), *make_curves(500, ["b"])], "accuracy")).texts
    assert "320/400" in texts
    assert {"a", "b"} <= set(texts)


def test_what_has_no_score_is_left_out():
    points = [replace(point, score=float("nan")) if point.share < 0.2 else point for point in make_curves()]
    alt = Figure(learning_curves(points, "auc")).alt
    assert "images: 0.874 from 64, 0.906 from 160, 0.930 from 320" in alt
    assert "nan" not in alt


def test_few_classes_show_their_counts():
    left, right = make_row("images", n_items=40), make_failed("minirocket", error="out of memory")
    figure = Figure(confusion_pair(left, right))
    counts = [str(count) for row in left.scores.confusion for count in row]
    assert [text for text in figure.texts if text.isdigit()] == counts
    assert {"cat", "dog", "minirocket, failed", "out of memory"} <= set(figure.texts)
    assert f"images, {left.score:.3f}" in figure.texts
    assert "minirocket: out of memory" in figure.alt


def test_many_classes_show_their_names_alone():
    classes = tuple(f"class {index}" for index in range(50))
    plot = confusion_pair(make_row(classes=classes), make_row("tables", "tables", classes=classes))
    figure = Figure(plot)
    assert figure.texts.count("class 49") == 4
    assert not [text for text in figure.texts if text.isdigit()]


def test_hundreds_of_classes_keep_the_figure_small():
    classes = tuple(f"class {index}" for index in range(300))
    plot = confusion_pair(make_row(classes=classes), make_row("tables", "tables", classes=classes))
    assert len(plot.src) < 60_000
    assert "class 299" not in Figure(plot).source


def test_every_method_with_a_score_has_a_line_with_its_time():
    rows = [
        make_row("images", cost=Cost(40.0, 20.0, 0.01, 500.0, 1000)),
        make_row("quick", "floor", accuracy=0.3, cost=Cost(0.0, 0.0, 0.0, 1.0, 1)),
        make_row("stacked", None, accuracy=0.95),
        make_failed("broken"),
    ]
    figure = Figure(scores_and_times(rows, "accuracy"))
    assert "in 60 s; quick" in figure.alt
    assert figure.alt.index("stacked") < figure.alt.index("images") < figure.alt.index("quick")
    assert {"quick", "images", "stacked", "majority class"} <= set(figure.texts)
    assert "broken" not in "".join(figure.texts) + figure.alt


def test_kinds_differ_by_shape_as_well_as_by_colour():
    figure = Figure(scores_and_times(make_set().rows, "accuracy"))
    marks = {}
    for use in figure.root.iter(f"{SVG}use"):
        hue = re.search(r"fill: (#\w+)", use.get("style") or "")
        if hue and hue[1] in ("#0072b2", "#d55e00", "#009e73", "#666666"):
            marks.setdefault(hue[1], set()).add(use.get("{http://www.w3.org/1999/xlink}href"))
    assert len(marks) == 4
    shapes = [figure.root.find(f".//*[@id='{min(names)[1:]}']").get("d") for names in marks.values()]
    assert len(set(shapes)) == 4
