"""Sets of tabular features: how a signal is measured, how records become rows; each item measured once, and kept."""

import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from phosphene.converters import MissingExtra, SignalError
from phosphene.converters.core.errors import ParameterError
from phosphene.converters.core.signal import Kind, Signal
from phosphene.datasets.manifest import Failure, Item

from ..tiles.engines import LocalEngine
from ..tiles.item_map import Planned, map_items, plan_items
from ..tiles.store import Output, Store, default_folder

Record = dict[str, np.ndarray]
"""What was measured of one signal: arrays by name, of numbers or of text, none of objects."""

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Table:
    """Features of items: float32 (n_items, n_features), all finite, and the name of each column.

    Examples
    --------
    >>> Table(np.ones((2, 1), np.float32), ("length",)).values.shape
    (2, 1)
    """

    values: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True)
class FeatureSet:
    """Features of one kind of signal.

    Measuring is slow and is done once an item: the record is kept, found again by content, `name` and `version`.
    Making rows is quick and is done anew in each run.

    Parameters
    ----------
    name
        As on the command line.
    kind
        The kind of signals it measures.
    version
        Raised when records change.
    summary, source
        One line each: what is measured, and who says that it is worth measuring.
    measure
        A signal's record; runs in processes that can be stopped.
    tabulate
        Rows of records, in their order; looks at no labels.
    """

    name: str
    kind: Kind
    version: int
    summary: str
    source: str
    measure: Callable[[Signal], Record]
    tabulate: Callable[[Sequence[Record]], Table]


def finite32(values: np.ndarray) -> np.ndarray:
    """Return values as float32, 0 for what is no number, and what is too large as the largest there is.

    Examples
    --------
    >>> finite32(np.array([1.5, np.nan, -1e300])).tolist()
    [1.5, 0.0, -3.4028234663852886e+38]
    """
    bounded = np.clip(np.nan_to_num(values, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST), -_LARGEST, _LARGEST)
    return np.asarray(bounded, np.float32)


_HOMES: dict[Kind, str] = {kind: f"{__package__}.{kind}" for kind in ("audio", "series", "mouse", "binary")}


def register_features(kind: Kind, module: str) -> None:
    """Name the module whose `FEATURE_SETS` are those of a kind; it is imported when they are first asked for."""
    _HOMES[kind] = module


def feature_sets(kind: Kind) -> tuple[FeatureSet, ...]:
    """Return the sets of features that a kind of signals has, the first being what it is known for.

    Raises
    ------
    ParameterError
        There is no such kind.

    Examples
    --------
    >>> [features.name for features in feature_sets("series")]
    ['catch22', 'summary', 'raw', 'joint']
    """
    if kind not in _HOMES:
        raise ParameterError(f"there are features of {', '.join(_HOMES)} signals, got kind {kind!r}")
    found: tuple[FeatureSet, ...] = import_module(_HOMES[kind]).FEATURE_SETS
    return found


_SAVE_EVERY_S = 0.25


class Kept(NamedTuple):
    """A record, and how long it took to read and to measure its item."""

    record: Record
    seconds: float


def records_folder() -> Path:
    """Return where records are kept: beside the tiles."""
    return default_folder().parent / "features"


class RecordCodec:
    """Records of parts of a file as one NPZ of two arrays: what there is, as JSON, and the bytes of it all.

    An array of its own for each would take NumPy ten times as long to read.

    Examples
    --------
    >>> codec = RecordCodec()
    >>> codec.decode(codec.encode({"": Kept({"words": np.array(["a", "bc"])}, 0.5)}))
    {'': Kept(record={'words': array(['a', 'bc'], dtype='<U2')}, seconds=0.5)}
    """

    suffix = ".npz"

    def encode(self, value: Mapping[str, Kept], key: str = "") -> bytes:
        """Return the bytes of a file."""
        del key
        head = [
            [part, kept.seconds, [[name, a.dtype.str, a.shape] for name, a in kept.record.items()]]
            for part, kept in value.items()
        ]
        content = b"".join(array.tobytes() for kept in value.values() for array in kept.record.values())
        file = io.BytesIO()
        np.savez(
            file,
            head=np.frombuffer(json.dumps(head).encode(), np.uint8),
            content=np.frombuffer(content, np.uint8) if content else np.zeros(0, np.uint8),
        )
        return file.getvalue()

    def decode(self, data: bytes) -> Mapping[str, Kept]:
        """Return the records; an exception says that the bytes are broken."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            head, content = json.loads(file["head"].tobytes()), file["content"].tobytes()
        found, offset = {}, 0
        for part, seconds, arrays in head:
            record = {}
            for name, kind, shape in arrays:
                record[name] = _array(content, offset, kind, shape)
                offset += record[name].nbytes
            found[part] = Kept(record, seconds)
        return found


class RecordStore:
    """Records by the key of the file they were measured of, and the part of it; for `map_items`.

    Parts measured at one time lie together: thousands of small files would take longer than what is in them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = RecordStore(Path(folder))
    ...     record = Kept({"values": np.array([1.5, 2.0])}, 0.1)
    ...     store.take(0, ("ab12", "row=3"), [record], failed=False)
    ...     store.save()
    ...     RecordStore(Path(folder)).get("ab12", "row=3").record["values"].tolist(), store.get("cd34", "")
    ([1.5, 2.0], None)
    """

    shared = True
    codec = None

    def __init__(self, folder: Path | None = None) -> None:
        self._files = Store(folder or records_folder(), RecordCodec())
        self._known: dict[str, dict[str, Kept]] = {}
        self._unsaved: dict[str, dict[str, Kept]] = {}
        self._saved_s = 0.0

    def get(self, key: str, part: str) -> Kept | None:
        """Return the record of a part of a file; None where there is none, or a broken one."""
        if key not in self._known:
            names = (path.stem for path in sorted((self._files.folder / key[:2] / key[2:]).glob("[!.]*.npz")))
            self._known[key] = {}
            for name in names:
                self._known[key] |= self._files.find(f"{key}/{name}") or {}
        return self._known[key].get(part)

    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the record, if it is not there."""
        del index
        key, part = keys
        return () if self.get(key, part) else (Output(0, key),)

    def take(self, index: int, keys: Sequence[str], values: Sequence[Kept], *, failed: bool) -> None:
        """Keep a record; those of a moment are written in one go."""
        del index
        if failed:
            return
        (value,), (key, part) = values, keys
        self._known.setdefault(key, {})[part] = value
        self._unsaved.setdefault(key, {})[part] = value
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write what was not written yet; StoreError if it cannot be."""
        while self._unsaved:
            key, parts = self._unsaved.popitem()
            name = hashlib.blake2b("|".join(sorted(parts)).encode(), digest_size=8).hexdigest()
            self._files.put(f"{key}/{name}", parts)
        self._saved_s = time.monotonic()


def _array(content: bytes, offset: int, kind: str, shape: list[int]) -> np.ndarray:
    dtype = np.dtype(kind)
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or not 0 <= size <= len(content) - offset:
        raise ValueError(f"no array of {kind} {shape} at {offset}")
    # Through an array of its own, since one in the middle of bytes is not aligned.
    return np.ndarray(shape, dtype, bytearray(content[offset : offset + size]))


LIMIT_S = 120.0
"""A item that takes longer is given up."""

_LIBRARIES: dict[Kind, tuple[str, ...]] = {
    "audio": ("numpy", "librosa", "soxr"),
    "series": ("numpy", "pycatch22"),
    "mouse": ("numpy",),
    "binary": ("numpy", "lief"),
}
# Our own sets of these may be tried here: their files are tables of numbers, whose readers neither crash nor hang.
_HARMLESS: tuple[Kind, ...] = ("series", "mouse")


@dataclass(frozen=True)
class Measured:
    """What was measured of items (None of one that failed), how many now, and seconds now and in all runs."""

    records: tuple[Record | None, ...]
    failures: tuple[Failure, ...]
    seconds: float
    measured: int
    reused: int
    work_s: float


def measure(
    items: Sequence[Item], feature_set: FeatureSet, *, workers: int | None = None, progress: bool = True
) -> Measured:
    """Measure items.

    Records are kept beside the tiles and found again by content, so that nothing is measured twice, also when
    interrupted at any moment.

    Parameters
    ----------
    items
        Files, or parts of files, of the set's kind.
    feature_set
        How they are measured.
    workers
        How many processes; None takes one a core.
    progress
        Show a bar on standard error: a line a minute where that is no terminal.

    Returns
    -------
    Measured
        With the items that failed in a list; one that fails, or whose process dies, does not stop the rest.

    Raises
    ------
    MissingExtra
        The set needs a library that is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> raw = feature_sets("series")[2]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "series.csv")
    ...     _ = file.write_text("1, 2, 4".replace(", ", chr(10)))
    ...     measured = measure([Item(file)], raw)
    >>> measured.records[0]["values"].tolist(), measured.failures
    ([[1.0, 2.0, 4.0]], ())
    """
    begin = time.monotonic()
    planned = _plan(items, fingerprint(feature_set))
    store = RecordStore()
    try:
        failures, n_measured = map_items(
            planned,
            Gauge(feature_set.kind, feature_set.measure),
            store,
            engine=LocalEngine(workers, limit_s=LIMIT_S),
            progress=progress,
            where="here first" if _is_harmless(feature_set) else "apart",
            ending=(MissingExtra,),
        )
    finally:
        store.save()
    found = [None if index in failures else store.get(*plan.keys) for index, plan in enumerate(planned)]
    distinct = {plan.keys: one for plan, one in zip(planned, found, strict=True) if one}
    return Measured(
        records=tuple(one and one.record for one in found),
        failures=tuple(failures.values()),
        seconds=time.monotonic() - begin,
        measured=n_measured,
        reused=sum(one is not None for one in found) - n_measured,
        work_s=sum(one.seconds for one in distinct.values()),
    )


def _is_harmless(feature_set: FeatureSet) -> bool:
    return feature_set.kind in _HARMLESS and feature_set in feature_sets(feature_set.kind)


def fingerprint(feature_set: FeatureSet) -> str:
    """Return a digest of what records depend on: the set, its version, and those of the libraries that it uses."""
    libraries = {name: _version(name) for name in _LIBRARIES[feature_set.kind]}
    text = json.dumps([feature_set.kind, feature_set.name, feature_set.version, libraries], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Gauge:
    """Reads and measures one item. This runs in the worker processes."""

    kind: Kind
    measure: Callable[[Signal], Record]

    def __call__(self, item: Item, numbers: Sequence[int]) -> list[Kept]:
        """Return the one record."""
        del numbers
        begin = time.monotonic()
        record = self.measure(item.read(self.kind))
        return [Kept(_checked(record), time.monotonic() - begin)]


def _checked(record: Record) -> Record:
    arrays = {name: np.asarray(values) for name, values in record.items()}
    strange = [name for name, array in arrays.items() if array.dtype.hasobject]
    if strange:
        raise SignalError(f"a record holds numbers and text, got objects as {', '.join(strange)}")
    return arrays


def _plan(items: Sequence[Item], mark: str) -> list[Planned]:
    """Plan items under the key of their file, and the part of it."""
    files = plan_items([replace(item, fragment=None) for item in items], [mark])
    return [
        replace(plan, item=item, keys=(*plan.keys, str(item.fragment or "")) if plan.keys else ())
        for item, plan in zip(items, files, strict=True)
    ]


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
