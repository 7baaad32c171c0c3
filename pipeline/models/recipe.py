"""How a classifier is made: the choices of a user, checked, without anything heavy."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from phosphene.converters.errors import ParameterError

Strategy = Literal["probe", "head", "finetune", "scratch"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
DEFAULT_EPOCHS: dict[Strategy, int] = {"probe": 0, "head": 10, "finetune": 15, "scratch": 40}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a classifier is made.

    Parameters
    ----------
    views
        Text such as `mel` or `gasf,gadf`; None for the default views of the kind.
    windows
        How recordings are cut, `t=5,2.5` or `pause=1`, as for `convert`; None for what suits the kind.
    arch
        Name of the backbone.
    weights
        A file with its weights; None to look for them.
    strategy
        `probe`, `head`, `finetune` or `scratch`.
    epochs
        Passes over the training items; None for the strategy's default. A probe makes none.
    seed
        Decides everything that is left to chance.
    workers
        Processes that render; None for one a core.
    """

    views: str | None = None
    windows: str | None = None
    arch: str = "efficientnet_lite0"
    weights: Path | None = None
    strategy: Strategy = "probe"
    epochs: int | None = None
    seed: int = 0
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ParameterError(f"strategy must be one of {', '.join(STRATEGIES)}, got {self.strategy!r}")
        if self.epochs is not None and self.epochs < 1:
            raise ParameterError(f"epochs must be 1 or more, got {self.epochs}")
        if self.epochs is not None and self.strategy == "probe":
            raise ParameterError(
                "the strategy probe makes no epochs; leave --epochs out, or name another strategy"
            )
        if self.weights is not None and self.strategy == "scratch":
            raise ParameterError("the strategy scratch starts from random weights; leave --weights out")

    @property
    def passes(self) -> int:
        """How many epochs are trained."""
        return DEFAULT_EPOCHS[self.strategy] if self.epochs is None else self.epochs
