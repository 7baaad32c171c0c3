"""What the device code shares: which converters have a way to be drawn on a device, and which kernels draw there."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phosphene.converters import Converter
from phosphene.converters.series.layout import segments

# Where tensors of float64 exist and every operation used here does.
DEVICE_TYPES = ("cpu", "cuda")
_SMALL_BYTES, _MOST_BYTES = 1 << 28, 1 << 31


@dataclass(frozen=True)
class Work:
    """What signals that are drawn together have in common.

    Parameters
    ----------
    converter
        What draws them.
    channels, count
        Of each signal: channels, and samples in each.
    rate_hz
        Samples a second; of sound alone.
    device
        Where.
    """

    converter: Any
    channels: int
    count: int
    rate_hz: float
    device: torch.device

    @property
    def fused(self) -> bool:
        """Whether the steps between samples and pixels leave no arrays behind."""
        return self.device.type == "cuda" and has_triton()


@dataclass(frozen=True)
class Task:
    """Signals that are drawn together, and where to.

    Parameters
    ----------
    work
        What they have in common.
    values
        float32 (n, channels, samples) on the device, NaN where missing.
    out
        uint8 (n, height, width, planes) on the device, every byte of which is written.
    budget_bytes
        How much memory of the device to use about.
    """

    work: Work
    values: Tensor
    out: Tensor
    budget_bytes: int


@dataclass(frozen=True)
class DevicePath:
    """How one class of converters draws on a device.

    Parameters
    ----------
    draw
        Draws a task.
    item_bytes
        About how much memory of the device a signal takes while it is drawn.
    version
        Of the converter whose pixels these are.
    knows
        The values of each parameter that `draw` obeys, None for all of them; of a parameter that is not named
        here, the default alone.
    """

    draw: Callable[[Task], None]
    item_bytes: Callable[[Work], int]
    version: int
    knows: Mapping[str, Container[Any] | None]

    def fits(self, converter: Converter) -> bool:
        """Tell whether the pixels are those of the converter with its version and all of its parameters."""
        defaults = {field.name: field.default for field in fields(converter)}
        return converter.version == self.version and all(
            self._takes(name, value, defaults[name]) for name, value in converter.parameters.items()
        )

    def _takes(self, name: str, value: Any, default: Any) -> bool:
        known = self.knows.get(name, (default,))
        return known is None or value in known


@dataclass(frozen=True)
class AtLeast:
    """All numbers from one on."""

    low: float

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and value >= self.low


@dataclass(frozen=True)
class Segments:
    """Which samples each pixel shows: int32 (pixels,) on the device, and the most of them that one shows."""

    start: Tensor
    stop: Tensor
    most: int

    @property
    def pixels(self) -> int:
        """How many pixels."""
        return len(self.start)


@lru_cache(maxsize=64)
def segments_on(count: int, pixels: int, device: torch.device) -> Segments:
    """Return `segments` on a device."""
    start, stop = segments(count, pixels)
    most = int((stop - start).max())
    first, last = (torch.from_numpy(ends.astype(np.int32)).to(device) for ends in (start, stop))
    return Segments(first, last, most)


@dataclass(frozen=True)
class Columns:
    """Which frames each column shows.

    Parameters
    ----------
    first, count
        int32 (columns,) on the device: the first frame, and how many.
    shares
        float32 (columns, most) on the device: of these frames, in the column; 0 beyond `count`.
    """

    first: Tensor
    count: Tensor
    shares: Tensor

    def dense(self, frames: range) -> Tensor:
        """Return the shares of some frames in all columns: float32 (columns, frames)."""
        place = torch.arange(frames.start, frames.stop, device=self.first.device) - self.first[:, None]
        inside = (place >= 0) & (place < self.count[:, None])
        return torch.where(inside, self.shares.gather(1, place.clamp(0, self.shares.shape[1] - 1)), 0.0)


@cache
def has_triton() -> bool:
    """Tell whether Triton is installed."""
    return find_spec("triton") is not None


def kernels(device: torch.device) -> ModuleType:
    """Return the module of inner steps for a device: Triton on a GPU, else operations of torch."""
    if device.type == "cuda" and has_triton():
        from . import triton as device_triton

        return device_triton
    from . import plain as device_plain

    return device_plain


def budget_bytes(device: torch.device, wanted: int) -> int:
    """Return how much memory to use at a time: a quarter of what is free, no more than what keeps a GPU busy."""
    if (
        device.type != "cuda" or wanted <= _SMALL_BYTES
    ):  # asking how much is free takes as long as a small batch
        return _SMALL_BYTES
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free: int = torch.cuda.mem_get_info(device)[0]
    return min((free + cached) // 4, _MOST_BYTES)
