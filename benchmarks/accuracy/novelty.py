"""How well novelty tells items of a class that was left out of training from items of those that were learned.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/novelty.py [SET ...]

Of the first split of each set one class after the other (at most 6) is left out of training; the test items are then
ranked by their novelty, and, as a baseline, by one less the probability of their most probable class. Figures are the
means over the classes left out: the area under the ROC curve (AUROC) of both, and the share of known and of new items
that are flagged as unlike anything learned from. Features are computed once a set. Rows go to
benchmarks/results/novelty.csv.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from results import Row, origin, rows_of, write_rows

from phosphene.datasets import open_protocol
from phosphene.datasets.scores import area_under_curve
from phosphene.datasets.splits import Split
from phosphene.pipeline import Recipe
from phosphene.pipeline.classifier.novelty import NOVEL, Novelty, choose_points
from phosphene.pipeline.classifier.prepare import Prepared, prepare

UCR = (
    "ACSF1", "ArrowHead", "Beef", "Car", "FaceFour", "Lightning7", "Meat", "OliveOil", "OSULeaf", "Trace",
)  # fmt: skip
SETS = ("esc10", "binaries", *(f"ucr/{name}" for name in UCR))
MOST_CLASSES = 6
PACKAGES = ("phosphene", "torch", "timm", "numpy")


@dataclass(frozen=True)
class Figures:
    """Of one class left out: AUROC of novelty and of the baseline, and the shares of known and new items flagged."""

    novelty: float
    max_proba: float
    known_flagged: float
    new_flagged: float


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/, ucr/ and binaries/")
    for name in sys.argv[1:] or SETS:
        begin = time.monotonic()
        found = measure(name)
        means = {field: np.mean([getattr(one, field) for one in found]) for field in vars(found[0])}
        row: Row = {
            "set": name,
            "left_out": f"{len(found)} classes in turn",
            "auroc_novelty": f"{means['novelty']:.4f}",
            "auroc_max_probability": f"{means['max_proba']:.4f}",
            "known_flagged": f"{means['known_flagged']:.4f}",
            "new_flagged": f"{means['new_flagged']:.4f}",
            "seconds": f"{time.monotonic() - begin:.0f}",
        } | origin(PACKAGES)
        print(", ".join(row.values()), flush=True)
        write_rows("novelty", [*(one for one in rows_of("novelty") if one["set"] != name), row])


def measure(name: str) -> list[Figures]:
    """Return the figures of each class that is left out."""
    manifest = open_protocol(name, Path(os.environ["PHOSPHENE_DATA"]))
    if not manifest.is_split:
        manifest = manifest.with_folds(5, seed=0)
    split = manifest.splits()[0]
    table = prepare(manifest, Recipe(strategy="probe"), [split], progress=False)
    return [without(table, split, target) for target in range(min(MOST_CLASSES, len(manifest.classes)))]


def without(table: Prepared, split: Split, target: int) -> Figures:
    """Return the figures with one class left out."""
    learned, source, manifest = table.cut.training_set(split), table.cut.source, table.manifest
    kept = learned.targets != target
    indices, groups = learned.indices[kept], learned.groups[kept]
    targets = np.unique(learned.targets[kept], return_inverse=True)[1]
    fit = table.estimator.fit(indices, targets, groups, n_classes=int(targets.max()) + 1)
    some = choose_points(targets, fit.model.n_features)
    rows = table.features(fit.model, indices[some])
    oof = fit.oof_of_all(len(indices))[some]
    novelty = Novelty.fit(rows, source[indices[some]], manifest.items, groups[some], oof)
    tests = table.cut.indices(split.test)
    outputs = table.estimator.outputs(fit.model, tests, novelty.project)
    items, log_proba = table.cut.average(outputs.log_proba, tests)
    of_items = np.zeros((len(manifest), log_proba.shape[1]))
    of_items[items] = log_proba
    score = novelty(outputs.projected, source[tests], of_items)[0][items]
    new = manifest.labels[items] == manifest.classes[target]
    return Figures(
        area_under_curve(score, new),
        area_under_curve(-log_proba.max(axis=1), new),
        float((score[~new] > NOVEL).mean()),
        float((score[new] > NOVEL).mean()),
    )


if __name__ == "__main__":
    main()
