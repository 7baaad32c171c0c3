"""How networks are trained: learning rate, mixup, label smoothing, early stopping."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from phosphene.converters.core.errors import ParameterError

Rate = float | Literal["find"] | None
ClassWeights = Literal["none", "balanced"]
Unfreeze = Literal["at_once", "gradual"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How a network is trained.

    Parameters
    ----------
    lr
        The highest learning rate, above 0, of the last layers; `find` looks for one, which costs some 60 batches; None
        takes the strategy's own.
    mixup
        Both parameters of the Beta distribution by which mixup mixes pairs of images and their labels, >= 0 (Zhang et
        al. 2018, https://arxiv.org/abs/1710.09412); 0 for no mixup. A head that is trained alone gets none.
    label_smoothing
        Label smoothing epsilon, from 0 to below 1.
    class_weights
        `balanced` lets every class count the same in the loss, however many items it has.
    patience
        Early stopping: epochs without improvement of the validation loss, an integer >= 1; the best epoch is kept.
        None holds nothing out and trains to the end.
    valid_share
        The share of the training items that is held out where there is a `patience`, above 0 and up to 0.5; groups of
        items stay together.
    unfreeze
        Once the head is trained, all layers are unfrozen `at_once`, or `gradual`ly, the later half first.

    Raises
    ------
    ParameterError
        A value is out of its range.

    Examples
    --------
    >>> Schedule(mixup=0.2, patience=3).holds_out, Schedule().holds_out
    (True, False)
    """

    lr: Rate = None
    mixup: float = 0.0
    label_smoothing: float = 0.0
    class_weights: ClassWeights = "none"
    patience: int | None = None
    valid_share: float = 0.15
    unfreeze: Unfreeze = "at_once"

    def __post_init__(self) -> None:
        lr, patience = self.lr, self.patience
        _check("lr", lr, 'a number above 0, "find" or None', lr in (None, "find") or _within(lr, 0, math.inf))
        _check("mixup", self.mixup, "a number >= 0", self.mixup == 0 or _within(self.mixup, 0, math.inf))
        smooths = self.label_smoothing == 0 or _within(self.label_smoothing, 0, 1)
        _check("label_smoothing", self.label_smoothing, "a number >= 0 and below 1", smooths)
        counts = patience is None or (isinstance(patience, int) and _within(patience, 0, math.inf))
        _check("patience", patience, "an integer >= 1 or None", counts)
        part = _within(self.valid_share, 0, 0.5) or self.valid_share == 0.5
        _check("valid_share", self.valid_share, "a number above 0, up to 0.5", part)
        for name, choices in (("class_weights", ClassWeights), ("unfreeze", Unfreeze)):
            names = get_args(choices)
            _check(name, getattr(self, name), f"one of {', '.join(names)}", getattr(self, name) in names)

    @property
    def holds_out(self) -> bool:
        """Whether a part of the training items is held out to choose by."""
        return self.patience is not None


def _within(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low < value < high


def _check(name: str, value: object, rule: str, holds: bool) -> None:
    if not holds:
        raise ParameterError(f"Schedule.{name} must be {rule}, got {value!r}")


PLAIN = Schedule()
"""Every strategy as it is."""
