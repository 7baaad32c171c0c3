"""The bytes of a file in memory, and its sections, found by LIEF in a process that can be stopped.

Large files are read block by block, so that a mapped one is never there as a whole.

LIEF hangs, crashes and eats gigabytes on some malformed files. So it runs in a child process with a limit on time and
memory. One child stays warm between files; one that hangs or dies is replaced, and its file has the format `unknown`.
"""

import atexit
import functools
import heapq
import itertools
import mmap
import os
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np

from ..core.apart import Child
from ..core.errors import SignalError
from ..core.signal import Fragment, Kind, Signal

Format = Literal["elf", "pe", "macho", "unknown"]
SectionKind = Literal["header", "code", "data", "imports", "resources", "overlay", "other"]
NamedSpan = tuple[float, float, str]

TIMEOUT_S = 5.0
MEMORY_BYTES = 2 << 30
LARGEST_BYTES = 512 << 20
# By its path, not as a module: importing the package would cost the child more than LIEF. `-P`, as the
# folder of the worker holds a `signal.py`.
WORKER = (sys.executable, "-P", str(Path(__file__).with_name("_parse_worker.py")), str(MEMORY_BYTES))


@dataclass(frozen=True)
class Section:
    """A named span of a file: the bytes `start` to `stop - 1`."""

    name: str
    kind: SectionKind
    start: int
    stop: int


@dataclass(frozen=True)
class Structure:
    """What LIEF says of a file.

    Parameters
    ----------
    format
        `unknown` where LIEF does not know it, or failed.
    sections
        In the order of their first bytes; sections may overlap in malformed files.
    problem
        Why there are no sections; empty where there is no reason to tell.
    """

    format: Format = "unknown"
    sections: tuple[Section, ...] = ()
    problem: str = ""

    def cut(self, start: float, stop: float) -> list[NamedSpan]:
        """Cut a span where sections begin and end; where sections overlap the shortest gives the name.

        Examples
        --------
        >>> Structure("elf", (Section(".text", "code", 4, 9),)).cut(2, 6)
        [(2, 4, ''), (4, 6, '.text')]
        """
        parts: list[NamedSpan] = []
        at = start
        first = max(bisect_right(self._starts, start) - 1, 0)
        for low, high, name in itertools.islice(self._flat, first, None):
            if low >= stop:
                break
            low, high = max(low, at), min(high, stop)  # noqa: PLW2901
            if low < high:
                parts += [(at, low, "")] if at < low else []
                parts.append((low, high, name))
                at = high
        return parts + ([(at, stop, "")] if at < stop else [])

    @functools.cached_property
    def _flat(self) -> tuple[NamedSpan, ...]:
        return tuple(_flatten(self.sections))

    @functools.cached_property
    def _starts(self) -> list[float]:
        return [low for low, _, _ in self._flat]


def _flatten(sections: Iterable[Section]) -> Iterable[NamedSpan]:
    """Yield spans that do not overlap, each named after the shortest section that covers it."""
    waiting = sorted(sections, key=lambda section: section.start, reverse=True)
    edges = sorted({edge for section in waiting for edge in (section.start, section.stop)})
    covering: list[tuple[int, int, str]] = []
    for low, high in itertools.pairwise(edges):
        while waiting and waiting[-1].start <= low:
            section = waiting.pop()
            heapq.heappush(covering, (section.stop - section.start, section.stop, section.name))
        while covering and covering[0][1] <= low:
            heapq.heappop(covering)
        if covering:
            yield low, high, covering[0][2]


class Parser(Child):
    """A child process in which LIEF parses one file after another.

    Parameters
    ----------
    command
        What to start, as for `Child`.
    """

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        super().__init__(command, "LIEF")

    def parse(self, path: str | Path, *, timeout_s: float = TIMEOUT_S) -> Structure:
        """Return what LIEF says of a file; whatever goes wrong is told in `problem`."""
        found = self.ask(path, _structure, timeout_s=timeout_s)
        return Structure(problem=found) if isinstance(found, str) else found


def _structure(answer: Any) -> Structure:
    sections = tuple(itertools.starmap(Section, answer["sections"]))
    return Structure(answer["format"], sections, answer["problem"])


@functools.cache
def _parser(process_id: int) -> Parser:
    """Return the parser of this process: a forked one must not share the pipes of its parent."""
    parser = Parser()
    atexit.register(parser.close)
    return parser


def parse_file(path: str | Path, *, timeout_s: float = TIMEOUT_S) -> Structure:
    """Return format and sections of a file, within a limit of time; never an error.

    Examples
    --------
    >>> import sys
    >>> parse_file(sys.executable).format in ("elf", "pe", "macho")
    True
    """
    with suppress(OSError):
        if Path(path).stat().st_size > LARGEST_BYTES:
            return Structure(problem=f"larger than {LARGEST_BYTES >> 20} MB, which LIEF is not given")
    return _parser(os.getpid()).parse(path, timeout_s=timeout_s)


def parse_bytes(data: np.ndarray, *, timeout_s: float = TIMEOUT_S) -> Structure:
    """Return format and sections of bytes in memory, within a limit of time; never an error."""
    if len(data) > LARGEST_BYTES:
        return Structure(problem=f"larger than {LARGEST_BYTES >> 20} MB, which LIEF is not given")
    try:
        with tempfile.TemporaryDirectory(prefix="phosphene-") as folder:
            path = Path(folder, "bytes")
            data.tofile(path)
            return parse_file(path, timeout_s=timeout_s)
    except OSError as error:
        return Structure(problem=f"cannot be handed to LIEF ({error.strerror})")


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
