"""A frozen network from tiles to the layers that are looked at, and what is pooled from them."""

import copy
import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
import torch
from torch.nn import functional

from phosphene.converters import ParameterError

from .autotune import SAFE, Engine, Plan, decide
from .backbone import Backbone, feature_maps, input_tensor
from .cpu import fold_batch_norms, multiplies_bfloat16, one_thread
from .fused import Cut, Fused

Channels = Literal[1, 3]
Network = Callable[[np.ndarray], list[torch.Tensor]]
_Made = TypeVar("_Made")

# Largest difference from the plain network, of the largest value of a map; rounding makes 1e-5.
_ROUNDING = 1e-3
# Largest difference that bfloat16 may make to pooled features, root mean square, of their own root mean square.
_COARSENESS = 0.02
_SAMPLE = 32


@dataclass(frozen=True, eq=False)
class Frozen:
    """A network that learns no more, in the form in which it runs fastest here.

    Made by `freeze`. The same tile gives the same numbers but for the last digits (1e-5 of a map's largest value),
    whatever tiles it comes with.

    Parameters
    ----------
    backbone
        The network as it was loaded; it stays as it is.
    layers
        Names of its modules whose feature maps are looked at.
    channels
        Of the tiles: 1 for grey ones, 3 for colours.
    plan
        How tiles go through it.
    network
        Tiles to maps, one a layer, in the plan's engine and precision.
    """

    backbone: Backbone
    layers: tuple[str, ...]
    channels: Channels
    plan: Plan
    network: Network

    def maps(self, pixels: np.ndarray) -> list[torch.Tensor]:
        """Return the feature maps of tiles.

        Parameters
        ----------
        pixels
            uint8 (n, height, width, channels).

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
            uint8 (n, height, width, channels).
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
        from .pooling import pool_all

        if not grids or any(count < 1 for grid in grids for count in grid):
            raise ParameterError(f"grids must be one or more pairs of numbers >= 1, got {list(grids)}")
        pooled = self._each(pixels, lambda maps: [part for one in maps for part in pool_all(one, grids)])
        parts = [np.concatenate(part) for part in zip(*pooled, strict=True)]
        return [parts[start : start + len(grids)] for start in range(0, len(parts), len(grids))]

    def _each(self, pixels: np.ndarray, finish: Callable[[list[torch.Tensor]], _Made]) -> list[_Made]:
        """Run batch by batch, and finish each where it was computed."""
        self._check(pixels)
        batches = [
            pixels[start : start + self.plan.batch] for start in range(0, len(pixels), self.plan.batch)
        ]
        workers = min(torch.get_num_threads(), len(batches)) if self.plan.threads == "apart" else 1

        def compute(batch: np.ndarray) -> _Made:
            with torch.inference_mode():
                return finish([one.float() for one in self.network(batch)])

        return (
            _in_threads(compute, batches, workers) if workers > 1 else [compute(batch) for batch in batches]
        )

    def _check(self, pixels: np.ndarray) -> None:
        if (
            pixels.dtype != np.uint8
            or pixels.ndim != 4
            or pixels.shape[3] != self.channels
            or not len(pixels)
        ):
            wanted = f"uint8 (n, height, width, {self.channels}) with n >= 1"
            raise ParameterError(f"tiles must be {wanted}, got {pixels.dtype} {pixels.shape}")


def freeze(
    backbone: Backbone,
    layers: Sequence[str],
    *,
    channels: Channels = 1,
    n_tiles: int = 0,
    sample: np.ndarray | None = None,
    plan: Plan | None = None,
) -> Frozen:
    """Make the form of a network in which its features are computed fastest.

    Whatever the form, it is compared with the plain network once; what answers differently is not taken.

    Parameters
    ----------
    backbone
        The network.
    layers
        Names of its modules whose feature maps are looked at.
    channels
        Of the tiles: 1 for grey ones, 3 for colours.
    n_tiles
        About how many are to come: where they are many, what is fastest here is measured, and remembered.
    sample
        A few of them, uint8 (n, height, width, channels). Only if bfloat16 gives their features to within 2 %, where
        the processor has it, it is among what is measured.
    plan
        How tiles go through the network; None to decide by measurement.

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
    maker = _Maker(backbone, tuple(layers), channels)
    if plan is not None:
        return maker.make(plan)
    safe = replace(SAFE, engine=maker.engine)
    about = {
        "network": backbone.name,
        "layers": list(layers),
        "size": backbone.size,
        "channels": channels,
        "engine": safe.engine,
        "bfloat16": sample is not None,
    }
    return maker.make(decide(about, lambda: maker.calls(safe, sample), n_tiles=n_tiles, safe=safe))


class _Maker:
    """Makes the forms of one network, each once."""

    def __init__(self, backbone: Backbone, layers: tuple[str, ...], channels: Channels) -> None:
        self.backbone, self.layers, self.channels = backbone, layers, channels
        self._networks: dict[tuple[str, str], Network] = {}

    @property
    def engine(self) -> Engine:
        """The first engine that answers as the plain network does."""
        noise = np.random.default_rng(0).integers(
            0, 256, (2, *(self.backbone.size,) * 2, self.channels), np.uint8
        )
        engines: tuple[Engine, ...] = ("fused", "folded")
        with one_thread(), torch.inference_mode():
            expected = feature_maps(
                self.backbone.body, input_tensor(noise, self.backbone), layers=self.layers
            )
            return next((engine for engine in engines if self._agrees(engine, noise, expected)), "plain")

    def make(self, plan: Plan) -> Frozen:
        """Return the network as a plan wants it."""
        return Frozen(
            self.backbone, self.layers, self.channels, plan, self._network(plan.engine, plan.precision)
        )

    def calls(self, safe: Plan, sample: np.ndarray | None) -> dict[Plan, Callable[[], object]]:
        """Return for every plan that may be fastest a call that takes a few tiles through the network."""
        shape = (_SAMPLE, *(self.backbone.size,) * 2, self.channels)
        tiles = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        plans = list(_plans(safe))
        if sample is not None and multiplies_bfloat16():
            plans += [
                coarse
                for plan in plans
                if self._is_close(coarse := replace(plan, precision="bfloat16"), sample)
            ]
        return {plan: functools.partial(self.make(plan).pooled, tiles) for plan in plans}

    def _network(self, engine: Engine, precision: str = "float32") -> Network:
        if (engine, precision) not in self._networks:
            made = _fused if engine == "fused" else _eager
            self._networks[engine, precision] = made(
                self.backbone, self.layers, self.channels, engine, getattr(torch, precision)
            )
        return self._networks[engine, precision]

    def _agrees(self, engine: Engine, noise: np.ndarray, expected: list[torch.Tensor]) -> bool:
        """Tell whether an engine works here, and answers as expected."""
        try:
            got = self._network(engine)(noise)
        except (RuntimeError, AttributeError, ValueError, KeyError):
            return False
        return all(
            one.shape == other.shape and bool((one - other).abs().max() <= _ROUNDING * other.abs().max())
            for one, other in zip(got, expected, strict=True)
        )

    def _is_close(self, coarse: Plan, sample: np.ndarray) -> bool:
        """Tell whether the pooled features of tiles stay what they are in another precision."""
        try:
            got = self.make(coarse).pooled(sample[:_SAMPLE])
        except RuntimeError:
            return False
        expected = self.make(replace(coarse, precision="float32")).pooled(sample[:_SAMPLE])
        return all(
            float(np.sqrt(np.mean((one - other) ** 2))) <= _COARSENESS * float(np.sqrt(np.mean(other**2)))
            for (one,), (other,) in zip(got, expected, strict=True)
        )


def _plans(safe: Plan) -> Iterator[Plan]:
    yield safe
    for batch in (1, 8):
        yield replace(safe, batch=batch)
    for batch in (8, 32):
        yield replace(safe, batch=batch, threads="together")


def _fused(
    backbone: Backbone, layers: tuple[str, ...], channels: int, engine: Engine, dtype: torch.dtype
) -> Network:
    network = Fused(backbone, layers, channels=channels)
    network.cut.to(dtype)
    return lambda pixels: network(_sized(pixels, backbone.size))


def _eager(
    backbone: Backbone, layers: tuple[str, ...], channels: int, engine: Engine, dtype: torch.dtype
) -> Network:
    body = fold_batch_norms(backbone.body, size=backbone.size) if engine == "folded" else backbone.body
    own = copy.deepcopy(body).to(dtype).to(memory_format=torch.channels_last)
    network = Cut(own, layers, last=None)
    return lambda pixels: network(input_tensor(pixels, backbone).to(dtype))


def _sized(pixels: np.ndarray, size: int) -> torch.Tensor:
    """Return tiles of the size that a network takes, as (n, size, size, channels)."""
    tiles = torch.from_numpy(pixels)
    if tiles.shape[1:3] == (size, size):
        return tiles
    levels = tiles.permute(0, 3, 1, 2).to(torch.float32)
    resized = functional.interpolate(levels, size=(size, size), mode="bilinear", antialias=True)
    return resized.permute(0, 2, 3, 1)


def _in_threads(
    compute: Callable[[np.ndarray], _Made], batches: list[np.ndarray], workers: int
) -> list[_Made]:
    """Compute batches in threads that work alone: they need not wait for each other after every layer."""

    def alone(share: list[np.ndarray]) -> list[_Made]:
        with one_thread():
            return [compute(batch) for batch in share]

    shares = [batches[worker::workers] for worker in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(alone, shares))
    return [parts[place % workers][place // workers] for place in range(len(batches))]
