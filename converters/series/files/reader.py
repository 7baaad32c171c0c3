"""Files to series, by content first: tables, NumPy, Parquet, and archives of many labelled items."""

import functools
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from ...core.errors import ParameterError, ReadError, SignalError
from ...core.fragment import Fragment, Unit
from ...core.reader import HEAD_BYTES, Reader, read_head
from ...core.signal import Kind
from ..signal import Series
from .archives import Archive, is_ucr, read_ucr
from .stores import ParquetTable, open_arrays
from .tables import TextTable
from .tagged import read_arff, read_ts, tagged_format
from .text import looks_numeric


class Recording(Protocol):
    """An open file of one series, parts of which can be read."""

    @property
    def count(self) -> int:
        """Samples."""

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None]:
        """Return float32 (channels, samples) and the step in seconds where known."""


class SeriesReader(Reader):
    """Reads time series.

    ==================
    ============================================================================================== CSV, TSV,
    TXT       One column a channel, one row a sample. Tabs, semicolons, commas or spaces; a decimal comma
                        where tabs or semicolons part the fields. A header is a first line without a number. A
                        column called time, t, timestamp, date and the like, or one of ISO dates, or, without
                        a header, a first column that rises in even steps, gives `step_s`: in seconds, if its
                        name does not say ms, us, ns, min or h. A column called index, or nothing, that
                        numbers the rows is left out. Empty, `?`, NaN, NA, null and none are missing values.
                        Lines before the header that begin with `#` are comments.
    NPY, NPZ            (n,), or (channels, n); (items, channels, n) is an archive without labels. Parquet
    One column a channel; a time column by its type or name. UCR                 A label and then a series in
    each row: an archive; see `archives.is_ucr`. `.ts`, `.arff`      Archives of sktime, aeon and Weka, with
    one or more channels. ==================
    ==============================================================================================

    `#samples=0-999` reads a part of a series, `#row=12` an item of an archive.
    """

    kind: ClassVar[Kind] = "series"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".csv", ".tsv", ".txt", ".npy", ".npz", ".parquet", ".ts", ".arff"}
    )
    cut_by: ClassVar[Unit] = "samples"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell by magic bytes, tags, or lines that hold nothing but numbers."""
        return _format_of(head) is not None

    def read(self, path: Path, fragment: Fragment | None) -> Series:
        """Read a series, a part of it (`samples`), or an item of an archive (`row`)."""
        if fragment is not None and fragment.unit not in ("samples", "row"):
            raise ParameterError(f"#{fragment} is no part of a series; write #samples=0-999 or #row=12")
        opened = _open(path)
        try:
            if isinstance(opened, Archive):
                return Series(_item(opened, fragment))
            return Series(*opened.part(*_stretch(path, opened.count, fragment)))
        except SignalError as error:
            where = f"{path}#{fragment}" if fragment else f"{path}"
            raise ReadError(f"{where}: {error}; correct the file or leave it out") from error

    def extent(self, path: Path) -> float:
        """Return the number of samples."""
        opened = _open(path)
        if isinstance(opened, Archive):
            raise ReadError(_choose_row(opened))
        return opened.count

    def labels(self, path: Path) -> list[str] | None:
        """Return the label of each row of an archive."""
        opened = _open(path)
        return list(opened.labels) if isinstance(opened, Archive) and opened.labels else None

    def rows(self, path: Path) -> int | None:
        """Return how many items an archive holds; None for a file of one series."""
        opened = _open(path)
        return len(opened.items) if isinstance(opened, Archive) else None


def _format_of(head: bytes) -> str | None:
    if head.startswith(b"\x93NUMPY") or _is_npz(head):
        return "numpy"
    if head.startswith(b"PAR1"):
        return "parquet"
    complete = len(head) < HEAD_BYTES
    return tagged_format(head) or ("text" if looks_numeric(head, complete=complete) else None)


def _is_npz(head: bytes) -> bool:
    """Tell a zip file whose first member is an array, by its local header (name from byte 30 on)."""
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + int.from_bytes(head[26:28], "little")].endswith(
        b".npy"
    )


def _open(path: Path) -> Recording | Archive:
    try:
        status = path.stat()
    except OSError:
        read_head(path)  # says what is wrong
        raise
    return _opened(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=2)  # an archive is read row after row, a long table window after window
def _opened(path: Path, mtime_ns: int, size: int) -> Recording | Archive:
    head = read_head(path)
    if not head.strip():
        raise ReadError(f"{path}: holds nothing but blanks; give a table of numbers")
    kind = _format_of(head)
    if kind is None and b"\0" in head:
        raise ReadError(f"{path}: holds no text, and no NumPy or Parquet file; give a table of numbers")
    if kind == "numpy":
        return open_arrays(path)
    if kind == "parquet":
        return ParquetTable(path)
    if kind in ("arff", "ts"):
        return read_arff(path) if kind == "arff" else read_ts(path)
    if is_ucr(head, path, complete=len(head) < HEAD_BYTES):
        return read_ucr(path)
    return TextTable(path)


def _item(archive: Archive, fragment: Fragment | None) -> np.ndarray:
    if fragment is None or fragment.unit != "row":
        raise ReadError(_choose_row(archive))
    row = int(fragment.start)
    if row >= len(archive.items):
        raise ReadError(
            f"{archive.path}: has no row {row}, it holds {len(archive.items)} items; "
            f"take one from #row=0 to #row={len(archive.items) - 1}"
        )
    return archive.items[row]


def _choose_row(archive: Archive) -> str:
    return f"{archive.path}: holds {len(archive.items)} items; name one, such as #row=0"


def _stretch(path: Path, count: int, fragment: Fragment | None) -> tuple[int, int]:
    if fragment is None:
        return 0, count
    if fragment.unit == "row":
        raise ReadError(f"{path}: holds one series, no rows of items; leave #{fragment} out")
    if fragment.stop > count:
        raise ReadError(f"{path}: has no #{fragment}, it holds {count} samples; end at {count - 1} or before")
    return int(fragment.start), int(fragment.stop)
