"""Tables of numbers as text, one column a channel; parts of them are read without the rest."""

import bisect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ...core.errors import ReadError
from .steps import UnevenTimeError, counts_rows, even_step, is_time, looks_like_time, unit_of_time
from .text import (
    Form,
    decoded,
    instants,
    is_date,
    is_header,
    is_number,
    parse_block,
    sample_lines,
    sniff,
    split,
)

_CHUNK_BYTES = 1 << 18
_CHUNKS_AT_ONCE = 64
_HEAD_BYTES = 1 << 20  # a header may name thousands of columns


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file: where they begin, in bytes, lines (from 1) and rows of numbers (from 0)."""

    offset: int
    line: int
    row: int


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are: one of times, some channels; any other only numbers the rows."""

    channels: tuple[int, ...]
    time: int | None = None
    unit_s: float = 1.0


class TextTable:
    """An open table: knows its length and columns, and reads rows when asked.

    Raises
    ------
    ReadError
        The file holds no rows of numbers, or its header does not fit its rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        lines = sample_lines(head, complete=len(head) < _HEAD_BYTES)
        if not lines:
            raise ReadError(f"{path}: holds no line of text; give a table of numbers, one column a channel")
        form = sniff(lines)
        first = split(lines[0], form.delimiter)
        headed = is_header(first, form.decimal)
        rows = [split(line, form.delimiter) for line in lines[headed:]]
        if not rows:
            raise ReadError(f"{path}: holds a header and no numbers; give one row of numbers for each sample")
        if headed and len(first) != len(rows[0]):
            raise ReadError(
                f"{path}: the header has {len(first)} columns, the first row {len(rows[0])}; make them agree"
            )
        self.form = replace(form, columns=len(rows[0]))
        self.columns = _columns_of(first if headed else None, rows, self.form)
        if not self.columns.channels:
            raise ReadError(f"{path}: has a time column and no other; add one column for each channel")
        if self._is_dated(rows):
            self.form = replace(self.form, text=frozenset({self.columns.time or 0}))
        before = _before_rows(head, headed=headed)
        self.chunks = tuple(_chunks(path, sum(map(len, before)), len(before) + 1))

    def _is_dated(self, rows: list[list[str]]) -> bool:
        return self.columns.time is not None and not is_number(rows[0][self.columns.time], self.form.decimal)

    @property
    def count(self) -> int:
        """Rows of numbers, which are the samples."""
        return self.chunks[-1].row

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None]:
        """Return float32 (channels, samples) of the rows `start` to `stop - 1`, and the step in seconds."""
        values = np.empty((len(self.columns.channels), stop - start), np.float32)
        times = np.empty(stop - start)
        for first_row, numbers in self._blocks(start, stop):
            skip = max(0, start - first_row)
            kept = numbers[skip : stop - first_row]
            place = slice(first_row + skip - start, first_row + skip - start + len(kept))
            values[:, place] = kept[:, self.columns.channels].T
            if self.columns.time is not None:
                times[place] = kept[:, self.columns.time]
        return values, self._step(times, start)

    def _blocks(self, start: int, stop: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first row and the numbers of stretches of the file that cover the rows asked for."""
        last = self._chunk_of(stop - 1) + 1
        for place in range(self._chunk_of(start), last, _CHUNKS_AT_ONCE):
            first, behind = self.chunks[place], self.chunks[min(place + _CHUNKS_AT_ONCE, last)]
            data = self._bytes(first, behind)
            numbers, texts = parse_block(data, self.form, path=self.path, first_line=first.line)
            if len(numbers) != behind.row - first.row:
                raise ReadError(
                    f"{self.path}: lines from {first.line} on have quotes that span lines; take them out"
                )
            for column, fields in texts.items():
                numbers[:, column] = instants(fields)
            yield first.row, numbers

    def _chunk_of(self, row: int) -> int:
        """Return the place of the chunk that holds a row."""
        return bisect.bisect_right([chunk.row for chunk in self.chunks], row) - 1

    def _bytes(self, first: Chunk, behind: Chunk) -> bytes:
        with self.path.open("rb") as file:
            file.seek(first.offset)
            return file.read(behind.offset - first.offset)

    def _step(self, times: np.ndarray, start: int) -> float | None:
        if self.columns.time is None:
            return None
        try:
            return even_step(times * self.columns.unit_s)
        except UnevenTimeError as error:
            line = self._line_of(start + error.row)
            raise ReadError(
                f"{self.path}: line {line}, column {self.columns.time + 1}: {error}; "
                "resample to even steps, or take the time column out"
            ) from error

    def _line_of(self, row: int) -> int:
        place = self._chunk_of(row)
        chunk = self.chunks[place]
        lines = self._bytes(chunk, self.chunks[place + 1]).splitlines()
        filled = [number for number, line in enumerate(lines, chunk.line) if line.strip()]
        return filled[row - chunk.row]


def _columns_of(names: list[str] | None, rows: list[list[str]], form: Form) -> Columns:
    """Decide what each column is, by the header or, without one, by the rows at the head of the file."""
    everything = range(form.columns)
    if names is None:
        timed = form.columns > 1 and looks_like_time(rows[0], _column(rows, 0, form))
        return Columns(tuple(everything[timed:]), 0 if timed else None)
    time = next((place for place, name in enumerate(names) if is_time(name)), None)
    if time is None:
        time = next((place for place in everything if is_date(rows[0][place])), None)
    counters = {place for place in everything if counts_rows(names[place], _column(rows, place, form))}
    channels = tuple(place for place in everything if place != time and place not in counters)
    unit_s = unit_of_time(names[time]) if time is not None and is_number(rows[0][time], form.decimal) else 1.0
    return Columns(channels, time, unit_s)


def _column(rows: list[list[str]], place: int, form: Form) -> np.ndarray:
    fields = [row[place] if place < len(row) else "" for row in rows]
    if form.decimal == ",":
        fields = [field.replace(",", ".") for field in fields]
    return np.array([float(field) if is_number(field) else np.nan for field in fields])


def _before_rows(head: bytes, *, headed: bool) -> list[bytes]:
    """Return the lines that stand before the rows of numbers: comments, blank lines and the header."""
    before: list[bytes] = []
    for line in head.splitlines(keepends=True):
        text = decoded(line)
        if text.strip() and not text.startswith("#"):
            if not headed:
                break
            headed = False
        before.append(line)
    return before


def _chunks(path: Path, offset: int, line: int) -> Iterator[Chunk]:
    """Cut a file from `offset`, where `line` begins, into chunks of whole lines; the last one is empty."""
    row = 0
    with path.open("rb") as file:
        while data := _whole_lines(file, offset):
            yield Chunk(offset, line, row)
            lines = data.splitlines()
            offset, line, row = (
                offset + len(data),
                line + len(lines),
                row + sum(map(bool, map(bytes.strip, lines))),
            )
    yield Chunk(offset, line, row)


def _whole_lines(file: BinaryIO, offset: int) -> bytes:
    """Read a chunk that ends with a line; one line that is longer is read whole."""
    size = _CHUNK_BYTES
    while True:
        file.seek(offset)
        data = file.read(size)
        end = data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, -1) + 1
        if len(data) < size or end:
            return data if len(data) < size else data[:end]
        size *= 2
