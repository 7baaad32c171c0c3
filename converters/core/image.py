"""An image and what each of its pixels stands for in the signal.

A layout answers one question: which part of the signal does this box of pixels come from? Two layouts serve most
converters: `Axes` where columns and rows each measure something (a spectrogram, a Gramian field), `Offsets` where a
pixel is a position in a sequence (bytes laid out in rows, a folded series). A converter with another geometry brings a
layout of its own.
"""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .errors import ParameterError, SignalError
from .files import atomic_write

if TYPE_CHECKING:
    import PIL.Image


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels, half-open: columns `left` to `right - 1`, rows `top` (above) to `bottom - 1`."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right and 0 <= self.top < self.bottom):
            raise ParameterError(
                f"a box needs 0 <= left < right and 0 <= top < bottom, "
                f"got {self.left}, {self.top}, {self.right}, {self.bottom}"
            )


@dataclass(frozen=True)
class Span:
    """A span of one quantity, `start` to `stop`, with its unit and, where it has one, its name."""

    quantity: str
    unit: str
    start: float
    stop: float
    label: str = ""

    def __str__(self) -> str:
        name = f" ({self.label})" if self.label else ""
        return f"{self.quantity} {self.start:.6g} to {self.stop:.6g} {self.unit}".rstrip() + name


@dataclass(frozen=True)
class Region:
    """A part of a signal, in seconds, hertz, samples, bytes or pixels of the screen; empty where nothing is drawn."""

    spans: tuple[Span, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.spans)) or "nothing of the signal"

    def of(self, quantity: str) -> tuple[Span, ...]:
        """Return the spans of one quantity, such as `time` or `frequency`."""
        return tuple(span for span in self.spans if span.quantity == quantity)


@dataclass(frozen=True, eq=False)
class Axis:
    """What the columns (from the left) or the rows (from the top) of an image measure.

    Parameters
    ----------
    quantity, unit
        Such as `time` and `s`.
    edges
        The values at the borders of the pixels, float64 (n_pixels + 1,), rising or falling throughout.
    """

    quantity: str
    unit: str
    edges: np.ndarray

    def span(self, first: int, stop: int) -> Span:
        """Return what the pixels `first` to `stop - 1` cover, the smaller value first."""
        low, high = sorted((float(self.edges[first]), float(self.edges[min(stop, len(self.edges) - 1)])))
        return Span(self.quantity, self.unit, low, high)

    @property
    def title(self) -> str:
        """What a plot writes along this axis: `time [s]`."""
        return f"{self.quantity} [{self.unit}]" if self.unit else self.quantity


class Layout(ABC):
    """What each pixel of an image stands for."""

    looks_through: ClassVar[bool] = False
    """Whether `locate` looks through the whole signal, which takes long where that is large."""

    @abstractmethod
    def locate(self, box: Box) -> Region:
        """Return the part of the signal that the pixels in `box` come from."""

    def axes(self) -> tuple[Axis, Axis] | None:
        """Return what columns and rows measure, for a plot; None where pixels are not on such a grid."""
        return None


@dataclass(frozen=True, eq=False)
class Axes(Layout):
    """Columns measure one thing and rows another, or the same one."""

    x: Axis
    y: Axis

    def locate(self, box: Box) -> Region:
        """Return the span of the columns and the span of the rows."""
        return Region((self.x.span(box.left, box.right), self.y.span(box.top, box.bottom)))

    def axes(self) -> tuple[Axis, Axis]:
        """Return both axes."""
        return self.x, self.y


@dataclass(frozen=True, eq=False)
class Offsets(Layout):
    """Every pixel is a position in a sequence.

    Parameters
    ----------
    quantity, unit
        What the sequence counts, such as `bytes` with no unit, or `time` and `s`.
    start, stop
        int64 or float64 (height, width): the half-open span each pixel shows; `start == stop` where it shows none.
    name
        Gives a position its name (the section a byte lies in); spans are cut where the name changes: called with a
        half-open span, returns the spans inside it with their names.
    """

    quantity: str
    unit: str
    start: np.ndarray
    stop: np.ndarray
    name: Callable[[float, float], Sequence[tuple[float, float, str]]] | None = None

    def locate(self, box: Box) -> Region:
        """Return the spans of the sequence, joined where they touch, in their order."""
        rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
        joined = join_spans(self.start[rows, columns].ravel(), self.stop[rows, columns].ravel())
        named = [(low, high, "") for low, high in joined]
        if self.name:
            named = [part for low, high in joined for part in self.name(low, high)]
        return Region(tuple(Span(self.quantity, self.unit, low, high, label) for low, high, label in named))


def join_spans(start: np.ndarray, stop: np.ndarray) -> list[tuple[float, float]]:
    """Join half-open spans that touch or overlap; empty ones fall away.

    Examples
    --------
    >>> join_spans(np.array([4, 0, 2, 9]), np.array([6, 2, 4, 9]))
    [(0, 6)]
    """
    keep = stop > start
    order = np.argsort(start[keep], kind="stable")
    start, stop = start[keep][order], stop[keep][order]
    if not len(start):
        return []
    reach = np.maximum.accumulate(stop)
    breaks = np.flatnonzero(start[1:] > reach[:-1]) + 1
    firsts, lasts = start[np.r_[0, breaks]], reach[np.r_[breaks - 1, len(reach) - 1]]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Image:
    """Pixels, and what each of them stands for in the signal.

    Parameters
    ----------
    pixels
        uint8 (height, width, channels), one channel (grey) or three (red, green, blue); row 0 is on top.
    layout
        What the pixels stand for.
    planes
        The layout of each channel where the three differ; empty where `layout` holds for all.
    """

    pixels: np.ndarray
    layout: Layout
    planes: tuple[Layout, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3):
            raise SignalError(
                f"an image must be uint8 (height, width, 1 or 3), got {self.pixels.dtype} {self.pixels.shape}"
            )

    def __repr__(self) -> str:
        axes = self.layout.axes()
        of = f", {axes[0].title} across, {axes[1].title} down" if axes else ""
        colour = "grey" if self.pixels.shape[2] == 1 else "RGB"
        return f"Image({self.height} x {self.width} pixels, {colour}{of})"

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows: the pixels, with axes where they are on such a grid."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 4), layout="constrained")
        plot = figure.subplots()
        grey = self.pixels.shape[2] == 1
        plot.imshow(self.pixels[:, :, 0] if grey else self.pixels, cmap="gray", vmin=0, vmax=255)
        axes = self.layout.axes()
        if axes:
            for axis, own in zip(axes, (plot.xaxis, plot.yaxis), strict=True):
                at = np.linspace(0, len(axis.edges) - 1, 5).astype(int)
                own.set_ticks(at - 0.5, [f"{axis.edges[k]:.4g}" for k in at])
            plot.set(xlabel=axes[0].title, ylabel=axes[1].title)
        else:
            plot.set_axis_off()
        file = io.BytesIO()
        figure.savefig(file, format="png")
        return file.getvalue()

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    def locate(self, box: Box) -> Region:
        """Return the part of the signal that a box of pixels comes from.

        Raises
        ------
        ParameterError
            The box reaches beyond the image.
        """
        if box.right > self.width or box.bottom > self.height:
            raise ParameterError(f"{box} reaches beyond the image of {self.height} x {self.width} pixels")
        if not self.planes:
            return self.layout.locate(box)
        spans = dict.fromkeys(span for plane in self.planes for span in plane.locate(box).spans)
        return Region(tuple(spans))

    def to_pil(self) -> "PIL.Image.Image":
        """Return the pixels as a Pillow image of mode L or RGB."""
        import PIL.Image

        pixels = self.pixels
        return PIL.Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)

    def save(self, path: str | Path) -> Path:
        """Write the pixels to an image file, whole or not at all; the suffix names the format.

        Raises
        ------
        ParameterError
            The suffix is that of no image format.
        """
        import PIL.Image

        path = Path(path)
        known = {
            suffix: kind
            for suffix, kind in PIL.Image.registered_extensions().items()
            if kind in PIL.Image.SAVE
        }
        if path.suffix.lower() not in known:
            raise ParameterError(f"{path}: the suffix names no image format; write .png")
        with atomic_write(path) as part:
            self.to_pil().save(part, format=known[path.suffix.lower()])
        return path
