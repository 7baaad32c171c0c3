"""Spectrograms of many sounds at once, on the device that holds them."""

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phosphene.converters.audio.dsp import ChannelChoice, frame_edges, hann, mixes, overlaps, uncancelled

_BYTES_A_SAMPLE = 16  # of a frame: windowed, and as a spectrum, twice while the transform runs


def spectrogram(converter: Any, values: Tensor, rate_hz: float, budget_bytes: int) -> Tensor:
    """Draw sounds as `mel` or `stft` in decibels.

    Parameters
    ----------
    converter
        Has the parameters.
    values
        float32 (n, channels, samples), full scale at -1 and 1.
    rate_hz
        Samples a second.
    budget_bytes
        How much memory to use about; the frames of long sounds are taken in blocks.

    Returns
    -------
    Tensor
        uint8 (n, size, size, 1), on the device of the values.
    """
    values, device = _fitted(converter, values, rate_hz), values.device
    weights, largest, positions = _bands(converter, rate_hz, device)
    peak = torch.linalg.vector_norm(values, torch.inf, dim=(1, 2))
    peak = torch.where(peak > 0, peak, 1.0)
    bands = _band_values(converter, values, peak, weights, rate_hz, budget_bytes)
    white = _white(converter, bands, peak, largest, rate_hz)
    level_db = (10 if converter.quantity == "power" else 20) * (bands / white[:, None, None]).log10()
    brightness = (1 - level_db / converter.floor_db).nan_to_num(0.0, neginf=0.0).clamp(0, 1)
    if positions is not None:
        brightness = interpolated(brightness, positions)
    if bands.shape[1] < converter.size:
        hops = values.shape[2] / converter._hop_length(rate_hz)
        centres = (torch.arange(converter.size, device=device) + 0.5) / converter.size * hops
        brightness = interpolated(brightness.transpose(1, 2), centres).transpose(1, 2)
    return (brightness * 255).round().to(torch.uint8).flip(2).transpose(1, 2)[..., None]


def item_bytes(converter: Any, shape: tuple[int, ...], rate_hz: float) -> int:
    """Return about how much memory a sound of a shape takes while it is drawn."""
    (channels, count), n_fft = shape, converter._n_fft(rate_hz)
    wanted = int(count if converter.duration_s is None else converter.duration_s * rate_hz)
    frames = n_fft * _BYTES_A_SAMPLE * (1 + wanted // converter._hop_length(rate_hz))
    return int(frames + 8 * n_fft * converter.size + 12 * channels * wanted)


def _fitted(converter: Any, values: Tensor, rate_hz: float) -> Tensor:
    """Return the samples that are drawn, as `duration_s`, `keep` and `fill` say."""
    sound = SimpleNamespace(samples=values[0], rate_hz=rate_hz)
    wanted, first, held = converter._wanted(sound), converter._first(sound), values.shape[2]
    if wanted <= held:
        return values[..., first : first + wanted]
    if converter.fill == "repeat":
        return values.repeat(1, 1, -(-wanted // held))[..., :wanted]
    return torch.nn.functional.pad(values, (0, wanted - held))


def _band_values(
    converter: Any, values: Tensor, peak: Tensor, weights: Tensor, rate_hz: float, budget_bytes: int
) -> Tensor:
    """Return power or magnitude in bands; where there are more frames than columns, averaged onto these.

    Returns
    -------
    Tensor
        float32 (n, columns, bands), of sound whose peak is 1.
    """
    n_fft, hop_length = converter._n_fft(rate_hz), converter._hop_length(rate_hz)
    n_samples = values.shape[2]
    n_frames = 1 + n_samples // hop_length
    # Brought to full scale before it is rounded: half of the faintest sound would be none.
    scaled = values.double() / peak.double()[:, None, None]
    mono = torch.einsum("nc,ncs->ns", _mix(converter.channel, scaled), scaled).float()
    step = max(1, budget_bytes // (_BYTES_A_SAMPLE * n_fft * len(values)))
    blocks = []
    for first in range(0, n_frames, step):
        count = min(step, n_frames - first)
        frames = _frames(mono, n_fft, hop_length, first, count) * _window(n_fft, values.device)
        spectra = torch.view_as_real(torch.fft.rfft(frames)).square().sum(-1)
        bands = (spectra.sqrt_() if converter.quantity == "magnitude" else spectra) @ weights
        if n_frames > converter.size:
            bands = _shares(n_samples, hop_length, converter.size, first, count, values.device) @ bands
        blocks.append(bands)
    return torch.stack(blocks).sum(0) if n_frames > converter.size else torch.cat(blocks, 1)


def _mix(channel: ChannelChoice, values: Tensor) -> Tensor:
    """Return what each channel of each sound is multiplied by: float64 (n, channels)."""
    count, n_channels, _ = values.shape
    if channel == "mean" and n_channels > 1:
        rows = list(map(uncancelled, (values @ values.transpose(1, 2)).cpu().numpy()))
    else:
        rows = [mixes(channel, np.zeros((n_channels, 1)), most=n_channels)[0].weights] * count
    return torch.from_numpy(np.stack(rows)).to(values.device)


def _frames(mono: Tensor, n_fft: int, hop_length: int, first: int, count: int) -> Tensor:
    """Cut (n, samples) into frames, each centred on a multiple of the hop, with zeros beyond both ends."""
    start = first * hop_length - n_fft // 2
    stop = (first + count - 1) * hop_length - n_fft // 2 + n_fft
    inside = mono[:, max(start, 0) : max(stop, 0)]
    padded = torch.nn.functional.pad(inside, (max(-start, 0), max(stop - mono.shape[1], 0)))
    return padded[:, : stop - start].unfold(1, n_fft, hop_length)


def _white(converter: Any, bands: Tensor, peak: Tensor, largest: float, rate_hz: float) -> Tensor:
    """Return the value that is white: float32 (n,)."""
    if converter.reference == "loudest":
        return bands.amax((1, 2))
    exponent = converter._exponent
    white: Tensor = (
        (converter._n_fft(rate_hz) / 4 / converter._gain) ** exponent * largest / peak.double() ** exponent
    ).float()
    return white


def interpolated(values: Tensor, positions: Tensor) -> Tensor:
    """Return values between the indices 0, 1, 2, ... of the last axis, on straight lines; level beyond both ends.

    Examples
    --------
    >>> interpolated(torch.tensor([0.0, 10.0, 30.0]), torch.tensor([-1.0, 0.5, 1.5, 9.0]))
    tensor([ 0.,  5., 20., 30.])
    """
    last = values.shape[-1] - 1
    inside = positions.clamp(0, last)
    below = inside.long().clamp(0, max(last - 1, 0))
    share = inside - below
    return values[..., below] * (1 - share) + values[..., (below + 1).clamp(max=last)] * share


# What is the same for every batch is kept on the device: to send it there would wait for the batch before.


@lru_cache(maxsize=32)
def _window(n_fft: int, device: torch.device) -> Tensor:
    return torch.from_numpy(hann(n_fft)).to(device)


@lru_cache(maxsize=32)
def _bands(converter: Any, rate_hz: float, device: torch.device) -> tuple[Tensor, float, Tensor | None]:
    """Return the weights of bins in bands, float32 (bins, bands), the largest, and which band each row shows."""
    high_hz = converter._high_hz(SimpleNamespace(rate_hz=rate_hz))
    bands = converter._bands(rate_hz, converter._n_fft(rate_hz), high_hz)
    weights = bands.weights.toarray().astype(np.float32).T.copy()
    rows = bands.positions
    positions = None if rows is None else torch.from_numpy(rows.astype(np.float32)).to(device)
    return torch.from_numpy(weights).to(device), float(weights.max()), positions


@lru_cache(maxsize=32)
def _shares(
    n_samples: int, hop_length: int, columns: int, first: int, count: int, device: torch.device
) -> Tensor:
    """Return the share of each of some frames in each column: float32 (columns, frames)."""
    borders = np.linspace(0, n_samples / hop_length, columns + 1)
    covered = overlaps(frame_edges(n_samples, hop_length, first=first, count=count), borders)
    return torch.from_numpy(covered / np.float32(borders[1])).to(device)
