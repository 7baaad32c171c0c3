"""What the pixels of a spectrogram stand for: seconds and hertz, of a sound that may be shorter than the picture."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..core.image import Axes, Axis, Box, Layout, Region, Span, join_stretches

Fill = Literal["silence", "repeat"]


@dataclass(frozen=True, eq=False)
class SoundAxes(Axes):
    """Time and frequency, where the columns may go on after the sound has ended.

    Parameters
    ----------
    duration_s
        Length of the sound.
    fill
        What the columns show after its end: nothing, or the sound again.
    """

    duration_s: float
    fill: Fill

    def locate(self, box: Box) -> Region:
        """Return seconds of the sound, in one span or two, and hertz; nothing for columns past its end."""
        time, frequency = super().locate(box).spans
        stretches = heard(time.start, time.stop, duration_s=self.duration_s, fill=self.fill)
        spans = tuple(Span(time.quantity, time.unit, start, stop) for start, stop in stretches)
        return Region((*spans, frequency) if spans else ())


@dataclass(frozen=True, eq=False)
class StackedAxes(Layout):
    """Spectrograms of several channels above each other.

    Parameters
    ----------
    panels
        The axes of each, the top one first.
    names
        Of the channels.
    """

    panels: tuple[SoundAxes, ...]
    names: tuple[str, ...]

    def locate(self, box: Box) -> Region:
        """Return seconds of the sound, and hertz in each channel, which the spans name."""
        found: list[Span] = []
        top = 0
        for panel, name in zip(self.panels, self.names, strict=True):
            height = len(panel.y.edges) - 1
            first, stop = max(box.top - top, 0), min(box.bottom - top, height)
            top += height
            if first < stop:
                region = panel.locate(Box(box.left, first, box.right, stop))
                found += () if found else region.of("time")
                found += [replace(span, label=name) for span in region.spans if span.quantity != "time"]
        return Region(tuple(found))

    def axes(self) -> tuple[Axis, Axis]:
        """Return time and the channel, counted from 1."""
        heights = [len(panel.y.edges) - 1 for panel in self.panels]
        edges = [number + np.arange(height) / height for number, height in enumerate(heights, 1)]
        return self.panels[0].x, Axis("channel", "", np.concatenate([*edges, [len(heights) + 1.0]]) - 0.5)


def stacked(axes: SoundAxes, names: tuple[str, ...]) -> StackedAxes:
    """Return the axes of one channel for each of several, above each other on as many rows.

    Examples
    --------
    >>> time, frequency = Axis("time", "s", np.arange(9.0)), Axis("frequency", "Hz", np.arange(8.0, -1, -1))
    >>> both = stacked(SoundAxes(time, frequency, 8.0, "silence"), ("left", "right"))
    >>> str(both.locate(Box(0, 3, 1, 5)))
    'time 0 to 1 s, frequency 0 to 2 Hz (left), frequency 6 to 8 Hz (right)'
    """
    edges = axes.y.edges
    places = [np.linspace(0, len(edges) - 1, height + 1) for height in heights(len(edges) - 1, len(names))]
    shorter = [np.interp(place, np.arange(len(edges)), edges) for place in places]
    return StackedAxes(tuple(replace(axes, y=replace(axes.y, edges=part)) for part in shorter), names)


def heights(size: int, count: int) -> np.ndarray:
    """Return how many rows each of several panels gets.

    Examples
    --------
    >>> heights(8, 3)
    array([3, 2, 3])
    """
    return np.diff(np.rint(np.linspace(0, size, count + 1)).astype(np.int64))


def heard(start_s: float, stop_s: float, *, duration_s: float, fill: Fill) -> list[tuple[float, float]]:
    """Return which parts of a sound are heard from one time to another, once it is over or over again.

    Examples
    --------
    >>> heard(1.5, 2.5, duration_s=2.0, fill="silence"), heard(1.5, 2.5, duration_s=2.0, fill="repeat")
    ([(1.5, 2.0)], [(0.0, 0.5), (1.5, 2.0)])
    """
    if fill == "silence":
        return [(start_s, min(stop_s, duration_s))] if start_s < duration_s else []
    if stop_s - start_s >= duration_s:
        return [(0.0, duration_s)]
    start = start_s % duration_s
    stop = start + stop_s - start_s
    parts = [(start, min(stop, duration_s)), (0.0, max(stop - duration_s, 0.0))]
    return join_stretches(*np.array(parts).T)
