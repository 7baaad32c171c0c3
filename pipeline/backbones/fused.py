"""A body for inference on a CPU: each convolution with its normalisation and activation as one operation of oneDNN.

The operation has no public name in torch. What torch offers publicly is slower, EfficientNet-Lite0 on one core: traced
and frozen by torch.jit 1.2 times, with folded normalisations 1.4 times, as it is 1.5 times.
"""

import contextlib
import copy
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .backbone import as_map

# What oneDNN computes on the way out of a convolution: its name there, and numbers.
_ACTIVATIONS: dict[type[nn.Module], tuple[str, tuple[float, ...]]] = {
    nn.ReLU: ("relu", ()),
    nn.ReLU6: ("hardtanh", (0.0, 6.0)),
    nn.Hardswish: ("hardswish", ()),
    nn.Hardsigmoid: ("hardsigmoid", ()),
    nn.SiLU: ("swish", ()),
    nn.Sigmoid: ("sigmoid", ()),
}
_LAYOUTS_KEPT = 8
_ROUNDING = 1e-3


def fold_batch_norms(body: nn.Module, *, size: int) -> nn.Module:
    """Return a copy for inference, in which every batch normalisation right behind a convolution is part of it.

    Which follows which is guessed from the order of the submodules; where the copy gives other features the body itself
    is returned. Names of submodules and outputs of normalisations stay, but not the parameters of these.

    Parameters
    ----------
    body
        float32 (n, 3, size, size) to a feature map; it stays as it is, but for being put into evaluation mode.
    size
        Side of its input, in pixels.
    """
    folded = copy.deepcopy(body.eval())
    for parent in list(folded.modules()):
        for first, second in itertools.pairwise(list(parent._modules)):
            _fold_pair(parent, first, second)
    return folded if _agree(body, folded, size) else body


def _agree(body: nn.Module, folded: nn.Module, size: int) -> bool:
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected, got = body(noise), folded(noise)
    return bool((expected - got).abs().max() <= _ROUNDING * expected.abs().max())


def _fold_pair(parent: nn.Module, first: str, second: str) -> None:
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    conv, norm = parent._modules[first], parent._modules[second]
    if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        return
    if norm.running_mean is None or conv.out_channels != norm.num_features:
        return
    setattr(parent, first, fuse_conv_bn_eval(conv, norm))
    # timm's normalisations hold their activation; torch's do nothing more.
    rest = (getattr(norm, "drop", None), getattr(norm, "act", None))
    setattr(parent, second, nn.Sequential(*(module for module in rest if module is not None)))


class FusedConv(nn.Module):
    """A convolution and the activation behind it as one operation of oneDNN, the weights in the layout it likes.

    Parameters
    ----------
    weight, bias
        float32 (out, in / groups, height, width) and (out,).
    padding, conv
        The padding, and the convolution whose stride, dilation and groups hold.
    activation
        Its name in oneDNN and its numbers.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        padding: Sequence[int],
        conv: nn.Conv2d,
        activation: tuple[str, tuple[float, ...]],
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.detach())
        self.geometry = (list(padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.activation = activation
        self._packed: dict[torch.Size, torch.Tensor] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the activated maps."""
        name, numbers = self.activation
        weight = self._packed.get(images.shape)
        if weight is None:
            weight = self._pack(images)
        output: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            images, weight, self.bias, *self.geometry, name, list(numbers), ""
        )
        return output

    def _pack(self, images: torch.Tensor) -> torch.Tensor:
        packed: torch.Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight, *self.geometry, list(images.shape)
        )
        if len(self._packed) < _LAYOUTS_KEPT:
            self._packed[images.shape] = packed
        return packed


class _DoneError(Exception):
    """All layers have been seen."""


class CutBody(nn.Module):
    """A body that ends where its last layer has been reached, and returns what came out of the layers.

    Several threads may call it at once.

    Parameters
    ----------
    body
        It gets hooks, so it must be one's own.
    layers
        Names of submodules.
    last
        The layer that is reached last; None runs the body to its end.
    """

    def __init__(self, body: nn.Module, layers: Sequence[str], *, last: str | None) -> None:
        super().__init__()
        self.body, self.layers, self.last = body, tuple(layers), last
        self._seen = threading.local()
        for layer in layers:
            body.get_submodule(layer).register_forward_hook(self._catcher(layer))

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return a map (n, channels, height, width) a layer."""
        seen = self._seen.maps = {}
        with contextlib.suppress(_DoneError):
            self.body(images)
        return [as_map(seen[layer]) for layer in self.layers]

    def _catcher(self, layer: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
        def catch(module: nn.Module, arguments: object, output: torch.Tensor) -> None:
            self._seen.maps[layer] = output
            if layer == self.last:
                raise _DoneError

        return catch


def fused_body(body: nn.Module, layers: Sequence[str], *, size: int) -> CutBody:
    """Return a copy of a body for inference, fused and cut behind the last of some layers.

    Parameters
    ----------
    body
        float32 (n, 3, size, size) to a feature map; it stays as it is, but for being put into evaluation mode.
    layers
        Names of its submodules, whose maps are returned.
    size
        Side of its input, in pixels.
    """
    folded = fold_batch_norms(body, size=size)
    own = copy.deepcopy(body) if folded is body else folded
    inputs, fired = _watch(own, layers, size)
    spared = {own.get_submodule(layer) for layer in layers}
    for parent in list(own.modules()):
        for index, child in enumerate(list(parent._modules.values())):
            if isinstance(child, nn.Conv2d) and child in inputs:
                _fuse(child, inputs[child], parent, index, spared=spared)
    return CutBody(own, layers, last=fired[-1] if len(set(fired)) == len(fired) else None)


def _watch(
    body: nn.Module, layers: Sequence[str], size: int
) -> tuple[dict[nn.Conv2d, tuple[int, int]], list[str]]:
    """Run a body once: height and width of what goes into each convolution called once, and the order of the layers."""
    calls: dict[nn.Conv2d, list[tuple[int, int]]] = {}
    fired: list[str] = []

    def note(conv: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        height, width = arguments[0].shape[2:]
        calls.setdefault(conv, []).append((height, width))

    handles: list[Any] = [conv.register_forward_pre_hook(note) for conv in body.modules() if _is_known(conv)]
    for layer in layers:
        handles.append(
            body.get_submodule(layer).register_forward_hook(
                lambda m, a, out, layer=layer: fired.append(layer)
            )
        )
    with torch.inference_mode():
        body(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return {conv: seen[0] for conv, seen in calls.items() if len(seen) == 1}, fired


def _is_known(module: nn.Module) -> bool:
    """Tell whether a module is a convolution of a sort that pads as `_symmetric` says."""
    if type(module) is nn.Conv2d:
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    same = isinstance(module, nn.Conv2d) and type(module).__name__ == "Conv2dSame"
    return same and module.dilation == (1, 1)


def _fuse(
    conv: nn.Conv2d, sides: tuple[int, int], parent: nn.Module, index: int, *, spared: set[nn.Module]
) -> None:
    """Put a `FusedConv` for a convolution, and an identity for its activation."""
    weight, padding = _symmetric(conv, sides)
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    names = list(parent._modules)
    activation: tuple[str, tuple[float, ...]] = ("none", ())
    found = None if conv in spared else _activation_behind(parent, index, spared)
    if found is not None:
        name, activation = found
        setattr(parent, name, nn.Identity())
    setattr(parent, names[index], FusedConv(weight, bias, padding, conv, activation))


def _activation_behind(
    parent: nn.Module, index: int, spared: set[nn.Module]
) -> tuple[str, tuple[str, tuple[float, ...]]] | None:
    """Find the activation that certainly follows: what a folded normalisation left, or the next of a sequence."""
    for name, child in list(parent._modules.items())[index + 1 :]:
        parts = child.modules() if child else ()
        left = [part for part in parts if not isinstance(part, nn.Sequential | nn.Identity)]
        if len(left) == 1 and type(left[0]) in _ACTIVATIONS:
            certain = isinstance(parent, nn.Sequential) or type(child) is nn.Sequential
            return (name, _ACTIVATIONS[type(left[0])]) if certain else None
        if left or child in spared:
            return None
    return None


def _symmetric(conv: nn.Conv2d, sides: tuple[int, int]) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Return weights and padding that is equal on both sides.

    TensorFlow's `same` pads one more below and to the right where the sum is odd; then a row and a column of zeros
    before the weights make up for one more above and to the left. To copy the maps into a frame costs more.
    """
    if type(conv) is nn.Conv2d and not isinstance(conv.padding, str):
        return conv.weight.detach(), conv.padding
    totals = []
    for side, width, stride in zip(sides, conv.kernel_size, conv.stride, strict=True):
        reach = (-(-side // stride) - 1) * stride + width
        totals.append(max(reach - side, 0))
    (rows, columns) = totals
    framed = functional.pad(conv.weight.detach(), (columns % 2, 0, rows % 2, 0))
    return framed, (rows - rows // 2, columns - columns // 2)
