"""Motion panels: against slow loops, by symmetry, and places found again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters.core.image import Box
from phosphene.converters.mouse import MotionPanels
from phosphene.converters.mouse.plots import density, share_out
from phosphene.converters.mouse.signal import MOVE, PRESS, MouseTrace


@st.composite
def sessions(draw):
    n = draw(st.integers(1, 30))
    steps = draw(st.lists(st.sampled_from([0, 0.015625, 0.125, 0.25, 4]), min_size=n, max_size=n))
    x, y = (draw(st.lists(st.integers(0, 2000), min_size=n, max_size=n)) for _ in range(2))
    event = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return MouseTrace(np.cumsum(steps), x, y, event)


def nearly_equal(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max() <= 1


@given(st.lists(st.tuples(st.floats(-3, 12), st.floats(-3, 12), st.floats(0, 5)), min_size=1, max_size=20))
def test_weights_are_shared_as_by_a_loop_over_pixels(places):
    column, row, weight = np.array(places).T
    expected = np.zeros((9, 9))
    for y in range(9):
        for x in range(9):
            near = np.maximum(1 - np.abs(column - x - 0.5), 0) * np.maximum(1 - np.abs(row - y - 0.5), 0)
            expected[y, x] = (near * weight).sum()
    np.testing.assert_allclose(share_out(column, row, weight, 9), expected, atol=1e-9)


def test_density_by_hand():
    # Two places in the middle of a pixel, spread by 1, 2, 1 both ways: 2/4, 2/8 and 2/16 of a place.
    level = density(np.array([2.5, 2.5]), np.array([2.5, 2.5]), 5)
    expected = np.log1p(16 * 2 * np.outer([0, 1, 2, 1, 0], [0, 1, 2, 1, 0]) / 16)
    np.testing.assert_allclose(level, expected / expected.max())


@given(trace=sessions())
def test_a_mirrored_session_mirrors_its_planes_and_keeps_its_bars(trace):
    view = MotionPanels(size=64)
    one = view(trace).pixels[..., 0]
    other = view(MouseTrace(trace.time_s, -trace.x, trace.y, trace.event)).pixels[..., 0]
    assert nearly_equal(one[:32, :32], other[:32, :32][:, ::-1])
    assert nearly_equal(one[:32, 32:], other[:32, 32:][:, ::-1])
    assert nearly_equal(one[32:], other[32:])


@given(trace=sessions())
def test_a_turned_session_turns_its_planes(trace):
    view = MotionPanels(size=64)
    one = view(trace).pixels[..., 0]
    turned = view(MouseTrace(trace.time_s, -trace.y, trace.x, trace.event)).pixels[..., 0]
    assert nearly_equal(np.rot90(one[:32, :32], -1), turned[:32, :32])
    assert nearly_equal(one[32:], turned[32:])


def test_a_press_is_found_back_among_the_bars():
    time_s = np.arange(100) / 10
    trace = MouseTrace(time_s, time_s * 300, time_s * 0, np.where(np.arange(100) == 70, PRESS, MOVE))
    picture = MotionPanels(size=200)(trace)
    bars = picture.pixels[100:, :, 0].max(axis=0)
    column = int(np.flatnonzero(bars == 255).mean())
    (time,) = picture.locate(Box(column, 100, column + 1, 200)).of("time")
    assert (time.start, time.stop) == pytest.approx((6.9, 7.0))


def test_a_step_is_found_back_on_its_plane():
    x = np.where(np.arange(50) >= 30, 200.0, 0.0)
    picture = MotionPanels(size=128)(MouseTrace(np.arange(50) / 10, x, np.zeros(50), np.zeros(50)))
    row, column = np.unravel_index(picture.pixels[:64, :64, 0].argmax(), (64, 64))
    (time,) = picture.locate(Box(int(column), int(row), int(column) + 1, int(row) + 1)).of("time")
    assert (time.start, time.stop) == pytest.approx((2.9, 3.0))
