"""Gramian fields and recurrence plots of many series at once, on the device that holds them."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from phosphene.converters import Converter, SignalError
from phosphene.converters.series.gramian import GramianDifferenceField, GramianSummationField
from phosphene.converters.series.layout import cells
from phosphene.converters.series.picture import MID_GREY
from phosphene.converters.series.recurrence import RecurrencePlot

from . import plain
from .paths import DevicePath, Segments, Task, Work, kernels, segments_on

# As the CPU does: pairs just as far apart as the threshold all count as far.
_ROUNDING = 1e-6


def gramian(task: Task) -> None:
    """Draw `gasf` or `gadf`."""
    converter, on = task.work.converter, kernels(task.work.device)
    for values, canvas in parts(task):
        columns, rows = sides(values, canvas)
        vectors = on.factors(values, columns, rows, scaling=converter.scaling)
        on.draw_field(*vectors, canvas, field=converter.name)


def recurrence(task: Task) -> None:
    """Draw `recurrence` of each channel with itself."""
    converter, on = task.work.converter, kernels(task.work.device)
    for values, canvas in parts(task):
        if converter.dimension == 1 and converter.threshold == "none":
            on.draw_distances(*on.shares(values, *sides(values, canvas)), canvas)
            continue
        states = _states(values, canvas, converter.dimension, converter.delay)
        if converter.threshold == "none":
            line = plain.grey_line(states.width, _greatest(states, on))
            on.draw_distances(states.rows, states.columns, line, canvas)
        else:
            _draw_near(states, _limit(converter, values, states), canvas)


def parts(task: Task) -> list[tuple[Tensor, Tensor]]:
    """Return each channel that is drawn, (n, samples), and the pixels to draw it on, (n, height, width)."""
    values, converter = _chosen(task), task.work.converter
    boxes = cells(values.shape[1], converter.size, converter.channels)
    planes = [task.out[..., 0]] * len(boxes)
    if converter.channels == "color":
        planes = [task.out[..., channel] for channel in range(len(boxes))]
        task.out[..., len(boxes) :] = 0
    elif len(boxes) > 1:
        task.out.zero_()
    return [
        (values[:, channel], plane[:, cell.top : cell.bottom, cell.left : cell.right])
        for channel, (cell, plane) in enumerate(zip(boxes, planes, strict=True))
    ]


def _chosen(task: Task) -> Tensor:
    values, converter = task.values, task.work.converter
    if converter.channels == "first":
        values = values[:, :1]
    if converter.input == "differences":
        values = values.double().diff()
        if bool(values.isnan().all(-1).any()):
            raise SignalError("no two neighbouring samples of a channel are present; take input=values")
    if converter.channels == "mean" and values.shape[1] > 1:
        values = values.double().nanmean(1, keepdim=True)
    return values


def sides(values: Tensor, canvas: Tensor) -> tuple[Segments, Segments]:
    """Return which samples of (..., samples) the columns and the rows of a canvas show; one and the same if square."""
    height, width = canvas.shape[1:]
    columns = segments_on(values.shape[-1], width, values.device)
    return columns, columns if width == height else segments_on(values.shape[-1], height, values.device)


@dataclass(frozen=True)
class _States:
    """States averaged down to pixels, float32 (n, dimension, pixels) from 0 to 1, and what 1 is: float64 (n,)."""

    rows: Tensor
    columns: Tensor
    width: Tensor


def _states(values: Tensor, canvas: Tensor, dimension: int, delay: int) -> _States:
    embedded = _embedded(values, dimension, delay)
    columns, rows = sides(embedded, canvas)
    across = plain.segment_means(embedded, columns)
    low, width = plain.spans(across.flatten(1), embedded.flatten(1))
    if dimension > 1 and not bool(low.isfinite().all()):
        raise SignalError(f"no {dimension} samples that lie {delay} apart are all present; fill the gaps")
    both = [across] if rows is columns else [across, plain.segment_means(embedded, rows)]
    unit = torch.where(width > 0, width, 1.0)[..., None]
    scaled = [((side - low[..., None]) / unit).float() for side in both]
    return _States(scaled[-1], scaled[0], width[:, 0])


def _embedded(values: Tensor, dimension: int, delay: int) -> Tensor:
    """Return the states of (n, samples), one a column; NaN throughout where a sample is missing."""
    count = values.shape[1] - (dimension - 1) * delay
    if count < 1:
        raise SignalError(
            f"a state of dimension={dimension} and delay={delay} spans {values.shape[1] - count + 1} samples, "
            f"the series has {values.shape[1]}; take a smaller dimension or delay"
        )
    found = torch.stack([values[:, place * delay :][:, :count] for place in range(dimension)], 1)
    return torch.where(found.isnan().any(1, keepdim=True), torch.nan, found)


def _greatest(states: _States, on: Any) -> Tensor:
    """Return the greatest distance of two states: float32 (n,)."""
    if states.rows.shape[1] == 1:
        return plain.greatest_difference(states.rows[:, 0], states.columns[:, 0])
    greatest: Tensor = on.greatest_distance(states.rows, states.columns)
    return greatest


def _limit(converter: Any, values: Tensor, states: _States) -> Tensor:
    """Return the distance below which pairs are near: float32 (n,)."""
    share = converter.percentage / 100
    if converter.threshold == "distance":
        limit = share * _greatest(states, plain).double()
    elif converter.threshold == "point":
        ordered = plain.distances(states.rows, states.columns).flatten(1).sort(1).values
        limit = plain.quantiles(ordered.double(), ordered.new_full((1,), share, dtype=torch.float64))[:, 0]
    else:
        limit = share * _deviations(values.double()) / torch.where(states.width > 0, states.width, 1.0)
    near: Tensor = (limit - _ROUNDING).float()
    return near


def _deviations(values: Tensor) -> Tensor:
    centred = values - values.nanmean(1, keepdim=True)
    deviation = centred.square().nanmean(1).sqrt()
    return torch.where(deviation > -1e-9 * plain.lowest(-values.abs(), 1), deviation, 0.0)


def _draw_near(states: _States, limit: Tensor, canvas: Tensor) -> None:
    """Write in white the pairs of states that are near."""
    apart = plain.distances(states.rows, states.columns)
    levels = torch.where(apart < limit[:, None, None], 255, 0)
    levels[states.width == 0] = MID_GREY
    canvas.copy_(levels * ~apart.isnan())


def item_bytes(work: Work) -> int:
    """Count samples and their averages in float64, and where nothing is fused the pixels in float32 a few times."""
    size: int = work.converter.size
    pixels = 0 if work.fused else 16 * size**2
    return 40 * work.channels * work.count + 64 * size + pixels


def _item_bytes_of_states(work: Work) -> int:
    """Count all samples of a state, and the pixels where their distances are ranked."""
    converter = work.converter
    ranked = 0 if converter.threshold == "none" else 40 * converter.size**2
    states: int = 64 * converter.dimension * (work.count + converter.size)
    return item_bytes(work) + ranked + states


SHARED = {"size": None, "channels": None, "input": None}
_GRAMIAN = DevicePath(gramian, item_bytes, 2, {**SHARED, "scaling": None})
PATHS: dict[type[Converter], DevicePath] = {
    GramianSummationField: _GRAMIAN,
    GramianDifferenceField: _GRAMIAN,
    RecurrencePlot: DevicePath(
        recurrence,
        _item_bytes_of_states,
        2,
        {
            **SHARED,
            "dimension": None,
            "delay": None,
            "threshold": None,
            "percentage": None,
            "relation": ("self",),
        },
    ),
}
