"""The inner steps of drawing on a device in operations of torch, for devices without Triton.

Every function has a twin of the same name in `device_triton`, which takes and returns the same.
"""

from typing import Literal

import torch
from torch import Tensor

from .device_paths import Columns, Segments

Field = Literal["gasf", "gadf"]
Quantity = Literal["power", "magnitude"]

# The root of half of the 255 levels: the product of two factors, or the difference of two products, is in levels.
TO_LEVELS = 127.5**0.5
HALF = 127.5


def segment_means(values: Tensor, segments: Segments) -> Tensor:
    """Average (..., samples) over segments, without NaN: float64 (..., pixels), NaN where all is missing."""
    steps = torch.arange(segments.most, device=values.device)
    places = segments.start.long()[:, None] + steps
    inside = places < segments.stop[:, None]
    picked = values[..., places.clamp(max=values.shape[-1] - 1)].double()
    present = inside & ~picked.isnan()
    return torch.where(present, picked, 0.0).sum(-1) / present.sum(-1)


def spans(points: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the lowest of (..., pixels) and the width up to the highest, (..., 1); 0 where they differ by rounding."""
    low, high = lowest(points, -1)[..., None], -lowest(-points, -1)[..., None]
    largest = -lowest(-values.abs(), -1)[..., None].double()
    width = high - low
    return low, torch.where(width > 1e-9 * largest, width, 0.0)


def lowest(values: Tensor, axis: int) -> Tensor:
    """Return the lowest that is present; infinity where nothing is."""
    return torch.where(values.isnan(), torch.inf, values).amin(axis)


def quantiles(ordered: Tensor, shares: Tensor) -> Tensor:
    """Return quantiles of rows that are sorted, NaN last."""
    last = (~ordered.isnan()).sum(1, keepdim=True) - 1
    places = shares * last
    below = places.long()
    low, high = ordered.gather(1, below), ordered.gather(1, torch.minimum(below + 1, last))
    part = places - below
    return torch.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part))


def factors(
    values: Tensor, columns: Segments, rows: Segments, *, scaling: Literal["signed", "unit"]
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the angle of each pixel, so scaled that products of two are in grey levels.

    Parameters
    ----------
    values
        float32 or float64 (n, samples), NaN where missing.
    columns, rows
        What the pixels show; the columns decide what becomes the smallest and the largest angle.
    scaling
        As of the converters `gasf` and `gadf`.

    Returns
    -------
    rows, columns
        float32 (n, 2, pixels): NaN where missing, 0 in a series that never changes.
    """
    points = segment_means(values, columns)
    low, width = spans(points, values)
    across = _factors(points, low, width, scaling)
    if rows is columns:
        return across, across
    return _factors(segment_means(values, rows), low, width, scaling), across


def _factors(points: Tensor, low: Tensor, width: Tensor, scaling: Literal["signed", "unit"]) -> Tensor:
    share = ((points - low) / width).clamp(0, 1)
    if scaling == "unit":
        share = (1 + share) / 2
    found = torch.stack([2 * share - 1, 2 * (share * (1 - share)).sqrt()], -2) * TO_LEVELS
    flat = torch.where(points.isnan(), torch.nan, 0.0)
    return torch.where((width > 0)[..., None, :], found, flat[..., None, :]).float()


def draw_field(rows: Tensor, columns: Tensor, canvas: Tensor, *, field: Field) -> None:
    """Write the Gramian fields of `factors` into uint8 (n, height, width), which may be part of a larger tensor."""
    cosine, sine = rows[:, 0, :, None], rows[:, 1, :, None]
    other_cosine, other_sine = columns[:, 0, None], columns[:, 1, None]
    if field == "gadf":
        cosine, sine = sine, cosine
    levels = cosine * other_cosine - sine * other_sine
    canvas.copy_(_rounded(levels + HALF))


def draw_distances(rows: Tensor, columns: Tensor, line: Tensor, canvas: Tensor) -> None:
    """Write how far apart states are into uint8 (n, height, width), which may be part of a larger tensor.

    Parameters
    ----------
    rows, columns
        float32 (n, dimension, pixels), NaN where missing.
    line
        float32 (n, 2): what a distance is multiplied by to be a grey level, and what is added then.
    canvas
        Written.
    """
    canvas.copy_(_rounded(distances(rows, columns) * line[:, :1, None] + line[:, 1:, None]))


def greatest_distance(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the greatest distance of two states that are present, float32 (n,); 0 where there is none."""
    return distances(rows, columns).nan_to_num(0.0).amax((-1, -2))


def distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Return Euclidean distances of (n, dimension, pixels): float32 (n, height, width), NaN where missing."""
    if rows.shape[-2] == 1:
        return (rows[..., 0, :, None] - columns[..., 0, None, :]).abs()
    squares = torch.zeros((len(rows), rows.shape[-1], columns.shape[-1]), device=rows.device)
    for place in range(rows.shape[-2]):
        squares += (rows[..., place, :, None] - columns[..., place, None, :]).square()
    return squares.sqrt()


def windowed_frames(
    values: Tensor, mix: Tensor, full_scale: Tensor, window: Tensor, *, hop_length: int, frames: range
) -> Tensor:
    """Cut sound into windowed frames: float32 (n, frames, n_fft).

    Parameters
    ----------
    values
        float32 (n, channels, samples).
    mix
        float64 (channels,): what each channel is multiplied by before they are added.
    full_scale
        float32 (n,): the value that counts as 1.
    window
        float32 (n_fft,).
    hop_length
        Samples from one frame to the next.
    frames
        Which ones; frame `i` is centred on sample `i * hop_length`, with zeros beyond both ends.
    """
    mono = (mix @ values.double()).float()
    n_fft, count = len(window), mono.shape[1]
    start = frames.start * hop_length - n_fft // 2
    stop = (frames.stop - 1) * hop_length - n_fft // 2 + n_fft
    inside = mono[:, max(start, 0) : max(stop, 0)] / full_scale[:, None]
    before = max(-start, 0)
    padded = torch.nn.functional.pad(inside, (before, max(stop - max(count, 0), 0)))
    return padded[:, : stop - start].unfold(1, n_fft, hop_length) * window


def add_columns(
    spectra: Tensor, columns: Columns, total: Tensor, *, frames: range, first_bin: int, quantity: Quantity
) -> None:
    """Add frames to columns, each by the share of it that lies there.

    Parameters
    ----------
    spectra
        complex64 (n, frames, n_bins).
    columns
        The shares.
    total
        float32 (n, columns, bins), written where `frames` begins at 0, else added to; 0 in bins beyond `n_bins`.
    frames
        Which ones these are.
    first_bin
        The bin that the first of `total` is.
    quantity
        Whether the power of a bin is added, or its magnitude.
    """
    found = torch.view_as_real(spectra[..., first_bin : first_bin + total.shape[-1]]).square().sum(-1)
    if quantity == "magnitude":
        found = found.sqrt_()
    added = columns.dense(frames) @ found
    if not frames.start:
        total.zero_()
    total[..., : added.shape[-1]] += added


def draw_levels(bands: Tensor, peak: Tensor, canvas: Tensor, *, floor_db: float, factor: float) -> None:
    """Write decibels as grey levels, the first band at the bottom.

    Parameters
    ----------
    bands
        float32 (n, columns, n_bands), not negative.
    peak
        float32 (n,): the value that is white.
    canvas
        uint8 (n, n_bands, columns), written; it may be part of a larger tensor.
    floor_db
        What is black.
    factor
        Decibels of ten times as much: 10 for power, 20 for magnitude.
    """
    draw_brightness(brightness(bands, peak, floor_db=floor_db, factor=factor), canvas)


def brightness(bands: Tensor, peak: Tensor, *, floor_db: float, factor: float) -> Tensor:
    """Return decibels as brightness from 0, the floor, to 1: float32, of the shape of `bands`."""
    level_db = factor * (bands / peak[:, None, None]).log10()
    return (1 - level_db / floor_db).nan_to_num(0.0, neginf=0.0).clamp(0, 1)


def draw_brightness(values: Tensor, canvas: Tensor) -> None:
    """Write brightness (n, columns, rows), the lowest row first, into uint8 (n, rows, columns)."""
    canvas.copy_(_rounded(values * 255).flip(2).transpose(1, 2))


def interpolated(values: Tensor, positions: Tensor) -> Tensor:
    """Return values between the places 0, 1, 2, ... of the last axis, on straight lines; level beyond both ends."""
    last = values.shape[-1] - 1
    places = positions.clamp(0, last)
    below = places.long().clamp(0, max(last - 1, 0))
    share = places - below
    return values[..., below] * (1 - share) + values[..., (below + 1).clamp(max=last)] * share


def _rounded(levels: Tensor) -> Tensor:
    return levels.nan_to_num(0.0).clamp(0, 255).round().to(torch.uint8)
