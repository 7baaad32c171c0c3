"""Mouse sessions: events with time and position, drawn as traces and plots of movement, cut by events."""

from ..core.files import KindSpec
from .files.reader import MouseReader
from .signal import MouseTrace

KIND = KindSpec(
    MouseTrace, MouseReader(), views="trace,trace(scale=screen),motion,habits", window="events=150"
)
