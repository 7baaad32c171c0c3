"""Sessions cut into pieces: at pauses, by the length of the path, or by the number of events."""

from typing import Literal, get_args

import numpy as np

from ...core.errors import ParameterError
from ...core.fragment import Fragment
from ..signal import MouseTrace

CutBy = Literal["pause", "path", "events"]
LIMITS: dict[CutBy, float] = {"pause": 1.0, "path": 5000.0, "events": 250}
"""What a piece is cut by when nothing is said: seconds, pixels of the screen, events."""


def cut_session(trace: MouseTrace, *, by: CutBy, limit: float | None = None) -> list[Fragment]:
    """Cut a session into pieces that hold every event once, in order; none is empty.

    Parameters
    ----------
    trace
        The session.
    by
        `pause`: where more than `limit` seconds pass between two events, one piece ends with the first of them and
        the next begins with the second. `path`: a piece takes events as long as the way of the pointer from its first
        event to its last is at most `limit` pixels of the screen; the way between two pieces belongs to neither, so
        a leap longer than that cuts like a pause. `events`: pieces of `limit` events.
    limit
        Above 0, and a whole number for `events`; none is 1 s, 5,000 pixels or 250 events.

    Returns
    -------
    list of Fragment
        Half-open ranges of events, counted from 0. The last one by `path` or `events` is what is left over, and may
        be short: one that is too little to be drawn or judged is the caller's to drop.

    Raises
    ------
    ParameterError
        No such way to cut, or a limit that is out of its bounds.

    Examples
    --------
    >>> trace = MouseTrace([0, 1, 2, 9, 10], [0, 30, 60, 60, 90], [0, 0, 0, 0, 40], [0, 0, 0, 0, 2])
    >>> [str(piece) for piece in cut_session(trace, by="pause", limit=2)]
    ['events=0-2', 'events=3-4']
    >>> [str(piece) for piece in cut_session(trace, by="path", limit=40)]
    ['events=0-1', 'events=2-3', 'events=4-4']
    >>> [str(piece) for piece in cut_session(trace, by="events", limit=3)]
    ['events=0-2', 'events=3-4']
    """
    starts = _starts(trace, by, _checked(by, limit))
    return [
        Fragment("events", start, stop)
        for start, stop in zip(starts, [*starts[1:], len(trace.time_s)], strict=True)
    ]


def _checked(by: CutBy, limit: float | None) -> float:
    if by not in get_args(CutBy):
        raise ParameterError(f"by must be one of {', '.join(map(repr, get_args(CutBy)))}, got {by!r}")
    if limit is None:
        return LIMITS[by]
    if by == "events" and not (limit >= 1 and limit % 1 == 0):
        raise ParameterError(f"limit must be a whole number of events >= 1, got {limit!r}")
    if not 0 < limit < float("inf"):
        unit = "seconds" if by == "pause" else "pixels"
        raise ParameterError(f"limit must be a number of {unit} > 0, got {limit!r}")
    return limit


def _starts(trace: MouseTrace, by: CutBy, limit: float) -> list[int]:
    """Return the first event of each piece."""
    count = len(trace.time_s)
    if by == "events":
        return list(range(0, count, int(limit)))
    if by == "pause":
        return [0, *(np.flatnonzero(np.diff(trace.time_s) > limit) + 1).tolist()]
    way_px = np.r_[0.0, np.cumsum(np.hypot(np.diff(trace.x), np.diff(trace.y)))]
    starts, start = [], 0
    while start < count:
        starts.append(start)
        start = int(np.searchsorted(way_px, way_px[start] + limit, side="right"))
    return starts
