"""Levels of channels as bars: hand-computed greys, ranges of the training items, and what pixels stand for."""

import numpy as np
import pytest

from phosphene.converters import Box, ParameterError, Series, from_config, make


def bars(view, values):
    """Grey of each statistic (mean, deviation, lowest, highest) of each channel."""
    pixels = view(Series(values)).pixels[:, :, 0]
    n_channels = len(values)
    down, across = pixels.shape[0] // n_channels, pixels.shape[1] // 4
    return pixels[down // 2 :: down, across // 2 :: across][:n_channels].tolist()


def test_levels_lie_between_the_lowest_and_the_highest_of_the_series():
    values = [[0.0, 10.0, 0.0, 10.0], [5.0, 5.0, 5.0, 5.0]]
    assert bars(make("levels", size=16), values) == [[128, 255, 0, 255], [128, 0, 128, 128]]


def test_levels_of_training_items_have_a_range_for_each_statistic_of_each_channel():
    learned = [Series([[low, low + 2.0], [100.0, 300.0]]) for low in (0.0, 1.0, 2.0)]
    view = make("levels", size=16, value_range="training").resolve(learned)
    assert len(view.value_range) == 2 * 4 * 2
    middle = bars(view, [[1.0, 3.0], [100.0, 300.0]])
    assert middle[0] == pytest.approx([127.5] * 4, abs=0.6)
    assert bars(view, [[50.0, 52.0], [-900.0, 300.0]])[0][0] == 255  # outside is clipped
    assert from_config(view.config) == view


def test_missing_values_are_left_out():
    nan = float("nan")
    drawn = bars(make("levels", size=16), [[0.0, nan, 10.0], [10.0, 10.0, nan]])
    assert drawn == [[128, 255, 0, 255], [255, 0, 255, 255]]


def test_more_channels_than_rows_are_averaged():
    values = np.repeat([[0.0], [10.0]], 16, axis=0) * np.ones((32, 3))
    pixels = make("levels", size=8)(Series(values)).pixels[:, 0, 0]
    assert pixels.tolist() == [0] * 4 + [255] * 4


def test_pixels_stand_for_a_statistic_of_a_channel():
    image = make("levels", size=16)(Series(np.arange(12.0).reshape(3, 4), step_s=0.5))
    assert str(image.locate(Box(12, 15, 13, 16))) == "time 0 to 2 s (highest of channel 2)"
    assert len(image.locate(Box(0, 0, 16, 16)).spans) == 12


@pytest.mark.parametrize("numbers", [(), (0.0, 1.0), (1.0, 0.0) * 4])
def test_ranges_that_are_none(numbers):
    with pytest.raises(
        ParameterError, match="ChannelLevels.value_range must be a lowest and a higher number"
    ):
        make("levels", value_range=numbers)


def test_more_channels_than_it_has_ranges_for():
    view = make("levels", size=16, value_range=(0.0, 1.0) * 4)
    with pytest.raises(ValueError, match="value_range of 1 channels, got a series with 2"):
        view(Series(np.zeros((2, 5))))
