"""Series in the files of other programs: MATLAB, Excel, Parquet, HDF5, EDF and WFDB, each by its own library."""

import atexit
import csv
import functools
import io
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.apart import Child
from ...core.delimited import Form, PlainText
from ...core.errors import MissingExtra, ReadError, library, short
from ...core.files import LARGE_BYTES, MOST_FROM_A_BYTE, Note, ReadOptions, check_unpacked, read_head
from ...core.sheet import Sheet, excel_rows
from .archives import Archive, OneSeries, Recording, arranged, finite, is_rate
from .layouts import understand
from .tables import long_items, open_table, row_items
from .times import UnevenTimeError, evenly

if TYPE_CHECKING:
    import pyarrow.parquet

_MOST_ARRAYS = 64


def open_container(kind: str, path: Path, options: ReadOptions) -> "Recording | Archive":
    """Open such a file.

    Raises
    ------
    MissingExtra
        The library that reads it is not installed.
    ReadError
        The file is damaged, or holds no series.
    """
    openers: dict[str, Callable[[Path, ReadOptions], Recording | Archive]] = {
        "mat": _open_mat, "hdf5": _open_hdf5, "xlsx": _open_xlsx, "edf": EdfRecording, "bdf": EdfRecording,
        "wfdb": WfdbRecording,
    }  # fmt: skip
    try:
        return openers[kind](path, options)
    except (ReadError, MissingExtra, MemoryError):
        raise
    except Exception as error:  # of a damaged file each library has errors of its own
        why = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ReadError(f"{path}: is damaged or cut short ({why}); write it again, or as CSV") from error


_MAT_TIMEOUT_S = 120.0


def _open_mat(path: Path, options: ReadOptions) -> "Recording | Archive":
    reply = _mat_child(os.getpid()).ask(path.absolute(), dict, timeout_s=_MAT_TIMEOUT_S)
    if isinstance(reply, str):
        raise ReadError(f"{path}: is damaged ({reply}); write it again, or as CSV")
    target = Path(reply["arrays"])
    try:
        if reply["problem"]:
            raise ReadError(
                f"{path}: is damaged or cut short ({reply['problem']}); write it again, or as CSV"
            )
        check_unpacked(path, reply["held"])
        with np.load(target, allow_pickle=False) as held:
            arrays = {name: held[str(k)] for k, name in enumerate(reply["names"])}
    finally:
        target.unlink()
    return arranged(arrays, path, options)


@functools.cache
def _mat_child(process_id: int) -> Child:
    """Return the process in which SciPy reads the MATLAB files of this one."""
    del process_id  # a process that was forked gets one of its own
    worker = str(Path(__file__).with_name("_mat_worker.py"))
    child = Child((sys.executable, "-P", worker, str(LARGE_BYTES), str(MOST_FROM_A_BYTE)), "SciPy")
    atexit.register(child.close)
    return child


def _open_hdf5(path: Path, options: ReadOptions) -> "Recording | Archive":
    h5py = library("h5py", path, "an HDF5 file")
    file = h5py.File(path, "r")
    found: dict[str, Any] = {}

    def keep(name: str, node: Any) -> None:
        if isinstance(node, h5py.Dataset) and len(found) < _MOST_ARRAYS and node.dtype.kind in "biufSO":
            found[name] = node

    file.visititems(keep)
    check_unpacked(path, sum(node.nbytes for node in found.values()))
    matlab = file.userblock_size >= 512
    arrays = {}
    for name, node in found.items():
        if node.dtype.kind in "SO" and node.ndim != 1:
            continue
        if node.dtype.kind in "SO":
            arrays[name] = np.array([_text(value) for value in node[()]])
        elif not name.startswith("#"):  # MATLAB's own
            arrays[name] = np.asarray(node[()]).T if matlab else np.asarray(node[()])
    for node in (file, *found.values()):  # a rate is often an attribute of the file or of the array
        stated = {str(name): np.asarray(value) for name, value in node.attrs.items() if is_rate(str(name))}
        arrays.update({name: value for name, value in stated.items() if value.size == 1})
    file.close()
    return arranged(arrays, path, options)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _open_xlsx(path: Path, options: ReadOptions) -> "Recording | Archive":
    """Read the first sheet as the table that it would be as CSV."""
    with excel_rows(path) as (rows, notes):
        plain = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the table does)
        file = io.TextIOWrapper(plain, encoding="utf-8", newline="")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([_written(cell) for cell in row] for row in rows)
        file.flush()
        file.detach()
        plain.seek(0)
        return open_table(path, options, text=PlainText(path, plain), notes=notes)


class EdfRecording:
    """An open EDF or BDF file: the channels of its commonest rate."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        edfio = library("edfio", path, "an EDF recording")
        with path.open("rb") as file:
            bdf = file.read(8) == b"\xffBIOSEMI"
        edf = (edfio.read_bdf if bdf else edfio.read_edf)(path)
        signals = [signal for signal in edf.signals if not options.columns or signal.label in options.columns]
        if not signals:
            found = ", ".join(edf.labels[:12])
            raise ReadError(f"{path}: has no such channels, it has {found}; name some with --columns")
        rates = [signal.sampling_frequency for signal in signals]
        self.path, self.rate_hz = path, max(rates, key=rates.count)
        self.signals = [signal for signal in signals if signal.sampling_frequency == self.rate_hz]
        self.notes = self._found(edf, signals)
        self.count = round(edf.num_data_records * edf.data_record_duration * self.rate_hz)

    def _found(self, edf: Any, signals: list[Any]) -> tuple[Note, ...]:
        names = [signal.label for signal in signals if signal not in self.signals]
        notes = []
        if names:
            some = ", ".join(names[:8])
            notes.append(Note(
                f"{len(self.signals)} channels at {self.rate_hz:g} Hz are read; {some} are at other rates and "
                "left out; --columns names others", loss=True,
            ))  # fmt: skip
        if not edf.is_continuous:
            notes.append(Note("the recording has gaps, which are taken out", loss=True))
        return tuple(notes)

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
        """Return float32 (channels, samples), the step in seconds, and notes."""
        ends = (start / self.rate_hz, stop / self.rate_hz)
        rows = [
            np.asarray(signal.get_data_slice(*ends), np.float32)[: stop - start] for signal in self.signals
        ]
        return np.stack(rows), 1 / self.rate_hz, self.notes


class WfdbRecording:
    """An open WFDB record, named by its header or its data."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        self.wfdb = library("wfdb", path, "a WFDB record")
        self.path, self.record = path, str(path.with_suffix(""))
        header = self.wfdb.rdheader(self.record)
        try:
            for name in dict.fromkeys(header.file_name or ()):  # a pipe would wait, a device never end
                read_head(path.with_name(name))
        except ReadError as error:
            raise ReadError(f"{path}: its data cannot be read ({error}); get the whole record") from error
        if not header.n_sig or not header.sig_len:
            raise ReadError(f"{path}: a WFDB header without signals; give one that has some")
        names = list(header.sig_name or ())
        wrong = [name for name in options.columns if name not in names]
        if wrong:
            raise ReadError(f"{path}: has no channel {wrong[0]!r}, it has {', '.join(names[:12])}")
        self.channels = [names.index(name) for name in options.columns] or None
        self.count, self.rate_hz = int(header.sig_len), float(header.fs)

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
        """Return float32 (channels, samples), the step in seconds, and notes."""
        try:
            record = self.wfdb.rdrecord(self.record, sampfrom=start, sampto=stop, channels=self.channels)
        except Exception as error:  # what is wrong with the data shows only here
            raise ReadError(
                f"{self.path}: its data cannot be read ({short(error)}); get the whole record"
            ) from error
        return finite(record.p_signal.T, self.path), 1 / self.rate_hz, ()


_SAMPLED_ROWS = 50


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
            raise ReadError(f"{path}: is damaged or cut short ({short(error)}); write it again") from error
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

    def _rows(self, start: int, stop: int) -> Any:
        """Read the row groups that hold the rows, and cut them to measure."""
        import pyarrow as pa

        meta = self.file.metadata
        ends = np.cumsum([meta.row_group(index).num_rows for index in range(meta.num_row_groups)])
        first, last = (int(np.searchsorted(ends, row, side="right")) for row in (start, stop - 1))
        before = int(ends[first - 1]) if first else 0
        check_unpacked(self.path, 8 * len(self.names) * (int(ends[last]) - before))
        try:
            groups = self.file.read_row_groups(list(range(first, last + 1)), use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise ReadError(f"{self.path}: is damaged ({short(error)}); write it again") from error
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
