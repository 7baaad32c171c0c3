"""Converters and reader of the mouse kind, each imported when it is first asked for."""

from typing import TYPE_CHECKING

from ..lazy import lazily as _lazily

if TYPE_CHECKING:
    from .clicks import ClickMap
    from .cutting import cut_session
    from .dwell import DwellMap
    from .habits import HabitPanels
    from .motion import MotionPanels
    from .phase import VelocityAcceleration
    from .reader import MouseReader
    from .signal import MouseTrace
    from .trace import TraceDrawing

__all__ = [
    "ClickMap",
    "DwellMap",
    "HabitPanels",
    "MotionPanels",
    "MouseReader",
    "MouseTrace",
    "TraceDrawing",
    "VelocityAcceleration",
    "cut_session",
]

__getattr__ = _lazily(
    __name__,
    {
        "ClickMap": "clicks",
        "DwellMap": "dwell",
        "HabitPanels": "habits",
        "MotionPanels": "motion",
        "MouseReader": "reader",
        "MouseTrace": "signal",
        "TraceDrawing": "trace",
        "VelocityAcceleration": "phase",
        "cut_session": "cutting",
    },
)


def __dir__() -> list[str]:
    return __all__
