"""What every tabulated network is, what it costs, and how fast it is here, for docs/backbones.md.

    python benchmarks/backbones.py [NAME ...]
    python benchmarks/tables.py

Weights are random, for they cost no time. Images are uint8 tiles of one channel, of the size that the network wants.
Features are those of `probe`: pooled maps of all depths of the frozen network. On a CPU the plan by which the network
runs is measured before. A training step is forward, backward and Adam for all layers and a new head of ten classes, in
float32. On a GPU both are done by automatic mixed precision. Each figure is the median of rounds after one to warm up.
A row a network and device goes to benchmarks/results/backbones.csv, in place of an older one; name networks to measure
these alone. With a GPU both devices are measured.
"""

import csv
import datetime
import io
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu.timing import commit, device_name, seconds
from torch.utils.flop_counter import FlopCounterMode

from phosphene.converters.core.files import atomic_write
from phosphene.pipeline.backbones.backbone import (
    Backbone,
    feature_maps,
    input_tensor,
    load_backbone,
    load_network,
)
from phosphene.pipeline.backbones.catalog import TABULATED
from phosphene.pipeline.backbones.frozen import freeze
from phosphene.pipeline.networks.learners import build_model

RESULTS = Path(__file__).parent / "results" / "backbones.csv"
PACKAGES = ("phosphene", "torch", "torchvision", "timm", "numpy")
SEED = 0
BATCH = {"cpu": 16, "cuda": 128}
LEAST_ROUNDS, MOST_ROUNDS, ENOUGH_S = 2, 20, 4.0
N_CLASSES = 10

Work = Callable[[], object]


def main() -> None:
    wanted = sys.argv[1:] or TABULATED
    unknown = sorted({*wanted} - {*TABULATED})
    if unknown:
        sys.exit(f"{unknown[0]} is not tabulated; name some of {', '.join(TABULATED)}")
    devices = [torch.device(kind) for kind in ("cpu", "cuda") if kind == "cpu" or torch.cuda.is_available()]
    for name in wanted:
        for device in devices:
            row = measure(name, device)
            print(row, flush=True)
            write(row)


def measure(name: str, device: torch.device) -> dict[str, str]:
    """Return the row of one network on one device."""
    backbone = load_backbone(name, pretrained=False, seed=SEED)
    batch = BATCH[device.type]
    draw = np.random.default_rng(SEED)
    tiles = draw.integers(0, 256, (batch, backbone.size, backbone.size, 1), dtype=np.uint8)
    return {
        "name": name,
        "device": device.type,
        **size_of(name, backbone),
        "batch": str(batch),
        "features_per_s": f"{batch / median_s(features(backbone, tiles, device), device):.1f}",
        "train_per_s": f"{batch / median_s(step(backbone, tiles, device), device):.1f}",
        "seed": str(SEED),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": device_name(device),
        "threads": str(torch.get_num_threads()),
        "versions": ";".join(f"{package}={version(package)}" for package in PACKAGES),
    }


def size_of(name: str, backbone: Backbone) -> dict[str, str]:
    """Count parameters, with the head of ImageNet and without, and multiply-adds of one image of three colours."""
    network = load_network(name, pretrained=False)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, backbone.size, backbone.size))
    return {
        "parameters": str(_count(network)),
        "body_parameters": str(_count(backbone.body)),
        "multiply_adds": str(counter.get_total_flops() // 2),
        "layers": str(len(backbone.layers)),
    }


def features(backbone: Backbone, tiles: np.ndarray, device: torch.device) -> Work:
    """Return the work of computing the features of a batch of tiles."""
    layers = backbone.layers
    if device.type == "cpu":
        frozen = freeze(backbone, layers)
        return lambda: frozen.pooled(tiles)
    body = backbone.body.to(device)
    images = input_tensor(tiles, backbone).pin_memory()

    def work() -> None:
        with torch.inference_mode(), torch.autocast("cuda"):
            given = images.to(device, non_blocking=True)
            for maps in feature_maps(body, given, layers=layers):
                torch.std_mean(maps, dim=(2, 3), correction=0)
                maps.amax((2, 3))

    return work


def step(backbone: Backbone, tiles: np.ndarray, device: torch.device) -> Work:
    """Return the work of one step of training on a batch of tiles."""
    model: Any = build_model(backbone, n_classes=N_CLASSES, seed=SEED).to(
        device, memory_format=torch.channels_last
    )
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5, foreach=True)
    on_gpu = device.type == "cuda"
    scaler = torch.amp.GradScaler(device.type, enabled=on_gpu)
    targets = (torch.arange(len(tiles)) % N_CLASSES).to(device)

    def work() -> None:
        images = input_tensor(tiles, backbone).to(device)
        with torch.autocast(device.type, enabled=on_gpu):
            loss = torch.nn.functional.cross_entropy(model(images), targets)
        optimiser.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()

    return work


def median_s(work: Work, device: torch.device) -> float:
    """Return the median seconds of a call: of enough rounds, after one to warm up."""
    work()
    rounds: list[float] = []
    begin = time.monotonic()
    while len(rounds) < LEAST_ROUNDS or (len(rounds) < MOST_ROUNDS and time.monotonic() - begin < ENOUGH_S):
        rounds.append(seconds(work, device, 1))
    return statistics.median(rounds)


def write(row: dict[str, str]) -> None:
    """Put a row into the results, in place of an older one of the same network and device."""
    kept = {(old["name"], old["device"]): old for old in _old_rows()}
    kept[row["name"], row["device"]] = row
    order = sorted(kept.values(), key=lambda one: (TABULATED.index(one["name"]), one["device"]))
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(row), restval="", extrasaction="ignore")
    table.writeheader()
    table.writerows(order)
    with atomic_write(RESULTS) as file:
        file.write(text.getvalue().encode())


def _count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _old_rows() -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["name"] in TABULATED]


if __name__ == "__main__":
    main()
