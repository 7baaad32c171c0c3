"""An explanation as a picture: the raw signal with its regions marked, and the images with the evidence over them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from phosphene.converters import Audio, Binary, Image, MouseTrace, ParameterError, Series
from phosphene.converters.core.files import atomic_write
from phosphene.pipeline.tiles.pictures import draw_image, figure_png

from .explanation import Explanation, WeightedRegion
from .removal import remove

COLUMNS = 3
MARKED = 6
"""Regions that get a number and a line in the list."""
_MARK, _INK, _PALE = "#D55E00", "#333333", "#BBBBBB"
_POINTS = 2000


def save_explanation(explanation: Explanation, path: str | Path) -> Path:
    """Write an explanation as a picture (.png), or the sound of its regions with all else muted (.wav).

    Raises
    ------
    ParameterError
        Another suffix, or a sound of what is none.
    """
    path = Path(path)
    sound = path.suffix.lower() == ".wav"
    if path.suffix.lower() != ".png" and not sound:
        raise ParameterError(
            f"{path}: an explanation is written as .png, or as .wav of a sound; name such a file"
        )
    signal = explanation.grid.signal
    if sound and not isinstance(signal, Audio):
        raise ParameterError(f"{path}: a {signal.kind} signal cannot be heard; write a .png")
    with atomic_write(path) as file:
        if sound:
            kept = remove(explanation.grid, ~explanation.mask)
            _write_wav(file, kept)
        else:
            file.write(explanation_png(explanation))
    return path


def _write_wav(file: Any, sound: Any) -> None:
    import soundfile

    samples = np.clip(sound.samples.T, -1.0, 1.0)
    soundfile.write(file, samples, round(sound.rate_hz), format="WAV", subtype="PCM_16")


def explanation_png(explanation: Explanation) -> bytes:
    """Draw an explanation: the raw signal on top, below it the images of the window that speaks most for the class."""
    from matplotlib.figure import Figure

    shown = len(explanation.images)
    columns = min(COLUMNS, shown)
    rows = -(-shown // columns)
    regions = explanation.regions[:MARKED]
    session = isinstance(explanation.grid.signal, MouseTrace)
    heights = [3.6 if session else 2.2, *[3.3] * rows]
    figure = Figure(figsize=(max(3.6 * columns, 8.0), sum(heights) + 0.5), dpi=100, layout="constrained")
    figure.suptitle(_title(explanation), fontsize=10, parse_math=False)
    cells = figure.add_gridspec(1 + rows, columns, height_ratios=heights)
    top = cells[0, :].subgridspec(1, 2, width_ratios=(3, 1))
    _draw_signal(figure.add_subplot(top[0]), explanation, regions)
    _list_regions(figure.add_subplot(top[1]), regions)
    most = max((np.abs(_smooth(one)).max() for one in explanation.maps), default=0.0) or 1.0
    for number, (view, image, pixels) in enumerate(
        zip(explanation.views, explanation.images, explanation.maps, strict=True)
    ):
        axes = figure.add_subplot(cells[1 + number // columns, number % columns])
        _draw_evidence(axes, view, image, pixels, most)
    return figure_png(figure)


def signal_png(explanation: Explanation) -> bytes:
    """Draw the raw signal with its regions alone."""
    from matplotlib.figure import Figure

    session = isinstance(explanation.grid.signal, MouseTrace)
    figure = Figure(figsize=(7, 3.4 if session else 2), dpi=100, layout="constrained")
    _draw_signal(figure.add_subplot(), explanation, explanation.regions[:MARKED])
    return figure_png(figure)


def _title(explanation: Explanation) -> str:
    name = (
        f"{explanation.item.path.name}#{explanation.item.fragment}"
        if explanation.item.fragment
        else explanation.item.path.name
    )
    name = name.encode("utf-8", "replace").decode()
    name = name if len(name) < 60 else f"{name[:56]}..."
    return (
        f"{name}: {explanation.label} {explanation.probability:.0%}; regions alone {explanation.alone:.0%}, "
        f"without them {explanation.without:.0%}"
    )


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


def _draw_signal(axes: Any, explanation: Explanation, regions: Sequence[WeightedRegion]) -> None:
    draw = _DRAWN.get(type(explanation.grid.signal))
    if draw is None:
        axes.set_axis_off()
    else:
        draw(axes, explanation, regions)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)


def _draw_wave(axes: Any, explanation: Explanation, regions: Sequence[WeightedRegion]) -> None:
    """Draw the waveform with spans of time."""
    sound, start = cast(Audio, explanation.grid.signal), explanation.grid.start
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


def _draw_series(axes: Any, explanation: Explanation, regions: Sequence[WeightedRegion]) -> None:
    """Draw each channel above the next, with spans of samples."""
    series, start = cast(Series, explanation.grid.signal), explanation.grid.start
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


def _draw_trace(axes: Any, explanation: Explanation, regions: Sequence[WeightedRegion]) -> None:
    """Draw the way of the pointer, the parts of the regions thick."""
    trace, start = cast(MouseTrace, explanation.grid.signal), explanation.grid.start
    axes.plot(trace.x, trace.y, color=_PALE, linewidth=0.7)
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


def _draw_strip(axes: Any, explanation: Explanation, regions: Sequence[WeightedRegion]) -> None:
    """Draw the file as a strip of its sections, and the regions above it."""
    file = cast(Binary, explanation.grid.signal)
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


_DRAWN: dict[type, Callable[[Any, Explanation, Sequence[WeightedRegion]], None]] = {
    Audio: _draw_wave,
    Series: _draw_series,
    MouseTrace: _draw_trace,
    Binary: _draw_strip,
}
