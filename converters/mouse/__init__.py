"""Converters and reader of the mouse kind."""

from .clicks import ClickMap
from .cutting import cut_session
from .dwell import DwellMap
from .motion import MotionPanels
from .phase import VelocityAcceleration
from .trace import TraceDrawing

__all__ = ["ClickMap", "DwellMap", "MotionPanels", "TraceDrawing", "VelocityAcceleration", "cut_session"]
