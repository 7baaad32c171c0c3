"""Accuracy on the real data sets, by official folds and splits.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/run.py [RUN] [SET]

RUN is one of those below, SET the beginning of a set's name; without them everything is run that has no row of this
commit yet, so that an interrupted run goes on; sets that are not in the folder are left out. Every run has an empty
tile cache: its seconds hold everything from raw file to figure. Rows go to benchmarks/results/accuracy.csv, with
commit, versions, device and seed; what single stages of the network tell of left-out training items goes to depth.csv.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from results import Row, origin, rows_of, write_rows

from phosphene.converters.registry import kinds as known_kinds
from phosphene.datasets import Manifest, open_protocol
from phosphene.pipeline import Recipe, cross_validate
from phosphene.pipeline.classifier.per_split import HABITS_VIEW, KERNEL_VIEWS, PROGRAM_VIEW
from phosphene.pipeline.classifier.training import CrossValidation
from phosphene.pipeline.strategies.recipe import RANDOM

UCR = (
    "ACSF1", "ArrowHead", "Beef", "BeetleFly", "BirdChicken", "Car", "Chinatown", "Coffee", "DodgerLoopDay",
    "ECG200", "FaceFour", "GesturePebbleZ1", "GunPoint", "Ham", "ItalyPowerDemand", "Lightning7", "Meat",
    "MedicalImages", "OliveOil", "OSULeaf", "PickupGestureWiimoteZ", "SwedishLeaf", "Trace", "Wine",
)  # fmt: skip
UCR_LATER = ("Herring", "LargeKitchenAppliances", "PigCVP", "PowerCons")
"""Sets that were not there while most of the views were settled."""
SETS = ("esc10", "binaries", "balabit", *(f"ucr/{name}" for name in (*UCR, *UCR_LATER)))
PACKAGES = ("phosphene", "torch", "timm", "numpy")
SEEDS = (0, 1, 2)
RESAMPLES = range(30)


@dataclass(frozen=True)
class Run:
    """One set by one recipe.

    Parameters
    ----------
    name
        `probe`, the default; `random`, the same with random weights, which shows what the transfer is worth; others
        say what they do besides.
    data
        The protocol.
    recipe
        What is done.
    split
        `official`, or `resample N`.
    """

    name: str
    data: str
    recipe: Recipe
    split: str = "official"

    @property
    def key(self) -> tuple[str, ...]:
        """What tells its row from others."""
        return self.name, self.data, self.split, str(self.recipe.seed)


def runs() -> Iterator[Run]:
    """List everything that is measured."""
    probe = Recipe(strategy="probe")
    for data in SETS:
        yield Run("probe", data, probe)
    for name, weights in (("resamples", None), ("random resamples", RANDOM)):
        for seed in RESAMPLES:
            yield Run(name, "ucr/OliveOil", replace(probe, weights=weights), f"resample {seed}")
    for data in SETS:
        for seed in SEEDS if data != "balabit" else SEEDS[:1]:
            yield Run("random", data, replace(probe, weights=RANDOM, seed=seed))
    yield Run("copies", "esc10", replace(probe, augment="default"))
    for data in ("esc10", *(f"ucr/{name}" for name in UCR_LATER)):
        arch = "efficientnet_lite0,efficientnet_lite1,efficientnet_lite2"
        yield Run("three networks", data, replace(probe, arch=arch))


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/, ucr/, balabit/ and binaries/")
    folder = Path(os.environ["PHOSPHENE_DATA"])
    wanted, beginning = (*sys.argv[1:], "", "")[:2]
    for run in runs():
        if wanted in ("", "all", run.name) and run.data.startswith(beginning) and not _is_done(run):
            if not (folder / run.data).is_dir():
                print(f"{run.data} is not in {folder}; left out")
                continue
            done = _measure(run)
            row = _row(run, done)
            print(", ".join(row.values()), flush=True)
            _keep("accuracy", run, [row])
            _keep("depth", run, _depths(run, done))


def _is_done(run: Run) -> bool:
    wanted = (*run.key, _views(run), origin(PACKAGES)["commit"])
    names = ("run", "set", "split", "seed", "views", "commit")
    return wanted in [tuple(row[name] for name in names) for row in rows_of("accuracy")]


def _measure(run: Run) -> CrossValidation:
    manifest = open_protocol(run.data, Path(os.environ["PHOSPHENE_DATA"]))
    if run.split != "official":
        manifest = resampled(manifest, run.recipe.seed + int(run.split.split()[1]))
    with tempfile.TemporaryDirectory() as cache:
        os.environ["PHOSPHENE_CACHE"] = cache
        return cross_validate(manifest, run.recipe, progress=False)


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


def _row(run: Run, done: CrossValidation) -> Row:
    return (
        _told(run)
        | {
            "metric": done.metric,
            "score": f"{done.score:.4f}",
            "accuracy": f"{done.accuracy:.4f}",
            "macro_f1": f"{done.macro_f1:.4f}",
            "seconds": f"{done.seconds:.1f}",
        }
        | origin(PACKAGES)
    )


def _depths(run: Run, done: CrossValidation) -> list[Row]:
    """Return what single stages tell, and what they weigh in the mixture, as means over the folds."""
    notes = [fold.notes for fold in done.folds if "oof_accuracy" in fold.notes]
    if not notes or run.split != "official":
        return []
    return [
        _told(run)
        | {
            "depth": str(depth),
            "stage": stage,
            "left_out_accuracy": f"{np.mean([note['oof_accuracy'][stage] for note in notes]):.4f}",
            "share": f"{np.mean([_share(note['layer_weights'], stage) for note in notes]):.3f}",
            "commit": origin(PACKAGES)["commit"],
        }
        for depth, stage in enumerate(notes[0]["oof_accuracy"])
    ]


def _share(shares: dict[str, float], stage: str) -> float:
    """Return what a stage weighs, pooled either way."""
    return sum(share for source, share in shares.items() if source.split()[0] == stage)


def _told(run: Run) -> Row:
    recipe = run.recipe
    return {
        "run": run.name,
        "set": run.data,
        "split": run.split,
        "seed": str(recipe.seed),
        "views": _views(run),
        "strategy": recipe.strategy,
        "arch": recipe.arch,
        "weights": "random" if recipe.weights == RANDOM else "pretrained",
    }


def _views(run: Run) -> str:
    kind = {"esc10": "audio", "binaries": "binary", "balabit": "mouse"}.get(run.data, "series")
    beside = {"series": KERNEL_VIEWS, "binary": PROGRAM_VIEW, "mouse": HABITS_VIEW}.get(kind)
    return run.recipe.views or ",".join(filter(None, [known_kinds()[kind].views, beside]))


def _keep(table: str, run: Run, rows: list[Row]) -> None:
    """Write the rows of a run in the place of its former ones."""
    others = [
        r for r in rows_of(table) if tuple(r[name] for name in ("run", "set", "split", "seed")) != run.key
    ]
    if others or rows:
        write_rows(table, [*others, *rows])


if __name__ == "__main__":
    main()
