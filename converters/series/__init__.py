"""Converters and reader of the series kind, each imported when it is first asked for."""

from typing import TYPE_CHECKING

from ..lazy import lazily as _lazily

if TYPE_CHECKING:
    from .gramian import GramianDifferenceField, GramianSummationField
    from .line import LinePlot
    from .markov import MarkovTransitionField
    from .patches import Patches
    from .reader import SeriesReader
    from .recurrence import RecurrencePlot
    from .scalogram import Scalogram
    from .signal import Series

__all__ = [
    "GramianDifferenceField",
    "GramianSummationField",
    "LinePlot",
    "MarkovTransitionField",
    "Patches",
    "RecurrencePlot",
    "Scalogram",
    "Series",
    "SeriesReader",
]

__getattr__ = _lazily(
    __name__,
    {
        "GramianDifferenceField": "gramian",
        "GramianSummationField": "gramian",
        "LinePlot": "line",
        "MarkovTransitionField": "markov",
        "Patches": "patches",
        "RecurrencePlot": "recurrence",
        "Scalogram": "scalogram",
        "Series": "signal",
        "SeriesReader": "reader",
    },
)


def __dir__() -> list[str]:
    return __all__
