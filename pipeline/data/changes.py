"""What the augmentations of several kinds share."""

from typing import Annotated

import numpy as np

from phosphene.converters import Between

Share = Annotated[float, Between(0, 1)]
Factor = Annotated[float, Between(0, 0.9)]


def stretch(count: int, most: float, rng: np.random.Generator) -> slice:
    """Return a stretch of at most this share of `count` places, wherever it fits."""
    length = round(rng.uniform(0, most) * count)
    start = int(rng.integers(0, count - length + 1))
    return slice(start, start + length)


def sampled(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return float64 (channels, n) at places between samples, on straight lines; missing where the nearest sample is.

    A channel of which only missing samples would be left is drawn through instead, for a signal must hold something.

    Examples
    --------
    >>> sampled(np.array([[0.0, np.nan, 4.0, 6.0]]), np.array([0.4, 1.0, 2.5])).tolist()
    [[0.8, nan, 5.0]]
    """
    return np.stack([_sampled(channel, places) for channel in values.astype(np.float64)])


def _sampled(channel: np.ndarray, places: np.ndarray) -> np.ndarray:
    there = ~np.isnan(channel)
    line = np.interp(places, np.flatnonzero(there), channel[there])
    missing = ~there[np.rint(places).astype(int)]
    return line if missing.all() else np.where(missing, np.nan, line)
