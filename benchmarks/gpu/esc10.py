"""Accuracy of networks fine-tuned on ESC-10 on a GPU, by its official folds, and features a second of a probe.

    PHOSPHENE_DATA=~/data bash benchmarks/gpu/run.sh
    PHOSPHENE_DATA=~/data python benchmarks/gpu/esc10.py --device cpu --quick     # a dry run: few sounds, an epoch

EfficientNet-Lite0 starts from its published weights, ResNets from random ones unless torchvision's cache holds theirs.
Mixed precision and channels-last are phosphene's own choice for the device. Features of frozen networks are computed by
the CPU, whatever the device.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from timing import Row, device_name, show, versions, write

from phosphene.converters import PhospheneError, default_views
from phosphene.datasets import Manifest, open_protocol
from phosphene.pipeline import Recipe, TileStore, cross_validate, render
from phosphene.pipeline.app.arguments import use_device
from phosphene.pipeline.backbones.backbone import load_backbone
from phosphene.pipeline.backbones.features import Extractor, all_pooled_layers, view_features

NETWORKS = ("efficientnet_lite0", "resnet18", "resnet34", "resnet50")
QUICK_FOLDS, QUICK_ITEMS = ("1", "2"), 20


def rows(manifest: Manifest, *, quick: bool) -> Iterator[Row]:
    """Yield the accuracy of each network, and the rate of features."""
    for arch in NETWORKS[:1] if quick else NETWORKS:
        yield accuracy(manifest, arch, epochs=1 if quick else None)
    yield features(manifest)


def accuracy(manifest: Manifest, arch: str, *, epochs: int | None) -> Row:
    """Fine-tune a network on every fold but one in turn; without published weights at hand all of it is trained."""
    begin, weights = time.monotonic(), "published"
    try:
        load_backbone(arch)
        recipe = Recipe(strategy="finetune", arch=arch, epochs=epochs)
    except PhospheneError:
        recipe, weights = Recipe(strategy="scratch", arch=arch, epochs=epochs), "random"
    done = cross_validate(manifest, recipe, progress=False)
    folds = ", ".join(f"{fold.scores.accuracy:.3f}" for fold in done.folds)
    note = f"accuracy {done.accuracy:.4f} ({folds}) in {time.monotonic() - begin:.0f} s, {weights} weights"
    return Row(f"{arch}, {recipe.strategy}", "official folds of ESC-10", ours=done.accuracy, note=note)


def features(manifest: Manifest) -> Row:
    """Return the rate of features of EfficientNet-Lite0, all layers pooled, from tiles that are there."""
    backbone = load_backbone("efficientnet_lite0")
    with tempfile.TemporaryDirectory() as folder:
        tiles = render(manifest.items, default_views("audio"), store=TileStore(Path(folder)), progress=False)
        extractor = Extractor(backbone, all_pooled_layers(backbone))
        view_features(extractor, tiles, tiles.drawn[:8], progress=False)  # warms up
        begin = time.monotonic()
        view_features(extractor, tiles, progress=False)
        rate = len(tiles.drawn) * len(tiles.views) / (time.monotonic() - begin)
    note = f"{rate:.0f} tiles/s, by the CPU"
    return Row(
        "features of efficientnet_lite0, all layers pooled", "none", ours=rate, unit="tiles/s", note=note
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--quick", action="store_true", help="some sounds of two folds, one network, one epoch"
    )
    options = parser.parse_args()
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/")
    use_device(options.device)
    device = torch.device(options.device)
    print(f"{device_name(device)}; {versions()}", flush=True)
    manifest = open_protocol("esc10", Path(os.environ["PHOSPHENE_DATA"]))
    if options.quick:
        few = [
            item
            for fold in QUICK_FOLDS
            for item in [one for one in manifest.items if one.fold == fold][:QUICK_ITEMS]
        ]
        manifest = replace(manifest, items=tuple(few))
    found = []
    for row in rows(manifest, quick=options.quick):
        print(show(row), flush=True)
        found.append(row)
        path = write(found, device=device, name="gpu_esc10")  # what was measured stays where time runs out
    print(f"written: {path}")


if __name__ == "__main__":
    main()
