"""Converters as a part of a graph: from samples to the images that a network looks at.

Most of it is `phosphene.pipeline.gpu`, which draws in plain torch, traced. A sharp head tells one grey level from the
next, so that Gramian fields are counted in whole numbers here, as the CPU does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phosphene.converters import Audio, Channels, Converter, ParameterError, Series, Signal
from phosphene.converters.core.signal import Kind
from phosphene.converters.series import loops
from phosphene.converters.series.base import MID_GREY
from phosphene.pipeline.gpu import images
from phosphene.pipeline.gpu.draw import draws_on

from .lines import is_traceable, line_images

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
