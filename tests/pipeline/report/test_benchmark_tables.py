"""A benchmark as CSV and as JSON: all figures, plain types, nothing where there is no figure."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from summaries import make_failed, make_row, make_set, make_summary

from phosphene.pipeline.compare.summary import Cost, Row
from phosphene.pipeline.report.tables import COLUMNS, best_score, csv_rows, json_result, kind_of, learning_s


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
