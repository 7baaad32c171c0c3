"""One range of values for all series, so that level and amplitude can be told from an image."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal, Self

import numpy as np

from ..core.errors import ParameterError, SignalError
from ..core.image import Box
from ..core.signal import Signal
from .picture import SeriesPicture
from .signal import Series

OUTSIDE = 0.001
"""Share of the training values below the range, and above it: one spike does not squash all others."""


class RangedPicture(SeriesPicture):
    """A picture of the values from a lowest to a highest one, which are those of each series or the same for all.

    Parameters
    ----------
    size, channels, input
        See `SeriesPicture`.
    value_range
        `item`: from the lowest to the highest value of each channel of each series. `training`: the same for every
        series, from the 0.1 % quantile of the training items to the 99.9 % quantile, which `resolve` puts in its
        place; until then as `item`. Or numbers: the lowest and the highest value of the first channel, of the second,
        and so on; what lies outside is clipped. Of differences where these are the `input`.
    """

    value_range: Literal["item", "training"] | tuple[float, ...] = "item"

    def __post_init__(self) -> None:
        super().__post_init__()
        bounds = self._bounds
        if bounds is not None and not (len(bounds) and all(low < high for low, high in bounds)):
            raise ParameterError(
                f"{type(self).__name__}.value_range must be a lowest and a higher number for each channel, "
                f"got {self.value_range}"
            )

    def resolve(self, signals: Sequence[Signal]) -> Self:
        """Put numbers in the place of `training`: the range of these training items."""
        if self.value_range != "training":
            return self
        found = [self._values(signal) for signal in signals if isinstance(signal, Series)]
        n_channels = max((len(values) for values in found), default=0)
        bounds = [
            value_quantiles(np.concatenate([values[channel] for values in found if channel < len(values)]))
            for channel in range(n_channels)
        ]
        return self.replace(value_range=tuple(itertools.chain(*bounds))) if bounds else self

    @property
    def _bounds(self) -> list[tuple[float, float]] | None:
        """The lowest and the highest value of each channel, None where they are those of each series."""
        if isinstance(self.value_range, str):
            return None
        numbers = (*self.value_range, *[float("nan")] * (len(self.value_range) % 2))
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def _values(self, signal: Series) -> list[np.ndarray]:
        """Return what is drawn of a series before the range is applied: (samples,) for each channel."""
        return [values[0, 0] for _, _, values in super()._pictures(signal.values[None])]

    def _pictures(self, values: np.ndarray) -> Iterator[tuple[list[int], Box, np.ndarray]]:
        for part, cell, some in super()._pictures(values):
            yield part, cell, self._scaled(some, part[0])

    def _scaled(self, values: np.ndarray, channel: int) -> np.ndarray:
        """Return values from 0 to 1 where there is a range."""
        if self._bounds is None:
            return values
        if channel >= len(self._bounds):
            raise SignalError(
                f"{self.name} has a value_range of {len(self._bounds)} channels, got a series with channel {channel}; "
                "give it as many channels, or take channels=first"
            )
        low, high = self._bounds[channel]
        return np.asarray(np.clip((values.astype(np.float64) - low) / (high - low), 0.0, 1.0))


def value_quantiles(values: np.ndarray) -> tuple[float, float]:
    """Return the range of values (n,) that leaves out the farthest ones, and has some width always.

    Examples
    --------
    >>> value_quantiles(np.arange(1001.0)), value_quantiles(np.array([2.0, np.nan, 2.0]))
    ((1.0, 999.0), (1.5, 2.5))
    """
    low, high = (float(bound) for bound in np.nanquantile(values.astype(np.float64), [OUTSIDE, 1 - OUTSIDE]))
    half = max(0.5, abs(low) * 1e-6)
    return (low, high) if high > low else (low - half, high + half)
