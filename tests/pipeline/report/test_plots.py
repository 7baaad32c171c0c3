"""The pictures of a benchmark: whole SVG that a page can hold, with what was found in it and nothing over another."""

import re
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import replace

import matplotlib as mpl
import pytest
from summaries import METHODS, make_curves, make_failed, make_ranking, make_row, make_set

from phosphene.pipeline.compare.summary import Cost, Ranking
from phosphene.pipeline.report.labels import place_labels, spread
from phosphene.pipeline.report.plots import (
    confusion_pair,
    cost_against_score,
    critical_differences,
    learning_curves,
)

SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>alert("&")</script> $x_1^ \udcff \x00 \u202e'


class Picture:
    """An SVG as a reader sees it: its title, what is read out, and its texts with their places."""

    def __init__(self, source):
        self.source = source
        self.root = xml.etree.ElementTree.fromstring(source)
        self.title, self.about = self.root.find(f"{SVG}title").text, self.root.find(f"{SVG}desc").text
        self.texts = ["".join(text.itertext()).strip() for text in self.root.iter(f"{SVG}text")]
        self.tags = {element.tag.removeprefix(SVG) for element in self.root.iter()}
        self.ids = [element.get("id") for element in self.root.iter() if element.get("id")]


@pytest.fixture(scope="module")
def pictures():
    return four_pictures()


def four_pictures():
    return [
        critical_differences(make_ranking(5)),
        learning_curves(make_curves(), "accuracy"),
        confusion_pair(make_row(), make_row("without images", None, accuracy=0.7)),
        cost_against_score(make_set(n_methods=5).rows, "accuracy"),
    ]


def test_equal_input_gives_equal_bytes_whatever_matplotlib_is_set_to(pictures):
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert four_pictures() == pictures
        assert mpl.rcParams["font.size"] == 30


def test_every_picture_stands_in_a_page(pictures):
    shown = [Picture(source) for source in pictures]
    ids = [name for picture in shown for name in picture.ids]
    assert len(ids) == len(set(ids))
    for picture in shown:
        assert picture.root.get("role") == "img"
        assert picture.root.get("aria-labelledby").split() == picture.ids[:2]
        assert picture.title
        assert len(picture.about) > 20
        # Nothing that would hold for the page around it, or come from elsewhere.
        assert not picture.tags & {"style", "script", "metadata"}
        assert not re.findall(r'href="(?!#|data:)', picture.source)
        pointed = set(re.findall(r'(?:href="#|url\(#)([^")]+)', picture.source))
        assert pointed <= set(picture.ids)
        assert len(picture.source) < 40_000


def test_names_are_text_whatever_is_in_them():
    shown = r'<script>alert("&")</script> $x_1^ \udcff \x00 \u202e'
    ranking, rows = make_ranking(3), make_set(n_methods=4).rows
    sources = [
        critical_differences(replace(ranking, methods=(NASTY, "b", "c"))),
        learning_curves([replace(point, method=NASTY) for point in make_curves()[:5]], "accuracy"),
        confusion_pair(make_row(classes=(NASTY, "dog")), make_failed(NASTY, error=NASTY)),
        cost_against_score([replace(rows[0], method=NASTY), *rows[1:]], "accuracy"),
    ]
    for picture in map(Picture, sources):
        assert "script" not in picture.tags
        assert shown in picture.title + picture.about
        # Pictures have less room than the words that are read out.
        assert any("<script>" in text for text in picture.texts)


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


def lines_of(picture):
    """Every open path as its points."""
    for path in picture.root.iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d") or "")]
        yield path.get("style") or "", list(zip(numbers[::2], numbers[1::2], strict=True))


def test_ranks_stand_on_the_axis_and_bars_span_their_cliques():
    ranking = Ranking(("a", "b", "c"), (1.0, 2.0, 2.5), ((0, 1), (2,)), {}, 16)
    picture = Picture(critical_differences(ranking))
    assert picture.title == "Mean ranks over 16 data sets"
    assert "a 1.00; b 2.00; c 2.50" in picture.about
    assert "No difference seen between: a, b." in picture.about
    assert [text for text in picture.texts if " " in text] == ["1.00  a", "2.00  b", "c  2.50"]
    stems = [line for _, line in lines_of(picture) if len(line) == 3]
    (a, b, c) = [line[0][0] for line in stems]
    # Six inches of 72 points: a rank is three of them, and the best stands to the right.
    assert [a - b, b - c] == pytest.approx([216, 108], abs=0.1)
    (bar,) = [line for style, line in lines_of(picture) if "stroke-width: 3.5" in style]
    assert sorted(x for x, _ in bar) == pytest.approx([b - 3.6, a + 3.6], abs=0.1)


def test_bars_that_touch_are_drawn_on_lines_of_their_own():
    ranking = Ranking(("a", "b", "c", "d", "e"), (1.0, 2.0, 3.0, 4.0, 5.0), ((0, 1), (1, 2), (3, 4)), {}, 9)
    picture = Picture(critical_differences(ranking))
    bars = [line for style, line in lines_of(picture) if "stroke-width: 3.5" in style]
    first, second, third = (bar[0][1] for bar in bars)
    assert first == third
    assert second > first


@pytest.mark.parametrize("n_methods", [1, 2, 14])
def test_any_number_of_methods_is_ranked(n_methods):
    ranking = Ranking(METHOD_NAMES[:n_methods], tuple(range(1, n_methods + 1)), (), {}, 3)
    picture = Picture(critical_differences(ranking))
    assert all(any(name in text for text in picture.texts) for name in ranking.methods)
    assert picture.about.endswith("No difference seen between: none.")


METHOD_NAMES = tuple(method for method, *_ in METHODS)


def test_learning_curves_name_each_method_and_its_items():
    picture = Picture(learning_curves(make_curves(400), "macro_f1"))
    assert picture.title == "macro-F1 against training items"
    assert (
        "images: 0.826 from 16, 0.850 from 32, 0.874 from 64, 0.906 from 160, 0.930 from 320" in picture.about
    )
    assert {"images", "images, random weights", "statistics + lightgbm", "macro-F1"} <= set(picture.texts)
    ticks = [text for text in picture.texts if "%" in text]
    assert ticks == ["5 %", "10 %", "20 %", "50 %", "100 %"]
    assert "320" in picture.texts


def test_learning_curves_of_methods_with_other_numbers_of_items_share_an_axis_of_shares():
    points = [*make_curves(400, ["a"]), *make_curves(500, ["b"])]
    picture = Picture(learning_curves(points, "accuracy"))
    assert "share of the training items" in picture.texts
    assert "320" not in picture.texts


def test_what_has_no_score_is_left_out():
    points = [replace(point, score=float("nan")) if point.share < 0.2 else point for point in make_curves()]
    assert (
        "images: 0.874 from 64, 0.906 from 160, 0.930 from 320"
        in Picture(learning_curves(points, "auc")).about
    )
    assert Picture(learning_curves([], "auc")).texts == ["no method has a score"]
    assert Picture(cost_against_score([make_failed()], "auc")).texts == [
        "no method has both a score and a cost"
    ]


def test_few_classes_show_their_counts():
    left, right = make_row("images", n_items=40), make_failed("minirocket", error="out of memory")
    picture = Picture(confusion_pair(left, right))
    counts = [str(count) for row in left.scores.confusion for count in row]
    assert [text for text in picture.texts if text.isdigit()] == counts
    assert {"cat", "dog", "minirocket, failed", "out of memory", "0 %", "100 %"} <= set(picture.texts)
    assert f"images, {left.score:.3f}" in picture.texts


def test_many_classes_show_their_names_alone():
    classes = tuple(f"class {place}" for place in range(50))
    picture = Picture(
        confusion_pair(make_row(classes=classes), make_row("tables", "tables", classes=classes))
    )
    assert picture.texts.count("class 49") == 4
    assert not [text for text in picture.texts if text.isdigit()]


def test_hundreds_of_classes_keep_the_picture_small():
    classes = tuple(f"class {place}" for place in range(300))
    source = confusion_pair(make_row(classes=classes), make_row("tables", "tables", classes=classes))
    assert len(source) < 40_000
    assert "class 299" not in source


def test_cost_names_every_method_that_has_one():
    rows = [
        make_row("images", cost=Cost(40.0, 20.0, 0.01, 500.0, 1000)),
        make_row("quick", "floor", accuracy=0.3, cost=Cost(0.0, 0.0, 0.0, 1.0, 1)),
        make_row("both", None, accuracy=0.95),
        make_failed("broken"),
    ]
    picture = Picture(cost_against_score(rows, "accuracy"))
    assert "in 60 s" in picture.about
    assert {"quick", "images", "floor", "≤ 0.1 s", "1 min"} <= set(picture.texts)
    assert not {"both", "broken"} & set(picture.texts)


def test_sides_differ_by_shape_as_well_as_by_colour():
    picture = Picture(cost_against_score(make_set().rows, "accuracy"))
    marks = {}
    for use in picture.root.iter(f"{SVG}use"):
        hue = re.search(r"fill: (#\w+)", use.get("style") or "")
        if hue and hue[1] in ("#0072b2", "#d55e00", "#666666"):
            marks.setdefault(hue[1], set()).add(use.get("href"))
    assert len(marks) == 3
    assert len(set.union(*marks.values())) == 3


def overlap(one, other):
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


def test_labels_cover_neither_dots_nor_each_other():
    dots = [(100 + 9 * place % 40, 100 + 7 * place % 30) for place in range(14)]
    boxes = place_labels(dots, [(90, 10)] * 14, within=(0, 0, 500, 300))
    assert not [1 for place, one in enumerate(boxes) for other in boxes[:place] if overlap(one, other)]
    assert not [1 for x, y in dots for box in boxes if overlap(box, (x - 6, y - 6, x + 6, y + 6))]
    assert all(
        left >= 0 and bottom >= 0 and right <= 500 and top <= 300 for left, bottom, right, top in boxes
    )


def test_places_are_spread_no_farther_than_need_be():
    assert spread([], gap=1) == []
    assert spread([3.0, 1.0], gap=1) == [3.0, 1.0]
    # Three at one place go one gap up and down; what is far off stays.
    assert spread([10.0, 5.0, 5.0, 5.0], gap=2) == [10.0, 3.0, 5.0, 7.0]
