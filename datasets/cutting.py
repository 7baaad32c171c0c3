"""Mouse sessions cut by what the pointer did, and how every kind is cut, written as text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from phosphene.converters import Fragment, MouseTrace, ParameterError, PhospheneError, ReadError
from phosphene.converters.core.fragment import Unit
from phosphene.converters.core.signal import Kind
from phosphene.converters.mouse.files.cutting import cut_session
from phosphene.converters.reading import readers, recognise

from .manifest import Item
from .windows import Cut, Windows, cut, lengths_for

LONGEST_WHOLE_S = 600.0
"""Longer sound is drawn in windows unless asked otherwise: as one picture it would fill the memory."""
LEAST_LONG_BYTES = {".wav": 900_000}
LEAST_LONG_OTHER_BYTES = 300_000
"""Ten minutes of sound take at least so many bytes, by suffix and in any other format."""

_FORMS = "t=5,2.5, samples=1000, events=250, bytes=65536, pause=1, path=2000 or none"


@dataclass(frozen=True)
class Pieces:
    """Mouse sessions cut where the pointer rested, or after a length of its path.

    Parameters
    ----------
    by
        `pause`: where nothing happened for more than `limit` seconds; `path`: after `limit` pixels of the screen.
    limit
        See `by`; above 0.

    Examples
    --------
    >>> pieces = Pieces("pause", 1.0)
    >>> cut_from_config(pieces.config) == pieces
    True
    """

    by: Literal["pause", "path"]
    limit: float

    def __post_init__(self) -> None:
        if self.by not in ("pause", "path"):
            raise ParameterError(f"Pieces.by must be one of 'pause', 'path', got {self.by!r}")
        if not 0 < self.limit < float("inf"):
            raise ParameterError(f"Pieces.limit must be a number > 0, got {self.limit!r}")

    @property
    def unit(self) -> Unit:
        """Pieces are counted in events."""
        return "events"

    @property
    def config(self) -> dict[str, Any]:
        """The parameters, as JSON takes them."""
        return asdict(self)

    def parts(self, item: Item, length: float | None) -> list[Item]:
        """Return the pieces of a session, inside its part where it is a part of a file."""
        del length
        inside = item.fragment
        if inside and inside.unit != self.unit:
            return [item]
        try:
            session = cast(MouseTrace, readers()["mouse"].read(item.path, inside))
        except PhospheneError:
            return [item]  # the file fails by name when it is read
        found = cut_session(session, by=self.by, limit=self.limit)
        first = inside.start if inside else 0
        moved = [Fragment("events", first + part.start, first + part.stop) for part in found]
        return [replace(item, fragment=part) for part in moved] if len(moved) > 1 else [item]


def cut_from_config(config: dict[str, Any]) -> Cut:
    """Make windows or pieces again from their `config`."""
    return Pieces(**config) if "by" in config else Windows.from_config(config)


def parse_cut(text: str) -> Cut | None:
    """Turn text into a way to cut items; None where they stay whole.

    Raises
    ------
    ParameterError
        The text has none of the known forms.

    Examples
    --------
    >>> parse_cut("t=5,2.5"), parse_cut("pause=1"), parse_cut("none")
    (Windows(unit='t', length=5.0, hop=2.5, most=None), Pieces(by='pause', limit=1.0), None)
    """
    if text.strip() == "none":
        return None
    unit, _, numbers = text.replace(" ", "").partition("=")
    try:
        length, *hop = map(float, numbers.split(","))
    except ValueError:
        raise ParameterError(f"{text!r} is no way to cut recordings; write {_FORMS}") from None
    if unit in ("pause", "path") and not hop:
        return Pieces(cast(Literal["pause", "path"], unit), length)
    if unit not in ("t", "samples", "events", "bytes") or len(hop) > 1:
        raise ParameterError(f"{text!r} is no way to cut recordings; write {_FORMS}")
    return Windows(cast(Unit, unit), length, hop[0] if hop else length)


def cut_each(items: Sequence[Item], how: str | None, *, kind: Kind | None = None) -> tuple[Item, ...]:
    """Cut items of any kinds; those of a kind that is not cut so stay whole.

    Parameters
    ----------
    items
        Files, or parts of files.
    how
        As for `parse_cut`; None cuts nothing but sound longer than ten minutes, into windows of 5 s.
    kind
        What every file is read as; None asks each file.
    """
    if how is None:
        return tuple(piece for item in items for piece in _long_sound_cut(item, kind))
    return _cut_fitting(items, parse_cut(how), kind)


def cut_for(kind: Kind, text: str) -> Cut | None:
    """Turn text into a way to cut items of one kind.

    Raises
    ------
    ParameterError
        The text has none of the known forms, or cuts another kind.
    """
    how, unit = parse_cut(text), readers()[kind].cut_by
    if how and how.unit != unit:
        raise ParameterError(f"{kind} is not cut by {text!r}; write {unit}=LENGTH")
    return how


def _cut_fitting(items: Sequence[Item], how: Cut | None, kind: Kind | None) -> tuple[Item, ...]:
    if how is None:
        return tuple(items)
    fitting = next(known for known, reader in readers().items() if reader.cut_by == how.unit)
    kinds = {path: kind or _kind_of(path) for path in dict.fromkeys(item.path for item in items)}
    cuttable = [item for item in items if kinds[item.path] == fitting]
    lengths = iter(lengths_for(cuttable, fitting, how))
    return tuple(
        piece
        for item in items
        for piece in (how.parts(item, next(lengths)) if kinds[item.path] == fitting else [item])
    )


def _long_sound_cut(item: Item, kind: Kind | None) -> tuple[Item, ...]:
    try:
        least = LEAST_LONG_BYTES.get(item.path.suffix.lower(), LEAST_LONG_OTHER_BYTES)
        if item.fragment or item.path.stat().st_size < least or (kind or recognise(item.path)) != "audio":
            return (item,)
        length_s = readers()["audio"].extent(item.path)
    except (OSError, ReadError):
        return (item,)  # the file fails by name when it is read
    how = Windows("t", 5.0, 5.0) if length_s > LONGEST_WHOLE_S else None
    return cut([item], how, [length_s])[0]


def _kind_of(path: Path) -> Kind | None:
    try:
        return recognise(path)
    except ReadError:
        return None
