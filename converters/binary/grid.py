"""The bytes of a file in rows, or along a curve that keeps neighbours together: values, or how random they are."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Between, Converter, Side, Size, height_width, register
from ..core.errors import ParameterError
from ..core.image import Box, Image, Layout, Offsets, Region, Span, join_spans
from .cells import INKS, ByteCells, ByteSpans, CellTable, Fit, Grey, Ink, Reduce, spread
from .signal import Binary, read_only, release

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
        """Return the span of each row of bytes that the box shows, joined where they touch."""
        low, high = _extent(self.table.columns, box.left, box.right)
        first, last = _extent(self.table.rows, box.top, box.bottom)
        at, size = np.arange(first, last) * self.table.width, len(self.signal.data)
        offset = self.signal.offset
        joined = join_spans(np.minimum(at + low, size) + offset, np.minimum(at + high, size) + offset)
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
        `square`: the file runs through the pixels row after row, with an equal span in each. `nataraj`:
        rows of 32 to 1024 bytes, by the size of the file; `fixed`: rows of `width` bytes; these rows are then
        brought to the pixels, so that a pixel shows bytes that stand above each other.
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
        return draw_rows(height_width(self.size), INKS[self.ink](signal), fit=self.fit, reduce=self.reduce)

    def _draw_rows(self, signal: Binary) -> Image:
        count = len(signal.data)
        width = self.width if self.width_rule == "fixed" else nataraj_width(count)
        counts = zip((-(-count // width), width), height_width(self.size), strict=True)
        rows, columns = (np.stack(spread(held, pixels, fit=self.fit)) for held, pixels in counts)
        table = CellTable(count, width, rows, columns)
        return Image(INKS[self.ink](signal).draw(table, reduce=self.reduce), GridRows(signal, table))


def draw_rows(shape: tuple[int, int], ink: Ink, *, fit: Fit, reduce: Reduce) -> Image:
    """Draw a file row after row through all pixels (height, width), with an equal span in each."""
    signal = ink.signal
    cells = ByteSpans(*spread(len(signal.data), shape[0] * shape[1], fit=fit))
    pixels = ink.draw(cells, reduce=reduce)
    start, stop = ((edges + signal.offset).reshape(shape) for edges in (cells.starts, cells.stops))
    return Image(pixels.reshape(*shape, -1), Offsets("bytes", "", start, stop, signal.name))


Curve = Literal["hilbert", "z_order"]


@functools.lru_cache(maxsize=8)
def visits(curve: Curve, size: int) -> np.ndarray:
    """Return when a curve visits each pixel of a square.

    Parameters
    ----------
    curve
        As `hilbert` and `z_order` say.
    size
        Pixels along each side.

    Returns
    -------
    int64 (size, size)
        Each number from 0 to size * size - 1 once; read-only.

    Examples
    --------
    >>> visits("z_order", 3)
    array([[0, 1, 4],
           [2, 3, 5],
           [6, 7, 8]])
    """
    columns, rows = {"hilbert": hilbert, "z_order": z_order}[curve](size)
    order = np.empty((size, size), np.int64)
    order[rows, columns] = np.arange(size * size)
    order.flags.writeable = False
    return order


def z_order(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows in the order of their interleaved bits; what lies outside the square is left out.

    Examples
    --------
    >>> z_order(2)
    (array([0, 1, 0, 1]), array([0, 0, 1, 1]))
    """
    number, code = np.arange(size), np.zeros(size, np.int64)
    for bit in range(size.bit_length()):
        code |= (number >> bit & 1) << (2 * bit)
    rows, columns = np.divmod(np.argsort((code[:, None] << 1 | code).ravel()), size)
    return columns, rows


def hilbert(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows along a Hilbert curve from the upper left to the upper right corner.

    Where `size` is a power of two this is Hilbert's curve; for any other size consecutive pixels touch as well.

    Examples
    --------
    >>> hilbert(2)
    (array([0, 0, 1, 1]), array([0, 1, 1, 0]))
    """
    columns, rows = _rectangle(size, size, {})
    return columns, rows


def _rectangle(width: int, height: int, known: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Return columns and rows (2, n) of a path through a rectangle from its upper left to its upper right corner.

    A long rectangle is passed in two halves, any other in three parts: down half of it at the left, through all that
    is below, up the rest at the right. Halves of even length are preferred, for only those can the path leave next
    to where the following part begins.
    """
    if (width, height) not in known:
        if min(width, height) == 1:
            along = np.arange(max(width, height))
            way = np.stack([along, 0 * along] if height == 1 else [0 * along, along])
        elif 2 * width > 3 * height:
            half = _even_half(width)
            left, right = (_rectangle(part, height, known) for part in (half, width - half))
            way = np.concatenate([left, right + np.array([[half], [0]])], axis=1)
        else:
            half, down = width // 2, _even_half(height)
            left, below = _rectangle(down, half, known)[::-1], _rectangle(width, height - down, known)
            right = np.array([[width - 1], [down - 1]]) - _rectangle(down, width - half, known)[::-1]
            way = np.concatenate([left, below + np.array([[0], [down]]), right], axis=1)
        known[width, height] = way
    return known[width, height]


def _even_half(length: int) -> int:
    """Return about half of a length, an even number where it is above two."""
    half = length // 2
    return half + 1 if half % 2 and length > 2 else half


def draw_along(curve: Curve, size: int, ink: Ink, *, fit: Fit, reduce: Reduce) -> Image:
    """Draw a file along a curve through the pixels of a square, with an equal span in each."""
    cells = ByteSpans(*spread(len(ink.signal.data), size * size, fit=fit))
    shown = visits(curve, size)
    pixels = np.take(ink.draw(cells, reduce=reduce), shown, axis=0)
    start, stop = (np.take(edges, shown) + ink.signal.offset for edges in (cells.starts, cells.stops))
    return Image(pixels, Offsets("bytes", "", start, stop, ink.signal.name))


@register
class HilbertCurve(ByteCells):
    """The bytes of a file along a curve, as bright as their values: what is near in the file is near in the image.

    A section is a patch instead of some rows, and keeps its shape when a few bytes are put in before it.

    Parameters
    ----------
    curve
        `hilbert`: from the upper left corner to the upper right one; pixels that follow each other touch, in a
        image of any size. `z_order`: the bits of column and row interleaved; it jumps, yet each square of 2, 4,
        8, … pixels at a multiple of its side holds one span of the file.
    size, fit, reduce, ink
        As of `ByteCells`.

    References
    ----------
    D. Hilbert, Über die stetige Abbildung einer Linie auf ein Flächenstück, Math. Ann. 38, 1891,
    doi:10.1007/BF01199431. G. M. Morton, A Computer Oriented Geodetic Data Base and a New Technique in File
    Sequencing, IBM, 1966 (`z_order`). Any size: after the generalised Hilbert curve ("gilbert") of J. Červený.

    Examples
    --------
    >>> image = HilbertCurve(size=8)(Binary(bytes(range(1, 65))))
    >>> image.pixels[:4, :4, 0].tolist()
    [[1, 4, 5, 6], [2, 3, 8, 7], [15, 14, 9, 10], [16, 13, 12, 11]]
    """

    name: ClassVar[str] = "hilbert"

    size: Side = 224
    curve: Curve = "hilbert"

    def _convert(self, signal: Binary) -> Image:
        return draw_along(self.curve, self.size, INKS[self.ink](signal), fit=self.fit, reduce=self.reduce)


ONE_BIT = 1 << 16


def local_entropy(
    data: np.ndarray, *, window: int, hop: int = 1, start: int = 0, stop: int | None = None
) -> np.ndarray:
    r"""Return the Shannon entropy of the bytes around each byte as a grey level.

    H = -sum p log2 p over the shares p of the byte values in a window; 0 to 8 bits a byte are 0 to 255, rounded. In
    a window of n bytes H = log2 n - (1 / n) sum c log2 c over the counts c, in which a byte that leaves or enters
    changes one term.

    Parameters
    ----------
    data
        uint8 (n,).
    window
        Bytes in a window, with the byte in question in its middle; near the ends of the data it is moved
        inwards, and data shorter than a window is one window.
    hop
        This many bytes share a window.
    start, stop
        Which bytes; `start` must be a multiple of `hop`.

    Returns
    -------
    uint8 (stop - start,)

    Examples
    --------
    >>> local_entropy(np.array([7, 7, 1, 2, 3, 4], np.uint8), window=2)  # one bit is 255 / 8 = 31.9
    array([ 0,  0, 32, 32, 32, 32], dtype=uint8)
    """
    from . import loops

    window = min(window, len(data))
    count = np.arange(1, window + 1)
    gains = np.diff(np.rint(count * np.log2(count) * ONE_BIT).astype(np.int64), prepend=0)
    levels = np.empty((len(data) if stop is None else stop) - start, np.uint8)
    loops.slide_entropy(read_only(data), start, window, hop, gains, levels)
    return levels


@dataclass(frozen=True, eq=False)
class Entropies(Grey):
    """Each byte as bright as the entropy around it."""

    window: int
    hop: int

    def blocks(self, stop: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield their local entropy."""
        data = self.signal.data
        step = -(-step // self.hop) * self.hop
        for at in range(0, stop, step):
            end = min(at + step, stop)
            levels = local_entropy(data, window=self.window, hop=self.hop, start=at, stop=end)
            yield at, read_only(levels)
            # A window reaches back into the block before, of which the system may map much more than was asked for.
            release(data, max(at - step, 0), end)


@register
class LocalEntropy(Converter):
    """How random a file is, byte by byte: black is one byte over and over, white 8 bits a byte.

    Compressed and encrypted parts are bright, code is grey, tables are dark, padding is black. A window of n bytes
    has at most log2 n bits; of 256 random bytes about 7.2.

    Parameters
    ----------
    size
        Pixels of each side, or (height, width) with `rows`.
    curve
        Where in the image the file runs: `rows`, or `hilbert` or `z_order`, as of `hilbert`, which fill squares.
    window
        Bytes in a window. Wide ones tell random bytes from code, narrow ones show small structures.
    hop
        Bytes from one window to the next, which share one value of entropy; 1 for each byte its own window.
    fit
        `stretch`: the file fills the image. `keep`: it is shrunk but never enlarged, with black after its end.
        `crop`: one byte a pixel; what does not fit is left out.
    reduce
        What a pixel shows of several bytes: the `mean` or the `max` of their local entropies.

    References
    ----------
    C. E. Shannon, A Mathematical Theory of Communication, Bell System Technical Journal 27, 1948,
    doi:10.1002/j.1538-7305.1948.tb01338.x. R. Lyda, J. Hamrock, Using Entropy Analysis to Find Encrypted and Packed
    Malware, IEEE Security & Privacy 5, 2007, doi:10.1109/MSP.2007.48 (windows of 256 bytes).

    Examples
    --------
    >>> image = LocalEntropy(size=32, hop=1)(Binary(bytes(512) + bytes(range(256)) * 2))
    >>> image.pixels[[0, 16, 31], 0, 0]  # in the middle half zeros, half 128 values once each
    array([  0, 142, 255], dtype=uint8)
    """

    name: ClassVar[str] = "entropy"
    accepts: ClassVar[type[Binary]] = Binary

    size: Size = 224
    curve: Literal["rows", "hilbert", "z_order"] = "rows"
    window: Annotated[int, Between(2, 65536)] = 256
    hop: Annotated[int, Between(1, 65536)] = 32
    fit: Fit = "keep"
    reduce: Literal["mean", "max"] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.curve != "rows" and not isinstance(self.size, int):
            raise ParameterError(
                f"LocalEntropy.size must be the side of a square where curve is {self.curve}, got {self.size}; "
                "take curve=rows"
            )

    def _convert(self, signal: Binary) -> Image:
        ink = Entropies(signal, self.window, self.hop)
        if self.curve == "rows":
            return draw_rows(height_width(self.size), ink, fit=self.fit, reduce=self.reduce)
        side, _ = height_width(self.size)
        return draw_along(self.curve, side, ink, fit=self.fit, reduce=self.reduce)
