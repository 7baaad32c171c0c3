"""Series in NumPy and Parquet files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.errors import ReadError
from .archives import Archive
from .steps import UnevenTimeError, counts_rows, even_step, is_time, unit_of_time

if TYPE_CHECKING:
    import pyarrow.parquet


class ArrayFile:
    """An open NumPy file of one series: a vector is one channel, two dimensions are (channels, samples)."""

    def __init__(self, path: Path, array: np.ndarray) -> None:
        self.path = path
        self.array = array if array.ndim == 2 else array[None]

    @property
    def count(self) -> int:
        """Samples."""
        return int(self.array.shape[1])

    def part(self, start: int, stop: int) -> tuple[np.ndarray, None]:
        """Return float32 (channels, samples); NumPy files know no step."""
        return _finite(self.array[:, start:stop], self.path), None


def open_arrays(path: Path) -> ArrayFile | Archive:
    """Open an NPY or NPZ file; three dimensions, (items, channels, samples), are an archive without labels.

    Raises
    ------
    ReadError
        The file is cut short, holds pickled objects, no numbers, none or several arrays, or other dimensions.
    """
    array = _load(path)
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2, 3) or not array.size:
        raise ReadError(
            f"{path}: holds {array.dtype} {array.shape}, no series; save real numbers of shape (n,), "
            "(channels, n) or (items, channels, n)"
        )
    if array.ndim < 3:
        return ArrayFile(path, array)
    return Archive(path, tuple(_finite(item, path) for item in array), None)


def _load(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
        return _load_only_array(path) if zipped else np.load(path, mmap_mode="r", allow_pickle=False)
    except ReadError:
        raise
    except (
        Exception
    ) as error:  # of a damaged header come also the errors of the tokenizer, of zipfile and zlib
        pickled = "pickle" in str(error) or "Python objects" in str(error)
        why = (
            "holds Python objects, which are never loaded"
            if pickled
            else f"is damaged or cut short ({error})"
        )
        raise ReadError(f"{path}: {why}; save plain numbers with numpy.save") from error


def _load_only_array(path: Path) -> np.ndarray:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        names = archive.files
        if len(names) != 1:
            raise ReadError(
                f"{path}: holds {len(names)} arrays ({', '.join(names[:8])}); save one array a file"
            )
        array: np.ndarray = archive[names[0]]
        return array


def _finite(array: np.ndarray, path: Path) -> np.ndarray:
    with np.errstate(over="ignore"):
        values = np.asarray(array, np.float32)
    if np.isinf(values).any():
        channel, sample = np.argwhere(np.isinf(values))[0]
        raise ReadError(
            f"{path}: channel {channel}, sample {sample}: infinite or too large for float32; "
            "correct it, or write NaN where the value is missing"
        )
    return values


class ParquetTable:
    """An open Parquet file: one column a channel, and a time column by its name or type.

    Raises
    ------
    ReadError
        The file is damaged, has no rows, or a column that holds no numbers.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self.path = path
        try:
            self.file: pyarrow.parquet.ParquetFile = parquet.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise ReadError(f"{path}: is damaged or cut short ({error}); write it again") from error
        self.fields = [self.file.schema_arrow.field(place) for place in range(len(self.file.schema_arrow))]
        types = pa.types
        self.time = next(
            (
                f.name
                for f in self.fields
                if types.is_timestamp(f.type) or types.is_date(f.type) or is_time(f.name)
            ),
            None,
        )
        self.names = [field.name for field in self.fields if field.name != self.time]
        for field in self.fields:
            self._check(field)
        if not self.count or not self.names:
            raise ReadError(
                f"{path}: holds {self.count} rows of {len(self.names)} channels; give one or more of each"
            )

    def _check(self, field: Any) -> None:
        from pyarrow import types

        numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        timely = (types.is_timestamp, types.is_date) if field.name == self.time else ()
        if not any(holds(field.type) for holds in numeric + timely):
            raise ReadError(
                f"{self.path}: column {field.name!r} holds {field.type}, no numbers; leave it out"
            )

    @property
    def count(self) -> int:
        """Rows, which are the samples."""
        return int(self.file.metadata.num_rows)

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None]:
        """Return float32 (channels, samples) of the rows `start` to `stop - 1`, and the step in seconds."""
        table = self._rows(start, stop)
        columns = [_floats(table.column(name)) for name in self.names]
        kept = [
            column for name, column in zip(self.names, columns, strict=True) if not counts_rows(name, column)
        ] or columns
        return _finite(np.stack(kept), self.path), self._step(table, start)

    def _rows(self, start: int, stop: int) -> Any:
        """Read the row groups that hold the rows, and cut them to measure."""
        import pyarrow as pa

        meta = self.file.metadata
        ends = np.cumsum([meta.row_group(place).num_rows for place in range(meta.num_row_groups)])
        first, last = (int(np.searchsorted(ends, row, side="right")) for row in (start, stop - 1))
        try:
            groups = self.file.read_row_groups(list(range(first, last + 1)), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise ReadError(f"{self.path}: is damaged ({error}); write it again") from error
        before = int(ends[first - 1]) if first else 0
        return groups.slice(start - before, stop - start)

    def _step(self, table: Any, start: int) -> float | None:
        if self.time is None:
            return None
        try:
            return even_step(_seconds(table.column(self.time), self.time))
        except UnevenTimeError as error:
            raise ReadError(
                f"{self.path}: row {start + error.row}, column {self.time!r}: {error}; "
                "resample to even steps, or take the time column out"
            ) from error


def _floats(column: Any) -> np.ndarray:
    import pyarrow as pa

    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def _seconds(column: Any, name: str) -> np.ndarray:
    import pyarrow as pa

    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        return _floats(column) * unit_of_time(name)
    moments = column.cast(pa.timestamp("ns"), safe=False).to_numpy()
    seconds: np.ndarray = (moments - moments[0]) / np.timedelta64(1, "s")
    return seconds
