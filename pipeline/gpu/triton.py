"""The inner steps of drawing on a GPU as Triton kernels: each reads its input once and writes its output once.

Every function has a twin of the same name in `device_plain`, which says what it takes and returns. Importing this
module compiles nothing; a kernel is compiled at its first launch.
"""

# What a kernel takes is typed by what it is launched with.
# ruff: noqa: ANN001, ANN202, N803, PLR0124, PLR0913, PLR0917
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from typing import Literal

import torch
import triton
import triton.language as tl
from torch import Tensor

from .paths import Segments
from .plain import TO_LEVELS, UPWARDS, Field
from .triton_audio import add_columns, draw_levels, windowed_frames

__all__ = [
    "add_columns",
    "draw_distances",
    "draw_field",
    "draw_levels",
    "factors",
    "greatest_distance",
    "shares",
    "windowed_frames",
]

_ROWS, _COLUMNS = 32, 256  # of a tile of pixels: with 128 threads 16 bytes each, four times
_GASF, _GADF, _DISTANCE, _PEAK = range(4)
_FIELDS = {"gasf": _GASF, "gadf": _GADF}
_SIGNED, _UNIT, _SHARES = range(3)
_SCALINGS = {"signed": _SIGNED, "unit": _UNIT}


def factors(
    values: Tensor, columns: Segments, rows: Segments, *, scaling: Literal["signed", "unit"]
) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of the angle of each pixel, so scaled that products of two are in grey levels."""
    return _prepared(values, columns, rows, values, parts=2, scaling=_SCALINGS[scaling])


def shares(values: Tensor, columns: Segments, rows: Segments) -> tuple[Tensor, Tensor, Tensor]:
    """Return samples from 0 to 1 as states of one sample, and what makes grey levels of their distances."""
    line = torch.empty((len(values), 2), device=values.device)
    down, across = _prepared(values, columns, rows, line, parts=1, scaling=_SHARES)
    return down, across, line


def _prepared(
    values: Tensor, columns: Segments, rows: Segments, line: Tensor, *, parts: int, scaling: int
) -> tuple[Tensor, Tensor]:
    values = values.contiguous()
    across = torch.empty((len(values), parts, columns.pixels), device=values.device)
    down = across if rows is columns else torch.empty((len(values), parts, rows.pixels), device=values.device)
    widest = triton.next_power_of_2(max(columns.pixels, rows.pixels))
    _prepare_kernel[(len(values),)](
        values, columns.start, columns.stop, rows.start, rows.stop, across, down, line, values.shape[1],
        columns.pixels, rows.pixels, columns.most, rows.most,
        TO_LEVELS, UPWARDS, scaling, rows is columns, widest,
        num_warps=min(max(widest // 128, 1), 8), enable_fp_fusion=True,
    )  # fmt: skip
    return down, across


@triton.jit(do_not_specialize=["count", "most", "most_rows"])
def _prepare_kernel(
    values, start, stop, row_start, row_stop, columns_out, rows_out, line, count,
    n_columns, n_rows, most, most_rows,
    TO_LEVELS: tl.constexpr, UPWARDS: tl.constexpr, SCALING: tl.constexpr, SQUARE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the factors, or the shares, of one series."""
    parts: tl.constexpr = 1 if SCALING == 2 else 2
    series = tl.program_id(0).to(tl.int64)
    own = values + series * count
    pixel = tl.arange(0, BLOCK)
    points, largest = _means(own, start, stop, pixel, n_columns, most)
    known = points == points
    low = tl.min(tl.where(known, points, float("inf")), 0)
    width = tl.max(tl.where(known, points, float("-inf")), 0) - low
    changes = width > 1e-9 * tl.max(largest, 0)
    unit = tl.where(changes, width, 1.0)
    _store(columns_out + series * parts * n_columns, (points - low) / unit, changes, pixel, n_columns,
           TO_LEVELS, SCALING)  # fmt: skip
    nearest = tl.zeros([], tl.float64)
    farthest = nearest + 1
    if not SQUARE:
        points, largest = _means(own, row_start, row_stop, pixel, n_rows, most_rows)
        share = (points - low) / unit
        _store(rows_out + series * parts * n_rows, share, changes, pixel, n_rows, TO_LEVELS, SCALING)
        nearest = tl.min(tl.where(points == points, share, float("inf")), 0)
        farthest = tl.max(tl.where(points == points, share, float("-inf")), 0)
    if SCALING == 2:
        greatest = tl.maximum(farthest, 1 - nearest).to(tl.float32)
        tl.store(line + series * 2, tl.where(changes, 255 / greatest, 0.0))
        tl.store(line + series * 2 + 1, tl.where(changes, UPWARDS, 128.0))


@triton.jit
def _means(own, start, stop, pixel, pixels, most):
    """Average the samples of each pixel in float64, NaN where all is missing; and find the largest magnitude."""
    inside = pixel < pixels
    here = tl.load(start + pixel, mask=inside, other=0)
    end = tl.load(stop + pixel, mask=inside, other=0)
    total = tl.zeros_like(pixel).to(tl.float64)
    present = tl.zeros_like(pixel).to(tl.float64)
    largest = tl.zeros_like(pixel).to(tl.float64)
    for step in range(most):
        value = tl.load(own + here + step, mask=here + step < end, other=float("nan")).to(tl.float64)
        known = value == value
        total += tl.where(known, value, 0.0)
        present += tl.where(known, 1.0, 0.0)
        largest = tl.maximum(largest, tl.where(known, tl.abs(value), 0.0))
    return tl.where(present > 0, total / tl.maximum(present, 1.0), float("nan")), largest


@triton.jit
def _store(out, share, changes, pixel, pixels, TO_LEVELS: tl.constexpr, SCALING: tl.constexpr):
    inside = pixel < pixels
    nan = float("nan")
    if SCALING == 2:
        tl.store(out + pixel, share.to(tl.float32), mask=inside)
    else:
        known = share == share
        share = tl.minimum(tl.maximum(share, 0.0), 1.0)
        if SCALING == 1:
            share = (1 + share) / 2
        cosine = (2 * share - 1).to(tl.float32) * TO_LEVELS
        # What cancels does so in float64; the rest is float32, of which a GPU does many more at a time.
        sine = tl.sqrt(share.to(tl.float32) * (1 - share).to(tl.float32)) * (2 * TO_LEVELS)
        tl.store(out + pixel, tl.where(known, tl.where(changes, cosine, 0.0), nan), mask=inside)
        tl.store(out + pixels + pixel, tl.where(known, tl.where(changes, sine, 0.0), nan), mask=inside)


def draw_field(rows: Tensor, columns: Tensor, canvas: Tensor, *, field: Field) -> None:
    """Write the Gramian fields of `factors` into uint8 (n, height, width)."""
    _draw_pairs(rows, columns, rows, canvas, kind=_FIELDS[field])


def draw_distances(rows: Tensor, columns: Tensor, line: Tensor, canvas: Tensor) -> None:
    """Write how far apart states are into uint8 (n, height, width)."""
    _draw_pairs(rows, columns, line.contiguous(), canvas, kind=_DISTANCE)


def greatest_distance(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the greatest distance of two states that are present, float32 (n,); 0 where there is none."""
    tiles = triton.cdiv(rows.shape[-1], _ROWS) * triton.cdiv(columns.shape[-1], _COLUMNS)
    peaks = torch.empty((len(rows), 1, tiles), device=rows.device)
    _draw_pairs(rows, columns, rows, peaks, kind=_PEAK, size=(rows.shape[-1], columns.shape[-1]))
    return peaks.amax((-1, -2))


def _draw_pairs(
    rows: Tensor,
    columns: Tensor,
    line: Tensor,
    canvas: Tensor,
    *,
    kind: int,
    size: tuple[int, int] | None = None,
) -> None:
    height, width = size or canvas.shape[1:]
    down, across = triton.cdiv(height, _ROWS), triton.cdiv(width, _COLUMNS)
    _pairs_kernel[(len(canvas) * down * across,)](
        rows.contiguous(), columns.contiguous(), line, canvas, *canvas.stride(), height, width, down * across, across,
        rows.shape[-2], kind, _ROWS, _COLUMNS, num_warps=4, enable_fp_fusion=True,
    )  # fmt: skip


@triton.jit(do_not_specialize=["tiles", "tiles_across"])
def _pairs_kernel(
    rows, columns, line, canvas, stride, row_stride, pixel_stride, height, width, tiles, tiles_across,
    DIMENSION: tl.constexpr, KIND: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Write a tile of the picture of one series, or the greatest distance in it."""
    series = tl.program_id(0) // tiles
    tile = tl.program_id(0) % tiles
    row = tile // tiles_across * ROWS + tl.arange(0, ROWS)
    column = tile % tiles_across * COLUMNS + tl.arange(0, COLUMNS)
    down, across = row < height, column < width
    rows += series.to(tl.int64) * DIMENSION * height
    columns += series.to(tl.int64) * DIMENSION * width
    if KIND < 2:
        # 127.5 comes last: what the fused product of a difference leaves on the diagonal is lost in it.
        a, b = _two(rows, row, height, down)
        x, y = _two(columns, column, width, across)
        if KIND == 0:
            level = (a[:, None] * x[None, :] - b[:, None] * y[None, :]) + 127.5
        else:
            level = (b[:, None] * x[None, :] - a[:, None] * y[None, :]) + 127.5
    else:
        level = _distances(rows, columns, row, column, height, width, down, across, DIMENSION, ROWS, COLUMNS)
    if KIND == 3:
        tl.store(canvas + series.to(tl.int64) * tiles + tile, tl.max(tl.maximum(level, 0.0)))
    else:
        if KIND == 2:
            level = level * tl.load(line + series * 2) + tl.load(line + series * 2 + 1)
        # Of NaN and 0 the maximum is 0. Added to 2^23 a number is rounded to an integer, in its lowest bits.
        level = tl.maximum(level, 0.0) + 8388608.0
        place = row[:, None] * row_stride + column[None, :] * pixel_stride
        tl.store(
            canvas + series.to(tl.int64) * stride + place,
            level.to(tl.int32, bitcast=True).to(tl.uint8),
            mask=down[:, None] & across[None, :],
        )


@triton.jit
def _two(vectors, place, pixels, inside):
    nan = float("nan")
    first = tl.load(vectors + place, mask=inside, other=nan)
    return first, tl.load(vectors + pixels + place, mask=inside, other=nan)


@triton.jit
def _distances(
    rows, columns, row, column, height, width, down, across,
    DIMENSION: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Return Euclidean distances, NaN where a state is missing or beyond the picture."""
    nan = float("nan")
    if DIMENSION == 1:
        a, x = tl.load(rows + row, mask=down, other=nan), tl.load(columns + column, mask=across, other=nan)
        return tl.abs(a[:, None] - x[None, :])
    squares = tl.zeros([ROWS, COLUMNS], tl.float32)
    for place in range(DIMENSION):
        a = tl.load(rows + place * height + row, mask=down, other=nan)
        x = tl.load(columns + place * width + column, mask=across, other=nan)
        step = a[:, None] - x[None, :]
        squares += step * step
    return tl.sqrt(squares)
