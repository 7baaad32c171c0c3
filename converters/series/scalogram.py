"""Series in time and frequency at once: the magnitude of a continuous wavelet transform."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from ..core.converter import Between, register
from ..core.image import Axes, Axis, Box, Layout, Region
from ..kernels.filterbank import Filter, Wavelet, log_centres, wavelet_filter
from .base import SeriesConverter, grey, sample_axis, segments

_HIGHEST = 0.5  # cycles a sample
_AT_A_TIME = 1 << 16  # samples that are float64 at a time


@register
class Scalogram(SeriesConverter):
    """Which rhythm a series has when: time to the right, fast changes on top and slow ones below.

    The magnitude of the continuous wavelet transform, white where it is greatest; a sine of the same height is as
    bright in every row. The lowest row goes round once in the series, the highest reaches two samples a cycle; they
    are labelled in hertz where the step of the series is known, else in cycles a sample. A series that never changes
    is black.

    Parameters
    ----------
    size, channels
        See `SeriesConverter`. A series longer than the image is drawn as the root of the mean power of neighbours.
    wavelet
        `morlet`; `morse`, the generalised Morse wavelet with gamma 3, which has no negative frequencies at any
        `omega0`; `ricker`, the analytic Mexican hat, sharper in time and blunter in frequency.
    omega0
        Oscillations inside the wavelet, in radians: more tell frequencies apart, fewer moments. For a Morse wavelet
        the root of beta times gamma; a `ricker` has no such choice.
    floor_db
        None draws the magnitude as it is; a number draws it in decibels below the greatest, and is black itself.

    Notes
    -----
    A Morlet wavelet of the frequency f has the spectrum 2 exp(-omega0² (g / f - 1)² / 2) at the frequency g > 0
    [1]_; the factor keeps the amplitude of a sine instead of its energy, which would dim fast changes [2]_.

    The mean is taken away, and zeros are put before and after. So near both ends the image grows dim, in the lower
    rows further in: within the square root of 2 times omega0 / (2 pi f), the cone of influence.

    A missing value counts, for each wavelet, as the mean of those that the wavelet covers around it, and the
    magnitude is divided by the share of the wavelet that lies on values, a half at least [3]_. Columns without any
    value are black.

    References
    ----------
    .. [1] Torrence and Compo (1998), https://doi.org/10.1175/1520-0477(1998)079<0061:APGTWA>2.0.CO;2
    .. [2] Liu, Liang and Weisberg (2007), https://doi.org/10.1175/2007JTECHO511.1
    .. [3] Knutsson and Westin (1993), https://doi.org/10.1109/CVPR.1993.341081
    .. [4] Lilly and Olhede (2009), https://doi.org/10.1109/TSP.2008.2007607 (Morse wavelets)

    Examples
    --------
    >>> from phosphene.converters import Box, Series, make
    >>> wave = np.sin(2 * np.pi * np.arange(200) / 10)
    >>> image = make("scalogram", kind="series", size=64)(Series(wave, step_s=0.5))
    >>> row = int(image.pixels[:, 32, 0].argmax())
    >>> str(image.locate(Box(32, row, 33, row + 1)))
    'time 50 to 51.5 s, frequency 0.191095 to 0.205353 Hz'
    """

    name: ClassVar[str] = "scalogram"

    wavelet: Wavelet = "morlet"
    omega0: Annotated[float, Between(5, 100)] = 6.0
    floor_db: Annotated[float, Between(-200, -1)] | None = None

    def _draw(self, values: np.ndarray, canvas: np.ndarray) -> None:
        rows, columns = canvas.shape[1:]
        for series, image in zip(values, canvas, strict=True):
            image[...] = squashed(self._whole(series[0], max(rows, columns), columns), rows)

    def _whole(self, values: np.ndarray, rows: int, columns: int) -> np.ndarray:
        starts, stops = segments(len(values), min(columns, len(values)))
        form = wavelet_filter(self.wavelet, self.omega0)
        levels = scalogram(values, np.append(starts, stops[-1]), rows=rows, form=form)
        if self.floor_db is not None:
            levels = 1 - 20 * np.log10(levels.clip(1e-12)) / self.floor_db
        return grey(levels)[::-1, segments(len(starts), columns)[0]]

    def _layout(
        self, part: list[int], values: np.ndarray, shape: tuple[int, int], step_s: float | None
    ) -> Layout:
        del part
        (rows, columns), count, drawn = shape, values.shape[1], max(shape)
        unit = "Hz" if step_s else "cycles/sample"
        edges = np.geomspace(_HIGHEST, _lowest(count), drawn + 1) / (step_s or 1.0)
        layout = Axes(sample_axis(count, columns, step_s), Axis("frequency", unit, edges))
        return layout if rows == drawn else Squashed(layout, drawn, rows)


@dataclass(frozen=True, eq=False)
class Squashed(Layout):
    """An image whose rows were averaged, several to one.

    Parameters
    ----------
    inside
        What the image shows before that.
    rows, pixels
        Its rows before and after.
    """

    inside: Layout
    rows: int
    pixels: int

    def locate(self, box: Box) -> Region:
        """Return what the rows behind the box show."""
        top, bottom = box.top * self.rows // self.pixels, -(-box.bottom * self.rows // self.pixels)
        return self.inside.locate(Box(box.left, top, box.right, bottom))


def squashed(pixels: np.ndarray, rows: int) -> np.ndarray:
    """Average the rows of an image until `rows` are left.

    Examples
    --------
    >>> squashed(np.array([[0, 8], [4, 8], [9, 9]], np.uint8), 2)
    array([[0, 8],
           [6, 8]], dtype=uint8)
    """
    if len(pixels) == rows:
        return pixels
    start, stop = segments(len(pixels), rows)
    sums = np.add.reduceat(pixels, start, axis=0, dtype=np.float64)
    levels: np.ndarray = np.rint(sums / (stop - start)[:, None]).astype(np.uint8)
    return levels


def _lowest(count: int) -> float:
    """Return the lowest frequency that is drawn: once in the series, in cycles a sample."""
    return 1 / max(count, 4)


def scalogram(values: np.ndarray, borders: np.ndarray, *, rows: int, form: Filter) -> np.ndarray:
    """Return the magnitude of the wavelet transform over columns, relative to its greatest.

    Parameters
    ----------
    values
        (n,), NaN where missing.
    borders
        Of the columns, in samples, rising, (columns + 1,).
    rows
        How many, evenly spaced on a logarithmic scale.
    form
        Of the wavelet.

    Returns
    -------
    numpy.ndarray
        float64 (rows, columns), from 0 to 1, the lowest frequency first.

    Examples
    --------
    >>> scalogram(np.array([1.0, 1.0, 1.0]), np.arange(4), rows=2, form=Filter("morlet", 6.0))
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """
    from ..kernels.filterbank import mean_power, reader

    missing = np.isnan(values)
    waves, is_flat = _mean_free(values)
    if is_flat:
        return np.zeros((rows, len(borders) - 1))
    centres = log_centres(_lowest(len(values)), _HIGHEST, rows, form=form)
    power = mean_power(
        reader(waves),
        len(values),
        centres=centres.ravel(),
        form=form,
        borders=borders,
        gaps=reader(missing) if missing.any() else None,
    )
    magnitude = np.sqrt(power.reshape(*centres.shape, -1).mean(axis=1))
    magnitude[:, np.logical_and.reduceat(missing, borders[:-1])] = 0
    peak = magnitude.max()
    return np.asarray(magnitude / peak if peak > 0 else magnitude)


def _mean_free(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return what is left of values without their mean, at most 1, 0 where missing; and whether nothing is left.

    It is float32, and computed part by part as float64: of a long series there is no room for copies.
    """
    low, high = float(np.fmin.reduce(values)), float(np.fmax.reduce(values))
    size = max(abs(low), abs(high)) or 1.0
    parts = [values[start : start + _AT_A_TIME] for start in range(0, len(values), _AT_A_TIME)]
    total = sum(float(np.nansum(part.astype(np.float64) / size)) for part in parts)
    mean = total / sum(int(np.count_nonzero(~np.isnan(part))) for part in parts)
    height = max(high / size - mean, mean - low / size)
    waves = np.empty(len(values), np.float32)
    for index, part in enumerate(parts):
        start = index * _AT_A_TIME
        waves[start : start + len(part)] = np.nan_to_num(
            (part.astype(np.float64) / size - mean) / (height if height > 0 else 1.0)
        )
    return waves, height < 1e-9
