"""Domain shift: how unlike photographs tiles look to a network, measured without photographs.

A batch normalisation keeps the mean and the variance that each of its channels had over the photographs of the first
training. Where tiles run through the frozen network give other ones, the network sees what it has not seen before.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from phosphene.converters.core.errors import ParameterError
from phosphene.pipeline.tiles.render import Tiles

from .backbone import Backbone, input_tensor

MOST_TILES = 128
THRESHOLD = 0.06
"""Colour photographs of even one scene stay below (0.056 at most), views of data do not (from 0.076 on; 0.068 where
EfficientNet-Lite1 and 2 look): `benchmarks/results/likeness.csv`. A probe taken by mistake costs less than a head."""
MIDDLE = (0.3, 0.7)
"""Shares of the depth between which layers count. Before, they tell colour from grey and light from dark; behind, one
object from another, so that photographs of one thing would look unlike photographs."""

_BATCH = 16
_LEAST_RATIO = 1e-3  # a channel without any variance is no farther than one with a thousandth of what it had


@dataclass(frozen=True)
class DomainShift:
    """How far tiles are from the photographs that a network learned from: 0 for those, None where not measurable.

    Examples
    --------
    >>> print(DomainShift(0.04, threshold=0.1))
    they look like photographs (distance 0.040, below 0.100)
    >>> print(DomainShift(0.17, threshold=0.1))
    they look unlike photographs (distance 0.170, photographs stay below 0.100)
    """

    distance: float | None
    threshold: float = THRESHOLD
    by_layer: tuple[float, ...] = field(default=(), repr=False)
    why: str = ""

    @property
    def is_small(self) -> bool:
        """Whether they look like photographs; False where it could not be measured."""
        return self.distance is not None and self.distance < self.threshold

    def __str__(self) -> str:
        if self.distance is None:
            return f"they count as unlike photographs, for {self.why}"
        if self.is_small:
            return f"they look like photographs (distance {self.distance:.3f}, below {self.threshold:.3f})"
        return (
            f"they look unlike photographs (distance {self.distance:.3f}, "
            f"photographs stay below {self.threshold:.3f})"
        )


def measure_domain_shift(backbone: Backbone, pixels: np.ndarray) -> DomainShift:
    """Measure how far tiles are from the photographs that a network learned from.

    At each normalisation and channel stand two normal distributions, that of the tiles and that of the photographs;
    what is averaged is their Bhattacharyya distance (1943, https://www.jstor.org/stable/25047882).

    Examples
    --------
    >>> from phosphene.pipeline.backbones.backbone import load_backbone
    >>> noise = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 1), dtype=np.uint8)
    >>> print(measure_domain_shift(load_backbone(), noise))
    they look unlike photographs (distance 0.2..., photographs stay below 0.060)
    >>> print(measure_domain_shift(load_backbone("lenet", pretrained=False), noise))
    they count as unlike photographs, for lenet has random weights, which no photograph has shaped
    """
    if not len(pixels):
        raise ParameterError("domain shift is measured on one tile or more, got none")
    why = _why_not(backbone)
    if why:
        return DomainShift(None, why=why)
    with _watched(backbone.body) as layers, torch.inference_mode():
        for start in range(0, len(pixels), _BATCH):
            backbone.body(input_tensor(pixels[start : start + _BATCH], backbone))
    return _domain_shift([layer.distance() for layer in layers if layer.count])


def tiles_domain_shift(
    backbone: Backbone, tiles: Tiles, indices: np.ndarray | None = None, *, seed: int = 0
) -> DomainShift:
    """Measure the mean domain shift of the views of random MOST_TILES tiles, of these items or of all.

    Raises
    ------
    ParameterError
        None of the items has tiles.
    """
    there = tiles.drawn if indices is None else np.intersect1d(indices, tiles.drawn)
    rng = np.random.default_rng(seed)
    views = [index for index, view in enumerate(tiles.views) if not view.by_pixel] or range(len(tiles.views))
    most = max(1, MOST_TILES // len(views))
    some = np.sort(rng.permutation(there)[:most])
    found = [measure_domain_shift(backbone, tiles.pixels(some, view)) for view in views]
    if found[0].distance is None:
        return found[0]
    return _domain_shift(np.mean([one.by_layer for one in found], axis=0).tolist())


class _Layer:
    """Sums over all that comes into a normalisation, by channel."""

    def __init__(self, norm: Any) -> None:
        self.norm, self.count = norm, 0
        self.sums = self.squares = torch.zeros(norm.num_features, dtype=torch.float64)

    def see(self, values: torch.Tensor) -> None:
        """Add values (n, channels, ...)."""
        # A view, for maps are channels-last: along it means take a tenth of the time of torch.var_mean.
        flat = values.movedim(1, -1).flatten(0, -2)
        self.count += len(flat)
        self.sums = self.sums + flat.mean(0).double() * len(flat)
        self.squares = self.squares + (flat * flat).mean(0).double() * len(flat)

    def distance(self) -> float:
        """Return the mean distance of the channels from what the normalisation remembers."""
        mean = self.sums / self.count
        variance = (self.squares / self.count - mean * mean).clamp_min(0)
        known = self.norm.running_var.double() + self.norm.eps
        shift = (mean - self.norm.running_mean.double()).square() / known
        ratio = ((variance + self.norm.eps) / known).clamp_min(_LEAST_RATIO)
        # Bhattacharyya's, of normal distributions.
        found = shift / (1 + ratio) / 4 + ((1 + ratio) / (2 * ratio.sqrt())).log() / 2
        return float(found.mean())


def _domain_shift(by_layer: Sequence[float]) -> DomainShift:
    first, stop = math.floor(MIDDLE[0] * len(by_layer)), math.ceil(MIDDLE[1] * len(by_layer))
    return DomainShift(float(np.mean(by_layer[first:stop])), by_layer=tuple(by_layer))


def _norms(body: nn.Module) -> list[nn.Module]:
    return [module for module in body.modules() if getattr(module, "running_mean", None) is not None]


def _why_not(backbone: Backbone) -> str:
    """Say why domain shift cannot be measured; empty where it can."""
    if backbone.weights_source == "random":
        return f"{backbone.name} has random weights, which no photograph has shaped"
    if not _norms(backbone.body):
        return f"{backbone.name} has no layer that remembers how photographs look"
    return ""


@contextmanager
def _watched(body: nn.Module) -> Iterator[list[_Layer]]:
    """Give the layers, in order of depth, that see what comes into every normalisation meanwhile."""
    layers: list[_Layer] = []

    def watch(norm: nn.Module) -> torch.utils.hooks.RemovableHandle:
        layer = _Layer(norm)

        def see(module: nn.Module, arguments: tuple[Any, ...]) -> None:
            if not layer.count:
                layers.append(layer)
            layer.see(cast(torch.Tensor, arguments[0]))

        return norm.register_forward_pre_hook(see)

    handles = [watch(norm) for norm in _norms(body.eval())]
    try:
        yield layers
    finally:
        for handle in handles:
            handle.remove()
