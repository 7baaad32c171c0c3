"""Which byte follows which in a file, and which character follows which in its text."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from ..core.converter import Between, Converter, Side, register
from ..core.image import Axis, Box, Image, Layout, Region, Span
from .signal import Binary, blocks, read_only, release

Blocks = Iterable[tuple[int, np.ndarray]]

CHUNK_BYTES = 4 << 20
JOINED_BYTES = 64
MOST_SPANS = 1000


def count_pairs(data: np.ndarray, *, distance: int) -> np.ndarray:
    """Count the pairs of bytes that stand `distance` apart.

    Parameters
    ----------
    data
        uint8 (n,).
    distance
        1 for neighbours.

    Returns
    -------
    int64 (256, 256)
        Row: the first byte; column: the second one. They sum to n - distance.

    Examples
    --------
    >>> count_pairs(np.array([1, 2, 1, 2], np.uint8), distance=1)[1:3, 1:3]
    array([[0, 2],
           [1, 0]])
    """
    return tally(blocks(data, stop=len(data), step=CHUNK_BYTES, reach=distance), distance=distance)


def tally(chunks: Blocks, *, distance: int) -> np.ndarray:
    """Count, int64 (256, 256), the pairs in chunks that each reach `distance` bytes into the next one."""
    from . import loops

    counts = np.zeros(65536, np.int64)
    for _, block in chunks:
        loops.tally_pairs(block, distance, counts)
    table: np.ndarray = counts.reshape(256, 256)
    return table


def log_grey(counts: np.ndarray) -> np.ndarray:
    """Turn counts into float32 grey levels from 0 to 255, logarithmic; the largest count is white.

    Examples
    --------
    >>> log_grey(np.array([[0, 1], [3, 7]]))
    array([[  0.,  85.],
           [170., 255.]], dtype=float32)
    """
    # Not log1p, which is ten times slower in NumPy; no count needs it.
    logs: np.ndarray = np.log((counts + 1).astype(np.float32))
    logs *= 255 / max(float(logs.max()), 1.0)
    return logs


@functools.cache
def _area_weights(size: int, n_values: int) -> Any:
    """Return, float32 (size, n_values), what share of each pixel each value has."""
    from scipy.sparse import csr_array

    edges = np.arange(size + 1) * (n_values / size)
    values = np.arange(n_values)
    overlap = np.minimum(edges[1:, None], values + 1) - np.maximum(edges[:-1, None], values)
    # Sparse: a pixel shares two values, and a dense product waits for all cores.
    return csr_array((np.clip(overlap, 0, None) * (size / n_values)).astype(np.float32))


def resize_square(square: np.ndarray, size: int) -> np.ndarray:
    """Bring a square array to `size` x `size` by area.

    Examples
    --------
    >>> resize_square(np.eye(256, dtype=np.float32), 8)[0, :2]
    array([0.03125, 0.     ], dtype=float32)
    """
    if size == len(square):
        return square
    weights = _area_weights(size, len(square))
    resized: np.ndarray = (weights @ (weights @ square).T).T
    return resized


def draw_pairs(counts: np.ndarray, size: int) -> np.ndarray:
    """Draw square counts as grey levels, uint8 (size, size, 1)."""
    pixels: np.ndarray = np.rint(resize_square(log_grey(counts), size)).astype(np.uint8)[..., None]
    return pixels


@dataclass(frozen=True, eq=False)
class PairLayout(Layout):
    """Rows are values of the first byte of a pair, columns those of the second.

    Parameters
    ----------
    signal
        Whose pairs; looked through only when a box is located.
    distance
        How far apart the two bytes stand.
    size
        Pixels along each side.
    """

    signal: Binary
    distance: int
    size: int
    looks_through: ClassVar[bool] = True
    shown: ClassVar[range] = range(256)
    """The values that the axes reach over."""

    def axes(self) -> tuple[Axis, Axis]:
        """Return the values of the second byte (columns) and of the first (rows)."""
        edges = self.shown.start + np.arange(self.size + 1) * (len(self.shown) / self.size)
        return Axis("second byte", "", edges), Axis("first byte", "", edges)

    def locate(self, box: Box) -> Region:
        """Return the values of both bytes, and the spans of the file in which such pairs stand."""
        first, second = self._values(box.top, box.bottom), self._values(box.left, box.right)
        ends = ((starts, stops + self.distance) for starts, stops in self._starts(first, second))
        spans = named_spans(self.signal, ends)
        return Region((Span("first byte", "", *first), Span("second byte", "", *second), *spans))

    def _values(self, start: int, stop: int) -> tuple[int, int]:
        """Return the byte values, half-open, of which any part falls on some pixels."""
        count, first = len(self.shown), self.shown.start
        return first + start * count // self.size, first - (-stop * count // self.size)

    def blocks(self) -> Blocks:
        """Return the bytes whose pairs are drawn, block after block, each reaching into the next one."""
        return blocks(self.signal.data, stop=len(self.signal.data), step=CHUNK_BYTES, reach=self.distance)

    def _starts(
        self, first: tuple[int, int], second: tuple[int, int]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield where the first bytes of pairs stand, half-open, chunk after chunk."""
        for at, block in self.blocks():
            a, b = block[: max(len(block) - self.distance, 0)], block[self.distance :]
            inside = (a >= first[0]) & (a < first[1]) & (b >= second[0]) & (b < second[1])
            edges = np.flatnonzero(np.diff(inside, prepend=False, append=False)) + at
            yield edges[::2], edges[1::2]


def named_spans(signal: Binary, parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> list[Span]:
    """Return spans of a file with the names of their sections; those near each other as one, about a thousand at most.

    Parameters
    ----------
    signal
        The bytes.
    parts
        Where spans begin and end among them, chunk after chunk.
    """
    gap = JOINED_BYTES
    joined = [join_near(starts, stops, gap) for starts, stops in parts]
    starts, stops = np.concatenate([np.empty((2, 0), np.int64), *joined], axis=1)
    starts, stops = join_near(starts, stops, gap)
    while len(starts) > MOST_SPANS:
        gap *= 2
        starts, stops = join_near(starts, stops, gap)
    ends = zip((starts + signal.offset).tolist(), (stops + signal.offset).tolist(), strict=True)
    named = (part for low, high in ends for part in signal.name(low, high))
    return [Span("bytes", "", low, high, label) for low, high, label in named]


def join_near(starts: np.ndarray, stops: np.ndarray, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Join spans, in order, with fewer than `gap` bytes between them.

    Examples
    --------
    >>> join_near(np.array([0, 5, 20]), np.array([2, 7, 22]), 4)
    (array([ 0, 20]), array([ 7, 22]))
    """
    if not len(starts):
        return starts, stops
    breaks = np.flatnonzero(starts[1:] - stops[:-1] >= gap) + 1
    return starts[np.r_[0, breaks]], stops[np.r_[breaks - 1, len(stops) - 1]]


@register
class ByteBigrams(Converter):
    """How often each byte is followed by each other: rows are the first byte, columns the second.

    Bright is often. Text glows as a small square, pointers and counters as lines, compressed data as an even
    grey.

    Parameters
    ----------
    size
        Pixels along each side; 256 gives each pair a pixel of its own.
    distance
        How many bytes the second stands behind the first; 1 for neighbours.

    Examples
    --------
    >>> image = ByteBigrams(size=256)(Binary(b"abab"))
    >>> image.pixels[ord("a"), ord("b"), 0], image.pixels[ord("b"), ord("a"), 0]
    (np.uint8(255), np.uint8(161))
    """

    name: ClassVar[str] = "bigram"
    accepts: ClassVar[type[Binary]] = Binary

    size: Side = 224
    distance: Annotated[int, Between(1, 65536)] = 1

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: a pattern means something else among other bytes."""
        return (4, 4)

    def _convert(self, signal: Binary) -> Image:
        layout = PairLayout(signal, self.distance, self.size)
        return Image(draw_pairs(count_pairs(signal.data, distance=self.distance), self.size), layout)


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
    # Where all of the next ones are true, and then what any such index reaches over. Halves that are known give the
    # whole, so that there is neither a branch a byte nor a step for each byte of a run.
    starts = flags
    for step in _steps(length):
        starts = starts[:-step] & starts[step:]
    kept = np.pad(starts, length - 1)
    for step in _steps(length):
        kept = kept[:-step] | kept[step:]
    return kept


def _steps(length: int) -> Iterator[int]:
    """Yield by how much a window of one grows to `length` bytes, each time at most twice as long."""
    width = 1
    while width < length:
        step = min(width, length - width)
        yield step
        width += step


def text_blocks(
    data: np.ndarray, *, min_length: int, reach: int, step: int = CHUNK_BYTES
) -> Iterator[tuple[int, np.ndarray]]:
    r"""Yield one block after another, in which every byte that is no text is zero.

    Parameters
    ----------
    data
        uint8 (n,).
    min_length
        Text is a run of at least this many printable ASCII characters, like the program `strings` finds.
    reach
        How many bytes of what follows each block has at its end, as far as there are any.
    step
        Bytes in a block.

    Yields
    ------
    at, block
        Where the block begins, and its bytes.

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
        """Return the text, block after block, zeros elsewhere."""
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

    size: Side = 224
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
