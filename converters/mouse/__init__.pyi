from .kind import MouseReader as MouseReader
from .maps import ClickMap as ClickMap
from .maps import DwellMap as DwellMap
from .maps import VelocityAcceleration as VelocityAcceleration
from .plots import HabitPanels as HabitPanels
from .plots import MotionPanels as MotionPanels
from .signal import MouseTrace as MouseTrace
from .trace import TraceDrawing as TraceDrawing
