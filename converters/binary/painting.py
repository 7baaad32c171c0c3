"""What the converters that give every byte a place have in common."""

from typing import ClassVar

from ..core.converter import Converter, Size
from ..core.errors import ParameterError
from .cells import Fit
from .inks import InkName, Reduce
from .signal import Binary


class ByteCells(Converter):
    """Draws bytes at places of their own.

    Parameters
    ----------
    size
        Pixels along each side.
    fit
        What becomes of a file with fewer or more bytes than pixels. `stretch`: it fills the picture. `keep`:
        it is shrunk but never enlarged, so that a small file keeps its length, and nothing is drawn after its
        end. `crop`: one byte a pixel; what does not fit is left out.
    reduce
        What a pixel shows of several bytes. `mean`: the mean of their values; of classes or sections, which have
        no mean, the one that most of the bytes have. `max`: the largest value. `sample`: the first byte. `rarest`:
        the one whose value, class or section is rarest in the whole file, of equally rare ones the largest: so
        a few bytes unlike all others stay visible in a file of any length, where a mean washes them out.
    ink
        What a pixel says of its bytes. `value`: grey, 0 black and 255 white. `class`: zero black, 0xff white,
        printable ASCII blue, white space and other control characters green, the rest (128 to 254) red.
        `section`: the kind of section that LIEF finds at the place: header white, code red, data blue, imports
        yellow, resources green, overlay pink, other sections grey, no section (or a file that LIEF cannot
        read) light grey. Where no byte is drawn, `value` is black and the coloured inks dark grey. A tie is
        won by printable over control over the rest over 0xff over zero; by header over imports over resources
        over code over data over overlay over other over none.
    """

    accepts: ClassVar[type[Binary]] = Binary

    size: Size = 224
    fit: Fit = "keep"
    reduce: Reduce = "mean"
    ink: InkName = "value"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reduce == "max" and self.ink != "value":
            raise ParameterError(
                f"{type(self).__name__}.reduce must be mean, sample or rarest where ink is {self.ink}, "
                f"of which none is the largest, got 'max'"
            )
