"""What every picture of sound over frequency shares: which part of the sound, which frequencies, which levels."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import numpy as np

from ..core.converter import Converter, Size
from ..core.errors import ParameterError, SignalError
from ..core.parameters import Between
from ..core.signal import Signal
from .dsp.mixing import ChannelChoice
from .layout import Fill
from .signal import Audio

_HIGHEST_HZ = 20_000.0
_RECORDED_FOR_PEOPLE_HZ = 48_000.0  # a higher rate is chosen for what lies above the hearing of people
_BLOCK_S = 0.01  # to which the loudest part is found


class SoundPicture(Converter):
    """Time to the right, frequency upwards, the louder the brighter.

    Parameters
    ----------
    size
        Pixels of each side.
    low_hz, high_hz
        The lowest and the highest frequency; `high_hz=None` is half the rate, and at most 20 kHz for rates up to
        48 kHz. The picture is black where the rate holds no such frequency.
    reference
        What is white: the `loudest` at any time, so that a sound and a louder copy of it look the same, or a sine
        at `full_scale`, so that loud sounds are brighter than faint ones.
    gain_db
        With `full_scale`, how much is added to the level; None is 0.
    floor_db
        The level that is black, below the reference.
    channel
        What is drawn of sound with several channels: their `mean`; `left` or `right`, the first or the second;
        half their sum, `mid`, or half their difference, `side`; or all above each other, `stack`, the first on
        top. In a mono sound left, right and mid are the same, and side is silent. Where channels cancel in their
        mean, as in antiphase, it is the loudest of them instead.
    duration_s
        What the columns cover together: of longer sound a part is kept, shorter sound is filled. None is all.
    keep
        Which part of longer sound: its `start`, its `middle`, its `end`, or its `loudest`, the one of most energy.
    fill
        What follows shorter sound: `silence`, or the sound again.

    Notes
    -----
    `resolve` puts numbers for None: `high_hz`, up to where all but a twentieth of the signals reach; `duration_s`, the
    length that a twentieth exceeds; `gain_db`, with which a sine as high as the peaks of all but a twentieth is white.

    Raises
    ------
    SignalError
        The rate is so low that nothing is left above `low_hz`, or there are more channels to stack than rows.
    """

    accepts: ClassVar[type[Signal]] = Audio

    size: Size = 224
    low_hz: Annotated[float, Between(0)] = 20.0
    high_hz: Annotated[float, Between(above=0)] | None = None
    reference: Literal["loudest", "full_scale"] = "loudest"
    gain_db: Annotated[float, Between(-400, 400)] | None = None
    floor_db: Annotated[float, Between(-200, -1)] = -80.0
    channel: ChannelChoice = "mean"
    duration_s: Annotated[float, Between(above=0, high=86400)] | None = None
    keep: Literal["start", "middle", "end", "loudest"] = "start"
    fill: Fill = "silence"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high_hz is not None and self.high_hz <= self.low_hz:
            owner = type(self).__name__
            raise ParameterError(
                f"{owner}.high_hz must be above low_hz {self.low_hz:g}, got {self.high_hz!r}"
            )

    @property
    def cells(self) -> tuple[int, int]:
        """Four rows: a pattern means something else at another pitch, and the same at another time."""
        return (4, 1)

    @property
    def mixes_channels(self) -> bool:
        """Whether one mix of the channels is drawn that a mono sound has as well."""
        return self.channel not in ("side", "stack")

    def resolve(self, signals: Sequence[Signal]) -> Self:
        """Return this picture with the band, the duration and the gain that the signals need, where none is set."""
        sounds = [signal for signal in signals if isinstance(signal, Audio)]
        audible = [sound for sound in sounds if sound.rate_hz / 2 > self.low_hz]
        peaks = [peak for sound in sounds if (peak := float(np.abs(sound.samples).max(initial=0))) > 0]
        changes: dict[str, float] = {}
        if audible and self._open_above:
            tops_hz = [self._high_hz(sound) for sound in audible]
            changes["high_hz"] = float(np.percentile(tops_hz, 5, method="lower"))
        if sounds and self.duration_s is None:
            lengths_s = [sound.duration_s for sound in sounds]
            changes["duration_s"] = min(float(np.percentile(lengths_s, 95, method="higher")), 86400.0)
        if peaks and self.reference == "full_scale" and self.gain_db is None:
            peak = float(np.percentile(peaks, 95, method="higher"))
            changes["gain_db"] = round(float(np.clip(-20 * np.log10(peak), -400, 400)), 1) + 0.0
        return self.replace(**changes)

    @property
    def _open_above(self) -> bool:
        """Whether the highest frequency is that of each sound."""
        return self.high_hz is None

    @property
    def _gain(self) -> float:
        """What amplitudes are multiplied by."""
        return float(10 ** ((self.gain_db or 0.0) / 20))

    def _wanted(self, signal: Audio) -> int:
        """Return how many samples are drawn."""
        if self.duration_s is None:
            return int(signal.samples.shape[1])
        return max(1, round(self.duration_s * signal.rate_hz))

    def _first(self, signal: Audio) -> int:
        """Return which sample is drawn first."""
        wanted = self._wanted(signal)
        over = max(0, int(signal.samples.shape[1]) - wanted)
        if over and self.keep == "loudest":
            block = max(1, round(_BLOCK_S * signal.rate_hz))
            return min(over, loudest_start(signal.samples, wanted, block=block))
        return {"middle": over // 2, "end": over}.get(self.keep, 0)

    def _high_hz(self, signal: Audio) -> float:
        half_hz = signal.rate_hz / 2
        if half_hz <= self.low_hz:
            raise SignalError(
                f"{self.name} draws {self.low_hz:g} Hz and above, but sound at {signal.rate_hz:g} samples"
                " a second has nothing there; set a lower low_hz"
            )
        whole = self.low_hz >= _HIGHEST_HZ or signal.rate_hz > _RECORDED_FOR_PEOPLE_HZ
        return self.high_hz or (half_hz if whole else min(half_hz, _HIGHEST_HZ))


def loudest_start(samples: np.ndarray, length: int, *, block: int) -> int:
    """Return where the part of most energy begins, at a multiple of `block`; the first of equal ones.

    Parameters
    ----------
    samples
        float (channels, n), whose energies are added up.
    length
        Of the part, in samples, rounded to whole blocks.
    block
        How many samples are taken together, at least 1.

    Examples
    --------
    >>> loudest_start(np.array([[0.0, 1.0, 0.0, 3.0, 1.0, 0.0]]), 2, block=1)
    3
    """
    count = samples.shape[1] // block
    blocks = samples[:, : count * block].reshape(len(samples), count, block)
    energy = np.einsum("cij,cij->i", blocks, blocks, dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(energy)])
    taken = min(count, max(1, round(length / block)))
    return int((sums[taken:] - sums[: len(sums) - taken]).argmax()) * block
