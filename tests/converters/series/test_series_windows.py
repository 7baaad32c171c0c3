"""Overlapping windows: by hand, against torch's resize, missing values, and samples found again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Box, ParameterError, Series, SignalError, from_config, make, parse_views
from phosphene.converters.series.base import value_quantiles
from phosphene.converters.series.rows import draw_windows, resampling, window_starts

GOLDEN = Path(__file__).parents[2] / "golden"


def wave(n=300):
    index = np.arange(n)
    values = np.sin(index / 9) + np.sin(index / 2.3) / 4 + index / n
    values[40:44] = values[200] = np.nan
    return Series(values)


def pixels(values, **choices):
    return make("windows", **choices)(Series(values)).pixels[..., 0]


def test_as_many_pixels_as_samples_are_the_trajectory_matrix():
    values = np.array([0.0, 3.0, 1.0, 5.0, 2.0, 4.0])
    drawn = draw_windows(values, 4, np.array([0, 1, 2]), (3, 4), (0.0, 5.0))
    np.testing.assert_array_equal(drawn // 51, [[0, 3, 1, 5], [3, 1, 5, 2], [1, 5, 2, 4]])


@given(st.integers(1, 500), st.floats(0.001, 1), st.floats(0.01, 1))
def test_windows_cover_the_series_from_end_to_end(count, length, hop):
    width, starts = window_starts(count, length, hop)
    assert starts[0] == 0
    assert starts[-1] + width == count
    assert (np.diff(starts) <= max(1, round(hop * width))).all()


@pytest.mark.parametrize(("count", "size"), [(5, 16), (16, 16), (21, 8), (667, 112), (1, 4)])
def test_resampling_is_linear_interpolation_with_averages(count, size):
    values = np.random.default_rng(0).normal(size=count)
    image = torch.tensor(values)[None, None, None]
    expected = torch.nn.functional.interpolate(image, size=(1, size), mode="bilinear", antialias=True)
    np.testing.assert_allclose(resampling(count, size) @ values, expected[0, 0, 0].numpy(), atol=1e-6)


def test_what_repeats_with_the_hop_has_equal_rows():
    values = np.tile([0.0, 1.0, 4.0, 2.0], 25)
    drawn = pixels(values, size=16, length=0.16, hop=0.25)
    assert (drawn == drawn[0]).all()


def test_missing_values_are_black_and_left_out_of_averages():
    values = np.full(64, 3.0)
    values[0], values[20:40] = 1.0, np.nan
    drawn = pixels(values, size=8, length=1.0)
    assert (drawn[0, 1:2] == 255).all()
    assert drawn[0, 3] == 0


def test_a_series_that_never_changes_is_mid_grey_unless_the_range_says_where_it_lies():
    assert (pixels(np.full(50, 7.0), size=8) == 128).all()
    assert (pixels(np.full(50, 7.0), size=8, value_range=(5.0, 10.0)) == 102).all()


def test_a_long_series_is_averaged_first_and_found_all_the_same():
    values = np.zeros(200_000)
    values[150_000:150_400] = 1.0
    image = make("windows", size=32)(Series(values))
    row, column = np.unravel_index(image.pixels[..., 0].argmax(), (32, 32))
    spans = image.locate(Box(int(column), int(row), int(column) + 1, int(row) + 1)).spans
    assert min(abs(span.start - 150_200) for span in spans) < 5000


def test_a_box_stands_for_a_stretch_of_each_window():
    image = make("windows", size=8, length=0.5, hop=0.25)(Series(np.arange(16.0), step_s=0.5))
    assert str(image.locate(Box(0, 0, 2, 1))) == "time 0 to 1 s"
    assert str(image.locate(Box(0, 0, 8, 8))) == "time 0 to 8 s"


@pytest.mark.parametrize(
    ("name", "choices"),
    [("windows", {}), ("windows_differences", {"input": "differences", "value_range": (-0.5, 0.5)})],
)
def test_an_image_is_the_golden_one(name, choices):
    drawn = make("windows", size=32, **choices)(wave()).pixels
    assert np.abs(drawn.astype(int) - np.load(GOLDEN / f"series_{name}.npy")).max() <= 1


@pytest.mark.parametrize("name", ["windows", "line"])
def test_the_range_of_training_items_tells_level_and_amplitude(name):
    training = [Series(np.sin(np.arange(100) / 5) * scale) for scale in (1.0, 2.0, 4.0)]
    small, large = Series(np.sin(np.arange(100) / 5)), Series(4 * np.sin(np.arange(100) / 5))
    own = make(name, size=32)
    assert (own(small).pixels == own(large).pixels).mean() > 0.99
    resolved = make(name, size=32, value_range="training").resolve(training)
    assert (resolved(small).pixels == resolved(large).pixels).mean() < 0.95
    assert resolved.resolve([large]) == resolved
    assert resolved.value_range == pytest.approx((-4, 4), abs=0.02)


def test_what_lies_outside_the_range_is_clipped():
    drawn = pixels([-9.0, 0.0, 1.0, 9.0], size=8, length=1.0, value_range=(0.0, 1.0))
    np.testing.assert_array_equal(drawn[0, [0, 7]], [0, 255])


def test_each_channel_has_its_range_and_a_config_keeps_it():
    rng = np.random.default_rng(0)
    training = [Series(rng.normal(size=(2, 50)) * [[1.0], [100.0]]) for _ in range(4)]
    view = make("line", size=32, value_range="training").resolve(training)
    assert view.value_range[3] > 20 * view.value_range[1] > 0
    assert from_config(view.config) == view
    assert parse_views(view.spec) == (view,)
    with pytest.raises(SignalError, match=r"2 channels.*channels=first"):
        view(Series(rng.normal(size=(3, 50))))


def test_one_range_holds_for_differences_too():
    view = make("windows", size=16, input="differences", value_range="training")
    assert view.resolve([Series([0.0, 1.0, 3.0])]).value_range == pytest.approx((1, 2), abs=0.01)


def test_a_range_of_three_channels_drawn_as_one_image_is_resolved_by_part():
    (view,) = parse_views("line(value_range=training)+gasf+gadf")
    assert view.resolve([Series([0.0, 2.0])]).red.value_range == pytest.approx((0, 2), abs=0.01)


@pytest.mark.parametrize("value_range", [(), (1.0,), (2.0, 1.0), (0.0, 1.0, 2.0)])
def test_a_range_that_is_none_is_refused(value_range):
    with pytest.raises(
        ParameterError, match="value_range must be a lowest and a higher number for each channel"
    ):
        make("line", value_range=value_range)


def test_quantiles_leave_a_spike_out():
    low, high = value_quantiles(np.append(np.linspace(0, 1, 5000), 1e6))
    assert (low, high) == pytest.approx((0, 1), abs=0.01)
