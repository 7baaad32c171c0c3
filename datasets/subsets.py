"""Parts of what is learned from, for learning curves: every class in its share, smaller parts inside larger ones."""

from collections.abc import Sequence

import numpy as np

from phosphene.converters import ParameterError

from .manifest import Manifest, Split

SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
LEAST = 2
"""So many items, or groups of them, every class keeps: of fewer nothing can be left out to choose settings by."""
_STEP = 1.25


def part_of(split: Split, manifest: Manifest, share: float, *, seed: int) -> Split:
    """Return a split with a part of its items to learn from, and all of those to answer for.

    The groups stand in one order, whatever the share, in which the classes take turns by their sizes, and a part is the
    beginning of it: so parts are nested. Groups stay whole and every class keeps `LEAST` of its items or groups, so a
    part can be larger than its share. Items without a label are not learned from, and are in no part.

    Parameters
    ----------
    split
        Of the manifest's items.
    share
        Above 0 and at most 1; 1 returns the split itself.
    seed
        Equal seeds give equal parts.

    Returns
    -------
    Split
        Called after the split and its number of items to learn from: `3, 16 of 320 items`.

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
    >>> part = part_of(split, manifest, 0.1, seed=0)
    >>> part.name, manifest.labels[part.train].tolist().count("a")
    ('1, 8 of 80 items', 4)
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share must be above 0 and at most 1, got {share!r}")
    labels = manifest.labels
    known = np.array([place for place in split.train if labels[place] is not None], int)
    if share == 1 or not len(known):
        return split
    classes, targets = np.unique(labels[known].astype(str), return_inverse=True)
    bonds = [manifest.items[place].bond for place in known]
    units = _units(bonds)
    counts = np.array([np.bincount(targets[unit], minlength=len(classes)) for unit in units])
    order, n_least = _in_turns(counts, np.random.default_rng(seed))
    sizes = np.cumsum(counts[order].sum(axis=1))
    n_units = max(n_least, int(np.argmin(np.abs(sizes - share * len(known)))) + 1)
    if n_units == len(units):
        return split
    places = np.sort(np.concatenate([known[units[unit]] for unit in order[:n_units]]))
    return Split(f"{split.name}, {len(places)} of {len(known)} items", places, split.test)


def shares_worth(
    split: Split, manifest: Manifest, shares: Sequence[float] = SHARES, *, seed: int
) -> tuple[float, ...]:
    """Return the shares that are worth a fit, in rising order.

    In a small set small shares give the same items, or nearly: a share stays if the next part has at least a quarter
    more items. Of those that give the same the largest stays, which is the nearest to what the part is.

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
        n_items = len(part_of(split, manifest, share, seed=seed).train)
        if n_items * _STEP <= min(kept.values(), default=np.inf):
            kept[share] = n_items
    return tuple(sorted(kept))


def _units(bonds: Sequence[str | None]) -> list[np.ndarray]:
    """Return the places of each group, and of each item of none."""
    groups: dict[object, list[int]] = {}
    for place, bond in enumerate(bonds):
        groups.setdefault(place if bond is None else (bond,), []).append(place)
    return [np.array(places) for places in groups.values()]


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
    for place, held in enumerate(counts > 0):
        needed[place] = (lacking[held] > 0).any()
        if needed[place]:
            lacking = lacking - held
    return needed
