"""Image classifiers against tabular baselines: the same items, folds, seeds and budget, and what they come to."""

import contextlib
import functools
import itertools
import os
import platform
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from phosphene.converters import MissingExtra, ParameterError
from phosphene.datasets.leaks import find_leaks, require_no_leaks
from phosphene.datasets.manifest import Item, Manifest
from phosphene.datasets.scores import Scores, judge, share_interval
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.splits import SHARES, Split, shares_worth, subset_of
from phosphene.pipeline.strategies.recipe import Recipe
from phosphene.pipeline.tiles.engines import LocalEngine, TaskError
from phosphene.pipeline.tiles.item_map import Progress

from .estimators import (
    BenchmarkData,
    EstimatorSpec,
    PreparedEstimator,
    baseline_packages,
    chosen_specs,
    package_version,
    specs_of,
)
from .fold_results import (
    BenchmarkRun,
    EstimatorRun,
    FoldResult,
    FoldStore,
    ItemPredictions,
    benchmark_folder,
    choose_by_oof,
    items_digest,
    oof_merit,
    stack_folds,
)
from .statistics import (
    Comparison,
    auc_interval,
    bootstrap_interval,
    compare_accuracies,
    compare_aucs,
    compare_by_bootstrap,
    compare_folds,
    folds_interval,
    macro_f1_on,
)
from .summary import (
    BEST_BASELINE,
    CONTROL,
    IMAGES,
    PAIRS,
    STACKED,
    Cost,
    CurvePoint,
    Row,
    SetSummary,
    Side,
    Summary,
    summary_of,
)

FOLDS = 5
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def run_benchmark(
    src: str | Path | Manifest | Sequence[Manifest],
    recipe: Recipe,
    *,
    methods: str | None,
    on_leak: Literal["refuse", "tell"],
    progress: bool,
) -> Summary:
    """Compare estimators, as `phosphene.benchmark` does, without words and pages."""
    begin = time.monotonic()
    missing = [name for name in baseline_packages() if package_version(name) == "none"]
    if missing:
        raise MissingExtra(f"the benchmark needs {', '.join(missing)}: pip install 'phosphene[baselines]'")
    manifests = _manifests(src)
    specs = chosen_specs(specs_of(manifests[0].kind, recipe), methods)
    data = tuple(_data(manifest, recipe, on_leak, progress=progress) for manifest in manifests)
    run = BenchmarkRun(data, specs, FoldStore(benchmark_folder()))
    # All fold results: of networks with their learning curves, of others whole, then the best baseline's curve.
    curves = {IMAGES: SHARES, CONTROL: SHARES}
    _compute(
        run,
        [run.of(d, spec, curves.get(spec.name, SHARES[-1:])) for spec in specs for d in data],
        progress=progress,
    )
    best = best_baseline(run)
    if best is not None:
        _compute(run, [run.of(one, best, SHARES[:-1]) for one in data], progress=progress)
    summary = summarise(run, seconds=time.monotonic() - begin)
    if not run.errors:
        shutil.rmtree(run.store.folder / "work", ignore_errors=True)
    return summary


def _compute(run: BenchmarkRun, runs: Sequence[EstimatorRun], *, progress: bool) -> None:
    waiting = [one for one in runs if one.missing]
    with Progress(total=len(waiting), unit="method", desc="benchmark", shown=progress) as bar:
        for one, outcome in _outcomes(waiting):
            bar.update()
            title = f"{one.data.name}: {one.spec.name}"
            if isinstance(outcome, TaskError):
                run.errors[one.data.name, one.spec.name] = outcome.why
                bar.write(f"{title} failed: {outcome.why}")
            else:
                bar.set_postfix_str(title)


def _outcomes(runs: Sequence[EstimatorRun]) -> Iterator[tuple[EstimatorRun, int | TaskError]]:
    """Compute the runs of each estimator one after the other in a process of its own; one that dies costs one run."""
    by_name: dict[str, list[EstimatorRun]] = {}
    for one in runs:
        by_name.setdefault(one.spec.name, []).append(one)
    for some in by_name.values():
        engine = LocalEngine(1, limit_s=float("inf"), threads=None)
        # One process computes them in their order.
        outcomes = engine.map(compute_missing, [some], where="apart")
        yield from ((one, outcome) for one, (_, outcome) in zip(some, outcomes, strict=True))


def _data(
    manifest: Manifest, recipe: Recipe, on_leak: Literal["refuse", "tell"], *, progress: bool
) -> BenchmarkData:
    split = manifest if manifest.is_split else manifest.with_folds(FOLDS, seed=recipe.seed)
    splits = split.splits()
    warnings = require_no_leaks(find_leaks(manifest, splits), on_leak=on_leak)
    subsets = {
        share: tuple(subset_of(one, split.items, share, seed=recipe.seed) for one in splits)
        for share in SHARES
    }
    return BenchmarkData(split, splits, recipe, items_digest(split), subsets, tuple(warnings), progress)


def _manifests(src: str | Path | Manifest | Sequence[Manifest]) -> tuple[Manifest, ...]:
    if isinstance(src, str | Path):
        src = open_manifest(src)
    manifests = (src,) if isinstance(src, Manifest) else tuple(src)
    if not manifests or len({manifest.kind for manifest in manifests}) > 1:
        raise ParameterError("a benchmark needs one or more manifests of one kind; name data of one kind")
    for manifest in manifests:
        if len(manifest.classes) < 2:
            found = ", ".join(manifest.classes) or "no labels"
            raise ParameterError(
                f"{manifest.name}: a benchmark needs items of two classes or more, found {found}; "
                "lay the files out as one folder a class, or name a CSV with path,label"
            )
    return manifests


def compute_missing(run: EstimatorRun) -> int:
    """Compute the fold results that are missing; return how many.

    It takes the process for its own: tiles and features go to a folder beside the fold results, so that the seconds are
    those from raw files, whatever the user's cache holds; and it ends when the process that started it does.
    """
    _end_with_parent()
    os.environ["PHOSPHENE_CACHE"] = str(run.store.folder / "work")
    missing = run.missing
    if missing:
        with contextlib.suppress(OSError):
            _RESET.write_text("5")
        prepared = run.spec.prepare(run.data)
        run.add_costs(prepared, peak_memory_mib())
        failed = run.data.failed_items(prepared.failures)
        prepared.estimator.expect([run.data.cut.training_set(split, failed=failed) for split in missing])
        # Fits to parts of one split side by side: what is drawn for a split is drawn once.
        for split in sorted(missing, key=lambda split: split.name.partition(",")[0]):
            run.store.results.put(run.key(split), fit_fold(prepared, run.data, split))
        run.add_costs(prepared, peak_memory_mib())
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


def _end_with_parent() -> None:
    """End this process soon after the one that started it is gone, however busy it is."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@dataclass(frozen=True, eq=False)
class ScoredItems:
    """The test items that every estimator has predicted, by fold: by these all are scored."""

    manifest: Manifest
    folds: tuple[np.ndarray, ...]
    n_train: float
    seed: int

    @property
    def n_test(self) -> float:
        """The mean number of items in a fold."""
        return float(np.mean([len(indices) for indices in self.folds]))

    @property
    def items(self) -> list[Item]:
        """All items, fold by fold."""
        return [self.manifest.items[index] for indices in self.folds for index in indices]


@dataclass(frozen=True, eq=False)
class ScoredPredictions:
    """The predictions of one row of the table for the scored items."""

    scored: ScoredItems
    predictions: tuple[ItemPredictions, ...]

    @cached_property
    def folds(self) -> tuple[float, ...]:
        """The score of each fold, by the metric of the protocol."""
        manifest, found = self.scored.manifest, []
        for indices, log_proba in zip(self.scored.folds, self._log_proba_by_fold, strict=True):
            scores = judge([manifest.items[index] for index in indices], log_proba, manifest.classes)
            found.append(scores.metric(manifest.metric))
        return tuple(found)

    @property
    def score(self) -> float:
        """The mean over the folds."""
        return float(np.mean(self.folds))

    @cached_property
    def pooled(self) -> Scores:
        """The scores of the predictions of all folds together."""
        return judge(self.scored.items, self._log_proba, self.scored.manifest.classes)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the score: over folds, or over the items of the only split."""
        scored, metric = self.scored, self.scored.manifest.metric
        if len(self.folds) > 1:
            share = scored.n_test / (scored.n_train + scored.n_test)
            return folds_interval(self.folds, test_share=share, n_test=scored.n_test)
        if metric == "auc":
            return auc_interval(*self._claims)
        if metric == "macro_f1":
            return bootstrap_interval(self._macro_f1, len(self._truth), seed=scored.seed)
        return share_interval(self.score, len(self._truth))

    def compare(self, other: "ScoredPredictions") -> Comparison:
        """Compare with the predictions of another row for the same items."""
        scored, metric = self.scored, self.scored.manifest.metric
        if len(self.folds) > 1:
            return compare_folds(self.folds, other.folds, n_train=scored.n_train, n_test=scored.n_test)
        if metric == "auc":
            claimed, genuine = self._claims
            return compare_aucs(claimed, other._claims[0], genuine)
        if metric == "macro_f1":
            mine, theirs = self._macro_f1, other._macro_f1
            return compare_by_bootstrap(
                lambda indices: mine(indices) - theirs(indices), len(self._truth), seed=scored.seed
            )
        return compare_accuracies(self._predicted == self._truth, other._predicted == other._truth)

    @property
    def _log_proba_by_fold(self) -> list[np.ndarray]:
        return [one.of(indices) for one, indices in zip(self.predictions, self.scored.folds, strict=True)]

    @property
    def _log_proba(self) -> np.ndarray:
        return np.concatenate(self._log_proba_by_fold)

    @cached_property
    def _truth(self) -> np.ndarray:
        """The class of each scored item with a label, -1 for a label that is no class to learn."""
        indices = {name: index for index, name in enumerate(self.scored.manifest.classes)}
        labels = [item.label for item in self.scored.items if item.label is not None]
        return np.array([indices.get(label, -1) for label in labels], int)

    @cached_property
    def _predicted(self) -> np.ndarray:
        known = np.array([item.label is not None for item in self.scored.items], bool)
        return np.asarray(self._log_proba[known].argmax(axis=1))

    @property
    def _claims(self) -> tuple[np.ndarray, np.ndarray]:
        """The log-probability of the claimed class of each claim, and whether the claim is true."""
        classes = list(self.scored.manifest.classes)
        claims = [(index, item) for index, item in enumerate(self.scored.items) if item.claim is not None]
        log_proba = self._log_proba
        claimed = [log_proba[index, classes.index(str(item.claim))] for index, item in claims]
        return np.array(claimed), np.array([item.label == item.claim for _, item in claims], bool)

    @cached_property
    def _macro_f1(self) -> Callable[[np.ndarray], float]:
        n_classes = len(self.scored.manifest.classes)
        return macro_f1_on(self._truth, self._predicted, n_classes=n_classes)


@dataclass(frozen=True, eq=False)
class SetResults:
    """The results of all estimators on one data set; `best` is the baseline with a learning curve."""

    run: BenchmarkRun
    data: BenchmarkData
    best: EstimatorSpec | None

    @cached_property
    def results(self) -> dict[str, list[FoldResult]]:
        """The fold results of each estimator that is done."""
        found = {spec.name: self.run.folds(self.data, spec) for spec in self.run.specs}
        return {name: results for name, results in found.items() if results is not None}

    @cached_property
    def items(self) -> ScoredItems:
        """The items that all of them have predicted."""
        data, results = self.data, self.results.values()
        folds = tuple(
            functools.reduce(
                np.intersect1d, [one[fold].test.indices for one in results], np.unique(split.test)
            )
            for fold, split in enumerate(data.splits)
        )
        n_train = float(np.mean([result.n_train for one in results for result in one]))
        return ScoredItems(data.manifest, folds, n_train, data.recipe.seed)

    @cached_property
    def chosen(self) -> tuple[str, ...]:
        """The best baseline of each fold by out-of-fold predictions; of several sets the best over all of them."""
        sides = {spec.name: spec.side for spec in self.run.specs}
        tables = {name: results for name, results in self.results.items() if sides[name] == "tables"}
        if len(self.run.data) > 1 and self.best and self.best.name in tables:
            tables = {self.best.name: tables[self.best.name]}
        return choose_by_oof(self.data.manifest, tables) if tables else ()

    @cached_property
    def scored(self) -> dict[str, ScoredPredictions]:
        """The scored predictions of each row: of all estimators, the best baseline and the stack."""
        found = {name: self._score(results) for name, results in self.results.items()}
        if self.chosen:
            baseline = [self.results[name][fold] for fold, name in enumerate(self.chosen)]
            found[BEST_BASELINE] = self._score(baseline)
            if IMAGES in self.results:
                stack = stack_folds(self.data.manifest, [self.results[IMAGES], baseline])
                found[STACKED] = ScoredPredictions(self.items, stack)
        return found

    def _score(self, results: Sequence[FoldResult]) -> ScoredPredictions:
        return ScoredPredictions(self.items, tuple(result.test for result in results))

    def rows(self) -> tuple[Row, ...]:
        """Return the rows of the table: images, the best baseline, the stack, then all other estimators."""
        notes = {BEST_BASELINE: {"chosen": list(self.chosen)}}
        made = [
            _row(name, None, self.scored[name], notes=notes.get(name, {}))
            for name in (BEST_BASELINE, STACKED)
            if name in self.scored
        ]
        rows = [self._estimator_row(spec) for spec in self.run.specs]
        first = [row for row in rows if row.method == IMAGES]
        return (*first, *made, *(row for row in rows if row.method != IMAGES))

    def _estimator_row(self, spec: EstimatorSpec) -> Row:
        if spec.name not in self.results:
            error, nan = self.run.errors.get((self.data.name, spec.name), "was not run"), float("nan")
            return Row(spec.name, spec.side, nan, nan, nan, error=error)
        results = self.results[spec.name]
        notes = {"folds": [result.notes for result in results]}
        return _row(spec.name, spec.side, self.scored[spec.name], cost=self._cost(spec, results), notes=notes)

    def _cost(self, spec: EstimatorSpec, results: Sequence[FoldResult]) -> Cost:
        run = self.run.of(self.data, spec)
        n_predicted = sum(len(result.test.indices) for result in results)
        share_s = run.prepare_s / max(len(self.data.manifest), 1)
        return Cost(
            prepare_s=run.prepare_s,
            train_s=sum(result.train_s for result in results),
            predict_s_per_item=share_s + sum(result.test_s for result in results) / max(n_predicted, 1),
            peak_mib=run.own_cost.peak_mib,
            size_bytes=max(result.size_bytes for result in results),
        )

    def curves(self) -> tuple[CurvePoint, ...]:
        """Return the learning curves of images, of the control, and of the best baseline.

        Intervals are corrected as those of whole training sets: subsets of these overlap no more than they do.
        """
        specs = [spec for spec in self.run.specs if spec.name in (IMAGES, CONTROL)]
        specs += [self.best] if self.best else []
        data, points = self.data, []
        shares = shares_worth(data.splits[0], data.manifest.items, SHARES, seed=data.recipe.seed)
        for spec, share in itertools.product(specs, shares):
            if results := self.run.folds(data, spec, share):
                n_items = float(np.mean([result.n_train for result in results]))
                scored = self._score(results)
                points.append(CurvePoint(spec.name, share, n_items, scored.score, *scored.interval))
        return tuple(points)

    def failed(self) -> dict[int, str]:
        """Return the items that some estimator could not read by index, with the first reason."""
        found: dict[int, str] = {}
        for spec in self.run.specs:
            for index, why in self.run.of(self.data, spec).own_cost.failed:
                found.setdefault(index, why)
        return dict(sorted(found.items()))

    def summary(self) -> SetSummary:
        """Return what was found on this data set."""
        manifest, scored, n_failed = self.data.manifest, self.scored, len(self.failed())
        warnings = list(self.data.warnings)
        if n_failed:
            warnings.append(
                f"excluded for all, as some method cannot read them: {n_failed} of {len(manifest)} items"
            )
        return SetSummary(
            name=self.data.name,
            metric=manifest.metric,
            n_items=len(manifest),
            n_classes=len(manifest.classes),
            rows=self.rows(),
            curves=self.curves(),
            tests={(a, b): scored[a].compare(scored[b]) for a, b in PAIRS if a in scored and b in scored},
            warnings=tuple(warnings),
        )


def summarise(run: BenchmarkRun, *, seconds: float) -> Summary:
    """Return the summary of a benchmark."""
    best = best_baseline(run)
    results = [SetResults(run, data, best) for data in run.data]
    failed = tuple(
        (str(one.data.manifest.items[index]), why) for one in results for index, why in one.failed().items()
    )
    packages = ("phosphene", "torch", "scikit-learn", *baseline_packages(), "librosa", "lief", "numpy")
    device, seed = f"{os.cpu_count()} cores, {platform.machine()}", str(run.data[0].recipe.seed)
    origin = {"seed": seed, "device": device, **{name: package_version(name) for name in packages}}
    sets = [one.summary() for one in results]
    return summary_of(sets, failed=failed, seconds=seconds, origin=origin)


def best_baseline(run: BenchmarkRun) -> EstimatorSpec | None:
    """Return the baseline with the best out-of-fold predictions on training items, over all folds and sets.

    To choose by the few items of each of many small sets would be a lottery. A baseline that failed on a set comes
    after those that did not.
    """
    tables = [spec for spec in run.specs if spec.side == "tables"]
    merits = {spec.name: _merit(run, spec) for spec in tables}
    best = max(tables, key=lambda spec: merits[spec.name], default=None)
    return best if best and merits[best.name][0] else None


def _merit(run: BenchmarkRun, spec: EstimatorSpec) -> tuple[float, ...]:
    """Return the number of sets on which an estimator is done, and the means over these of its merit."""
    merits = [
        np.mean([oof_merit(data.manifest, result) for result in results], axis=0)
        for data in run.data
        if (results := run.folds(data, spec))
    ]
    return (len(merits), *np.mean(merits, axis=0).tolist()) if merits else (0,)


def _row(
    name: str,
    side: Side | None,
    scored: ScoredPredictions,
    *,
    cost: Cost | None = None,
    notes: dict[str, Any],
) -> Row:
    low, high = scored.interval
    return Row(name, side, scored.score, low, high, scored.folds, scored.pooled, cost, notes=notes)
