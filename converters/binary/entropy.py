"""How random the bytes around each byte of a file are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from ..core.converter import Converter, Size, register
from ..core.image import Image
from ..core.parameters import Between
from .cells import ByteSpans, Fit, Grey, spread
from .grid import draw_along
from .signal import Binary, read_only, release

ONE_BIT = 1 << 16


def local_entropy(
    data: np.ndarray, *, window: int, hop: int = 1, start: int = 0, stop: int | None = None
) -> np.ndarray:
    r"""Return the Shannon entropy of the bytes around each byte as a grey level.

    H = -sum p log2 p over the shares p of the byte values in a window; 0 to 8 bits a byte are 0 to 255, rounded. In
    a window of n bytes H = log2 n - (1 / n) sum c log2 c over the counts c, in which a byte that leaves or enters
    changes one term.

    Parameters
    ----------
    data
        uint8 (n,).
    window
        Bytes in a window, with the byte in question in its middle; near the ends of the data it is moved
        inwards, and data shorter than a window is one window.
    hop
        This many bytes share a window.
    start, stop
        Which bytes; `start` must be a multiple of `hop`.

    Returns
    -------
    uint8 (stop - start,)

    Examples
    --------
    >>> local_entropy(np.array([7, 7, 1, 2, 3, 4], np.uint8), window=2)  # one bit is 255 / 8 = 31.9
    array([ 0,  0, 32, 32, 32, 32], dtype=uint8)
    """
    from . import loops

    window = min(window, len(data))
    count = np.arange(1, window + 1)
    gains = np.diff(np.rint(count * np.log2(count) * ONE_BIT).astype(np.int64), prepend=0)
    levels = np.empty((len(data) if stop is None else stop) - start, np.uint8)
    loops.slide_entropy(read_only(data), start, window, hop, gains, levels)
    return levels


@dataclass(frozen=True, eq=False)
class Entropies(Grey):
    """Each byte as bright as the entropy around it."""

    window: int
    hop: int

    def blocks(self, stop: int, step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield their local entropy."""
        data = self.signal.data
        step = -(-step // self.hop) * self.hop
        for at in range(0, stop, step):
            end = min(at + step, stop)
            levels = local_entropy(data, window=self.window, hop=self.hop, start=at, stop=end)
            yield at, read_only(levels)
            # A window reaches back into the block before, of which the system may map much more than was asked for.
            release(data, max(at - step, 0), end)


@register
class LocalEntropy(Converter):
    """How random a file is, byte by byte: black is one byte over and over, white 8 bits a byte.

    Compressed and encrypted parts are bright, code is grey, tables are dark, padding is black. A window of n bytes
    has at most log2 n bits; of 256 random bytes about 7.2.

    Parameters
    ----------
    size
        Pixels along each side.
    curve
        Where in the image the file runs: `rows`, `hilbert` or `z_order`, the latter two as of `hilbert`.
    window
        Bytes in a window. Wide ones tell random bytes from code, narrow ones show small structures.
    hop
        Bytes from one window to the next, which share one value of entropy; 1 for each byte its own window.
    fit
        `stretch`: the file fills the image. `keep`: it is shrunk but never enlarged, with black after its end.
        `crop`: one byte a pixel; what does not fit is left out.
    reduce
        What a pixel shows of several bytes: the `mean` or the `max` of their local entropies.

    References
    ----------
    C. E. Shannon, A Mathematical Theory of Communication, Bell System Technical Journal 27, 1948,
    doi:10.1002/j.1538-7305.1948.tb01338.x. R. Lyda, J. Hamrock, Using Entropy Analysis to Find Encrypted and Packed
    Malware, IEEE Security & Privacy 5, 2007, doi:10.1109/MSP.2007.48 (windows of 256 bytes).

    Examples
    --------
    >>> image = LocalEntropy(size=32, hop=1)(Binary(bytes(512) + bytes(range(256)) * 2))
    >>> image.pixels[[0, 16, 31], 0, 0]  # in the middle half zeros, half 128 values once each
    array([  0, 142, 255], dtype=uint8)
    """

    name: ClassVar[str] = "entropy"
    accepts: ClassVar[type[Binary]] = Binary

    size: Size = 224
    curve: Literal["rows", "hilbert", "z_order"] = "rows"
    window: Annotated[int, Between(2, 65536)] = 256
    hop: Annotated[int, Between(1, 65536)] = 32
    fit: Fit = "keep"
    reduce: Literal["mean", "max"] = "mean"

    def _convert(self, signal: Binary) -> Image:
        cells = ByteSpans(*spread(len(signal.data), self.size * self.size, fit=self.fit))
        return draw_along(self.curve, cells, Entropies(signal, self.window, self.hop), reduce=self.reduce)
