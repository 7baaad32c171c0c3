"""Traces, motion panels and dwell maps: by hand, against Pillow, against stored pixels, and by their properties."""

from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import make
from phosphene.converters.core.errors import ParameterError
from phosphene.converters.core.image import Box
from phosphene.converters.kernels.loops import draw_lines
from phosphene.converters.mouse import (
    ClickMap,
    DwellMap,
    HabitPanels,
    MotionPanels,
    TraceDrawing,
    VelocityAcceleration,
)
from phosphene.converters.mouse.plots import bar_plot
from phosphene.converters.mouse.signal import DRAG, MOVE, PRESS, RELEASE, SCROLL, MouseTrace
from phosphene.converters.mouse.trace import crosses

GOLDEN = Path(__file__).parents[2] / "golden"
VIEWS = [
    TraceDrawing(size=48),
    TraceDrawing(size=48, scale="screen"),
    TraceDrawing(size=48, ink="rgb"),
    TraceDrawing(size=48, ink="direction", colors="color"),
    MotionPanels(size=48),
    DwellMap(size=48),
    DwellMap(size=48, scale="screen"),
]
SCREENS = (VIEWS[1], VIEWS[6])
"""Those that cut off what lies outside one screen: where every position does, the picture may be black."""
MAPS = [ClickMap(size=48), VelocityAcceleration(size=48), VelocityAcceleration(size=48, style="trajectory")]
by_view = pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.spec)


def session(n=120, seed=0):
    rng = np.random.default_rng(seed)
    time_s = np.cumsum(rng.exponential(0.15, n))
    x, y = (960 + np.cumsum(rng.normal(0, 25, n)) for _ in range(2))
    event = np.where(np.arange(n) % 20 == 7, PRESS, MOVE)
    event[8::20], event[9::20], event[15::30] = DRAG, RELEASE, SCROLL
    return MouseTrace(time_s, x, y, event)


@st.composite
def sessions(draw):
    n = draw(st.integers(1, 30))
    whole = st.integers(0, 2000)
    steps = draw(st.lists(st.sampled_from([0, 0.015625, 0.125, 0.5, 4]), min_size=n, max_size=n))
    x, y = (draw(st.lists(whole, min_size=n, max_size=n)) for _ in range(2))
    event = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return MouseTrace(np.cumsum(steps), x, y, event)


def lines(ends, *, size, width_px=1.0):
    """White lines on black, (size, size, 1)."""
    picture = np.zeros((size, size, 1), np.uint8)
    draw_lines(picture, ends, np.ones((len(ends), 1)), np.full(len(ends), width_px), False)
    return picture


def nearly_equal(one, other):
    """The same but for places that fall on the other side of a rounding."""
    return np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_a_level_line_through_three_points_by_hand():
    trace = MouseTrace([0, 0.1, 0.2], [100, 200, 300], [50, 50, 50], [MOVE, MOVE, MOVE])
    pixels = TraceDrawing(size=8, line_width_px=1)(trace).pixels[:, :, 0]
    # Two pixels of margin; the line lies between rows 3 and 4, so each gets half of a move's half brightness. Beyond
    # its round ends the middle of a pixel is sqrt(1/2) away: 1 - sqrt(1/2) of it is covered.
    end, half = round((1 - np.sqrt(0.5)) * 0.5 * 255), round(0.5 * 0.5 * 255 + 0.01)
    expected = np.zeros((8, 8), int)
    expected[3:5] = [0, end, half, half, half, half, end, 0]
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize("seed", range(8))
def test_a_line_agrees_with_a_shrunk_drawing_by_pillow(seed):
    ends, many = np.random.default_rng(seed).uniform(8, 56, 4), 16
    canvas = PIL.Image.new("L", (64 * many, 64 * many))
    pen = PIL.ImageDraw.Draw(canvas)
    x0, y0, x1, y1 = ends * many
    pen.line((x0, y0, x1, y1), fill=255, width=3 * many)
    for x, y in ((x0, y0), (x1, y1)):
        pen.circle((x, y), 1.5 * many, fill=255)
    expected = np.asarray(canvas.reduce(many), int)
    got = lines(ends[None], size=64, width_px=3.0)[:, :, 0].astype(int)
    assert np.abs(got - expected).max() < 40
    assert got.sum() == pytest.approx(expected.sum(), rel=0.02)


@pytest.mark.parametrize("shift", [0.25, 0.5, 0.75, 1.0])
def test_a_quarter_of_a_pixel_counts(shift):
    ends = np.array([[5.3, 6.1, 20.2, 17.7]])
    pictures = [lines(ends + by, size=32) for by in (0, shift)]
    assert (pictures[0] != pictures[1]).any()
    for axis in (0, 1):
        weights = [picture.sum(axis=(axis, 2), dtype=float) for picture in pictures]
        middle = [(weight * np.arange(32)).sum() / weight.sum() for weight in weights]
        assert middle[1] - middle[0] == pytest.approx(shift, abs=0.08)


def test_lines_far_outside_leave_nothing_and_lines_across_are_cut():
    ends = np.array([[-1e9, -1e9, -1e9, -1e9], [1e7, 3, 2e7, 3]])
    assert not lines(ends, size=16).any()
    assert (lines(np.array([[-1e6, 8.5, 1e6, 8.5]]), size=16)[8] == 255).all()


def test_presses_drags_moves_and_pauses_can_be_told_apart():
    place = np.arange(6) * 100
    trace = MouseTrace([0, 0.1, 0.2, 0.3, 9, 9.1], place, place * 0, [MOVE, MOVE, PRESS, DRAG, RELEASE, MOVE])
    row = TraceDrawing(size=64, line_width_px=2)(trace).pixels[32, :, 0]
    column = np.rint(np.linspace(4, 60, 6)).astype(int)
    move, drag, pause = (int(row[sum(column[at : at + 2]) // 2]) for at in (0, 2, 3))
    assert (row[column[2]], drag, move, pause) == (255, 204, 128, 0)


def test_speed_and_time_as_brightness():
    trace = MouseTrace([0, 0.5, 1.0], [0, 10, 510], [0, 0, 0], [MOVE] * 3)
    rgb = TraceDrawing(size=64, ink="rgb", line_width_px=2)(trace).pixels
    for plane, ink in enumerate(("line", "speed", "time")):
        np.testing.assert_array_equal(
            rgb[:, :, [plane]], TraceDrawing(size=64, ink=ink, line_width_px=2)(trace).pixels
        )
    assert rgb[32, 32, 1] == round(255 * (0.2 + 0.8 * 2 / 3))  # 1,000 px/s: two of three decades
    assert rgb[32, 32, 2] == 255


def test_the_screen_scale_is_the_same_for_every_trace():
    for far in (100, 400):
        trace = MouseTrace([0, 0.1], [500, 500 + far], [300, 300], [MOVE, MOVE], (800, 600))
        lit = np.flatnonzero(
            TraceDrawing(size=80, scale="screen", line_width_px=1)(trace).pixels.any(axis=(0, 2))
        )
        assert lit[-1] - lit[0] + 1 == pytest.approx(far / 10 + 1, abs=1)


@by_view
@given(trace=sessions(), right=st.integers(-500, 500), later=st.sampled_from([0, 0.5, 1024]))
def test_where_and_when_a_session_was_made_does_not_matter(view, trace, right, later):
    other = MouseTrace(trace.time_s + later, trace.x + right, trace.y - right, trace.event)
    assert nearly_equal(view(trace).pixels, view(other).pixels)


@given(trace=sessions(), factor=st.sampled_from([0.25, 0.5, 2, 8]))
def test_a_trace_fitted_to_its_box_has_no_size(trace, factor):
    other = MouseTrace(trace.time_s, trace.x * factor, trace.y * factor, trace.event)
    for view in (TraceDrawing(size=48), TraceDrawing(size=48, ink="time"), DwellMap(size=48)):
        assert nearly_equal(view(trace).pixels, view(other).pixels)


@by_view
@given(trace=sessions())
def test_every_session_gives_a_picture_that_knows_its_times(view, trace):
    picture = view(trace)
    assert picture.pixels.shape[:2] == (48, 48)
    away = np.maximum(*(np.abs(at - (at.min() + at.max()) / 2) for at in (trace.x, trace.y)))
    assert picture.pixels.max() > 40 or (view in SCREENS and away.min() > view.reference_px / 2 - 20)
    (span, *more) = picture.locate(Box(0, 0, 48, 48)).of("time")
    assert span.start >= trace.time_s[0]
    assert (more or [span])[-1].stop <= np.nextafter(trace.time_s[-1], np.inf)


@by_view
@pytest.mark.parametrize("n", [1, 2, 300])
def test_a_pointer_that_never_moves_is_a_dot(view, n):
    picture = view(MouseTrace(np.arange(n) / 10, np.full(n, 77.7), np.full(n, 3), np.zeros(n)))
    assert picture.pixels.max() > 40
    if view.name != "motion":
        rows, columns = np.nonzero(picture.pixels.any(axis=2))
        assert abs(rows.mean() - 23.5) < 0.1
        assert abs(columns.mean() - 23.5) < 0.1


@pytest.mark.parametrize("size", [8, 9, 33])
def test_small_and_odd_sizes(size):
    for view in (TraceDrawing(size=size), MotionPanels(size=size), DwellMap(size=size)):
        assert view(session()).pixels.shape == (size, size, 1)


def test_a_click_is_found_back_by_its_box():
    x, y, time_s = np.linspace(100, 900, 41), np.linspace(300, 700, 41), np.arange(41) / 10
    event = np.where(np.arange(41) == 10, PRESS, MOVE)
    picture = TraceDrawing(size=224)(MouseTrace(time_s, x, y, event))
    row, column = np.argwhere(picture.pixels[:, :, 0] == 255).mean(axis=0).astype(int)
    region = picture.locate(Box(column, row, column + 1, row + 1))
    (time,), (across,), (down,) = (region.of(name) for name in ("time", "x", "y"))
    assert time.start <= 1.0 <= time.stop
    assert time.stop - time.start <= 0.3
    assert across.start - 2 <= 300 <= across.stop + 2
    assert down.start - 2 <= 400 <= down.stop + 2


def test_a_lone_click_has_a_moment():
    picture = TraceDrawing(size=32)(MouseTrace([5], [10], [10], [PRESS]))
    assert str(picture.locate(Box(15, 15, 17, 17))) == "time 5 to 5 s, x 9 to 11 px, y 9 to 11 px"
    assert str(picture.locate(Box(0, 0, 4, 4))) == "nothing of the signal"


@pytest.mark.parametrize("view", [*VIEWS, *MAPS], ids=lambda view: view.spec)
def test_what_is_lit_has_a_time(view):
    picture = view(session())
    lit = np.argwhere(picture.pixels.max(axis=2) > 128)[::23]
    assert len(lit)
    for row, column in lit.tolist():
        assert picture.locate(Box(column, row, column + 1, row + 1)).of("time")


def test_lines_cross_a_box_as_sampling_says():
    ends = np.random.default_rng(0).uniform(0, 32, (400, 4))
    box = Box(8, 12, 14, 25)
    along = np.linspace(0, 1, 5001)
    x, y = (ends[:, [at]] + (ends[:, [at + 2]] - ends[:, [at]]) * along for at in (0, 1))
    expected = ((x > 8) & (x < 14) & (y > 12) & (y < 25)).any(axis=1)
    assert (crosses(ends, np.zeros(400), box) == expected).mean() > 0.995


def test_bars_by_hand():
    trace = MouseTrace([0, 1, 2], [0, 0, 0], [0, 0, 0], [MOVE, PRESS, DRAG])
    panel = bar_plot(trace, np.array([0.5, 1.0, 0.0]), (4, 3))
    np.testing.assert_allclose(panel.pixels, [[0, 1, 0], [0, 1, 0], [0.5, 1, 0], [0.5, 1, 0.8]])


def test_the_step_plane_shows_directions():
    n = 50
    right = MouseTrace(np.arange(n) / 10, np.arange(n) * 75.0, np.zeros(n), np.zeros(n))
    pixels = MotionPanels(size=64, step_px=300)(right).pixels[:32, :32, 0]
    row, column = np.unravel_index(pixels.argmax(), pixels.shape)
    # Half of the reach, since the root of a quarter is a half: 15 pixels from the middle at 16.
    assert (row, column) == pytest.approx((15.5, 23), abs=1)
    assert pixels.max() == 255


def test_dwell_is_brightest_where_the_pointer_stayed_longest():
    trace = MouseTrace([0, 1.8, 1.9, 2.0, 2.1], [0, 50, 100, 150, 200], [0] * 5, [0] * 5)
    row, column, _ = np.unravel_index((picture := DwellMap(size=64)(trace)).pixels.argmax(), (64, 64, 1))
    (time,) = picture.locate(Box(column, row, column + 1, row + 1)).of("time")
    assert (time.start, time.stop) == (0, 1.8)


GOLDEN_VIEWS = {
    "mouse_trace": TraceDrawing(size=64),
    "mouse_trace_rgb": TraceDrawing(size=64, ink="rgb", scale="screen", reference_px=600),
    "mouse_trace_direction": TraceDrawing(size=64, ink="direction", colors="color"),
    "mouse_motion": MotionPanels(size=64),
    "mouse_habits": HabitPanels(size=64),
    "mouse_dwell": DwellMap(size=64),
    "mouse_clicks": ClickMap(size=64),
    "mouse_clicks_held": ClickMap(size=64, button="held", scale="screen", reference_px=600),
    "mouse_velocity_acceleration": VelocityAcceleration(size=64),
    "mouse_trajectory": VelocityAcceleration(size=64, style="trajectory"),
}


@pytest.mark.parametrize("name", GOLDEN_VIEWS)
def test_pixels_are_what_they_were(name):
    stored = np.load(GOLDEN / f"{name}.npy", allow_pickle=False)
    got = GOLDEN_VIEWS[name](session()).pixels
    assert got.shape == stored.shape
    assert np.abs(got.astype(int) - stored.astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "trace",
            {"size": 7},
            "TraceDrawing.size must be an integer >= 8 and <= 4096, the side of a square, got 7",
        ),
        (
            "trace",
            {"ink": "red"},
            "TraceDrawing.ink must be one of 'line', 'speed', 'time', 'direction', 'rgb', got 'red'",
        ),
        (
            "trace",
            {"ink": "rgb", "colors": "color"},
            "TraceDrawing.colors must be 'grey' with ink='rgb', whose channels are its colours",
        ),
        ("trace", {"line_width_px": 0}, "TraceDrawing.line_width_px must be a number > 0 and <= 64, got 0"),
        ("trace", {"pause_s": -1}, "TraceDrawing.pause_s must be a number > 0, got -1"),
        ("motion", {"step_px": 0}, "MotionPanels.step_px must be a number >= 1 and <= 100000, got 0"),
        ("clicks", {"button": "left"}, "ClickMap.button must be one of 'pressed', 'held', got 'left'"),
        (
            "velocity_acceleration",
            {"speed_px_s": 0},
            "VelocityAcceleration.speed_px_s must be a number >= 100 and <= 1e+06, got 0",
        ),
        ("dwell", {"scale": "big"}, "DwellMap.scale must be one of 'box', 'screen', got 'big'"),
    ],
)
def test_parameters_out_of_bounds(name, values, message):
    with pytest.raises(ParameterError) as caught:
        make(name, kind="mouse", **values)
    assert str(caught.value) == message
