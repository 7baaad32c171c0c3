"""The strategy `auto`: how a network is put to a task, by how much there is to learn from and what it looks like.

======  =============  ===================================================================================
items   photographs    strategy
======  =============  ===================================================================================
few     like           `head`: the last features of the frozen network fit, only their meaning is new
few     unlike         `probe`: middle features carry over, the last ones are of objects in photographs
many    like           `finetune`: there is enough to move all layers, and they need to move little
many    unlike         `finetune` too, for pretrained weights are a better start than random ones (Yosinski et
                       al. 2014, https://arxiv.org/abs/1411.1792); `scratch` only where there are none
======  =============  ===================================================================================
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from phosphene.converters.core.errors import ParameterError
from phosphene.pipeline.backbones.domain_shift import Likeness

from .recipe import Strategy

FEW = 2_000
"""Fewer items than this do not move the millions of numbers in a network without its learning them by heart."""
FEW_ON_CPU = 10_000
"""Without a GPU more is asked for: a frozen network is passed through once, a trained one dozens of times."""
FEW_OF_A_CLASS = 50
"""The rarest class needs some items to learn from, whatever the others have."""
CPU_PICTURES_PER_S = 40
"""Of EfficientNet-Lite0 in training on two cores."""

Device = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Amount:
    """What there is to learn from.

    Parameters
    ----------
    items
        Recordings or files with a label.
    classes
        How many there are.
    smallest
        Items of the rarest class.
    pictures
        Pieces of items, once for each view: what an epoch passes through.
    """

    items: int
    classes: int
    smallest: int
    pictures: int

    def __post_init__(self) -> None:
        if not 1 <= self.smallest <= self.items or self.classes < 1 or self.pictures < 1:
            raise ParameterError(f"Amount must count one item or more in each class, got {self}")

    @classmethod
    def of(cls, labels: Sequence[str], *, pieces: int | None = None, views: int = 1) -> "Amount":
        """Count labels, one an item; `pieces` is how many parts the items were cut into, None for one each.

        Examples
        --------
        >>> Amount.of(["cat", "dog", "cat"], pieces=30, views=2)
        Amount(items=3, classes=2, smallest=1, pictures=60)
        """
        counts = Counter(labels)
        count = len(labels) if pieces is None else pieces
        return cls(len(labels), len(counts), min(counts.values(), default=0), count * views)


@dataclass(frozen=True)
class Choice:
    """A strategy, and in a sentence or two why it was chosen."""

    strategy: Strategy
    why: str


def choose_strategy(
    amount: Amount,
    likeness: Likeness,
    *,
    weights: Literal["pretrained", "random"] = "pretrained",
    device: Device = "cpu",
) -> Choice:
    """Choose how a network is put to a task.

    Items count and not their pieces, since pieces of one recording tell little that is new.

    Parameters
    ----------
    amount
        What there is to learn from.
    likeness
        How like photographs the tiles look; where it could not be measured they count as unlike.
    weights
        Whether the network has learned anything yet.
    device
        What a network would be trained on.

    Examples
    --------
    >>> from phosphene.pipeline.backbones.domain_shift import Likeness
    >>> choice = choose_strategy(Amount(320, 10, 32, 320), Likeness(5.1, threshold=1.9))
    >>> choice.strategy
    'probe'
    >>> print(choice.why)
    probe: 320 items (32 of the rarest of 10 classes) are few (below 2000), and they look unlike photographs ...
    """
    strategy = _strategy(amount, likeness, weights, device)
    looks = str(likeness) if weights == "pretrained" else "the weights of the network are random"
    reason = (_REASONS if weights == "pretrained" else _REASONS_RANDOM)[strategy]
    return Choice(strategy, f"{strategy}: {_size(amount, device)}, and {looks}; so {reason}")


# What follows from size, likeness and weights.
_REASONS: dict[Strategy, str] = {
    "head": "the network stays frozen, and a new head learns from its last features, which were made for such pictures",
    "probe": "the network stays frozen, and a linear head learns from features of its middle, which carry over to "
    "other pictures",
    "finetune": "all layers learn, from the pretrained weights on, a better start than random ones for any pictures",
}
_REASONS_RANDOM: dict[Strategy, str] = {
    "probe": "the network stays frozen, and a linear head learns from its middle features, though they mean nothing "
    "yet: pretrained weights would do better",
    "scratch": "all layers learn from nothing",
}


def _strategy(amount: Amount, likeness: Likeness, weights: str, device: Device) -> Strategy:
    few = amount.items < _enough(device) or amount.smallest < FEW_OF_A_CLASS
    if weights == "random":
        return "probe" if few else "scratch"
    if few:
        return "head" if likeness.alike else "probe"
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
    minutes = max(1, round(amount.pictures / CPU_PICTURES_PER_S / 60))
    return (
        f"an epoch of {amount.pictures} pictures takes about {minutes} minute{'s' * (minutes > 1)} on a CPU"
    )
