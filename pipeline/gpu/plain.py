"""The inner steps of drawing on a device in operations of torch, for devices without Triton.

The functions of `device_triton` are twins of those of the same names here: they take and return the same.
"""

from typing import Literal

import torch
from torch import Tensor

from phosphene.converters.series.picture import MID_GREY

from .paths import Segments
from .plain_audio import add_columns, draw_levels, rounded, windowed_frames

__all__ = [
    "HALF",
    "TO_LEVELS",
    "UPWARDS",
    "Field",
    "add_columns",
    "distances",
    "draw_distances",
    "draw_field",
    "draw_levels",
    "factors",
    "greatest_difference",
    "greatest_distance",
    "grey_line",
    "lowest",
    "quantiles",
    "segment_means",
    "shares",
    "spans",
    "windowed_frames",
]

Field = Literal["gasf", "gadf"]

# The root of half of the 255 levels: the product of two factors, or the difference of two products, is in levels.
TO_LEVELS = 127.5**0.5
HALF = 127.5
# In grey levels: the CPU rounds a distance half-way between two of them up, and evenly spaced values have many such.
UPWARDS = 1e-4


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


def shares(values: Tensor, columns: Segments, rows: Segments) -> tuple[Tensor, Tensor, Tensor]:
    """Return samples from 0 to 1 as states of one sample, and what makes grey levels of their distances.

    Parameters
    ----------
    values, columns, rows
        As for `factors`.

    Returns
    -------
    rows, columns, line
        As for `draw_distances`.
    """
    points = segment_means(values, columns)
    low, width = spans(points, values)
    unit = torch.where(width > 0, width, 1.0)
    across = ((points - low) / unit).float()[:, None]
    down = across if rows is columns else ((segment_means(values, rows) - low) / unit).float()[:, None]
    return down, across, grey_line(width[:, 0], greatest_difference(down[:, 0], across[:, 0]))


def greatest_difference(rows: Tensor, columns: Tensor) -> Tensor:
    """Return how far apart a row (n, height) and a column (n, width) are at most: (n,)."""
    low, high = ([sign * lowest(sign * side, 1) for side in (rows, columns)] for sign in (1, -1))
    return torch.maximum(high[0] - low[1], high[1] - low[0])


def grey_line(width: Tensor, greatest: Tensor) -> Tensor:
    """Return the factor and what is added to make grey levels of distances: float32 (n, 2); mid-grey without width."""
    changes = width > 0
    factor = torch.where(changes & (greatest > 0), 255 / greatest, 0.0)
    return torch.stack([factor, torch.where(changes, UPWARDS, float(MID_GREY))], 1).float()


def draw_field(rows: Tensor, columns: Tensor, canvas: Tensor, *, field: Field) -> None:
    """Write the Gramian fields of `factors` into uint8 (n, height, width), which may be part of a larger tensor."""
    cosine, sine = rows[:, 0, :, None], rows[:, 1, :, None]
    other_cosine, other_sine = columns[:, 0, None], columns[:, 1, None]
    if field == "gadf":
        cosine, sine = sine, cosine
    levels = cosine * other_cosine - sine * other_sine
    canvas.copy_(rounded(levels + HALF))


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
    canvas.copy_(rounded(distances(rows, columns) * line[:, :1, None] + line[:, 1:, None]))


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
