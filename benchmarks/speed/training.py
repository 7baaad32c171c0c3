"""Epochs of training against plain fastai, as its documentation shows it, and the loader against the network.

    python benchmarks/speed/training.py
    python benchmarks/speed/training.py --items 64 --rounds 1     # a dry run

Plain fastai works in a process of its own, since how memory is kept is decided for a whole process: it reads the same
tiles as PNG files by `ImageDataLoaders.from_folder` and trains the same network by `vision_learner`, all else as it
comes. Both sides take all cores, in turns, an epoch at a time, all layers, with the pass over the validation part.
"""

import os

_cores = str(len(os.sched_getaffinity(0)))
for _pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{_pool}_NUM_THREADS"] = _cores

import argparse
import multiprocessing
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, row_of, write

from phosphene.converters import make
from phosphene.datasets import make_synthetic, open_manifest
from phosphene.pipeline import TileStore, render

# The name by which phosphene and by which fastai knows a network, and the ratio that was asked.
NETWORKS = (("efficientnet_lite0", "tf_efficientnet_lite0", 3.3), ("resnet18", "resnet18", 2.4))
ASKED_LOADER = 10.0
VALID = 0.125
BATCH = 64  # plain fastai's, which leaves out a last batch that is not full


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=256, help="to learn from, whole batches of 64")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--network", choices=[name for name, _, _ in NETWORKS])
    parser.add_argument("--write", action="store_true", help="put the rows into results/speed.csv")
    options = parser.parse_args()
    if options.items % BATCH:
        parser.error(f"--items must be a multiple of {BATCH}, got {options.items}")
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), options.items)
        for name, other_name, asked in NETWORKS:
            if options.network in (None, name):
                for row in work.rows(name, other_name, asked, options.rounds):
                    if options.write:
                        write([row], packages=("torch", "fastai", "timm"))


class Work:
    """Tiles of synthetic series, in a store and as PNG files in folders of classes."""

    def __init__(self, folder: Path, count: int) -> None:
        from PIL import Image

        total = round(count * (1 + VALID))
        make_synthetic("series", folder / "raw", items_per_class=-(-total // 3), seed=0)
        self.manifest = open_manifest(folder / "raw")
        views = [make("gasf", size=224)]
        self.tiles = render(self.manifest.items, views, store=TileStore(folder / "tiles"), progress=False)
        order = np.random.default_rng(0).permutation(len(self.manifest))[:total]
        self.train, self.valid = order[:count], order[count:]
        self.pictures = folder / "pictures"
        for part, places in (("train", self.train), ("valid", self.valid)):
            for place in places:
                target = self.pictures / part / str(self.manifest.labels[place])
                target.mkdir(parents=True, exist_ok=True)
                Image.fromarray(self.tiles.tile(int(place))[:, :, 0]).save(target / f"{place}.png")

    def rows(self, name: str, other_name: str, asked: float, rounds: int) -> Iterator[Row]:
        """Compare a network's epochs, its loader with the network, and the accuracies that are reached."""
        with plain_fastai(self.pictures, other_name) as plain:
            ours = Ours(self, name)
            ours.epoch(), plain()
            pairs = [(ours.epoch(), plain()) for _ in range(rounds)]
            threads = f"{_cores} threads, {len(self.train)} tiles of 224 x 224"
            yield row_of(f"{name}: an epoch of training, {threads}", "plain fastai", pairs, asked=asked)
        loading = [(ours.loading(), ours.epoch()) for _ in range(rounds)]
        yield row_of(
            f"{name}: tiles to batches, {threads}", "an epoch of its training", loading, asked=ASKED_LOADER
        )


class Ours:
    """A network that learns by phosphene's loaders and learner, an epoch at a time."""

    def __init__(self, work: Work, name: str) -> None:
        from phosphene.pipeline.backbones.backbone import load_backbone
        from phosphene.pipeline.networks.learners import learner
        from phosphene.pipeline.tiles.loaders import tile_loaders

        backbone = load_backbone(name, pretrained=False)
        self.dls = tile_loaders(
            work.tiles, work.manifest.labels, work.train, work.valid,
            size=backbone.size, mean=backbone.mean, std=backbone.std,
        )  # fmt: skip
        self.learn = learner(self.dls, backbone)
        self.learn.unfreeze()

    def epoch(self) -> float:
        return epoch_s(self.learn)

    def loading(self) -> float:
        """Return the seconds that the batches of one epoch take, of both parts, as the network gets them."""
        start = time.perf_counter()
        for loader in self.dls.loaders:
            for _ in loader:
                pass
        return time.perf_counter() - start


def epoch_s(learn: Any) -> float:
    """Return the seconds of one epoch."""
    with learn.no_bar(), learn.no_logging():
        start = time.perf_counter()
        learn.fit_one_cycle(1)
        return time.perf_counter() - start


@contextmanager
def plain_fastai(pictures: Path, name: str) -> Iterator[Callable[[], float]]:
    """Give a function that trains one epoch in another process and returns its seconds."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, pictures, name))
    process.start()
    there.close()  # so that the end of the other process is seen

    def epoch() -> float:
        here.send("epoch")
        return float(here.recv())

    try:
        yield epoch
    finally:
        here.send("end")
        process.join()


def _serve(asked: Connection, pictures: Path, name: str) -> None:
    """Train by fastai alone; nothing of phosphene's is called here."""
    warnings.simplefilter("ignore")
    from fastai.vision.all import ImageDataLoaders, resnet18, vision_learner

    dls = ImageDataLoaders.from_folder(pictures, train="train", valid="valid")
    learn = vision_learner(dls, resnet18 if name == "resnet18" else name, pretrained=False)
    learn.unfreeze()
    while asked.recv() == "epoch":
        asked.send(epoch_s(learn))


if __name__ == "__main__":
    sys.exit(main())
