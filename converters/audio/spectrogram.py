"""What the spectrograms share: parameters, time axis, levels; each brings its frequency bands."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from ..core.image import Axis, Image
from ..core.parameters import Between
from .dsp.levels import compressed_peak, decibels, delta, grey, pcen_blocks, shades, smoothing
from .dsp.mixing import mixes
from .dsp.resample import interpolate, overlaps
from .dsp.spectrum import Quantity, band_blocks, on_columns
from .layout import Fill, SoundAxes, heard, heights, stacked
from .picture import SoundPicture
from .signal import Audio

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Bands", "Fill", "SoundAxes", "Spectrogram", "decibels", "grey", "heard"]

# The share of its range that a picture has to run through in one column to be white, or black, in its derivative.
_STEEPEST = 0.5


@dataclass(frozen=True, eq=False)
class Bands:
    """How bins of a spectrum become rows of an image, the lowest frequency first.

    Parameters
    ----------
    weights
        (n_bands, n_bins), of each bin in each band.
    edges_hz
        Borders of the rows, (n_rows + 1,).
    positions
        Which band each row shows, counted from 0, with fractions between two; None where each shows its own.
    """

    weights: "csr_array"
    edges_hz: np.ndarray
    positions: np.ndarray | None = None


class Spectrogram(SoundPicture):
    """Time to the right, frequency upwards, the louder the brighter.

    Parameters
    ----------
    window_s
        Length of the window of each spectrum; rounded up to a length that the FFT is fast at.
    hop_s
        From one spectrum to the next. Where there are more spectra than columns their power is averaged,
        where there are fewer their levels are interpolated.
    n_fft, hop_length
        Window and hop in samples, where they shall be the same at all rates; None takes `window_s` and `hop_s`.
    quantity
        What is summed in a band and averaged over time: `power`, or `magnitude`, in which one loud bin or
        moment outweighs the others less.
    scaling
        `db`, decibels, or `pcen`: each band over its own recent mean, which takes away what is steady, such as
        hum and hiss, and shows what begins. The formula and the paper stand with `levels.pcen_blocks`.
    pcen_time_s
        How long a sound takes to become a part of the mean.
    pcen_gain
        How much of the mean is taken away: 0 is nothing, 1 makes all steady sounds alike, however loud.
    delta
        0 draws the level; 1 its first derivative over time, 2 the second one, with grey as zero, white as rising
        and black as falling, fitted to nine columns as `levels.delta` says.

    Notes
    -----
    With `reference=full_scale` white is what a sine gives where bands are narrowest; with `pcen` a full-scale sine
    out of silence. Only `db` has a floor.

    See Also
    --------
    SoundPicture : the other parameters.
    """

    window_s: Annotated[float, Between(above=0, high=60)] = 0.046
    hop_s: Annotated[float, Between(above=0, high=60)] = 0.01
    n_fft: Annotated[int, Between(16, 1 << 20)] | None = None
    hop_length: Annotated[int, Between(1, 1 << 24)] | None = None
    quantity: Quantity = "power"
    scaling: Literal["db", "pcen"] = "db"
    pcen_time_s: Annotated[float, Between(0.001, 60)] = 0.4
    pcen_gain: Annotated[float, Between(0, 1)] = 0.98
    delta: Literal[0, 1, 2] = 0

    @abstractmethod
    def _bands(self, rate_hz: float, n_fft: int, high_hz: float) -> Bands:
        """Return the rows of the image for a sampling rate and a length of the FFT."""

    def _convert(self, signal: Audio) -> Image:
        samples, rate_hz = self._fitted(signal), signal.rate_hz
        bands = self._bands(rate_hz, self._n_fft(rate_hz), self._high_hz(signal))
        chosen = mixes(self.channel, samples, most=self.size)
        # With the peak as full scale neither the faintest nor the loudest sound leaves float32 when squared.
        peak = min(max(float(samples.max()), -float(samples.min()), 1e-37), 1e37)
        values = [self._values(samples, mix.weights / peak, bands, rate_hz, peak) for mix in chosen]
        white = self._white(values, bands, rate_hz, peak)
        panels = [self._brightness(value, white, bands, samples.shape[1], rate_hz) for value in values]
        axes = self._axes(signal, samples.shape[1], bands.edges_hz)
        if self.channel != "stack":
            return Image(shades(panels[0])[::-1, :, None].copy(), axes)
        layout = stacked(axes, tuple(mix.name for mix in chosen))
        return Image(shades(_stack(panels))[:, :, None], layout)

    def _values(
        self, samples: np.ndarray, mix: np.ndarray, bands: Bands, rate_hz: float, peak: float
    ) -> np.ndarray:
        """Return what is in each band over time, (n_bands, at most size)."""
        hop_length, weights = self._hop_length(rate_hz), bands.weights
        blocks = band_blocks(
            samples,
            weights,
            n_fft=self._n_fft(rate_hz),
            hop_length=hop_length,
            mix=mix,
            quantity=self.quantity,
        )
        if self.scaling == "pcen":
            scale = float(peak) ** self._exponent
            blocks = pcen_blocks(blocks, weight=self._pcen_weight(rate_hz), gain=self.pcen_gain, scale=scale)
        return on_columns(blocks, n_samples=samples.shape[1], hop_length=hop_length, columns=self.size)

    def _white(self, values: list[np.ndarray], bands: Bands, rate_hz: float, peak: float) -> float:
        """Return the value that is white."""
        if self.reference == "loudest":
            return max(float(value.max()) for value in values)
        # A sine of amplitude 1 is a quarter of the window's length in its bin, for a Hann window.
        full = (self._n_fft(rate_hz) / 4) ** self._exponent * float(bands.weights.max())
        full /= self._gain**self._exponent
        if self.scaling == "pcen":
            return compressed_peak(full, weight=self._pcen_weight(rate_hz), gain=self.pcen_gain)
        return full / float(peak) ** self._exponent

    def _brightness(
        self, values: np.ndarray, white: float, bands: Bands, n_samples: int, rate_hz: float
    ) -> np.ndarray:
        """Return brightness from 0 to 1, (size, size), the lowest frequency first."""
        if self.scaling == "db":
            level_db = decibels(values, floor_db=self.floor_db, reference=white, quantity=self.quantity)
            brightness = 1 - level_db / np.float32(self.floor_db)
        else:
            brightness = np.minimum(values / np.float32(white or 1.0), 1)
        if self.delta:
            brightness = changes(brightness, order=self.delta)
        if bands.positions is not None:
            brightness = interpolate(brightness, bands.positions, axis=0)
        if brightness.shape[1] < self.size:
            centres = (np.arange(self.size) + 0.5) / self.size * n_samples / self._hop_length(rate_hz)
            brightness = interpolate(brightness, centres, axis=1)
        return brightness

    def _axes(self, signal: Audio, n_samples: int, edges_hz: np.ndarray) -> SoundAxes:
        """Return what columns and rows stand for, with the rows' borders from the lowest frequency on."""
        first = self._first(signal)
        times = np.linspace(first, first + n_samples, self.size + 1) / signal.rate_hz
        frequency = Axis("frequency", "Hz", edges_hz[::-1].copy())
        return SoundAxes(Axis("time", "s", times), frequency, signal.duration_s, self.fill)

    def _fitted(self, signal: Audio) -> np.ndarray:
        """Return the samples of every channel, as many as `duration_s` says."""
        samples, held = signal.samples, signal.samples.shape[1]
        wanted, first = self._wanted(signal), self._first(signal)
        if wanted <= held:
            return samples[:, first : first + wanted]
        if self.fill == "repeat":
            return np.tile(samples, -(-wanted // held))[:, :wanted]
        return np.pad(samples, ((0, 0), (0, wanted - held)))

    def _n_fft(self, rate_hz: float) -> int:
        from scipy.fft import next_fast_len

        return self.n_fft or int(next_fast_len(max(16, round(self.window_s * rate_hz)), real=True))

    def _hop_length(self, rate_hz: float) -> int:
        return self.hop_length or max(1, round(self.hop_s * rate_hz))

    @property
    def _exponent(self) -> int:
        """The power of the amplitude that is drawn."""
        return 2 if self.quantity == "power" else 1

    def _pcen_weight(self, rate_hz: float) -> float:
        return smoothing(self.pcen_time_s * rate_hz / self._hop_length(rate_hz))


def changes(brightness: np.ndarray, *, order: int) -> np.ndarray:
    """Return the derivative of brightness over time as brightness, with one half as zero.

    White is half of what a leap from 0 to 1 between two columns gives; steeper changes are white, too.

    Examples
    --------
    >>> changes(np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]]), order=1)[0, 4:6]
    array([1., 1.])
    """
    leap = np.repeat([[0.0, 1.0]], 9, axis=1)
    steepest = delta(leap, order=order).max() * _STEEPEST
    grey_at_zero: np.ndarray = (1 + delta(brightness, order=order) / steepest) / 2
    return grey_at_zero.clip(0, 1)


def _stack(panels: list[np.ndarray]) -> np.ndarray:
    """Put panels above each other, with high frequencies on top, on as many rows as one of them has."""
    size = len(panels[0])
    parts = []
    for panel, height in zip(panels, heights(size, len(panels)), strict=True):
        shares = overlaps(np.arange(size + 1.0), np.linspace(0, size, height + 1)) * np.float32(height / size)
        parts.append((shares @ panel)[::-1])
    return np.concatenate(parts)
