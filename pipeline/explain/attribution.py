"""How much each pixel of an image speaks for a class: maps of evidence, for every model that a strategy fits.

A probe is linear on averages, maxima and deviations of feature maps and on the pixels, so its score is a sum over the
positions of these maps: its class activation maps are exact, layer by layer, but for the length of the row of features,
by which all is divided. Networks are explained by HiResCAM, gradient times activation at their last layers.

References
----------
B. Zhou et al. 2016, "Learning Deep Features for Discriminative Localization", https://arxiv.org/abs/1512.04150.
R. L. Draelos, L. Carin 2020, "Use HiResCAM instead of Grad-CAM", https://arxiv.org/abs/2011.08891.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from phosphene.converters import Converter, ParameterError
from phosphene.pipeline.backbones.backbone import as_map, input_tensor
from phosphene.pipeline.backbones.features import THUMBNAIL
from phosphene.pipeline.backbones.frozen import WHOLE, cell_edges
from phosphene.pipeline.strategies.temperature import log_softmax

LAST_LAYERS = 2
"""Layers of a trained network whose maps are averaged: the last knows best what, the one before where."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What the images of one window say.

    Parameters
    ----------
    maps
        float64 (height, width) a view: the evidence of each pixel, in units of log-odds; below 0 it speaks against.
    log_proba
        float64 (n_classes,).
    """

    maps: tuple[np.ndarray, ...]
    log_proba: np.ndarray


def contrast(log_proba: np.ndarray, target: int) -> np.ndarray:
    """Return what scores are multiplied by for the log-odds of a class: 1 for it, and the others by their probability.

    Examples
    --------
    >>> contrast(np.log([0.5, 0.375, 0.125]), 0).round(6).tolist()
    [1.0, -0.75, -0.25]
    """
    others = np.delete(np.asarray(log_proba, np.float64), target)
    shares = np.exp(others - others.max())
    return np.insert(-shares / shares.sum(), target, 1.0)


def attribute(
    model: Any,
    images: Sequence[np.ndarray],
    views: Sequence[Converter],
    *,
    target: int,
    direction: np.ndarray,
) -> Attribution:
    """Attribute the score of a class to the pixels of one window.

    Parameters
    ----------
    model
        A `Probe`, `Networks`, or an `Ensemble` of these.
    images
        uint8 (height, width, 1 or 3), one a view.
    views
        What drew them.
    target
        The class.
    direction
        float64 (n_classes,), what the scores of the classes are multiplied by, as of `contrast`.

    Raises
    ------
    ParameterError
        A model of another sort.
    """
    sort = model.config["sort"]
    if sort == "probe":
        return _of_probe(model, images, views, direction)
    if sort == "networks":
        return _of_networks(model, images, target, direction)
    if sort != "ensemble":
        raise ParameterError(f"models of sort {sort!r} cannot be explained; take a probe or networks")
    of_each = [attribute(one, images, views, target=target, direction=direction) for one in model.members]
    return _mixed(of_each, np.asarray(model.weights), target)


def _mixed(parts: Sequence[Attribution], weights: np.ndarray, target: int) -> Attribution:
    """Average the maps of models, each by its share in the probability of the class."""
    log_proba = np.stack([part.log_proba for part in parts])
    log_weights = np.log(np.maximum(weights, 1e-12))[:, None]
    mixed = np.logaddexp.reduce(log_proba + log_weights, axis=0)
    shares = np.exp((log_proba + log_weights - mixed)[:, target])
    by_view = zip(*(part.maps for part in parts), strict=True)
    return Attribution(tuple(np.tensordot(shares, np.stack(maps), 1) for maps in by_view), mixed)


def _of_probe(
    probe: Any, images: Sequence[np.ndarray], views: Sequence[Converter], direction: np.ndarray
) -> Attribution:
    extractor, head = probe.extractor, probe.head
    found = [
        extractor(image[None], cells=view.cells, by_pixel=view.by_pixel)
        for image, view in zip(images, views, strict=True)
    ]
    row = np.concatenate([block[0] for of_view in found for block in of_view.values()])
    off = (row - head.scaling.mean) * head.scaling.factor
    length = max(float(np.linalg.norm(off)), 1e-6)
    slope = head.scaling.factor * (head.weight @ direction) / (length * head.temperature)
    usual, maps, start = head.scaling.mean, [], 0
    for image, view, of_view in zip(images, views, found, strict=True):
        deep = {} if view.by_pixel else extractor.maps(image[None])
        total = np.zeros(image.shape[:2])
        for (layer, way), block in of_view.items():
            part = slice(start, start := start + block.shape[1])
            terms = _Terms(row[part], slope[part], usual[part])
            grid = view.cells if way == "cells" else WHOLE
            shape = image.shape[:2] if view.by_pixel else (THUMBNAIL, THUMBNAIL)
            total += _resized(_block_map(deep.get(layer), terms, grid, shape), image)
        maps.append(total)
    scores = (off / length) @ head.weight + head.bias
    return Attribution(tuple(maps), log_softmax(scores[None], temperature=head.temperature)[0])


@dataclass(frozen=True, eq=False)
class _Terms:
    """Features of one block: their values, what each is multiplied by, and what they are in the training items."""

    value: np.ndarray
    slope: np.ndarray
    usual: np.ndarray

    def reshaped(self, *shape: int) -> "_Terms":
        return _Terms(self.value.reshape(shape), self.slope.reshape(shape), self.usual.reshape(shape))

    def cell(self, cell: int) -> list["_Terms"]:
        """Return the averages, maxima and deviations of one cell."""
        return [
            _Terms(*(part[n, cell].astype(np.float64) for part in (self.value, self.slope, self.usual)))
            for n in range(3)
        ]


def _block_map(
    maps: torch.Tensor | None, terms: _Terms, grid: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    """Return the evidence of one block of features by position, which adds up to that of the block.

    `shape` is that of the pixels, where these are the features.
    """
    if maps is None:  # the pixels themselves
        pixels = terms.reshaped(-1, *shape)
        return np.asarray((pixels.slope * (pixels.value - pixels.usual)).sum(axis=0, dtype=np.float64))
    positions = maps[0].permute(1, 2, 0).double().numpy()
    rows, columns = (cell_edges(count, size) for count, size in zip(grid, positions.shape[:2], strict=True))
    cells = terms.reshaped(3, len(rows) * len(columns), -1)
    out = np.empty(positions.shape[:2])
    for number, (top, bottom) in enumerate(rows):
        for column, (left, right) in enumerate(columns):
            part = positions[top:bottom, left:right]
            of_cell = cells.cell(number * len(columns) + column)
            out[top:bottom, left:right] = _cell_map(part.reshape(-1, part.shape[2]), of_cell).reshape(
                part.shape[:2]
            )
    return out


def _cell_map(part: np.ndarray, terms: Sequence[_Terms]) -> np.ndarray:
    """Attribute averages, maxima and deviations of a cell to its positions, float64 (n_positions, n_features).

    A maximum above the usual one is due to where it stands; one below is due to all positions alike.

    Examples
    --------
    >>> one = _Terms(np.array([2.0]), np.array([1.0]), np.array([0.5]))
    >>> none = _Terms(np.zeros(1), np.zeros(1), np.zeros(1))
    >>> _cell_map(np.array([[1.0], [2.0], [3.0]]), [one, none, none]).round(2).tolist()
    [0.17, 0.5, 0.83]
    """
    mean, most, spread = terms
    n = len(part)
    out = (part @ mean.slope - mean.slope @ mean.usual) / n
    above = most.slope * (most.value - most.usual)
    high = most.value > most.usual
    np.add.at(out, part.argmax(axis=0), np.where(high, above, 0.0))
    out += above[~high].sum() / n
    share = np.divide(spread.slope, spread.value, out=np.zeros(len(high)), where=spread.value > 0)
    out += ((part - mean.value) ** 2 @ share - spread.slope @ spread.usual) / n
    return np.asarray(out)


def _of_networks(model: Any, images: Sequence[np.ndarray], target: int, direction: np.ndarray) -> Attribution:
    n, weights = len(model.networks), model.weights
    views = [number // model.members for number in range(n)]
    parts = [
        _of_network(net, images[view], model.backbone, direction)
        for net, view in zip(model.networks, views, strict=True)
    ]
    shown = [
        Attribution(
            tuple(own if view == k else np.zeros(image.shape[:2]) for k, image in enumerate(images)),
            log_proba,
        )
        for view, (own, log_proba) in zip(views, parts, strict=True)
    ]
    return _mixed(shown, np.full(n, 1 / n) if weights is None else np.asarray(weights), target)


def _of_network(
    network: Any, image: np.ndarray, backbone: Any, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return gradient times activation of the last layers, averaged, and the log-probabilities."""
    from captum.attr import LayerGradientXActivation

    network.eval()
    device = next(network.parameters()).device
    tiles = input_tensor(image[None], backbone).to(device)
    wanted = torch.as_tensor(direction, device=device)
    layers = [network[0][0].get_submodule(layer) for layer in backbone.layers[-LAST_LAYERS:]]
    cam = LayerGradientXActivation(lambda images: network(images).double() @ wanted, layers)
    maps = [
        _resized(as_map(found.detach())[0].sum(dim=0).double().cpu().numpy(), image)
        for found in cam.attribute(tiles)
    ]
    with torch.inference_mode():
        logits = network(tiles).double().cpu().numpy()
    return np.mean(maps, axis=0), log_softmax(logits, temperature=1.0)[0]


def _resized(small: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Spread a map over the pixels of an image; its sum stays."""
    size = image.shape[:2]
    large = functional.interpolate(
        torch.from_numpy(np.ascontiguousarray(small))[None, None], size=size, mode="bilinear", antialias=True
    )[0, 0].numpy()
    return np.asarray(large * (small.size / large.size))
