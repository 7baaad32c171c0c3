"""Sound: decoded by libsndfile, drawn as spectrograms, cut by seconds."""

from ..core.kind import KindSpec
from .files.reader import AudioReader
from .signal import Audio

# Frozen networks take several plain grey views, their features side by side, better than one clever colour image. The
# last one, small since it is the first one again, keeps the level, which the others take away.
_VIEWS = "mel,mel(duration_s=1,keep=loudest),mel(size=96,reference=full_scale)"
KIND = KindSpec(Audio, AudioReader(), views=_VIEWS, window="t=5,2.5")
