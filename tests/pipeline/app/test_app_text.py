"""Tables for a terminal."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Fragment
from phosphene.datasets.manifest import Failure, Item
from phosphene.pipeline.app.text import clean, failure_table, reason, share, table


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
