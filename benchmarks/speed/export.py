"""A classifier as one ONNX file, by ONNX Runtime, against PyTorch, from tiles to probabilities, one thread.

    python benchmarks/speed/export.py

Tiles are 224 x 224, mel of synthetic sounds, 16 at a time. PyTorch is the same graph in eager mode, and the classifier
itself, whose network is fused and cut behind its last layer. Seconds are those of the processor.
"""

import harness  # isort: skip

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from phosphene.datasets import make_synthetic
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.training import train
from phosphene.pipeline.export.networks import ImageShape, graph_of
from phosphene.pipeline.strategies.recipe import Recipe
from phosphene.pipeline.tiles.render import Tiles, render
from phosphene.pipeline.tiles.store import TileStore

WORK = "a classifier as one ONNX file, images to probabilities, 32 tiles"
N_TILES, BATCH, ROUNDS = 32, 16, 9


def cpu_seconds(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def by_runtime(path: Path, pixels: np.ndarray) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    parts = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    return lambda: [session.run(None, {"image": part}) for part in parts]


def by_torch(classifier: Classifier, pixels: np.ndarray) -> Callable[[], object]:
    graph = graph_of(classifier.model, [ImageShape(*pixels.shape[1:], classifier.views[0].cells)]).eval()
    parts = [torch.from_numpy(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]

    def run() -> None:
        with torch.inference_mode():
            for part in parts:
                graph([part])

    return run


def made(folder: Path) -> tuple[Classifier, Tiles]:
    manifest = make_synthetic("audio", folder / "sounds", items_per_class=12)
    recipe = Recipe(views="mel", strategy="probe", windows="none", workers=1)
    classifier = train(manifest, recipe, valid="none", progress=False).classifier
    items = manifest.items[:N_TILES]
    return classifier, render(items, classifier.views, store=TileStore(folder / "tiles"), progress=False)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        classifier, tiles = made(folder)
        exact, small = folder / "exact.onnx", folder / "small.onnx"
        check = [str(item.path) for item in tiles.items]
        print(classifier.export(exact, check=check))
        print(classifier.export(small, check=check, precision="int8"))
        pixels = tiles.pixels(tiles.drawn)
        sides = {
            "ours": by_runtime(exact, pixels),
            "PyTorch eager": by_torch(classifier, pixels),
            "phosphene in PyTorch, fused": lambda: classifier.model.log_probabilities(tiles),
            "the same in int8": by_runtime(small, pixels),
        }
        rounds: dict[str, list[float]] = {side: [] for side in sides}
        for turn in range(ROUNDS + 1):
            for side, call in sides.items():
                taken = cpu_seconds(call)
                if turn:  # the first one is a warm-up
                    rounds[side].append(taken)
    rows = [
        harness.row_of(WORK, peer, list(zip(rounds["ours"], rounds[peer], strict=True)), asked=asked)
        for peer, asked in (
            ("PyTorch eager", 1.0),
            ("phosphene in PyTorch, fused", 0.8),
            ("the same in int8", 0.5),
        )
    ]
    harness.write(rows, packages=("torch", "timm", "onnxruntime"))


if __name__ == "__main__":
    main()
