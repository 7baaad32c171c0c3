"""Raw files to image files: beside each other as PNG, or packed as Parquet or WebDataset, whole or not at all."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from phosphene.converters import Converter, ParameterError, ReadOptions, default_views
from phosphene.converters.core.errors import reason
from phosphene.converters.core.files import DEFAULTS, is_folder
from phosphene.converters.core.signal import Kind, Signal
from phosphene.converters.registry import Views, recognise, views_by_kind
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.parts import ItemList, ItemSpool, list_in_parts
from phosphene.datasets.sources import root_of
from phosphene.datasets.windows import cut_each

from .engines import Engine, RayEngine, make_engine
from .forms import FORMATS, PER_SHARD, Entry, Export, Form, ImageManifest
from .item_map import Planned, RunReport, map_items, plan_items
from .remote import RemoteFolder, RemoteSource, is_remote, local_folder, named
from .render import Draw, check_views, one_on_gpu
from .store import sweep

PART = 8 * PER_SHARD
"""Items of a large folder that are held at a time."""


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
    out
        The folder of the results.
    names
        The files in it that hold the images, of each part of the run as one text, with zero bytes between.
    """

    converted: int
    reused: int
    failed: tuple[Failure, ...]
    seconds: float
    out: Path
    names: tuple[str, ...] = field(repr=False)  # paths of a million images would take half a gigabyte

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that hold the images."""
        return tuple(self.out / name for names in self.names for name in names.split("\0") if name)


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
    progress: bool = True,
    device: str | None = None,
    options: ReadOptions = DEFAULTS,
    shard_size: int | None = None,
) -> Conversion:
    """Draw raw files into image files; run again after an interruption, it goes on where it was.

    An image is kept if it was drawn from the same bytes by the same converter, else drawn again.

    Parameters
    ----------
    src
        A file, folder, table or archive, or a manifest; or the URL of a folder or file: `s3://bucket/sounds`.
    out
        The folder for the results, or its URL. `png`: SRC/a/b.wav becomes OUT/a/b.wav.png, and OUT/VIEW/a/b.wav.png
        where there are several views. `parquet`: files with the columns image (which Hugging Face
        `datasets` opens as images), label, path, fragment and view.
        `webdataset`: tar files with a .png, .json and (of labelled items) .cls for each item.
        Beside them lies the manifest, `manifest-SOURCE.csv`: of each image its file, path, fragment, view, label,
        split, fold and group.
    views
        What to draw, converters or text such as `gasf,gadf`; every file is then read as their kind. Views by kind,
        or None for the default ones, let each file decide.
    kind
        What every file is read as; None asks each file.
    windows
        How recordings are cut, an image for each part: `t=5,2.5` (seconds, and from one to the next),
        `samples=1000`, `events=250`, `bytes=65536`, `pause=1`, `path=2000`, or `none`; files of other kinds
        stay whole. None cuts sound longer than ten minutes or larger than 512 MB into windows of
        5 s, and nothing else.
    workers, engine, progress, device
        As for `render`.
    to
        The form of the results.
    options
        How files are read where their content does not settle it; a manifest's items know that.
    shard_size
        Items in each file of `parquet` and `webdataset`, 1 or more; None for 256. From a URL at most 2,048.

    Raises
    ------
    ReadError
        There is no such source, or nothing in it.
    ParameterError
        Views of several kinds, a form, windows or a size of shards that are none, or two items whose images would
        have one name.
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
    most, pool = _part(to, shard_size), _engine_for(engine, one_on_gpu(workers, device), src, out)
    if views is not None and not isinstance(views, Mapping):
        views = views_by_kind(views, kind=kind)
        kind = kind or (views[0].kind if views and not isinstance(views, dict) else None)
    with (
        local_folder(out) as (folder, remote),
        _listed(src, folder, kind, options, most) as (listed, root, name),
        ImageManifest(folder, name, remote) as manifest,
    ):
        sweep(folder)
        form, choose = FORMATS[to], _chooser(views, kind)
        run = _Run(folder, root, name, choose, device, pool, form, remote, shard_size, manifest)
        with (
            pool.started(len(listed) if listed.n_parts == 1 else 0),
            RunReport(len(listed), shown=progress) as report,
        ):
            for items in listed:
                run.convert(cut_each(items, windows, kind=kind), listed, report)
        if run.export:
            run.export.remove_others()
    seconds = time.monotonic() - begin
    return Conversion(run.converted, run.reused, tuple(run.failed), seconds, folder, tuple(run.names))


@dataclass
class _Run:
    """A conversion on its way: how it is done, and what was done of it."""

    out: Path
    root: Path
    source: str
    views_of: "Callable[[Item], tuple[Converter, ...] | str]"
    device: str | None
    engine: Engine
    form: type[Export]
    remote: RemoteFolder | None
    shard_size: int | None
    manifest: ImageManifest
    export: Export | None = None
    draw: Draw = field(default_factory=lambda: Draw(()))
    converted: int = 0
    reused: int = 0
    failed: list[Failure] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def convert(
        self, items: Sequence[Item], listed: ItemSpool | ItemList | RemoteSource, report: RunReport
    ) -> None:
        """Convert the items of a part."""
        found = self._views(items)
        if self.export is None:  # of all parts: where images lie depends on how many views there are
            of_kinds = (self.views_of(Item(Path(), kind=kind)) for kind in listed.kinds if listed.n_parts > 1)
            known = [*of_kinds, *found.values()]
            views = dict.fromkeys(view for some in known if not isinstance(some, str) for view in some)
            self.draw = Draw(tuple(views), self.device)
            self.export = self.form(self.out, self.source, self.draw.views, listed.classes)
            self.export.remote, self.export.shard_size = self.remote, self.shard_size
        planned, entries = self._plan(items, found)
        self.export.begin(entries)
        failures, converted = map_items(planned, self.draw, self.export, engine=self.engine, progress=report)
        whole = sum(len(entry.keys) for entry in entries if entry.index not in failures)
        self.converted += converted
        self.reused += max(whole - converted, 0)
        self.failed += (Failure(one.item, named(one.error)) for one in failures.values())
        self.manifest.add([entry for entry in entries if entry.index not in failures], self.export)
        names = self.export.end(failures)
        if self.remote:
            self.remote.put(self.out / name for name in names)
        self.names.append("\0".join(names))

    def _views(self, items: Sequence[Item]) -> dict[Path | Signal, tuple[Converter, ...] | str]:
        """Return what is drawn of each source, or why nothing can be."""
        found: dict[Path | Signal, tuple[Converter, ...] | str] = {}
        for item in items:
            if item.source not in found:
                found[item.source] = self.views_of(item)
        return found

    def _plan(
        self, items: Sequence[Item], found: Mapping[Path | Signal, tuple[Converter, ...] | str]
    ) -> tuple[list[Planned], list[Entry]]:
        """Decide what is drawn of each item, and under which name and keys."""
        by_views: dict[tuple[Converter, ...], list[int]] = {}
        planned: dict[int, Planned] = {}
        for index, item in enumerate(items):
            views = found[item.source]
            if isinstance(views, str):
                planned[index] = Planned(item, error=views)
            else:
                by_views.setdefault(views, []).append(index)
        numbers = {views: tuple(map(self.draw.views.index, views)) for views in by_views}
        for group, indices in by_views.items():
            plans = plan_items([items[index] for index in indices], self.draw.fingerprints(numbers[group]))
            planned.update(zip(indices, plans, strict=True))
        entries = [
            Entry(index, item, _name(item, self.root), numbers[views], planned[index].keys)
            for index, item in enumerate(items)
            if not isinstance(views := found[item.source], str) and planned[index].error is None
        ]
        names = Counter(entry.name for entry in entries)
        twice = next((entry for entry in entries if names[entry.name] > 1), None)
        if twice:
            raise ParameterError(
                f"{twice.item}: {names[twice.name]} items are called {twice.name!r}; rename one"
            )
        return [planned[index] for index in range(len(items))], entries


def _engine_for(engine: Literal["local", "ray"] | Engine, workers: int | None, *paths: object) -> Engine:
    pool = make_engine(engine, workers)
    if isinstance(pool, RayEngine) and any(map(is_remote, paths)):
        raise ParameterError(
            "the Ray engine converts files that every node sees; name a folder that all share"
        )
    return pool


def _part(to: Form, shard_size: int | None) -> int:
    """Return how many items are held at a time: PART or less, and as many as fill whole files; check both words."""
    if to not in FORMATS:
        raise ParameterError(f"to must be one of {', '.join(FORMATS)}, got {to!r}")
    if shard_size is not None and (to == "png" or shard_size < 1):
        wanted = "is for parquet and webdataset" if to == "png" else "must be an integer >= 1"
        raise ParameterError(f"shard_size {wanted}, got {shard_size!r}")
    return PART if shard_size is None else shard_size * max(1, PART // shard_size)


@contextmanager
def _listed(
    src: str | Path | Manifest, out: Path, kind: Kind | None, options: ReadOptions, most: int
) -> Iterator[tuple[ItemSpool | ItemList | RemoteSource, Path, str]]:
    """Give the items of a source, the folder that their names count from, and what the source is called."""
    if isinstance(src, Manifest):
        of_files = [item.path.parent for item in src.items]
        tops = (of_files[0], *of_files[0].parents)
        root = next((top for top in tops if all(file.is_relative_to(top) for file in of_files)), Path())
        yield ItemList([src.items]), root, str(root.resolve() / src.name)
    elif is_remote(src):
        with RemoteSource(str(src), kind=kind, options=options) as source:
            if source.n_parts > 1 and kind is None:
                raise ParameterError(f"{src}: holds more files than are fetched at a time; name their kind")
            yield source, source.root, source.url
    else:
        root = root_of(src)
        name = root if is_folder(Path(src)) else root / Path(src).name
        yield list_in_parts(src, most=most, beside=out, kind=kind, options=options), root, str(name.resolve())


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
            held = item.signal
            found = kind or item.kind or (recognise(item.path) if held is None else held.kind)
        except Exception as error:  # a fault of a reader costs this file only
            return reason(error)
        if found in by_kind and not by_kind[found]:
            return f"a {found} file; what is to be drawn is of {', '.join(kind for kind in by_kind if by_kind[kind])}"
        return check_views(by_kind[found]) if found in by_kind else default_views(found)

    return choose


def _name(item: Item, root: Path) -> str:
    """Return the path of an item below its root, with its fragment, as a name that stays inside a folder."""
    text, top = str(item.path), f"{root}/"
    if text.startswith(top) and "/../" not in text:  # almost all
        return text.removeprefix(top) + (f".{item.fragment}" if item.fragment else "")
    path = item.path.relative_to(root) if item.path.is_relative_to(root) else item.path
    parts = ["_up_" if part == ".." else part for part in path.parts if part != path.anchor]
    return "/".join(parts) + (f".{item.fragment}" if item.fragment else "")
