"""Sound: decoded by libsndfile, drawn as spectrograms, cut by seconds."""

from ..core.kind import KindSpec
from .files.reader import AudioReader
from .signal import Audio

# Frozen networks take several plain grey views, their features side by side, better than one clever colour image.
KIND = KindSpec(Audio, AudioReader(), views="mel,mel(duration_s=1,keep=loudest)", window="t=5,2.5")
