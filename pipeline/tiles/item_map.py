"""A function over items, each result computed once and kept: what rendering, measuring and converting share; progress.

Files are hashed first. Results that a store has under the key of these bytes are not computed again, equal items are
done once, and the rest goes to an engine. An item that fails, kills its process or changes meanwhile costs itself.
"""

import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tqdm import tqdm

from phosphene.converters import PhospheneError, ReadError
from phosphene.converters.core.apart import DRAWING, fault
from phosphene.converters.core.errors import reason, short
from phosphene.converters.core.files import MAPPED_FROM_BYTES, content_digest
from phosphene.converters.core.signal import Signal, signal_digest
from phosphene.converters.registry import asked
from phosphene.datasets.manifest import Failure, Item

from .engines import Engine, TaskError, Where
from .store import Codec, Output, StoreError, tile_key, write_bytes

LINE_EVERY_S = 60.0
"""Seconds from one line to the next where standard error is a file or a pipe."""


class Progress(tqdm):
    """A bar of tqdm that writes whole lines, one a minute, where standard error is no terminal.

    What ends within the first minute writes nothing there.

    Parameters
    ----------
    shown
        False for no progress at all.
    settings
        As for `tqdm`.

    Examples
    --------
    >>> with Progress(total=2, shown=False) as bar:
    ...     _ = bar.update()
    """

    disable: bool

    def __init__(self, *items: Any, shown: bool, **settings: Any) -> None:
        slow: dict[str, Any] = {}
        if not sys.stderr.isatty():
            slow = {
                "mininterval": LINE_EVERY_S,
                "maxinterval": LINE_EVERY_S,
                "delay": LINE_EVERY_S,
                "ncols": 100,
            }
        super().__init__(*items, disable=not shown, **(settings | slow))

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        """Return what writes one state of the bar."""
        if file.isatty():
            return tqdm.status_printer(file)

        def write(text: str) -> None:
            if text.strip():
                file.write(f"{text.strip()}\n")
                file.flush()

        return write

    def close(self) -> None:
        """Take the bar from the terminal; lines in a file stay as they are."""
        if not self.disable and not self.fp.isatty():
            self.disable = True
            self._decr_instances(self)
        super().close()


_log = logging.getLogger("phosphene")
MOST_IN_CHUNK = 64
_MOST_LAST = 1 << 15  # files of one note that are told apart
_HASHED_AT_A_TIME = 32
_SLOW_S = 0.0005  # a file that takes less is hashed before a thread has asked for it

Keys = tuple[str, ...]
Stamp = tuple[int, int]
ItemFunction = Callable[[Item, Sequence[int]], Iterable[Any]]
"""From an item and the numbers of the results that are wanted to these, one after the other; `Notes` may come first."""
T = TypeVar("T")


@dataclass(frozen=True)
class Notes:
    """What a reader noted of a file."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Planned:
    """An item with the keys of its results, and size and time of its file when it was hashed; or what is wrong."""

    item: Item
    keys: Keys = ()
    stamp: Stamp = (-1, -1)
    error: str | None = None


@dataclass(frozen=True)
class ItemTask:
    """One item and its missing results."""

    index: int
    item: Item
    stamp: Stamp
    outputs: tuple[Output, ...]


@dataclass(frozen=True)
class Done:
    """What came of a task: results (None for one in its file), notes, and why no more; an exception ends the run."""

    values: tuple[Any, ...]
    error: str | PhospheneError | None = None
    notes: tuple[str, ...] = ()


class ResultStore(Protocol):
    """Where results are kept, by content or by name."""

    @property
    def shared(self) -> bool:
        """Whether items with equal keys have one result."""

    @property
    def codec(self) -> Codec[Any] | None:
        """Makes the bytes of a result where it is computed; None hands it over as it is."""

    def missing(self, index: int, keys: Keys) -> tuple[Output, ...]:
        """Return the results of an item that are not there."""

    def take(self, index: int, keys: Keys, values: Sequence[Any], *, failed: bool) -> None:
        """Keep the results of an item that were not written to files."""


def plan_items(items: Sequence[Item], fingerprints: Sequence[str]) -> list[Planned]:
    """Hash the files of items, for each item's keys: one a fingerprint."""
    sources = list(dict.fromkeys(item.source for item in items))
    by_source = dict(zip(sources, _hashed_each(sources), strict=True))
    planned = []
    for item in items:
        hashed = by_source[item.source]
        if isinstance(hashed, str):
            planned.append(Planned(item, error=hashed))
            continue
        digest, stamp = hashed
        how = item.options.fingerprint
        keys = tuple(tile_key(digest, item.fragment, one + how) for one in fingerprints)
        planned.append(Planned(item, keys, stamp))
    return planned


def map_items(
    planned: Sequence[Planned],
    function: ItemFunction,
    store: ResultStore,
    *,
    engine: Engine,
    progress: "bool | RunReport" = True,
    where: Where | None = None,
    ending: tuple[type[PhospheneError], ...] = (),
) -> tuple[dict[int, Failure], int]:
    """Compute what a store lacks of the results of items; what was noted of their files is logged at the end.

    Parameters
    ----------
    planned
        The items, as `plan_items` gives them.
    function
        Computes results; it travels to the processes that work.
    store
        Keeps them. What another process writes of a store whose outputs have files is there when this returns.
    engine
        Who works.
    progress
        Show a bar on standard error: a line a minute where that is no terminal; or the report of a longer run.
    where
        As for engines; None keeps what an earlier run left over, and large files, out of this process.
    ending
        Errors that end the run, and not only the item, besides those of the store.

    Returns
    -------
    failures, n_computed
        The items that failed, by index in rising order, and how many results were computed.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    errors = {index: plan.error for index, plan in enumerate(planned) if plan.error is not None}
    equal = _equal_items(planned, shared=store.shared)
    tasks = [
        ItemTask(index, planned[index].item, planned[index].stamp, outputs)
        for index in equal
        if (outputs := store.missing(index, planned[index].keys))
    ]
    where = where or ("apart" if len(tasks) < len(equal) or any(map(_is_mapped, tasks)) else "anywhere")
    attempt = _Attempt(function, store.codec, (StoreError, *ending))
    outcomes = engine.map(attempt, chunks(tasks, engine.workers), where=where)
    n_computed = 0
    with RunReport.of(progress, len(tasks)) as report:
        report.update(0 if isinstance(progress, bool) else len(planned) - len(tasks))
        for task, outcome in outcomes:
            report.update()
            done = Done((), outcome.why) if isinstance(outcome, TaskError) else outcome
            if isinstance(done.error, PhospheneError):
                raise done.error
            n_computed += len(done.values)
            report.note(done.notes, task.item)
            if done.error is not None:
                for index in equal[task.index]:  # under the name of each
                    errors[index] = done.error.replace(str(task.item.path), str(planned[index].item.path))
            store.take(task.index, planned[task.index].keys, done.values, failed=done.error is not None)
    failures = {}
    for index, error in sorted(errors.items()):
        item = planned[index].item  # the text starts with the path at fault
        failures[index] = Failure(item, error if error.startswith(str(item.path)) else f"{item}: {error}")
    return failures, n_computed


def _is_mapped(task: ItemTask) -> bool:
    """Tell a file so large that it is mapped: whoever cuts it short kills the process that reads it."""
    return task.stamp[0] >= MAPPED_FROM_BYTES


def _done(path: Path, attempt: "_Attempt", task: ItemTask) -> Done:
    del path
    return attempt.done(task)


@dataclass(frozen=True)
class _Attempt:
    """Computes the missing results of one item, in whatever process; an error ends this item only."""

    function: ItemFunction
    codec: Codec[Any] | None
    ending: tuple[type[PhospheneError], ...]

    def __call__(self, task: ItemTask) -> Done:
        here = task.item.signal is not None or getattr(self.function, "device", None)
        try:
            return self.done(task) if here else asked(_done, task.item.path, self, task, limits=DRAWING)
        except PhospheneError as error:
            return Done((), str(error))
        except MemoryError as lack:
            why = (
                f"needs more memory than there is ({short(lack)}); cut it into windows, or use fewer workers"
            )
            return Done((), why)

    def done(self, task: ItemTask) -> Done:
        """Compute them in this process; a lack of memory is the process's until a new one has tried."""
        values, notes = list[Any](), list[str]()
        error: str | PhospheneError | None = None
        try:
            values.extend(self._results(task, notes))
        except self.ending as ending:
            error = ending
        except PhospheneError as failed:
            error = str(failed)
        except MemoryError:
            raise
        except Exception as fault:  # a fault of the function is reported too
            error = reason(fault)
        return Done(tuple(values), error, tuple(notes))

    def _results(self, task: ItemTask, notes: list[str]) -> Iterator[Any]:
        results = self.function(task.item, [output.number for output in task.outputs])
        for output, value in zip(task.outputs, _without_notes(results, notes), strict=True):
            data = self.codec.encode(value, output.key) if self.codec else value
            # The key of a file that has changed is that of other bytes.
            if task.item.signal is None and _stamp(task.item.path) != task.stamp:
                raise ReadError(f"{task.item.path}: changed while it was read; run again when it is complete")
            if output.target:
                write_bytes(output.target, data)
            yield None if output.target else data


def _without_notes(results: Iterable[Any], notes: list[str]) -> Iterator[Any]:
    """Pass results on, and put the notes among them into a list."""
    for result in results:
        if isinstance(result, Notes):
            notes.extend(result.texts)
        else:
            yield result


class RunReport:
    """Progress of a run on standard error, and what was noted of its files: each note once, logged at the end.

    Parameters
    ----------
    total
        Items of the run.
    shown
        Whether there is a bar, once it takes more than a second.

    Examples
    --------
    >>> with RunReport(1, shown=False) as report:
    ...     report.update()
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        self._bar = Progress(total=total, unit="item", delay=1.0, shown=shown, leave=False)
        self._counts, self._examples = Counter[str](), dict[str, Path]()
        self._last: dict[str, set[Path]] = defaultdict(set)

    @classmethod
    def of(cls, progress: "bool | RunReport", total: int) -> "AbstractContextManager[RunReport]":
        """Return a report of one part of a run: the one that there is already, which is not ended with it."""
        return cls(total, shown=progress) if isinstance(progress, bool) else nullcontext(progress)

    def update(self, n: int = 1) -> None:
        """Count items that are done."""
        self._bar.update(n)

    def note(self, texts: Iterable[str], item: Item) -> None:
        """Count a file with notes, of whose items each may have them; a file of long ago counts anew."""
        for text in texts:
            last = self._last[text]
            if item.path not in last:
                self._counts[text] += 1
                self._examples.setdefault(text, item.path)
                if len(last) >= _MOST_LAST:
                    last.clear()
                last.add(item.path)

    def __enter__(self) -> "RunReport":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._bar.close()
        if kind is not None:
            return
        for text, count in self._counts.most_common():
            if count == 1:
                _log.warning("%s: %s", self._examples[text], text)
            else:
                _log.warning("%s files: %s (such as %s)", f"{count:,}", text, self._examples[text])


def chunks(tasks: Sequence[ItemTask], workers: int) -> list[list[ItemTask]]:
    """Put tasks together for the workers: parts of a file side by side, in chunks that keep all busy.

    Examples
    --------
    >>> tasks = [ItemTask(n, Item(Path("ab"[n % 2])), (0, 0), ()) for n in range(4)]
    >>> [[str(task.item.path) for task in chunk] for chunk in chunks(tasks, 1)]
    [['a'], ['a'], ['b'], ['b']]
    """
    size = min(MOST_IN_CHUNK, max(1, len(tasks) // (workers * 8)))
    by_file: dict[Path, list[ItemTask]] = defaultdict(list)
    for task in tasks:
        by_file[task.item.path].append(task)
    ordered = [task for group in by_file.values() for task in group]
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def _hashed_each(sources: Sequence[Path | Signal]) -> Iterator[tuple[str, Stamp] | str]:
    """Yield digests and stamps: by threads from the first files on that are large or far away."""
    firsts = range(0, len(sources), _HASHED_AT_A_TIME)
    batches = iter([sources[first : first + _HASHED_AT_A_TIME] for first in firsts])
    for batch in batches:
        begin = time.monotonic()
        yield from map(_hashed, batch)
        if time.monotonic() - begin > _SLOW_S * len(batch):
            break
    with ThreadPoolExecutor(4) as pool:
        yield from chain.from_iterable(pool.map(lambda batch: list(map(_hashed, batch)), batches))


def _hashed(source: Path | Signal) -> tuple[str, Stamp] | str:
    """Return digest and stamp of a file; the stamp is taken first, so that a change between the two is seen later."""
    if isinstance(source, Signal):
        return signal_digest(source).hex(), (-1, -1)
    try:
        stamp = _stamp(source)
        return fault(source) or (content_digest(source), stamp)
    except Exception as error:
        return reason(error)


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (-1, -1)  # who reads it says what is wrong
    return status.st_size, status.st_mtime_ns


def _equal_items(planned: Sequence[Planned], *, shared: bool) -> dict[int, list[int]]:
    """Return the items of equal keys by the first of them."""
    first: dict[Keys, int] = {}
    equal: dict[int, list[int]] = defaultdict(list)
    for index, plan in enumerate(planned):
        if plan.error is None:
            equal[first.setdefault(plan.keys, index) if shared else index].append(index)
    return equal
