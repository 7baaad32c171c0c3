"""The strategies `head`, `finetune` and `scratch`: networks trained by fastai, one a view; predictions are averaged."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from phosphene.converters import SignalError
from phosphene.datasets.splits import stratified_group_split
from phosphene.pipeline.backbones.backbone import Backbone, load_backbone
from phosphene.pipeline.networks.callbacks import Bar, Distributed, EpochLog, RateSearch, broadcast_weights
from phosphene.pipeline.networks.distributed import world_size
from phosphene.pipeline.networks.learners import (
    HEAD_EPOCHS,
    build_model,
    finetune,
    learner,
    loss_of,
    predict_logits,
    scratch,
    train_head,
)
from phosphene.pipeline.networks.schedule import Schedule
from phosphene.pipeline.tiles.item_map import Progress
from phosphene.pipeline.tiles.render import Tiles

from .ensemble import average, ensemble_weights
from .estimator import Fit, ImageEstimator, Model, Outputs, Project, model_bytes, scattered, without_prefix
from .recipe import Recipe
from .temperature import log_softmax

BATCH = 32
MEMBER_STRIDE = 1_000_003
"""Between the seeds of members, so that those of two classifiers with neighbouring seeds are all different."""
MOST_IN_MEMORY = 2048


@dataclass(frozen=True, eq=False)
class Networks:
    """Networks of one view each, a body and a head, whose probabilities are averaged.

    Parameters
    ----------
    backbone
        The input that all of them take; its body is not used.
    networks
        float32 (n, 3, size, size) to logits (n, n_classes); all those of the first view, then of the second.
    n_classes
        Columns of the predictions.
    members
        Networks a view.
    weights
        Weight of each network in the average, >= 0, of sum 1; None for equal ones.
    searches
        The searches for learning rates, if any; not saved.
    epochs
        Loss and accuracy of every epoch of each network, as `EpochLog` notes them; not saved.
    """

    backbone: Backbone
    networks: tuple[nn.Module, ...]
    n_classes: int
    members: int = 1
    weights: tuple[float, ...] | None = None
    searches: tuple[RateSearch, ...] = ()
    epochs: tuple[list[dict[str, float]], ...] = ()

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """The network that all started from."""
        return (self.backbone,)

    @property
    def n_features(self) -> int:
        """How many features all networks decide by."""
        return sum(_standardised(network).num_features for network in self.networks)

    def trained_bodies(self, view: int) -> tuple[Backbone, ...]:
        """Return the networks of a view without their heads."""
        of_view = self.networks[view * self.members : (view + 1) * self.members]
        return tuple(replace(self.backbone, body=network.get_submodule("0.0")) for network in of_view)

    def log_probabilities(self, tiles: Tiles, *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes); zeros for items that failed."""
        return self.outputs(tiles, progress=progress).log_proba

    def outputs(
        self, tiles: Tiles, project: Project | None = None, *, start: int = 0, progress: bool = False
    ) -> Outputs:
        """Return the log-probabilities and projected features of all items; zeros for items that failed."""
        del progress
        return scattered(self.outputs_of(tiles, tiles.drawn, project, start), tiles.drawn, len(tiles))

    def predict_log_proba(self, tiles: Tiles, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of some items: float64 (n, n_classes)."""
        return self.outputs_of(tiles, indices).log_proba

    def outputs_of(
        self, tiles: Tiles, indices: np.ndarray, project: Project | None = None, start: int = 0
    ) -> Outputs:
        """Return the log-probabilities and projected features of some items."""
        each = [self._of_view(*pair, tiles, indices) for pair in self._pairs()]
        log_proba = average(np.stack([one for one, _ in each]), self.weights)
        if project is None:
            return Outputs(log_proba, None)
        shares = np.full(len(each), 1 / len(each)) if self.weights is None else np.array(self.weights)
        blocks = [share**0.5 * rows for share, (_, rows) in zip(shares.astype(np.float32), each, strict=True)]
        return Outputs(log_proba, project(np.concatenate(blocks, axis=1), start))

    def of_each(self, tiles: Tiles, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of some items by each network: float64 (n_networks, n, n_classes)."""
        return np.stack([self._of_view(*pair, tiles, indices)[0] for pair in self._pairs()])

    def _pairs(self) -> list[tuple[nn.Module, int]]:
        """Return each network with the index of its view."""
        return [(network, number // self.members) for number, network in enumerate(self.networks)]

    def _of_view(
        self, network: nn.Module, view: int, tiles: Tiles, indices: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the log-probabilities, and the pooled features standardised and of length 1."""
        parts = np.array_split(indices, max(1, -(-len(indices) // MOST_IN_MEMORY)))
        with _pooled_features(network) as kept:
            logits = [predict_logits(network, tiles.pixels(part, view), self.backbone) for part in parts]
        rows = np.concatenate(kept)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return log_softmax(np.concatenate(logits), temperature=1.0), rows

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the numbers of all networks."""
        return {
            f"view{n}.{k}": v
            for n, network in enumerate(self.networks)
            for k, v in network.state_dict().items()
        }

    @property
    def config(self) -> dict[str, Any]:
        """Number of networks and classes, and the weight of each network."""
        return {
            "sort": "networks",
            "n_networks": len(self.networks),
            "n_classes": self.n_classes,
            "members": self.members,
            "weights": None if self.weights is None else list(self.weights),
        }

    @classmethod
    def from_tensors(
        cls, config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
    ) -> "Networks":
        """Make saved networks again."""
        (backbone,) = backbones
        networks = [build_model(backbone, n_classes=config["n_classes"]) for _ in range(config["n_networks"])]
        for number, network in enumerate(networks):
            network.eval().load_state_dict(without_prefix(tensors, f"view{number}."))
        weights = config.get("weights")
        return cls(
            backbone,
            tuple(networks),
            config["n_classes"],
            config.get("members", 1),
            None if weights is None else tuple(weights),
        )


def fit_networks(  # noqa: PLR0913
    backbone: Backbone,
    tiles: Tiles,
    indices: np.ndarray,
    targets: np.ndarray,
    *,
    recipe: Recipe,
    groups: np.ndarray | None = None,
    copies: Sequence[Tiles] = (),
    progress: bool = False,
) -> Networks:
    """Train networks, as many a view as the recipe has members.

    With a patience a part of the items is held out: each network is that of the epoch of the least loss on them, and
    the weights of the networks are fitted to their predictions for them.

    Parameters
    ----------
    backbone
        Where every network starts from; it stays as it is.
    tiles
        Images of all items.
    indices, targets
        int (n,), the items to learn from and the class of each, from 0.
    recipe
        Strategy, epochs, seed and schedule.
    groups
        int (n,), equal for items that belong together, which are held out together or not at all; None where each
        stands alone.
    copies
        Augmented tiles of the same items, to learn from too.
    progress
        Show a bar for each network on standard error.
    """
    schedule, members = recipe.schedule, recipe.members
    held = held_out(targets, groups, schedule=schedule, seed=recipe.seed)
    if not held.any():
        schedule = replace(schedule, patience=None)  # there is nothing to stop by
    work = _Work(backbone, tiles, tuple(copies), indices, targets, held, recipe, schedule, progress)
    order = [(view, member) for view in range(len(tiles.views)) for member in range(members)]
    networks, searches, epochs = zip(*(work.fit(view, member) for view, member in order), strict=True)
    kept = tuple(search for search in searches if search is not None)
    found = Networks(backbone, networks, int(targets.max()) + 1, members, searches=kept, epochs=epochs)
    if not held.any() or len(networks) == 1:
        return found
    weights = ensemble_weights(found.of_each(tiles, indices[held]), targets[held])
    return replace(found, weights=tuple(weights.tolist()))


def held_out(targets: np.ndarray, groups: np.ndarray | None, *, schedule: Schedule, seed: int) -> np.ndarray:
    """Choose the training items that are held out for early stopping.

    Every class keeps items to learn from; a class that is one group is not held out. So there may be none at all.

    Parameters
    ----------
    targets, groups
        int (n,), the class and the group of each item; None where each item stands alone.
    schedule
        Says whether to hold any out, and which share.
    seed
        Random seed.

    Returns
    -------
    numpy.ndarray
        bool (n,).

    Examples
    --------
    >>> part = held_out(np.arange(40) % 2, np.arange(40) // 4, schedule=Schedule(patience=3, valid_share=0.2), seed=0)
    >>> part.reshape(-1, 4).sum(1).tolist()
    [4, 4, 0, 0, 0, 0, 0, 0, 0, 0]
    """
    part = np.zeros(len(targets), bool)
    if not schedule.holds_out:
        return part
    bonds = np.arange(len(targets)) if groups is None else groups
    shares = np.array([1 - schedule.valid_share, schedule.valid_share])
    part = (
        stratified_group_split([str(k) for k in targets], [str(bond) for bond in bonds], shares, seed=seed)
        == 1
    )
    lost = np.setdiff1d(targets, targets[~part])
    back = np.isin(bonds, bonds[np.isin(targets, lost)])  # with all that belongs to their groups
    return np.asarray(part & ~back)


@dataclass(frozen=True, eq=False)
class _Work:
    """What the networks of all views and members are trained on, and how."""

    backbone: Backbone
    tiles: Tiles
    copies: tuple[Tiles, ...]
    indices: np.ndarray
    targets: np.ndarray
    held: np.ndarray
    recipe: Recipe
    schedule: Schedule
    progress: bool

    def fit(self, view: int, member: int) -> tuple[nn.Module, RateSearch | None, list[dict[str, float]]]:
        """Train one network; return it, the search for its rate where there was one, and a row an epoch."""
        recipe, schedule = self.recipe, self.schedule
        seed = recipe.seed + MEMBER_STRIDE * member
        learns = ~self.held
        loss = loss_of(schedule, np.bincount(self.targets[learns]))
        learn = learner(self._loaders(view, seed), self._start(member, seed), seed=seed, loss_func=loss)
        epochs = recipe.passes + (HEAD_EPOCHS if recipe.strategy == "finetune" else 0)
        name = self.tiles.views[view].spec + (f" #{member}" if member else "")
        rows: list[dict[str, float]] = []
        learn.add_cb(EpochLog(rows, has_held_out=bool(self.held.any())))
        several = world_size() > 1
        if several:
            learn.add_cb(Distributed())
        with epoch_bar(learn, epochs, name, shown=self.progress):
            _STRATEGIES[recipe.strategy](learn, epochs=recipe.passes, schedule=schedule, seed=seed)
        learn.remove_cbs([EpochLog, Distributed])
        if several:
            broadcast_weights(learn.model)
        return learn.model, getattr(learn, "rate_search", None), rows

    def _loaders(self, view: int, seed: int) -> Any:
        """Make loaders; where nothing is held out, fastai gets one item, and nothing is chosen by it."""
        from phosphene.pipeline.tiles.loaders import tile_loaders

        labels = np.full(len(self.tiles), "", object)
        labels[self.indices] = [
            f"{target:06}" for target in self.targets
        ]  # in the order of the numbers as text
        train, valid = self.indices[~self.held], self.indices[self.held]
        return tile_loaders(
            self.tiles, labels, train, valid if len(valid) else train[:1], batch_size=BATCH, size=self.backbone.size,
            seed=seed, view=view, mean=self.backbone.mean, std=self.backbone.std, copies=self.copies,
        )  # fmt: skip

    def _start(self, member: int, seed: int) -> Backbone:
        """Return the network to start from; from scratch every member starts from other random weights."""
        if self.recipe.strategy != "scratch" or member == 0:
            return self.backbone
        return load_backbone(self.backbone.name, pretrained=False, seed=seed)


_STRATEGIES: dict[str, Callable[..., None]] = {"head": train_head, "finetune": finetune, "scratch": scratch}


class NetworkEstimator(ImageEstimator):
    """Trains whole networks with fastai, one a view and member."""

    def __init__(
        self, recipe: Recipe, backbone: Backbone, tiles: Tiles, copies: Sequence[Tiles], *, progress: bool
    ) -> None:
        self.recipe, self.backbone, self.tiles, self.progress = recipe, backbone, tiles, progress
        self.copies = tuple(copies)

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Train one network a view and member.

        Raises
        ------
        SignalError
            A class has no item to learn from.
        """
        recipe = self.recipe
        known = len(np.unique(targets))
        if known < n_classes:
            raise SignalError(
                f"a network needs items of all {n_classes} classes, got {known}; add items of the others"
            )
        model = fit_networks(
            self.backbone, self.tiles, indices, targets,
            recipe=recipe, groups=groups, copies=self.copies, progress=self.progress,
        )  # fmt: skip
        held = np.flatnonzero(held_out(targets, groups, schedule=recipe.schedule, seed=recipe.seed))
        oof = (
            model.predict_log_proba(self.tiles, indices[held])
            if len(held)
            else np.zeros((0, model.n_classes))
        )
        notes: dict[str, Any] = {} if model.weights is None else {"weights": list(model.weights)}
        notes["epochs"] = list(model.epochs)
        if model.searches:
            notes["learning_rates"] = [search.chosen for search in model.searches]
        return Fit(model, held, oof, model_bytes(model), notes, model.searches)

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of items: float64 (n, n_classes)."""
        return self.outputs(model, indices).log_proba

    def outputs(self, model: Model, indices: np.ndarray, project: Project | None = None) -> Outputs:
        """Return the log-probabilities and projected features of items."""
        if not isinstance(model, Networks):
            raise TypeError(f"a NetworkEstimator predicts with its own models, got {type(model).__name__}")
        return model.outputs_of(self.tiles, indices, project)


def _standardised(network: nn.Module) -> nn.BatchNorm1d:
    """Return the layer of a network's head that standardises the pooled features."""
    return next(layer for layer in network[1] if isinstance(layer, nn.BatchNorm1d))  # type: ignore[index]


@contextmanager
def _pooled_features(network: nn.Module) -> Iterator[list[np.ndarray]]:
    """Keep the pooled features of all images that a network sees meanwhile, as its head standardises them."""
    kept: list[np.ndarray] = []
    handle = _standardised(network).register_forward_hook(
        lambda *call: kept.append(call[2].float().cpu().numpy())
    )
    try:
        yield kept
    finally:
        handle.remove()


@contextmanager
def epoch_bar(learn: Any, epochs: int, name: str, *, shown: bool) -> Iterator[None]:
    """Show one bar on standard error that moves with every batch of training."""
    with Progress(total=epochs * len(learn.dls.train), unit="batch", desc=name, shown=shown) as bar:
        learn.add_cb(Bar(bar))
        yield
    learn.remove_cb(Bar)
