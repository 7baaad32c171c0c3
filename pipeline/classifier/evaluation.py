"""Predictions, and how good they are: scores with their intervals, calibration, and what was mistaken for what."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from phosphene.datasets.manifest import Failure, Item
from phosphene.datasets.scores import Scores, judge, share_interval

from .novelty import N_NEAREST, NOVEL

if TYPE_CHECKING:
    import pandas

UNKNOWN = "unknown"
"""The label of an item whose prediction is not to be relied on, where that was asked for."""
NOVEL_NOTE = "unlike anything it learned from"
N_BINS = 15
RESAMPLES = 1000
_CHUNK = 100


@dataclass(frozen=True)
class Prediction:
    """The prediction for one item: the label and the probability of every class.

    Parameters
    ----------
    item
        What was predicted.
    label
        The most probable class; `unknown` where a threshold was set and it is not reached.
    probabilities
        Of every class.
    notes
        In what the item is unlike the training items: `at 8 kHz, it learned from 44.1 kHz`.
    novelty
        How far it is from everything learned from: the share of training items that are less far and less doubtful,
        from 0 to 1; above 0.99 a note says so. None where the classifier was trained by a version before.
    nearest
        Names of the three training items that are nearest, the nearest first.
    """

    item: Item
    label: str
    probabilities: dict[str, float]
    notes: tuple[str, ...] = ()
    novelty: float | None = None
    nearest: tuple[str, ...] = ()

    @property
    def best(self) -> str:
        """The most probable class."""
        return max(self.probabilities, key=self.probabilities.__getitem__)

    @property
    def probability(self) -> float:
        """The probability of that class."""
        return self.probabilities[self.best]

    @property
    def is_novel(self) -> bool:
        """Whether it is unlike anything that was learned from."""
        return self.novelty is not None and self.novelty > NOVEL

    @property
    def loss(self) -> float:
        """The log-loss of its item's label; infinite for a class that was never learned."""
        proba = self.probabilities.get(str(self.item.label), 0.0)
        return -math.log(proba) if proba > 0 else math.inf

    @property
    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {
            "path": str(self.item),
            "label": self.label,
            "probabilities": self.probabilities,
            "novelty": self.novelty,
            "nearest": list(self.nearest),
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class Predictions:
    """The predictions for items, and the items that could not be read or rendered."""

    predictions: tuple[Prediction, ...]
    failures: tuple[Failure, ...]

    @property
    def answers(self) -> tuple[Prediction, ...]:
        """The predictions, by the name that they had before."""
        return self.predictions

    @property
    def notes(self) -> tuple[str, ...]:
        """Each note of the predictions once, the most frequent first: `3 of 40 files are at 8 kHz, ...`."""
        counts = Counter(note for one in self.predictions for note in one.notes)
        return count_notes(counts, len(self.predictions) + len(self.failures))

    def __len__(self) -> int:
        return len(self.predictions)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.predictions)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Prediction, ...]: ...
    def __getitem__(self, index: int | slice) -> Prediction | tuple[Prediction, ...]:
        return self.predictions[index]

    def __repr__(self) -> str:
        counts = Counter(one.label for one in self.predictions)
        labels = shortened([f"{label} {count}" for label, count in counts.most_common()])
        failed = f"; {len(self.failures)} failed" if self.failures else ""
        return f"Predictions({len(self)} items: {labels or 'none'}{failed})"

    def _repr_html_(self) -> str:
        """Return a table, as a notebook shows it."""
        return str(self.to_frame()._repr_html_())

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame: path, label, the probability of each class, novelty, and the nearest training items."""
        import pandas as pd

        columns = {"path": [str(one.item) for one in self], "label": [one.label for one in self]}
        frame = pd.DataFrame(columns).join(
            pd.DataFrame([one.probabilities for one in self]).add_prefix("proba_")
        )
        frame["novelty"] = [one.novelty for one in self]
        for rank in range(N_NEAREST):
            frame[f"nearest_{rank + 1}"] = [(*one.nearest, *[None] * N_NEAREST)[rank] for one in self]
        return frame


def count_notes(counts: Counter[str], total: int) -> tuple[str, ...]:
    """Return each note with how many of all files it is about, the most frequent first.

    Examples
    --------
    >>> count_notes(Counter({"at 8 kHz": 3}), 40)
    ('3 of 40 files are at 8 kHz',)
    """
    return tuple(
        f"{count} of {total} files {'is' if count == 1 else 'are'} {note}"
        for note, count in counts.most_common()
    )


def shortened(words: Sequence[str], most: int = 8) -> str:
    """Join words by commas, the first few where they are many.

    Examples
    --------
    >>> shortened("abcd", 2)
    'a, b, ...'
    """
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")


class Bin(NamedTuple):
    """Items of nearly the same probability: how many, that probability in the mean, and the share that is right."""

    n: int
    proba: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """How far the probabilities of the labels predicted are from how often these are right.

    Parameters
    ----------
    ece
        Expected calibration error: the mean over items of the difference in their bin.
    low, high
        Its 95 % interval.
    bins
        Of the same width, without those in which no item is.

    References
    ----------
    C. Guo et al. 2017, "On calibration of modern neural networks", https://arxiv.org/abs/1706.04599.
    """

    ece: float
    low: float
    high: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class OutOfFold:
    """How often training items are predicted right by fits that saw nothing of their group.

    Parameters
    ----------
    accuracy
        None where no training item was left out.
    n
        Items that were left out in turn.
    most
        Items of the largest class, or groups where these are left out together.
    """

    accuracy: float | None
    n: int
    most: int

    @property
    def words(self) -> str:
        """What it says in words.

        Examples
        --------
        >>> OutOfFold(0.925, 40, 10).words, OutOfFold(0.0, 4, 2).words
        ('accuracy 92.5 % on 40 training items', 'the probe could not judge itself: two items a class')
        """
        if self.accuracy is None:
            return "no training item was left out"
        if self.most <= 2:
            how_many = "two items" if self.most == 2 else "one item"
            return f"the probe could not judge itself: {how_many} a class"
        return f"accuracy {100 * self.accuracy:.1f} % on {self.n} training items"

    @property
    def as_dict(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {"accuracy": self.accuracy, "n": self.n, "words": self.words}


@dataclass(frozen=True)
class LearningPoint:
    """How accurate a fit to so many items is on training items that it saw nothing of.

    Parameters
    ----------
    n
        Items that were learned from.
    accuracy
        The mean of several draws of these.
    n_judged
        Items that were predicted in each.
    """

    n: int
    accuracy: float
    n_judged: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Wilson, as of one draw)."""
        return share_interval(self.accuracy, self.n_judged)


class ClassScores(NamedTuple):
    """How a class fares: items that are of it, and NaN where precision, recall or F1 are not defined."""

    name: str
    n: int
    precision: float
    recall: float
    f1: float


def class_scores(scores: Scores) -> tuple[ClassScores, ...]:
    """Return precision, recall and F1 of each class.

    Examples
    --------
    >>> class_scores(Scores(3, 2 / 3, 2 / 3, None, ((1, 1), (0, 1)), ("cat", "dog")))[0]
    ClassScores(name='cat', n=2, precision=1.0, recall=0.5, f1=0.6666666666666666)
    """
    counts = np.array(scores.confusion, int).reshape(-1, len(scores.classes))
    found = []
    for index, name in enumerate(scores.classes[: len(counts)]):
        right, true, predicted = counts[index, index], counts[index].sum(), counts[:, index].sum()
        ratios = [float(top / below) if below else math.nan for top, below in (
            (right, predicted), (right, true), (2 * right, true + predicted)
        )]  # fmt: skip
        found.append(ClassScores(name, int(true), *ratios))
    return tuple(found)


def calibration(proba: np.ndarray, right: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> Calibration:
    """Return the calibration of predictions; its interval is from a bootstrap of whole groups.

    An error is never below 0, so those of resamples are too large in the mean, the smaller the error the more. So the
    interval goes as far down as the resamples go up; it holds the true error in 95 of 100 cases or more.

    Parameters
    ----------
    proba
        float (n,), the probability of the label that was predicted.
    right
        bool (n,), whether it is the true one.
    groups
        int (n,), equal for items that are not independent.
    seed
        Random seed.

    Examples
    --------
    >>> proba, right = np.array([0.9] * 10), np.arange(10) > 0
    >>> round(calibration(proba, right, np.arange(10)).ece, 3)
    0.0
    """
    index = np.clip(np.ceil(proba * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    gaps = np.zeros((len(proba), N_BINS))
    gaps[np.arange(len(proba)), index] = proba - right
    ece = float(np.abs(gaps.sum(axis=0)).sum() / len(proba))
    drawn = [np.abs(weights @ gaps).sum(axis=1) / weights.sum(axis=1) for weights in _resamples(groups, seed)]
    high = max(float(np.quantile(np.concatenate(drawn), 0.975)), ece)
    bins = [
        Bin(int(inside.sum()), float(proba[inside].mean()), float(right[inside].mean()))
        for inside in (index == number for number in range(N_BINS))
        if inside.any()
    ]
    return Calibration(ece, max(0.0, 2 * ece - high), high, tuple(bins))


def macro_f1_interval(
    truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of macro-F1 from a bootstrap of whole groups.

    Parameters
    ----------
    truth, predicted
        int (n,), classes from 0.
    groups, seed
        As for `calibration`.
    """
    found = [_macro_f1(truth, predicted, row) for weights in _resamples(groups, seed) for row in weights]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def _macro_f1(truth: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> float:
    """Return macro-F1 of weighted items, over the classes that occur."""
    n_classes = int(max(truth.max(), predicted.max())) + 1
    right = np.bincount(truth, weights * (truth == predicted), n_classes)
    present = np.bincount(truth, weights, n_classes) + np.bincount(predicted, weights, n_classes)
    return float((2 * right[present > 0] / present[present > 0]).mean())


def _resamples(groups: np.ndarray, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each item is in each resample, float64 (resamples, n), some at a time."""
    _, group = np.unique(groups, return_inverse=True)
    n_groups = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES // _CHUNK):
        drawn = rng.multinomial(n_groups, np.full(n_groups, 1 / n_groups), size=_CHUNK)
        yield drawn[:, group].astype(np.float64)


class Mistake(NamedTuple):
    """How often one class was predicted for items of another."""

    true: str
    predicted: str
    n: int


@dataclass(frozen=True)
class Evaluation:
    """Predictions for labelled items, and how good they are.

    Parameters
    ----------
    scores
        Of all items that could be drawn.
    predictions
        Of these, with what failed.
    calibration
        None where no item has a label.
    f1_interval
        The 95 % interval of macro-F1.
    """

    scores: Scores
    predictions: Predictions
    calibration: Calibration | None
    f1_interval: tuple[float, float]

    @classmethod
    def of(cls, predictions: Predictions, classes: Sequence[str]) -> "Evaluation":
        """Judge predictions for items that have labels or claims.

        Raises
        ------
        SignalError
            None of them has.
        """
        items = [one.item for one in predictions]
        proba = np.array([[one.probabilities[name] for name in classes] for one in predictions])
        with np.errstate(divide="ignore"):
            log_proba = np.log(proba.reshape(len(items), len(classes)))
        scores = judge(items, log_proba, classes)
        labelled = [one for one in predictions if one.item.label is not None]
        if not labelled:
            return cls(scores, predictions, None, (math.nan, math.nan))
        groups = _groups([one.item for one in labelled])
        number = {name: index for index, name in enumerate(scores.classes)}
        truth = np.array([number[str(one.item.label)] for one in labelled])
        best = np.array([number[one.best] for one in labelled])
        sure = np.array([one.probability for one in labelled])
        calibrated = calibration(sure, truth == best, groups)
        return cls(scores, predictions, calibrated, macro_f1_interval(truth, best, groups))

    def __iter__(self) -> Iterator[Any]:
        """Yield the scores and what failed: `scores, failures = classifier.evaluate(...)`."""
        yield self.scores
        yield self.failures

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The items that could not be drawn."""
        return self.predictions.failures

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy (Wilson)."""
        n = sum(map(sum, self.scores.confusion))
        return share_interval(self.scores.accuracy, n) if n else (math.nan, math.nan)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """What was mistaken for what, the most frequent first."""
        names = self.scores.classes
        pairs = [
            Mistake(names[row], names[column], count)
            for row, counts in enumerate(self.scores.confusion)
            for column, count in enumerate(counts)
            if row != column and count
        ]
        return tuple(sorted(pairs, key=lambda pair: -pair.n))

    @property
    def losses(self) -> tuple[tuple[Prediction, float], ...]:
        """Each labelled item's prediction with its log-loss, the highest first; infinite for a class never seen."""
        found = [(one, one.loss) for one in self.predictions if one.item.label is not None]
        return tuple(sorted(found, key=lambda pair: -pair[1]))

    @property
    def novel_share(self) -> float | None:
        """The share of items that are unlike anything learned from; None where the classifier cannot tell."""
        known = [one.is_novel for one in self.predictions if one.novelty is not None]
        return sum(known) / len(known) if known else None

    @property
    def figures(self) -> dict[str, Any]:
        """The numbers with their intervals, as JSON takes them; what is not known is None."""
        calibrated = self.calibration
        return {
            "n": self.scores.n,
            "accuracy": _known(self.scores.accuracy),
            "accuracy_interval": _interval(self.accuracy_interval),
            "macro_f1": _known(self.scores.macro_f1),
            "macro_f1_interval": _interval(self.f1_interval),
            "auc": _known(self.scores.auc),
            "ece": calibrated and calibrated.ece,
            "ece_interval": calibrated and [calibrated.low, calibrated.high],
            "novel": self.novel_share,
        }


def per_class_json(scores: Scores) -> dict[str, Any]:
    """Return the confusion matrix, and precision, recall and F1 of each class, as JSON takes them."""
    return {
        "confusion": {"classes": list(scores.classes), "counts": [list(row) for row in scores.confusion]},
        "per_class": [
            {"class": one.name, "n": one.n}
            | {name: _known(getattr(one, name)) for name in ("precision", "recall", "f1")}
            for one in class_scores(scores)
        ],
    }


def _groups(items: Sequence[Item]) -> np.ndarray:
    """Return the number of each item's group; one without a group is its own."""
    keys = [item.group_key or f"#{index}" for index, item in enumerate(items)]
    return np.unique(keys, return_inverse=True)[1]


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _interval(ends: tuple[float, float]) -> list[float] | None:
    return list(ends) if all(map(math.isfinite, ends)) else None
