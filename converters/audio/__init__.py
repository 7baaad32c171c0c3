"""Converters and reader of the audio kind, each imported when it is first asked for."""

from typing import TYPE_CHECKING

from ..lazy import lazily as _lazily

if TYPE_CHECKING:
    from .cqt import ConstantQ
    from .mel import MelSpectrogram
    from .mfcc import Mfcc
    from .reader import AudioReader
    from .scalogram import AudioScalogram
    from .signal import Audio
    from .stft import StftSpectrogram

__all__ = ["Audio", "AudioReader", "AudioScalogram", "ConstantQ", "MelSpectrogram", "Mfcc", "StftSpectrogram"]

__getattr__ = _lazily(
    __name__,
    {
        "Audio": "signal",
        "AudioReader": "reader",
        "AudioScalogram": "scalogram",
        "ConstantQ": "cqt",
        "MelSpectrogram": "mel",
        "Mfcc": "mfcc",
        "StftSpectrogram": "stft",
    },
)


def __dir__() -> list[str]:
    return __all__
