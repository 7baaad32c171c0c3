"""Features of a frozen network: what its layers at several depths say about the pictures of items."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from tqdm import tqdm

from phosphene.pipeline.tiles.render import Tiles

from .backbone import Backbone
from .frozen import Channels, Frozen, freeze

Pooling = Literal["whole", "cells"]
Source = tuple[str, Pooling]
"""A stage of a network, and over what its maps are pooled."""
Block = tuple[int, str, Pooling]
"""What features of one view, one stage and one way of pooling are found by."""

WHOLE = (1, 1)
PIXELS = "pixels"
"""Named as a stage, the picture itself: what a network does before its first layer."""
THUMBNAIL = 28
"""Pixels along each side to which pictures are averaged, to be looked at themselves."""
LEAST_SIZE = 0.4
"""Tiles smaller than this share of what a network wants are enlarged to it: less would leave its last maps nothing."""
AT_A_TIME = 128
"""Tiles that are in memory."""


def all_sources(backbone: Backbone) -> tuple[Source, ...]:
    """List the picture itself, and every stage of a network pooled either way."""
    ways: tuple[Pooling, ...] = ("whole", "cells")
    return ((PIXELS, "whole"), *((tap, way) for tap in backbone.taps for way in ways))


@dataclass(frozen=True, eq=False)
class Extractor:
    """A frozen network and the layers of it to look at.

    Parameters
    ----------
    backbone
        The network.
    sources
        Names of its modules whose feature maps are pooled, and over what: the `whole` map or each of the `cells` that
        the view names. `PIXELS` stands for the picture itself.
    """

    backbone: Backbone
    sources: tuple[Source, ...]

    def __call__(
        self, pixels: np.ndarray, *, cells: tuple[int, int] = WHOLE, n_tiles: int = 0
    ) -> dict[Source, np.ndarray]:
        """Return the average, maximum and standard deviation of every feature map, or of each of its cells.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, 1 or 3).
        cells
            Rows and columns of the cells.
        n_tiles
            About how many tiles are to come in all; of many it is measured first how they go fastest.

        Returns
        -------
        dict
            For each source float32 (n, n_features). A map that falls into but one cell is pooled as a whole instead.
        """
        found: dict[Source, np.ndarray] = {}
        if (PIXELS, "whole") in self.sources:
            found[PIXELS, "whole"] = thumbnails(pixels)
        frozen = self._frozen(1 if pixels.shape[3] == 1 else 3, min(pixels.shape[1:3]), n_tiles)
        ways = {way for tap, way in self.sources if tap != PIXELS}
        grids = list(dict.fromkeys(cells if way == "cells" else WHOLE for way in sorted(ways)))
        for tap, of_tap in zip(self.taps, frozen.pooled(pixels, grids=grids), strict=True):
            parts: dict[Pooling, np.ndarray] = {
                "cells" if part.shape[2] > 1 else "whole": part for part in of_tap
            }
            for way, part in parts.items():
                instead = "cells" not in parts and (tap, "cells") in self.sources
                if (tap, way) in self.sources or instead:
                    found[tap, way] = part.reshape(len(pixels), -1)
        return found

    @property
    def taps(self) -> tuple[str, ...]:
        """The modules whose feature maps are looked at, from early to late."""
        named = {tap for tap, _ in self.sources}
        return tuple(tap for tap in self.backbone.taps if tap in named)

    def _frozen(self, channels: Channels, size: int, n_tiles: int) -> Frozen:
        """Return the network for tiles of a size; enlarging small ones would cost time and tell it nothing."""
        usual = self.backbone.size
        size = min(max(size, round(LEAST_SIZE * usual)), usual)
        if (channels, size) not in self._made:
            backbone = at_size(self.backbone, size)
            self._made[channels, size] = freeze(backbone, self.taps, channels=channels, n_tiles=n_tiles)
        return self._made[channels, size]

    @functools.cached_property
    def _made(self) -> dict[tuple[Channels, int], Frozen]:
        return {}


def thumbnails(pixels: np.ndarray) -> np.ndarray:
    """Average pictures to 28 x 28 pixels: float32 (n, 784 a channel), from 0 to 1.

    Examples
    --------
    >>> thumbnails(np.full((2, 224, 224, 1), 255, np.uint8))[:, :2].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    return torch.nn.functional.adaptive_avg_pool2d(images, THUMBNAIL).flatten(1).numpy()


def at_size(backbone: Backbone, size: int) -> Backbone:
    """Return a backbone that takes images of another size, or as it is where its network takes but one.

    Examples
    --------
    >>> from phosphene.pipeline.backbones.backbone import load_backbone
    >>> at_size(load_backbone("resnet18", pretrained=False), 112).size
    112
    >>> at_size(load_backbone("vit_b_16", pretrained=False), 112).size
    224
    """
    if size == backbone.size:
        return backbone
    try:
        with torch.inference_mode():
            backbone.body(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError):
        return backbone
    return replace(backbone, size=size)


@dataclass(frozen=True, eq=False)
class Features:
    """Features of items, by view, stage and way of pooling.

    Parameters
    ----------
    places
        int (n,), rising, the places of the items among the tiles.
    blocks
        float32 (n, n_features) each.
    """

    places: np.ndarray
    blocks: dict[Block, np.ndarray]

    @property
    def has_cells(self) -> bool:
        """Whether any view is pooled by cells."""
        return any(way == "cells" for _, _, way in self.blocks)

    @property
    def has_pixels(self) -> bool:
        """Whether the pictures themselves are there."""
        return any(tap == PIXELS for _, tap, _ in self.blocks)

    def rows(self, places: np.ndarray, shares: Mapping[Source, float]) -> "Rows":
        """Return the blocks of some items, of all views, for sources that weigh so much each.

        The views share what a source weighs equally; one without cells is pooled as a whole.
        """
        weights: dict[Block, float] = {}
        for source, share in shares.items():
            found = self._of_source(source)
            for block in found:
                weights[block] = weights.get(block, 0.0) + share / len(found)
        rows = np.searchsorted(self.places, places)
        chosen = [block for block in self.blocks if block in weights]
        pixels = tuple(place for place, (_, tap, _) in enumerate(chosen) if tap == PIXELS)
        return Rows(
            [self.blocks[block][rows] for block in chosen], [weights[block] for block in chosen], pixels
        )

    def _of_source(self, source: Source) -> list[Block]:
        tap, way = source
        return [
            block
            for block in self.blocks
            if block[1] == tap and block[2] == (way if (block[0], tap, way) in self.blocks else "whole")
        ]


@dataclass(frozen=True, eq=False)
class Rows:
    """Blocks of features of the same items.

    Parameters
    ----------
    blocks
        float32 (n, n_features) each.
    shares
        What each block weighs.
    pixels
        Which of the blocks are pictures themselves.
    """

    blocks: list[np.ndarray]
    shares: list[float]
    pixels: tuple[int, ...]


def view_features(
    extractor: Extractor, tiles: Tiles, places: np.ndarray | None = None, *, progress: bool = True
) -> Features:
    """Return the features of all views of the items at `places`, or of all; items that failed are left out."""
    drawn = tiles.drawn if places is None else np.intersect1d(tiles.drawn, places)
    blocks: dict[Block, np.ndarray] = {}
    with tqdm(
        total=len(drawn) * len(tiles.views),
        unit="tile",
        desc="features",
        delay=1.0,
        disable=None if progress else True,
    ) as bar:
        for view, converter in enumerate(tiles.views):
            for start in range(0, len(drawn), AT_A_TIME):
                some = slice(start, min(start + AT_A_TIME, len(drawn)))
                found = extractor(tiles.pixels(drawn[some], view), cells=converter.cells, n_tiles=bar.total)
                for (tap, pooling), values in found.items():
                    shape = (len(drawn), values.shape[1])
                    blocks.setdefault((view, tap, pooling), np.empty(shape, np.float32))[some] = values
                bar.update(some.stop - some.start)
    return Features(drawn, blocks)
