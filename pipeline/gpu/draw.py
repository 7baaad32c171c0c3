"""Batches of signals drawn on a GPU, to the same pixels as on the CPU within one grey level.

`torch` is imported when something is drawn, so that what needs no network costs no import of it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from phosphene.converters import Audio, Channels, Converter, ParameterError, Series, Signal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .paths import DevicePath, Work


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
    >>> from phosphene.converters import make
    >>> series = [Series(np.sin(np.arange(100) / step)) for step in (3, 5)]
    >>> batch_on(make("gasf", size=64), series, device="cpu").shape
    torch.Size([2, 64, 64, 1])
    """
    import torch

    place = _checked(device)
    if not signals:
        converter.batch(signals)  # says so
    for signal in signals:
        converter._check_kind(signal)
    if isinstance(converter, Channels):
        return _joined([batch_on(part, signals, device=place) for part in converter.parts])
    path = _path(converter, place)
    if path is None:
        return torch.from_numpy(converter.batch(signals)).to(place)
    out = _empty(converter, len(signals), place)
    for places in _alike(signals):
        samples = [_samples(signals[at]) for at in places]
        target = out if len(places) == len(signals) else _empty(converter, len(places), place)
        work = _work(converter, samples[0].shape, getattr(signals[places[0]], "rate_hz", 0.0), place)
        _draw(path, work, _uploading(samples, place), target)
        if target is not out:
            out[torch.tensor(places, device=place)] = target
    return out


def draw_on(converter: Converter, values: "Tensor", *, rate_hz: float | None = None) -> "Tensor":
    """Draw samples that lie on a device already: as `batch_on`, without signals and the checks of them.

    Parameters
    ----------
    converter
        What draws: a converter of sound or of series, or several as channels.
    values
        (n, channels, samples), real numbers, which are taken as float32; of sound, full scale at -1 and 1. NaN is
        a missing sample of a series. That no channel is all NaN and nothing infinite is not checked, since the
        check would wait for the device.
    rate_hz
        Samples a second of sound; the pixels of a series do not depend on it.

    Returns
    -------
    torch.Tensor
        uint8 (n, height, width, channels) on the same device.

    Raises
    ------
    ParameterError
        A converter of another kind, no rate for sound, or a tensor that is not as described.
    SignalError
        The converter refuses signals of this shape or rate.

    Examples
    --------
    >>> import torch
    >>> from phosphene.converters import make
    >>> draw_on(make("mel", size=64), torch.randn(2, 1, 8000), rate_hz=8000).shape
    torch.Size([2, 64, 64, 1])
    """
    import torch

    _check_values(converter, values, rate_hz)
    values = values.detach().float()
    if isinstance(converter, Channels):
        return _joined([draw_on(part, values, rate_hz=rate_hz) for part in converter.parts])
    path = _path(converter, values.device)
    if path is None:
        signals = [_signal(converter, item, rate_hz) for item in values.cpu().numpy()]
        return torch.from_numpy(converter.batch(signals)).to(values.device)
    out = _empty(converter, len(values), values.device)
    _draw(path, _work(converter, values.shape[1:], rate_hz or 0.0, values.device), values.__getitem__, out)
    return out


def draws_on(converter: Converter, device: "torch.device | str") -> bool:
    """Tell whether a converter with these parameters is drawn on the device, and not by the CPU and copied.

    On CUDA's devices and the CPU's are `gasf`, `gadf` and `mtf`; `recurrence` of a channel with itself; `mel` and
    `stft` in decibels down to -120, without derivatives and stacks; and `A+B+C` of these.

    Examples
    --------
    >>> from phosphene.converters import make
    >>> draws_on(make("gasf"), "cpu"), draws_on(make("patches"), "cpu")
    (True, False)
    """
    place = _checked(device)
    parts = converter.parts if isinstance(converter, Channels) else (converter,)
    return all(_path(part, place) is not None for part in parts)


def _path(converter: Converter, device: "torch.device") -> "DevicePath | None":
    """Return the way to draw on a device, by the very class: a subclass may draw otherwise."""
    from . import audio as device_audio
    from . import markov as device_markov
    from . import series as device_series
    from .paths import DEVICE_TYPES

    path = {**device_audio.PATHS, **device_markov.PATHS, **device_series.PATHS}.get(type(converter))
    return path if path and device.type in DEVICE_TYPES and path.fits(converter) else None


def _checked(device: "torch.device | str") -> "torch.device":
    """Return the device, if there is one, with its number."""
    import torch

    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ParameterError(
            f"device must be one that torch can use here, got {str(device)!r} ({reason}); take device='cpu'"
        ) from error


def _draw(path: "DevicePath", work: "Work", take: "Callable[[slice], Tensor]", out: "Tensor") -> None:
    """Draw as many signals at a time as fit into memory."""
    import torch

    from .paths import Task, budget_bytes

    item_bytes = path.item_bytes(work)
    budget = budget_bytes(work.device, item_bytes * len(out))
    step = max(1, budget // item_bytes)
    with torch.no_grad(), _current(work.device):
        for first in range(0, len(out), step):
            part = slice(first, first + step)
            path.draw(Task(work, take(part), out[part], budget))


def _current(device: "torch.device") -> AbstractContextManager[Any]:
    """Make a GPU the one that kernels are launched on."""
    import torch

    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _work(converter: Converter, shape: Sequence[int], rate_hz: float, device: "torch.device") -> "Work":
    from .paths import Work

    return Work(converter, shape[0], shape[1], rate_hz, device)


def _empty(converter: Any, count: int, device: "torch.device") -> "Tensor":
    import torch

    planes = 3 if getattr(converter, "channels", "") == "color" else 1
    return torch.empty((count, converter.size, converter.size, planes), dtype=torch.uint8, device=device)


def _joined(planes: "list[Tensor]") -> "Tensor":
    """Put grey pictures side by side as channels."""
    import torch

    if len({plane.shape for plane in planes}) > 1 or planes[0].shape[-1] != 1:
        shapes = " and ".join(str(tuple(plane.shape[1:])) for plane in planes)
        raise ParameterError(f"Channels needs grey images of one size, got {shapes}")
    return torch.cat(planes, -1)


def _samples(signal: Any) -> np.ndarray:
    samples: np.ndarray = signal.samples if isinstance(signal, Audio) else signal.values
    return samples


def _alike(signals: Sequence[Signal]) -> list[list[int]]:
    """Return the places of signals of one shape and rate, group after group."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, signal in enumerate(signals):
        key = (_samples(signal).shape, getattr(signal, "rate_hz", None))
        groups.setdefault(key, []).append(place)
    return list(groups.values())


def _uploading(samples: list[np.ndarray], device: "torch.device") -> "Callable[[slice], Tensor]":
    import torch

    return lambda part: torch.from_numpy(np.stack(samples[part])).to(device)


def _signal(converter: Converter, values: np.ndarray, rate_hz: float | None) -> Signal:
    return Audio(values, rate_hz or 0.0) if converter.kind == "audio" else Series(values)


def _check_values(converter: Converter, values: "Tensor", rate_hz: float | None) -> None:
    if converter.kind not in ("audio", "series"):
        raise ParameterError(
            f"draw_on draws sound and series, got {converter.name}; call batch_on with signals"
        )
    if converter.kind == "audio" and (rate_hz is None or not 1 <= rate_hz <= 1e7):
        raise ParameterError(f"rate_hz must be from 1 to 10000000 for sound, got {rate_hz!r}")
    if values.ndim != 3 or not values.numel() or values.is_complex():
        raise ParameterError(
            f"values must be real numbers (n, channels, samples), at least one of each, got {values.dtype} "
            f"{tuple(values.shape)}"
        )
