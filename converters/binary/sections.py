"""Format and sections of a program file, found by LIEF in a process that can be stopped.

LIEF hangs, crashes and eats gigabytes on some malformed files. So it runs in a child process with a limit on
time and memory. One child stays warm between files; one that hangs or dies is replaced, and its file has the
format `unknown`.
"""

import atexit
import functools
import heapq
import itertools
import os
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..core.child import Child

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
