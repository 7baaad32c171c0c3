"""Tables of items as text: cells, what the columns mean by the names that people give them, and where their files are.

A table has a header; commas, semicolons, tabs or bars between cells; UTF-8 or UTF-16. Known are the names of ESC-50,
UrbanSound8K, Kaggle, BirdNET and Raven selection tables, and times with units (`start_ms`, `onset`, `duration`). An
Audacity label track (start, end and label, no header) belongs to the sound of the same name.
"""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from phosphene.converters import Fragment, MissingExtra, ParameterError, ReadError
from phosphene.converters.core.errors import short
from phosphene.converters.core.files import check_unpacked, is_file, walk
from phosphene.converters.core.sheet import excel_rows
from phosphene.converters.core.signal import parse_address
from phosphene.converters.registry import readers

from .splits import SPLITS, SplitName

FOLDERS_OF_TABLES = frozenset({"meta", "metadata", "labels", "annotations", "lists", "tables", "csv"})
"""Folders of tables, whose files lie in folders beside them."""


class Locator:
    """Finds the files that a table names.

    A cell is a path from the folder of the table. Where nothing is there, a file of that name is looked for in that
    folder and below, or beside it if it is called `meta` or the like; `train/00a1.wav` is found by the name `00a1`.
    """

    def __init__(self, table: Path) -> None:
        self.table = table
        self.root = table.parent.parent if table.parent.name.lower() in FOLDERS_OF_TABLES else table.parent
        self._by_name: dict[str, list[Path]] | None = None
        self._moved: dict[str, Path] = {}

    def find(self, cell: str, *, fold: str = "", deep: bool = True) -> tuple[Path, Fragment | None] | None:
        """Return a file and the part of it that a cell names; None where there is none; near its fold, of several.

        Raises
        ------
        ParameterError
            The part is none.
        """
        if not cell or "\0" in cell or len(cell) > 4000:
            return None
        path, fragment = parse_address(self.table.parent / cell)
        if is_file(path):
            return path, fragment
        name = PurePosixPath(path.name.replace("\\", "/")).name
        found = self._of_name(name, fold) if deep else None
        if found is None:
            return None
        self._moved[cell] = found.parent
        return found, fragment

    def notes(self) -> list[str]:
        """Return what to say of files that were found by their names."""
        if not self._moved:
            return []
        count, folder = len(self._moved), next(iter(self._moved.values()))
        return [
            f"{count} paths do not count from its folder; files of these names were found, such as in {folder}"
        ]

    def _of_name(self, name: str, fold: str) -> Path | None:
        if self._by_name is None:
            self._by_name = {}
            for file in walk(self.root):
                if file != self.table:
                    for known in dict.fromkeys((file.name, file.stem)):
                        self._by_name.setdefault(known, []).append(file)
        files = self._by_name.get(name, [])
        if len(files) > 1:
            near = {f"fold{fold}", f"fold_{fold}", self.table.stem}
            files = [file for file in files if near & set(file.relative_to(self.root).parts[:-1])] or files
        return files[0] if len(files) == 1 else None


_JSON = frozenset({".json", ".jsonl", ".ndjson"})
NOT_CSV = frozenset({".parquet", ".xlsx", *_JSON})
TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".tab", ".txt", *NOT_CSV})
# The names of columns as `_key` writes them, the likeliest first.
_PATHS = (
    "path", "paths", "filepath", "file_path", "filename", "file_name", "slice_file_name", "fname", "file", "begin_path",
    "begin_file", "audio_path", "audio_file", "audio_filename", "audio_filepath", "wav", "wav_file", "wav_path",
    "audio", "image_path", "image", "relative_path", "full_path", "uri",
)  # fmt: skip
_WEAK_PATHS = ("name", "id", "file_id", "image_id", "audio_id", "recording", "recording_id", "clip", "sample")
_LABELS = (
    "label", "labels", "category", "class", "class_name", "classname", "class_label", "species", "common_name",
    "scientific_name", "primary_label", "target", "target_class", "annotation", "tag", "tags", "call_type", "emotion",
    "ebird_code", "species_code", "event_label", "genre", "instrument", "activity", "diagnosis",
    "command", "y", "classid", "class_id", "label_id",
)  # fmt: skip
_STARTS = (
    "start", "begin", "onset", "start_time", "begin_time", "t_start", "tstart", "tmin", "from", "time_start",
    "offset", "start_offset",
)  # fmt: skip
_ENDS = (
    "end", "stop", "offset", "end_time", "stop_time", "finish", "t_end", "tend", "tmax", "to", "time_end", "end_offset",
)  # fmt: skip
_DURATIONS = ("duration", "dur", "length", "delta")
_SPLIT_NAMES = ("split", "subset", "set", "partition", "usage", "phase")
FLAGS: dict[str, tuple[SplitName, SplitName]] = {
    **dict.fromkeys(("is_valid", "is_val", "is_validation", "valid", "validation"), ("valid", "train")),
    **dict.fromkeys(("is_test", "test"), ("test", "train")),
    **dict.fromkeys(("is_train", "is_training", "train"), ("train", "valid")),
}
"""Columns of true and false: the split of each."""
_FLAG_WORDS = {"true": 0, "1": 0, "1.0": 0, "yes": 0, "false": 1, "0": 1, "0.0": 1, "no": 1}
_FOLDS = ("fold", "folds", "kfold", "cv_fold")
_GROUP_WORDS = (
    "subject", "participant", "person", "speaker", "patient", "user", "writer", "author", "actor", "volunteer",
    "animal", "individual", "driver", "rider", "machine", "device", "engine", "recording", "source_file", "src_file",
    "source", "fs", "session", "site", "station", "location", "recorder",
)  # fmt: skip
_GROUPS = tuple(f"{word}{end}" for word in _GROUP_WORDS for end in ("", "_id", "id", "_no", "_name", "_code"))
_UNITS_S = {
    "": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3,
    "millisecond": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "microseconds": 1e-6, "min": 60.0, "minutes": 60.0,
    "sample": 0.0, "samples": 0.0, "frame": 0.0, "frames": 0.0,
}  # fmt: skip
_RAVEN_COLUMNS = frozenset({
    "selection", "view", "channel", "begin_time_s", "end_time_s", "low_freq_hz", "high_freq_hz", "begin_file",
    "begin_path", "file_offset_s", "begin_date_time", "delta_time_s", "delta_freq_hz", "confidence", "score",
})  # fmt: skip


_HEAD_LINES = 8
"""Lines by which a table is known."""
_FEW = 20
"""A table of more columns is one of values, unless one of them is called like a path."""


class ItemTable(NamedTuple):
    """A table as text: its column names, and its rows with the numbers of their lines."""

    path: Path
    columns: tuple[str, ...]
    rows: list[tuple[int, list[str]]]
    headed: bool = True

    @property
    def keys(self) -> list[str]:
        """The names of the columns, for comparing: `Begin Time (s)` is `begin_time_s`."""
        return [_key(name) for name in self.columns]


class TimeColumns(NamedTuple):
    """The columns that say which part of a file an item is, by index; their unit, and whether a name says it."""

    start: int
    end: int | None
    duration: int | None
    file_offset: int | None
    unit_s: float
    named: bool

    @property
    def counts(self) -> bool:
        """Whether samples are counted, and no time."""
        return self.unit_s == 0

    @property
    def indices(self) -> list[int]:
        """The columns that are there."""
        return [index for index in self[:4] if index is not None]


class TableColumns(NamedTuple):
    """What the columns of a table are, by index."""

    path: int | None
    label: int | None
    split: int | None
    fold: int | None
    group: int | None
    time: TimeColumns | None


_FRACTION = re.compile(r"\s*[-+]?\d*\.\d+([eE][-+]?\d+)?\s*")


def sniff_table(path: Path, head: bytes) -> tuple[bool, Literal["content", "files beside it"]]:
    """Tell from its first bytes whether a file is a table of items, or of parts of a sound, and what shows it."""
    table = _opening(path, head)
    if table is None:
        return False, "content"
    keys = table.keys
    if not table.headed or "path" in keys:
        return True, "content"
    if any(key in _PATHS for key in keys):
        cells = table.rows[0][1] if table.rows else []
        return any(key in _LABELS for key in keys) or any(map(_looks_like_file, cells)), "content"
    if table.rows and _time_of(keys):
        if sound_beside(path):
            return True, "files beside it"
    elif len(keys) > _FEW or all(_FRACTION.fullmatch(cell) for _, row in table.rows for cell in row):
        return False, "content"  # a decimal fraction names no file
    # An id may name a file without its suffix; such files are looked for where there is a label beside it.
    is_table = (
        len(keys) <= _FEW
        and _path_by_content(table, Locator(path), deep=bool(set(keys) & set(_LABELS))) is not None
    )
    return is_table, "files beside it"


def _opening(path: Path, head: bytes) -> "ItemTable | None":
    """Return the first rows of what may be a table of items."""
    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES or (suffix in _JSON and not _names_paths(head)):
        return None
    try:
        if suffix in NOT_CSV:
            head = as_csv(path, most=_HEAD_LINES)
        return parse_table(path, b"\n".join(head.split(b"\n", _HEAD_LINES)[:_HEAD_LINES]), most=3)
    except ReadError:
        return None


def _names_paths(head: bytes) -> bool:
    """Tell by its beginning whether a JSON file holds records with a path."""
    names = re.findall(rb'"([^"\\]{1,40})"\s*:', head[:4000])
    return any(_key(name.decode(errors="replace")) in _PATHS for name in names)


def as_csv(path: Path, most: int | None = None, notes: list[str] | None = None) -> bytes:
    """Return a table of items in Parquet, Excel or JSON (a list of records, or one a line) as CSV; `most` rows of it.

    What is to be told of it is added to the notes.

    Raises
    ------
    ReadError
        It is damaged, or no table.
    MissingExtra
        It is an Excel workbook, and openpyxl is not installed.
    """
    suffix = path.suffix.lower()
    try:
        read = _json_records if suffix in _JSON else _parquet
        records = _xlsx(path, notes) if suffix == ".xlsx" else read(path)
        names, rows = dict[str, None](), list[Mapping[str, object]]()
        for record in islice(records, most):
            rows.append(record)
            names.update(dict.fromkeys(record))
    except (ReadError, MissingExtra):
        raise
    except Exception as error:  # of a damaged file each library has errors of its own
        raise ReadError(
            f"{path}: cannot be read as a table ({short(error)}); write a CSV with path,label"
        ) from error
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: " ".join(str(cell).split()) for name, cell in row.items() if cell is not None} for row in rows
    )
    return file.getvalue().encode()


def _json_records(path: Path) -> Iterator[Mapping[str, object]]:
    with path.open(encoding="utf-8-sig") as file:
        is_list = next(filter(str.strip, iter(lambda: file.read(1), "")), "") == "["
        file.seek(0)
        for record in json.load(file) if is_list else map(json.loads, filter(str.strip, file)):
            if not isinstance(record, dict):
                raise ReadError(f"{path}: is no list of records; write a CSV with path,label")
            yield record


def _parquet(path: Path) -> Iterator[Mapping[str, object]]:
    from pyarrow import parquet, types

    with parquet.ParquetFile(path) as file:
        names = [
            field.name
            for field in file.schema_arrow
            if not (types.is_nested(field.type) or types.is_binary(field.type))
        ]
        if not any(_key(name) in _PATHS for name in names):
            return
        groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
        check_unpacked(path, sum(group.total_byte_size for group in groups))
        for batch in file.iter_batches(columns=names, use_threads=False):
            yield from batch.to_pylist()


def _xlsx(path: Path, notes: list[str] | None) -> Iterator[Mapping[str, object]]:
    with excel_rows(path) as (rows, found):
        names = [str(name or "") for name in next(rows, ())]
        if any(_key(name) in _PATHS for name in names):
            if notes is not None:
                notes += (note.text for note in found)
            yield from (dict(zip(names, row, strict=False)) for row in rows)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def parse_table(path: Path, data: bytes, most: int | None = None) -> ItemTable:
    """Return the cells of a table, or of a label track; of the beginning of a file at most `most` rows.

    Raises
    ------
    ReadError
        It is not text, or its quotes do not close.

    Examples
    --------
    >>> parse_table(Path("meta.csv"), bytes([10]).join([b"filename;label", b"a.wav;dog"])).rows
    [(2, ['a.wav', 'dog'])]
    """
    try:
        text = data.decode(encoding_of(data), "strict" if most is None else "replace")
    except UnicodeDecodeError as error:
        raise ReadError(f"{path}: is not UTF-8 text; save it as UTF-8") from error
    track = _label_track(path, text, most)
    if track is not None:
        return track
    rows = list(islice(each_row(path, io.StringIO(text, newline=""), *opening_of(text.splitlines())), most))
    if not rows:
        return ItemTable(path, (), [])
    return headed_table(path, rows[0], rows[1:] if has_header(path, rows[0]) else rows)


def encoding_of(head: bytes) -> str:
    """Return the encoding of a table by its first two bytes."""
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def opening_of(lines: Sequence[str]) -> tuple[int, str]:
    """Return how many lines stand before the header, and what parts cells."""
    skip = 0
    delimiter = _delimiter(lines[0]) if lines else ","
    if lines and (found := re.fullmatch(r"sep=(.)", lines[0].strip(), re.IGNORECASE)):
        skip, delimiter = 1, found[1]
    while lines[skip:] and lines[skip].startswith("#"):
        skip += 1
        delimiter = _delimiter(lines[skip]) if lines[skip:] else delimiter
    return skip, delimiter


def each_row(path: Path, lines: Iterable[str], skip: int, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of lines that are not blank, with their numbers; ReadError where quotes do not close."""
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        for row in reader:
            if reader.line_num > skip and any(cell.strip() for cell in row):
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as error:
        raise ReadError(
            f"{path}: cannot be read as a table ({error}); write a CSV with path,label"
        ) from error


def has_header(path: Path, first: tuple[int, list[str]]) -> bool:
    """Tell a header from a row of a path and a label."""
    cells = first[1]
    return not (len(cells) == 2 and _looks_like_file(cells[0]) and (path.parent / cells[0]).is_file())


def headed_table(path: Path, first: tuple[int, list[str]], rows: list[tuple[int, list[str]]]) -> ItemTable:
    """Return rows under the header that the first row of their file is, or else under `path,label`."""
    if has_header(path, first):
        return ItemTable(path, tuple(first[1]), rows)
    return ItemTable(path, ("path", "label"), rows, headed=False)


def _delimiter(header: str) -> str:
    """Return what parts the names of a header: what makes most names that are known, then most names."""
    known = {*_PATHS, *_WEAK_PATHS, *_LABELS, *_STARTS, *_ENDS, *_SPLIT_NAMES, *_FOLDS}

    def score(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([header], delimiter=delimiter), [])
        return sum(_key(name) in known for name in names), len(names)

    return max(",;\t|", key=score)


def _label_track(path: Path, text: str, most: int | None) -> ItemTable | None:
    """Return the rows of an Audacity label track; its lines that begin with a backslash are bands of frequency."""
    rows: list[tuple[int, list[str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        cells = line.rstrip("\r\n").split("\t")
        if len(cells) not in (2, 3) or not all(re.fullmatch(r"\d+[.,]\d+", cell) for cell in cells[:2]):
            return None
        rows.append((number, [*(cell.replace(",", ".") for cell in cells[:2]), "".join(cells[2:]).strip()]))
        if len(rows) == most:
            break
    if not rows or not any(cells[2] for _, cells in rows) or not sound_beside(path):
        return None
    return ItemTable(path, ("start", "end", "label"), rows, headed=False)


def sound_beside(table: Path) -> Path | None:
    """Return the sound that a table of its parts belongs to, by its name: `a.wav` of `a.Table.1.selections.txt`."""
    stem = re.sub(
        r"([._ -](table\b.*|selections?\b.*|birdnet\b.*|labels?|annotations?|audacity))+$", "", table.stem,
        flags=re.IGNORECASE,
    )  # fmt: skip
    for name in dict.fromkeys((table.stem, stem)):
        for suffix in sorted(readers()["audio"].suffixes):
            for written in (suffix, suffix.upper()):
                if (sound := table.with_name(name + written)).is_file():
                    return sound
    return None


def _looks_like_file(cell: str) -> bool:
    return bool(re.fullmatch(r"[^\n]{0,4000}[^\W_].*\.[A-Za-z]\w{0,7}(#\w+=.*)?", cell)) and not is_number(
        cell
    )


def is_number(text: str) -> bool:
    """Tell a number, with a decimal point or comma."""
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def find_columns(
    table: ItemTable,
    locator: Locator,
    *,
    label: str | None,
    group: str | None,
    need_labels: bool,
    notes: list[str],
) -> TableColumns:
    """Return what the columns of a table are, adding notes on those that might have been others.

    Raises
    ------
    ReadError
        There is no column of paths, or none of labels where these are needed; the message lists the columns.
    ParameterError
        There is no column of the name that is asked for.
    """
    keys = table.keys
    time = _time_of(keys)
    if "slice_file_name" in keys and time:
        time = None  # UrbanSound8K: where a slice was in a recording that is not there
        notes.append("start and end are left alone, for the files are slices already")
    path = _path_column(table, locator, time=time is not None)
    if path is not None and keys[path] not in _PATHS:
        notes.append(f"paths are in column {table.columns[path]!r}")
    taken = {path, *(time.indices if time else ())}
    labels = _label_column(table, label, taken, need=need_labels, notes=notes)
    names = ", ".join(table.columns)
    if labels is not None and keys.count(keys[labels]) > 1:
        raise ReadError(f"{table.path}: line 1 must have one column {table.columns[labels]!r}, got {names}")
    taken.add(labels)
    split = next((k for k, key in enumerate(keys) if k not in taken and _is_split(table, k, key)), None)
    fold = _first(keys, _FOLDS, taken)
    return TableColumns(path, labels, split, fold, _group_column(table, group, taken | {split, fold}), time)


def _first(keys: Sequence[str], names: Sequence[str], taken: Collection[int | None] = ()) -> int | None:
    return next((keys.index(name) for name in names if name in keys and keys.index(name) not in taken), None)


def _path_column(table: ItemTable, locator: Locator, *, time: bool) -> int | None:
    keys = table.keys
    if keys.count("path") > 1:
        raise ReadError(f"{table.path}: line 1 must have one column 'path', got {', '.join(table.columns)}")
    if table.headed and any(
        _looks_like_file(name) and locator.find(name, deep=False) for name in table.columns
    ):
        raise ReadError(
            f"{table.path}: has no header, for line 1 names a file; write one, such as path,label"
        )
    found = _first(keys, _PATHS)
    if found is None:
        found = _path_by_content(table, locator, deep=True)
    if found is None and not (time and sound_beside(table.path)):
        raise ReadError(
            f"{table.path}: line 1 must have one column 'path', got {', '.join(table.columns)}; add it"
        )
    return found


def _path_by_content(table: ItemTable, locator: Locator, *, deep: bool) -> int | None:
    """Return the column whose first cells name files that are there; a list of paths alone is no table."""
    if len(table.columns) < 2:
        return None
    some = table.rows[:3]
    for index, key in enumerate(table.keys):
        cells = [row[index] for _, row in some if index < len(row)]
        plain = key in _WEAK_PATHS
        if cells and all(
            (plain or _looks_like_file(cell)) and locator.find(cell, deep=deep) for cell in cells
        ):
            return index
    return None


def _label_column(
    table: ItemTable, asked: str | None, taken: set[int | None], *, need: bool, notes: list[str]
) -> int | None:
    if asked == "none":
        return None
    if asked is not None:
        return _column_named(table, asked, "--label")
    keys = table.keys
    named = [keys.index(name) for name in _LABELS if name in keys and keys.index(name) not in taken]
    if not named and {"begin_time_s", "end_time_s"} <= set(keys):  # of Raven: the one column that was added
        added = [index for index, key in enumerate(keys) if key not in _RAVEN_COLUMNS and index not in taken]
        named = added if len(added) == 1 else []
    if not named and need:
        names = ", ".join(table.columns) or "nothing"
        raise ReadError(f"{table.path}: has no column of labels, only {names}; name one: --label COLUMN")
    if len(named) > 1:
        others = ", ".join(repr(table.columns[index]) for index in named[1:])
        notes.append(
            f"labels are from column {table.columns[named[0]]!r}, not {others}; overrule: --label COLUMN"
        )
    return named[0] if named else None


def _column_named(table: ItemTable, name: str, option: str) -> int:
    for spelt, wanted in ((table.columns, name), (tuple(table.keys), _key(name))):
        if wanted in spelt:
            return spelt.index(wanted)
    raise ParameterError(
        f"{table.path}: has no column {name!r} for {option}, only {', '.join(table.columns)}"
    )


def split_of(key: str, cell: str) -> SplitName | None:
    """Return the split that a cell names, or says to be one (`is_valid`: true); None where it is none."""
    if key in FLAGS and cell.lower() in _FLAG_WORDS:
        return FLAGS[key][_FLAG_WORDS[cell.lower()]]
    return SPLITS.get(cell.lower())


def _is_split(table: ItemTable, index: int, key: str) -> bool:
    """Tell a column of splits: the first of its names surely, others where every cell is one, or true or false."""
    if key in FLAGS:
        said = {row[index].lower() for _, row in table.rows}
        return len({_FLAG_WORDS.get(word) for word in said} - {None}) == 2 and said <= set(_FLAG_WORDS)
    if key not in _SPLIT_NAMES:
        return False
    return key == "split" or all(row[index].lower() in SPLITS for _, row in table.rows)


def _group_column(table: ItemTable, asked: str | None, taken: Collection[int | None]) -> int | None:
    if asked is not None:
        return None if asked == "none" else _column_named(table, asked, "--group")
    keys = table.keys
    if "group" in keys:
        return keys.index("group")
    named = (keys.index(name) for name in _GROUPS if name in keys and keys.index(name) not in taken)
    return next((index for index in named if len({row[index] for _, row in table.rows} - {""}) > 1), None)


def _time_of(keys: Sequence[str]) -> TimeColumns | None:
    """Find start and end, onset and offset, or offset and duration, with the unit that their names say."""
    bare = [_bare(key) for key in keys]
    names, units = [name for name, _ in bare], [unit for _, unit in bare]
    start = _first(names, _STARTS)
    if start is None:
        return None
    end, duration = _first(names, _ENDS, {start}), _first(names, _DURATIONS)
    if names[start] == "offset" and duration is None:
        return None
    if end is None and duration is None:
        return None
    unit = units[start] or units[end if end is not None else start]
    offset = names.index("file_offset") if "file_offset" in names else None
    return TimeColumns(
        start, end, None if end is not None else duration, offset, _UNITS_S[unit], named=bool(unit)
    )


def _bare(key: str) -> tuple[str, str]:
    """Split the name of a column from its unit: `start_ms` is `start`, `ms`."""
    name, _, unit = key.rpartition("_")
    return (name, unit) if name and unit in _UNITS_S else (key, "")
