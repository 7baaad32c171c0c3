"""Raw files to image files: beside each other as PNG, or packed as Parquet or WebDataset."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from phosphene.converters import Converter, ParameterError, PhospheneError, ReadOptions, default_views
from phosphene.converters.core.files import DEFAULTS
from phosphene.converters.core.signal import Kind, Signal
from phosphene.converters.registry import recognise
from phosphene.converters.views import Views, as_views
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.sources import find_files, root_of
from phosphene.datasets.windows import cut_each

from .engines import Engine, LocalEngine, make_engine
from .formats import FORMATS, Entry, Form
from .item_map import Planned, Progress, map_items, plan_items
from .render import Draw, check_views, one_on_gpu
from .store import sweep


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


def convert(  # noqa: PLR0913  (the options of the command, each a word of its own)
    src: str | Path | Manifest,
    out: str | Path,
    *,
    views: Views | Mapping[Kind, Views] | None = None,
    kind: Kind | None = None,
    windows: str | None = None,
    workers: int | None = None,
    engine: Literal["local", "ray"] | Engine = "local",
    to: Form = "png",
    progress: Progress = True,
    device: str | None = None,
    options: ReadOptions = DEFAULTS,
) -> Conversion:
    """Draw raw files into image files; run again after an interruption, it goes on where it was.

    An image is kept if it was drawn from the same bytes by the same converter, else drawn again.

    Parameters
    ----------
    src
        A file, folder, table or archive, or a manifest.
    out
        The folder for the results. `png`: SRC/a/b.wav becomes OUT/a/b.wav.png, and OUT/VIEW/a/b.wav.png where
        there are several views. `parquet`: files with the columns path, fragment, label, view, png.
        `webdataset`: tar files with a .png, .json and (of labelled items) .cls for each item.
    views
        What to draw, converters or text such as `gasf,gadf`; every file is then read as their kind. Views by kind,
        or None for the default ones, let each file decide.
    kind
        What every file is read as; None asks each file.
    windows
        How recordings are cut, an image for each part: `t=5,2.5` (seconds, and from one to the next),
        `samples=1000`, `events=250`, `bytes=65536`, `pause=1`, `path=2000`, or `none`; files of other kinds
        stay whole. None cuts sound longer than ten minutes into windows of 5 s, and nothing else.
    workers, engine, progress, device
        As for `render`.
    to
        The form of the results.
    options
        How files are read where their content does not settle it; a manifest's items know that.

    Raises
    ------
    ReadError
        There is no such source, or nothing in it.
    ParameterError
        Views of several kinds, a form or windows that are none, or two items whose images would have one name.
    StoreError
        The folder for the results cannot be written.

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
    if to not in FORMATS:
        raise ParameterError(f"to must be one of {', '.join(FORMATS)}, got {to!r}")
    pool, out = make_engine(engine, one_on_gpu(workers, device)), Path(out)
    if views is not None and not isinstance(views, Mapping):
        views = as_views(views, kind=kind)
    kind = kind or _kind_of(views)
    items, root = _items(src, out, kind, options)
    with pool.started(len(items)) if isinstance(pool, LocalEngine) else nullcontext():
        items = cut_each(items, windows, kind=kind)
        draw, planned, entries = _plan(items, root, _chooser(views, kind), device)
        sweep(out)
        export = FORMATS[to](out, root, entries, draw.views)
        failures, converted = map_items(planned, draw, export, engine=pool, progress=progress)
    whole = sum(len(entry.keys) for entry in entries if entry.index not in failures)
    return Conversion(
        converted=converted,
        reused=max(whole - converted, 0),
        failed=tuple(failures.values()),
        seconds=time.monotonic() - begin,
        files=tuple(export.files(failures)),
    )


def _kind_of(views: Sequence[Converter] | Mapping[Kind, Views] | None) -> Kind | None:
    return views[0].kind if views and isinstance(views, Sequence) else None


def _items(
    src: str | Path | Manifest, out: Path, kind: Kind | None, options: ReadOptions
) -> tuple[tuple[Item, ...], Path]:
    if not isinstance(src, Manifest):
        return find_files(src, beside=out, kind=kind, options=options), root_of(src)
    folders = [item.path.parent for item in src.items]
    shared = (top for top in (folders[0], *folders[0].parents) if all(f.is_relative_to(top) for f in folders))
    return src.items, next(shared, Path())


def _plan(
    items: Sequence[Item],
    root: Path,
    views_of: Callable[[Item], tuple[Converter, ...] | str],
    device: str | None,
) -> tuple[Draw, list[Planned], list[Entry]]:
    """Decide what is drawn of each item, and under which name and keys."""
    of_path: dict[Path | Signal, tuple[Converter, ...] | str] = {}
    by_views: dict[tuple[Converter, ...], list[int]] = {}
    planned: dict[int, Planned] = {}
    for index, item in enumerate(items):
        if item.source not in of_path:
            of_path[item.source] = views_of(item)
        found = of_path[item.source]
        if isinstance(found, str):
            planned[index] = Planned(item, error=found)
        else:
            by_views.setdefault(found, []).append(index)
    draw = Draw(tuple(dict.fromkeys(view for views in by_views for view in views)), device)
    numbers = {views: tuple(map(draw.views.index, views)) for views in by_views}
    for group, indices in by_views.items():
        plans = plan_items([items[index] for index in indices], draw.fingerprints(numbers[group]))
        planned.update(zip(indices, plans, strict=True))
    entries = [
        Entry(index, item, _name(item, root), numbers[views], planned[index].keys)
        for index, item in enumerate(items)
        if not isinstance(views := of_path[item.source], str) and planned[index].error is None
    ]
    _check_names(entries)
    return draw, [planned[index] for index in range(len(items))], entries


def _chooser(
    views: Sequence[Converter] | Mapping[Kind, Views] | None, kind: Kind | None
) -> Callable[[Item], tuple[Converter, ...] | str]:
    """Return what tells the views of an item, or why it has none."""
    if views and isinstance(views, Sequence):
        named = check_views(views)
        return lambda _item: named
    by_kind: Mapping[Kind, Views] = views if isinstance(views, Mapping) else {}

    def choose(item: Item) -> tuple[Converter, ...] | str:
        try:
            found = (
                kind or item.kind or (item.signal.kind if item.signal is not None else recognise(item.path))
            )
        except PhospheneError as error:
            return str(error)
        except Exception as error:  # a fault of a reader costs this file only
            return f"{type(error).__name__}: {error}"
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
