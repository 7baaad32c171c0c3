"""Image classifiers against tabular baselines: the same items, folds, seeds and budget."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from phosphene.converters import MissingExtra, ParameterError
from phosphene.datasets.leaks import find_leaks, require_no_leaks
from phosphene.datasets.manifest import Manifest
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.splits import SHARES, Split, subset_of
from phosphene.pipeline.strategies.recipe import Recipe
from phosphene.pipeline.tiles.engines import LocalEngine, TaskError
from phosphene.pipeline.tiles.progress import Progress

from .estimators import (
    BenchmarkData,
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
    items_digest,
)
from .results import best_baseline, summarise
from .summary import CONTROL, IMAGES, Summary

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
