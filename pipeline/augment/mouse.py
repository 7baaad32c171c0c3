"""The augmentations of mouse sessions, named by what they do to them."""

from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np

from phosphene.converters import Between, MouseTrace, Signal

from .base import Augmentation, Factor, register_augmentation


@register_augmentation
class PointerShift(Augmentation):
    """The session lies elsewhere on the screen.

    Parameters
    ----------
    most_px
        Largest shift in either direction, in pixels of the screen.

    Examples
    --------
    >>> moved = PointerShift()(MouseTrace([0, 1], [5, 9], [5, 5], [0, 2]), np.random.default_rng(0))
    >>> moved.x.round(1).tolist(), moved.y.round(1).tolist()
    ([32.4, 36.4], [-41.0, -41.0])
    """

    name: ClassVar[str] = "shift"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most_px: Annotated[float, Between(0, 100_000)] = 100.0

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        right, down = rng.uniform(-self.most_px, self.most_px, 2)
        return replace(signal, x=signal.x + right, y=signal.y + down)


@register_augmentation
class PointerScale(Augmentation):
    """The session is larger or smaller, around its middle.

    Parameters
    ----------
    most
        Largest change, as a share of the size.

    Examples
    --------
    >>> larger = PointerScale()(MouseTrace([0, 1], [0, 100], [5, 5], [0, 2]), np.random.default_rng(0))
    >>> larger.x.round(1).tolist()
    [-1.4, 101.4]
    """

    name: ClassVar[str] = "scale"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most: Factor = 0.1

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        return _turned(signal, 1 + rng.uniform(-self.most, self.most))


@register_augmentation
class Rotation(Augmentation):
    """The session is turned a little, around its middle.

    Parameters
    ----------
    most_degrees
        Largest angle to either side.

    Examples
    --------
    >>> turned = Rotation()(MouseTrace([0, 1], [0, 100], [5, 5], [0, 2]), np.random.default_rng(0))
    >>> turned.x.round(1).tolist(), turned.y.round(1).tolist()
    ([0.1, 99.9], [2.6, 7.4])
    """

    name: ClassVar[str] = "rotation"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most_degrees: Annotated[float, Between(0, 180)] = 10.0

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        return _turned(signal, np.exp(1j * np.deg2rad(rng.uniform(-self.most_degrees, self.most_degrees))))


@register_augmentation
class TimeScale(Augmentation):
    """The session is faster or slower.

    Parameters
    ----------
    most
        Largest change, as a share of its duration.

    Examples
    --------
    >>> TimeScale()(MouseTrace([3, 4], [5, 9], [5, 5], [0, 2]), np.random.default_rng(0)).time_s.round(2).tolist()
    [3.0, 4.05]
    """

    name: ClassVar[str] = "time_scale"
    accepts: ClassVar[type[Signal]] = MouseTrace

    most: Factor = 0.2

    def _change(self, signal: MouseTrace, rng: np.random.Generator) -> MouseTrace:
        first_s = signal.time_s[0]
        factor = 1 + rng.uniform(-self.most, self.most)
        return replace(signal, time_s=first_s + (signal.time_s - first_s) * factor)


def _turned(signal: MouseTrace, factor: complex) -> MouseTrace:
    """Multiply the way from the middle of a session, as complex numbers."""
    middle = (signal.x.min() + signal.x.max() + 1j * (signal.y.min() + signal.y.max())) / 2
    place = middle + (signal.x + 1j * signal.y - middle) * factor
    return replace(signal, x=place.real, y=place.imag)
