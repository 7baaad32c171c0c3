"""What the fast forms of a frozen network cost in accuracy: probes by each of them, over official folds and splits.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/precision.py [--forms plain fused openvino] [--sets SET ...]

`plain` is the network as it is, `fused` what runs by default, `openvino` the network in int8: weights and activations
in whole numbers by NNCF, with ranges of 32 tiles of ESC-10, run by OpenVINO (`pip install 'phosphene[benchmarks]'`).
Rows go to benchmarks/results/precision.csv as each is done.
"""

import argparse
import copy
import functools
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from results import origin, rows_of, write_rows

from phosphene.converters import make, read
from phosphene.datasets import open_protocol
from phosphene.pipeline import Recipe, cross_validate
from phosphene.pipeline.backbones import features
from phosphene.pipeline.backbones.backbone import Backbone, input_tensor, load_backbone
from phosphene.pipeline.backbones.frozen import CutBody, Frozen, freeze

SETS = ("esc10", "ucr/ArrowHead", "ucr/Car", "ucr/Meat", "ucr/FaceFour", "ucr/Trace")
N_CALIBRATING = 32


class OpenVino(torch.nn.Module):
    """The maps of a network's layers by OpenVINO in int8; several threads may ask at once."""

    def __init__(self, backbone: Backbone, layers: Sequence[str], tiles: np.ndarray) -> None:
        super().__init__()
        self.layers = tuple(layers)
        import nncf
        import openvino

        images = torch.nn.functional.interpolate(input_tensor(tiles, backbone), size=backbone.size)
        traced = CutBody(copy.deepcopy(backbone.body).eval(), layers)
        model = openvino.convert_model(traced, example_input=images[:4].contiguous())
        ranges = nncf.Dataset([image[None].contiguous().numpy() for image in images])
        quantised = nncf.quantize(model, ranges, subset_size=len(images))
        settings = {"NUM_STREAMS": str(os.cpu_count()), "INFERENCE_NUM_THREADS": str(os.cpu_count())}
        self.compiled = openvino.Core().compile_model(quantised, "CPU", settings)
        self.own = threading.local()

    def forward(self, images: torch.Tensor, layers: Sequence[str]) -> list[torch.Tensor]:
        """Return the maps of some of the layers."""
        if not hasattr(self.own, "request"):
            self.own.request = self.compiled.create_infer_request()
        found = self.own.request.infer({0: images.contiguous().numpy()})
        return [torch.from_numpy(found[self.layers.index(layer)]) for layer in layers]


@functools.cache
def calibrating() -> np.ndarray:
    """Tiles of sounds, as a probe sees them."""
    files = sorted((Path(os.environ["PHOSPHENE_DATA"]) / "esc10" / "audio").glob("*.ogg"))
    mel = make("mel")
    return np.stack(
        [mel(read(file)).pixels for file in files[:: len(files) // N_CALIBRATING][:N_CALIBRATING]]
    )


@functools.cache
def quantised(size: int, layers: tuple[str, ...]) -> OpenVino:
    return OpenVino(features.at_size(load_backbone(), size), layers, calibrating())


def in_int8(backbone: Backbone, layers: Sequence[str]) -> Frozen:
    body = quantised(backbone.size, tuple(layers))
    return Frozen(backbone, tuple(layers), "plain", body)  # type: ignore[arg-type]


FORMS = {
    "plain": ("float32", functools.partial(freeze, form="plain")),
    "fused": ("float32", functools.partial(freeze, form="fused")),
    "openvino": ("int8", in_int8),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), choices=list(FORMS))
    parser.add_argument("--sets", nargs="+", default=SETS, metavar="SET")
    options = parser.parse_args()
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/ and ucr/")
    for name in options.sets:
        manifest = open_protocol(name, Path(os.environ["PHOSPHENE_DATA"]))
        for engine in options.forms:
            precision, features.freeze = FORMS[engine]
            done = cross_validate(manifest, Recipe(strategy="probe"), progress=False)
            row = {"set": name, "engine": engine, "precision": precision}
            row |= {"accuracy": f"{done.accuracy:.4f}", "macro_f1": f"{done.macro_f1:.4f}"}
            print(", ".join(row.values()), flush=True)
            kept = [one for one in rows_of("precision") if (one["set"], one["engine"]) != (name, engine)]
            write_rows("precision", [*kept, row | origin(("torch", "timm", "openvino", "nncf"))])


if __name__ == "__main__":
    main()
