"""The benchmark as people call it: computed, put into words, and written as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from phosphene.datasets.manifest import Manifest
from phosphene.pipeline.compare.run import run_benchmark
from phosphene.pipeline.compare.summary import Summary
from phosphene.pipeline.strategies.recipe import Recipe

from .page import write_outcome
from .verdict import with_verdicts


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

    Fold results are kept in the user's cache as soon as they are computed: an interrupted run continues.

    Parameters
    ----------
    src
        A folder of class folders, a CSV with `path,label`, an archive, a manifest, or several manifests of one kind.
    recipe
        How classifiers of images are made; None for the defaults.
    methods
        Names of estimators, separated by semicolons, or parts of them; None for all of the kind.
    out
        A folder for the page, the table as CSV and the result as JSON.
    on_leak
        Whether items on both sides of a split end the benchmark, or are reported as warnings.
    progress
        Show bars on standard error.

    Raises
    ------
    MissingExtra
        The packages of the baselines are not installed.
    ParameterError
        Items leak across a split, or there is no such estimator.
    PhospheneError
        Nothing can be read.

    Examples
    --------
    >>> summary = benchmark("recordings/meta.csv", out="report")  # doctest: +SKIP
    >>> print(summary.verdict)  # doctest: +SKIP
    Images are better: ...
    """
    found = run_benchmark(src, recipe or Recipe(), methods=methods, on_leak=on_leak, progress=progress)
    summary = with_verdicts(found)
    if out is not None:
        write_outcome(out, summary)
    return summary
