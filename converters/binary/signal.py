"""The bytes of a file in memory, and large files block by block, so that a mapped one is never there as a whole."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.errors import SignalError
from ..core.signal import Fragment, Kind, Signal
from .sections import Format, Section, Structure, parse_bytes, parse_file

BLOCK_BYTES = 1 << 20


def blocks(
    data: np.ndarray, *, stop: int, step: int = BLOCK_BYTES, reach: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield one block after another, and let the pages of a mapped file go when the next one is asked for.

    Parameters
    ----------
    data
        uint8 (n,).
    stop
        Where to stop, at most n.
    step
        Bytes in a block.
    reach
        How many bytes of what follows each block has at its end, as far as there are any before `stop`.

    Yields
    ------
    at, block
        Where the block begins, and its bytes: contiguous and read-only.

    Examples
    --------
    >>> [(at, block.tolist()) for at, block in blocks(np.arange(5, dtype=np.uint8), stop=5, step=2, reach=1)]
    [(0, [0, 1, 2]), (2, [2, 3, 4]), (4, [4])]
    """
    for at in range(0, stop, step):
        yield at, read_only(data[at : min(at + step + reach, stop)])
        release(data, at, min(at + step, stop))


def read_only(data: np.ndarray) -> np.ndarray:
    """Return the same bytes contiguous and read-only, as the compiled loops take them."""
    view = np.ascontiguousarray(data).view()
    view.flags.writeable = False
    return view


def release(data: np.ndarray, start: int, stop: int) -> None:
    """Tell the system that a part of a mapped file need not stay in memory; it is read again when it is used."""
    mapping = _mapping(data)
    # Pages of a map that can be written to may hold what is nowhere else.
    if mapping is None or not hasattr(mapping, "madvise") or not memoryview(mapping).readonly:
        return
    first = _address(data) - _address(np.frombuffer(mapping, np.uint8)) + start
    page = first // mmap.PAGESIZE * mmap.PAGESIZE
    mapping.madvise(mmap.MADV_DONTNEED, page, first - page + stop - start)


def _mapping(data: np.ndarray) -> mmap.mmap | None:
    """Return the map that an array is a view of."""
    base: object = data
    while isinstance(base, np.ndarray):
        base = base.base
    base = base.obj if isinstance(base, memoryview) else base
    return base if isinstance(base, mmap.mmap) and data.strides == (1,) else None


def _address(data: np.ndarray) -> int:
    address: int = data.__array_interface__["data"][0]
    return address


@dataclass(frozen=True, eq=False, repr=False)
class Binary(Signal):
    """Bytes, and where in the file they stand.

    Parameters
    ----------
    data
        uint8 (n,), or bytes; may be a memory map, so that a large file is not read before it is used.
    offset
        Where in its file the first byte stands.
    path
        The file, where there is one; the sections of a part of a file are those of the whole file.

    Raises
    ------
    SignalError
        No bytes, or numbers that are no bytes.

    Examples
    --------
    >>> Binary(b"MZ and so on").describe()
    '12 bytes'
    """

    data: np.ndarray
    offset: int = 0
    path: Path | None = None
    kind: ClassVar[Kind] = "binary"

    def __post_init__(self) -> None:
        raw: Any = self.data
        data = (
            np.frombuffer(raw, np.uint8)
            if isinstance(raw, bytes | bytearray | memoryview)
            else np.asarray(raw)
        )
        if data.dtype != np.uint8 or data.ndim != 1 or not data.size:
            raise SignalError(f"Binary.data must be one or more bytes, got {data.dtype} {data.shape}")
        view = data.view()
        view.flags.writeable = False
        object.__setattr__(self, "data", view)

    @cached_property
    def structure(self) -> Structure:
        """Format and sections, as LIEF finds them when first asked for; never an error."""
        if self.path is not None:
            return parse_file(self.path)
        found = parse_bytes(self.data)
        moved = (replace(s, start=s.start + self.offset, stop=s.stop + self.offset) for s in found.sections)
        return replace(found, sections=tuple(moved))

    @property
    def format(self) -> Format:
        """`elf`, `pe`, `macho`, or `unknown` for any other bytes and for a file that could not be parsed."""
        return self.structure.format

    @property
    def sections(self) -> tuple[Section, ...]:
        """Sections, headers and overlay, their bytes counted from the start of the file."""
        return self.structure.sections

    def name(self, start: float, stop: float) -> list[tuple[float, float, str]]:
        """Cut a span of the file where sections begin and end; outside of sections the name is empty."""
        return self.structure.cut(start, stop)

    @property
    def extent(self) -> float:
        """Number of bytes."""
        return float(len(self.data))

    def part(self, fragment: Fragment) -> Self:
        """Return some of the bytes."""
        part = self._bounds(fragment, "bytes", len(self.data))
        return replace(self, data=self.data[part], offset=self.offset + part.start)

    def describe(self) -> str:
        """Say how many bytes."""
        return f"{len(self.data)} byte{'' if len(self.data) == 1 else 's'}"
