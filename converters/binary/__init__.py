"""Converters and reader of the binary kind."""

from .bigram import ByteBigrams
from .entropy import LocalEntropy
from .grid import ByteGrid
from .hilbert import HilbertCurve
from .reader import BinaryReader
from .runs import PrintableRuns
from .sections import Section, Structure
from .signal import Binary

__all__ = [
    "Binary", "BinaryReader", "ByteBigrams", "ByteGrid", "HilbertCurve", "LocalEntropy", "PrintableRuns", "Section",
    "Structure",
]  # fmt: skip
