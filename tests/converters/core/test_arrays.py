"""What an array must be to stand in a signal."""

from datetime import datetime

import numpy as np
import pytest

from phosphene.converters import SignalError
from phosphene.converters.core.signal import channels_first, frozen_vector


def test_a_vector_becomes_one_channel_of_float32():
    array = channels_first([1, 2, 3], "x", missing="refused")
    assert (array.shape, array.dtype) == ((1, 3), np.float32)


def test_the_answer_is_read_only_and_the_argument_stays_as_it_was():
    given = np.ones((2, 3), np.float32)
    for array in (
        channels_first(given, "x", missing="refused"),
        frozen_vector(given[0], "x", np.float64),
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
    assert given.flags.writeable


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([["a"]], "x must be numbers, got list"),
        (["1.5", "2"], "x must be numbers, got list"),
        ([[1, 2], [3]], "x must be numbers, got list"),
        (np.array([1 + 2j]), "x must be numbers, got ndarray"),
        (np.array(["2020-01-01"], "datetime64[D]"), "x must be numbers, got ndarray"),
        ([datetime(2020, 1, 1)], "x must be numbers, got list"),
        ([10**400], "x must be numbers, got list"),
        ([], "x must be (channels, n) with at least one of each, got shape (1, 0)"),
        (3.0, "x must be (channels, n) with at least one of each, got shape ()"),
        (np.zeros((1, 2, 3)), "x must be (channels, n) with at least one of each, got shape (1, 2, 3)"),
        ([1.0, float("inf")], "x must be finite, got infinity"),
        ([1e39], "x must be finite, got infinity"),
        ([1.0, float("nan"), float("nan")], "x must be finite, got 2 NaN"),
    ],
)
def test_messages(values, message):
    with pytest.raises(SignalError) as caught:
        channels_first(values, "x", missing="refused")
    assert str(caught.value) == message


def test_missing_values_are_let_through_but_for_a_channel_of_nothing_else():
    nan = float("nan")
    assert np.isnan(channels_first([1.0, nan], "x", missing="allowed")).sum() == 1
    with pytest.raises(SignalError, match="^x must hold a value in every channel, channel 1 is all NaN$"):
        channels_first([[1.0, nan], [nan, nan]], "x", missing="allowed")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 256], "x must be whole numbers from 0 to 255"),
        ([-1], "x must be whole numbers from 0 to 255"),
        ([0.5], "x must be whole numbers from 0 to 255"),
        ([float("nan")], "x must be finite, got NaN or infinity"),
        ([[1]], "x must be a vector, got shape (1, 1)"),
        ("no", "x must be numbers, got str"),
    ],
)
def test_messages_of_vectors(values, message):
    with pytest.raises(SignalError) as caught:
        frozen_vector(values, "x", np.uint8)
    assert str(caught.value) == message
