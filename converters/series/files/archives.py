"""Archives: files that hold many labelled series, here as tables in the form of the UCR archive."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.errors import ReadError
from .text import is_header, is_number, parse_block, sample_lines, sniff, split

_NAMED = re.compile(r".*_(train|test)\.(tsv|txt|csv)", re.IGNORECASE)
_FEW_COLUMNS = 8


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
    """

    path: Path
    items: tuple[np.ndarray, ...]
    labels: tuple[str, ...] | None
    lines: tuple[int, ...] = ()


def is_ucr(head: bytes, path: Path, *, complete: bool) -> bool:
    """Tell whether a table is an archive in the form of UCR: a label, and then the series, in each row.

    It is one when it has no header and its name ends in `_TRAIN` or `_TEST` (`.tsv`, `.txt`, `.csv`); under
    another name when it is parted by tabs, has more than eight columns, the first holds whole numbers each of
    which comes twice or more on average without ever rising row by row, and the others hold fractions.
    """
    lines = sample_lines(head, complete=complete)
    if not lines:
        return False
    form = sniff(lines)
    if is_header(split(lines[0], form.delimiter), form.decimal):
        return False
    if _NAMED.fullmatch(path.name):
        return True
    rows = [split(line, form.delimiter) for line in lines]
    return form.delimiter == "\t" and min(map(len, rows)) > _FEW_COLUMNS and _starts_with_labels(rows)


def _starts_with_labels(rows: Sequence[Sequence[str]]) -> bool:
    first = [row[0] for row in rows]
    if not all(is_number(label) and float(label).is_integer() for label in first):
        return False
    fractions = sum("." in field for row in rows for field in row[1:])
    return 2 * len(set(first)) <= len(first) and 2 * fractions > sum(len(row) - 1 for row in rows)


def read_ucr(path: Path) -> Archive:
    """Read a UCR table: NaN at the end of a row is padding and is cut off, NaN inside is a missing value.

    Raises
    ------
    ReadError
        A row without a label, or a field that is no number; the message names line and column.
    """
    data = path.read_bytes()
    lines = sample_lines(data[: 1 << 22], complete=len(data) <= 1 << 22)
    sniffed = sniff(lines)
    form = replace(sniffed, columns=len(split(lines[0], sniffed.delimiter)), text=frozenset({0}))
    numbers, texts = parse_block(data, form, path=path, first_line=1, ragged="padded")
    filled = tuple(n for n, line in enumerate(data.splitlines(), 1) if line.strip())
    if len(filled) != len(numbers):
        raise ReadError(f"{path}: has quotes that span lines; take them out")
    labels = tuple(
        checked_label(label, path=path, line=line) for label, line in zip(texts[0], filled, strict=True)
    )
    values = numbers[:, 1:].astype(np.float32)
    return Archive(path, tuple(without_padding(row[None]) for row in values), labels, filled)


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
