"""Batches of signals drawn on a GPU by plain torch: the pixels of the CPU, but for one grey level here and there.

`torch` is imported when something is drawn, so that what needs no network costs no import of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from phosphene.converters import Audio, Channels, Converter, ParameterError, Signal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Where tensors of float64 exist and every operation used here does.
_DEVICE_TYPES = ("cpu", "cuda")
_LEAST_BYTES, _MOST_BYTES = 1 << 28, 1 << 31


@dataclass(frozen=True)
class _Drawn:
    """Which pixels of a version of a converter are drawn on a device: of which parameters all values, or some."""

    every: str
    version: int = 2
    some: Mapping[str, Callable[[Any], bool]] = field(default_factory=dict)


_SOUND = (
    "size window_s hop_s n_fft hop_length low_hz high_hz quantity reference gain_db duration_s fill "
    "pcen_time_s pcen_gain"
)
_SOME: dict[str, Callable[[Any], bool]] = {
    "floor_db": lambda value: value >= -120,  # below, the rounding of two transforms looks different
    "channel": lambda value: value != "stack",
    "keep": lambda value: value != "trimmed",
}
_BY_NAME = {
    "gasf": _Drawn("size channels input scaling"),
    "gadf": _Drawn("size channels input scaling"),
    "mtf": _Drawn("size channels input n_bins strategy"),
    "recurrence": _Drawn("size channels input dimension delay threshold percentage"),
    "mel": _Drawn(f"{_SOUND} n_mels mel_scale", 3, _SOME),
    "stft": _Drawn(_SOUND, 3, _SOME),
}


def draws_on(converter: Converter) -> bool:
    """Tell whether a converter with these parameters is drawn on a device, and not by the CPU and copied.

    These are `gasf`, `gadf` and `mtf`; `recurrence` of a channel with itself; `mel` and `stft` in decibels down to
    -120, without derivatives and stacks; and `A+B+C` of these.

    Examples
    --------
    >>> from phosphene.converters import make
    >>> draws_on(make("gasf")), draws_on(make("patches"))
    (True, False)
    """
    if isinstance(converter, Channels):
        return all(map(draws_on, converter.parts))
    known = _BY_NAME.get(converter.name)
    # A class of another package, or a subclass of ours, may draw otherwise.
    if known is None or not type(converter).__module__.startswith("phosphene.converters."):
        return False
    defaults = {field.name: field.default for field in fields(converter)}
    return converter.version == known.version and all(
        name in known.every.split()
        or value == defaults[name]
        or (name in known.some and known.some[name](value))
        for name, value in converter.parameters.items()
    )


def draw_on(converter: Converter, signals: Sequence[Signal], device: "torch.device | str") -> np.ndarray:
    """Draw signals on a device and fetch the pixels: uint8 (n, height, width, channels), see `batch_on`."""
    return np.asarray(batch_on(converter, signals, device=device).cpu().numpy())


def batch_on(converter: Converter, signals: Sequence[Signal], *, device: "torch.device | str") -> "Tensor":
    """Draw signals on a device: the pixels of `converter.batch`, but for one grey level here and there.

    Signals of one shape and rate are drawn together, as many at a time as a part of the free memory holds. What
    cannot be drawn on the device, see `draws_on`, is drawn by the CPU and copied.

    Parameters
    ----------
    converter
        What draws.
    signals
        One or more, of the kind that it draws.
    device
        Where the pixels are to be, such as `cuda` or `cuda:1`.

    Returns
    -------
    torch.Tensor
        uint8 (n, height, width, channels) on the device.

    Raises
    ------
    SignalError
        No signals, or one that the converter refuses.
    ParameterError
        There is no such device.

    Examples
    --------
    >>> from phosphene.converters import Series, make
    >>> series = [Series(np.sin(np.arange(100) / step)) for step in (3, 5)]
    >>> batch_on(make("gasf", size=64), series, device="cpu").shape
    torch.Size([2, 64, 64, 1])
    """
    import torch

    on = check_device(device)
    if not signals:
        converter.batch(signals)  # says so
    for signal in signals:
        converter._check_kind(signal)
    if isinstance(converter, Channels):
        return _joined([batch_on(part, signals, device=on) for part in converter.parts])
    if on.type not in _DEVICE_TYPES or not draws_on(converter):
        return torch.from_numpy(converter.batch(signals)).to(on)
    if len(signals) == 1:
        return _batch_alike(converter, signals, on)
    batches = _alike(signals)
    drawn = torch.cat([_batch_alike(converter, [signals[i] for i in indices], on) for indices in batches])
    return drawn[torch.from_numpy(np.argsort(np.concatenate(batches))).to(on)] if len(batches) > 1 else drawn


def _batch_alike(converter: Any, signals: Sequence[Any], device: "torch.device") -> "Tensor":
    """Draw signals of one shape and rate, as many at a time as fit into memory."""
    import torch

    from . import images

    budget, samples = _budget_bytes(device), [_samples(signal) for signal in signals]
    shape, is_sound = samples[0].shape, converter.kind == "audio"
    rate_hz = signals[0].rate_hz if is_sound else 0.0
    each = (
        images.sound_bytes(converter, shape, rate_hz) if is_sound else images.series_bytes(converter, shape)
    )
    step, drawn = max(1, budget // each), []
    with torch.no_grad():
        for first in range(0, len(signals), step):
            values = torch.from_numpy(np.stack(samples[first : first + step])).to(device)
            if is_sound:
                drawn.append(images.sound_images(converter, values, rate_hz, budget))
            else:
                drawn.append(images.series_images(converter, values))
    return torch.cat(drawn) if len(drawn) > 1 else drawn[0]


def _alike(signals: Sequence[Signal]) -> list[list[int]]:
    """Return the indices of signals of one shape and rate, group after group."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, signal in enumerate(signals):
        key = (_samples(signal).shape, getattr(signal, "rate_hz", None))
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _samples(signal: Any) -> np.ndarray:
    samples: np.ndarray = signal.samples if isinstance(signal, Audio) else signal.values
    return samples


def check_device(device: "torch.device | str") -> "torch.device":
    """Return the device, if there is one, with its number."""
    import torch

    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ParameterError(
            f"device must be one that torch can use here, got {str(device)!r} ({reason}); take device='cpu'"
        ) from error


def _budget_bytes(device: "torch.device") -> int:
    """Return how much memory to use at a time: a quarter of what is free, no more than what keeps a GPU busy."""
    import torch

    if device.type != "cuda":
        return _LEAST_BYTES
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free: int = torch.cuda.mem_get_info(device)[0]
    return max(min((free + cached) // 4, _MOST_BYTES), 1)


def _joined(images: "list[Tensor]") -> "Tensor":
    """Put grey images side by side as channels."""
    import torch

    if len({image.shape for image in images}) > 1 or images[0].shape[-1] != 1:
        shapes = " and ".join(str(tuple(image.shape[1:])) for image in images)
        raise ParameterError(f"Channels needs grey images of one size, got {shapes}")
    return torch.cat(images, -1)
