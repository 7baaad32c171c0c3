"""Accuracy of the default probe on the UCR sets by the default split, and on resamples of OliveOil.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/ucr.py [probe] [random] [oliveoil]

`probe` and `random` run all sets, with the published weights and with random ones, as a control, of three seeds;
`oliveoil` parts OliveOil anew 30 times, each class as often in training as by default. Rows go to
benchmarks/results/ucr.csv and oliveoil.csv; those of the same views are not run again: delete the files to measure
anew. Each run has an empty tile cache, so its seconds hold everything from raw file to figure.
"""

import csv
import io
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from phosphene.converters.files import atomic_write
from phosphene.converters.views import DEFAULT_VIEWS
from phosphene.datasets import open_protocol
from phosphene.pipeline import Manifest, Recipe, cross_validate

RESULTS = Path(__file__).parents[1] / "results"
ARCH = "efficientnet_lite0"
SETS = (
    "ACSF1", "ArrowHead", "Beef", "BeetleFly", "BirdChicken", "Car", "Chinatown", "Coffee", "DodgerLoopDay",
    "ECG200", "FaceFour", "GesturePebbleZ1", "GunPoint", "Ham", "ItalyPowerDemand", "Lightning7", "Meat",
    "MedicalImages", "OliveOil", "OSULeaf", "PickupGestureWiimoteZ", "SwedishLeaf", "Trace", "Wine",
)  # fmt: skip
RANDOM_SEEDS, RESAMPLES = range(3), range(30)
KEY = ("set", "split", "weights", "seed", "views")
Row = dict[str, str]


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds ucr/")
    parts: dict[str, Callable[[Path], None]] = {"probe": probe, "random": random, "oliveoil": oliveoil}
    for name in sys.argv[1:] or parts:
        parts[name](Path(os.environ["PHOSPHENE_DATA"]))


def probe(data: Path) -> None:
    """Judge the probe with the published weights."""
    for name in SETS:
        _run("ucr", open_protocol(f"ucr/{name}", data), _labels(name))


def random(data: Path) -> None:
    """Judge the probe with random weights."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in RANDOM_SEEDS:
            weights = random_weights(Path(folder), seed)
            for name in SETS:
                labels = _labels(name) | {"weights": "random", "seed": str(seed)}
                _run("ucr", open_protocol(f"ucr/{name}", data), labels, weights=weights)


def oliveoil(data: Path) -> None:
    """Judge the probe on new splits of OliveOil."""
    whole = open_protocol("ucr/OliveOil", data)
    for seed in RESAMPLES:
        _run("oliveoil", resampled(whole, seed), _labels("OliveOil") | {"split": f"resample {seed}"})


def resampled(manifest: Manifest, seed: int) -> Manifest:
    """Part the items anew into as many of each class to learn from, the way that aeon's benchmarks do."""
    rng, labels = np.random.RandomState(seed), manifest.labels.astype(str)
    learned = np.array([item.split == "train" for item in manifest.items])
    chosen = np.zeros(len(manifest), bool)
    for label in manifest.classes:
        places = np.flatnonzero(labels == label)
        rng.shuffle(places)
        chosen[places[: learned[labels == label].sum()]] = True
    sides = np.where(chosen, "train", "test").tolist()
    return replace(
        manifest, items=tuple(replace(i, split=side) for i, side in zip(manifest.items, sides, strict=True))
    )


def random_weights(folder: Path, seed: int) -> Path:
    """Write the weights that the network has before it has learned anything."""
    from safetensors.torch import save_file

    from phosphene.pipeline.models.architectures import load

    path = folder / f"random{seed}.safetensors"
    state = load(ARCH, weights=None, pretrained=False, seed=seed).network.state_dict()
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def _labels(name: str) -> Row:
    return {
        "set": name,
        "split": "default",
        "weights": "published",
        "seed": "0",
        "views": DEFAULT_VIEWS["series"],
        "commit": _commit(),
    }


def _run(table: str, manifest: Manifest, labels: Row, *, weights: Path | None = None) -> None:
    path = RESULTS / f"{table}.csv"
    rows = _rows(path)
    if any(all(row[name] == labels[name] for name in KEY) for row in rows):
        return
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PHOSPHENE_CACHE"] = cache
        done = cross_validate(manifest, Recipe(arch=ARCH, weights=weights), progress=False)
    row = labels | {
        "accuracy": f"{done.accuracy:.4f}",
        "seconds": f"{done.seconds:.1f}",
        "device": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": ";".join(f"{name}={version(name)}" for name in ("phosphene", "torch", "timm", "numpy")),
    }
    print(row, flush=True)
    same = KEY[:4]
    _write(path, [old for old in rows if any(old[name] != row[name] for name in same)] + [row])


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, rows: list[Row]) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    table.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


if __name__ == "__main__":
    main()
