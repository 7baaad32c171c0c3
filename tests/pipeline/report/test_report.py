"""The page about a classifier: well-formed, complete, and safe whatever names are in it."""

import html.parser
from pathlib import Path

import pytest

from phosphene.datasets.manifest import Failure, Item
from phosphene.datasets.scores import Scores
from phosphene.pipeline.report.classifier_page import write_report

CONFIG = {"backbones": [{"name": "efficientnet_lite0"}], "notes": {"strategy": "probe", "data": "esc10"}}
SCORES = Scores(10, 0.7, 0.65, None, ((3, 1, 0), (2, 4, 0), (0, 0, 0)), ("cat", "dog", "emu"))
NASTY = '<script>alert("&")</script>{0}%s'


class Page(html.parser.HTMLParser):
    """What a browser sees: tags that close in order, tables as lists of rows, and the text."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.rows, self.text = [], set(), [], ""
        self.source = Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag != "meta":
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data
        self.text += data


def test_figures_and_confusion(tmp_path):
    page = Page(write_report(tmp_path / "r.html", SCORES, title="esc10", config=CONFIG))
    # Wilson's interval of 7 of 10 is 0.397 to 0.892.
    assert "Accuracy 70.0 % (95 % interval 39.7 % to 89.2 %), macro-F1 0.650; 10 items." in page.text
    assert "Classifier: efficientnet_lite0, probe; learned from esc10." in page.text
    assert page.rows == [
        ["", "cat", "dog", "emu", "recall"],
        ["cat", "3", "1", "0", "75.0 %"],
        ["dog", "2", "4", "0", "66.7 %"],
        ["emu", "0", "0", "0", "none"],
    ]
    assert page.source.count('class="right"') == 3
    assert "failed" not in page.text


def test_needs_no_network_and_runs_nothing(tmp_path):
    page = Page(write_report(tmp_path / "r.html", SCORES, title="esc10", config=CONFIG))
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert "http" not in page.source


def test_names_are_text_whatever_is_in_them(tmp_path):
    scores = Scores(1, 1.0, 1.0, None, ((1,),), (NASTY,))
    failures = [Failure(Item(Path("a")), f"a: {NASTY}")]
    config = {"backbones": [{"name": NASTY}], "notes": {"strategy": NASTY, "data": NASTY}}
    page = Page(write_report(tmp_path / "r.html", scores, title=NASTY, config=config, failures=failures))
    assert "script" not in page.tags
    assert page.text.count(NASTY) == 2 + 3 + 2 + 1
    assert page.rows[1][0] == NASTY


def test_bytes_that_are_no_text_do_not_stop_it(tmp_path):
    write_report(tmp_path / "r.html", SCORES, title="\udcff.wav", config=CONFIG)
    assert "?.wav" in Page(tmp_path / "r.html").text


def test_claims_alone(tmp_path):
    scores = Scores(20, float("nan"), float("nan"), 0.9375, (), ("a", "b"))
    page = Page(write_report(tmp_path / "r.html", scores, title="balabit", config=CONFIG))
    assert "AUC of the claims 0.938; 20 items." in page.text
    assert "nan" not in page.text
    assert "table" not in page.tags


def test_failures_are_named(tmp_path):
    failures = [
        Failure(Item(Path("a.wav")), "a.wav: empty"),
        Failure(Item(Path("b.wav")), "b.wav: cut short"),
    ]
    page = Page(write_report(tmp_path / "r.html", SCORES, title="esc10", config=CONFIG, failures=failures))
    assert "2 failed and are not in these figures" in page.text
    assert "a.wav: empty" in page.text


def test_whole_or_not_at_all(tmp_path):
    with pytest.raises(KeyError):
        write_report(tmp_path / "r.html", SCORES, title="esc10", config={})
    assert list(tmp_path.iterdir()) == []
