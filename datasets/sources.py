"""From a folder, a table or an archive to items: one pass, in which each file is opened once to see what it is."""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from phosphene.converters import ParameterError, PhospheneError, ReadError
from phosphene.converters.core.errors import reason
from phosphene.converters.core.facts import KindFacts
from phosphene.converters.core.files import (
    DEFAULTS,
    ReadOptions,
    is_file,
    is_folder,
    is_there,
    list_folder,
    read_head,
    walk,
)
from phosphene.converters.core.signal import Fragment, Kind, parse_address
from phosphene.converters.registry import OWN_KINDS, asked, check_kind, check_options, readers

from .columns import FOLDERS_OF_TABLES, NOT_CSV, TABLE_SUFFIXES, sound_beside
from .manifest import Failure, Item, Manifest, describe_failures, summarise
from .splits import SPLITS, class_folders, note_inner_folders
from .tables import (
    Found,
    check_labels,
    companions,
    half_of,
    halves,
    is_surely,
    look,
    noted_csv,
    read_table,
    rows_of,
)  # fmt: skip

_log = logging.getLogger("phosphene")
_SYSTEM = re.compile(
    r"(thumbs\.db|desktop\.ini|ehthumbs\.db|icon\r?|\._.*|\.ds_store|manifest-.+-[0-9a-f]{8}\.csv)",
    re.IGNORECASE,
)
"""Files of the system, and the manifests that `convert` writes beside images."""
_ABOUT = re.compile(
    r"(readme|licen[cs]e|copying|changelog|changes|authors|citation|attribution|notice)\b.*", re.IGNORECASE
)
_CLUTTER = frozenset({
    ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".svg", ".ico", ".md", ".rst", ".txt", ".pdf", ".doc", ".docx",
    ".rtf", ".html", ".htm", ".xml", ".json", ".yaml", ".yml", ".log", ".ini", ".nfo", ".m3u", ".m3u8", ".cue", ".csv",
    ".textgrid", ".eaf", ".rttm", ".lab", ".srt", ".vtt", ".md5", ".sha256",
    ".tsv", ".db", ".asd", ".pk", ".reapeaks", ".url", ".py", ".ipynb",
})  # fmt: skip
_SHOWN = 5


def open_manifest(
    src: str | Path,
    *,
    kind: Kind | None = None,
    label: str | None = None,
    group: str | None = None,
    options: ReadOptions = DEFAULTS,
) -> Manifest:
    """List the labelled items of a folder, a table or an archive.

    Parameters
    ----------
    src
        A folder of class folders, which may lie in folders `train`, `valid` (`dev`) and `test`; a folder with a table
        of its files, or with selection tables or label tracks beside its sounds; a UCR set (NAME_TRAIN.tsv and
        NAME_TEST.tsv); a folder of files without labels; a table (see `columns`); a file that holds many labelled
        series; or any one file. Hidden files, and notes and covers among sounds or series, are left out.
    kind
        What every file is read as; None asks the files.
    label, group
        Columns of a table: of the label, and of what must stay on one side of a split. `none` takes none; None takes
        the column that is called so. Of a file of many series, `label` is the column of its table (`ReadOptions`).
    options
        How files are read where their content does not settle it.

    Returns
    -------
    Manifest
        Files that cannot be read are in it, and fail by name when they are read. What was taken for granted is in its
        `notes`, and logged as a warning.

    Raises
    ------
    ReadError
        There is no such file or folder, nothing in it, no file in it that can be read, or a table is wrong; the message
        names the line. Or the labels are numbers to predict, or several in one.
    ParameterError
        The files are of several kinds and none is named, or the table has no such column.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("cat/1.bin", "dog/1.bin", "dog/2.bin"):
    ...         file = Path(folder, name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         _ = file.write_bytes(bytes(range(256)))
    ...     manifest = open_manifest(folder, kind="binary")
    >>> manifest.summary()
    'binary: 3 files, 2 classes from folder names: cat 1, dog 2'
    """
    check_kind(kind)
    source = Listing(Path(src), kind, label=label, group=group, options=options)
    with closing(source.facts):
        found = source.labelled()
        common = kind or source.common_kind(found.items)
    check_options(source.options, [common], src)
    items = tuple(replace(item, kind=common, options=source.options) for item in found.items)
    manifest = Manifest(
        items,
        common,
        _name(Path(src), source),
        labelled_by=found.labelled_by,
        notes=found.notes,
        failures=source.failures(items),
    )
    _tell(manifest.summary(), found.notes)
    return manifest


def find_files(
    src: str | Path, *, beside: Path | None = None, kind: Kind | None = None, options: ReadOptions = DEFAULTS
) -> tuple[Item, ...]:
    """List every file of a folder, table or archive, of whatever kind, with labels where they are known.

    Parameters
    ----------
    src
        As for `open_manifest`; but every file of a folder is listed (beside a UCR set none), and archives in it row
        by row.
    beside
        A folder that is left out, where results are written into the folder that they are made from.
    kind
        What every file is read as; None asks each file, and each item knows its kind.
    options
        How files are read where their content does not settle it.

    Raises
    ------
    ReadError
        There is no such file or folder, nothing in it, or a table is wrong.
    """
    source = Listing(Path(src), kind, label=options.label, beside=beside, options=options)
    with closing(source.facts):
        found = source.listed()
        items = tuple(
            replace(item, kind=item.kind or source.kind_of(item.path), options=source.options)
            for item in found.items
        )
    check_options(source.options, [item.kind for item in items if item.kind], src)
    _tell(summarise(items), found.notes)
    return items


def root_of(src: str | Path) -> Path:
    """Return the folder that the paths of a source are counted from."""
    src = Path(src)
    return src if is_folder(src) else parse_address(src)[0].parent


class Listing:
    """A source, and what its files were found to be."""

    def __init__(
        self,
        src: Path,
        kind: Kind | None,
        *,
        label: str | None = None,
        group: str | None = None,
        beside: Path | None = None,
        options: ReadOptions = DEFAULTS,
    ) -> None:
        self.src, self.kind, self.label, self.group = src, kind, label, group
        self._options = replace(options, label=label or options.label)
        self.beside = beside.resolve() if beside else None
        self.kinds: dict[Path, Kind | None] = {}
        self.errors: dict[Path, str] = {}
        self.tables: dict[Path, bytes] = {}
        self.notes: list[str] = []
        self.closed: set[Path] = set()
        self.in_parts = False  # what files were found to be is forgotten then, and files are not kept
        self._walked: list[Path] | None = None
        self.seen: Counter[Kind] = Counter()
        self.suffixes: Counter[str] = Counter()
        self._own_kinds = set(readers()) <= set(OWN_KINDS)
        self.facts = KindFacts(repr((kind, self._options)))
        self.keys: dict[Path, bytes | None] = {}  # of facts that are not known
        self.single: set[Path] = set()  # files of one item, as is known

    def labelled(self) -> Found:
        """Return the items that have a label, or all where none has."""
        found = self._table_or_file(need_labels=True)
        if found is None:
            found = self._folder(self._files())
        if found.labelled_by.startswith("the rows"):
            labels: dict[Path, list[str | None]] = {}
            for item in found.items:
                labels.setdefault(item.path, []).append(item.label)
            for path, some in labels.items():
                self.notes += check_labels(some, f"{path}: the column of labels")
        return replace(self._overruled(found), notes=(*found.notes, *self.notes))

    @property
    def options(self) -> ReadOptions:
        """How files are read: the column of labels of a table of items is none of theirs."""
        return replace(self._options, label=None) if self.tables else self._options

    def listed(self) -> Found:
        """Return all items, whatever they are."""
        found = self._table_or_file(need_labels=False)
        if found is None:
            items, _ = self._class_folders(self.without_clutter(self._files()))
            found = Found(tuple(row for item in items for row in self.rows(item)))
        return replace(found, notes=(*found.notes, *self.notes))

    def _overruled(self, found: Found) -> Found:
        """Return the items without labels or groups where these are not wanted; refuse columns that are nowhere."""
        for option, name in (("label", self.label), ("group", self.group)):
            of_rows = option == "label" and any(item.fragment for item in found.items)
            if name not in (None, "none") and not self.tables and not of_rows:
                raise ParameterError(
                    f"{self.src}: --{option} {name} names a column, but there is no table of items"
                )
        items = found.items
        if self.label == "none":
            items = tuple(replace(item, label=None) for item in items)
        if self.group == "none":  # parts of one recording are no group then either
            items = tuple(replace(item, group=str(item) if item.fragment else None) for item in items)
        return replace(found, items=items)

    def common_kind(self, items: Sequence[Item]) -> Kind:
        """Return the kind that all files are of."""
        first: dict[Kind, Path] = {}
        paths = dict.fromkeys(item.path for item in items)
        counts = Counter(kind for path in paths if (kind := self.kind_of(path)))
        for path in paths:
            if found := self.kind_of(path):
                first.setdefault(found, path)
        if len(first) == 1:
            return next(iter(first))
        if not first and len(paths) == 1 and self.errors:
            raise ReadError(next(iter(self.errors.values())))
        if not first:
            raise ReadError(f"{self.src}: {describe_failures(self.failures(items), len(paths))}")
        shown = ", ".join(f"{counts[kind]} {kind} (such as {path})" for kind, path in first.items())
        raise ParameterError(
            f"{self.src}: holds files of several kinds: {shown}; name the kind, or part the files"
        )

    def failures(self, items: Sequence[Item]) -> tuple[Failure, ...]:
        """Return the items whose files cannot be read, as far as that was seen."""
        return tuple(Failure(item, self.errors[item.path]) for item in items if item.path in self.errors)

    def kind_of(self, path: Path) -> Kind | None:
        """Return the kind of a file, None where it cannot be read; it is opened once at most."""
        if path not in self.kinds:
            self._sniff(path)
        return self.kinds[path]

    def is_table(self, path: Path) -> bool:
        """Tell whether a file is a table of items."""
        if path.suffix.lower() not in TABLE_SUFFIXES or not is_file(path):
            return False
        if path not in self.kinds:
            self._sniff(path)
        if self.in_parts and path not in self.tables:
            del self.kinds[path]
            self.errors.pop(path, None)
        return path in self.tables

    def _sniff(self, path: Path) -> None:
        if self.kind and path.suffix.lower() not in TABLE_SUFFIXES:
            self.kinds[path] = self.kind
            return
        try:
            head = read_head(path)
            # A kind of another package is decided by code that is not in the key.
            key = self.facts.key(path, head) if self._own_kinds else None
            known = self.facts.find(key)
            if known:
                self.single.add(path)
                self.kinds[path] = known
                return
            is_table, why, kind = asked(look, path, self.kind)
            if is_table:
                self.tables[path] = head
            elif why == "content":
                self.keys[path] = key
            if isinstance(kind, Exception):
                raise kind
            self.kinds[path] = kind
        except Exception as error:
            self.kinds[path] = None
            self.errors[path] = _why(error, path)

    def each_file(self, **seen: set[Path]) -> Iterator[Path]:
        """Yield what lies below the folder, as `walk` does, but the folder of the results."""
        files = walk(self.src, **seen)
        if not self.beside or not self.beside.is_relative_to(self.src.resolve()):
            return files
        beside = self.beside
        return (file for file in files if not file.resolve().is_relative_to(beside))

    def _files(self) -> list[Path]:
        """Return the files below the folder, listed once."""
        if self._walked is not None:
            return self._walked
        twice = set[Path]()
        files = list(self.each_file(twice=twice, closed=self.closed))
        if twice:
            one = "1 link to a folder that is listed already is"
            what = one if len(twice) == 1 else f"{len(twice)} links to folders that are listed already are"
            names = _some([str(link.relative_to(self.src)) for link in sorted(twice)])
            self.notes.append(f"{self.src}: {what} left out: {names}")
        if not files:
            raise ReadError(f"{self.src}: holds no files; name a folder that does")
        self._walked = files
        return files

    def _table_or_file(self, *, need_labels: bool) -> Found | None:
        """Return what a file holds, or a folder with a table; None for any other folder."""
        if is_folder(self.src):
            tables = self.tables_in()
            return self._from_tables(tables, need_labels=need_labels) if tables else None
        path, fragment = parse_address(self.src)
        if not is_there(path):
            raise ReadError(f"{path}: no such file or folder; check the path")
        if fragment:
            return Found((Item(path, fragment=fragment, kind=self.kind_of(path)),))
        if self.is_table(path):
            return self._from_tables([path], need_labels=need_labels)
        rows = self.rows(Item(path))
        if need_labels and path in self.errors and self.kinds[path] is not None:
            raise ReadError(self.errors[path])
        return Found(rows, _rows_of([item for item in rows if item.label is not None]))

    def tables_in(self) -> list[Path]:
        """Return the tables of a folder: in it, in a folder `meta` of it, or beside the sounds that they are about."""
        top = list_folder(self.src)
        folders = [folder for folder in top if folder.name.lower() in FOLDERS_OF_TABLES and is_folder(folder)]
        for files in (list_folder(self.src), (file for folder in folders for file in _below(folder))):
            tables = [file for file in files if self.is_table(file) and "submission" not in file.stem.lower()]
            if tables:
                return tables
        each_file = self.each_file if self.in_parts else self._files
        if not any(file.suffix.lower() in readers()["audio"].suffixes for file in each_file()):
            return []
        return [
            file
            for file in each_file()
            if file.suffix.lower() in TABLE_SUFFIXES and sound_beside(file) and self.is_table(file)
        ]

    def _from_tables(self, tables: list[Path], *, need_labels: bool) -> Found:
        splits = {table: SPLITS.get(re.split(r"[._ -]", table.stem.lower())[-1]) for table in tables}
        several = len(tables) > 1
        if several and not all(map(sound_beside, tables)) and not all(splits.values()):
            names = ", ".join(table.name for table in tables)
            raise ParameterError(
                f"{self.src}: holds {len(tables)} tables with a path column ({names}); name one of them"
            )
        parts = [self._from_table(table, need_labels=need_labels and not several) for table in tables]
        if not several:
            return parts[0]
        items, notes = list[Item](), list[str]()
        for table, part in zip(tables, parts, strict=True):
            if need_labels and not part.labelled_by and any(other.labelled_by for other in parts):
                notes.append(f"{table}: has no column of labels and is left out")
                continue
            by_name = None if sound_beside(table) else splits[table]
            items += [replace(item, split=item.split or by_name) for item in part.items]
            notes += part.notes
        labelled_by = next((part.labelled_by for part in parts if part.labelled_by), "")
        if all(map(sound_beside, tables)) and labelled_by:
            labelled_by = f"{len(tables)} tables beside the sounds"
        return Found(tuple(items), labelled_by, tuple(notes))

    def _from_table(self, table: Path, *, need_labels: bool) -> Found:
        head = self.tables[table]
        if table.suffix.lower() in NOT_CSV:
            data, notes = asked(noted_csv, table)
            self.notes += (f"{table}: {note}" for note in notes)
        else:
            data = head if len(head) == table.stat().st_size else table.read_bytes()
        found = read_table(
            table, data, label=self.label, group=self.group, need_labels=need_labels, kind=self.kind
        )
        self.kinds |= {item.path: item.kind for item in found.items if item.kind}
        return found

    def _folder(self, files: list[Path]) -> Found:
        top = [file for file in files if file.parent == self.src]
        both = halves(top)
        if both:
            used = companions(both)
            self._leave_out("below a UCR set", [file for file in files if file.parent != self.src])
            self._leave_out(
                "beside a UCR set", [file for file in top if file not in both and file not in used]
            )
            return self._flat(both)
        files = self.without_clutter(files)
        if all(file.parent == self.src for file in files):
            used = companions(files)
            return self._flat([file for file in files if file not in used])
        items, by_class = self._class_folders(files)
        self._refuse_archives(files)
        if by_class:
            if not any(item.split for item in items):
                of_files = [file.relative_to(self.src).parts[:-1] for file in files]
                self.notes += [f"{self.src}: {note}" for note in note_inner_folders(of_files)]
            of_folder = {item.path: item.label for item in items}
            items = self._rows_in_class_folders(items)
            by_class = all(item.label == of_folder[item.path] for item in items)
        else:
            items = [row for item in items if item.split for row in self.rows(item)]
        self._leave_out("in no class folder", [item.path for item in items if item.label is None])
        labelled = tuple(item for item in items if item.label is not None)
        if not labelled:
            raise ReadError(f"{self.src}: its folders hold no class folders; lay the files out as CLASS/FILE")
        return Found(labelled, "folder names" if by_class else _rows_of(labelled))

    def _rows_in_class_folders(self, items: Sequence[Item]) -> list[Item]:
        """Return items, and the rows of those that hold many.

        Rows with different labels in one file say what they are better than its folder, which is then a group.
        """
        found = [(item, self.rows(item) if item.label else (item,)) for item in items]
        own = [(item, rows) for item, rows in found if any(row.label != item.label for row in rows)]
        if not own:
            return [row for _, rows in found for row in rows]
        by_row = any(len({row.label for row in rows}) > 1 for _, rows in own)
        what = "its rows have labels of their own" + (
            f", and so have {len(own) - 1} other files" if own[1:] else ""
        )
        taken = "these are taken, and folders are groups" if by_row else "those of the folders are taken"
        self.notes.append(f"{own[0][0].path}: {what}; {taken}")
        if by_row:
            return [replace(row, group=row.group or item.label) for item, rows in found for row in rows]
        return [replace(row, label=item.label) for item, rows in found for row in rows]

    def _flat(self, files: list[Path]) -> Found:
        """List files that lie side by side: the halves of a UCR set, archives, or files without labels."""
        rows = tuple(row for file in files for row in self.rows(Item(file, split=half_of(file, files))))
        return Found(rows, _rows_of([item for item in rows if item.label is not None]))

    def rows(self, item: Item) -> tuple[Item, ...]:
        """Return the rows of a file that holds many items; any other file as it is."""
        kind = self.kind_of(item.path)
        if kind is None or item.fragment or item.path in self.single:
            return (replace(item, kind=kind),)
        try:
            reader, how = readers()[kind], self.options
            rows, note = asked(rows_of, item.path, reader, how) if reader.may_hold_rows else (None, "")
        except Exception as error:
            self.errors[item.path] = _why(error, item.path)  # the file fails by name when it is read
            return (replace(item, kind=kind),)
        if note and (item.label is None or all(label for label, _ in rows or ())):
            self.notes.append(note)
        if rows is None:
            self.facts.put(self.keys.get(item.path), kind)
            return (replace(item, kind=kind),)
        parts = (Fragment("row", row, row + 1) for row in range(len(rows)))
        return tuple(
            replace(item, label=label or item.label, group=group, kind=kind, fragment=part)
            for part, (label, group) in zip(parts, rows, strict=True)
        )

    def _class_folders(self, files: list[Path]) -> tuple[list[Item], bool]:
        """Return files as items whose label and split are the names of their folders, and whether any has a label."""
        folders = {
            file: file.relative_to(self.src).parts[: None if file in self.closed else -1] for file in files
        }
        found, names = class_folders(folders.values())
        items = [
            Item(file, found[parts].label, split=found[parts].split, kind=self.kinds.get(file))
            for file, parts in folders.items()
        ]
        if names:
            counts = Counter(str(item.split) for item in items if item.split)
            shown = ", ".join(f"{counts[name]} {name}" for name in ("train", "valid", "test") if counts[name])
            self.notes.append(f"{self.src}: folders {', '.join(names)} are splits: {shown}")
        return items, any(item.label is not None for item in items)

    def without_clutter(self, files: Sequence[Path]) -> list[Path]:
        """Return the files without those of the system, and without notes and covers unless all are of bytes."""
        rest = self._without_notes_on_sets([file for file in files if not _SYSTEM.fullmatch(file.name)])
        clutter = [file for file in files if _SYSTEM.fullmatch(file.name)]
        data = [file for file in rest if not _ABOUT.fullmatch(file.name)]
        self.seen.update(kind for file in data if (kind := self.kind_of(file)))
        if not self.in_parts:
            self.suffixes.update(file.suffix.lower() for file in rest)
        kinds = [kind for kind, _ in self.seen.most_common() if kind != "binary"]
        if kinds:
            usual = self.suffixes.most_common(1)[0][0]
            clutter += [file for file in rest if self._is_clutter(file, kinds, usual)]
        self._leave_out("no data", clutter, ("is", "are"))
        dropped = set(clutter)
        kept = [file for file in rest if file not in dropped]
        if not kept and not self.in_parts:
            raise ReadError(f"{self.src}: holds no data, only {_some([file.name for file in files])}")
        return kept

    def _without_notes_on_sets(self, files: list[Path]) -> list[Path]:
        """Return the files without what lies beside the halves of UCR sets: a licence, a description as text."""
        both = set(halves(files))
        sets = {file.parent for file in both}
        used = companions(both)
        notes = [file for file in files if file.parent in sets and file not in both]
        self._leave_out("beside a UCR set", [file for file in notes if file not in used])
        dropped = set(notes)
        return [file for file in files if file not in dropped]

    def _is_clutter(self, file: Path, kinds: Sequence[Kind], usual: str) -> bool:
        """Tell whether a file among others is a note, a cover or the like: by their kinds and their usual suffix."""
        kind, suffix = self.kind_of(file), file.suffix.lower()
        if _ABOUT.fullmatch(file.name):
            return True
        if suffix not in _CLUTTER or suffix in readers()[kinds[0]].suffixes:
            return False
        if self.kind:  # what most files are called like is what was meant
            return suffix != usual and not self._is_surely(file, self.kind)
        if kind is None:  # one that might be data fails by name when it is read
            return not any(suffix in reader.suffixes for reader in readers().values())
        # A file that is surely of another kind is no clutter: its folder holds several kinds.
        return kind == "binary" or (kind != kinds[0] and not self._is_surely(file, kind))

    def _is_surely(self, file: Path, kind: Kind) -> bool:
        try:
            return asked(is_surely, file, kind)
        except Exception:
            return True  # no clutter: it fails by name when it is read

    def _refuse_archives(self, files: list[Path]) -> None:
        archive = next(iter(halves(files)), None)
        if archive and not companions([archive]):
            raise ParameterError(
                f"{archive}: one of several sets of labelled series; name the folder {archive.parent}"
            )

    def _leave_out(self, where: str, files: Sequence[Path], verbs: Sequence[str] = ("lies", "lie")) -> None:
        if files:
            several = len(files) > 1
            what = f"{_files(len(files))} {verbs[several]} {where} and {('is', 'are')[several]} left out"
            self.notes.append(f"{self.src}: {what}: {_some([file.name for file in files])}")


def is_note(file: Path) -> bool:
    """Tell by its name a file of the system, or a note on the others."""
    return bool(_SYSTEM.fullmatch(file.name) or _ABOUT.fullmatch(file.name))


def _tell(summary: str, notes: Iterable[str]) -> None:
    """Log what was taken, as information, and what is to be known of it, as warnings."""
    _log.info("%s", summary)
    for note in notes:
        _log.warning("%s", note)


def _name(src: Path, source: Listing) -> str:
    """Return what to call a source; a table is called after its folder, since most are called `meta.csv`."""
    return src.stem if is_file(src) and src not in source.tables else root_of(src).resolve().name


def _rows_of(items: Sequence[Item]) -> str:
    """Return where the labels of rows come from."""
    names = list(dict.fromkeys(item.path.name for item in items))
    return f"the rows of {names[0] if len(names) == 1 else f'{len(names)} files'}" if names else ""


def _why(error: Exception, path: Path) -> str:
    """Return what is wrong with a file; a fault of a reader costs that file only."""
    return reason(error) if isinstance(error, PhospheneError) else f"{path}: {reason(error)}"


def _below(folder: Path) -> list[Path]:
    """Return what lies in a folder; nothing of one that may not be listed, which fails by name when it is read."""
    try:
        return sorted(list_folder(folder))
    except ReadError:
        return []


def _some(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"
