"""Which character follows which in the text of a file."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Converter, Size, register
from ..core.image import Image
from ..core.parameters import Between
from .bigram import CHUNK_BYTES, PairLayout, draw_pairs, tally
from .files.blocks import read_only, release
from .signal import Binary

CHARACTERS = range(ord(" "), ord("~") + 1)


def long_runs(flags: np.ndarray, *, length: int) -> np.ndarray:
    """Keep what is true in runs of at least `length`.

    Parameters
    ----------
    flags
        bool (n,).
    length
        1 or more.

    Returns
    -------
    bool (n,)

    Examples
    --------
    >>> long_runs(np.array([1, 0, 1, 1, 0, 1, 1, 1], bool), length=2).astype(int)
    array([0, 0, 1, 1, 0, 1, 1, 1])
    """
    if len(flags) < length:
        return np.zeros_like(flags)
    # Where all of the next ones are true, and then what any such place reaches over. Halves that are known give the
    # whole, so that there is neither a branch a byte nor a step for each byte of a run.
    starts = flags
    for step in _steps(length):
        starts = starts[:-step] & starts[step:]
    kept = np.pad(starts, length - 1)
    for step in _steps(length):
        kept = kept[:-step] | kept[step:]
    return kept


def _steps(length: int) -> Iterator[int]:
    """Yield by how much a window of one grows to `length` places, each time at most twice as long."""
    width = 1
    while width < length:
        step = min(width, length - width)
        yield step
        width += step


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
    # Whether a byte stands in a run that is long enough can be told from so many bytes on each side of it.
    around = min_length - 1
    for at in range(0, len(data), step):
        low, stop = max(at - around, 0), at + step + reach
        part = np.asarray(data[low : stop + around])
        # Below the space they wrap round to large numbers.
        printable = part - np.uint8(CHARACTERS.start) < len(CHARACTERS)
        text = part * long_runs(printable, length=min_length)
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
