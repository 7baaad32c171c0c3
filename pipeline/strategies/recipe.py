"""How a classifier is made: the choices of a user, checked, without anything heavy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from phosphene.converters.core.errors import ParameterError
from phosphene.pipeline.networks.schedule import Schedule

Strategy = Literal["auto", "probe", "head", "finetune", "scratch"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
DEFAULT_EPOCHS: dict[Strategy, int] = {"auto": 0, "probe": 0, "head": 10, "finetune": 15, "scratch": 40}
RANDOM = Path("random")
"""Named as a file of weights, it leaves them random: the control that shows what the pretrained ones are worth."""


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
        Name of the backbone, or several parted by commas: one model each, their answers averaged.
    weights
        A file with its weights; `RANDOM` leaves them random; None to look for published ones.
    strategy
        `probe`, `head`, `finetune` or `scratch`; `auto` chooses by how many the items are and what they look like.
    epochs
        Passes over the training items; None for the strategy's default. A probe makes none.
    augment
        Changes of the raw signals to learn from, such as `time_shift,noise`; `default` for those of the kind.
    copies
        How many changed copies of every item are learned from besides itself, where there is `augment`.
    members
        Networks trained from different seeds, their answers averaged; a probe leaves nothing to a seed.
    schedule
        How networks are trained: rates, early stopping, mixup and the like.
    seed
        Decides everything that is left to chance.
    workers
        Processes that render; None for one a core.
    """

    views: str | None = None
    windows: str | None = None
    arch: str = "efficientnet_lite0"
    weights: Path | None = None
    strategy: Strategy = "auto"
    epochs: int | None = None
    augment: str | None = None
    copies: int = 3
    members: int = 1
    schedule: Schedule = field(default_factory=Schedule)
    seed: int = 0
    workers: int | None = None

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ParameterError(f"strategy must be one of {', '.join(STRATEGIES)}, got {self.strategy!r}")
        for name in ("epochs", "copies", "members"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ParameterError(f"{name} must be 1 or more, got {value}")
        if not all(self.archs):
            raise ParameterError(f"arch must be names parted by commas, got {self.arch!r}")
        if len(set(self.archs)) < len(self.archs):
            raise ParameterError(f"arch names a network twice: {self.arch!r}; leave one out, or set members")
        self._check_strategy()

    def _check_strategy(self) -> None:
        if self.epochs is not None and self.strategy in ("probe", "auto"):
            why = "makes no epochs" if self.strategy == "probe" else "may make no epochs"
            raise ParameterError(
                f"the strategy {self.strategy} {why}; leave --epochs out, or name another strategy"
            )
        if self.strategy == "probe" and (self.schedule != Schedule() or self.members > 1):
            raise ParameterError(
                "the strategy probe trains no network; leave rates, patience, mixup, smoothing, class weights and "
                "members out, or name another strategy"
            )
        if self.weights is not None and self.strategy == "scratch":
            raise ParameterError("the strategy scratch starts from random weights; leave --weights out")
        if self.weights not in (None, RANDOM) and len(self.archs) > 1:
            raise ParameterError(
                f"one file of weights fits one network, not {self.arch}; leave --weights out"
            )

    @property
    def archs(self) -> tuple[str, ...]:
        """The names of the backbones."""
        return tuple(name.strip() for name in self.arch.split(","))

    @property
    def passes(self) -> int:
        """How many epochs are trained."""
        return DEFAULT_EPOCHS[self.strategy] if self.epochs is None else self.epochs
