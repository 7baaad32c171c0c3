"""Raw data to images: signals, readers and converters. Needs neither torch nor fastai."""

from .audio.signal import Audio
from .binary.signal import Binary
from .channels import Channels
from .core.converter import Converter, register
from .core.errors import MissingExtra, ParameterError, PhospheneError, ReadError, SignalError, WeightsError
from .core.fragment import Fragment
from .core.image import Axes, Axis, Box, Image, Layout, Offsets, Region, Span
from .core.kind import KindSpec, register_kind
from .core.options import ReadOptions
from .core.parameters import Between
from .core.reader import Reader
from .core.signal import Signal
from .mouse.signal import MouseTrace
from .reading import read
from .registry import converters
from .series.signal import Series
from .views import default_views, from_config, make, parse_views

__all__ = [
    "Audio", "Axes", "Axis", "Between", "Binary", "Box", "Channels", "Converter", "Fragment", "Image", "KindSpec",
    "Layout", "MissingExtra", "MouseTrace", "Offsets", "ParameterError", "PhospheneError", "ReadError",
    "ReadOptions", "Reader", "Region", "Series", "Signal", "SignalError", "Span", "WeightsError", "converters",
    "default_views", "from_config", "make", "parse_views", "read", "register", "register_kind",
]  # fmt: skip
