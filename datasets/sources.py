"""From a folder, a table or an archive to a manifest."""

import logging
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from phosphene.converters import ParameterError, ReadError
from phosphene.converters.core.fragment import Fragment, parse_address
from phosphene.converters.core.signal import KINDS, Kind
from phosphene.converters.reading import readers, recognise

from .manifest import Item, Manifest
from .splits import SplitName
from .table import SPLITS, is_table, read_table

_log = logging.getLogger("phosphene")
_ARCHIVE = re.compile(r"(.+)_(TRAIN|TEST)(\.(?:tsv|ts|arff|txt|csv))", re.IGNORECASE)


def open_manifest(src: str | Path, *, kind: Kind | None = None) -> Manifest:
    """List the items of a folder, a table or an archive.

    Parameters
    ----------
    src
        A folder of class folders, which may lie in folders `train`, `valid` and `test`; a folder that holds
        one table or one UCR set (NAME_TRAIN.tsv and NAME_TEST.tsv); a folder of files without labels; a CSV
        with the columns `path,label` and, where wanted, `split`, `fold` and `group`; a file that holds many
        labelled series; or any one file. Hidden files are left out.
    kind
        What every file is read as; None asks the files.

    Returns
    -------
    Manifest
        Files that cannot be read are in it, and fail by name when they are read.

    Raises
    ------
    ReadError
        There is no such file or folder, nothing in it, or a table is wrong; the message names the line.
    ParameterError
        The files are of several kinds and none is named.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.bin", "dog/1.bin", "dog/2.bin"):
    ...         file = Path(folder, name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         _ = file.write_bytes(bytes(range(256)))
    ...     manifest = open_manifest(folder, kind="binary")
    >>> manifest.labels.tolist()
    ['cat', 'dog', 'dog']
    """
    if kind is not None and kind not in KINDS:
        raise ParameterError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    src = Path(src)
    items = _items_of(src)
    return Manifest(items, kind or _common_kind(src, items), _name(src))


def find_files(src: str | Path, *, beside: Path | None = None) -> tuple[Item, ...]:
    """List every file of a folder, table or archive, of whatever kind, with labels where they are known.

    Parameters
    ----------
    src
        As for `open_manifest`; but every file of a folder is listed, and archives in it row by row.
    beside
        A folder that is left out, where results are written into the folder that they are made from.

    Raises
    ------
    ReadError
        There is no such file or folder, nothing in it, or a table is wrong.
    """
    src = Path(src)
    if not src.is_dir() or _table_in(src):
        return _items_of(src)
    files = list(walk(src))
    hidden = beside.resolve() if beside else None
    if hidden and hidden.is_relative_to(src.resolve()):
        files = [file for file in files if not file.resolve().is_relative_to(hidden)]
    items = _labelled(src, _some(src, files))
    return tuple(part for item in items for part in _rows_or_file(item))


def root_of(src: str | Path) -> Path:
    """Return the folder that the paths of a source are counted from."""
    src = Path(src)
    return src if src.is_dir() else parse_address(src)[0].parent


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in sorted order, following links; nothing hidden, no devices."""
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here.is_dir():
            if here.resolve() not in seen:
                seen.add(here.resolve())
                waiting.extend(sorted((e for e in _entries(here) if e.name[0] != "."), reverse=True))
        elif _is_data(here):
            yield here


def _name(src: Path) -> str:
    """Return what to call a source; a table is called after its folder, since most are called `meta.csv`."""
    return src.stem if src.is_file() and not is_table(src) else root_of(src).resolve().name


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ReadError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error


def _is_data(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return True  # a broken link is listed, and fails by name when it is read


def _items_of(src: Path) -> tuple[Item, ...]:
    if src.is_dir():
        return _folder_items(src)
    path, fragment = parse_address(src)
    if not path.exists():
        raise ReadError(f"{path}: no such file or folder; check the path")
    if fragment:
        return (Item(path, fragment=fragment),)
    return read_table(path) if is_table(path) else _rows_or_file(Item(path))


def _folder_items(src: Path) -> tuple[Item, ...]:
    table = _table_in(src)
    if table:
        return read_table(table)
    files = _some(src, list(walk(src)))
    if all(file.parent == src for file in files):
        return _flat_items(files)
    items = _labelled(src, files)
    _refuse_archives(files)
    _report_left_out(src, [item.path for item in items if item.label is None])
    labelled = tuple(item for item in items if item.label is not None)
    if not labelled:
        raise ReadError(f"{src}: its folders hold no class folders; lay the files out as CLASS/FILE")
    return labelled


def _flat_items(files: list[Path]) -> tuple[Item, ...]:
    """List files that lie side by side: the halves of a UCR set, archives, or files without labels."""
    return tuple(item for file in files for item in _rows_or_file(Item(file, split=_half(file, files))))


def _half(file: Path, files: list[Path]) -> SplitName | None:
    """Tell which half of a UCR set a file is, if the other half lies beside it."""
    found = _ARCHIVE.fullmatch(file.name)
    if not found:
        return None
    name, half, suffix = found.groups()
    other = {"train": "test", "test": "train"}[half.lower()]
    beside = {f"{name}_{other}{suffix}".lower()} & {f.name.lower() for f in files}
    return SPLITS[half.lower()] if beside else None


def _labelled(src: Path, files: list[Path]) -> list[Item]:
    """Return files as items whose label and split are the names of their folders."""
    folders = [file.relative_to(src).parts[:-1] for file in files]
    halves = {parts[0] for parts in folders if parts} <= set(SPLITS)
    items = []
    for file, parts in zip(files, folders, strict=True):
        split, below = (SPLITS[parts[0]], parts[1:]) if parts and halves else (None, parts)
        items.append(Item(file, below[0] if below else None, split=split))
    return items


def _rows_or_file(item: Item) -> tuple[Item, ...]:
    """Return the rows of a file that holds many labelled items; any other file as it is."""
    if item.fragment or not item.path.exists():
        return (item,)
    try:
        labels = readers()[recognise(item.path)].labels(item.path)
    except ReadError:
        return (item,)  # it fails by name when it is read
    if labels is None:
        return (item,)
    return tuple(
        replace(item, label=label, fragment=Fragment("row", row, row + 1)) for row, label in enumerate(labels)
    )


def _table_in(folder: Path) -> Path | None:
    tables = [file for file in sorted(folder.glob("*.csv")) if file.name[0] != "." and is_table(file)]
    if len(tables) > 1:
        names = ", ".join(table.name for table in tables)
        raise ParameterError(
            f"{folder}: holds {len(tables)} tables with a path column ({names}); name one of them"
        )
    return tables[0] if tables else None


def _some(src: Path, files: list[Path]) -> list[Path]:
    if not files:
        raise ReadError(f"{src}: holds no files; name a folder that does")
    return files


def _refuse_archives(files: list[Path]) -> None:
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    archive = next((file for file in files if _half(file, by_folder[file.parent])), None)
    if archive:
        raise ParameterError(
            f"{archive}: one of several sets of labelled series; name the folder {archive.parent}"
        )


def _report_left_out(src: Path, files: list[Path]) -> None:
    if files:
        names = ", ".join(file.name for file in files[:5]) + (", ..." if len(files) > 5 else "")
        _log.warning("%s: %d files lie in no class folder and are left out: %s", src, len(files), names)


def _common_kind(src: Path, items: tuple[Item, ...]) -> Kind:
    """Return the kind that all files are of."""
    first: dict[Kind, Path] = {}
    counts = dict.fromkeys(KINDS, 0)
    for path in dict.fromkeys(item.path for item in items):
        try:
            kind = recognise(path)
        except ReadError:
            continue
        first.setdefault(kind, path)
        counts[kind] += 1
    if len(first) == 1:
        return next(iter(first))
    if not first:
        raise ReadError(f"{src}: none of its {len(items)} files can be read; check them")
    found = ", ".join(f"{counts[kind]} {kind} (such as {path})" for kind, path in first.items())
    raise ParameterError(f"{src}: holds files of several kinds: {found}; name the kind, or part the files")
