"""Compiled loops of the mouse converters: soft spots, and what the pen draws for a session."""

import numba
import numpy as np

from .signal import DRAG, MOVE, PRESS, RELEASE, SCROLL, SHORTEST_S, SPEEDS_PX_S


@numba.njit(cache=True, nogil=True)
def soft_spots(
    column: np.ndarray, row: np.ndarray, weight: np.ndarray, size: int, bell: np.ndarray
) -> np.ndarray:
    """Return weights spread by a bell in both directions: float64 (size, size).

    Each weight is shared among the four pixels nearest to its position; what lies outside is left out.

    Parameters
    ----------
    column, row
        float64 (n,): positions in pixels; the middle of the first pixel is at 0.5.
    weight
        float64 (n,), above 0.
    size
        Height and width of the image.
    bell
        float64 (2 reach + 1,): how a weight is spread over the pixels around it.
    """
    grid, wide, spots = np.zeros((size, size)), np.zeros((size, size)), np.zeros((size, size))
    for i in range(len(column)):
        left, top = np.floor(column[i] - 0.5), np.floor(row[i] - 0.5)
        right_share, low_share = column[i] - 0.5 - left, row[i] - 0.5 - top
        for down in range(2):
            for along in range(2):
                y, x = top + down, left + along
                if 0 <= y < size and 0 <= x < size:
                    share = (low_share if down else 1 - low_share) * (
                        right_share if along else 1 - right_share
                    )
                    grid[int(y), int(x)] += weight[i] * share
    reach = len(bell) // 2
    for y in range(size):
        lit = False
        for x in range(size):
            if grid[y, x] > 0:
                lit = True
                for k in range(max(-reach, -x), min(reach + 1, size - x)):
                    wide[y, x + k] += grid[y, x] * bell[k + reach]
        if lit:
            for k in range(max(-reach, -y), min(reach + 1, size - y)):
                for x in range(size):
                    spots[y + k, x] += wide[y, x] * bell[k + reach]
    return spots


@numba.njit(cache=True, nogil=True)
def log_grey(values: np.ndarray, bend: float) -> np.ndarray:
    """Return log(1 + values / bend) as grey levels: uint8 (height, width, 1), the greatest 255."""
    height, width = values.shape
    pixels = np.zeros((height, width, 1), np.uint8)
    greatest = np.log1p(values.max() / bend)
    if greatest <= 0:
        return pixels
    for y in range(height):
        for x in range(width):
            if values[y, x] > 0:
                pixels[y, x, 0] = np.uint8(np.int32(np.log1p(values[y, x] / bend) / greatest * 255 + 0.5))
    return pixels


LINE, SPEED, TIME, DIRECTION = range(4)
"""What an ink may show, as `pen_marks` takes it."""


@numba.njit(cache=True, nogil=True)
def pen_marks(
    events: np.ndarray,
    pause_s: float,
    frame: tuple[float, float, float],
    width_px: np.ndarray,
    shown: np.ndarray,
    scale: np.ndarray,
    dots: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a line to every event, then a dot for every press and turn of the wheel.

    Parameters
    ----------
    events
        float64 (4, n): time in seconds, x and y, and the event.
    pause_s
        Longest time between two events that a line joins; after a longer one the line begins where it ends.
    frame
        What lies at the left and at the top of the image, and how wide a pixel is, in pixels of the screen.
    width_px
        float64 (5,): the width of the mark of each sort of event.
    shown
        int64 (channels,): what each channel shows, LINE, SPEED, TIME or DIRECTION, each a share from 0 to 1.
    scale
        float64 (channels, k): the brightness for shares from 0 to 1, evenly spaced.
    dots
        float64 (3, channels): the brightness of a press, of a turn of the wheel, and of what has no direction.

    Returns
    -------
    ends
        float64 (m, 4): x and y where each mark begins and ends, in pixels of the image.
    value
        float64 (m, channels), from 0 to 1.
    width_px
        float64 (m,).
    times
        float64 (2, m): when each mark begins, and when it ends.
    """
    time_s, x, y, event = events
    n, extra = len(time_s), _count_dots(event)
    ends, value = np.empty((n + extra, 4)), np.empty((n + extra, len(shown)))
    width, times = np.empty(n + extra), np.empty((2, n + extra))
    left, top, pixel_px = frame
    passed, whole, dot = 0.0, _brisk_s(time_s, pause_s), n
    for i in range(n):
        origin = i - 1 if i > 0 and time_s[i] - time_s[i - 1] <= pause_s else i
        if i > 0:
            passed += min(time_s[i] - time_s[i - 1], pause_s)
        column, row = (x[i] - left) / pixel_px, (y[i] - top) / pixel_px
        ends[i] = (x[origin] - left) / pixel_px, (y[origin] - top) / pixel_px, column, row
        times[0, i], times[1, i] = time_s[origin], time_s[i]
        sort = DRAG if _held(event, i) else MOVE
        width[i], right, down = width_px[sort], x[i] - x[origin], y[i] - y[origin]
        lasted_s, age = time_s[i] - time_s[origin], passed / whole if whole > 0 else 1.0
        for channel in range(len(shown)):
            share = _share(shown[channel], sort, right, down, lasted_s, age)
            value[i, channel] = dots[2, channel] if np.isnan(share) else _between(scale, channel, share)
        if event[i] in (PRESS, SCROLL):
            ends[dot] = column, row, column, row
            width[dot] = width_px[int(event[i])]
            times[0, dot] = times[1, dot] = time_s[i]
            for channel in range(len(shown)):
                value[dot, channel] = dots[0 if event[i] == PRESS else 1, channel]
            dot += 1
    return ends, value, width, times


@numba.njit(cache=True, nogil=True)
def corners(events: np.ndarray) -> tuple[float, float, float, float]:
    """Return the lowest x and y of events (4, n), and the highest."""
    left, top, right, bottom = np.inf, np.inf, -np.inf, -np.inf
    for i in range(events.shape[1]):
        left, right = min(left, events[1, i]), max(right, events[1, i])
        top, bottom = min(top, events[2, i]), max(bottom, events[2, i])
    return left, top, right, bottom


@numba.njit(cache=True, nogil=True)
def _share(shown: int, sort: int, right_px: float, down_px: float, lasted_s: float, age: float) -> float:
    """Return where on the scale of what is shown a line lies; NaN for the direction of none."""
    if shown == LINE:
        return sort / SCROLL
    if shown == SPEED:
        return _speed(right_px, down_px, lasted_s)
    if shown == TIME:
        return age
    return _direction(right_px, down_px)


@numba.njit(cache=True, nogil=True)
def _speed(right_px: float, down_px: float, lasted_s: float) -> float:
    """Return the share of a speed on its logarithmic scale."""
    slow, fast = SPEEDS_PX_S
    speed = np.sqrt(right_px * right_px + down_px * down_px) / max(lasted_s, SHORTEST_S)
    share: float = np.log(min(max(speed, slow), fast) / slow) / np.log(fast / slow)
    return share


@numba.njit(cache=True, nogil=True)
def _direction(right_px: float, down_px: float) -> float:
    """Return the share of a whole turn: 0 to the right, a quarter down, a half to the left; NaN at rest."""
    if right_px == 0 and down_px == 0:
        return np.nan
    turn: float = np.arctan2(down_px, right_px) / (2 * np.pi)
    return turn + (turn < 0)


@numba.njit(cache=True, nogil=True)
def _between(scale: np.ndarray, channel: int, share: float) -> float:
    """Return the level at a share of the way along the evenly spaced levels of a channel."""
    position = share * (scale.shape[1] - 1)
    low = min(int(position), scale.shape[1] - 2)
    level: float = scale[channel, low] + (position - low) * (scale[channel, low + 1] - scale[channel, low])
    return level


@numba.njit(cache=True, nogil=True)
def _count_dots(event: np.ndarray) -> int:
    count = 0
    for sort in event:
        count += sort in (PRESS, SCROLL)
    return count


@numba.njit(cache=True, nogil=True)
def _brisk_s(time_s: np.ndarray, pause_s: float) -> float:
    """Return how long a session lasts with its pauses cut."""
    total = 0.0
    for i in range(1, len(time_s)):
        total += min(time_s[i] - time_s[i - 1], pause_s)
    return total


@numba.njit(cache=True, nogil=True)
def _held(event: np.ndarray, i: int) -> bool:
    """Tell whether an event was reached with a button down."""
    before = event[max(i - 1, 0)]
    return event[i] == DRAG or (event[i] == RELEASE and before in (PRESS, DRAG))
