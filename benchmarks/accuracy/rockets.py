"""Accuracy of aeon's MiniRocket and MultiRocket-Hydra on the UCR sets by the default split.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/rockets.py [SET ...]

Needs aeon, and torch for Hydra; phosphene need not be installed beside them, for aeon asks for an older NumPy.
MiniRocket runs with three seeds. The seconds hold fitting and predicting in a warm process on one thread. Rows that
are there are not run again; delete benchmarks/results/rockets.csv to measure anew.

The rockets take neither missing values nor lengths that differ. Missing values are interpolated. Sets of unequal
lengths run once with each series stretched to the longest by linear interpolation, and once with its mean put behind
it; the column `fill` says which.
"""

import csv
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parents[1] / "results" / "rockets.csv"
COLUMNS = ("set", "method", "fill", "seed", "accuracy", "seconds", "commit", "device", "versions")
SETS = (
    "ACSF1", "ArrowHead", "Beef", "BeetleFly", "BirdChicken", "Car", "Chinatown", "Coffee", "DodgerLoopDay",
    "ECG200", "FaceFour", "GesturePebbleZ1", "GunPoint", "Ham", "ItalyPowerDemand", "Lightning7", "Meat",
    "MedicalImages", "OliveOil", "OSULeaf", "PickupGestureWiimoteZ", "SwedishLeaf", "Trace", "Wine",
    "Herring", "LargeKitchenAppliances", "PigCVP", "PowerCons",
)  # fmt: skip
SEEDS = {"minirocket": (0, 1, 2), "multirocket_hydra": (0,)}
Fill = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Labelled:
    """Series of any length, NaN where missing, and a label each."""

    series: list[np.ndarray]
    labels: np.ndarray


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds ucr/")
    folder = Path(os.environ["PHOSPHENE_DATA"]) / "ucr"
    done = _done()
    _warm_up()
    for name in sys.argv[1:] or SETS:
        train, test = (read(folder / name / f"{name}_{part}.tsv") for part in ("TRAIN", "TEST"))
        for fill in fills(train, test):
            for method, seeds in SEEDS.items():
                for seed in seeds:
                    if (name, method, fill, str(seed)) not in done:
                        _note(
                            name, method, fill, seed, *judge(train, test, method=method, fill=fill, seed=seed)
                        )


def _warm_up() -> None:
    """Let the loops be compiled before the clock runs."""
    noise = np.random.default_rng(0).normal(size=(20, 64))
    part = Labelled(list(noise), np.repeat(["a", "b"], 10))
    for method in SEEDS:
        judge(part, part, method=method, fill="none", seed=0)


def read(path: Path) -> Labelled:
    """Read a file of the archive, without the NaN that fill short series up at their end."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
    values = [np.array(row[1:], float) for row in rows]
    series = [row[: np.flatnonzero(~np.isnan(row))[-1] + 1] for row in values]
    return Labelled(series, np.array([row[0] for row in rows]))


def fills(train: Labelled, test: Labelled) -> tuple[str, ...]:
    """Name the ways to bring all series to one length; `none` where they have it."""
    lengths = {len(row) for row in (*train.series, *test.series)}
    return ("none",) if len(lengths) == 1 else tuple(FILLS)


def judge(train: Labelled, test: Labelled, *, method: str, fill: str, seed: int) -> tuple[float, float]:
    """Return the accuracy on the test items, and the seconds for fitting and predicting."""
    length = max(len(row) for row in (*train.series, *test.series))
    inputs, questions = (
        np.stack([_filled(row, length, fill) for row in part.series])[:, None] for part in (train, test)
    )
    classifier = _classifier(method, seed)
    begin = time.monotonic()
    classifier.fit(inputs, train.labels)
    answers = classifier.predict(questions)
    return float((answers == test.labels).mean()), time.monotonic() - begin


def _filled(row: np.ndarray, length: int, fill: str) -> np.ndarray:
    places, present = np.arange(len(row)), ~np.isnan(row)
    whole = np.interp(places, places[present], row[present])
    return whole if fill == "none" else FILLS[fill](whole, length)


def _stretched(row: np.ndarray, length: int) -> np.ndarray:
    return np.interp(np.linspace(0, len(row) - 1, length), np.arange(len(row)), row)


def _padded(row: np.ndarray, length: int) -> np.ndarray:
    return np.pad(row, (0, length - len(row)), constant_values=row.mean())


FILLS: dict[str, Fill] = {"stretched": _stretched, "padded": _padded}


def _classifier(method: str, seed: int):  # noqa: ANN202 - aeon has no types
    from aeon.classification.convolution_based import MiniRocketClassifier, MultiRocketHydraClassifier

    owner = {"minirocket": MiniRocketClassifier, "multirocket_hydra": MultiRocketHydraClassifier}[method]
    return owner(random_state=seed)


def _done() -> set[tuple[str, ...]]:
    if not RESULTS.exists():
        return set()
    with RESULTS.open(newline="") as file:
        return {tuple(row[name] for name in COLUMNS[:4]) for row in csv.DictReader(file)}


def _note(name: str, method: str, fill: str, seed: int, accuracy: float, seconds: float) -> None:
    """Put a row at the end of the table; one written line is whole or not there."""
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    versions = ";".join(
        f"{package}={version(package)}" for package in ("aeon", "torch", "numpy", "scikit-learn")
    )
    device = f"{os.cpu_count()} cores, {platform.machine()}"
    row = (
        name,
        method,
        fill,
        seed,
        f"{accuracy:.4f}",
        f"{seconds:.1f}",
        told.stdout.strip(),
        device,
        versions,
    )
    print(*row, flush=True)
    is_new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as file:
        table = csv.writer(file, lineterminator="\r\n")
        if is_new:
            table.writerow(COLUMNS)
        table.writerow(row)


if __name__ == "__main__":
    main()
