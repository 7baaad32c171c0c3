"""Image classifiers against tabular baselines: the same items, folds, seeds and budget."""

import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from phosphene.converters import MissingExtra, ParameterError
from phosphene.datasets.leaks import find_leaks, require_no_leaks
from phosphene.datasets.manifest import Manifest
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.subsets import SHARES, subset_of
from phosphene.pipeline.report.page import write_outcome
from phosphene.pipeline.strategies.recipe import Recipe
from phosphene.pipeline.tiles.engines import LocalEngine, TaskError

from .cells import CellStore, cells_folder, items_digest
from .jobs import Job, run_job
from .methods import CONTROL, IMAGES, Method, Setting, chosen_methods, methods_of
from .summarise import best_table, summarise
from .summary import Summary
from .trial import Run, Trial

FOLDS = 5
_EXTRA = ("lightgbm", "aeon", "pycatch22")


def benchmark(
    src: str | Path | Manifest | Sequence[Manifest],
    recipe: Recipe | None = None,
    *,
    methods: str | None = None,
    out: str | Path | None = None,
    on_leak: Literal["refuse", "tell"] = "refuse",
    progress: bool = True,
) -> Summary:
    """Compare image classifiers with tabular baselines.

    What was computed is kept in the user's cache as soon as it is known: an interrupted run goes on where it was.

    Parameters
    ----------
    src
        A folder of class folders, a CSV with `path,label`, an archive, a manifest, or several manifests of one kind.
    recipe
        How classifiers of images are made; None for the defaults.
    methods
        Names of methods, parted by semicolons, or parts of them; None for all of the kind.
    out
        A folder for the page, the table as CSV and the result as JSON.
    on_leak
        Whether items that stand on both sides of a split end the benchmark, or are told with its result.
    progress
        Show bars on standard error.

    Raises
    ------
    MissingExtra
        The packages of the baselines are not installed.
    ParameterError
        Items leak across a split, or there is no such method.
    PhospheneError
        Nothing can be read.

    Examples
    --------
    >>> summary = benchmark("recordings/meta.csv", out="report")  # doctest: +SKIP
    >>> print(summary.verdict)  # doctest: +SKIP
    Images are better: ...
    """
    begin = time.monotonic()
    recipe = recipe or Recipe()
    _require_baselines()
    manifests = _manifests(src)
    chosen = chosen_methods(methods_of(manifests[0].kind, recipe), methods)
    trials = tuple(_trial(manifest, recipe, on_leak, progress=progress) for manifest in manifests)
    store = CellStore(cells_folder())
    run = Run(trials, chosen, store, {})
    _compute(run, progress=progress)
    summary = summarise(run, seconds=time.monotonic() - begin)
    if out is not None:
        write_outcome(out, summary)
    if not run.errors:
        shutil.rmtree(store.folder / "work", ignore_errors=True)
    return summary


def _compute(run: Run, *, progress: bool) -> None:
    """Compute all cells: of networks with their learning curves, of the others whole, then the curves of the best."""
    full, parts = SHARES[-1:], SHARES[:-1]
    first = [
        (trial, method, SHARES if method.name in (IMAGES, CONTROL) else full)
        for method in run.methods
        for trial in run.trials
    ]
    _run(run, first, progress=progress)
    best = best_table(run)
    if best is not None:
        _run(run, [(trial, best, parts) for trial in run.trials], progress=progress)


def _run(run: Run, work: Sequence[tuple[Trial, Method, Sequence[float]]], *, progress: bool) -> None:
    jobs = [(trial, trial.job(method, run.store, shares)) for trial, method, shares in work]
    waiting = [(trial, job) for trial, job in jobs if job.missing]
    with tqdm(total=len(waiting), unit="method", desc="benchmark", disable=None if progress else True) as bar:
        for (trial, job), outcome in _outcomes(waiting):
            bar.update()
            if isinstance(outcome, TaskError):
                run.errors[trial.name, job.method.name] = outcome.why
                bar.write(f"{trial.name}: {job.method.name} failed: {outcome.why}")
            else:
                bar.set_postfix_str(f"{trial.name}: {job.method.name}")


def _outcomes(work: Sequence[tuple[Trial, Job]]) -> Iterator[tuple[tuple[Trial, Job], int | TaskError]]:
    """Run the jobs of each method one after the other in a process of its own; one that dies costs one job."""
    by_method: dict[str, list[tuple[Trial, Job]]] = {}
    for trial, job in work:
        by_method.setdefault(job.method.name, []).append((trial, job))
    for some in by_method.values():
        engine = LocalEngine(1, limit_s=float("inf"), threads=None)
        outcomes = engine.map(run_job, [[job for _, job in some]], where="apart")
        # One process does them in their order.
        yield from ((one, outcome) for one, (_, outcome) in zip(some, outcomes, strict=True))


def _trial(
    manifest: Manifest, recipe: Recipe, on_leak: Literal["refuse", "tell"], *, progress: bool
) -> Trial:
    parted = manifest if manifest.is_split else manifest.with_folds(FOLDS, seed=recipe.seed)
    splits = parted.splits()
    warnings = require_no_leaks(find_leaks(manifest, splits), on_leak=on_leak)
    parts = {
        share: tuple(subset_of(split, parted, share, seed=recipe.seed) for split in splits)
        for share in SHARES
    }
    setting = Setting(parted, splits, recipe, progress)
    return Trial(setting, items_digest(parted), parts, tuple(warnings))


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


def _require_baselines() -> None:
    from importlib.util import find_spec

    missing = [name for name in _EXTRA if find_spec(name) is None]
    if missing:
        raise MissingExtra(f"the benchmark needs {', '.join(missing)}: pip install 'phosphene[baselines]'")
