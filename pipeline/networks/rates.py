"""The learning-rate range test (L. N. Smith 2017, https://arxiv.org/abs/1506.01186), and its plot."""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from phosphene.converters import ParameterError, SignalError
from phosphene.converters.core.files import atomic_write

from .callbacks import CancelFitException, Learner, LRFinder, ParamScheduler, seeded, valley

N_BATCHES = 60
_FEWEST = 15


@dataclass(frozen=True, eq=False)
class RateSearch:
    """Result of a search for a learning rate.

    Parameters
    ----------
    rates, losses
        float (n,), the rates tried, rising, and the smoothed loss of the training batches at each.
    chosen
        The rate in the valley of the losses, well before they rise.
    """

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
    """fastai's search for a learning rate, which keeps the first weights in memory instead of a file.

    Parameters
    ----------
    low, high
        The first and the last rate of the last layers.
    spread
        Ratio of it to that of the first layers.
    n_batches
        Number of rates.
    """

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
        self.state = copy.deepcopy(self.learn.model.state_dict())
        self.best_loss = float("inf")

    def after_batch(self) -> None:
        """Stop when the loss has exploded; one that was near nothing may well become four times as high."""
        super().after_batch()
        if not self.smooth_loss <= 4 * self.best_loss + 1:
            raise CancelFitException

    def after_fit(self) -> None:
        """Go back to them."""
        self.learn.opt.zero_grad()
        self.learn.model.load_state_dict(self.state)


def search_rate(
    learn: Learner,
    *,
    seed: int = 0,
    n_batches: int = N_BATCHES,
    low: float = 1e-6,
    high: float = 1.0,
    spread: float = 1.0,
) -> RateSearch:
    """Try rising learning rates on a network, and leave it as it was.

    Parameters
    ----------
    learn
        fastai's learner; frozen layers stay frozen.
    seed
        Random seed; global generators stay as they are.
    n_batches
        Rates to try, one a batch, an integer >= 20.
    low, high
        The first and the last rate; the search ends earlier when the loss explodes.
    spread
        Ratio of the rates of the last layers to those of the first.

    Returns
    -------
    RateSearch
        Rates of the last layers. `chosen` is fastai's `valley`.

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
