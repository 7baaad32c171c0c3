"""Training by fastai: a new head on a backbone, trained alone, with the backbone, or from scratch; predictions."""

import copy
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from phosphene.converters import ParameterError
from phosphene.pipeline.backbones.backbone import Backbone, input_tensor
from phosphene.pipeline.tiles.loaders import TileLoader, draw_sources

from .callbacks import (
    Bar,
    BnFreeze,
    BrainFloat,
    CrossEntropyLossFlat,
    DataLoader,
    DataLoaders,
    Distributed,
    EpochLog,
    KeepBest,
    Lean,
    Learner,
    MixedPrecision,
    MixUp,
    add_head,
    create_head,
    fused_adam,
    maybe_gather,
    search_rate,
    seeded,
    speed_callbacks,
    vision_learner,
)  # fmt: skip
from .distributed import rank, world_size
from .schedule import PLAIN, Schedule

Progress = Literal["shown", "hidden"]
HEAD_RATE = 5e-3
FINETUNE_RATE = 1e-3
SCRATCH_RATE = 3e-3
HEAD_EPOCHS = 10
"""Before a network is fine-tuned; with cached features they cost less than one epoch of the whole."""
SPREAD = 100.0
"""Ratio of the learning rates of the last layers to those of the first, as fastai has it."""
_N_POOLING = 2  # fastai's head begins with pooling and flattening, which learn nothing
_DEFAULTS = ("TrainEvalCallback", "Recorder", "CastToTensor", "ProgressCallback")


def build_model(backbone: Backbone, *, n_classes: int, seed: int = 0) -> nn.Sequential:
    """Return a copy of a backbone's body with fastai's head behind it, freshly drawn from `seed`.

    Examples
    --------
    >>> from phosphene.pipeline.backbones.backbone import load_backbone
    >>> model = build_model(load_backbone("lenet", pretrained=False), n_classes=4)
    >>> model.eval()(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 4])
    """
    with seeded(seed):
        body = nn.Sequential(copy.deepcopy(backbone.body))  # as `vision_learner` wraps it
        model: nn.Sequential = add_head(body, backbone.n_features, n_classes)
    return model


def learner(
    dls: DataLoaders,
    backbone: Backbone,
    *,
    seed: int = 0,
    cbs: Iterable[Any] = (),
    loss_func: Callable[..., torch.Tensor] | None = None,
) -> Learner:
    """Put a new head on a copy of a backbone; groups are earlier layers, later ones, the head; all else is frozen."""

    def architecture(pretrained: bool) -> nn.Module:
        # `vision_learner` forgets its argument `cut` and cuts at the last pooling layer: it gets one to cut at.
        return nn.Sequential(copy.deepcopy(backbone.body), nn.AdaptiveAvgPool2d(1))

    with seeded(seed):
        learn: Learner = vision_learner(
            dls,
            architecture,
            normalize=False,  # the loaders do it, with the backbone's own mean and deviation
            n_out=dls.c,
            custom_head=create_head(backbone.n_features, dls.c),
            splitter=splitter(backbone),
            loss_func=loss_func or loss_of(),
            opt_func=fused_adam,
            cbs=[*speed_callbacks(backbone.body, dls.device or torch.device("cpu")), *cbs],
        )
    return learn


def loss_of(schedule: Schedule = PLAIN, counts: np.ndarray | None = None) -> Callable[..., torch.Tensor]:
    """Return the cross-entropy with the schedule's smoothing, and, if balanced, weights by the counts of the classes.

    Examples
    --------
    >>> loss = loss_of(Schedule(class_weights="balanced"), np.array([30, 10]))
    >>> [round(float(weight), 2) for weight in loss.func.weight]
    [0.67, 2.0]
    """
    weight = None
    if schedule.class_weights == "balanced" and counts is not None:
        weight = torch.tensor(counts.sum() / (len(counts) * np.maximum(counts, 1)), dtype=torch.float32)
    loss: Callable[..., torch.Tensor] = CrossEntropyLossFlat(
        weight=weight, label_smoothing=schedule.label_smoothing
    )
    return loss


def splitter(backbone: Backbone) -> Callable[[Any], list[list[nn.Parameter]]]:
    """Return a function that splits a model's parameters into earlier layers, later layers and the head."""
    middle = backbone.layers[(len(backbone.layers) - 1) // 2]
    parts = [name for name, _ in backbone.body.named_modules()]
    last = max(index for index, name in enumerate(parts) if f"{name}.".startswith(f"{middle}."))
    early = set(parts[: last + 1])

    def split(model: Any) -> list[list[nn.Parameter]]:
        groups: list[list[nn.Parameter]] = [[], [], list(model[1].parameters())]
        for name, parameter in model[0][0].named_parameters():
            groups[name.rpartition(".")[0] not in early].append(parameter)
        return groups

    return split


def train_head(
    learn: Learner, *, epochs: int, schedule: Schedule = PLAIN, seed: int = 0, progress: Progress = "hidden"
) -> None:
    """Train the head alone; the body stays as it is, down to the running statistics of its normalisations.

    Where every image is the same in each epoch, the features of the body are computed once and cached: the same head
    in a small part of the time.
    """
    with _training(learn, seed, progress):
        _fit_head(learn, epochs, schedule, seed=seed, progress=progress)


def finetune(
    learn: Learner, *, epochs: int, schedule: Schedule = PLAIN, seed: int = 0, progress: Progress = "hidden"
) -> None:
    """Train the head for a few epochs, then all layers for `epochs`, earlier ones at lower rates.

    With a gradual schedule the earlier half of the layers is trained only after the first third of the epochs.
    """
    with _training(learn, seed, progress):
        alone = replace(schedule, lr=None, mixup=0.0, patience=None)
        _fit_head(learn, HEAD_EPOCHS, alone, seed=seed, progress=progress)
        learn.unfreeze()
        rate = _rate(learn, schedule, FINETUNE_RATE, seed, spread=SPREAD)
        cbs = [BnFreeze(), *_mixing(schedule), *_stopping(schedule)]
        early = round(epochs / 3) if schedule.unfreeze == "gradual" else 0
        for n_epochs, frozen in ((early, -2), (epochs - early, 0)):
            stopped = any(isinstance(cb, KeepBest) and cb.waited >= cb.patience for cb in cbs)
            if n_epochs and not stopped:
                learn.freeze_to(frozen)
                learn.fit_one_cycle(n_epochs, slice(rate / SPREAD, rate), div=5.0, cbs=cbs)


def scratch(
    learn: Learner, *, epochs: int, schedule: Schedule = PLAIN, seed: int = 0, progress: Progress = "hidden"
) -> None:
    """Train all layers at one rate; meant for a backbone with random weights."""
    with _training(learn, seed, progress):
        learn.unfreeze()
        rate = _rate(learn, schedule, SCRATCH_RATE, seed)
        learn.fit_one_cycle(epochs, rate, cbs=_mixing(schedule) + _stopping(schedule))


def _rate(learn: Learner, schedule: Schedule, usual: float, seed: int, *, spread: float = 1.0) -> float:
    if schedule.lr == "find":
        learn.rate_search = search_rate(learn, seed=seed, spread=spread)  # kept for its plot
        return float(learn.rate_search.chosen)
    return usual if schedule.lr is None else float(schedule.lr)


def _mixing(schedule: Schedule) -> list[Any]:
    return [MixUp(schedule.mixup)] if schedule.mixup else []


def _stopping(schedule: Schedule) -> list[Any]:
    return [KeepBest(schedule.patience)] if schedule.patience else []


def _fit_head(learn: Learner, epochs: int, schedule: Schedule, *, seed: int, progress: Progress) -> None:
    cbs = [BnFreeze(), *_mixing(schedule), *_stopping(schedule)]
    learn.freeze()
    trainer = learn
    with ExitStack() as stack:
        if is_steady(learn) and not schedule.mixup:
            trainer = head_learner(learn)
            for display in _displays(trainer, progress):
                stack.enter_context(display)
        trainer.fit_one_cycle(epochs, _rate(trainer, schedule, HEAD_RATE, seed), cbs=cbs)
    learn.rate_search = getattr(trainer, "rate_search", None)


class FeatureLoader(DataLoader):
    """Batches of features in memory, float32 (n_copies, n, n_features); of each item one of the copies is drawn."""

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
    """Tell whether a frozen body gives the same features in every epoch, and no callback watches it."""
    loaders = all(isinstance(loader, TileLoader) and loader.steady for loader in learn.dls.loaders)
    ours = (Lean, MixedPrecision, BrainFloat, Bar, EpochLog, Distributed)
    alone = all(type(cb) in ours or type(cb).__name__ in _DEFAULTS for cb in learn.cbs)
    return loaders and alone


def head_learner(learn: Learner) -> Learner:
    """Return a learner of a network's head, which shares its weights and takes the cached features of its body.

    The order of the items and the dropout are those of training the whole network. Several processes share the work of
    the body, and train the same head each, as one process alone does.
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
        cbs=[
            *(Bar(cb.bar) for cb in learn.cbs if type(cb) is Bar),
            *(EpochLog(cb.epochs, has_held_out=cb.has_held_out) for cb in learn.cbs if type(cb) is EpochLog),
        ],
    )


def _loader(model: nn.Sequential, loader: TileLoader) -> FeatureLoader:
    parts = [_body_features(model, loader, source) for source in range(loader.n_images)]
    options = {"bs": loader.bs, "shuffle": loader.shuffle, "drop_last": loader.drop_last}
    return FeatureLoader(torch.stack([features for features, _ in parts]), parts[0][1], options)


def _body_features(
    model: nn.Sequential, loader: TileLoader, source: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the features of one copy of each item, in order, and the targets."""
    body = nn.Sequential(model[0], *list(model[1].children())[:_N_POOLING])
    body.to(memory_format=torch.channels_last).eval()
    ordered = loader.new(shuffle=False, drop_last=False)
    ordered.source = source
    features, targets = [], []
    ordered = ordered.shared(rank(), world_size())
    with torch.no_grad():
        for start, (images, labels) in zip(range(0, ordered.n, ordered.bs), ordered, strict=True):
            plain = images.as_subclass(torch.Tensor).contiguous(memory_format=torch.channels_last)
            n = min(ordered.bs, ordered.n - start)  # what fills up the last part of several is left out
            features.append(maybe_gather(body(plain).float())[:n])
            targets.append(maybe_gather(labels.as_subclass(torch.Tensor))[:n])
    return torch.cat(features), torch.cat(targets)


@contextmanager
def _training(learn: Learner, seed: int, progress: Progress) -> Iterator[None]:
    """Draw from a seed, quietly unless asked, and leave the model in evaluation mode."""
    with ExitStack() as stack:
        stack.enter_context(seeded(seed))
        for display in _displays(learn, progress):
            stack.enter_context(display)
        # fastai's loader shuffles by a generator of its own, seeded when the loader was made.
        learn.dls.train.rng = random.Random(seed)
        learn.train_bn = False  # normalisations in frozen layers stay as they are
        learn.create_opt()  # it is the optimiser that knows
        yield
    learn.model.eval()


def _displays(learn: Learner, progress: Progress) -> tuple[AbstractContextManager[Any], ...]:
    if progress == "shown":
        return (redirect_stdout(sys.stderr),)  # standard output is for results
    return learn.no_bar(), learn.no_logging()


def predict_logits(
    model: nn.Module, images: np.ndarray | Iterable[Any], backbone: Backbone, *, batch_size: int = 64
) -> np.ndarray:
    """Return the logits of images, float32 (n, n_classes), of uint8 (n, height, width, 1 or 3) or loader batches.

    Raises
    ------
    ParameterError
        There is no image.
    """
    if isinstance(images, np.ndarray):
        starts = range(0, len(images), batch_size)
        batches = (input_tensor(images[start : start + batch_size], backbone) for start in starts)
    else:
        batches = (_inputs(batch) for batch in images)
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        logits = [model(batch.to(device)).float().cpu() for batch in batches]
    if not logits:
        raise ParameterError("predict_logits needs at least one image, got none")
    return torch.cat(logits).numpy()


def _inputs(batch: Any) -> torch.Tensor:
    """Take the images of a batch (images, labels), as a plain tensor: fastai's own slows every operation."""
    images = batch[0] if isinstance(batch, tuple | list) else batch
    plain: torch.Tensor = images.as_subclass(torch.Tensor)
    return plain
