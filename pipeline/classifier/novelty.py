"""Novelty: how far an item is from everything that a classifier learned from, and which training items are nearest.

Distances are between sketches of the features that the classifier decides by, whitened by their scatter within the
classes: a direction in which items of one class differ tells little. The novelty of an item is the share of training
items that lie nearer to the others than it does, each of them measured while its group was left out.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import evenly_spaced

NOVEL = 0.99
"""Above it an item is told to be unlike anything learned from: of items like those learned from one in a hundred is."""
MOST_POINTS = 2000
"""Windows of training items that are kept, at most."""
NEIGHBOURS = 3
N_NEAREST = 3
RIDGE = 1.0
"""What is added to the scatter within classes, as a share of its mean."""
MOST_FOLDS = 20
_AT_A_TIME = 1024
_TAIL = 0.1


@dataclass(frozen=True, eq=False)
class Novelty:
    """Training items as points, and how far from one another they are.

    Parameters
    ----------
    points
        float16 (n, n_dims), whitened sketches of windows, those of one item together.
    whitening
        float32 (n_dims, n_dims), what sketches are multiplied by.
    source
        int (n,), rising: which of the items each point is of.
    distances
        float32 (m,), rising: distances of training items, each while its group was left out.
    names, labels
        Of the items; names are relative to the folder that holds all of them.
    """

    points: np.ndarray
    whitening: np.ndarray
    source: np.ndarray
    distances: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        sketches: np.ndarray,
        source: np.ndarray,
        items: Sequence[Item],
        groups: np.ndarray,
        unseen: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> "Novelty":
        """Learn what training items are like.

        Parameters
        ----------
        sketches
            float32 (n, n_dims), of windows.
        source
            int (n,), rising: the index of the item that each window is of.
        items
            Labelled items.
        groups
            int (n,); windows of one group are left out together.
        unseen
            Sketches and sources of windows that the network did not learn from, where it learned its features from the
            training items, which then lie nearer to one another than new ones do. None leaves groups out in turn.

        Examples
        --------
        >>> from pathlib import Path
        >>> rng = np.random.default_rng(0)
        >>> items = [Item(Path(f"{n}.wav"), label="ab"[n % 2]) for n in range(40)]
        >>> sketches = (rng.normal(size=(40, 8)) + 9 * (np.arange(40) % 2)[:, None]).astype(np.float32)
        >>> novelty = Novelty.fit(sketches, np.arange(40), items, np.arange(40))
        >>> share, nearest = novelty(np.stack([sketches[7], sketches[7] + 30]), np.array([0, 1]), 2)
        >>> bool(share[0] < 0.5), bool(share[1] > 0.99), novelty.names[nearest[0, 0]]
        (True, True, '7.wav')
        """
        labels = np.array([str(item.label) for item in items], object)[source]
        targets = np.unique(labels.astype(str), return_inverse=True)[1]
        whitening = _whitening(sketches, targets)
        if unseen is None:
            distances = _oof_distances(sketches, targets, source, groups)
        else:
            new, of_item = unseen
            distances = _means(_knn(new @ whitening, sketches @ whitening), of_item)
        kept, number = np.unique(source, return_inverse=True)
        return cls(
            (sketches @ whitening).astype(np.float16),
            whitening,
            number,
            np.sort(distances).astype(np.float32),
            relative_names([items[index] for index in kept]),
            tuple(str(items[index].label) for index in kept),
        )

    def __call__(
        self, sketches: np.ndarray, source: np.ndarray, n_items: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the novelty of items, and the training items nearest to each.

        Parameters
        ----------
        sketches
            float32 (n, n_dims), of windows.
        source
            int (n,), rising: the index of the item that each window is of.
        n_items
            How many items there are.

        Returns
        -------
        novelty, nearest
            float64 (n_items,) from 0 to 1, and int (n_items, 3 or as many as there are), the nearest first; NaN and 0
            for an item without windows.
        """
        points, starts = self.points.astype(np.float32), np.flatnonzero(np.diff(self.source, prepend=-1))
        summed = np.zeros((n_items, len(starts)), np.float32)
        far, count = np.zeros(n_items), np.bincount(source, minlength=n_items)
        for start in range(0, len(sketches), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            distances = _distances(sketches[part] @ self.whitening, points)
            np.add.at(far, source[part], _mean_of_least(distances))
            np.add.at(summed, source[part], np.minimum.reduceat(distances, starts, axis=1))
        novelty = self.quantile(far / np.where(count, count, np.nan))
        return novelty, np.argsort(summed, axis=1, kind="stable")[:, :N_NEAREST]

    def quantile(self, distance: np.ndarray) -> np.ndarray:
        """Return the share of training items that are nearer, from 0 to 1, float64 like `distance`.

        Beyond the farthest of them the rest of the probability falls exponentially, by the mean excess of the farthest
        tenth: so of two items beyond it the farther one is the more novel.
        """
        known = self.distances.astype(np.float64)
        steps = len(known) + 1
        inside = np.interp(distance, np.r_[0.0, known], np.arange(steps) / steps)
        tail = known[int((1 - _TAIL) * (len(known) - 1)) :]
        scale = max(float((tail - tail[0]).mean()), 1e-3 * float(known[-1]), 1e-12)
        beyond = 1 - np.exp(-np.maximum(distance - known[-1], 0) / scale) / steps
        return np.asarray(np.where(distance > known[-1], beyond, inside) + 0 * distance)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The numbers by name."""
        return {name: getattr(self, name) for name in ("points", "whitening", "source", "distances")}

    @property
    def config(self) -> dict[str, Any]:
        """The names, as JSON takes them."""
        return {"names": list(self.names), "labels": list(self.labels)}

    @classmethod
    def from_arrays(cls, config: dict[str, Any], arrays: dict[str, np.ndarray]) -> "Novelty":
        """Make it again from its `config` and `arrays`."""
        return cls(**arrays, names=tuple(config["names"]), labels=tuple(config["labels"]))


def choose_points(targets: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Return the indices of at most `most` windows, as many of each class as can be, evenly spaced, in order.

    Examples
    --------
    >>> choose_points(np.array([0, 0, 0, 0, 1]), 3).tolist()
    [0, 4]
    """
    classes, counts = np.unique(targets, return_counts=True)
    share = most
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


def _whitening(sketches: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return what makes the scatter within classes the unit matrix: float32 (n_dims, n_dims)."""
    scatter = np.zeros((sketches.shape[1], sketches.shape[1]))
    for one in np.unique(targets):
        rows = sketches[targets == one].astype(np.float64)
        rows -= rows.mean(axis=0)
        scatter += rows.T @ rows
    scatter /= len(sketches)
    level = max(float(np.trace(scatter)) / len(scatter), 1e-12)
    lower = np.linalg.cholesky(scatter + RIDGE * level * np.eye(len(scatter)))
    inverse = scipy.linalg.solve_triangular(lower, np.eye(len(scatter)), lower=True)
    return np.asarray(inverse.T, np.float32)


def _oof_distances(
    sketches: np.ndarray, targets: np.ndarray, source: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Return the distance of each item from those of other groups: float64 (n_items,)."""
    group = np.unique(groups, return_inverse=True)[1]
    fold = group % min(MOST_FOLDS, max(int(group.max()) + 1, 2))
    found = np.zeros(len(sketches))
    for number in np.unique(fold):
        out = fold == number
        if out.all():
            break  # one group: there are no others
        whitening = _whitening(sketches[~out], targets[~out])
        found[out] = _knn(sketches[out] @ whitening, sketches[~out] @ whitening)
    return _means(found, source)


def _knn(new: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the mean distance of each row from its nearest points, float64 (n,)."""
    parts = [
        _mean_of_least(_distances(new[start : start + _AT_A_TIME], points))
        for start in range(0, len(new), _AT_A_TIME)
    ]
    return np.concatenate([np.zeros(0), *parts])


def _mean_of_least(distances: np.ndarray) -> np.ndarray:
    k = min(NEIGHBOURS, distances.shape[1])
    return np.asarray(np.partition(distances, k - 1, axis=1)[:, :k].mean(axis=1), np.float64)


def _distances(rows: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the distances of rows from points, float32 (n, n_points)."""
    square = np.square(rows).sum(axis=1)[:, None] + np.square(points).sum(axis=1) - 2 * rows @ points.T
    return np.sqrt(np.maximum(square, 0))


def _means(values: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the mean over the windows of each item, in the order of the items."""
    number = np.unique(source, return_inverse=True)[1]
    return np.asarray(np.bincount(number, values) / np.bincount(number))
