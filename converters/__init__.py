"""Raw data to images: signals, readers and converters. Needs neither torch nor fastai."""

from .audio.signal import Audio
from .binary.signal import Binary
from .core.converter import Between, Converter, register
from .core.errors import MissingExtra, ParameterError, PhospheneError, ReadError, SignalError, WeightsError
from .core.files import KindSpec, Reader, ReadOptions, register_kind
from .core.image import Axes, Axis, Box, Image, Layout, Offsets, Region, Span
from .core.signal import Fragment, Signal
from .mouse.signal import MouseTrace
from .registry import Channels, converters, default_views, from_config, make, parse_views, read
from .series.signal import Series

__all__ = [
    "Audio", "Axes", "Axis", "Between", "Binary", "Box", "Channels", "Converter", "Fragment", "Image", "KindSpec",
    "Layout", "MissingExtra", "MouseTrace", "Offsets", "ParameterError", "PhospheneError", "ReadError",
    "ReadOptions", "Reader", "Region", "Series", "Signal", "SignalError", "Span", "WeightsError", "converters",
    "default_views", "from_config", "make", "parse_views", "read", "register", "register_kind",
]  # fmt: skip
