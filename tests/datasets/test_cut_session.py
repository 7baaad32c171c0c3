"""Sessions cut into windows: by hand, against a slow loop, by their properties, and on a real file."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import ParameterError, read
from phosphene.converters.mouse.signal import MouseTrace
from phosphene.datasets.windows import cut_session

ways = st.sampled_from([("pause", 0.25), ("pause", 2), ("path", 40), ("path", 1500.5)])


def trace_of(time_s, x=None, y=None):
    zeros = [0] * len(time_s)
    return MouseTrace(time_s, zeros if x is None else x, zeros if y is None else y, zeros)


def ranges(trace, by, limit):
    return [(int(window.start), int(window.stop)) for window in cut_session(trace, by=by, limit=limit)]


@st.composite
def sessions(draw):
    n = draw(st.integers(1, 40))
    steps = draw(st.lists(st.sampled_from([0, 0.125, 0.25, 0.5, 4]), min_size=n, max_size=n))
    x, y = (draw(st.lists(st.integers(0, 900), min_size=n, max_size=n)) for _ in range(2))
    return trace_of(np.cumsum(steps), x, y)


def test_by_pause_by_hand():
    trace = trace_of([0, 1, 2, 4.5, 5, 5, 90])
    assert ranges(trace, "pause", 2) == [(0, 3), (3, 6), (6, 7)]
    assert ranges(trace, "pause", 2.5) == [(0, 6), (6, 7)]  # a pause of the limit is none
    assert ranges(trace, "pause", 100) == [(0, 7)]


def test_by_path_by_hand():
    # The ways between the events: 5, 5, 0, 100, 3, 4 pixels.
    trace = trace_of(range(7), [0, 3, 6, 6, 106, 106, 110], [0, 4, 8, 8, 8, 11, 11])
    assert ranges(trace, "path", 10) == [(0, 4), (4, 7)]
    assert ranges(trace, "path", 9) == [(0, 2), (2, 4), (4, 7)]
    assert ranges(trace, "path", 0.5) == [(0, 1), (1, 2), (2, 4), (4, 5), (5, 6), (6, 7)]
    assert ranges(trace, "path", 117) == [(0, 7)]


@given(trace=sessions(), way=ways)
def test_windows_hold_every_event_once_in_order_and_none_is_empty(trace, way):
    windows = ranges(trace, *way)
    assert list(itertools.chain(*(range(*window) for window in windows))) == list(range(len(trace.time_s)))
    assert all(start < stop for start, stop in windows)


@given(trace=sessions(), way=ways, later=st.integers(0, 512), right=st.integers(-100, 100))
def test_when_and_where_a_session_was_made_does_not_matter(trace, way, later, right):
    other = trace_of(trace.time_s + later, trace.x + right, trace.y - right)
    assert ranges(other, *way) == ranges(trace, *way)


@given(trace=sessions(), way=ways)
def test_windows_are_as_large_as_the_limit_lets_them_be(trace, way):
    by, limit = way
    # A mistake of the sum of ways cannot decide: no way of whole pixels comes that near to a limit but by hitting it.
    way_px = np.hypot(np.diff(trace.x), np.diff(trace.y))
    size = {
        "pause": lambda start, stop: max(np.diff(trace.time_s[start:stop]), default=0),
        "path": lambda start, stop: way_px[start : stop - 1].sum() - 1e-6,
    }[by]
    for start, stop in ranges(trace, by, limit):
        assert stop == start + 1 or size(start, stop) <= limit
        assert stop == len(trace.time_s) or size(start, stop + 1) + 2e-6 > limit


@given(trace=sessions(), way=ways)
def test_a_window_is_not_cut_again(trace, way):
    for start, stop in ranges(trace, *way):
        part = slice(start, stop)
        assert len(ranges(trace_of(trace.time_s[part], trace.x[part], trace.y[part]), *way)) == 1


@pytest.mark.parametrize(
    ("by", "limit", "message"),
    [
        ("length", 1, "by must be one of 'pause', 'path', got 'length'"),
        ("pause", 0, "limit must be a number of seconds > 0, got 0"),
        ("path", float("nan"), "limit must be a number of pixels > 0, got nan"),
        ("path", float("inf"), "limit must be a number of pixels > 0, got inf"),
    ],
)
def test_limits_out_of_bounds(by, limit, message):
    with pytest.raises(ParameterError) as caught:
        cut_session(trace_of([0]), by=by, limit=limit)
    assert str(caught.value) == message


@pytest.mark.skipif(
    "PHOSPHENE_DATA" not in os.environ, reason="needs PHOSPHENE_DATA, the folder of real data"
)
@pytest.mark.parametrize(("by", "limit"), [("pause", 1), ("path", 5000)])
def test_windows_of_a_real_session_are_read_by_their_address(by, limit):
    file = min(Path(os.environ["PHOSPHENE_DATA"], "balabit", "training_files").glob("user*/session*"))
    whole = read(file)
    windows = cut_session(whole, by=by, limit=limit)
    assert len(windows) > 5
    signals = [read(f"{file}#{window}", kind="mouse") for window in windows[:: len(windows) // 5]]
    for window, signal in zip(windows[:: len(windows) // 5], signals, strict=True):
        np.testing.assert_array_equal(signal.x, whole.x[window.whole])
