"""Sound as music is written: the same number of rows for every octave."""

from typing import Annotated, ClassVar

from ..core.converter import register
from ..core.errors import ParameterError
from ..core.parameters import Between
from ..kernels.filterbank import Filter
from .constant_q import OctavePicture
from .signal import Audio


@register
class ConstantQ(OctavePicture):
    """Notes and chords, an interval of the same height wherever it is played: the constant-Q transform.

    Parameters
    ----------
    bins_per_octave
        How finely pitches are told apart: 12 is a semitone, and more blur time in the lower octaves.
    n_octaves
        How many octaves the rows cover above `low_hz`; None goes up to `high_hz`.

    See Also
    --------
    OctavePicture : the other parameters.

    Notes
    -----
    At the frequency f the sound is multiplied by a sine under a Hann window of Q / f seconds, where
    Q = (r + 1) / (r - 1) with r = 2^(2 / bins_per_octave), as in librosa, 3 % above that of [1]_; the magnitude is
    that of `librosa.cqt`, here such that a sine has its amplitude. There is such a filter for each row, and several
    in a row that is wider than a bin. They are products in the frequency domain [2]_, each transformed back at a
    rate of its own [3]_.

    References
    ----------
    .. [1] Brown (1991), https://doi.org/10.1121/1.400476
    .. [2] Schörkhuber and Klapuri (2010), Constant-Q transform toolbox for music processing, 7th Sound and Music
       Computing Conference.
    .. [3] Holighaus et al. (2013), https://doi.org/10.1109/TASL.2012.2234114

    Examples
    --------
    >>> import numpy as np
    >>> from phosphene.converters import Audio, Box, make
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050)
    >>> image = make("cqt", size=72, n_octaves=6)(Audio(tone, 22050))
    >>> row = int(image.pixels[:, 36, 0].argmax())
    >>> str(image.locate(Box(0, row, 72, row + 1)))
    'time 0 to 1 s, frequency 439.957 to 466.118 Hz'
    """

    name: ClassVar[str] = "cqt"
    version: ClassVar[int] = 2

    low_hz: Annotated[float, Between(0.001)] = 32.7  # the C of the contra octave
    bins_per_octave: Annotated[int, Between(4, 192)] = 12
    n_octaves: Annotated[float, Between(0.5, 40)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_octaves is not None and self.high_hz is not None:
            raise ParameterError(
                f"ConstantQ takes n_octaves or high_hz, got {self.n_octaves!r} and {self.high_hz!r}; leave out one"
            )

    def _high_hz(self, signal: Audio) -> float:
        high_hz = super()._high_hz(signal)
        return high_hz if self.n_octaves is None else self.low_hz * 2**self.n_octaves

    @property
    def _open_above(self) -> bool:
        return super()._open_above and self.n_octaves is None

    def _filter(self) -> Filter:
        return Filter("hann", constant_q(self.bins_per_octave))


def constant_q(bins_per_octave: int) -> float:
    """Return how many periods lie under the window of each filter.

    Examples
    --------
    >>> round(constant_q(12), 2)
    17.33
    """
    ratio = 2 ** (2 / bins_per_octave)
    return float((ratio + 1) / (ratio - 1))
