"""Movement features: actions by hand and against loops, pieces that hold next to nothing, and Balabit's users."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from phosphene.converters import MouseTrace
from phosphene.converters.mouse import MouseReader
from phosphene.pipeline.features import feature_sets, mouse

MOVE, DRAG, PRESS, RELEASE, SCROLL = range(5)


def action(trace, place=0):
    """The features of one action by name."""
    return dict(zip(mouse.ACTION_FEATURES, mouse.action_table(trace)[place], strict=True))


def actions(events, times=None):
    trace = MouseTrace(times or np.arange(len(events)) / 10, [0] * len(events), [0] * len(events), events)
    starts, stops, types = mouse.find_actions(trace, pause_s=1.0)
    return [(int(a), int(b), mouse.TYPES[c]) for a, b, c in zip(starts, stops, types, strict=True)]


# How a piece is cut into actions


def test_moves_end_with_a_click():
    events = [MOVE, MOVE, PRESS, RELEASE, MOVE, MOVE]
    assert actions(events) == [(0, 4, "click"), (4, 6, "move")]


def test_a_drag_begins_with_its_press():
    events = [MOVE, MOVE, PRESS, DRAG, DRAG, RELEASE, MOVE]
    assert actions(events) == [(0, 2, "move"), (2, 6, "drag"), (6, 7, "move")]


def test_a_double_click_is_two():
    assert actions([MOVE, PRESS, RELEASE, PRESS, RELEASE]) == [(0, 3, "click"), (3, 5, "click")]


def test_turns_of_the_wheel_cut_and_belong_to_none():
    assert actions([MOVE, SCROLL, SCROLL, MOVE]) == [(0, 1, "move"), (3, 4, "move")]


def test_a_pause_cuts():
    assert actions([MOVE] * 4, times=[0, 1, 2.1, 2.2]) == [(0, 2, "move"), (2, 4, "move")]


def test_a_piece_that_begins_inside_of_a_drag():
    assert actions([DRAG, RELEASE, MOVE]) == [(0, 2, "drag"), (2, 3, "move")]


def test_short_actions_have_no_row():
    assert mouse.action_table(MouseTrace([0, 1, 2], [0, 1, 2], [0, 0, 0], [0, 0, 0])).shape == (0, 39)


# The 39 by hand


def test_there_are_39():
    assert len(mouse.ACTION_FEATURES) == len(set(mouse.ACTION_FEATURES)) == 39


def test_a_corner():
    # 30 px to the right in 0.1 s, 40 px down in 0.1 s, 40 px down in 0.2 s.
    found = action(MouseTrace([0, 0.1, 0.2, 0.4], [0, 30, 30, 30], [0, 0, 40, 80], [MOVE] * 4))
    assert found["type"] == 0
    assert found["direction"] == 1  # down, a little right: between 45 and 90 degrees
    assert found["elapsed_time"] == pytest.approx(0.4)
    assert found["traj_length"] == pytest.approx(110)
    assert found["dist_end_to_end"] == pytest.approx(np.hypot(30, 80))
    assert found["straightness"] == pytest.approx(np.hypot(30, 80) / 110)
    assert found["num_points"] == 4
    assert found["sum_of_angles"] == pytest.approx(np.pi / 2)
    assert found["largest_deviation"] == pytest.approx(30 * 80 / np.hypot(30, 80))  # of the corner
    assert found["critical_points"] == 1  # straight on from the second step to the third
    assert found["a_beg_time"] == pytest.approx(0.2)  # 0 to 300 to 400 to 200 px/s
    assert [found[f"{how}_vx"] for how in ("mean", "max", "min")] == pytest.approx([100, 300, 0])
    assert found["sd_vx"] == pytest.approx(np.std([300, 0, 0]))
    assert found["mean_vy"] == pytest.approx((0 + 400 + 200) / 3)
    assert found["mean_v"] == pytest.approx(300)
    # 100 px/s more within 0.1 s; 200 px/s less within 0.15 s.
    assert [found["max_a"], found["min_a"]] == pytest.approx([1000, -200 / 0.15])
    assert found["mean_jerk"] == pytest.approx((-200 / 0.15 - 1000) / ((0.1 + 0.15) / 2))
    assert [found["max_omega"], found["min_omega"]] == pytest.approx([np.pi / 2 / 0.1, 0])
    assert [found["max_curvature"], found["mean_curvature"]] == pytest.approx(
        [np.pi / 2 / 40, np.pi / 2 / 80]
    )


def test_left_is_negative_and_counts_in_the_sum_of_angles():
    found = action(MouseTrace([0, 0.1, 0.2, 0.3], [0, 10, 10, 20], [0, 0, -10, -10], [MOVE] * 4))
    assert found["min_omega"] == pytest.approx(-np.pi / 2 / 0.1)
    assert found["max_omega"] == pytest.approx(np.pi / 2 / 0.1)
    assert found["sum_of_angles"] == pytest.approx(np.pi)
    assert found["direction"] == 7


def test_a_way_that_ends_where_it_began():
    found = action(MouseTrace([0, 0.1, 0.2, 0.3], [0, 30, 30, 0], [0, 0, 40, 0], [MOVE] * 4))
    assert found["largest_deviation"] == pytest.approx(50)
    assert (found["straightness"], found["dist_end_to_end"]) == (0, 0)


def test_ticks_of_a_slow_clock_make_no_speed():
    found = action(MouseTrace([0, 0, 0, 0.1], [0, 10, 20, 30], [0] * 4, [MOVE] * 4))
    assert found["max_v"] == pytest.approx(10 / 0.01)


@given(st.integers(0, 10_000))
def test_rows_are_those_of_each_action_alone(seed):
    trace = random_trace(np.random.default_rng(seed), 60)
    starts, stops, _ = mouse.find_actions(trace, pause_s=mouse.PAUSE_S)
    alone = [
        mouse.action_table(MouseTrace(*(column[a:b] for column in columns(trace))))
        for a, b in zip(starts, stops, strict=True)
    ]
    np.testing.assert_allclose(
        mouse.action_table(trace), np.concatenate([np.empty((0, 39)), *alone]), atol=1e-6
    )


def columns(trace):
    return trace.time_s, trace.x, trace.y, trace.event


def random_trace(rng, n):
    time_s = np.cumsum(rng.choice([0, 0.016, 0.1, 2.0], n, p=[0.1, 0.5, 0.3, 0.1]))
    event = rng.choice(5, n, p=[0.7, 0.1, 0.08, 0.08, 0.04])
    return MouseTrace(
        time_s, 500 + rng.integers(-9, 9, n).cumsum(), 300 + rng.integers(-9, 9, n).cumsum(), event
    )


# The piece as a whole


def test_clicks():
    # Two clicks at one place, 0.1 s and 0.05 s long, 0.3 s from press to press; then a drag of 50 px in 1 s.
    trace = MouseTrace(
        [0, 0.1, 0.3, 0.35, 2, 2.5, 3],
        [5, 5, 5, 5, 5, 20, 35],
        [0, 0, 0, 0, 0, 20, 40],
        [PRESS, RELEASE, PRESS, RELEASE, PRESS, DRAG, RELEASE],
    )
    found = mouse.window_statistics(trace)
    assert found["presses"] == 3
    assert [found[f"click s {how}"] for how in ("mean", "min", "max")] == pytest.approx([0.075, 0.05, 0.1])
    assert found["drag s mean"] == pytest.approx(1)
    assert found["log drag px mean"] == pytest.approx(np.log(51))
    assert found["double clicks"] == 1
    assert found["double click s mean"] == pytest.approx(0.3)
    assert found["log s before press mean"] == pytest.approx(np.log([0.2, 1.65]).mean())
    assert found["x of presses mean"] == pytest.approx(0.005)


def test_a_press_whose_release_is_missing_has_no_length():
    found = mouse.window_statistics(MouseTrace([0, 1, 1.5], [0] * 3, [0] * 3, [PRESS, PRESS, RELEASE]))
    assert found["presses"] == 2
    assert [found["click s mean"], found["click s max"]] == pytest.approx([0.5, 0.5])


def test_rhythm_and_pauses():
    found = mouse.window_statistics(MouseTrace([0, 0.016, 0.032, 3.032], [0, 1, 2, 3], [0] * 4, [0] * 4))
    assert found["interval in part 4"] == pytest.approx(2 / 3)  # 15.5 to 17.5 ms
    assert found["pauses above 2 s"] == 1
    assert found["time in pauses above 1 s"] == pytest.approx(3 / 3.032)
    assert found["log speed mean"] == pytest.approx(np.log(1 / 0.016))  # the step after the pause is none


def test_directions_and_turns():
    # Right, down, down, left, each 10 px in 0.1 s.
    trace = MouseTrace(np.arange(5) / 10, [0, 10, 10, 10, 0], [0, 0, 10, 20, 20], [MOVE] * 5)
    found = mouse.window_statistics(trace)
    assert [found[f"direction in part {at}"] for at in range(8)] == [0.25, 0, 0.5, 0, 0.25, 0, 0, 0]
    assert found["mean log speed in direction 2"] == pytest.approx(np.log(100))
    assert [found["only across"], found["only upright"], found["diagonal"]] == [0.5, 0.5, 0]
    assert found["turn 50 %"] == pytest.approx(np.pi / 2)
    assert found["turn in part 6"] == pytest.approx(1 / 3)
    assert found["turn in part 9"] == pytest.approx(2 / 3)


@given(arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(-1e6, 1e6)))
def test_quantiles_are_those_of_numpy(values):
    want = np.percentile(values, mouse.QUANTILES)
    np.testing.assert_allclose(mouse.quantiles(values), want, rtol=1e-9, atol=1e-6)


# Records and tables


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("event", range(5))
def test_at_one_place_at_one_time(n, event):
    trace = MouseTrace([7.0] * n, [3] * n, [4] * n, [event] * n)
    table = mouse.tabulate([mouse.measure(trace)])
    assert np.isfinite(table.values).all()


@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0, 1e6))
def test_always_finite_and_whatever_time_it_is(seed, n, later_s):
    trace = random_trace(np.random.default_rng(seed), n)
    moved = MouseTrace(trace.time_s + round(later_s), trace.x, trace.y, trace.event)
    table = mouse.tabulate([mouse.measure(trace), mouse.measure(moved)])
    assert np.isfinite(table.values).all()
    assert table.values.shape == (2, len(table.names))
    np.testing.assert_array_equal(*table.values)


def test_huge_leaps_stay_finite():
    trace = MouseTrace([0, 0, 0, 0, 0], [-1e9, 1e9, -1e9, 1e9, 0], [0, 1e9, 0, 1e9, 0], [MOVE] * 5)
    assert np.isfinite(mouse.tabulate([mouse.measure(trace)]).values).all()


def test_huge_times_stay_finite():
    trace = MouseTrace([-1e308, 0, 1, 1e308], [0, 0, 5, 5], [1, 2, 3, 4], [MOVE] * 4)
    assert np.isfinite(mouse.tabulate([mouse.measure(trace)]).values).all()


def test_the_table_says_what_it_holds():
    trace = MouseTrace([0, 0.1, 0.2, 0.3], [0, 30, 60, 90], [0] * 4, [MOVE, MOVE, PRESS, RELEASE])
    record = mouse.measure(trace)
    table = mouse.tabulate([record])
    row = dict(zip(table.names, table.values[0], strict=True))
    assert table.values.dtype == np.float32
    assert len(set(table.names)) == len(table.names)
    assert (row["actions"], row["share of click actions"], row["actions in direction 0"]) == (1, 1, 1)
    assert row["mean of traj_length"] == pytest.approx(np.arcsinh(90))
    assert row["median of max_v"] == pytest.approx(np.arcsinh(300))
    assert row["sd of max_v"] == 0
    assert row["share of press"] == 0.25
    assert all(array.dtype == np.float32 for array in record.values())


def test_no_records_no_rows():
    table = mouse.tabulate([])
    assert table.values.shape == (0, len(table.names))


def test_the_kind_finds_them():
    assert feature_sets("mouse") == (mouse.MOVEMENT,)
    assert mouse.MOVEMENT.kind == "mouse"


def test_measuring_is_quick():
    traces = [random_trace(np.random.default_rng(seed), 150) for seed in range(50)]
    mouse.measure(traces[0])
    began = time.process_time()
    for trace in traces:
        mouse.measure(trace)
    assert (time.process_time() - began) / len(traces) < 0.02  # seconds; 0.003 are usual


@pytest.mark.data
def test_a_lost_pointer_makes_no_leap(data):
    path = next(p for p in sorted((data / "balabit").rglob("session_*")) if b"65535" in p.read_bytes())
    table = mouse.tabulate([mouse.measure(MouseReader().read(path, None))])
    row = dict(zip(table.names, table.values[0], strict=True))
    assert np.isfinite(table.values).all()
    assert row["x most"] < 10
    assert row["y most"] < 10
