"""Movement features of a piece of a mouse session: those of its actions, pooled, and those of the whole piece."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from phosphene.converters.core.signal import Signal
from phosphene.converters.mouse.signal import MouseTrace

from .feature_set import FeatureSet, Record, Table
from .mouse_actions import ACTION_FEATURES, TYPES, action_table
from .mouse_piece import piece_statistics

_SPECIAL = 2
"""Columns of an action that are no quantities: type and direction."""
_POOLS = ("mean", "sd", "median")
_TICKS_PER_S = 1e6
_LATEST_S = 2**52 / _TICKS_PER_S
"""Up to here, 142 years, ticks are whole numbers that floats hold exactly."""


def measure(signal: Signal) -> Record:
    """Return the 39 features of each action, and what the piece is like as a whole.

    Returns
    -------
    dict of numpy.ndarray
        `actions` float32 (n_actions, 39), in the order of ACTION_FEATURES; `piece` float32 (n,), in the order of
        `piece_statistics`.

    Examples
    --------
    >>> measure(MouseTrace([0], [5], [5], [0]))["actions"].shape
    (0, 39)
    """
    trace = from_zero(cast(MouseTrace, signal))
    piece = np.fromiter(piece_statistics(trace).values(), np.float32)
    return {"actions": action_table(trace).astype(np.float32), "piece": piece}


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
    """Return rows of records: quantities of actions pooled, types and directions counted, then the whole piece.

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

    Parameters
    ----------
    actions
        float (n_actions, 39), as `action_table` gives them; of none, all is 0.

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
        *(f"actions in direction {at}" for at in range(8)),
        *(f"{how} of {name}" for how in _POOLS for name in ACTION_FEATURES[_SPECIAL:]),
        *piece_statistics(still),
    )


MOVEMENT = FeatureSet(
    name="movement",
    kind="mouse",
    version=2,
    summary="speeds, accelerations, curvature, pauses, clicks and directions, by action and by piece",
    source="M. Antal, E. Egyed-Zsigmond: Intrusion detection using mouse dynamics, 2019, doi:10.1049/iet-bmt.2018.5126",
    measure=measure,
    tabulate=tabulate,
)
"""The 39 features of actions that the paper names, and statistics of the piece that they are in.

Places on the screen are among them: as in the pictures of a session, they tell what is on the screen and how large it
is, besides how the hand moves.
"""

FEATURE_SETS: tuple[FeatureSet, ...] = (MOVEMENT,)
