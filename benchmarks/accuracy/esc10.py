"""Accuracy on ESC-10 by its five official folds: the default probe, its controls, and what does better at a price.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/esc10.py [RUN...]

Each run starts from raw files and an empty tile cache, so its seconds hold everything. Random weights stand in for
pretrained ones with three seeds: what is above their row is what the transfer is worth. A row a run goes to
benchmarks/results/esc10.csv, with commit, versions, device and seed; named runs replace their rows and leave the rest.
"""

import csv
import io
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from phosphene.converters.files import atomic_write
from phosphene.converters.views import DEFAULT_VIEWS
from phosphene.datasets import open_protocol
from phosphene.pipeline import Recipe, cross_validate
from phosphene.pipeline.models.training import CrossValidation

RESULTS = Path(__file__).parents[1] / "results" / "esc10.csv"
SEEDS = (0, 1, 2)
LOUDEST = "mel,mel(duration_s=1,keep=loudest)"
PACKAGES = ("phosphene", "torch", "timm", "numpy")


@dataclass(frozen=True)
class Run:
    """A recipe, and whether its network starts from the published weights.

    Parameters
    ----------
    name
        By which it is asked for; runs that differ in the seed alone share it.
    recipe
        What is done.
    weights
        `pretrained`, or `random` ones drawn from the recipe's seed.
    """

    name: str
    recipe: Recipe
    weights: str = "pretrained"


RUNS = (
    Run("probe", Recipe()),
    *(Run("control", Recipe(seed=seed), "random") for seed in SEEDS),
    Run("one-view", Recipe(views="mel")),
    Run("loudest", Recipe(views=LOUDEST)),
    *(Run("one-view-control", Recipe(views="mel", seed=seed), "random") for seed in SEEDS),
)


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/")
    wanted = sys.argv[1:]
    unknown = sorted(set(wanted) - {run.name for run in RUNS})
    if unknown:
        sys.exit(
            f"no run is called {unknown[0]!r}; there are {', '.join(dict.fromkeys(run.name for run in RUNS))}"
        )
    rows = {_key(row): row for row in _old_rows()}
    for run in RUNS:
        if not wanted or run.name in wanted:
            row = _row(run, _measure(run))
            rows[_key(row)] = row
            print(row, flush=True)
            _write(list(rows.values()))


def _measure(run: Run) -> CrossValidation:
    data = Path(os.environ["PHOSPHENE_DATA"])
    with tempfile.TemporaryDirectory() as cache, _weights(run) as weights:
        os.environ["PHOSPHENE_CACHE"] = cache
        return cross_validate(
            open_protocol("esc10", data), replace(run.recipe, weights=weights), progress=False
        )


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


def _row(run: Run, done: CrossValidation) -> dict[str, str]:
    recipe = run.recipe
    return {
        "set": "esc10",
        "run": run.name,
        "views": recipe.views or DEFAULT_VIEWS["audio"],
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


def _key(row: dict[str, str]) -> tuple[str, str]:
    return row["run"], row["seed"]


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
