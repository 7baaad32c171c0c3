"""A time series in memory."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..core.errors import SignalError
from ..core.signal import Fragment, Kind, Signal, channels_first, line_plot


@dataclass(frozen=True, eq=False, repr=False)
class Series(Signal):
    """Evenly spaced measurements of one or more channels.

    Parameters
    ----------
    values
        float32 (channels, n); a vector is one channel. NaN means missing; infinity is refused.
    step_s
        Seconds from one sample to the next, None where not known.

    Raises
    ------
    SignalError
        No channels or no samples, infinity, nothing but NaN, or a step that is not above 0.

    Examples
    --------
    >>> Series([1.0, 2.0, float("nan")], step_s=0.5).describe()
    '3 samples of 1 channel, 0.5 s apart, 1 missing'
    """

    values: np.ndarray
    step_s: float | None = None
    kind: ClassVar[Kind] = "series"

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", channels_first(self.values, "Series.values", missing="allowed"))
        if self.step_s is not None and not 0 < self.step_s < float("inf"):
            raise SignalError(f"Series.step_s must be a number > 0 or None, got {self.step_s!r}")

    @property
    def extent(self) -> float:
        """Number of samples."""
        return float(self.values.shape[1])

    def part(self, fragment: Fragment) -> Self:
        """Return some of the samples."""
        return replace(self, values=self.values[:, self._bounds(fragment, "samples", self.values.shape[1])])

    def _repr_html_(self) -> str:
        """Return a line plot of every channel."""
        return super()._repr_html_() + line_plot(self.values)

    def describe(self) -> str:
        """Say length, channels, step and how many values are missing."""
        channels, count = self.values.shape
        step = f", {self.step_s:g} s apart" if self.step_s else ""
        missing = int(np.isnan(self.values).sum())
        plural = "" if channels == 1 else "s"
        return f"{count} samples of {channels} channel{plural}{step}" + (
            f", {missing} missing" if missing else ""
        )
