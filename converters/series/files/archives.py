"""What series files are read into whole: archives of many items, and series that come in one go."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from ...core.delimited import is_number
from ...core.errors import ReadError
from ...core.files import Note

_MOST_CLASSES = 20


class Recording(Protocol):
    """An open file of one series, parts of which can be read."""

    @property
    def count(self) -> int:
        """Samples."""

    def part(self, start: int, stop: int) -> tuple[np.ndarray, float | None, tuple[Note, ...]]:
        """Return float32 (channels, samples), the step in seconds where known, and what was found."""

    def with_notes(self, notes: tuple[Note, ...]) -> "Recording":
        """Return the same with more notes."""


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

    def with_notes(self, notes: tuple[Note, ...]) -> "Archive":
        """Return the same with more notes."""
        return replace(self, notes=self.notes + notes)


@dataclass(frozen=True, eq=False)
class OneSeries:
    """A file of one series, read whole: float32 (channels, samples)."""

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
        return self.values[:, start:stop], self.step_s, self.notes

    def with_notes(self, notes: tuple[Note, ...]) -> "OneSeries":
        """Return the same with more notes."""
        return replace(self, notes=self.notes + notes)


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
