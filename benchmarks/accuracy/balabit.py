"""Whose session it is, on Balabit: the default probe, its views one by one, its control with random weights, depths.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/balabit.py [RUN...]

The score is the protocol's one area under the curve over all 438 labelled sessions. Each run starts from raw files and
an empty tile cache, so its seconds hold everything. What `probe` is above `control`, whose network has random weights
of three seeds, is what the transfer is worth; `depth-K` looks at the K-th of the network's stages alone. A row a run
goes to benchmarks/results/balabit.csv, with commit, versions, device and seed; named runs replace their rows.
"""

import csv
import io
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

from phosphene.converters import default_views
from phosphene.converters.files import atomic_write
from phosphene.datasets import open_protocol
from phosphene.pipeline import Recipe, cross_validate
from phosphene.pipeline.models.training import CrossValidation

RESULTS = Path(__file__).parents[1] / "results" / "balabit.csv"
SEEDS = (0, 1, 2)
N_DEPTHS = 8
VIEWS = tuple(view.spec for view in default_views("mouse"))
PACKAGES = ("phosphene", "torch", "timm", "numpy")


@dataclass(frozen=True)
class Run:
    """A recipe, the weights that its network starts from, and what it is asked for by.

    Parameters
    ----------
    name
        Runs that differ in the seed alone share it.
    recipe
        What is done.
    weights
        `pretrained`, or `random` ones drawn from the recipe's seed.
    depth
        The one stage that is looked at, counted from 1; None for those that the probe chooses.
    """

    name: str
    recipe: Recipe = field(default_factory=Recipe)
    weights: str = "pretrained"
    depth: int | None = None


RUNS = (
    Run("probe"),
    *(Run(f"view-{place}", Recipe(views=spec)) for place, spec in enumerate(VIEWS, 1)),
    *(Run("control", Recipe(seed=seed), "random") for seed in SEEDS),
    *(Run(f"depth-{depth}", depth=depth) for depth in range(1, N_DEPTHS + 1)),
)


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds balabit/")
    wanted, names = sys.argv[1:], list(dict.fromkeys(run.name for run in RUNS))
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        sys.exit(f"no run is called {unknown[0]!r}; there are {', '.join(names)}")
    rows = {(row["run"], row["seed"]): row for row in _old_rows()}
    for run in RUNS:
        if not wanted or run.name in wanted:
            row = _row(run, _measure(run))
            rows[row["run"], row["seed"]] = row
            print(row, flush=True)
            _write(list(rows.values()))


def _measure(run: Run) -> CrossValidation:
    manifest = open_protocol("balabit", Path(os.environ["PHOSPHENE_DATA"]))
    with ExitStack() as stack:
        os.environ["PHOSPHENE_CACHE"] = stack.enter_context(tempfile.TemporaryDirectory())
        weights = stack.enter_context(_weights(run))
        stack.enter_context(_depth(run))
        return cross_validate(manifest, replace(run.recipe, weights=weights), progress=False)


@contextmanager
def _weights(run: Run) -> Iterator[Path | None]:
    """Give a file of random weights where the run asks for it."""
    if run.weights == "pretrained":
        yield run.recipe.weights
        return
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(run.recipe.seed)
    network = timm.create_model(f"tf_{run.recipe.arch}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        save_file(network.state_dict(), path)
        yield path


@contextmanager
def _depth(run: Run) -> Iterator[None]:
    """Let the probe look at one stage alone: no recipe asks for that."""
    if run.depth is None:
        yield
        return
    place = run.depth - 1
    with patch("phosphene.pipeline.models.transfer.middle_taps", lambda taps: (taps[place],)):
        yield


def _row(run: Run, done: CrossValidation) -> dict[str, str]:
    recipe = run.recipe
    return {
        "set": "balabit",
        "run": run.name,
        "views": recipe.views or ",".join(VIEWS),
        "strategy": recipe.strategy,
        "arch": recipe.arch,
        "weights": run.weights,
        "seed": str(recipe.seed),
        "metric": done.metric,
        "score": f"{done.score:.4f}",
        "accuracy": f"{done.accuracy:.4f}",
        "macro_f1": f"{done.macro_f1:.4f}",
        "seconds": f"{done.seconds:.1f}",
        "commit": _commit(),
        "device": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": ";".join(f"{package}={version(package)}" for package in PACKAGES),
    }


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def _old_rows() -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def _write(rows: list[dict[str, str]]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    with atomic_write(RESULTS) as file:
        file.write(text.getvalue().encode())


if __name__ == "__main__":
    main()
