"""Tables of numbers as text: one column a channel, of which parts are read without the rest; or many items."""

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.delimited import (
    BLANKS,
    Form,
    PlainText,
    better_order,
    instants,
    is_number,
    is_slashed_date,
    parse_block,
)
from ...core.errors import ReadError
from ...core.files import Note, ReadOptions
from ...core.sheet import Sheet, sniff_sheet
from .archives import Archive, OneSeries, Recording, checked_label, without_padding
from .layouts import SeriesColumns, understand
from .times import UnevenTimeError, evenly

_CHUNK_BYTES = 1 << 18
_CHUNKS_AT_ONCE = 16
_HEAD_BYTES = 1 << 20  # a header may name thousands of columns
_LONGEST_HEAD_BYTES = 1 << 28


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file: where they begin, in bytes, lines (from 1) and rows of numbers (from 0)."""

    offset: int
    line: int
    row: int


def open_table(
    path: Path, options: ReadOptions, *, text: PlainText | None = None, notes: tuple[Note, ...] = ()
) -> "Recording | Archive":
    """Open a table, of a path or of the text given: as one series, or as an archive where it holds many.

    Raises
    ------
    ReadError
        The file holds no rows of numbers, or its header does not fit its rows.
    """
    text = text or PlainText(path)
    head, complete = _head(text)
    sheet = sniff_sheet(head, complete=complete)
    if sheet is None and b"\0" in head:
        raise ReadError(f"{path}: holds a zero byte at {head.index(0)}, so it is no text; get the whole file")
    if sheet is None:
        raise ReadError(f"{path}: holds no line of text; give a table of numbers, one column a channel")
    if not sheet.rows:
        raise ReadError(f"{path}: holds a header and no numbers; give one row of numbers for each sample")
    if sheet.names is not None and len(sheet.names) + 1 == sheet.form.columns and _has_row_names(sheet):
        sheet = replace(sheet, names=("", *sheet.names))
    if sheet.names is not None and len(sheet.names) != sheet.form.columns:
        raise ReadError(
            f"{path}: the header has {len(sheet.names)} columns, the first row {sheet.form.columns}; make them agree"
        )
    columns = understand(sheet, path, options, complete=complete)
    columns = replace(columns, notes=columns.notes + notes)
    rows = TextRows(text, replace(sheet.form, text=columns.text), sheet.offset, sheet.line)
    if columns.layout == "columns":
        return TextTable(rows, columns, options, sheet)
    if columns.layout == "long":
        return _read_long(rows, columns, options)
    return _read_rows(rows, columns)


def _has_row_names(sheet: Sheet) -> bool:
    """Tell rows that begin with a name or number of their own, which R writes without a name above."""
    names = [row[0].strip() for row in sheet.rows]
    numbered = [name.strip('"') for name in names]
    return len(set(names)) == len(names) and (
        numbered == [str(int(numbered[0]) + k) for k in range(len(numbered))]
        if numbered[0].isdigit()
        else not any(is_number(name) for name in names)
    )


def _head(text: PlainText) -> tuple[bytes, bool]:
    """Return the first lines of a text, two whole ones at least, and whether they are all."""
    size = _HEAD_BYTES
    while True:
        head = text.read(0, size)
        if len(head) < size or head.count(b"\n") > 2 or size >= _LONGEST_HEAD_BYTES:
            return head, len(head) < size
        size *= 4


class TextRows:
    """The rows of numbers of a text, which are counted once and then read in parts."""

    def __init__(self, text: PlainText, form: Form, offset: int, line: int) -> None:
        self.text, self.form, self.path = text, form, text.path
        self.chunks, self.blank_lines = self._chunks(offset, line)
        if self.blank_lines and form.columns == 1:
            filled = self.count
            self.form = replace(form, blank_rows="missing")
            self.chunks, _ = self._chunks(offset, line)
            self.blank_lines = self.count - filled

    @property
    def count(self) -> int:
        """Rows of numbers."""
        return self.chunks[-1].row

    def blocks(
        self, start: int, stop: int
    ) -> Iterator[tuple[int, np.ndarray, dict[int, list[str]], list[int]]]:
        """Yield the first row, numbers, texts and odd lines of spans of the file that cover the rows asked for."""
        last = self.chunk_of(stop - 1) + 1
        for index in range(self.chunk_of(start), last, _CHUNKS_AT_ONCE):
            first, behind = self.chunks[index], self.chunks[min(index + _CHUNKS_AT_ONCE, last)]
            data = self.bytes_of(first, behind)
            numbers, texts, odd = parse_block(data, self.form, path=self.path, first_line=first.line)
            if len(numbers) != behind.row - first.row:
                raise ReadError(
                    f"{self.path}: lines from {first.line} on have quotes that span lines; take them out"
                )
            yield first.row, numbers, texts, odd

    def chunk_of(self, row: int) -> int:
        """Return the index of the chunk that holds a row."""
        return bisect.bisect_right([chunk.row for chunk in self.chunks], row) - 1

    def bytes_of(self, first: Chunk, behind: Chunk) -> bytes:
        """Return the text of some chunks."""
        return self.text.read(first.offset, behind.offset - first.offset)

    def line_of(self, row: int) -> int:
        """Return the line, from 1, that a row stands on."""
        index = self.chunk_of(row)
        chunk = self.chunks[index]
        lines = self.bytes_of(chunk, self.chunks[index + 1]).splitlines()
        filled = [number for number, line in enumerate(lines, chunk.line) if self._is_row(line)]
        return filled[row - chunk.row]

    def _is_row(self, line: bytes) -> bool:
        return self.form.blank_rows == "missing" or bool(line.strip())

    def _chunks(self, offset: int, line: int) -> tuple[tuple[Chunk, ...], int]:
        """Cut the text into chunks of whole lines, the last one empty; and count the blank lines between rows."""
        row = blank = behind = 0
        chunks = []
        while data := self._whole_lines(offset):
            chunks.append(Chunk(offset, line, row))
            if count := full_lines(data):
                blank, behind = blank + (behind if row else 0), 0
                offset, line, row = offset + len(data), line + count, row + count
                continue
            lines = data.splitlines()
            filled = sum(map(bool, map(bytes.strip, lines)))
            if filled < len(lines):
                first, last = (next(n for n, text in it if text.strip()) if filled else 0 for it in (
                    enumerate(lines), enumerate(reversed(lines))))  # fmt: skip
                inside = len(lines) - filled - first - last if filled else 0
                blank += inside + (behind + first if row and filled else 0)
                behind = last if filled else behind + len(lines)
            elif filled:
                blank += behind if row else 0
                behind = 0
            offset, line = offset + len(data), line + len(lines)
            row += len(lines) if self.form.blank_rows == "missing" else filled
        return (*chunks, Chunk(offset, line, row)), blank

    def _whole_lines(self, offset: int) -> bytes:
        """Read a chunk that ends with a line; one line that is longer is read whole."""
        size = _CHUNK_BYTES
        while True:
            data = self.text.read(offset, size)
            end = data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, -1) + 1
            if len(data) < size or end:
                return data if len(data) < size else data[:end]
            size *= 2


def full_lines(data: bytes) -> int:
    r"""Return the number of lines, or 0 where one of them may be blank: far quicker than to look at each.

    Examples
    --------
    >>> full_lines(b"1,2\r\n3,4"), full_lines(b"1\n \n2"), full_lines(b"1\n\n2")
    (2, 0, 0)
    """
    codes = np.frombuffer(data, np.uint8)
    starts = codes[1:][codes[:-1] == ord("\n")]
    if codes[0] <= ord(" ") or (starts <= ord(" ")).any():
        return 0
    if data.count(b"\r") != data.count(b"\r\n"):
        return 0
    return len(starts) + 1


class TextTable:
    """An open table of one series: knows its length and columns, and reads rows when asked."""

    def __init__(self, rows: TextRows, columns: SeriesColumns, options: ReadOptions, sheet: Sheet) -> None:
        self.rows, self.columns, self.options, self.path = rows, columns, options, rows.path
        time = columns.time if columns.time in columns.text else None
        self._is_slashed = time is not None and is_slashed_date(sheet.rows[0][time])
        self.notes = columns.notes + self._layout_notes(sheet)

    def _layout_notes(self, sheet: Sheet) -> tuple[Note, ...]:
        notes = []
        channels = len(self.columns.values)
        if channels > self.count and self.options.layout is None:
            notes.append(Note(
                f"has more channels ({channels}) than samples ({self.count}); --layout rows takes each row as an item"
            ))  # fmt: skip
        if blank := self.rows.blank_lines:
            missing = self.rows.form.blank_rows == "missing"
            what = "stand for missing values" if missing else "between rows are skipped"
            notes.append(Note(f"{blank} blank lines {what}", loss=not missing))
        return tuple(notes)

    @property
    def count(self) -> int:
        """Rows of numbers, which are the samples."""
        return self.rows.count

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
        """Return float32 (channels, samples) of the rows `start` to `stop - 1`, the step in seconds, and notes."""
        values = np.empty((len(self.columns.values), stop - start), np.float32)
        times = np.empty(stop - start)
        slashed = self._is_slashed
        day_first = np.empty(stop - start if slashed else 0)
        odd_lines: list[int] = []
        for first_row, numbers, texts, odd in self.rows.blocks(start, stop):
            skip = max(0, start - first_row)
            target = slice(first_row + skip - start, min(first_row + len(numbers), stop) - start)
            if self.columns.time in texts:
                clock = 0.0 if self.columns.clock is None else instants(texts[self.columns.clock])
                numbers[:, self.columns.time] = instants(texts[self.columns.time], first="month") + clock
                if slashed:
                    other = instants(texts[self.columns.time], first="day") + clock
                    day_first[target] = other[skip : stop - first_row]
            kept = numbers[skip : stop - first_row]
            values[:, target] = kept[:, self.columns.values].T
            if self.columns.time is not None:
                times[target] = kept[:, self.columns.time]
            odd_lines += odd
        notes = self.notes + _odd_note(odd_lines)
        if self.columns.time is None:
            return values, None, notes
        if slashed:
            times, found = better_order(times, day_first)
            notes += (Note(found),) if found else ()
        try:
            values, step, more = evenly(values, times * self.columns.unit_s, resample=self.options.resample)
        except UnevenTimeError as error:
            raise self._uneven(error, start + error.row) from error
        return values, step, notes + more

    def _uneven(self, error: UnevenTimeError, row: int) -> ReadError:
        line, column = self.rows.line_of(row), (self.columns.time or 0) + 1
        remedy = "resample to even steps, or take the time column out (--time none)"
        if self.columns.time in self.columns.text and "missing" in str(error):
            remedy = "write times as 2024-12-31 23:59:59, or take the column out (--time none)"
        return ReadError(f"{self.path}: line {line}, column {column}: {error}; {remedy}")


def _odd_note(lines: list[int]) -> tuple[Note, ...]:
    if not lines:
        return ()
    some = ", ".join(map(str, lines[:5])) + (", ..." if len(lines) > 5 else "")
    what = "line is" if len(lines) == 1 else "lines are"
    return (
        Note(f"{len(lines)} {what} no row of numbers like the others, and missing: line {some}", loss=True),
    )


def _read_rows(rows: TextRows, columns: SeriesColumns) -> "Archive | OneSeries":
    """Read a table of a row an item whole."""
    path, first = rows.path, rows.chunks[0]
    data = rows.bytes_of(first, rows.chunks[-1])
    numbers, texts, odd = parse_block(data, rows.form, path=path, first_line=first.line, ragged="padded")
    lines = [n for n, line in enumerate(data.splitlines(), first.line) if line.strip(BLANKS.encode())]
    if len(lines) != len(numbers):
        raise ReadError(f"{path}: has quotes that span lines; take them out")
    return row_items(path, numbers, texts, columns, lines, columns.notes + _odd_note(odd))


def row_items(
    path: Path,
    numbers: np.ndarray,
    texts: dict[int, list[str]],
    columns: SeriesColumns,
    lines: Sequence[int],
    notes: tuple[Note, ...],
) -> "Archive | OneSeries":
    """Make an item of each row: NaN at its end is padding and is cut off, inside it is a missing value."""
    width = max(columns.values[-1], *columns.values, columns.label or 0) + 1
    wider = (
        range(width, numbers.shape[1]) if not columns.text - {columns.label} else ()
    )  # rows longer than the first
    values = numbers[:, [*columns.values, *wider]].astype(np.float32)
    if columns.layout == "row":
        return OneSeries(path, without_padding(values), notes=notes)
    labels = None
    if columns.label is not None:
        labels = tuple(
            checked_label(label, path=path, line=line)
            for label, line in zip(texts[columns.label], lines, strict=True)
        )
    items = tuple(without_padding(row[None]) for row in values)
    return Archive(path, items, labels, tuple(lines), notes=notes)


def _read_long(rows: TextRows, columns: SeriesColumns, options: ReadOptions) -> Archive:
    """Read a table of a row a sample of an item whole."""
    blocks = list(rows.blocks(0, rows.count))
    numbers = np.concatenate([block[1] for block in blocks])
    texts = {column: [text for block in blocks for text in block[2][column]] for column in columns.text}
    if columns.time is not None:
        if columns.time in columns.text:
            numbers[:, columns.time] = instants(texts[columns.time])
        numbers[:, columns.time] *= columns.unit_s
    odd = [line for block in blocks for line in block[3]]
    return long_items(rows.path, numbers, texts, columns, options, columns.notes + _odd_note(odd))


def long_items(
    path: Path,
    numbers: np.ndarray,
    texts: dict[int, list[str]],
    columns: SeriesColumns,
    options: ReadOptions,
    notes: tuple[Note, ...],
) -> Archive:
    """Make an item of the rows of each id, in the order in which ids first come; times are in seconds."""
    ids = [text.strip() for text in texts[columns.item or 0]]
    known = {text: index for index, text in enumerate(dict.fromkeys(ids))}
    of_item = np.array([known[text] for text in ids])
    order = np.argsort(of_item, kind="stable")
    bounds = np.searchsorted(of_item[order], range(len(known) + 1))
    items, steps, labels, found = [], [], [], list(notes)
    for index, name in enumerate(known):
        inside = order[bounds[index] : bounds[index + 1]]
        dimensions = None if columns.dimension is None else [texts[columns.dimension][k] for k in inside]
        if (
            columns.time is not None
            and dimensions is None
            and (np.diff(numbers[inside, columns.time]) < 0).any()
        ):
            inside = inside[np.argsort(numbers[inside, columns.time], kind="stable")]
            found.append(Note("rows of an item that are not in the order of time are sorted"))
        values, times = _long_item(numbers[inside], columns, dimensions)
        step: float | None = None
        if times is not None:
            try:
                values, step, more = evenly(values, times, resample=options.resample)
            except UnevenTimeError as error:
                raise ReadError(
                    f"{path}: item {name!r}: {error}; sort its rows by time, or --time none"
                ) from error
            found += more
        items.append(values)
        steps.append(step)
        if columns.label is not None:
            labels.append(_only_label(path, name, {texts[columns.label][k].strip() for k in inside}))
    return Archive(path, tuple(items), tuple(labels) or None, (), tuple(steps), tuple(dict.fromkeys(found)))


def _only_label(path: Path, item: str, labels: set[str]) -> str:
    if len(labels) > 1:
        some = " and ".join(sorted(labels)[:2])
        raise ReadError(f"{path}: item {item!r} has labels {some}; give each item one, or --label none")
    label = next(iter(labels))
    if not label:
        raise ReadError(f"{path}: item {item!r} has no label; write one, or --label none")
    return label


def _long_item(
    numbers: np.ndarray, columns: SeriesColumns, dimensions: list[str] | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (channels, samples) and the times of the rows of one item."""
    times = None if columns.time is None else numbers[:, columns.time]
    if dimensions is None:
        return numbers[:, columns.values].T.astype(np.float32), times
    names = list(dict.fromkeys(dimensions))
    parts = [np.array([name == other for other in dimensions]) for name in names]
    length = max(int(part.sum()) for part in parts)
    values = np.full((len(names), length), np.nan, np.float32)
    for channel, part in enumerate(parts):
        values[channel, : part.sum()] = numbers[part, columns.values[0]]
    longest = next(part for part in parts if part.sum() == length)
    return values, None if times is None else times[longest]
