"""Archives with a head of tags: sktime and aeon `.ts`, Weka `.arff`, with one or more channels."""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...core.delimited import PlainText, allow_long_fields, parse_fields, text_lines
from ...core.errors import ReadError
from .archives import Archive, checked_label, without_padding

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
    start = next((place for place, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
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
        if tag in (
            "@problemname",
            "@timestamps",
            "@univariate",
            "@classlabel",
            "@targetlabel",
            "@missing",
            "@equallength",
            "@serieslength",
            "@dimensions",
        ):
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
