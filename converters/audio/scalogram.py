"""Sound by wavelets: sharp in time where it is high, sharp in pitch where it is low."""

from typing import Annotated, ClassVar

from ..core.converter import register
from ..core.parameters import Between
from ..kernels.filterbank import Filter, Wavelet, wavelet_filter
from .constant_q import OctavePicture


@register
class AudioScalogram(OctavePicture):
    """When each pitch sounds, with clicks as sharp upright lines: the scalogram, a continuous wavelet transform.

    Parameters
    ----------
    wavelet
        `morlet`; `morse`, the generalised Morse wavelet with gamma 3, which has no negative frequencies at any
        `omega0`; `ricker`, the analytic Mexican hat, sharper in time and blunter in frequency.
    omega0
        Oscillations inside the wavelet, in radians: more tell frequencies apart, fewer moments. For a Morse wavelet
        the root of beta times gamma; a `ricker` has no such choice.

    See Also
    --------
    OctavePicture : the other parameters.

    Notes
    -----
    A Morlet wavelet of the frequency f has the spectrum 2 exp(-omega0² (g / f - 1)² / 2) at the frequency g > 0
    [1]_; the factor keeps the amplitude of a sine instead of its energy, which would dim high sounds [2]_. Zeros are
    put before and after the sound: within the square root of 2 times omega0 / (2 pi f) of its ends, the cone of
    influence, it grows dim.

    References
    ----------
    .. [1] Torrence and Compo (1998), https://doi.org/10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2
    .. [2] Liu, Liang and Weisberg (2007), https://doi.org/10.1175/2007JTECHO511.1

    Examples
    --------
    >>> import numpy as np
    >>> from phosphene.converters import Audio, Box, make
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)
    >>> image = make("scalogram", kind="audio", size=64)(Audio(tone, 8000))
    >>> row = int(image.pixels[:, 32, 0].argmax())
    >>> str(image.locate(Box(0, row, 64, row + 1)))
    'time 0 to 1 s, frequency 979.149 to 1063.66 Hz'
    """

    name: ClassVar[str] = "scalogram"
    version: ClassVar[int] = 2

    wavelet: Wavelet = "morlet"
    omega0: Annotated[float, Between(5, 100)] = 6.0

    def _filter(self) -> Filter:
        return wavelet_filter(self.wavelet, self.omega0)
