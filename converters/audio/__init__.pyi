from .cqt import ConstantQ as ConstantQ
from .files.reader import AudioReader as AudioReader
from .mel import MelSpectrogram as MelSpectrogram
from .mfcc import Mfcc as Mfcc
from .scalogram import AudioScalogram as AudioScalogram
from .signal import Audio as Audio
from .stft import StftSpectrogram as StftSpectrogram
