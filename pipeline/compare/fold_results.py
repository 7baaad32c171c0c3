"""Fold results: what one estimator predicted on one fold, computed in a process of its own and kept once known.

A benchmark that is interrupted and started again computes no fold twice. A fold result is found by what it depends on:
the bytes of the items, the split, the estimator with its settings, the random seed and the versions. It holds arrays
and JSON, nothing that would have to be unpickled, and a broken one counts as missing.
"""

import contextlib
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import ReadError
from phosphene.converters.core.files import content_digest
from phosphene.datasets.manifest import Manifest
from phosphene.datasets.splits import Split
from phosphene.pipeline.tiles.store import Store, default_folder

from .estimators import BenchmarkData, EstimatorSpec, PreparedEstimator

FORMAT = 2
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, eq=False)
class ItemPredictions:
    """Log-probabilities of items.

    Parameters
    ----------
    indices
        int (n,), rising: which items of the manifest.
    log_proba
        float64 (n, n_classes).
    """

    indices: np.ndarray
    log_proba: np.ndarray

    def of(self, indices: np.ndarray) -> np.ndarray:
        """Return the rows of some of the items, in their order.

        Examples
        --------
        >>> ItemPredictions(np.array([2, 5]), np.array([[0.0], [1.0]])).of(np.array([5])).tolist()
        [[1.0]]
        """
        return np.asarray(self.log_proba[np.searchsorted(self.indices, indices)])


@dataclass(frozen=True, eq=False)
class FoldResult:
    """One estimator on one fold.

    Parameters
    ----------
    test
        Predictions for the test items.
    oof
        Out-of-fold predictions for training items.
    n_train
        The number of training items.
    train_s, test_s
        Seconds to fit and to predict.
    size_bytes
        Size of the model as saved.
    notes
        Settings chosen and the like, as JSON takes it.
    """

    test: ItemPredictions
    oof: ItemPredictions
    n_train: int
    train_s: float
    test_s: float
    size_bytes: int
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SharedCost:
    """What folds share: seconds of a stage between raw files and training, the peak memory, and unreadable items."""

    prepare_s: float = 0.0
    peak_mib: float = 0.0
    failed: tuple[tuple[int, str], ...] = ()
    """By index, and why."""


class _FoldCodec:
    """A fold result as NPZ: its arrays, and the rest as JSON."""

    suffix = ".npz"

    def encode(self, value: FoldResult, key: str) -> bytes:
        del key
        names = ("n_train", "train_s", "test_s", "size_bytes", "notes")
        about = json.dumps({name: getattr(value, name) for name in names})
        arrays = {
            f"{side}_{name}": getattr(getattr(value, side), name)
            for side in ("test", "oof")
            for name in ("indices", "log_proba")
        }
        buffer = io.BytesIO()
        np.savez_compressed(buffer, about=np.frombuffer(about.encode(), np.uint8), **arrays)
        return buffer.getvalue()

    def decode(self, data: bytes) -> FoldResult:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            about = json.loads(arrays["about"].tobytes())
            test, oof = (
                ItemPredictions(arrays[f"{side}_indices"], arrays[f"{side}_log_proba"])
                for side in ("test", "oof")
            )
        return FoldResult(test, oof, **about)


class _CostCodec:
    """Shared costs as JSON."""

    suffix = ".json"

    def encode(self, value: SharedCost, key: str) -> bytes:
        del key
        return json.dumps(asdict(value)).encode()

    def decode(self, data: bytes) -> SharedCost:
        kept = json.loads(data)
        failed = tuple((int(index), str(why)) for index, why in kept["failed"])
        return SharedCost(float(kept["prepare_s"]), float(kept["peak_mib"]), failed)


@dataclass(frozen=True)
class FoldStore:
    """Fold results and shared costs by key, in a folder.

    Examples
    --------
    >>> import tempfile
    >>> predictions = ItemPredictions(np.array([0]), np.zeros((1, 2)))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = FoldStore(Path(folder))
    ...     store.results.put("ab", FoldResult(predictions, predictions, 3, 0.1, 0.2, 10, {"setting": 1}))
    ...     store.results.find("ab").notes, store.results.find("cd")
    ({'setting': 1}, None)
    """

    folder: Path

    @property
    def results(self) -> Store[FoldResult]:
        """The fold results."""
        return Store(self.folder, _FoldCodec())

    def add_cost(self, key: str, cost: SharedCost) -> None:
        """Keep a cost; of several the highest, since later runs find again what the first has computed."""
        known = self.cost(key)
        prepare_s, peak_mib = max(known.prepare_s, cost.prepare_s), max(known.peak_mib, cost.peak_mib)
        Store(self.folder, _CostCodec()).put(key, SharedCost(prepare_s, peak_mib, cost.failed))

    def cost(self, key: str) -> SharedCost:
        """Return a cost."""
        return Store(self.folder, _CostCodec()).find(key) or SharedCost()


def benchmark_folder() -> Path:
    """Return where fold results are kept: beside the tiles, in the user's cache."""
    return default_folder().parent / "benchmarks"


def items_digest(manifest: Manifest) -> str:
    """Return a digest of the items by their bytes, the same for equal data in another folder.

    A file that cannot be read counts by its name.
    """
    numbers: dict[str, int] = {}  # of groups, whose names may be paths
    rows = [
        (
            _file_digest(item.path),
            str(item.fragment or ""),
            item.label,
            item.claim,
            item.group_key and numbers.setdefault(item.group_key, len(numbers)),
        )
        for item in manifest.items
    ]
    return _digest({"kind": manifest.kind, "metric": manifest.metric, "items": rows})


def fold_key(items: str, split: Split, config: Mapping[str, Any], seed: int) -> str:
    """Return the key of a fold result.

    Parameters
    ----------
    items
        As `items_digest` returns it.
    split
        Training and test items.
    config
        Of the estimator, as JSON takes it: name, settings, versions of what it runs on.
    seed
        Random seed.
    """
    sides = [_digest({"indices": np.asarray(side).tolist()}) for side in (split.train, split.test)]
    return _digest({"format": FORMAT, "items": items, "split": sides, "config": dict(config), "seed": seed})


def stage_key(items: str, stage: str, config: Mapping[str, Any]) -> str:
    """Return the key of the cost of a stage, shared by estimators of equal versions."""
    versions = {name: value for name, value in config.items() if name.startswith("version")}
    return _digest({"format": FORMAT, "items": items, "stage": stage, "versions": versions})


def _file_digest(path: Path) -> str:
    try:
        return content_digest(path)
    except ReadError:
        return f"unreadable {path.name}"


def _digest(about: Mapping[str, Any]) -> str:
    text = json.dumps(about, sort_keys=True, default=os.fspath)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


@dataclass(frozen=True, eq=False)
class EstimatorRun:
    """One estimator on one data set.

    Parameters
    ----------
    data
        The data set.
    spec
        The estimator.
    splits
        The folds, and subsets of their training items.
    store
        Where fold results are kept.
    """

    data: BenchmarkData
    spec: EstimatorSpec
    splits: tuple[Split, ...]
    store: FoldStore

    def key(self, split: Split) -> str:
        """Return the key of a fold result."""
        return fold_key(self._windowed_items, split, self.spec.config, self.data.recipe.seed)

    def stage_key(self, stage: str) -> str:
        """Return the key of the cost of a stage, of this estimator or of one that shares it."""
        return stage_key(self._windowed_items, stage, self.spec.config)

    @property
    def _windowed_items(self) -> str:
        return f"{self.data.digest} cut by {self.data.recipe.windows}"

    @property
    def missing(self) -> list[Split]:
        """The splits whose fold results are not there yet."""
        return [split for split in self.splits if self.store.results.find(self.key(split)) is None]

    @property
    def prepare_s(self) -> float:
        """Seconds from raw files to what is trained on, with what other estimators share."""
        return sum(self.store.cost(self.stage_key(stage)).prepare_s for stage in self.spec.stages)

    @property
    def own_cost(self) -> SharedCost:
        """Peak memory and unreadable items."""
        return self.store.cost(self.stage_key(self.spec.name))

    def add_costs(self, prepared: PreparedEstimator) -> None:
        """Keep what was spent so far, and which items cannot be read."""
        seconds = (prepared.prepare_s, prepared.estimator.shared_s)
        for stage, stage_s in zip(self.spec.stages, seconds, strict=False):
            self.store.add_cost(self.stage_key(stage), SharedCost(prepare_s=stage_s))
        failed = tuple(self.data.failed_items(prepared.failures).items())
        own = SharedCost(peak_mib=peak_memory_mib(), failed=failed)
        self.store.add_cost(self.stage_key(self.spec.name), own)


@dataclass(frozen=True, eq=False)
class BenchmarkRun:
    """All estimators on all data sets.

    Parameters
    ----------
    data
        The data sets.
    specs
        The estimators, in the order of the table.
    store
        Their fold results.
    errors
        By names of data set and estimator, why fold results are missing.
    """

    data: tuple[BenchmarkData, ...]
    specs: tuple[EstimatorSpec, ...]
    store: FoldStore
    errors: dict[tuple[str, str], str] = field(default_factory=dict)

    def of(self, data: BenchmarkData, spec: EstimatorSpec, shares: Sequence[float] = (1.0,)) -> EstimatorRun:
        """Return the run of one estimator on one data set, by shares of the training items."""
        splits = tuple(split for share in shares for split in data.subsets[share])
        return EstimatorRun(data, spec, splits, self.store)

    def folds(self, data: BenchmarkData, spec: EstimatorSpec, share: float = 1.0) -> list[FoldResult] | None:
        """Return the fold results of an estimator, one a split; None unless all are there."""
        run = self.of(data, spec, (share,))
        kept = [self.store.results.find(run.key(split)) for split in run.splits]
        found = [result for result in kept if result is not None]
        return found if len(found) == len(kept) else None


def compute_missing(run: EstimatorRun) -> int:
    """Compute the fold results that are missing; return how many.

    It takes the process for its own: tiles and features go to a folder beside the fold results, so that the seconds are
    those from raw files, whatever the user's cache holds; and it ends when the process that started it does.
    """
    _end_with_parent()
    os.environ["PHOSPHENE_CACHE"] = str(run.store.folder / "work")
    missing = run.missing
    if missing:
        _reset_peak_memory()
        prepared = run.spec.prepare(run.data)
        run.add_costs(prepared)
        failed = run.data.failed_items(prepared.failures)
        prepared.estimator.expect([run.data.cut.training_set(split, failed=failed) for split in missing])
        # Fits to parts of one split side by side: what is drawn for a split is drawn once.
        for split in sorted(missing, key=lambda split: split.name.partition(",")[0]):
            run.store.results.put(run.key(split), fit_fold(prepared, run.data, split))
        run.add_costs(prepared)
    return len(missing)


def fit_fold(prepared: PreparedEstimator, data: BenchmarkData, split: Split) -> FoldResult:
    """Fit an estimator to the training items of a split and predict its test items."""
    estimator, cut = prepared.estimator, data.cut
    failed = data.failed_items(prepared.failures)
    train, test = cut.training_set(split, failed=failed), cut.indices(split.test, failed=failed)

    def clock() -> float:
        return time.monotonic() - estimator.shared_s

    start = clock()
    fit = estimator.fit(train.indices, train.targets, train.groups, n_classes=len(data.manifest.classes))
    fitted = clock()
    log_proba = estimator.predict_log_proba(fit.model, test)
    predicted = clock()
    return FoldResult(
        test=ItemPredictions(*cut.average(log_proba, test)),
        oof=ItemPredictions(*cut.average(fit.oof_log_proba, train.indices[fit.oof_indices])),
        n_train=len(np.unique(cut.source[train.indices])),
        train_s=fitted - start,
        test_s=predicted - fitted,
        size_bytes=fit.size_bytes,
        notes={**prepared.notes, **fit.notes},
    )


def peak_memory_mib() -> float:
    """Return the peak memory of this process, since its reset where the system can do that."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    with contextlib.suppress(ImportError):
        import resource
        import sys

        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    return float("nan")


def _reset_peak_memory() -> None:
    with contextlib.suppress(OSError):
        _RESET.write_text("5")


def _end_with_parent() -> None:
    """End this process soon after the one that started it is gone, however busy it is."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
