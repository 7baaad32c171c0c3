"""What stands on both sides of a split, so that test labels leak: groups, copies, overlapping windows."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from phosphene.converters import ParameterError, PhospheneError
from phosphene.converters.core.files import content_digest
from phosphene.converters.core.signal import Signal, signal_digest
from phosphene.converters.registry import readers
from phosphene.converters.series.signal import Series

from .manifest import Item, Manifest
from .splits import Split, recording_ids

Sort = Literal["group", "copy", "overlap", "split"]
_Pairs = list[tuple[int, int]]
_Span = tuple[float, float]

_ADVICE: dict[Sort, str] = {
    "group": "put all of a group on one side",
    "copy": "keep one of each, or put both on one side",
    "overlap": "cut windows that do not overlap, or put them on one side",
}
_SHOWN = 3
_WHOLE: _Span = (0.0, float("inf"))


@dataclass(frozen=True)
class Leak:
    """A way in which a split gives test labels away.

    Parameters
    ----------
    sort
        `group`: items of one group on both sides. `copy`: equal content on both. `overlap`: windows of one
        file that overlap. `split`: there was none, so folds were made.
    split
        The name of the split; empty where it is about all of them.
    message
        One line: what, how many, and up to three examples.
    items
        The test items that training items give away, in order; none for `split`.
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
        As it was opened, before folds were made for one that has none, for that is reported as well.
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
    items = manifest.items
    sides = (side for split in splits for side in (split.train, split.test))
    files, contents = digests_of(items, sorted({index for side in sides for index in side.tolist()}))
    groups = [item.group_key for item in items]
    shared = _Shared(manifest, groups, recording_ids(items), files, contents)
    found = [leak for split in splits for leak in shared.leaks(split)]
    return (*found, *_made_folds(manifest, splits))


def require_no_leaks(leaks: Sequence[Leak], *, on_leak: Literal["refuse", "tell"]) -> tuple[str, ...]:
    """Refuse to go on with leaks, or return what to report of them.

    That folds were made is no leak that was seen, and is reported in either case.

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
        raise ParameterError(f"{seen[0].message}{more}, so predictions would leak; {_ADVICE[seen[0].sort]}")
    return tuple(leak.message for leak in leaks)


@dataclass(frozen=True)
class _Shared:
    """What items could share, by index; None where nothing does or nobody knows."""

    manifest: Manifest
    groups: list[str | None]
    recordings: list[str | None]
    files: list[str | None]
    contents: list[str | None]

    def leaks(self, split: Split) -> Iterator[Leak]:
        """Yield the leaks of one split, a sort at a time."""
        grouped = self._shared(split, self.groups)
        sliced = [] if grouped else self._shared(split, self.recordings)
        copies, overlaps = self._shared(split, self.contents), self._overlaps(split)
        found: list[tuple[Sort, _Pairs, str, str]] = [
            ("group", grouped, "of a group", self._named(grouped, self.groups)),
            ("group", sliced, "slices of a recording", self._named(sliced, self.recordings)),
            ("copy", copies, "copies of one", self._copied(copies)),
            ("overlap", overlaps, "overlapping with one", self._examples(overlaps, "with")),
        ]
        for sort, pairs, what, examples in found:
            if pairs:
                counts = f"{len(pairs)} of {len(split.test)} test items, {what} in training"
                items = tuple(self.manifest.items[index] for index, _ in pairs)
                message = f"{self.manifest.title}: split {split.name!r}: {counts} ({examples})"
                yield Leak(sort, split.name, message, items)

    def _shared(self, split: Split, keys: Sequence[str | None]) -> _Pairs:
        """Return each test index whose key is in training, with one of those; first of another label."""
        learned: dict[str | None, list[int]] = {}
        for index in split.train.tolist():
            learned.setdefault(keys[index], []).append(index)
        learned.pop(None, None)
        grouped = [(index, learned[keys[index]]) for index in split.test.tolist() if keys[index] in learned]
        return [
            (index, next((p for p in partners if self._labelled_otherwise(index, p)), partners[0]))
            for index, partners in grouped
        ]

    def _labelled_otherwise(self, index: int, other: int) -> bool:
        labels = {self.manifest.items[index].label, self.manifest.items[other].label}
        return len(labels) == 2 and None not in labels

    def _named(self, pairs: _Pairs, keys: Sequence[str | None]) -> str:
        names = list(dict.fromkeys(repr(keys[index]) for index, _ in pairs))
        return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

    def _copied(self, pairs: _Pairs) -> str:
        wrong = [pair for pair in pairs if self._labelled_otherwise(*pair)]
        if not wrong:
            return self._examples(pairs, "is")
        index, other = wrong[0]
        labels = f"{self.manifest.items[index].label!r} and {self.manifest.items[other].label!r}"
        right = [pair for pair in pairs if pair not in wrong]
        return (
            f"{self._examples(wrong + right, 'is')}; {len(wrong)} with another label, the first with {labels}"
        )

    def _examples(self, pairs: _Pairs, between: str) -> str:
        root = _root([self.manifest.items[index] for pair in pairs for index in pair])
        shown = [
            f" {between} ".join(_short(self.manifest.items[index], root) for index in pair)
            for pair in pairs[:_SHOWN]
        ]
        return ", ".join(shown) + (", ..." if len(pairs) > _SHOWN else "")

    def _overlaps(self, split: Split) -> _Pairs:
        """Return test items, each with a training item of the same file that overlaps with it."""
        learned, asked = (_by_key(indices, self.files) for indices in (split.train, split.test))
        pairs: _Pairs = []
        for file in learned.keys() & asked.keys():
            fragments = [self.manifest.items[index].fragment for index in learned[file] + asked[file]]
            for unit in sorted({fragment.unit for fragment in fragments if fragment}):
                pairs += _overlapping(self._spans(asked[file], unit), self._spans(learned[file], unit))
        return sorted(dict(sorted(pairs, reverse=True)).items())

    def _spans(self, indices: list[int], unit: str) -> dict[int, _Span]:
        """Return where each item begins and ends; a whole file holds every window, other units are not compared."""
        fragments = {index: self.manifest.items[index].fragment for index in indices}
        return {
            index: (part.start, part.stop) if part else _WHOLE
            for index, part in fragments.items()
            if part is None or part.unit == unit
        }


def _overlapping(asked: dict[int, _Span], learned: dict[int, _Span]) -> _Pairs:
    """Return indices of spans that overlap with others; equal ones are copies, and no matter here."""
    spans = sorted((span, index) for index, span in learned.items())
    if not spans:
        return []
    starts = np.array([start for (start, _), _ in spans])
    stops = np.array([stop for (_, stop), _ in spans])
    farthest = np.maximum.accumulate(stops)
    pairs, equal = [], set(learned.values())
    for index, (start, stop) in asked.items():
        before = int(np.searchsorted(starts, stop))
        if before and farthest[before - 1] > start and (start, stop) not in equal:
            pairs.append((index, spans[int(np.argmax(stops[:before]))][1]))
    return pairs


def _made_folds(manifest: Manifest, splits: Sequence[Split]) -> list[Leak]:
    if manifest.is_split:
        return []
    grouped = all(item.group_key is not None for item in manifest.items)
    related = (
        "groups whole"
        if grouped
        else "but nothing is known of how items are related; if some are of one recording, speaker or machine, "
        "predictions leak and scores are too high: name what they share in a column group"
    )
    made = f"{manifest.title} has neither folds nor a split: {len(splits)} folds are made at random"
    return [Leak("split", "", f"{made}, every class in its share, {related}")]


def _by_key(indices: np.ndarray, keys: Sequence[str | None]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for index in indices.tolist():
        key = keys[index]
        if key is not None:
            found.setdefault(key, []).append(index)
    return found


def _root(items: Sequence[Item]) -> str:
    try:
        return os.path.commonpath([item.path.parent for item in items])
    except ValueError:  # some absolute, some not
        return ""


def _short(item: Item, root: str) -> str:
    path = item.path.relative_to(root) if root else item.path
    return f"{path}#{item.fragment}" if item.fragment else str(path)


def digests_of(items: Sequence[Item], indices: Sequence[int]) -> tuple[list[str | None], list[str | None]]:
    """Return digests of the files of the items of these indices, and digests of what each holds of its file.

    Returns
    -------
    tuple of list
        By index. The file's is of its bytes, whatever its suffix; None for rows of archives. The item's is of its
        values for a row, else of the file's bytes and the part. None for what cannot be read, and for other indices.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = [Path(folder, name) for name in ("a.bin", "b.dat", "c.bin")]
    ...     for path, data in zip(paths, (b"same", b"same", b"other")):
    ...         _ = path.write_bytes(data)
    ...     files, contents = digests_of([Item(path) for path in paths], [0, 1, 2])
    >>> contents[0] == contents[1], contents[0] == contents[2]
    (True, False)
    """
    known = _digests([items[index].source for index in indices if not _is_row(items[index])])
    files: list[str | None] = [None] * len(items)
    contents: list[str | None] = [None] * len(items)
    for index in sorted(indices, key=lambda index: str(items[index].path)):  # one archive is open at a time
        item = items[index]
        if item.fragment and item.fragment.unit == "row":
            contents[index] = _row_digest(item)
        elif item.source in known:
            files[index] = known[item.source]
            contents[index] = f"{known[item.source]}#{item.fragment or ''}"
    return files, contents


def _is_row(item: Item) -> bool:
    return item.fragment is not None and item.fragment.unit == "row"


def _digests(sources: Sequence[Path | Signal]) -> dict[Path | Signal, str]:
    some = list(dict.fromkeys(sources))

    def digest(source: Path | Signal) -> str | None:
        if isinstance(source, Signal):
            return signal_digest(source).hex()
        try:
            return content_digest(source).partition(".")[0]  # without the suffix
        except (PhospheneError, OSError):
            return None

    with ThreadPoolExecutor(4) as pool:
        known = zip(some, pool.map(digest, some), strict=True)
        return {source: found for source, found in known if found}


def _row_digest(item: Item) -> str | None:
    try:
        signal = readers()["series"].read(item.path, item.fragment, item.options)
    except (PhospheneError, OSError):
        return None
    if not isinstance(signal, Series):
        return None
    values = np.asarray(signal.values, np.float32)
    plain = np.where(np.isnan(values), np.float32("nan"), values + np.float32(0))  # one NaN, one zero
    return f"{values.shape}{hashlib.blake2b(plain.tobytes(), digest_size=16).hexdigest()}"
