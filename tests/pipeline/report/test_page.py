"""A benchmark as a page, as CSV and as JSON: well-formed, complete, and safe whatever names are in them."""

import csv
import io
import json
from dataclasses import replace

import jinja2
import numpy as np
import pytest
from page_reader import Page
from summaries import make_failed, make_ranking, make_row, make_set, make_summary

from phosphene.pipeline.compare.summary import Cost, Row, Summary
from phosphene.pipeline.report import benchmark as page_module
from phosphene.pipeline.report.benchmark import COLUMNS, csv_rows, json_result, write_outcome, write_page
from phosphene.pipeline.report.verdict import best_score, kind_of, learning_s

NASTY = '<script>alert("&")</script>{0}%s{{ 7*7 }} \udcff \x00'
SHOWN = r'<script>alert("&")</script>{0}%s{{ 7*7 }} \udcff \x00'


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


def test_needs_no_network_and_runs_nothing(single, several):
    for page in (single[0], several[0]):
        assert not set(page.tags) & {"script", "link", "iframe", "object", "svg"}
        assert all(image["src"].startswith("data:image/svg+xml;base64,") for image in page.images)
        assert "http" not in page.source
        assert len(page.ids) == len(set(page.ids))
        assert "nan" not in page.text.lower().replace("resonance", "")


def test_can_be_read_without_eyes_or_mouse(single, several):
    for page in (single[0], several[0]):
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


def lines_of(summary):
    return list(csv.DictReader(io.StringIO(csv_rows(summary))))


def test_csv_has_a_line_a_set_and_method():
    summary = make_summary(n_sets=3, n_methods=5)
    lines = lines_of(summary)
    assert len(lines) == 15
    assert tuple(lines[0]) == COLUMNS
    assert [line["set"] for line in lines[::5]] == ["set00", "set01", "set02"]
    row = summary.sets[1].rows[2]
    line = lines[7]
    assert (line["method"], line["side"], line["metric"]) == ("statistics + lightgbm", "tables", "accuracy")
    assert [float(line[name]) for name in ("score", "low", "high")] == pytest.approx(
        [row.score, row.low, row.high], rel=1e-5
    )
    assert [float(score) for score in line["folds"].split()] == pytest.approx(row.folds, rel=1e-5)
    assert [line[name] for name in COLUMNS[8:]] == ["31", "64", "1.2", "390", "180000", ""]


def test_csv_of_what_failed_has_empty_cells_and_its_error_on_one_line():
    rows = (make_failed(error='bad, "worse"\nand \udcff'),)
    one = replace(make_set(n_methods=3), rows=rows)
    summary = replace(make_summary(n_methods=3), sets=(one,))
    (line,) = lines_of(summary)
    assert [line[name] for name in COLUMNS[4:13]] == [""] * 9
    assert line["error"] == r'bad, "worse" and \udcff'
    csv_rows(summary).encode()


def test_json_has_what_programs_ask_for():
    summary = make_summary(
        n_methods=5, failed=("images, random weights",), failed_items=1, warnings=("leak",)
    )
    result = json.loads(json.dumps(json_result(summary), allow_nan=False))
    assert {
        "rows",
        "verdict",
        "metric",
        "curves",
        "sets",
        "ranking",
        "warnings",
        "failed",
        "seconds",
        "origin",
    } <= set(result)
    images, broken, *_, both = result["rows"]
    assert (images["method"], images["kind"], images["seconds"]) == ("images", "images", 69.0)
    assert images["score"] == summary.rows[0].score
    assert images["confusion"]["counts"] == [list(row) for row in summary.rows[0].scores.confusion]
    assert (broken["score"], broken["low"], broken["seconds"]) == (None, None, None)
    assert broken["error"] == "RuntimeError: out of memory"
    assert (both["kind"], both["seconds"]) == ("both", None)
    assert [row["kind"] for row in result["rows"]] == ["images", "images", "tables", "tables", "both"]
    assert result["sets"][0]["rows"] == result["rows"]
    assert result["curves"][0] == json.loads(json.dumps(vars(summary.curves[0])))
    assert (result["metric"], result["warnings"], result["ranking"]) == ("accuracy", ["leak"], None)
    assert result["failed"] == [{"path": "audio/0.ogg", "error": "no sound in it"}]


def test_json_of_several_sets_has_their_ranking():
    summary = make_summary(n_sets=2, n_methods=4, warnings=("leak",))
    result = json.loads(json.dumps(json_result(summary), allow_nan=False))
    ranking = result["ranking"]
    assert ranking["methods"] == list(summary.ranking.methods)
    assert ranking["cliques"][0] == list(summary.ranking.methods[:2])
    assert len(ranking["p_values"]) == 6
    assert ranking["p_values"][0] == {"methods": list(summary.ranking.methods[:2]), "p": 0.4}
    assert result["warnings"] == ["set00: leak", "set01: leak"]


def test_json_takes_whatever_notes_hold():
    notes = {"array": np.arange(2), "bad": float("inf"), "one": np.float32(0.5), 3: (1, None), "path": object}
    one = replace(make_set(n_methods=3), rows=(make_row(notes=notes),))
    (row,) = json_result(replace(make_summary(n_methods=3), sets=(one,)))["sets"][0]["rows"]
    assert row["notes"] == {"array": [0, 1], "bad": None, "one": 0.5, "3": [1, None], "path": str(object)}


def test_small_questions():
    nan = float("nan")
    assert kind_of(Row("floor", "floor", 0.1, nan, nan)) == "floor"
    assert learning_s(Row("a", "tables", 0.1, nan, nan, cost=Cost(1.5, 2.0, 9.0, 1.0, 1))) == 3.5
    assert np.isnan(best_score([make_failed()]))
