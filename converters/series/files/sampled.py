"""The first rows of a table, and the questions asked of its columns."""

import re
from pathlib import Path

import numpy as np

from ...core.delimited import is_date, is_missing, is_number
from ...core.errors import ReadError
from ...core.files import Note, ReadOptions
from ...core.sheet import Sheet
from .steps import counts_rows, is_time, looks_like_time, rises_evenly

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
        """Return a column as numbers, NaN where it holds none."""
        if index not in self._numbers:
            fields = self.fields(index)
            if self.decimal == ",":
                fields = [field.replace(",", ".") for field in fields]
            self._numbers[index] = np.array(
                [float(field) if is_number(field) else np.nan for field in fields]
            )
        return self._numbers[index]

    def is_text(self, index: int) -> bool:
        """Tell whether a column holds words rather than numbers."""
        fields = [field for field in self.fields(index) if not is_missing(field)]
        words = sum(not is_number(field, self.decimal) for field in fields)
        return 2 * words > len(fields)

    def is_whole(self, index: int) -> bool:
        """Tell whether a column holds whole numbers alone."""
        known = self.numbers(index)[~np.isnan(self.numbers(index))]
        return len(known) > 0 and not self.is_text(index) and bool((known % 1 == 0).all())

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


def alike(values: np.ndarray) -> float:
    """Return the correlation of neighbours along the last axis, each row taken from its own mean."""
    centred = values - values.mean(axis=1, keepdims=True)
    power = float((centred**2).sum())
    return float((centred[:, 1:] * centred[:, :-1]).sum() / power) if power > 0 else 0.0


def _key(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_")
