"""Time series: columns of numbers, drawn as fields, lines and windows, cut by samples."""

import functools
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..core.delimited import is_packed, plain_head, text_lines
from ..core.errors import ParameterError, ReadError, SignalError
from ..core.files import (
    DEFAULTS,
    HEAD_BYTES,
    KindSpec,
    Note,
    Reader,
    ReadOptions,
    kept,
    note_texts,
    read_head,
)
from ..core.formats import hex_dump, refuse_foreign
from ..core.sheet import looks_numeric
from ..core.signal import Fragment, Kind, Unit
from .files.archives import (
    Archive,
    Recording,
    are_targets,
    open_arrays,
    read_arff,
    read_ts,
    with_labels_beside,
)
from .files.containers import open_container, open_parquet
from .files.layouts import looks_like_series
from .files.tables import open_table
from .signal import Series

_HDF5 = b"\x89HDF\r\n\x1a\n"
_HEA = re.compile(rb"^[^\s#]\S*[ \t]+\d+([ \t]+[\d./()]+)*", re.MULTILINE)
_TS_TAGS = frozenset((
    "@problemname", "@timestamps", "@univariate", "@classlabel", "@targetlabel", "@missing", "@equallength",
    "@serieslength", "@dimensions",
))  # fmt: skip
_MARKS = (-99, -999, -9999, -99999, 999, 9999, 99999)
_FAR = 5.0


class SeriesReader(Reader):
    """Reads time series.

    Text
        CSV, TSV and the like, also in UTF-16 and in gzip. One column a channel and one row a sample; one row an item
        where the content says so (long rows with labels first or last); one row a sample of an item (`id,time,value`).
        A column of times gives the step. `layouts` has what is understood, `ReadOptions` how to overrule it.
    NPY, NPZ, MAT
        (n,), (channels, n) or (samples, channels); (items, channels, n) is an archive.
    Parquet, XLSX, HDF5
        One column a channel; datasets as arrays.
    EDF, BDF, WFDB
        The channels of the commonest rate.
    `.ts`, `.arff`
        Archives of sktime, aeon and Weka, with one or more channels.

    `#samples=0-999` reads a part of a series (rows of its file), `#row=12` an item of an archive.
    """

    kind: ClassVar[Kind] = "series"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {
            ".csv", ".tsv", ".txt", ".npy", ".npz", ".parquet", ".ts", ".arff",
            ".mat", ".xlsx", ".xlsm", ".h5", ".hdf5", ".edf", ".bdf", ".hea",
        }
    )  # fmt: skip
    cut_by: ClassVar[Unit] = "samples"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell by magic bytes, tags, or lines that hold nothing but numbers."""
        return _format_of(head, path) is not None

    def read(self, path: Path, fragment: Fragment | None, options: ReadOptions = DEFAULTS) -> Series:
        """Read a series, a part of it (`samples`), or an item of an archive (`row`)."""
        if fragment is not None and fragment.unit not in ("samples", "row"):
            raise ParameterError(f"#{fragment} is no part of a series; write #samples=0-999 or #row=12")
        opened = _open(path, options)
        try:
            if isinstance(opened, Archive):
                values, step_s, notes = _item(opened, fragment)
            else:
                values, step_s, notes = opened.part(*_bounds(path, opened.count, fragment))
            notes = (*notes, *_marks_of_missing(values))
            return Series(values, step_s, notes=note_texts(notes, path=path, strict=options.strict))
        except SignalError as error:
            where = f"{path}#{fragment}" if fragment else f"{path}"
            raise ReadError(f"{where}: {error}; correct the file or leave it out") from error

    def extent(self, path: Path, options: ReadOptions = DEFAULTS) -> float:
        """Return the number of samples, as rows of the file."""
        opened = _open(path, options)
        if isinstance(opened, Archive):
            raise ReadError(_choose_row(opened))
        return opened.count

    def labels(self, path: Path, options: ReadOptions = DEFAULTS) -> list[str] | None:
        """Return the label of each row of an archive.

        Raises
        ------
        ReadError
            The archive holds numbers to predict, and the options do not say that they are classes.
        """
        opened = _open(path, options)
        if not isinstance(opened, Archive) or not opened.labels or options.label == "none":
            return None
        if opened.targets and options.label is None:
            raise ReadError(_targets(opened))
        return list(opened.labels)

    def rows(self, path: Path, options: ReadOptions = DEFAULTS) -> int | None:
        """Return how many items an archive holds; None for a file of one series."""
        opened = _open(path, options)
        return len(opened.items) if isinstance(opened, Archive) else None


def _format_of(head: bytes, path: Path) -> str | None:
    if head.startswith(b"\x93NUMPY") or _is_npz(head):
        return "numpy"
    if head.startswith(b"PAR1"):
        return "parquet"
    if container := _container_of(head, path):
        return container
    text = plain_head(head)
    complete = len(head) < HEAD_BYTES
    if tagged := _tagged_format(text):
        return tagged
    if hex_dump(text) or text.removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"{", b"[")):
        return None
    return (
        "text"
        if looks_numeric(text, complete=complete) or looks_like_series(text, path, complete=complete)
        else None
    )


def _tagged_format(head: bytes) -> str | None:
    """Tell `ts` and `arff` files by the tags at their head; None for any other."""
    lines = _first_tags(head)
    for line in lines:
        tag = line.split(maxsplit=1)[0].lower()
        if tag in ("@relation", "@attribute"):
            return "arff"
        if tag in _TS_TAGS:
            return "ts"
    return None


def _first_tags(head: bytes) -> Iterator[str]:
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"@", b"#", b"%") or b"\0" in head:
        return
    for line in text_lines(head):
        text = line.strip()
        if text and not text.startswith(("#", "%")):
            if not text.startswith("@"):
                return
            yield text


def _is_npz(head: bytes) -> bool:
    """Tell a zip file whose first member is an array, by its local header (name from byte 30 on)."""
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def _container_of(head: bytes, path: Path) -> str | None:
    """Tell `mat`, `hdf5`, `xlsx`, `edf`, `bdf` and `wfdb` files by first bytes, or by name where these are weak."""
    suffix = path.suffix.lower()
    tests = {
        "hdf5": head.startswith(_HDF5) or head[512:520] == _HDF5,
        "mat": head.startswith(b"MATLAB 5.0 MAT-file") or (suffix == ".mat" and _is_mat4(head)),
        "xlsx": head.startswith(b"PK\x03\x04") and (b"xl/" in head or suffix in (".xlsx", ".xlsm")),
        "edf": head.startswith(b"0       ") and bool(re.fullmatch(rb"\d+ *", head[184:192])),
        "bdf": head.startswith(b"\xffBIOSEMI"),
        "wfdb": (suffix == ".hea" and bool(_HEA.search(head[:4000])))
        or (suffix == ".dat" and path.with_suffix(".hea").is_file()),
    }
    return next((kind for kind, is_one in tests.items() if is_one), None)


def _is_mat4(head: bytes) -> bool:
    kind = int.from_bytes(head[:4], "little")
    return (
        len(head) > 20 and kind < 5000 and head[4:8] != b"\0\0\0\0" and head[1] < 20 and head[2:4] == b"\0\0"
    )


def _open(path: Path, options: ReadOptions) -> Recording | Archive:
    return kept(_opened, path, options)


@functools.lru_cache(maxsize=2)  # an archive is read row after row, a long table window after window
def _opened(path: str, options: ReadOptions, known: tuple[int, ...]) -> Recording | Archive:
    del known  # it makes a changed file another entry of the cache
    opened = _open_format(Path(path), options)
    if not isinstance(opened, Archive) or options.label is not None:
        return opened
    return replace(with_labels_beside(opened), targets=opened.targets or are_targets(opened.labels or ()))


def _open_format(path: Path, options: ReadOptions) -> Recording | Archive:
    head = read_head(path)
    if not head.strip():
        raise ReadError(f"{path}: holds nothing but blanks; give a table of numbers")
    kind = _format_of(head, path)
    if kind == "numpy":
        return open_arrays(path, options)
    if kind == "parquet":
        return open_parquet(path, options)
    if kind in ("arff", "ts"):
        return read_arff(path) if kind == "arff" else read_ts(path)
    if kind not in (None, "text"):
        return open_container(kind, path, options)
    if kind is None:
        refuse_foreign(head, path)
        if b"\0" in plain_head(head) or (is_packed(head) and plain_head(head) is head):
            raise ReadError(f"{path}: holds no text, and no NumPy or Parquet file; give a table of numbers")
    return open_table(path, options)


def _item(archive: Archive, fragment: Fragment | None) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
    if len(archive.items) == 1 and fragment is None:
        row = 0
    elif fragment is None or fragment.unit != "row":
        raise ReadError(_choose_row(archive))
    else:
        row = int(fragment.start)
    if row >= len(archive.items):
        raise ReadError(
            f"{archive.path}: has no row {row}, it holds {len(archive.items)} items; "
            f"take one from #row=0 to #row={len(archive.items) - 1}"
        )
    notes = archive.notes
    if archive.targets:
        notes = (*notes, Note(_targets(archive).removeprefix(f"{archive.path}: ")))
    return archive.items[row], archive.steps[row] if archive.steps else None, notes


def _marks_of_missing(values: np.ndarray) -> tuple[Note, ...]:
    """Tell of numbers such as -9999 that lie far from all others, and rather stand for missing values."""
    low, high = (float(end) for end in (np.nanmin(values, initial=0), np.nanmax(values, initial=0)))
    for mark in _MARKS:
        if mark not in (low, high):
            continue
        others = values[(values != np.float32(mark)) & ~np.isnan(values)]
        if len(others) and _FAR * max(float(np.abs(others).max()), 1e-3) < abs(mark):
            count = int((values == np.float32(mark)).sum())
            return (
                Note(
                    f"{count} values are {mark:g}, far from all others: write missing values as empty fields"
                ),
            )
    return ()


def _choose_row(archive: Archive) -> str:
    return f"{archive.path}: holds {len(archive.items)} items; name one, such as #row=0"


def _targets(archive: Archive) -> str:
    some = ", ".join((archive.labels or ())[:3])
    return (
        f"{archive.path}: holds numbers to predict ({some}, ...), not classes; give labels, "
        "or --label last to take each number as a class"
    )


def _bounds(path: Path, count: int, fragment: Fragment | None) -> tuple[int, int]:
    if fragment is None:
        return 0, count
    if fragment.unit == "row":
        raise ReadError(f"{path}: holds one series, no rows of items; leave #{fragment} out")
    if fragment.stop > count:
        raise ReadError(f"{path}: has no #{fragment}, it holds {count} samples; end at {count - 1} or before")
    return int(fragment.start), int(fragment.stop)


# Windows and lines keep level and amplitude, which tell classes apart. Small images tell as much as large ones, but for
# windows of long series. By out-of-fold accuracy over 27 UCR sets these seven lead ten views of each item's own range
# (0.881 against 0.867), six without patches (0.877) and any one view more.
KIND = KindSpec(
    Series,
    SeriesReader(),
    views="windows(size=160,value_range=training),windows(size=112,input=differences,value_range=training),"
    "line(size=112,value_range=training),gadf(size=112),recurrence(size=112,input=differences,dimension=4),"
    "scalogram(size=112),patches(size=112)",
)
