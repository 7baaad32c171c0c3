"""The review loop: unlabelled files, most uncertain first; labels into a CSV that `train` takes; training again."""

import contextlib
import csv
import io
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from phosphene.converters import ParameterError, PhospheneError, ReadError
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.signal import parse_address
from phosphene.datasets.sources import open_manifest
from phosphene.pipeline.classifier.classifier import Classifier
from phosphene.pipeline.classifier.training import train
from phosphene.pipeline.strategies.recipe import Recipe
from phosphene.pipeline.tiles import item_map
from phosphene.pipeline.tiles.engines import TaskError
from phosphene.pipeline.tiles.process_pool import ProcessPool

LONGEST_JOB_S = 7 * 86400.0
MOST_LETTERS = 100


@dataclass(frozen=True)
class Candidate:
    """An item to label: its name in the folder, its address, and what a classifier says of it."""

    name: str
    address: str
    label: str
    probability: float


class Job:
    """Work in a process of its own, with its last line of progress.

    Parameters
    ----------
    what
        In words, such as `training`.
    work
        Called there without arguments.
    log
        The file for what it writes to standard error.
    then
        Takes its result, in a thread of this process.
    """

    def __init__(self, what: str, work: Callable[[], Any], *, log: Path, then: Callable[[Any], None]) -> None:
        self.what, self._log, self._then = what, log, then
        self._begun_s, self._seconds = time.monotonic(), 0.0
        log.unlink(missing_ok=True)
        self.error: str | None = None
        self._pool = ProcessPool(partial(_logged, work, log), workers=1, limit_s=LONGEST_JOB_S)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def runs(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    @property
    def words(self) -> str:
        """How far it is."""
        if self.error:
            return f"{self.what} failed: {self.error}"
        if not self.runs:
            return f"{self.what} done in {self._seconds:.0f} s"
        return f"{self.what}: {time.monotonic() - self._begun_s:.0f} s; {self._last_line()}"

    def close(self) -> None:
        """End it."""
        self._pool.close(patient_s=0)

    def _run(self) -> None:
        try:
            found = self._pool.run(None)
            self._seconds = time.monotonic() - self._begun_s
            if isinstance(found, TaskError):
                self.error = found.why
            elif "error" in found:
                self.error = found["error"]
            else:
                self._then(found)
        except PhospheneError as error:
            self.error = str(error).splitlines()[0]
        finally:
            self._pool.close()

    def _last_line(self) -> str:
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - 2000))
            lines = file.read().decode(errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "starting")
            return re.sub(r"\|.*\|", "", last)[:200]  # without the bar
        return "starting"


def _logged(work: Callable[[], Any], log: Path) -> Callable[[None], Any]:
    """Return the work, with standard error in a file and a line of progress a second."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 2)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("phosphene").setLevel(logging.INFO)
    item_map.LINE_EVERY_S = 1.0

    def run(_: None) -> Any:
        try:
            return work()
        except PhospheneError as error:
            return {"error": str(error)}

    return run


def rank(model: Path, folder: Path) -> dict[str, Any]:
    """Predict the files of a folder: names, addresses, labels and probabilities, the least probable first."""
    found, failed = [], 0
    for some in Classifier.load(model).predict_each(folder):
        failed += len(some.failures)
        for one in some:
            name = os.path.relpath(str(one.item), folder)
            found.append(Candidate(name, str(one.item), one.label, one.probability))
    found.sort(key=lambda one: (one.probability, one.name))
    return {"candidates": found, "failed": failed}


def train_again(model: Path, labels: Path, also: str | None, out: Path) -> dict[str, Any]:
    """Train a classifier like one there is on reviewed labels, and on other labelled files where some are named."""
    old = Classifier.load(model)
    how = replace(old.options, label=None)
    manifest = open_manifest(labels, kind=old.kind, options=how)
    items = [replace(item, options=old.options) for item in manifest.items]
    if also:
        items += open_manifest(also, kind=old.kind, options=old.options).items
    items = [replace(item, split=None, fold=None) for item in items]
    recipe = Recipe(
        views=old.views,
        windows=old.windows or "none",
        arch=[backbone.name for backbone in old.model.backbones],
        strategy=old.notes.get("strategy", "auto"),
    )
    done = train(replace(manifest, items=tuple(items), failures=()), recipe, out=out)
    return {"out": out, "accuracy": done.scores.accuracy if done.scores else None, "n": len(items)}


class Review:
    """The state of a review: candidates in order, labels given, and the job that runs.

    Parameters
    ----------
    model
        The folder of the classifier that ranks.
    folder
        Of unlabelled files.
    labels
        The CSV of labels; one that is there is gone on with.
    also
        A source of labelled files that training again learns from too.
    scratch
        A folder for logs.
    swap
        Takes the folder of each new classifier.
    """

    def __init__(
        self,
        model: Path,
        folder: Path,
        labels: Path,
        *,
        also: str | None,
        scratch: Path,
        swap: Callable[[Path], None],
    ) -> None:
        self.model, self.folder, self.file, self.also = model, folder, labels, also
        self.out = model.with_name(f"{model.resolve().name}-again")
        self._scratch, self._swap = scratch, swap
        self._lock = threading.RLock()
        self.candidates: dict[str, Candidate] = {}
        self._paths: dict[str, str] = {}
        self.labels = read_labels(labels)
        self._skipped: dict[str, None] = {}
        self._given: list[str] = []
        self.failed, self.version, self._trained_words = 0, 0, ""
        self.job: Job | None = None

    def start(self) -> None:
        """Begin to rank the files."""
        self.job = self._job(
            "predicting the files to review", partial(rank, self.model, self.folder), self._ranked
        )

    def current(self) -> Candidate | None:
        """Return the most uncertain item that is neither labelled nor skipped; None where there is none."""
        with self._lock:
            done = self.labels.keys() | self._skipped.keys()
            left = (name for name, path in self._paths.items() if path not in done)
            name = next(left, None)
            return None if name is None else self.candidates[name]

    @property
    def counts(self) -> dict[str, Any]:
        """What the page says of the whole."""
        known = set(self._paths.values())
        words = "All are labelled or skipped." if known else "Nothing to label yet."
        return {
            "labelled": len(self.labels),
            "all": len(known | self.labels.keys()),
            "skipped": len(self._skipped),
            "file": str(self.file),
            "also": " and the files of --also" if self.also else "",
            "words": words,
        }

    @property
    def words(self) -> str:
        """What goes on, what failed, and what was trained."""
        failed = [f"{self.failed} files could not be read"] if self.failed else []
        return "; ".join(
            [*([self.job.words] if self.job else []), *failed, *filter(None, [self._trained_words])]
        )

    def label(self, name: str, label: str) -> None:
        """Give a label and save all; a name that is none of the folder's, or an empty label, changes nothing.

        Raises
        ------
        OSError
            It cannot be saved, and so is not given.
        """
        label = "".join(letter for letter in label if letter.isprintable()).strip()[:MOST_LETTERS]
        with self._lock:
            path = self._paths.get(name)
            if path is None or not label:
                return
            write_labels(self.file, self.labels | {path: label})
            self.labels[path] = label
            self._skipped.pop(path, None)
            self._given.append(path)

    def skip(self, name: str) -> None:
        """Leave an item for later: until the files are ranked again."""
        with self._lock:
            if path := self._paths.get(name):
                self._skipped[path] = None
                self._given.append(path)

    def back(self) -> None:
        """Take the last label, or the last skip, back."""
        with self._lock:
            if self._given:
                last = self._given[-1]
                if last in self.labels:
                    write_labels(
                        self.file, {path: label for path, label in self.labels.items() if path != last}
                    )
                self._given.pop()
                self._skipped.pop(last, None)
                self.labels.pop(last, None)

    def train(self) -> None:
        """Begin to train on the labels given, unless a job runs."""
        with self._lock:
            if self.job is None or not self.job.runs:
                work = partial(train_again, self.model, self.file, self.also, self.out)
                self.job = self._job("training", work, self._trained)

    def close(self) -> None:
        """End what runs."""
        if self.job:
            self.job.close()

    def _job(self, what: str, work: Callable[[], Any], then: Callable[[Any], None]) -> Job:
        return Job(what, work, log=self._scratch / "job.log", then=then)

    def _ranked(self, found: dict[str, Any]) -> None:
        with self._lock:
            self.candidates = {one.name: one for one in found["candidates"]}
            self._paths = {one.name: label_path(one.address, self.file) for one in found["candidates"]}
            self.failed = found["failed"]
            self._skipped.clear()
            self.version += 1

    def _trained(self, found: dict[str, Any]) -> None:
        self._swap(found["out"])
        with self._lock:
            self.model = found["out"]
            accuracy = found["accuracy"]
            judged = "" if accuracy is None else f", accuracy {100 * accuracy:.1f} % on those held out"
            self._trained_words = f"trained on {found['n']} items{judged}: {self.model}"
            self.start()


def label_path(address: str, file: Path) -> str:
    """Return how a CSV names an item: counted from its own folder where the item is below that."""
    path, fragment = parse_address(address)
    path, home = path.absolute(), file.absolute().parent
    name = path.relative_to(home) if path.is_relative_to(home) else path
    return f"{name}#{fragment}" if fragment else str(name)


def read_labels(file: Path) -> dict[str, str]:
    """Return the labels of a CSV by path; none where there is no such file.

    Raises
    ------
    ReadError
        It is no table with the columns `path,label`.
    """
    if not file.exists():
        return {}
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as rows:
            return {row["path"]: row["label"] for row in csv.DictReader(rows, strict=True)}
    except (KeyError, csv.Error) as error:
        raise ReadError(
            f"{file}: not a table with the columns path,label; name another with --labels"
        ) from error


def write_labels(file: Path, labels: dict[str, str]) -> None:
    """Write labels as a CSV with the columns `path,label`, whole or not at all."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "label"), *labels.items()])
    with atomic_write(file) as out:
        out.write(text.getvalue().encode("utf-8", "surrogateescape"))


def check_review(folder: Path, labels: Path) -> None:
    """Refuse a folder that is none, and a table of labels in it, which would be taken for one of its files.

    Raises
    ------
    ParameterError
        The message names the option.
    """
    if not folder.is_dir():
        raise ParameterError(f"{folder}: no such folder; --review takes a folder of files to label")
    if labels.resolve().is_relative_to(folder.resolve()):
        raise ParameterError(f"{labels}: in the folder of the files to label; name another with --labels")
    if labels.suffix.lower() != ".csv":
        raise ParameterError(f"{labels}: must end in .csv")
