"""Features of a frozen network: what its layers at several depths say about a tile."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from phosphene.pipeline.data.render import Tiles

from .backbones import Backbone
from .frozen import BATCH, Frozen, freeze


def middle_taps(taps: Sequence[str]) -> tuple[str, ...]:
    """Choose the depths to look at: neither the first 3/8 of the stages nor the last 1/8.

    Early stages see edges and spots that every picture has, the last ones the objects of photographs. In between lie
    features that carry over to pictures of another sort (Yosinski et al. 2014, https://arxiv.org/abs/1411.1792).

    Examples
    --------
    >>> middle_taps("abcdefgh"), middle_taps("abcde"), middle_taps("a")
    (('d', 'e', 'f', 'g'), ('b', 'c', 'd'), ('a',))
    """
    count = len(taps)
    first = count * 3 // 8
    return tuple(taps[first : max(first + 1, count * 7 // 8)])


def candidate_taps(taps: Sequence[str]) -> tuple[str, ...]:
    """Choose the depths among which training items may choose: all but the first quarter.

    Examples
    --------
    >>> candidate_taps("abcdefgh"), candidate_taps("abc")
    (('c', 'd', 'e', 'f', 'g', 'h'), ('a', 'b', 'c'))
    """
    return tuple(taps[len(taps) // 4 :])


@dataclass(frozen=True, eq=False)
class Extractor:
    """A frozen network and the layers of it to look at.

    Parameters
    ----------
    backbone
        The network.
    taps
        Names of its modules whose feature maps are pooled.
    """

    backbone: Backbone
    taps: tuple[str, ...]

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return the average, maximum and standard deviation of every feature map.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, 1 or 3).

        Returns
        -------
        numpy.ndarray
            float32 (n, n_features), tap by tap.
        """
        frozen = self._grey if pixels.shape[3] == 1 else self._coloured
        return np.concatenate([part.reshape(len(pixels), -1) for part in frozen.pooled(pixels)], 1)

    @functools.cached_property
    def _grey(self) -> Frozen:
        return freeze(self.backbone, self.taps, channels=1)

    @functools.cached_property
    def _coloured(self) -> Frozen:
        return freeze(self.backbone, self.taps, channels=3)

    @functools.cached_property
    def widths(self) -> tuple[int, ...]:
        """How many features each tap gives."""
        nothing = np.zeros((1, self.backbone.size, self.backbone.size, 1), np.uint8)
        return tuple(part[0].size for part in self._grey.pooled(nothing))

    def columns(self, taps: Sequence[str], *, n_views: int) -> np.ndarray:
        """Return which columns of the features of several views, side by side, come from some of the taps: int (n,)."""
        of_view = np.repeat([tap in taps for tap in self.taps], self.widths)
        return np.flatnonzero(np.tile(of_view, n_views))


def view_features(extractor: Extractor, tiles: Tiles, *, progress: bool = True) -> np.ndarray:
    """Return the features of all views of every item, side by side: float32 (n, n_features); zeros where one failed."""
    drawn = tiles.drawn
    width = sum(extractor.widths)
    table = np.zeros((len(tiles), width * len(tiles.views)), np.float32)
    with tqdm(
        total=len(drawn) * len(tiles.views),
        unit="tile",
        desc="features",
        delay=1.0,
        disable=None if progress else True,
    ) as bar:
        for view in range(len(tiles.views)):
            for start in range(0, len(drawn), 4 * BATCH):
                places = drawn[start : start + 4 * BATCH]
                table[places, view * width : (view + 1) * width] = extractor(tiles.pixels(places, view))
                bar.update(len(places))
    return table
