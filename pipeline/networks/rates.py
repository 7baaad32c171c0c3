"""The search for a learning rate, and its plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from phosphene.converters import ParameterError, SignalError
from phosphene.converters.core.files import atomic_write

if TYPE_CHECKING:
    from fastai.learner import Learner

N_BATCHES = 60
_FEWEST = 15


@dataclass(frozen=True, eq=False)
class RateSearch:
    """What a search for a learning rate found.

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


def search_rate(
    learn: "Learner",
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
        fastai's trainer; what is frozen stays so.
    seed
        Of the order of the items and of all else that is drawn; global generators stay as they are.
    n_batches
        How many rates, one a batch, an integer >= 20.
    low, high
        The first and the last rate; the search ends earlier when the loss explodes.
    spread
        How many times as high the rates of the last layers are as those of the first.

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
    import random

    from .callbacks import RateFinder
    from .seeding import seeded

    if n_batches < 20:
        raise ParameterError(f"search_rate.n_batches must be an integer >= 20, got {n_batches!r}")
    finder = RateFinder(low, high, spread=spread, n_batches=n_batches)
    with seeded(seed), learn.no_bar(), learn.no_logging():
        learn.dls.train.rng = random.Random(seed)
        learn.fit(n_batches // len(learn.dls.train) + 1, cbs=finder)
        learn.create_opt()
        learn.dls.train.rng = random.Random(seed)
    return _judged(learn.recorder.lrs, learn.recorder.losses)


def _judged(rates: Sequence[float], losses: Sequence[float]) -> RateSearch:
    """Leave out the first tenth, when the losses are not smooth yet, and the last five, when they explode."""
    from fastai.callback.schedule import valley

    tried, found = np.array([float(rate) for rate in rates]), np.array([float(loss) for loss in losses])
    kept = np.isfinite(found)
    if kept.sum() > _FEWEST:
        kept &= np.arange(len(tried)) >= len(tried) // 10
        kept[-5:] = False
    tried, found = tried[kept], found[kept]
    if not len(tried):
        raise SignalError("the loss is no number at any learning rate; look at the pictures, or give a rate")
    return RateSearch(tried, found, valley(tried, found, len(tried))[0])
