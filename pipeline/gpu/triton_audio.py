"""The inner steps of drawing sound on a GPU as Triton kernels; see `device_triton`."""

# What a kernel takes is typed by what it is launched with.
# ruff: noqa: ANN001, ANN202, N803, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

import torch
import triton
import triton.language as tl
from torch import Tensor

from phosphene.converters.audio.dsp.spectrum import Quantity

from .paths import Columns

_FRAME_BLOCK, _BIN_BLOCK = 1024, 512
_LEVEL_ROWS, _LEVEL_COLUMNS = 32, 64


def windowed_frames(
    values: Tensor, mix: Tensor, full_scale: Tensor, window: Tensor, *, hop_length: int, frames: range
) -> Tensor:
    """Cut sound into windowed frames: float32 (n, frames, n_fft)."""
    n, channels, count = values.shape
    found = torch.empty((n, len(frames), len(window)), device=values.device)
    parts = triton.cdiv(len(window), _FRAME_BLOCK)
    _frames_kernel[(n * len(frames) * parts,)](
        values.contiguous(), mix, full_scale, window, found, count, len(window), hop_length, frames.start, len(frames),
        parts, channels, _FRAME_BLOCK, num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip
    return found


@triton.jit(do_not_specialize=["count", "hop_length", "first_frame", "n_frames", "parts"])
def _frames_kernel(
    values, mix, full_scale, window, found, count, n_fft, hop_length, first_frame, n_frames, parts,
    CHANNELS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write a part of one frame."""
    line = tl.program_id(0) // parts
    item, frame = line // n_frames, line % n_frames
    place = tl.program_id(0) % parts * BLOCK + tl.arange(0, BLOCK)
    sample = (frame + first_frame).to(tl.int64) * hop_length - n_fft // 2 + place
    inside = (sample >= 0) & (sample < count) & (place < n_fft)
    own = values + item.to(tl.int64) * CHANNELS * count + sample
    full = tl.load(full_scale + item)
    if CHANNELS == 1:
        mono = tl.load(own, mask=inside, other=0.0) * tl.load(mix).to(tl.float32) / full
    else:
        total = tl.zeros([BLOCK], tl.float64)
        for channel in range(CHANNELS):
            weight = tl.load(mix + channel)
            total += weight * tl.load(own + channel * count, mask=inside, other=0.0).to(tl.float64)
        mono = (total / full.to(tl.float64)).to(tl.float32)
    weight = tl.load(window + place, mask=place < n_fft, other=0.0)
    tl.store(found + line.to(tl.int64) * n_fft + place, mono * weight, mask=place < n_fft)


def add_columns(
    spectra: Tensor, columns: Columns, total: Tensor, *, frames: range, first_bin: int, quantity: Quantity
) -> None:
    """Add frames to columns, each by the share of it that lies there."""
    parts = triton.cdiv(total.shape[2], _BIN_BLOCK)
    _columns_kernel[(total.shape[0] * total.shape[1] * parts,)](
        torch.view_as_real(spectra), columns.first, columns.count, columns.shares, total,
        columns.shares.shape[1], frames.start, len(frames), spectra.shape[2], first_bin,
        total.shape[1], total.shape[2], parts,
        quantity == "magnitude", frames.start == 0, _BIN_BLOCK, num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip


@triton.jit(
    do_not_specialize=["most", "first_frame", "n_frames", "n_bins", "first_bin", "n_columns", "parts"]
)
def _columns_kernel(
    spectra, first, count, shares, total, most, first_frame, n_frames, n_bins, first_bin, n_columns, width, parts,
    MAGNITUDE: tl.constexpr, FRESH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write a part of one column, or add to it."""
    line = tl.program_id(0) // parts
    item, column = line // n_columns, line % n_columns
    place = tl.program_id(0) % parts * BLOCK + tl.arange(0, BLOCK)
    inside = place < width
    found = inside & (place + first_bin < n_bins)
    both = (place + first_bin)[:, None] * 2 + tl.arange(0, 2)[None, :]
    begin = tl.load(first + column)
    low = tl.maximum(begin, first_frame)
    high = tl.minimum(begin + tl.load(count + column), first_frame + n_frames)
    own = total + line.to(tl.int64) * width + place
    sums = tl.zeros([BLOCK], tl.float32)
    if not FRESH:
        sums += tl.load(own, mask=inside, other=0.0)
    for frame in range(low, high):
        share = tl.load(shares + column * most + frame - begin)
        start = (item.to(tl.int64) * n_frames + frame - first_frame) * n_bins * 2
        parts_of = tl.load(spectra + start + both, mask=found[:, None], other=0.0)
        power = tl.sum(parts_of * parts_of, 1)
        if MAGNITUDE:
            power = tl.sqrt(power)
        sums += share * power
    tl.store(own, sums, mask=inside)


def draw_levels(bands: Tensor, peak: Tensor, canvas: Tensor, *, floor_db: float, factor: float) -> None:
    """Write decibels as grey levels, the first band at the bottom."""
    n, n_columns, n_bands = bands.shape
    down, across = triton.cdiv(n_bands, _LEVEL_ROWS), triton.cdiv(n_columns, _LEVEL_COLUMNS)
    # Of one doubling, in grey levels.
    slope = 255 * factor * 0.30102999566398120 / -floor_db
    _levels_kernel[(n * down * across,)](
        bands, peak, canvas, *canvas.stride(), n_columns, n_bands, down * across, across, slope,
        _LEVEL_ROWS, _LEVEL_COLUMNS, num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip


@triton.jit(do_not_specialize=["tiles", "tiles_across", "slope"])
def _levels_kernel(
    bands, peak, canvas, stride, row_stride, pixel_stride, n_columns, n_bands, tiles, tiles_across, slope,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    item = tl.program_id(0) // tiles
    tile = tl.program_id(0) % tiles
    band = tile // tiles_across * ROWS + tl.arange(0, ROWS)
    column = tile % tiles_across * COLUMNS + tl.arange(0, COLUMNS)
    inside = (band < n_bands)[:, None] & (column < n_columns)[None, :]
    own = bands + item.to(tl.int64) * n_columns * n_bands
    value = tl.load(own + column[None, :] * n_bands + band[:, None], mask=inside, other=0.0)
    level = 255 + slope * tl.log2(value / tl.load(peak + item))
    level = tl.minimum(tl.maximum(level, 0.0), 255.0) + 8388608.0
    place = (n_bands - 1 - band)[:, None] * row_stride + column[None, :] * pixel_stride
    tl.store(
        canvas + item.to(tl.int64) * stride + place,
        level.to(tl.int32, bitcast=True).to(tl.uint8),
        mask=inside,
    )
