"""Which bytes of a file each cell of a picture shows, and what it shows of several."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .files.blocks import BLOCK_BYTES

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
        int64 (cells,): the half-open stretch of each cell; both are `count` where it is empty.

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
    """The bytes behind each cell of a picture."""

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
class Stretches(Cells):
    """One stretch of the file a cell, in their order.

    Parameters
    ----------
    starts, stops
        int64 (cells,), from `spread`.

    Examples
    --------
    >>> cells = Stretches(np.array([0, 2, 3]), np.array([2, 3, 3]))
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
        """Where the last stretch ends."""
        return int(self.stops[-1])

    def counts(self) -> np.ndarray:
        """Return the lengths of the stretches."""
        counts: np.ndarray = self.stops - self.starts
        return counts

    def add(self, block: np.ndarray, at: int, folded: np.ndarray, *, how: How) -> None:
        """Fold a block into the cells that have a part of it."""
        from . import loops

        near = slice(
            int(np.searchsorted(self.stops, at, side="right")),
            int(np.searchsorted(self.starts, at + len(block), side="left")),
        )
        loops.fold_stretches(block, at, self.starts[near], self.stops[near], folded[near], _way(how))


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
