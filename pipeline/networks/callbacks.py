"""fastai with its warnings off, our callbacks, and the learning-rate range test (Smith 2017, arXiv:1506.01186)."""

import copy
import math
import os
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from phosphene.converters import ParameterError, SignalError
from phosphene.converters.core.files import atomic_write

from .distributed import rank, world_size

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # those of its import tell its users nothing
    # These add methods to the learner: `fit_one_cycle`, `no_bar` and others.
    from fastai.callback.core import Callback, CancelFitException
    from fastai.callback.fp16 import AMPMode, MixedPrecision
    from fastai.callback.mixup import MixUp
    from fastai.callback.schedule import LRFinder, ParamScheduler, valley
    from fastai.callback.tracker import TrackerCallback
    from fastai.callback.training import BnFreeze
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner
    from fastai.losses import CrossEntropyLossFlat
    from fastai.optimizer import OptimWrapper
    from fastai.torch_core import get_model, maybe_gather
    from fastai.vision.learner import add_head, create_head, vision_learner

__all__ = [
    "AMPMode", "Bar", "BnFreeze", "BrainFloat", "Callback", "CancelFitException", "CrossEntropyLossFlat", "DataLoader",
    "DataLoaders", "Distributed", "EpochLog", "KeepBest", "LRFinder", "Lean", "Learner", "MixUp", "MixedPrecision",
    "ParamScheduler", "add_head", "broadcast_weights", "create_head", "fused_adam", "get_model", "maybe_gather",
    "precision", "seeded", "speed_callbacks", "valley", "vision_learner",
]  # fmt: skip

Precision = Literal["float32", "mixed"]


class Lean(Callback):
    """Gives the network plain tensors in the order of memory that convolutions are fastest with.

    fastai's own tensors go through Python for every operation.
    """

    order = -10  # before mixup and mixed precision

    def before_fit(self) -> None:
        """Put the weights in that order; their values stay."""
        self.learn.model.to(memory_format=torch.channels_last)

    def before_batch(self) -> None:
        """Put the batch in that order."""
        self.learn.xb = tuple(_plain(part) for part in self.xb)
        self.learn.yb = tuple(_plain(part) for part in self.yb)


class BrainFloat(Callback):
    """Computes in bfloat16 on a CPU."""

    order = MixedPrecision.order

    def before_batch(self) -> None:
        """Begin to compute in bfloat16."""
        self.region = torch.autocast("cpu", dtype=torch.bfloat16)
        self.region.__enter__()

    def after_pred(self) -> None:
        """Take the loss of float32 numbers."""
        self.learn.pred = self.pred.float()

    def after_loss(self) -> None:
        """Go back to float32."""
        self.region.__exit__(None, None, None)


class Bar(Callback):
    """Moves a progress bar with every training batch."""

    def __init__(self, bar: Any) -> None:
        self.bar = bar

    def after_batch(self) -> None:
        """Move it; a batch of several processes is as long as one of each."""
        if self.training:
            self.bar.update(getattr(self.dl, "share", (0, 1))[1])


class EpochLog(Callback):
    """Notes loss and accuracy of every epoch, of training batches and of the items held out.

    Parameters
    ----------
    epochs
        What a row an epoch is appended to, of means over items: `loss`, `accuracy`, `held_out_loss` and
        `held_out_accuracy`. With mixup images are mixtures, and no accuracy of training batches is noted.
    has_held_out
        Whether any are; where none are, fastai gets a training item in their place, of which nothing is noted.
    """

    def __init__(self, epochs: list[dict[str, float]], *, has_held_out: bool) -> None:
        self.epochs, self.has_held_out = epochs, has_held_out
        self.sums: dict[bool, torch.Tensor | float] = {}

    def before_epoch(self) -> None:
        """Begin to count."""
        self.sums = {True: 0.0, False: 0.0}

    def after_batch(self) -> None:
        """Count a batch."""
        (targets,) = self.yb
        right, n = (self.pred.argmax(dim=1) == targets).sum(), torch.tensor(len(targets))
        counts = torch.stack([self.loss.detach() * n, right, n.to(right.device)])
        self.sums[self.training] = self.sums[self.training] + counts.as_subclass(torch.Tensor)

    def after_epoch(self) -> None:
        """Note the means; a search for a learning rate is no epoch."""
        if hasattr(self.learn, "rate_finder"):
            return
        row: dict[str, float] = {}
        for training, name in ((True, ""), (False, "held_out_")):
            counts = self.sums[training]
            if isinstance(counts, torch.Tensor) and (training or self.has_held_out):
                loss, right, n = maybe_gather(counts).reshape(-1, 3).sum(0).tolist()
                if math.isfinite(loss):  # a training that went astray still makes a model that can be read
                    row[f"{name}loss"] = round(loss / n, 4)
                if not training or not hasattr(self.learn, "mix_up"):
                    row[f"{name}accuracy"] = round(right / n, 4)
        self.epochs.append(row)


class KeepBest(TrackerCallback):
    """Early stopping: ends training after `patience` epochs without a lower validation loss, and restores the best."""

    def __init__(self, patience: int) -> None:
        super().__init__(monitor="valid_loss", reset_on_fit=False)
        self.patience = patience
        self.waited = 0
        self.state: dict[str, torch.Tensor] = {}

    def after_epoch(self) -> None:
        """Keep the weights of the best epoch, in memory."""
        super().after_epoch()
        if self.new_best or not self.state:
            self.state, self.waited = copy.deepcopy(get_model(self.learn.model).state_dict()), 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            raise CancelFitException

    def after_fit(self) -> None:
        """Go back to the best epoch."""
        super().after_fit()
        if self.state:
            get_model(self.learn.model).load_state_dict(self.state)


class Distributed(Callback):
    """Trains with the other processes of torchrun: each takes its part of every batch, gradients are averaged.

    A batch is as many items a process as without others. All see the same loss, since fastai averages what it records,
    so that all stop together and find one learning rate. fastai's own `DistributedTrainer` and `DistributedDL` need
    accelerate and a GPU, and may leave a process one last item, on which batch normalisation fails.
    """

    order = 11  # after the order of the weights in memory is settled, as fastai's own

    def before_fit(self) -> None:
        """Share the batches; dropout and mixup draw other numbers in every process."""
        number, count = rank(), world_size()
        self.whole = self.learn.dls.loaders
        self.learn.dls.loaders = [loader.shared(number, count) for loader in self.whole]
        # Some networks have weights that no output depends on, the same ones in every batch.
        self.learn.model = nn.parallel.DistributedDataParallel(self.model, static_graph=True)
        torch.manual_seed(int(torch.randint(2**31, ())) + number)

    def after_fit(self) -> None:
        """Leave the network and the loaders as they were, but that these go on with their order of items."""
        for loader, part in zip(self.whole, self.learn.dls.loaders, strict=True):
            loader.rng = part.rng
        self.learn.dls.loaders = self.whole
        self.learn.model = get_model(self.learn.model)


def broadcast_weights(model: nn.Module) -> None:
    """Give a model the weights that it has in the first process; GPUs may have rounded otherwise."""
    for value in model.state_dict().values():
        torch.distributed.broadcast(value, 0)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from `seed` inside the block, and go on outside as if nothing had been drawn.

    Examples
    --------
    >>> with seeded(3):
    ...     first = torch.rand(1)
    >>> with seeded(3):
    ...     bool(first == torch.rand(1))
    True
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        drawn, numpy_drawn = random.getstate(), np.random.get_state()
        try:
            torch.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed)
            yield
        finally:
            random.setstate(drawn)
            np.random.set_state(numpy_drawn)


def fused_adam(params: Any, lr: float) -> OptimWrapper:
    """Return fastai's Adam as one call of torch for all weights, where fastai makes a dozen for each."""
    return OptimWrapper(
        params, torch.optim.AdamW, lr=lr, betas=(0.9, 0.99), eps=1e-5, weight_decay=0.01, fused=True
    )


def speed_callbacks(model: nn.Module, device: torch.device) -> list[Callback]:
    """Return what makes training fast on a device.

    Mixed precision is used on a GPU, and on a CPU whose own instructions multiply bfloat16; `PHOSPHENE_MIXED_PRECISION`
    in the environment forbids (`0`) or demands it (`1`).
    """
    if precision(model, device) == "float32":
        return [Lean()]
    if device.type == "cuda":
        return [Lean(), MixedPrecision(AMPMode.BF16 if torch.cuda.is_bf16_supported() else AMPMode.FP16)]
    return [Lean(), BrainFloat()]


def precision(model: nn.Module, device: torch.device) -> Precision:
    """Choose the precision to train a model in; the same on every run, so that the results are."""
    said = os.environ.get("PHOSPHENE_MIXED_PRECISION")
    if said in ("0", "1"):
        return "mixed" if said == "1" else "float32"
    if device.type == "cuda":
        return "mixed"
    # Channels that are convolved apart are slowed down by bfloat16.
    grouped = any(part.groups > 1 for part in model.modules() if isinstance(part, nn.Conv2d))
    return "mixed" if device.type == "cpu" and _multiplies_bfloat16() and not grouped else "float32"


def _multiplies_bfloat16() -> bool:
    """Tell whether the processor multiplies bfloat16 itself: elsewhere that was ten times as slow as float32."""
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in names)


def _plain(part: Any) -> Any:
    if not isinstance(part, torch.Tensor):
        return part
    plain: torch.Tensor = part.as_subclass(torch.Tensor)
    return plain.contiguous(memory_format=torch.channels_last) if plain.ndim == 4 else plain


N_BATCHES = 60
_FEWEST = 15


@dataclass(frozen=True, eq=False)
class RateSearch:
    """Rates tried, rising, the smoothed loss of the training batches at each, and the rate in the valley of these."""

    rates: np.ndarray
    losses: np.ndarray
    chosen: float

    def plot(self, path: str | Path) -> Path:
        """Draw the losses over the rates, with the chosen one marked, as a PNG file."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axes = figure.subplots()
        axes.semilogx(self.rates, self.losses, color="tab:blue")
        axes.axvline(self.chosen, color="tab:orange", linestyle="--")
        height = float(np.interp(np.log(self.chosen), np.log(self.rates), self.losses))
        axes.plot(self.chosen, height, "o", color="tab:orange", label=f"chosen: {self.chosen:.1e}")
        axes.set(xlabel="learning rate of the last layers", ylabel="smoothed training loss")
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
        path = Path(path)
        with atomic_write(path) as file:
            figure.savefig(file, format="png", dpi=120)
        return path


class RateFinder(LRFinder):
    """fastai's search for a learning rate, which keeps the first weights in memory; rates are of the last layers."""

    def __init__(self, low: float, high: float, *, spread: float, n_batches: int) -> None:
        super().__init__(num_it=n_batches, stop_div=False)
        self.low, self.high, self.spread = low, high, spread
        self.scheds = {"lr": self._rate}

    def _rate(self, share: float) -> slice:
        rate = self.low * (self.high / self.low) ** share
        return slice(rate / self.spread, rate)

    def before_fit(self) -> None:
        """Keep the weights."""
        ParamScheduler.before_fit(self)
        self.state = copy.deepcopy(get_model(self.learn.model).state_dict())
        self.best_loss = float("inf")

    def after_batch(self) -> None:
        """Stop when the loss has exploded; one that was near nothing may well become four times as high."""
        super().after_batch()
        if not self.smooth_loss <= 4 * self.best_loss + 1:
            raise CancelFitException

    def after_fit(self) -> None:
        """Go back to them."""
        self.learn.opt.zero_grad()
        get_model(self.learn.model).load_state_dict(self.state)


def search_rate(
    learn: Learner,
    *,
    seed: int = 0,
    n_batches: int = N_BATCHES,
    low: float = 1e-6,
    high: float = 1.0,
    spread: float = 1.0,
) -> RateSearch:
    """Try rising learning rates, one a batch, on a network, and leave it as it was; frozen layers stay frozen.

    Raises
    ------
    ParameterError
        Too few batches.
    SignalError
        The loss is no number from the first batch on.
    """
    if n_batches < 20:
        raise ParameterError(f"search_rate.n_batches must be an integer >= 20, got {n_batches!r}")
    finder = RateFinder(low, high, spread=spread, n_batches=n_batches)
    with seeded(seed), learn.no_bar(), learn.no_logging():
        learn.dls.train.rng = random.Random(seed)
        learn.fit(n_batches // len(learn.dls.train) + 1, cbs=finder)
        learn.create_opt()
        learn.dls.train.rng = random.Random(seed)
    return _result(learn.recorder.lrs, learn.recorder.losses)


def _result(rates: Sequence[float], losses: Sequence[float]) -> RateSearch:
    """Leave out the first tenth, when the losses are not smooth yet, and the last five, when they explode."""
    tried, found = np.array([float(rate) for rate in rates]), np.array([float(loss) for loss in losses])
    kept = np.isfinite(found)
    if kept.sum() > _FEWEST:
        kept &= np.arange(len(tried)) >= len(tried) // 10
        kept[-5:] = False
    tried, found = tried[kept], found[kept]
    if not len(tried):
        raise SignalError("the loss is no number at any learning rate; look at the images, or give a rate")
    return RateSearch(tried, found, valley(tried, found, len(tried))[0])
