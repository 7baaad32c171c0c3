"""Plots of habits: by hand, against slow loops, by symmetry, and places found again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters.core.image import Box
from phosphene.converters.mouse import HabitPanels
from phosphene.converters.mouse.plots import share_rows
from phosphene.converters.mouse.signal import DRAG, MOVE, PRESS, RELEASE, SCROLL, MouseTrace


@st.composite
def sessions(draw):
    n = draw(st.integers(1, 30))
    steps = draw(st.lists(st.sampled_from([0, 0.015625, 0.125, 0.25, 4]), min_size=n, max_size=n))
    x, y = (draw(st.lists(st.integers(0, 2000), min_size=n, max_size=n)) for _ in range(2))
    event = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return MouseTrace(np.cumsum(steps), x, y, event)


def walk(n=150, seed=0):
    rng = np.random.default_rng(seed)
    time_s = np.cumsum(rng.exponential(0.15, n))
    x, y = (960 + np.cumsum(rng.normal(0, 25, n)) for _ in range(2))
    event = np.where(np.arange(n) % 20 == 7, PRESS, MOVE)
    event[8::20], event[9::20], event[15::30] = DRAG, RELEASE, SCROLL
    return MouseTrace(time_s, x, y, event)


def nearly_equal(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max() <= 1


def panels(trace, size=64):
    """The four plots: events, turns, lengths, directions."""
    pixels, half = HabitPanels(size=size)(trace).pixels[:, :, 0], size // 2
    return pixels[:half, :half], pixels[:half, half:], pixels[half:, :half], pixels[half:, half:]


@given(st.lists(st.tuples(st.floats(-3, 12), st.integers(0, 2), st.floats(0, 5)), min_size=1, max_size=20))
def test_counts_are_shared_as_by_a_loop_over_pixels(places):
    row, column, _ = np.array(places).T
    expected = np.zeros((9, 3))
    for at in range(9):
        for strip in range(3):
            expected[at, strip] = np.maximum(1 - np.abs(row - at - 0.5), 0)[column == strip].sum()
    np.testing.assert_allclose(share_rows(row, column.astype(int), (9, 3)), expected, atol=1e-9)


def test_events_stand_in_their_strips_by_hand():
    # Intervals of 0.1 s lie half way up a scale from 0.002 to 5 s: log(50) / log(2500) = 1/2.
    events = panels(MouseTrace([0, 0.1, 0.2, 0.3], [0, 0, 0, 0], [0, 0, 0, 0], [0, 2, 3, 2]), 100)[0]
    row, peak = 25, np.log1p(4 * 2 * 3 / 8)  # a place between two rows, spread by 1, 2, 1: 3/8 for each
    assert np.unique(events[row, :10]).tolist() == [0]
    assert np.unique(events[row, 20:30]).tolist() == [255]
    assert np.unique(events[row, 30:40]).tolist() == [round(np.log1p(4 * 3 / 8) / peak * 255)]
    assert events[:40, 40:].max() == events[:20].max() == 0


@pytest.mark.parametrize(
    ("way", "column"), [((1, 0), 25), ((0, 1), 37), ((0, -1), 13)], ids=["right", "down", "up"]
)
def test_steps_stand_at_their_direction(way, column):
    steps = np.arange(20)
    directions = panels(MouseTrace(steps / 10, steps * 9 * way[0], steps * 9 * way[1], steps * 0), 100)[3]
    assert abs(int(directions.max(axis=0).argmax()) - column) <= 1


def test_a_turn_to_the_right_stands_right_of_the_middle():
    trace = MouseTrace([0, 0.1, 0.2], [0, 50, 50], [0, 0, 50], [0, 0, 0])  # right, then down
    turns = panels(trace, 100)[1]
    assert int(turns.max(axis=0).argmax()) == pytest.approx(37, abs=1)


@given(trace=sessions())
def test_a_turned_session_keeps_all_but_its_directions(trace):
    turned = MouseTrace(trace.time_s, -trace.y, trace.x, trace.event)
    for one, other in zip(panels(trace)[:3], panels(turned)[:3], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_mirrored_session_mirrors_its_turns():
    one = walk()
    other = MouseTrace(one.time_s, -one.x, one.y, one.event)
    assert nearly_equal(panels(one)[1], panels(other)[1][:, ::-1])
    assert nearly_equal(panels(one)[2], panels(other)[2])


def test_a_pause_makes_no_step():
    trace = MouseTrace([0, 2, 4], [0, 50, 90], [0, 0, 50], [0, 0, 0])
    assert max(panel.max() for panel in panels(trace)[1:]) == 0
    assert HabitPanels(pause_s=3)(trace).pixels[112:].max() == 255


def test_a_press_is_found_back_in_its_strip():
    time_s = np.arange(100) / 10
    trace = MouseTrace(time_s, time_s * 300, time_s * 0, np.where(np.arange(100) == 70, PRESS, MOVE))
    (time,) = HabitPanels(size=200)(trace).locate(Box(45, 0, 55, 100)).of("time")
    assert (time.start, time.stop) == pytest.approx((6.9, 7.0))


def test_a_fast_step_is_found_back_on_its_plane():
    x = np.where(np.arange(50) >= 30, 200.0, 0.0)
    picture = HabitPanels(size=128)(MouseTrace(np.arange(50) / 10, x, np.zeros(50), np.zeros(50)))
    row, column = np.unravel_index(picture.pixels[64:, 64:, 0].argmax(), (64, 64))
    box = Box(int(column) + 64, int(row) + 64, int(column) + 65, int(row) + 65)
    (time,) = picture.locate(box).of("time")
    assert (time.start, time.stop) == pytest.approx((2.9, 3.0))


@given(trace=sessions(), right=st.integers(-500, 500), later=st.integers(0, 100))
def test_where_and_when_a_session_was_made_does_not_matter(trace, right, later):
    moved = MouseTrace(trace.time_s + later, trace.x + right, trace.y, trace.event)
    assert nearly_equal(HabitPanels(size=48)(moved).pixels, HabitPanels(size=48)(trace).pixels)


@pytest.mark.parametrize("size", [8, 9, 33])
def test_small_and_odd_sizes(size):
    assert HabitPanels(size=size)(walk()).pixels.shape == (size, size, 1)
