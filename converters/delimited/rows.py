"""Whole lines of a table to arrays, with errors that name the line."""

import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from ..core.errors import ReadError
from .fields import MISSING, is_missing, number, split
from .plain import BLANKS, text_lines
from .sheet import Form

_MISSING_AS_WRITTEN = sorted(
    {form for word in MISSING for form in (word, word.upper(), word.title())} | {"NaN"}
)
_LARGEST = float(np.finfo(np.float32).max)


def parse_block(
    data: bytes, form: Form, *, path: Path, first_line: int, ragged: Literal["refused", "padded"] = "refused"
) -> tuple[np.ndarray, dict[int, list[str]], list[int]]:
    """Turn whole lines into numbers.

    Parameters
    ----------
    data
        Lines of a table, without its header.
    form
        How they are written.
    path, first_line
        For errors: the file, and the number of the first line in it, from 1.
    ragged
        What to do with lines of another number of fields than `form.columns`: `padded` fills up with NaN.

    Returns
    -------
    numbers, texts, odd
        float64 (lines, columns), NaN where missing or text; the fields of each text column; and the numbers of the
        lines that could not be read and are NaN, which are at most one in twenty.

    Raises
    ------
    ReadError
        A field is no number, or infinite in float32, or a line has too many or too few fields.
    """
    parsed = _parse_fast(data, form)
    if parsed is None:  # something is wrong or unusual: the slow way reads more, and knows where it is
        return _parse_slow(data, form, path, first_line, ragged)
    return (*parsed, [])


def _parse_fast(data: bytes, form: Form) -> tuple[np.ndarray, dict[int, list[str]]] | None:
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    if form.columns > 50_000:  # pyarrow takes a millisecond for each column
        return None
    if form.blank_rows == "missing":
        data = b"\n".join(line.strip() or b"nan" for line in data.splitlines())
    elif form.delimiter == " ":
        data = b"\n".join(b" ".join(line.split()) for line in data.splitlines())
    names = [str(column) for column in range(form.columns)]
    types = {name: pa.string() if int(name) in form.text else pa.float64() for name in names}
    try:
        table = pa_csv.read_csv(
            io.BytesIO(data),
            # One block, one thread: rows keep their order, and a forked worker finds no dead threads.
            read_options=pa_csv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            parse_options=pa_csv.ParseOptions(delimiter=form.delimiter),
            convert_options=pa_csv.ConvertOptions(
                column_types=types, null_values=_MISSING_AS_WRITTEN, decimal_point=form.decimal
            ),
        )
    except pa.ArrowInvalid:
        return None
    numbers = np.full((table.num_rows, form.columns), np.nan)
    for column in range(form.columns):
        if column not in form.text:
            numbers[:, column] = table.column(column).to_numpy()
    if (np.abs(numbers) > _LARGEST).any():
        return None
    return numbers, {column: table.column(column).to_pylist() for column in form.text}


def few(count: int, among: int) -> bool:
    """Tell whether so few of many are at fault that the others stand for them: one in twenty, of twenty or more."""
    return 20 * count <= among


def _parse_slow(
    data: bytes, form: Form, path: Path, first_line: int, ragged: Literal["refused", "padded"]
) -> tuple[np.ndarray, dict[int, list[str]], list[int]]:
    rows: list[list[float]] = []
    texts: dict[int, list[str]] = {column: [] for column in form.text}
    faults: list[tuple[int, ReadError]] = []
    for line, fields in _numbered(text_lines(data), form, first_line):
        try:
            rows.append(_parsed_row(fields, form, path, line, ragged))
        except _OddRowError as fault:
            faults.append((line, ReadError(str(fault))))
            rows.append([np.nan] * form.columns)
        for column, column_texts in texts.items():
            column_texts.append(fields[column].strip() if column < len(fields) else "")
    if faults and not few(len(faults), len(rows)):
        raise faults[0][1]
    numbers = np.full((len(rows), max([form.columns, *map(len, rows)])), np.nan)
    for index, row in enumerate(rows):
        numbers[index, : len(row)] = row
    return numbers, texts, [line for line, _ in faults]


class _OddRowError(ReadError):
    """A line that is not like the others, which a few may be."""


def _parsed_row(
    fields: list[str], form: Form, path: Path, line: int, ragged: Literal["refused", "padded"]
) -> list[float]:
    if len(fields) != form.columns and ragged == "refused":
        raise _OddRowError(
            f"{path}: line {line} has {len(fields)} fields, the lines before it {form.columns}; "
            "give every line the same number of fields"
        )
    kept = ["" if column in form.text else field for column, field in enumerate(fields)]
    return parse_fields(kept, path=path, line=line, decimal=form.decimal)


def _numbered(lines: Iterable[str], form: Form, first_line: int) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(lines, first_line):
        if text.strip(BLANKS):
            yield line, split(text, form.delimiter)
        elif form.blank_rows == "missing":
            yield line, [""]


def parse_fields(fields: Sequence[str], *, path: Path, line: int, decimal: str = ".") -> list[float]:
    """Turn the fields of one line into numbers, NaN where missing.

    Raises
    ------
    ReadError
        A field is no number, or infinite in float32; the message names line and column, from 1.
    """
    numbers = []
    for column, field in enumerate(fields, 1):
        value = float("nan") if is_missing(field) else number(field, decimal)
        if value is None or abs(value) > _LARGEST:
            why = "not a number" if value is None else "infinite or too large for float32"
            fault = _OddRowError if value is None else ReadError
            raise fault(
                f"{path}: line {line}, column {column}: {field.strip()[:40]!r} is {why}; "
                "correct it, or leave it empty where the value is missing"
            )
        numbers.append(value)
    return numbers
