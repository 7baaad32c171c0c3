"""Converters as a part of a graph: from samples to the images that a network looks at.

Most of it is `phosphene.pipeline.gpu`, which draws in plain torch, traced. A sharp head tells one grey level from the
next, so that Gramian fields are counted in whole numbers here, as the CPU does.

Lines are drawn pixel by pixel by the nearest of the few that can reach it. They follow time, so which these are is
known before any sample is. They are laid over the image one after another, in float64 and in the order of operations
of `kernels.loops.draw_lines`: the pixels are those of the CPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from phosphene.converters import Audio, Channels, Converter, ParameterError, Series, Signal
from phosphene.converters.core.signal import Kind
from phosphene.converters.series import loops
from phosphene.converters.series.base import MID_GREY
from phosphene.converters.series.line import _FILL_LEVEL, margin
from phosphene.pipeline.gpu import images
from phosphene.pipeline.gpu.draw import draws_on

NAMES = ("gasf", "gadf", "mtf", "recurrence", "patches", "line", "mel", "stft")
"""Converters that can be a part of a graph."""


@dataclass(frozen=True)
class SignalForm:
    """The one form of signal that a graph takes.

    Parameters
    ----------
    kind
        `audio` or `series`.
    channels, samples
        Of each signal; float32 (n, channels, samples).
    rate_hz
        Of sound; 0 for series.
    """

    kind: Kind
    channels: int
    samples: int
    rate_hz: float = 0.0

    def __post_init__(self) -> None:
        if not (self.samples >= 1 and 0 <= self.rate_hz < float("inf")):
            raise ParameterError(
                f"a graph takes one sample or more, at a rate > 0, got {self.samples} at {self.rate_hz:g} Hz"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Channels and samples."""
        return self.channels, self.samples

    def fitted(self, signal: Signal) -> Signal | None:
        """Return a signal in this form: a longer sound is cut, a shorter one followed by silence; None for others.

        Examples
        --------
        >>> form = SignalForm("audio", channels=1, samples=3, rate_hz=8000.0)
        >>> form.fitted(Audio([1.0, 0.5], 8000.0)).samples, form.fitted(Audio([1.0, 0.5], 44100.0))
        (array([[1. , 0.5, 0. ]], dtype=float32), None)
        """
        if isinstance(signal, Audio) and (len(signal.samples), signal.rate_hz) == (
            self.channels,
            self.rate_hz,
        ):
            samples = signal.samples[:, : self.samples]
            missing = self.samples - samples.shape[1]
            return Audio(np.pad(samples, ((0, 0), (0, missing))), self.rate_hz)
        right = isinstance(signal, Series) and signal.values.shape == self.shape
        return signal if right else None


def values_of(signal: Signal) -> np.ndarray:
    """Return float32 (channels, samples) of a sound or a series."""
    values: np.ndarray = signal.samples if isinstance(signal, Audio) else signal.values  # type: ignore[attr-defined]
    return values


class ViewGraph(nn.Module):
    """Samples float32 (n, channels, samples) to the images of all views, uint8 (n, height, width, channels) each.

    Parameters
    ----------
    views
        Converters.
    form
        Of the signals.

    Raises
    ------
    ParameterError
        A converter, or one of its parameters, has no form as a graph.
    """

    def __init__(self, views: Sequence[Converter], form: SignalForm) -> None:
        super().__init__()
        for view in views:
            check_traceable(view)
        self.views, self.form = tuple(views), form

    def forward(self, signal: Tensor) -> list[Tensor]:
        """Return an image a view."""
        return [_drawn(view, signal, self.form) for view in self.views]


def check_traceable(converter: Converter) -> None:
    """Raise ParameterError unless a converter can be a part of a graph.

    Examples
    --------
    >>> from phosphene.converters import make
    >>> check_traceable(make("gasf"))
    >>> check_traceable(make("windows"))
    Traceback (most recent call last):
    phosphene.converters.core.errors.ParameterError: windows has no form as a graph, which gasf, ...
    """
    for part in converter.parts if isinstance(converter, Channels) else (converter,):
        ours = type(part).__module__.startswith("phosphene.converters.")
        here = part.name == "patches" or (part.name == "line" and is_traceable(part))
        if not (draws_on(part) or (ours and here)):
            raise ParameterError(
                f"{part.spec} has no form as a graph, which {', '.join(NAMES)} have with most of their parameters; "
                "export from images instead, without --from-signal"
            )


def _drawn(converter: Any, values: Tensor, form: SignalForm) -> Tensor:
    if isinstance(converter, Channels):
        return torch.cat([_drawn(part, values, form) for part in converter.parts], 3)
    if form.kind == "audio":
        return images.sound_images(converter, values, form.rate_hz, None)
    if converter.name == "line":
        return line_images(converter, values)
    return images.series_images(converter, values, _FIELDS)


def _gramian(converter: Any, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Draw a field in 16 bits, step by step as `loops.write_factors` and `loops.draw_fields`."""
    summed = converter.name == "gasf"
    columns, rows = (images.segment_means(values, pixels) for pixels in shape[::-1])
    low, width = images.spans(columns, values)
    scale = torch.where(width > 0, 1 / width, 0.0)
    half, to_half, to_whole = loops._HALF, loops._TO_HALF, loops._TO_WHOLE

    def factors(along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        share = ((along - low) * scale).float().nan_to_num(0.0).clamp(0, 1)
        share = (1 + share) * 0.5 if converter.scaling == "unit" else share
        sine = 2 * (share * (1 - share)).sqrt()
        alone = -2 * half * share if summed else half * sine
        to_sine = to_half if summed else to_whole
        return (share * to_whole + 0.5).long(), (sine * to_sine + 0.5).long(), (alone + 65536.5).long()

    (plus, minus, in_row), (shares, sines, in_column) = factors(rows), factors(columns)
    if summed:
        times, in_row = 2, in_row + 2 * half + loops._ROUND + 1
    else:
        times, in_row, (plus, minus) = 1, half + loops._ROUND - in_row, (minus, plus)
    product = times * _upper(plus, shares) - _upper(minus, sines)
    levels = (product + in_column[:, None] + in_row[:, :, None]) % 65536 // 256
    missing = rows.isnan()[:, :, None] | columns.isnan()[:, None]
    levels = torch.where(width[..., None] > 0, levels, MID_GREY)
    return torch.where(missing, 0, levels).float()


def _upper(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the upper half of products of 16 bits."""
    return rows[:, :, None] * columns[:, None] // 65536


def _patches(converter: Any, values: Tensor, shape: tuple[int, int]) -> Tensor:
    rows, columns = shape
    width = converter._width_of(values.shape[1])
    padded = torch.nn.functional.pad(values, (0, -values.shape[1] % width), value=torch.nan)
    folded = padded.unflatten(1, (-1, width)).transpose(1, 2)
    means = images.segment_means(images.segment_means(folded, rows).transpose(1, 2), columns)
    low, span = images.spans(means.flatten(1), values)
    levels = (255 * (means - low[..., None]) / torch.where(span > 0, span, 1.0)[..., None]).round()
    return torch.where(span[..., None] > 0, levels, means * 0 + MID_GREY)


_FIELDS: dict[str, images.Field] = {"gasf": _gramian, "gadf": _gramian, "patches": _patches}


def made_up(form: SignalForm, count: int, *, low: float, high: float) -> list[Signal]:
    """Return signals of a form with tones, drifts and noise in them, the same ones always.

    Parameters
    ----------
    form
        Of each.
    count
        How many.
    low, high
        Between which values they lie.
    """
    rng = np.random.default_rng(0)
    time = np.linspace(0, 1, form.samples)
    signals: list[Signal] = []
    for _ in range(count):
        waves = np.zeros(form.shape)
        for _ in range(3):
            phase = (
                2 * np.pi * (rng.uniform(1, form.samples / 8) * time + rng.uniform(0, 1, (form.channels, 1)))
            )
            waves += np.sin(phase) * np.exp(-rng.uniform(0, 20) * np.abs(time - rng.uniform()))
        drift = rng.standard_normal(form.shape).cumsum(1)
        waves += rng.uniform() * drift / np.abs(drift).max() + rng.uniform(0, 0.3) * rng.standard_normal(
            form.shape
        )
        share = (waves - waves.min()) / (np.ptp(waves) or 1.0)
        values = (low + (high - low) * share).astype(np.float32)
        signals.append(Audio(values, form.rate_hz) if form.kind == "audio" else Series(values))
    return signals


WIDEST_PX = 8.0
"""Of wider lines each column would be reached by so many that the graph grew to thousands of nodes."""
_FAR = -1e6
_A_COLUMN = 4
"""Samples that are drawn of a column of pixels: the first, lowest, highest and last."""


def is_traceable(converter: Any) -> bool:
    """Tell whether a line plot with these parameters can be a part of a graph.

    Not those whose lines are wide, nor fills up to a mean that the CPU takes in float32, whose rounding is another.

    Examples
    --------
    >>> from phosphene.converters import make
    >>> is_traceable(make("line")), is_traceable(make("line", line_width_px=20.0))
    (True, False)
    >>> is_traceable(make("line", fill="mean")), is_traceable(make("line", fill="mean", value_range=(0.0, 1.0)))
    (False, True)
    """
    exact = converter.fill != "mean" or converter.channels == "mean" or converter._bounds is not None
    return bool(converter.line_width_px <= WIDEST_PX and exact)


def line_images(converter: Any, values: Tensor) -> Tensor:
    """Draw float32 (n, channels, samples) as `line`: uint8 (n, height, width, channels)."""
    if converter.channels == "first":
        values = values[:, :1]
    if converter.input == "differences":
        values = values[..., 1:] - values[..., :-1]
    values = values.double()
    if converter.channels == "mean" and values.shape[1] > 1:
        values = values.nanmean(1, keepdim=True)
    if converter._bounds is not None:
        low, high = torch.tensor(converter._bounds[: values.shape[1]], dtype=torch.float64)[..., None].unbind(
            1
        )
        values = ((values - low) / (high - low)).clamp(0, 1)
    return images.series_images(converter.replace(input="values"), values, {"line": _line})


class _Lines(NamedTuple):
    """Ends of lines, float64 (n, lines); lines that are not drawn, and dots, have no length."""

    x0: Tensor
    y0: Tensor
    x1: Tensor
    y1: Tensor

    def at(self, indices: np.ndarray) -> "_Lines":
        """Return one line a column of pixels, float64 (n, 1, columns)."""
        chosen = torch.from_numpy(indices)
        return _Lines(*(end[:, chosen][:, None] for end in self))


def _line(converter: Any, values: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return levels 0 to 255 of values (n, samples): float64 (n, rows, columns)."""
    rows, columns = shape
    margin_px, width_px = margin(rows, converter.line_width_px), converter.line_width_px
    low, span = (torch.zeros(1, 1), torch.ones(1, 1)) if converter._bounds else images.spans(values, values)
    lines = _lines(values, low, span, (rows, columns), margin_px)
    middles = torch.arange(columns, dtype=torch.float64) + 0.5
    down = torch.arange(rows, dtype=torch.float64)[:, None] + 0.5
    base = torch.full((1, 1, 1), float(rows), dtype=torch.float64)
    if converter.fill == "mean":
        share = _shares(values.nanmean(1, keepdim=True), low, span)
        base = (margin_px + (1 - share) * (rows - 2 * margin_px))[..., None]
    levels = torch.zeros((values.shape[0], rows, columns), dtype=torch.float64)
    for indices in _reaching(values.shape[1], columns, width_px / 2 + 0.5).T:
        line = lines.at(indices)
        if converter.fill != "none":
            levels = levels.maximum(_filled(line, base, down, middles))
        levels = levels.maximum((_cover(line, down, middles, width_px) * 255 + 0.5).floor())
    return levels


def _cover(line: _Lines, down: Tensor, middles: Tensor, width_px: float) -> Tensor:
    """Return how much of each pixel lies inside the line, as `draw_lines` says."""
    run, rise = line.x1 - line.x0, line.y1 - line.y0
    square = run * run + rise * rise
    share = torch.where(square > 0, 1 / square, 0.0)
    along, below = middles - line.x0, down - line.y0
    part = ((below * rise + along * run) * share).clamp(0, 1)
    across, beyond = along - part * run, below - part * rise
    return (width_px / 2 + 0.5 - (across * across + beyond * beyond).sqrt()).clamp(0, min(1.0, width_px))


def _filled(line: _Lines, base: Tensor, down: Tensor, middles: Tensor) -> Tensor:
    """Return the levels between the line and a row, in columns whose middle it is over, as `fill_area`."""
    run = line.x1 - line.x0
    dot = run == 0
    over = (dot & (line.x0.floor() + 0.5 == middles)) | ((line.x0 <= middles) & (middles < line.x1))
    height = line.y0 + (middles - line.x0) / torch.where(dot, 1.0, run) * (line.y1 - line.y0)
    height = torch.where(dot, line.y0, height)
    top, bottom = height.minimum(base), height.maximum(base)
    cover = bottom.minimum(down + 0.5) - top.maximum(down - 0.5)
    return torch.where(over, (cover.clamp(0, 1) * _FILL_LEVEL + 0.5).floor(), 0.0)


def _lines(values: Tensor, low: Tensor, span: Tensor, shape: tuple[int, int], margin_px: float) -> _Lines:
    """Return the line to each point from the one before, a dot where a sample between them is missing."""
    rows, columns = shape
    count = values.shape[1]
    indices, exists = _points(values, columns)
    share = torch.where(values.isnan(), 0.0, _shares(values, low, span))
    y1 = (margin_px + (1 - share) * (rows - 2 * margin_px)).gather(1, indices)
    x1 = (indices.double() + 0.5) * columns / count
    missing = values.isnan().long().cumsum(1).gather(1, indices)
    before = _shifted(indices)
    near = ((indices - before) * columns < count) | (missing == _shifted(missing))
    first = torch.arange(indices.shape[1]) == 0
    joined = exists & _shifted(exists) & near & ~first
    drawn = exists & ((indices != before) | first)
    x0, y0 = torch.where(joined, _shifted(x1), x1), torch.where(joined, _shifted(y1), y1)
    return _Lines(*(torch.where(drawn, end, _FAR) for end in (x0, y0, x1, y1)))


def _shares(values: Tensor, low: Tensor, span: Tensor) -> Tensor:
    """Return how far up values lie, from 0 to 1; in the middle where all are the same."""
    return torch.where(span > 0, (values - low) / torch.where(span > 0, span, 1.0), 0.5)


def _shifted(values: Tensor) -> Tensor:
    """Return what stands one before; the first stays."""
    return torch.cat([values[:, :1], values[:, :-1]], 1)


def _points(values: Tensor, columns: int) -> tuple[Tensor, Tensor]:
    """Return indices of samples in order, some more than once, and whether they are there: (n, points)."""
    count = values.shape[1]
    if count <= columns:
        return torch.arange(count).expand(values.shape[0], -1), ~values.isnan()
    owners = (2 * np.arange(count) + 1) * columns // (2 * count)  # the middle of a sample decides
    starts = np.searchsorted(owners, np.arange(columns))
    inside = np.arange(np.bincount(owners).max()) < np.bincount(owners)[:, None]
    table = torch.from_numpy(np.where(inside, starts[:, None] + np.arange(inside.shape[1]), starts[:, None]))
    picked = torch.where(torch.from_numpy(inside), values[:, table], torch.nan)
    there = ~picked.isnan()
    lowest = torch.where(there, picked, torch.inf).argmin(2)
    highest = torch.where(there, picked, -torch.inf).argmax(2)
    order = torch.arange(1, inside.shape[1] + 1)
    first, last = (there * order.flip(0)).argmax(2), (there * order).argmax(2)
    slots = torch.stack([first, lowest.minimum(highest), lowest.maximum(highest), last], 2)
    indices = (slots + torch.from_numpy(starts)[:, None]).flatten(1)
    return indices, there.any(2)[..., None].expand(-1, -1, _A_COLUMN).flatten(1)


def _reaching(count: int, columns: int, reach_px: float) -> np.ndarray:
    """Return the lines that can reach each column of pixels: int (columns, most), some more than once.

    Examples
    --------
    >>> _reaching(3, 6, 0.5).tolist()  # ends at 1, 3 and 5
    [[0, 1], [0, 1], [1, 2], [1, 2], [2, 2], [2, 2]]
    """
    middles = np.arange(columns) + 0.5
    if count <= columns:
        ends = (np.arange(count) + 0.5) * columns / count
        starts = np.concatenate([ends[:1], ends[:-1]])
    else:  # a sample lies in its column of pixels, and the one before in that before
        ends = np.repeat(np.arange(columns) + 1.0, _A_COLUMN)
        starts = np.repeat(np.arange(columns), _A_COLUMN) - np.tile([1.0, 0.0, 0.0, 0.0], columns)
    low = np.searchsorted(ends, middles - reach_px)
    high = np.searchsorted(np.maximum.accumulate(starts), middles + reach_px, "right") - 1
    low = np.minimum(low, len(ends) - 1)
    steps = np.arange(max(1, int((high - low).max()) + 1))
    return np.asarray(np.clip(low[:, None] + steps, low[:, None], np.maximum(high, low)[:, None]))
