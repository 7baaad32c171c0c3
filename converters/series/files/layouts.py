"""What the rows and columns of a table stand for: samples and channels, items and samples, or one sample of an item."""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...core.delimited import UNITS_S, is_clock, is_date, is_missing, is_number
from ...core.errors import ReadError
from ...core.files import Note, ReadOptions
from ...core.sheet import Sheet, sniff_sheet
from .times import (
    alike,
    counts_rows,
    is_time,
    looks_like_time,
    named_unit_of_time,
    rises_evenly,
    runs_like_time,
    serial_days,
    unit_by_size,
)

LABELS = frozenset(
    (
        "label", "labels", "class", "classes", "class_label", "classlabel", "class_name", "target", "targets",
        "category", "activity", "y", "outcome", "diagnosis", "species", "ground_truth",
    )
)  # fmt: skip
IDS = frozenset(
    (
        "id", "item", "item_id", "series", "series_id", "case", "case_id", "sample_id", "instance", "instance_id",
        "unique_id", "uid", "ts_id", "record", "record_id", "segment", "segment_id", "window", "window_id",
        "measurement_id",
    )
)  # fmt: skip
GROUPS = frozenset(
    (
        "subject", "subject_id", "user", "user_id", "patient", "patient_id", "session", "session_id", "trial",
        "trial_id", "recording", "recording_id", "device", "device_id", "machine", "machine_id", "sensor_id", "file",
        "filename", "name", "person", "group", "run",
    )
)  # fmt: skip
DIMENSIONS = frozenset(
    ("dim", "dim_id", "dimension", "dimension_id", "variable", "channel", "channel_id", "sensor")
)
# The word before the number in headers of values in time, and in headers of channels.
_NUMBERED = re.compile(r"([a-z]*(?:[_ -][a-z]+)*)[_ \-.\[(]?0*(\d+)[\])]?")
_INDICES = frozenset(("", "index", "unnamed: 0", "__index_level_0__"))  # what pandas calls it
FEW_COLUMNS = 8
MANY_COLUMNS = 16


class SampledTable:
    """The first rows of a table, and the questions asked of them."""

    def __init__(self, sheet: Sheet, path: Path, options: ReadOptions, complete: bool) -> None:
        self.sheet, self.path, self.options, self.complete = sheet, path, options, complete
        self.sampled = sheet.rows
        self.width = sheet.form.columns
        self.names = sheet.names
        self.keys = [_key(name) for name in sheet.names] if sheet.names else [""] * self.width
        self.decimal = sheet.form.decimal
        self._numbers: dict[int, np.ndarray] = {}

    # What is asked of a column.

    def fields(self, index: int) -> list[str]:
        """Return a column as text."""
        return [row[index] if index < len(row) else "" for row in self.sampled]

    def numbers(self, index: int) -> np.ndarray:
        """Return a column as numbers, NaN where it holds none, or one without end."""
        if index not in self._numbers:
            fields = self.fields(index)
            if self.decimal == ",":
                fields = [field.replace(",", ".") for field in fields]
            found = np.array([float(field) if is_number(field) else np.nan for field in fields])
            self._numbers[index] = np.where(np.isfinite(found), found, np.nan)
        return self._numbers[index]

    def is_text(self, index: int) -> bool:
        """Tell whether a column holds words rather than numbers."""
        fields = [field for field in self.fields(index) if not is_missing(field)]
        words = sum(not is_number(field, self.decimal) for field in fields)
        return 2 * words > len(fields)

    def is_whole(self, index: int) -> bool:
        """Tell whether a column holds whole numbers alone."""
        known = self.numbers(index)[~np.isnan(self.numbers(index))]
        whole = np.isfinite(known).all() and not (known % 1).any()
        return len(known) > 0 and not self.is_text(index) and bool(whole)

    def is_time_in_words(self, index: int | None) -> bool:
        """Tell a column of dates, also of dates such as 20241231."""
        if index is None:
            return False
        compact = "date" in self.keys[index] and all(
            re.fullmatch(r"(19|20)\d{6}", f.strip()) for f in self.fields(index)
        )
        return self.is_text(index) or compact

    def first_words(self, time: int | None) -> str | None:
        """Return the first field, with its column, that holds no number."""
        index = next((k for k in range(self.width) if k != time and self.is_text(k)), None)
        return (
            None
            if index is None
            else f"{self.sampled[0][index].strip()[:40]!r} in column {self.name(index)!r}"
        )

    def name(self, index: int) -> str:
        """Return what to call a column: its name, or its number from 1."""
        return self.names[index].strip() if self.names and self.names[index].strip() else str(index + 1)

    def column(self, name: str, option: str) -> int:
        """Return the column that the user named."""
        keys = [text.strip().lower() for text in self.names or ()]
        if name.strip().lower() in keys:
            return keys.index(name.strip().lower())
        if name == "first":
            return 0
        if name == "last":
            return self.width - 1
        if name.isdigit() and 1 <= int(name) <= self.width:
            return int(name) - 1
        found = ", ".join(self.names[:12]) if self.names else f"columns 1 to {self.width}"
        raise ReadError(f"{self.path}: has no column {name!r}, named by --{option}; it has {found}")

    def numbered(self) -> tuple[list[int], str]:
        """Return the columns whose names are a word and numbers that count up, and the word; or times on a grid."""
        grid = [index for index, name in enumerate(self.names or ()) if is_number(name)]
        if len(grid) > FEW_COLUMNS and rises_evenly(
            np.array([float(self.names[k]) for k in grid if self.names])
        ):
            return grid, ""
        found: dict[str, list[tuple[int, int]]] = {}
        for index, name in enumerate(self.names or ()):
            if parts := _NUMBERED.fullmatch(name.strip().lower()[:40]):
                found.setdefault(parts[1], []).append((index, int(parts[2])))
        word, most = max(found.items(), key=lambda item: len(item[1]), default=("", []))
        counted = [number for _, number in most]
        if counted != list(range(counted[0], counted[0] + len(counted)) if counted else []):
            return [], ""
        return [index for index, _ in most], word

    def named(self, names: frozenset[str]) -> int | None:
        """Return the first column that has one of these names."""
        return (
            next((index for index, key in enumerate(self.keys) if key in names), None) if self.names else None
        )

    def item_column(self) -> int | None:
        """Return the column that says which item a sample is of: by its name, beside a time that starts anew."""
        time = self.time_by_name()
        if time is None or self.width < 3:
            return None
        if (index := self.named(IDS)) is not None and not self.counts(index) and index != time:
            return index if not self.complete or len(set(self.fields(index))) > 1 else None
        index = self.named(GROUPS)
        if index is None:
            return None
        fields = self.fields(index)
        changes = [k for k in range(1, len(fields)) if fields[k] != fields[k - 1]]
        falls = np.flatnonzero(np.diff(self.numbers(time)) < 0) + 1
        return index if len(falls) and set(falls.tolist()) <= set(changes) else None

    def starts_with_time(self) -> bool:
        """Tell whether the first column runs as times do."""
        return self.width > 1 and looks_like_time(self.fields(0), self.numbers(0))

    def label_by_content(self) -> int | None:
        """Return the first or the last column where it holds labels: words or few whole numbers beside fractions."""
        if self.width <= FEW_COLUMNS:
            return None
        if len(self.sampled) < 2:
            return next((index for index in (0, self.width - 1) if self.is_text(index)), None)
        return next((index for index in (0, self.width - 1) if self.holds_labels(index)), None)

    def holds_labels(self, index: int) -> bool:
        """Tell whether a column holds labels: few words, or few whole numbers beside fractions."""
        labels = [field.strip() for field in self.fields(index)]
        others = [field for row in self.sampled for k, field in enumerate(row[:64]) if k != index]
        if index and self.width > 64:
            others = [field for row in self.sampled for field in row[:63]]
        few = 2 * len(set(labels)) <= len(labels)
        if self.is_text(index):
            return (
                few
                and not is_date(labels[0])
                and all(is_number(f, self.decimal) or is_missing(f) for f in others)
            )
        if not self.is_whole(index) or np.isnan(self.numbers(index)).any():
            return False
        fractions = sum("." in field or ("," in field and self.decimal == ",") for field in others)
        if not few or 2 * fractions <= len(others) or self.is_smooth_along_columns():
            return False
        return index == 0 or len(set(labels)) <= 10

    def smoothness(self) -> tuple[float, float]:
        """Return how alike neighbours are along rows and along columns: 1 for the same, 0 for noise."""
        width = min(len(row) for row in self.sampled)
        inner = range(1, min(width - 1, 200))
        if len(self.sampled) < 4 or len(inner) < 4:
            return 0.0, 0.0
        values = np.array([self.numbers(index) for index in inner]).T
        if not np.isfinite(values).all():
            return 0.0, 0.0
        return alike(values), alike(values.T)

    def is_smooth_along_rows(self) -> bool:
        """Tell rows that are series: neighbours in a row are alike, and neighbours in a column are not."""
        if self.width < MANY_COLUMNS or self.starts_with_time():
            return False
        rows, columns = self.smoothness()
        return rows > 0.8 and columns < 0.4

    def is_smooth_along_columns(self) -> bool:
        """Tell columns that are series: neighbours in a column are more alike than those in a row."""
        rows, columns = self.smoothness()
        return columns > 0.8 and rows < columns - 0.2

    def is_empty(self, index: int) -> bool:
        """Tell the column without a name or value that a delimiter at the end of each line makes."""
        nameless = self.names is None or not self.names[index].strip()
        return nameless and index == self.width - 1 > 0 and all(map(is_missing, self.fields(index)))

    def is_plain_channel(self) -> bool:
        """Tell a column called `y` that is one of positions or values: an `x` stands beside it, or it has fractions."""
        index = self.named(LABELS)
        if index is None or self.keys[index] != "y":
            return False
        return "x" in self.keys or not (self.is_text(index) or self.is_whole(index))

    def is_constant_id(self, index: int, time: int | None) -> bool:
        """Tell an id or a group that is the same in every row."""
        known = self.keys[index] in IDS | GROUPS and self.complete and time is not None
        return known and self.width > 2 and len(set(self.fields(index))) == 1

    def is_left_out(self, index: int) -> bool:
        """Tell a named column of words among columns of numbers."""
        if self.names is None or len(self.sampled) < 3 or not self.is_text(index):
            return False
        words = [field for field in self.fields(index) if not is_missing(field)]
        return len(words) > 2 and not any(is_number(field, self.decimal) for field in words)

    def counts(self, index: int, notes: list[Note] | None = None) -> bool:
        """Tell whether a column only numbers the rows; where it has a name, note that."""
        if self.names is None or self.width < 2:
            return False
        values, name = self.numbers(index), self.names[index]
        unnamed = index == 0 and name.strip().lower() in _INDICES
        whole = unnamed and self.is_whole(0) and len(set(values.tolist())) == len(values)
        if not (counts_rows(name, values) or whole):
            return False
        if notes is not None and name.strip():
            notes.append(
                Note(f"column {name.strip()!r} only counts the rows and is left out; --columns keeps it")
            )
        return True

    def time_by_name(self) -> int | None:
        """Return the first column with the name of a time."""
        return next((index for index, name in enumerate(self.names or ()) if is_time(name)), None)


def _key(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")


_HALVES = re.compile(r".*_(train|test|val|valid|validation|dev)\.(tsv|txt|csv)(\.gz)?", re.IGNORECASE)
_STEPS = frozenset(("", "t", "v", "x", "att", "attr", "f", "feat", "feature", "value", "val", "s", "step", "point", "p",
                    "time", "col", "column", "c", "sample", "tick", "lag"))  # fmt: skip
_CHANNELS = frozenset(
    ("ch", "channel", "chan", "eeg", "emg", "ecg", "electrode", "sensor", "lead", "node", "probe", "dim")
)
_FEW_ROWS = 10  # too few to say whether whole numbers are labels or values


@dataclass(frozen=True)
class SeriesColumns:
    """What the columns of a table are.

    Parameters
    ----------
    layout
        `columns`: a row is a sample; `rows`: a row is an item; `row`: the only row is the series; `long`: a row is a
        sample of an item.
    values
        The columns that hold values.
    time, clock, label, item, dimension
        Other columns with a meaning, None where there is none; `clock` is the time of day where `time` is the date.
    unit_s
        Seconds in one unit of time.
    text
        SeriesColumns whose fields are not numbers.
    notes
        What was found by content alone, and how to overrule it.
    """

    layout: Literal["columns", "rows", "row", "long"]
    values: tuple[int, ...]
    time: int | None = None
    label: int | None = None
    item: int | None = None
    dimension: int | None = None
    unit_s: float = 1.0
    text: frozenset[int] = frozenset()
    notes: tuple[Note, ...] = ()
    clock: int | None = None


def understand(sheet: Sheet, path: Path, options: ReadOptions, *, complete: bool) -> SeriesColumns:
    """Decide what the columns of a table are, by its header, its first rows, and what the user said.

    Raises
    ------
    ReadError
        The user named a column that is not there, or no column of values is left.
    """
    table = _Table(sheet, path, options, complete)
    layout = options.layout or table.layout()
    makers = {"long": table.long, "rows": table.rows, "row": table.row, "columns": table.columns}
    columns = makers[layout]()
    if options.columns:
        columns = replace(columns, values=tuple(table.column(name, "columns") for name in options.columns))
    if not columns.values:
        if words := table.first_words(columns.time):
            raise ReadError(
                f"{path}: {words} is no number; write plain numbers in one column for each channel"
            )
        raise ReadError(f"{path}: has a time column and no other; add one column for each channel")
    if layout == "columns" and not options.layout and (n := len(columns.values)) >= MANY_COLUMNS:
        note = Note(f"its {n} columns are taken as channels; transpose it if each is an item: --layout rows")
        columns = replace(columns, notes=(*columns.notes, note))
    in_words = {columns.label, columns.item, columns.dimension, columns.clock}
    if table.is_time_in_words(columns.time):
        in_words.add(columns.time)
    used = {columns.time, *columns.values}
    text = frozenset(index for index in range(table.width) if index in in_words or index not in used)
    return replace(columns, text=text, notes=(*sheet.notes, *columns.notes))


class _Table(SampledTable):
    """The first rows of a table, and what each layout makes of its columns."""

    # Which layout.

    def layout(self) -> Literal["columns", "rows", "row", "long"]:
        if self.names is not None:
            return self._layout_by_header()
        one_row = self.complete and len(self.sampled) == 1
        if _HALVES.fullmatch(self.path.name) and self._is_half():
            return "rows"
        if one_row and self.width > 1:
            return (
                "rows"
                if self.width > FEW_COLUMNS and (self.is_text(0) or self.is_text(self.width - 1))
                else "row"
            )
        if self.label_by_content() is not None or self.is_smooth_along_rows():
            return "rows"
        return "columns"

    def _is_half(self) -> bool:
        """Tell whether a file named as half of a set holds a row an item: rows are long, or begin with labels."""
        if self.width < 2 or (
            self.width <= FEW_COLUMNS and len(self.sampled) > 3 and self.starts_with_time()
        ):
            return False
        if self._label_of_half() is not None:
            return True
        return self.width > FEW_COLUMNS and not self.is_smooth_along_columns()

    def _layout_by_header(self) -> Literal["columns", "rows", "row", "long"]:
        if self.item_column() is not None:
            return "long"
        numbered, word = self.numbered()
        if len(numbered) < FEW_COLUMNS or word in _CHANNELS or self.time_by_name() is not None:
            return "columns"
        labelled = self.named(LABELS) is not None
        if self.complete and len(self.sampled) == 1 and not labelled:
            return "row"
        if labelled or (word in _STEPS and self._is_wide(len(numbered))):
            return "rows"
        return "columns"

    def _is_wide(self, count: int) -> bool:
        """Tell whether so many numbered columns without a label are rather samples than channels."""
        if self.is_smooth_along_rows():
            return True
        least = max(MANY_COLUMNS, len(self.sampled)) if self.complete else 4 * MANY_COLUMNS
        return count > least and not self.is_smooth_along_columns()

    # What each layout makes of the columns.

    def columns(self) -> SeriesColumns:
        everything = range(self.width)
        notes: list[Note] = []
        time = self._time(notes)
        unit_s = self._unit_s(time, notes) if time is not None else 1.0
        label = None
        if self.options.label not in (None, "none"):
            label = self.column(self.options.label or "", "label")
        elif self.options.label is None and self.width > 2:
            label = self.named(LABELS - {"y"})
        clock = self._clock(time)
        values: list[int] = []
        for index in everything:
            if index == clock or self.is_empty(index):
                continue
            if index == time or self.counts(index, notes):
                continue
            if self.is_constant_id(index, time):
                notes.append(Note(f"column {self.name(index)!r} is the same in every row and is left out"))
                continue
            if index == label:
                notes.append(Note(
                    f"column {self.name(index)!r} is a label of each sample and is left out; "
                    "--label none keeps it as a channel, --layout rows takes each row as an item"
                ))  # fmt: skip
            elif self.is_left_out(index):
                notes.append(Note(f"column {self.name(index)!r} holds words and is left out", loss=True))
            else:
                values.append(index)
        enough = len(self.sampled) > FEW_COLUMNS and len(values) > 1 and values[0] == 0
        if time is None is self.options.time and enough and rises_evenly(self.numbers(0)):
            name = self.name(0)
            notes.append(
                Note(f"column {name!r} rises evenly, as times do, and is a channel; --time names it")
            )
        return SeriesColumns(
            "columns", tuple(values), time, label, unit_s=unit_s, notes=tuple(notes), clock=clock
        )

    def _clock(self, time: int | None) -> int | None:
        """Return the column of times of day that stands beside one of dates alone."""
        if time is None or not is_date(self.sampled[0][time]) or ":" in self.sampled[0][time]:
            return None
        return next((k for k in range(self.width) if k != time and is_clock(self.sampled[0][k])), None)

    def _time(self, notes: list[Note]) -> int | None:
        said = self.options.time
        if said == "none":
            return None
        if said:
            name, _, unit = said.rpartition(":")
            return self.column(name if name and unit.lower() in UNITS_S else said, "time")
        if self.names is None:
            return 0 if self.width > 1 and self.starts_with_time() else None
        dated = [k for k in range(self.width) if is_date(self.sampled[0][k])]
        dated.sort(key=lambda k: is_clock(self.sampled[0][k]))
        return dated[0] if dated else self._time_that_runs(self.names, notes)

    def _time_that_runs(self, names: Sequence[str], notes: list[Note]) -> int | None:
        """Return the column with the name of a time that also runs like one; or an index of fractions that does."""
        for index, name in enumerate(names):
            if is_time(name) and runs_like_time(name, self.numbers(index)):
                return index
            if is_time(name):
                notes.append(
                    Note(f"column {name.strip()!r} does not run like time and is a channel; --time names one")
                )
        unnamed = self.width > 1 and not names[0].strip() and not self.is_whole(0)
        return 0 if unnamed and rises_evenly(self.numbers(0)) else None

    def _unit_s(self, time: int, notes: list[Note]) -> float:
        said = (self.options.time or "").rpartition(":")[2].lower()
        if self.options.time and said in UNITS_S and ":" in self.options.time:
            return UNITS_S[said]
        if self.is_time_in_words(time):
            return 1.0
        below = self.sheet.units[time].strip(" []()").lower() if self.sheet.units else ""
        named = UNITS_S.get(below) or named_unit_of_time(self.names[time] if self.names else "")
        if named is not None:
            return named
        if self.names is None:
            return 1.0
        times = self.numbers(time)
        falls = (np.diff(times) < 0).any()  # the samples of several items, or a table the wrong way round
        times = np.unique(times) if falls else times
        unit_s, note = serial_days(times, self.keys[time]) or unit_by_size(times)
        notes.extend([note] if note else [])
        return unit_s

    def row(self) -> SeriesColumns:
        note = Note(
            f"its only row is taken as a series of {self.width} samples; "
            "--layout columns takes it as one sample of each channel"
        )
        return SeriesColumns("row", tuple(range(self.width)), notes=(note,))

    def rows(self) -> SeriesColumns:
        label = self._row_label()
        numbered = set(self.numbered()[0])
        values, notes = [], []
        for index in range(self.width):
            if index == label:
                continue
            if self.names is not None and (self._is_beside(index, numbered) or self.counts(index)):
                notes.append(Note(f"column {self.name(index)!r} is no value of a series and is left out"))
            else:
                values.append(index)
        where = "no label" if label is None else f"the label in column {self.name(label)!r}"
        if self.options.layout is None:
            notes.insert(0, Note(
                f"each row is taken as an item of {len(values)} samples, with {where}; "
                "--layout columns takes each column as a channel, --label names another column or none"
            ))  # fmt: skip
        return SeriesColumns("rows", tuple(values), label=label, notes=tuple(notes))

    def _is_beside(self, index: int, numbered: Set[int]) -> bool:
        """Tell a column that is none of the values: a word among them, or named otherwise where they are numbered."""
        if len(numbered) >= FEW_COLUMNS:
            return index not in numbered
        return self.keys[index] in IDS | GROUPS or self.is_text(index)

    def _row_label(self) -> int | None:
        said = self.options.label
        if said is not None:
            return None if said == "none" else self.column(said, "label")
        if self.names is not None:
            return self.named(LABELS)
        if _HALVES.fullmatch(self.path.name):
            return self._label_of_half()
        return self.label_by_content()

    def _label_of_half(self) -> int | None:
        """Return the column of labels of a file that is named as half of a set: as in the UCR archive, by content."""
        first = [field.strip() for field in self.fields(0)]
        words = [not is_number(field, self.decimal) and not is_missing(field) for field in first]
        others = [field for row in self.sampled for field in row[1:64]]
        whole = all(
            is_missing(field) or (is_number(field, self.decimal) and float(field.replace(",", ".")) % 1 == 0)
            for field, word in zip(first, words, strict=True)
            if not word
        )
        if not whole:
            return self.label_by_content()
        distinct = len(set(first))
        fractions = 4 * sum("." in field for field in others) > len(others)
        if (
            any(words)
            or fractions
            or (distinct <= 60 and (2 * distinct <= len(first) or len(first) < _FEW_ROWS))
        ):
            return 0
        return self.label_by_content()

    def long(self) -> SeriesColumns:
        notes: list[Note] = []
        time = self._time(notes)
        item = self.item_column()
        if item is None:
            item = next(
                (k for k in (self.named(IDS), self.named(GROUPS), 0) if k is not None and k != time), None
            )
        if item is None:
            raise ReadError(f"{self.path}: has no column that says which item a row is of; name it `id`")
        if self.names is None and time in (None, item):
            time = 1 if self.width > 2 and self.options.time is None else None
        dimension = self.named(DIMENSIONS)
        said = self.options.label
        label = None if said == "none" else self.column(said, "label") if said else self.named(LABELS)
        if said is None and label is not None and self.is_plain_channel():
            label = None
        used = {time, item, dimension, label}
        values = tuple(
            index for index in range(self.width) if index not in used and not self.is_left_out(index)
        )
        unit_s = self._unit_s(time, notes) if time is not None else 1.0
        if self.options.layout is None:
            notes.insert(0, Note(
                f"each row is a sample of the item in column {self.name(item)!r}; --layout columns takes one series"
            ))  # fmt: skip
        return SeriesColumns("long", values, time, label, item, dimension, unit_s, notes=tuple(notes))


def looks_like_series(head: bytes, path: Path, *, complete: bool) -> bool:
    """Tell a table that holds words beside its numbers, and is surely one of series: long rows, or `id,time,value`."""
    sheet = sniff_sheet(head, complete=complete)
    if sheet is None or not sheet.rows or (sheet.names and len(sheet.names) != sheet.form.columns):
        return False
    table = _Table(sheet, path, ReadOptions(), complete)
    texts = [
        index
        for index in range(min(table.width, 64))
        if table.is_text(index) and not is_date(sheet.rows[0][index])
    ]
    if len(texts) > 2 or any(len(row) != table.width for row in sheet.rows):
        return False
    if sheet.names is None:
        return table.layout() == "rows" and table.width > FEW_COLUMNS
    meant = IDS | GROUPS | LABELS | DIMENSIONS
    named = all(table.keys[index] in meant for index in texts)
    return named and (table.layout() in ("rows", "long") or table.time_by_name() is not None)
