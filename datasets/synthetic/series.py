"""Vibrations from a seed: a machine in order, out of balance, and with a damaged bearing, as CSV."""

from collections.abc import Callable

import numpy as np

RATE_HZ = 800
LENGTH = 400
TURN_HZ = (5.0, 10.0)
_TIME_S = np.arange(LENGTH) / RATE_HZ
_IMPACTS_PER_TURN = 3.58
"""Of the outer ring of a common ball bearing."""


def normal(rng: np.random.Generator) -> np.ndarray:
    """Return acceleration in g, (2, n): radial and axial, of a machine in order."""
    return _running(rng, unbalance_g=rng.uniform(0.02, 0.1))


def imbalance(rng: np.random.Generator) -> np.ndarray:
    """Return acceleration in g, (2, n), with one strong push a turn, above all in the radial channel."""
    return _running(rng, unbalance_g=rng.uniform(0.4, 0.9))


def bearing(rng: np.random.Generator) -> np.ndarray:
    """Return acceleration in g, (2, n), with the ringing of impacts at the rate of a damaged outer ring."""
    turn_hz = rng.uniform(*TURN_HZ)
    impacts = _impacts(rng, _IMPACTS_PER_TURN * turn_hz) * rng.uniform(0.6, 1.4)
    running = _running(rng, unbalance_g=rng.uniform(0.03, 0.2), turn_hz=turn_hz)
    return running + np.stack([impacts, rng.uniform(0.3, 0.8) * impacts])


def _running(rng: np.random.Generator, *, unbalance_g: float, turn_hz: float | None = None) -> np.ndarray:
    """Return the first two harmonics of a turning shaft in noise."""
    phase = 2 * np.pi * (turn_hz or rng.uniform(*TURN_HZ)) * _TIME_S + rng.uniform(0, 2 * np.pi)
    second = rng.uniform(0.02, 0.12) * np.sin(2 * phase + rng.uniform(0, 2 * np.pi))
    radial = unbalance_g * np.sin(phase) + second
    axial = rng.uniform(0.1, 0.4) * unbalance_g * np.sin(phase + rng.uniform(0.5, 2.5)) + second
    return np.stack([radial, axial]) + rng.uniform(0.06, 0.15) * rng.standard_normal((2, LENGTH))


def _impacts(rng: np.random.Generator, rate_hz: float) -> np.ndarray:
    """Return decaying oscillations that begin at a nearly even rate."""
    ring_hz, decay_s = rng.uniform(90, 180), rng.uniform(0.006, 0.015)
    gaps_s = rng.normal(1 / rate_hz, 0.02 / rate_hz, int(rate_hz * LENGTH / RATE_HZ) + 2)
    since_s = _TIME_S - (np.cumsum(gaps_s) - rng.uniform(0, 2 / rate_hz))[:, None]
    begun_s = np.maximum(since_s, 0)
    ringing = (since_s >= 0) * np.exp(-begun_s / decay_s) * np.cos(2 * np.pi * ring_hz * begun_s)
    return np.asarray((ringing * rng.uniform(0.6, 1.2, (len(gaps_s), 1))).sum(axis=0))


def to_csv(values: np.ndarray) -> bytes:
    """Write two channels as CSV with a header."""
    rows = (f"{t:.5f},{radial:.4f},{axial:.4f}\n" for t, radial, axial in zip(_TIME_S, *values, strict=True))
    return ("time,radial_g,axial_g\n" + "".join(rows)).encode()


def _file_of(machine: Callable[[np.random.Generator], np.ndarray]) -> Callable[[np.random.Generator], bytes]:
    return lambda rng: to_csv(machine(rng))


CLASSES = {machine.__name__: _file_of(machine) for machine in (bearing, imbalance, normal)}
