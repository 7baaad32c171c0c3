"""How a classifier is made: the recipe of a user, and the strategy that `auto` chooses.

======  =============  ===================================================================================
items   domain shift   strategy
======  =============  ===================================================================================
few     small          `head`: the last features of the frozen network fit, a new head is enough
few     large          `probe`: middle features carry over, the last ones are of objects in photographs
many    small          `finetune`: there is enough to train all layers, and they need to move little
many    large          `finetune` too: pretrained weights are a better start than random ones (Yosinski et al.
                       2014, https://arxiv.org/abs/1411.1792); `scratch` only where there are none
======  =============  ===================================================================================

Imports nothing heavy: the command line reads its choices here.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from phosphene.converters.core.errors import ParameterError
from phosphene.pipeline.networks.schedule import Schedule

if TYPE_CHECKING:
    from phosphene.converters.registry import Views
    from phosphene.datasets.windows import Windows
    from phosphene.pipeline.augment.changes import Augmentation
    from phosphene.pipeline.backbones.domain_shift import DomainShift
    from phosphene.pipeline.tiles.engines import Engine

Strategy = Literal["auto", "probe", "head", "finetune", "scratch"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
DEFAULT_EPOCHS: dict[Strategy, int] = {"auto": 0, "probe": 0, "head": 10, "finetune": 15, "scratch": 40}
RANDOM = Path("random")
"""Given as the file of weights: random weights, the control that shows what the pretrained ones are worth."""

FEW = 2_000
"""Below this, fine-tuning all layers overfits."""
FEW_ON_CPU = 10_000
"""The same without a GPU: a frozen network makes one pass, a trained one dozens."""
FEW_OF_A_CLASS = 50
"""Of the rarest class, below which fine-tuning overfits it."""
CPU_IMAGES_PER_S = 40
"""Of EfficientNet-Lite0 in training on two cores."""

Device = Literal["cpu", "gpu"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a classifier is made.

    Parameters
    ----------
    views
        Converters, or text such as `mel` or `gasf,gadf`; None for the default views of the kind.
    windows
        How recordings are cut: `Windows`, or text such as `t=5,2.5`, `pause=1` or `none`; None for what suits the kind.
    arch
        Name of the backbone, or several, in a list or separated by commas: one model each, their predictions averaged.
    weights
        A file with its weights; `RANDOM` for random ones; None for published ones.
    strategy
        `probe`, `head`, `finetune` or `scratch`; `auto` chooses by the number of items and their domain shift.
    epochs
        Passes over the training items; None for the strategy's default. A probe makes none.
    augment
        Augmentation of the raw signals: a list, or text such as `time_shift,noise`; `default` for that of the kind.
    copies
        Augmented copies of every training item, where there is `augment`.
    members
        Networks trained from different seeds, their predictions averaged; a probe has but one.
    schedule
        How networks are trained: rates, early stopping, mixup and the like.
    seed
        Random seed.
    workers
        Processes that render; None for one per core.
    engine
        `local`; or `ray`, where the features of a probe are computed over a cluster.
    """

    views: "Views | None" = None
    windows: "str | Windows | None" = None
    arch: str | Sequence[str] = "efficientnet_lite0"
    weights: Path | None = None
    strategy: Strategy = "auto"
    epochs: int | None = None
    augment: "str | Sequence[Augmentation] | None" = None
    copies: int = 3
    members: int = 1
    schedule: Schedule = field(default_factory=Schedule)
    seed: int = 0
    workers: int | None = None
    engine: "Literal['local', 'ray'] | Engine" = "local"

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise ParameterError(f"strategy must be one of {', '.join(STRATEGIES)}, got {self.strategy!r}")
        for name in ("epochs", "copies", "members"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ParameterError(f"{name} must be 1 or more, got {value}")
        for name in ("views", "arch", "augment"):  # a recipe is a key, lists are none
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
        if not all(self.archs):
            raise ParameterError(f"arch must be names separated by commas, got {self.arch!r}")
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
        if self.engine != "local" and self.strategy not in ("probe", "auto"):
            raise ParameterError(
                f"the strategy {self.strategy} trains networks, on several GPUs by torchrun; "
                "leave --engine out, or take probe"
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
        names = self.arch.split(",") if isinstance(self.arch, str) else self.arch
        return tuple(name.strip() for name in names)

    @property
    def passes(self) -> int:
        """How many epochs are trained."""
        return DEFAULT_EPOCHS[self.strategy] if self.epochs is None else self.epochs


@dataclass(frozen=True)
class Amount:
    """Size of a training set.

    Parameters
    ----------
    items
        Labelled recordings or files.
    classes
        Number of classes.
    smallest
        Items of the rarest class.
    images
        Windows of items times views: what an epoch passes through.
    """

    items: int
    classes: int
    smallest: int
    images: int

    def __post_init__(self) -> None:
        if not 1 <= self.smallest <= self.items or self.classes < 1 or self.images < 1:
            raise ParameterError(f"Amount must count one item or more in each class, got {self}")

    @classmethod
    def of(cls, labels: Sequence[str], *, windows: int | None = None, views: int = 1) -> "Amount":
        """Count labels, one an item; `windows` is how many windows the items were cut into, None for one each.

        Examples
        --------
        >>> Amount.of(["cat", "dog", "cat"], windows=30, views=2)
        Amount(items=3, classes=2, smallest=1, images=60)
        """
        counts = Counter(labels)
        count = len(labels) if windows is None else windows
        return cls(len(labels), len(counts), min(counts.values(), default=0), count * views)


@dataclass(frozen=True)
class StrategyChoice:
    """A strategy, and why it was chosen in a sentence or two."""

    strategy: Strategy
    why: str


def choose_strategy(
    amount: Amount,
    domain_shift: "DomainShift",
    *,
    weights: Literal["pretrained", "random"] = "pretrained",
    device: Device = "cpu",
) -> StrategyChoice:
    """Choose a strategy by the size of the training set and its domain shift.

    Items count and not their windows, since windows of one recording add little.

    Parameters
    ----------
    amount
        Of the training set.
    domain_shift
        Of the tiles; where it could not be measured it counts as large.
    weights
        Of the backbone.
    device
        The device of training.

    Examples
    --------
    >>> from phosphene.pipeline.backbones.domain_shift import DomainShift
    >>> choice = choose_strategy(Amount(320, 10, 32, 320), DomainShift(5.1, threshold=1.9))
    >>> choice.strategy
    'probe'
    >>> print(choice.why)
    probe: 320 items (32 of the rarest of 10 classes) are few (below 2000), and they look unlike photographs ...
    """
    strategy = _strategy(amount, domain_shift, weights, device)
    looks = str(domain_shift) if weights == "pretrained" else "the weights of the network are random"
    reason = (_REASONS if weights == "pretrained" else _REASONS_RANDOM)[strategy]
    return StrategyChoice(strategy, f"{strategy}: {_size(amount, device)}, and {looks}; so {reason}")


# What follows from size, domain shift and weights.
_REASONS: dict[Strategy, str] = {
    "head": "the network stays frozen, and a new head is trained on its last features, which were made for such images",
    "probe": "the network stays frozen, and a linear head is fitted to features of its middle layers, which carry "
    "over to other images",
    "finetune": "all layers are trained from the pretrained weights, a better start than random ones for any images",
}
_REASONS_RANDOM: dict[Strategy, str] = {
    "probe": "the network stays frozen, and a linear head is fitted to its middle features, though they mean nothing "
    "yet: pretrained weights would do better",
    "scratch": "all layers are trained from random weights",
}


def _strategy(amount: Amount, domain_shift: "DomainShift", weights: str, device: Device) -> Strategy:
    few = amount.items < _enough(device) or amount.smallest < FEW_OF_A_CLASS
    if weights == "random":
        return "probe" if few else "scratch"
    if few:
        return "head" if domain_shift.is_small else "probe"
    return "finetune"


def _enough(device: Device) -> int:
    return FEW if device == "gpu" else FEW_ON_CPU


def _size(amount: Amount, device: Device) -> str:
    """Say how many items there are, and whether that is few or many."""
    counts = f"{amount.items} items ({amount.smallest} of the rarest of {amount.classes} classes)"
    if amount.items < FEW:
        return f"{counts} are few (below {FEW})"
    if amount.smallest < FEW_OF_A_CLASS:
        return f"{counts} leave too few of a class (below {FEW_OF_A_CLASS})"
    if amount.items < _enough(device):
        return f"{counts} are few without a GPU (below {FEW_ON_CPU}, since {_epoch(amount)})"
    if device == "cpu":
        return f"{counts} are many ({FEW_ON_CPU} or more without a GPU, where {_epoch(amount)})"
    return f"{counts} are many ({FEW} or more)"


def _epoch(amount: Amount) -> str:
    minutes = max(1, round(amount.images / CPU_IMAGES_PER_S / 60))
    return f"an epoch of {amount.images} images takes about {minutes} minute{'s' * (minutes > 1)} on a CPU"
