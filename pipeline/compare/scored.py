"""The answers of one method in all folds: scored by the metric of the protocol, with interval, against another's."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.datasets.manifest import Item, Manifest
from phosphene.datasets.scores import Scores, judge, share_interval
from phosphene.datasets.splits import Split

from .cells import Answers, Cell
from .significance import (
    Comparison,
    auc_interval,
    bootstrap_interval,
    compare_answers,
    compare_aucs,
    compare_by_bootstrap,
    compare_folds,
    folds_interval,
    macro_f1_on,
)


@dataclass(frozen=True, eq=False)
class Judged:
    """The items that every method answered for: what all of them are scored by.

    Parameters
    ----------
    manifest
        All items.
    folds
        For each split the places of those to answer for, int.
    n_train
        How many were learned from in a fold, on the mean.
    seed
        For the bootstrap.
    """

    manifest: Manifest
    folds: tuple[np.ndarray, ...]
    n_train: float
    seed: int

    @classmethod
    def by_all(
        cls, manifest: Manifest, splits: Sequence[Split], methods: Sequence[Sequence[Cell]], *, seed: int
    ) -> "Judged":
        """Take the items that all of the methods answered for."""
        folds = tuple(
            functools.reduce(
                np.intersect1d, [cells[place].test.items for cells in methods], np.unique(split.test)
            )
            for place, split in enumerate(splits)
        )
        n_train = float(np.mean([cell.n_train for cells in methods for cell in cells]))
        return cls(manifest, folds, n_train, seed)

    @property
    def n_test(self) -> float:
        """How many items are answered for in a fold, on the mean."""
        return float(np.mean([len(items) for items in self.folds]))

    @property
    def items(self) -> list[Item]:
        """All items to answer for, fold by fold."""
        return [self.manifest.items[place] for items in self.folds for place in items]

    def answers(self, tests: Sequence[Answers]) -> list[np.ndarray]:
        """Return the log-probabilities of the items, an array a fold."""
        return [test.of(items) for test, items in zip(tests, self.folds, strict=True)]


@dataclass(frozen=True, eq=False)
class Answered:
    """The answers of a method for the judged items.

    Parameters
    ----------
    judged
        The items.
    tests
        The answers, one a fold.
    """

    judged: Judged
    tests: tuple[Answers, ...]

    @functools.cached_property
    def folds(self) -> tuple[float, ...]:
        """The score of each fold, by the metric of the protocol."""
        manifest = self.judged.manifest
        rows = zip(self.judged.folds, self.judged.answers(self.tests), strict=True)
        return tuple(
            judge([manifest.items[place] for place in items], answers, manifest.classes).metric(
                manifest.metric
            )
            for items, answers in rows
        )

    @property
    def score(self) -> float:
        """The mean over the folds."""
        return float(np.mean(self.folds))

    @functools.cached_property
    def pooled(self) -> Scores:
        """The scores of the answers of all folds together."""
        return judge(self.judged.items, self._all, self.judged.manifest.classes)

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the score: over folds, or over the items of the only split."""
        judged, metric = self.judged, self.judged.manifest.metric
        if len(self.folds) > 1:
            share = judged.n_test / (judged.n_train + judged.n_test)
            return folds_interval(self.folds, test_share=share, n_test=judged.n_test)
        if metric == "auc":
            return auc_interval(*self._claims)
        if metric == "macro_f1":
            return bootstrap_interval(self._macro_f1, len(self._truth), seed=judged.seed)
        return share_interval(self.score, len(self._truth))

    def against(self, other: "Answered") -> Comparison:
        """Compare with the answers of another method for the same items."""
        judged, metric = self.judged, self.judged.manifest.metric
        if len(self.folds) > 1:
            return compare_folds(self.folds, other.folds, n_train=judged.n_train, n_test=judged.n_test)
        if metric == "auc":
            scores, genuine = self._claims
            return compare_aucs(scores, other._claims[0], genuine)
        if metric == "macro_f1":
            return compare_by_bootstrap(self._ahead_of(other), len(self._truth), seed=judged.seed)
        return compare_answers(self._right, other._right)

    @property
    def _all(self) -> np.ndarray:
        return np.concatenate(self.judged.answers(self.tests))

    @functools.cached_property
    def _truth(self) -> np.ndarray:
        """The class of each judged item whose label is known, -1 for one that is no class to learn."""
        places = {name: place for place, name in enumerate(self.judged.manifest.classes)}
        return np.array(
            [places.get(item.label, -1) for item in self.judged.items if item.label is not None], int
        )

    @functools.cached_property
    def _given(self) -> np.ndarray:
        known = np.array([item.label is not None for item in self.judged.items], bool)
        return np.asarray(self._all[known].argmax(axis=1))

    @property
    def _right(self) -> np.ndarray:
        return np.asarray(self._given == self._truth)

    @property
    def _claims(self) -> tuple[np.ndarray, np.ndarray]:
        """What is said for each claim, and whether it is true."""
        classes = list(self.judged.manifest.classes)
        rows = [(place, item) for place, item in enumerate(self.judged.items) if item.claim is not None]
        answers = self._all
        scores = [answers[place, classes.index(str(item.claim))] for place, item in rows]
        return np.array(scores), np.array([item.label == item.claim for _, item in rows], bool)

    def _macro_f1(self, places: np.ndarray) -> float:
        n_classes = len(self.judged.manifest.classes)
        return macro_f1_on(self._truth, self._given, n_classes=n_classes)(places)

    def _ahead_of(self, other: "Answered") -> Callable[[np.ndarray], float]:
        return lambda places: self._macro_f1(places) - other._macro_f1(places)
