"""Large files piece by piece, so that a mapped one is never in memory as a whole."""

import mmap
from collections.abc import Iterator

import numpy as np

BLOCK_BYTES = 1 << 20


def blocks(
    data: np.ndarray, *, stop: int, step: int = BLOCK_BYTES, reach: int = 0
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield one piece after another, and let the pages of a mapped file go when the next one is asked for.

    Parameters
    ----------
    data
        uint8 (n,).
    stop
        Where to stop, at most n.
    step
        Bytes in a piece.
    reach
        How many bytes of what follows each piece has at its end, as far as there are any before `stop`.

    Yields
    ------
    at, block
        Where the piece begins, and its bytes: contiguous and read-only.

    Examples
    --------
    >>> [(at, block.tolist()) for at, block in blocks(np.arange(5, dtype=np.uint8), stop=5, step=2, reach=1)]
    [(0, [0, 1, 2]), (2, [2, 3, 4]), (4, [4])]
    """
    for at in range(0, stop, step):
        yield at, read_only(data[at : min(at + step + reach, stop)])
        release(data, at, min(at + step, stop))


def read_only(data: np.ndarray) -> np.ndarray:
    """Return the same bytes contiguous and read-only, as the compiled loops take them."""
    view = np.ascontiguousarray(data).view()
    view.flags.writeable = False
    return view


def release(data: np.ndarray, start: int, stop: int) -> None:
    """Tell the system that a part of a mapped file need not stay in memory; it is read again when it is used."""
    mapping = _mapping(data)
    # Pages of a map that can be written to may hold what is nowhere else.
    if mapping is None or not hasattr(mapping, "madvise") or not memoryview(mapping).readonly:
        return
    first = _address(data) - _address(np.frombuffer(mapping, np.uint8)) + start
    page = first // mmap.PAGESIZE * mmap.PAGESIZE
    mapping.madvise(mmap.MADV_DONTNEED, page, first - page + stop - start)


def _mapping(data: np.ndarray) -> mmap.mmap | None:
    """Return the map that an array is a view of."""
    base: object = data
    while isinstance(base, np.ndarray):
        base = base.base
    base = base.obj if isinstance(base, memoryview) else base
    return base if isinstance(base, mmap.mmap) and data.strides == (1,) else None


def _address(data: np.ndarray) -> int:
    address: int = data.__array_interface__["data"][0]
    return address
