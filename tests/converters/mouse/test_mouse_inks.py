"""What lines and dots look like: against slow formulas, by the colours that a person must tell apart, by symmetry."""

import colorsys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters.mouse import TraceDrawing
from phosphene.converters.mouse import signal as kinematics
from phosphene.converters.mouse.loops import DIRECTION, LINE, SPEED, TIME, pen_marks
from phosphene.converters.mouse.signal import DRAG, MOVE, PRESS, RELEASE, SCROLL, MouseTrace
from phosphene.converters.mouse.trace import hue_wheel, palette

RIGHT, DOWN, LEFT, UP = (1, 0), (0, 1), (-1, 0), (0, -1)
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@st.composite
def sessions(draw):
    n = draw(st.integers(1, 30))
    steps = draw(st.lists(st.sampled_from([0, 0.015625, 0.125, 0.5, 4]), min_size=n, max_size=n))
    x, y = (draw(st.lists(st.integers(0, 2000), min_size=n, max_size=n)) for _ in range(2))
    event = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return MouseTrace(np.cumsum(steps), x, y, event)


def marks(trace, shown, *, pause_s=1.0):
    """Ends, shares, widths and times; -1, -2 and -3 for a press, a turn of the wheel and no direction."""
    events = np.array((trace.time_s, trace.x, trace.y, trace.event))
    scale, dots = (
        np.tile([0.0, 1.0], (len(shown), 1)),
        np.repeat([[-1.0], [-2.0], [-3.0]], len(shown), axis=1),
    )
    return pen_marks(events, pause_s, (0.0, 0.0, 1.0), np.arange(5.0), np.array(shown), scale, dots)


def luminance(rgb):
    """Relative luminance by the rules for readable web pages (WCAG 2.2)."""
    rgb = np.asarray(rgb)
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ LUMINANCE


def one_stroke(step, *, events=(MOVE,) * 4):
    place = np.arange(4)[:, None] * np.array(step) * 100
    return MouseTrace(np.arange(4) / 10, *place.T, events)


def brightest(picture):
    return picture.reshape(-1, picture.shape[2])[picture.max(axis=2).argmax()]


def test_marks_by_hand():
    trace = MouseTrace([0, 0.5, 3, 3.5], [0, 30, 30, 30], [0, 40, 40, 40], [MOVE, PRESS, DRAG, SCROLL])
    ends, value, width, times = marks(trace, (LINE, SPEED, TIME, DIRECTION))
    assert ends.tolist() == [
        *([0, 0, 0, 0], [0, 0, 30, 40], [30, 40, 30, 40], [30, 40, 30, 40]),
        *([30, 40, 30, 40], [30, 40, 30, 40]),
    ]
    assert times.tolist() == [[0, 0, 3, 3, 0.5, 3.5], [0, 0.5, 3, 3.5, 0.5, 3.5]]
    assert width.tolist() == [MOVE, MOVE, DRAG, MOVE, PRESS, SCROLL]
    np.testing.assert_allclose(value[:4, 0], [0, 0, 0.25, 0])
    np.testing.assert_allclose(value[:4, 1], [0, 1 / 3, 0, 0], atol=1e-12)  # 100 px/s: one of three decades
    np.testing.assert_allclose(value[:4, 2], [0, 0.25, 0.75, 1])  # the pause of 2.5 s counts 1 s
    np.testing.assert_allclose(value[:4, 3], [-3, np.arctan2(4, 3) / (2 * np.pi), -3, -3])
    assert value[4:].tolist() == [[-1] * 4, [-2] * 4]


@pytest.mark.slow
@given(trace=sessions(), pause_s=st.sampled_from([0.1, 1, 3]))
def test_marks_agree_with_formulas_over_whole_arrays(trace, pause_s):
    n, origin = len(trace.time_s), kinematics.origins(trace.time_s, pause_s=pause_s)
    ends, value, _, times = marks(trace, (LINE, SPEED, TIME), pause_s=pause_s)
    np.testing.assert_array_equal(
        ends[:n], np.stack([trace.x[origin], trace.y[origin], trace.x, trace.y], axis=1)
    )
    np.testing.assert_array_equal(times[:, :n], [trace.time_s[origin], trace.time_s])
    np.testing.assert_array_equal(value[:n, 0], np.where(kinematics.dragging(trace.event), DRAG, MOVE) / 4)
    np.testing.assert_allclose(value[:n, 1], kinematics.speed_share(trace, origin), atol=1e-12)
    passed = np.r_[0, np.cumsum(np.minimum(np.diff(trace.time_s), pause_s))]
    np.testing.assert_allclose(value[:n, 2], passed / passed[-1] if passed[-1] > 0 else 1.0, atol=1e-12)
    dots = np.flatnonzero(np.isin(trace.event, (PRESS, SCROLL)))
    np.testing.assert_array_equal(times[:, n:], np.tile(trace.time_s[dots], (2, 1)))
    np.testing.assert_array_equal(value[n:, 0], np.where(trace.event[dots] == PRESS, -1, -2))


@pytest.mark.parametrize(("step", "hue"), [(RIGHT, "red"), (DOWN, "green"), (LEFT, "blue"), (UP, "violet")])
def test_a_direction_is_a_hue(step, hue):
    picture = TraceDrawing(size=64, ink="direction", colors="color")(one_stroke(step)).pixels
    degrees = colorsys.rgb_to_hsv(*(brightest(picture) / 255))[0] * 360
    low, high = {"red": (-20, 20), "green": (60, 140), "blue": (180, 250), "violet": (250, 290)}[hue]
    assert low <= (degrees + 180) % 360 - 180 <= high or low <= degrees <= high


def test_a_direction_in_grey_is_its_cosine():
    view = TraceDrawing(size=65, ink="direction", line_width_px=2)
    levels = {step: int(view(one_stroke(step)).pixels[32, 32, 0]) for step in (RIGHT, DOWN, LEFT, UP)}
    assert levels == {RIGHT: 255, DOWN: 153, LEFT: 51, UP: 153}


def test_a_pointer_at_rest_has_no_direction():
    for colors in ("grey", "color"):
        view = TraceDrawing(size=17, ink="direction", colors=colors)
        pixels = view(MouseTrace([0, 0.1], [5, 5], [5, 5], [MOVE, MOVE])).pixels
        assert np.unique(brightest(pixels)).tolist() == [128]


@given(st.floats(0, 1))
def test_hues_go_round_without_a_seam_at_one_lightness(turn):
    one, next_one, around = hue_wheel(np.array([turn, turn + 1 / 256, turn + 1]))
    assert np.abs(one - next_one).max() < 0.09  # where red begins, its gamma curve is steepest: 0.0852
    np.testing.assert_allclose(one, around, atol=1e-6)
    assert 0.3 < luminance(one) < 0.55


@pytest.mark.parametrize("ink", ["line", "speed", "time", "direction"])
def test_colours_can_be_read_on_black(ink):
    contrast = (luminance(palette(ink, "color").scale.T) + 0.05) / 0.05
    assert contrast.min() > 3  # what WCAG 2.2 asks of graphics


@pytest.mark.parametrize("ink", ["speed", "time"])
def test_more_is_lighter_in_colour_and_in_grey(ink):
    for colors in ("grey", "color"):
        scale = palette(ink, colors).scale
        level = luminance(scale.T) if colors == "color" else scale[0]
        assert (np.diff(level) > 0).all()


def test_of_crossing_lines_the_later_colour_shows_and_the_brighter_grey():
    trace = MouseTrace(
        [0, 0.1, 5, 5.1], [0, 100, 50, 50], [50, 50, 0, 100], [MOVE, DRAG, MOVE, MOVE]
    )  # a drag to the right, then a move downwards
    middle = {
        colors: TraceDrawing(size=65, colors=colors, line_width_px=3)(trace).pixels[32, 32]
        for colors in ("grey", "color")
    }
    assert middle["grey"].tolist() == [round(0.8 * 255)]
    assert middle["color"].tolist() == [110, 150, 215]


@pytest.mark.parametrize("ink", ["line", "speed", "time", "direction"])
@pytest.mark.parametrize("colors", ["grey", "color"])
def test_a_press_is_white_and_a_wheel_small_whatever_the_ink(ink, colors):
    trace = MouseTrace([0, 0.1, 0.2], [0, 50, 100], [0, 0, 0], [PRESS, SCROLL, PRESS])
    pixels = TraceDrawing(size=64, ink=ink, colors=colors)(trace).pixels
    press, wheel = (pixels[:, at - 1 : at + 2].max(axis=(1, 2)) for at in (3, 32))
    assert press.max() == 255
    assert (press > 100).sum() > (wheel > 100).sum() > 2


@given(
    trace=sessions(),
    ink=st.sampled_from(["line", "speed", "time"]),
    colors=st.sampled_from(["grey", "color"]),
)
def test_a_mirrored_session_gives_the_mirrored_picture(trace, ink, colors):
    view = TraceDrawing(size=48, ink=ink, colors=colors)
    other = MouseTrace(trace.time_s, -trace.x, trace.y, trace.event)
    upright, mirrored = (view(session).pixels.astype(int) for session in (trace, other))
    assert np.abs(upright[:, ::-1] - mirrored).max() <= 1


@given(trace=sessions(), times=st.sampled_from([0.5, 2, 16]))
def test_only_speed_tells_how_fast_a_session_was(trace, times):
    slow = MouseTrace(trace.time_s * times, trace.x, trace.y, trace.event)
    for ink in ("line", "time", "direction"):
        views = (TraceDrawing(size=48, ink=ink), TraceDrawing(size=48, ink=ink, pause_s=float(times)))
        one, other = (
            view(session).pixels.astype(int) for view, session in zip(views, (trace, slow), strict=True)
        )
        assert np.abs(one - other).max() <= 1


@given(trace=sessions())
def test_a_batch_has_the_pixels_of_each(trace):
    other = MouseTrace(trace.time_s, trace.y, trace.x, trace.event)
    for view in (TraceDrawing(size=32), TraceDrawing(size=32, ink="speed", colors="color")):
        np.testing.assert_array_equal(view.batch([trace, other])[1], view(other).pixels)


def test_releases_after_a_press_are_drags():
    trace = one_stroke(RIGHT, events=(MOVE, PRESS, DRAG, RELEASE))
    pixels = TraceDrawing(size=65, line_width_px=2)(trace).pixels[32, :, 0]
    assert pixels[14] == 128
    assert pixels[[34, 54]].tolist() == [204, 204]
