"""Raw files to image files: beside each other as PNG, or packed as Parquet or WebDataset, whole or not at all."""

import hashlib
import io
import json
import re
import tarfile
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from phosphene.converters import Converter, ParameterError, PhospheneError, ReadOptions, default_views
from phosphene.converters.core.files import DEFAULTS, atomic_write
from phosphene.converters.core.signal import Kind, Signal
from phosphene.converters.registry import recognise
from phosphene.converters.views import Views, as_views
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.sources import find_files, root_of
from phosphene.datasets.windows import cut_each

from .engines import Engine, LocalEngine, make_engine
from .item_map import Planned, map_items, plan_items
from .render import Draw, check_views, one_on_gpu
from .store import Output, PngCodec, key_of, sweep, unwritable

PER_SHARD = 256
"""Items in a file: what an interruption costs at most."""

Form = Literal["png", "parquet", "webdataset"]


@dataclass(frozen=True)
class Entry:
    """An item to be drawn: the name it gets, the indices of its views, and the keys of its images."""

    index: int
    item: Item
    name: str
    views: tuple[int, ...]
    keys: tuple[str, ...]

    @property
    def path(self) -> str:
        """The name without the fragment."""
        return self.name.removesuffix(f".{self.item.fragment}")

    @property
    def fragment(self) -> str | None:
        """The part of a file, as text."""
        return str(self.item.fragment) if self.item.fragment else None


class Export(ABC):
    """A form of results in a folder; `source`, where the items come from, parts its results from those of others."""

    codec: ClassVar[PngCodec] = PngCodec()
    shared: ClassVar[bool] = False  # files of equal content have an image each

    def __init__(self, out: Path, source: Path, entries: Sequence[Entry], views: Sequence[Converter]) -> None:
        del source
        self._out, self._views, self._folders = out, views, folder_names(views)
        self._entries = {entry.index: entry for entry in entries}

    @abstractmethod
    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the images of an item that are not there."""

    @abstractmethod
    def take(self, index: int, keys: Sequence[str], values: Sequence[Any], *, failed: bool) -> None:
        """Keep the images of an item that were not written to files of their own."""

    @abstractmethod
    def files(self, failed: Mapping[int, object]) -> list[Path]:
        """Return the files that hold images when all is drawn but the failed items, and remove outdated ones."""


class PngFiles(Export):
    """Every image a file of its own, written by the worker that draws it."""

    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the images whose file is not there or shows something else."""
        entry = self._entries[index]
        targets = zip(entry.views, keys, self._targets(entry), strict=True)
        return tuple(Output(view, key, file) for view, key, file in targets if key_of(file) != key)

    def take(self, index: int, keys: Sequence[str], values: Sequence[Any], *, failed: bool) -> None:
        """Do nothing: the worker has written the files."""

    def files(self, failed: Mapping[int, object]) -> list[Path]:
        """Return the files of all items that did not fail."""
        whole = (entry for entry in self._entries.values() if entry.index not in failed)
        return [file for entry in whole for file in self._targets(entry)]

    def _targets(self, entry: Entry) -> list[Path]:
        folders = self._folders if len(self._folders) > 1 else [""]
        return [self._out / folders[view] / f"{entry.name}.png" for view in entry.views]


@dataclass
class _Shard:
    """One file, the items that belong in it, those still to be drawn, and the images drawn now."""

    path: Path
    entries: list[Entry]
    there: set[str]
    waiting: set[int] = field(default_factory=set)
    fresh: dict[str, list[bytes]] = field(default_factory=dict)


class Shards(Export):
    """Many images a file, called NAME-SOURCE-00000-DIGEST: another digest means other content."""

    suffix: ClassVar[str]
    layout: ClassVar[str] = ""  # of what is in a file: files of another one are written again

    def __init__(self, out: Path, source: Path, entries: Sequence[Entry], views: Sequence[Converter]) -> None:
        super().__init__(out, source, entries, views)
        root = source.resolve()
        name = re.sub(r"[^\w-]+", "_", root.name or "all")
        self._prefix = f"{name}-{_digest(str(root), 4)}"
        self._classes = sorted({entry.item.label for entry in entries if entry.item.label is not None})
        groups = [list(entries[start : start + PER_SHARD]) for start in range(0, len(entries), PER_SHARD)]
        self._shards = []
        for number, group in enumerate(groups):
            content = [[self._item_name(e), *e.keys, e.item.label or "", self._class_of(e)] for e in group]
            digest = _digest(json.dumps(content) + self.layout, 6)
            path = self._out / f"{self._prefix}-{number:05d}-{digest}{self.suffix}"
            self._shards.append(_Shard(path, group, self._names_or_none(path)))
        self._shard_of = {entry.index: shard for shard in self._shards for entry in shard.entries}

    @abstractmethod
    def _item_name(self, entry: Entry) -> str:
        """Return what an item is called inside a file."""

    @abstractmethod
    def _names(self, path: Path) -> set[str]:
        """Return what the items in a file are called; raises OSError or ValueError where it is broken."""

    @abstractmethod
    def _images(self, path: Path) -> Iterator[tuple[str, bytes]]:
        """Yield the images in a file, each with the name of its item."""

    @abstractmethod
    def _write(self, file: Any, entries: Sequence[Entry], images: Mapping[str, Sequence[bytes]]) -> None:
        """Write the images of items."""

    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the images of an item that its file does not hold."""
        entry, shard = self._entries[index], self._shard_of[index]
        if self._item_name(entry) in shard.there:
            return ()
        shard.waiting.add(index)
        return tuple(Output(view, key) for view, key in zip(entry.views, keys, strict=True))

    def take(self, index: int, keys: Sequence[str], values: Sequence[Any], *, failed: bool) -> None:
        """Keep the images of an item; write its file when nothing else is waited for."""
        shard = self._shard_of[index]
        shard.waiting.remove(index)
        if not failed:
            shard.fresh[self._item_name(self._entries[index])] = list(values)
        if shard.waiting or not shard.fresh:
            return
        images: dict[str, list[bytes]] = {}
        for name, png in self._images(shard.path) if shard.path.exists() else ():
            images.setdefault(name, []).append(png)
        images |= shard.fresh
        shard.fresh.clear()
        entries = [entry for entry in shard.entries if self._item_name(entry) in images]
        try:
            with atomic_write(shard.path) as file:
                self._write(file, entries, images)
        except OSError as error:
            raise unwritable(self._out, error) from error

    def files(self, failed: Mapping[int, object]) -> list[Path]:
        """Return the files, and remove those of the same source that hold what is no longer so."""
        keep = [shard.path for shard in self._shards if shard.path.exists()]
        ours = re.compile(rf"{re.escape(self._prefix)}-\d{{5}}-[0-9a-f]{{12}}{re.escape(self.suffix)}")
        for path in self._out.glob(f"*{self.suffix}"):
            if ours.fullmatch(path.name) and path not in keep:
                path.unlink()
        return keep

    def _names_or_none(self, path: Path) -> set[str]:
        """Return what the items in a file are called; a broken one is removed and counts as missing."""
        if not path.exists():
            return set()
        try:
            return self._names(path)
        except (OSError, ValueError, tarfile.TarError):
            path.unlink()
            return set()

    def _class_of(self, entry: Entry) -> str:
        """Return the index of a label among the classes, which tar files hold."""
        return str(self._classes.index(entry.item.label)) if entry.item.label is not None else ""


class ParquetShards(Shards):
    """Rows of image, label, path, fragment and view; bytes of a name that are not UTF-8 are written as escapes.

    An image is a struct of its bytes and a name, and the schema says so in the words of Hugging Face `datasets`, which
    opens the column as images.
    """

    suffix, layout = ".parquet", "image"

    def _item_name(self, entry: Entry) -> str:
        return _text(entry.name)

    def _names(self, path: Path) -> set[str]:
        return {_row_name(row) for row in self._rows(path, "path", "fragment")}

    def _images(self, path: Path) -> Iterator[tuple[str, bytes]]:
        for row in self._rows(path, "path", "fragment", "image"):
            yield _row_name(row), row["image"]["bytes"]

    def _write(self, file: Any, entries: Sequence[Entry], images: Mapping[str, Sequence[bytes]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = ("label", "path", "fragment", "view")
        rows = [
            {
                "image": {"bytes": png, "path": f"{_text(entry.name)}.png"},
                "label": entry.item.label and _text(entry.item.label),
                "path": _text(entry.path),
                "fragment": entry.fragment,
                "view": self._views[view].spec,
            }
            for entry in entries
            for view, png in zip(entry.views, images[self._item_name(entry)], strict=True)
        ]
        features = {"image": {"_type": "Image"}} | {
            name: {"dtype": "string", "_type": "Value"} for name in text
        }
        schema = pa.schema(
            {
                "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
                **dict.fromkeys(text, pa.string()),
            },
            metadata={"huggingface": json.dumps({"info": {"features": features}})},
        )
        table = pa.Table.from_pylist(rows, schema)
        pq.write_table(table, file, compression="none")

    def _rows(self, path: Path, *columns: str) -> Any:
        import pyarrow.parquet as pq

        return pq.read_table(path, columns=list(columns)).to_pylist()


class WebDatasetShards(Shards):
    """Of each item a member `.png` for each view, `.json`, and `.cls` where it has a label."""

    suffix = ".tar"

    def _item_name(self, entry: Entry) -> str:
        name = re.sub(r"[^A-Za-z0-9_=-]+", "_", entry.name)  # a dot would part it from the suffix
        return f"{name}-{_digest(entry.name, 4)}"

    def _names(self, path: Path) -> set[str]:
        with tarfile.open(path) as tar:
            return {name.partition(".")[0] for name in tar.getnames()}

    def _images(self, path: Path) -> Iterator[tuple[str, bytes]]:
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file and member.name.endswith(".png"):
                    yield member.name.partition(".")[0], file.read()

    def _write(self, file: Any, entries: Sequence[Entry], images: Mapping[str, Sequence[bytes]]) -> None:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for entry in entries:
                for suffix, data in self._members(entry, images[self._item_name(entry)]):
                    info = tarfile.TarInfo(f"{self._item_name(entry)}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))

    def _members(self, entry: Entry, images: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
        for view, png in zip(entry.views, images, strict=True):
            yield f"{self._folders[view]}.png" if len(self._folders) > 1 else "png", png
        if entry.item.label is not None:
            yield "cls", self._class_of(entry).encode()
        about = {
            "path": entry.path,
            "fragment": entry.fragment,
            "label": entry.item.label,
            "views": [self._views[view].spec for view in entry.views],
        }
        yield "json", json.dumps(about).encode()


FORMATS: dict[Form, type[Export]] = {
    "png": PngFiles,
    "parquet": ParquetShards,
    "webdataset": WebDatasetShards,
}


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


def _row_name(row: Mapping[str, Any]) -> str:
    return f"{row['path']}.{row['fragment']}" if row["fragment"] else str(row["path"])


def _text(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _digest(text: str, size: int) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=size).hexdigest()


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
    progress: bool = True,
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
        there are several views. `parquet`: files with the columns image (which Hugging Face
        `datasets` opens as images), label, path, fragment and view.
        `webdataset`: tar files with a .png, .json and (of labelled items) .cls for each item.
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
        kind = kind or (views[0].kind if views else None)
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
    names = Counter(entry.name for entry in entries)
    twice = next((entry for entry in entries if names[entry.name] > 1), None)
    if twice:
        raise ParameterError(f"{twice.item}: {names[twice.name]} items are called {twice.name!r}; rename one")
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
            held = item.signal
            found = kind or item.kind or (recognise(item.path) if held is None else held.kind)
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
