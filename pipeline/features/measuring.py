"""Pieces to records: each read and measured once, in processes that can be stopped, nothing lost when interrupted."""

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import MissingExtra, PhospheneError, ReadError, SignalError
from phosphene.converters.core.reader import content_digest, read_head
from phosphene.converters.core.signal import Kind, Signal
from phosphene.converters.reading import readers
from phosphene.datasets.manifest import Failure, Item
from phosphene.pipeline.tiles.drawing import Progress, Task, chunks, message, with_bar
from phosphene.pipeline.tiles.engines import LocalEngine
from phosphene.pipeline.tiles.store import tile_key
from phosphene.pipeline.tiles.worker import Lost

from .feature_set import FeatureSet, Record
from .records import Kept, RecordStore
from .registry import feature_sets

LIMIT_S = 120.0
"""A piece that takes longer is given up."""

_HERE_S = 2.0  # what takes no longer is done sooner than processes start
_SAVE_EVERY_S = 0.25
_LIBRARIES: dict[Kind, tuple[str, ...]] = {
    "audio": ("numpy", "librosa", "soxr"),
    "series": ("numpy", "pycatch22"),
    "mouse": ("numpy",),
    "binary": ("numpy", "lief"),
}
# Our own sets of these may be tried here: their files are tables of numbers, whose readers neither crash nor hang.
_HARMLESS: tuple[Kind, ...] = ("series", "mouse")

Key = tuple[str, str]
"""That of the file, and the part of it."""


@dataclass(frozen=True)
class Measured:
    """What was measured of pieces.

    Parameters
    ----------
    records
        One for each piece, in order; None for one that failed.
    failures
        The pieces that failed, and why.
    seconds
        How long this run took.
    measured, reused
        How many pieces were measured, and how many had been before or are the same as another.
    work_s
        How long all records took, those of earlier runs included: seconds of one process.
    """

    records: tuple[Record | None, ...]
    failures: tuple[Failure, ...]
    seconds: float
    measured: int
    reused: int
    work_s: float


def measure(
    pieces: Sequence[Item], feature_set: FeatureSet, *, workers: int | None = None, progress: Progress = True
) -> Measured:
    """Measure pieces.

    Records are kept beside the tiles and found again by content, so that nothing is measured twice, also when
    interrupted at any moment.

    Parameters
    ----------
    pieces
        Files, or parts of files, of the set's kind.
    feature_set
        How they are measured.
    workers
        How many processes; None takes one a core.
    progress
        Show a bar on standard error: True where that is a terminal, "always", or False.

    Returns
    -------
    Measured
        With the pieces that failed in a list; one that fails, or whose process dies, does not stop the rest.

    Raises
    ------
    MissingExtra
        The set needs a library that is not installed.

    Examples
    --------
    >>> import tempfile
    >>> raw = feature_sets("series")[2]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "series.csv")
    ...     _ = file.write_text("1, 2, 4".replace(", ", chr(10)))
    ...     measured = measure([Item(file)], raw)
    >>> measured.records[0]["values"].tolist(), measured.failures
    ([[1.0, 2.0, 4.0]], ())
    """
    begin = time.monotonic()
    places, errors = _plan(pieces, fingerprint(feature_set))
    store = RecordStore()
    kept = _found(store, places)
    missing = {same[0]: key for key, same in places.items() if key not in kept}
    tasks = [Task(place, pieces[place].path, pieces[place].fragment, ()) for place in missing]
    saver = _Saver(store)
    try:
        for task, outcome in with_bar(_outcomes(feature_set, tasks, workers), len(tasks), progress):
            key = missing[task.place]
            if isinstance(outcome, Kept):
                kept[key] = outcome
                saver.add(key, outcome)
            else:
                errors |= {place: _moved(outcome, task, pieces[place]) for place in places[key]}
    finally:
        saver.save()
    records: list[Record | None] = [None] * len(pieces)
    for key, value in kept.items():
        for place in places[key]:
            records[place] = value.record
    n_known = sum(record is not None for record in records)
    n_measured = sum(key in kept for key in missing.values())
    return Measured(
        records=tuple(records),
        failures=tuple(_failure(pieces[place], error) for place, error in sorted(errors.items())),
        seconds=time.monotonic() - begin,
        measured=n_measured,
        reused=n_known - n_measured,
        work_s=sum(value.seconds for value in kept.values()),
    )


def fingerprint(feature_set: FeatureSet) -> str:
    """Return a digest of what records depend on: the set, its version, and those of the libraries that it uses."""
    libraries = {name: _version(name) for name in _LIBRARIES[feature_set.kind]}
    text = json.dumps([feature_set.kind, feature_set.name, feature_set.version, libraries], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Gauge:
    """Reads and measures one piece; an error ends this piece only. This runs in the worker processes."""

    kind: Kind
    measure: Callable[[Signal], Record]

    def __call__(self, task: Task) -> Kept | Lost | MissingExtra:
        """Return the record, or why there is none."""
        begin = time.monotonic()
        try:
            read_head(task.path)
            record = self.measure(readers()[self.kind].read(task.path, task.fragment))
            return Kept(_checked(record), time.monotonic() - begin)
        except MissingExtra as error:
            return error
        except PhospheneError as error:
            return Lost(str(error))


def _checked(record: Record) -> Record:
    arrays = {name: np.asarray(values) for name, values in record.items()}
    strange = [name for name, array in arrays.items() if array.dtype.hasobject]
    if strange:
        raise SignalError(f"a record holds numbers and text, got objects as {', '.join(strange)}")
    return arrays


def _outcomes(
    feature_set: FeatureSet, tasks: Sequence[Task], workers: int | None
) -> Iterator[tuple[Task, Kept | str]]:
    """Yield each task with its record or why it has none.

    Raises
    ------
    MissingExtra
        A library is missing, and so it is for all.
    """
    gauge = Gauge(feature_set.kind, feature_set.measure)
    for task, outcome in _carried_out(gauge, tasks, workers, here=_is_harmless(feature_set)):
        if isinstance(outcome, MissingExtra):
            raise outcome
        yield task, outcome.why if isinstance(outcome, Lost) else outcome


def _carried_out(gauge: Gauge, tasks: Sequence[Task], workers: int | None, *, here: bool) -> Iterator[Any]:
    """Yield tasks with what came of them: of harmless ones the first here, all else in processes."""
    rest = deque(tasks)
    end = time.monotonic() + _HERE_S
    for outcome in LocalEngine(1).map(gauge, [[task] for task in tasks]) if here else ():
        rest.popleft()
        yield outcome
        if time.monotonic() > end:
            break
    crew = LocalEngine(workers, limit_s=LIMIT_S)
    yield from crew.map(gauge, chunks(list(rest), crew.workers), where="apart")


def _is_harmless(feature_set: FeatureSet) -> bool:
    return feature_set.kind in _HARMLESS and feature_set in feature_sets(feature_set.kind)


def _plan(pieces: Sequence[Item], mark: str) -> tuple[dict[Key, list[int]], dict[int, str]]:
    """Return the places of the pieces of each key, and why the others have none."""
    paths = list(dict.fromkeys(piece.path for piece in pieces))
    with ThreadPoolExecutor(4) as pool:
        digests = dict(zip(paths, pool.map(_digest_or_error, paths), strict=True))
    places: dict[Key, list[int]] = {}
    errors: dict[int, str] = {}
    for place, piece in enumerate(pieces):
        digest = digests[piece.path]
        if isinstance(digest, ReadError):
            errors[place] = str(digest)
        else:
            places.setdefault((tile_key(digest, None, mark), str(piece.fragment or "")), []).append(place)
    return places, errors


def _digest_or_error(path: Path) -> str | ReadError:
    try:
        return content_digest(path)
    except ReadError as error:
        return error


def _found(store: RecordStore, places: dict[Key, list[int]]) -> dict[Key, Kept]:
    """Return the records of earlier runs."""
    files = {file: store.get(file) for file in dict.fromkeys(file for file, _ in places)}
    return {(file, part): files[file][part] for file, part in places if part in files[file]}


class _Saver:
    """Keeps records as they come, those of a moment in one go."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._waiting: dict[str, dict[str, Kept]] = {}
        self._since = 0.0

    def add(self, key: Key, kept: Kept) -> None:
        file, part = key
        self._waiting.setdefault(file, {})[part] = kept
        if time.monotonic() - self._since > _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        while self._waiting:
            self._store.put(*self._waiting.popitem())
        self._since = time.monotonic()


def _moved(error: str, task: Task, piece: Item) -> str:
    """Return the error of a piece as that of one with equal bytes."""
    return error.replace(str(task.path), str(piece.path))


def _failure(piece: Item, error: str) -> Failure:
    return Failure(piece, message(str(piece), piece.path, error))


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return ""
