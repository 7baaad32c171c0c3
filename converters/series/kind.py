"""Time series: columns of numbers, drawn as fields, lines and patches."""

from ..core.kind import KindSpec
from .files.reader import SeriesReader
from .signal import Series

# Windows and lines keep level and amplitude, which tell classes apart; small images of five kinds tell as much as large
# ones of ten.
KIND = KindSpec(
    Series,
    SeriesReader(),
    views="windows(size=160,value_range=training),windows(size=112,input=differences,value_range=training),"
    "line(size=112,value_range=training),gadf(size=112),scalogram(size=112)",
)
