"""Images a second that networks learn from on a GPU: from tiles, from synthetic tensors, and by plain fastai.

    bash benchmarks/gpu/run.sh
    python benchmarks/gpu/training.py --device cpu --quick     # a dry run, of a few small tiles

Tiles come from a store that was filled before, as in `phosphene train`; mixed precision and channels-last are
phosphene's own choice for the device. Synthetic tensors lie on the device already, as many as an epoch has, and are
learned from by the same trainer: no loader could do better. Plain fastai reads the same tiles as PNG files, all else as
it comes.
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))
from timing import Row, Side, compare, device_name, show, table, versions, write

NETWORKS = ("resnet18", "resnet34", "resnet50")
BATCH = 64


class Bench:
    """What the rows share.

    Parameters
    ----------
    device
        Where.
    quick
        A few small tiles and one network, to see that it runs.
    folder
        For raw files, tiles and pictures.
    """

    def __init__(self, device: torch.device, *, quick: bool, folder: Path) -> None:
        from phosphene.converters import make
        from phosphene.datasets import make_synthetic, open_manifest
        from phosphene.pipeline import TileStore, render

        self.device, self.folder = device, folder
        self.rounds, self.count, self.size = (1, BATCH, 32) if quick else (3, 32 * BATCH, 224)
        self.networks = NETWORKS[:1] if quick else NETWORKS
        make_synthetic("series", folder / "raw", items_per_class=-(-(self.count + 8) // 3), seed=0)
        self.manifest = open_manifest(folder / "raw")
        views, store = [make("gasf", size=self.size)], TileStore(folder / "tiles")
        self.tiles = render(self.manifest.items, views, store=store, progress=False)
        order = np.random.default_rng(0).permutation(len(self.manifest))
        self.train, self.valid = order[: self.count], order[self.count : self.count + 8]

    def rows(self) -> Iterator[Row]:
        """Compare the rates of every network."""
        for name in self.networks:
            work = f"{name}, an epoch of {self.count} tiles of {self.size} x {self.size}, batches of {BATCH}"
            peers: tuple[tuple[str, Callable[[str], Side], float], ...] = (
                ("the same from synthetic tensors", self.synthetic, 0.9),
                ("plain fastai from PNG files", self.plain, 2.0),
            )
            for peer, prepare, asked in peers:
                yield self._row(work, peer, partial(self.ours, name), partial(prepare, name), asked)

    def _row(
        self, work: str, peer: str, ours: Callable[[], Side], theirs: Callable[[], Side], asked: float
    ) -> Row:
        goal = asked if self.device.type == "cuda" else None
        try:
            return compare(
                work, peer, ours(), theirs(), device=self.device, unit="images/s", rounds=self.rounds, asked=goal,
            )  # fmt: skip
        except Exception as error:  # whatever another package fails with is told in its row
            row = Row(work, peer, asked=goal, note=f"not run: {type(error).__name__}: {error}")
            print(show(row), flush=True)
            return row

    def ours(self, name: str) -> Side:
        """Train by phosphene's loaders and learner."""
        return Side(partial(epoch, self._learner(name)), self.count)

    def synthetic(self, name: str) -> Side:
        """Train by the same learner on tensors that are made already."""
        from phosphene.pipeline.networks.callbacks import DataLoader, DataLoaders

        class Tensors(DataLoader):
            """Gives one batch again and again."""

            def create_batches(self, samps: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
                for _ in range(self.n // self.bs):
                    yield batch

        learn = self._learner(name)
        images, labels = learn.dls.train.one_batch()
        batch = (images.as_subclass(torch.Tensor), labels.as_subclass(torch.Tensor))
        train, valid = (
            Tensors(range(n), bs=min(n, BATCH), device=self.device) for n in (self.count, len(self.valid))
        )
        learn.dls = DataLoaders(train, valid, device=self.device)
        return Side(partial(epoch, learn), self.count)

    def _learner(self, name: str) -> Any:
        from phosphene.pipeline.backbones.backbone import load_backbone
        from phosphene.pipeline.networks.learners import learner
        from phosphene.pipeline.tiles.loaders import tile_loaders

        backbone = load_backbone(name, pretrained=False)
        dls = tile_loaders(
            self.tiles, self.manifest.labels, self.train, self.valid, batch_size=BATCH,
            mean=backbone.mean, std=backbone.std,
        )  # fmt: skip
        learn = learner(dls.to(self.device), backbone)
        learn.unfreeze()
        return learn

    def plain(self, name: str) -> Side:
        """Train as fastai's documentation shows it."""
        from fastai.vision import models
        from fastai.vision.data import ImageDataLoaders
        from fastai.vision.learner import vision_learner
        from PIL import Image

        pictures = self.folder / "pictures"
        for part, places in (("train", self.train), ("valid", self.valid)):
            for place in places:
                path = pictures / part / str(self.manifest.labels[place]) / f"{place}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                if not path.exists():
                    Image.fromarray(self.tiles.tile(int(place))[:, :, 0]).save(path)
        dls = ImageDataLoaders.from_folder(
            pictures, train="train", valid="valid", bs=BATCH, device=self.device
        )
        learn = vision_learner(dls, getattr(models, name), pretrained=False)
        learn.unfreeze()
        return Side(partial(epoch, learn), self.count)


def epoch(learn: Any) -> None:
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="a few small tiles, one network, one round")
    options = parser.parse_args()
    device = torch.empty(0, device=options.device).device
    print(f"{device_name(device)}; {versions()}", flush=True)
    warnings.simplefilter("ignore")  # fastai's own
    try:
        import fastai  # noqa: F401
    except ImportError as error:
        sys.exit(f"training is not measured: {error}")
    with tempfile.TemporaryDirectory() as folder:
        rows = list(Bench(device, quick=options.quick, folder=Path(folder)).rows())
    path = write(rows, device=device, name="gpu_training")
    print(f"\n{table(rows)}\n\nwritten: {path}")


if __name__ == "__main__":
    main()
