"""Where labels of a picture go, so that none covers another."""

import math
from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]
"""Left, bottom, right, top."""

_DISTANCES = (0.0, 8.0, 20.0, 36.0, 56.0, 80.0, 110.0)
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


def spread(wanted: Sequence[float], *, gap: float) -> list[float]:
    """Return places at least `gap` apart, in the same order, as near as can be to those that are wanted.

    Examples
    --------
    >>> spread([5.0, 5.0, 9.0], gap=2.0)
    [4.0, 6.0, 9.0]
    """
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    blocks: list[list[float]] = []  # sum and count of places that must give way together
    for value in np.asarray(wanted, float)[order] - steps:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            total, count = blocks.pop()
            blocks[-1] = [blocks[-1][0] + total, blocks[-1][1] + count]
    places = np.empty(len(wanted))
    places[order] = np.concatenate([[], *([total / count] * int(count) for total, count in blocks)]) + steps
    return [float(place) for place in places]


def place_labels(
    dots: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    within: Box,
    radius: float = 6.0,
) -> list[Box]:
    """Return a box for the label of each dot: beside it where there is room, else somewhat farther off.

    Parameters
    ----------
    dots
        The middle of each, in pixels.
    sizes
        Width and height of each label.
    within
        Where labels may be, as far as that goes.
    radius
        Of a dot, which no label covers.

    Examples
    --------
    >>> place_labels([(50, 50), (60, 50)], [(30, 10), (30, 10)], within=(0, 0, 200, 100))
    [(12.0, 45.0, 42.0, 55.0), (68.0, 45.0, 98.0, 55.0)]
    """
    covered = [(x - radius, y - radius, x + radius, y + radius) for x, y in dots]
    placed: list[Box] = []
    for dot, size in zip(dots, sizes, strict=True):
        tried = _candidates(dot, size, radius + 2)
        costs = [_cost(box, [*covered, *placed], within) for box in tried]
        placed.append(tried[int(np.argmin(costs))])
    return placed


def _candidates(dot: tuple[float, float], size: tuple[float, float], reach: float) -> list[Box]:
    """Return the places to try, the nearest first."""
    (x, y), (width, height) = dot, size
    boxes = []
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            middle_x = x + right * (reach + distance + width / 2)
            middle_y = y + up * (reach + distance + height / 2)
            boxes.append(
                (middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2)
            )
    return boxes


def _cost(box: Box, covered: Sequence[Box], within: Box) -> float:
    """Return how much of what is covered already a box would cover, and how far it goes beyond where it may be."""
    beyond = max(within[0] - box[0], 0, box[2] - within[2]) + max(within[1] - box[1], 0, box[3] - within[3])
    return math.fsum(_overlap(box, other) for other in covered) + 1000 * beyond


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)
