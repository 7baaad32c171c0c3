"""Contact sheets: pixels as they are, ticks at round values, titles of any letters."""

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Axes, Axis, Image, Offsets, make
from phosphene.converters.audio.signal import Audio
from phosphene.pipeline.tiles.pictures import draw_sheet, ticks


def axis(edges, quantity="time", unit="s"):
    return Axis(quantity, unit, np.asarray(edges, float))


def image(size=224, channels=1, layout=None):
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, channels), dtype=np.uint8)
    return Image(pixels, layout or Axes(axis(np.linspace(0, 5, size + 1)), axis(np.linspace(9, 0, size + 1))))


# Ticks

EVEN = {
    "0 to 5": (np.linspace(0, 5, 225), ["0", "1", "2", "3", "4", "5"]),
    "5.001 s of sound": (np.linspace(0, 5.001, 225), ["0", "1", "2", "3", "4", "5"]),
    "286 samples": (np.linspace(0, 286, 225), ["0", "100", "200"]),
    "a part": (np.linspace(12.3, 12.7, 225), ["12.3", "12.4", "12.5", "12.6", "12.7"]),
    "microseconds": (np.linspace(0, 4e-6, 225), ["0", "1e-06", "2e-06", "3e-06", "4e-06"]),
    "seconds since 1970": (np.linspace(1.7e9, 1.7e9 + 4, 225), [f"170000000{n}" for n in range(5)]),
    "both sides of 0": (np.linspace(-10, 10, 225), ["-10", "-5", "0", "5", "10"]),
    "falling": (np.linspace(20000, 0, 225), ["0", "5000", "10000", "15000", "20000"]),
    "two pixels": ([0, 1, 2], ["0", "0.5", "1", "1.5", "2"]),
}


@pytest.mark.parametrize("case", EVEN)
def test_ticks_of_an_even_axis(case):
    edges, words = EVEN[case]
    places, found = ticks(axis(edges))
    assert found == words
    # An even axis: a value's place is as far along the pixels as the value is along the axis.
    share = (np.array(found, float) - edges[0]) / (edges[-1] - edges[0])
    assert places == pytest.approx(share * (len(edges) - 1) - 0.5, abs=1e-3)


def test_ticks_of_a_mel_axis_are_powers_of_ten_and_halves():
    mels = make("mel")(Audio(np.zeros((1, 44100), np.float32), rate_hz=44100))
    places, words = ticks(mels.layout.axes()[1])
    assert words == ["100", "1000", "2000", "5000", "10000"]
    assert places == sorted(places, reverse=True), "low frequencies stand below high ones"
    assert np.diff(places).max() < -20, "labels must not touch"


def test_ticks_of_a_logarithmic_axis():
    places, words = ticks(axis(np.geomspace(1, 1000, 31)))
    assert words == ["1", "10", "100", "1000"]
    assert places == pytest.approx([-0.5, 9.5, 19.5, 29.5])


@given(
    low=st.floats(-1e6, 1e6),
    span=st.floats(1e-3, 1e6),
    bend=st.floats(0.2, 5),
    count=st.integers(2, 8),
    falling=st.booleans(),
)
def test_ticks_stand_where_the_axis_has_their_value(low, span, bend, count, falling):
    edges = low + span * np.linspace(0, 1, 101) ** bend
    edges = edges[::-1] if falling else edges
    places, words = ticks(axis(edges), count)
    values = np.array(words, float)
    assert 2 <= len(words) <= 3 * count
    assert len(set(words)) == len(words)
    assert np.all(np.diff(values) > 0)
    assert np.all((values >= edges.min() - span * 1e-3) & (values <= edges.max() + span * 1e-3))
    there = np.interp(np.array(places) + 0.5, np.arange(101), edges)
    assert there == pytest.approx(values, abs=span * 1e-3 + 1e-9 * abs(low))


# Sheets


def test_every_pixel_of_an_image_is_a_pixel_of_the_picture(tmp_path):
    drawn = image()
    draw_sheet([("noise", drawn)], tmp_path / "sheet.png", columns=1)
    with PIL.Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (310, 317)
        inside = np.asarray(sheet.convert("L"))[45:269, 66:290]
    assert np.array_equal(inside[2:-2, 2:-2], drawn.pixels[2:-2, 2:-2, 0])


def test_colours_stay_colours(tmp_path):
    drawn = image(channels=3)
    draw_sheet([("noise", drawn)], tmp_path / "sheet.png", columns=1)
    with PIL.Image.open(tmp_path / "sheet.png") as sheet:
        inside = np.asarray(sheet.convert("RGB"))[45:269, 66:290]
    assert np.array_equal(inside[2:-2, 2:-2], drawn.pixels[2:-2, 2:-2])


def test_cells_stand_in_rows_and_none_leaves_one_empty(tmp_path):
    draw_sheet([("a", image()), ("", None), ("b", image())], tmp_path / "sheet.png", columns=2, title="title")
    with PIL.Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (620, 654)
        pixels = np.asarray(sheet.convert("L"))
    assert pixels[25:330, 312:].min() == 255
    assert pixels[340:, :310].min() == 0


def test_large_images_make_large_pictures_up_to_a_limit(tmp_path):
    for size, width in ((16, 310), (400, 486), (2048, 598)):
        draw_sheet([("noise", image(size))], tmp_path / "sheet.png", columns=1)
        with PIL.Image.open(tmp_path / "sheet.png") as sheet:
            assert sheet.width == width


def test_an_image_without_axes_has_no_ticks(tmp_path):
    places = np.arange(224 * 224).reshape(224, 224)
    draw_sheet([("", image(layout=Offsets("bytes", "", places, places + 1)))], tmp_path / "s.png", columns=1)
    with PIL.Image.open(tmp_path / "s.png") as sheet:
        pixels = np.asarray(sheet.convert("L"))
    assert pixels[275:].min() == 255
    assert pixels[:, :60].min() == 255


@pytest.mark.parametrize(
    "name", ["$x_1$ $", "\u732b.wav", "a\x1b[31m.wav", "\udcff.wav", "two\nlines", "long" * 60, ""]
)
def test_names_of_any_letters(tmp_path, name):
    path = draw_sheet([(name, image(32))], tmp_path / "sheet.png", columns=1, title=name)
    assert path.stat().st_size > 1000
