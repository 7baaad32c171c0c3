"""Program files, or any bytes: drawn as grids, bigrams and text."""

from ..core.files import KindSpec
from .files.reader import BinaryReader
from .signal import Binary

KIND = KindSpec(Binary, BinaryReader(), views="grid(width_rule=nataraj),bigram,text,text(distance=2)")
