"""The table of items: what to read, what it is, and on which side of a split it falls."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from phosphene.converters import Fragment, ParameterError
from phosphene.converters.core.apart import DRAWING
from phosphene.converters.core.files import DEFAULTS, ReadOptions
from phosphene.converters.core.signal import Kind, Signal
from phosphene.converters.registry import asked, read_source, recognise

from .splits import (
    Split,
    SplitName,
    assign_bins,
    fold_split,
    named_split,
    official_splits,
    outside,
    share_split,
)

Metric = Literal["accuracy", "macro_f1", "auc"]
_SHOWN = 10
_REASONS = 3


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
    kind, extent
        What its file was found to be, and how long it is in what windows of that kind count; None where nobody has
        looked.
    options
        How its file is read. Two items are equal whatever kind, extent and options are.
    signal
        What it holds, where it is in memory; `path` is then a name for messages, such as `array[3]`.
    """

    path: Path
    label: str | None = None
    fragment: Fragment | None = None
    split: SplitName | None = None
    fold: str | None = None
    group: str | None = None
    claim: str | None = None
    kind: Kind | None = field(default=None, compare=False, repr=False)
    extent: float | None = field(default=None, compare=False, repr=False)
    options: ReadOptions = field(default=DEFAULTS, compare=False, repr=False)
    signal: Signal | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.path}#{self.fragment}" if self.fragment else str(self.path)

    @property
    def source(self) -> Path | Signal:
        """What is read: its signal, where it is in memory, else its file."""
        return self.path if self.signal is None else self.signal

    def read(self, kind: Kind) -> Signal:
        """Return its signal, read as a kind; in a process held to time and memory, unless its file is small text."""
        if self.signal is not None:
            return read_source(self.source, self.fragment, kind, self.options)
        return asked(read_source, self.path, self.fragment, kind, self.options, limits=DRAWING)

    @property
    def group_key(self) -> str | None:
        """The group; of parts of one recording without a group, the path of the recording."""
        if self.group is None and self.fragment and self.fragment.unit != "row":
            return str(self.path)
        return self.group


def kind_of_file(path: Path) -> Kind | None:
    """Return the kind of a file; None where it cannot be read, for it fails by name when it is."""
    try:
        return asked(recognise, path)
    except Exception:
        return None


@dataclass(frozen=True)
class Failure:
    """An item that could not be drawn, and why."""

    item: Item
    error: str


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
    labelled_by
        Where the labels come from: `folder names`, `column 'species' of birds.csv`.
    notes
        What was found and taken for granted, a line each, with what to type where it is wrong.
    failures
        Items whose files were found to be unreadable when they were listed, and why.

    Examples
    --------
    >>> items = tuple(Item(Path(f"{n}.wav"), label="ab"[n % 2]) for n in range(10))
    >>> manifest = Manifest(items, "audio").with_folds(5, seed=0)
    >>> manifest.classes, len(manifest.splits())
    (('a', 'b'), 5)
    >>> manifest.summary()
    'audio: 10 files, 2 classes: a 5, b 5'
    """

    items: tuple[Item, ...]
    kind: Kind
    name: str = ""
    metric: Metric = "accuracy"
    labelled_by: str = field(default="", compare=False, kw_only=True)
    notes: tuple[str, ...] = field(default=(), compare=False, kw_only=True)
    failures: tuple[Failure, ...] = field(default=(), compare=False, kw_only=True)

    def __repr__(self) -> str:
        return f"Manifest({self.title}; {self.summary()})"

    def __len__(self) -> int:
        return len(self.items)

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.name or "the manifest"

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
    def options(self) -> ReadOptions:
        """How its files are read."""
        return self.items[0].options if self.items else DEFAULTS

    @property
    def is_split(self) -> bool:
        """Whether any item has a fold or a split; else one is made at random."""
        return any(item.fold is not None or item.split is not None for item in self.items)

    def summary(self) -> str:
        """Return one line: the kind, how many files or items, and the classes with their counts, ten at most."""
        by = f" from {self.labelled_by}" if self.labelled_by else ""
        counts = Counter(item.label for item in self.items if item.label is not None)
        if not counts:
            return f"{self.kind}: {_how_many(self.items)}, no labels"
        classes = f"{len(counts)} {'class' if len(counts) == 1 else 'classes'}"
        shown = [f"{label} {counts[label]}" for label in self.classes[:_SHOWN]]
        more = f", and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else ""
        return f"{self.kind}: {_how_many(self.items)}, {classes}{by}: {', '.join(shown)}{more}"

    def require_labels(self) -> "Manifest":
        """Return the manifest if any of its items has a label.

        Raises
        ------
        ParameterError
            None has; the message says why its files cannot be read, or how to give labels.
        """
        if any(item.label is not None or item.claim is not None for item in self.items):
            return self
        if self.failures:
            n_files = len({item.path for item in self.items})
            raise ParameterError(f"{self.title}: {describe_failures(self.failures, n_files)}")
        raise ParameterError(
            f"{self.title}: its items have no labels; lay the files out as one folder a class, or name a CSV with "
            "path,label, or a column of labels: --label COLUMN"
        )

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that the items come with, as `official_splits`."""
        return official_splits(self.items, self.title)

    def with_random_split(self, share: float, *, seed: int) -> "Manifest":
        """Return the manifest with a `train` and a `test` split, `share` of each class in the latter.

        Groups stay together; equal seeds give equal splits. Slices of UrbanSound8K without groups are refused.
        """
        if not 0 < share < 1:
            raise ParameterError(f"the share held out must be above 0 and below 1, got {share!r}")
        held = assign_bins(self.items, np.array([1 - share, share]), self.title, seed=seed)
        if len(set(held)) < 2:
            raise ParameterError(f"{self.title} has too few items or groups to hold {share:g} of them out")
        names: tuple[SplitName, SplitName] = ("train", "test")
        items = (replace(i, split=names[s], fold=None) for i, s in zip(self.items, held, strict=True))
        return replace(self, items=tuple(items))

    def with_folds(self, n_folds: int, *, seed: int) -> "Manifest":
        """Return the manifest with folds `1` to `n_folds`, each with its share of every class.

        Groups stay together; equal seeds give equal folds. Slices of UrbanSound8K without groups are refused.
        """
        if n_folds < 2:
            raise ParameterError(f"n_folds must be 2 or more, got {n_folds!r}")
        folds = assign_bins(self.items, np.full(n_folds, 1 / n_folds), self.title, seed=seed)
        if len(set(folds)) < n_folds:
            raise ParameterError(
                f"{self.title} has too few items or groups for {n_folds} folds; ask for fewer"
            )
        items = (replace(i, fold=str(f + 1), split=None) for i, f in zip(self.items, folds, strict=True))
        return replace(self, items=tuple(items))

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
            slices of UrbanSound8K without groups would be split at random.
        """
        name, _, value = spec.partition("=")
        if name == "fold" and value:
            return fold_split(self.items, value, self.title)
        if name == "split" and value:
            return named_split(self.items, value, self.title)
        if spec == "none":
            return Split("none", outside(self.items, "test"), np.array([], int))
        return share_split(self.items, spec, self.title, seed=seed)


def describe_failures(failures: Sequence[Failure], n_files: int) -> str:
    """Say how many files cannot be read and why: the most frequent reason first, each with its count and an example.

    Examples
    --------
    >>> failed = [Failure(Item(Path(f"{k}.wav")), f"{k}.wav: empty; there is nothing to read") for k in range(2)]
    >>> describe_failures(failed, 2)
    'none of its 2 files can be read; 2: empty; there is nothing to read (such as 0.wav)'
    """
    by_file = {failure.item.path: failure.error for failure in failures}
    reasons: dict[str, list[Path]] = {}
    for path, error in by_file.items():
        reasons.setdefault(error.removeprefix(str(path)).lstrip(": "), []).append(path)
    ranked = sorted(reasons.items(), key=lambda pair: -len(pair[1]))
    shown = "; ".join(f"{len(paths)}: {reason} (such as {paths[0]})" for reason, paths in ranked[:_REASONS])
    more = f"; and {len(ranked) - _REASONS} more reasons" if len(ranked) > _REASONS else ""
    how_many = f"none of its {n_files}" if len(by_file) == n_files else f"{len(by_file)} of its {n_files}"
    return f"{how_many} files can{'' if len(by_file) == n_files else 'not'} be read; {shown}{more}"


def summarise(items: Sequence[Item]) -> str:
    """Return one line on items of whatever kinds: of one kind that of its manifest, else how many files of each.

    Examples
    --------
    >>> summarise([Item(Path("a.wav"), kind="audio"), Item(Path("b.csv"), kind="series"), Item(Path("c.wav"))])
    'audio: 1 file; series: 1 file; unreadable: 1 file'
    """
    by_kind: dict[str, list[Item]] = {}
    for item in items:
        by_kind.setdefault(item.kind or "unreadable", []).append(item)
    kinds = {item.kind for item in items}
    if len(kinds) == 1 and (kind := kinds.pop()) is not None:
        return Manifest(tuple(items), kind).summary()
    return "; ".join(f"{kind}: {_how_many(some)}" for kind, some in sorted(by_kind.items()))


def _how_many(items: Sequence[Item]) -> str:
    n_files = len({item.source for item in items})
    files = _count(n_files, "signal" if any(item.signal is not None for item in items) else "file")
    return files if n_files == len(items) else f"{_count(len(items), 'item')} in {files}"


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
