"""Predictions for files, folders and tables: a chunk of items at a time, to the terminal or to a file."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import count, islice
from pathlib import Path
from typing import BinaryIO, Literal, cast

from phosphene.converters import Audio, Fragment, ParameterError, PhospheneError, ReadOptions
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.converters.registry import readers
from phosphene.datasets.manifest import Failure, Item
from phosphene.datasets.sources import find_files
from phosphene.datasets.windows import cut_each
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.evaluation import Prediction, count_notes
from phosphene.pipeline.classifier.novelty import N_NEAREST

Form = Literal["csv", "raven", "audacity"]

CHUNK = 4096
_RAVEN = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Begin Path",
    "Begin File", "Label", "Score",
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """From where on the label is `unknown`: below a probability, and above a novelty."""

    threshold: float = 0.0
    max_novelty: float = 1.0


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Predicted:
    """What came of a run: predictions that were written to no file, how many there are, what failed, what was noted."""

    predictions: tuple[Prediction, ...]
    n: int
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]


def predict(
    classifier: Classifier,
    names: Sequence[str],
    *,
    out: Path | None = None,
    to: Form = "csv",
    windows: str | None = None,
    limits: Limits = NO_LIMITS,
    workers: int | None = None,
) -> Predicted:
    """Predict the labels of files, fragments, folders and tables; one that cannot be read does not stop the rest.

    Parameters
    ----------
    classifier
        Reads files as its options say.
    names
        Files, `path#fragment`, folders, or tables of items.
    out
        The file to write, whole or not at all; with it, predictions are not kept in memory.
    to
        `csv` has the columns path, label, the probability of each class, novelty and the three nearest training items;
        `raven` is a selection table, `audacity` a
        label track of one sound.
    windows
        How items are cut for a prediction a window; None predicts each item.
    limits
        From where on the label is `unknown`.
    workers
        Processes that draw; None for one a core.

    Raises
    ------
    ParameterError
        The form takes sound alone, or a label track was asked for of several sounds.
    """
    if to != "csv" and classifier.kind != "audio":
        raise ParameterError(f"--to {to} is for sound, and the classifier takes {classifier.kind}; take csv")
    if to != "csv" and out is None:
        raise ParameterError(f"--to {to} needs a file to write; add --out FILE")
    items, failures = _items(names, classifier.kind, classifier.options)
    if to == "audacity" and len({item.path for item in items}) > 1:
        raise ParameterError("a label track is of one sound; name one file, or take --to raven")
    kept: list[Prediction] = []
    n, noted = 0, Counter[str]()
    with ExitStack() as stack:
        writer = _WRITERS[to](stack.enter_context(atomic_write(out)), classifier.classes) if out else None
        for chunk in _chunks(items):
            some = cut_each(chunk, windows, kind=classifier.kind) if windows else chunk
            done = classifier.predict(
                some, threshold=limits.threshold, max_novelty=limits.max_novelty, workers=workers
            )
            failures += done.failures
            n += len(done.answers)
            noted.update(note for one in done.answers for note in one.notes)
            if writer:
                writer.write(done.answers)
            else:
                kept += done.answers
    return Predicted(tuple(kept), n, tuple(failures), count_notes(noted, n + len(failures)))


def _items(names: Iterable[str], kind: Kind, options: ReadOptions) -> tuple[list[Item], list[Failure]]:
    """Return the items of what was named, and what holds none."""
    items: list[Item] = []
    failures: list[Failure] = []
    for name in names:
        path, fragment = parse_address(name)
        if fragment or not path.exists():
            items.append(Item(path, fragment=fragment, options=options))  # one that is missing fails by name
            continue
        try:
            items += find_files(name, kind=kind, options=options)
        except ParameterError:
            raise
        except PhospheneError as error:
            failures.append(Failure(Item(path), str(error)))
    return items, failures


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _stretch(item: Item) -> tuple[float, float, float]:
    """Return begin and end of an item of sound in seconds, and the highest frequency of its file in hertz."""
    length_s, nyquist_hz = _measured(item.path)
    if item.fragment and item.fragment.unit == "t":
        return item.fragment.start, min(item.fragment.stop, length_s), nyquist_hz
    return 0.0, length_s, nyquist_hz


@lru_cache(maxsize=16)
def _measured(path: Path) -> tuple[float, float]:
    reader = readers()["audio"]
    length_s = reader.extent(path)
    some = reader.read(path, Fragment("t", 0, min(0.1, length_s)))
    return length_s, cast(Audio, some).rate_hz / 2


class _Csv:
    """path, label, the probability of each class, novelty, and the names of the nearest training items."""

    def __init__(self, file: BinaryIO, classes: Sequence[str]) -> None:
        self._file, self._classes = file, classes
        nearest = [f"nearest_{rank + 1}" for rank in range(N_NEAREST)]
        self._rows([["path", "label", *classes, "novelty", *nearest]])

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append rows."""
        self._rows(map(self._row, predictions))

    def _row(self, one: Prediction) -> list[str]:
        proba = [f"{one.probabilities[name]:.6g}" for name in self._classes]
        novelty = "" if one.novelty is None else f"{one.novelty:.6g}"
        return [str(one.item), one.label, *proba, novelty, *(*one.nearest, *[""] * N_NEAREST)[:N_NEAREST]]

    def _rows(self, rows: Iterable[Sequence[str]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue().encode("utf-8", "surrogateescape"))


class _Raven:
    """A selection table of Raven: one selection a row, with the file that it is of."""

    def __init__(self, file: BinaryIO, classes: Sequence[str]) -> None:
        del classes
        self._file, self._numbers = file, count(1)
        self._line(_RAVEN)

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append selections."""
        for one in predictions:
            begin, end, nyquist_hz = _stretch(one.item)
            path, score = one.item.path, f"{one.probability:.6g}"
            times = (f"{begin:.6f}", f"{end:.6f}", "0", f"{nyquist_hz:.1f}")
            row = (
                str(next(self._numbers)),
                "Spectrogram 1",
                "1",
                *times,
                str(path),
                path.name,
                one.label,
                score,
            )
            self._line(row)

    def _line(self, cells: Iterable[str]) -> None:
        plain = ("".join(" " if letter in "\t\r\n" else letter for letter in cell) for cell in cells)
        self._file.write(("\t".join(plain) + "\n").encode("utf-8", "surrogateescape"))


class _Audacity(_Raven):
    """A label track of Audacity: start, end and label, without a header."""

    def __init__(self, file: BinaryIO, classes: Sequence[str]) -> None:
        del classes
        self._file = file

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append labels."""
        for one in predictions:
            begin, end, _ = _stretch(one.item)
            self._line((f"{begin:.6f}", f"{end:.6f}", one.label))


_WRITERS: dict[Form, type[_Csv] | type[_Raven]] = {"csv": _Csv, "raven": _Raven, "audacity": _Audacity}
