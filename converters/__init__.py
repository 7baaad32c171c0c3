"""Raw data to images: signals, readers and converters. Needs neither torch nor fastai."""

from .audio.signal import Audio
from .binary.signal import Binary
from .channels import Channels
from .converter import Converter, converters, make, register
from .errors import MissingExtra, ParameterError, PhospheneError, ReadError, SignalError, WeightsError
from .fragment import Fragment
from .image import Axes, Axis, Box, Image, Layout, Offsets, Region, Span
from .mouse.signal import MouseTrace
from .parameters import Between
from .reader import Reader, read
from .series.signal import Series
from .signal import Signal
from .views import default_views, from_config, parse_views

__all__ = [
    "Audio", "Axes", "Axis", "Between", "Binary", "Box", "Channels", "Converter", "Fragment", "Image", "Layout",
    "MissingExtra", "MouseTrace", "Offsets", "ParameterError", "PhospheneError", "ReadError", "Reader", "Region",
    "Series", "Signal", "SignalError", "Span", "WeightsError", "converters", "default_views", "from_config", "make",
    "parse_views", "read", "register",
]  # fmt: skip
