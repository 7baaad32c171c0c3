"""Predictions for files, folders and tables: a part at a time, to the terminal or, in flat memory, to a file."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import BinaryIO, Literal, cast

from phosphene.converters import Audio, Fragment, ParameterError
from phosphene.converters.core.files import atomic_write
from phosphene.converters.registry import readers
from phosphene.datasets.manifest import Failure, Item
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.evaluation import Prediction, count_notes
from phosphene.pipeline.classifier.novelty import N_NEAREST
from phosphene.pipeline.tiles.engines import Engine
from phosphene.pipeline.tiles.remote import local_file, named

from .text import reason

Form = Literal["csv", "raven", "audacity"]

MOST_KEPT = 1000
"""Failures that are listed, and different reasons that are counted."""
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


class Tally:
    """Counts texts: the first `most` different ones by name, the others together.

    Examples
    --------
    >>> tally = Tally(most=1)
    >>> for text in ("empty", "cut short", "empty"):
    ...     tally.add(text)
    >>> tally.counts
    Counter({'empty': 2, 'other': 1})
    """

    def __init__(self, most: int, other: str = "other") -> None:
        self.counts = Counter[str]()
        self._most, self._other = most, other

    def add(self, text: str) -> None:
        """Count one more."""
        self.counts[text if text in self.counts or len(self.counts) < self._most else self._other] += 1


class Failures:
    """What failed in a run of any length: how many, the first thousand, and the reasons with an example of each."""

    def __init__(self) -> None:
        self.n = 0
        self.first: list[Failure] = []
        self._reasons, self._examples = Tally(MOST_KEPT, "other reasons"), dict[str, Item]()

    def add(self, failures: Iterable[Failure]) -> None:
        """Count some more."""
        for failure in failures:
            self.n += 1
            why = reason(failure)
            self._reasons.add(why)
            if why in self._reasons.counts:
                self._examples.setdefault(why, failure.item)
            if len(self.first) < MOST_KEPT:
                self.first.append(failure)

    @property
    def reasons(self) -> list[tuple[str, int, str]]:
        """Each reason, the most frequent first, how often it was given, and an item as an example."""
        counts = self._reasons.counts.most_common()
        return [(why, n, str(self._examples.get(why, ""))) for why, n in counts]


@dataclass(frozen=True)
class Predicted:
    """What came of a run: predictions that were written to no file, how many there are, what failed, what was noted."""

    predictions: tuple[Prediction, ...]
    n: int
    failures: Failures
    notes: tuple[str, ...]


def predict(  # noqa: PLR0913  (the options of the command, each a word of its own)
    classifier: Classifier,
    names: Sequence[str],
    *,
    out: Path | str | None = None,
    to: Form = "csv",
    windows: str | None = None,
    limits: Limits = NO_LIMITS,
    workers: int | None = None,
    engine: Literal["local", "ray"] | Engine = "local",
) -> Predicted:
    """Predict the labels of files, fragments, folders and tables; one that cannot be read does not stop the rest.

    Parameters
    ----------
    classifier
        Reads files as its options say.
    names
        Files, `path#fragment`, folders, or tables of items.
    out
        The file to write, whole or not at all, also the URL of one; with it, predictions are not kept in memory.
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
    engine
        As for `Classifier.predict_each`.

    Raises
    ------
    ParameterError
        The form takes sound alone, or a label track was asked for of several sounds.
    """
    if to != "csv" and classifier.kind != "audio":
        raise ParameterError(f"--to {to} is for sound, and the classifier takes {classifier.kind}; take csv")
    if to != "csv" and out is None:
        raise ParameterError(f"--to {to} needs a file to write; add --out FILE")
    kept: list[Prediction] = []
    n, noted, failures = 0, Tally(MOST_KEPT, "unlike the training items otherwise"), Failures()
    sounds = set[Path]()
    with _writing(out, to, classifier.classes) as writer:
        for done in classifier.predict_each(
            names,
            windows=windows,
            threshold=limits.threshold,
            max_novelty=limits.max_novelty,
            workers=workers,
            engine=engine,
        ):
            if to == "audacity":
                sounds |= {one.item.path for one in done} | {one.item.path for one in done.failures}
                if len(sounds) > 1:
                    raise ParameterError("a label track is of one sound; name one file, or take --to raven")
            failures.add(done.failures)
            n += len(done)
            for note in (note for one in done for note in one.notes):
                noted.add(note)
            if writer:
                writer.write(done.predictions)
            else:
                kept += done.predictions
    return Predicted(tuple(kept), n, failures, count_notes(noted.counts, n + failures.n))


@contextmanager
def _writing(out: Path | str | None, to: Form, classes: Sequence[str]) -> "Iterator[_Csv | _Raven | None]":
    """Give what writes predictions to a file; without one None."""
    if out is None:
        yield None
        return
    with local_file(out) as path, atomic_write(path) as file:
        yield _WRITERS[to](file, classes)


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
        self._file.write(named(text.getvalue()).encode("utf-8", "surrogateescape"))


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
        self._file.write(named("\t".join(plain) + "\n").encode("utf-8", "surrogateescape"))


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
