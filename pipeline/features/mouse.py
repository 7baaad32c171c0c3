"""Movement features of a window of a mouse session: those of its actions, pooled, and those of the whole window."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from phosphene.converters.core.signal import Signal
from phosphene.converters.mouse.signal import DRAG, EVENTS, PRESS, RELEASE, SCROLL, SHORTEST_S, MouseTrace

from .feature_set import FeatureSet, Record, Table

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
    """From event to event inside of actions: the action of each step (never falling), pixels, seconds >= 10 ms."""

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
        A session or a window of one.
    pause_s
        Above 0.

    Returns
    -------
    numpy.ndarray
        float64 (n_actions, 39), in the order of ACTION_FEATURES; pixels and seconds. Type 0 is a move, 1 a click, 2 a
        drag. Direction is the eighth of the circle that the end is in, as seen from the beginning: 0 from right to half
        below, and so on clockwise. The sum of angles is that of all turns, left or right. Critical points are those
        where the curvature is below 0.0005 radians a pixel. `a_beg_time` is how long the speed rose from the beginning
        on. What is not known, as the turns of a way without any, is 0.

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
    action, first = _each(starts, stops - 1)
    took_s = np.maximum(trace.time_s[first + 1] - trace.time_s[first], SHORTEST_S)
    dx, dy = trace.x[first + 1] - trace.x[first], trace.y[first + 1] - trace.y[first]
    steps = Steps(action, dx, dy, took_s)
    return np.column_stack([types, *_whole(trace, starts, stops, steps), *_measured(steps, len(starts))])


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


def _each(starts: np.ndarray, stops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return all indices from each start to its stop, and before them which start each is of."""
    lengths = stops - starts
    action = np.repeat(np.arange(len(starts)), lengths)
    return action, np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[
        action
    ]


def _whole(trace: MouseTrace, starts: np.ndarray, stops: np.ndarray, steps: Steps) -> list[np.ndarray]:
    """Return the features of an action as a whole: ACTION_FEATURES from the direction to the time of rising speed."""
    n, ends = len(starts), stops - 1
    dx, dy = trace.x[ends] - trace.x[starts], trace.y[ends] - trace.y[starts]
    way = np.bincount(steps.action, np.hypot(steps.dx, steps.dy), n)
    distance = np.hypot(dx, dy)
    action, turn, way_px, _ = turns(steps)
    return [
        octant(dx, dy),
        trace.time_s[ends] - trace.time_s[starts],
        way,
        distance,
        np.minimum(distance / np.where(way > 0, way, 1), 1),
        stops - starts,
        np.bincount(action, np.abs(turn), n),
        _deviation(trace, starts, stops),
        np.bincount(action[np.abs(turn) < STRAIGHT_PER_PX * way_px], minlength=n),
        _rise_s(steps, n),
    ]


def octant(dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return which eighth of the circle displacements point to, clockwise on the screen from the right.

    Examples
    --------
    >>> octant(np.array([1, 1, 0, -1, 0]), np.array([0, 1, 1, 0, -1])).tolist()
    [0, 1, 2, 4, 6]
    """
    angle = np.arctan2(dy, dx) % (2 * np.pi)
    return np.asarray((angle / (np.pi / 4)).astype(int) % 8)


def turns(steps: Steps) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return action, turn (-pi to pi, clockwise), length and time of each step that follows another of its action."""
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
    action, event = _each(starts, stops)
    x, y = trace.x[event] - trace.x[starts][action], trace.y[event] - trace.y[starts][action]
    dx, dy = (trace.x[stops - 1] - trace.x[starts])[action], (trace.y[stops - 1] - trace.y[starts])[action]
    base = np.hypot(dx, dy)
    off = np.where(base > 0, np.abs(x * dy - y * dx) / np.where(base > 0, base, 1), np.hypot(x, y))
    return np.maximum.reduceat(off, np.flatnonzero(np.diff(action, prepend=-1)))


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
    """Return mean, deviation, maximum and minimum of each group (int (n,), never falling), 0 for one without values.

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


QUANTILES = (5, 10, 25, 50, 75, 90, 95)
PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
INTERVALS_S = (
    0.004, 0.008, 0.012, 0.0155, 0.0175, 0.024, 0.032, 0.048, 0.064, 0.095, 0.105, 0.125, 0.15, 0.2, 0.3, 0.5, 1.0, 3.0,
)  # fmt: skip
LENGTHS_PX = (1.01, 2.3, 4.5, 8.5, 16.5, 32.5, 64.5, 128.5, 256.5)
SPEEDS_PX_S = (20.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0, 3200.0, 6400.0)
N_TURNS = 12
DOUBLE_S, DOUBLE_PX = 0.5, 5.0

Named = dict[str, float]


def window_statistics(trace: MouseTrace) -> Named:
    """Return finite numbers by name; what is not known, as how long clicks were where there are none, is 0.

    Examples
    --------
    >>> trace = MouseTrace([0, 0.1, 0.2, 0.3], [0, 30, 60, 60], [0, 40, 80, 80], [0, 0, 2, 3])
    >>> found = window_statistics(trace)
    >>> round(found["straightness"], 3), round(found["click s mean"], 3), found["share of press"]
    (1.0, 0.1, 0.25)
    """
    parts = (_rhythm, _movement, _directions, _events, _clicks, _positions)
    return {name: float(value) for part in parts for name, value in part(trace).items()}


def _rhythm(trace: MouseTrace) -> Named:
    """Measure the time from event to event, and pauses."""
    gaps_s = np.diff(trace.time_s)
    total_s = max(gaps_s.sum(), SHORTEST_S)
    return {
        "log duration": np.log(total_s),
        **_quantiles("log interval", np.log(np.maximum(gaps_s, 0.001))),
        **_histogram("interval", gaps_s, INTERVALS_S),
        **{f"pauses above {limit:g} s": (gaps_s > limit).sum() for limit in PAUSES_S},
        **{f"time in pauses above {limit:g} s": gaps_s[gaps_s > limit].sum() / total_s for limit in PAUSES_S},
    }


def _joined(trace: MouseTrace) -> Steps:
    """Return the steps that no pause is in; each run of them is an action."""
    gaps_s = np.diff(trace.time_s)
    joined = gaps_s <= PAUSE_S
    run = np.cumsum(~joined)[joined]
    took_s = np.maximum(gaps_s[joined], SHORTEST_S)
    return Steps(run, np.diff(trace.x)[joined], np.diff(trace.y)[joined], took_s)


def _movement(trace: MouseTrace) -> Named:
    """Measure lengths, speeds and what follows of them."""
    steps = _joined(trace)
    length_px = np.hypot(steps.dx, steps.dy)
    moved = length_px > 0
    speed = length_px / steps.took_s
    gain = slope(steps.action, speed, steps.took_s)
    jerk = slope(*gain)[1]
    _, turn, way_px, turn_s = turns(steps)
    return {
        **_quantiles("log step", np.log(length_px[moved])),
        **_histogram("step", length_px[moved], LENGTHS_PX),
        **_quantiles("log speed", np.log(speed[moved])),
        **_histogram("speed", speed[moved], SPEEDS_PX_S),
        **_quantiles("acceleration", np.arcsinh(gain[1])),
        **_quantiles("jerk", np.arcsinh(jerk)),
        **_quantiles("log omega", np.log1p(np.abs(turn) / turn_s)),
        **_quantiles("curvature", np.abs(turn) / np.maximum(way_px, 1)),
        **_quantiles("turn", np.abs(turn)),
        **_shares(
            "turn", np.minimum((turn + np.pi) / (2 * np.pi) * N_TURNS, N_TURNS - 1).astype(int), N_TURNS
        ),
        "sharp turns": np.mean(np.abs(turn) > np.pi / 2) if len(turn) else 0.0,
        "no step": 1 - moved.mean() if len(moved) else 0.0,
    }


def _directions(trace: MouseTrace) -> Named:
    """Measure where steps went to, and how fast in which direction."""
    steps = _joined(trace)
    moved = (steps.dx != 0) | (steps.dy != 0)
    dx, dy, took_s = steps.dx[moved], steps.dy[moved], steps.took_s[moved]
    eighth, length_px = octant(dx, dy), np.hypot(dx, dy)
    counts = np.maximum(np.bincount(eighth, minlength=8), 1)
    mean = np.bincount(eighth, np.log(length_px / took_s), 8) / counts
    ways = np.bincount(eighth, length_px, 8) / max(length_px.sum(), 1)
    n = max(len(dx), 1)
    return {
        **_shares("direction", eighth, 8),
        **{f"way in direction {k}": ways[k] for k in range(8)},
        **{f"mean log speed in direction {k}": mean[k] for k in range(8)},
        "only across": (dy == 0).sum() / n,
        "only upright": (dx == 0).sum() / n,
        "diagonal": (np.abs(dx) == np.abs(dy)).sum() / n,
        "mean vx": np.arcsinh((dx / took_s).sum() / n),
        "mean vy": np.arcsinh((dy / took_s).sum() / n),
        "across to upright": np.log1p(np.abs(dx).sum()) - np.log1p(np.abs(dy).sum()),
    }


def _events(trace: MouseTrace) -> Named:
    """Count sorts of events, and runs of turns of the wheel."""
    n = len(trace.event)
    shares = np.bincount(trace.event, minlength=len(EVENTS)) / n
    scroll = trace.event == SCROLL
    gaps_s = np.diff(trace.time_s)[scroll[1:] & scroll[:-1]]
    return {
        "log events": np.log(n),
        **{f"share of {name}": share for name, share in zip(EVENTS, shares, strict=True)},
        "runs of scrolling": (scroll[1:] & ~scroll[:-1]).sum() + scroll[0],
        **_moments("log interval of scrolling", np.log(np.maximum(gaps_s[gaps_s <= PAUSE_S], 0.001))),
    }


def _clicks(trace: MouseTrace) -> Named:
    """Measure presses: how long a button is down, how far it goes, what comes before, how soon the next one is."""
    press, release = np.flatnonzero(trace.event == PRESS), np.flatnonzero(trace.event == RELEASE)
    index = np.searchsorted(release, press)
    nearest = np.append(press[1:], len(trace.event))
    ended = index < len(release)
    ended[ended] = release[index[ended]] < nearest[ended]
    down, up = press[ended], release[index[ended]]
    far_px = np.hypot(trace.x[up] - trace.x[down], trace.y[up] - trace.y[down])
    next_s = np.diff(trace.time_s[press])
    next_px = np.hypot(np.diff(trace.x[press]), np.diff(trace.y[press]))
    later = press[press > 0]
    return {
        "presses": len(press),
        **_moments("click s", np.minimum(trace.time_s[up] - trace.time_s[down], 10)[far_px <= DOUBLE_PX]),
        **_moments("drag s", np.minimum(trace.time_s[up] - trace.time_s[down], 10)[far_px > DOUBLE_PX]),
        **_moments("log drag px", np.log1p(far_px[far_px > DOUBLE_PX])),
        "double clicks": ((next_s <= DOUBLE_S) & (next_px <= DOUBLE_PX)).sum(),
        **_moments("double click s", next_s[(next_s <= DOUBLE_S) & (next_px <= DOUBLE_PX)]),
        **_moments("log s from press to press", np.log(np.maximum(next_s, 0.001))),
        **_moments(
            "log s before press", np.log(np.maximum(trace.time_s[later] - trace.time_s[later - 1], 0.001))
        ),
    }


def _positions(trace: MouseTrace) -> Named:
    """Measure where on the screen the pointer was and what it pressed, in thousands of pixels."""
    way_px = np.hypot(np.diff(trace.x), np.diff(trace.y)).sum()
    distance_px = np.hypot(trace.x[-1] - trace.x[0], trace.y[-1] - trace.y[0])
    pressed = trace.event == PRESS
    found = {"log way": np.log1p(way_px), "straightness": min(distance_px / way_px, 1.0) if way_px else 0.0}
    for name, at in (("x", trace.x), ("y", trace.y)):
        found |= _quantiles(name, at / 1000)
        found |= {
            f"{name} least": at.min() / 1000,
            f"{name} most": at.max() / 1000,
            f"{name} sd": at.std() / 1000,
        }
        found |= _moments(f"{name} of presses", at[pressed] / 1000)
    return found


def _quantiles(name: str, values: np.ndarray) -> Named:
    cuts = quantiles(values) if len(values) else np.zeros(len(QUANTILES))
    mean, sd = (values.mean(), values.std()) if len(values) else (0.0, 0.0)
    found = {f"{name} {percent} %": value for percent, value in zip(QUANTILES, cuts, strict=True)}
    return {**found, f"{name} mean": mean, f"{name} sd": sd}


def quantiles(values: np.ndarray) -> np.ndarray:
    """Return the quantiles of one or more values, as `numpy.percentile` does, which is slow for few of them.

    Examples
    --------
    >>> quantiles(np.array([10.0, 0.0])).tolist()
    [0.5, 1.0, 2.5, 5.0, 7.5, 9.0, 9.5]
    """
    ordered = np.sort(values)
    at = np.array(QUANTILES) / 100 * (len(values) - 1)
    low = at.astype(int)
    above = ordered[np.minimum(low + 1, len(values) - 1)]
    return np.asarray(ordered[low] + (above - ordered[low]) * (at - low))


def _moments(name: str, values: np.ndarray) -> Named:
    found = (values.mean(), values.std(), values.min(), values.max()) if len(values) else np.zeros(4)
    return {f"{name} {how}": value for how, value in zip(("mean", "sd", "min", "max"), found, strict=True)}


def _histogram(name: str, values: np.ndarray, edges: tuple[float, ...]) -> Named:
    """Return the shares of values below the first edge, from one to the next, and from the last on."""
    return _shares(name, np.searchsorted(edges, values, side="right"), len(edges) + 1)


def _shares(name: str, parts: np.ndarray, n: int) -> Named:
    shares = np.bincount(parts, minlength=n) / max(len(parts), 1)
    return {f"{name} in part {at}": share for at, share in enumerate(shares)}


_SPECIAL = 2
"""Columns of an action that are no quantities: type and direction."""
_POOLS = ("mean", "sd", "median")
_TICKS_PER_S = 1e6
_LATEST_S = 2**52 / _TICKS_PER_S
"""Up to here, 142 years, ticks are whole numbers that floats hold exactly."""


def measure(signal: Signal) -> Record:
    """Return the 39 features of each action, and what the window is like as a whole.

    Returns
    -------
    dict of numpy.ndarray
        `actions` float32 (n_actions, 39), in the order of ACTION_FEATURES; `piece` float32 (n,), of the window, in the
        order of `window_statistics`.

    Examples
    --------
    >>> measure(MouseTrace([0], [5], [5], [0]))["actions"].shape
    (0, 39)
    """
    trace = from_zero(cast(MouseTrace, signal))
    window = np.fromiter(window_statistics(trace).values(), np.float32)
    return {"actions": action_table(trace).astype(np.float32), "piece": window}


def from_zero(trace: MouseTrace) -> MouseTrace:
    """Return a trace whose clock starts at 0 and tells whole microseconds, finer than clocks of pointers do.

    Late times are rounded more coarsely than early ones: what is equally fast at both would not be.

    Examples
    --------
    >>> from_zero(MouseTrace([86400.1, 86400.2], [0, 3], [0, 4], [0, 0])).time_s.tolist()
    [0.0, 0.1]
    """
    ticks = np.round(np.clip(trace.time_s, -_LATEST_S, _LATEST_S) * _TICKS_PER_S)
    return replace(trace, time_s=(ticks - ticks[0]) / _TICKS_PER_S)


def tabulate(records: Sequence[Record]) -> Table:
    """Return rows of records: quantities of actions pooled, types and directions counted, then the whole window.

    Quantities are put on the scale of arcsinh before they are pooled, which is logarithmic for large ones of either
    sign: one leap between two ticks of a clock would be all that is left of a mean of accelerations.

    Examples
    --------
    >>> table = tabulate([measure(MouseTrace([0], [5], [5], [0]))])
    >>> table.names[:3]
    ('actions', 'share of move actions', 'share of click actions')
    """
    rows = [np.concatenate([pool_actions(record["actions"]), record["piece"]]) for record in records]
    names = column_names()
    return Table(np.array(rows, np.float32).reshape(len(records), len(names)), names)


def pool_actions(actions: np.ndarray) -> np.ndarray:
    """Return how many actions there are, shares of types and directions, and pooled quantities.

    Returns
    -------
    numpy.ndarray
        float64 (1 + 3 + 8 + 3 * 37,).
    """
    n = max(len(actions), 1)
    types = np.bincount(actions[:, 0].astype(int), minlength=len(TYPES)) / n
    directions = np.bincount(actions[:, 1].astype(int), minlength=8) / n
    values = np.arcsinh(actions[:, _SPECIAL:].astype(np.float64))
    pooled = np.zeros((len(_POOLS), values.shape[1]))
    if len(values):
        pooled[:] = values.mean(axis=0), values.std(axis=0), np.median(values, axis=0)
    return np.concatenate([[len(actions)], types, directions, pooled.ravel()])


@functools.cache
def column_names() -> tuple[str, ...]:
    """Return the names of the columns of the table."""
    still = MouseTrace(np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1, np.uint8))
    return (
        "actions",
        *(f"share of {name} actions" for name in TYPES),
        *(f"actions in direction {k}" for k in range(8)),
        *(f"{how} of {name}" for how in _POOLS for name in ACTION_FEATURES[_SPECIAL:]),
        *window_statistics(still),
    )


MOVEMENT = FeatureSet(
    name="movement",
    kind="mouse",
    version=2,
    summary="speeds, accelerations, curvature, pauses, clicks and directions, by action and by window",
    source="M. Antal, E. Egyed-Zsigmond: Intrusion detection using mouse dynamics, 2019, doi:10.1049/iet-bmt.2018.5126",
    measure=measure,
    tabulate=tabulate,
)
"""The 39 features of actions that the paper names, and statistics of the window that they are in.

Positions on the screen are among them: as in the images of a session, they tell what is on the screen and how large it
is, besides how the hand moves.
"""

FEATURE_SETS: tuple[FeatureSet, ...] = (MOVEMENT,)
