"""Line plots: by hand, against Pillow and against every line drawn, by their properties, and places found again."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phosphene.converters import Box, ParameterError, Series, make
from phosphene.converters.kernels.loops import draw_lines
from phosphene.converters.series.loops import plot_lines

GOLDEN = Path(__file__).parents[2] / "golden"
FILLS = ("none", "below", "mean")
# Whole numbers, so that scaling and moving them leaves no rounding.
series = hnp.arrays(
    np.float32, st.integers(1, 120), elements=st.one_of(st.integers(-50, 50).map(float), st.just(np.nan))
).filter(lambda values: not np.isnan(values).all())


def wave(n=300):
    place = np.arange(n)
    values = np.sin(place / 9) + np.sin(place / 2.3) / 4 + place / n
    values[40:60] = values[200] = np.nan
    return Series(values)


def pixels(values, *, size=64, **choices):
    return make("line", size=size, **choices)(Series(values)).pixels[..., 0]


def line_of(values, *, width=100, height=100, low=0.0, span=1.0):
    return plot_lines(np.asarray(values, np.float64), low, span, width, height, 0.0)


def nearly_equal(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_points_and_lines_by_hand():
    assert line_of([0, 1, 0.5], width=6, height=8).tolist() == [[1, 8, 1, 8], [1, 8, 3, 0], [3, 0, 5, 4]]
    gap = line_of([0, np.nan, 1, 1], width=8, height=4)
    assert gap.tolist() == [[1, 4, 1, 4], [5, 0, 5, 0], [5, 0, 7, 0]]


def test_a_column_keeps_its_first_lowest_highest_and_last_sample():
    values = [5, 3, 9, 4, 7, 1, 1, 1, 1, 1]
    heights = line_of(values, width=2, height=10, span=10)[:, 3]
    assert (10 - heights).tolist() == [5, 3, 9, 7, 1, 1]
    assert len(line_of(np.random.default_rng(0).random(100_000), width=50)) <= 200


@given(values=series, width=st.integers(1, 150))
def test_points_are_samples_and_none_of_the_extremes_is_lost(values, width):
    lines = line_of(values, width=width, height=1, low=-50.0, span=100.0)
    place = np.rint(lines[:, 2] * len(values) / width - 0.5).astype(int)
    shown = 100 * (1 - lines[:, 3]) - 50
    np.testing.assert_allclose(shown, values[place], atol=1e-9)
    assert (np.diff(place) > 0).all()
    columns = (2 * np.arange(len(values)) + 1) * width // (2 * len(values))
    for column in np.unique(columns):
        own = values[columns == column]
        if not np.isnan(own).all():
            drawn = shown[columns[place] == column]
            extremes = np.nanmin(own), np.nanmax(own)
            np.testing.assert_allclose((drawn.min(), drawn.max()), extremes, atol=1e-9)


@given(values=series)
def test_nothing_is_drawn_over_a_gap_of_a_pixel_or_more(values):
    lines = line_of(values, width=len(values))
    joined = lines[:, 0] < lines[:, 2]
    first, last = (np.rint(lines[:, at] - 0.5).astype(int) for at in (0, 2))
    assert all(
        not np.isnan(values[a : b + 1]).any() for a, b in zip(first[joined], last[joined], strict=True)
    )
    assert sorted(set(last.tolist())) == np.flatnonzero(~np.isnan(values)).tolist()


def test_agrees_with_a_shrunk_drawing_by_pillow():
    values = np.random.default_rng(0).normal(size=20).cumsum()
    many, size, width = 16, 64, 2.0
    canvas = PIL.Image.new("L", (size * many, size * many))
    pen = PIL.ImageDraw.Draw(canvas)
    x = (np.arange(20) + 0.5) / 20 * size
    y = width / 2 + (values.max() - values) / np.ptp(values) * (size - width)
    points = list(zip((x * many).tolist(), (y * many).tolist(), strict=True))
    pen.line(points, fill=255, width=int(width * many))
    for at, down in points:
        pen.circle((at, down), width * many / 2, fill=255)
    expected = np.asarray(canvas.reduce(many), int)
    got = pixels(values, size=size, line_width_px=width).astype(int)
    # Ours covers a pixel by its distance to each line, Pillow's by the area of all: at joints they differ most.
    assert np.abs(got - expected).mean() < 2
    assert (np.abs(got - expected) > 60).mean() < 0.01


def test_a_long_series_looks_as_if_every_line_were_drawn():
    values = np.random.default_rng(0).normal(size=4000).cumsum()
    size, width = 128, 1.5
    x = (np.arange(4000) + 0.5) / 4000 * size
    y = width / 2 + (values.max() - values) / np.ptp(values) * (size - width)
    expected = np.zeros((size, size, 1), np.uint8)
    ends = np.stack([x[:-1], y[:-1], x[1:], y[1:]], axis=1)
    draw_lines(expected, ends, np.ones((3999, 1)), np.full(3999, width), False)
    got = pixels(values, size=size)
    assert np.abs(got.astype(int) - expected[..., 0]).mean() < 1.5
    assert not got[scipy.ndimage.maximum_filter(expected[..., 0], 3) == 0].any()


def test_filled_below_by_hand():
    got = pixels([0, 4, 4, 0], size=8, fill="below", line_width_px=0.01)
    # The middles of columns 1 to 6 are under the line; it rises by 4 of 8 rows a column.
    assert (got > 50).sum(axis=0).tolist() == [0, 2, 6, 8, 8, 6, 2, 0]


def test_filled_to_the_mean_both_sides_are_grey():
    values = np.repeat([1.0, -1.0], 32)
    got = pixels(values, fill="mean", line_width_px=1)
    assert (got[8:30, 4:28] == 112).all()
    assert (got[34:56, 36:60] == 112).all()
    assert not got[34:56, 4:28].any()
    assert not got[8:30, 36:60].any()


@pytest.mark.parametrize("fill", FILLS)
def test_a_gap_is_black(fill):
    values = np.sin(np.arange(64) / 5)
    values[20:40] = np.nan
    got = pixels(values, fill=fill)
    assert not got[:, 22:38].any()
    assert got[:, :19].any(axis=0).all()
    assert got[:, 41:].any(axis=0).all()


def test_a_value_between_missing_ones_is_a_dot():
    values = np.full(33, np.nan)
    values[[0, 16]] = 0, 1
    rows, columns = np.nonzero(pixels(values, size=33))
    assert set(columns.tolist()) <= {0, 1, 15, 16, 17}
    assert len(rows) < 16


@pytest.mark.parametrize("fill", FILLS)
def test_what_never_changes_lies_in_the_middle(fill):
    got = pixels(np.full(50, 3.5), fill=fill, line_width_px=2)
    assert (got[31:33, 2:-2] == 255).all()
    assert not got[:30].any()


@given(values=series, factor=st.sampled_from([0.25, 2.0, 1024.0]), offset=st.integers(-1000, 1000))
def test_scale_and_offset_do_not_matter(values, factor, offset):
    for fill in FILLS:
        one, other = pixels(values, fill=fill), pixels((values + offset) * factor, fill=fill)
        assert nearly_equal(one, other)


@given(values=series)
def test_upside_down_values_give_the_picture_upside_down(values):
    for fill in ("none", "mean"):
        assert nearly_equal(pixels(-values, fill=fill), pixels(values, fill=fill)[::-1])


@pytest.mark.slow
@given(values=series)
def test_backwards_values_give_the_mirrored_picture(values):
    # Where a column has more than four samples, of equal extremes the first is taken.
    assert nearly_equal(pixels(values[::-1], size=128), pixels(values, size=128)[:, ::-1])


@given(values=series)
def test_a_fill_only_adds_grey_under_the_line(values):
    plain = pixels(values)
    for fill in ("below", "mean"):
        filled = pixels(values, fill=fill)
        assert (filled >= plain).all()
        assert (filled[filled != plain] <= 112).all()


@pytest.mark.parametrize("channels", ["mosaic", "stack", "color", "first", "mean"])
def test_a_peak_is_found_back_with_its_value(channels):
    values = np.random.default_rng(0).normal(size=(3, 5000)) / 10
    values[:, 3210] = [5.0, 6.0, 7.0]
    image = make("line", channels=channels)(Series(values, step_s=0.5))
    row, column = np.argwhere(image.pixels[..., 0])[0].tolist()
    region = image.locate(Box(column, row, column + 1, row + 1))
    time, value = (region.of(name)[0] for name in ("time", "value"))
    assert time.start <= 1605 + 12  # the line is wider than its column
    assert time.stop >= 1605 - 12
    assert time.stop - time.start <= 2 * 5000 / 2 / 74
    peak = {"mean": 6.0}.get(channels, 5.0)
    assert value.start - 0.3 <= peak <= value.stop + 0.3
    assert value.stop - value.start < 0.2
    assert {span.label for span in region.spans} == (
        {""} if channels in ("first", "mean") else {"channel 0"}
    ) or (channels == "color")


def test_rows_are_values():
    image = make("line", size=64, line_width_px=2)(Series([10.0, 30.0, 20.0]))
    (whole,) = image.locate(Box(0, 1, 64, 63)).of("value")
    assert (whole.start, whole.stop) == pytest.approx((10, 30))
    x, y = image.layout.axes()
    assert (x.title, y.title) == ("sample", "value")
    assert np.interp(30.0, y.edges[::-1], np.arange(64, -1, -1)) == pytest.approx(1)


def test_each_channel_has_its_own_values():
    image = make("line", size=64, channels="stack")(Series([[0.0, 1.0], [500.0, 900.0]]))
    spans = image.locate(Box(0, 0, 64, 64)).of("value")
    assert [span.label for span in spans] == ["channel 0", "channel 1"]
    assert spans[0].stop < 1.1
    assert spans[1].start > 480
    color = make("line", size=64, channels="color")(Series([[0.0, 1.0], [500.0, 900.0]]))
    assert [span.label for span in color.locate(Box(0, 0, 64, 64)).of("value")] == ["channel 0", "channel 1"]


def test_what_is_drawn_of_differences_are_their_values():
    image = make("line", size=64, input="differences")(Series([0.0, 1.0, 11.0, 11.0]))
    (value,) = image.locate(Box(0, 1, 64, 63)).of("value")
    assert (value.start, value.stop) == pytest.approx((0, 10), abs=0.1)


GOLDEN_VIEWS = {
    "series_line": make("line", size=64),
    "series_line_below": make("line", size=64, fill="below"),
    "series_line_mean": make("line", size=64, fill="mean", line_width_px=3.0),
}


@pytest.mark.parametrize("name", GOLDEN_VIEWS)
def test_pixels_are_what_they_were(name):
    stored = np.load(GOLDEN / f"{name}.npy", allow_pickle=False)
    assert nearly_equal(GOLDEN_VIEWS[name](wave()).pixels, stored)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fill": "above"}, "LinePlot.fill must be one of 'none', 'below', 'mean', got 'above'"),
        ({"line_width_px": 0}, "LinePlot.line_width_px must be a number > 0 and <= 64, got 0"),
    ],
)
def test_parameters_out_of_bounds(values, message):
    with pytest.raises(ParameterError) as caught:
        make("line", **values)
    assert str(caught.value) == message
