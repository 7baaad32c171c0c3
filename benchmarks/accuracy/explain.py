"""Whether explanations are true, measured on raw signals.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/explain.py [--planted 200] [--items 80]

Planted evidence (a tone burst, a step, clicks, a pattern of bytes) that alone decides the class: how often the first
region found overlaps it by half. Real data: a probe learns from the official training items, or from all folds but the
last, and held-out items are explained: probability without the cells of most importance and with these alone, beside
cells elsewhere; average increase, drop and gain of what suffices, and of a mask of its shape elsewhere; its share of
the cells; queries and seconds of an explanation; rank correlation with the map of shuffled weights. Rows go to
benchmarks/results/explain.csv as each set is done; those of sets that were not run stay.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
from novelty import UCR
from results import Row, origin, rows_of, write_rows

import phosphene as ph
from phosphene.datasets import Item, Manifest, open_protocol
from phosphene.datasets.synthetic import PLANTED, Planted, plant
from phosphene.pipeline.explain.explanation import Explanation, explain
from phosphene.pipeline.explain.faithfulness import (
    SHARES,
    Faithfulness,
    average_change,
    measure,
    shifted,
    shuffled,
    similarity,
)
from phosphene.pipeline.explain.removal import ask, remove

TRAINED_ON = 40
ALONG = {"audio": "time", "series": "sample", "mouse": "event", "binary": "bytes"}
SMALL = {
    "audio": "mel(size=96)",
    "series": "line(size=96,value_range=training),windows(size=96,value_range=training)",
    "mouse": "clicks(size=96),trace(size=96)",
    "binary": "grid(size=96)",
}
SETS = ("esc10", *(f"ucr/{name}" for name in UCR), "balabit", "binaries")
SHUFFLED = 8
"""Items of a set that are explained with shuffled weights besides."""


def planted_rows(kind: str, views: str | None, count: int) -> Iterator[Row]:
    """Explain signals in which something was planted."""
    some = plant(kind, TRAINED_ON, seed=1)
    recipe = ph.Recipe(views=views, windows="none", strategy="probe", workers=1)
    signals, labels = [one.signal for one in some], [one.label for one in some]
    classifier = ph.train(signals, labels, recipe, valid="none", progress=False).classifier
    found = np.array(
        [
            _overlaps(explain(classifier, one.signal, label=PLANTED, sufficient=False), one, ALONG[kind])
            for one in plant(kind, 2 * count, seed=99)[1::2]
        ]
    )
    figures = {
        "overlap >= 0.5": (found[:, 0] >= 0.5).mean(),
        "intersection over union >= 0.5": (found[:, 1] >= 0.5).mean(),
        "mean intersection over union": found[:, 1].mean(),
        "planted stretch covered": found[:, 2].mean(),
    }
    about = {"set": f"planted {kind}", "views": views or "default", "n": str(count)}
    yield from (
        about | {"figure": name, "share": "", "value": f"{value:.3f}"} for name, value in figures.items()
    )


def _overlaps(explanation: Explanation, planted: Planted, quantity: str) -> tuple[float, float, float]:
    """Return what the first region and the planted stretch share: of the shorter, of both together, of the stretch."""
    if not explanation.regions or planted.stretch is None:
        return 0.0, 0.0, 0.0
    spans = explanation.regions[0].region.of(quantity)
    low, high = spans[0].start, spans[-1].stop
    start, stop = planted.stretch
    common = max(0.0, min(high, stop) - max(low, start))
    return (
        common / min(high - low, stop - start),
        common / (max(high, stop) - min(low, start)),
        common / (stop - start),
    )


def real_rows(name: str, manifest: Manifest, learned: Sequence[Item], asked: Sequence[Item]) -> Iterator[Row]:
    """Explain held-out items of a data set, and remove what was named."""
    recipe = ph.Recipe(strategy="probe", workers=1)
    classifier = ph.train(
        replace(manifest, items=tuple(learned)), recipe, valid="none", progress=False
    ).classifier
    unlearned = shuffled(classifier)
    rng = np.random.default_rng(0)
    found, alone, enough, alike = [], [], [], []
    for number, item in enumerate(asked):
        start_s = time.process_time()
        one = explain(classifier, item)
        spent_s = time.process_time() - start_s
        found.append(measure(classifier, one, rng=rng))
        least = one.sufficient
        assert least is not None
        other = remove(one.grid, ~shifted(least.mask, rng))
        elsewhere = float(np.exp(ask(classifier, [other])[0, classifier.classes.index(one.label)]))
        alone.append((one.probability, one.alone, one.without, one.mask.mean()))
        enough.append((least.alone, elsewhere, least.mask.mean(), one.queries, spent_s))
        if number < SHUFFLED:
            alike.append(similarity(one, explain(unlearned, item, label=one.label, sufficient=False)))
    about = {"set": name, "views": "default", "n": str(len(asked))}
    rows = chain(_curve_rows(found), _part_rows(np.array(alone), np.array(enough)))
    yield from (
        about | {"figure": figure, "share": share, "value": f"{value:.{digits}f}"}
        for figure, share, value, digits in rows
    )
    yield about | {
        "figure": "rank correlation, shuffled weights",
        "share": "",
        "value": f"{np.mean(alike):.3f}",
    }


Figure = tuple[str, str, float, int]
"""Name, share of the cells, value, and digits behind its point."""


def _curve_rows(found: Sequence[Faithfulness]) -> Iterator[Figure]:
    """Means over items, cells removed or kept from the most important on."""
    for figure in ("deletion", "insertion", "random_deletion", "random_insertion"):
        curve = np.mean([getattr(one, figure) for one in found], axis=0)
        for share, value in zip(SHARES, curve, strict=True):
            yield figure, f"{share:g}", value, 3
    whole = np.array([one.whole for one in found])
    yield "probability", "1", whole.mean(), 3
    for index, share in enumerate(SHARES):
        for label, curves in (("", "insertion"), ("random ", "random_insertion")):
            changes = average_change(whole, np.array([getattr(one, curves)[index] for one in found]))
            for change, value in changes.items():
                yield f"{label}average {change}", f"{share:g}", value, 1


def _part_rows(regions: np.ndarray, enough: np.ndarray) -> Iterator[Figure]:
    """Means over items of what the regions do alone and without them, and of the least that suffices."""
    size, part = f"{regions[:, 3].mean():.2f}", f"{enough[:, 2].mean():.2f}"
    for change, value in average_change(regions[:, 0], regions[:, 1]).items():
        yield f"regions average {change}", size, value, 1
    for label, column in (("sufficient", 0), ("sufficient elsewhere", 1)):
        for change, value in average_change(regions[:, 0], enough[:, column]).items():
            yield f"{label} average {change}", part, value, 1
    yield "sufficient, median share", "", float(np.median(enough[:, 2])), 3
    yield "queries", "", enough[:, 3].mean(), 0
    yield "CPU seconds", "", enough[:, 4].mean(), 1
    yield "regions deletion", size, regions[:, 2].mean(), 3


def _held_out(name: str, folder: Path, per_class: int, count: int) -> tuple[Manifest, list[Item], list[Item]]:
    """Return a set, items to learn from, and some of those of the test split, or else of the last fold."""
    manifest = open_protocol(name, folder)
    last = max((item.fold or "" for item in manifest.items), key=lambda fold: (len(fold), fold))
    tested = [item.split == "test" if item.split else item.fold == last for item in manifest.items]
    seen: Counter[str | None] = Counter()
    learned, held = [], []
    for item, is_held in zip(manifest.items, tested, strict=True):
        if is_held:
            held.append(item)
        elif seen[item.label] < per_class:
            seen[item.label] += 1
            learned.append(item)
    return manifest, learned, [held[index] for index in np.linspace(0, len(held) - 1, count).astype(int)]


def _written(rows: Sequence[Row], about: Row) -> None:
    """Put rows in the place of those of the same sets and views."""
    done = {(row["set"], row["views"]) for row in rows}
    kept = [row for row in rows_of("explain") if (row["set"], row["views"]) not in done]
    write_rows("explain", [*kept, *(row | about for row in rows)])


def main() -> None:
    """Run all, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planted", type=int, default=200)
    parser.add_argument("--items", type=int, default=80)
    parser.add_argument("--per-class", type=int, default=32)
    parser.add_argument(
        "--views", choices=("both", "small", "default"), default="both", help="of what was planted"
    )
    parser.add_argument("--kinds", nargs="*", default=list(SMALL), choices=list(SMALL), metavar="KIND")
    parser.add_argument(
        "--sets", nargs="*", default=SETS, metavar="NAME", help="protocols that have a test split or folds"
    )
    options = parser.parse_args()
    about = origin(("torch", "timm", "numpy", "scipy"))
    some_views = {"both": (True, False), "small": (True,), "default": (False,)}[options.views]
    for kind in options.kinds:
        for small in some_views:
            rows = list(planted_rows(kind, SMALL[kind] if small else None, options.planted))
            print(*rows, sep="\n", flush=True)
            _written(rows, about)
    for name in options.sets if "PHOSPHENE_DATA" in os.environ else ():
        folder = Path(os.environ["PHOSPHENE_DATA"])
        rows = list(real_rows(name, *_held_out(name, folder, options.per_class, options.items)))
        print(*rows, sep="\n", flush=True)
        _written(rows, about)


if __name__ == "__main__":
    main()
