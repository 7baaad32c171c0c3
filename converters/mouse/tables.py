"""Mouse files as columns: CSV, JSON Lines and JSON arrays, with the line of the file in every complaint."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..core.delimited import PlainText, allow_long_fields, few, instant, instants, is_date, plain_head
from ..core.errors import ReadError
from ..core.files import Note, read_head
from ..core.formats import refuse_foreign
from .columns import (
    NUMBER,
    OTHER,
    WRAPPED,
    Head,
    MouseColumns,
    event_codes,
    find_columns,
    flat,
    parse_head,
    word_of,
)
from .signal import SCROLL

_NO_ROWS = "no rows below the header; there are no events to read"
Words = tuple[list[str], np.ndarray]


@dataclass(frozen=True, eq=False)
class EventTable:
    """The columns of a mouse file as they stand in it.

    Parameters
    ----------
    columns
        Which columns the file has, and the unit of its times.
    time, x, y
        float64 (n,), finite.
    event, button, pressed
        Words, each once, and int (n,) that says which stands in each row; None where the file has no such
        column.
    lines
        The line (or item) of each row in the file, from 1; None where every line below the header is one.
    notes
        What was found in the file.
    """

    columns: MouseColumns
    time: np.ndarray
    x: np.ndarray
    y: np.ndarray
    event: Words | None
    button: Words | None
    pressed: Words | None = None
    lines: np.ndarray | None = None
    notes: tuple[Note, ...] = ()


def read_table(path: Path, head: bytes, time: str | None = None) -> EventTable:
    """Read the columns of a CSV or JSON file.

    Raises
    ------
    ReadError
        No header, a column missing, a row of another length, a cell that is no finite number.
    """
    lines = parse_head(head)
    if lines is None:
        refuse_foreign(head, path) if not plain_head(head).lstrip().startswith((b"{", b"[")) else None
        raise ReadError(
            f"{path}: neither CSV with a header nor JSON Lines; name the columns in the first line"
        )
    columns = find_columns(lines.names, time)
    if isinstance(columns, str):
        found = ", ".join(lines.names)[:200]
        raise ReadError(f"{path}: {columns} among {found}; name the columns in the first line")
    table = _read_json(path, columns, lines) if lines.delimiter is None else _read_csv(path, columns, lines)
    if not len(table.time):
        raise ReadError(f"{path}: {_NO_ROWS}")
    return replace(table, notes=(*lines.notes, *table.notes))


def line_of(path: Path, table: EventTable, row: int) -> int:
    """Return the line, counted from 1, on which a row of the table ends."""
    if table.lines is not None:
        return int(table.lines[row])
    head = parse_head(read_head(path)) or Head([], [], ",", 1)
    return next(line for at, (line, _) in enumerate(_csv_rows(path, head)) if at == row)


# CSV.


def _read_csv(path: Path, columns: MouseColumns, head: Head) -> EventTable:
    import pyarrow
    from pyarrow import csv as arrow_csv

    numbers, words = _wanted(columns)
    names = [str(at) for at in range(len(head.names))]
    decimal = "," if _has_decimal_commas(head, numbers) else "."
    dated = _has_dates(head, columns)
    types = {str(at): pyarrow.float64() for at in numbers}
    types |= {str(at): pyarrow.dictionary(pyarrow.int32(), pyarrow.string()) for at in words}
    if dated:
        types[str(columns.time)] = pyarrow.string()
    if head.delimiter == " ":
        return _read_slowly(path, columns, head, decimal, "fields parted by blanks")
    try:
        with PlainText(path).open() as file:
            table = arrow_csv.read_csv(
                file,
                read_options=arrow_csv.ReadOptions(
                    column_names=names, skip_rows=head.before, use_threads=False
                ),
                parse_options=arrow_csv.ParseOptions(delimiter=head.delimiter),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=list(types), column_types=types, null_values=[], decimal_point=decimal
                ),
            )
    except pyarrow.ArrowInvalid as error:
        return _read_slowly(path, columns, head, decimal, str(error))
    table = table.unify_dictionaries().combine_chunks()
    time, x, y = (table[str(at)].to_numpy(zero_copy_only=False) for at in numbers)
    if dated:
        time = instants(time)
    if not (np.isfinite(time) & np.isfinite(x) & np.isfinite(y)).all():
        return _read_slowly(path, columns, head, decimal, "a value that is not finite")
    event, button, pressed = (_factors(table, at) for at in (columns.event, columns.button, columns.pressed))
    return EventTable(columns, time, x, y, event, button, pressed)


def _wanted(columns: MouseColumns) -> tuple[list[int], list[int]]:
    words = [at for at in (columns.event, columns.button, columns.pressed) if at is not None]
    return [columns.time, columns.x, columns.y], words


def _has_decimal_commas(head: Head, numbers: Sequence[int]) -> bool:
    cells = [row[at] for row in head.rows for at in numbers if at < len(row)]
    return any("," in cell for cell in cells)


def _has_dates(head: Head, columns: MouseColumns) -> bool:
    return any(is_date(row[columns.time]) for row in head.rows[:3] if columns.time < len(row))


def _factors(table: Any, at: int | None) -> Words | None:
    if at is None:
        return None
    column = table[str(at)].chunk(0)
    return column.dictionary.to_pylist(), column.indices.to_numpy()


def _read_slowly(path: Path, columns: MouseColumns, head: Head, decimal: str, why: str) -> EventTable:
    """Read row by row: leaves a few odd rows out, and finds the line that is at fault where there are more."""
    dated = _has_dates(head, columns)

    def number(cell: Any, at: int) -> float | None:
        if dated and at == columns.time:
            return instant(cell)
        return _number_of(cell, decimal)

    rows = _csv_rows(path, head)
    names, width = head.names, len(head.names)
    collected = _collect(
        path, ((f"line {line}", line, cells) for line, cells in rows), columns, names, number, width
    )
    if collected is None:
        raise ReadError(f"{path}: {_NO_ROWS}")
    table, faults = collected
    if not faults and head.delimiter != " " and not table.notes:
        raise ReadError(f"{path}: cannot be read as CSV ({' '.join(why.split())[:200]}); check the file")
    return table


def _number_of(cell: str, decimal: str) -> float | None:
    if decimal == ",":
        cell = cell.replace(".", "?").replace(",", ".")
    found = float(cell) if NUMBER.fullmatch(cell) else float("nan")
    return found if np.isfinite(found) else None


@dataclass(frozen=True)
class _Event:
    """What one row says."""

    line: int
    numbers: list[float]
    words: list[str]


def _collect(
    path: Path,
    rows: Iterator[tuple[str, int, Any]],
    columns: MouseColumns,
    names: Sequence[str],
    number: Callable[[Any, int], float | None],
    width: int | None,
) -> tuple[EventTable, int] | None:
    """Collect rows that name each column by its index (lists) or name (objects); few may be odd."""
    kept: list[_Event] = []
    faults: list[ReadError] = []
    others = count = 0
    for count, (where, line, row) in enumerate(rows, 1):  # noqa: B007  (the last count is how many there are)
        cells = _picked(row, names, width)
        event = cells if isinstance(cells, str) else _event(line, cells, columns, number, names, width)
        if isinstance(event, str):
            faults.append(ReadError(f"{path}: {where}{event}"))
        elif event is None:
            others += 1
        else:
            kept.append(event)
    if faults and not few(len(faults), count):
        raise faults[0]
    if not kept:
        return None
    notes = []
    if faults:
        why = str(faults[0]).removeprefix(f"{path}: ").rpartition("; ")[0]
        notes.append(Note(f"{len(faults)} rows that are not like the others are left out: {why}", loss=True))
    if others:
        notes.append(Note(f"{others} events of other kinds, without a position, are left out", loss=True))
    return _table_of(kept, columns, tuple(notes)), len(faults)


def _event(
    line: int,
    cells: dict[int, Any],
    columns: MouseColumns,
    number: Callable[[Any, int], float | None],
    names: Sequence[str],
    width: int | None,
) -> "_Event | str | None":
    """Return the event of a row, what is wrong with it, or None where it is of another kind and has no position."""
    numbers, words = _wanted(columns)
    said = [word_of(cells.get(at)) for at in words]
    code = int(event_codes([said[0]], None)[0, 0, 0]) if columns.event is not None else 0
    found = {at: None if cells.get(at) is None else number(cells[at], at) for at in numbers}
    if None in found.values() and code == OTHER:
        return None
    if None in found.values() and code == SCROLL and found[columns.time] is not None:
        found = {columns.time: found[columns.time], columns.x: 0.0, columns.y: 0.0}
    fault = next((at for at in numbers if found[at] is None), None)
    if fault is None and words and words[0] not in cells and width is None:
        fault = words[0]
    if fault is None:
        return _Event(line, [float(found[at] or 0.0) for at in numbers], said)
    if fault not in cells:
        return f" has no {names[fault]!r}; mend or remove the line"
    return f": {names[fault]} must be a finite number, got {cells[fault]!r}; mend the line"


def _table_of(events: Sequence[_Event], columns: MouseColumns, notes: tuple[Note, ...]) -> EventTable:
    time, x, y = np.array([event.numbers for event in events], np.float64).T.copy()
    _, words = _wanted(columns)
    factors = {at: _enumerated([event.words[k] for event in events]) for k, at in enumerate(words)}
    event, button, pressed = (
        factors.get(at) if at is not None else None for at in (columns.event, columns.button, columns.pressed)
    )
    lines = np.array([event.line for event in events])
    return EventTable(columns, time, x, y, event, button, pressed, lines, notes)


def _picked(row: Any, names: Sequence[str], width: int | None) -> dict[int, Any] | str:
    """Return the cells of a row by the index of their column, or what is wrong with it."""
    if width is not None:
        if len(row) != width:
            return f" has {len(row)} columns, the header {width}; mend or remove the line"
        return dict(enumerate(row))
    if not isinstance(row, dict):
        return f" must be a JSON object, got {type(row).__name__}; mend the line"
    return {at: row[name] for at, name in enumerate(names) if name in row}


def _csv_rows(path: Path, head: Head) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line below the header and its cells."""
    text = io.TextIOWrapper(PlainText(path).open(), encoding="utf-8-sig", errors="replace", newline="")
    delimiter = head.delimiter or ","
    with text as file:
        if delimiter == " ":
            for line, content in enumerate(file, 1):
                if line > head.before and content.strip():
                    yield line, content.split()
            return
        for _ in range(head.before):
            next(file, None)
        allow_long_fields()
        lines = csv.reader(file, delimiter=delimiter)
        try:
            yield from ((lines.line_num + head.before, cells) for cells in lines if cells)
        except csv.Error as error:
            line = lines.line_num + head.before
            raise ReadError(f"{path}: line {line} is no CSV ({error}); mend the line") from error


# JSON.


def _read_json(path: Path, columns: MouseColumns, head: Head) -> EventTable:
    dated = _has_dates(head, columns)

    def number(value: Any, at: int) -> float | None:
        if dated and at == columns.time and isinstance(value, str):
            return instant(value)
        good = type(value) in (int, float) and abs(value) <= sys.float_info.max
        return float(value) if good else None

    collected = _collect(path, _json_rows(path), columns, head.names, number, None)
    if collected is None:
        raise ReadError(f"{path}: holds no events; there is nothing to read")
    return collected[0]


def _json_rows(path: Path) -> Iterator[tuple[str, int, Any]]:
    """Yield how a complaint names each event, its number, and the event."""
    text = PlainText(path)
    start = plain_head(text.read(0, 65536)).decode("utf-8-sig", errors="replace")
    if start.lstrip().startswith("[") or WRAPPED.match(start):
        yield from ((f"item {k}", k, flat(event)) for k, event in enumerate(_json_array(path, text), 1))
        return
    with io.TextIOWrapper(text.open(), encoding="utf-8-sig", errors="replace") as file:
        for line, content in enumerate(file, 1):
            if content.strip():
                try:
                    yield f"line {line}", line, flat(json.loads(content))
                except (ValueError, RecursionError) as error:
                    raise ReadError(f"{path}: line {line} is no JSON ({error}); mend the line") from error


def _json_array(path: Path, text: PlainText) -> list[Any]:
    try:
        found = json.loads(text.read().decode("utf-8-sig", errors="replace"))
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{path}: is no JSON ({error}); get the whole file") from error
    if isinstance(found, dict):
        found = next((value for value in found.values() if isinstance(value, list) and value), [])
    return found if isinstance(found, list) else []


def _enumerated(words: list[str]) -> Words:
    index = {word: at for at, word in enumerate(dict.fromkeys(words))}
    return list(index), np.array([index[word] for word in words], np.int64)
