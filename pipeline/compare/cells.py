"""The cells of a benchmark: what one method answered in one fold, kept as soon as it is known.

A run that is interrupted and started again computes no cell twice. A cell is found by what it depends on: the items,
by their bytes; the split; the method with its settings; the seed; the versions. It holds arrays and JSON, nothing that
would have to be unpickled, and a broken one counts as missing.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import ReadError
from phosphene.converters.core.reader import content_digest
from phosphene.converters.core.signal import Signal, signal_digest
from phosphene.datasets.manifest import Manifest
from phosphene.datasets.splits import Split
from phosphene.pipeline.tiles.store import Store, default_folder

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Answers:
    """What was answered for items.

    Parameters
    ----------
    items
        int (n,), places in the manifest, in order.
    log_probabilities
        float64 (n, n_classes).
    """

    items: np.ndarray
    log_probabilities: np.ndarray

    def of(self, items: np.ndarray) -> np.ndarray:
        """Return the rows of some of the items, in their order.

        Examples
        --------
        >>> Answers(np.array([2, 5]), np.array([[0.0], [1.0]])).of(np.array([5])).tolist()
        [[1.0]]
        """
        return np.asarray(self.log_probabilities[np.searchsorted(self.items, items)])


@dataclass(frozen=True, eq=False)
class Cell:
    """One method in one fold.

    Parameters
    ----------
    test
        The answers for the items held out.
    left_out
        Those for items to learn from, by fits without them.
    n_train
        How many items it learned from.
    train_s, test_s
        The seconds for fitting, and for answering.
    size_bytes
        The model as kept.
    notes
        What is worth telling about the fit, as JSON takes it.
    """

    test: Answers
    left_out: Answers
    n_train: int
    train_s: float
    test_s: float
    size_bytes: int
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Spent:
    """What a method took besides its cells: seconds from raw files to what is learned from, and memory."""

    prepare_s: float = 0.0
    peak_mib: float = 0.0
    failed: tuple[tuple[int, str], ...] = ()
    """Items that could not be read, by their places, and why."""


class _CellCodec:
    """A cell as NPZ: its arrays, and what else there is as JSON."""

    suffix = ".npz"

    def encode(self, value: Cell, key: str) -> bytes:
        del key
        names = ("n_train", "train_s", "test_s", "size_bytes", "notes")
        recorded = json.dumps({name: getattr(value, name) for name in names})
        arrays = {
            f"{part}_{name}": getattr(getattr(value, part), name)
            for part in ("test", "left_out")
            for name in ("items", "log_probabilities")
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, told=np.frombuffer(recorded.encode(), np.uint8), **arrays)
        return buffer.getvalue()

    def decode(self, data: bytes) -> Cell:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            recorded = json.loads(arrays["told"].tobytes())
            test, left_out = (
                Answers(arrays[f"{part}_items"], arrays[f"{part}_log_probabilities"])
                for part in ("test", "left_out")
            )
        return Cell(test, left_out, **recorded)


class _SpentCodec:
    """What was spent as JSON."""

    suffix = ".json"

    def encode(self, value: Spent, key: str) -> bytes:
        del key
        return json.dumps(asdict(value)).encode()

    def decode(self, data: bytes) -> Spent:
        recorded = json.loads(data)
        failed = tuple((int(index), str(why)) for index, why in recorded["failed"])
        return Spent(float(recorded["prepare_s"]), float(recorded["peak_mib"]), failed)


@dataclass(frozen=True)
class CellStore:
    """Cells in a folder by key, and what was spent on what several of them share.

    Examples
    --------
    >>> import tempfile
    >>> answers = Answers(np.array([0]), np.zeros((1, 2)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = CellStore(Path(folder))
    ...     store.put("ab", Cell(answers, answers, 3, 0.1, 0.2, 10, {"setting": 1}))
    ...     store.get("ab").notes, store.get("cd")
    ({'setting': 1}, None)
    """

    folder: Path

    def put(self, key: str, cell: Cell) -> None:
        """Keep a cell, whole or not at all."""
        Store(self.folder, _CellCodec()).put(key, cell)

    def get(self, key: str) -> Cell | None:
        """Return a cell; None where there is none, or a broken one."""
        return Store(self.folder, _CellCodec()).find(key)

    def spend(self, key: str, spent: Spent) -> None:
        """Note what was spent under a key; of several runs, which find again what the first has made, the most."""
        before = self.spent(key)
        prepare_s, peak_mib = (
            max(before.prepare_s, spent.prepare_s),
            max(before.peak_mib, spent.peak_mib),
        )
        Store(self.folder, _SpentCodec()).put(key, Spent(prepare_s, peak_mib, spent.failed))

    def spent(self, key: str) -> Spent:
        """Return what was spent under a key."""
        return Store(self.folder, _SpentCodec()).find(key) or Spent()


def cells_folder() -> Path:
    """Return where cells are kept unless a folder is named: beside the tiles, in the user's cache."""
    return default_folder().parent / "benchmarks"


def items_digest(manifest: Manifest) -> str:
    """Return a digest of what the items are, by their bytes: equal data elsewhere has the same.

    A file that cannot be read counts by its name.
    """
    rows = [
        (_digest(item.source), str(item.fragment or ""), item.label, item.claim, item.group_key)
        for item in manifest.items
    ]
    return _hash({"kind": manifest.kind, "metric": manifest.metric, "items": _relative(rows)})


def cell_key(items: str, split: Split, method: Mapping[str, Any], seed: int) -> str:
    """Return the key of a cell.

    Parameters
    ----------
    items
        As `items_digest` gives it.
    split
        Which items are learned from and answered for.
    method
        What the method is, as JSON takes it: name, settings, versions of what it runs on.
    seed
        Decides what is left to chance.
    """
    parts = [_hash({"places": np.asarray(part).tolist()}) for part in (split.train, split.test)]
    return _hash({"format": FORMAT, "items": items, "split": parts, "method": dict(method), "seed": seed})


def stage_key(items: str, stage: str, method: Mapping[str, Any]) -> str:
    """Return the key of what was spent on a stage between raw files and what is learned from."""
    versions = {name: value for name, value in method.items() if name.startswith("version")}
    return _hash({"format": FORMAT, "items": items, "stage": stage, "versions": versions})


def _digest(source: Path | Signal) -> str:
    if isinstance(source, Signal):
        return signal_digest(source).hex()
    try:
        return content_digest(source)
    except ReadError:
        return f"unreadable {source.name}"


def _relative(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    """Put numbers for bonds, which may be paths: the same data in another folder is the same."""
    known: dict[str, int] = {}
    return [[*row[:-1], row[-1] and known.setdefault(row[-1], len(known))] for row in rows]


def _hash(about: Mapping[str, Any]) -> str:
    text = json.dumps(about, sort_keys=True, default=os.fspath)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
