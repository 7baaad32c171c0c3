"""Pictures of images with their axes, and contact sheets."""

import io
import math
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import Axis, Image
from phosphene.converters.core.files import atomic_write

TICKS = 5
DPI = 100
SMALLEST_PX, LARGEST_PX = 224, 512
LETTERS_PER_INCH = 13


@dataclass(frozen=True)
class _Cell:
    """Lengths of a cell in inches; its image is as large as its pixels are many, so that none is lost."""

    side: float
    left: float = 0.66
    right: float = 0.2
    top: float = 0.45
    bottom: float = 0.48

    @property
    def width(self) -> float:
        return self.left + self.side + self.right

    @property
    def height(self) -> float:
        return self.top + self.side + self.bottom


def draw_sheet(
    cells: Sequence[tuple[str, Image | None]], path: str | Path, *, columns: int, title: str = ""
) -> Path:
    """Draw images side by side, each with its name and with axes in seconds, hertz or samples, as a PNG.

    Parameters
    ----------
    cells
        Name and image of each cell, row by row; None leaves a cell empty.
    path
        The file to write.
    columns
        Cells a row.
    title
        Written above all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cell, rows = _cell_for([image for _, image in cells if image]), -(-len(cells) // columns)
    width = columns * cell.width
    lines = _wrapped(title, width)
    height = rows * cell.height + 0.2 * len(lines)
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    if lines:
        figure.text(
            0.5, 1 - 0.1 / height, "\n".join(lines), ha="center", va="top", fontsize=10, parse_math=False
        )
    for place, (name, image) in enumerate(cells):
        if image is not None:
            row, column = divmod(place, columns)
            left, bottom = column * cell.width + cell.left, (rows - 1 - row) * cell.height + cell.bottom
            axes = figure.add_axes((left / width, bottom / height, cell.side / width, cell.side / height))
            draw_image(axes, image, "\n".join(_wrapped(name, cell.width)))
    with atomic_write(path) as file:
        file.write(figure_png(figure))
    return Path(path)


def draw_image(axes: Any, image: Image, name: str) -> None:
    """Draw one image with ticks in the units of its layout."""
    axes.imshow(np.broadcast_to(image.pixels, (*image.pixels.shape[:2], 3)), interpolation="nearest")
    axes.set_title(name, fontsize=9, parse_math=False)
    axes.set_xticks([])
    axes.set_yticks([])
    measured = image.layout.axes()
    if measured is None:
        return
    x, y = measured
    axes.set_xticks(*ticks(x), fontsize=7)
    axes.set_yticks(*ticks(y), fontsize=7)
    axes.set_xlabel(x.title, fontsize=8, parse_math=False)
    axes.set_ylabel(y.title, fontsize=8, parse_math=False)


def ticks(axis: Axis, count: int = TICKS) -> tuple[list[float], list[str]]:
    """Return about `count` places along an axis where it has round values, in pixels, and these values as words.

    Examples
    --------
    >>> ticks(Axis("time", "s", np.linspace(0, 6, 225)), 3)
    ([-0.5, 74.16666666666667, 148.83333333333334, 223.5], ['0', '2', '4', '6'])
    """
    edges = axis.edges if axis.edges[0] < axis.edges[-1] else axis.edges[::-1]
    borders = np.arange(len(edges)) if axis.edges is edges else np.arange(len(edges))[::-1]
    values = _even_values(edges, count) if _is_even(edges) else _spread_values(edges, count)
    places = np.interp(values, edges, borders) - 0.5
    return places.tolist(), [f"{value:.12g}" for value in values]


def _is_even(edges: np.ndarray) -> bool:
    straight = np.linspace(edges[0], edges[-1], len(edges))
    return bool(np.abs(edges - straight).max() < 0.02 * (edges[-1] - edges[0]))


def _even_values(edges: np.ndarray, count: int) -> list[float]:
    """Return the multiples, within rising edges, of a step that is 1, 2 or 5 times a power of ten."""
    rough = float(edges[-1] - edges[0]) / count
    power = math.floor(math.log10(rough))
    step = next(digit * 10.0**power for digit in (1, 2, 5, 10) if digit * 10.0**power > rough * 0.999)
    first, last = math.ceil(edges[0] / step - 1e-6), math.floor(edges[-1] / step + 1e-6)
    if last <= first:  # a scale needs two values
        return _even_values(edges, 2 * count)
    return [round(step * number, 12 - power) for number in range(first, last + 1)]


def _spread_values(edges: np.ndarray, count: int) -> list[float]:
    """Return zero, powers of ten, then 5 and 2 times these, as far as they stand apart on an axis that is not even."""
    low, high = float(edges[0]), float(edges[-1])
    apart = (len(edges) - 1) / (1.5 * count)
    chosen: dict[float, float] = {}
    for value in _round_values(low, high):
        place = float(np.interp(value, edges, np.arange(len(edges))))
        if low <= value <= high and all(abs(place - other) >= apart for other in chosen.values()):
            chosen[value] = place
    return sorted(chosen) if len(chosen) > 1 else _even_values(edges, count)


def _round_values(low: float, high: float) -> list[float]:
    """Return zero where the axis goes below it, and powers of ten from the largest down, then 5 and 2 times these."""
    most = max(high, -low)
    if most <= 0:
        return []
    if low >= 0:
        powers = range(math.floor(math.log10(max(low, high * 1e-6))), math.ceil(math.log10(high)) + 1)
        return [digit * 10.0**power for digit in (1, 5, 2) for power in powers]
    falling = range(math.ceil(math.log10(most)), math.floor(math.log10(most * 1e-9)), -1)
    return [0.0, *(sign * 10.0**power for power in falling for sign in (1, -1))]


def _cell_for(images: Sequence[Image]) -> _Cell:
    largest = max((max(image.height, image.width) for image in images), default=SMALLEST_PX)
    return _Cell(side=min(max(largest, SMALLEST_PX), LARGEST_PX) / DPI)


def _wrapped(text: str, width: float) -> list[str]:
    """Break text into lines that fit a width in inches; bytes in a file's name that are no text become marks."""
    shown = text.encode("utf-8", "replace").decode()
    return textwrap.wrap(shown, int(width * LETTERS_PER_INCH), max_lines=3, placeholder="...")


def figure_png(figure: Any) -> bytes:
    """Return a figure as PNG; letters that no font has are drawn as boxes."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a file may be called anything
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
