"""How items are split: by folds or a split they come with, or at random; and subsets of a split's training items."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

import numpy as np

from phosphene.converters import ParameterError

_SHOWN = 5
SplitName = Literal["train", "valid", "test"]

SPLITS: dict[str, SplitName] = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
"""Names of folders, and words in tables, for splits."""

# UrbanSound8K: fsID-classID-occurrenceID-sliceID, of ten classes.
_SLICE = re.compile(r"(\d+)-\d-\d+-\d+")
_LEAST_SLICES = 0.9


class Splittable(Protocol):
    """What splitting asks of an item."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def label(self) -> str | None:
        """Its class."""

    @property
    def split(self) -> SplitName | None:
        """The side of an official split."""

    @property
    def fold(self) -> str | None:
        """The official fold."""

    @property
    def group_key(self) -> str | None:
        """The group that must stay on one side."""


@dataclass(frozen=True)
class Split:
    """One way to split a manifest: indices of the items to learn from and of those to predict."""

    name: str
    train: np.ndarray
    test: np.ndarray


def official_splits(items: Sequence[Splittable], title: str) -> tuple[Split, ...]:
    """Return the splits that items come with: one a fold where they have folds, else the one split they have.

    Raises
    ------
    ParameterError
        The items have neither, some have none, or a group or recording stands on both sides.
    """
    if any(item.fold is not None for item in items):
        return fold_splits(items, title)
    names = {item.split for item in items}
    for held in ("test", "valid"):
        if held in names and "train" in names:
            return (named_split(items, held, title),)
    raise ParameterError(
        f"{title} has neither folds nor a split; make one: --valid 0.2, or a column fold or split"
    )


def fold_splits(items: Sequence[Splittable], title: str) -> tuple[Split, ...]:
    """Return a split for each fold, in the order of their numbers; errors as for `official_splits`."""
    without = next((item for item in items if item.fold is None), None)
    if without:
        raise ParameterError(f"{without}: has no fold, others have; give every item one")
    folds = sorted({item.fold for item in items if item.fold}, key=natural_key)
    if len(folds) < 2:
        raise ParameterError(f"{title} has one fold alone, {folds[0]!r}; it needs two or more")
    held = [np.array([item.fold == fold for item in items]) for fold in folds]
    return tuple(
        _require_no_leaks(items, Split(fold, np.flatnonzero(~test), np.flatnonzero(test)), title)
        for fold, test in zip(folds, held, strict=True)
    )


def fold_split(items: Sequence[Splittable], fold: str, title: str) -> Split:
    """Return the split that holds one fold out; errors as for `official_splits`, or there is no such fold."""
    if all(item.fold is None for item in items):
        raise ParameterError(f"{title} has no folds; ask for a share, such as 0.2")
    splits = {split.name: split for split in fold_splits(items, title)}
    if fold not in splits:
        raise ParameterError(f"{title} has no fold {fold!r}; it has {', '.join(splits)}")
    return splits[fold]


def named_split(items: Sequence[Splittable], held: str, title: str) -> Split:
    """Return the split that holds `test` or `valid` out; items of `test` are never learned from."""
    counts = Counter(str(item.split or "none") for item in items)
    if held not in get_args(SplitName)[1:]:
        raise ParameterError(f"the split held out must be valid or test, got {held!r}")
    if not counts[held]:
        raise ParameterError(f"{title} has no {held} split; its items are in: {', '.join(sorted(counts))}")
    never: tuple[SplitName, ...] = ("test",) if held == "test" else ("test", "valid")
    test = np.flatnonzero([item.split == held for item in items])
    return _require_no_leaks(items, Split(held, outside(items, *never), test), title)


def share_split(items: Sequence[Splittable], spec: str, title: str, *, seed: int) -> Split:
    """Return a random split that holds a share of each class out; items of `test` are on neither side."""
    share = _share(spec)
    indices = outside(items, "test")
    some = [items[index] for index in indices]
    held = assign_bins(some, np.array([1 - share, share]), title, seed=seed).astype(bool)
    if not held.any() or held.all():
        hint = "; hold more out (--valid 0.5) or nothing (--valid none)"
        hint += ", or overrule: --group none" if any(item.group_key for item in some) else ""
        raise ParameterError(f"{title} has too few items or groups to hold {share:g} of them out{hint}")
    return Split(spec, indices[~held], indices[held])


def outside(items: Sequence[Splittable], *splits: SplitName) -> np.ndarray:
    """Return the indices of the items that are in none of some splits."""
    return np.flatnonzero([item.split not in splits for item in items])


def assign_bins(items: Sequence[Splittable], shares: np.ndarray, title: str, *, seed: int) -> np.ndarray:
    """Return the bin of each item, by class and group; refuse slices of recordings that no group keeps together."""
    loose = ungrouped_recordings(items)
    if loose:
        raise ParameterError(
            f"{title}: its files are named as those of UrbanSound8K, and split at random the slices of a "
            f"recording ({loose[0]}, one of {len(loose)}) would stand on both sides; keep to the official folds "
            "(protocol urbansound8k, or a column fold and --valid fold=10), or give each recording a group"
        )
    labels, groups = [item.label for item in items], [item.group_key for item in items]
    return stratified_group_split(labels, groups, shares, seed=seed)


def stratified_group_split(
    labels: Sequence[str | None], groups: Sequence[str | None], shares: np.ndarray, *, seed: int
) -> np.ndarray:
    """Assign items to bins, so that each class comes near its share in each and every group is in one.

    The groups are assigned in random order, the largest first, each to the bin that lacks most of what it holds; the
    count of a class without groups ends within one of its share.

    Examples
    --------
    >>> groups = ["x", "x", None, None] + [None] * 4
    >>> bins = stratified_group_split(list("aaaabbbb"), groups, np.array([0.5, 0.5]), seed=0)
    >>> bool(bins[0] == bins[1]), np.bincount(bins).tolist()
    (True, [4, 4])
    """
    classes = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    codes = np.array([classes[label] for label in labels], int)
    members = group_indices(groups)
    lacking = _targets(members, codes, shares)
    totals = np.maximum(lacking.sum(axis=0), 1)
    bins = np.zeros(len(codes), int)
    shuffled = [members[index] for index in np.random.default_rng(seed).permutation(len(members))]
    for group in sorted(shuffled, key=len, reverse=True):
        counts = np.bincount(codes[group], minlength=len(classes))
        held = np.flatnonzero(counts)
        need = (lacking[:, held] / totals[held]) @ counts[held]
        chosen = np.lexsort((-lacking.sum(axis=1), -need.round(9)))[0]
        lacking[chosen] -= counts
        bins[group] = chosen
    return bins


def group_indices(groups: Sequence[str | None]) -> list[np.ndarray]:
    """Return the indices of each group, and of each item of none.

    Examples
    --------
    >>> [indices.tolist() for indices in group_indices(["x", None, "x", None])]
    [[0, 2], [1], [3]]
    """
    members: dict[object, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(index if group is None else (group,), []).append(index)
    return [np.array(indices) for indices in members.values()]


def recording_ids(items: Sequence[Splittable]) -> list[str | None]:
    """Return the recording that each item was cut from, by its name.

    Only UrbanSound8K is known to name its files so, and only where nine of ten names have its form is anything read
    from them.

    Examples
    --------
    >>> from phosphene.datasets import Item
    >>> recording_ids([Item(Path("100032-3-0-0.wav")), Item(Path("100032-3-0-1.wav"))])
    ['100032', '100032']
    >>> recording_ids([Item(Path("100032-3-0-0.wav")), Item(Path("bark.wav"))])
    [None, None]
    """
    found = [_SLICE.fullmatch(item.path.stem) for item in items]
    if sum(map(bool, found)) < _LEAST_SLICES * len(found):
        return [None] * len(found)
    return [match[1] if match else None for match in found]


def ungrouped_recordings(items: Sequence[Splittable]) -> list[str]:
    """Return the recordings of which several items are not kept together by one group, in order.

    Examples
    --------
    >>> from phosphene.datasets import Item
    >>> slices = [Path(f"{recording}-3-0-{k}.wav") for recording in (7, 8) for k in range(2)]
    >>> ungrouped_recordings([Item(path, group="barks" if path.stem[0] == "8" else None) for path in slices])
    ['7']
    """
    groups = defaultdict[str, list[str | None]](list)
    for item, recording in zip(items, recording_ids(items), strict=True):
        if recording is not None:
            groups[recording].append(item.group_key)
    return [name for name, held in groups.items() if len(held) > 1 and (None in held or len(set(held)) > 1)]


def natural_key(text: str) -> tuple[tuple[int, int | str], ...]:
    """Order texts with numbers by the numbers: 2 before 10.

    Examples
    --------
    >>> sorted(["10", "9", "a2", "a10"], key=natural_key)
    ['9', '10', 'a2', 'a10']
    """
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(part)) if part[0] in "0123456789" else (1, part) for part in parts)


def _targets(members: list[np.ndarray], codes: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return how many items of each class each bin should get, float (n_bins, n_classes).

    With two bins, a class that can be split has at least one item in each.
    """
    n_classes = int(codes.max(initial=-1)) + 1
    totals = np.bincount(codes, minlength=n_classes).astype(float)
    targets = np.outer(shares, totals)
    if len(shares) == 2:
        n_groups = np.bincount(
            np.concatenate([np.unique(codes[group]) for group in members] or [codes]), minlength=n_classes
        )
        divisible = n_groups > 1
        targets[1, divisible] = np.clip(targets[1, divisible], 1, totals[divisible] - 1)
        targets[0] = totals - targets[1]
    return targets


def _require_no_leaks(items: Sequence[Splittable], split: Split, title: str) -> Split:
    """Return the split if neither a group nor a recording stands on both of its sides."""
    for what, keys in (("group", [item.group_key for item in items]), ("recording", recording_ids(items))):
        learned = {keys[index] for index in split.train} - {None}
        shared = next((keys[index] for index in split.test if keys[index] in learned), None)
        if shared is not None:
            raise ParameterError(
                f"{title}: {what} {shared!r} stands on both sides of split {split.name!r}, so predictions would "
                f"leak; put the whole {what} on one side" + ("; overrule: --group none" * (what == "group"))
            )
    return split


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


SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
LEAST = 2
"""Items, or groups of them, that every class keeps: of fewer nothing can be held out to choose settings by."""
_STEP = 1.25


def subset_of(split: Split, items: Sequence[Splittable], share: float, *, seed: int) -> Split:
    """Return a split with a subset of its training items, called `3, 16 of 320 items`, and all of its test items.

    The groups stand in one order, whatever the share, in which the classes take turns by their sizes, and a subset is
    the beginning of it: so subsets are nested. Groups stay whole and every class keeps `LEAST` of its items or
    groups, so a subset can be larger than its share. Items without a label are not learned from, and are in no subset.

    Raises
    ------
    ParameterError
        The share is out of range.

    Examples
    --------
    >>> from phosphene.datasets import Item
    >>> items = [Item(Path(f"{k}.wav"), "ab"[k % 2]) for k in range(100)]
    >>> subset = subset_of(Split("1", np.arange(80), np.arange(80, 100)), items, 0.1, seed=0)
    >>> subset.name, [items[index].label for index in subset.train].count("a")
    ('1, 8 of 80 items', 4)
    """
    if not 0 < share <= 1:
        raise ParameterError(f"share must be above 0 and at most 1, got {share!r}")
    known = np.array([index for index in split.train if items[index].label is not None], int)
    if share == 1 or not len(known):
        return split
    classes, targets = np.unique([str(items[index].label) for index in known], return_inverse=True)
    units = group_indices([items[index].group_key for index in known])
    counts = np.array([np.bincount(targets[unit], minlength=len(classes)) for unit in units])
    order, n_least = _in_turns(counts, np.random.default_rng(seed))
    sizes = np.cumsum(counts[order].sum(axis=1))
    n_units = max(n_least, int(np.argmin(np.abs(sizes - share * len(known)))) + 1)
    if n_units == len(units):
        return split
    indices = np.sort(np.concatenate([known[units[unit]] for unit in order[:n_units]]))
    return Split(f"{split.name}, {len(indices)} of {len(known)} items", indices, split.test)


def shares_worth(
    split: Split, items: Sequence[Splittable], shares: Sequence[float] = SHARES, *, seed: int
) -> tuple[float, ...]:
    """Return the shares that are worth a fit, in rising order.

    In a small set small shares give the same items, or nearly: a share stays if the next subset has at least a quarter
    more items. Of those that give the same the largest stays, which is the nearest to what the subset is.

    Examples
    --------
    >>> from phosphene.datasets import Item
    >>> items = [Item(Path(f"{k}.wav"), "ab"[k % 2]) for k in range(30)]
    >>> shares_worth(Split("1", np.arange(20), np.arange(20, 30)), items, seed=0)
    (0.2, 0.5, 1.0)
    """
    kept: dict[float, int] = {}
    for share in sorted(set(shares), reverse=True):
        n_items = len(subset_of(split, items, share, seed=seed).train)
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


class ClassFolder(NamedTuple):
    """What files in a folder are, by its name and those above it."""

    label: str | None = None
    split: SplitName | None = None


def class_folders(
    folders: Iterable[tuple[str, ...]],
) -> tuple[dict[tuple[str, ...], ClassFolder], list[str]]:
    """Return what each folder, as names from the source on, says of its files, and the folders that are splits.

    Examples
    --------
    >>> class_folders([("train", "cat"), ("test", "cat")])[0]["test", "cat"]
    ClassFolder(label='cat', split='test')
    """
    folders = dict.fromkeys(folders)
    firsts = {parts[0] for parts in folders if parts}
    splits = {name for name in firsts if name.lower() in SPLITS}
    found = {SPLITS[name.lower()] for name in splits}
    if splits and (splits == firsts or ("train" in found and len(found) > 1)):
        named = {
            parts: ClassFolder(next(iter(parts[1:]), None), SPLITS[parts[0].lower()])
            if parts and parts[0] in splits
            else ClassFolder()
            for parts in folders
        }
        return named, sorted(splits)
    inner = {parts[1] if len(parts) > 1 else "" for parts in folders}
    found = {SPLITS[name.lower()] for name in inner if name.lower() in SPLITS}
    is_split = all(name.lower() in SPLITS for name in inner) and "train" in found and len(found) > 1
    of_split = (lambda parts: SPLITS[parts[1].lower()]) if is_split else (lambda parts: None)
    named = {parts: ClassFolder(next(iter(parts), None), of_split(parts)) for parts in folders}
    return named, sorted(inner) if is_split else []


def note_inner_folders(folders: Iterable[tuple[str, ...]]) -> list[str]:
    """Say that classes are the outer folders, where each of these holds the same inner ones.

    Examples
    --------
    >>> note_inner_folders([("cat", "left"), ("cat", "right"), ("dog", "left"), ("dog", "right")])[0][:55]
    'classes are its own folders (cat, dog), not those in ea'
    """
    inner: dict[str, set[str]] = {}
    for parts in folders:
        if parts:
            inner.setdefault(parts[0], set()).add(parts[1] if len(parts) > 1 else "")
    same = next(iter(inner.values()), set())
    if len(inner) < 2 or len(same) < 2 or any(names != same for names in inner.values()):
        return []
    outer, within = (", ".join(sorted(names)[:_SHOWN]) for names in (inner, same))
    return [
        f"classes are its own folders ({outer}), not those in each of them ({within}); "
        "if these are the classes, write a table with path,label"
    ]
