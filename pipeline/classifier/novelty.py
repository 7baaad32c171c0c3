"""Novelty: how far an item is from everything that a classifier learned from, and which training items are nearest.

An item is as far as the nearest mean of a class, in the features that the classifier decides by: standardised, weighted
and of length 1. It is as doubtful as its most probable class is improbable. Both are ranked among those of the training
items, each measured while its group was left out, and joined by Fisher's statistic; novelty is the share of training
items of which that is less. On classes left out of training (benchmarks/accuracy/novelty.py) distances alone told less,
those of the nearest items least, whitened or not.

What is kept is linear in the features: means of the classes, and a sketch of each training item, features of any number
added up in 512 bins with random signs, which keeps distances to about a twentieth.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse

from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import combine, evenly_spaced

NOVEL = 0.99
"""Above it an item is told to be unlike anything learned from: of items like those learned from one in a hundred is."""
MOST_POINTS = 2000
"""Windows of training items that are compared, at most."""
MOST_NUMBERS = 50_000_000
"""Features of all of them together, at most: 200 MB."""
N_NEAREST = 3
N_DIMS = 512
_SEED = 0
_AT_A_TIME = 1024
_TAIL = 0.1


@dataclass(frozen=True, eq=False)
class Novelty:
    """Training items as points, and how far they are from the means of their classes.

    Parameters
    ----------
    centres
        float16 (n_features, n_classes), the mean of each class.
    points
        float16 (n, 512), sketches of windows, those of one item together.
    source
        int (n,), rising: which of the items each point is of.
    distances
        float32 (m,), rising: distances of training items, each while its group was left out.
    doubts
        float32 (k,), rising: of training items less the log-probability of their most probable class out of fold.
    joint
        float32 (k,), rising: Fisher's statistic of both. Without any, novelty is the rank of the distance alone.
    names, labels
        Of the items; names are relative to the folder that holds all of them.
    """

    centres: np.ndarray
    points: np.ndarray
    source: np.ndarray
    distances: np.ndarray
    doubts: np.ndarray
    joint: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        rows: np.ndarray,
        source: np.ndarray,
        items: Sequence[Item],
        groups: np.ndarray,
        log_proba: np.ndarray,
        unseen: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> "Novelty":
        """Learn what training items are like.

        Parameters
        ----------
        rows
            float32 (n, n_features) of length 1, the features of windows.
        source
            int (n,), rising: the index of the item that each window is of.
        items
            Labelled items.
        groups
            int (n,); windows of one group are left out together.
        log_proba
            float64 (n, n_classes), of these windows by fits that saw nothing of their group, or of those that are
            `unseen`; NaN where there is none.
        unseen
            Rows and sources of windows that the network did not learn from, where it learned its features from the
            training items, which then lie nearer to one another than new ones do. None leaves groups out in turn.

        Examples
        --------
        >>> from pathlib import Path
        >>> rng = np.random.default_rng(0)
        >>> items = [Item(Path(f"{n}.wav"), label="ab"[n % 2]) for n in range(40)]
        >>> rows = np.hstack([np.eye(2)[np.arange(40) % 2], rng.normal(size=(40, 8)) / 9])
        >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        >>> sure = np.log(np.stack([rng.uniform(0.7, 1, 40), np.full(40, 0.1)], axis=1))
        >>> novelty = Novelty.fit(rows, np.arange(40), items, np.arange(40), sure)
        >>> asked = novelty.project(np.stack([rows[7], -rows[7]]), 0)
        >>> share, nearest = novelty(asked, np.array([0, 1]), np.log([[0.9, 0.1], [0.6, 0.4]]))
        >>> bool(share[0] < 0.5), bool(share[1] > 0.97), novelty.names[nearest[0, 0]]
        (True, True, '7.wav')
        """
        kept, number = np.unique(source, return_inverse=True)
        labels = tuple(str(items[index].label) for index in kept)
        targets = np.unique(labels, return_inverse=True)[1][number]
        of_class = np.eye(int(targets.max()) + 1, dtype=np.float32)[targets]
        centres = (rows.T @ (of_class / of_class.sum(axis=0))).astype(np.float16)
        if unseen is None:
            distances = _least(_oof_squares(rows @ rows.T, of_class, groups), number)
        else:
            new, of_item = unseen
            distances = _least(_squares(new @ centres.astype(np.float32), centres), of_item)
        doubts = _doubts(log_proba, source if unseen is None else unseen[1])
        both = np.isfinite(doubts)
        found = cls(
            centres,
            _sketch(rows, 0, rows.shape[1]).astype(np.float16),
            number,
            np.sort(distances).astype(np.float32),
            np.sort(doubts[both]).astype(np.float32),
            np.zeros(0, np.float32),
            relative_names([items[index] for index in kept]),
            labels,
        )
        if not both.any():
            return found
        joint = found._fisher(distances[both], doubts[both])
        return replace(found, joint=np.sort(joint).astype(np.float32))

    def project(self, rows: np.ndarray, start: int) -> np.ndarray:
        """Return all that is needed of some features of windows; that of several parts of the features adds up.

        Parameters
        ----------
        rows
            float32 (n, width), features of windows.
        start
            The first of these features among all.

        Returns
        -------
        numpy.ndarray
            float32 (n, n_classes + 512), products with the means of the classes, then the sketch.
        """
        centres = self.centres[start : start + rows.shape[1]].astype(np.float32)
        return np.hstack([rows @ centres, _sketch(rows, start, len(self.centres))])

    def __call__(
        self, projected: np.ndarray, source: np.ndarray, log_proba: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the novelty of items, and the training items nearest to each.

        Parameters
        ----------
        projected
            float32 (n, n_classes + 512), of windows, as `project` returns it.
        source
            int (n,), rising: the index of the item that each window is of.
        log_proba
            float64 (n_items, n_classes), of the items.

        Returns
        -------
        novelty, nearest
            float64 (n_items,) from 0 to 1, and int (n_items, 3 or as many as there are), the nearest first; NaN and 0
            for an item without windows.
        """
        n_classes, n_items = self.centres.shape[1], len(log_proba)
        products, sketches = projected[:, :n_classes], projected[:, n_classes:]
        novelty = np.full(n_items, np.nan)
        there = np.unique(source)
        distances = _least(_squares(products, self.centres), source)
        novelty[there] = self.quantile(distances, -log_proba[there].max(axis=1))
        points, starts = self.points.astype(np.float32), np.flatnonzero(np.diff(self.source, prepend=-1))
        square, nearest = np.square(points).sum(axis=1), np.zeros((n_items, min(N_NEAREST, len(starts))), int)
        for first in range(0, n_items, _AT_A_TIME):  # distances of all items would be gigabytes of many
            summed = np.zeros((min(_AT_A_TIME, n_items - first), len(starts)), np.float32)
            begin, end = np.searchsorted(source, (first, first + _AT_A_TIME))
            for start in range(begin, end, _AT_A_TIME):
                part = slice(start, min(start + _AT_A_TIME, end))
                # But for the square of the row, which is the same for all points.
                apart = square - 2 * sketches[part] @ points.T
                np.add.at(summed, source[part] - first, np.minimum.reduceat(apart, starts, axis=1))
            nearest[first : first + _AT_A_TIME] = np.argsort(summed, axis=1, kind="stable")[:, :N_NEAREST]
        return novelty, nearest

    def quantile(self, distances: np.ndarray, doubts: np.ndarray) -> np.ndarray:
        """Return the share of training items that are less far and less doubtful, from 0 to 1: float64 (n,)."""
        if not len(self.joint):
            return _rank_beyond(self.distances, distances)
        return _rank_beyond(self.joint, self._fisher(distances, doubts))

    def _fisher(self, distances: np.ndarray, doubts: np.ndarray) -> np.ndarray:
        """Join the ranks of both: R. A. Fisher 1932, Statistical Methods for Research Workers, section 21.1.

        However doubtful an item is, it counts as much as the most doubtful training item: few of these say nothing of
        what lies beyond, and doubt alone is no novelty.
        """
        ranks = _rank_beyond(self.distances, distances), _rank(self.doubts, doubts)
        with np.errstate(divide="ignore"):  # infinitely far, which is novel
            return np.asarray(-sum(np.log1p(-rank) for rank in ranks))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers by name."""
        return {
            name: getattr(self, name)
            for name in ("centres", "points", "source", "distances", "doubts", "joint")
        }

    @property
    def config(self) -> dict[str, Any]:
        """The names, as JSON takes them."""
        return {"names": list(self.names), "labels": list(self.labels)}

    @classmethod
    def from_arrays(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> "Novelty":
        """Make it again from its `config` and `arrays`."""
        none = np.zeros(0, np.float32)  # folders from before knew distances alone
        arrays = {"doubts": none, "joint": none} | arrays
        return cls(**arrays, names=tuple(config["names"]), labels=tuple(config["labels"]))


def choose_points(targets: np.ndarray, n_features: int) -> np.ndarray:
    """Return the indices of the windows to compare, as many of each class as can be (two at least), in order.

    Examples
    --------
    >>> choose_points(np.array([0, 0, 0, 0, 1]), MOST_NUMBERS // 3).tolist()
    [0, 2, 3, 4]
    """
    classes, counts = np.unique(targets, return_counts=True)
    most = share = max(min(MOST_POINTS, MOST_NUMBERS // n_features), 2 * len(classes))
    while np.minimum(counts, share).sum() > most and share > 1:
        share = min(share - 1, int(share * most / np.minimum(counts, share).sum()))
    rows = [np.flatnonzero(targets == one) for one in classes]
    return np.sort(np.concatenate([some[evenly_spaced(len(some), share)] for some in rows]))


def relative_names(items: Sequence[Item]) -> tuple[str, ...]:
    """Return the names of items, relative to the deepest folder that holds all of them.

    Examples
    --------
    >>> from pathlib import Path
    >>> relative_names([Item(Path("/data/cat/1.wav")), Item(Path("/data/dog/1.wav"))])
    ('cat/1.wav', 'dog/1.wav')
    """
    folders = {str(item.path.parent) for item in items}
    try:
        common = os.path.commonpath(folders)
    except ValueError:  # some are absolute and some are not
        common = ""
    return tuple(str(item).removeprefix(common).lstrip(os.sep) if common else str(item) for item in items)


def _sketch(rows: np.ndarray, start: int, n_features: int) -> np.ndarray:
    """Return what some features add to the sketch of all: float32 (n, 512).

    References
    ----------
    K. Weinberger et al. 2009, "Feature hashing for large scale multitask learning", doi:10.1145/1553374.1553516.
    """
    return np.asarray((_signed_bins(start, rows.shape[1], n_features) @ rows.T).T, np.float32)


@functools.lru_cache(maxsize=8)
def _signed_bins(start: int, width: int, n_features: int) -> scipy.sparse.csr_matrix:
    # RandomState: its stream of numbers is promised to stay the same, and saved sketches depend on it.
    drawn = np.random.RandomState(_SEED).randint(0, 2 * N_DIMS, n_features)[start : start + width]
    signs = np.where(drawn % 2, np.float32(1), np.float32(-1))
    return scipy.sparse.csr_matrix((signs, (drawn // 2, np.arange(width))), shape=(N_DIMS, width))


def _rank(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the share of known values, which rise, that are less: float64 from 0, below 1."""
    steps = len(known) + 1
    return np.interp(values, np.r_[0.0, known], np.arange(steps) / steps)


def _rank_beyond(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the share of known values that are less, up to 1.

    Beyond the highest of them the rest of the probability falls exponentially, by the mean excess of the highest tenth:
    so of two values beyond it the higher one has more.
    """
    known = known.astype(np.float64)
    tail = known[int((1 - _TAIL) * (len(known) - 1)) :]
    scale = max(float((tail - tail[0]).mean()), 1e-3 * float(known[-1]), 1e-12)
    beyond = 1 - np.exp(-np.maximum(values - known[-1], 0) / scale) / (len(known) + 1)
    return np.asarray(np.where(values > known[-1], beyond, _rank(known, values)))


def _doubts(log_proba: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return less the log-probability of the most probable class of each item, in their order; NaN where unknown."""
    number = np.unique(source, return_inverse=True)[1]
    return np.asarray(-combine(log_proba, number, int(number.max(initial=-1)) + 1).max(axis=1))


def _squares(products: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return squared distances of rows of length 1 from centres, by their products: (n, n_classes)."""
    return np.asarray(1 - 2 * products + np.square(centres.astype(np.float32)).sum(axis=0))


def _oof_squares(gram: np.ndarray, of_class: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return squared distances of rows of length 1 from the mean of each class without the row's own group.

    Parameters
    ----------
    gram
        float32 (n, n), products of the rows.
    of_class
        float32 (n, n_classes), 1 for the class of each row, else 0.
    groups
        int (n,).
    """
    sums, counts = gram @ of_class, of_class.sum(axis=0)
    square = np.einsum("ij,ij->j", of_class, sums)
    found = np.full(of_class.shape, np.inf)
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        inside = of_class[own]
        others = counts - inside.sum(axis=0)
        there = others > 0
        of_own = gram[np.ix_(own, own)] @ inside
        left = square - 2 * (inside * sums[own]).sum(axis=0) + (inside * of_own).sum(axis=0)
        apart = (sums[own] - of_own)[:, there] / others[there]
        found[np.ix_(own, there)] = 1 - 2 * apart + left[there] / others[there] ** 2
    return found


def _least(squares: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the distance of each item from the nearest class, windows averaged, in the order of the items."""
    number = np.unique(source, return_inverse=True)[1]
    apart = np.sqrt(np.maximum(squares, 0))
    summed = np.zeros((int(number.max(initial=-1)) + 1, squares.shape[1]))
    np.add.at(summed, number, apart)
    least = (summed / np.bincount(number)[:, None]).min(axis=1)
    return np.where(np.isfinite(least), least, 2.0)
