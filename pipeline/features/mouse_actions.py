"""A mouse session cut into actions, and the 39 features of each that Antal and Egyed-Zsigmond name."""

from dataclasses import dataclass

import numpy as np

from phosphene.converters.mouse.signal import DRAG, PRESS, RELEASE, SCROLL, SHORTEST_S, MouseTrace

TYPES = ("move", "click", "drag")
PAUSE_S = 1.0
"""Longer without an event, and an action is over."""
FEWEST_EVENTS = 4
"""Shorter actions have no jerk; the paper leaves them out, too."""
STRAIGHT_PER_PX = 0.0005
"""Curvature, in radians a pixel, below which a point is counted as critical."""

_MEASURED = ("vx", "vy", "v", "a", "jerk", "omega", "curvature")
ACTION_FEATURES: tuple[str, ...] = (
    "type", "direction", "elapsed_time", "traj_length", "dist_end_to_end", "straightness", "num_points",
    "sum_of_angles", "largest_deviation", "critical_points", "a_beg_time",
    *(f"{how}_{what}" for what in _MEASURED for how in ("mean", "sd", "max", "min")),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Steps:
    """From event to event inside of actions.

    Parameters
    ----------
    action
        int (n,), which action each step is in; never falls.
    dx, dy
        Pixels.
    took_s
        At least 10 ms, the ticks of slow clocks.
    """

    action: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    took_s: np.ndarray


def action_table(trace: MouseTrace, *, pause_s: float = PAUSE_S) -> np.ndarray:
    """Return the 39 features of each action of at least four events.

    An action ends with the release of a button, before the press that begins a drag, before and after turns of the
    wheel (which belong to none), and at a pause. It is a drag where the pointer was dragged, else a click where a
    button was pressed or released, else a move.

    Parameters
    ----------
    trace
        A session or a piece of one.
    pause_s
        Above 0.

    Returns
    -------
    numpy.ndarray
        float64 (n_actions, 39), in the order of ACTION_FEATURES; pixels and seconds. Type 0 is a move, 1 a click, 2 a
        drag. Direction is the eighth of the circle that the end is in, as seen from the beginning: 0 from right to half
        below, and so on clockwise. The sum of angles is that of all turns, left or right. Critical points are those
        where the curvature is below 0.0005 radians a pixel. `a_beg_time` is how long the speed rose from the beginning
        on. What cannot be told, as the turns of a way without any, is 0.

    References
    ----------
    M. Antal, E. Egyed-Zsigmond: Intrusion detection using mouse dynamics. IET Biometrics 8(5), 2019,
    doi:10.1049/iet-bmt.2018.5126.

    Examples
    --------
    >>> trace = MouseTrace([0, 0.5, 1, 1.5], [0, 30, 60, 60], [0, 40, 80, 80], [0, 0, 2, 3])
    >>> [round(float(value), 2) for value in action_table(trace)[0, :6]]  # a click at the end of a way of 100 pixels
    [1.0, 1.0, 1.5, 100.0, 100.0, 1.0]
    """
    starts, stops, types = find_actions(trace, pause_s=pause_s)
    kept = stops - starts >= FEWEST_EVENTS
    starts, stops, types = starts[kept], stops[kept], types[kept]
    if not len(starts):
        return np.empty((0, len(ACTION_FEATURES)))
    steps = _steps(trace, starts, stops)
    columns = [types, *_whole(trace, starts, stops, steps)]
    return np.column_stack(
        [*columns, *_angles_and_rise(trace, starts, stops, steps), *_measured(steps, len(starts))]
    )


def find_actions(trace: MouseTrace, *, pause_s: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first event of each action, the one behind its last, and its type: 0 move, 1 click, 2 drag.

    Examples
    --------
    >>> trace = MouseTrace([0, 1, 2, 3, 4, 5], [0] * 6, [0] * 6, [0, 0, 2, 1, 3, 4])
    >>> [part.tolist() for part in find_actions(trace, pause_s=9)]
    [[0, 2], [2, 5], [0, 2]]
    """
    event = trace.event
    drag, scroll = event == DRAG, event == SCROLL
    begins = np.ones(len(event), bool)
    begins[1:] = (np.diff(trace.time_s) > pause_s) | (event[:-1] == RELEASE) | (scroll[1:] != scroll[:-1])
    begins[:-1] |= (event[:-1] == PRESS) & drag[1:]
    starts = np.flatnonzero(begins)
    stops = np.r_[starts[1:], len(event)]
    click = (event == PRESS) | (event == RELEASE)
    types = np.where(
        np.logical_or.reduceat(drag, starts), 2, np.logical_or.reduceat(click, starts).astype(int)
    )
    moves = ~scroll[starts]
    return starts[moves], stops[moves], types[moves]


def _steps(trace: MouseTrace, starts: np.ndarray, stops: np.ndarray) -> Steps:
    lengths = stops - starts - 1
    action = np.repeat(np.arange(len(starts)), lengths)
    first = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[action]
    took_s = np.maximum(trace.time_s[first + 1] - trace.time_s[first], SHORTEST_S)
    return Steps(action, trace.x[first + 1] - trace.x[first], trace.y[first + 1] - trace.y[first], took_s)


def _whole(trace: MouseTrace, starts: np.ndarray, stops: np.ndarray, steps: Steps) -> list[np.ndarray]:
    """Return direction, time, way, distance, straightness and number of points."""
    ends = stops - 1
    dx, dy = trace.x[ends] - trace.x[starts], trace.y[ends] - trace.y[starts]
    way = np.bincount(steps.action, np.hypot(steps.dx, steps.dy), len(starts))
    distance = np.hypot(dx, dy)
    straight = np.minimum(distance / np.where(way > 0, way, 1), 1)
    elapsed_s = trace.time_s[ends] - trace.time_s[starts]
    return [octant(dx, dy), elapsed_s, way, distance, straight, stops - starts]


def octant(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return which eighth of the circle displacements point to, clockwise on the screen from the right.

    Examples
    --------
    >>> octant(np.array([1, 1, 0, -1, 0]), np.array([0, 1, 1, 0, -1])).tolist()
    [0, 1, 2, 4, 6]
    """
    angle = np.arctan2(dy, dx) % (2 * np.pi)
    return np.asarray((angle / (np.pi / 4)).astype(int) % 8)


def _angles_and_rise(
    trace: MouseTrace, starts: np.ndarray, stops: np.ndarray, steps: Steps
) -> list[np.ndarray]:
    """Return the sum of angles, the largest deviation, critical points, and how long the speed rose at first."""
    n = len(starts)
    action, turn, way, _ = turns(steps)
    straight = np.abs(turn) < STRAIGHT_PER_PX * way
    return [
        np.bincount(action, np.abs(turn), n),
        _deviation(trace, starts, stops),
        np.bincount(action[straight], minlength=n),
        _rise_s(steps, n),
    ]


def turns(steps: Steps) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return by how much the way turned from one step to the next inside of an action, steps to nowhere left out.

    Returns
    -------
    action, turn, way_px, took_s
        The action; radians from -pi to pi, positive clockwise on the screen; length and time of the second step.
    """
    some = np.flatnonzero((steps.dx != 0) | (steps.dy != 0))
    step = steps.dx[some] + 1j * steps.dy[some]
    inside = steps.action[some][1:] == steps.action[some][:-1]
    second = some[1:][inside]
    turned = step[1:][inside] * np.conj(step[:-1][inside])
    # A negative zero would turn straight back into a turn to the other side.
    turn = np.arctan2(turned.imag + 0.0, turned.real)
    return steps.action[second], turn, np.abs(step[1:][inside]), steps.took_s[second]


def _deviation(trace: MouseTrace, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Return how far from the line between both ends the way came; from the beginning where the ends are one."""
    lengths = stops - starts
    action = np.repeat(np.arange(len(starts)), lengths)
    event = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[action]
    x, y = trace.x[event] - trace.x[starts][action], trace.y[event] - trace.y[starts][action]
    dx, dy = (trace.x[stops - 1] - trace.x[starts])[action], (trace.y[stops - 1] - trace.y[starts])[action]
    base = np.hypot(dx, dy)
    off = np.where(base > 0, np.abs(x * dy - y * dx) / np.where(base > 0, base, 1), np.hypot(x, y))
    return np.maximum.reduceat(off, np.cumsum(lengths) - lengths)


def _rise_s(steps: Steps, n_actions: int) -> np.ndarray:
    """Return how long after its beginning the speed of each action rose from step to step."""
    speed = np.hypot(steps.dx, steps.dy) / steps.took_s
    first = np.r_[True, np.diff(steps.action) > 0]
    fell = speed <= np.where(first, 0.0, np.r_[0.0, speed[:-1]])
    falls = np.cumsum(fell)
    before = (falls - fell)[first][np.cumsum(first) - 1]
    rising = falls == before
    return np.bincount(steps.action[rising], steps.took_s[rising], n_actions)


def _measured(steps: Steps, n_actions: int) -> list[np.ndarray]:
    """Return mean, standard deviation, maximum and minimum of the seven quantities that change along the way."""
    turned, turn, way_px, turn_s = turns(steps)
    vx, vy = steps.dx / steps.took_s, steps.dy / steps.took_s
    speed = (steps.action, np.hypot(vx, vy), steps.took_s)
    gain = slope(*speed)
    quantities = [
        (steps.action, vx),
        (steps.action, vy),
        speed[:2],
        gain[:2],
        slope(*gain)[:2],
        (turned, turn / turn_s),
        (turned, turn / np.where(way_px > 0, way_px, 1)),
    ]
    return [column for action, values in quantities for column in grouped(values, action, n_actions)]


def slope(
    action: np.ndarray, values: np.ndarray, took_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the change a second from each value to the next of the same action, with the time from middle to middle.

    Examples
    --------
    >>> [part.tolist() for part in slope(np.array([0, 0, 1]), np.array([1.0, 4.0, 9.0]), np.array([1.0, 2.0, 1.0]))]
    [[0], [2.0], [1.5]]
    """
    inside = action[1:] == action[:-1]
    between_s = ((took_s[1:] + took_s[:-1]) / 2)[inside]
    return action[1:][inside], np.diff(values)[inside] / between_s, between_s


def grouped(values: np.ndarray, group: np.ndarray, n_groups: int) -> tuple[np.ndarray, ...]:
    """Return mean, standard deviation, maximum and minimum of each group, 0 for one without values.

    Parameters
    ----------
    values
        float (n,).
    group
        int (n,), never falling.
    n_groups
        How many there are.

    Examples
    --------
    >>> [part.tolist() for part in grouped(np.array([1.0, 3.0, 5.0]), np.array([0, 0, 2]), 3)]
    [[2.0, 0.0, 5.0], [1.0, 0.0, 0.0], [3.0, 0.0, 5.0], [1.0, 0.0, 5.0]]
    """
    counts = np.maximum(np.bincount(group, minlength=n_groups), 1)
    mean = np.bincount(group, values, n_groups) / counts
    spread = np.sqrt(np.bincount(group, (values - mean[group]) ** 2, n_groups) / counts)
    most, least = np.zeros(n_groups), np.zeros(n_groups)
    if len(group):
        first = np.flatnonzero(np.r_[True, np.diff(group) > 0])
        most[group[first]] = np.maximum.reduceat(values, first)
        least[group[first]] = np.minimum.reduceat(values, first)
    return mean, spread, most, least
