"""A frozen network from its input to the layers that are looked at, and what is pooled from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from .backbones import Backbone, feature_maps, input_tensor
from .speed import fold_batch_norms

BATCH = 32


@dataclass(frozen=True, eq=False)
class Frozen:
    """A network that learns no more, in the form in which it runs fastest here.

    Made by `freeze`.

    Parameters
    ----------
    backbone
        The network as it was loaded; it stays as it is.
    taps
        Names of its modules whose feature maps are looked at.
    channels
        Of the tiles: 1 for grey ones, 3 for colours.
    """

    backbone: Backbone
    taps: tuple[str, ...]
    channels: Literal[1, 3]
    body: nn.Module

    def maps(self, pixels: np.ndarray) -> list[torch.Tensor]:
        """Return the feature maps of tiles.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, channels).

        Returns
        -------
        list of torch.Tensor
            float32 (n, n_features, height, width), one a tap.
        """
        with torch.inference_mode():
            parts = [
                feature_maps(
                    self.body, input_tensor(pixels[start : start + BATCH], self.backbone), taps=self.taps
                )
                for start in range(0, len(pixels), BATCH)
            ]
            return [torch.cat(part) for part in zip(*parts, strict=True)]

    def pooled(
        self, pixels: np.ndarray, *, grids: Sequence[tuple[int, int]] = ((1, 1),)
    ) -> list[list[np.ndarray]]:
        """Return the mean, the maximum and the standard deviation of every feature map, or of cells of it.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, channels).
        grids
            Into how many rows and columns of cells the maps are cut, once for each way to pool them; (1, 1) is the
            whole. A cell is three positions of the map wide at least, or there are fewer.

        Returns
        -------
        list of list of numpy.ndarray
            For each tap and grid float32 (n, 3, n_cells, n_features); the axis of three is mean, maximum, deviation.
        """
        with torch.inference_mode():
            parts = [
                [[pool(one, grid=grid) for grid in grids] for one in self.maps(pixels[start : start + BATCH])]
                for start in range(0, len(pixels), BATCH)
            ]
            return [
                [torch.cat(pieces).numpy() for pieces in zip(*of_tap, strict=True)]
                for of_tap in zip(*parts, strict=True)
            ]


def freeze(backbone: Backbone, taps: Sequence[str], *, channels: Literal[1, 3] = 1) -> Frozen:
    """Make the form of a network in which its features are computed fastest.

    Parameters
    ----------
    backbone
        The network.
    taps
        Names of its modules whose feature maps are looked at.
    channels
        Of the tiles: 1 for grey ones, 3 for colours.

    Examples
    --------
    >>> from phosphene.pipeline.models.backbones import load_backbone
    >>> frozen = freeze(load_backbone("lenet", pretrained=False), ["features.0.1", "features.1.1"])
    >>> tiles = np.zeros((2, 64, 64, 1), np.uint8)
    >>> [tuple(maps.shape) for maps in frozen.maps(tiles)]
    [(2, 6, 60, 60), (2, 16, 26, 26)]
    >>> [[part.shape for part in of_tap] for of_tap in frozen.pooled(tiles, grids=[(1, 1), (4, 2)])]
    [[(2, 3, 1, 6), (2, 3, 8, 6)], [(2, 3, 1, 16), (2, 3, 8, 16)]]
    """
    folded = fold_batch_norms(backbone.body, size=backbone.size)
    return Frozen(backbone, tuple(taps), channels, folded.to(memory_format=torch.channels_last))


def pool(maps: torch.Tensor, *, grid: tuple[int, int] = (1, 1)) -> torch.Tensor:
    """Pool maps (n, channels, height, width) to means, maxima and deviations of cells: (n, 3, n_cells, channels)."""
    down, across = (_edges(count, size) for count, size in zip(grid, maps.shape[2:], strict=True))
    return torch.stack(
        [_statistics(maps[:, :, top:bottom, left:right]) for top, bottom in down for left, right in across], 2
    )


def _edges(count: int, size: int) -> list[tuple[int, int]]:
    """Cut so many positions into parts of nearly equal size, none below three positions unless it is the only one.

    Examples
    --------
    >>> _edges(4, 14), _edges(4, 7)
    ([(0, 3), (3, 7), (7, 10), (10, 14)], [(0, 3), (3, 7)])
    """
    count = max(1, min(count, size // 3))
    return [(part * size // count, (part + 1) * size // count) for part in range(count)]


def _statistics(maps: torch.Tensor) -> torch.Tensor:
    flat = maps.flatten(2)
    spread, mean = torch.std_mean(flat, dim=2, correction=0)
    return torch.stack([mean, flat.amax(2), spread], 1)
