"""The pages of a benchmark and of a classifier: well-formed, complete, and safe whatever names are in them."""

import html.parser
import json
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest
from summaries import make_failed, make_ranking, make_row, make_set, make_summary

from phosphene.datasets.manifest import Item
from phosphene.datasets.scores import Scores
from phosphene.pipeline.compare.summary import Summary
from phosphene.pipeline.report import page as page_module
from phosphene.pipeline.report.page import write_outcome, write_page, write_report
from phosphene.pipeline.report.tables import csv_rows
from phosphene.pipeline.tiles.render import Failure

NASTY = '<script>alert("&")</script>{0}%s{{ 7*7 }} \udcff \x00'
SHOWN = r'<script>alert("&")</script>{0}%s{{ 7*7 }} \udcff \x00'
CONFIG = {"backbones": [{"name": "efficientnet_lite0"}], "notes": {"strategy": "probe", "data": "esc10"}}
SCORES = Scores(10, 0.7, 0.65, None, ((3, 1, 0), (2, 4, 0), (0, 0, 0)), ("cat", "dog", "emu"))


class Page(html.parser.HTMLParser):
    """What a browser sees: tags that close in order, tables as lists of rows, headings, images, and the text."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.tables, self.headings, self.images = [], [], [], [], []
        self.ids, self.links, self.text = [], [], ""
        self.source = Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs["href"]] if "href" in attrs else []
        if tag == "img":
            self.images.append(attrs)
        elif tag != "meta":
            self.open.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append("")
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td", "a"):
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] in ("h1", "h2", "h3", "h4"):
            self.headings[-1] += data
        if not {"style", "title"} & set(self.open):
            self.text += data


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    summary = make_summary(
        n_methods=5, failed=("images, random weights",), failed_items=2, warnings=("speaker 3 leaks",)
    )
    return Page(write_page(tmp_path_factory.mktemp("page") / "r.html", summary)), summary


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    summary = make_summary(n_sets=2, n_methods=4, n_classes=3, failed=("images, random weights",))
    return Page(write_page(tmp_path_factory.mktemp("page") / "r.html", summary)), summary


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return Page(
        write_report(tmp_path_factory.mktemp("page") / "r.html", SCORES, title="esc10", config=CONFIG)
    )


# A benchmark


def test_one_set_is_told_in_order(single):
    page, summary = single
    assert page.headings[0] == "Benchmark: esc10"
    assert "Warning" in page.headings[1]
    assert page.headings[2:6] == ["Methods", "Learning curves", "Confusion matrices", "Scores and times"]
    assert page.headings[6].endswith("(2)")
    assert page.text.index("speaker 3 leaks") < page.text.index(summary.verdict) < page.text.index("prepare")
    assert "400 items of 10 classes" in page.text
    assert "6.9 min" in page.text
    assert "audio/1.ogg: no sound in it" in page.text
    assert "cpu, 2 threads" in page.text
    assert len(page.images) == 3


def test_one_set_has_a_table_of_methods(single):
    page, summary = single
    (header, images, broken, *_, best, stacked) = page.tables[0]
    assert header[:5] == ["method", "kind", "score (95 % CI)", "folds", "prepare"]
    row = summary.rows[0]
    assert images[:3] == ["images", "images", f"{row.score:.3f} ({row.low:.3f} to {row.high:.3f})"]
    assert images[3].split() == [f"{score:.3f}" for score in row.folds]
    assert images[4:] == ["48 s", "21 s", "0.40 ms", "300 MiB", "20 kB", ""]
    assert broken == ["images, random weights", "images", "failed", *[""] * 6, "RuntimeError: out of memory"]
    assert best[:2] == ["best baseline", "baseline"]
    assert stacked[:2] == ["stacked", "stacked"]
    assert page.source.count('class="best"') == 1
    assert f'class="best">{max(r.score for r in summary.rows if not r.error):.3f} ' in page.source


def test_several_sets_have_ranks_and_a_table_of_their_own(several):
    page, summary = several
    assert "Critical differences" in page.headings
    assert page.tables[0][0][3:5] == ["mean rank", "prepare"] and page.tables[0][0][-1] == "error"
    assert page.tables[0][1][3] == f"{summary.ranking.ranks[0]:.2f}"
    header, *lines = page.tables[1]
    assert header == ["data set", "items", "classes", *(row.method for row in summary.rows)]
    assert [line[0] for line in lines] == ["set00", "set01"]
    assert lines[1][3:5] == [f"{summary.sets[1].rows[0].score:.3f}", "failed"]
    assert page.tags.count("details") == 2
    assert page.links == [f"#{name}" for name in page.ids]
    # Ranks and the curves and scores of all; confusions, curves and scores of each.
    assert len(page.images) == 3 + 2 * 3


def test_needs_no_network_and_runs_nothing(single, several, report):
    for page in (single[0], several[0], report):
        assert not set(page.tags) & {"script", "link", "iframe", "object", "svg"}
        assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in page.images)
        assert "http" not in page.source
        assert len(page.ids) == len(set(page.ids))
        assert "nan" not in page.text.lower().replace("resonance", "")


def test_can_be_read_without_eyes_or_mouse(single, several, report):
    for page in (single[0], several[0], report):
        assert 'lang="en"' in page.source
        assert all(len(image["alt"]) > 50 for image in page.images)
        assert page.tags.count("caption") == len(page.tables)
        assert page.source.count("<th") - page.source.count("<thead") == page.source.count("<th scope=")
        # What scrolls can be reached by the keyboard.
        assert page.source.count('class="scroll"') == page.source.count('class="scroll" tabindex="0"')
        assert "color-scheme: light dark" in page.source


def test_names_are_text_whatever_is_in_them(tmp_path):
    rows = (make_row(NASTY, "images", classes=(NASTY, "b")), make_failed("images", "images", error=NASTY))
    one = replace(make_set(n_methods=3), name=NASTY, rows=rows, verdict=NASTY, warnings=(NASTY,))
    ranking, failed = replace(make_ranking(3), methods=(NASTY, "b", "c")), ((NASTY, NASTY),)
    summary = Summary(NASTY, (one, one), rows, (), {}, ranking, failed, 1.0, {NASTY: NASTY}, NASTY)
    page = Page(write_page(tmp_path / "r.html", summary))
    assert "script" not in page.tags
    assert page.text.count(SHOWN) > 10
    assert page.tables[0][1][0] == SHOWN
    assert SHOWN in page.images[0]["alt"]
    assert "\x00" not in page.source


def test_nothing_but_failures_is_a_page_too(tmp_path):
    rows = (make_failed("images", "images"), make_failed())
    one = replace(make_set(n_methods=3), rows=rows, curves=())
    summary = Summary("x", (one,), rows, seconds=1.0, verdict="All failed.")
    page = Page(write_page(tmp_path / "r.html", summary))
    assert page.images == []
    assert "All failed." in page.text
    Page(
        write_page(tmp_path / "r.html", replace(summary, verdict="", rows=(), sets=(replace(one, rows=()),)))
    )


def test_a_folder_gets_page_table_and_result(tmp_path):
    summary = make_summary(n_methods=3, n_classes=2)
    write_outcome(tmp_path / "out", summary)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "index.html",
        "benchmark.csv",
        "benchmark.json",
    }
    assert (tmp_path / "out" / "benchmark.csv").read_text() == csv_rows(summary)
    assert json.loads((tmp_path / "out" / "benchmark.json").read_text())["name"] == "esc10"


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "r.html"
    target.write_text("old")
    monkeypatch.setattr(page_module, "_environment", lambda: jinja2.Environment(loader=jinja2.DictLoader({})))
    with pytest.raises(jinja2.TemplateNotFound):
        write_page(target, make_summary(n_methods=3, n_classes=2))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
def test_many_sets_stay_small(tmp_path):
    page = write_page(tmp_path / "r.html", make_summary(n_sets=16))
    assert page.stat().st_size < 2_500_000


# A classifier


def test_scores_and_confusion_matrix(report):
    # Wilson's interval of 7 of 10 is 0.397 to 0.892.
    assert (
        "Accuracy 70.0 % (95 % confidence interval 39.7 % to 89.2 %), macro-F1 0.650; 10 items."
        in report.text
    )
    assert "efficientnet_lite0, probe; trained on esc10." in " ".join(report.text.split())
    assert report.tables == [
        [
            ["true class", "cat", "dog", "emu", "recall"],
            ["cat", "3", "1", "0", "75.0 %"],
            ["dog", "2", "4", "0", "66.7 %"],
            ["emu", "0", "0", "0", "none"],
        ]
    ]
    assert report.source.count('class="correct"') == 3
    assert "ailed" not in report.text


def test_names_of_classes_are_text_whatever_is_in_them(tmp_path):
    scores = Scores(1, 1.0, 1.0, None, ((1,),), (NASTY,))
    failures = [Failure(Item(Path("a")), f"a: {NASTY}")]
    config = {"backbones": [{"name": NASTY}], "notes": {"strategy": NASTY, "data": NASTY}}
    page = Page(write_report(tmp_path / "r.html", scores, title=NASTY, config=config, failures=failures))
    assert "script" not in page.tags
    assert page.text.count(SHOWN) == 1 + 3 + 2 + 1
    assert page.tables[0][1][0] == SHOWN


def test_claims_alone(tmp_path):
    scores = Scores(20, float("nan"), float("nan"), 0.9375, (), ("a", "b"))
    page = Page(write_report(tmp_path / "r.html", scores, title="balabit", config=CONFIG))
    assert "AUC of the claimed classes 0.938; 20 items." in page.text
    assert "nan" not in page.text
    assert page.tables == []


def test_failures_are_named(tmp_path):
    failures = [
        Failure(Item(Path("a.wav")), "a.wav: empty"),
        Failure(Item(Path("b.wav")), "b.wav: cut short"),
    ]
    page = Page(write_report(tmp_path / "r.html", SCORES, title="esc10", config=CONFIG, failures=failures))
    assert page.headings[-1].endswith("(2)")
    assert "a.wav: empty" in page.text
    assert "b.wav: cut short" in page.text


def test_nothing_is_left_where_no_page_can_be_made(tmp_path):
    with pytest.raises(jinja2.UndefinedError):
        write_report(tmp_path / "r.html", SCORES, title="esc10", config={})
    assert list(tmp_path.iterdir()) == []
