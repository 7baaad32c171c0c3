"""Frozen networks on a CPU: from tiles to the maps of some layers, and to what is pooled from them, as fast as can be.

Each convolution with its normalisation and activation is one operation of oneDNN. It has no public name in torch. What
torch offers publicly is slower, EfficientNet-Lite0 on one core: traced and frozen by torch.jit 1.2 times, with folded
normalisations 1.4 times, as it is 1.5 times.

Tiles of 224 pixels go through the network four at a time, of 112 sixteen, each thread with its own: their maps stay in
the processor's cache, and threads need not wait for each other after every layer. On two cores no other number is
faster by more than 3 %, and all threads together on one batch are slower.
"""

import contextlib
import copy
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

import numba
import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import nn
from torch.nn import functional

from phosphene.converters import ParameterError

from .backbone import Backbone, as_map, check_tiles, input_tensor

# What oneDNN computes on the way out of a convolution: its name there, and numbers.
_ACTIVATIONS: dict[type[nn.Module], tuple[str, tuple[float, ...]]] = {
    nn.ReLU: ("relu", ()),
    nn.ReLU6: ("hardtanh", (0.0, 6.0)),
    nn.Hardswish: ("hardswish", ()),
    nn.Hardsigmoid: ("hardsigmoid", ()),
    nn.SiLU: ("swish", ()),
    nn.Sigmoid: ("sigmoid", ()),
}
_LAYOUTS_KEPT = 8


def fold_batch_norms(body: nn.Module, *, size: int) -> nn.Module:
    """Return a copy for inference, in which every batch normalisation right behind a convolution is part of it.

    Which follows which is guessed from the order of the submodules; where the copy gives other features the body itself
    is returned. Names of submodules and outputs of normalisations stay, but not the parameters of these.
    """
    folded = _folded(body)
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        expected, got = body(noise), folded(noise)
    return folded if (expected - got).abs().max() <= _ROUNDING * expected.abs().max() else body


def _folded(body: nn.Module) -> nn.Module:
    folded = copy.deepcopy(body.eval())
    for parent in list(folded.modules()):
        for first, second in itertools.pairwise(list(parent._modules)):
            _fold_pair(parent, first, second)
    return folded


def _fold_pair(parent: nn.Module, first: str, second: str) -> None:
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    conv, norm = parent._modules[first], parent._modules[second]
    if not isinstance(conv, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
        return
    if norm.running_mean is None or conv.out_channels != norm.num_features:
        return
    setattr(parent, first, fuse_conv_bn_eval(conv, norm))
    # timm's normalisations hold their activation; torch's do nothing more.
    rest = (getattr(norm, "drop", None), getattr(norm, "act", None))
    setattr(parent, second, nn.Sequential(*(module for module in rest if module is not None)))


class FusedConv(nn.Module):
    """A convolution and the activation behind it as one operation of oneDNN, the weights in the layout it likes."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        padding: Sequence[int],
        conv: nn.Conv2d,
        activation: tuple[str, tuple[float, ...]],
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias.detach())
        self.geometry = (list(padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.activation = activation
        self._packed: dict[torch.Size, torch.Tensor] = {}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the activated maps."""
        name, numbers = self.activation
        weight = self._packed.get(images.shape)
        if weight is None:
            weight = self._pack(images)
        output: torch.Tensor = torch.ops.mkldnn._convolution_pointwise(
            images, weight, self.bias, *self.geometry, name, list(numbers), ""
        )
        return output

    def _pack(self, images: torch.Tensor) -> torch.Tensor:
        packed: torch.Tensor = torch.ops.mkldnn._reorder_convolution_weight(
            self.weight, *self.geometry, list(images.shape)
        )
        if len(self._packed) < _LAYOUTS_KEPT:
            self._packed[images.shape] = packed
        return packed


class _DoneError(Exception):
    """All layers have been seen."""


class CutBody(nn.Module):
    """A body (with hooks, so one's own) that returns the maps of layers; several threads may call it at once.

    It ends behind the last that is asked for, where the `order` is known in which they are reached, each once.
    """

    def __init__(self, body: nn.Module, layers: Sequence[str], *, order: Sequence[str] = ()) -> None:
        super().__init__()
        self.body, self.layers, self.order = body, tuple(layers), tuple(order)
        self._seen = threading.local()
        for layer in layers:
            body.get_submodule(layer).register_forward_hook(self._catcher(layer))

    def forward(self, images: torch.Tensor, layers: Sequence[str] | None = None) -> list[torch.Tensor]:
        """Return the maps (n, channels, height, width) of some of the layers, or of all."""
        layers = self.layers if layers is None else layers
        seen = self._seen.maps = {}
        self._seen.last = next((layer for layer in reversed(self.order) if layer in layers), None)
        with contextlib.suppress(_DoneError):
            self.body(images)
        return [as_map(seen[layer]) for layer in layers]

    def _catcher(self, layer: str) -> Callable[[nn.Module, object, torch.Tensor], None]:
        def catch(module: nn.Module, arguments: object, output: torch.Tensor) -> None:
            self._seen.maps[layer] = output
            if layer == self._seen.last:
                raise _DoneError

        return catch


def fused_body(body: nn.Module, layers: Sequence[str], *, size: int, folded: bool = True) -> CutBody:
    """Return a copy of a body for inference, fused and cut behind the last of some layers.

    Where `folded`, normalisations are part of the convolutions that stand before them, which may be those of others.
    """
    own = _folded(body) if folded else copy.deepcopy(body)
    inputs, fired = _watch(own, layers, size)
    spared = {own.get_submodule(layer) for layer in layers}
    for parent in list(own.modules()):
        for index, child in enumerate(list(parent._modules.values())):
            if isinstance(child, nn.Conv2d) and child in inputs:
                _fuse(child, inputs[child], parent, index, spared=spared)
    return CutBody(own, layers, order=fired if len(set(fired)) == len(fired) else ())


def _watch(
    body: nn.Module, layers: Sequence[str], size: int
) -> tuple[dict[nn.Conv2d, tuple[int, int]], list[str]]:
    """Run a body once: height and width of what goes into each convolution called once, and the order of the layers."""
    calls: dict[nn.Conv2d, list[tuple[int, int]]] = {}
    fired: list[str] = []

    def note(conv: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        height, width = arguments[0].shape[2:]
        calls.setdefault(conv, []).append((height, width))

    handles: list[Any] = [conv.register_forward_pre_hook(note) for conv in body.modules() if _is_known(conv)]
    for layer in layers:
        handles.append(
            body.get_submodule(layer).register_forward_hook(
                lambda m, a, out, layer=layer: fired.append(layer)
            )
        )
    with torch.inference_mode():
        body(torch.zeros(1, 3, size, size))
    for handle in handles:
        handle.remove()
    return {conv: seen[0] for conv, seen in calls.items() if len(seen) == 1}, fired


def _is_known(module: nn.Module) -> bool:
    """Tell whether a module is a convolution of a sort that pads as `_symmetric` says."""
    if type(module) is nn.Conv2d:
        return module.padding_mode == "zeros" and not isinstance(module.padding, str)
    same = isinstance(module, nn.Conv2d) and type(module).__name__ == "Conv2dSame"
    return same and module.dilation == (1, 1)


def _fuse(
    conv: nn.Conv2d, sides: tuple[int, int], parent: nn.Module, index: int, *, spared: set[nn.Module]
) -> None:
    """Put a `FusedConv` for a convolution, and an identity for its activation."""
    weight, padding = _symmetric(conv, sides)
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias
    names = list(parent._modules)
    activation: tuple[str, tuple[float, ...]] = ("none", ())
    found = None if conv in spared else _activation_behind(parent, index, spared)
    if found is not None:
        name, activation = found
        setattr(parent, name, nn.Identity())
    setattr(parent, names[index], FusedConv(weight, bias, padding, conv, activation))


def _activation_behind(
    parent: nn.Module, index: int, spared: set[nn.Module]
) -> tuple[str, tuple[str, tuple[float, ...]]] | None:
    """Find the activation that certainly follows: what a folded normalisation left, or the next of a sequence."""
    for name, child in list(parent._modules.items())[index + 1 :]:
        parts = child.modules() if child else ()
        left = [part for part in parts if not isinstance(part, nn.Sequential | nn.Identity)]
        if len(left) == 1 and type(left[0]) in _ACTIVATIONS:
            certain = isinstance(parent, nn.Sequential) or type(child) is nn.Sequential
            return (name, _ACTIVATIONS[type(left[0])]) if certain else None
        if left or child in spared:
            return None
    return None


def _symmetric(conv: nn.Conv2d, sides: tuple[int, int]) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Return weights and padding that is equal on both sides.

    TensorFlow's `same` pads one more below and to the right where the sum is odd; then a row and a column of zeros
    before the weights make up for one more above and to the left. To copy the maps into a frame costs more.
    """
    if type(conv) is nn.Conv2d and not isinstance(conv.padding, str):
        return conv.weight.detach(), conv.padding
    totals = []
    for side, width, stride in zip(sides, conv.kernel_size, conv.stride, strict=True):
        reach = (-(-side // stride) - 1) * stride + width
        totals.append(max(reach - side, 0))
    (rows, columns) = totals
    framed = functional.pad(conv.weight.detach(), (columns % 2, 0, rows % 2, 0))
    return framed, (rows - rows // 2, columns - columns // 2)


Grid = tuple[int, int]
WHOLE: Grid = (1, 1)
LEAST_POSITIONS = 3
"""Least width and height of a cell, in positions of the map; small maps have fewer cells."""


def pool_all(maps: torch.Tensor, grids: Sequence[Grid]) -> list[np.ndarray]:
    """Pool feature maps once for each grid, as `pool` does; what the whole is follows from its cells.

    Examples
    --------
    >>> whole, cells = pool_all(torch.arange(24.0).reshape(1, 1, 6, 4), [(1, 1), (2, 1)])
    >>> whole[0, :2, :, 0].tolist(), cells[0, :2, :, 0].tolist()
    ([[11.5], [23.0]], [[5.5, 17.5], [11.0, 23.0]])
    """
    pooled = {grid: pool(maps, grid=grid) for grid in grids if grid != WHOLE}
    if WHOLE in grids:
        grid = next(iter(pooled), WHOLE)
        pooled[WHOLE] = _joined(pooled[grid], _areas(grid, maps)) if pooled else pool(maps)
    return [pooled[grid] for grid in grids]


def _areas(grid: Grid, maps: torch.Tensor) -> np.ndarray:
    """Return what share of the map each cell covers, float32 (n_cells, 1)."""
    down, across = (
        np.array([end - start for start, end in cell_edges(count, size)])
        for count, size in zip(grid, maps.shape[2:], strict=True)
    )
    areas = np.outer(down, across).reshape(-1, 1)
    return np.asarray(areas / areas.sum(), np.float32)


def _joined(cells: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """Make the mean, the maximum and the deviation of the whole from those of its cells."""
    means, most, spreads = cells[:, 0], cells[:, 1], cells[:, 2]
    mean = (means * areas).sum(axis=1, keepdims=True)
    variance = ((spreads**2 + (means - mean) ** 2) * areas).sum(axis=1, keepdims=True)
    return np.stack([mean, most.max(axis=1, keepdims=True), np.sqrt(variance)], axis=1)


def pool(maps: torch.Tensor, *, grid: Grid = WHOLE) -> np.ndarray:
    """Pool feature maps, as a whole or by cells.

    Parameters
    ----------
    maps
        float32 (n, n_features, height, width); fastest in channels-last order.
    grid
        Into how many rows and columns of cells the maps are cut, each three positions wide and high or more: small
        maps fall into fewer.

    Examples
    --------
    >>> maps = torch.arange(24.0).reshape(1, 1, 6, 4)
    >>> pool(maps)[0, :2, :, 0].tolist(), pool(maps, grid=(2, 1))[0, :2, :, 0].tolist()
    ([[11.5], [23.0]], [[5.5, 17.5], [11.0, 23.0]])
    """
    positions = np.ascontiguousarray(maps.permute(0, 2, 3, 1).numpy())
    down, across = (cell_edges(count, size) for count, size in zip(grid, positions.shape[1:3], strict=True))
    cells = np.array([(*rows, *columns) for rows in down for columns in across], np.int64)
    pooled = np.empty((len(positions), 3, len(cells), positions.shape[3]), np.float32)
    for tile, out in zip(positions, pooled, strict=True):
        _pool_tile(tile, cells, out)
    return pooled


def cell_edges(count: int, size: int) -> list[tuple[int, int]]:
    """Cut `size` positions into `count` parts of nearly equal size.

    Examples
    --------
    >>> cell_edges(4, 14), cell_edges(4, 7)
    ([(0, 3), (3, 7), (7, 10), (10, 14)], [(0, 3), (3, 7)])
    """
    count = max(1, min(count, size // LEAST_POSITIONS))
    return [(part * size // count, (part + 1) * size // count) for part in range(count)]


@numba.njit(cache=True, nogil=True)
def _pool_tile(tile: np.ndarray, cells: np.ndarray, pooled: np.ndarray) -> None:
    for cell in range(len(cells)):
        _pool_cell(tile, cells[cell], pooled[0, cell], pooled[1, cell], pooled[2, cell])


@numba.njit(cache=True, nogil=True)
def _pool_cell(
    tile: np.ndarray, cell: np.ndarray, mean: np.ndarray, most: np.ndarray, spread: np.ndarray
) -> None:
    """Two walks, since squares less the squared mean lose digits; the second finds the rows in the cache."""
    top, bottom, left, right = cell
    n_features = tile.shape[2]
    mean[:], spread[:], most[:] = np.float32(0), np.float32(0), tile[top, left]
    for row in range(top, bottom):
        for column in range(left, right):
            for feature in range(n_features):
                value = tile[row, column, feature]
                mean[feature] += value
                most[feature] = value if value > most[feature] else most[feature]
    share = np.float32(1 / ((bottom - top) * (right - left)))
    for feature in range(n_features):
        mean[feature] *= share
    for row in range(top, bottom):
        for column in range(left, right):
            for feature in range(n_features):
                off = tile[row, column, feature] - mean[feature]
                spread[feature] += off * off
    for feature in range(n_features):
        spread[feature] = np.sqrt(spread[feature] * share)


Form = Literal["fused", "plain"]
_Made = TypeVar("_Made")

BATCH = 4  # tiles of 224 pixels, or as many smaller ones as have no more pixels
_ROUNDING = 1e-3  # largest difference from the plain network, of the largest value of a map; of rounding 1e-5


@dataclass(frozen=True, eq=False)
class Frozen:
    """A network that is not trained any more, fused by oneDNN or plain, and the names of the layers it gives maps of.

    Made by `freeze`. A tile gives the same numbers but for the last digits (1e-5 of a map's largest value), whatever
    tiles come with it.
    """

    backbone: Backbone
    layers: tuple[str, ...]
    form: Form
    body: CutBody

    def maps(self, pixels: np.ndarray) -> list[torch.Tensor]:
        """Return feature maps of uint8 (n, height, width, 1 or 3): float32 (n, n_features, height, width) a layer."""
        return [torch.cat(parts) for parts in zip(*self._each(pixels, list), strict=True)]

    def pooled(
        self, pixels: np.ndarray, *, grids: Sequence[tuple[int, int]] = ((1, 1),)
    ) -> list[list[np.ndarray]]:
        """Return mean, maximum and deviation of maps: by layer and grid float32 (n, 3, n_cells, n_features).

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
        batches = _batches(pixels, max(1, round(BATCH * (224 / self.backbone.size) ** 2)))
        workers = min(torch.get_num_threads(), len(batches))

        def compute(batch: np.ndarray) -> _Made:
            with torch.inference_mode():
                return finish(self.body(input_tensor(batch, self.backbone), self.layers))

        return _in_threads(compute, batches, workers) if workers > 1 else list(map(compute, batches))


def _batches(pixels: np.ndarray, most: int) -> list[np.ndarray]:
    """Cut tiles into batches for every thread, of powers of two: the weights have a layout for each number."""
    largest, batches = min(most, -(-len(pixels) // torch.get_num_threads())), list[np.ndarray]()
    while len(pixels):
        count = 1 << (min(largest, len(pixels)).bit_length() - 1)
        batches.append(pixels[:count])
        pixels = pixels[count:]
    return batches


def freeze(backbone: Backbone, layers: Sequence[str], *, form: Form | None = None) -> Frozen:
    """Make the form of a network in which its features are computed fastest.

    The fused form is compared with the plain network once; where it cannot be made, or gives other maps with its
    normalisations folded and without, the plain one is taken. `form` names one that is taken uncompared.

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
    plain = Frozen(backbone, names, "plain", CutBody(copy.deepcopy(backbone.body), names))
    if form == "plain":
        return plain
    for folded in (True, False):
        try:
            body = fused_body(backbone.body, names, size=backbone.size, folded=folded)
            fused = Frozen(backbone, names, "fused", body)
            if form == "fused" or _agree(plain, fused):
                return fused
        except (RuntimeError, AttributeError):  # no oneDNN here, or not for this network
            if form == "fused":
                raise
    return plain


def _agree(plain: Frozen, fused: Frozen) -> bool:
    """Tell whether both forms give the same maps for noise."""
    shape = (1, plain.backbone.size, plain.backbone.size, 3)
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
