"""Labels in a file of their own, beside the file of the items: `X_train.txt` and `y_train.txt`."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...core.delimited import PlainText, text_lines
from ...core.files import Note
from .archives import Archive

_HALVES = re.compile(r"(?:.*[_-])?(train|test|val|valid|validation|dev)", re.IGNORECASE)
_STEMS = ("y", "Y", "labels", "label", "targets", "target", "classes")
_SUFFIXES = (".txt", ".csv", ".tsv", ".npy")
_LARGEST_BYTES = 1 << 26


def with_labels_beside(archive: Archive) -> Archive:
    """Give an archive without labels those of the one file beside it that holds one for each item.

    The file is called `y`, `labels` and the like, with the half (`_train`) of the archive where that has one; it lies
    in the same folder, or in the one above.
    """
    if archive.labels or len(archive.items) < 2:
        return archive
    for path in _candidates(archive.path):
        if path.is_file() and path.stat().st_size <= _LARGEST_BYTES:
            labels = _read(path)
            if len(labels) == len(archive.items):
                note = Note(f"its labels are those of {path.name} beside it; --label none leaves it without")
                return Archive(
                    archive.path, archive.items, labels, archive.lines, archive.steps, (*archive.notes, note)
                )
    return archive


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
            found = np.load(path, allow_pickle=False).reshape(-1)
        except (ValueError, OSError):
            return ()
        lines = [str(value) for value in found.tolist()]
    else:
        lines = [line.strip().strip('"') for line in text_lines(PlainText(path).read()) if line.strip()]
        if lines and lines[0].lower() in _STEMS:
            lines = lines[1:]
    labels = tuple(line.removesuffix(".0") for line in lines)
    single = all(re.fullmatch(r"[^,;\t|.]{1,100}", label) for label in labels)
    return labels if single else ()
