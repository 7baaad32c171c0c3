"""Addresses of items: what they mean, what they refuse, and that text and part are the same thing."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phosphene.converters import Fragment, ParameterError
from phosphene.converters.core.signal import parse_address, parse_fragment


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("row=12", Fragment("row", 12, 13)),
        ("t=5,10", Fragment("t", 5, 10)),
        ("t=0.25,7.5", Fragment("t", 0.25, 7.5)),
        ("bytes=0-65535", Fragment("bytes", 0, 65536)),
        ("bytes=7-7", Fragment("bytes", 7, 8)),
        ("events=0-249", Fragment("events", 0, 250)),
        ("samples=0-999", Fragment("samples", 0, 1000)),
    ],
)
def test_forms(text, fragment):
    assert parse_fragment(text) == fragment
    assert str(fragment) == text


def test_whole_is_a_slice():
    assert list(range(10))[Fragment("samples", 2, 5).whole] == [2, 3, 4]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "row=",
        "row=-1",
        "row=1.5",
        "t=5",
        "t=5-10",
        "t=a,b",
        "bytes=5",
        "bytes=1.5-3",
        "rows=1",
        "t=1e3,2e3",
    ],
)
def test_no_fragment(text):
    with pytest.raises(
        ParameterError, match="is no fragment; write #row=12, #t=5,10, #bytes=0-65535"
    ) as caught:
        parse_fragment(text)
    assert str(caught.value).startswith(f"#{text} ")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("bytes", 5, 5), "a fragment must begin at 0 or later and end after it begins, got 5 to 5"),
        (("t", -1, 5), "a fragment must begin at 0 or later and end after it begins, got -1 to 5"),
        (("t", 9, 5), "a fragment must begin at 0 or later and end after it begins, got 9 to 5"),
        (("t", float("nan"), 5), "a fragment must begin at 0 or later and end after it begins, got nan to 5"),
        (("t", 0, float("inf")), "a fragment must begin at 0 or later and end after it begins, got 0 to inf"),
        (("t", 0, 1e-7), "a fragment must begin at 0 or later and end after it begins, got 0 to 0"),
        (("bytes", 0.5, 5), "a fragment in bytes must be in whole numbers, got 0.5 to 5"),
        (("rows", 0, 1), "Fragment.unit must be one of row, t, bytes, events, samples, got 'rows'"),
    ],
)
def test_messages(values, message):
    with pytest.raises(ParameterError) as caught:
        Fragment(*values)
    assert str(caught.value) == message


@given(st.sampled_from(["bytes", "events", "samples"]), st.integers(0, 10**12), st.integers(1, 10**12))
def test_parts_in_whole_things_are_their_text(unit, start, length):
    fragment = Fragment(unit, start, start + length)
    assert parse_fragment(str(fragment)) == fragment


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_parts_in_seconds_are_their_text(start, stop):
    assume(round(start, 6) < round(stop, 6))
    fragment = Fragment("t", start, stop)
    assert parse_fragment(str(fragment)) == fragment


@pytest.mark.parametrize(
    ("address", "path", "fragment"),
    [
        ("bird.wav", "bird.wav", None),
        ("bird.wav#t=0,5", "bird.wav", Fragment("t", 0, 5)),
        ("a#b.wav#row=3", "a#b.wav", Fragment("row", 3, 4)),
        ("song #9.wav", "song #9.wav", None),
        (Path("x.tsv#row=0"), "x.tsv", Fragment("row", 0, 1)),
        (f"{'x' * 5000}#row=0", "x" * 5000, Fragment("row", 0, 1)),
    ],
)
def test_addresses(address, path, fragment):
    assert parse_address(address) == (Path(path), fragment)


def test_a_file_whose_name_looks_like_an_address_is_that_file(tmp_path):
    file = tmp_path / "odd#row=3"
    file.write_bytes(b"x")
    assert parse_address(file) == (file, None)


def test_an_address_with_no_fragment_in_it_says_what_one_looks_like():
    with pytest.raises(ParameterError, match="^#t=5 is no fragment; write"):
        parse_address("bird.wav#t=5")
