"""Which bytes of a file each pixel shows, and what its colour says of them: value, class, or kind of section."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np

from ..core.converter import Converter, Size
from ..core.errors import ParameterError
from .signal import BLOCK_BYTES, Binary, SectionKind, Structure, blocks, read_only

Fit = Literal["stretch", "keep", "crop"]
How = Literal["sum", "largest", "first"]


def spread(count: int, cells: int, *, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Deal `count` things in their order to `cells` cells.

    Parameters
    ----------
    count, cells
        1 or more.
    fit
        `stretch`: every cell gets something, the same thing several times where there are too few; `keep`:
        nothing is given twice, so that the last cells may stay empty; `crop`: one thing a cell, the rest is
        left out.

    Returns
    -------
    starts, stops
        int64 (cells,): the half-open span of each cell; both are `count` where it is empty.

    Examples
    --------
    >>> spread(5, 2, fit="stretch"), spread(1, 2, fit="keep")
    ((array([0, 2]), array([2, 5])), (array([0, 1]), array([1, 1])))
    """
    length = {"stretch": count, "keep": max(count, cells), "crop": cells}[fit]
    edges = np.arange(cells + 1, dtype=np.int64) * length // cells
    starts, stops = edges[:-1], np.maximum(edges[1:], edges[:-1] + 1)
    return np.minimum(starts, count), np.minimum(stops, count)


class Cells(ABC):
    """The bytes behind each cell of an image."""

    @property
    @abstractmethod
    def step(self) -> int:
        """How many bytes a block has, but for the last one."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of what `fold` returns."""

    @property
    @abstractmethod
    def stop(self) -> int:
        """The first byte that no cell shows, nor any after it."""

    @abstractmethod
    def counts(self) -> np.ndarray:
        """Return how many bytes each cell shows, int64."""

    @abstractmethod
    def add(self, block: np.ndarray, at: int, folded: np.ndarray, *, how: How) -> None:
        """Fold one block of bytes into int64 `folded`."""

    def fold(self, blocks: Iterable[tuple[int, np.ndarray]], *, how: How) -> np.ndarray:
        """Return the sum, the largest or the first of the bytes of each cell, int64; 0 for an empty one."""
        folded = np.zeros(self.shape, np.int64)
        for at, block in blocks:
            self.add(block, at, folded, how=how)
        return folded


@dataclass(frozen=True, eq=False)
class ByteSpans(Cells):
    """One span of the file a cell, in their order.

    Parameters
    ----------
    starts, stops
        int64 (cells,), from `spread`.

    Examples
    --------
    >>> cells = ByteSpans(np.array([0, 2, 3]), np.array([2, 3, 3]))
    >>> cells.fold([(0, np.frombuffer(bytes([1, 4, 9]), np.uint8))], how="sum")
    array([5, 9, 0])
    """

    starts: np.ndarray
    stops: np.ndarray

    @property
    def step(self) -> int:
        """Any number will do."""
        return BLOCK_BYTES

    @property
    def shape(self) -> tuple[int, ...]:
        """One number a cell."""
        return self.starts.shape

    @property
    def stop(self) -> int:
        """Where the last span ends."""
        return int(self.stops[-1])

    def counts(self) -> np.ndarray:
        """Return the lengths of the spans."""
        counts: np.ndarray = self.stops - self.starts
        return counts

    def add(self, block: np.ndarray, at: int, folded: np.ndarray, *, how: How) -> None:
        """Fold a block into the cells that have a part of it."""
        from . import loops

        near = slice(
            int(np.searchsorted(self.stops, at, side="right")),
            int(np.searchsorted(self.starts, at + len(block), side="left")),
        )
        loops.fold_spans(block, at, self.starts[near], self.stops[near], folded[near], _way(how))


@dataclass(frozen=True, eq=False)
class CellTable(Cells):
    """Rows of bytes, cut into rectangles.

    Parameters
    ----------
    count
        Bytes in all; the last row may be short.
    width
        Bytes in a row.
    rows, columns
        int64 (2, n): which rows of bytes each row of cells shows, and which of their bytes each column: starts and
        stops, from `spread`.
    """

    count: int
    width: int
    rows: np.ndarray
    columns: np.ndarray

    @property
    def step(self) -> int:
        """Whole rows."""
        return max(BLOCK_BYTES // self.width, 1) * self.width

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of cells."""
        return self.rows.shape[1], self.columns.shape[1]

    @property
    def stop(self) -> int:
        """Where the last row ends."""
        return min(int(self.rows[1, -1]) * self.width, self.count)

    def counts(self) -> np.ndarray:
        """Return how many bytes the rectangles hold."""
        (starts, stops), (left, right) = self.rows * self.width, self.columns
        complete, rest = np.divmod(np.maximum(np.minimum(stops, self.count) - starts, 0), self.width)
        wide = right - left
        counts: np.ndarray = complete[:, None] * wide + np.clip(rest[:, None] - left, 0, wide)
        return counts

    def add(self, block: np.ndarray, at: int, folded: np.ndarray, *, how: How) -> None:
        """Fold whole rows into the rectangles that have a part of them."""
        from . import loops

        top = at // self.width
        near = slice(
            int(np.searchsorted(self.rows[1], top, side="right")),
            int(np.searchsorted(self.rows[0], -(-(at + len(block)) // self.width), side="left")),
        )
        rows = np.ascontiguousarray(self.rows[:, near] - top)
        loops.fold_table(block, self.width, rows, self.columns, folded[near], _way(how))


def _way(how: How) -> int:
    from . import loops

    return {"sum": loops.SUM, "largest": loops.LARGEST, "first": loops.FIRST}[how]


def means(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return sums / counts rounded half up, uint8; 0 where there is nothing.

    Examples
    --------
    >>> means(np.array([3, 4, 0]), np.array([2, 3, 0]))
    array([2, 1, 0], dtype=uint8)
    """
    rounded: np.ndarray = (sums + counts // 2) // np.maximum(counts, 1)
    return rounded.astype(np.uint8)


InkName = Literal["value", "class", "section"]
Reduce = Literal["mean", "max", "sample", "rarest"]
Colour = tuple[int, int, int]

# Told apart by the colour-blind as well (after Okabe and Ito). What comes later wins a tie.
CLASS_COLOURS: dict[str, Colour] = {
    "zero": (0, 0, 0),
    "0xff": (255, 255, 255),
    "high": (213, 94, 0),
    "control": (0, 158, 115),
    "printable": (86, 180, 233),
}
KIND_COLOURS: dict[SectionKind | Literal["none"], Colour] = {
    "none": (200, 200, 200),
    "other": (120, 120, 120),
    "overlay": (204, 121, 167),
    "data": (0, 114, 178),
    "code": (213, 94, 0),
    "resources": (0, 158, 115),
    "imports": (240, 228, 66),
    "header": (255, 255, 255),
}
OUTSIDE: Colour = (40, 40, 40)
"""A pixel that shows no byte; in grey images it is black."""


def byte_classes() -> np.ndarray:
    r"""Return the number of the class of each byte value, uint8 (256,), in the order of CLASS_COLOURS.

    Examples
    --------
    >>> [list(CLASS_COLOURS)[byte_classes()[byte]] for byte in b"\0A \xff\x80"]
    ['zero', 'printable', 'control', '0xff', 'high']
    """
    classes = np.full(256, list(CLASS_COLOURS).index("high"), np.uint8)
    classes[1:128] = list(CLASS_COLOURS).index("control")
    classes[33:127] = list(CLASS_COLOURS).index("printable")
    classes[[0, 255]] = [list(CLASS_COLOURS).index(name) for name in ("zero", "0xff")]
    return classes


@dataclass(frozen=True, eq=False)
class Ink(ABC):
    """A code for each byte, and a colour for each code."""

    signal: Binary
    colours: ClassVar[np.ndarray]
    """uint8 (codes, 1 or 3)."""
    outside: ClassVar[tuple[int, ...]] = OUTSIDE

    @abstractmethod
    def blocks(self, stop: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield where a block of the bytes begins, and their codes, uint8 and read-only."""

    def middle(self, cells: Cells) -> np.ndarray:
        """Return the code that stands best for all bytes of each cell: the one that most of them have."""
        if cells.counts().max() == 1:
            return cells.fold(self._of(cells), how="first")
        votes = np.zeros((len(self.colours), *cells.shape), np.int64)
        for at, codes in self._of(cells):
            for code, found in enumerate(votes):
                cells.add(read_only((codes == code).view(np.uint8)), at, found, how="sum")
        most: np.ndarray = len(votes) - 1 - votes[::-1].argmax(axis=0)
        return most

    def rarest(self, cells: Cells) -> np.ndarray:
        """Return the code of each cell that is rarest in the file; of equally rare ones the largest."""
        counts = np.zeros(256, np.int64)
        for _, codes in self.blocks(len(self.signal.data), cells.step):
            counts += np.bincount(codes, minlength=256)
        order = np.argsort(-counts, kind="stable").astype(np.uint8)
        rank = np.argsort(order).astype(np.uint8)
        ranked = ((at, read_only(rank[codes])) for at, codes in self._of(cells))
        rarest: np.ndarray = order[cells.fold(ranked, how="largest")]
        return rarest

    def draw(self, cells: Cells, *, reduce: Reduce) -> np.ndarray:
        """Return the colour of each cell, uint8 (..., channels)."""
        if reduce == "mean":
            codes = self.middle(cells)
        elif reduce == "rarest":
            codes = self.rarest(cells)
        else:
            codes = cells.fold(self._of(cells), how="largest" if reduce == "max" else "first")
        pixels: np.ndarray = self.colours[codes]
        pixels[cells.counts() == 0] = self.outside
        return pixels

    def _of(self, cells: Cells) -> Iterator[tuple[int, np.ndarray]]:
        return self.blocks(cells.stop, cells.step)


class Grey(Ink):
    """Codes that are grey levels, so that there is a mean of them."""

    colours: ClassVar[np.ndarray] = np.arange(256, dtype=np.uint8)[:, None]
    outside: ClassVar[tuple[int, ...]] = (0,)

    def middle(self, cells: Cells) -> np.ndarray:
        """Return the mean of each cell."""
        return means(cells.fold(self._of(cells), how="sum"), cells.counts())


class Values(Grey):
    """Each byte as bright as its value."""

    def blocks(self, stop: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the bytes themselves."""
        return blocks(self.signal.data, stop=stop, step=step)


class Classes(Ink):
    """Each byte in the colour of its class."""

    colours: ClassVar[np.ndarray] = np.array(list(CLASS_COLOURS.values()), np.uint8)

    def blocks(self, stop: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the numbers of their classes."""
        classes = byte_classes()
        for at, block in blocks(self.signal.data, stop=stop, step=step):
            yield at, read_only(classes[block])


class Kinds(Ink):
    """Each byte in the colour of the kind of section that it lies in; the file itself is not looked at."""

    colours: ClassVar[np.ndarray] = np.array(list(KIND_COLOURS.values()), np.uint8)

    def blocks(self, stop: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the numbers of the kinds."""
        for at in range(0, stop, step):
            yield at, read_only(self._kinds(at, min(at + step, stop)))

    def _kinds(self, start: int, stop: int) -> np.ndarray:
        parts = self._structure.cut(start + self.signal.offset, stop + self.signal.offset)
        numbers = np.array([list(KIND_COLOURS).index(name or "none") for *_, name in parts], np.uint8)  # type: ignore[arg-type]
        return np.repeat(numbers, [int(high - low) for low, high, _ in parts])

    @functools.cached_property
    def _structure(self) -> Structure:
        """The sections, with their kinds as their names."""
        found = self.signal.structure
        return replace(found, sections=tuple(replace(s, name=s.kind) for s in found.sections))


INKS: dict[InkName, type[Ink]] = dict(zip(get_args(InkName), (Values, Classes, Kinds), strict=True))


class ByteCells(Converter):
    """Draws bytes at pixels of their own.

    Parameters
    ----------
    size
        Pixels of each side, or (height, width).
    fit
        What becomes of a file with fewer or more bytes than pixels. `stretch`: it fills the image. `keep`:
        it is shrunk but never enlarged, so that a small file keeps its length, and nothing is drawn after its
        end. `crop`: one byte a pixel; what does not fit is left out.
    reduce
        What a pixel shows of several bytes. `mean`: the mean of their values; of classes or sections, which have
        no mean, the one that most of the bytes have. `max`: the largest value. `sample`: the first byte. `rarest`:
        the one whose value, class or section is rarest in the whole file, of equally rare ones the largest: so
        a few bytes unlike all others stay visible in a file of any length, where a mean washes them out.
    ink
        What a pixel says of its bytes. `value`: grey, 0 black and 255 white. `class`: zero black, 0xff white,
        printable ASCII blue, white space and other control characters green, the rest (128 to 254) red.
        `section`: the kind of section that LIEF finds there: header white, code red, data blue, imports
        yellow, resources green, overlay pink, other sections grey, no section (or a file that LIEF cannot
        read) light grey. Where no byte is drawn, `value` is black and the coloured inks dark grey. A tie is
        won by printable over control over the rest over 0xff over zero; by header over imports over resources
        over code over data over overlay over other over none.
    """

    accepts: ClassVar[type[Binary]] = Binary

    size: Size = 224
    fit: Fit = "keep"
    reduce: Reduce = "mean"
    ink: InkName = "value"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reduce == "max" and self.ink != "value":
            raise ParameterError(
                f"{type(self).__name__}.reduce must be mean, sample or rarest where ink is {self.ink}, "
                f"of which none is the largest, got 'max'"
            )
