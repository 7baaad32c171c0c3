"""A head trained on features that are computed once, where a frozen body would answer the same in every epoch.

Imports fastai, so it is imported by the functions that train.
"""

import random
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import nn

from phosphene.pipeline.tiles.loaders import TileLoader, draw_sources

from .callbacks import Bar, BrainFloat, DataLoader, DataLoaders, Lean, Learner, MixedPrecision
from .seeding import seeded

_N_POOLING = 2  # fastai's head begins with pooling and flattening, which learn nothing
_DEFAULTS = ("TrainEvalCallback", "Recorder", "CastToTensor", "ProgressCallback")


class FeatureLoader(DataLoader):
    """Batches of features in memory.

    Parameters
    ----------
    features, targets
        float32 (n_pictures, n, n_features) and int64 (n,); one of the pictures of each item is drawn.
    options
        As fastai's loader takes them: `bs`, `shuffle`, `drop_last`.
    """

    def __init__(self, features: torch.Tensor, targets: torch.Tensor, options: dict[str, Any]) -> None:
        super().__init__(range(len(targets)), num_workers=0, device=features.device, **options)
        self.features, self.targets = features, targets

    def create_batches(self, samps: Iterable[int]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Take each batch at once."""
        for chunk in self.chunkify(samps):
            rows = torch.tensor(list(chunk), device=self.features.device)
            drawn = torch.from_numpy(draw_sources(self.rng, len(rows), len(self.features))).to(rows.device)
            yield self.features[drawn, rows], self.targets[rows]


def is_steady(learn: Learner) -> bool:
    """Tell whether a frozen body answers the same in every epoch, and nobody watches it do so."""
    loaders = all(isinstance(loader, TileLoader) and loader.steady for loader in learn.dls.loaders)
    ours = (Lean, MixedPrecision, BrainFloat, Bar)
    alone = all(type(cb) in ours or type(cb).__name__ in _DEFAULTS for cb in learn.cbs)
    return loaders and alone


def head_learner(learn: Learner) -> Learner:
    """Return a trainer of a network's head, which shares its weights and takes what the body answers.

    The order of the items and what is dropped out are those that training the whole network would have.
    """
    with seeded(0):  # to ask a loader for its batches draws a number
        train, valid = (_loader(learn.model, loader) for loader in learn.dls.loaders)
    train.rng = random.Random()
    train.rng.setstate(learn.dls.train.rng.getstate())
    head = nn.Sequential(*list(learn.model[1].children())[_N_POOLING:])
    return Learner(
        DataLoaders(train, valid, device=learn.dls.device),
        head,
        loss_func=learn.loss_func,
        opt_func=learn.opt_func,
        train_bn=False,
        cbs=[Bar(cb.bar) for cb in learn.cbs if type(cb) is Bar],
    )


def _loader(model: nn.Sequential, loader: TileLoader) -> FeatureLoader:
    parts = [_answers(model, loader, source) for source in range(loader.n_pictures)]
    options = {"bs": loader.bs, "shuffle": loader.shuffle, "drop_last": loader.drop_last}
    return FeatureLoader(torch.stack([features for features, _ in parts]), parts[0][1], options)


def _answers(model: nn.Sequential, loader: TileLoader, source: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the body answers for one picture of each item, in order, and the targets."""
    body = nn.Sequential(model[0], *list(model[1].children())[:_N_POOLING])
    body.to(memory_format=torch.channels_last).eval()
    ordered = loader.new(shuffle=False, drop_last=False)
    ordered.source = source
    features, targets = [], []
    with torch.no_grad():
        for images, labels in ordered:
            plain = images.as_subclass(torch.Tensor).contiguous(memory_format=torch.channels_last)
            features.append(body(plain).float())
            targets.append(labels.as_subclass(torch.Tensor))
    return torch.cat(features), torch.cat(targets)
