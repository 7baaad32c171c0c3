"""What a benchmark found, ready to be told: on a terminal, as JSON, as CSV and as a page."""

from dataclasses import dataclass, field
from typing import Any

from phosphene.datasets.manifest import Metric
from phosphene.datasets.scores import Scores

from .methods import Side


@dataclass(frozen=True)
class Cost:
    """What a method took.

    Parameters
    ----------
    prepare_s
        From raw files to what is learned from (tiles and activations, or tables), for all items.
    train_s
        For all folds, inner cross-validation included.
    predict_s_per_item
        From a raw file to its answer: its share of `prepare_s`, and the answering.
    peak_mib
        The most memory its process held, the libraries in it included.
    size_bytes
        The model as kept, the largest of the folds.
    """

    prepare_s: float
    train_s: float
    predict_s_per_item: float
    peak_mib: float
    size_bytes: int


@dataclass(frozen=True)
class Row:
    """One method on one data set (or, with `n_sets` above 1, its means over several).

    Parameters
    ----------
    method
        `images`, `images, random weights`, `catch22 + lightgbm`, `minirocket`, `without images`, `both`, ...
    side
        What it sees; None for what is put together of several: the best without images, and both together.
    score, low, high
        By the metric of the protocol, with the 95 % interval; NaN where it failed.
    folds
        The score of each fold, in order.
    scores
        What else there is to tell of the answers of all folds together; None where it failed.
    cost
        None for what is put together of others, and where it failed.
    error
        Why there is no score; empty where there is one.
    notes
        Settings chosen and the like, as JSON takes it.
    """

    method: str
    side: Side | None
    score: float
    low: float
    high: float
    folds: tuple[float, ...] = ()
    scores: Scores | None = None
    cost: Cost | None = None
    error: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    n_sets: int = 1


@dataclass(frozen=True)
class CurvePoint:
    """A method that learned from a part of the training items: `n_items` on the mean over the folds."""

    method: str
    share: float
    n_items: float
    score: float
    low: float
    high: float


@dataclass(frozen=True)
class SetSummary:
    """One data set: the rows of all methods, the learning curves, and the verdict in words."""

    name: str
    metric: Metric
    n_items: int
    n_classes: int
    rows: tuple[Row, ...]
    curves: tuple[CurvePoint, ...]
    verdict: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranking:
    """Methods over several data sets.

    Parameters
    ----------
    methods
        Those that answered on every set, the best first.
    ranks
        The mean rank of each, 1 the best.
    cliques
        Runs of methods (places in `methods`) between which no difference is seen.
    p_values
        By pair of places in `methods`, adjusted for their number.
    n_sets
        Over how many sets.
    """

    methods: tuple[str, ...]
    ranks: tuple[float, ...]
    cliques: tuple[tuple[int, ...], ...]
    p_values: dict[tuple[int, int], float]
    n_sets: int


@dataclass(frozen=True)
class Summary:
    """A whole benchmark: one data set or several, then with the means over them and the ranking of the methods.

    `rows`, `curves` and `verdict` are those of the only set, or of all sets together.
    """

    name: str
    sets: tuple[SetSummary, ...]
    rows: tuple[Row, ...]
    curves: tuple[CurvePoint, ...]
    verdict: str
    ranking: Ranking | None
    failed: tuple[tuple[str, str], ...]
    """Items that could not be read, and why."""
    seconds: float
    origin: dict[str, str]
    """Versions, device, seed."""
