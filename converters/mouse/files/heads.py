"""The first lines of a mouse file: the names of its columns, some rows, and what stands before them."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.delimited import allow_long_fields, is_date, plain_head
from ...core.files import Note
from .columns import MouseColumns, find_columns

_DELIMITERS = ",;\t|"
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
HEAD_LINES = 20
_PREAMBLE_LINES = 40
_POINTER_ROWS = 20


@dataclass(frozen=True)
class Head:
    """The first lines of a file: the names of its columns and some rows of text."""

    names: list[str]
    rows: list[list[str]]
    delimiter: str | None
    """None for JSON."""
    before: int = 0
    """Lines before the first row, the header with them."""
    notes: tuple[Note, ...] = ()


def parse_head(head: bytes) -> Head | None:
    """Split the first lines of a file; None where they are no text or a single column."""
    text = plain_head(head).decode("utf-8-sig", errors="replace")
    count = _PREAMBLE_LINES + HEAD_LINES
    whole = io.StringIO(text, newline=None).read().split("\n", count)[:count]
    if "\0" in whole[0]:
        return None
    if whole[0].lstrip().startswith(("{", "[")):
        return _parse_json_head(text)
    notes: list[Note] = []
    start = 0
    if re.fullmatch(r'"?sep=."?\s*', whole[0]):
        notes.append(Note("its first line says what parts the fields, and is left out", loss=True))
        start = 1
    header = next((k for k, line in enumerate(whole[:_PREAMBLE_LINES]) if _names_columns(line)), None)
    if header is None:
        header = min(start, len(whole) - 1)
    elif header > start:
        notes.append(
            Note(f"{header - start} lines before the table are left out: {whole[start][:60]!r}", loss=True)
        )
    delimiter = _delimiter(whole[header])
    rows = list(_cells(whole[header : header + HEAD_LINES], delimiter))
    if not rows or len(rows[0]) < 2:
        return None
    names, rows = rows[0], [row for row in rows[1:] if row]
    before = header + 1
    if rows and len(rows[0]) == len(names) and not any(map(_is_value, rows[0])) and len(rows) > 1:
        columns = find_columns(names)
        if not isinstance(columns, str) and _is_value(rows[1][columns.x] if columns.x < len(rows[1]) else ""):
            unit = rows[0][columns.time].strip(" []()").lower()
            names = [f"{name}_{unit}" if k == columns.time and unit else name for k, name in enumerate(names)]
            notes.append(
                Note(f"a row of units is left out: {', '.join(filter(None, rows[0]))[:100]}", loss=True)
            )
            rows, before = rows[1:], before + 1
    return Head(names, rows, delimiter, before, tuple(notes))


def _is_value(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell.replace(",", "."))) or is_date(cell)


def _names_columns(line: str) -> bool:
    cells = next(_cells([line], _delimiter(line)), [])
    return len(cells) > 2 and isinstance(find_columns(cells), MouseColumns)


def _delimiter(line: str) -> str:
    best = max(_DELIMITERS, key=line.count)
    return best if best in line else " " if len(line.split()) > 2 else best


def _cells(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    if delimiter == " ":
        yield from (line.split() for line in lines)
        return
    allow_long_fields()
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return


def moves_like_a_pointer(head: Head, columns: MouseColumns) -> bool:
    """Tell times and whole pixels without events that are surely a mouse's: unevenly timed, and on a screen."""
    if len(head.names) != 3 or len(head.rows) < _POINTER_ROWS - 1:
        return False
    rows = [row for row in head.rows if len(row) == 3]
    try:
        places = np.array([[int(row[columns.x]), int(row[columns.y])] for row in rows])
        times = np.array([float(row[columns.time]) for row in rows])
    except ValueError:
        return False
    steps = np.diff(times)
    if (
        places.min() < 0
        or places.max() > 10_000
        or places.max() < 100
        or (steps < 0).any()
        or steps.max() <= 0
    ):
        return False
    uneven = float(np.abs(steps / max(np.median(steps), 1e-12) - 1).mean()) > 0.1
    return uneven and float(np.median(np.abs(np.diff(places, axis=0)).max(1))) < 200


def _parse_json_head(text: str) -> Head | None:
    """Find the first events of JSON Lines, an array, or an object that holds an array."""
    objects: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    start = text.find("{") if not WRAPPED.match(text) else text.index("{", text.index("["))
    while 0 <= start < len(text) and len(objects) < HEAD_LINES:
        try:
            found, start = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        if isinstance(found, dict):
            objects.append(found)
        start = text.find("{", start)
    if not objects:
        return None
    names = list(dict.fromkeys(name for found in objects for name in found))
    return Head(names, [[word_of(found.get(name)) for name in names] for found in objects], None)


WRAPPED = re.compile(
    r'\s*\{\s*(?:"[^"\n]{0,100}"\s*:\s*(?:"[^"\n]{0,400}"|-?[\d.eE+]+|true|false|null)\s*,\s*){0,20}"[^"\n]{0,100}"\s*:\s*\[\s*\{'
)


def word_of(value: Any) -> str:
    """Return the value of an event as a word."""
    return "" if value is None else str(value)
