"""Accuracy on compiled modules of six projects by the five official folds: the default probe, its controls, and depth.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/binaries.py [RUN...]

Each probe starts from raw files and an empty tile cache, so its seconds hold everything. Random weights stand in for
pretrained ones with three seeds: what is above their row is what the transfer is worth. `depth` pools all views, over
their whole pictures, at one depth alone, for each of the network's; it has no seconds of its own. A row a figure goes
to benchmarks/results/binaries.csv, with commit, versions, device and seed; named runs replace their rows and leave the
rest.
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
from importlib.metadata import version
from pathlib import Path

import numpy as np

from phosphene.converters import default_views
from phosphene.converters.files import atomic_write
from phosphene.converters.views import DEFAULT_VIEWS
from phosphene.datasets import open_protocol
from phosphene.pipeline import Recipe, cross_validate
from phosphene.pipeline.data.manifest import Manifest
from phosphene.pipeline.data.render import render
from phosphene.pipeline.evaluation.metrics import judge
from phosphene.pipeline.models.backbones import Backbone, load_backbone
from phosphene.pipeline.models.frozen import freeze
from phosphene.pipeline.models.heads import fit_head

RESULTS = Path(__file__).parents[1] / "results" / "binaries.csv"
SEEDS = (0, 1, 2)
PACKAGES = ("phosphene", "torch", "timm", "numpy")
VIEWS = {
    "probe": None,
    "bytes-only": "grid(width_rule=nataraj),bigram,bigram(distance=2),bigram(distance=4)",
    "text-only": "text",
}
"""Probes by name: the default views, those without a view of text, and the text alone."""
CONTROLS = {"control": "probe"}
RUNS = (*VIEWS, *CONTROLS, "depth")

Row = dict[str, str]


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds binaries/")
    wanted = sys.argv[1:] or RUNS
    unknown = sorted(set(wanted) - set(RUNS))
    if unknown:
        sys.exit(f"no run is called {unknown[0]!r}; there are {', '.join(RUNS)}")
    rows = {_key(row): row for row in _old_rows()}
    for name in wanted:
        for row in _measure(name):
            rows[_key(row)] = row
            print(row, flush=True)
            _write(list(rows.values()))


def _measure(name: str) -> Iterator[Row]:
    """Yield the rows of a run."""
    manifest = open_protocol("binaries", Path(os.environ["PHOSPHENE_DATA"]))
    if name == "depth":
        yield from _depths(manifest, "pretrained")
        yield from _depths(manifest, "random")
    elif name in CONTROLS:
        for seed in SEEDS:
            with _random_weights(seed) as weights:
                recipe = Recipe(views=VIEWS[CONTROLS[name]], weights=weights, seed=seed)
                yield _probe(name, manifest, recipe, "random")
    else:
        yield _probe(name, manifest, Recipe(views=VIEWS[name]), "pretrained")


def _probe(name: str, manifest: Manifest, recipe: Recipe, weights: str) -> Row:
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PHOSPHENE_CACHE"] = cache
        done = cross_validate(manifest, recipe, progress=False)
    figures = {"metric": done.metric, "score": done.score, "accuracy": done.accuracy}
    figures |= {"macro_f1": done.macro_f1, "seconds": f"{done.seconds:.1f}"}
    return _row(name, recipe, weights, figures)


def _depths(manifest: Manifest, weights: str) -> Iterator[Row]:
    """Yield the accuracy of a head on one depth after another."""
    backbone = load_backbone(pretrained=weights == "pretrained")
    tables = _features(manifest, backbone)
    for tap, table in zip(backbone.taps, tables, strict=True):
        scores = [_judge(manifest, table, *split) for split in _splits(manifest)]
        accuracy, macro_f1 = np.mean(scores, axis=0)
        score = accuracy if manifest.metric == "accuracy" else macro_f1
        figures = {"metric": manifest.metric, "score": score, "accuracy": accuracy, "macro_f1": macro_f1}
        yield _row("depth", Recipe(), weights, {"depth": tap, **figures, "seconds": ""})


def _features(manifest: Manifest, backbone: Backbone) -> list[np.ndarray]:
    """Return float32 (n_items, n_features) for each depth, of the default views side by side."""
    tiles = render(manifest.items, default_views("binary"), progress=False)
    frozen = freeze(backbone, backbone.taps)
    views = [frozen.pooled(tiles.pixels(tiles.drawn, view)) for view in range(len(tiles.views))]
    return [
        np.concatenate([one.reshape(len(one), -1) for one in taps], 1) for taps in zip(*views, strict=True)
    ]


def _splits(manifest: Manifest) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(split.train, split.test) for split in manifest.splits()]


def _judge(manifest: Manifest, table: np.ndarray, train: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """Return accuracy and macro-F1 of a fold."""
    targets = np.searchsorted(manifest.classes, manifest.labels.astype(str))
    bonds = [item.bond or f"#{place}" for place, item in enumerate(manifest.items)]
    groups = np.unique(bonds, return_inverse=True)[1]
    head = fit_head(table[train], targets[train], groups[train])
    scores = judge([manifest.items[at] for at in test], head.log_probabilities(table[test]), manifest.classes)
    return scores.accuracy, scores.macro_f1


@contextmanager
def _random_weights(seed: int) -> Iterator[Path]:
    """Give a file of random weights."""
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(seed)
    network = timm.create_model(f"tf_{Recipe().arch}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        save_file(network.state_dict(), path)
        yield path


def _row(name: str, recipe: Recipe, weights: str, figures: dict[str, object]) -> Row:
    told = {key: f"{value:.4f}" if isinstance(value, float) else str(value) for key, value in figures.items()}
    return {
        "set": "binaries",
        "run": name,
        "views": recipe.views or DEFAULT_VIEWS["binary"],
        "strategy": recipe.strategy,
        "arch": recipe.arch,
        "weights": weights,
        "seed": str(recipe.seed),
        "depth": "default",
        **told,
        "commit": _commit(),
        "device": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": ";".join(f"{package}={version(package)}" for package in PACKAGES),
    }


def _key(row: Row) -> tuple[str, ...]:
    return row["run"], row["weights"], row["depth"], row["seed"]


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def _old_rows() -> list[Row]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))


def _write(rows: list[Row]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    with atomic_write(RESULTS) as file:
        file.write(text.getvalue().encode())


if __name__ == "__main__":
    main()
