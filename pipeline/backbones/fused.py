"""A body for inference only: activations within convolutions, grey input, nothing behind the last layer."""

import contextlib
import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .backbone import Backbone, as_map
from .cpu import fold_batch_norms

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
        self._packed: dict[tuple[torch.Size, torch.dtype], torch.Tensor] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the activated maps."""
        name, numbers = self.activation
        weight = self._packed.get((images.shape, images.dtype))
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
            self._packed[images.shape, images.dtype] = packed
        return packed


class _DoneError(Exception):
    """All layers have been seen."""


class Cut(nn.Module):
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


class Grey(nn.Module):
    """Tiles as the first convolution takes them, once `stem_weight` has taken over colours, scale and shift.

    Parameters
    ----------
    shift
        float32 (channels,): what is subtracted from grey levels of 0 to 255.
    with_ones
        Whether a plane of ones follows, which tells the padding from the picture.
    """

    shift: torch.Tensor

    def __init__(self, shift: torch.Tensor, *, with_ones: bool) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.with_ones = with_ones

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        """Turn uint8 or float32 (n, height, width, channels) into float32 (n, channels or one more, height, width)."""
        channels = tiles.shape[3]
        planes = torch.empty(*tiles.shape[:3], channels + self.with_ones)
        torch.sub(tiles, self.shift, out=planes[..., :channels])
        if self.with_ones:
            planes[..., channels:] = 1
        return planes.permute(0, 3, 1, 2)


class Fused(nn.Module):
    """Tiles to the maps of the layers: `Grey`, then a `Cut` body that takes what it gives."""

    def __init__(self, backbone: Backbone, layers: Sequence[str], *, channels: int) -> None:
        super().__init__()
        folded = fold_batch_norms(backbone.body, size=backbone.size)
        body = copy.deepcopy(folded) if folded is backbone.body else folded
        inputs, fired, first = _watch(body, layers, backbone.size)
        if first is None:
            raise ValueError(f"the input of {backbone.name} goes into no convolution of three colours")
        self.grey, weight = _stem(first, backbone, channels)
        for conv, parent, place in list(_convolutions(body)):
            if conv in inputs:
                kept = weight if conv is first else conv.weight
                _fuse(conv, kept, inputs[conv], parent, place, spared=_modules(body, layers))
        last = fired[-1] if len(set(fired)) == len(fired) else None
        self.cut = Cut(body, layers, last=last)

    def forward(self, tiles: torch.Tensor) -> list[torch.Tensor]:
        """Turn uint8 or float32 (n, size, size, channels) into maps, one a layer."""
        planes = self.grey(tiles)
        maps: list[torch.Tensor] = self.cut(planes.to(next(self.cut.body.buffers()).dtype))
        return maps


def _modules(body: nn.Module, names: Sequence[str]) -> set[nn.Module]:
    return {body.get_submodule(name) for name in names}


def _watch(
    body: nn.Module, layers: Sequence[str], size: int
) -> tuple[dict[nn.Conv2d, tuple[int, int]], list[str], nn.Conv2d | None]:
    """Run a body once: sides of the inputs of the convolutions called once, the order of the layers, the first one."""
    calls: dict[nn.Conv2d, list[torch.Tensor]] = {}
    fired: list[str] = []

    def note(conv: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        calls.setdefault(conv, []).append(arguments[0])

    handles: list[Any] = [conv.register_forward_pre_hook(note) for conv in body.modules() if _is_known(conv)]
    for layer in layers:
        handles.append(
            body.get_submodule(layer).register_forward_hook(
                lambda m, a, out, layer=layer: fired.append(layer)
            )
        )
    image = torch.zeros(1, 3, size, size)
    with torch.inference_mode():
        body(image)
    for handle in handles:
        handle.remove()
    once = {conv: seen[0] for conv, seen in calls.items() if len(seen) == 1}
    first = [conv for conv, seen in once.items() if seen is image and conv.groups == 1]
    sides = {conv: (int(seen.shape[2]), int(seen.shape[3])) for conv, seen in once.items()}
    return sides, fired, first[0] if len(first) == 1 else None


def _is_known(module: nn.Module) -> bool:
    """Tell whether a module is a convolution of a sort that pads as `_symmetric` says."""
    if type(module) is nn.Conv2d:
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    same = isinstance(module, nn.Conv2d) and type(module).__name__ == "Conv2dSame"
    return same and module.dilation == (1, 1)


def _stem(conv: nn.Conv2d, backbone: Backbone, channels: int) -> tuple[Grey, torch.Tensor]:
    """Return how tiles are fed, and the weights of the first convolution for it.

    A convolution pads with zeros, which after normalisation is the mean colour. So the mean is subtracted outside;
    where the three colours of a grey tile have different means, the differences are the weights of a plane of ones,
    which is zero in the padding.
    """
    mean, std = torch.tensor(backbone.mean), torch.tensor(backbone.std)
    weight = conv.weight.detach()
    scaled = weight / (255 * std.view(1, 3, 1, 1))
    if channels == 3:
        return Grey(255 * mean, with_ones=False), scaled
    centre = mean.mean()
    grey = scaled.sum(1, keepdim=True)
    rest = (weight * ((centre - mean) / std).view(1, 3, 1, 1)).sum(1, keepdim=True)
    uneven = bool((mean != mean[0]).any())
    return Grey(255 * centre.view(1), with_ones=uneven), torch.cat([grey, rest], 1) if uneven else grey


def _convolutions(body: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.Module, int]]:
    """Yield convolutions with their parent and their place in it."""
    for parent in body.modules():
        for place, child in enumerate(list(parent._modules.values())):
            if isinstance(child, nn.Conv2d):
                yield child, parent, place


def _fuse(
    conv: nn.Conv2d,
    weight: torch.Tensor,
    sides: tuple[int, int],
    parent: nn.Module,
    place: int,
    *,
    spared: set[nn.Module],
) -> None:
    """Put a `FusedConv` in the place of a convolution, and nothing in the place of its activation."""
    weight, padding = _symmetric(conv, weight.detach(), sides)
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    names = list(parent._modules)
    activation: tuple[str, tuple[float, ...]] = ("none", ())
    found = None if conv in spared else _activation_behind(parent, place, spared)
    if found is not None:
        name, activation = found
        setattr(parent, name, nn.Identity())
    setattr(parent, names[place], FusedConv(weight, bias, padding, conv, activation))


def _activation_behind(
    parent: nn.Module, place: int, spared: set[nn.Module]
) -> tuple[str, tuple[str, tuple[float, ...]]] | None:
    """Find the activation that certainly follows: what a folded normalisation left, or the next of a sequence."""
    for name, child in list(parent._modules.items())[place + 1 :]:
        left = (
            [part for part in child.modules() if not isinstance(part, nn.Sequential | nn.Identity)]
            if child
            else []
        )
        if len(left) == 1 and type(left[0]) in _ACTIVATIONS:
            certain = isinstance(parent, nn.Sequential) or type(child) is nn.Sequential
            return (name, _ACTIVATIONS[type(left[0])]) if certain else None
        if left or child in spared:
            return None
    return None


def _symmetric(
    conv: nn.Conv2d, weight: torch.Tensor, sides: tuple[int, int]
) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Return weights and padding that is equal on both sides.

    TensorFlow's `same` pads one more below and to the right where the sum is odd; then a row and a column of zeros
    before the weights make up for one more above and to the left. To copy the maps into a frame costs more.
    """
    if type(conv) is nn.Conv2d and not isinstance(conv.padding, str):
        return weight, conv.padding
    totals = []
    for side, width, stride in zip(sides, conv.kernel_size, conv.stride, strict=True):
        reach = (-(-side // stride) - 1) * stride + width
        totals.append(max(reach - side, 0))
    (rows, columns) = totals
    framed = functional.pad(weight, (columns % 2, 0, rows % 2, 0))
    return framed, (rows - rows // 2, columns - columns // 2)
