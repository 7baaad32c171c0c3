"""The small plots that make up a motion picture; each knows the times of what it shows."""

from dataclasses import dataclass, replace

import numpy as np

from . import kinematics
from .layout import Lines
from .signal import DRAG, MOVE, PRESS, RELEASE, MouseTrace

# By event: moves, drags, presses, releases, turns of the wheel.
_BRIGHTNESS = np.array([0.5, 0.8, 1.0, 0.9, 0.65])
_STROKE_WIDTH_PX, _STEP_WIDTH_PX = 1.2, 2.0
_MARGIN_PX = 1.0


@dataclass(frozen=True, eq=False)
class Panel:
    """A plot and where it stands in the picture.

    Parameters
    ----------
    picture
        float (rows, columns), from 0 to 1.
    lines
        What was drawn, in pixels of the whole picture.
    left, top
        Where the panel's first pixel stands.
    """

    picture: np.ndarray
    lines: Lines
    left: int = 0
    top: int = 0

    def moved(self, left: int, top: int) -> "Panel":
        """Return the panel at another place."""
        ends = self.lines.ends + np.array([left, top, left, top])
        return replace(self, lines=replace(self.lines, ends=ends), left=left, top=top)


def step_panel(trace: MouseTrace, origin: np.ndarray, *, reach_px: float, size: int) -> Panel:
    """Count the steps from event to event on a plane of directions and roots of lengths."""
    source = np.flatnonzero((trace.x != trace.x[origin]) | (trace.y != trace.y[origin]))
    begin = origin[source]
    places = on_root_plane(trace.x[source] - trace.x[begin], trace.y[source] - trace.y[begin], reach_px, size)
    ends = np.stack([*places, *places], axis=1)
    width_px = np.full(len(source), _STEP_WIDTH_PX)
    return Panel(density(*places, size), Lines(ends, width_px, trace.time_s[begin], trace.time_s[source]))


def stroke_panel(trace: MouseTrace, origin: np.ndarray, *, reach_px: float, size: int) -> Panel:
    """Draw every stroke from the middle, on a plane of directions and roots of distances."""
    from ..kernels.loops import draw_lines

    source = np.flatnonzero((trace.x != trace.x[origin]) | (trace.y != trace.y[origin]))
    begin, base = origin[source], stroke_starts(trace.event, origin)[origin[source]]
    tails, heads = (
        on_root_plane(trace.x[at] - trace.x[base], trace.y[at] - trace.y[base], reach_px, size)
        for at in (begin, source)
    )
    ends, width_px = np.stack([*tails, *heads], axis=1), np.full(len(source), _STROKE_WIDTH_PX)
    shades = _BRIGHTNESS[np.where(kinematics.dragging(trace.event)[source], DRAG, MOVE)]
    picture = np.zeros((size, size, 1), np.uint8)
    draw_lines(picture, ends, np.ascontiguousarray(shades[:, None]), width_px, False)
    return Panel(picture[:, :, 0] / 255, Lines(ends, width_px, trace.time_s[begin], trace.time_s[source]))


def bar_panel(trace: MouseTrace, share: np.ndarray, shape: tuple[int, int]) -> Panel:
    """Draw a bar for every event in their order: `share` of the panel's height, never less than one pixel."""
    rows, columns = shape
    first = np.arange(columns) * len(share) // columns
    height_px = np.maximum(np.maximum.reduceat(share, first) * rows, 1.0)
    shades = np.maximum.reduceat(_BRIGHTNESS[trace.event], first)
    above = rows - np.arange(rows)[:, None]
    picture = np.clip(height_px - above + 1, 0, 1) * shades
    x, bottom = np.arange(columns) + 0.5, np.full(columns, float(rows))
    last = np.maximum(np.r_[first[1:], len(share)] - 1, first)
    ends = np.stack([x, bottom, x, rows - height_px], axis=1)
    start_s = trace.time_s[np.maximum(first - 1, 0)]
    return Panel(picture, Lines(ends, np.zeros(columns), start_s, trace.time_s[last]))


def stroke_starts(event: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the event at which the stroke through each event began: after a pause, at a press or a release.

    Examples
    --------
    >>> stroke_starts(np.array([0, 0, 2, 3, 0]), np.array([0, 0, 1, 2, 3])).tolist()
    [0, 0, 2, 3, 3]
    """
    places = np.arange(len(event))
    begins = (origin == places) | (event == PRESS) | (event == RELEASE)
    return np.asarray(np.maximum.accumulate(np.where(begins, places, 0)))


def on_root_plane(
    right_px: np.ndarray, down_px: np.ndarray, reach_px: float, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of displacements: directions as they are, distance as the root of the length.

    Examples
    --------
    >>> column, row = on_root_plane(np.array([0, 25, -900]), np.array([0, 0, 0]), 100, 10)
    >>> column.tolist(), row.tolist()
    ([5.0, 7.0, 1.0], [5.0, 5.0, 5.0])
    """
    length = np.maximum(np.hypot(right_px, down_px), 1e-9)
    factor = np.sqrt(np.minimum(length / reach_px, 1)) / length * (size / 2 - _MARGIN_PX)
    return size / 2 + right_px * factor, size / 2 + down_px * factor


def density(column: np.ndarray, row: np.ndarray, size: int) -> np.ndarray:
    """Count places on a grid, smoothed, on a logarithmic scale.

    Returns
    -------
    float64 (size, size)
        From 0 to 1, which the fullest pixel has.
    """
    # 16: a lone place, smoothed by 4/16, is well above black
    return log_level(smooth(smooth(share_out(column, row, np.ones(len(column)), size)).T).T, 16)


def log_level(counts: np.ndarray, factor: float) -> np.ndarray:
    """Return log(1 + factor * counts) as shares of the largest.

    Examples
    --------
    >>> log_level(np.array([0.0, 1.0, 3.0]), 1).tolist()
    [0.0, 0.5, 1.0]
    """
    level: np.ndarray = np.log1p(counts * factor)
    return np.asarray(level / max(float(level.max()), 1e-9))


def share_out(column: np.ndarray, row: np.ndarray, weight: np.ndarray, size: int) -> np.ndarray:
    """Add weights on a grid, each shared among the four pixels nearest to its place: float64 (size, size).

    Examples
    --------
    >>> share_out(np.array([1.5]), np.array([1.0]), np.array([4.0]), 2).tolist()
    [[0.0, 2.0], [0.0, 2.0]]
    """
    left, top = np.floor(column - 0.5).astype(int), np.floor(row - 0.5).astype(int)
    right_share, low_share = column - 0.5 - left, row - 0.5 - top
    grid = np.zeros((size + 2) ** 2)  # a border takes what lies outside
    for down, row_share in ((1, 1 - low_share), (2, low_share)):
        for along, column_share in ((1, 1 - right_share), (2, right_share)):
            places = np.clip(top + down, 0, size + 1) * (size + 2) + np.clip(left + along, 0, size + 1)
            grid += np.bincount(places, weight * row_share * column_share, len(grid))
    return grid.reshape(size + 2, size + 2)[1:-1, 1:-1]


def share_rows(row: np.ndarray, column: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Count in whole columns, each count shared between the two nearest rows: float64 of `shape`.

    Examples
    --------
    >>> share_rows(np.array([1.0, 0.75]), np.array([0, 1]), (2, 2)).tolist()
    [[0.5, 0.75], [0.5, 0.25]]
    """
    rows, columns = shape
    top = np.floor(row - 0.5).astype(int)
    low_share = row - 0.5 - top
    grid = np.zeros((rows + 2) * columns)  # a row above and one below take what lies outside
    for down, share in ((1, 1 - low_share), (2, low_share)):
        places = np.clip(top + down, 0, rows + 1) * columns + column
        grid += np.bincount(places, share, len(grid))
    return grid.reshape(rows + 2, columns)[1:-1]


def smooth(counts: np.ndarray) -> np.ndarray:
    """Spread each row over its neighbours by 1, 2, 1."""
    spread = counts * 2
    spread[1:] += counts[:-1]
    spread[:-1] += counts[1:]
    return np.asarray(spread / 4)
