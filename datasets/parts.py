"""Sources of any number of items, a part at a time: what is listed is forgotten before the next part is."""

import json
import logging
import os
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, TypeVar

from phosphene.converters import Fragment, ReadError
from phosphene.converters.core.files import DEFAULTS, ReadOptions, is_folder, walk
from phosphene.converters.core.signal import Kind
from phosphene.converters.registry import check_options

from .columns import (
    NOT_CSV,
    ItemTable,
    Locator,
    TableColumns,
    each_row,
    encoding_of,
    find_columns,
    has_header,
    headed_table,
    opening_of,
    sound_beside,
)  # fmt: skip
from .manifest import Failure, Item, summarise
from .sources import Listing, is_note
from .splits import ClassFolder, class_folders
from .tables import Found, address_of, check_there, check_width

_log = logging.getLogger("phosphene")
T = TypeVar("T")
PART = 2048
"""Items of a large source that are held at a time, unless another number is named."""
_MOST_NOTES = 20
"""Notes told of one source."""
_MOST_OPENING = 1000
"""Lines among which the header of a large table stands."""
_KNOWN = ("label", "split", "fold", "group", "claim", "kind", "extent")
_WHOLE_BYTES = 1 << 19
"""Tables up to this size are read whole."""


def find_each(
    src: str | Path, *, most: int, kind: Kind | None = None, options: ReadOptions = DEFAULTS
) -> Iterator[tuple[list[Item], tuple[Failure, ...]]]:
    """List what `find_files` does, at most `most` items at a time, in memory that does not grow with their number.

    A folder of at most `most` files, a table of up to half a megabyte, a table of parts of files, and any one file are
    listed as `find_files` does. Of larger tables the items have no labels, and a row that is wrong is a failure and
    does not stop the rest. The names in one folder are held.

    Raises
    ------
    ReadError, ParameterError
        As `find_files`, when the part is listed that is at fault.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in "abc":
    ...         _ = Path(folder, f"{name}.bin").write_bytes(bytes(range(256)))
    ...     [[item.path.name for item in items] for items, _ in find_each(folder, most=2)]
    [['a.bin', 'b.bin'], ['c.bin']]
    """
    source = PartListing(Path(src), kind, label=options.label, options=options)
    with closing(source.facts):
        for part in source.found(most):
            for some in _batched(part.items, most):
                yield some, ()
            if part.failures:
                yield [], part.failures


def is_large(src: str | Path, most: int) -> bool:
    """Tell a folder that holds more than some number of files."""
    return is_folder(Path(src)) and len(list(islice(walk(Path(src)), most + 1))) > most


def list_in_parts(
    src: str | Path,
    *,
    most: int,
    beside: Path | None = None,
    kind: Kind | None = None,
    options: ReadOptions = DEFAULTS,
) -> "ItemSpool | ItemList":
    """List what `find_files` does, in parts of at most `most` items where a folder holds more, else in one part.

    Parameters
    ----------
    src, beside, kind, options
        As for `find_files`.
    most
        Items in a part. A table is one part, however long it is.

    Raises
    ------
    ReadError
        As `find_files`.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.bin", "cat/2.bin", "dog/1.bin"):
    ...         file = Path(folder, name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         _ = file.write_bytes(bytes(range(256)))
    ...     spool = list_in_parts(folder, most=2)
    >>> len(spool), spool.kinds, spool.classes
    (3, ('binary',), ('cat', 'dog'))
    >>> [[item.label for item in part] for part in spool]
    [['cat', 'cat'], ['dog']]
    """
    source = PartListing(Path(src), kind, label=options.label, beside=beside, options=options)
    spool = None
    with closing(source.facts):
        for part in source.found(most, tables="whole"):
            if not source.in_parts:
                return ItemList([part.items])
            spool = spool or ItemSpool(source.options)
            for some in _batched(part.items, most):
                spool.add(some)
    return spool or ItemList([])


@dataclass(frozen=True)
class ItemList:
    """Items in memory, in parts, with what they are.

    Examples
    --------
    >>> ItemList([[Item(Path("a.wav"), "dog", kind="audio")], []]).classes
    ('dog',)
    """

    parts: Sequence[Sequence[Item]]

    def __iter__(self) -> Iterator[Sequence[Item]]:
        return iter(self.parts)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def n_parts(self) -> int:
        """How many parts there are."""
        return len(self.parts)

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of the items, in the order in which they were found first."""
        return tuple(dict.fromkeys(item.kind for part in self.parts for item in part if item.kind))

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted({item.label for part in self.parts for item in part if item.label is not None}))


class ItemSpool:
    """Items of any number as `ItemList`, held in a file without a name and read a part at a time.

    Parameters
    ----------
    options
        How the files of all items are read.
    """

    def __init__(self, options: ReadOptions = DEFAULTS) -> None:
        self.options = options
        self.n_parts, self._n_items = 0, 0
        self._kinds: dict[Kind, None] = {}
        self._classes = set[str]()
        self._file = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  (lives as long as the spool)
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return self._n_items

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of the items, in the order in which they were found first."""
        return tuple(self._kinds)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels, sorted."""
        return tuple(sorted(self._classes))

    def add(self, items: Sequence[Item]) -> None:
        """Append a part: items that lie in files."""
        self._kinds |= dict.fromkeys(item.kind for item in items if item.kind is not None)
        self._classes |= {item.label for item in items if item.label is not None}
        self._file.seek(0, os.SEEK_END)
        json.dump([_written(item) for item in items], self._file)
        self._file.write("\n")
        self._n_items, self.n_parts = self._n_items + len(items), self.n_parts + 1

    def __iter__(self) -> Iterator[Sequence[Item]]:
        begin = 0
        for _ in range(self.n_parts):
            self._file.seek(begin)
            rows = json.loads(self._file.readline())
            begin = self._file.tell()
            yield [self._item(row) for row in rows]

    def _item(self, row: dict[str, Any]) -> Item:
        part = row["fragment"]
        fragment = Fragment(*part) if part else None
        return Item(**row | {"path": Path(row["path"]), "fragment": fragment}, options=self.options)


def _written(item: Item) -> dict[str, Any]:
    """Return an item as JSON takes it; names that are not UTF-8 come back as they were."""
    part = item.fragment
    row = {"path": str(item.path), "fragment": part and [part.unit, part.start, part.stop]}
    return row | {name: value for name in _KNOWN if (value := getattr(item, name)) is not None}


class PartListing(Listing):
    """A source that is listed a part at a time where it is large."""

    def found(self, most: int, tables: Literal["parts", "whole"] = "parts") -> Iterator[Found]:
        """Yield what is listed, with the kinds of items and how they are read, and tell of it."""
        n_notes = 0
        for number, found in enumerate(self.parts(most, tables)):
            items = tuple(self._as_read(item) for item in found.items)
            check_options(self.options, [item.kind for item in items if item.kind], self.src)
            if number == 0:
                _log.info("%s", self.summary if self.in_parts else summarise(items))
            for note in found.notes[: max(0, _MOST_NOTES - n_notes)] if self.in_parts else found.notes:
                _log.warning("%s", note)
            n_notes += len(found.notes)
            yield replace(found, items=items)
            self.forget()
        if self.in_parts and n_notes > _MOST_NOTES:
            _log.warning("%s: %d more notes like these", self.src, n_notes - _MOST_NOTES)

    def _as_read(self, item: Item) -> Item:
        """Return an item with its kind and how it is read."""
        if item.kind and item.options is self.options:
            return item
        return replace(item, kind=item.kind or self.kind_of(item.path), options=self.options)

    _last_folder: tuple[str, tuple[str, ...]] = ("", ())

    @property
    def summary(self) -> str:
        """What is taken, before it is listed: a count of files, for a table none."""
        n_files = sum(self.suffixes.values())
        how_many = f"{n_files:,} files in {self.src}" if n_files else f"rows of {self.src}"
        return f"{self.kind or 'items'}: {how_many}, listed a part at a time"

    def parts(self, most: int, tables: Literal["parts", "whole"]) -> Iterator[Found]:
        """Yield what `listed` returns, at once or in parts of at most `most` items."""
        twice = set[Path]()
        files = self.each_file(twice=twice) if is_folder(self.src) else iter(())
        first = list(islice(files, most + 1))
        self.in_parts = len(first) > most
        of_items = self.tables_in() if self.in_parts else [self.src] if self.is_table(self.src) else []
        of_table = None
        if tables == "parts" and len(of_items) == 1:
            of_table = _table_parts(of_items[0], kind=self.kind, most=most)
        if of_table is not None:
            self.in_parts = True
            yield from of_table
        elif self.in_parts and not of_items:
            yield from self._folder_parts(chain(first, files), most)
            if twice:
                what = f"links to folders that are listed already are left out, such as {min(twice)}"
                yield Found((), notes=(f"{self.src}: {len(twice)} {what}",))
        else:
            self.in_parts = False
            yield self.listed()

    def forget(self) -> None:
        """Forget what the files of a part were found to be."""
        for known in (self.kinds, self.errors, self.keys, self.single):
            known.clear()
        self.facts.let_write()

    def _folder_parts(self, files: Iterable[Path], most: int) -> Iterator[Found]:
        folders = dict[tuple[str, ...], None]()
        for file in self.each_file():
            self.suffixes[file.suffix.lower()] += 1
            if not is_note(file):
                folders[self._folder_of(file)] = None
        labels, splits = class_folders(folders)
        self.notes += [f"{self.src}: folders {', '.join(splits)} are splits"] if splits else []
        for part in _batched(files, most):
            yield from self.listed_part(part, labels, most)

    def listed_part(
        self, files: Sequence[Path], labels: Mapping[tuple[str, ...], ClassFolder], most: int = PART
    ) -> Iterator[Found]:
        """Yield the items of some files of the folder, and notes on them, by what its folders say of their files."""
        items = [self._labelled(file, labels) for file in self.without_clutter(files)]
        for rows in _batched((row for item in items for row in self.rows(item)), most):
            yield Found(tuple(rows))
        yield Found((), notes=tuple(self.notes))
        self.notes.clear()

    def _labelled(self, file: Path, labels: Mapping[tuple[str, ...], ClassFolder]) -> Item:
        found = labels.get(self._folder_of(file), ClassFolder())
        return Item(file, found.label, split=found.split, options=self.options)

    def _folder_of(self, file: Path) -> tuple[str, ...]:
        """Return the names of the folders that a file lies in, from the source on."""
        folder = os.path.dirname(file)  # noqa: PTH120  (a tenth of the time that paths take)
        if folder != self._last_folder[0]:
            self._last_folder = folder, file.relative_to(self.src).parts[:-1]
        return self._last_folder[1]


def _table_parts(path: Path, *, kind: Kind | None, most: int) -> Iterator[Found] | None:
    """Read the items of a large table without labels, at most `most` rows at a time; None for one to be read whole.

    Small tables are, and those whose rows are parts of files, since their unit of time shows in all of them. A row that
    is wrong is a failure and does not stop the rest.

    Raises
    ------
    ReadError
        There is no column of paths, or most files of the first rows are missing.
    """
    if path.stat().st_size <= _WHOLE_BYTES or path.suffix.lower() in NOT_CSV:
        return None
    parts = _large_table(path, most)
    first = next(parts, None)
    if first is None or sound_beside(path):
        return None
    locator, notes = Locator(path), list[str]()
    whole = [row for row in first.rows if len(row[1]) == len(first.columns)]
    columns = find_columns(
        first._replace(rows=whole), locator, label="none", group="none", need_labels=False, notes=notes,
    )  # fmt: skip
    if columns.time:
        return None
    return _each_table(chain([first], parts), columns, locator, kind, notes)


def _each_table(
    parts: Iterable[ItemTable], columns: TableColumns, locator: Locator, kind: Kind | None, notes: list[str]
) -> Iterator[Found]:
    for number, table in enumerate(parts):
        items, failures = dict[int, Item](), list[Failure]()
        for line, cells in table.rows:
            try:
                check_width(table, line, cells)
                path, fragment = address_of(table, line, cells, columns, locator, None)
                items[line] = Item(path, fragment=fragment, kind=kind)
            except ReadError as error:
                failures.append(Failure(Item(table.path), str(error)))
        if number == 0:
            check_there(table, items, "few", notes)
            notes += locator.notes()
        said = tuple(f"{table.path}: {note}" for note in notes)
        yield Found(tuple(items.values()), notes=said, failures=tuple(failures))
        notes = []


def _large_table(path: Path, most: int) -> Iterator[ItemTable]:
    """Yield a table that is too large to be held, at most `most` rows at a time."""
    with path.open("rb") as raw:
        encoding = encoding_of(raw.read(2))
    with path.open(encoding=encoding, newline="") as file:
        try:
            opening = list(islice(file, _MOST_OPENING))
            lines = [line.rstrip("\r\n") for line in opening]
            rows = each_row(path, chain(opening, file), *opening_of(lines))
            first = next(rows, None)
            if first is None:
                return
            rest = rows if has_header(path, first) else chain([first], rows)
            while part := list(islice(rest, most)):
                yield headed_table(path, first, part)
        except UnicodeDecodeError as error:
            raise ReadError(f"{path}: is not UTF-8 text; save it as UTF-8") from error


def _batched(things: Iterable[T], most: int) -> Iterator[list[T]]:
    rest = iter(things)
    while some := list(islice(rest, most)):
        yield some
