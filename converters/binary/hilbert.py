"""The bytes of a file along a curve that keeps neighbours together."""

from typing import ClassVar, Literal

import numpy as np

from ..core.converter import register
from ..core.image import Image, Offsets
from .cells import Stretches, spread
from .curves import Curve, visits
from .inks import INKS, Ink, Reduce
from .painting import ByteCells
from .signal import Binary


def draw_along(curve: Curve, cells: Stretches, ink: Ink, *, reduce: Reduce) -> Image:
    """Draw stretches of a file, as many as a square has pixels, one after another along a curve."""
    size = int(np.sqrt(len(cells.starts)))
    shown = visits(curve, size)
    pixels = np.take(ink.draw(cells, reduce=reduce), shown, axis=0)
    start, stop = (np.take(edges, shown) + ink.signal.offset for edges in (cells.starts, cells.stops))
    return Image(pixels, Offsets("bytes", "", start, stop, ink.signal.name))


@register
class HilbertCurve(ByteCells):
    """The bytes of a file along a curve, as bright as their values: what is near in the file is near in the picture.

    A section is a patch instead of some rows, and keeps its shape when a few bytes are put in before it.

    Parameters
    ----------
    curve
        `hilbert`: from the upper left corner to the upper right one; pixels that follow each other touch, in a
        picture of any size. `z_order`: the bits of column and row interleaved; it jumps, yet each square of 2, 4,
        8, … pixels at a multiple of its side holds one stretch of the file.
    size, fit, reduce, ink
        As of `ByteCells`.

    References
    ----------
    D. Hilbert, Über die stetige Abbildung einer Linie auf ein Flächenstück, Math. Ann. 38, 1891,
    doi:10.1007/BF01199431. G. M. Morton, A Computer Oriented Geodetic Data Base and a New Technique in File
    Sequencing, IBM, 1966 (`z_order`). Any size: after the generalised Hilbert curve ("gilbert") of J. Červený.

    Examples
    --------
    >>> image = HilbertCurve(size=8)(Binary(bytes(range(1, 65))))
    >>> image.pixels[:4, :4, 0].tolist()
    [[1, 4, 5, 6], [2, 3, 8, 7], [15, 14, 9, 10], [16, 13, 12, 11]]
    """

    name: ClassVar[str] = "hilbert"

    curve: Literal["hilbert", "z_order"] = "hilbert"

    def _convert(self, signal: Binary) -> Image:
        cells = Stretches(*spread(len(signal.data), self.size * self.size, fit=self.fit))
        return draw_along(self.curve, cells, INKS[self.ink](signal), reduce=self.reduce)
