"""Grey tiles through networks that learned from colours, without making three channels of one.

A grey level g gives colour c of a normalised image the value (g - mean_c) / std_c. With weights w_c of the first
convolution, a position k of its kernel therefore adds sum_c w_c[k] (g - mean_c) / std_c, which is W[k] u + B[k] for the
one channel u = (g - mean) / std, where W = sum_c w_c std / std_c and B = sum_c w_c (mean - mean_c) / std_c. Where the
kernel hangs over the border padding adds nothing, neither to the one nor to the other. So the convolution of three
colours is that of u by W and that of a plane of ones by B, which is the same for all images, and nothing at all where
the colours have one mean and one deviation. W and B are worked out from w in every pass: parameters, their names and
their gradients stay those of the network for three colours.
"""

import copy
import dataclasses
import statistics
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .backbone import Backbone

_ROUNDING = 1e-3


def one_channel(backbone: Backbone) -> Backbone:
    """Let a backbone take grey tiles as they are: the same features, a third of the memory.

    Its body then takes (n, 1, size, size), normalised by `grey`, as well as (n, 3, size, size); `input_tensor` gives
    it the one for grey tiles and the other for coloured ones. Weights are those of the network for three colours, in
    files and in training too.

    Parameters
    ----------
    backbone
        It stays as it is; its weights are copied.

    Returns
    -------
    Backbone
        The same object where it takes grey tiles already, or where the first layer is of a sort that cannot.

    Examples
    --------
    >>> import numpy as np
    >>> from phosphene.pipeline.backbones.backbone import input_tensor, load_backbone
    >>> backbone = one_channel(load_backbone("lenet", pretrained=False))
    >>> images = input_tensor(np.full((2, 64, 64, 1), 255, np.uint8), backbone)
    >>> images.shape, backbone.body(images).shape
    (torch.Size([2, 1, 64, 64]), torch.Size([2, 120, 9, 9]))
    """
    if backbone.grey:
        return backbone
    body = copy.deepcopy(backbone.body)
    grey = statistics.median(backbone.mean), statistics.median(backbone.std)
    firsts = _first_convolutions(body, backbone.size)
    for name in firsts:
        first: Any = body.get_submodule(name)
        body.set_submodule(name, GreyConv2d(first, backbone, grey))
    changed = dataclasses.replace(backbone, body=body.eval(), grey=grey)
    return changed if firsts and _agree(backbone, changed) else backbone


class GreyConv2d(nn.Conv2d):
    """A first convolution that takes one channel as it would take the three which that gives."""

    gains: torch.Tensor
    shifts: torch.Tensor

    def __init__(self, first: nn.Conv2d, backbone: Backbone, grey: tuple[float, float]) -> None:
        plain: Any = first
        shape = plain.in_channels, plain.out_channels, plain.kernel_size
        # On no device: nothing is drawn for weights that are replaced at once.
        super().__init__(*shape, plain.stride, plain.padding, plain.dilation, device="meta")
        self.weight, self.bias = first.weight, first.bias
        self._keeps_size = type(first).__name__ == "Conv2dSame"
        mean, std = torch.tensor(backbone.mean), torch.tensor(backbone.std)
        self._shifted = len({*backbone.mean}) > 1
        # Not part of the state: files of weights stay those of the network for three colours.
        self.register_buffer("gains", grey[1] / std, persistent=False)
        self.register_buffer("shifts", (grey[0] - mean) / std, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Convolve (n, 1 or 3, height, width)."""
        if images.shape[1] != 1:
            return self._convolve(images, self.weight, self.bias)
        output = self._convolve(images, self._weighed(self.gains), self.bias)
        if self._shifted:
            output += self._convolve(torch.ones_like(images[:1]), self._weighed(self.shifts), None)
        return output

    def _weighed(self, factors: torch.Tensor) -> torch.Tensor:
        weight = (self.weight * factors.view(1, -1, 1, 1)).sum(1, keepdim=True)
        # One channel is contiguous either way; its strides tell the next layers which of the two is meant.
        last = self.weight.stride(1) == 1
        return weight.clone(memory_format=torch.channels_last) if last else weight

    def _convolve(
        self, images: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        if self._keeps_size:
            images = functional.pad(
                images, [*self._margins(images.shape[3], 1), *self._margins(images.shape[2], 0)]
            )
        return functional.conv2d(images, weight, bias, self.stride, self.padding, self.dilation)

    def _margins(self, side: int, axis: int) -> tuple[int, int]:
        """Return what is padded before and after an axis for ceil(side / stride) steps, as TensorFlow does it."""
        step, reach = self.stride[axis], self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
        both = max((-(-side // step) - 1) * step + reach - side, 0)
        return both // 2, both - both // 2


def _first_convolutions(body: nn.Module, size: int) -> list[str]:
    """Return the names of the convolutions that see the images themselves, if plain ones alone do."""
    images = torch.zeros(1, 3, size, size)
    seen: list[str] = []

    def look(name: str) -> Any:
        return lambda module, given: seen.append(name) if _is_same(given, images) else None

    learning = [(name, part) for name, part in body.named_modules() if part._parameters]
    handles = [part.register_forward_pre_hook(look(name)) for name, part in learning]
    with torch.inference_mode():
        body(images)
    for handle in handles:
        handle.remove()
    return seen if all(_is_plain(body.get_submodule(name)) for name in seen) else []


def _is_same(given: tuple[Any, ...], images: torch.Tensor) -> bool:
    tensors = [one for one in given if isinstance(one, torch.Tensor)]
    return any(one.data_ptr() == images.data_ptr() for one in tensors)


def _is_plain(part: nn.Module) -> bool:
    if not isinstance(part, nn.Conv2d) or type(part).__name__ not in ("Conv2d", "Conv2dSame"):
        return False
    return part.padding_mode == "zeros" and part.groups == 1


def _agree(backbone: Backbone, changed: Backbone) -> bool:
    """Tell whether grey noise gives the same features by either way."""
    levels = torch.rand(1, 1, backbone.size, backbone.size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, got = (one.body(_normalised(levels, one)) for one in (backbone, changed))
    return bool((expected - got).abs().max() <= _ROUNDING * expected.abs().max())


def _normalised(levels: torch.Tensor, backbone: Backbone) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in backbone.stats(1))
    return (levels - mean) / std
