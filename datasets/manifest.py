"""The table of items: what to read, what it is, and on which side of a split it falls."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from phosphene.converters import Fragment, ParameterError
from phosphene.converters.core.signal import Kind

from .recordings import loose_recordings, recordings
from .splitting import deal

Metric = Literal["accuracy", "macro_f1", "auc"]
SplitName = Literal["train", "valid", "test"]


@dataclass(frozen=True)
class Item:
    """What gets one label: a file, or a part of one.

    Parameters
    ----------
    path, fragment
        Where it is.
    label
        What it is; None where nobody knows.
    split, fold
        On which side of an official split it falls, or in which of several folds; None where not known.
    group
        Items of one group (one speaker, one machine, one program) must never be on both sides of a split.
    claim
        What it is said to be, for a protocol that asks whether that is true; genuine where it equals `label`.
    """

    path: Path
    label: str | None = None
    fragment: Fragment | None = None
    split: SplitName | None = None
    fold: str | None = None
    group: str | None = None
    claim: str | None = None

    def __str__(self) -> str:
        return f"{self.path}#{self.fragment}" if self.fragment else str(self.path)

    @property
    def bond(self) -> str | None:
        """What keeps items together: the group, or the file that several parts of one recording come from."""
        if self.group is None and self.fragment and self.fragment.unit != "row":
            return str(self.path)
        return self.group


@dataclass(frozen=True)
class Failure:
    """An item that could not be drawn, and why."""

    item: Item
    error: str


@dataclass(frozen=True)
class Split:
    """One way to part a manifest: places of the items to learn from and of those to answer for."""

    name: str
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class Manifest:
    """Items of one kind, and the metric by which a classifier of them is judged.

    Parameters
    ----------
    items
        In the order in which they were found.
    kind
        The kind of every item.
    name
        For messages and the model card: the name of the protocol, folder or file.
    metric
        `accuracy`, `macro_f1`, or `auc` (of the question whether an item's claim is true).

    Examples
    --------
    >>> items = tuple(Item(Path(f"{n}.wav"), label="ab"[n % 2]) for n in range(10))
    >>> manifest = Manifest(items, "audio").with_folds(5, seed=0)
    >>> manifest.classes, len(manifest.splits())
    (('a', 'b'), 5)
    """

    items: tuple[Item, ...]
    kind: Kind
    name: str = ""
    metric: Metric = "accuracy"

    def __len__(self) -> int:
        return len(self.items)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({item.label for item in self.items if item.label is not None}))

    @property
    def labels(self) -> np.ndarray:
        """The label of every item, an object array (n,) of text; None where nobody knows."""
        labels = np.empty(len(self.items), object)
        labels[:] = [item.label for item in self.items]
        return labels

    @property
    def is_parted(self) -> bool:
        """Whether any item has a fold or a split: else whoever asks for answers parts them."""
        return any(item.fold is not None or item.split is not None for item in self.items)

    def splits(self) -> tuple[Split, ...]:
        """Return the ways to part the items: one a fold where they have folds, else the one split they have.

        Raises
        ------
        ParameterError
            The items have neither, some have none, or a group or recording stands on both sides.
        """
        if any(item.fold is not None for item in self.items):
            return self._fold_splits()
        names = {item.split for item in self.items}
        for held in ("test", "valid"):
            if held in names and "train" in names:
                return (self._named_split(held),)
        raise ParameterError(
            f"{self._title} has neither folds nor a split; make one: --valid 0.2, or a column fold or split"
        )

    def with_random_split(self, share: float, *, seed: int) -> "Manifest":
        """Return the manifest with a `train` and a `test` split, `share` of each class in the latter.

        Groups stay together; equal seeds give equal splits. Slices of UrbanSound8K without groups are not dealt.
        """
        if not 0 < share < 1:
            raise ParameterError(f"the share held out must be above 0 and below 1, got {share!r}")
        held = self._deal(np.array([1 - share, share]), range(len(self)), seed)
        if len(set(held)) < 2:
            raise ParameterError(f"{self._title} has too few items or groups to hold {share:g} of them out")
        names: tuple[SplitName, SplitName] = ("train", "test")
        return self._changed(
            [replace(i, split=names[s], fold=None) for i, s in zip(self.items, held, strict=True)]
        )

    def with_folds(self, n_folds: int, *, seed: int) -> "Manifest":
        """Return the manifest with folds `1` to `n_folds`, each with its share of every class.

        Groups stay together; equal seeds give equal folds. Slices of UrbanSound8K without groups are not dealt.
        """
        if n_folds < 2:
            raise ParameterError(f"n_folds must be 2 or more, got {n_folds!r}")
        folds = self._deal(np.full(n_folds, 1 / n_folds), range(len(self)), seed)
        if len(set(folds)) < n_folds:
            raise ParameterError(
                f"{self._title} has too few items or groups for {n_folds} folds; ask for fewer"
            )
        return self._changed(
            [replace(i, fold=str(f + 1), split=None) for i, f in zip(self.items, folds, strict=True)]
        )

    def valid_split(self, spec: str, *, seed: int) -> Split:
        """Return the split that `--valid SPEC` names.

        Parameters
        ----------
        spec
            `fold=5` holds that fold out, `split=test` that split, `0.2` a share of each class, `none`
            nothing. Items of an official test split are learned from in no case.
        seed
            Decides which items a share takes.

        Raises
        ------
        ParameterError
            The text is none of these, there is no such fold or split, a group or recording stands on both sides, or
            slices of UrbanSound8K without groups would be dealt at random.
        """
        name, _, value = spec.partition("=")
        if name == "fold" and value:
            return self._fold_split(value)
        if name == "split" and value:
            return self._named_split(value)
        if spec == "none":
            return Split("none", self._outside("test"), np.array([], int))
        return self._share_split(spec, seed)

    @property
    def _title(self) -> str:
        return self.name or "the manifest"

    def _changed(self, items: Sequence[Item]) -> "Manifest":
        return replace(self, items=tuple(items))

    def _deal(self, shares: np.ndarray, places: Sequence[int] | np.ndarray, seed: int) -> np.ndarray:
        items = [self.items[place] for place in places]
        self._require_whole_recordings(items)
        return deal([item.label for item in items], [item.bond for item in items], shares, seed=seed)

    def _outside(self, *splits: SplitName) -> np.ndarray:
        """Return the places of the items that are in none of some splits."""
        return np.flatnonzero([item.split not in splits for item in self.items])

    def _fold_splits(self) -> tuple[Split, ...]:
        without = next((item for item in self.items if item.fold is None), None)
        if without:
            raise ParameterError(f"{without}: has no fold, others have; give every item one")
        folds = sorted({item.fold for item in self.items if item.fold}, key=natural_key)
        if len(folds) < 2:
            raise ParameterError(f"{self._title} has one fold alone, {folds[0]!r}; it needs two or more")
        return tuple(self._held_out(fold) for fold in folds)

    def _fold_split(self, fold: str) -> Split:
        if all(item.fold is None for item in self.items):
            raise ParameterError(f"{self._title} has no folds; ask for a share, such as 0.2")
        splits = {split.name: split for split in self._fold_splits()}
        if fold not in splits:
            raise ParameterError(f"{self._title} has no fold {fold!r}; it has {', '.join(splits)}")
        return splits[fold]

    def _held_out(self, fold: str) -> Split:
        held = np.array([item.fold == fold for item in self.items])
        return self._without_leaks(Split(fold, np.flatnonzero(~held), np.flatnonzero(held)))

    def _named_split(self, held: str) -> Split:
        counts = Counter(str(item.split or "none") for item in self.items)
        if held not in get_args(SplitName)[1:]:
            raise ParameterError(f"the split held out must be valid or test, got {held!r}")
        if not counts[held]:
            raise ParameterError(
                f"{self._title} has no {held} split; its items are in: {', '.join(sorted(counts))}"
            )
        learn = self._outside("test") if held == "test" else self._outside("test", "valid")
        test = np.flatnonzero([item.split == held for item in self.items])
        return self._without_leaks(Split(held, learn, test))

    def _share_split(self, spec: str, seed: int) -> Split:
        share = _share(spec)
        places = self._outside("test")
        held = self._deal(np.array([1 - share, share]), places, seed).astype(bool)
        if not held.any() or held.all():
            raise ParameterError(f"{self._title} has too few items or groups to hold {share:g} of them out")
        return Split(spec, places[~held], places[held])

    def _require_whole_recordings(self, items: Sequence[Item]) -> None:
        """Refuse to deal slices of recordings at random where no group keeps each recording together."""
        loose = loose_recordings(items)
        if loose:
            raise ParameterError(
                f"{self._title}: its files are named as those of UrbanSound8K, and dealt at random the slices of a "
                f"recording ({loose[0]}, one of {len(loose)}) would stand on both sides; keep to the official folds "
                "(protocol urbansound8k, or a column fold and --valid fold=10), or give each recording a group"
            )

    def _without_leaks(self, split: Split) -> Split:
        """Return the split if neither a group nor a recording stands on both of its sides."""
        self._require_apart([item.bond for item in self.items], "group", split)
        self._require_apart(recordings(self.items), "recording", split)
        return split

    def _require_apart(self, bonds: Sequence[str | None], what: str, split: Split) -> None:
        learned = {bonds[place] for place in split.train} - {None}
        shared = next((bonds[place] for place in split.test if bonds[place] in learned), None)
        if shared is not None:
            raise ParameterError(
                f"{self._title}: {what} {shared!r} stands on both sides of split "
                f"{split.name!r}, so answers would leak; put the whole {what} on one side"
            )


def natural_key(text: str) -> tuple[tuple[int, int | str], ...]:
    """Order texts with numbers by the numbers: 2 before 10.

    Examples
    --------
    >>> sorted(["10", "9", "a2", "a10"], key=natural_key)
    ['9', '10', 'a2', 'a10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts)


def _share(spec: str) -> float:
    try:
        share = float(spec)
    except ValueError:
        share = float("nan")
    if not 0 < share < 1:
        raise ParameterError(
            f"valid must be fold=NAME, split=test, a share such as 0.2, or none, got {spec!r}"
        )
    return share
