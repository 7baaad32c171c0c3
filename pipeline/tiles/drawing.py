"""One item read once and drawn as every view asked for; this runs in the worker processes."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import tqdm

from phosphene.converters import Converter, Fragment, PhospheneError
from phosphene.converters.core.reader import read_head
from phosphene.converters.reading import readers

from .png import encode_png
from .store import write_bytes

MOST_IN_CHUNK = 64

Progress = bool | Literal["always"]
T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """One picture of an item: the place of its view, its key, and the file it goes to (None: the caller)."""

    view: int
    key: str
    target: Path | None


@dataclass(frozen=True)
class Task:
    """One item and the pictures to draw of it."""

    place: int
    path: Path
    fragment: Fragment | None
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Drawn:
    """What came of a task.

    Parameters
    ----------
    pictures
        Those that were drawn, in order; None for one that was written to its file.
    error
        Why there are no more of them.
    """

    pictures: tuple[bytes | None, ...]
    error: str | None = None


@dataclass(frozen=True)
class Painter:
    """Reads an item once and draws it as often as asked; an error ends this item only."""

    views: tuple[Converter, ...]

    def __call__(self, task: Task) -> Drawn:
        """Draw one item."""
        pictures: list[bytes | None] = []
        try:
            for picture in self._pictures(task):
                pictures.append(picture)
        except PhospheneError as error:
            return Drawn(tuple(pictures), str(error))
        except Exception as error:
            return Drawn(
                tuple(pictures), f"{type(error).__name__}: {error}"
            )  # a fault of a converter is told too
        return Drawn(tuple(pictures))

    def _pictures(self, task: Task) -> Iterator[bytes | None]:
        read_head(task.path)
        signal = readers()[self.views[task.jobs[0].view].kind].read(task.path, task.fragment)
        for job in task.jobs:
            png = encode_png(self.views[job.view](signal).pixels, job.key)
            if job.target:
                write_bytes(job.target, png)
            yield None if job.target else png


def message(address: str, path: Path, error: str) -> str:
    """Return an error so that it starts with the path at fault."""
    return error if error.startswith(str(path)) else f"{address}: {error}"


def chunks(tasks: Sequence[Task], workers: int) -> list[list[Task]]:
    """Put tasks together for the workers: parts of a file side by side, in chunks that keep all busy.

    Examples
    --------
    >>> tasks = [Task(n, Path("ab"[n % 2]), None, ()) for n in range(4)]
    >>> [[str(task.path) for task in chunk] for chunk in chunks(tasks, 1)]
    [['a'], ['a'], ['b'], ['b']]
    """
    size = min(MOST_IN_CHUNK, max(1, len(tasks) // (workers * 8)))
    by_file: dict[Path, list[Task]] = defaultdict(list)
    for task in tasks:
        by_file[task.path].append(task)
    ordered = [task for group in by_file.values() for task in group]
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def with_bar(outcomes: Iterator[T], total: int, progress: Progress) -> Iterator[T]:
    """Pass outcomes on, with a bar on standard error once it takes more than a second.

    `progress` is True (where standard error is a terminal), False, or "always".
    """
    disable = False if progress == "always" else None if progress else True
    with tqdm.tqdm(total=total, unit="item", delay=1.0, disable=disable, leave=False) as bar:
        for outcome in outcomes:
            bar.update()
            yield outcome
