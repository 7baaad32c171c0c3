"""Series read whole, one or many: NumPy files, arrays of any other file, `.ts` and `.arff`, and labels beside them."""

import csv
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from ...core.delimited import PlainText, allow_long_fields, is_number, parse_fields, text_lines
from ...core.errors import ReadError, short
from ...core.files import (
    HEAD_BYTES,
    MAPPED_FROM_BYTES,
    Note,
    ReadOptions,
    check_npy_header,
    check_unpacked,
    read_head,
)
from .times import UnevenTimeError, alike, evenly

_MOST_CLASSES = 20


class Recording(Protocol):
    """An open file of one series, parts of which can be read."""

    @property
    def count(self) -> int:
        """Samples."""

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
        """Return float32 (channels, samples), the step in seconds where known, and what was found."""


@dataclass(frozen=True, eq=False)
class Archive:
    """A file of many series, read whole.

    Parameters
    ----------
    path
        Where it lies.
    items
        float32 (channels, samples) of each; lengths may differ.
    labels
        One for each item; None where the file knows none.
    lines
        The line of each item in the file, from 1; none where the file has no lines.
    steps
        The step of each item in seconds; none where the file knows none.
    notes
        What was found in the file.
    targets
        Whether the file gives numbers to predict in place of labels.
    """

    path: Path
    items: tuple[np.ndarray, ...]
    labels: tuple[str, ...] | None
    lines: tuple[int, ...] = ()
    steps: tuple[float | None, ...] = ()
    notes: tuple[Note, ...] = ()
    targets: bool = False


@dataclass(frozen=True, eq=False)
class OneSeries:
    """A file of one series as an array (channels, samples); of a mapped file only what is asked for is read."""

    path: Path
    values: np.ndarray
    step_s: float | None = None
    notes: tuple[Note, ...] = ()

    @property
    def count(self) -> int:
        """Samples."""
        return int(self.values.shape[1])

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
        """Return float32 (channels, samples), the step in seconds, and notes."""
        return finite(self.values[:, start:stop], self.path), self.step_s, self.notes


def finite(array: np.ndarray, path: Path) -> np.ndarray:
    """Return float32 without infinity.

    Raises
    ------
    ReadError
        There is one, or a number too large for float32.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # invalid: NaN of unusual bits, which stays NaN
        values = np.asarray(array, np.float32)
    if np.isinf(values).any():
        channel, sample = np.argwhere(np.isinf(values))[0]
        raise ReadError(
            f"{path}: channel {channel}, sample {sample}: infinite or too large for float32; "
            "correct it, or write NaN where the value is missing"
        )
    return values


def without_padding(values: np.ndarray) -> np.ndarray:
    """Cut NaN off the end of (channels, samples), where all channels have it.

    Examples
    --------
    >>> without_padding(np.array([[1.0, np.nan, 2.0, np.nan, np.nan]]))
    array([[ 1., nan,  2.]])
    """
    present = np.flatnonzero(~np.isnan(values).all(0))
    return values[:, : present[-1] + 1] if len(present) else values[:, :0]


def checked_label(label: str | None, *, path: Path, line: int) -> str:
    """Return a label as text, whole numbers without a point.

    Raises
    ------
    ReadError
        There is none.

    Examples
    --------
    >>> checked_label("1.0000000e+00", path=Path("GunPoint_TRAIN.txt"), line=1)
    '1'
    """
    label = (label or "").strip()
    if not label or label == "?":
        raise ReadError(f"{path}: line {line} has no label; write one, or take the line out")
    if is_number(label) and not label.lstrip("+-").isdigit() and float(label).is_integer():
        return str(int(float(label)))
    return label


def are_targets(labels: Sequence[str]) -> bool:
    """Tell numbers to predict from classes: more than 20 different numbers, most of them fractions.

    Examples
    --------
    >>> are_targets(["1", "2"] * 20), are_targets([str(k / 7) for k in range(30)])
    (False, True)
    """
    different = set(labels)
    if len(different) <= _MOST_CLASSES or not all(is_number(label) for label in different):
        return False
    return 2 * sum(not float(label).is_integer() for label in different) > len(different)


_HALVES = re.compile(r"(?:.*[_-])?(train|test|val|valid|validation|dev)", re.IGNORECASE)
_STEMS = ("y", "Y", "labels", "label", "targets", "target", "classes")
_SUFFIXES = (".txt", ".csv", ".tsv", ".npy")
_LARGEST_BYTES = 1 << 26


def with_labels_beside(archive: Archive) -> Archive:
    """Give an archive without labels those of the one file beside it that holds one for each item."""
    labels, name = ((), "") if archive.labels else labels_beside(archive.path, len(archive.items))
    if not labels:
        return archive
    note = Note(f"its labels are those of {name} beside it; --label none leaves it without")
    return replace(archive, labels=labels, notes=(*archive.notes, note))


def labels_beside(path: Path, count: int) -> tuple[tuple[str, ...], str]:
    """Return the labels in the one file beside another that holds one for each of `count` items, and its name.

    The file is called `y`, `labels` and the like, with the half (`_train`) of the other where that has one; it lies
    in the same folder, or in the one above.
    """
    for file in _candidates(path) if count > 1 else ():
        if file.is_file() and 0 < file.stat().st_size <= _LARGEST_BYTES:
            labels = _read(file)
            if len(labels) == count:
                return labels, file.name
    return (), ""


def _candidates(path: Path) -> Iterator[Path]:
    stem = path.name.partition(".")[0]
    half = _HALVES.fullmatch(stem)
    names = (
        [f"{word}_{half[1]}" for word in _STEMS] + [f"{half[1]}_{word}" for word in _STEMS] if half else []
    )
    names += [f"{stem}_labels"] + ([*_STEMS] if stem.lower() in ("x", "data", "signals", "series") else [])
    for folder in (path.parent, path.parent.parent) if half else (path.parent,):
        yield from (folder / f"{name}{suffix}" for name in names for suffix in _SUFFIXES)


def _read(path: Path) -> tuple[str, ...]:
    """Return the one label on each line; nothing where there are more, or fractions."""
    if path.suffix == ".npy":
        try:
            check_npy_header(read_head(path), path)
            found = np.load(path, allow_pickle=False).reshape(-1)
        except (ValueError, OSError, MemoryError):
            return ()
        lines = [str(value) for value in found.tolist()]
    else:
        lines = [line.strip().strip('"') for line in text_lines(PlainText(path).read()) if line.strip()]
        if lines and lines[0].lower() in _STEMS:
            lines = lines[1:]
    labels = tuple(line.removesuffix(".0") for line in lines)
    single = all(re.fullmatch(r"[^,;\t|.]{1,100}", label) for label in labels)
    return labels if single else ()


_ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.+)", re.IGNORECASE)
Parsed = tuple[list[list[str]], str | None]


def read_ts(path: Path) -> Archive:
    """Read an sktime or aeon file: dimensions parted by `:`, the label last, `?` where a value is missing.

    Raises
    ------
    ReadError
        The file has no `@data`, holds its own timestamps, dimensions of different lengths, or no numbers.
    """
    head, data = _parted(path, comment="#")
    tags = {line.split()[0].lower(): line.split()[1:] for _, line in head if line.startswith("@")}
    if _is_true(tags.get("@timestamps")):
        raise ReadError(f"{path}: holds its own timestamps; write it with @timeStamps false and even steps")
    targets = _is_true(tags.get("@targetlabel"))
    labelled = _is_true(tags.get("@classlabel")) or targets
    archive = _archive(path, data, lambda line: _parse_ts(line, labelled=labelled), labelled=labelled)
    return replace(archive, targets=targets)


def read_arff(path: Path) -> Archive:
    r"""Read a Weka file: a row of values and a class, or of quoted dimensions parted by `\n` and a class.

    The class is the last attribute, where that is nominal. Missing values at the end of a series are padding
    and are cut off.

    Raises
    ------
    ReadError
        The file has no `@data`, is sparse, or holds no numbers.
    """
    head, data = _parted(path, comment="%")
    attributes = [found for _, line in head if (found := _ATTRIBUTE.match(line))]
    kinds = [found[2].strip().lower() for found in attributes]
    targets = bool(kinds) and kinds[-1] in ("numeric", "real", "integer") and _is_target(attributes[-1][1])
    labelled = targets or (bool(kinds) and kinds[-1].startswith("{"))
    relational = "relational" in kinds
    archive = _archive(
        path,
        data,
        lambda line: _parse_arff(line, labelled=labelled, relational=relational),
        labelled=labelled,
    )
    return replace(archive, items=tuple(map(without_padding, archive.items)), targets=targets)


def _is_target(name: str) -> bool:
    return name.strip("'\"").lower() in ("target", "class", "label")


def _parted(path: Path, *, comment: str) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Return the numbered lines before `@data` and those behind it, without blank ones and comments."""
    lines = [
        (number, line.strip())
        for number, line in enumerate(text_lines(PlainText(path).read()), 1)
        if line.strip() and not line.lstrip().startswith(comment)
    ]
    start = next((index for index, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    if start is None:
        raise ReadError(f"{path}: has no line @data; the series stand behind one")
    if start + 1 == len(lines):
        raise ReadError(f"{path}: has nothing behind @data; the series stand there, one a line")
    return lines[:start], lines[start + 1 :]


def _is_true(values: list[str] | None) -> bool:
    return bool(values) and values[0].lower() == "true"  # type: ignore[index]


def _parse_ts(line: str, *, labelled: bool) -> Parsed:
    parts = line.split(":")
    label = parts.pop() if labelled else None
    return [part.split(",") for part in parts], label


def _parse_arff(line: str, *, labelled: bool, relational: bool) -> Parsed:
    if line.startswith("{"):
        raise ValueError("is sparse; write every value")
    quote = '"' if '"' in line and "'" not in line else "'"
    allow_long_fields()
    fields = next(csv.reader([line], quotechar=quote, skipinitialspace=True))
    label = fields.pop() if labelled else None
    if not relational:
        return [fields], label
    return [part.split(",") for field in fields for part in re.split(r"\\n|\n", field)], label


def _archive(
    path: Path, data: list[tuple[int, str]], parse: Callable[[str], Parsed], *, labelled: bool
) -> Archive:
    items, labels = [], []
    for line, text in data:
        try:
            dimensions, label = parse(text)
        except (ValueError, csv.Error) as error:
            raise ReadError(f"{path}: line {line} {error}; mend the line") from error
        items.append(_item(dimensions, path, line))
        if labelled:
            labels.append(checked_label(label, path=path, line=line))
    return Archive(path, tuple(items), tuple(labels) if labelled else None, tuple(line for line, _ in data))


def _item(dimensions: list[list[str]], path: Path, line: int) -> np.ndarray:
    rows = [_numbers(fields, path, line) for fields in dimensions]
    lengths = sorted({len(row) for row in rows})
    if len(lengths) != 1:
        raise ReadError(
            f"{path}: line {line} has dimensions of {' and '.join(map(str, lengths)) or 'no'} values; "
            "give every dimension of an item the same length"
        )
    return np.array(rows, np.float32)


def _numbers(fields: list[str], path: Path, line: int) -> list[float]:
    try:
        numbers = [float(field) for field in fields]
        if np.isfinite(np.array(numbers, np.float32)).all():
            return numbers
    except ValueError:
        pass
    return parse_fields(fields, path=path, line=line)


_LABELS = re.compile(
    r"(?:.*[/_])?(y|ys|labels?|targets?|class(?:es)?|y_(?:train|test)|category)", re.IGNORECASE
)
_RATES = re.compile(
    r"(?:.*[/_])?(fs|sfreq|srate|sampling_?(?:rate|freq|frequency)|sample_?rate|rate_hz|freq_hz)",
    re.IGNORECASE,
)
_TIMES = re.compile(r"(?:.*[/_])?(t|time|times|timestamps?)", re.IGNORECASE)
_MANY_COLUMNS = 16
_MANY_CHANNELS = 10
_SAMPLED_ROWS = 50
_MOST_ARRAYS = 64


def is_rate(name: str) -> bool:
    """Tell whether an array or attribute of this name is a sampling rate in hertz."""
    return _RATES.fullmatch(name) is not None


def open_arrays(path: Path, options: ReadOptions) -> "Recording | Archive":
    """Open an NPY or NPZ file; three dimensions, (items, channels, samples), are an archive without labels.

    Raises
    ------
    ReadError
        The file is cut short, holds pickled objects, no numbers, none or several arrays, or other dimensions.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"PK"
            file.seek(0)
            if not zipped:
                check_npy_header(file.read(HEAD_BYTES), path)
        how: Literal["r"] | None = "r" if path.stat().st_size >= MAPPED_FROM_BYTES else None
        arrays = _load_zipped(path) if zipped else {"": np.load(path, mmap_mode=how, allow_pickle=False)}
    except ReadError:
        raise
    except Exception as error:  # of a damaged header also those of the tokenizer, of zipfile and zlib
        why = f"is damaged or cut short ({short(error)})"
        if "pickle" in str(error) or "Python objects" in str(error):
            why = "holds Python objects, which are never loaded"
        raise ReadError(f"{path}: {why}; save plain numbers with numpy.save") from error
    return arranged(arrays, path, options)


def _load_zipped(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        for member in archive.infolist()[:_MOST_ARRAYS]:
            with archive.open(member) as file:
                check_npy_header(file.read(HEAD_BYTES), path)
    check_unpacked(path, size)
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files[:_MOST_ARRAYS]}


def arranged(arrays: Mapping[str, np.ndarray], path: Path, options: ReadOptions) -> "Recording | Archive":
    """Make a series or an archive of the arrays of a file: values, and beside them labels, times or a rate.

    Raises
    ------
    ReadError
        There is none of numbers, or several that could be meant.
    """
    numbers = {
        name: array
        for name, array in arrays.items()
        if array.dtype.kind in "biuf" and array.size and array.ndim
    }
    wanted = [name for name in options.columns if name in arrays]
    if options.columns and not wanted:
        raise ReadError(f"{path}: has no array {options.columns[0]!r}, it has {', '.join(arrays)[:200]}")
    values = {name: numbers[name] for name in wanted if name in numbers} or {
        name: array for name, array in numbers.items() if array.size > 1 or len(arrays) == 1
    }
    beside = [name for name in values if len(values) > 1 and name not in wanted and _is_beside(name, values)]
    values = {name: array for name, array in values.items() if name not in beside}
    if not values:
        some = next(iter(arrays.values()), np.empty(0))
        raise ReadError(
            f"{path}: holds {some.dtype} {some.shape}, no series; save real numbers of shape (n,), "
            "(channels, n) or (items, channels, n)"
        )
    if len(values) > 1:
        raise ReadError(
            f"{path}: holds {len(values)} arrays ({', '.join(list(values)[:8])}); save one array a file, or name it "
            f"with --columns {next(iter(values))}"
        )
    name, array = next(iter(values.items()))
    labels = _labels_beside(name, arrays, len(array), options)
    found = _shaped(array, labels, path, options)
    if labels is None and options.label is None:
        notes = [Note(
            f"array {name!r} is called like labels, but there is not one for each item, and is left out; "
            f"--columns {name} takes it",
            loss=True,
        ) for name in beside if _LABELS.fullmatch(name)]  # fmt: skip
        found = replace(found, notes=(*found.notes, *notes))
    return _with_time(found, arrays, path, options)


def _is_beside(name: str, values: Mapping[str, np.ndarray]) -> bool:
    """Tell labels, times and rates from values, by their name and one dimension."""
    flat = max(values[name].shape) == values[name].size
    return flat and any(form.fullmatch(name) for form in (_LABELS, _RATES, _TIMES))


def _labels_beside(
    values: str, arrays: Mapping[str, np.ndarray], count: int, options: ReadOptions
) -> tuple[str, ...] | None:
    """Return labels that another array of the file holds, one for each of `count` items."""
    if options.label == "none":
        return None
    half = next((word for word in ("train", "test") if word in values.lower()), "")
    for name, array in arrays.items():
        named = name == options.label or (_LABELS.fullmatch(name) and half in name.lower())
        if named and name != values and array.size == count == max(array.shape, default=0) and count > 1:
            flat = array.reshape(-1)
            whole = flat.dtype.kind == "f" and bool((flat % 1 == 0).all())
            return tuple(str(int(value)) if whole else str(value).strip() for value in flat)
    return None


def _shaped(
    array: np.ndarray, labels: tuple[str, ...] | None, path: Path, options: ReadOptions
) -> OneSeries | Archive:
    notes: list[Note] = []
    if array.ndim == 1:
        return OneSeries(path, array[None])
    if array.ndim == 3:
        deep, wide = array.shape[1:]
        if options.layout == "columns" or (options.layout is None and deep > wide):
            array = array.swapaxes(1, 2)
            if wide > 1:
                notes.append(_turned(f"each of {len(array)} items of shape ({deep}, {wide})", deep, wide))
        return Archive(path, tuple(finite(item, path) for item in array), labels, notes=tuple(notes))
    if array.ndim != 2:
        raise ReadError(
            f"{path}: holds {array.dtype} {array.shape}, no series; save real numbers of shape (n,), "
            "(channels, n) or (items, channels, n)"
        )
    high, wide = array.shape
    if options.layout == "rows" or (
        options.layout is None
        and (labels or (options.label != "none" and labels_beside(path, high)[0]) or _rows_are_items(array))
    ):
        if options.layout is None:
            notes.append(Note(
                f"each of its {high} rows is taken as an item of {wide} samples; "
                "--layout columns takes columns as channels"
            ))  # fmt: skip
        return Archive(path, tuple(finite(row[None], path) for row in array), labels, notes=tuple(notes))
    if options.layout == "columns" or (options.layout is None and high > wide):
        if wide > 1 and options.layout is None:
            notes.append(_turned(f"shape ({high}, {wide})", high, wide))
        array = array.T
    elif options.layout is None and high >= _MANY_CHANNELS:
        notes.append(Note(
            f"shape ({high}, {wide}) is taken as {high} channels of {wide} samples; "
            "--layout rows takes each row as an item"
        ))  # fmt: skip
    return OneSeries(path, array, notes=tuple(notes))


def _turned(what: str, samples: int, channels: int) -> Note:
    return Note(
        f"{what} is taken as {samples} samples of {channels} channels, since more channels than samples are rare; "
        "--layout rows takes each row as an item, --layout columns each column as a channel"
    )


def _rows_are_items(array: np.ndarray) -> bool:
    """Tell rows that are series of their own: many, long, smooth along the row and not from row to row."""
    if array.shape[0] <= array.shape[1] or array.shape[1] < _MANY_COLUMNS:
        return False
    some = np.asarray(array[:_SAMPLED_ROWS], np.float64)
    return bool(np.isfinite(some).all()) and alike(some) > 0.8 and alike(some.T) < 0.4


def _with_time(
    found: OneSeries | Archive, arrays: Mapping[str, np.ndarray], path: Path, options: ReadOptions
) -> "Recording | Archive":
    """Give the step that a rate or times beside the values state."""
    for name, array in arrays.items():
        rate = array.reshape(-1)[0] if array.size == 1 and array.dtype.kind in "iuf" else 0
        if is_rate(name) and rate > 0:
            step = 1 / float(rate)
            if isinstance(found, Archive):
                return replace(found, steps=(step,) * len(found.items))
            note = Note(f"its step is 1 / {name}, {step:g} s")
            return replace(found, step_s=step, notes=(*found.notes, note))
    if isinstance(found, Archive) or options.time == "none":
        return found
    for name, array in arrays.items():
        if _TIMES.fullmatch(name) and array.size == found.count > 1 and array.dtype.kind in "iuf":
            times = np.asarray(array, np.float64).reshape(-1)
            try:
                values, step_s, notes = evenly(found.values, times, resample=options.resample)
            except UnevenTimeError as error:
                raise ReadError(f"{path}: array {name!r}: {error}; mend it, or --time none") from error
            note = Note(f"its times are those of {name!r}")
            return OneSeries(path, values, step_s, (*found.notes, *notes, note))
    return found
