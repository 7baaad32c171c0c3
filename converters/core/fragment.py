"""The address of an item: a file, or a part of one, written `path#fragment`.

========================  ==========================================================
`#row=12`                 row 12, counted from 0, of an archive that holds many items
`#t=5,10`                 from 5 s up to 10 s
`#bytes=0-65535`          both ends included, as in HTTP
`#events=0-249`           both ends included, of a mouse session
`#samples=0-999`          both ends included, of a series
========================  ==========================================================
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from .errors import ParameterError

Unit = Literal["row", "t", "bytes", "events", "samples"]


@dataclass(frozen=True)
class Fragment:
    """A part of a file, half-open: `start` is in it, `stop` is not.

    Parameters
    ----------
    unit
        What is counted: seconds for `t`, kept to the microsecond; whole things for the others.
    start, stop
        Where the part begins, and the first place after it; for a row, `stop` is `start + 1`.

    Examples
    --------
    >>> str(Fragment("bytes", 0, 65536)), str(Fragment("t", 5, 7.5)), str(Fragment("row", 3, 4))
    ('bytes=0-65535', 't=5,7.5', 'row=3')
    """

    unit: Unit
    start: float
    stop: float

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise ParameterError(
                f"Fragment.unit must be one of {', '.join(get_args(Unit))}, got {self.unit!r}"
            )
        if self.unit == "t":
            # An address is text: what it says must be what was meant, to the last digit.
            object.__setattr__(self, "start", round(self.start, 6))
            object.__setattr__(self, "stop", round(self.stop, 6))
        elif self.start % 1 or self.stop % 1:
            raise ParameterError(
                f"a fragment in {self.unit} must be in whole numbers, got {self.start:g} to {self.stop:g}"
            )
        if not (0 <= self.start < self.stop and math.isfinite(self.stop)):
            raise ParameterError(
                f"a fragment must begin at 0 or later and end after it begins, got {self.start:g} to {self.stop:g}"
            )

    def __str__(self) -> str:
        if self.unit == "row":
            return f"row={self.start:.0f}"
        if self.unit == "t":
            return f"t={_seconds(self.start)},{_seconds(self.stop)}"
        return f"{self.unit}={self.start:.0f}-{self.stop - 1:.0f}"

    @property
    def whole(self) -> slice:
        """The part as a slice of whole things (not for seconds)."""
        return slice(int(self.start), int(self.stop))


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


_NUMBER = r"(\d+(?:\.\d+)?)"
_FORMS = (
    (re.compile(r"(row)=(\d+)"), lambda start: (start, start + 1)),
    (re.compile(rf"(t)={_NUMBER},{_NUMBER}"), lambda start, stop: (start, stop)),
    (re.compile(r"(bytes|events|samples)=(\d+)-(\d+)"), lambda start, last: (start, last + 1)),
)


def parse_fragment(text: str) -> Fragment:
    """Read the part of an address that stands behind `#`.

    Raises
    ------
    ParameterError
        The text has none of the known forms, or ends before it begins.

    Examples
    --------
    >>> parse_fragment("t=5,10")
    Fragment(unit='t', start=5.0, stop=10.0)
    """
    for form, ends in _FORMS:
        found = form.fullmatch(text)
        if found:
            unit, *numbers = found.groups()
            return Fragment(cast(Unit, unit), *ends(*map(float, numbers)))
    raise ParameterError(
        f"#{text} is no fragment; write #row=12, #t=5,10, #bytes=0-65535, #events=0-249 or #samples=0-999"
    )


def parse_address(address: str | Path) -> tuple[Path, Fragment | None]:
    """Split `path#fragment`; a file whose own name holds the `#` is taken as that file.

    Examples
    --------
    >>> path, fragment = parse_address("bird.wav#t=0,5")
    >>> path.name, str(fragment)
    ('bird.wav', 't=0,5')
    """
    path, mark, fragment = str(address).rpartition("#")
    if not mark or "=" not in fragment or _exists(Path(address)):
        return Path(address), None
    return Path(path), parse_fragment(fragment)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name longer than any file's
        return False
