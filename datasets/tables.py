"""Items of a table, or of a file of many rows: what each row is, its label, split, fold and group."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from phosphene.converters import Fragment, ParameterError, ReadError
from phosphene.converters.core.files import (
    DEFAULTS,
    Reader,
    ReadOptions,
    check_npy_header,
    is_there,
    read_head,
)
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.converters.registry import readers, recognise

from .columns import (
    FLAGS,
    ItemTable,
    Locator,
    TableColumns,
    TimeColumns,
    as_csv,
    find_columns,
    is_number,
    parse_table,
    sniff_table,
    sound_beside,
    split_of,
)
from .manifest import Failure, Item, kind_of_file
from .splits import SPLITS, SplitName

_HALF = re.compile(r"(.+)_(TRAIN|TEST|VALID|VAL)(\.(?:tsv|ts|arff|txt|csv|npy|npz|parquet))", re.IGNORECASE)
_MAX_TARGETS = 20
"""More different real numbers than this are numbers to predict."""
_FAR_AFTER = 20.0
"""Milliseconds taken for seconds end this many times after a file does."""
_MEASURED = 20
"""Files whose length is asked to tell milliseconds from seconds."""


@dataclass(frozen=True)
class Found:
    """Items of a source, where their labels come from, notes on what was taken for granted, and rows that are none."""

    items: tuple[Item, ...]
    labelled_by: str = ""
    notes: tuple[str, ...] = ()
    failures: tuple[Failure, ...] = ()


class _Row(NamedTuple):
    """A row: its line, its cells, the file that it is about, and where in that it begins and ends."""

    line: int
    cells: list[str]
    path: Path
    fragment: Fragment | None
    span: tuple[float, float] | None


def read_table(
    path: Path,
    data: bytes,
    *,
    label: str | None,
    group: str | None,
    need_labels: bool,
    kind: Kind | None = None,
    missing: Literal["few", "any"] = "few",
) -> Found:
    """Read the items of a table; paths in it count from its folder, and options are those of `open_manifest`.

    Files that are `missing` fail by name when they are read: a `few`, up to half of them, or `any`.

    Raises
    ------
    ReadError
        The message names the line: a missing column, an empty label, more files missing than may be, one item
        twice, an unknown split, a cell left empty in a column that others fill.
    """
    table = parse_table(path, data)
    if not table.rows:
        raise ReadError(f"{path}: has a header but no rows; write one row an item")
    for line, row in table.rows:
        check_width(table, line, row)
    locator, notes = Locator(path), list[str]()
    columns = find_columns(table, locator, label=label, group=group, need_labels=need_labels, notes=notes)
    items = _read_items(table, columns, locator, kind, notes)
    if not items:
        raise ReadError(f"{path}: none of its rows is an item: {'; '.join(notes)}")
    check_there(table, items, missing, notes)
    _check_once(table, items)
    if columns.split is not None and table.keys[columns.split] in FLAGS:
        notes.append(f"column {table.columns[columns.split]!r} says which items are held out")
    notes += locator.notes()
    found = _with_groups(table, columns, tuple(items.values()), asked=group is not None, notes=notes)
    labelled_by, doubts = "", list[str]()
    if columns.label is not None:
        labelled_by = f"column {table.columns[columns.label]!r} of {path.name}"
        labels = [item.label for item in found]
        doubts = check_labels(labels, f"{path}: column {table.columns[columns.label]!r}")
    return Found(found, labelled_by, (*(f"{path}: {note}" for note in notes), *doubts))


def check_labels(labels: Sequence[str | None], where: str) -> list[str]:
    """Refuse labels that are numbers to predict or several in one; return notes on what may be either.

    Raises
    ------
    ReadError
        They are more than twenty different real numbers, or several labels in one.

    Examples
    --------
    >>> check_labels(["a|b", "c"], "meta.csv: column 'tags'")
    ["meta.csv: column 'tags': the label 'a|b' is taken as one class"]
    """
    different = sorted({label for label in labels if label is not None})
    real = [
        label for label in different if re.fullmatch(r"[-+]?\d*[.,]\d+(e[-+]?\d+)?", label, re.IGNORECASE)
    ]
    if len(real) > _MAX_TARGETS and all(is_number(label) for label in different):
        raise ReadError(
            f"{where} holds {len(different)} different real numbers, such as {real[0]}: numbers to predict, not "
            "classes; make classes of them, or name a column of classes: --label COLUMN"
        )
    joined = {label: _several(label) for label in different if len(_several(label)) > 1}
    known = Counter(name for label in different for name in set(joined.get(label, [label])))
    for label, names in joined.items():
        if any(known[name] > 1 for name in names):
            raise ReadError(
                f"{where} holds several labels in one cell, such as {label!r}; an item has one class: keep one "
                "label a row, or name a column with one: --label COLUMN"
            )
    return [f"{where}: the label {label!r} is taken as one class" for label in joined if "," not in label][:1]


def _several(label: str) -> list[str]:
    return [name.strip() for name in re.split(r"[;|,]", label) if name.strip()]


def _read_items(
    table: ItemTable, columns: TableColumns, locator: Locator, kind: Kind | None, notes: list[str]
) -> dict[int, Item]:
    """Return the items by the number of their line; notes are added on rows that are none."""
    rows = _rows(table, columns, locator)
    points = [row for row in rows if row.span and row.span[0] == row.span[1]]
    if points:
        notes.append(
            f"{len(points)} labels without duration are left out, the first in line {points[0].line}"
        )
    rows = [row for row in rows if not (row.span and row.span[0] == row.span[1])]
    rows = _each_selection_once(rows, table, notes)
    if not columns.time:
        return {row.line: _item(table, columns, row, row.fragment, kind) for row in rows}
    kinds = {row.path: kind for row in rows}
    kinds |= {path: kind_of_file(path) for path in kinds if kind is None}
    unit_s = _unit_of(columns.time, rows, kinds, notes)
    items = {}
    for row in rows:
        fragment = row.fragment or _fragment(table, row, columns.time, kinds[row.path] or "audio", unit_s)
        items[row.line] = _item(table, columns, row, fragment, kinds[row.path])
    if columns.time and any(item.fragment for item in items.values()):
        names = " and ".join(repr(table.columns[index]) for index in columns.time.indices)
        notes.append(f"each row is a part of its file, by {names}")
    return items


def _rows(table: ItemTable, columns: TableColumns, locator: Locator) -> list[_Row]:
    beside = sound_beside(table.path) if columns.path is None else None
    rows = []
    for line, cells in table.rows:
        path, fragment = address_of(table, line, cells, columns, locator, beside)
        rows.append(_Row(line, cells, path, fragment, _span(table, line, cells, columns.time)))
    return rows


def _each_selection_once(rows: list[_Row], table: ItemTable, notes: list[str]) -> list[_Row]:
    """Return rows without those that repeat a selection of Raven for another of its views."""
    keys = table.keys
    if not {"selection", "view"} <= set(keys):
        return rows
    once = {(row.cells[keys.index("selection")], row.path, row.span): row for row in reversed(rows)}
    if len(once) < len(rows):
        notes.append(f"{len(rows) - len(once)} rows are other views of the same selections")
    return list(reversed(once.values()))


def address_of(
    table: ItemTable, line: int, row: list[str], columns: TableColumns, locator: Locator, beside: Path | None
) -> tuple[Path, Fragment | None]:
    """Return the file of a row and the part that its cell names; ReadError where that is empty or wrong."""
    if columns.path is None and beside:
        return beside, None
    cell = row[columns.path or 0]
    if not cell:
        raise ReadError(
            f"{table.path}: line {line} has an empty {table.columns[columns.path or 0]}; fill it in"
        )
    try:
        near = row[columns.fold] if columns.fold is not None else ""
        return locator.find(cell, fold=near) or parse_address(table.path.parent / cell)
    except ParameterError as error:
        raise ReadError(f"{table.path}: line {line}: {error}") from error


def _span(
    table: ItemTable, line: int, cells: list[str], time: TimeColumns | None
) -> tuple[float, float] | None:
    """Return where an item begins and ends, as written; None for a whole file."""
    if time is None or not any(cells[index] for index in time.indices):
        return None
    numbers = {index: _seconds(cells[index]) for index in time.indices}
    wrong = next((cells[index] for index, number in numbers.items() if number is None), None)
    if wrong is not None:
        raise ReadError(f"{table.path}: line {line} has the time {wrong!r}; write a number")
    values = {index: number for index, number in numbers.items() if number is not None}
    start = values[time.start]
    stop = values[time.end] if time.end is not None else start + values[time.duration or 0]
    if time.file_offset is not None:  # Raven: start and end run on over several files
        start, stop = values[time.file_offset], values[time.file_offset] + stop - start
    return start, stop


def _unit_of(time: TimeColumns, rows: list[_Row], kinds: dict[Path, Kind | None], notes: list[str]) -> float:
    """Return the seconds in one unit of time: as named, or milliseconds where seconds end after the files do."""
    if time.named:
        return time.unit_s
    ends: dict[Path, float] = {}
    for row in rows:
        if row.span and kinds[row.path] == "audio":
            ends[row.path] = max(row.span[1], ends.get(row.path, 0.0))
    known = [(stop, length) for path, stop in list(ends.items())[:_MEASURED] if (length := _extent(path))]
    after = [stop > 1.01 * length + 0.1 for stop, length in known]
    far = any(stop > _FAR_AFTER * length for stop, length in known)
    if (
        far
        and 2 * sum(after) > len(known)
        and all(stop / 1000 <= 1.01 * length + 0.1 for stop, length in known)
    ):
        notes.append(
            "times are taken as milliseconds, for as seconds they end after the files; name them start_s if not"
        )
        return 1e-3
    if any(after):
        notes.append(
            f"{sum(after)} of {len(known)} files that were measured end before the last of their parts does"
        )
    return 1.0


def _extent(path: Path) -> float | None:
    try:
        return readers()["audio"].extent(path)
    except Exception:
        return None  # it fails by name when it is read


def _fragment(table: ItemTable, row: _Row, time: TimeColumns, kind: Kind, unit_s: float) -> Fragment | None:
    if row.span is None:
        return None
    unit = readers()[kind].cut_by
    if unit == "t" and time.counts:
        raise ReadError(
            f"{table.path}: parts of {kind} files are counted in seconds, not in samples; write those"
        )
    if unit != "t" and time.named and not time.counts:
        raise ReadError(
            f"{table.path}: parts of {kind} files are counted in {unit}, not in seconds; write those"
        )
    scale = unit_s if unit == "t" else 1.0
    try:
        return Fragment(unit, row.span[0] * scale, row.span[1] * scale)
    except ParameterError as error:
        raise ReadError(f"{table.path}: line {row.line}: {error}; correct start and end") from error


def _seconds(cell: str) -> float | None:
    """Read seconds, or hours, minutes and seconds with colons."""
    total = 0.0
    for number in cell.replace(",", ".").split(":"):
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", number.strip()):
            return None
        total = total * 60 + float(number)
    return total


def _item(
    table: ItemTable, columns: TableColumns, row: _Row, fragment: Fragment | None, kind: Kind | None
) -> Item:
    def cell(index: int | None) -> str | None:
        return None if index is None else row.cells[index]

    named = columns.group is not None and table.keys[columns.group] == "group"
    for index in (columns.label, columns.split, columns.fold, columns.group if named else None):
        if cell(index) == "":
            raise ReadError(
                f"{table.path}: line {row.line} has an empty {table.columns[index or 0].lower()}; fill it in"
            )
    side, group = cell(columns.split), cell(columns.group) or None
    split = None if columns.split is None or side is None else split_of(table.keys[columns.split], side)
    if side is not None and split is None:
        raise ReadError(f"{table.path}: line {row.line} has the split {side!r}; write train, valid or test")
    return Item(row.path, cell(columns.label), fragment, split, cell(columns.fold), group, kind=kind)


def _with_groups(
    table: ItemTable, columns: TableColumns, items: tuple[Item, ...], *, asked: bool, notes: list[str]
) -> tuple[Item, ...]:
    """Return the items with the groups of a column that was guessed, unless each class is of one group alone."""
    if columns.group is None or asked or table.keys[columns.group] == "group":
        return items
    name = table.columns[columns.group]
    by_class: dict[str | None, set[str | None]] = {}
    for item in items:
        by_class.setdefault(item.label, set()).add(item.group)
    if len(by_class) > 1 and all(len(groups) == 1 for groups in by_class.values()):
        notes.append(f"each class is of one {name!r} alone, so that is no group; overrule: --group {name}")
        return tuple(replace(item, group=None) for item in items)
    notes.append(
        f"items of one {name!r} stay on one side of a split; overrule: --group none, or another column"
    )
    return items


def check_width(table: ItemTable, line: int, row: list[str]) -> None:
    """Raise ReadError where a row has more or fewer cells than the header."""
    if len(row) != len(table.columns):
        raise ReadError(
            f"{table.path}: line {line} has {len(row)} cells, the header {len(table.columns)}; "
            "quote cells with commas"
        )


def check_there(
    table: ItemTable, items: dict[int, Item], allowed: Literal["few", "any"], notes: list[str]
) -> None:
    """Note the files that are missing; raise ReadError where a `few` may be and most are."""
    missing = [(line, item.path) for line, item in items.items() if not is_there(item.path)]
    if not missing:
        return
    line, path = missing[0]
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    if allowed == "few" and 2 * len(missing) > len(items):
        raise ReadError(
            f"{table.path}: line {line}: {path}: no such file{more}; paths count from {table.path.parent}"
        )
    if allowed == "few":
        notes.append(
            f"line {line}: {path}: no such file{more}; the other {len(items) - len(missing)} items are taken"
        )


def _check_once(table: ItemTable, items: dict[int, Item]) -> None:
    lines: dict[str, int] = {}
    for line, item in items.items():
        first = lines.setdefault(str(item), line)
        if first != line:
            other = items[first].label
            labels = f" as {other!r}, now as {item.label!r}" if other != item.label else ""
            raise ReadError(
                f"{table.path}: line {line}: {item} stands in line {first} already{labels}; keep one"
            )


_FILE_SUFFIXES = (".txt", ".csv", ".tsv", ".npy")
_NAMED = re.compile(r"(?:.*[_-])?x(?P<end>[_-]?(?:train|test|valid|val|dev)?)", re.IGNORECASE)
_ENDED = re.compile(r".+(?P<end>[_-](?:train|test|valid|val|dev))", re.IGNORECASE)
_LABEL_FILES = ("y", "Y", "labels", "label", "targets", "target")
_GROUP_FILES = ("subject", "subjects", "groups", "group", "user", "session")

Rows = list[tuple[str | None, str | None]]


def look(path: Path, kind: Kind | None) -> tuple[bool, str, Kind | Exception]:
    """Return whether a file is a table of items, what shows it, and its kind, or why it has none."""
    head = read_head(path)
    is_table, why = sniff_table(path, head)
    try:
        return is_table, why, kind or recognise(path, head)
    except Exception as error:
        return is_table, why, error


def is_surely(path: Path, kind: Kind) -> bool:
    """Tell whether the content of a file alone says that it is of a kind."""
    return readers()[kind].recognises(read_head(path), path)


def noted_csv(table: Path) -> tuple[bytes, list[str]]:
    """Return a table of items that is no text as CSV, and what is to be told of it."""
    notes = list[str]()
    return as_csv(table, notes=notes), notes


def rows_of(path: Path, reader: Reader, options: ReadOptions = DEFAULTS) -> tuple[Rows | None, str]:
    """Return the label and group of each row of a file, None for one of one item; a note on files used beside it.

    Raises
    ------
    ReadError
        The file cannot be read, or a file beside it has another number of lines.
    """
    labels = reader.labels(path, options)
    count = reader.rows(path, options) if labels is None else len(labels)
    if count is None:
        return None, ""
    groups = _beside(path, _GROUP_FILES)
    beside = None if options.label == "none" else _beside(path, _LABEL_FILES)
    if labels is not None and not (beside and _labels_in(beside, path, count) == labels):
        beside = None  # they stand in the file itself
    columns: list[list[str | None]] = [
        _labels_in(file, path, count) if file else [None] * count for file in (beside, groups)
    ]
    if labels is not None:
        columns[0] = list(labels)
        if not beside and not groups:
            return list(zip(*columns, strict=True)), ""
    used = " and ".join(
        f"{what} from {file.name}" for what, file in (("labels", beside), ("groups", groups)) if file
    )
    note = (
        f"{path}: {used}" if used else f"{path}: its {count} rows have no labels; put them in {_wanted(path)}"
    )
    return list(zip(*columns, strict=True)), note


def half_of(file: Path, files: Iterable[Path]) -> SplitName | None:
    """Tell which half of a UCR set a file is, if the other half lies beside it."""
    found = _HALF.fullmatch(file.name)
    if not found:
        return None
    name, half, suffix = found.groups()
    others = {"train": ("test", "valid", "val")}.get(half.lower(), ("train",))
    wanted = {f"{name}_{other}{suffix}".lower() for other in others}
    return SPLITS[half.lower()] if wanted & {f.name.lower() for f in files} else None


def halves(files: Sequence[Path]) -> list[Path]:
    """Return the halves of UCR sets among files of whatever folders."""
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    return [file for file in files if half_of(file, by_folder[file.parent])]


def companions(files: Iterable[Path]) -> frozenset[Path]:
    """Return the files of labels and groups that belong to some of these files.

    Examples
    --------
    >>> companions([Path("nowhere/X_train.txt")])
    frozenset()
    """
    found = (_beside(file, names) for file in files for names in (_LABEL_FILES, _GROUP_FILES))
    return frozenset(file for file in found if file)


def _beside(path: Path, names: Iterable[str]) -> Path | None:
    match = _NAMED.fullmatch(path.stem) or _ENDED.fullmatch(path.stem)
    if not match:
        return None
    for folder in (path.parent, path.parent.parent):
        for name in names:
            for suffix in _FILE_SUFFIXES:
                file = folder / f"{name}{match['end']}{suffix}"
                if file != path and file.is_file():
                    return file
    return None


def _wanted(path: Path) -> str:
    match = _NAMED.fullmatch(path.stem) or _ENDED.fullmatch(path.stem)
    return f"y{match['end']}.txt, one a line" if match else "a column of the file"


def _labels_in(file: Path, path: Path, count: int) -> list[str | None]:
    try:
        values = _read_labels(file)
    except ReadError:
        raise
    except (OSError, ValueError, MemoryError) as error:
        raise ReadError(
            f"{file}: cannot be read as a label a line ({error}); correct it or move it away"
        ) from error
    if len(values) == count + 1 and not _is_finite(values[0]):
        values = values[1:]  # a header
    if len(values) != count:
        raise ReadError(f"{file}: has {len(values)} lines, {path.name} has {count} rows; make them agree")
    return list(values)


def _read_labels(file: Path) -> list[str]:
    if file.suffix.lower() == ".npy":
        check_npy_header(read_head(file), file)
        array = np.load(file, allow_pickle=False)
        return [_plain(str(value)) for value in array.reshape(-1).tolist()]
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return [_plain(line.strip().strip('"')) for line in lines if line.strip()]


def _plain(text: str) -> str:
    """Write whole numbers without a point, as classes are: `1.0` is `1`."""
    return str(int(float(text))) if _is_finite(text) and float(text).is_integer() else text


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
