"""Series read whole, one or many: what is read, labels in a file beside it, and the archives `.ts` and `.arff`."""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ...core.delimited import PlainText, allow_long_fields, is_number, parse_fields, text_lines
from ...core.errors import ReadError
from ...core.files import Note, check_npy_header, read_head

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
_TS_TAGS = frozenset((
    "@problemname", "@timestamps", "@univariate", "@classlabel", "@targetlabel", "@missing", "@equallength",
    "@serieslength", "@dimensions",
))  # fmt: skip
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


def tagged_format(head: bytes) -> str | None:
    """Tell `ts` and `arff` files by the tags at their head; None for any other."""
    lines = _first_tags(head)
    for line in lines:
        tag = line.split(maxsplit=1)[0].lower()
        if tag in ("@relation", "@attribute"):
            return "arff"
        if tag in _TS_TAGS:
            return "ts"
    return None


def _first_tags(head: bytes) -> Iterator[str]:
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"@", b"#", b"%") or b"\0" in head:
        return
    for line in text_lines(head):
        text = line.strip()
        if text and not text.startswith(("#", "%")):
            if not text.startswith("@"):
                return
            yield text
