"""How a file is to be read where its content does not settle it, and the notes that reading leaves."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from .errors import ParameterError, ReadError

Layout = Literal["rows", "columns", "long"]
Resample = Literal["linear", "none"]


@dataclass(frozen=True)
class ReadOptions:
    """What a reader is told of a file.

    Parameters
    ----------
    layout
        Of a table: `columns` is one column a channel and one row a sample, `rows` one item a row, `long` one sample of
        one item a row (`id,time,value`). None decides by content.
    label
        The column of labels, by name or number (from 1), `first`, `last` or `none`. None decides by content.
    columns
        The columns that hold values, by name or number (from 1); for files of several named arrays (`.mat`, `.npz`,
        HDF5) the arrays, for EDF and WFDB the channels. None given takes all.
    time
        The column of times, by name or number (from 1), with a unit behind a colon where its name does not say it
        (`t:ms`); or `none`.
    resample
        Of uneven times: `linear` interpolates on an even grid, `none` takes the rows as they come, with no step.
    strict
        Refuse what can only be read with a loss.

    Examples
    --------
    >>> ReadOptions(layout="rows", label="last").columns
    ()
    """

    layout: Layout | None = None
    label: str | None = None
    columns: tuple[str, ...] = ()
    time: str | None = None
    resample: Resample = "linear"
    strict: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("layout", (None, *get_args(Layout))), ("resample", get_args(Resample))):
            if getattr(self, name) not in allowed:
                words = ", ".join(str(word) for word in allowed if word)
                raise ParameterError(
                    f"ReadOptions.{name} must be one of {words}, got {getattr(self, name)!r}"
                )
        columns: object = self.columns
        if isinstance(columns, str):
            raise ParameterError(f"ReadOptions.columns must be several names, got {self.columns!r}")
        object.__setattr__(self, "columns", tuple(map(str, self.columns)))


DEFAULTS = ReadOptions()


@dataclass(frozen=True)
class Note:
    """What a reader found in a file, and how to overrule what it made of that.

    Parameters
    ----------
    text
        One short sentence, without the path.
    loss
        Whether something of the file is not in the signal, or was changed.
    """

    text: str
    loss: bool = False


def note_texts(notes: Iterable[Note], *, path: Path, strict: bool) -> tuple[str, ...]:
    """Return the sentences of notes, each once.

    Raises
    ------
    ReadError
        One of them is a loss, and reading is strict.

    Examples
    --------
    >>> note_texts([Note("3 rows are left out", loss=True)], path=Path("a.csv"), strict=False)
    ('3 rows are left out',)
    """
    notes = list(dict.fromkeys(notes))
    lost = next((note for note in notes if note.loss), None)
    if strict and lost:
        raise ReadError(f"{path}: {lost.text}; correct the file, or read it without --strict")
    return tuple(note.text for note in notes)
