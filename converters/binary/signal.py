"""The bytes of a file in memory."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..core.errors import SignalError
from ..core.signal import Fragment, Kind, Signal
from .files.sections import Format, Section, Structure, parse_bytes, parse_file


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
        """Cut a stretch of the file where sections begin and end; outside of sections the name is empty."""
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
