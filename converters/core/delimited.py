"""Tables written as text, for every kind that comes as one: its bytes, its fields, and lines to numbers."""

import codecs
import csv
import functools
import gzip
import io
import os
import re
import sys
import tempfile
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

import numpy as np

from .errors import ReadError, short
from .files import HEAD_BYTES, Note, check_unpacked, read_at, read_head

MISSING = frozenset(
    {
        "", "?", "nan", "-nan", "na", "n/a", "n.a.", "#n/a", "null", "none", "nil", "missing", "-", "--", "---", ".",
        "#value!", "#div/0!", "#num!", "#ref!", "\\n",
    }
)  # fmt: skip
_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]|$)")
_OTHER_DATE = re.compile(
    r"(?:(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})|(?P<d2>\d{1,2})\.(?P<m2>\d{1,2})\.(?P<y2>\d{4}))"
    r"(?:,?[T ]+(?P<clock>\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?))?"
)
_CLOCK_TEXT = r"(?:,?[T ]+(?P<clock>\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?)\s*(?P<half>[AaPp]\.?[Mm]\.?)?)?"
_SLASHED_DATE = re.compile(
    r"(?P<a>\d{1,2})(?P<sep>[/-])(?P<b>\d{1,2})(?P=sep)(?P<y>\d{4}|(?<=/)\d\d)" + _CLOCK_TEXT
)
_WORDED_DATE = re.compile(
    r"(?:(?P<d>\d{1,2})[-/ ](?P<m>[A-Za-z]{3,9})[-/ ](?P<y>\d{4})"
    r"|(?P<m2>[A-Za-z]{3,9}) (?P<d2>\d{1,2}),? (?P<y2>\d{4}))" + _CLOCK_TEXT
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MINUTES = re.compile(r"(\d{1,3}):([0-5]\d\.\d+)")
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?")
UNITS_S = {
    **dict.fromkeys(("s", "sec", "secs", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nsec", "nanoseconds"), 1e-9),
    **dict.fromkeys(("min", "minutes"), 60.0),
    **dict.fromkeys(("h", "hours"), 3600.0),
    **dict.fromkeys(("d", "days"), 86400.0),
}
UNIT_NAMES = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
_SINCE_1970 = ((1e-9, 1e17), (1e-6, 1e14), (1e-3, 1e11))


def is_number(field: str, decimal: str = ".") -> bool:
    """Tell whether a field is a number; also an infinite one, which is refused later, with its line."""
    return number(field, decimal) is not None


def is_missing(field: str) -> bool:
    """Tell whether a field says that there is no value: empty, `?`, `-`, NaN, NA, null, none, Excel's errors."""
    return field.strip().lower() in MISSING


def is_date(field: str) -> bool:
    """Tell whether a field is a date, or date and time, or a time of day.

    Dates are those of ISO 8601, `31.12.2024 23:59`, `31-Dec-2024`, `12/31/2024 11:59 PM` and `31/12/2024`.
    """
    field = field.strip()
    if is_clock(field):
        return True
    if _SLASHED_DATE.fullmatch(field):
        return instant(field) is not None or instant(field, first="day") is not None
    known = _DATE.match(field) or _OTHER_DATE.fullmatch(field) or _WORDED_DATE.fullmatch(field)
    return bool(known) and instant(field) is not None


def is_clock(field: str) -> bool:
    """Tell whether a field is a time of day, `23:59` or `23:59:59.5`, or minutes and seconds: `59:59.5`."""
    return bool(_CLOCK.fullmatch(field.strip()) or _MINUTES.fullmatch(field.strip()))


def number(field: str, decimal: str) -> float | None:
    """Return a field as a number, None where it is none."""
    try:
        return None if "_" in field else float(field.replace(",", ".") if decimal == "," else field)
    except ValueError:
        return None


def is_slashed_date(field: str) -> bool:
    """Tell whether a field is a date of which one must know whether day or month comes first: `1/2/2024`."""
    return bool(_SLASHED_DATE.fullmatch(field.strip()))


def instant(field: str, *, first: Literal["month", "day"] = "month") -> float | None:
    """Return a date as seconds since 1970, UTC where no zone is given; a time of day as seconds since midnight.

    `first` is what comes first in `1/2/2024`.
    """
    field = field.strip()
    if clock := _CLOCK.fullmatch(field):
        hours, minutes, seconds = clock.groups(default="0")
        return 3600.0 * int(hours) + 60.0 * int(minutes) + float(seconds)
    if passed := _MINUTES.fullmatch(field):
        return 60.0 * int(passed[1]) + float(passed[2])
    if found := _OTHER_DATE.fullmatch(field):
        year, month, day = (found[name] or found[f"{name}2"] for name in "ymd")
        field = (
            f"{year}-{int(month):02d}-{int(day):02d}T{(found['clock'] or '00:00').replace(',', '.').zfill(5)}"
        )
    elif (found := _SLASHED_DATE.fullmatch(field)) or (found := _WORDED_DATE.fullmatch(field)):
        field = _as_iso(found, first)
    try:
        moment = datetime.fromisoformat(field)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def instants(fields: Sequence[str], *, first: Literal["month", "day"] | None = None) -> np.ndarray:
    """Return dates as float64 seconds, NaN for what is none.

    `first` is what comes first in `1/2/2024`; None takes the order in which all are dates that run evenly.
    """
    if first is None and any(is_slashed_date(field or "") for field in fields[:50]):
        return better_order(instants(fields, first="month"), instants(fields, first="day"))[0]
    found = (instant(field or "", first=first or "month") for field in fields)
    return np.array([np.nan if moment is None else moment for moment in found])


def better_order(month_first: np.ndarray, day_first: np.ndarray) -> tuple[np.ndarray, str]:
    """Return which of two readings of dates is right: with fewer that are none, fewer falls, and more even steps.

    Returns
    -------
    times, note
        Seconds; and what to tell, empty where both give the same steps.

    Examples
    --------
    >>> days = ["1/2/2024", "1/3/2024", "1/4/2024"]
    >>> better_order(instants(days, first="month"), instants(days, first="day"))[1]
    'its dates are read as month/day/year, which run more evenly so; write 2024-12-31 if they are not'
    """

    def odd(times: np.ndarray) -> tuple[int, int, float]:
        steps = np.diff(times[~np.isnan(times)])
        rising = steps[steps > 0]
        spread = float(np.abs(rising / np.median(rising) - 1).mean()) if len(rising) else 0.0
        return int(np.isnan(times).sum()), int((steps < 0).sum()), round(spread, 9)

    chosen, order = min(
        ((month_first, "month/day/year"), (day_first, "day/month/year")), key=lambda pair: odd(pair[0])
    )
    if np.array_equal(np.diff(month_first), np.diff(day_first)):
        return chosen, ""
    return (
        chosen,
        f"its dates are read as {order}, which run more evenly so; write 2024-12-31 if they are not",
    )


def _as_iso(found: re.Match[str], first: Literal["month", "day"]) -> str:
    """Write a date with slashes, or with the name of its month, as ISO 8601 has it; nothing for what is no date."""
    parts = found.groupdict()
    if "a" in parts:
        month, day = (parts["a"], parts["b"]) if first == "month" else (parts["b"], parts["a"])
        year = parts["y"] if len(parts["y"]) == 4 else f"20{parts['y']}"
    else:
        year, day, name = (parts[key] or parts[f"{key}2"] for key in "ydm")
        month = str(_MONTHS.index(name[:3].lower()) + 1) if name[:3].lower() in _MONTHS else "0"
    hour, colon, rest = (parts["clock"] or "00:00").replace(",", ".").partition(":")
    if half := (parts["half"] or "").lower():
        hour = str(int(hour) % 12 + (12 if half[0] == "p" else 0))
    return f"{year}-{int(month):02d}-{int(day):02d}T{int(hour):02d}{colon}{rest}"


def since_1970(time: float) -> tuple[float, Note] | None:
    """Return the unit, in seconds, of a time that counts from 1970 in milliseconds or finer, and a note of it.

    Examples
    --------
    >>> since_1970(1.7e12)[0], since_1970(1.7e9)
    (0.001, None)
    """
    unit = next((unit for unit, above in _SINCE_1970 if time > above), None)
    if unit is None:
        return None
    text = f"its times count {UNIT_NAMES[unit]} since 1970; name another unit with --time COLUMN:UNIT"
    return unit, Note(text)


def guessed_unit(unit: float, apart: str) -> Note:
    """Return the note that times without a unit are taken as being in one, with how far they lie apart then."""
    name = UNIT_NAMES[unit]
    text = (
        f"its times have no unit and are taken as {name}, {apart}; name another unit with --time COLUMN:UNIT"
    )
    return Note(text)


def split(line: str, delimiter: str) -> list[str]:
    """Return the fields of one line."""
    if delimiter == " ":
        return line.split() if '"' not in line else [field for field in _quoted(line, " ") if field]
    if '"' not in line:
        return line.split(delimiter)
    return _quoted(line, delimiter)


def _quoted(line: str, delimiter: str) -> list[str]:
    try:
        allow_long_fields()
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


@functools.cache
def allow_long_fields() -> None:
    """Lift the limit of 128 KiB a field, which a quoted series of one row is longer than."""
    csv.field_size_limit(sys.maxsize)


BLANKS = " \t\n\r\v\f"  # what bytes.strip takes off, so that both count the same lines
_GZIP, _UTF16 = b"\x1f\x8b\x08", (b"\xff\xfe", b"\xfe\xff")
_UNPACKED_BYTES = 1 << 22
_LARGEST_UNPACKED = 1 << 33


@functools.lru_cache(maxsize=4)
def plain_head(head: bytes) -> bytes:
    """Return the first bytes of a text as UTF-8, also where the file is UTF-16 or in gzip; other bytes as they are."""
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(31).decompress(head, _UNPACKED_BYTES)
        except zlib.error:
            return head
    if head.startswith(_UTF16):
        text = head[: len(head) // 2 * 2].decode("utf-16", errors="ignore")
        # Two bytes are a weak signature: one line alone could be anything.
        return text.encode() if text.count("\n") > 1 else head
    return head


def is_packed(head: bytes) -> bool:
    """Tell whether the bytes of a file are not those of its text."""
    return head.startswith((_GZIP, *_UTF16))


class PlainText:
    """The bytes of a text as UTF-8 (or as they are), read in parts; the file is opened once, a small one with its head.

    What is in gzip or UTF-16 is unpacked into a file without a name; `unpacked` is one that was written before.
    """

    def __init__(self, path: Path, unpacked: IO[bytes] | None = None) -> None:
        self.path = path
        head = b"" if unpacked else read_head(path)
        self._whole = head if head and len(head) < HEAD_BYTES and not is_packed(head) else None
        if self._whole is None:
            self._file = unpacked or (_unpacked(path) if is_packed(head) else path.open("rb"))
            weakref.finalize(self, self._file.close)

    def read(self, offset: int = 0, size: int = -1) -> bytes:
        """Return `size` bytes from `offset` on, or all."""
        if self._whole is not None:
            return self._whole[offset : None if size < 0 else offset + size]
        size = os.fstat(self._file.fileno()).st_size - offset if size < 0 else size
        return read_at(self._file, offset, size)

    def open(self) -> IO[bytes]:
        """Return a file of all of it, to be read from the start."""
        if self._whole is not None:
            return io.BytesIO(self._whole)
        file = os.fdopen(os.dup(self._file.fileno()), "rb")
        file.seek(0)
        return file


def _unpacked(path: Path) -> IO[bytes]:
    """Return a file without a name that holds the text as UTF-8."""
    plain = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the table does)
    try:
        with path.open("rb") as raw:
            zipped = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as unzipped:
                _transcode(unzipped.read if zipped else raw.read, plain, path)
    except BaseException as error:
        plain.close()
        if isinstance(error, EOFError | zlib.error | OSError) and not isinstance(error, ReadError):
            raise ReadError(
                f"{path}: is damaged or cut short ({short(error)}); get the whole file"
            ) from error
        raise
    plain.flush()
    return plain


def _transcode(read: Callable[[int], bytes], plain: IO[bytes], path: Path) -> None:
    decoder = None
    while data := read(1 << 20):
        if not plain.tell() and data.startswith(_UTF16):
            decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        plain.write(decoder.decode(data).encode() if decoder else data)
        check_unpacked(path, plain.tell())
        if plain.tell() > _LARGEST_UNPACKED:
            raise ReadError(f"{path}: unpacks to more than 8 GiB; unpack it, and read parts of it")


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


Delimiter = Literal["\t", ";", ",", "|", " "]


@dataclass(frozen=True)
class Form:
    """How the lines of a table are written: a space as delimiter stands for any run of spaces."""

    delimiter: Delimiter
    decimal: Literal[".", ","]
    columns: int = 1
    text: frozenset[int] = frozenset()
    """Columns whose fields stay text."""
    blank_rows: Literal["skipped", "missing"] = "skipped"
    """What a line without a field means."""


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
