"""Sound in memory."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..core.errors import SignalError
from ..core.signal import Fragment, Kind, Signal, channels_first


@dataclass(frozen=True, eq=False, repr=False)
class Audio(Signal):
    """Sound: samples and their rate.

    Parameters
    ----------
    samples
        float32 (channels, n), full scale at -1 and 1; a vector is one channel.
    rate_hz
        Samples a second, from 1 to 10 million.

    Raises
    ------
    SignalError
        No channels or no samples, NaN or infinity, or an absurd rate.

    Examples
    --------
    >>> Audio([0.0, 0.5, 0.0, -0.5], 4).describe()
    '1.000 s of mono sound at 4 Hz'
    """

    samples: np.ndarray
    rate_hz: float
    kind: ClassVar[Kind] = "audio"

    def __post_init__(self) -> None:
        object.__setattr__(self, "samples", channels_first(self.samples, "Audio.samples", missing="refused"))
        if not 1 <= self.rate_hz <= 1e7:
            raise SignalError(f"Audio.rate_hz must be from 1 to 10000000, got {self.rate_hz!r}")
        object.__setattr__(self, "rate_hz", float(self.rate_hz))

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.rate_hz)

    @property
    def extent(self) -> float:
        """Length in seconds."""
        return self.duration_s

    def part(self, fragment: Fragment) -> Self:
        """Return the sound of some seconds."""
        return replace(
            self, samples=self.samples[:, self._bounds(fragment, "t", self.samples.shape[1], self.rate_hz)]
        )

    def _repr_html_(self) -> str:
        """Return a player where IPython is installed."""
        try:
            from IPython.display import Audio as Player
        except ImportError:
            return super()._repr_html_()
        # Brought to full scale unless it is silent: the player divides by the loudest sample.
        player = Player(self.samples, rate=int(self.rate_hz), normalize=bool(self.samples.any()))
        return super()._repr_html_() + str(player._repr_html_())

    def describe(self) -> str:
        """Say length, channels and rate."""
        count = self.samples.shape[0]
        words = {1: "mono", 2: "stereo"}.get(count, f"{count}-channel")
        return f"{self.duration_s:.3f} s of {words} sound at {self.rate_hz:g} Hz"
