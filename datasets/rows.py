"""The rows of a file of many items, with their labels and groups: in it, or in a file beside it (`y_train.txt`)."""

import math
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from phosphene.converters import ReadError
from phosphene.converters.core.files import DEFAULTS, Reader, ReadOptions

_SUFFIXES = (".txt", ".csv", ".tsv", ".npy")
_NAMED = re.compile(r"(?:.*[_-])?x(?P<end>[_-]?(?:train|test|valid|val|dev)?)", re.IGNORECASE)
_ENDED = re.compile(r".+(?P<end>[_-](?:train|test|valid|val|dev))", re.IGNORECASE)
_LABELS = ("y", "Y", "labels", "label", "targets", "target")
_GROUPS = ("subject", "subjects", "groups", "group", "user", "session")

Rows = list[tuple[str | None, str | None]]


def rows_of(path: Path, reader: Reader, options: ReadOptions = DEFAULTS) -> tuple[Rows | None, str]:
    """Return the label and the group of each row of a file, and a note on files beside it that were used.

    Parameters
    ----------
    path
        Such as `X_train.npy`, beside which `y_train.txt` may hold a label a line, and `subject_train.txt` a group.
    reader
        Of its kind.
    options
        How the file is read.

    Returns
    -------
    rows
        None for a file of one item.
    note
        Empty where nothing beside it was used.

    Raises
    ------
    ReadError
        The file cannot be read, or a file beside it has another number of lines.
    """
    labels = reader.labels(path, options)
    count = reader.rows(path, options) if labels is None else len(labels)
    if count is None:
        return None, ""
    groups = _beside(path, _GROUPS)
    beside = None if options.label == "none" else _beside(path, _LABELS)
    if labels is not None and not (beside and _values(beside, path, count) == labels):
        beside = None  # they stand in the file itself
    columns: list[list[str | None]] = [
        _values(file, path, count) if file else [None] * count for file in (beside, groups)
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


def companions(files: Iterable[Path]) -> frozenset[Path]:
    """Return the files of labels and groups that belong to some of these files.

    Examples
    --------
    >>> companions([Path("nowhere/X_train.txt")])
    frozenset()
    """
    found = (_beside(file, names) for file in files for names in (_LABELS, _GROUPS))
    return frozenset(file for file in found if file)


def _beside(path: Path, names: Iterable[str]) -> Path | None:
    match = _NAMED.fullmatch(path.stem) or _ENDED.fullmatch(path.stem)
    if not match:
        return None
    for folder in (path.parent, path.parent.parent):
        for name in names:
            for suffix in _SUFFIXES:
                file = folder / f"{name}{match['end']}{suffix}"
                if file != path and file.is_file():
                    return file
    return None


def _wanted(path: Path) -> str:
    match = _NAMED.fullmatch(path.stem) or _ENDED.fullmatch(path.stem)
    return f"y{match['end']}.txt, one a line" if match else "a column of the file"


def _values(file: Path, path: Path, count: int) -> list[str | None]:
    try:
        values = _read(file)
    except (OSError, ValueError) as error:
        raise ReadError(
            f"{file}: cannot be read as a label a line ({error}); correct it or move it away"
        ) from error
    if len(values) == count + 1 and not _is_number(values[0]):
        values = values[1:]  # a header
    if len(values) != count:
        raise ReadError(f"{file}: has {len(values)} lines, {path.name} has {count} rows; make them agree")
    return list(values)


def _read(file: Path) -> list[str]:
    if file.suffix.lower() == ".npy":
        array = np.load(file, allow_pickle=False)
        return [_plain(str(value)) for value in array.reshape(-1).tolist()]
    lines = file.read_text(encoding="utf-8-sig").splitlines()
    return [_plain(line.strip().strip('"')) for line in lines if line.strip()]


def _plain(text: str) -> str:
    """Write whole numbers without a point, as classes are: `1.0` is `1`."""
    return str(int(float(text))) if _is_number(text) and float(text).is_integer() else text


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
