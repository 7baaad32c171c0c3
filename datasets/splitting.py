"""Dealing items into bins: every class in its share, every group whole."""

from collections.abc import Sequence

import numpy as np


def deal(
    labels: Sequence[str | None], bonds: Sequence[str | None], shares: np.ndarray, *, seed: int
) -> np.ndarray:
    """Deal items into bins so that each class comes near its share in each.

    Items of one bond go together. The groups are dealt in random order, the largest first, each to the bin
    that lacks most of what it holds; the count of a class without groups ends within one of its share.

    Parameters
    ----------
    labels
        The class of each item; None is a class of its own.
    bonds
        The group of each item; None for an item that stands alone.
    shares
        float (n_bins,), the share of each bin; they add up to 1.
    seed
        Equal seeds give equal bins.

    Returns
    -------
    numpy.ndarray
        int (n,), the bin of each item.

    Examples
    --------
    >>> bins = deal(list("aaaabbbb"), ["x", "x", None, None] + [None] * 4, np.array([0.5, 0.5]), seed=0)
    >>> bool(bins[0] == bins[1]), np.bincount(bins).tolist()
    (True, [4, 4])
    """
    classes = {label: place for place, label in enumerate(dict.fromkeys(labels))}
    codes = np.array([classes[label] for label in labels], int)
    units = _units(bonds)
    lacking = _targets(units, codes, shares)
    totals = np.maximum(lacking.sum(axis=0), 1)
    bins = np.zeros(len(codes), int)
    for unit in _in_order(units, np.random.default_rng(seed)):
        counts = np.bincount(codes[unit], minlength=len(classes))
        held = np.flatnonzero(counts)
        need = (lacking[:, held] / totals[held]) @ counts[held]
        chosen = np.lexsort((-lacking.sum(axis=1), -need.round(9)))[0]
        lacking[chosen] -= counts
        bins[unit] = chosen
    return bins


def _units(bonds: Sequence[str | None]) -> list[np.ndarray]:
    groups: dict[object, list[int]] = {}
    for place, bond in enumerate(bonds):
        groups.setdefault(place if bond is None else (bond,), []).append(place)
    return [np.array(places) for places in groups.values()]


def _in_order(units: list[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    shuffled = [units[place] for place in generator.permutation(len(units))]
    return sorted(shuffled, key=len, reverse=True)


def _targets(units: list[np.ndarray], codes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return how many items of each class each bin should get, float (n_bins, n_classes).

    With two bins, a class that can be parted has at least one item in each.
    """
    n_classes = int(codes.max(initial=-1)) + 1
    totals = np.bincount(codes, minlength=n_classes).astype(float)
    targets = np.outer(shares, totals)
    if len(shares) == 2:
        n_units = np.bincount(
            np.concatenate([np.unique(codes[unit]) for unit in units] or [codes]), minlength=n_classes
        )
        parted = n_units > 1
        targets[1, parted] = np.clip(targets[1, parted], 1, totals[parted] - 1)
        targets[0] = totals - targets[1]
    return targets
