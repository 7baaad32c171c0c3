"""Mouse sessions from a seed: people and bots that visit targets on a screen and click, as CSV."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

SCREEN = (1920, 1080)


@dataclass
class _Session:
    """Rows of a session as they come, and the clock."""

    rows: list[str] = field(default_factory=list)
    time_s: float = 0.0

    def add(self, wait_s: float, position: np.ndarray, event: str) -> None:
        self.time_s += wait_s
        x, y = (min(max(round(at), 0), size - 1) for at, size in zip(position.tolist(), SCREEN, strict=True))
        self.rows.append(f"{self.time_s:.3f},{x},{y},{event}\n")

    def to_csv(self) -> bytes:
        return ("time,x,y,event\n" + "".join(self.rows)).encode()


def person(rng: np.random.Generator) -> bytes:
    """Return a session of curved strokes with bell-shaped speed, tremor, corrections and pauses."""
    session, here = _Session(), _target(rng)
    for _ in range(int(rng.integers(8, 14))):
        there = _target(rng)
        missed = there + rng.normal(0, 0.03, 2) * np.abs(there - here).max()
        event = "drag" if rng.random() < 0.15 else "move"
        _reach(session, rng, here, missed, event)
        if rng.random() < 0.6:
            _reach(session, rng, missed, there, event)
        here = there
        _finish(session, rng, here, hold_s=rng.uniform(0.06, 0.16), rest_s=rng.exponential(0.5))
    return session.to_csv()


def bot(rng: np.random.Generator) -> bytes:
    """Return a session of straight strokes at constant speed with even clicks, sometimes a little shaken."""
    session, here = _Session(), _target(rng)
    speed_px, shake_px = rng.uniform(8, 30), rng.choice([0.0, 0.6, 1.5])
    hold_s, rest_s = rng.uniform(0.02, 0.12), rng.uniform(0.1, 0.8)
    for _ in range(int(rng.integers(8, 14))):
        there = _target(rng)
        steps = max(2, int(np.linalg.norm(there - here) / speed_px))
        event = "drag" if rng.random() < 0.15 else "move"
        for position in np.linspace(here, there, steps):
            session.add(_tick_s(rng), position + shake_px * rng.standard_normal(2), event)
        here = there
        _finish(session, rng, here, hold_s=hold_s, rest_s=rest_s)
    return session.to_csv()


def _reach(
    session: _Session, rng: np.random.Generator, start: np.ndarray, stop: np.ndarray, event: str
) -> None:
    """Add a stroke of least jerk (Flash and Hogan 1985, doi:10.1523/JNEUROSCI.05-07-01688.1985), bent."""
    way = stop - start
    length_px = float(np.linalg.norm(way))
    steps = max(4, int((0.1 + 0.12 * np.log2(1 + length_px / 20)) * rng.uniform(0.8, 1.4) / 0.016))
    part = np.linspace(0, 1, steps)[:, None]
    eased = 10 * part**3 - 15 * part**4 + 6 * part**5
    bow = rng.normal(0, 0.10) * np.array([-way[1], way[0]]) * np.sin(np.pi * eased)
    for position in start + eased * way + bow + rng.normal(0, 0.8, (steps, 2)):
        session.add(_tick_s(rng), position, event)


def _finish(
    session: _Session, rng: np.random.Generator, here: np.ndarray, *, hold_s: float, rest_s: float
) -> None:
    """Add what is done at a target: mostly a click, sometimes a few turns of the wheel; then a rest."""
    if rng.random() < 0.8:
        session.add(_tick_s(rng), here, "press")
        session.add(hold_s, here, "release")
    else:
        for _ in range(int(rng.integers(2, 7))):
            session.add(hold_s, here, "scroll")
    session.time_s += rest_s


def _target(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform((60, 60), (SCREEN[0] - 60, SCREEN[1] - 60))


def _tick_s(rng: np.random.Generator) -> float:
    """Return the time to the next report of the mouse, about 1/60 s for people and bots alike."""
    return float(rng.uniform(0.014, 0.019))


CLASSES: dict[str, Callable[[np.random.Generator], bytes]] = {"bot": bot, "person": person}
