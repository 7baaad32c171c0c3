"""Signals without some of their cells: muted, bridged, dropped or zeroed; and what a classifier says of them."""

import functools
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from phosphene.converters import Audio, Binary, MouseTrace, ParameterError, PhospheneError, Series, Signal
from phosphene.converters.core.converter import ByPixel
from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import combine, cut
from phosphene.pipeline.backbones.features import Extractor, PooledLayer
from phosphene.pipeline.backbones.frozen import WHOLE
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.tiles.render import Tiles
from phosphene.pipeline.tiles.store import TileStore

from .grid import Grid

FRAME_S = 0.046
"""Seconds of sound in a frame of the transform by which boxes are muted."""
FRAMES_AT_A_TIME = 2048
IMAGES_KEPT = 64
"""Images whose features are kept for the next questions, the last ones."""
SOFT_ROWS, SOFT_COLUMNS = 2, 5
"""Cells on either side of a border within which sound fades: hard edges in a spectrogram are things of their own."""


def remove(grid: Grid, mask: np.ndarray) -> Signal:
    """Return the signal of a grid without some of its cells.

    Sound is muted by its short-time Fourier transform and fades at the borders, samples are replaced by a straight
    line between their neighbours, events are dropped (two at least stay), bytes become zero.

    Parameters
    ----------
    mask
        bool, in the shape of the grid: what is removed. `~mask` keeps that alone.

    Raises
    ------
    ParameterError
        Nobody has said what it is to remove a part of such a signal.

    Examples
    --------
    >>> grid = Grid.of(Series([0.0, 9.0, 2.0]))
    >>> remove(grid, np.array([[False, True, False]])).values.tolist()
    [[0.0, 1.0, 2.0]]
    """
    signal = grid.signal
    if isinstance(signal, Audio):
        return _muted(signal, grid, mask)
    if isinstance(signal, Series):
        rows = zip(signal.values, mask, strict=True)
        cell = int(grid.columns[1])
        return replace(
            signal, values=np.stack([_bridged(row, np.repeat(own, cell)[: len(row)]) for row, own in rows])
        )
    if isinstance(signal, MouseTrace):
        kept = np.flatnonzero(~np.repeat(mask[0], int(grid.columns[1]))[: len(signal.time_s)])
        kept = kept if len(kept) > 1 else np.array([0, len(signal.time_s) - 1])
        return replace(
            signal, time_s=signal.time_s[kept], x=signal.x[kept], y=signal.y[kept], event=signal.event[kept]
        )
    if isinstance(signal, Binary):
        data = np.array(signal.data)
        data[np.repeat(mask[0], int(grid.columns[1]))[: len(data)]] = 0
        return replace(signal, data=data)
    raise ParameterError(f"parts of {signal.kind} signals cannot be removed; nothing says what is left then")


def remove_each(grid: Grid, masks: Sequence[np.ndarray]) -> list[Signal]:
    """Return the signal of a grid once a mask, without its cells."""
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return list(pool.map(lambda mask: remove(grid, mask), masks))


def _bridged(row: np.ndarray, removed: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(~removed & np.isfinite(row))
    if not len(known):
        return np.where(removed, np.nanmean(row), row)
    return np.where(removed, np.interp(np.arange(len(row)), known, row[known]), row)


def _muted(signal: Audio, grid: Grid, mask: np.ndarray) -> Audio:
    """Mute cells, some thousand frames at a time."""
    hop = 2 ** max(2, round(np.log2(FRAME_S * signal.rate_hz / 2)))
    n = signal.samples.shape[1]
    gain = _faded(~mask).astype(np.float32)
    out = np.empty_like(signal.samples)
    for start in range(0, n, FRAMES_AT_A_TIME * hop):
        stop = min(n, start + FRAMES_AT_A_TIME * hop)
        first = max(0, start - 2 * hop)
        block = signal.samples[:, first : stop + 2 * hop]
        out[:, start:stop] = _muted_block(block, first, hop, signal.rate_hz, grid, gain)[
            :, start - first : stop - first
        ]
    return replace(signal, samples=out)


def _faded(kept: np.ndarray) -> np.ndarray:
    """Return the gain of each cell, from 0 to 1: a triangular mean over the cells around.

    Examples
    --------
    >>> _faded(np.array([[True] * 6 + [False] * 8])).round(2).tolist()
    [[1.0, 0.97, 0.92, 0.83, 0.72, 0.58, 0.42, 0.28, 0.17, 0.08, 0.03, 0.0, 0.0, 0.0]]
    """
    gain = kept.astype(float)
    for axis, reach in enumerate((SOFT_ROWS, SOFT_COLUMNS)):
        weights = reach + 1.0 - np.abs(np.arange(-reach, reach + 1))
        gain = ndimage.convolve1d(gain, weights / weights.sum(), axis=axis, mode="nearest")
    return gain


def _muted_block(
    block: np.ndarray, first: int, hop: int, rate_hz: float, grid: Grid, gain: np.ndarray
) -> np.ndarray:
    """Mute the cells of a block by frames of two hops, as `scipy.signal.stft` and `istft` do, which take longer."""
    from scipy.fft import irfft, rfft

    n = block.shape[1]
    window = np.sin(np.pi * np.arange(2 * hop, dtype=np.float32) / (2 * hop)) ** 2
    padded = np.pad(block, ((0, 0), (hop, hop + -n % hop)))
    spectrum = rfft(np.lib.stride_tricks.sliding_window_view(padded, 2 * hop, axis=1)[:, ::hop] * window)
    hz, times_s = np.arange(hop + 1) * rate_hz / (2 * hop), np.arange(spectrum.shape[1]) * hop / rate_hz
    rows = np.clip(np.searchsorted(grid.rows, hz, "right") - 1, 0, grid.shape[0] - 1)
    columns = np.clip(((times_s + first / rate_hz) / grid.columns[1]).astype(int), 0, grid.shape[1] - 1)
    spectrum *= gain.T[np.ix_(columns, rows)]
    halves = (irfft(spectrum, overwrite_x=True) * window).reshape(len(block), -1, 2, hop)
    total = halves[:, 1:, 0] + halves[:, :-1, 1]
    total /= window[:hop] ** 2 + window[hop:] ** 2
    return np.asarray(total.reshape(len(block), -1)[:, :n])


def ask(classifier: Classifier, signals: Sequence[Signal]) -> np.ndarray:
    """Return the log-probabilities of signals in memory, float64 (n, n_classes); NaN for one that cannot be drawn.

    Nothing of it is kept in the store.
    """
    items = [Item(Path(f"signal{n}"), kind=one.kind, signal=one) for n, one in enumerate(signals)]
    windows, source = cut(items, classifier.windows, classifier.kind)
    drawn: dict[str, np.ndarray] = {}
    keys = tuple(_draw(classifier, window, f"{n}", drawn) for n, window in enumerate(windows))
    tiles = Tiles(windows, classifier.views, _Memory(drawn=drawn), keys, (), 0, 0, 0.0)
    some = tiles.drawn
    log_proba = np.zeros((0, len(classifier.classes)))
    if len(some):
        log_proba = classifier.model.log_probabilities(tiles)[some]
    return combine(log_proba, source[some], len(items))


def _draw(
    classifier: Classifier, window: Item, name: str, drawn: dict[str, np.ndarray]
) -> tuple[str, ...] | None:
    try:
        signal = window.read(classifier.kind)
        images = {f"{name}.{n}": view(signal).pixels for n, view in enumerate(classifier.views)}
    except PhospheneError:
        return None
    drawn.update(images)
    return tuple(images)


def remembering(classifier: Classifier) -> Classifier:
    """Return a classifier that computes the features of equal images once, for a `probe` or an ensemble of these.

    What is removed where a view does not look leaves its image as it was.
    """
    return replace(classifier, model=_remembering(classifier.model))


def _remembering(model: Any) -> Any:
    if model.config["sort"] == "ensemble":
        return replace(model, members=tuple(map(_remembering, model.members)))
    if model.config["sort"] != "probe":
        return model
    own = model.extractor
    return replace(model, extractor=_Remembering(own.backbone, own.pooled_layers, own.made))


@dataclass(frozen=True, eq=False)
class _Remembering(Extractor):
    """Keeps the features of the last images."""

    def __call__(
        self, pixels: np.ndarray, *, cells: tuple[int, int] = WHOLE, by_pixel: ByPixel = ""
    ) -> dict[PooledLayer, np.ndarray]:
        if by_pixel:
            return super().__call__(pixels, by_pixel=by_pixel)
        form = f"{cells}{pixels.shape[1:]}".encode()
        names = [hashlib.blake2b(form + image.tobytes()).digest() for image in pixels]
        new = {name: index for index, name in enumerate(names) if name not in self._known}
        found = super().__call__(pixels[list(new.values())], cells=cells) if new else {}
        known = self._known | {
            name: {layer: rows[row].copy() for layer, rows in found.items()} for row, name in enumerate(new)
        }
        last = [name for name in known if name not in set(names)] + list(dict.fromkeys(names))
        self._known.clear()
        self._known.update((name, known[name]) for name in last[-IMAGES_KEPT:])
        return {layer: np.stack([known[name][layer] for name in names]) for layer in known[names[0]]}

    @functools.cached_property
    def _known(self) -> dict[bytes, dict[PooledLayer, np.ndarray]]:
        return {}


@dataclass(frozen=True)
class _Memory(TileStore):
    """Tiles that are looked at once."""

    drawn: dict[str, np.ndarray] = field(default_factory=dict)

    def get(self, key: str) -> np.ndarray:
        return self.drawn[key]
