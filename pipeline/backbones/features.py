"""Features of a frozen network: its maps at several layers, pooled, and the pixels themselves, for tiles of items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from phosphene.converters.core.converter import ByPixel
from phosphene.pipeline.tiles.item_map import Progress

from ..tiles.engines import Engine, make_engine
from ..tiles.render import Tiles
from .backbone import Backbone
from .frozen import WHOLE, Frozen, freeze

Pooling = Literal["whole", "cells"]
PooledLayer = tuple[str, Pooling]
"""A layer of a network, and over what its maps are pooled."""
Block = tuple[int, str, Pooling]
"""View, layer and way of pooling of a block of features."""

PIXELS = "pixels"
"""Named as a layer, the image itself, before the first layer."""
EACH_PIXEL = "each pixel"
IN_PROPORTION = "each pixel in proportion"
EACH = (EACH_PIXEL, IN_PROPORTION)
"""Named as a layer, every pixel of a view whose pixels are features by themselves; it stands for all layers of it."""
THUMBNAIL = 28
"""Pixels along each side to which images are averaged as features."""
LEAST_SIZE = 0.4
"""Tiles smaller than this share of the size that a network wants are enlarged to it: its last maps would be empty."""
AT_A_TIME = 128
"""Tiles in memory."""


def all_pooled_layers(backbone: Backbone) -> tuple[PooledLayer, ...]:
    """List the pixels, and every layer of a network pooled either way."""
    ways: tuple[Pooling, ...] = ("whole", "cells")
    return ((PIXELS, "whole"), *((layer, way) for layer in backbone.layers for way in ways))


@dataclass(frozen=True, eq=False)
class Extractor:
    """A frozen network and its layers whose maps are pooled, as a whole or by the cells that a view names."""

    backbone: Backbone
    pooled_layers: tuple[PooledLayer, ...]
    made: dict[int, Frozen] = field(default_factory=dict, repr=False)

    def some(self, pooled_layers: Sequence[PooledLayer]) -> "Extractor":
        """Return one of fewer layers, which shares the frozen networks."""
        return replace(self, pooled_layers=tuple(pooled_layers))

    def __call__(
        self, pixels: np.ndarray, *, cells: tuple[int, int] = WHOLE, by_pixel: ByPixel = ""
    ) -> dict[PooledLayer, np.ndarray]:
        """Return mean, maximum and deviation of every feature map or cell: float32 (n, n_features) by pooled layer."""
        if by_pixel:
            layer = IN_PROPORTION if by_pixel == "in proportion" else EACH_PIXEL
            return {(layer, "whole"): pixels.reshape(len(pixels), -1) / np.float32(255)}
        found: dict[PooledLayer, np.ndarray] = {}
        if (PIXELS, "whole") in self.pooled_layers:
            found[PIXELS, "whole"] = thumbnails(pixels)
        if not self.layers:
            return found
        frozen = self._frozen(max(pixels.shape[1:3]))
        ways = {way for layer, way in self.pooled_layers if layer != PIXELS}
        grids = list(dict.fromkeys(cells if way == "cells" else WHOLE for way in sorted(ways)))
        for layer, of_layer in zip(self.layers, frozen.pooled(pixels, grids=grids), strict=True):
            parts: dict[Pooling, np.ndarray] = {
                "cells" if part.shape[2] > 1 else "whole": part for part in of_layer
            }
            for way, part in parts.items():
                instead = "cells" not in parts and (layer, "cells") in self.pooled_layers
                if (layer, way) in self.pooled_layers or instead:
                    found[layer, way] = part.reshape(len(pixels), -1)
        return found

    def maps(self, pixels: np.ndarray) -> dict[str, torch.Tensor]:
        """Return what is pooled: by layer float32 (n, n_features, height, width)."""
        frozen = self._frozen(max(pixels.shape[1:3]))
        return dict(zip(self.layers, frozen.maps(pixels), strict=True))

    @property
    def layers(self) -> tuple[str, ...]:
        """The modules whose feature maps are pooled, from early to late."""
        named = {layer for layer, _ in self.pooled_layers}
        return tuple(layer for layer in self.backbone.layers if layer in named)

    def backbone_for(self, size: int) -> Backbone:
        """Return the network for tiles whose longer side is `size`; to enlarge small ones would tell it nothing."""
        return at_size(self.backbone, self._size_for(size))

    def _size_for(self, size: int) -> int:
        usual = self.backbone.size
        return min(max(size, round(LEAST_SIZE * usual)), usual)

    def _frozen(self, size: int) -> Frozen:
        wanted = self._size_for(size)
        if wanted not in self.made:
            self.made[wanted] = freeze(self.backbone_for(size), self.layers)
        return replace(self.made[wanted], layers=self.layers)

    def __getstate__(self) -> dict[str, object]:
        """Leave out what is made anew in another process: it cannot travel."""
        return vars(self) | {"made": {}}


def thumbnails(pixels: np.ndarray) -> np.ndarray:
    """Average images to 28 x 28 pixels: float32 (n, 784 a channel), from 0 to 1.

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
    """Features of items by view, layer and way of pooling: float32 (n, n_features) by block, for indices that rise."""

    indices: np.ndarray
    blocks: dict[Block, np.ndarray]

    @property
    def has_cells(self) -> bool:
        """Whether any view is pooled by cells."""
        return any(way == "cells" for _, _, way in self.blocks)

    @property
    def has_pixels(self) -> bool:
        """Whether the pixels are among them."""
        return any(layer == PIXELS for _, layer, _ in self.blocks)

    @property
    def seen_by_network(self) -> list[int]:
        """The views of which there are layers, and not each pixel."""
        return sorted({view for view, layer, _ in self.blocks if layer not in EACH})

    def of_views(self, views: Sequence[int]) -> "Features":
        """Return the features of some views."""
        return Features(
            self.indices, {block: values for block, values in self.blocks.items() if block[0] in views}
        )

    def select(
        self,
        indices: np.ndarray,
        weights: Mapping[PooledLayer, float],
        views: Mapping[int, float] | None = None,
    ) -> "FeatureBlocks":
        """Return the blocks of some items, of all views, for weighted layers.

        The weight of a layer is divided among the views by theirs, or equally where none are given; a view without
        cells is pooled as a whole, and one whose pixels are features has these for every layer.
        """
        of_block: dict[Block, float] = {}
        for layer, weight in weights.items():
            found = self._of_layer(layer)
            for block in found:
                share = views[block[0]] if views else 1 / len(found)
                of_block[block] = of_block.get(block, 0.0) + weight * share
        all_of_them = np.array_equal(indices, self.indices)
        rows = slice(None) if all_of_them else np.searchsorted(self.indices, indices)
        chosen = [block for block in self.blocks if block in of_block]
        pixels = tuple(i for i, (_, name, _) in enumerate(chosen) if name in (PIXELS, IN_PROPORTION))
        return FeatureBlocks(
            [self.blocks[block][rows] for block in chosen], [of_block[block] for block in chosen], pixels
        )

    def _of_layer(self, pooled: PooledLayer) -> list[Block]:
        layer, way = pooled
        return [
            block
            for block in self.blocks
            if block[1] in EACH
            or (block[1] == layer and block[2] == (way if (block[0], layer, way) in self.blocks else "whole"))
        ]


@dataclass(frozen=True, eq=False)
class FeatureBlocks:
    """Blocks of features of the same items, float32 (n, n_features) each, their weights, and which are pixels."""

    blocks: list[np.ndarray]
    weights: list[float]
    pixels: tuple[int, ...]


def view_features(
    extractor: Extractor,
    tiles: Tiles,
    indices: np.ndarray | None = None,
    *,
    engine: Literal["local", "ray"] | Engine = "local",
    progress: bool = True,
) -> Features:
    """Return the features of all views of some items, or of all; items that failed are not among them.

    With `ray` other machines compute them, which find the tiles in the store that they share, or draw them again.
    """
    drawn = tiles.drawn if indices is None else np.intersect1d(tiles.drawn, indices)
    parts = [
        (view, slice(start, min(start + AT_A_TIME, len(drawn))))
        for view in range(len(tiles.views))
        for start in range(0, len(drawn), AT_A_TIME)
    ]
    tasks = (tiles.of_items(drawn[some]).of_views([view]) for view, some in parts)
    results = make_engine(engine, None).stream(_OfOneView(extractor), tasks)
    blocks: dict[Block, np.ndarray] = {}
    total = len(drawn) * len(tiles.views)
    with Progress(total=total, unit="tile", desc="features", delay=1.0, shown=progress) as bar:
        for (view, some), found in zip(parts, results, strict=True):
            for (layer, pooling), values in found.items():
                shape = (len(drawn), values.shape[1])
                blocks.setdefault((view, layer, pooling), np.empty(shape, np.float32))[some] = values
            bar.update(some.stop - some.start)
    return Features(drawn, blocks)


@dataclass(frozen=True)
class _OfOneView:
    """Returns the features of tiles of one view, in whatever process."""

    extractor: Extractor

    def __call__(self, tiles: Tiles) -> dict[PooledLayer, np.ndarray]:
        (view,) = tiles.views
        pixels = tiles.pixels(range(len(tiles)))
        return self.extractor(pixels, cells=view.cells, by_pixel=view.by_pixel)
