"""Spectrograms of many sounds at once, on the device that holds them."""

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phosphene.converters import Converter
from phosphene.converters.audio.dsp.mixing import ChannelChoice, mixes
from phosphene.converters.audio.dsp.resample import overlaps
from phosphene.converters.audio.dsp.spectrum import frame_edges, hann
from phosphene.converters.audio.mel import MelSpectrogram
from phosphene.converters.audio.stft import StftSpectrogram

from . import plain_audio as plain
from .paths import AtLeast, Columns, DevicePath, Task, Work, kernels

# A multiple of which the bins are filled up to, so that the matrix product reads whole lines.
_BINS_AT_A_TIME = 8
_BYTES_A_SAMPLE = 16  # of a frame: windowed, and as a spectrum, twice while the transform runs


@dataclass(frozen=True)
class _Rows:
    """How bins become rows.

    Parameters
    ----------
    first_bin
        The first bin with a weight.
    weights
        float32 (bins, n_bands) on the device, from that bin on.
    largest
        The largest weight.
    positions
        Which band each row shows, float32 on the device; None where each shows its own.
    """

    first_bin: int
    weights: Tensor
    largest: float
    positions: Tensor | None


def spectrogram(task: Task) -> None:
    """Draw `mel` or `stft` in decibels."""
    work, values = task.work, _fitted(task)
    converter, n_samples = work.converter, values.shape[2]
    rows = _rows(converter, work.rate_hz, work.device)
    peak = torch.linalg.vector_norm(values, torch.inf, dim=(1, 2))
    peak = torch.where(peak > 0, peak, 1.0)
    columns = _columns(n_samples, converter._hop_length(work.rate_hz), converter.size, work.device)
    bands = _column_values(task, values, peak, columns, rows) @ rows.weights
    white = _white(work, bands, peak, rows)
    factor = 10 if converter.quantity == "power" else 20
    canvas = task.out[..., 0]
    if rows.positions is None and bands.shape[1] == converter.size:
        kernels(work.device).draw_levels(bands, white, canvas, floor_db=converter.floor_db, factor=factor)
        return
    brightness = plain.brightness(bands, white, floor_db=converter.floor_db, factor=factor)
    if rows.positions is not None:
        brightness = plain.interpolated(brightness, rows.positions)
    if bands.shape[1] < converter.size:
        hops = n_samples / converter._hop_length(work.rate_hz)
        centres = (torch.arange(converter.size, device=work.device) + 0.5) / converter.size * hops
        brightness = plain.interpolated(brightness.transpose(1, 2), centres).transpose(1, 2)
    plain.draw_brightness(brightness, canvas)


def _fitted(task: Task) -> Tensor:
    """Return the samples that are drawn, as `duration_s`, `keep` and `fill` say."""
    values, converter = task.values, task.work.converter
    sound = SimpleNamespace(samples=values[0], rate_hz=task.work.rate_hz)
    wanted, first, held = converter._wanted(sound), converter._first(sound), values.shape[2]
    if wanted <= held:
        return values[..., first : first + wanted]
    if converter.fill == "repeat":
        return values.repeat(1, 1, -(-wanted // held))[..., :wanted]
    return torch.nn.functional.pad(values, (0, wanted - held))


def _column_values(task: Task, values: Tensor, peak: Tensor, columns: Columns, rows: _Rows) -> Tensor:
    """Return power or magnitude, averaged onto columns: float32 (n, columns, bins)."""
    work, converter, on = task.work, task.work.converter, kernels(task.work.device)
    n_fft, hop_length = converter._n_fft(work.rate_hz), converter._hop_length(work.rate_hz)
    n_frames = 1 + values.shape[2] // hop_length
    window = _window(n_fft, work.device)
    mix = _mix(converter.channel, work.channels, work.device)
    total = torch.empty((len(values), len(columns.first), len(rows.weights)), device=work.device)
    step = max(1, task.budget_bytes // (_BYTES_A_SAMPLE * n_fft * len(values)))
    for first in range(0, n_frames, step):
        frames = range(first, min(first + step, n_frames))
        cut = on.windowed_frames(values, mix, peak, window, hop_length=hop_length, frames=frames)
        spectra = torch.fft.rfft(cut)
        on.add_columns(
            spectra, columns, total, frames=frames, first_bin=rows.first_bin, quantity=converter.quantity
        )
    return total


def _white(work: Work, bands: Tensor, peak: Tensor, rows: _Rows) -> Tensor:
    """Return the value that is white: float32 (n,)."""
    converter = work.converter
    if converter.reference == "loudest":
        return bands.amax((1, 2))
    exponent = converter._exponent
    full = (converter._n_fft(work.rate_hz) / 4) ** exponent * rows.largest
    white: Tensor = (full / peak.double() ** exponent).float()
    return white


# What is the same for every batch is kept on the device: to send it there would wait for the batch before.


@lru_cache(maxsize=32)
def _window(n_fft: int, device: torch.device) -> Tensor:
    return torch.from_numpy(hann(n_fft)).to(device)


@lru_cache(maxsize=32)
def _mix(channel: ChannelChoice, n_channels: int, device: torch.device) -> Tensor:
    (mix,) = mixes(channel, n_channels, most=n_channels)
    return torch.from_numpy(mix.weights).to(device)


@lru_cache(maxsize=32)
def _rows(converter: Any, rate_hz: float, device: torch.device) -> _Rows:
    high_hz = converter._high_hz(SimpleNamespace(rate_hz=rate_hz))
    bands = converter._bands(rate_hz, converter._n_fft(rate_hz), high_hz)
    weights = bands.weights.toarray()
    used = np.flatnonzero(weights.any(0))
    first, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    width = -(-(stop - first) // _BINS_AT_A_TIME) * _BINS_AT_A_TIME
    filled = np.zeros((width, len(weights)), np.float32)
    filled[: stop - first] = weights[:, first:stop].T
    positions = bands.positions
    return _Rows(
        first,
        torch.from_numpy(filled).to(device),
        float(weights.max()),
        None if positions is None else torch.from_numpy(positions.astype(np.float32)).to(device),
    )


@lru_cache(maxsize=32)
def _columns(n_samples: int, hop_length: int, most: int, device: torch.device) -> Columns:
    """Return the shares of frames in columns; where there are no more frames than columns, one a column."""
    edges = frame_edges(n_samples, hop_length)
    n_frames = len(edges) - 1
    if n_frames <= most:
        first, count, shares = np.arange(n_frames), np.ones(n_frames), np.ones((n_frames, 1), np.float32)
    else:
        borders = np.linspace(0, edges[-1], most + 1)
        first = np.searchsorted(edges, borders[:-1], "right") - 1
        count = np.searchsorted(edges, borders[1:]).clip(max=n_frames) - first
        shares = np.zeros((most, int(count.max())), np.float32)
        for column, (start, width) in enumerate(zip(first, count, strict=True)):
            here = overlaps(edges[start : start + width + 1], borders[column : column + 2])[0]
            shares[column, :width] = here / np.float32(borders[1])
    begins, lengths = (torch.from_numpy(numbers.astype(np.int32)).to(device) for numbers in (first, count))
    return Columns(begins, lengths, torch.from_numpy(shares).to(device))


def _item_bytes(work: Work) -> int:
    """Count samples and all frames; where one sound has more than fit at once, they are taken in blocks."""
    converter, rate_hz = work.converter, work.rate_hz
    n_fft: int = converter._n_fft(rate_hz)
    wanted = int(work.count if converter.duration_s is None else converter.duration_s * rate_hz)
    frames: int = n_fft * _BYTES_A_SAMPLE * (1 + wanted // converter._hop_length(rate_hz))
    columns: int = 8 * n_fft * converter.size
    return frames + columns + 12 * work.channels * wanted


_KNOWN = {
    **dict.fromkeys(
        ("size", "window_s", "hop_s", "n_fft", "hop_length", "low_hz", "high_hz", "quantity", "reference",
         "duration_s", "fill", "pcen_time_s", "pcen_gain")
    ),
    "keep": ("start", "middle", "end"),  # the loudest part is elsewhere in each sound of a batch
    "floor_db": AtLeast(-120),  # below, the rounding of one transform and of another look different
    "channel": ("mean", "left", "right", "mid", "side"),
}  # fmt: skip
PATHS: dict[type[Converter], DevicePath] = {
    MelSpectrogram: DevicePath(spectrogram, _item_bytes, 2, {**_KNOWN, "n_mels": None, "mel_scale": None}),
    StftSpectrogram: DevicePath(spectrogram, _item_bytes, 2, _KNOWN),
}
