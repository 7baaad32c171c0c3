"""How good predictions are: accuracy, macro-F1, and the area under the curve for claims."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phosphene.converters import ParameterError, SignalError

from .manifest import Item, Metric

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Scores:
    """How good predictions for labelled items are.

    Parameters
    ----------
    n
        How many items were judged.
    accuracy, macro_f1
        Over the items whose label is known; NaN where none is. The mean of F1 is over the classes that occur, as a
        label or as an prediction.
    auc
        How well a claim's probability tells genuine items from others; None where no claims are made.
    confusion
        Counts (n_classes, n_classes), true class by row, prediction by column; empty where no label is known.
    classes
        The order of rows and columns.
    """

    n: int
    accuracy: float
    macro_f1: float
    auc: float | None
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        auc = "" if self.auc is None else f", auc {self.auc:.3f}"
        return f"Scores(n {self.n}, accuracy {self.accuracy:.3f}, macro_f1 {self.macro_f1:.3f}{auc})"

    @property
    def figures(self) -> dict[str, float | None]:
        """The numbers: n, accuracy, macro_f1 and auc."""
        return {"n": self.n, "accuracy": self.accuracy, "macro_f1": self.macro_f1, "auc": self.auc}

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame of one row: n, accuracy, macro_f1 and auc."""
        import pandas as pd

        return pd.DataFrame([self.figures])

    def metric(self, name: Metric) -> float:
        """Return the protocol's own metric, NaN where the items do not tell it."""
        value = getattr(self, name)
        return float("nan") if value is None else float(value)


def judge(items: Sequence[Item], log_probabilities: np.ndarray, classes: Sequence[str]) -> Scores:
    """Compare predictions with what items are.

    Parameters
    ----------
    items
        With labels, or claims, or both.
    log_probabilities
        float (n_items, n_classes).
    classes
        The class of each column; a label that is none of them can only be missed.

    Raises
    ------
    SignalError
        No item has a label or a claim, or a claim is none of the classes.
    ParameterError
        The log-probabilities have another shape, or an item has none.

    Examples
    --------
    >>> from pathlib import Path
    >>> items = [Item(Path("a"), label="cat"), Item(Path("b"), label="dog")]
    >>> judge(items, np.log([[0.9, 0.1], [0.6, 0.4]]), ["cat", "dog"]).accuracy
    0.5
    """
    _check(items, log_probabilities, classes)
    known = [index for index, item in enumerate(items) if item.label is not None]
    claimed = [index for index, item in enumerate(items) if item.claim is not None]
    if not known and not claimed:
        why = "none of the items has a label" if items else "no item has a prediction"
        raise SignalError(f"{why}, so there is nothing to judge predictions by")
    truth = [str(items[index].label) for index in known]
    predictions = [classes[column] for column in log_probabilities[known].argmax(axis=1)] if known else []
    names = tuple(sorted({*classes, *truth}))
    confusion = confusion_counts(truth, predictions, names)
    return Scores(
        n=len({*known, *claimed}),
        accuracy=float(np.trace(confusion) / len(known)) if known else float("nan"),
        macro_f1=macro_f1(confusion),
        auc=_claim_auc([items[index] for index in claimed], log_probabilities[claimed], list(classes)),
        confusion=tuple(tuple(row) for row in confusion.tolist()) if known else (),
        classes=names,
    )


def confusion_counts(truth: Sequence[str], predictions: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Count how often each class (row) was predicted as each (column): int64 (n_classes, n_classes).

    Examples
    --------
    >>> confusion_counts(["cat", "cat", "dog"], ["cat", "dog", "dog"], ["cat", "dog"]).tolist()
    [[1, 1], [0, 1]]
    """
    index = {name: number for number, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, ([index[name] for name in truth], [index[name] for name in predictions]), 1)
    return counts


def macro_f1(confusion: np.ndarray) -> float:
    """Return the mean F1 over the classes that occur in a confusion matrix, NaN where none does.

    Examples
    --------
    >>> round(macro_f1(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    present = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * np.diag(confusion)[present > 0] / present[present > 0]
    return float(f1.mean()) if len(f1) else float("nan")


def area_under_curve(scores: np.ndarray, genuine: np.ndarray) -> float:
    """Return how often a genuine item's score is above that of one that is not; a tie counts half.

    Parameters
    ----------
    scores
        float (n,); infinite ones are ordered too.
    genuine
        bool (n,), both values occurring.

    Examples
    --------
    >>> area_under_curve(np.array([0.9, 0.4, 0.4]), np.array([True, True, False]))
    0.75
    """
    order = np.sort(scores[~genuine])
    below = np.searchsorted(order, scores[genuine], side="left")
    not_above = np.searchsorted(order, scores[genuine], side="right")
    return float((below + not_above).mean() / 2 / len(order))


def share_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of `n` independent items (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Examples
    --------
    >>> [round(end, 3) for end in share_interval(1.0, 28)]
    [0.879, 1.0]
    """
    z = 1.959964
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, middle - reach), min(1.0, middle + reach)


def _check(items: Sequence[Item], log_probabilities: np.ndarray, classes: Sequence[str]) -> None:
    wanted = (len(items), len(classes))
    if log_probabilities.shape != wanted:
        raise ParameterError(
            f"log_probabilities must be (n_items, n_classes) = {wanted}, got {log_probabilities.shape}"
        )
    missing = np.flatnonzero(np.isnan(log_probabilities).any(axis=1))
    if len(missing):
        raise ParameterError(f"{items[missing[0]]}: has no log-probabilities; leave out items that failed")
    strange = next((item for item in items if item.claim is not None and item.claim not in classes), None)
    if strange:
        raise SignalError(f"{strange}: claims to be {strange.claim!r}, which is none of {', '.join(classes)}")


def _claim_auc(items: Sequence[Item], log_probabilities: np.ndarray, classes: list[str]) -> float | None:
    """Return the area under the curve of the claimed class's log-probability; None unless both predictions occur."""
    genuine = np.array([item.label == item.claim for item in items], bool)
    if genuine.all() or not genuine.any():
        return None
    columns = [classes.index(str(item.claim)) for item in items]
    return area_under_curve(log_probabilities[np.arange(len(items)), columns], genuine)
