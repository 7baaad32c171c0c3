"""Backbones: networks with their weights but without their heads, each with the input that it expects.

A file of weights is read as safetensors, or by the part of pickle that makes tensors and nothing else.
"""

import ctypes
import functools
import math
import os
import platform
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from phosphene.converters import ParameterError, WeightsError

from .catalog import DEFAULT, Blueprint, Family, NetworkInput, Stats, blueprint, first_line, locate

_HEADS = ("avgpool", "avg_pool", "global_pool", "fc", "classifier", "head", "heads", "flatten", "dropout")
# Parts of torchvision's transformer whose output is no map, or that are never called as a whole.
_UNCALLED = ("VisionTransformer", "Encoder")
# Numbers of parameters in glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_LARGEST_INT = 2**31 - 1
_TOP_PAD_BYTES = 64 << 20

State = dict[str, torch.Tensor]


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
    """

    name: str
    body: nn.Module = field(repr=False)
    size: int
    mean: Stats
    std: Stats
    n_features: int
    layers: tuple[str, ...]
    weights_source: str


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
    loaded = _load(name, weights=weights, pretrained=pretrained, seed=seed)
    body = cut_head(loaded.network, family=loaded.family).eval().to(memory_format=torch.channels_last)
    wanted = loaded.input
    layers, n_features = _survey(body, wanted.size)
    return Backbone(
        name, body, wanted.size, wanted.mean, wanted.std, n_features, layers, loaded.weights_source
    )


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A whole network with weights, the input that these want, and in words where they came from."""

    network: nn.Module
    family: Family
    input: NetworkInput
    weights_source: str


def load_network(
    name: str = DEFAULT, *, weights: Path | None = None, pretrained: bool = True, seed: int = 0
) -> nn.Module:
    """Return a whole network, head and all, in evaluation mode; options and errors are those of `load_backbone`.

    Examples
    --------
    >>> load_network("lenet", pretrained=False)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1000])
    """
    return _load(name, weights=weights, pretrained=pretrained, seed=seed).network


def _load(name: str, *, weights: Path | None, pretrained: bool, seed: int) -> _Loaded:
    """Build a network and fill it; see `load_network`."""
    plan = blueprint(name)
    path, wanted, origin = _choose_weights(plan, weights, pretrained)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = plan.build()
    if path is not None:
        put_state(network, read_state(path), name=name, origin=str(path))
    return _Loaded(_without_auxiliaries(network).eval(), plan.family, wanted, origin)


def _choose_weights(
    plan: Blueprint, weights: Path | None, pretrained: bool
) -> tuple[Path | None, NetworkInput, str]:
    if weights is not None:
        return Path(weights), plan.input, f"the file {Path(weights).name}"
    if not pretrained:
        return None, plan.input, "random"
    if not plan.published:
        raise WeightsError(
            f"{plan.name}: nobody publishes pretrained weights of it; train it by --strategy scratch, "
            "or name a file with --weights FILE"
        )
    inputs = dict(plan.published)
    source, path, origin = locate(inputs)
    return path, inputs[source], f"{source.name} from {origin}"


def _without_auxiliaries(network: Any) -> nn.Module:
    """Take away the side exits that Inception and GoogLeNet have for training alone; their files do hold them."""
    for name in ("AuxLogits", "aux1", "aux2"):
        if name in network._modules:
            setattr(network, name, None)
    if hasattr(network, "aux_logits"):
        network.aux_logits = False
    without: nn.Module = network
    return without


@functools.cache
def keep_memory() -> bool:
    """Tell glibc to keep freed memory for the next layer instead of giving it back to the kernel.

    Feature maps are larger than glibc's threshold for fresh pages, so each layer's output is mapped, filled with
    zeros by the kernel page by page, and unmapped again. The setting holds for the whole process, is made once, and
    costs nothing but that the process stays as large as it once was. The environment variable
    `PHOSPHENE_KEEP_MEMORY=0` refuses it.
    """
    if os.environ.get("PHOSPHENE_KEEP_MEMORY") == "0" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST_INT), (_TOP_PAD, _TOP_PAD_BYTES))
    return all(mallopt(parameter, value) == 1 for parameter, value in settings)


def input_tensor(pixels: np.ndarray, backbone: Backbone) -> torch.Tensor:
    """Turn tiles into what a backbone takes: float32 (n, 3, size, size), normalised, grey in three colours.

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
    check_tiles(pixels)
    images = torch.tensor(pixels).permute(0, 3, 1, 2).to(torch.float32)
    if images.shape[2:] != (backbone.size, backbone.size):
        images = functional.interpolate(images, size=(backbone.size,) * 2, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (backbone.mean, backbone.std))
    normalised: torch.Tensor = (
        images * (1 / (255 * std)) - mean / std
    )  # broadcasting gives grey three channels
    return normalised.contiguous(memory_format=torch.channels_last)


def check_tiles(pixels: np.ndarray) -> None:
    """Raise ParameterError unless pixels are tiles: uint8 (n, height, width, 1 or 3)."""
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] not in (1, 3):
        raise ParameterError(
            f"tiles must be uint8 (n, height, width, 1 or 3), got {pixels.dtype} {pixels.shape}"
        )


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
    which stand in front, have no position and are left out.
    """
    if output.ndim == 2:
        return output[:, :, None, None]
    if output.ndim == 3:
        side = math.isqrt(output.shape[1])
        tokens = output[:, output.shape[1] - side * side :]
        return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, side, side)
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
        with_class = torch.cat([self.network.class_token.expand(tokens.shape[0], -1, -1), tokens], dim=1)
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

    @classmethod
    def of(cls, body: nn.Module, name: str, output: torch.Tensor) -> "_Stage":
        module, features = body.get_submodule(name), as_map(output)
        learns = [any(True for _ in part.parameters()) for part in (module, *module.children())]
        return cls(name, (int(features.shape[1]), int(features.shape[2])), learns[0], any(learns[1:]))


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
        _Stage.of(body, name, out) for name, out in order if isinstance(out, torch.Tensor) and out.ndim > 2
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


def read_state(path: Path) -> State:
    """Read the tensors of a safetensors file or a PyTorch checkpoint; nothing in it is executed.

    Raises
    ------
    WeightsError
        There is no such file, it is damaged, or it holds anything but named tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; name a .safetensors or .pth file of weights")
    try:
        state = _read(path)
    except Exception as error:  # unpickling damaged bytes raises anything from EOFError to UnicodeDecodeError
        # PyTorch's own words advise to load what is unsafe.
        unsafe = "weights_only" in str(error)
        why = "damaged, or it holds objects of Python" if unsafe else first_line(error)
        raise WeightsError(
            f"{path}: cannot be read as weights ({why}); only tensors are read, never code: "
            "name a .safetensors file, or a .pth file that holds a state dict"
        ) from error
    tensors = {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    if not state or len(tensors) < len(state):
        raise WeightsError(
            f"{path}: holds no state dict; save one with torch.save(network.state_dict(), FILE)"
        )
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _read(path: Path) -> dict[Any, object]:
    """Return what a file holds, of checkpoints what they keep as `state_dict` or `model`; nothing if no dict."""
    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return dict(load_file(path))
    held = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(held, dict):
        return {}
    return next((held[key] for key in ("state_dict", "model") if isinstance(held.get(key), dict)), held)


def put_state(network: nn.Module, state: State, *, name: str, origin: str) -> None:
    """Load tensors into a network after checking that every entry of it is there, in its shape.

    Where the parts carry other names, but have in order the same shapes and roles (weight, bias, running mean), they
    are taken in that order. The counters `num_batches_tracked`, which old files lack, may be missing.

    Raises
    ------
    WeightsError
        The entries do not fit; says how many do and which is the first that does not.
    """
    wanted = network.state_dict()
    if wanted.keys() != state.keys() and _outline(wanted) == _outline(state):
        state = dict(zip(wanted, state.values(), strict=True))
    counters = {k: v for k, v in wanted.items() if k.endswith("num_batches_tracked") and k not in state}
    full = {**state, **counters}
    misfits = {key: _misfit(key, wanted.get(key), full.get(key)) for key in {**wanted, **full}}
    wrong = [misfit for misfit in misfits.values() if misfit]
    if wrong:
        fitting = sum(not misfits[key] for key in state)
        raise WeightsError(
            f"{origin}: {fitting} of {len(wanted)} entries fit {name}, the first that does not: "
            f"{wrong[0]}; name weights of this network, or the network of these weights"
        )
    network.load_state_dict(full)


def _outline(state: State) -> list[tuple[str, torch.Size]]:
    return [(name.rpartition(".")[2], tensor.shape) for name, tensor in state.items()]


def _misfit(name: str, wanted: torch.Tensor | None, given: torch.Tensor | None) -> str:
    if wanted is None:
        return f"{name} (not in the network)"
    if given is None:
        return f"{name} (missing)"
    return "" if wanted.shape == given.shape else f"{name} ({_shape(given)} instead of {_shape(wanted)})"


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
