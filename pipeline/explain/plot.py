"""An explanation as a picture: the raw signal with its regions marked, and the images with the evidence over them."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from phosphene.converters import Audio, Binary, Image, MouseTrace, Series
from phosphene.pipeline.tiles.pictures import draw_image, figure_png

from .grid import Grid
from .regions import WeightedRegion

COLUMNS = 3
MARKED = 6
"""Regions that get a number and a line in the list."""
_MARK, _INK, _PALE = "#D55E00", "#333333", "#BBBBBB"
_POINTS = 2000


def evidence_png(
    title: str,
    grid: Grid,
    regions: Sequence[WeightedRegion],
    shown: Sequence[tuple[str, Image, np.ndarray]],
) -> bytes:
    """Draw the raw signal on top, below it images of a window.

    Parameters
    ----------
    title
        Stands above.
    grid
        The cells of the signal.
    regions
        To be marked, the weightiest first.
    shown
        Views by name, their images, and the evidence of each pixel: float64 (height, width).
    """
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    regions = regions[:MARKED]
    heights = [3.6 if isinstance(grid.signal, MouseTrace) else 2.2, *[3.3] * rows]
    figure = Figure(figsize=(max(3.6 * columns, 8.0), sum(heights) + 0.5), dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=10, parse_math=False)
    cells = figure.add_gridspec(1 + rows, columns, height_ratios=heights)
    top = cells[0, :].subgridspec(1, 2, width_ratios=(3, 1))
    _draw_signal(figure.add_subplot(top[0]), grid, regions)
    _list_regions(figure.add_subplot(top[1]), regions)
    most = max((np.abs(_smooth(pixels)).max() for _, _, pixels in shown), default=0.0) or 1.0
    for number, (view, image, pixels) in enumerate(shown):
        axes = figure.add_subplot(cells[1 + number // columns, number % columns])
        _draw_evidence(axes, view, image, pixels, most)
    return figure_png(figure)


def signal_png(grid: Grid, regions: Sequence[WeightedRegion]) -> bytes:
    """Draw the raw signal with its regions alone."""
    from matplotlib.figure import Figure

    session = isinstance(grid.signal, MouseTrace)
    figure = Figure(figsize=(7, 3.4 if session else 2), dpi=100, layout="constrained")
    _draw_signal(figure.add_subplot(), grid, regions[:MARKED])
    return figure_png(figure)


def _list_regions(axes: Any, regions: Sequence[WeightedRegion]) -> None:
    axes.set_axis_off()
    lines = [
        f"{number}  {one.weight:.0%}  " + str(one).replace(", ", "\n      ")
        for number, one in enumerate(regions, 1)
    ]
    words = axes.text(
        0, 1, "\n".join(lines) or "nothing speaks for it", va="top", fontsize=8, parse_math=False
    )
    words.set_in_layout(False)


def _draw_evidence(axes: Any, view: str, image: Image, pixels: np.ndarray, most: float) -> None:
    """Draw an image in grey, what speaks for the class in red, and what speaks against it in blue."""
    from matplotlib import colormaps

    draw_image(axes, image, view if len(view) < 44 else f"{view[:40]}...")
    smooth = _smooth(pixels) / most
    colours = colormaps["coolwarm"](0.5 + smooth / 2)
    colours[..., 3] = np.clip(np.abs(smooth) * 1.4, 0, 0.75)
    axes.imshow(colours, interpolation="bilinear")


def _smooth(pixels: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(pixels, max(pixels.shape) / 60))


def _draw_signal(axes: Any, grid: Grid, regions: Sequence[WeightedRegion]) -> None:
    draw = _DRAWN.get(type(grid.signal))
    if draw is None:
        axes.set_axis_off()
    else:
        draw(axes, grid, regions)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)


def _draw_wave(axes: Any, grid: Grid, regions: Sequence[WeightedRegion]) -> None:
    """Draw the waveform with spans of time."""
    sound, start = cast(Audio, grid.signal), grid.start
    low, high = _envelope(sound.samples.mean(axis=0))
    times_s = start + np.linspace(0, sound.duration_s, len(low))
    axes.fill_between(times_s, low, high, color=_INK, linewidth=0.3)
    for number, one in enumerate(regions, 1):
        (span,) = one.region.of("time")
        axes.axvspan(span.start, span.stop, color=_MARK, alpha=0.3, linewidth=0)
        axes.text(span.start, axes.get_ylim()[1], f"{number}", color=_MARK, fontsize=8, va="bottom")
    axes.set_xlim(times_s[0], times_s[-1])
    axes.set_xlabel("time [s]", fontsize=8)


def _envelope(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and the highest sample of each of at most 2,000 stretches."""
    starts = np.unique(np.linspace(0, len(samples), _POINTS, endpoint=False).astype(int))
    return np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)


def _draw_series(axes: Any, grid: Grid, regions: Sequence[WeightedRegion]) -> None:
    """Draw each channel above the next, with spans of samples."""
    series, start = cast(Series, grid.signal), grid.start
    step = series.step_s or 1.0
    for row, values in enumerate(series.values):
        low, high = np.nanmin(values), np.nanmax(values)
        axes.plot(
            (start + np.arange(len(values))) * step,
            (values - low) / ((high - low) or 1) * 0.85 - row,
            color=_INK,
            linewidth=0.7,
        )
    for number, one in enumerate(regions, 1):
        span = one.region.of("sample")[0]
        row = int(span.label.rpartition(" ")[2]) if span.label else 0
        axes.fill_between(
            [span.start * step, span.stop * step],
            -row - 0.05,
            -row + 0.9,
            color=_MARK,
            alpha=0.3,
            linewidth=0,
        )
        axes.text(span.start * step, -row + 0.9, f"{number}", color=_MARK, fontsize=8, va="bottom")
    count = len(series.values)
    axes.set_yticks([0.4 - row for row in range(count)], [f"channel {row}" for row in range(count)])
    axes.set_xlabel("time [s]" if series.step_s else "sample", fontsize=8)


def _draw_trace(axes: Any, grid: Grid, regions: Sequence[WeightedRegion]) -> None:
    """Draw the way of the pointer, the parts of the regions thick."""
    trace, start = cast(MouseTrace, grid.signal), grid.start
    axes.plot(trace.x, trace.y, color=_PALE if regions else _INK, linewidth=0.7)
    for number, one in enumerate(regions, 1):
        (span,) = one.region.of("event")
        part = slice(int(span.start - start), int(span.stop - start) + 1)
        axes.plot(
            trace.x[part], trace.y[part], color=_MARK, linewidth=2.2, alpha=0.8, marker=".", markersize=3
        )
        axes.annotate(f"{number}", (trace.x[part.start], trace.y[part.start]), color=_MARK, fontsize=9)
    axes.invert_yaxis()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("x [px]", fontsize=8)
    axes.set_ylabel("y [px]", fontsize=8)


def _draw_strip(axes: Any, grid: Grid, regions: Sequence[WeightedRegion]) -> None:
    """Draw the file as a strip of its sections, and the regions above it."""
    file = cast(Binary, grid.signal)
    stop = file.offset + len(file.data)
    for number, (low, high, name) in enumerate(file.name(file.offset, stop)):
        axes.broken_barh(
            [(low, high - low)], (0, 0.5), facecolor=("#DDE5EE", "#C3D0DE")[number % 2] if name else "#F2F2F2"
        )
        if name and high - low > (stop - file.offset) / 40:
            axes.text(
                (low + high) / 2, -0.05, name, rotation=40, ha="right", va="top", fontsize=7, parse_math=False
            )
    for number, one in enumerate(regions, 1):
        for span in one.region.of("bytes"):
            axes.broken_barh([(span.start, span.stop - span.start)], (0, 0.72), facecolor=_MARK, alpha=0.45)
        axes.text(one.region.spans[0].start, 0.75, f"{number}", color=_MARK, fontsize=8)
    axes.set(xlim=(file.offset, stop), ylim=(-0.45, 0.9))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{int(value):#x}")


_DRAWN: dict[type, Callable[[Any, Grid, Sequence[WeightedRegion]], None]] = {
    Audio: _draw_wave,
    Series: _draw_series,
    MouseTrace: _draw_trace,
    Binary: _draw_strip,
}
