"""The text in a program file."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Between, Converter, Side, register
from ..core.image import Image, Offsets
from .signal import Binary, release

PRINTABLE = np.zeros(256, np.bool_)
PRINTABLE[[ord("\t"), *range(ord(" "), ord("~") + 1)]] = True
BLOCK_BYTES = 1 << 20


def printable_runs(data: np.ndarray, *, min_length: int, room: int) -> tuple[np.ndarray, np.ndarray]:
    r"""Find runs of at least `min_length` printable ASCII characters, like the program `strings`.

    Parameters
    ----------
    data
        uint8 (n,).
    min_length
        Shorter runs are left out.
    room
        Stop looking once the runs, each with one pixel after it, fill this many pixels.

    Returns
    -------
    starts, stops
        int64 (n_runs,): where each run begins, and the first byte after it.

    Examples
    --------
    >>> printable_runs(np.frombuffer(b"\0abc\1de\0fghi", np.uint8), min_length=3, room=99)
    (array([1, 8]), array([ 4, 12]))
    """
    starts, stops, used = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for first, last in _blocks(data, room):
        long = last - first >= min_length
        starts.append(first[long])
        stops.append(last[long])
        used += int((last - first + 1)[long].sum())
        if used >= room:
            break
    return np.concatenate(starts), np.concatenate(stops)


def _blocks(data: np.ndarray, room: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the runs of one block after another; one that reaches the end of a block is left to the next."""
    block = max(BLOCK_BYTES, room + 1)
    at = 0
    while at < len(data):
        part = data[at : at + block]
        flags = np.zeros(len(part) + 2, np.int8)
        flags[1:-1] = PRINTABLE[part]
        edges = np.flatnonzero(np.diff(flags)) + at
        first, last = edges[::2], edges[1::2]
        end = at + len(part)
        # A run as long as the block fills the whole room, so that cutting it does no harm.
        if end < len(data) and len(last) and last[-1] == end and first[-1] > at:
            end = int(first[-1])
            first, last = first[:-1], last[:-1]
        yield first, last
        release(data, at, end)
        at = end


def pack_runs(starts: np.ndarray, stops: np.ndarray, *, room: int, align: int) -> np.ndarray:
    """Lay runs one after another, each with at least one empty pixel after it.

    Parameters
    ----------
    starts, stops
        int64 (n_runs,), from `printable_runs`.
    room
        Places in all; what goes beyond is left out.
    align
        Every run begins at a multiple of this many pixels.

    Returns
    -------
    int64 (room,)
        Which byte stands at each pixel, -1 where none does.

    Examples
    --------
    >>> pack_runs(np.array([1, 8]), np.array([3, 9]), room=7, align=4)
    array([ 1,  2, -1, -1,  8, -1, -1])
    """
    lengths = -(-(stops - starts + 1) // align) * align
    ends = np.cumsum(lengths)
    used = min(int(ends[-1]), room) if len(ends) else 0
    run = np.repeat(np.arange(len(lengths)), lengths)[:used]
    source = starts[run] + np.arange(used) - (ends - lengths)[run]
    packed = np.full(room, -1, np.int64)
    packed[:used] = np.where(source < stops[run], source, -1)
    return packed


@register
class PrintableRuns(Converter):
    r"""The text of a file, packed in rows: every printable character is one pixel, as bright as its code.

    Names of functions, messages and version strings, pushed together, have a texture of their own. Text
    beyond the last pixel is not drawn.

    Parameters
    ----------
    size
        Pixels along each side.
    min_length
        Runs of fewer printable ASCII characters are left out.
    align
        Every run begins at a multiple of this many pixels, so that beginnings stand under each other where it
        divides `size`; 1 packs them as densely as can be.

    Examples
    --------
    >>> image = PrintableRuns(size=8)(Binary(b"\0\1hello\0\1"))
    >>> image.pixels[0, :, 0].tobytes()
    b'hello\x00\x00\x00'
    """

    name: ClassVar[str] = "runs"
    accepts: ClassVar[type[Binary]] = Binary

    size: Side = 224
    min_length: Annotated[int, Between(1, 1024)] = 5
    align: Annotated[int, Between(1, 4096)] = 32

    def _convert(self, signal: Binary) -> Image:
        room = self.size * self.size
        starts, stops = printable_runs(signal.data, min_length=self.min_length, room=room)
        source = pack_runs(starts, stops, room=room, align=self.align).reshape(self.size, self.size)
        drawn = source >= 0
        pixels = np.where(drawn, signal.data[source * drawn], 0).astype(np.uint8)
        start = source + signal.offset
        return Image(pixels[..., None], Offsets("bytes", "", start, start + drawn, signal.name))
