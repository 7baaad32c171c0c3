"""Click maps and the velocity-acceleration plane: by hand, against slow formulas, by symmetry, and found back."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters.core.image import Box
from phosphene.converters.mouse import ClickMap, DwellMap, VelocityAcceleration
from phosphene.converters.mouse.maps import heat, polyline, signed_share, signed_value
from phosphene.converters.mouse.signal import DRAG, MOVE, PRESS, RELEASE, MouseTrace, accelerations


@st.composite
def sessions(draw, *, least=1):
    n = draw(st.integers(least, 30))
    steps = draw(st.lists(st.sampled_from([0, 0.015625, 0.125, 0.25, 4]), min_size=n, max_size=n))
    x, y = (draw(st.lists(st.integers(0, 2000), min_size=n, max_size=n)) for _ in range(2))
    event = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return MouseTrace(np.cumsum(steps), x, y, event)


def nearly_equal(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max() <= 1


def peak(picture):
    row, column, _ = np.unravel_index(picture.pixels.argmax(), picture.pixels.shape)
    return Box(int(column), int(row), int(column) + 1, int(row) + 1)


def test_heat_is_a_sum_of_bells():
    rng = np.random.default_rng(0)
    column, row = rng.integers(12, 52, (2, 30)) + 0.5  # middles of pixels
    weight = rng.uniform(0.1, 5, 30)
    along = np.arange(64) + 0.5
    bells = [
        np.exp(-((along - c) ** 2 + (along[:, None] - r) ** 2) / 8) * w
        for c, r, w in zip(column, row, weight, strict=True)
    ]
    level = np.log1p(np.sum(bells, axis=0) / 0.5)
    got = heat(column, row, weight, size=64, spot_px=2, bend=0.5)[:, :, 0].astype(int)
    expected = np.rint(level / level.max() * 255)
    near = (
        np.min([np.hypot(along - c, along[:, None] - r) for c, r in zip(column, row, strict=True)], axis=0)
        < 4
    )
    assert np.abs(got - expected)[near].max() <= 6  # a spot is cut off at three standard deviations
    assert got.argmax() == expected.argmax()


def test_heat_agrees_with_scipy():
    column, row, weight = np.random.default_rng(0).uniform(-3, 67, (3, 200))
    weight = np.abs(weight) + 0.1
    along = np.arange(64) + 0.5
    tents = [np.maximum(1 - np.abs(along - at[:, None]), 0) for at in (column, row)]
    shared = np.einsum("i,iy,ix->yx", weight, tents[1], tents[0])
    spots = scipy.ndimage.gaussian_filter(shared, 1.5, mode="constant", truncate=3) * (2 * np.pi * 1.5**2)
    expected = np.log1p(spots) / np.log1p(spots.max()) * 255
    got = heat(column, row, weight, size=64, spot_px=1.5, bend=1)[:, :, 0]
    assert np.abs(got - expected).max() <= 1


def test_clicks_by_hand():
    # One press on the left, three on the right: log(1 + 4) against log(1 + 12).
    x = [0, 0, 100, 100, 100, 100]
    trace = MouseTrace(np.arange(6), x, [5] * 6, [MOVE, PRESS, MOVE, PRESS, PRESS, PRESS])
    pixels = ClickMap(size=65, spot_px=2)(trace).pixels[32, :, 0]
    assert pixels[60] == pixels.max() == 255
    assert pixels[4] == pytest.approx(255 * np.log(5) / np.log(13), abs=2)
    assert not pixels[20:44].any()


def test_a_session_without_clicks_is_black_and_shows_nothing():
    picture = ClickMap(size=32)(MouseTrace([0, 1], [0, 50], [0, 50], [MOVE, DRAG]))
    assert not picture.pixels.any()
    assert str(picture.locate(Box(0, 0, 32, 32))) == "nothing of the signal"


def test_a_press_is_found_back():
    x, y, time_s = np.linspace(100, 900, 41), np.linspace(300, 700, 41), np.arange(41) / 10
    trace = MouseTrace(time_s, x, y, np.where(np.arange(41) == 10, PRESS, MOVE))
    picture = ClickMap()(trace)
    region = picture.locate(peak(picture))
    (time,), (across,), (down,) = (region.of(name) for name in ("time", "x", "y"))
    assert time.start == pytest.approx(1.0)
    assert time.stop == pytest.approx(1.0)
    assert across.start - 4 <= 300 <= across.stop + 4
    assert down.start - 4 <= 400 <= down.stop + 4


def test_held_buttons_leave_their_way():
    event = [MOVE, PRESS, DRAG, DRAG, RELEASE, MOVE]
    trace = MouseTrace(np.arange(6) / 10, np.arange(6) * 100, np.zeros(6), event)
    lit = {
        button: np.flatnonzero(ClickMap(size=101, spot_px=1, button=button)(trace).pixels[50, :, 0] > 100)
        for button in ("pressed", "held")
    }
    ends = {button: (columns.min(), columns.max()) for button, columns in lit.items()}
    assert ends["pressed"] == pytest.approx((22, 22), abs=3)
    assert ends["held"] == pytest.approx((22, 79), abs=3)


def test_clicks_lie_where_the_trace_and_the_dwell_map_have_them():
    trace = MouseTrace([0, 1, 1.1], [0, 400, 900], [0, 300, 100], [MOVE, PRESS, MOVE])
    frames = [view(trace).layout.frame for view in (ClickMap(spot_px=3), DwellMap(spot_px=3))]
    assert vars(frames[0]) == vars(frames[1])


@given(trace=sessions(), right=st.integers(-500, 500), factor=st.sampled_from([0.25, 1, 2, 8]))
def test_where_and_at_what_scale_a_session_was_made_does_not_matter(trace, right, factor):
    other = MouseTrace(trace.time_s, trace.x * factor + right, trace.y * factor - right, trace.event)
    for button in ("pressed", "held"):
        view = ClickMap(size=32, button=button)
        assert nearly_equal(view(trace).pixels, view(other).pixels)


@given(trace=sessions())
def test_a_mirrored_session_gives_mirrored_maps(trace):
    other = MouseTrace(trace.time_s, -trace.x, trace.y, trace.event)
    for view in (ClickMap(size=32), DwellMap(size=32)):
        assert nearly_equal(view(trace).pixels[:, ::-1], view(other).pixels)


@given(trace=sessions())
def test_when_clicks_were_made_does_not_matter(trace):
    other = MouseTrace(np.arange(len(trace.x)), trace.x, trace.y, trace.event)
    assert nearly_equal(ClickMap(size=32)(trace).pixels, ClickMap(size=32)(other).pixels)


def test_accelerations_by_hand():
    # 100, 300, 0 and again 0 px/s, then a pause.
    trace = MouseTrace([0, 1, 2, 4, 5, 50, 51], [0, 100, 400, 400, 400, 0, 100], [0] * 7, [MOVE] * 7)
    speed, gain, last = accelerations(trace, pause_s=2)
    assert speed.tolist() == [200, 150]
    assert gain.tolist() == [200, -200]  # the second over a second and a half
    assert last.tolist() == [2, 3]


@given(trace=sessions())
def test_accelerations_are_changes_of_speed(trace):
    expected = []
    for i in range(2, len(trace.x)):
        times = np.diff(trace.time_s[i - 2 : i + 1])
        ways = np.hypot(np.diff(trace.x[i - 2 : i + 1]), np.diff(trace.y[i - 2 : i + 1]))
        if times.max() <= 0.5 and ways.max() > 0:
            before, after = ways / np.maximum(times, 0.01)
            expected.append(((before + after) / 2, (after - before) / np.maximum(times, 0.01).mean(), i))
    got = np.array(accelerations(trace, pause_s=0.5))
    np.testing.assert_allclose(got, np.array(expected).reshape(-1, 3).T)


def test_even_speed_speeding_up_and_slowing_down_lie_where_they_are_said_to():
    view, time_s = VelocityAcceleration(size=101), np.arange(30) / 10
    middles = {}
    for name, speed in (
        ("even", np.full(29, 3000)),
        ("faster", np.arange(29) * 400),
        ("slower", np.arange(28, -1, -1) * 400),
    ):
        x = np.r_[0, np.cumsum(speed * 0.1)]
        rows = view(MouseTrace(time_s, x, x * 0, x * 0)).pixels[:, :, 0].sum(axis=1, dtype=float)
        middles[name] = (rows * np.arange(101)).sum() / rows.sum()
    assert middles["even"] == pytest.approx(50, abs=0.1)
    assert middles["faster"] < 40
    assert middles["slower"] == pytest.approx(100 - middles["faster"], abs=0.5)


@pytest.mark.parametrize("style", ["histogram", "trajectory"])
def test_a_jerk_is_found_back_with_its_values_and_times(style):
    time_s = np.arange(60) / 20
    way = np.cumsum(np.where(np.arange(60) == 40, 200, 5.0))
    picture = VelocityAcceleration(style=style)(MouseTrace(time_s, way, np.zeros(60), np.zeros(60)))
    # (100 + 4000) / 2 px/s and 3900 px/s in 0.05 s
    speed, gain = (4100 / 2, 3900 / 0.05)
    column = np.searchsorted(picture.layout.grid.x.edges, speed) - 1
    row = np.searchsorted(-picture.layout.grid.y.edges, -gain) - 1
    assert picture.pixels[row, column] > 70
    region = picture.locate(Box(int(column), int(row), int(column) + 1, int(row) + 1))
    (time,), (speeds,), (gains,) = (region.of(name) for name in ("time", "speed", "acceleration"))
    assert time.start == pytest.approx(
        {"histogram": 1.9, "trajectory": 1.85}[style]
    )  # a line comes from before
    assert time.stop <= {"histogram": 2.01, "trajectory": 2.06}[style]
    assert speeds.start <= speed <= speeds.stop
    assert gains.start <= gain <= gains.stop
    assert speeds.stop / speeds.start < 1.1


def test_what_is_beyond_the_plane_lies_at_its_border_and_is_told():
    picture = VelocityAcceleration(size=32)(MouseTrace([0, 0.1, 0.2], [0, 100, 90_000], [0] * 3, [0] * 3))
    region = picture.locate(peak(picture))
    assert peak(picture) == Box(31, 0, 32, 1)
    assert region.of("speed")[0].stop == pytest.approx(450_000)
    assert region.of("acceleration")[0].stop == pytest.approx(8_980_000)


@given(trace=sessions(), right=st.integers(-500, 500), later=st.sampled_from([0, 0.5, 1024]))
def test_the_plane_knows_no_place_no_time_and_no_direction(trace, right, later):
    moved = MouseTrace(trace.time_s + later, trace.x + right, trace.y - right, trace.event)
    turned = MouseTrace(trace.time_s, trace.y, -trace.x, trace.event)
    for style in ("histogram", "trajectory"):
        view = VelocityAcceleration(size=32, style=style)
        assert nearly_equal(view(trace).pixels, view(moved).pixels)
        assert nearly_equal(view(trace).pixels, view(turned).pixels)


@given(trace=sessions())
def test_a_reversed_session_is_the_plane_upside_down(trace):
    backwards = MouseTrace(
        (trace.time_s[-1] - trace.time_s)[::-1], trace.x[::-1], trace.y[::-1], trace.event[::-1]
    )
    view = VelocityAcceleration(size=32)
    assert nearly_equal(view(trace).pixels[::-1], view(backwards).pixels)


@pytest.mark.parametrize("n", [1, 2, 300])
def test_a_pointer_at_rest_has_no_speed(n):
    picture = VelocityAcceleration(size=32)(
        MouseTrace(np.arange(n) / 10, np.full(n, 7), np.full(n, 7), np.zeros(n))
    )
    assert not picture.pixels.any()
    assert str(picture.locate(Box(0, 0, 32, 32))) == "nothing of the signal"


def test_the_signed_scale_goes_there_and_back():
    values = np.array([-5000.0, -20, 0, 3, 700])
    np.testing.assert_allclose(signed_value(signed_share(values, 30, 10_000), 30, 10_000), values, atol=1e-9)
    assert signed_share(np.array([1e9]), 30, 10_000) == 1


def test_only_neighbours_are_joined():
    place = np.arange(4.0)
    ends, begin = polyline(place, place * 10, np.array([2, 3, 7, 8]))
    assert ends.tolist() == [[0, 0, 0, 0], [0, 0, 1, 10], [2, 20, 2, 20], [2, 20, 3, 30]]
    assert begin.tolist() == [0, 0, 5, 5]
