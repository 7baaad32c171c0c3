"""Images of many signals at once, on the device that holds them: fields of series, and spectrograms."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from phosphene.converters import SignalError
from phosphene.converters.audio.dsp import _CANCELLED, ChannelChoice, frame_edges, hann, mixes, overlaps
from phosphene.converters.audio.spectrogram import _BLOCK_S
from phosphene.converters.core.converter import height_width
from phosphene.converters.series.base import MID_GREY, PLANES, cells, segments
from phosphene.converters.series.recurrence import ROUNDING, state_count

Shape = tuple[int, int]
Field = Callable[[Any, Tensor, Shape], Tensor]
"""A converter, float (n, samples), and rows and columns, to levels 0 to 255, (n, rows, columns), NaN where missing."""


def series_images(converter: Any, values: Tensor, fields: Mapping[str, Field] | None = None) -> Tensor:
    """Draw float32 (n, channels, samples) as `gasf`, `gadf`, `mtf` or `recurrence`: uint8 (n, height, width, channels).

    Other `fields`, by the name of their converter, take the place of ours.
    """
    field = (_FIELDS | dict(fields or {}))[converter.name]
    values, (height, width) = _chosen(converter, values), height_width(converter.size)
    n_channels = PLANES if converter.channels == "color" else 1
    out = torch.zeros((values.shape[0], height, width, n_channels), dtype=torch.uint8, device=values.device)
    for index, cell in enumerate(cells(values.shape[1], converter.size, converter.channels)):
        rows, columns = slice(cell.top, cell.bottom), slice(cell.left, cell.right)
        shape = cell.bottom - cell.top, cell.right - cell.left
        levels = field(converter, values[:, index], shape)
        # Halves are rounded upwards, what is missing is black.
        grey = (levels + 0.5).nan_to_num(0.0).clamp(0, 255).to(torch.uint8)
        out[:, rows, columns, index if n_channels > 1 else 0] = grey
    return out


def series_bytes(converter: Any, shape: tuple[int, ...]) -> int:
    """Return about how much memory a series of a shape takes while it is drawn."""
    (channels, count), size = shape, converter.size
    sides = 64 * getattr(converter, "dimension", 1) * (count + size)
    bins = 8 * getattr(converter, "n_bins", 0) * (2 * size + count)
    ranked = 40 if getattr(converter, "threshold", "none") != "none" else 16
    return int(40 * channels * count + sides + bins + ranked * size**2)


def _chosen(converter: Any, values: Tensor) -> Tensor:
    """Return the channels that are drawn, as they are or as first differences."""
    if converter.channels == "first":
        values = values[:, :1]
    if converter.input == "differences":
        values = values.double().diff()
        if _any(values.isnan().all(-1)):
            raise SignalError("no two neighbouring samples of a channel are present; take input=values")
    if converter.channels == "mean" and values.shape[1] > 1:
        values = values.double().nanmean(1, keepdim=True)
    return values


# Fields: series (n, samples) to levels 0 to 255, (n, rows, columns), NaN where missing.


def _gramian(converter: Any, values: Tensor, shape: Shape) -> Tensor:
    columns, rows = (segment_means(values, pixels) for pixels in shape[::-1])
    low, width = spans(columns, values)

    def cosine_and_sine(along: Tensor) -> tuple[Tensor, Tensor]:
        share = ((along - low) / torch.where(width > 0, width, 1.0)).clamp(0, 1)
        share = (1 + share) / 2 if converter.scaling == "unit" else share
        return (2 * share - 1).float(), (2 * (share * (1 - share)).sqrt()).float()

    (cosine, sine), (across_cosine, across_sine) = cosine_and_sine(rows), cosine_and_sine(columns)
    if converter.name == "gadf":
        cosine, sine = sine, cosine
    field = cosine[:, :, None] * across_cosine[:, None] - sine[:, :, None] * across_sine[:, None]
    field = torch.where(width[..., None] > 0, 127.5 * (1 + field), field * 0 + MID_GREY)
    return torch.where(field.isnan(), torch.nan, field)


def _markov(converter: Any, values: Tensor, shape: Shape) -> Tensor:
    values, n_bins = values.double(), converter.n_bins
    edges = _edges(values, n_bins, converter.strategy)
    levels = _searched(edges, values)
    levels = torch.where(values.isnan(), n_bins, levels)
    columns, rows = (_level_shares(levels, pixels, n_bins) for pixels in shape[::-1])
    counts = _transitions(levels, n_bins)
    matrices = 255 * counts / counts.sum(2, keepdim=True).clamp(min=1)
    field = rows.transpose(1, 2) @ matrices @ columns
    constant = _lowest(values) == -_lowest(-values)
    field = torch.where(constant[:, None, None], float(MID_GREY), field)
    present = rows.any(1)[:, :, None] & columns.any(1)[:, None]
    return torch.where(present, field, torch.nan)


def _recurrence(converter: Any, values: Tensor, shape: Shape) -> Tensor:
    states = _embedded(values, converter.dimension, converter.delay)
    columns, rows = (segment_means(states, pixels) for pixels in shape[::-1])
    low, width = spans(columns.flatten(1), states.flatten(1))
    if converter.dimension > 1 and _any(~low.isfinite()):
        raise SignalError(
            f"no {converter.dimension} samples that lie {converter.delay} apart are all present; fill the gaps"
        )
    low, unit = low[..., None], torch.where(width > 0, width, 1.0)[..., None]
    apart = _distances(((rows - low) / unit).float(), ((columns - low) / unit).float())
    greatest = apart.nan_to_num(0.0).amax((1, 2))
    if converter.threshold == "none":
        levels = apart * torch.where(greatest > 0, 255 / greatest, 0.0)[:, None, None]
    else:
        share = converter.percentage / 100
        if converter.threshold == "distance":
            limit = share * greatest.double()
        elif converter.threshold == "point":
            limit = _quantiles(apart.flatten(1).double(), apart.new_full((1,), share).double())[:, 0]
        else:
            limit = share * _deviations(values.double())[:, 0] / unit[:, 0, 0]
        near = torch.where(apart < (limit - ROUNDING).float()[:, None, None], 255.0, 0.0)
        levels = torch.where(apart.isnan(), torch.nan, near)
    return torch.where(width[..., None] > 0, levels, apart * 0 + MID_GREY)


_FIELDS: dict[str, Field] = {
    "gasf": _gramian,
    "gadf": _gramian,
    "mtf": _markov,
    "recurrence": _recurrence,
}


# The samples of each pixel.


@lru_cache(maxsize=64)
def _segments(count: int, pixels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return `segments` on a device: to send them there for each batch would wait for the batch before."""
    start, stop = segments(count, pixels)
    return torch.from_numpy(start).to(device), torch.from_numpy(stop).to(device)


@lru_cache(maxsize=64)
def _owners(count: int, pixels: int, device: torch.device) -> Tensor:
    """Return which pixel each of `count` samples belongs to, where there are as many or more."""
    start, stop = segments(count, pixels)
    return torch.from_numpy(np.repeat(np.arange(pixels), stop - start)).to(device)


def segment_means(values: Tensor, pixels: int) -> Tensor:
    """Average (..., samples) over the samples of each pixel, without NaN: float64 (..., pixels), NaN where all is.

    Examples
    --------
    >>> segment_means(torch.tensor([1.0, 3.0, torch.nan, 5.0]), 2)
    tensor([2., 5.], dtype=torch.float64)
    """
    start, stop = _segments(values.shape[-1], pixels, values.device)
    most = -(-values.shape[-1] // pixels)
    indices = start[:, None] + torch.arange(most, device=values.device)
    picked = values[..., indices.clamp(max=values.shape[-1] - 1)].double()
    present = (indices < stop[:, None]) & ~picked.isnan()
    return torch.where(present, picked, 0.0).sum(-1) / present.sum(-1)


def spans(points: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest of (n, pixels) and the width up to the highest, (n, 1); 0 where they differ by rounding."""
    low, high, largest = _lowest(points), -_lowest(-points), -_lowest(-values.abs()).double()
    width = high - low
    return low[:, None], torch.where(width > 1e-9 * largest, width, 0.0)[:, None]


def _any(wrong: Tensor) -> bool:
    """Tell whether anything is wrong; a graph that is exported cannot refuse, and draws what comes out."""
    return not torch.compiler.is_compiling() and bool(wrong.any())


def _lowest(values: Tensor) -> Tensor:
    """Return the lowest of each row that is present; infinity where nothing is."""
    return torch.where(values.isnan(), torch.inf, values).amin(1)


def _deviations(values: Tensor) -> Tensor:
    """Return the standard deviation of each row, (n, 1); 0 where it is rounding alone."""
    deviation = (values - values.nanmean(1, keepdim=True)).square().nanmean(1, keepdim=True).sqrt()
    return torch.where(deviation > -1e-9 * _lowest(-values.abs())[:, None], deviation, 0.0)


def _quantiles(values: Tensor, shares: Tensor) -> Tensor:
    """Return quantiles of each row of (n, samples) without NaN, interpolated from the nearer end as NumPy does."""
    ordered = values.sort(1).values  # NaN comes last
    last = (~ordered.isnan()).sum(1, keepdim=True) - 1
    positions = shares * last
    below = positions.long()
    low, high = ordered.gather(1, below), ordered.gather(1, torch.minimum(below + 1, last))
    part = positions - below
    return torch.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part))


# Levels and transitions.


def _edges(values: Tensor, n_bins: int, strategy: str) -> Tensor:
    """Return what parts the levels of each series (n, samples), as the CPU's `bin_edges`."""
    shares = torch.arange(1, n_bins, device=values.device, dtype=torch.float64) / n_bins
    if strategy == "quantile":
        return _quantiles(values, shares)
    if strategy == "uniform":
        low, high = _lowest(values)[:, None], -_lowest(-values)[:, None]
        return low + (high - low) * shares
    mean = values.nanmean(1, keepdim=True)
    deviation = (values - mean).square().nanmean(1, keepdim=True).sqrt()
    normal = [NormalDist().inv_cdf(index / n_bins) for index in range(1, n_bins)]
    return mean + deviation * torch.tensor(normal, device=values.device, dtype=torch.float64)


def _searched(edges: Tensor, values: Tensor) -> Tensor:
    """Return how many of the rising edges of each row lie below each value: int64, of the shape of the values."""
    if torch.compiler.is_compiling():  # ONNX has no search
        return (edges[:, None] < values[..., None]).long().sum(-1)
    return torch.searchsorted(edges.contiguous(), values.contiguous())


def _transitions(levels: Tensor, n_bins: int) -> Tensor:
    """Return how often each level follows each other one: float32 (n, n_bins, n_bins)."""
    pairs = levels[:, :-1] * (n_bins + 1) + levels[:, 1:]
    counts = torch.zeros((levels.shape[0], (n_bins + 1) ** 2), device=levels.device)
    counts.scatter_add_(1, pairs, torch.ones_like(pairs, dtype=torch.float32))
    return counts.view(-1, n_bins + 1, n_bins + 1)[:, :n_bins, :n_bins]


def _level_shares(levels: Tensor, pixels: int, n_bins: int) -> Tensor:
    """Return the share of each level in each segment: float32 (n, n_bins, pixels); 0 where all is missing."""
    count = levels.shape[1]
    if count < pixels:
        start, _ = _segments(count, pixels, levels.device)
        one = torch.nn.functional.one_hot(levels, n_bins + 1)[..., :n_bins].float()
        return one.transpose(1, 2)[..., start]
    owner = _owners(count, pixels, levels.device)
    counts = torch.zeros((levels.shape[0], (n_bins + 1) * pixels), device=levels.device)
    counts.scatter_add_(1, levels * pixels + owner, torch.ones_like(levels, dtype=torch.float32))
    counts = counts.view(-1, n_bins + 1, pixels)[:, :n_bins]
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


# States.


def _embedded(values: Tensor, dimension: int, delay: int) -> Tensor:
    """Return the states of (n, samples), one a column; NaN throughout where a sample is missing."""
    count = state_count(values.shape[1], dimension=dimension, delay=delay)
    states = torch.stack([values[:, lag * delay :][:, :count] for lag in range(dimension)], 1)
    return torch.where(states.isnan().any(1, keepdim=True), torch.nan, states)


def _distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Return Euclidean distances of (n, dimension, pixels): float32 (n, height, width), NaN where missing."""
    if rows.shape[1] == 1:
        return (rows[:, 0, :, None] - columns[:, 0, None, :]).abs()
    squares = torch.zeros((rows.shape[0], rows.shape[2], columns.shape[2]), device=rows.device)
    for axis in range(rows.shape[1]):
        squares += (rows[:, axis, :, None] - columns[:, axis, None, :]).square()
    return squares.sqrt()


_BYTES_A_SAMPLE = 16  # of a frame: windowed, and as a spectrum, twice while the transform runs


def sound_images(converter: Any, values: Tensor, rate_hz: float, budget_bytes: int | None) -> Tensor:
    """Draw sounds, float32 (n, channels, samples), as `mel` or `stft` in decibels: uint8 (n, height, width, 1)."""
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
    columns = height_width(converter.size)[1]
    if bands.shape[1] < columns:
        hops = values.shape[2] / converter._hop_length(rate_hz)
        centres = (torch.arange(columns, device=device) + 0.5) / columns * hops
        brightness = interpolated(brightness.transpose(1, 2), centres).transpose(1, 2)
    return (brightness * 255).round().to(torch.uint8).flip(2).transpose(1, 2)[..., None]


def sound_bytes(converter: Any, shape: tuple[int, ...], rate_hz: float) -> int:
    """Return about how much memory a sound of a shape takes while it is drawn."""
    (channels, count), n_fft = shape, converter._n_fft(rate_hz)
    wanted = int(count if converter.duration_s is None else converter.duration_s * rate_hz)
    frames = n_fft * _BYTES_A_SAMPLE * (1 + wanted // converter._hop_length(rate_hz))
    return int(frames + 8 * n_fft * max(height_width(converter.size)) + 12 * channels * wanted)


def _fitted(converter: Any, values: Tensor, rate_hz: float) -> Tensor:
    """Return the samples that are drawn, as `duration_s`, `keep` and `fill` say."""
    sound = SimpleNamespace(samples=values[0], rate_hz=rate_hz)
    wanted, held = converter._wanted(sound), values.shape[2]
    if wanted <= held:
        if converter.keep == "loudest" and wanted < held:
            first = _loudest_starts(values, wanted, round(_BLOCK_S * rate_hz))
            indices = first[:, None] + torch.arange(wanted, device=values.device)
            return values.gather(2, indices[:, None].expand(-1, values.shape[1], -1))
        first = converter._first(sound)
        return values[..., first : first + wanted]
    if converter.fill == "repeat":
        return values.repeat(1, 1, -(-wanted // held))[..., :wanted]
    return torch.nn.functional.pad(values, (0, wanted - held))


def _loudest_starts(values: Tensor, wanted: int, block: int) -> Tensor:
    """Return where the part of most energy of each sound begins, as `loudest_start`: int64 (n,)."""
    block, held = max(1, block), values.shape[2]
    count = held // block
    energy = values[..., : count * block].unflatten(2, (count, block)).double().square().sum((1, 3))
    sums = torch.nn.functional.pad(energy.cumsum(1), (1, 0))
    taken = min(count, max(1, round(wanted / block)))
    return ((sums[:, taken:] - sums[:, : count + 1 - taken]).argmax(1) * block).clamp(max=held - wanted)


def _band_values(
    converter: Any, values: Tensor, peak: Tensor, weights: Tensor, rate_hz: float, budget_bytes: int | None
) -> Tensor:
    """Return power or magnitude in bands; where there are more frames than columns, averaged onto these.

    Returns
    -------
    Tensor
        float32 (n, columns, bands), of sound whose peak is 1.
    """
    n_fft, hop_length = converter._n_fft(rate_hz), converter._hop_length(rate_hz)
    n_samples, columns = values.shape[2], height_width(converter.size)[1]
    n_frames = 1 + n_samples // hop_length
    # Brought to full scale before it is rounded: half of the faintest sound would be none.
    scaled = values.double() / peak.double()[:, None, None]
    mono = torch.einsum("nc,ncs->ns", _mix(converter.channel, scaled), scaled).float()
    step = n_frames  # of a graph, which has no memory to keep to
    if budget_bytes is not None:
        step = max(1, budget_bytes // (_BYTES_A_SAMPLE * n_fft * len(values)))
    blocks = []
    for first in range(0, n_frames, step):
        count = min(step, n_frames - first)
        frames = _frames(mono, n_fft, hop_length, first, count) * _window(n_fft, values.device)
        spectra = torch.view_as_real(torch.fft.rfft(frames)).square().sum(-1)
        bands = (spectra.sqrt_() if converter.quantity == "magnitude" else spectra) @ weights
        if n_frames > columns:
            bands = _frame_shares(n_samples, hop_length, columns, first, count, values.device) @ bands
        blocks.append(bands)
    return torch.stack(blocks).sum(0) if n_frames > columns else torch.cat(blocks, 1)


def _mix(channel: ChannelChoice, values: Tensor) -> Tensor:
    """Return what each channel of each sound is multiplied by: float64 (n, channels)."""
    n_channels = values.shape[1]
    if channel == "mean" and n_channels > 1:
        return _uncancelled(values @ values.transpose(1, 2))
    mix = mixes(channel, np.zeros((n_channels, 1)), most=n_channels)[0]
    return torch.from_numpy(mix.weights).to(values.device).expand(values.shape[0], -1)


def _uncancelled(products: Tensor) -> Tensor:
    """Return what `uncancelled` does, for the products (n, channels, channels) of each sound."""
    n_channels, energies = products.shape[1], products.diagonal(dim1=1, dim2=2)
    kept = products.mean((1, 2)) >= _CANCELLED * energies.mean(1) / n_channels
    loudest = torch.arange(n_channels, device=products.device) == energies.argmax(1, keepdim=True)
    return torch.where(kept[:, None], 1 / n_channels, loudest.double())


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
def _frame_shares(
    n_samples: int, hop_length: int, columns: int, first: int, count: int, device: torch.device
) -> Tensor:
    """Return the share of each of some frames in each column: float32 (columns, frames)."""
    borders = np.linspace(0, n_samples / hop_length, columns + 1)
    covered = overlaps(frame_edges(n_samples, hop_length, first=first, count=count), borders)
    return torch.from_numpy(covered / np.float32(borders[1])).to(device)
