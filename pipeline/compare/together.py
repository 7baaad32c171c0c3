"""What is put together of methods: the best without images, chosen on training items, and both sides stacked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.datasets.manifest import Manifest

from .cells import Answers, Cell
from .stacking import fit_stack


@dataclass(frozen=True, eq=False)
class Chosen:
    """The best of some methods, chosen anew in each fold by their answers for left-out training items.

    Parameters
    ----------
    names
        The method taken, one a fold.
    cells
        Its cells.
    """

    names: tuple[str, ...]
    cells: tuple[Cell, ...]


def choose_by_left_out(manifest: Manifest, methods: Mapping[str, Sequence[Cell]]) -> Chosen:
    """Choose in each fold the method that was right about most left-out training items.

    Of equals the one that was surer of what is right, by the mean logarithm of its probability; items to answer for are
    not looked at.

    Parameters
    ----------
    manifest
        All items.
    methods
        By name the cells, one a fold.
    """
    n_folds = len(next(iter(methods.values())))
    names = tuple(
        max(methods, key=lambda name: left_out_merit(manifest, methods[name][fold]))
        for fold in range(n_folds)
    )
    return Chosen(names, tuple(methods[name][fold] for fold, name in enumerate(names)))


def left_out_merit(manifest: Manifest, cell: Cell) -> tuple[float, float]:
    """Return the accuracy on left-out training items, and the mean log-probability of what is right."""
    answers = cell.left_out
    if not len(answers.items):
        return -1.0, 0.0
    targets = targets_of(manifest, answers.items)
    right = answers.log_probabilities.argmax(axis=1) == targets
    return float(right.mean()), float(answers.log_probabilities[np.arange(len(targets)), targets].mean())


def stacked(manifest: Manifest, members: Sequence[Sequence[Cell]]) -> tuple[Answers, ...]:
    """Return the answers of several methods together, weighed in each fold by their answers for left-out items.

    Parameters
    ----------
    manifest
        All items.
    members
        The cells of each method, one a fold.

    Returns
    -------
    tuple of Answers
        One a fold, for the items that all of them answered for.
    """
    return tuple(_stacked(manifest, cells) for cells in zip(*members, strict=True))


def targets_of(manifest: Manifest, items: np.ndarray) -> np.ndarray:
    """Return the class of items whose label is known, as places in the manifest's classes: int (n,)."""
    labels = manifest.labels[items].astype(str)
    return np.searchsorted(np.array(manifest.classes), labels)


def _stacked(manifest: Manifest, cells: Sequence[Cell]) -> Answers:
    known = _common([cell.left_out for cell in cells])
    stack = fit_stack([cell.left_out.of(known) for cell in cells], targets_of(manifest, known))
    asked = _common([cell.test for cell in cells])
    return Answers(asked, stack.log_probabilities([cell.test.of(asked) for cell in cells]))


def _common(answers: Sequence[Answers]) -> np.ndarray:
    found = answers[0].items
    for one in answers[1:]:
        found = np.intersect1d(found, one.items)
    return found
