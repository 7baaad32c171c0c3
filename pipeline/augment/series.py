"""The augmentations of time series, named by what they do to them."""

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np

from phosphene.converters import Between, Series, Signal

from .base import Augmentation, register_augmentation, sampled


@register_augmentation
class Jitter(Augmentation):
    """Every sample is off by a little (Um et al. 2017, https://doi.org/10.1145/3136755.3136817).

    Parameters
    ----------
    deviation
        Standard deviation of what is added, in standard deviations of the channel.

    Examples
    --------
    >>> jittered = Jitter()(Series([0.0, 1.0, 2.0]), np.random.default_rng(0))
    >>> jittered.values.astype(float).round(3).tolist()
    [[0.003, 0.997, 2.016]]
    """

    name: ClassVar[str] = "jitter"
    accepts: ClassVar[type[Signal]] = Series

    deviation: Annotated[float, Between(0, 10)] = 0.03

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        spread = np.nanstd(signal.values, axis=1, keepdims=True, dtype=np.float64)
        return replace(
            signal, values=signal.values + self.deviation * spread * rng.standard_normal(signal.values.shape)
        )


@register_augmentation
class Scaling(Augmentation):
    """Every channel is multiplied by a number near 1 (Um et al. 2017, https://doi.org/10.1145/3136755.3136817).

    Parameters
    ----------
    deviation
        Standard deviation of the number.

    Examples
    --------
    >>> scaled = Scaling()(Series([[1.0, 2.0], [1.0, 2.0]]), np.random.default_rng(0))
    >>> scaled.values.astype(float).round(2).tolist()
    [[1.01, 2.03], [0.99, 1.97]]
    """

    name: ClassVar[str] = "scaling"
    accepts: ClassVar[type[Signal]] = Series

    deviation: Annotated[float, Between(0, 1)] = 0.1

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        return replace(signal, values=signal.values * rng.normal(1, self.deviation, (len(signal.values), 1)))


@register_augmentation
class WindowWarp(Augmentation):
    """A stretch runs at half or double speed; the length stays (Le Guennec et al. 2016, hal-01357973).

    Parameters
    ----------
    share
        Length of the stretch, as a share of the series.

    Examples
    --------
    >>> warped = WindowWarp(share=0.4)(Series(np.arange(9.0)), np.random.default_rng(0))
    >>> warped.values.astype(float).round(1).tolist()
    [[0.0, 1.4, 2.8, 3.6, 4.3, 5.0, 5.7, 6.7, 8.0]]
    """

    name: ClassVar[str] = "window_warp"
    accepts: ClassVar[type[Signal]] = Series

    share: Annotated[float, Between(0.01, 0.9)] = 0.1

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        count = signal.values.shape[1]
        start = rng.uniform(0, 1 - self.share)
        stop, factor = start + self.share, rng.choice([0.5, 2.0])
        # Where each moment of the series lies once the stretch is `factor` times as long.
        place = np.linspace(0, 1, count)
        warped = place + (factor - 1) * np.clip(place - start, 0, stop - start)
        source = np.interp(np.linspace(0, warped[-1], count), warped, place)
        return replace(signal, values=sampled(signal.values, source * (count - 1)))


@register_augmentation
class WindowSlice(Augmentation):
    """A part of the series, stretched to its length (Le Guennec et al. 2016, hal-01357973).

    Parameters
    ----------
    share
        How much of the series is kept.

    Examples
    --------
    >>> sliced = WindowSlice(share=0.5)(Series(np.arange(9.0)), np.random.default_rng(0))
    >>> sliced.values.astype(float).round(1).tolist()
    [[2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5]]
    """

    name: ClassVar[str] = "window_slice"
    accepts: ClassVar[type[Signal]] = Series

    share: Annotated[float, Between(0.1, 1)] = 0.9

    def _change(self, signal: Series, rng: np.random.Generator) -> Series:
        count = signal.values.shape[1]
        start = rng.uniform(0, 1 - self.share)
        return replace(
            signal,
            values=sampled(signal.values, np.linspace(start, start + self.share, count) * (count - 1)),
        )
