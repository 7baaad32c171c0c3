"""Subsets of the training items, for learning curves: stratified by class, smaller subsets inside larger ones."""

from collections.abc import Sequence

import numpy as np

from phosphene.converters import ParameterError

from .manifest import Manifest
from .splits import Split, group_indices

SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
LEAST = 2
"""Items, or groups of them, that every class keeps: of fewer nothing can be held out to choose settings by."""
_STEP = 1.25


def subset_of(split: Split, manifest: Manifest, share: float, *, seed: int) -> Split:
    """Return a split with a subset of its training items, and all of its test items.

    The groups stand in one order, whatever the share, in which the classes take turns by their sizes, and a subset is
    the beginning of it: so subsets are nested. Groups stay whole and every class keeps `LEAST` of its items or
    groups, so a subset can be larger than its share. Items without a label are not learned from, and are in no subset.

    Parameters
    ----------
    split
        Of the manifest's items.
    share
        Above 0 and at most 1; 1 returns the split itself.
    seed
        Equal seeds give equal subsets.

    Returns
    -------
    Split
        Called after the split and its number of training items: `3, 16 of 320 items`.

    Raises
    ------
    ParameterError
        The share is out of range.

    Examples
    --------
    >>> from pathlib import Path
    >>> from phosphene.datasets import Item
    >>> manifest = Manifest(tuple(Item(Path(f"{k}.wav"), "ab"[k % 2]) for k in range(100)), "audio")
    >>> split = Split("1", np.arange(80), np.arange(80, 100))
    >>> subset = subset_of(split, manifest, 0.1, seed=0)
    >>> subset.name, manifest.labels[subset.train].tolist().count("a")
    ('1, 8 of 80 items', 4)
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share must be above 0 and at most 1, got {share!r}")
    labels = manifest.labels
    known = np.array([index for index in split.train if labels[index] is not None], int)
    if share == 1 or not len(known):
        return split
    classes, targets = np.unique(labels[known].astype(str), return_inverse=True)
    groups = [manifest.items[index].group_key for index in known]
    units = group_indices(groups)
    counts = np.array([np.bincount(targets[unit], minlength=len(classes)) for unit in units])
    order, n_least = _in_turns(counts, np.random.default_rng(seed))
    sizes = np.cumsum(counts[order].sum(axis=1))
    n_units = max(n_least, int(np.argmin(np.abs(sizes - share * len(known)))) + 1)
    if n_units == len(units):
        return split
    indices = np.sort(np.concatenate([known[units[unit]] for unit in order[:n_units]]))
    return Split(f"{split.name}, {len(indices)} of {len(known)} items", indices, split.test)


def shares_worth(
    split: Split, manifest: Manifest, shares: Sequence[float] = SHARES, *, seed: int
) -> tuple[float, ...]:
    """Return the shares that are worth a fit, in rising order.

    In a small set small shares give the same items, or nearly: a share stays if the next subset has at least a quarter
    more items. Of those that give the same the largest stays, which is the nearest to what the subset is.

    Examples
    --------
    >>> from pathlib import Path
    >>> from phosphene.datasets import Item
    >>> manifest = Manifest(tuple(Item(Path(f"{k}.wav"), "ab"[k % 2]) for k in range(30)), "audio")
    >>> shares_worth(Split("1", np.arange(20), np.arange(20, 30)), manifest, seed=0)
    (0.2, 0.5, 1.0)
    """
    kept: dict[float, int] = {}
    for share in sorted(set(shares), reverse=True):
        n_items = len(subset_of(split, manifest, share, seed=seed).train)
        if n_items * _STEP <= min(kept.values(), default=np.inf):
            kept[share] = n_items
    return tuple(sorted(kept))


def _in_turns(counts: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, int]:
    """Order units such that every beginning holds near its share of each class.

    A unit counts for the class of which it holds the most, and stands where the middle of its items stands in that
    class. Those that bring every class to its least number come first.

    Parameters
    ----------
    counts
        int (n_units, n_classes), the items of each class in each unit; every class occurs.

    Returns
    -------
    order, n_least
        The units, and how many of the first bring every class to its least.
    """
    shuffled = generator.permutation(len(counts))
    shares = counts[shuffled] / counts.sum(axis=0)
    own, rows = shares.argmax(axis=1), np.arange(len(counts))
    before = np.zeros(len(counts))
    for kind in np.unique(own):
        held = np.where(own == kind, shares[rows, own], 0.0)
        middle = np.cumsum(held) - held / 2
        before = np.where(own == kind, middle, before)
    order = shuffled[np.argsort(before, kind="stable")]
    needed = _needed(counts[order])
    return np.concatenate([order[needed], order[~needed]]), int(needed.sum())


def _needed(counts: np.ndarray) -> np.ndarray:
    """Tell which units, taken in order, bring every class to its least number of units: bool (n_units,)."""
    lacking = np.minimum((counts > 0).sum(axis=0), LEAST)
    needed = np.zeros(len(counts), bool)
    for index, held in enumerate(counts > 0):
        needed[index] = (lacking[held] > 0).any()
        if needed[index]:
            lacking = lacking - held
    return needed
