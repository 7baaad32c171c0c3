"""How a table is laid out: delimiter, decimal mark, header, units, and what stands before them."""

import functools
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .delimited import BLANKS, Delimiter, Form, decoded, is_date, is_missing, is_number, split
from .errors import library
from .files import Note, check_unpacked

_SAMPLED_LINES, _SAMPLED_FIELDS = 50, 64
_LOOKED_AT_LINES = 150
_UNITS = re.compile(
    r"[\[(]?(s|secs?|seconds?|m?secs?|ms|[uµμ]s|ns|min|h|k?hz|[nuµμmk]?m|[kM]?[gn]|m/s(\^?[2²])?|m\*?s\^?-[12]|mg|"
    r"[kh]?pa|m?bar|[mk]?rad(/s)?|deg(rees)?(/s)?|°(/s)?|°?[ckf]|[nuµμmk]?[vawt]|ohm|db|bpm|%|-|px|counts?|a\.?u\.?|n/a)[\])]?",
    re.IGNORECASE,
)

_MARKS: tuple[Delimiter, ...] = ("\t", ";", ",", "|")


@dataclass(frozen=True)
class Sheet:
    """How a table is laid out.

    Parameters
    ----------
    form
        How its lines are written.
    names, units
        The fields of its header and of the row of units below that; None where there is none.
    rows
        The first rows of values.
    offset, line
        Where the rows of values begin, in bytes of the text as UTF-8 and in lines from 1.
    notes
        What stands before the rows and is no header.
    """

    form: Form
    names: tuple[str, ...] | None
    units: tuple[str, ...] | None
    rows: tuple[tuple[str, ...], ...]
    offset: int
    line: int
    notes: tuple[Note, ...] = ()


def sniff(lines: Sequence[str]) -> Form:
    """Find the delimiter that most lines hold, and whether numbers are written with a decimal comma.

    The delimiter is the first of tab, semicolon, comma and bar that half of the lines hold, or else spaces. A
    comma is a decimal comma where something else parts the fields and no number is written with a point.

    Examples
    --------
    >>> form = sniff(["time;value", "0;1,5", "1;2,5"])
    >>> form.delimiter, form.decimal, form.columns
    (';', ',', 2)
    >>> sniff(["0,5  1,5", "1,0  2,5"]).delimiter
    ' '
    """
    found = (mark for mark in _MARKS if 2 * sum(mark in line for line in lines) >= len(lines))
    delimiter: Delimiter = next(found, " ")
    if delimiter == "," and _parted_by_spaces(lines):
        delimiter = " "
    fields = [field for line in lines for field in split(line, delimiter)[:_SAMPLED_FIELDS]]
    with_comma = any(re.fullmatch(r"\s*[+-]?\d*,\d+\s*", field) for field in fields)
    with_point = any("." in field and is_number(field) for field in fields)
    decimal: Literal[".", ","] = "," if delimiter != "," and with_comma and not with_point else "."
    return Form(delimiter, decimal, len(split(lines[-1], delimiter)))


def _parted_by_spaces(lines: Sequence[str]) -> bool:
    """Tell lines such as `0,5 1,5`: a decimal comma in every number, and blanks between them."""
    number = r"[+-]?\d+,\d+"
    form = re.compile(rf"\s*{number}(?:\s+{number})+\s*")
    return 2 * sum(bool(form.fullmatch(line[:2000])) for line in lines) > len(lines)


def is_header(fields: Sequence[str], decimal: str = ".") -> bool:
    """Tell whether a line names columns: it holds a word, and neither a number nor a date."""
    return not any(
        (is_number(field, decimal) and not is_missing(field)) or is_date(field) for field in fields
    ) and any(not is_missing(field) for field in fields)


def is_numbered_header(fields: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell a header of numbers, as pandas writes columns without names: `,0`, `0,1,2,label`, `0` above fractions.

    Examples
    --------
    >>> is_numbered_header(["", "0"], [["0", "1.5"]]), is_numbered_header(["0", "1"], [["1", "2"]])
    (True, False)
    """
    words = [field.strip() for field in fields]
    numbers = [word for word in words if word.isdigit()]
    others = len(words) - len(numbers)
    spelt = [word for word in words if not word.isdigit() and word]
    if not rows or any(
        is_date(word) or not re.search("[^\\W\\d_]", word) for word in spelt if not is_number(word)
    ):
        return False
    if _is_grid_header(words, rows):
        return True
    if not numbers or [*map(str, range(len(numbers)))] != numbers or others > len(numbers):
        return False
    if words[0] == "" and others == 1:
        return True
    if others:  # words among the numbers: a label, an id
        return others <= 3 and not any(
            is_number(word) or is_date(word) for word in words if not word.isdigit()
        )
    fractions = sum("." in field or "e" in field.lower() for row in rows[:20] for field in row)
    return 2 * fractions > sum(map(len, rows[:20]))


@functools.lru_cache(maxsize=4)
def sniff_sheet(head: bytes, *, complete: bool) -> Sheet | None:
    """Find how a table is laid out from its first bytes as UTF-8; None where they are no text.

    Parameters
    ----------
    head
        The first bytes; the last line is left out where the text goes on behind them, unless it is the only one.
    complete
        Whether they are all there is.
    """
    if b"\0" in head:
        return None
    lines = _numbered_lines(head, complete=complete)
    if not lines:
        return None
    notes, mark = [], None
    if found := re.fullmatch(r'"?sep=(.)"?\s*', lines[0][2]):
        notes.append(
            Note(f"its first line says that {found[1]!r} parts the fields, and is left out", loss=True)
        )
        mark, lines = found[1], lines[1:]
        if not lines:
            return None
    form = sniff([text for *_, text in lines[-_SAMPLED_LINES:]])
    if mark in (*_MARKS, " "):
        form = _with_delimiter(lines, mark)
    rows = [tuple(split(text, form.delimiter)) for *_, text in lines]
    first = _first_row(rows, form.decimal)
    names, units, before, first = _header(rows, first, form.decimal)
    if before:
        notes.append(_preamble(lines[:before]))
    if units:
        found_units = ", ".join(
            f"{name} in {unit}" for name, unit in zip(names or units, units, strict=False) if unit
        )
        notes.append(Note(f"a row of units is left out: {found_units[:120]}", loss=True))
    kept = rows[first : first + _SAMPLED_LINES]
    if not kept:
        end = lines[-1]
        return Sheet(form, names, units, (), end[0], end[1], tuple(notes))
    columns = len(kept[0])
    offset, line, _ = lines[first]
    if columns == 1:  # a blank line right below the header is the first value
        offset, line = (
            (lines[first - 1][0] + _line_bytes(head, lines[first - 1][0]), lines[first - 1][1] + 1)
            if first
            else (offset, line)
        )
    return Sheet(replace(form, columns=columns), names, units, tuple(kept), offset, line, tuple(notes))


def _numbered_lines(head: bytes, *, complete: bool) -> list[tuple[int, int, str]]:
    """Return offset, number (from 1) and text of the first lines that hold something and are no comment."""
    found, offset = [], 0
    raw_lines = head.splitlines(keepends=True)
    if not complete and len(raw_lines) > 1:
        raw_lines.pop()
    for number, raw in enumerate(raw_lines, 1):
        text = decoded(raw).rstrip("\r\n")
        if text.strip(BLANKS) and not text.startswith("#"):
            found.append((offset, number, text))
            if len(found) == _LOOKED_AT_LINES:
                break
        offset += len(raw)
    return found


def _line_bytes(head: bytes, offset: int) -> int:
    return len(head[offset:].splitlines(keepends=True)[0])


def _with_delimiter(lines: Sequence[tuple[int, int, str]], mark: str) -> Form:
    rows = [split(text, mark) for *_, text in lines]
    fields = [field for row in rows for field in row]
    point = any("." in field and is_number(field) for field in fields)
    comma = mark != "," and not point and any(re.fullmatch(r"\s*[+-]?\d*,\d+\s*", field) for field in fields)
    found: Delimiter = next(known for known in (*_MARKS, " ") if known == mark)
    return Form(found, "," if comma else ".", len(rows[-1]))


def _is_grid_header(words: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell a header of times that rise evenly, with a word such as `label` that no row repeats."""
    numbers = [float(word) for word in words if is_number(word)]
    others = [index for index, word in enumerate(words) if not is_number(word)]
    if len(numbers) <= 8 or not 1 <= len(others) <= 3:
        return False
    steps = np.diff(numbers)
    even = steps.min() > 0 and steps.max() < 1.1 * steps.min()
    return even and all(words[k] not in {row[k].strip() for row in rows[:20] if k < len(row)} for k in others)


def _first_row(rows: Sequence[Sequence[str]], decimal: str) -> int:
    """Return which line the values begin with: below a header, or the first of numbers that no header follows."""
    width = max((len(row) for row in rows), key=[len(row) for row in rows].count)
    named = [is_header(row, decimal) for row in rows]
    numeric = [is_row_of_numbers(row, decimal) for row in rows]
    below = [k for k in range(1, len(rows)) if named[k - 1] and len(rows[k - 1]) == len(rows[k]) == width]
    below = [k for k in below if any(is_number(field, decimal) or is_date(field) for field in rows[k])]
    followed = [not name for name in named[1:]] + [True]
    alone = (k for k in range(len(rows)) if numeric[k] and followed[k])
    first = next((k for k in below if numeric[k]), below[0] if below else next(alone, None))
    if first is None:
        return int(named[0])
    while first and all(map(is_missing, rows[first - 1])):  # values may begin with missing ones
        first -= 1
    return first


def is_row_of_numbers(fields: Sequence[str], decimal: str) -> bool:
    """Tell whether most fields of a line are numbers, and no more than a few are words."""
    fields = fields[:_SAMPLED_FIELDS]
    numbers = sum(is_number(field, decimal) or is_date(field) for field in fields)
    words = sum(
        not is_number(field, decimal) and not is_missing(field) and not is_date(field) for field in fields
    )
    return numbers > words


def _header(
    rows: Sequence[tuple[str, ...]], first: int, decimal: str
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None, int, int]:
    """Return the names, the units, how many lines stand before them, and the line that the values begin with."""
    if first < len(rows) and is_numbered_header(rows[first], rows[first + 1 :]):
        return rows[first], None, first, first + 1
    if not first:
        return None, None, 0, 0
    width = len(rows[first]) if first < len(rows) else len(rows[first - 1])
    above, over = rows[first - 1], rows[first - 2] if first > 1 else ()
    named = is_header(above, decimal) and (len(above) == width or (first == 1 and len(above) > 1))
    if not named:
        return None, None, first, first
    if len(over) == width == len(above) and is_header(over, decimal) and _are_units(above):
        return over, above, first - 2, first
    return above, None, first - 1, first


def _are_units(fields: Sequence[str]) -> bool:
    words = [field.strip() for field in fields if field.strip()]
    known = sum(bool(_UNITS.fullmatch(word[:20])) for word in words)
    bracketed = sum(word[0] in "[(" and word[-1] in "])" for word in words)
    return bool(words) and 2 * max(known, bracketed) >= len(words)


def _preamble(lines: Sequence[tuple[int, int, str]]) -> Note:
    count, text = len(lines), lines[0][2].strip()[:60]
    what = "a line before the table is" if count == 1 else f"{count} lines before the table are"
    return Note(f"{what} left out: {text!r}", loss=True)


def looks_numeric(head: bytes, *, complete: bool) -> bool:
    """Tell whether most lines of a text, a header aside, hold only numbers, dates and missing values."""
    sheet = sniff_sheet(head, complete=complete)
    if sheet is None or not sheet.rows:
        return False
    numeric = sum(_is_numeric(row, sheet.form.decimal) for row in sheet.rows)
    return 2 * numeric > len(sheet.rows)


def _is_numeric(fields: Sequence[str], decimal: str) -> bool:
    fields = fields[:_SAMPLED_FIELDS]
    numbers = [is_number(field, decimal) for field in fields]
    rest = (field for field, number in zip(fields, numbers, strict=True) if not number)
    return any(numbers) and all(is_missing(field) or is_date(field) for field in rest)


@contextmanager
def excel_rows(path: Path) -> Iterator[tuple[Iterator[tuple[Any, ...]], tuple[Note, ...]]]:
    """Give the rows of the first sheet of an Excel workbook, and a note where it has others.

    Raises
    ------
    ReadError
        It unpacks to far more than it is.
    MissingExtra
        openpyxl is not installed.
    """
    openpyxl = library("openpyxl", path, "an Excel workbook")
    with zipfile.ZipFile(path) as archive:
        check_unpacked(path, sum(member.file_size for member in archive.infolist()))
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        names = book.sheetnames
        note = Note(f"its first sheet, {names[0]!r}, is read; there are {len(names)}", loss=True)
        yield book.worksheets[0].iter_rows(values_only=True), (note,) if len(names) > 1 else ()
    finally:
        book.close()
