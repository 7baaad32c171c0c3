from .clicks import ClickMap as ClickMap
from .dwell import DwellMap as DwellMap
from .files.reader import MouseReader as MouseReader
from .habits import HabitPanels as HabitPanels
from .motion import MotionPanels as MotionPanels
from .phase import VelocityAcceleration as VelocityAcceleration
from .signal import MouseTrace as MouseTrace
from .trace import TraceDrawing as TraceDrawing
