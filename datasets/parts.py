"""Sources of any number of items, a part at a time: what is listed is forgotten before the next part is."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from phosphene.converters import ReadError
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
from .sources import Listing
from .tables import Found, address_of, check_there, check_width

_log = logging.getLogger("phosphene")
T = TypeVar("T")
_MOST_NOTES = 20
"""Notes told of one source."""
_MOST_OPENING = 1000
"""Lines among which the header of a large table stands."""
_WHOLE_BYTES = 1 << 19
"""Tables up to this size are read whole."""


def find_each(
    src: str | Path, *, most: int, kind: Kind | None = None, options: ReadOptions = DEFAULTS
) -> Iterator[tuple[list[Item], tuple[Failure, ...]]]:
    """List what `find_files` does, at most `most` items at a time, in memory that does not grow with their number.

    A folder of at most `most` files, a table of up to half a megabyte, a table of parts of files, and any one file are
    listed as `find_files` does. Of larger ones the items have no labels, and a row of a table that is wrong is a
    failure and does not stop the rest. The names in one folder are held.

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
    source = _Parts(Path(src), kind, label=options.label, options=options)
    n_notes = 0
    for number, found in enumerate(source.parts(most)):
        items = [
            replace(item, kind=item.kind or source.kind_of(item.path), options=source.options)
            for item in found.items
        ]
        check_options(source.options, [item.kind for item in items if item.kind], src)
        if number == 0:
            _log.info("%s", source.summary if source.in_parts else summarise(items))
        for note in found.notes[: max(0, _MOST_NOTES - n_notes)] if source.in_parts else found.notes:
            _log.warning("%s", note)
        n_notes += len(found.notes)
        for some in _batched(items, most):
            yield some, ()
        if found.failures:
            yield [], found.failures
        source.forget()
    if source.in_parts and n_notes > _MOST_NOTES:
        _log.warning("%s: %d more notes like these", src, n_notes - _MOST_NOTES)


class _Parts(Listing):
    """A source that is listed a part at a time where it is large."""

    @property
    def summary(self) -> str:
        """What is taken, before it is listed: a count of files, for a table none."""
        n_files = sum(self.suffixes.values())
        how_many = f"{n_files:,} files in {self.src}" if n_files else f"rows of {self.src}"
        return f"{self.kind or 'items'}: {how_many}, listed a part at a time"

    def parts(self, most: int) -> Iterator[Found]:
        """Yield what `listed` returns, at once or in parts of at most `most` items."""
        twice = set[Path]()
        files = walk(self.src, twice=twice) if is_folder(self.src) else iter(())
        first = list(islice(files, most + 1))
        self.in_parts = len(first) > most
        tables = self.tables_in() if self.in_parts else [self.src] if self.is_table(self.src) else []
        of_table = _table_parts(tables[0], kind=self.kind, most=most) if len(tables) == 1 else None
        if of_table is not None:
            self.in_parts = True
            yield from of_table
        elif self.in_parts and not tables:
            self.suffixes.update(file.suffix.lower() for file in walk(self.src))
            yield from self._folder_parts(chain(first, files), most)
            if twice:
                what = f"links to folders that are listed already are left out, such as {min(twice)}"
                yield Found((), notes=(f"{self.src}: {len(twice)} {what}",))
        else:
            self.in_parts = False
            yield self.listed()

    def forget(self) -> None:
        """Forget what the files of a part were found to be."""
        for known in (self.kinds, self.errors):
            known.clear()

    def _folder_parts(self, files: Iterable[Path], most: int) -> Iterator[Found]:
        for part in _batched(files, most):
            items = [Item(file) for file in self.without_clutter(part)]
            for rows in _batched((row for item in items for row in self.rows(item)), most):
                yield Found(tuple(rows))
            yield Found((), notes=tuple(self.notes))
            self.notes.clear()


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
