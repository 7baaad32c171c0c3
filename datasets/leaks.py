"""What stands on both sides of a split, so that answers may be known beforehand: groups, copies, overlapping parts."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from phosphene.converters import ParameterError

from .contents import digests_of
from .manifest import Item, Manifest, Split
from .recordings import recordings

Sort = Literal["group", "copy", "overlap", "split"]
_Pairs = list[tuple[int, int]]
_Span = tuple[float, float]

_ADVICE: dict[Sort, str] = {
    "group": "put all of a group on one side",
    "copy": "keep one of each, or put both on one side",
    "overlap": "cut parts that do not overlap, or put them on one side",
}
_SHOWN = 3
_WHOLE: _Span = (0.0, float("inf"))


@dataclass(frozen=True)
class Leak:
    """A way in which a split lets answers be known beforehand.

    Parameters
    ----------
    sort
        `group`: items of one group on both sides. `copy`: equal content on both. `overlap`: parts of one file that
        share a stretch. `split`: there was none, so folds were made.
    split
        The name of the split; empty where it is about all of them.
    message
        One line: what, how many, and up to three examples.
    items
        The items to answer for that what is learned from gives away, in order; none for `split`.
    """

    sort: Sort
    split: str
    message: str
    items: tuple[Item, ...] = ()


def find_leaks(manifest: Manifest, splits: Sequence[Split]) -> tuple[Leak, ...]:
    """Look for whatever stands on both sides of splits.

    `Manifest.splits` refuses groups on both sides by itself, whoever asks; here they are found in splits that were made
    in other ways. Copies are files of equal bytes, whatever they are called, equal parts of them, and rows of archives
    with equal values. A file that cannot be read is nobody's copy: it fails by name when it is learned from.

    Parameters
    ----------
    manifest
        As it was opened, before folds were made for one that has none, for this is told as well.
    splits
        Of its items.

    Returns
    -------
    tuple of Leak
        Split by split; that folds were made comes last.

    Examples
    --------
    >>> from pathlib import Path
    >>> items = tuple(Item(Path(f"{k}.wav"), "a", group="ann") for k in range(2))
    >>> split = Split("1", np.array([0]), np.array([1]))
    >>> [leak.sort for leak in find_leaks(Manifest(items, "audio"), [split])]
    ['group', 'split']
    """
    sought = _Sought.of(manifest, splits)
    found = [leak for split in splits for leak in sought.leaks(split)]
    return (*found, *_made_folds(manifest, splits))


def require_no_leaks(leaks: Sequence[Leak], *, on_leak: Literal["refuse", "tell"]) -> tuple[str, ...]:
    """Refuse to go on with leaks, or return what to tell of them.

    That folds were made is no leak that was seen, and is told in either case.

    Parameters
    ----------
    leaks
        As found.
    on_leak
        `refuse` suits people's own data; `tell` a published data set, whose official split stays as it is so that
        results can be compared.

    Raises
    ------
    ParameterError
        There is a leak and it is to be refused.

    Examples
    --------
    >>> require_no_leaks([Leak("copy", "1", "birds: 2 of 8 items are copies")], on_leak="tell")
    ('birds: 2 of 8 items are copies',)
    """
    seen = [leak for leak in leaks if leak.sort != "split"]
    if seen and on_leak == "refuse":
        more = f" (and {len(seen) - 1} more such findings)" if len(seen) > 1 else ""
        raise ParameterError(f"{seen[0].message}{more}, so answers would leak; {_ADVICE[seen[0].sort]}")
    return tuple(leak.message for leak in leaks)


@dataclass(frozen=True)
class _Sought:
    """What could tie items to each other, by place; None where nothing does or nobody knows."""

    manifest: Manifest
    bonds: list[str | None]
    recordings: list[str | None]
    files: list[str | None]
    contents: list[str | None]

    @classmethod
    def of(cls, manifest: Manifest, splits: Sequence[Split]) -> "_Sought":
        items = manifest.items
        files, contents = digests_of(items, _places(splits))
        return cls(manifest, [item.bond for item in items], recordings(items), files, contents)

    def leaks(self, split: Split) -> Iterator[Leak]:
        """Yield the leaks of one split, a sort at a time."""
        tied = self._shared(split, self.bonds)
        sliced = [] if tied else self._shared(split, self.recordings)
        copies, overlaps = self._shared(split, self.contents), self._overlaps(split)
        if tied:
            yield self._leak("group", split, tied, "of a group", self._named(tied, self.bonds))
        if sliced:
            yield self._leak(
                "group", split, sliced, "slices of a recording", self._named(sliced, self.recordings)
            )
        if copies:
            yield self._leak("copy", split, copies, "copies of one", self._copied(copies))
        if overlaps:
            yield self._leak(
                "overlap", split, overlaps, "overlapping with one", self._examples(overlaps, "with")
            )

    def _leak(self, sort: Sort, split: Split, pairs: _Pairs, what: str, examples: str) -> Leak:
        title = self.manifest.name or "the manifest"
        counts = f"{len(pairs)} of {len(split.test)} items to answer for, {what} that is learned from"
        items = tuple(self.manifest.items[place] for place, _ in pairs)
        return Leak(sort, split.name, f"{title}: split {split.name!r}: {counts} ({examples})", items)

    def _shared(self, split: Split, ties: Sequence[str | None]) -> _Pairs:
        """Return each place to answer for whose tie is learned from, with one of those; first of another label."""
        learned: dict[str | None, list[int]] = {}
        for place in split.train.tolist():
            learned.setdefault(ties[place], []).append(place)
        learned.pop(None, None)
        tied = [(place, learned[ties[place]]) for place in split.test.tolist() if ties[place] in learned]
        return [
            (place, next((p for p in partners if self._labelled_otherwise(place, p)), partners[0]))
            for place, partners in tied
        ]

    def _labelled_otherwise(self, place: int, other: int) -> bool:
        labels = {self.manifest.items[place].label, self.manifest.items[other].label}
        return len(labels) == 2 and None not in labels

    def _named(self, pairs: _Pairs, ties: Sequence[str | None]) -> str:
        names = list(dict.fromkeys(repr(ties[place]) for place, _ in pairs))
        return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

    def _copied(self, pairs: _Pairs) -> str:
        wrong = [pair for pair in pairs if self._labelled_otherwise(*pair)]
        if not wrong:
            return self._examples(pairs, "is")
        place, other = wrong[0]
        labels = f"{self.manifest.items[place].label!r} and {self.manifest.items[other].label!r}"
        right = [pair for pair in pairs if pair not in wrong]
        return (
            f"{self._examples(wrong + right, 'is')}; {len(wrong)} with another label, the first with {labels}"
        )

    def _examples(self, pairs: _Pairs, between: str) -> str:
        root = _root([self.manifest.items[place] for pair in pairs for place in pair])
        shown = [
            f" {between} ".join(_short(self.manifest.items[place], root) for place in pair)
            for pair in pairs[:_SHOWN]
        ]
        return ", ".join(shown) + (", ..." if len(pairs) > _SHOWN else "")

    def _overlaps(self, split: Split) -> _Pairs:
        """Return parts to answer for, each with a part to learn from that shares a stretch of the same bytes."""
        learned, asked = (_by_key(places, self.files) for places in (split.train, split.test))
        pairs = [
            pair
            for file in learned.keys() & asked.keys()
            for unit in self._units(learned[file] + asked[file])
            for pair in _overlapping(self._spans(asked[file], unit), self._spans(learned[file], unit))
        ]
        return sorted(dict(sorted(pairs, reverse=True)).items())

    def _units(self, places: list[int]) -> list[str]:
        fragments = [self.manifest.items[place].fragment for place in places]
        return sorted({fragment.unit for fragment in fragments if fragment})

    def _spans(self, places: list[int], unit: str) -> dict[int, _Span]:
        """Return where each part begins and ends; a whole file holds every part, other units are not compared."""
        fragments = {place: self.manifest.items[place].fragment for place in places}
        return {
            place: (part.start, part.stop) if part else _WHOLE
            for place, part in fragments.items()
            if part is None or part.unit == unit
        }


def _overlapping(asked: dict[int, _Span], learned: dict[int, _Span]) -> _Pairs:
    """Return places of spans that overlap with others; equal ones are copies, and no matter here."""
    spans = sorted((span, place) for place, span in learned.items())
    if not spans:
        return []
    starts = np.array([start for (start, _), _ in spans])
    stops = np.array([stop for (_, stop), _ in spans])
    farthest = np.maximum.accumulate(stops)
    pairs, equal = [], set(learned.values())
    for place, (start, stop) in asked.items():
        before = int(np.searchsorted(starts, stop))
        if before and farthest[before - 1] > start and (start, stop) not in equal:
            pairs.append((place, spans[int(np.argmax(stops[:before]))][1]))
    return pairs


def _made_folds(manifest: Manifest, splits: Sequence[Split]) -> list[Leak]:
    if manifest.is_parted:
        return []
    grouped = all(item.bond is not None for item in manifest.items)
    related = (
        "groups whole"
        if grouped
        else "but nothing is known of how items are related; if some are of one recording, speaker or machine, "
        "answers leak and scores are too high: name what they share in a column group"
    )
    title = manifest.name or "the manifest"
    made = f"{title} has neither folds nor a split: {len(splits)} folds are made at random"
    return [Leak("split", "", f"{made}, every class in its share, {related}")]


def _places(splits: Sequence[Split]) -> list[int]:
    return sorted(
        {place for split in splits for side in (split.train, split.test) for place in side.tolist()}
    )


def _by_key(places: np.ndarray, keys: Sequence[str | None]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place in places.tolist():
        key = keys[place]
        if key is not None:
            found.setdefault(key, []).append(place)
    return found


def _root(items: Sequence[Item]) -> str:
    try:
        return os.path.commonpath([item.path.parent for item in items])
    except ValueError:  # some absolute, some not
        return ""


def _short(item: Item, root: str) -> str:
    path = item.path.relative_to(root) if root else item.path
    return f"{path}#{item.fragment}" if item.fragment else str(path)
