"""Strategies by name: from a recipe to its backbones and its estimator, and from a saved model back.

========== ================================================================================================
`probe`    frozen backbone, a linear head on features of several layers and all views
`head`     frozen backbone, a new head is trained on its last features
`finetune` a new head first, then all layers, earlier ones at lower rates
`scratch`  all layers from random weights
========== ================================================================================================
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from phosphene.pipeline.backbones.backbone import Backbone, load_backbone
from phosphene.pipeline.backbones.catalog import blueprint
from phosphene.pipeline.tiles.render import Tiles

from .ensemble import Ensemble, EnsembleEstimator
from .estimator import ImageEstimator, Model, without_prefix
from .probe import Probe, ProbeEstimator
from .recipe import RANDOM, Recipe


def backbones_of(recipe: Recipe) -> tuple[Backbone, ...]:
    """Load the networks that a recipe starts from; `auto` does without pretrained weights where nobody has any."""
    return tuple(
        load_backbone(name, weights=recipe.weights, seed=recipe.seed)
        if _starts_pretrained(recipe, name)
        else load_backbone(name, pretrained=False, seed=recipe.seed)
        for name in recipe.archs
    )


def _starts_pretrained(recipe: Recipe, name: str) -> bool:
    if recipe.strategy == "scratch" or recipe.weights == RANDOM:
        return False
    return recipe.strategy != "auto" or recipe.weights is not None or bool(blueprint(name).published)


def make_estimator(
    recipe: Recipe,
    backbones: Sequence[Backbone],
    tiles: Tiles,
    copies: Sequence[Tiles],
    *,
    learned: np.ndarray | None = None,
    progress: bool,
) -> ImageEstimator:
    """Make the estimator of a recipe's strategy for a set of tiles, of which some are learned from, and their copies.

    A probe of bytes looks with random weights besides, and out-of-fold predictions weigh the two: textures of bytes are
    so unlike photographs that the random network alone is right more often (0.967 against 0.950 of 480 program files).
    """
    if recipe.strategy == "probe" and tiles.views[0].kind == "binary" and _is_plain(recipe, backbones):
        backbones = [*backbones, load_backbone(recipe.archs[0], pretrained=False, seed=recipe.seed)]
    estimators = [
        _estimator(recipe, backbone, tiles, copies, learned=learned, progress=progress)
        for backbone in backbones
    ]
    return estimators[0] if len(estimators) == 1 else EnsembleEstimator(estimators)


def _is_plain(recipe: Recipe, backbones: Sequence[Backbone]) -> bool:
    """Tell whether one network was left to us, and has its published weights."""
    return recipe.weights is None and len(backbones) == 1 and backbones[0].weights_source != "random"


def _estimator(
    recipe: Recipe,
    backbone: Backbone,
    tiles: Tiles,
    copies: Sequence[Tiles],
    *,
    learned: np.ndarray | None,
    progress: bool,
) -> ImageEstimator:
    if recipe.strategy == "probe":
        return ProbeEstimator(
            backbone, tiles, copies, learned=learned, engine=recipe.engine, progress=progress
        )
    from .finetune import NetworkEstimator  # fastai takes seconds to import

    return NetworkEstimator(recipe, backbone, tiles, copies, progress=progress)


def load_model(
    config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
) -> Model:
    """Make a saved model again from its `config` and tensors; the backbones may hold any weights."""
    if config["sort"] == "probe":
        return Probe.from_tensors(config, backbones, tensors)
    if config["sort"] == "networks":
        from .finetune import Networks  # fastai takes seconds to import

        return Networks.from_tensors(config, backbones, tensors)
    members = tuple(
        load_model(member, [backbone], without_prefix(tensors, f"member{n}."))
        for n, (member, backbone) in enumerate(zip(config["members"], backbones, strict=True))
    )
    return Ensemble(members, np.array(config["weights"], np.float64))


def n_outputs(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> list[int]:
    """Return the number of classes of a saved model, or of each of its members, by its numbers.

    Examples
    --------
    >>> n_outputs({"sort": "probe"}, {"head.bias": torch.zeros(3)})
    [3]
    """
    if config["sort"] == "probe":
        return [len(tensors["head.bias"])] if "head.bias" in tensors else []
    if config["sort"] == "networks":
        return [config["n_classes"]]
    members = enumerate(config["members"])
    return [n for i, one in members for n in n_outputs(one, without_prefix(tensors, f"member{i}."))]
