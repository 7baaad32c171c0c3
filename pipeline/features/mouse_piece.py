"""What a piece of a mouse session is like as a whole: rhythm, speeds, turns, directions, clicks, places."""

from collections.abc import Callable

import numpy as np

from phosphene.converters.mouse.signal import EVENTS, PRESS, RELEASE, SCROLL, SHORTEST_S, MouseTrace

from .mouse_actions import PAUSE_S, Steps, octant, slope, turns

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


def piece_statistics(trace: MouseTrace) -> Named:
    """Return finite numbers by name; what cannot be told, as how long clicks were where there are none, is 0.

    Examples
    --------
    >>> trace = MouseTrace([0, 0.1, 0.2, 0.3], [0, 30, 60, 60], [0, 40, 80, 80], [0, 0, 2, 3])
    >>> found = piece_statistics(trace)
    >>> round(found["straightness"], 3), round(found["click s mean"], 3), found["share of press"]
    (1.0, 0.1, 0.25)
    """
    parts: tuple[Callable[[MouseTrace], Named], ...] = (
        _rhythm,
        _movement,
        _directions,
        _events,
        _clicks,
        _places,
    )
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
        **{f"way in direction {at}": ways[at] for at in range(8)},
        **{f"mean log speed in direction {at}": mean[at] for at in range(8)},
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
    place = np.searchsorted(release, press)
    nearest = np.append(press[1:], len(trace.event))
    ended = place < len(release)
    ended[ended] = release[place[ended]] < nearest[ended]
    down, up = press[ended], release[place[ended]]
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


def _places(trace: MouseTrace) -> Named:
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
    found = quantiles(values) if len(values) else np.zeros(len(QUANTILES))
    mean, sd = (values.mean(), values.std()) if len(values) else (0.0, 0.0)
    places = {f"{name} {percent} %": value for percent, value in zip(QUANTILES, found, strict=True)}
    return {**places, f"{name} mean": mean, f"{name} sd": sd}


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
    if not len(values):
        return {f"{name} {how}": 0.0 for how in ("mean", "sd", "min", "max")}
    return {
        f"{name} mean": values.mean(),
        f"{name} sd": values.std(),
        f"{name} min": values.min(),
        f"{name} max": values.max(),
    }


def _histogram(name: str, values: np.ndarray, edges: tuple[float, ...]) -> Named:
    """Return the shares of values below the first edge, from one to the next, and from the last on."""
    return _shares(name, np.searchsorted(edges, values, side="right"), len(edges) + 1)


def _shares(name: str, places: np.ndarray, n: int) -> Named:
    shares = np.bincount(places, minlength=n) / max(len(places), 1)
    return {f"{name} in part {at}": share for at, share in enumerate(shares)}
