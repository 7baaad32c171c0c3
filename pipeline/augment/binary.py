"""The augmentations of bytes, named by what they do to them."""

from dataclasses import replace
from typing import ClassVar

import numpy as np

from phosphene.converters import Binary, Signal

from .base import Augmentation, Share, register_augmentation, stretch


@register_augmentation
class ByteMask(Augmentation):
    """A range of bytes is zero.

    Parameters
    ----------
    most
        Longest range, as a share of the file.

    Examples
    --------
    >>> ByteMask(most=0.9)(Binary(b"12345678"), np.random.default_rng(0)).data.tolist()
    [49, 50, 0, 0, 0, 0, 0, 56]
    """

    name: ClassVar[str] = "byte_mask"
    accepts: ClassVar[type[Signal]] = Binary

    most: Share = 0.1

    def _change(self, signal: Binary, rng: np.random.Generator) -> Binary:
        data = np.array(signal.data)
        data[stretch(len(data), self.most, rng)] = 0
        return replace(signal, data=data)
