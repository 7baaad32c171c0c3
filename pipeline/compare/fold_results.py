"""Fold results: what one estimator predicted on one fold, kept once computed; and choosing and stacking by them.

A fold result is found by what it depends on: the bytes of the items, the split, the estimator with its settings, the
random seed and the versions. So a benchmark that is interrupted and started again computes no fold twice. It holds
arrays and JSON, nothing that would have to be unpickled, and a broken one counts as missing. Estimators are chosen and
stacked by out-of-fold predictions: test items are never looked at.
"""

import functools
import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import ParameterError, ReadError
from phosphene.converters.core.files import content_digest
from phosphene.datasets.manifest import Manifest
from phosphene.datasets.splits import Split

from ..tiles.store import Store, default_folder
from .estimators import BenchmarkData, EstimatorSpec, PreparedEstimator

FORMAT = 2


@dataclass(frozen=True, eq=False)
class ItemPredictions:
    """Log-probabilities, float64 (n, n_classes), of items of the manifest, whose indices rise: int (n,)."""

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
    """One estimator on one fold: predictions for test items, out-of-fold ones for training items, and costs."""

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
    rows = []
    for item in manifest.items:
        try:
            content = content_digest(item.path)
        except ReadError:
            content = f"unreadable {item.path.name}"
        group = item.group_key and numbers.setdefault(item.group_key, len(numbers))
        rows.append((content, str(item.fragment or ""), item.label, item.claim, group))
    return _digest({"kind": manifest.kind, "metric": manifest.metric, "items": rows})


def fold_key(items: str, split: Split, config: Mapping[str, Any], seed: int) -> str:
    """Return the key of a fold result: of the items, by `items_digest`, the split, the estimator and the seed."""
    sides = [_digest({"indices": np.asarray(side).tolist()}) for side in (split.train, split.test)]
    return _digest({"format": FORMAT, "items": items, "split": sides, "config": dict(config), "seed": seed})


def stage_key(items: str, stage: str, config: Mapping[str, Any]) -> str:
    """Return the key of the cost of a stage, shared by estimators of equal versions."""
    versions = {name: value for name, value in config.items() if name.startswith("version")}
    return _digest({"format": FORMAT, "items": items, "stage": stage, "versions": versions})


def _digest(about: Mapping[str, Any]) -> str:
    text = json.dumps(about, sort_keys=True, default=os.fspath)
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


@dataclass(frozen=True, eq=False)
class EstimatorRun:
    """One estimator on one data set: on its folds, and on subsets of their training items."""

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

    def add_costs(self, prepared: PreparedEstimator, peak_mib: float) -> None:
        """Keep what was spent so far, and which items cannot be read."""
        seconds = (prepared.prepare_s, prepared.estimator.shared_s)
        for stage, stage_s in zip(self.spec.stages, seconds, strict=False):
            self.store.add_cost(self.stage_key(stage), SharedCost(prepare_s=stage_s))
        failed = tuple(self.data.failed_items(prepared.failures).items())
        own = SharedCost(peak_mib=peak_mib, failed=failed)
        self.store.add_cost(self.stage_key(self.spec.name), own)


@dataclass(frozen=True, eq=False)
class BenchmarkRun:
    """All estimators, in the order of the table, on all data sets; and why fold results are missing."""

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


RIDGE = 10.0
"""The penalty on unequal weights and on biases: of 1, 3, 10 and 30 that with the least log-loss on fresh rows of nine
sorts of simulated problems with 15 to 150 rows to fit to; with 600 it no longer matters."""
_MIN_LOG_PROBA = float(np.log(1e-30))


@dataclass(frozen=True, eq=False)
class Stack:
    """A log-linear pool: the product of the members' probabilities, each to the power of its weight, with class biases.

    `ensemble_weights` averages probabilities, as suits members that are good at different items. A product suits those
    that see different sides of one item: two that both predict 0.8 give more than 0.8 together. A weight below 1 is for
    a member that is overconfident, or redundant.
    """

    weights: np.ndarray
    bias: np.ndarray

    def predict_log_proba(self, log_proba: Sequence[np.ndarray]) -> np.ndarray:
        """Return the log-probabilities of the pool, float64 (n, n_classes), from those of its members.

        Raises
        ------
        ParameterError
            There is not one array a member, all of one shape, or one holds NaN.

        Examples
        --------
        >>> stack = Stack(np.array([1.0, 1.0]), np.zeros(2))
        >>> np.exp(stack.predict_log_proba([np.log([[0.8, 0.2]])] * 2)).round(3).tolist()
        [[0.941, 0.059]]
        """
        known = _checked(log_proba)
        if known.shape[::2] != (len(self.weights), len(self.bias)):
            raise ParameterError(
                f"log_proba must be of {len(self.weights)} members for {len(self.bias)} classes, got {known.shape[0]} "
                f"for {known.shape[2]}"
            )
        return _pooled(known, self.weights, self.bias)


def fit_stack(oof: Sequence[np.ndarray], targets: np.ndarray, *, ridge: float = RIDGE) -> Stack:
    """Fit weights and biases by penalised maximum likelihood.

    The loss is convex and its penalty strictly so: the solution is unique.

    Raises
    ------
    ParameterError
        There is no member, shapes or targets do not fit, a log-probability is NaN, or the ridge is not above 0.

    References
    ----------
    D. H. Wolpert, Stacked generalization, Neural Networks 5(2), 1992, doi:10.1016/S0893-6080(05)80023-1. G. E. Hinton,
    Training products of experts by minimizing contrastive divergence, Neural Computation 14(8), 2002,
    doi:10.1162/089976602760128018.

    Examples
    --------
    >>> right, wrong = np.log([[0.9, 0.1], [0.1, 0.9]] * 30), np.log([[0.3, 0.7], [0.9, 0.1]] * 30)
    >>> fit_stack([right, wrong], np.array([0, 1] * 30)).weights.round(2).tolist()
    [1.27, 0.0]
    >>> fit_stack([right[:0], wrong[:0]], np.zeros(0, int)).weights.tolist()
    [0.5, 0.5]
    """
    known, truth = _checked(oof), np.asarray(targets, int)
    _check(known, truth, ridge)
    count, _, n_classes = known.shape
    start = np.concatenate([np.full(count, 1 / count), np.zeros(n_classes)])
    found = _minimise(known, np.eye(n_classes)[truth], start, ridge) if len(truth) else start
    return Stack(found[:count], found[count:])


def choose_by_oof(manifest: Manifest, results: Mapping[str, Sequence[FoldResult]]) -> tuple[str, ...]:
    """Return the name of the estimator with the best out-of-fold predictions, one a fold."""
    n_folds = len(next(iter(results.values())))
    return tuple(
        max(results, key=lambda name: oof_merit(manifest, results[name][fold])) for fold in range(n_folds)
    )


def oof_merit(manifest: Manifest, result: FoldResult) -> tuple[float, float]:
    """Return the accuracy of the out-of-fold predictions, and as the tie-break their mean log-likelihood."""
    if not len(result.oof.indices):
        return -1.0, 0.0
    log_proba, targets = result.oof.log_proba, targets_of(manifest, result.oof.indices)
    right = log_proba.argmax(axis=1) == targets
    return float(right.mean()), float(log_proba[np.arange(len(targets)), targets].mean())


def stack_folds(manifest: Manifest, members: Sequence[Sequence[FoldResult]]) -> tuple[ItemPredictions, ...]:
    """Return the predictions of a stack, one a fold, for the items that all members have predicted."""
    stacked = []
    for results in zip(*members, strict=True):
        train, test = _common([one.oof for one in results]), _common([one.test for one in results])
        stack = fit_stack([one.oof.of(train) for one in results], targets_of(manifest, train))
        log_proba = stack.predict_log_proba([one.test.of(test) for one in results])
        stacked.append(ItemPredictions(test, log_proba))
    return tuple(stacked)


def targets_of(manifest: Manifest, indices: np.ndarray) -> np.ndarray:
    """Return the class of items whose label is known, by index in the manifest's classes: int (n,)."""
    labels = manifest.labels[indices].astype(str)
    return np.searchsorted(np.array(manifest.classes), labels)


def _common(predictions: Sequence[ItemPredictions]) -> np.ndarray:
    return functools.reduce(np.intersect1d, [one.indices for one in predictions])


def _minimise(known: np.ndarray, truth: np.ndarray, start: np.ndarray, ridge: float) -> np.ndarray:
    """Return weights and biases of the least loss; the penalty is on the distance from `start`."""
    from scipy.optimize import minimize

    count = len(known)

    def loss_and_slope(point: np.ndarray) -> tuple[float, np.ndarray]:
        log_proba = _pooled(known, point[:count], point[count:])
        excess = np.exp(log_proba) - truth
        slope = np.concatenate([np.tensordot(known, excess, 2), excess.sum(axis=0)])
        away = point - start
        return float(ridge / 2 * away @ away - (log_proba * truth).sum()), slope + ridge * away

    bounds = [(0.0, None)] * count + [(None, None)] * (len(start) - count)
    found = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, np.float64)


def _pooled(known: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    totals = np.tensordot(weights, known, 1) + bias
    totals -= totals.max(axis=1, keepdims=True)
    return np.asarray(totals - np.log(np.exp(totals).sum(axis=1, keepdims=True)))


def _checked(log_proba: Sequence[np.ndarray]) -> np.ndarray:
    """Return log-probabilities as one array (n_members, n, n_classes), none below the logarithm of 1e-30."""
    arrays = [np.asarray(one, np.float64) for one in log_proba]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or len(arrays[0].shape) != 2 or not arrays[0].shape[1]:
        raise ParameterError(
            "log_proba must be of one member or more, each (n, n_classes) for the same rows and classes, got "
            f"{', '.join(str(array.shape) for array in arrays) or 'none'}"
        )
    stacked = np.stack(arrays)
    if not (stacked < np.inf).all():
        raise ParameterError("log_proba must not hold NaN or infinity; leave out rows that failed")
    return np.asarray(np.maximum(stacked, _MIN_LOG_PROBA))


def _check(known: np.ndarray, truth: np.ndarray, ridge: float) -> None:
    if truth.shape != known.shape[1:2]:
        raise ParameterError(f"targets must be one for each of {known.shape[1]} rows, got {truth.shape}")
    if len(truth) and not 0 <= truth.min() <= truth.max() < known.shape[2]:
        strange = int(truth.min()) if truth.min() < 0 else int(truth.max())
        raise ParameterError(f"targets must be from 0 to {known.shape[2] - 1}, got {strange}")
    if not 0 < ridge < np.inf:
        raise ParameterError(f"ridge must be a number > 0, got {ridge!r}")
