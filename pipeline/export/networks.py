"""A trained model as one torch module, from uint8 images to probabilities, in operations that ONNX knows.

What of a model is NumPy or compiled (pooling, thumbnails, the linear head) stands here again as tensors; sizes are
fixed, so that resizing is a product with two constant matrices.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from phosphene.converters.core.converter import ByPixel
from phosphene.pipeline.backbones.backbone import Backbone, feature_maps
from phosphene.pipeline.backbones.features import EACH_PIXEL, PIXELS, THUMBNAIL
from phosphene.pipeline.backbones.frozen import WHOLE, cell_edges, fold_batch_norms
from phosphene.pipeline.strategies.ensemble import Ensemble
from phosphene.pipeline.strategies.estimator import Model
from phosphene.pipeline.strategies.probe import Probe
from phosphene.pipeline.strategies.ridge import LinearHead

Grid = tuple[int, int]


@dataclass(frozen=True)
class ImageShape:
    """What a view draws.

    Parameters
    ----------
    height, width, channels
        Of its images.
    cells
        Rows and columns of cells in which a pattern means different things.
    by_pixel
        How each pixel is a feature by itself, as of the converter.
    """

    height: int
    width: int
    channels: int
    cells: Grid = WHOLE
    by_pixel: ByPixel = ""


def graph_of(model: Model, shapes: Sequence[ImageShape]) -> nn.Module:
    """Return a module that takes a list of images uint8 (n, height, width, channels), one a view, to (n, n_classes).

    Parameters
    ----------
    model
        As `Classifier.model`.
    shapes
        Of the images of each view.
    """
    if isinstance(model, Probe):
        return ProbeGraph(model, shapes)
    if isinstance(model, Ensemble):
        members = [graph_of(member, shapes) for member in model.members]
        return AveragedGraph(members, model.weights.tolist())
    from phosphene.pipeline.strategies.finetune import Networks  # fastai takes seconds to import

    if not isinstance(model, Networks):
        raise TypeError(f"a model is a Probe, Networks or an Ensemble, got {type(model).__name__}")
    count = len(model.networks)
    views = [number // model.members for number in range(count)]
    graphs = [
        NetworkGraph(network, model.backbone, view, shapes[view])
        for network, view in zip(model.networks, views, strict=True)
    ]
    return AveragedGraph(graphs, model.weights or [1 / count] * count)


class AveragedGraph(nn.Module):
    """Several graphs whose probabilities are averaged."""

    weights: Tensor

    def __init__(self, graphs: Sequence[nn.Module], weights: Sequence[float]) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(graphs)
        self.weights = constant(weights)

    def forward(self, images: list[Tensor]) -> Tensor:
        """Return probabilities (n, n_classes)."""
        proba = torch.stack([graph(images) for graph in self.graphs])
        return (proba * self.weights[:, None, None]).sum(0)


class NetworkGraph(nn.Module):
    """A trained network that looks at one view."""

    def __init__(self, network: nn.Module, backbone: Backbone, view: int, shape: ImageShape) -> None:
        super().__init__()
        self.network, self.view = network.eval(), view
        self.input = InputGraph(shape, backbone)

    def forward(self, images: list[Tensor]) -> Tensor:
        """Return probabilities (n, n_classes)."""
        return torch.softmax(self.network(self.input(images[self.view])), 1)


class ProbeGraph(nn.Module):
    """A frozen backbone, the pooling of its layers, and the linear head; the blocks stand as in `view_features`."""

    def __init__(self, probe: Probe, shapes: Sequence[ImageShape]) -> None:
        super().__init__()
        self.layers, self.pooled = probe.extractor.layers, probe.extractor.pooled_layers
        self.shapes = tuple(shapes)
        backbones = [probe.extractor.backbone_for(max(one.height, one.width)) for one in shapes]
        # Views of one size share their body, and the file holds its weights once.
        folded = {one.size: fold_batch_norms(one.body, size=one.size) for one in backbones}
        self.bodies = nn.ModuleList(folded[one.size] for one in backbones)
        self.inputs = nn.ModuleList(map(InputGraph, shapes, backbones))
        self.thumbnails = nn.ModuleList(map(_thumbnail, shapes))
        self.head = HeadGraph(probe.head)

    def forward(self, images: list[Tensor]) -> Tensor:
        """Return probabilities (n, n_classes)."""
        blocks = [
            block for view, pixels in enumerate(images) for block in self._features(view, pixels).values()
        ]
        return self.head(torch.cat(blocks, 1))

    def _features(self, view: int, pixels: Tensor) -> dict[tuple[str, str], Tensor]:
        found: dict[tuple[str, str], Tensor] = {}
        if self.shapes[view].by_pixel:
            return {(EACH_PIXEL, "whole"): pixels.flatten(1) / 255}
        if (PIXELS, "whole") in self.pooled:
            found[PIXELS, "whole"] = self.thumbnails[view](as_planes(pixels) / 255).flatten(1)
        maps = feature_maps(self.bodies[view], self.inputs[view](pixels), layers=self.layers)
        ways = {way for layer, way in self.pooled if layer != PIXELS}
        grid = self.shapes[view].cells
        grids = list(dict.fromkeys(grid if way == "cells" else WHOLE for way in sorted(ways)))
        for layer, one in zip(self.layers, maps, strict=True):
            parts = {
                "cells" if len(cells) > 1 else "whole": cells for cells in (_cells(one, g) for g in grids)
            }
            for way, cells in parts.items():
                instead = "cells" not in parts and (layer, "cells") in self.pooled
                if (layer, way) in self.pooled or instead:
                    found[layer, way] = pooled(one, cells)
        return found


class HeadGraph(nn.Module):
    """The linear head: scaled features, rows of length 1, scores, softmax at a temperature."""

    mean: Tensor
    factor: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, head: LinearHead) -> None:
        super().__init__()
        self.mean, self.factor = constant(head.scaling.mean), constant(head.scaling.factor)
        self.weight, self.bias, self.temperature = (
            constant(head.weight),
            constant(head.bias),
            head.temperature,
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return probabilities (n, n_classes) for float32 (n, n_features)."""
        rows = (features - self.mean) * self.factor
        rows = rows / rows.square().sum(1, keepdim=True).sqrt().clamp(min=1e-6)
        return torch.softmax((rows @ self.weight + self.bias) / self.temperature, 1)


class InputGraph(nn.Module):
    """From images of one shape to what a backbone takes, as `input_tensor`."""

    scale: Tensor
    shift: Tensor

    def __init__(self, shape: ImageShape, backbone: Backbone) -> None:
        super().__init__()
        mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (backbone.mean, backbone.std))
        self.scale, self.shift = constant(1 / (255 * std)), constant(mean / std)
        self.resize = Resized(shape, backbone.size, _bilinear)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return float32 (n, 3, size, size); a grey channel becomes three."""
        return self.resize(as_planes(pixels)) * self.scale - self.shift


class Resized(nn.Module):
    """Planes (n, channels, height, width) brought to a square, by a matrix along either side."""

    def __init__(self, shape: ImageShape, size: int, how: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.needed = (shape.height, shape.width) != (size, size)
        self.rows, self.columns = (
            constant(how(torch.eye(shape.height), size)),
            constant(how(torch.eye(shape.width), size)),
        )

    def forward(self, planes: Tensor) -> Tensor:
        """Return (n, channels, size, size)."""
        return self.rows @ planes @ self.columns.T if self.needed else planes


def constant(values: Tensor | np.ndarray | Sequence[float]) -> nn.Buffer:
    """Return numbers that are part of a graph, float32."""
    return nn.Buffer(torch.as_tensor(values, dtype=torch.float32).contiguous())


def as_planes(pixels: Tensor) -> Tensor:
    """Return uint8 (n, height, width, channels) as float32 (n, channels, height, width)."""
    return pixels.permute(0, 3, 1, 2).float()


def _thumbnail(shape: ImageShape) -> Resized:
    return Resized(shape, THUMBNAIL, _averages)


def _bilinear(unit: Tensor, size: int) -> Tensor:
    """Return float32 (size, n), what each of n positions counts in each of `size`."""
    wide = functional.interpolate(unit[None, None], (size, unit.shape[1]), mode="bilinear", antialias=True)
    return wide[0, 0]


def _averages(unit: Tensor, size: int) -> Tensor:
    return functional.adaptive_avg_pool2d(unit[None], (size, unit.shape[1]))[0]


def _cells(maps: Tensor, grid: Grid) -> np.ndarray:
    """Return which positions of maps (n, features, height, width) are in which cell: bool (n_cells, positions)."""
    down, across = (cell_edges(count, size) for count, size in zip(grid, maps.shape[2:], strict=True))
    cells = np.zeros((len(down) * len(across), *maps.shape[2:]), bool)
    for index, (rows, columns) in enumerate(itertools.product(down, across)):
        cells[index, slice(*rows), slice(*columns)] = True
    return cells.reshape(len(cells), -1)


def pooled(maps: Tensor, cells: np.ndarray) -> Tensor:
    """Return means, maxima and standard deviations of cells, as `frozen.pool`.

    A cell is a column of a matrix: a slice for each would make thousands of nodes.

    Parameters
    ----------
    maps
        float32 (n, n_features, height, width).
    cells
        bool (n_cells, height x width), each position in one cell.

    Returns
    -------
    Tensor
        float32 (n, 3 x n_cells x n_features).

    Examples
    --------
    >>> maps = torch.arange(24.0).reshape(1, 1, 6, 4)
    >>> pooled(maps, np.arange(24) // 12 == np.arange(2)[:, None])[0, :4].tolist()
    [5.5, 17.5, 11.0, 23.0]
    """
    values = maps.flatten(2)
    counts = cells.sum(1)
    shares = torch.from_numpy((cells / counts[:, None]).T.astype(np.float32))
    # The positions of each cell, the first one again where it has fewer than others.
    order = np.argsort(~cells, axis=1, kind="stable")[:, : counts.max()]
    order = np.where(np.arange(counts.max()) < counts[:, None], order, order[:, :1])
    means = values @ shares
    most = values.index_select(2, torch.from_numpy(order.flatten())).unflatten(2, order.shape).amax(3)
    off = values - means @ torch.from_numpy(cells.astype(np.float32))
    parts = torch.stack([means, most, (off.square() @ shares).sqrt()], 1)
    return parts.transpose(2, 3).flatten(1)
