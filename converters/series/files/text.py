"""Numbers written as text: how lines are written, and lines to arrays, with errors that name the place."""

import csv
import functools
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.errors import ReadError

MISSING = frozenset({"", "?", "nan", "-nan", "na", "n/a", "#n/a", "null", "none"})
_MISSING_AS_WRITTEN = sorted(
    {form for word in MISSING for form in (word, word.upper(), word.title())} | {"NaN"}
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]|$)")
_SAMPLED_LINES, _SAMPLED_FIELDS = 50, 64
_BLANKS = " \t\n\r\v\f"  # what bytes.strip takes off, so that both count the same lines
_LARGEST = float(np.finfo(np.float32).max)

Delimiter = Literal["\t", ";", ",", " "]


@dataclass(frozen=True)
class Form:
    """How the lines of a table are written: a space as delimiter stands for any run of spaces."""

    delimiter: Delimiter
    decimal: Literal[".", ","]
    columns: int = 1
    text: frozenset[int] = frozenset()
    """Columns whose fields stay text."""


def is_number(field: str, decimal: str = ".") -> bool:
    """Tell whether a field is a number; also an infinite one, which is refused later, with its place."""
    return _number(field, decimal) is not None


def is_missing(field: str) -> bool:
    """Tell whether a field says that there is no value: empty, `?`, NaN, NA, null, none."""
    return field.strip().lower() in MISSING


def is_date(field: str) -> bool:
    """Tell whether a field is a date, or date and time, as ISO 8601 writes it."""
    return bool(_DATE.match(field.strip())) and _instant(field) is not None


def _number(field: str, decimal: str) -> float | None:
    try:
        return None if "_" in field else float(field.replace(",", ".") if decimal == "," else field)
    except ValueError:
        return None


def _instant(field: str) -> float | None:
    try:
        moment = datetime.fromisoformat(field.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def sample_lines(head: bytes, *, complete: bool) -> list[str]:
    """Return the first lines of a text that hold something and are no comment; none where it is no text.

    The last line is left out where the text goes on behind `head` (not `complete`), unless it is the only
    one.
    """
    if b"\0" in head:
        return []
    lines = text_lines(head)
    if not complete and len(lines) > 1:
        lines.pop()
    kept = [line for line in lines if line.strip(_BLANKS) and not line.startswith("#")]
    return kept[:_SAMPLED_LINES]


def text_lines(data: bytes) -> list[str]:
    """Return the lines of a text, which end as those of bytes do: a form feed, say, ends none."""
    lines = decoded(data).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def decoded(data: bytes) -> str:
    """Return text from UTF-8, with or without a byte order mark, or else from Latin-1."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def sniff(lines: Sequence[str]) -> Form:
    """Find the delimiter that most lines hold, and whether numbers are written with a decimal comma.

    The delimiter is the first of tab, semicolon and comma that half of the lines hold, or else spaces. A
    comma is a decimal comma where tabs or semicolons part the fields and no number is written with a point.

    Examples
    --------
    >>> sniff(["time;value", "0;1,5", "1;2,5"])
    Form(delimiter=';', decimal=',', columns=2, text=frozenset())
    """
    marks: tuple[Delimiter, ...] = ("\t", ";", ",")
    found = (mark for mark in marks if 2 * sum(mark in line for line in lines) >= len(lines))
    delimiter: Delimiter = next(found, " ")
    fields = [field for line in lines for field in split(line, delimiter)[:_SAMPLED_FIELDS]]
    with_comma = any(re.fullmatch(r"\s*[+-]?\d*,\d+\s*", field) for field in fields)
    with_point = any("." in field and is_number(field) for field in fields)
    decimal: Literal[".", ","] = "," if delimiter in "\t;" and with_comma and not with_point else "."
    return Form(delimiter, decimal, len(split(lines[-1], delimiter)))


def split(line: str, delimiter: str) -> list[str]:
    """Return the fields of one line."""
    if delimiter == " ":
        return line.split()
    if '"' not in line:
        return line.split(delimiter)
    return next(csv.reader([line], delimiter=delimiter), [])


def is_header(fields: Sequence[str], decimal: str) -> bool:
    """Tell whether a line names columns: it holds a word, and neither a number nor a date."""
    return not any(
        (is_number(field, decimal) and not is_missing(field)) or is_date(field) for field in fields
    ) and any(not is_missing(field) for field in fields)


@functools.lru_cache(maxsize=4)
def looks_numeric(head: bytes, *, complete: bool) -> bool:
    """Tell whether most lines of a text, a header aside, hold only numbers, dates and missing values."""
    lines = sample_lines(head, complete=complete)
    if not lines:
        return False
    form = sniff(lines)
    if len(lines) > 1 and is_header(split(lines[0], form.delimiter), form.decimal):
        lines = lines[1:]
    return 2 * sum(_is_numeric(split(line, form.delimiter), form.decimal) for line in lines) > len(lines)


def _is_numeric(fields: Sequence[str], decimal: str) -> bool:
    fields = fields[:_SAMPLED_FIELDS]
    numbers = [is_number(field, decimal) for field in fields]
    rest = (field for field, number in zip(fields, numbers, strict=True) if not number)
    return any(numbers) and all(is_missing(field) or is_date(field) for field in rest)


def parse_block(
    data: bytes, form: Form, *, path: Path, first_line: int, ragged: Literal["refused", "padded"] = "refused"
) -> tuple[np.ndarray, dict[int, list[str]]]:
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
    numbers, texts
        float64 (lines, columns), NaN where missing or text; and the fields of each text column.

    Raises
    ------
    ReadError
        A field is no number, or infinite in float32, or a line has too many or too few fields.
    """
    parsed = _parse_fast(data, form)
    if parsed is None:  # something is wrong or unusual: the slow way reads more, and knows where things stand
        parsed = _parse_slow(data, form, path, first_line, ragged)
    return parsed


def _parse_fast(data: bytes, form: Form) -> tuple[np.ndarray, dict[int, list[str]]] | None:
    import pyarrow as pa
    from pyarrow import csv as pa_csv

    if form.delimiter == " ":
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


def _parse_slow(
    data: bytes, form: Form, path: Path, first_line: int, ragged: Literal["refused", "padded"]
) -> tuple[np.ndarray, dict[int, list[str]]]:
    rows: list[list[float]] = []
    texts: dict[int, list[str]] = {column: [] for column in form.text}
    for line, fields in _numbered(text_lines(data), form, first_line):
        if len(fields) != form.columns and ragged == "refused":
            raise ReadError(
                f"{path}: line {line} has {len(fields)} fields, the lines before it {form.columns}; "
                "give every line the same number of fields"
            )
        for column, column_texts in texts.items():
            column_texts.append(fields[column].strip())
        kept = ["" if column in form.text else field for column, field in enumerate(fields)]
        rows.append(parse_fields(kept, path=path, line=line, decimal=form.decimal))
    numbers = np.full((len(rows), max([form.columns, *map(len, rows)])), np.nan)
    for place, row in enumerate(rows):
        numbers[place, : len(row)] = row
    return numbers, texts


def _numbered(lines: Iterable[str], form: Form, first_line: int) -> Iterator[tuple[int, list[str]]]:
    for line, text in enumerate(lines, first_line):
        if text.strip(_BLANKS):
            yield line, split(text, form.delimiter)


def parse_fields(fields: Sequence[str], *, path: Path, line: int, decimal: str = ".") -> list[float]:
    """Turn the fields of one line into numbers, NaN where missing.

    Raises
    ------
    ReadError
        A field is no number, or infinite in float32; the message names line and column, from 1.
    """
    numbers = []
    for column, field in enumerate(fields, 1):
        number = float("nan") if is_missing(field) else _number(field, decimal)
        if number is None or abs(number) > _LARGEST:
            why = "not a number" if number is None else "infinite or too large for float32"
            raise ReadError(
                f"{path}: line {line}, column {column}: {field.strip()[:40]!r} is {why}; "
                "correct it, or leave it empty where the value is missing"
            )
        numbers.append(number)
    return numbers


def instants(fields: Sequence[str]) -> np.ndarray:
    """Return dates as float64 seconds since 1970, NaN for what is none; UTC where no zone is given."""
    found = (_instant(field or "") for field in fields)
    return np.array([np.nan if moment is None else moment for moment in found])
