"""The inner steps of drawing sound on a device in operations of torch; see `device_plain`."""

import torch
from torch import Tensor

from phosphene.converters.audio.dsp.spectrum import Quantity

from .paths import Columns


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
    # Brought to full scale before it is rounded: half of the faintest sound would be none.
    mono = (mix @ values.double() / full_scale.double()[:, None]).float()
    n_fft, count = len(window), mono.shape[1]
    start = frames.start * hop_length - n_fft // 2
    stop = (frames.stop - 1) * hop_length - n_fft // 2 + n_fft
    inside = mono[:, max(start, 0) : max(stop, 0)]
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
    canvas.copy_(rounded(values * 255).flip(2).transpose(1, 2))


def interpolated(values: Tensor, positions: Tensor) -> Tensor:
    """Return values between the places 0, 1, 2, ... of the last axis, on straight lines; level beyond both ends."""
    last = values.shape[-1] - 1
    places = positions.clamp(0, last)
    below = places.long().clamp(0, max(last - 1, 0))
    share = places - below
    return values[..., below] * (1 - share) + values[..., (below + 1).clamp(max=last)] * share


def rounded(levels: Tensor) -> Tensor:
    """Return grey levels as uint8, NaN as black."""
    return levels.nan_to_num(0.0).clamp(0, 255).round().to(torch.uint8)
