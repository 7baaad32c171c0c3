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
from .estimator import Estimator, Model, without_prefix
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
    recipe: Recipe, backbones: Sequence[Backbone], tiles: Tiles, copies: Sequence[Tiles], *, progress: bool
) -> Estimator:
    """Make the estimator of a recipe's strategy for a set of tiles and augmented copies of them."""
    estimators = [_estimator(recipe, backbone, tiles, copies, progress=progress) for backbone in backbones]
    return estimators[0] if len(estimators) == 1 else EnsembleEstimator(estimators)


def _estimator(
    recipe: Recipe, backbone: Backbone, tiles: Tiles, copies: Sequence[Tiles], *, progress: bool
) -> Estimator:
    if recipe.strategy == "probe":
        return ProbeEstimator(backbone, tiles, copies, progress=progress)
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
