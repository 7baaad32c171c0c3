"""Time series: columns of numbers, drawn as fields, lines and patches."""

from ..core.kind import KindSpec
from .files.reader import SeriesReader
from .signal import Series

# Many small views of a series tell as much as a few large ones, and cost less.
KIND = KindSpec(
    Series,
    SeriesReader(),
    views="gasf(size=112),gadf(size=112),recurrence(size=112),recurrence(size=112,dimension=4),"
    "recurrence(size=112,input=differences,dimension=4),patches(size=112,scale=0.5),patches(size=112),"
    "patches(size=112,scale=2),line(size=112),scalogram(size=112)",
)
