"""Converters and reader of the audio kind."""

from .cqt import ConstantQ
from .mel import MelSpectrogram
from .mfcc import Mfcc
from .scalogram import AudioScalogram
from .stft import StftSpectrogram

__all__ = ["AudioScalogram", "ConstantQ", "MelSpectrogram", "Mfcc", "StftSpectrogram"]
