"""Backbones: pretrained networks without their heads, each with the input that it expects."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from phosphene.converters import ParameterError

from .catalog import Family, Stats, load
from .cpu import keep_memory
from .names import DEFAULT, TABULATED

_HEADS = ("avgpool", "avg_pool", "global_pool", "fc", "classifier", "head", "heads", "flatten", "dropout")
# Parts of torchvision's transformer whose output is no map, or that are never called as a whole.
_UNCALLED = ("VisionTransformer", "Encoder")


@dataclass(frozen=True, eq=False)
class Backbone:
    """A network without its head.

    Parameters
    ----------
    name
        By which `load_backbone` makes it again.
    body
        float32 (n, 3, size, size), normalised, to a feature map (n, n_features, height, width).
    size
        Side of the square input, in pixels.
    mean, std
        Of the photographs it learned from, per colour, in units of 0 to 1.
    n_features
        Channels of the feature map.
    layers
        Names of submodules of `body` at increasing depth, the last one at its end.
    weights_source
        In words, where the weights came from; `random` where from nowhere.
    grey
        Mean and deviation by which grey tiles are normalised to (n, 1, size, size), which the body takes as well as
        three colours; None where it takes three alone. See `one_channel`.
    """

    name: str
    body: nn.Module = field(repr=False)
    size: int
    mean: Stats
    std: Stats
    n_features: int
    layers: tuple[str, ...]
    weights_source: str
    grey: tuple[float, float] | None = None

    def stats(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Return mean and deviation to normalise tiles by: one number each for grey ones that may stay so, else three.

        Examples
        --------
        >>> load_backbone("lenet", pretrained=False).stats(1)
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        """
        if channels == 1 and self.grey:
            return (self.grey[0],), (self.grey[1],)
        return self.mean, self.std


def backbone_names() -> tuple[str, ...]:
    """Return the names that are tried and tabulated; every name of torchvision and timm works besides."""
    return TABULATED


def load_backbone(
    name: str = DEFAULT, *, weights: Path | None = None, pretrained: bool = True, seed: int = 0
) -> Backbone:
    """Load a network without its head, in evaluation mode.

    Weights are looked for in `weights`, in the installed packages, in the caches of torchvision and Hugging Face, and
    last on the network.

    Parameters
    ----------
    name
        `efficientnet_lite0`, `lenet`, any name of torchvision or timm, or `timm/NAME`.
    weights
        A .safetensors or .pth file of weights of the whole network; None takes the published ones.
    pretrained
        False leaves the weights random, drawn from `seed`.

    Raises
    ------
    ParameterError
        No such network.
    WeightsError
        No weights, or they do not fit; says what to type.

    Examples
    --------
    >>> backbone = load_backbone("resnet18", pretrained=False)
    >>> backbone.size, backbone.n_features, backbone.layers
    (224, 512, ('layer1', 'layer2', 'layer3', 'layer4'))
    """
    keep_memory()
    loaded = load(name, weights=weights, pretrained=pretrained, seed=seed)
    body = cut_head(loaded.network, family=loaded.family).eval().to(memory_format=torch.channels_last)
    wanted = loaded.input
    layers, n_features = _survey(body, wanted.size)
    return Backbone(
        name, body, wanted.size, wanted.mean, wanted.std, n_features, layers, loaded.weights_source
    )


def input_tensor(pixels: np.ndarray, backbone: Backbone) -> torch.Tensor:
    """Turn tiles into what a backbone takes: resized, normalised, grey ones in three colours if it takes no grey.

    Parameters
    ----------
    pixels
        uint8 (n, height, width, 1 or 3).

    Returns
    -------
    torch.Tensor
        float32 (n, 3, size, size), or (n, 1, size, size) where tiles and backbone are grey.

    Raises
    ------
    ParameterError
        The pixels have another type or shape.

    Examples
    --------
    >>> backbone = load_backbone("lenet", pretrained=False)
    >>> images = input_tensor(np.full((2, 224, 224, 1), 255, np.uint8), backbone)
    >>> images.shape, round(float(images.max()), 3)
    (torch.Size([2, 3, 64, 64]), 1.0)
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
        raise ParameterError(
            f"tiles must be uint8 (n, height, width, 1 or 3), got {pixels.dtype} {pixels.shape}"
        )
    images = torch.tensor(pixels).permute(0, 3, 1, 2).to(torch.float32)
    if images.shape[2:] != (backbone.size, backbone.size):
        images = functional.interpolate(images, size=(backbone.size,) * 2, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in backbone.stats(images.shape[1]))
    shift = mean / std
    normalised: torch.Tensor = (
        images * (1 / (255 * std)) - shift
    )  # a grey channel becomes three by broadcasting
    return normalised.contiguous(memory_format=torch.channels_last)


def feature_maps(body: nn.Module, images: torch.Tensor, *, layers: Sequence[str]) -> list[torch.Tensor]:
    """Run a body once and return what comes out of each layer, as maps (n, channels, height, width)."""
    caught: dict[str, torch.Tensor] = {}

    def catch(name: str) -> torch.utils.hooks.RemovableHandle:
        def keep(module: nn.Module, arguments: object, output: torch.Tensor) -> None:
            caught[name] = output

        return body.get_submodule(name).register_forward_hook(keep)

    handles = [catch(name) for name in layers]
    try:
        body(images)
    finally:
        for handle in handles:
            handle.remove()
    return [as_map(caught[name]) for name in layers]


def as_map(output: torch.Tensor) -> torch.Tensor:
    """Return features as (n, channels, height, width), from tokens (n, tokens, channels) or channels-last too.

    Images are square, so of two equal axes one knows that they are height and width; tokens in excess of a square,
    which stand in front, stand for no place and are left out.
    """
    if output.ndim == 2:
        return output[:, :, None, None]
    if output.ndim == 3:
        side = math.isqrt(output.shape[1])
        places = output[:, output.shape[1] - side * side :]
        return places.transpose(1, 2).reshape(len(places), -1, side, side)
    if output.shape[2] != output.shape[3] and output.shape[1] == output.shape[2]:
        return output.permute(0, 3, 1, 2)
    return output


class _TimmBody(nn.Module):
    """A timm network up to its last features."""

    network: Any

    def __init__(self, network: Any) -> None:
        super().__init__()
        network.reset_classifier(0)
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return as_map(self.network.forward_features(images))


class _VisionTransformerBody(nn.Module):
    """torchvision's vision transformer up to its last tokens."""

    network: Any

    def __init__(self, network: Any) -> None:
        super().__init__()
        network.heads = nn.Identity()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.network._process_input(images)
        with_class = torch.cat([self.network.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return as_map(self.network.encoder(with_class))


def cut_head(network: nn.Module, *, family: Family) -> nn.Module:
    """Return the part of a network that ends in a feature map; its submodules are shared and keep their names."""
    if family == "timm":
        return _TimmBody(network)
    if hasattr(network, "class_token"):
        return _VisionTransformerBody(network)
    kept: OrderedDict[str, nn.Module] = OrderedDict()
    for name, child in network.named_children():
        if name in _HEADS:
            break
        kept[name] = nn.Sequential(*child) if isinstance(child, nn.ModuleList) else child
    if type(network).__name__ == "DenseNet":
        kept["relu"] = nn.ReLU()  # done in `forward` there
    return nn.Sequential(kept)


@dataclass(frozen=True)
class _Stage:
    """A part of a body: its name, the shape of what comes out of it, and what it is made of."""

    name: str
    shape: tuple[int, int]
    learns: bool
    composite: bool


def _survey(body: nn.Module, size: int) -> tuple[tuple[str, ...], int]:
    """Run a body once on nothing; return its layers and the number of features that come out of it."""
    names = [name for name in _stage_names(body, "") if not isinstance(body.get_submodule(name), nn.Identity)]
    order: list[tuple[str, torch.Tensor]] = []
    handles = [
        body.get_submodule(name).register_forward_hook(lambda m, a, out, name=name: order.append((name, out)))
        for name in names
    ]
    with torch.inference_mode():
        output = body(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    stages = [
        _stage(body, name, out) for name, out in order if isinstance(out, torch.Tensor) and out.ndim > 2
    ]
    layers = [stage.name for stage in _choose(stages)]
    return tuple(_outermost(body, layer, layers) for layer in layers), int(output.shape[1])


def _stage_names(module: nn.Module, prefix: str) -> list[str]:
    """List the parts of a body in order, going into containers but not into blocks."""
    names = []
    for name, child in module.named_children():
        inner = _stage_names(child, f"{prefix}{name}.") if _is_container(child) else []
        names += inner or [f"{prefix}{name}"]
    return names


def _is_container(module: nn.Module) -> bool:
    plain = type(module) in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
    return plain or hasattr(module, "forward_features") or type(module).__name__ in _UNCALLED


def _stage(body: nn.Module, name: str, output: torch.Tensor) -> _Stage:
    module, features = body.get_submodule(name), as_map(output)
    learns = [any(True for _ in part.parameters()) for part in (module, *module.children())]
    return _Stage(name, (int(features.shape[1]), int(features.shape[2])), learns[0], any(learns[1:]))


def _choose(stages: list[_Stage]) -> list[_Stage]:
    """Take the last part of each run of equal shape, without the stem; equal depths where all have one shape."""
    runs: list[list[_Stage]] = []
    for stage in stages:
        if runs and runs[-1][-1].shape == stage.shape:
            runs[-1].append(stage)
        else:
            runs.append([stage])
    blocks = any(stage.composite for stage in stages)
    layers = [run[-1] for run in runs[:-1] if any(s.composite if blocks else s.learns for s in run)]
    if len(layers) < 2:
        quarter = max(1, len(stages) // 4)
        layers = stages[quarter - 1 : -1 : quarter]
    return [*layers, stages[-1]]


def _outermost(body: nn.Module, name: str, layers: Sequence[str]) -> str:
    """Name a layer by the container that ends with it and holds no other: `blocks.3.4` is the end of `blocks.3`."""
    parent, _, last = name.rpartition(".")
    if not parent or type(body.get_submodule(parent)) is not nn.Sequential:
        return name
    shared = sum(layer.startswith(f"{parent}.") for layer in layers) > 1
    ends = list(body.get_submodule(parent)._modules)[-1] == last
    return _outermost(body, parent, layers) if ends and not shared else name
