"""Which words a file holds, and how often: every pixel stands for the words that hash to it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Between, ByPixel, Converter, Side, register
from ..core.image import Box, Image, Layout, Region
from .bigram import CHUNK_BYTES, named_spans
from .signal import Binary, blocks, read_only

MOST_COUNTED = 255
"""A word that occurs so often, or more often, is white."""


def find_words(
    data: np.ndarray, *, min_length: int, n_pixels: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    r"""Yield the words of one block after another, by the block in which they end.

    A word is a run of ASCII letters, whatever stands around it, small letters or capitals.

    Parameters
    ----------
    data
        uint8 (n,).
    min_length
        Shorter runs are left out.
    n_pixels
        Into how many pixels words fall, by a hash of their small letters.

    Yields
    ------
    pixel, starts, stops
        int64 (n_words,): the pixel of each word, where it begins, and the first byte behind it.

    Examples
    --------
    >>> data = np.frombuffer(b"\0abc1de_ABC", np.uint8)
    >>> [(pixel.tolist(), starts.tolist()) for pixel, starts, _ in find_words(data, min_length=3, n_pixels=64)]
    [([21], [1]), ([21], [8])]
    """
    from . import loops

    state = np.zeros(2, np.int64)
    end = (len(data), read_only(np.zeros(1, np.uint8)))
    for at, block in itertools.chain(blocks(data, stop=len(data), step=CHUNK_BYTES), [end]):
        words = np.empty((3, len(block) // (min_length + 1) + 1), np.int64)
        count = loops.find_words(block, at, min_length, n_pixels, state, words)
        yield words[0, :count], words[1, :count], words[2, :count]


@dataclass(frozen=True, eq=False)
class WordLayout(Layout):
    """Pixels of words, as their hash says; each stands for the places of its words in the file.

    Parameters
    ----------
    signal
        Whose words; looked through when a box is located.
    size
        Pixels along each side.
    min_length
        Of a word.
    """

    signal: Binary
    size: int
    min_length: int
    looks_through: ClassVar[bool] = True

    def locate(self, box: Box) -> Region:
        """Return the spans of the file in which the words of these pixels stand."""
        wanted = np.zeros((self.size, self.size), np.bool_)
        wanted[box.top : box.bottom, box.left : box.right] = True
        words = find_words(self.signal.data, min_length=self.min_length, n_pixels=self.size**2)
        chosen = ((wanted.ravel()[pixel], starts, stops) for pixel, starts, stops in words)
        parts = ((starts[inside], stops[inside]) for inside, starts, stops in chosen)
        return Region(tuple(named_spans(self.signal, parts)))


@register
class Words(Converter):
    r"""How often each word stands in a file: every pixel counts the words that hash to it, brighter for more.

    Words are runs of ASCII letters, small or capital: names of functions, modules and people, parts of messages and
    paths. They stay from one release to the next where the code around them does not. To a network of photographs
    the image tells nothing; a linear head takes each pixel as a feature.

    Parameters
    ----------
    size
        Pixels along each side; of few, several words share one.
    min_length
        Runs of fewer letters are left out.

    References
    ----------
    K. Weinberger et al. 2009, "Feature hashing for large scale multitask learning", doi:10.1145/1553374.1553516.

    Examples
    --------
    >>> image = Words(size=8)(Binary(b"\0numpy_core\1Numpy\xff"))
    >>> sorted(image.pixels[image.pixels > 0].tolist())  # log 3 and log 2 of log 256
    [32, 51]
    """

    name: ClassVar[str] = "words"
    accepts: ClassVar[type[Binary]] = Binary

    size: Side = 224
    min_length: Annotated[int, Between(1, 1024)] = 3

    @property
    def by_pixel(self) -> ByPixel:
        """Neighbouring pixels have nothing to do with each other; a rare word says no more than a frequent one."""
        return "in proportion"

    def _convert(self, signal: Binary) -> Image:
        n_pixels = self.size**2
        counts = np.zeros(n_pixels, np.int64)
        for pixel, _, _ in find_words(signal.data, min_length=self.min_length, n_pixels=n_pixels):
            counts += np.bincount(pixel, minlength=n_pixels)
        levels = 255 / np.log(MOST_COUNTED + 1) * np.log1p(np.minimum(counts, MOST_COUNTED))
        pixels = np.rint(levels).astype(np.uint8).reshape(self.size, self.size, 1)
        return Image(pixels, WordLayout(signal, self.size, self.min_length))
