"""Whole networks trained by fastai, one a view, their answers averaged."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
import torch
from torch import nn

from phosphene.pipeline.data.render import Tiles

from .backbones import Backbone
from .learners import build_model, finetune, learner, predict_logits, scratch, train_head
from .model import Fitted, Model, load_part
from .recipe import Recipe

BATCH = 32
MOST_IN_MEMORY = 2048


@dataclass(frozen=True, eq=False)
class Networks:
    """A network a view, each body and head, whose probabilities are averaged.

    Parameters
    ----------
    backbone
        The input that all of them take; its body is not used.
    networks
        float32 (n, 3, size, size) to logits (n, n_classes).
    n_classes
        Columns of the answers.
    """

    backbone: Backbone
    networks: tuple[nn.Module, ...]
    n_classes: int

    @property
    def backbones(self) -> tuple[Backbone, ...]:
        """The network that all started from."""
        return (self.backbone,)

    def log_probabilities(self, tiles: Tiles, *, progress: bool = False) -> np.ndarray:
        """Return float64 (n_items, n_classes); zeros for items that failed."""
        del progress
        answers = np.zeros((len(tiles), self.n_classes))
        answers[tiles.drawn] = self.of_places(tiles, tiles.drawn)
        return answers

    def of_places(self, tiles: Tiles, places: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of some items: float64 (n, n_classes)."""
        views = [self._of_view(network, tiles, places, view) for view, network in enumerate(self.networks)]
        answers: np.ndarray = np.log(np.mean(np.exp(views), axis=0).clip(1e-30))
        return answers

    def _of_view(self, network: nn.Module, tiles: Tiles, places: np.ndarray, view: int) -> np.ndarray:
        parts = np.array_split(places, -(-len(places) // MOST_IN_MEMORY))
        logits = [predict_logits(network, tiles.pixels(part, view), self.backbone) for part in parts]
        answers: np.ndarray = scipy.special.log_softmax(np.concatenate(logits).astype(np.float64), axis=1)
        return answers

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the numbers of all networks."""
        return {
            f"view{n}.{k}": v
            for n, network in enumerate(self.networks)
            for k, v in network.state_dict().items()
        }

    @property
    def config(self) -> dict[str, Any]:
        """How many networks and classes there are."""
        return {"sort": "networks", "n_networks": len(self.networks), "n_classes": self.n_classes}

    @classmethod
    def from_tensors(
        cls, config: dict[str, Any], backbones: Sequence[Backbone], tensors: dict[str, torch.Tensor]
    ) -> "Networks":
        """Make saved networks again."""
        (backbone,) = backbones
        networks = [build_model(backbone, n_classes=config["n_classes"]) for _ in range(config["n_networks"])]
        for view, network in enumerate(networks):
            load_part(network.eval(), tensors, f"view{view}.")
        return cls(backbone, tuple(networks), config["n_classes"])


def fit_networks(
    backbone: Backbone,
    tiles: Tiles,
    places: np.ndarray,
    targets: np.ndarray,
    *,
    recipe: Recipe,
    progress: bool,
) -> Networks:
    """Train one network a view.

    Parameters
    ----------
    backbone
        Where every network starts from; it stays as it is.
    tiles
        Pictures of all items.
    places, targets
        int (n,), the items to learn from and the class of each, from 0.
    recipe
        Strategy, epochs and seed.
    progress
        Show a bar for each view on standard error.
    """
    n_classes = int(targets.max()) + 1
    networks = tuple(
        _fit_view(backbone, tiles, view, places, targets, recipe=recipe, progress=progress)
        for view in range(len(tiles.views))
    )
    return Networks(backbone, networks, n_classes)


def _fit_view(
    backbone: Backbone,
    tiles: Tiles,
    view: int,
    places: np.ndarray,
    targets: np.ndarray,
    *,
    recipe: Recipe,
    progress: bool,
) -> nn.Module:
    """Train the network of one view; nothing is held out, for nothing is chosen by what would be."""
    from phosphene.pipeline.data.loaders import tile_loaders

    labels = np.full(len(tiles), "", object)
    labels[places] = [f"{target:06}" for target in targets]  # in the order of the numbers when sorted as text
    dls = tile_loaders(
        tiles, labels, places, places[:1],
        batch_size=BATCH, size=backbone.size, seed=recipe.seed, view=view, mean=backbone.mean, std=backbone.std,
    )  # fmt: skip
    learn = learner(dls, backbone, seed=recipe.seed)
    epochs = recipe.passes + (recipe.strategy == "finetune")  # one of them for the head alone
    with epoch_bar(learn, epochs, tiles.views[view].spec, shown=progress):
        _STRATEGIES[recipe.strategy](learn, epochs=recipe.passes, seed=recipe.seed)
    network: nn.Module = learn.model
    return network


_STRATEGIES: dict[str, Callable[..., None]] = {"head": train_head, "finetune": finetune, "scratch": scratch}


@contextmanager
def epoch_bar(learn: Any, epochs: int, name: str, *, shown: bool) -> Iterator[None]:
    """Show one bar on standard error that moves with every batch of training."""
    from fastai.callback.core import Callback
    from tqdm import tqdm

    with tqdm(
        total=epochs * len(learn.dls.train), unit="batch", desc=name, disable=None if shown else True
    ) as bar:

        class _Bar(Callback):
            def after_batch(self) -> None:
                if self.training:
                    bar.update()

        learn.add_cb(_Bar())
        yield
    learn.remove_cb(_Bar)


class NetworkTrainer:
    """Trains whole networks with fastai, one a view."""

    def __init__(
        self,
        recipe: Recipe,
        backbone: Backbone,
        tiles: Tiles,
        copies: Sequence[Tiles] = (),
        *,
        progress: bool,
    ) -> None:
        self.recipe, self.backbone, self.tiles, self.progress = recipe, backbone, tiles, progress
        self.copies = tuple(copies)

    def fit(self, places: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> Fitted:
        """Train one network a view on the items at `places`."""
        del groups
        model = fit_networks(
            self.backbone, self.tiles, places, targets, recipe=self.recipe, progress=self.progress
        )
        return Fitted(model, np.zeros(0, int), np.zeros((0, model.n_classes)))

    def answer(self, model: Model, places: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of the items at `places`."""
        if not isinstance(model, Networks):
            raise TypeError(f"a NetworkTrainer answers with its own models, got {type(model).__name__}")
        return model.of_places(self.tiles, places)
