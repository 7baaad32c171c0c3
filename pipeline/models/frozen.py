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

    def pooled(self, pixels: np.ndarray, *, bands: int = 1) -> list[np.ndarray]:
        """Return the mean, the maximum and the standard deviation of every feature map, or of bands of its rows.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, channels).
        bands
            Into how many parts of equal height the maps are cut; where rows do not divide evenly, a row at a border
            belongs to both parts.

        Returns
        -------
        list of numpy.ndarray
            float32 (n, 3, bands, n_features), one a tap; the axis of three is mean, maximum, deviation.
        """
        with torch.inference_mode():
            parts = [
                [pool(one, bands=bands) for one in self.maps(pixels[start : start + BATCH])]
                for start in range(0, len(pixels), BATCH)
            ]
            return [torch.cat(part).numpy() for part in zip(*parts, strict=True)]


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
    >>> [means.shape for means in frozen.pooled(tiles, bands=4)]
    [(2, 3, 4, 6), (2, 3, 4, 16)]
    """
    folded = fold_batch_norms(backbone.body, size=backbone.size)
    return Frozen(backbone, tuple(taps), channels, folded.to(memory_format=torch.channels_last))


def pool(maps: torch.Tensor, *, bands: int = 1) -> torch.Tensor:
    """Pool maps (n, channels, height, width) to their means, maxima and deviations: (n, 3, bands, channels)."""
    height = maps.shape[2]
    edges = [(band * height // bands, -(-(band + 1) * height // bands)) for band in range(bands)]
    return torch.stack([_statistics(maps[:, :, top:bottom]) for top, bottom in edges], 2)


def _statistics(maps: torch.Tensor) -> torch.Tensor:
    flat = maps.flatten(2)
    spread, mean = torch.std_mean(flat, dim=2, correction=0)
    return torch.stack([mean, flat.amax(2), spread], 1)
