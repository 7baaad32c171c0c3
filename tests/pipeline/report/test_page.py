"""The page of a benchmark: well-formed, complete, and safe whatever names are in it."""

import html.parser
from dataclasses import replace

import pytest
from summaries import make_failed, make_ranking, make_row, make_set, make_summary

from phosphene.pipeline.compare.summary import Summary
from phosphene.pipeline.report import page as page_module
from phosphene.pipeline.report.page import write_page

NASTY = '<script>alert("&")</script>{0}%s \udcff \x00'
SHOWN = r'<script>alert("&")</script>{0}%s \udcff \x00'


class Page(html.parser.HTMLParser):
    """What a browser sees: tags that close in order, tables as lists of rows, headings, and the text."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.ids, self.tables, self.headings, self.text = [], [], [], [], [], ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id"]
        if tag != "meta":
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings.append(data)
        if not {"style", "title", "desc"} & set(self.open):
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


def test_one_set_is_told_in_order(single):
    page, summary = single
    assert page.headings == [
        "Benchmark: esc10",
        "Warning: do not trust these scores before you have read this",
        "Methods",
        "Learning curves",
        "Confusions",
        "Cost against score",
        "2 items failed and are not in these figures",
        "What was run",
    ]
    assert page.text.index("speaker 3 leaks") < page.text.index(summary.verdict) < page.text.index("prepare")
    assert "400 items of 10 classes, by accuracy; run in 6.9 min." in page.text
    assert "audio/1.ogg: no sound in it" in page.text
    assert "cpu, 2 threads" in page.text
    assert page.tags.count("svg") == 3


def test_one_set_has_a_table_of_methods(single):
    page, summary = single
    (header, images, broken, *_, both) = page.tables[0]
    assert header[:5] == ["method", "sees", "score (95 % interval)", "folds", "prepare"]
    row = summary.rows[0]
    assert images[:3] == ["images", "images", f"{row.score:.3f} ({row.low:.3f} to {row.high:.3f})"]
    assert images[4:] == ["48 s", "21 s", "0.40 ms", "300 MiB", "20 kB", ""]
    assert broken == ["images, random weights", "images", "failed", *[""] * 6, "RuntimeError: out of memory"]
    assert both[0] == "both"
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
    # Ranks and the curves and costs of all; confusions, curves and costs of each.
    assert page.tags.count("svg") == 3 + 2 * 3


def test_needs_no_network_and_runs_nothing(single, several):
    for page, _ in (single, several):
        assert not set(page.tags) & {"script", "link", "img", "iframe", "metadata"}
        assert page.tags.count("style") == 1
        assert (
            page.source.replace("http://www.w3.org/2000/svg", "")
            .replace("http://www.w3.org/1999/xlink", "")
            .count("http")
            == 0
        )
        assert len(page.ids) == len(set(page.ids))
        assert "nan" not in page.text.lower().replace("resonance", "")


def test_names_are_text_whatever_is_in_them(tmp_path):
    rows = (make_row(NASTY, "images", classes=(NASTY, "b")), make_failed("images", "images", error=NASTY))
    one = replace(make_set(n_methods=3), name=NASTY, rows=rows, verdict=NASTY, warnings=(NASTY,))
    summary = Summary(
        NASTY,
        (one, one),
        rows,
        (),
        NASTY,
        replace(make_ranking(3), methods=(NASTY, "b", "c")),
        ((NASTY, NASTY),),
        1.0,
        {NASTY: NASTY},
    )
    page = Page(write_page(tmp_path / "r.html", summary))
    assert "script" not in page.tags
    assert page.text.count(SHOWN) > 10
    assert page.tables[0][1][0] == SHOWN
    assert "\x00" not in page.source


def test_nothing_but_failures_is_a_page_too(tmp_path):
    rows = (make_failed("images", "images"), make_failed())
    one = replace(make_set(n_methods=3), rows=rows, curves=())
    page = Page(
        write_page(tmp_path / "r.html", Summary("x", (one,), rows, (), "All failed.", None, (), 1.0, {}))
    )
    assert "svg" not in page.tags
    assert "All failed." in page.text


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    target = tmp_path / "r.html"
    target.write_text("old")
    monkeypatch.setattr(page_module, "_origin", lambda origin: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_page(target, make_summary(n_methods=3, n_classes=2))
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.slow
def test_many_sets_stay_small(tmp_path):
    page = write_page(tmp_path / "r.html", make_summary(n_sets=16))
    assert page.stat().st_size < 1_500_000
