"""The bytes of a file in rows."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import register
from ..core.image import Box, Image, Layout, Offsets, Region, Span, join_stretches
from ..core.parameters import Between
from .cells import CellTable, Stretches, spread
from .inks import INKS, ByteCells
from .signal import Binary

NATARAJ_KB = (10, 30, 60, 100, 200, 500, 1000)
NATARAJ_WIDTHS = (32, 64, 128, 256, 384, 512, 768, 1024)


def nataraj_width(size_bytes: int) -> int:
    """Return the bytes in a row for a file of this size, after the table of Nataraj et al.

    Examples
    --------
    >>> nataraj_width(5_000), nataraj_width(2_000_000)
    (32, 1024)
    """
    return NATARAJ_WIDTHS[int(np.searchsorted(NATARAJ_KB, size_bytes / 1024, side="right"))]


@dataclass(frozen=True, eq=False)
class GridRows(Layout):
    """Rows of bytes, several of which may fall on one row of pixels.

    Parameters
    ----------
    signal
        Whose bytes.
    table
        Which of them each pixel shows.
    """

    signal: Binary
    table: CellTable

    def locate(self, box: Box) -> Region:
        """Return the stretch of each row of bytes that the box shows, joined where they touch."""
        low, high = _extent(self.table.columns, box.left, box.right)
        first, last = _extent(self.table.rows, box.top, box.bottom)
        at, size = np.arange(first, last) * self.table.width, len(self.signal.data)
        offset = self.signal.offset
        joined = join_stretches(np.minimum(at + low, size) + offset, np.minimum(at + high, size) + offset)
        parts = [part for start, stop in joined for part in self.signal.name(start, stop)]
        return Region(tuple(Span("bytes", "", *part) for part in parts))


def _extent(cells: np.ndarray, start: int, stop: int) -> tuple[int, int]:
    """Return what the cells `start` to `stop - 1` hold together."""
    return int(cells[0, start]), int(cells[1, stop - 1])


@register
class ByteGrid(ByteCells):
    """The bytes of a file in rows, as bright as their values: code, text and padding differ in texture.

    Parameters
    ----------
    width_rule
        `square`: the file runs through the pixels row after row, with an equal stretch in each. `nataraj`:
        rows of 32 to 1024 bytes, by the size of the file; `fixed`: rows of `width` bytes; these rows are then
        brought to `size` x `size` pixels, so that a pixel shows bytes that stand above each other.
    width
        Bytes in a row, for `fixed`.
    size, fit, reduce, ink
        As of `ByteCells`.

    References
    ----------
    L. Nataraj et al., Malware Images: Visualization and Automatic Classification, VizSec 2011,
    doi:10.1145/2016904.2016908 (the table of widths).

    Examples
    --------
    >>> image = ByteGrid(size=8, fit="keep")(Binary(b"seven bytes and nothing"))
    >>> image.pixels[:2, :, 0].tobytes()
    b'seven bytes and '
    >>> from phosphene.converters import Box
    >>> str(image.locate(Box(0, 1, 8, 2)))
    'bytes 8 to 16'
    """

    name: ClassVar[str] = "grid"

    width_rule: Literal["square", "nataraj", "fixed"] = "square"
    width: Annotated[int, Between(1, 65536)] = 256

    def _convert(self, signal: Binary) -> Image:
        return self._fold(signal) if self.width_rule == "square" else self._draw_rows(signal)

    def _fold(self, signal: Binary) -> Image:
        shape = (self.size, self.size)
        cells = Stretches(*spread(len(signal.data), self.size * self.size, fit=self.fit))
        pixels = INKS[self.ink](signal).draw(cells, reduce=self.reduce)
        start, stop = ((edges + signal.offset).reshape(shape) for edges in (cells.starts, cells.stops))
        return Image(pixels.reshape(*shape, -1), Offsets("bytes", "", start, stop, signal.name))

    def _draw_rows(self, signal: Binary) -> Image:
        count = len(signal.data)
        width = self.width if self.width_rule == "fixed" else nataraj_width(count)
        rows, columns = (np.stack(spread(n, self.size, fit=self.fit)) for n in (-(-count // width), width))
        table = CellTable(count, width, rows, columns)
        return Image(INKS[self.ink](signal).draw(table, reduce=self.reduce), GridRows(signal, table))
