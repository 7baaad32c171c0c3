"""Features of EfficientNet-Lite0 from tiles, against plain PyTorch, ONNX Runtime and OpenVINO, on all cores.

    PHOSPHENE_DATA=~/data python benchmarks/speed/features.py

Tiles are 224 x 224, grey, of ESC-10 if PHOSPHENE_DATA is set, else of noise. Ours is from tiles to pooled features of
all depths; the peers get float32 images, normalised, outside the clock, and answer with the last feature map, in
float32, and OpenVINO besides in int8 (by NNCF, ranges of 32 of the tiles), which is no form of ours. Plain
PyTorch, eager at batch 64, runs in a process of its own, in turns, since what we tell the allocator holds for a
process. The loader is cached tiles, PNG files, to batches.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))  # before the harness, which sets one

import harness  # isort: skip

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from phosphene.converters import make
from phosphene.datasets.manifest import Item
from phosphene.pipeline.backbones.backbone import Backbone, feature_maps, input_tensor, load_backbone
from phosphene.pipeline.backbones.frozen import Frozen, freeze
from phosphene.pipeline.tiles.render import Tiles, render
from phosphene.pipeline.tiles.store import TileStore

WORK = "features of EfficientNet-Lite0 from tiles, all cores, a tile"
N_TILES, PLAIN_BATCH, ROUNDS = 64, 64, 7

PLAIN = """
import sys, time, torch
from phosphene.pipeline.backbones.backbone import load_network
network = load_network("efficientnet_lite0")
images = torch.randn(int(sys.argv[1]), 3, 224, 224)
with torch.inference_mode():
    network.forward_features(images)
    for line in sys.stdin:
        start = time.perf_counter()
        network.forward_features(images)
        print(time.perf_counter() - start, flush=True)
"""


class Plain:
    """Plain PyTorch in a process that never heard of our settings."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", PLAIN, str(PLAIN_BATCH)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1)

    def __call__(self) -> float:
        """Return the seconds of a tile."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline()) / PLAIN_BATCH

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def real_tiles(folder: Path) -> Tiles:
    """Tiles of ESC-10, or of bytes drawn at random."""
    store = TileStore(folder / "tiles")
    if "PHOSPHENE_DATA" in os.environ:
        files = sorted((harness.data_folder() / "esc10" / "audio").glob("*.ogg"))[:: 400 // N_TILES][:N_TILES]
        return render([Item(file) for file in files], [make("mel")], store=store, progress=False)
    rng = np.random.default_rng(0)
    for place in range(N_TILES):
        (folder / f"{place}.bin").write_bytes(rng.bytes(60_000))
    return render(
        [Item(path) for path in sorted(folder.glob("*.bin"))], [make("grid")], store=store, progress=False
    )


def exported(backbone: Backbone, folder: Path) -> Path:
    """The body as an ONNX file."""
    import warnings

    path = folder / "body.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            backbone.body,
            (torch.zeros(2, 3, 224, 224),),
            str(path),
            dynamo=False,
            input_names=["images"],
            dynamic_axes={"images": {0: "n"}},
        )
    return path


def onnxruntime_calls(path: Path, images: np.ndarray) -> dict[str, Callable[[], object]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return {
        f"onnxruntime, {batch} at a time": lambda batch=batch: [
            session.run(None, {"images": images[start : start + batch]})
            for start in range(0, len(images), batch)
        ]
        for batch in (1, 8, 64)
    }


def openvino_calls(path: Path, images: np.ndarray) -> dict[str, Callable[[], object]]:
    try:
        import openvino
    except ImportError:
        print("openvino is not installed; left out")
        return {}
    model = openvino.Core().read_model(path)
    models = {"openvino": model}
    try:
        import nncf

        ranges = nncf.Dataset([image[None] for image in images[:32]])
        models["openvino in int8"] = nncf.quantize(model, ranges, subset_size=32)
    except ImportError:
        print("nncf is not installed; int8 left out")
    return {f"{name}, 4 at a time": openvino_call(model, images) for name, model in models.items()}


def openvino_call(model: Any, images: np.ndarray) -> Callable[[], object]:
    import openvino

    settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "THROUGHPUT"}
    queue = openvino.AsyncInferQueue(openvino.Core().compile_model(model, "CPU", settings))

    def run() -> None:
        for start in range(0, len(images), 4):
            queue.start_async({0: images[start : start + 4]})
        queue.wait_all()

    return run


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turns(sides: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Seconds of a tile of every side, in turns; the first turn is a warm-up."""
    rounds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(ROUNDS + 1):
        for name, side in sides.items():
            taken = side()
            if turn:
                rounds[name].append(taken)
    return rounds


def say_differences(frozen: Frozen, backbone: Backbone, pixels: np.ndarray) -> None:
    """Say how far the fast form is from the plain one on the tiles."""
    with torch.inference_mode():
        plain = feature_maps(backbone.body, input_tensor(pixels, backbone), layers=frozen.layers)
    for layer, one, other in zip(frozen.layers, frozen.maps(pixels), plain, strict=True):
        share = float((one - other).abs().max() / other.abs().max())
        print(f"{layer}: largest difference from the plain network {share:.1e} of the largest value")


def main() -> None:
    torch.set_num_threads(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as name:
        folder, backbone, plain = Path(name), load_backbone(), Plain()
        tiles = real_tiles(folder)
        pixels = tiles.pixels(tiles.drawn)
        images = input_tensor(pixels, backbone).contiguous().numpy()
        frozen = freeze(backbone, backbone.layers)
        print(f"form: {frozen.form}")
        say_differences(frozen, backbone, pixels[:16])
        path = exported(backbone, folder)
        peers = onnxruntime_calls(path, images) | openvino_calls(path, images)
        ours: dict[str, Callable[[], object]] = {
            "ours": lambda: frozen.pooled(pixels),
            "loader": lambda: tiles.pixels(tiles.drawn),
        }
        sides: dict[str, Callable[[], float]] = {
            side: lambda call=call: seconds(call) / len(pixels) for side, call in (ours | peers).items()
        }
        rounds = in_turns(sides | {f"PyTorch eager, {PLAIN_BATCH} at a time": plain})
        plain.end()
    rows = [
        harness.row_of(WORK, peer, list(zip(rounds["ours"], rounds[peer], strict=True)), asked=asked_of(peer))
        for peer in rounds
        if peer not in ("ours", "loader")
    ]
    loading = list(zip(rounds["loader"], rounds["ours"], strict=True))
    rows.append(harness.row_of("cached tiles to batches, a tile", "the network", loading, asked=10))
    harness.write(rows, packages=("torch", "timm", "onnxruntime"))


def asked_of(peer: str) -> float:
    return 9.0 if peer.startswith("PyTorch") else 1.3 if peer.startswith("onnxruntime") else 1.0


if __name__ == "__main__":
    main()
