"""How high each channel of a series lies, and how far it reaches: four numbers a channel, as bars of grey."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from ..core.converter import Converter, Size, height_width, register
from ..core.errors import ParameterError, SignalError
from ..core.image import Box, Image, Layout, Region, Span
from ..core.signal import Signal
from .base import flat_grey, grey, segments, value_quantiles
from .signal import Series

STATISTICS = ("mean", "deviation", "lowest", "highest")
"""Of a channel, from the left."""
_MIN_FLOAT = float(np.finfo(np.float64).tiny)


@register
class ChannelLevels(Converter):
    """How high each channel lies: mean, standard deviation, lowest and highest value as grey bars, a channel a row.

    The first channel is on top. Views of patterns hardly tell how high a channel lies, and of several channels this is
    often what tells classes apart. Missing values are left out; a series that never changes is mid-grey.

    Parameters
    ----------
    size
        Pixels of each side, or (height, width). More channels than rows are averaged.
    value_range
        `item`: from the lowest to the highest value of each series, of a deviation from 0 to half of that.
        `training`: for each statistic of each channel from the 0.1 % quantile of the training items to the 99.9 %
        quantile, which `resolve` puts in its place; until then as `item`. Or numbers: the lowest and the highest of
        the first channel's mean, of its deviation, and so on; what lies outside is clipped.

    Examples
    --------
    >>> from phosphene.converters import Box, Series, make
    >>> image = make("levels", size=8)(Series([[0.0, 2.0], [4.0, 4.0]]))
    >>> image.pixels[[0, 7], ::2, 0]
    array([[ 64, 128,   0, 128],
           [255,   0, 255, 255]], dtype=uint8)
    >>> str(image.locate(Box(0, 0, 2, 1)))
    'sample 0 to 2 (mean of channel 0)'
    """

    name: ClassVar[str] = "levels"
    accepts: ClassVar[type[Signal]] = Series

    size: Size = 224
    value_range: Literal["item", "training"] | tuple[float, ...] = "item"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.value_range, str):
            return
        numbers = self.value_range
        in_pairs = zip(numbers[::2], numbers[1::2], strict=False)
        if (
            not numbers
            or len(numbers) % (2 * len(STATISTICS))
            or not all(low < high for low, high in in_pairs)
        ):
            raise ParameterError(
                f"{type(self).__name__}.value_range must be a lowest and a higher number for each of "
                f"{len(STATISTICS)} statistics of each channel, got {numbers}"
            )

    @property
    def cells(self) -> tuple[int, int]:
        """Four by four: a grey means something else in another channel."""
        return (4, 4)

    @property
    def family(self) -> str:
        """One of its own."""
        return self.name

    def resolve(self, signals: Sequence[Signal]) -> Self:
        """Put numbers in the place of `training`: the ranges of these training items."""
        found = [statistics(signal.values) for signal in signals if isinstance(signal, Series)]
        if self.value_range != "training" or not found:
            return self
        bounds: list[float] = []
        for channel in range(max(map(len, found))):
            rows = np.array([one[channel] for one in found if channel < len(one)])
            for column in rows.T:
                bounds += value_quantiles(column)
        return self.replace(value_range=tuple(bounds))

    def _convert(self, signal: Series) -> Image:
        height, width = height_width(self.size)
        levels = self._levels(signal)
        rows, columns = segments(len(levels), height), segments(len(STATISTICS), width)
        pixels = _averaged(levels, rows)[:, columns[0], None]
        layout = Bars(signal.values.shape[1], signal.step_s, rows, columns)
        return Image(np.ascontiguousarray(pixels), layout)

    def _levels(self, signal: Series) -> np.ndarray:
        """Return grey levels: uint8 (channels, statistics)."""
        found = statistics(signal.values)
        if not isinstance(self.value_range, str):
            known = np.array(self.value_range).reshape(-1, len(STATISTICS), 2)
            if len(found) > len(known):
                raise SignalError(
                    f"{self.name} has a value_range of {len(known)} channels, got a series with {len(found)}; "
                    "give it as many channels"
                )
            low, high = known[: len(found), :, 0], known[: len(found), :, 1]
            return grey((found - low) / (high - low))
        low, high = np.nanmin(found[:, 2]), np.nanmax(found[:, 3])
        if not high - low > _MIN_FLOAT:
            return flat_grey(found)
        shift = np.array([low, 0.0, low, low])
        return grey((found - shift) / ((high - low) * np.array([1.0, 0.5, 1.0, 1.0])))


def statistics(values: np.ndarray) -> np.ndarray:
    """Return mean, standard deviation, lowest and highest of each channel: float64 (channels, 4).

    Examples
    --------
    >>> statistics(np.array([[1.0, 3.0, np.nan]])).tolist()
    [[2.0, 1.0, 1.0, 3.0]]
    """
    wide = values.astype(np.float64)
    found = [np.nanmean(wide, 1), np.nanstd(wide, 1), np.nanmin(wide, 1), np.nanmax(wide, 1)]
    return np.stack(found, axis=1)


def _averaged(levels: np.ndarray, rows: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return grey levels (rows, statistics) from those of channels, each of which falls to a row or fills some."""
    start, stop = rows
    sums = np.concatenate([np.zeros((1, levels.shape[1])), levels.cumsum(axis=0, dtype=np.float64)])
    return np.rint((sums[stop] - sums[start]) / (stop - start)[:, None]).astype(np.uint8)


def whole_series(count: int, step_s: float | None, label: str) -> Span:
    """Return all samples of a series as a span, in seconds where the step is known."""
    quantity, unit, step = ("time", "s", step_s) if step_s else ("sample", "", 1.0)
    return Span(quantity, unit, 0.0, count * step, label)


@dataclass(frozen=True, eq=False)
class Bars(Layout):
    """Statistics of whole channels: each pixel stands for all samples of one channel, or of some.

    Parameters
    ----------
    count
        Samples of the series.
    step_s
        Seconds from one sample to the next, None where not known.
    rows, columns
        The first channel (statistic) that each row (column) of pixels shows, and the first one behind it.
    """

    count: int
    step_s: float | None
    rows: tuple[np.ndarray, np.ndarray]
    columns: tuple[np.ndarray, np.ndarray]

    def locate(self, box: Box) -> Region:
        """Return the whole series for each statistic of each channel that the box shows."""
        channels = range(int(self.rows[0][box.top]), int(self.rows[1][box.bottom - 1]))
        shown = STATISTICS[int(self.columns[0][box.left]) : int(self.columns[1][box.right - 1])]
        return Region(
            tuple(
                whole_series(self.count, self.step_s, f"{statistic} of channel {channel}")
                for channel, statistic in itertools.product(channels, shown)
            )
        )
