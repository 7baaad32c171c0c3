"""The items of a manifest cut into pieces: which pieces are learned from and answered for, and answers by item."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.converters import SignalError

from .cutting import cut_for
from .manifest import Failure, Item, Manifest, Split
from .windows import Cut, balance, combine, cut, lengths_for, plan_windows

MOST_WINDOWS = 500
"""Windows a class to learn from, spread evenly: the time to fit a head grows with the cube of their number."""


@dataclass(frozen=True, eq=False)
class ToLearn:
    """Pieces to learn from.

    Parameters
    ----------
    places
        int (n,), which pieces.
    targets
        int (n,), the class of each, a place in the manifest's classes.
    groups
        int (n,); pieces of one item, and of items that belong together, share a number.
    """

    places: np.ndarray
    targets: np.ndarray
    groups: np.ndarray


@dataclass(frozen=True, eq=False)
class CutItems:
    """The items of a manifest, cut.

    Parameters
    ----------
    manifest
        The items.
    windows
        How they are cut; None leaves all whole.
    pieces
        The parts, in the order of the items.
    source
        int (n_pieces,), the place of the item that each is of.
    """

    manifest: Manifest
    windows: Cut | None
    pieces: tuple[Item, ...]
    source: np.ndarray

    def places(self, items: np.ndarray, *, failed: frozenset[int] = frozenset()) -> np.ndarray:
        """Return the places of the pieces of some items, without items that failed.

        Raises
        ------
        SignalError
            All of them failed.
        """
        kept = [item for item in items.tolist() if item not in failed]
        if not kept:
            raise SignalError(f"{self._title}: not one of {len(items)} items could be used")
        return np.flatnonzero(np.isin(self.source, kept))

    def to_learn(self, split: Split, *, failed: frozenset[int] = frozenset()) -> ToLearn:
        """Return the pieces to learn from, without items that failed and those whose class nobody knows.

        Raises
        ------
        SignalError
            There is nothing to learn a class from.
        """
        labels = self.manifest.labels
        places = self.places(split.train, failed=failed)
        places = places[np.array([labels[item] is not None for item in self.source[places]], bool)]
        items = self.source[places]
        missing = sorted(set(self.manifest.classes) - set(labels[items]))
        if missing:
            raise SignalError(
                f"{self._title}: no item to learn {missing[0]!r} from in split {split.name!r}; "
                "add items or change the split"
            )
        targets = np.searchsorted(np.array(self.manifest.classes), labels[items].astype(str))
        names = [self.manifest.items[item].bond or f"#{item}" for item in items]
        return ToLearn(places, targets, np.unique(names, return_inverse=True)[1])

    def by_item(self, answers: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Put the answers for pieces together.

        Parameters
        ----------
        answers
            float (n, n_classes), log-probabilities.
        places
            int (n,), of which pieces.

        Returns
        -------
        items, answers
            The places of their items, in order, and float64 (n_items, n_classes).
        """
        combined = combine(answers, self.source[places], len(self.manifest))
        items = np.unique(self.source[places])
        return items, combined[items]

    @property
    def _title(self) -> str:
        return self.manifest.name or "the manifest"


def cut_items(manifest: Manifest, how: str | None, splits: Sequence[Split]) -> CutItems:
    """Cut the items of a manifest.

    Parameters
    ----------
    manifest
        The items.
    how
        Text such as `t=5,2.5`; None for what suits the kind.
    splits
        Of items that are cut, those that one of the splits learns from keep at most MOST_WINDOWS windows a class.
    """
    windows = plan_windows(manifest.items, manifest.kind) if how is None else cut_for(manifest.kind, how)
    pieces, source = cut(manifest.items, windows, lengths_for(manifest.items, manifest.kind, windows))
    kept = _thinned(pieces, source, manifest, splits)
    return CutItems(manifest, windows, tuple(pieces[place] for place in kept), source[kept])


def item_failures(
    items: Sequence[Item], source: np.ndarray, pieces: Sequence[Item], failures: Sequence[Failure]
) -> tuple[Failure, ...]:
    """Return the items of which a piece failed, each with the first reason.

    Parameters
    ----------
    items
        What was cut.
    source
        int (n_pieces,), the place of the item that each piece is of.
    pieces
        The parts.
    failures
        Those that failed, and why.
    """
    reasons = {failure.item: failure.error for failure in failures}
    failed: dict[int, str] = {}
    for place, piece in zip(source.tolist(), pieces, strict=True):
        if piece in reasons:
            failed.setdefault(place, reasons[piece])
    return tuple(Failure(items[place], reason) for place, reason in failed.items())


def _thinned(
    pieces: Sequence[Item], source: np.ndarray, manifest: Manifest, splits: Sequence[Split]
) -> np.ndarray:
    """Return the places of all pieces to answer for and of at most MOST_WINDOWS a class to learn from."""
    if len(pieces) == len(manifest):
        return np.arange(len(pieces))
    learned = np.isin(source, np.unique(np.concatenate([split.train for split in splits])))
    some = np.flatnonzero(learned)
    chosen = balance([pieces[int(place)] for place in some], source[some], manifest.labels, MOST_WINDOWS)
    return np.sort(np.concatenate([np.flatnonzero(~learned), some[chosen]]))
