"""Evidence in raw units: pixels of all views and windows, put back on seconds, hertz, samples, events and bytes.

A grid cuts a signal into cells: sound by time and frequency, a series by sample and channel, a session by event, a file
by byte. The evidence of every box of an image goes to the cells that `Image.locate` says it comes from, in equal parts.
Where cells of much evidence touch they make a region.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from phosphene.converters import Audio, Axes, Binary, Box, Image, MouseTrace, Region, Series, Signal, Span
from phosphene.datasets.manifest import Item

MOST_COLUMNS = 16_384
"""Cells along a signal; of longer ones a cell holds more."""
CELL_S = 0.02
BAND_ROWS = 48
"""Bands of frequency of sound, equally wide on the mel scale."""
BOXES, FEWER_BOXES = 56, 28
"""Boxes along each side of an image that are located; fewer where that means to look through the whole signal."""
MOST_EVIDENCE = 0.98
"""Boxes are located from the strongest on, until they hold this share of the evidence of an image."""
BYTES_SEARCHED = 200_000_000
"""Where a layout looks through the whole file for each box, fewer boxes of a long one are located."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The cells of a signal.

    Parameters
    ----------
    signal
        What is cut: the whole item.
    start
        Where the item begins in its file, in seconds, samples, events or bytes.
    columns
        float64 (n_columns + 1,), borders of the cells in seconds, samples, events or bytes from there, evenly spaced.
    rows
        float64 (n_rows + 1,), borders in hertz, or the numbers of channels; one row where there is nothing across.
    """

    signal: Signal
    start: float
    columns: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, signal: Signal, start: float = 0.0) -> "Grid":
        """Cut a signal.

        Examples
        --------
        >>> Grid.of(Series(np.zeros((2, 50)))).shape
        (2, 50)
        """
        extent, rows = signal.extent, np.array([0.0, 1.0])
        cell = max(1.0, np.ceil(extent / MOST_COLUMNS))
        if isinstance(signal, Audio):
            cell = max(CELL_S, extent / MOST_COLUMNS)
            top = _mel(signal.rate_hz / 2)
            rows = 700 * (np.exp(np.linspace(0, top, BAND_ROWS + 1) / 1127) - 1)
        elif isinstance(signal, Series):
            rows = np.arange(len(signal.values) + 1.0)
        return cls(signal, start, np.arange(np.ceil(extent / cell - 1e-9) + 1) * cell, rows)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.rows) - 1, len(self.columns) - 1

    def evidence(self, image: Image, pixels: np.ndarray, *, offset: float = 0.0) -> np.ndarray:
        """Put the evidence of the pixels of an image on the cells that they come from.

        Parameters
        ----------
        image
            Of the item or of a window of it.
        pixels
            float64 (height, width), the evidence of each pixel.
        offset
            Where the window begins in the item, in seconds or samples.

        Returns
        -------
        numpy.ndarray
            float64 (n_rows, n_columns); what stands for nothing of the signal is left out.
        """
        rising = np.zeros((self.shape[0], self.shape[1] + 2))
        for box, weight in self._boxes(image, pixels):
            region = image.locate(box)
            spans = [self._cells_of(span, offset) for span in region.spans if span.quantity in _ALONG]
            if spans:
                starts, stops = np.clip(np.array(spans).T, 0, self.shape[1])
                _ramp(rising, starts, stops, weight * self._shares(region))
        return np.cumsum(rising, axis=1)[:, : self.shape[1]]

    def _boxes(self, image: Image, pixels: np.ndarray) -> Iterator[tuple[Box, float]]:
        """Yield boxes of an image with their evidence, the strongest first."""
        grid = isinstance(image.layout, Axes) or isinstance(self.signal, Series)
        count = BOXES if grid else FEWER_BOXES
        rows, columns = (np.unique(np.linspace(0, size, count + 1).astype(int)) for size in pixels.shape)
        sums = np.add.reduceat(np.add.reduceat(pixels, rows[:-1], axis=0), columns[:-1], axis=1)
        order = np.argsort(-np.abs(sums), axis=None)
        shares = np.cumsum(np.abs(sums.ravel()[order]))
        most = len(order)
        if isinstance(self.signal, Binary) and image.layout.looks_through:
            most = int(np.clip(BYTES_SEARCHED / len(self.signal.data), 32, most))
        for index in order[: min(most, int(np.searchsorted(shares, MOST_EVIDENCE * shares[-1])) + 1)]:
            row, column = divmod(int(index), len(columns) - 1)
            box = Box(*map(int, (columns[column], rows[row], columns[column + 1], rows[row + 1])))
            yield box, float(sums[row, column])

    def _cells_of(self, span: Span, offset: float) -> tuple[float, float]:
        """Return a stretch of the signal in columns, with fractions."""
        start, stop = span.start, span.stop
        if isinstance(
            self.signal, MouseTrace
        ):  # its times are those of the session, whatever window it is of
            time_s = self.signal.time_s
            first = int(np.searchsorted(time_s, start, "left"))
            last = int(np.searchsorted(time_s, stop, "right"))
            first = first if first < last else max(0, first - 1)  # between two events
            start, stop = float(first), float(max(last, first + 1))
        elif isinstance(self.signal, Binary):
            start, stop = start - self.start, stop - self.start
        elif isinstance(self.signal, Series) and span.quantity == "time":
            step_s = self.signal.step_s or 1.0
            start, stop = start / step_s + offset, stop / step_s + offset
        else:
            start, stop = start + offset, stop + offset
        return start / self.columns[1], stop / self.columns[1]

    def _shares(self, region: Region) -> np.ndarray:
        """Return which share of the evidence of a region goes to each row; float64 (n_rows,)."""
        if isinstance(self.signal, Audio):
            bands = [(_mel(span.start), _mel(span.stop)) for span in region.of("frequency")]
            edges = self._edges
            parts = [
                np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None)
                for low, high in bands
            ]
            shares = np.sum(parts, axis=0) if parts else np.ones(self.shape[0])
        else:
            named = {span.label for span in region.spans if span.quantity in _ALONG}
            shares = np.array([f"channel {row}" in named for row in range(self.shape[0])], float)
        return shares / shares.sum() if shares.any() else np.full(self.shape[0], 1 / self.shape[0])

    @functools.cached_property
    def _edges(self) -> np.ndarray:
        """The borders of the rows of sound on the mel scale."""
        return np.asarray(_mel(self.rows))

    def covered(self, window: Item) -> np.ndarray:
        """Return 1 for the columns that a window of the item shows, else 0; float64 (n_columns,)."""
        part = window.fragment
        if part is None or part.unit == "row":
            return np.ones(self.shape[1])
        middles = (self.columns[1:] + self.columns[:-1]) / 2 + self.start
        return ((middles >= part.start) & (middles < part.stop)).astype(float)

    def region(self, rows: slice, columns: slice) -> Region:
        """Return what some cells are of the signal, in the units that people name it by."""
        start, stop = float(self.columns[columns.start]), float(self.columns[columns.stop])
        signal = self.signal
        if isinstance(signal, Audio):
            low, high = float(self.rows[rows.start]), float(self.rows[rows.stop])
            time = Span("time", "s", self.start + start, self.start + min(stop, signal.duration_s))
            return Region((time, Span("frequency", "Hz", low, high)))
        stop = min(stop, signal.extent)
        if isinstance(signal, MouseTrace):
            return self._of_session(signal, int(start), int(stop))
        if isinstance(signal, Binary):
            parts = signal.name(int(self.start + start), int(self.start + stop))
            return Region(tuple(Span("bytes", "", *part) for part in parts))
        if isinstance(signal, Series):
            start, stop = self.start + start, self.start + stop
            name = f"channel {rows.start}" if self.shape[0] > 1 else ""
            step_s = signal.step_s
            times = (Span("time", "s", start * step_s, stop * step_s, name),) if step_s else ()
            return Region((Span("sample", "", start, stop, name), *times))
        return Region((Span("position", "", start, stop),))

    def _of_session(self, trace: MouseTrace, first: int, stop: int) -> Region:
        part = slice(first, stop)
        x, y, time_s = trace.x[part], trace.y[part], trace.time_s[part]
        return Region(
            (
                Span("time", "s", float(time_s[0]), float(time_s[-1])),
                Span("event", "", self.start + first, self.start + stop),
                Span("x", "px", float(x.min()), float(x.max())),
                Span("y", "px", float(y.min()), float(y.max())),
            )
        )

    def regions(self, mask: np.ndarray) -> list[tuple[slice, slice]]:
        """Return the rectangles around the cells that touch each other: bands of frequency touch, channels do not."""
        across = isinstance(self.signal, Audio)
        labels, _ = ndimage.label(mask, np.ones((3, 3)) if across else [[0, 0, 0], [1, 1, 1], [0, 0, 0]])
        return list(ndimage.find_objects(labels))


_ALONG = ("time", "sample", "bytes", "event")


def _ramp(rising: np.ndarray, starts: np.ndarray, stops: np.ndarray, weights: np.ndarray) -> None:
    """Add a weight, evenly over stretches of columns, to what sums up to the evidence; float64 (rows, columns + 2).

    Examples
    --------
    >>> rising = np.zeros((1, 6))
    >>> _ramp(rising, np.array([0.5]), np.array([2.5]), np.array([4.0]))
    >>> np.cumsum(rising, axis=1)[:, :4].tolist()
    [[1.0, 2.0, 1.0, 0.0]]
    """
    length = float((stops - starts).sum())
    if length <= 0:
        return
    total = np.zeros(rising.shape[1])
    for ends, sign in ((starts, 1.0), (stops, -1.0)):
        whole = ends.astype(int)
        share = ends - whole
        for column, part in ((whole, 1 - share), (whole + 1, share)):
            total += sign * np.bincount(column, part, minlength=len(total))
    rising += (weights / length)[:, None] * total


def _mel(hz: float | np.ndarray) -> np.ndarray:
    """Return frequencies on the mel scale (HTK)."""
    return 1127 * np.log1p(np.asarray(hz) / 700)
