"""Series in Parquet files, whose columns are understood as those of a text table are."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.delimited import Form
from ...core.errors import ReadError
from ...core.files import Note, ReadOptions
from ...core.sheet import Sheet
from .archives import Archive, OneSeries, Recording
from .grid import UnevenTimeError, evenly
from .layouts import understand
from .stores import finite
from .tables import long_items, row_items

if TYPE_CHECKING:
    import pyarrow.parquet


_SAMPLED_ROWS = 50


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def open_parquet(path: Path, options: ReadOptions) -> "Recording | Archive":
    """Open a Parquet file: as one series, or as an archive where its rows are items or samples of items.

    Raises
    ------
    ReadError
        The file is damaged, has no rows, or a column that holds no numbers.
    """
    table = ParquetTable(path, options)
    return table if table.columns.layout == "columns" else table.archive()


class ParquetTable:
    """An open Parquet file: its columns are understood as those of a text table are."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.path, self.options = path, options
        try:
            self.file: pyarrow.parquet.ParquetFile = parquet.ParquetFile(path)
            schema = self.file.schema_arrow
            self.fields = [schema.field(index) for index in range(len(schema))]
            self.names = [field.name for field in self.fields]
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise ReadError(f"{path}: is damaged or cut short ({_short(error)}); write it again") from error
        if not self.count or not self.names:
            raise ReadError(
                f"{path}: holds {self.count} rows of {len(self.names)} channels; give one or more of each"
            )
        some = self._rows(0, min(self.count, _SAMPLED_ROWS))
        rows = tuple(
            zip(*([_written(v) for v in column.to_pylist()] for column in some.columns), strict=True)
        )
        sheet = Sheet(Form(",", ".", len(self.names)), tuple(self.names), None, rows, 0, 1)
        self.columns = understand(sheet, path, options, complete=self.count <= _SAMPLED_ROWS)
        for index in self.columns.values:
            self._check(self.fields[index])

    def _check(self, field: Any) -> None:
        from pyarrow import types

        numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        if not any(holds(field.type) for holds in numeric):
            raise ReadError(
                f"{self.path}: column {field.name!r} holds {field.type}, no numbers; leave it out"
            )

    @property
    def count(self) -> int:
        """Rows, which are the samples."""
        return int(self.file.metadata.num_rows)

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
        """Return float32 (channels, samples) of the rows `start` to `stop - 1`, the step in seconds, and notes."""
        table = self._rows(start, stop)
        values = finite(np.stack([_floats(table.column(index)) for index in self.columns.values]), self.path)
        if self.columns.time is None:
            return values, None, self.columns.notes
        times = self._seconds(table)
        try:
            values, step, notes = evenly(values, times, resample=self.options.resample)
        except UnevenTimeError as error:
            raise ReadError(
                f"{self.path}: row {start + error.row}, column {self.names[self.columns.time]!r}: {error}; "
                "resample to even steps, or take the time column out (--time none)"
            ) from error
        return values, step, self.columns.notes + notes

    def with_notes(self, notes: tuple[Note, ...]) -> "ParquetTable":
        """Return the same with more notes."""
        self.columns = replace(self.columns, notes=self.columns.notes + notes)
        return self

    def _rows(self, start: int, stop: int) -> Any:
        """Read the row groups that hold the rows, and cut them to measure."""
        import pyarrow as pa

        meta = self.file.metadata
        ends = np.cumsum([meta.row_group(index).num_rows for index in range(meta.num_row_groups)])
        first, last = (int(np.searchsorted(ends, row, side="right")) for row in (start, stop - 1))
        try:
            groups = self.file.read_row_groups(list(range(first, last + 1)), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise ReadError(f"{self.path}: is damaged ({_short(error)}); write it again") from error
        before = int(ends[first - 1]) if first else 0
        return groups.slice(start - before, stop - start)

    def _seconds(self, table: Any) -> np.ndarray:
        import pyarrow as pa

        column = table.column(self.columns.time)
        if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
            return _floats(column) * self.columns.unit_s
        moments = column.cast(pa.timestamp("ns"), safe=False).to_numpy()
        seconds: np.ndarray = (moments - moments[0]) / np.timedelta64(1, "s")
        return seconds

    def archive(self) -> Archive | OneSeries:
        """Read all rows as items, or as samples of items."""
        table = self._rows(0, self.count)
        columns = self.columns
        numbers = np.full((self.count, len(self.names)), np.nan)
        for index in columns.values:
            numbers[:, index] = _floats(table.column(index))
        if columns.time is not None:
            numbers[:, columns.time] = self._seconds(table)
        texts = {
            index: [_written(value) for value in table.column(index).to_pylist()] for index in columns.text
        }
        if columns.layout == "long":
            return long_items(self.path, numbers, texts, columns, self.options, columns.notes)
        return row_items(self.path, numbers, texts, columns, range(1, self.count + 1), columns.notes)


def _written(value: Any) -> str:
    """Return a value as a text table has it."""
    if value is None:
        return ""
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return str(int(value)) if isinstance(value, bool) else str(value)


def _floats(column: Any) -> np.ndarray:
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)
