"""Tables for a terminal; that of a benchmark: no line longer than it, every figure in its column."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Fragment
from phosphene.datasets.manifest import Failure, Item
from phosphene.pipeline.app.text import clean, failure_table, reason, share, table, terminal_table

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))
from summaries import make_failed, make_summary


def failure(path, words, fragment=None):
    item = Item(Path(path), fragment=fragment)
    return Failure(item, f"{item}: {words}")


@pytest.fixture
def width(monkeypatch):
    def set_width(letters):
        monkeypatch.setenv("COLUMNS", str(letters))

    return set_width


def test_the_last_column_is_wrapped_under_itself():
    words = table(["name", "what it is"], [["dog", "it barks at strangers and sleeps"]], width=30)
    assert words.splitlines() == [
        "name  what it is",
        "dog   it barks at strangers",
        "      and sleeps",
    ]


def test_short_paths_and_reasons_stand_side_by_side(width):
    width(60)
    words = failure_table(
        [failure("a.wav", "empty; there is nothing to read"), failure("dog/b.wav", "x " * 40)]
    )
    assert words.splitlines() == [
        "2 failed:",
        "  a.wav      empty; there is nothing to read",
        f"  dog/b.wav  {'x ' * 23}x",
        f"             {'x ' * 15}x",
    ]


def test_long_paths_have_a_line_of_their_own(width):
    width(60)
    path = f"{'folder/' * 8}a.wav"
    assert failure_table([failure(path, "empty")]).splitlines() == ["1 failed:", f"  {path}", "      empty"]


def test_a_reason_of_many_words_is_cut(width):
    width(60)
    lines = failure_table([failure("a.wav", "word " * 200)]).splitlines()
    assert len(lines) == 4
    assert lines[-1].endswith(" ...")


@pytest.mark.parametrize(("count", "left_out"), [(20, 0), (21, 1), (500, 480)])
def test_a_long_list_is_cut(width, count, left_out):
    width(100)
    lines = failure_table([failure(f"{n}.wav", "empty") for n in range(count)]).splitlines()
    assert lines[0] == f"{count} failed:"
    assert len(lines) == 1 + 20 + bool(left_out)
    assert not left_out or lines[-1] == f"  (and {left_out} more; --json lists all)"


@given(
    st.lists(st.tuples(st.text("abc/", min_size=1, max_size=30), st.text("abc ;", max_size=300)), min_size=1),
    st.integers(40, 200),
)
def test_every_line_fits(rows, width):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        words = failure_table([failure(path, why) for path, why in rows])
    assert max(map(len, words.splitlines())) <= width


def test_a_reason_does_not_say_its_path_again():
    assert reason(failure("a.wav", "empty", Fragment("t", 0, 5))) == "empty"
    assert (
        reason(Failure(Item(Path("a.wav"), fragment=Fragment("t", 0, 5)), "a.wav: cut short")) == "cut short"
    )
    assert reason(Failure(Item(Path("a.wav")), "lost\n its process")) == "lost its process"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("caf\xe9 \u732b", "caf\xe9 \u732b"),
        ("a\nb", "a\\nb"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\udcff", "\\udcff"),
        ("\u202e", "\\u202e"),
    ],
)
def test_clean(text, shown):
    assert clean(text) == shown


@given(st.text())
def test_clean_text_can_be_shown(text):
    assert clean(text).isprintable() or not text


def test_share():
    assert [share(value) for value in (0.0, 0.125, 1.0, float("nan"))] == [
        "0.0 %",
        "12.5 %",
        "100.0 %",
        "unknown",
    ]


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
