"""Frozen networks on a CPU: from tiles to the maps of some layers, and to what is pooled from them, as fast as can be.

Tiles go through the network four at a time, each thread with its own: the maps of four stay in the processor's cache,
and threads need not wait for each other after every layer. Measured on two cores for EfficientNet-Lite0 and ResNet-18,
no other number is faster by more than 3 %, and all threads together on one batch are slower.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

import numpy as np
import torch
from threadpoolctl import ThreadpoolController

from phosphene.converters import ParameterError

from .backbone import Backbone, check_tiles, input_tensor
from .fused import CutBody, fused_body
from .pooling import pool_all

Form = Literal["fused", "plain"]
_Made = TypeVar("_Made")

BATCH = 4
# Largest difference from the plain network, of the largest value of a map; rounding makes 1e-5.
_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class Frozen:
    """A network that is not trained any more, in its fastest form.

    Made by `freeze`. A tile gives the same numbers but for the last digits (1e-5 of a map's largest value), whatever
    tiles come with it.

    Parameters
    ----------
    backbone
        The network as it was loaded; it stays as it is.
    layers
        Names of its modules whose feature maps are returned.
    form
        `fused`: convolutions with their activations, by oneDNN; `plain`: the network as it is.
    body
        Normalised images to maps, one a layer.
    """

    backbone: Backbone
    layers: tuple[str, ...]
    form: Form
    body: CutBody

    def maps(self, pixels: np.ndarray) -> list[torch.Tensor]:
        """Return the feature maps of tiles.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, 1 or 3).

        Returns
        -------
        list of torch.Tensor
            float32 (n, n_features, height, width), one a layer.

        Raises
        ------
        ParameterError
            The pixels have another type or shape, or there are none.
        """
        return [torch.cat(parts) for parts in zip(*self._each(pixels, list), strict=True)]

    def pooled(
        self, pixels: np.ndarray, *, grids: Sequence[tuple[int, int]] = ((1, 1),)
    ) -> list[list[np.ndarray]]:
        """Return the mean, the maximum and the standard deviation of every feature map, or of cells of it.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, 1 or 3).
        grids
            Into how many rows and columns of cells the maps are cut, once for each way to pool them; (1, 1) is the
            whole. Small maps fall into fewer.

        Returns
        -------
        list of list of numpy.ndarray
            For each layer and grid float32 (n, 3, n_cells, n_features); the axis of three is mean, maximum, deviation.

        Raises
        ------
        ParameterError
            The pixels have another type or shape, or there are none; or a grid has no cells.
        """
        if not grids or any(count < 1 for grid in grids for count in grid):
            raise ParameterError(f"grids must be one or more pairs of numbers >= 1, got {list(grids)}")
        pooled = self._each(pixels, lambda maps: [part for one in maps for part in pool_all(one, grids)])
        parts = [np.concatenate(part) for part in zip(*pooled, strict=True)]
        return [parts[start : start + len(grids)] for start in range(0, len(parts), len(grids))]

    def _each(self, pixels: np.ndarray, finish: Callable[[list[torch.Tensor]], _Made]) -> list[_Made]:
        """Run batch by batch, and finish each where it was computed."""
        check_tiles(pixels)
        if not len(pixels):
            raise ParameterError("tiles must be one or more, got none")
        batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
        workers = min(torch.get_num_threads(), len(batches))

        def compute(batch: np.ndarray) -> _Made:
            with torch.inference_mode():
                return finish(self.body(input_tensor(batch, self.backbone)))

        return (
            _in_threads(compute, batches, workers) if workers > 1 else [compute(batch) for batch in batches]
        )


def freeze(backbone: Backbone, layers: Sequence[str], *, form: Form | None = None) -> Frozen:
    """Make the form of a network in which its features are computed fastest.

    The fused form is compared with the plain network once; where it cannot be made, or gives other maps, the plain one
    is taken.

    Parameters
    ----------
    backbone
        The network.
    layers
        Names of its modules whose feature maps are returned.
    form
        None for the fastest.

    Examples
    --------
    >>> from phosphene.pipeline.backbones.backbone import load_backbone
    >>> frozen = freeze(load_backbone("lenet", pretrained=False), ["features.0.1", "features.1.1"])
    >>> tiles = np.zeros((2, 64, 64, 1), np.uint8)
    >>> [tuple(maps.shape) for maps in frozen.maps(tiles)]
    [(2, 6, 60, 60), (2, 16, 26, 26)]
    >>> [[part.shape for part in of_layer] for of_layer in frozen.pooled(tiles, grids=[(1, 1), (4, 2)])]
    [[(2, 3, 1, 6), (2, 3, 8, 6)], [(2, 3, 1, 16), (2, 3, 8, 16)]]
    """
    names = tuple(layers)
    plain = Frozen(backbone, names, "plain", CutBody(copy.deepcopy(backbone.body), names, last=None))
    if form == "plain":
        return plain
    try:
        fused = Frozen(backbone, names, "fused", fused_body(backbone.body, names, size=backbone.size))
        agrees = _agree(plain, fused)
    except (RuntimeError, AttributeError):  # no oneDNN here, or not for this network
        if form == "fused":
            raise
        agrees = False
    return fused if agrees or form == "fused" else plain


def _agree(plain: Frozen, fused: Frozen) -> bool:
    """Tell whether both forms give the same maps for noise."""
    shape = (2, plain.backbone.size, plain.backbone.size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with one_thread():
        pairs = zip(fused.maps(noise), plain.maps(noise), strict=True)
        return all(
            one.shape == other.shape and bool((one - other).abs().max() <= _ROUNDING * other.abs().max())
            for one, other in pairs
        )


def _in_threads(
    compute: Callable[[np.ndarray], _Made], batches: list[np.ndarray], workers: int
) -> list[_Made]:
    """Compute batches in threads, each on batches of its own."""

    def alone(share: list[np.ndarray]) -> list[_Made]:
        with one_thread():
            return [compute(batch) for batch in share]

    shares = [batches[worker::workers] for worker in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(alone, shares))
    return [parts[index % workers][index // workers] for index in range(len(batches))]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let the thread that calls this compute alone; other threads of the process keep theirs.

    `torch.set_num_threads` would change what threads started later take, too.
    """
    torch.get_num_threads()  # the first question in a thread makes torch set it; what is set after that holds
    with _pools().limit(limits=1, user_api="openmp"):
        yield


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()
