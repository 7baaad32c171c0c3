"""Converters and reader of the binary kind, each imported when it is first asked for."""

from typing import TYPE_CHECKING

from ..lazy import lazily as _lazily

if TYPE_CHECKING:
    from .bigram import ByteBigrams
    from .entropy import LocalEntropy
    from .grid import ByteGrid
    from .hilbert import HilbertCurve
    from .reader import BinaryReader
    from .runs import PrintableRuns
    from .sections import Section, Structure
    from .signal import Binary
    from .text import TextBigrams

__all__ = [
    "Binary",
    "BinaryReader",
    "ByteBigrams",
    "ByteGrid",
    "HilbertCurve",
    "LocalEntropy",
    "PrintableRuns",
    "Section",
    "Structure",
    "TextBigrams",
]

__getattr__ = _lazily(
    __name__,
    {
        "Binary": "signal",
        "BinaryReader": "reader",
        "ByteBigrams": "bigram",
        "ByteGrid": "grid",
        "HilbertCurve": "hilbert",
        "LocalEntropy": "entropy",
        "PrintableRuns": "runs",
        "Section": "sections",
        "Structure": "sections",
        "TextBigrams": "text",
    },
)


def __dir__() -> list[str]:
    return __all__
