"""Markov transition fields of many series at once, on the device that holds them."""

from statistics import NormalDist

import torch
from torch import Tensor

from phosphene.converters import Converter
from phosphene.converters.series.markov import MarkovTransitionField
from phosphene.converters.series.picture import MID_GREY

from . import plain
from .paths import DevicePath, Segments, Task, Work
from .series import SHARED, item_bytes, parts, sides


def markov(task: Task) -> None:
    """Draw `mtf`."""
    n_bins, strategy = task.work.converter.n_bins, task.work.converter.strategy
    for single, canvas in parts(task):
        values = single.double()
        levels = _levels(values, _edges(values, n_bins, strategy))
        columns, rows = sides(values, canvas)
        across = _level_shares(levels, columns, n_bins)
        down = across if rows is columns else _level_shares(levels, rows, n_bins)
        counts = _transitions(levels, n_bins)
        matrices = 255 * counts / counts.sum(2, keepdim=True).clamp(min=1)
        found = (down.transpose(1, 2) @ matrices @ across + 0.5).floor_()
        found[plain.lowest(values, 1) == -plain.lowest(-values, 1)] = MID_GREY
        found *= down.any(1)[:, :, None] & across.any(1)[:, None]
        canvas.copy_(found)


def _edges(values: Tensor, n_bins: int, strategy: str) -> Tensor:
    """Return what parts the levels of each series (n, samples), as the CPU's `bin_edges`."""
    shares = torch.arange(1, n_bins, device=values.device, dtype=torch.float64) / n_bins
    if strategy == "quantile":
        return plain.quantiles(values.sort(1).values, shares)
    if strategy == "uniform":
        low, high = plain.lowest(values, 1)[:, None], -plain.lowest(-values, 1)[:, None]
        return low + (high - low) * shares
    mean = values.nanmean(1, keepdim=True)
    deviation = (values - mean).square().nanmean(1, keepdim=True).sqrt()
    normal = [NormalDist().inv_cdf(place / n_bins) for place in range(1, n_bins)]
    return mean + deviation * torch.tensor(normal, device=values.device, dtype=torch.float64)


def _levels(values: Tensor, edges: Tensor) -> Tensor:
    """Return how many edges lie below each value, int64 (n, samples); as many as there are levels where missing."""
    found = torch.searchsorted(edges.contiguous(), values.contiguous())
    return torch.where(values.isnan(), edges.shape[1] + 1, found)


def _transitions(levels: Tensor, n_bins: int) -> Tensor:
    """Return how often each level follows each other one: float32 (n, n_bins, n_bins)."""
    before, after = levels[:, :-1], levels[:, 1:]
    pairs = before * (n_bins + 1) + after
    counts = torch.zeros((len(levels), (n_bins + 1) ** 2), device=levels.device)
    counts.scatter_add_(1, pairs, torch.ones_like(pairs, dtype=torch.float32))
    return counts.view(-1, n_bins + 1, n_bins + 1)[:, :n_bins, :n_bins]


def _level_shares(levels: Tensor, segments: Segments, n_bins: int) -> Tensor:
    """Return the share of each level in each segment: float32 (n, n_bins, pixels); 0 where all is missing."""
    count, pixels = levels.shape[1], segments.pixels
    if count < pixels:
        one = torch.nn.functional.one_hot(levels, n_bins + 1)[..., :n_bins].float()
        return one.transpose(1, 2)[..., segments.start.long()]
    owner = torch.repeat_interleave((segments.stop - segments.start).long(), output_size=count)
    counts = torch.zeros((len(levels), (n_bins + 1) * pixels), device=levels.device)
    counts.scatter_add_(1, levels * pixels + owner, torch.ones_like(levels, dtype=torch.float32))
    counts = counts.view(-1, n_bins + 1, pixels)[:, :n_bins]
    return counts / counts.sum(1, keepdim=True).clamp(min=1)


def _item_bytes_of_levels(work: Work) -> int:
    """Count also the shares of the levels of a Markov field, and its pixels, which no kernel draws."""
    size, bins = work.converter.size, work.converter.n_bins
    shares: int = 8 * bins * (2 * size + work.count + bins)
    pixels: int = 16 * size**2
    return item_bytes(work) + shares + pixels


PATHS: dict[type[Converter], DevicePath] = {
    MarkovTransitionField: DevicePath(
        markov, _item_bytes_of_levels, 2, {**SHARED, "n_bins": None, "strategy": None}
    ),
}
