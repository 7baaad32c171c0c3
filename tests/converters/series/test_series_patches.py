"""The folded series: rows, the rest of the last row, and places found again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phosphene.converters import Box, ParameterError, Series, make, parse_views
from phosphene.converters.series.rows import fold


def test_a_series_is_folded_in_rows_and_the_rest_is_missing():
    np.testing.assert_array_equal(fold(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 3), [[1, 2, 3], [4, 5, np.nan]])


def test_the_rest_of_the_last_row_is_black_and_nothing_of_the_signal():
    image = make("patches", size=8, width=4)(Series([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]))
    assert image.pixels[4:, :4].min() > 0
    assert not image.pixels[4:, 4:].any()
    assert str(image.locate(Box(4, 4, 8, 8))) == "nothing of the signal"
    assert str(image.locate(Box(2, 4, 8, 8))) == "sample 5 to 6"


def test_a_box_over_rows_gives_a_stretch_of_each():
    image = make("patches", size=8, width=4)(Series(np.arange(16.0), step_s=0.5))
    region = image.locate(Box(2, 0, 4, 4))
    assert str(region) == "time 0.5 to 1 s, time 2.5 to 3 s"
    assert str(image.locate(Box(0, 0, 8, 8))) == "time 0 to 8 s"


@pytest.mark.parametrize("length", [1, 2, 7, 64, 90, 5000])
@pytest.mark.parametrize("width", [None, 1, 5, 24, 300])
def test_every_sample_is_found_in_exactly_one_block_of_pixels(length, width):
    view = make("patches", size=16, width=width)
    image = view(Series(np.arange(float(length))))
    seen = np.zeros(length, int)
    rows, columns = image.layout.rows[0], image.layout.columns[0]
    for top in np.unique(rows, return_index=True)[1]:
        for left in np.unique(columns, return_index=True)[1]:
            for span in image.locate(Box(int(left), int(top), int(left) + 1, int(top) + 1)).spans:
                seen[int(span.start) : int(span.stop)] += 1
    assert (seen == 1).all()


def test_a_spike_is_found_again():
    values = np.zeros(5000)
    values[3210] = 1.0
    image = make("patches", size=32)(Series(values))
    row, column = np.unravel_index(image.pixels[..., 0].argmax(), (32, 32))
    spans = image.locate(Box(int(column), int(row), int(column) + 1, int(row) + 1)).spans
    assert any(span.start <= 3210 < span.stop for span in spans)
    assert sum(span.stop - span.start for span in spans) <= 9


def test_missing_values_are_black_and_left_out_of_averages():
    values = np.full(256, np.nan)
    values[::2] = np.arange(128)
    image = make("patches", size=8, width=16)(Series(values))
    shares = (values.reshape(8, 2, 16)[:, :, ::2].mean(1) - 4) / (123 - 4)  # averages run from 4 to 123
    np.testing.assert_array_equal(image.pixels[..., 0], np.rint(255 * shares))
    alone = make("patches", size=16, width=16)(Series(values)).pixels[..., 0]
    assert not alone[:, 1::2].any()


@pytest.mark.parametrize(("scale", "width"), [(0.5, 8), (1.0, 16), (2.0, 32), (64.0, 250), (1 / 64, 1)])
def test_automatic_widths_follow_the_root_of_the_length(scale, width):
    values = Series(np.random.default_rng(0).normal(size=250))
    automatic, named = (make("patches", size=64, **choice) for choice in ({"scale": scale}, {"width": width}))
    np.testing.assert_array_equal(automatic(values).pixels, named(values).pixels)


def test_three_widths_are_one_image():
    (view,) = parse_views("patches(scale=0.5)+patches+patches(scale=2)")
    image = view(series := Series(np.sin(np.arange(400.0) / 3)))
    for plane, width in enumerate((10, 20, 40)):
        np.testing.assert_array_equal(image.pixels[..., [plane]], make("patches", width=width)(series).pixels)


def test_a_width_and_a_scale_contradict_each_other():
    with pytest.raises(ParameterError) as caught:
        make("patches", width=16, scale=2.0)
    assert str(caught.value) == "Patches.scale must be 1 with width=16, got 2"


@pytest.mark.parametrize("period", [7, 12, 20])
def test_a_period_stands_in_columns_at_its_width(period):
    values = Series(np.tile(np.random.default_rng(0).random(period), 20))
    pixels = make("patches", size=period * 4, width=period)(values).pixels[..., 0]
    assert (pixels == pixels[:1]).all()


series = hnp.arrays(
    np.float32, st.integers(2, 90), elements=st.one_of(st.integers(-50, 50).map(float), st.just(np.nan))
).filter(lambda values: not np.isnan(values).all())


@given(values=series, factor=st.sampled_from([0.25, 2.0]), offset=st.integers(-100, 100))
def test_scale_and_offset_do_not_matter(values, factor, offset):
    view = make("patches", size=16)
    one, other = (view(Series(of)).pixels.astype(int) for of in (values, (values + offset) * factor))
    assert np.abs(one - other).max() <= 1


@given(values=series, width=st.integers(1, 12))
def test_agrees_with_a_loop_over_samples(values, width):
    size = 96
    rows = -(-len(values) // width)
    low, high = np.nanmin(values), np.nanmax(values)
    expected = np.zeros((size, size), int)
    for row in range(size):
        for column in range(size):
            i, j = (2 * row + 1) * rows // (2 * size), (2 * column + 1) * width // (2 * size)
            place = i * width + j
            if place < len(values) and not np.isnan(values[place]):
                share = (values[place] - low) / (high - low) if high > low else 128 / 255
                expected[row, column] = round(float(share) * 255)
    got = make("patches", size=size, width=width)(Series(values)).pixels[..., 0].astype(int)
    assert np.abs(got - expected).max() <= 1


def test_channels_in_strips_are_averaged_to_the_height_of_the_strip():
    values = np.stack([np.arange(64.0), np.arange(64.0)[::-1]])
    image = make("patches", size=16, width=4, channels="stack")(Series(values))
    assert image.pixels[:8, :, 0].astype(int)[0, 0] < image.pixels[7, 0, 0]
    assert str(image.locate(Box(0, 0, 16, 1))) == "sample 0 to 8 (channel 0)"
    assert str(image.locate(Box(0, 8, 4, 9))) == "sample 0 to 1 (channel 1), sample 4 to 5 (channel 1)"
