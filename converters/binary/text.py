"""Which character follows which in the text of a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..converter import Converter, Size, register
from ..image import Image
from ..parameters import Between
from .bigram import CHUNK_BYTES, PairLayout, draw_pairs, tally
from .blocks import read_only, release
from .signal import Binary

CHARACTERS = range(ord(" "), ord("~") + 1)
PRINTABLE = np.isin(np.arange(256), CHARACTERS)


def text_blocks(
    data: np.ndarray, *, min_length: int, reach: int, step: int = CHUNK_BYTES
) -> Iterator[tuple[int, np.ndarray]]:
    r"""Yield one piece after another, in which every byte that is no text is zero.

    Parameters
    ----------
    data
        uint8 (n,).
    min_length
        Text is a run of at least this many printable ASCII characters, like the program `strings` finds.
    reach
        How many bytes of what follows each piece has at its end, as far as there are any.
    step
        Bytes in a piece.

    Yields
    ------
    at, block
        Where the piece begins, and its bytes.

    Examples
    --------
    >>> data = np.frombuffer(b"\1abc\1de\1fghi", np.uint8)
    >>> [block.tobytes() for _, block in text_blocks(data, min_length=3, reach=0)]
    [b'\x00abc\x00\x00\x00\x00fghi']
    """
    from . import loops

    # Whether a byte stands in a run that is long enough can be told from so many bytes on each side of it.
    around = min_length - 1
    for at in range(0, len(data), step):
        low, stop = max(at - around, 0), at + step + reach
        part = read_only(data[low : stop + around])
        text = np.zeros_like(part)
        loops.keep_runs(part, PRINTABLE, min_length, text)
        yield at, read_only(text[at - low : stop - low])
        release(data, low, min(stop + around, len(data)))


@dataclass(frozen=True, eq=False)
class TextLayout(PairLayout):
    """Rows are the first characters of pairs in text, columns the second ones.

    Parameters
    ----------
    min_length
        Of a run of characters.
    """

    min_length: int
    shown: ClassVar[range] = CHARACTERS

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Return the text, piece after piece, zeros elsewhere."""
        return text_blocks(self.signal.data, min_length=self.min_length, reach=self.distance)


@register
class TextBigrams(Converter):
    r"""How often each character is followed by each other in a file's text: rows are the first, columns the second.

    Text is every run of printable ASCII characters: names of functions, messages, paths and version strings say
    much of where a program comes from, and are few among its bytes. From the left and from the top stand space and
    punctuation, digits, capitals and, from two thirds on, small letters.

    Parameters
    ----------
    size
        Pixels along each side; a pair has (size / 95)² of them.
    min_length
        Runs of fewer characters are left out.
    distance
        How many bytes the second character stands behind the first; 1 for neighbours. Where it is more, the two may
        stand in runs that follow each other.

    References
    ----------
    G. Conti et al., Visual Reverse Engineering of Binary and Data Files, VizSec 2008,
    doi:10.1007/978-3-540-85933-8_1 (pairs of all bytes, as `bigram` draws them).

    Examples
    --------
    >>> image = TextBigrams(size=95, min_length=2)(Binary(b"\0ab\1abab\xffb"))
    >>> a, b = (ord(character) - ord(" ") for character in "ab")
    >>> image.pixels[a, b, 0], image.pixels[b, a, 0]  # log 4 is white, log 2 half of it
    (np.uint8(255), np.uint8(128))
    """

    name: ClassVar[str] = "text"
    accepts: ClassVar[type[Binary]] = Binary

    size: Size = 224
    min_length: Annotated[int, Between(1, 1024)] = 5
    distance: Annotated[int, Between(1, 65536)] = 1

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: a pattern means something else among other characters."""
        return (4, 4)

    def _convert(self, signal: Binary) -> Image:
        layout = TextLayout(signal, self.distance, self.size, self.min_length)
        inside = slice(CHARACTERS.start, CHARACTERS.stop)
        counts = tally(layout.blocks(), distance=self.distance)[inside, inside]
        return Image(draw_pairs(counts, self.size), layout)
