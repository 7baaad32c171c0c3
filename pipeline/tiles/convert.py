"""Raw files to image files: beside each other as PNG, or packed as Parquet or WebDataset."""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from phosphene.converters import Converter, ParameterError, ReadError, default_views
from phosphene.converters.core.signal import Kind
from phosphene.converters.reading import recognise
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.sources import find_files, root_of
from phosphene.datasets.windows import cut_each

from .drawing import Job, Progress, Task, message, with_bar
from .engines import Engine, LocalEngine, make_engine
from .render import check_views, draw_all, plan_keys
from .shards import Entry, Shards
from .store import key_of, sweep

Form = Literal["png", "parquet", "webdataset"]


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Parameters
    ----------
    converted, reused
        How many images were drawn, and how many were there already.
    failed
        The items that failed, and why.
    seconds
        How long it took.
    files
        The files that hold the images.
    """

    converted: int
    reused: int
    failed: tuple[Failure, ...]
    seconds: float
    files: tuple[Path, ...]


@dataclass
class _Run:
    """What a conversion has done so far."""

    views: tuple[Converter, ...]
    entries: list[Entry]
    errors: dict[int, str]
    converted: int = 0
    files: list[Path] = field(default_factory=list)


def convert(  # noqa: PLR0913  (the options of the command, each a word of its own)
    src: str | Path | Manifest,
    out: str | Path,
    *,
    views: Sequence[Converter] | Mapping[Kind, Sequence[Converter]] | None = None,
    kind: Kind | None = None,
    windows: str | None = None,
    workers: int | None = None,
    engine: Literal["local", "ray"] | Engine = "local",
    to: Form = "png",
    progress: Progress = True,
) -> Conversion:
    """Draw raw files into image files; run again after an interruption, it goes on where it was.

    An image is kept if it was drawn from the same bytes by the same converter, else drawn again.

    Parameters
    ----------
    src
        A file, folder, table or archive, or a manifest.
    out
        The folder for the results. `png`: SRC/a/b.wav becomes OUT/a/b.wav.png, and OUT/VIEW/a/b.wav.png where
        there are several views. `parquet`: parts with the columns path, fragment, label, view, png.
        `webdataset`: tar files with a .png, .json and (of labelled items) .cls for each item.
    views
        What to draw; every file is then read as their kind. Views by kind, or None for the default ones, let each
        file decide.
    kind
        What every file is read as; None asks each file.
    windows
        How recordings are cut, an image for each part: `t=5,2.5` (seconds, and from one to the next),
        `samples=1000`, `events=250`, `bytes=65536`, `pause=1`, `path=2000`, or `none`; files of other kinds
        stay whole. None cuts sound longer than ten minutes into windows of 5 s, and nothing else.
    workers, engine, progress
        As for `render`.
    to
        The form of the results.

    Raises
    ------
    ReadError
        There is no such source, or nothing in it.
    ParameterError
        Views of several kinds, a form or windows that are none, or two items whose images would have one name.

    Examples
    --------
    >>> import tempfile
    >>> from phosphene.converters import make
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "program.bin")
    ...     _ = file.write_bytes(bytes(range(256)))
    ...     result = convert(file, Path(folder, "out"), views=[make("grid", size=64)])
    ...     result.converted, result.files[0].name
    (1, 'program.bin.png')
    """
    begin = time.monotonic()
    if to not in get_args(Form):
        raise ParameterError(f"to must be one of {', '.join(get_args(Form))}, got {to!r}")
    crew, out = make_engine(engine, workers), Path(out)
    items, root = _items(src, out)
    with crew.started(len(items)) if isinstance(crew, LocalEngine) else nullcontext():
        items = cut_each(items, windows, kind=kind or _kind_of(views))
        run = _plan(items, root, _chooser(views, kind))
        sweep(out)
        sink = (
            _Pictures(out, run)
            if to == "png"
            else _Packed(out, run, Shards(to, root.resolve().name or "all"))
        )
        _carry_out(crew, run, sink, progress)
    return _conversion(run, items, time.monotonic() - begin)


def _carry_out(crew: Engine, run: _Run, sink: "_Pictures | _Packed", progress: Progress) -> None:
    tasks = list(sink.tasks())
    outcomes = draw_all(crew, run.views, tasks, n_entries=len(run.entries))
    for task, drawn in with_bar(outcomes, len(tasks), progress):
        run.converted += len(drawn.pictures)
        if drawn.error:
            run.errors[task.place] = drawn.error
        sink.take(task, drawn.pictures)
    sink.close()


def _kind_of(views: Sequence[Converter] | Mapping[Kind, Sequence[Converter]] | None) -> Kind | None:
    return views[0].kind if views and isinstance(views, Sequence) else None


def _items(src: str | Path | Manifest, out: Path) -> tuple[tuple[Item, ...], Path]:
    if not isinstance(src, Manifest):
        return find_files(src, beside=out), root_of(src)
    folders = [item.path.parent for item in src.items]
    shared = (top for top in (folders[0], *folders[0].parents) if all(f.is_relative_to(top) for f in folders))
    return src.items, next(shared, Path())


def _plan(items: Sequence[Item], root: Path, views_of: Callable[[Item], tuple[Converter, ...] | str]) -> _Run:
    """Decide what is drawn of each item, and under which name and key."""
    errors: dict[int, str] = {}
    of_path: dict[Path, tuple[Converter, ...] | str] = {}
    by_views: dict[tuple[Converter, ...], list[int]] = {}
    for place, item in enumerate(items):
        if item.path not in of_path:
            of_path[item.path] = views_of(item)
        found = of_path[item.path]
        if isinstance(found, str):
            errors[place] = found
        else:
            by_views.setdefault(found, []).append(place)
    everything = tuple(dict.fromkeys(view for views in by_views for view in views))
    entries = []
    for group, places in by_views.items():
        for place, keys in zip(places, plan_keys([items[p] for p in places], group), strict=True):
            if isinstance(keys, str):
                errors[place] = keys
                continue
            numbers = tuple(map(everything.index, group))
            entries.append(Entry(place, items[place], _name(items[place], root), numbers, keys))
    _check_names(entries)
    return _Run(everything, sorted(entries, key=lambda entry: entry.place), errors)


def _chooser(
    views: Sequence[Converter] | Mapping[Kind, Sequence[Converter]] | None, kind: Kind | None
) -> Callable[[Item], tuple[Converter, ...] | str]:
    """Return what tells the views of an item, or why it has none."""
    if views and isinstance(views, Sequence):
        named = check_views(views)
        return lambda _item: named
    by_kind: Mapping[Kind, Sequence[Converter]] = views if isinstance(views, Mapping) else {}

    def choose(item: Item) -> tuple[Converter, ...] | str:
        try:
            found = kind or item.kind or recognise(item.path)
        except ReadError as error:
            return str(error)
        return check_views(by_kind[found]) if found in by_kind else default_views(found)

    return choose


def _name(item: Item, root: Path) -> str:
    """Return the path of an item below its root, with its fragment, as a name that stays inside a folder."""
    path = item.path.relative_to(root) if item.path.is_relative_to(root) else item.path
    parts = ["_up_" if part == ".." else part for part in path.parts if part != path.anchor]
    return "/".join(parts) + (f".{item.fragment}" if item.fragment else "")


def _check_names(entries: Sequence[Entry]) -> None:
    names = Counter(entry.name for entry in entries)
    twice = next((entry for entry in entries if names[entry.name] > 1), None)
    if twice:
        raise ParameterError(f"{twice.item}: {names[twice.name]} items are called {twice.name!r}; rename one")


def _conversion(run: _Run, items: Sequence[Item], seconds: float) -> Conversion:
    failed = tuple(
        Failure(items[place], message(str(items[place]), items[place].path, error))
        for place, error in sorted(run.errors.items())
    )
    whole = sum(len(entry.keys) for entry in run.entries if entry.place not in run.errors)
    return Conversion(run.converted, max(whole - run.converted, 0), failed, seconds, tuple(run.files))


class _Pictures:
    """Every image a file of its own, written by the worker that draws it."""

    def __init__(self, out: Path, run: _Run) -> None:
        self._out, self._run = out, run
        self._folders = folder_names(run.views) if len(run.views) > 1 else [""]

    def tasks(self) -> Iterator[Task]:
        """Yield what is not there yet."""
        for entry in self._run.entries:
            jobs = [Job(v, k, self._target(entry, v)) for v, k in zip(entry.views, entry.keys, strict=True)]
            missing = tuple(job for job in jobs if job.target and key_of(job.target) != job.key)
            if missing:
                yield Task(entry.place, entry.item.path, entry.item.fragment, missing)

    def take(self, task: Task, pictures: Sequence[bytes | None]) -> None:
        """Do nothing: the worker has written the file."""

    def close(self) -> None:
        """Note the files that hold images."""
        whole = [entry for entry in self._run.entries if entry.place not in self._run.errors]
        self._run.files += [self._target(entry, view) for entry in whole for view in entry.views]

    def _target(self, entry: Entry, view: int) -> Path:
        return self._out / self._folders[view] / f"{entry.name}.png"


class _Packed:
    """Many images a file, written when all of them are drawn."""

    def __init__(self, out: Path, run: _Run, shards: Shards) -> None:
        self._out, self._run, self._shards = out, run, shards
        labels = {entry.item.label for entry in run.entries if entry.item.label is not None}
        shards.describe(folder_names(run.views), [view.spec for view in run.views], sorted(labels))
        self._parts = shards.parts(out, run.entries)
        self._part_of = {entry.place: part for part in self._parts for entry in part.entries}

    def tasks(self) -> Iterator[Task]:
        """Yield the items that their part does not hold yet."""
        for part in self._parts:
            there = self._shards.names(part.path)
            for entry in part.entries:
                if self._shards.name(entry) not in there:
                    part.waiting.add(entry.place)
                    jobs = tuple(Job(v, k, None) for v, k in zip(entry.views, entry.keys, strict=True))
                    yield Task(entry.place, entry.item.path, entry.item.fragment, jobs)

    def take(self, task: Task, pictures: Sequence[bytes | None]) -> None:
        """Keep the images of an item; write its part when that is all."""
        part = self._part_of[task.place]
        part.waiting.remove(task.place)
        if task.place not in self._run.errors:
            part.fresh[task.place] = [picture for picture in pictures if picture is not None]
        if not part.waiting:
            self._shards.write(part)

    def close(self) -> None:
        """Remove parts of earlier runs that no longer belong, and note the files that hold images."""
        self._run.files += [part.path for part in self._parts if part.path.exists()]
        self._shards.remove_others(self._out, self._run.files)


def folder_names(views: Sequence[Converter]) -> list[str]:
    """Return a name for each view that any file system takes.

    Examples
    --------
    >>> from phosphene.converters import parse_views
    >>> folder_names(parse_views("gasf,gasf(size=64)"))
    ['gasf', 'gasf-size=64']
    """
    names = [re.sub(r"[^\w=+]+", "-", view.spec).strip("-") for view in views]
    return [
        f"{name}-{view.fingerprint[:8]}" if names.count(name) > 1 else name
        for name, view in zip(names, views, strict=True)
    ]
