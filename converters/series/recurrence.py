"""Recurrence plots: how far apart the states of a series are at each two moments."""

from itertools import combinations
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import register
from ..core.image import Axes, Box
from ..core.parameters import Between
from .layout import sample_axis
from .pairs import PairPicture, finish, wide
from .states import States, deviations, distances_at, greatest_distances, standardised, states

# Of distances in a series that spans 0 to 1, so that pairs just as far apart as the threshold all count as far.
_ROUNDING = 1e-6


@register
class RecurrencePlot(PairPicture):
    """How far apart the series is at each two moments: black is the same state, white the greatest distance.

    A state is one sample, or `dimension` samples that lie `delay` apart. A series with more states than
    pixels is averaged down first; with fewer every state takes several pixels. Missing values leave their row
    and column black, a series that never changes is mid-grey.

    Parameters
    ----------
    size, channels, input
        See `SeriesPicture`.
    dimension, delay
        Samples of a state, 1 to 64, and how far they lie apart, in samples.
    threshold
        `none` draws distances. The others draw in white the pairs that are close: `point` the closest
        `percentage` of all pairs, `distance` those nearer than `percentage` of the greatest distance,
        `deviation` those nearer than `percentage` of the standard deviation of the series.
    percentage
        See `threshold`; 0 to 100.
    relation
        What is compared. `self`: each channel with itself. `joint`: all channels in one picture, which are the
        same where each is, and as far apart as the one that is farthest. `cross`: each two channels, in
        standard deviations from their means, the moments of the first as columns and of the second as rows. A
        series of one channel is compared with itself.

    References
    ----------
    Eckmann, Oliffson Kamphorst and Ruelle (1987), https://doi.org/10.1209/0295-5075/4/9/004; joint plots: Romano
    et al. (2004), https://doi.org/10.1016/j.physleta.2004.07.066; all of them: Marwan et al. (2007),
    https://doi.org/10.1016/j.physrep.2006.11.001

    Examples
    --------
    >>> from phosphene.converters import Series, make
    >>> make("recurrence", size=8)(Series([0.0, 1.0, 5.0])).pixels[0, :, 0]
    array([  0,   0,   0,  51,  51, 255, 255, 255], dtype=uint8)
    """

    name: ClassVar[str] = "recurrence"
    version: ClassVar[int] = 2

    dimension: Annotated[int, Between(1, 64)] = 1
    delay: Annotated[int, Between(1)] = 1
    threshold: Literal["none", "point", "distance", "deviation"] = "none"
    percentage: Annotated[float, Between(0, 100)] = 10.0
    relation: Literal["self", "joint", "cross"] = "self"

    def _parts(self, channels: int) -> list[list[int]]:
        if self.relation == "joint":
            return [list(range(channels))]
        if self.relation == "cross":
            return [list(pair) for pair in combinations(range(channels), 2)] or [[0, 0]]
        return super()._parts(channels)

    def _draw_many(self, values: np.ndarray, canvas: np.ndarray, cell: Box) -> None:
        if self.relation == "joint" and values.shape[1] > 1:
            self._draw_joint(values, canvas, cell)
            return
        if self.relation == "cross":
            values = standardised(values)
        across = values[:, 0]
        found = self._states(across, values[:, 1] if self.relation == "cross" else across, cell)
        self._draw_states(found, across, canvas, cell)
        finish(canvas, cell, flat=found.width == 0, rows=found.rows[:, 0], columns=found.columns[:, 0])

    def _draw_joint(self, values: np.ndarray, canvas: np.ndarray, cell: Box) -> None:
        """Draw as close what is close in every channel; one that never changes has no say."""
        each = [self._states(channel, channel, cell) for channel in values.transpose(1, 0, 2)]
        neutral, combine = (0, np.maximum) if self.threshold == "none" else (255, np.minimum)
        canvas[:, cell.top : cell.bottom, cell.left : cell.right] = neutral
        for channel, found in zip(values.transpose(1, 0, 2), each, strict=True):
            drawn = np.empty_like(canvas)
            self._draw_states(found, channel, drawn, cell)
            drawn[found.width == 0] = neutral
            within = np.s_[:, cell.top : cell.bottom, cell.left : cell.right]
            canvas[within] = combine(canvas[within], drawn[within])
        flat = np.all([found.width == 0 for found in each], 0)
        rows, columns = (
            np.sum([getattr(found, side)[:, 0] for found in each], 0) for side in ("rows", "columns")
        )
        finish(canvas, cell, flat=flat, rows=rows, columns=columns)

    def _states(self, across: np.ndarray, down: np.ndarray, cell: Box) -> States:
        return states(across, down, cell, dimension=self.dimension, delay=self.delay)

    def _draw_states(self, found: States, values: np.ndarray, canvas: np.ndarray, cell: Box) -> None:
        from .recurrence_loops import draw_distances

        reach = self._reach(found, values).astype(np.float32)
        place = cell.top, cell.left, cell.right - cell.left
        columns, near = wide(found.columns), self.threshold != "none"
        draw_distances(found.rows, columns, reach, near, canvas, place, columns is found.rows)

    def _reach(self, found: States, values: np.ndarray) -> np.ndarray:
        """Return the distance that is drawn white, or below which pairs of states of the values are."""
        share = self.percentage / 100
        if self.threshold == "none":
            return greatest_distances(found)
        if self.threshold == "distance":
            limit = share * greatest_distances(found)
        elif self.threshold == "point":
            limit = distances_at(found, share)
        else:
            limit = share * deviations(values) / np.where(found.width > 0, found.width, 1.0)
        return limit - _ROUNDING

    def _cell_layout(self, part: list[int], count: int, cell: Box, step_s: float | None) -> Axes:
        reach = 1 + (self.dimension - 1) * self.delay
        names = [f"channel {channel}" for channel in part] if self.relation == "cross" else []
        if len(set(names)) < 2:
            names = ["", ""]
        sides = (cell.right - cell.left, cell.bottom - cell.top)
        x, y = (
            sample_axis(count - reach + 1, side, step_s, reach=reach, label=name)
            for side, name in zip(sides, names, strict=True)
        )
        return Axes(x, y)
