"""Mouse files as columns: CSV and JSON Lines, with the line of the file in every complaint."""

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import ReadError
from ...core.reader import read_head
from .columns import Columns, find_columns

_DELIMITERS = ",;\t"
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE)
_NO_ROWS = "no rows below the header; there are no events to read"
HEAD_LINES = 20


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a mouse file as they stand in it.

    Parameters
    ----------
    columns
        Which columns the file has, and the unit of its times.
    time, x, y
        float64 (n,), finite.
    event, button
        Words, each once, and int (n,) that says which stands in each row; None where the file has no such
        column.
    """

    columns: Columns
    time: np.ndarray
    x: np.ndarray
    y: np.ndarray
    event: tuple[list[str], np.ndarray] | None
    button: tuple[list[str], np.ndarray] | None


@dataclass(frozen=True)
class Head:
    """The first lines of a file: the names of its columns and some rows of text."""

    names: list[str]
    rows: list[list[str]]
    delimiter: str | None
    """None for JSON Lines."""


def read_table(path: Path, head: bytes) -> Table:
    """Read the columns of a CSV or JSON Lines file.

    Raises
    ------
    ReadError
        No header, a column missing, a row of another length, a cell that is no finite number.
    """
    lines = parse_head(head)
    if lines is None:
        raise ReadError(
            f"{path}: neither CSV with a header nor JSON Lines; name the columns in the first line"
        )
    columns = find_columns(lines.names)
    if isinstance(columns, str):
        found = ", ".join(lines.names)[:200]
        raise ReadError(f"{path}: {columns} among {found}; name the columns in the first line")
    table = _read_json(path, columns, lines) if lines.delimiter is None else _read_csv(path, columns, lines)
    if not len(table.time):
        raise ReadError(f"{path}: {_NO_ROWS}")
    return table


def parse_head(head: bytes) -> Head | None:
    """Split the first lines of a file; None where they are no text or a single column."""
    text = head.decode("utf-8-sig", errors="replace")
    whole = io.StringIO(text, newline=None).read().split("\n", HEAD_LINES)[:HEAD_LINES]
    if "\0" in whole[0]:
        return None
    if whole[0].lstrip().startswith("{"):
        return _parse_json_head(whole)
    delimiter = max(_DELIMITERS, key=whole[0].count)
    try:
        names, *rows = csv.reader(whole, delimiter=delimiter)
    except csv.Error:
        return None
    return Head(names, [row for row in rows if row], delimiter) if len(names) > 1 else None


def line_of(path: Path, row: int) -> int:
    """Return the line, counted from 1, on which a row of the table ends."""
    delimiter = (parse_head(read_head(path)) or Head([], [], ",")).delimiter
    lines = _json_rows(path) if delimiter is None else _csv_rows(path, delimiter)
    return next(line for at, (line, _) in enumerate(lines) if at == row)


def _parse_json_head(lines: list[str]) -> Head | None:
    try:
        first = json.loads(lines[0])
    except (ValueError, RecursionError):
        return None
    if not isinstance(first, dict):
        return None
    return Head(list(first), [[str(value) for value in first.values()]], None)


def _read_csv(path: Path, columns: Columns, head: Head) -> Table:
    import pyarrow
    from pyarrow import csv as arrow_csv

    numbers, words = _wanted(columns)
    names = [str(at) for at in range(len(head.names))]
    decimal = "," if _has_decimal_commas(head, numbers) else "."
    types = {str(at): pyarrow.float64() for at in numbers}
    types |= {str(at): pyarrow.dictionary(pyarrow.int32(), pyarrow.string()) for at in words}
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(delimiter=head.delimiter),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(types), column_types=types, null_values=[], decimal_point=decimal
            ),
        )
    except pyarrow.ArrowInvalid as error:
        raise _complaint(path, head, numbers, decimal, str(error)) from error
    table = table.unify_dictionaries().combine_chunks()
    time, x, y = (table[str(at)].to_numpy() for at in numbers)
    if not (np.isfinite(time) & np.isfinite(x) & np.isfinite(y)).all():
        raise _complaint(path, head, numbers, decimal, "a value that is not finite")
    return Table(columns, time, x, y, *(_factors(table, at) for at in (columns.event, columns.button)))


def _wanted(columns: Columns) -> tuple[list[int], list[int]]:
    words = [at for at in (columns.event, columns.button) if at is not None]
    return [columns.time, columns.x, columns.y], words


def _has_decimal_commas(head: Head, numbers: Sequence[int]) -> bool:
    cells = [row[at] for row in head.rows for at in numbers if at < len(row)]
    return any("," in cell for cell in cells)


def _factors(table: Any, at: int | None) -> tuple[list[str], np.ndarray] | None:
    if at is None:
        return None
    column = table[str(at)].chunk(0)
    return column.dictionary.to_pylist(), column.indices.to_numpy()


def _complaint(path: Path, head: Head, numbers: Sequence[int], decimal: str, why: str) -> ReadError:
    """Find the first line that is at fault; slow, and only ever run on the way to an error."""
    for line, cells in _csv_rows(path, head.delimiter or ","):
        where = f"{path}: line {line}"
        if len(cells) != len(head.names):
            return ReadError(
                f"{where} has {len(cells)} columns, the header {len(head.names)}; mend or remove the line"
            )
        for at in numbers:
            if not _is_number(cells[at], decimal):
                return ReadError(
                    f"{where}: {head.names[at]} must be a finite number, got {cells[at]!r}; mend the line"
                )
    if not any(_csv_rows(path, head.delimiter or ",")):
        return ReadError(f"{path}: {_NO_ROWS}")
    return ReadError(f"{path}: cannot be read as CSV ({why}); check the file")


def _is_number(cell: str, decimal: str) -> bool:
    if decimal == ",":
        cell = cell.replace(".", "?").replace(",", ".")
    return bool(_NUMBER.fullmatch(cell)) and bool(np.isfinite(float(cell)))


def _csv_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file, delimiter=delimiter)
        next(lines)
        try:
            yield from ((lines.line_num, cells) for cells in lines if cells)
        except csv.Error as error:
            raise ReadError(f"{path}: line {lines.line_num} is no CSV ({error}); mend the line") from error


def _read_json(path: Path, columns: Columns, head: Head) -> Table:
    numbers, words = _wanted(columns)
    rows = [_picked(path, line, row, head.names, numbers, words) for line, row in _json_rows(path)]
    time, x, y = np.array([row[:3] for row in rows], np.float64).T.copy()
    factors = {at: _enumerated([row[3 + place] for row in rows]) for place, at in enumerate(words)}
    return Table(
        columns,
        time,
        x,
        y,
        *(factors.get(at) if at is not None else None for at in (columns.event, columns.button)),
    )


def _json_rows(path: Path) -> Iterator[tuple[int, Any]]:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line, text in enumerate(file, 1):
            if text.strip():
                try:
                    yield line, json.loads(text)
                except (ValueError, RecursionError) as error:
                    raise ReadError(f"{path}: line {line} is no JSON ({error}); mend the line") from error


def _picked(
    path: Path, line: int, row: Any, names: Sequence[str], numbers: Sequence[int], words: Sequence[int]
) -> list[Any]:
    """Return the numbers and then the words of one JSON object."""
    if not isinstance(row, dict):
        raise ReadError(f"{path}: line {line} must be a JSON object, got {type(row).__name__}; mend the line")
    missing = next((names[at] for at in (*numbers, *words[:1]) if names[at] not in row), None)
    if missing is not None:
        raise ReadError(f"{path}: line {line} has no {missing!r}; mend or remove the line")
    for at in numbers:
        value = row[names[at]]
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:
            raise ReadError(
                f"{path}: line {line}: {names[at]} must be a finite number, got {value!r}; mend the line"
            )
    # Loggers write no button where none is involved: only the first of event and button must be there.
    return [row[names[at]] for at in numbers] + [str(row.get(names[at], "")) for at in words]


def _enumerated(words: list[str]) -> tuple[list[str], np.ndarray]:
    places = {word: at for at, word in enumerate(dict.fromkeys(words))}
    return list(places), np.array([places[word] for word in words], np.int64)
