"""The table of a benchmark on a terminal: no line longer than it, every figure in its column."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from summaries import make_failed, make_summary

from phosphene.pipeline.app.benchmark_text import terminal_table


def test_one_set():
    summary = make_summary(
        n_methods=5, failed=("statistics + lightgbm",), failed_items=25, warnings=("speaker 3 leaks",)
    )
    lines = terminal_table(summary).splitlines()
    assert lines[0] == "WARNING: speaker 3 leaks"
    assert lines[2].split() == ["method", "accuracy", "prepare", "train", "per", "item", "memory", "size"]
    row = summary.rows[0]
    words = f"images {row.score:.3f} ({row.low:.3f} to {row.high:.3f}) 48 s 21 s 0.40 ms 300 MiB 20 kB"
    assert lines[3].split() == words.split()
    assert lines[5].split() == ["statistics", "+", "lightgbm", "failed"]
    (best,) = [line for line in lines if " * " in line]
    assert best.split()[:3] == ["stacked", "*", f"{summary.rows[-1].score:.3f}"]
    assert "  statistics + lightgbm: RuntimeError: out of memory" in lines
    assert "  audio/19.ogg: no sound in it" in lines
    assert "  (and 5 more; --json lists all)" in lines
    assert lines[-1] == summary.verdict
    twice = terminal_table(replace(summary, verdict="Images are better.\nThey took 3 s."), width=100)
    assert twice.endswith("\n\nImages are better.\nThey took 3 s.")


@pytest.mark.parametrize("n_sets", [1, 16])
def test_lines_fit_the_terminal(n_sets):
    summary = make_summary(n_sets=n_sets, failed=("1-nn dtw",), warnings=("word " * 40,))
    long = make_failed("a method " * 5, error="why\n" * 90)
    summary = replace(
        summary,
        rows=(*summary.rows, long),
        sets=(replace(summary.sets[0], rows=(*summary.sets[0].rows, long)), *summary.sets[1:]),
    )
    words = terminal_table(summary, width=100)
    assert max(map(len, words.splitlines())) <= 100
    assert "a method a method" in words
    figures = [line for line in words.splitlines() if line.endswith(" kB")]
    assert len({len(line) for line in figures}) == 1


def test_several_sets():
    summary = make_summary(n_sets=3, n_methods=5, failed=("images, random weights",))
    text = terminal_table(summary)
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["method", "accuracy", "rank"]
    assert lines[1].split()[1:3] == [f"{summary.rows[0].score:.3f}", f"{summary.ranking.ranks[0]:.2f}"]
    start = next(place for place, line in enumerate(lines) if line.startswith("data set"))
    scores = [row.score for row in summary.sets[0].rows]
    best = np.nanmax(scores)
    shown = [f"{scores[0]:.3f}", f"{scores[-2]:.3f}", f"{scores[-1]:.3f}", f"{best:.3f}"]
    assert lines[start + 1].split()[:7] == ["set00", "400", "10", *shown]
    assert "  set02: images, random weights: RuntimeError: out of memory" in lines


def test_names_cannot_speak_to_the_terminal():
    summary = make_summary(n_methods=3)
    rows = (make_failed("\x1b[31mred", error="\x1b[2J"), *summary.rows)
    text = terminal_table(
        replace(summary, rows=rows, sets=(replace(summary.sets[0], rows=rows),), verdict="\x1b")
    )
    assert "\x1b" not in text
    assert r"\x1b[31mred" in text
