"""How often a series answers to each of many convolution kernels: the features of MiniRocket as an image."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from ..core.converter import ByPixel, Converter, Size, height_width, register
from ..core.errors import ParameterError, SignalError
from ..core.image import Box, Image, Layout, Region
from ..core.signal import Signal
from .base import grey, segments
from .levels import whole_series
from .signal import Series

N_KERNELS, N_WEIGHTS = 84, 9
"""Kernels, each of so many weights."""
MOST_SAMPLES = 8192
"""A longer series is averaged to so many."""
MOST_DILATIONS = 32
MOST_FITTED = 1 << 16
"""Samples of training items that biases are taken from."""
N_MIXES = 7
"""Sums of channels that the kernels of one dilation see."""
N_SPREADS, WITHIN, LEAST_SPREAD = 6, 0.6827, 1e-6
FLOOR = 0.01
"""Standard deviation of nine samples, in that of the series, below which they count as hardly moving."""
GOLDEN = (5**0.5 - 1) / 2
"""Its multiples, without whole numbers, lie evenly between 0 and 1, any neighbours far apart."""


@register
class Rocket(Converter):
    """How often a series answers to each of 84 convolution kernels: a kernel a column, a dilation and a bias a row.

    A grey level is the share of samples at which the response of the kernel is above the bias: the features of
    MiniRocket, here with one bias a row for all kernels. Kernels have nine weights, three of 2 and six of -1, and reach
    over more samples the further down. To a network of photographs the image tells nothing; a linear head takes each
    pixel as a feature. Of several channels a kernel sees the sum of some. Missing values are interpolated; a series of
    more than 8,192 samples is averaged to these.

    With `normalise=window` a response is the correlation of a kernel with the nine samples that it sees: shapes count,
    whatever their height, as in shapelets and matrix profiles. Biases then lie between -1 and 1.

    Parameters
    ----------
    size
        Pixels of each side, or (height, width). Fewer columns than kernels show some of them.
    normalise
        Whose standard deviation responses are divided by: that of the whole `series`, or of each `window` of nine.
    length
        Samples of the series that dilations are meant for; None for those of each series.
    scales
        What each channel is divided by, after its mean is subtracted. Empty: its standard deviation in each series.
    spreads
        How far responses lie from 0, at six dilations from the first to the last: 68 % of them lie nearer. Biases are
        quantiles of a normal distribution of that deviation. Empty: those of each series. Of windows there are none.

        `resolve` puts numbers from the training items in the place of `length`, `scales` and `spreads`.

    References
    ----------
    A. Dempster, D. F. Schmidt, G. I. Webb 2021, "MiniRocket: a very fast (almost) deterministic transform for time
    series classification", doi:10.1145/3447548.3467231.

    Examples
    --------
    >>> from phosphene.converters import Box, Series, make
    >>> rocket = make("rocket", size=112).resolve([Series(np.sin(np.arange(200.0)))])
    >>> image = rocket(Series(np.sin(np.arange(200.0) / 2)))
    >>> image.pixels.shape, rocket.spec[:42]
    ((112, 112, 1), 'rocket(size=112,length=200,scales=(0.7062,')
    >>> str(image.locate(Box(0, 0, 1, 1)))
    'sample 0 to 200 (kernel 0 over 9 samples)'
    """

    name: ClassVar[str] = "rocket"
    accepts: ClassVar[type[Signal]] = Series

    size: Size = 224
    normalise: Literal["series", "window"] = "series"
    length: int | None = None
    scales: tuple[float, ...] = ()
    spreads: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("scales", "spreads"):
            if not min(numbers := getattr(self, name), default=1.0) > 0:
                raise ParameterError(f"Rocket.{name} must be numbers > 0, got {numbers}")

    @property
    def by_pixel(self) -> ByPixel:
        """Neighbouring pixels have nothing to do with each other, and each kernel has its own deviation."""
        return "standardised"

    def resolve(self, signals: Sequence[Signal]) -> Self:
        """Put numbers from these training items in the place of those that are not set."""
        found = [signal.values for signal in signals if isinstance(signal, Series)]
        windows = self.normalise == "window"
        if not found or (self.scales if windows else self.spreads):
            return self
        found = [one for one in found if len(one) == len(found[0])]
        length = self.length or int(np.median([min(one.shape[1], MOST_SAMPLES) for one in found]))
        scales = self.scales or _short(np.mean([_deviation(_whole(one)) for one in found], axis=0))
        if windows:
            return self.replace(length=length, scales=scales)
        most = max(1, MOST_FITTED // length)
        chosen = np.unique(np.linspace(0, len(found) - 1, min(most, len(found))).astype(int))
        values = [_scaled(_whole(found[index]), scales) for index in chosen]
        dilations, _ = _plan(length, height_width(self.size)[0])
        return self.replace(length=length, scales=scales, spreads=_short(_spreads(values, dilations)))

    def _convert(self, signal: Series) -> Image:
        from .rocket_loops import write_shares

        height, width = height_width(self.size)
        whole = _whole(signal.values)
        if self.scales and len(whole) != len(self.scales):
            raise SignalError(
                f"{self.name} has scales of {len(self.scales)} channels, got a series with {len(whole)}; "
                "give it as many channels"
            )
        values = _scaled(whole, self.scales or _deviation(whole))
        dilations, first = _plan(self.length or whole.shape[1], height)
        biases, floor = self._biases(values, dilations, first), FLOOR if self.normalise == "window" else -1.0
        shares = np.empty((height, N_KERNELS))
        write_shares(_mixed(values, len(dilations)), dilations, first, biases, floor, shares)
        columns = segments(N_KERNELS, width)
        pixels = np.ascontiguousarray(grey(shares)[:, columns[0], None])
        reach = np.repeat(dilations, np.diff(first)) * (N_WEIGHTS - 1) + 1
        return Image(pixels, Kernels(signal.values.shape[1], signal.step_s, reach, columns))

    def _biases(self, values: np.ndarray, dilations: np.ndarray, first: np.ndarray) -> np.ndarray:
        """Return the bias of each row: float64 (rows,)."""
        from scipy.special import ndtri  # a third of a second, which every command would wait

        levels = np.split(np.arange(1, first[-1] + 1) * GOLDEN % 1, first[1:-1])
        shares = np.concatenate([np.sort(part) for part in levels])  # from dark to bright for each dilation
        if self.normalise == "window":
            return np.asarray(1 - 2 * shares)
        spreads = np.array(self.spreads) if self.spreads else _spreads([values], dilations)
        known = np.linspace(0, len(dilations) - 1, len(spreads))
        spread = np.exp(np.interp(np.arange(len(dilations)), known, np.log(spreads)))
        return np.asarray(np.repeat(spread, np.diff(first)) * ndtri(1 - shares))


def _whole(values: np.ndarray) -> np.ndarray:
    """Return a series (channels, samples) without gaps, with its mean at 0, and at most 8,192 samples: float64."""
    wide = values.astype(np.float64)
    for row in wide:
        gaps = np.isnan(row)
        if gaps.any():
            row[gaps] = (
                np.interp(np.flatnonzero(gaps), np.flatnonzero(~gaps), row[~gaps]) if not gaps.all() else 0
            )
    if wide.shape[1] > MOST_SAMPLES:
        start, stop = segments(wide.shape[1], MOST_SAMPLES)
        wide = np.add.reduceat(wide, start, axis=1) / (stop - start)
    return np.asarray(wide - wide.mean(axis=1, keepdims=True))


def _deviation(values: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each channel; 1 for one that never changes."""
    deviation = values.std(axis=1)
    return np.where(deviation > np.finfo(np.float32).tiny, deviation, 1.0)


def _scaled(values: np.ndarray, scales: Sequence[float] | np.ndarray) -> np.ndarray:
    return (values / np.asarray(scales)[:, None]).astype(np.float32)


def _plan(length: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return dilations up to that at which a kernel is as long as a series, and the first row of each.

    Examples
    --------
    >>> [part.tolist() for part in _plan(33, 8)]
    [[1, 2, 3, 4], [0, 4, 6, 7, 8]]
    """
    most = max((length - 1) / (N_WEIGHTS - 1), 1.0)
    n = min(MOST_DILATIONS, rows)
    exact = np.floor(2 ** np.linspace(0, np.log2(most), n) + 1e-9).astype(np.int64)
    dilations, counts = np.unique(exact, return_counts=True)
    ends = np.cumsum(counts) * rows // n
    return dilations, np.concatenate([[0], ends]).astype(np.int64)


def _mixed(values: np.ndarray, n_dilations: int) -> np.ndarray:
    """Return what the kernels of each dilation see, float32 (dilations or 1, mixes, samples): sums of some channels."""
    if len(values) == 1:
        return values[None]
    return np.ascontiguousarray(_shares_of_channels(len(values), n_dilations) @ values)


@functools.lru_cache
def _shares_of_channels(channels: int, n_dilations: int) -> np.ndarray:
    """Choose channels, more often few than many, the same for every series: float32 (dilations, mixes, channels)."""
    chance = np.random.RandomState(channels)  # its stream is the same in every version of NumPy
    shares = np.zeros((n_dilations, N_MIXES, channels), np.float32)
    for mix in shares.reshape(-1, channels):
        count = int(2 ** chance.uniform(0, np.log2(min(channels, N_WEIGHTS) + 1)))
        mix[chance.permutation(channels)[:count]] = count**-0.5
    return shares


def _spreads(values: Sequence[np.ndarray], dilations: np.ndarray) -> np.ndarray:
    """Return below what 68 % of the responses of all kernels lie, sign aside, at six of the dilations or at all."""
    from .rocket_loops import write_responses

    spreads = []
    for number in np.linspace(0, len(dilations) - 1, min(N_SPREADS, len(dilations))).round().astype(int):
        sizes = []
        for one in values:
            mixes = _mixed(one, len(dilations))
            responses = np.empty((N_KERNELS, one.shape[1]), np.float32)
            write_responses(mixes[number % len(mixes)], dilations[number], -1.0, responses)
            sizes.append(np.abs(responses).ravel())
        spreads.append(float(np.quantile(np.concatenate(sizes), WITHIN)))
    return np.maximum(spreads, LEAST_SPREAD)


def _short(numbers: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{number:.4g}") for number in numbers)


@dataclass(frozen=True, eq=False)
class Kernels(Layout):
    """Kernels that see a whole series: each pixel stands for all its samples.

    Parameters
    ----------
    count
        Samples of the series.
    step_s
        Seconds from one sample to the next, None where not known.
    reach
        int64 (rows,), samples from the first to the last that a kernel sees at once.
    columns
        The first kernel that each column shows, and the first behind.
    """

    count: int
    step_s: float | None
    reach: np.ndarray
    columns: tuple[np.ndarray, np.ndarray]

    def locate(self, box: Box) -> Region:
        """Return the whole series, and which kernels the box shows."""
        names = [
            _from_to("kernel", self.columns[0][box.left], self.columns[1][box.right - 1] - 1),
            _from_to("over", self.reach[box.top], self.reach[box.bottom - 1]) + " samples",
        ]
        return Region((whole_series(self.count, self.step_s, " ".join(names)),))


def _from_to(name: str, low: int, high: int) -> str:
    return f"{name} {low}" if low == high else f"{name} {low} to {high}"
