"""Images that know what their pixels stand for."""

from itertools import pairwise

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Axes, Axis, Box, Image, Offsets, ParameterError, Region, SignalError, Span
from phosphene.converters.core.image import join_spans

TIME = Axis("time", "s", np.array([0.0, 0.5, 1.0, 1.5]))
HERTZ = Axis("frequency", "Hz", np.array([400.0, 200.0, 100.0]))
PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)


def image():
    return Image(PIXELS, Axes(TIME, HERTZ))


def test_axes_give_spans_the_smaller_value_first():
    region = image().locate(Box(1, 0, 3, 1))
    assert region.spans == (Span("time", "s", 0.5, 1.5), Span("frequency", "Hz", 200.0, 400.0))
    assert str(region) == "time 0.5 to 1.5 s, frequency 200 to 400 Hz"
    assert region.of("frequency") == (region.spans[1],)
    assert TIME.title == "time [s]"


def test_an_empty_region_says_so():
    assert str(Region(())) == "nothing of the signal"


def test_a_span_tells_the_name_of_its_place():
    assert str(Span("bytes", "", 0, 512, ".text")) == "bytes 0 to 512 (.text)"


def test_offsets_are_joined_in_their_order():
    start, stop = np.array([[4, 0], [2, 9]]), np.array([[6, 2], [4, 9]])
    picture = Image(np.zeros((2, 2, 1), np.uint8), Offsets("bytes", "", start, stop))
    assert picture.locate(Box(0, 0, 2, 2)).spans == (Span("bytes", "", 0, 6),)
    assert picture.locate(Box(0, 0, 2, 1)).spans == (Span("bytes", "", 0, 2), Span("bytes", "", 4, 6))
    assert picture.locate(Box(1, 1, 2, 2)).spans == ()
    assert picture.layout.axes() is None


def test_offsets_are_cut_where_the_name_changes():
    def name(low, high):
        return [(low, 5, ".text"), (5, high, ".data")]

    picture = Image(
        np.zeros((1, 1, 1), np.uint8), Offsets("bytes", "", np.array([[0]]), np.array([[8]]), name)
    )
    assert str(picture.locate(Box(0, 0, 1, 1))) == "bytes 0 to 5 (.text), bytes 5 to 8 (.data)"


def test_planes_are_asked_each_and_told_once():
    other = Axes(TIME, Axis("lag", "s", np.array([0.0, 1.0, 2.0])))
    picture = Image(
        np.zeros((2, 3, 3), np.uint8), Axes(TIME, HERTZ), (Axes(TIME, HERTZ), other, Axes(TIME, HERTZ))
    )
    assert str(picture.locate(Box(0, 0, 1, 1))) == "time 0 to 0.5 s, frequency 200 to 400 Hz, lag 0 to 1 s"


@pytest.mark.parametrize("box", [(0, 0, 4, 1), (0, 0, 1, 3)])
def test_a_box_beyond_the_image(box):
    with pytest.raises(ParameterError, match="reaches beyond the image of 2 x 3 pixels"):
        image().locate(Box(*box))


@pytest.mark.parametrize("box", [(-1, 0, 1, 1), (1, 0, 1, 1), (0, 2, 1, 1)])
def test_no_box(box):
    with pytest.raises(ParameterError, match="^a box needs 0 <= left < right and 0 <= top < bottom, got "):
        Box(*box)


@pytest.mark.parametrize(
    ("pixels", "got"),
    [
        (np.zeros((2, 2, 1)), r"float64 \(2, 2, 1\)"),
        (np.zeros((2, 2), np.uint8), r"uint8 \(2, 2\)"),
        (np.zeros((2, 2, 2), np.uint8), r"uint8 \(2, 2, 2\)"),
    ],
)
def test_no_image(pixels, got):
    with pytest.raises(SignalError, match=f"^an image must be uint8 .height, width, 1 or 3., got {got}$"):
        Image(pixels, Axes(TIME, HERTZ))


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_saved_and_opened_again(tmp_path, channels, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, channels), np.uint8)
    path = Image(pixels, Axes(TIME, HERTZ)).save(tmp_path / "new" / "picture.png")
    with PIL.Image.open(path) as opened:
        assert (opened.mode, opened.size) == (mode, (4, 5))
        np.testing.assert_array_equal(np.asarray(opened).reshape(5, 4, channels), pixels)
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("name", ["picture", "picture.npy", "picture.psd"])
def test_a_suffix_of_no_image_format(tmp_path, name):
    with pytest.raises(ParameterError, match="the suffix names no image format; write .png$"):
        image().save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8))))
def test_joined_stretches_hold_the_same_places(stretches):
    start = np.array([first for first, _ in stretches], np.int64)
    stop = np.array([first + length for first, length in stretches], np.int64)
    joined = join_spans(start, stop)
    one_by_one = {place for first, length in stretches for place in range(first, first + length)}
    assert {place for low, high in joined for place in range(low, high)} == one_by_one
    assert all(high < low for (_, high), (low, _) in pairwise(joined))
    assert all(low < high for low, high in joined)
