"""Items to records: each read and measured once, in processes that can be stopped, nothing lost when interrupted."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata

import numpy as np

from phosphene.converters import MissingExtra, SignalError
from phosphene.converters.core.signal import Kind, Signal
from phosphene.datasets.manifest import Failure, Item
from phosphene.pipeline.tiles.engines import LocalEngine
from phosphene.pipeline.tiles.item_map import Planned, Progress, map_items, plan_items

from .feature_set import FeatureSet, Record
from .records import Kept, RecordStore
from .registry import feature_sets

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
    """What was measured of items.

    Parameters
    ----------
    records
        One for each item, in order; None for one that failed.
    failures
        The items that failed, and why.
    seconds
        How long this run took.
    measured, reused
        How many items were measured, and how many had been before or are the same as another.
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
    items: Sequence[Item], feature_set: FeatureSet, *, workers: int | None = None, progress: Progress = True
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
        Show a bar on standard error: True where that is a terminal, "always", or False.

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


def _is_harmless(feature_set: FeatureSet) -> bool:
    return feature_set.kind in _HARMLESS and feature_set in feature_sets(feature_set.kind)


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
