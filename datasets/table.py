"""Tables of items: a CSV with `path,label[,split|fold|group]`, paths counted from the folder it lies in."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from phosphene.converters import Fragment, ParameterError, ReadError
from phosphene.converters.core.fragment import parse_address

from .manifest import Item
from .splits import SplitName

SPLITS: dict[str, SplitName] = {
    "train": "train", "training": "train", "valid": "valid", "validation": "valid", "val": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
_PATH_LIKE = {"file", "filename", "file_name", "filepath", "name"}


def is_table(path: Path) -> bool:
    """Tell from its header whether a file is a table of items: it names paths, or files and labels."""
    if path.suffix.lower() != ".csv":
        return False
    try:
        with path.open("rb") as file:
            header = file.readline(65536).decode("utf-8-sig", errors="replace")
        columns = _columns(next(csv.reader([header]), []))
    except (OSError, csv.Error):
        return False
    return "path" in columns or ("label" in columns and bool(_PATH_LIKE & set(columns)))


def read_table(path: Path) -> tuple[Item, ...]:
    """Read the items of a table.

    Parameters
    ----------
    path
        A CSV in UTF-8. `path` may be `file#fragment`; columns of other names are left alone.

    Raises
    ------
    ReadError
        The message names the line: a missing column, an empty label, a file that is not there, one item
        twice, an unknown split, a cell left empty in a column that others fill.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            items = dict(_items(path, csv.reader(file)))
    except UnicodeDecodeError as error:
        raise ReadError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    except ReadError:
        raise
    except (OSError, csv.Error) as error:
        raise ReadError(
            f"{path}: cannot be read as a table ({error}); write a CSV with path,label"
        ) from error
    if not items:
        raise ReadError(f"{path}: has a header but no rows; write one row an item")
    _check_there(path, items)
    _check_once(path, items)
    return tuple(items.values())


def _columns(header: list[str]) -> list[str]:
    return [name.strip().lower() for name in header]


def _items(table: Path, rows: Any) -> Iterator[tuple[int, Item]]:
    """Yield line and item of each row."""
    columns = _columns(next(rows, []))
    for name in ("path", "label"):
        if columns.count(name) != 1:
            found = ", ".join(columns) or "nothing"
            raise ReadError(f"{table}: line 1 must have one column {name!r}, got {found}; add it")
    for row in rows:
        if any(cell.strip() for cell in row):
            yield rows.line_num, _item(table, rows.line_num, columns, row)


def _item(table: Path, line: int, columns: list[str], row: list[str]) -> Item:
    if len(row) != len(columns):
        raise ReadError(
            f"{table}: line {line} has {len(row)} cells, the header {len(columns)}; quote cells with commas"
        )
    cells = {name: cell.strip() for name, cell in zip(columns, row, strict=True)}
    for name in ("path", "label", "split", "fold", "group"):
        if cells.get(name) == "":
            raise ReadError(f"{table}: line {line} has an empty {name}; fill it in")
    path, fragment = _address(table, line, cells["path"])
    split = _split(table, line, cells.get("split"))
    return Item(path, cells["label"], fragment, split, cells.get("fold"), cells.get("group"))


def _address(table: Path, line: int, text: str) -> tuple[Path, Fragment | None]:
    try:
        return parse_address(table.parent / text)
    except ParameterError as error:
        raise ReadError(f"{table}: line {line}: {error}") from error


def _split(table: Path, line: int, text: str | None) -> SplitName | None:
    if text is None:
        return None
    if text.lower() not in SPLITS:
        raise ReadError(f"{table}: line {line} has the split {text!r}; write train, valid or test")
    return SPLITS[text.lower()]


def _check_there(table: Path, items: dict[int, Item]) -> None:
    missing = [(line, item.path) for line, item in items.items() if not item.path.exists()]
    if missing:
        line, path = missing[0]
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise ReadError(f"{table}: line {line}: {path}: no such file{more}; paths count from {table.parent}")


def _check_once(table: Path, items: dict[int, Item]) -> None:
    lines: dict[str, int] = {}
    for line, item in items.items():
        first = lines.setdefault(str(item), line)
        if first != line:
            other = items[first].label
            labels = f" as {other!r}, now as {item.label!r}" if other != item.label else ""
            raise ReadError(f"{table}: line {line}: {item} stands in line {first} already{labels}; keep one")
