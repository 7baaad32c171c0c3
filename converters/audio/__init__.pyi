from .constant_q import AudioScalogram as AudioScalogram
from .constant_q import ConstantQ as ConstantQ
from .kind import AudioReader as AudioReader
from .mel import MelSpectrogram as MelSpectrogram
from .mel import Mfcc as Mfcc
from .signal import Audio as Audio
from .spectrogram import StftSpectrogram as StftSpectrogram
