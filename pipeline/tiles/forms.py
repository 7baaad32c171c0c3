"""The forms of results: an image a file, or many in one as Parquet or WebDataset; each file whole or not at all."""

import csv
import hashlib
import io
import json
import re
import tarfile
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from phosphene.converters import Converter
from phosphene.converters.core.files import atomic_write
from phosphene.datasets.manifest import Item

from .remote import RemoteFolder
from .store import Output, PngCodec, key_of, unwritable

PER_SHARD = 256
"""Items in a file, unless another number is named: what an interruption costs at most."""

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
    """A form of results in a folder; `source`, where the items come from, parts its results from those of others.

    Items come in parts: each begins with `begin` and ends with `end`.
    """

    codec: ClassVar[PngCodec] = PngCodec()
    shared: ClassVar[bool] = False  # files of equal content have an image each

    remote: RemoteFolder | None = None
    """Where files are put, and fetched from, where the folder is on another file system."""
    shard_size: int | None = None
    """Items in a file, where it holds many; None for PER_SHARD."""

    def __init__(self, out: Path, source: str, views: Sequence[Converter], classes: Sequence[str]) -> None:
        del source, classes
        self._out, self.views, self._folders = out, views, folder_names(views)
        self._entries: dict[int, Entry] = {}

    def begin(self, entries: Sequence[Entry]) -> None:
        """Take the items of a part."""
        self._entries = {entry.index: entry for entry in entries}

    @abstractmethod
    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the images of an item that are not there."""

    @abstractmethod
    def take(self, index: int, keys: Sequence[str], values: Sequence[Any], *, failed: bool) -> None:
        """Keep the images of an item that were not written to files of their own."""

    @abstractmethod
    def end(self, failed: Mapping[int, object]) -> list[str]:
        """Return the names of the files that hold the images of the part, when all is drawn but the failed items."""

    @abstractmethod
    def names_of(self, entry: Entry) -> list[str]:
        """Return the names of the files that hold the images of an item, one a view."""

    @abstractmethod
    def remove_others(self) -> None:
        """Remove files of the same source that are of none of the parts."""


class PngFiles(Export):
    """Every image a file of its own, written by the worker that draws it."""

    def missing(self, index: int, keys: Sequence[str]) -> tuple[Output, ...]:
        """Return the images whose file is not there or shows something else."""
        entry = self._entries[index]
        targets = zip(entry.views, keys, self._targets(entry), strict=True)
        return tuple(Output(view, key, file) for view, key, file in targets if key_of(file) != key)

    def take(self, index: int, keys: Sequence[str], values: Sequence[Any], *, failed: bool) -> None:
        """Do nothing: the worker has written the files."""

    def end(self, failed: Mapping[int, object]) -> list[str]:
        """Return the files of all items that did not fail."""
        whole = (entry for entry in self._entries.values() if entry.index not in failed)
        return [name for entry in whole for name in self.names_of(entry)]

    def begin(self, entries: Sequence[Entry]) -> None:
        """Take the items of a part."""
        super().begin(entries)
        if self.remote:
            self.remote.fetch([file for entry in entries for file in self._targets(entry)])

    def remove_others(self) -> None:
        """Do nothing: a PNG does not tell of which source it was made."""

    def _targets(self, entry: Entry) -> list[Path]:
        return [self._out / name for name in self.names_of(entry)]

    def names_of(self, entry: Entry) -> list[str]:
        """Return the names of the files that hold the images of an item, one a view."""
        if len(self._folders) == 1:
            return [f"{entry.name}.png"] * len(entry.views)
        return [f"{self._folders[view]}/{entry.name}.png" for view in entry.views]


@dataclass
class _Shard:
    """One file, the items that belong in it, those still to be drawn, and the images drawn now."""

    path: Path
    entries: list[Entry]
    there: set[str] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    fresh: dict[str, list[bytes]] = field(default_factory=dict)


class Shards(Export):
    """Many images a file, called NAME-SOURCE-00000-DIGEST: another digest means other content."""

    suffix: ClassVar[str]
    layout: ClassVar[str] = ""  # of what is in a file: files of another one are written again

    def __init__(self, out: Path, source: str, views: Sequence[Converter], classes: Sequence[str]) -> None:
        super().__init__(out, source, views, classes)
        self._prefix = source_name(source)
        self._class_indices = {label: str(index) for index, label in enumerate(sorted(classes))}
        self._shards: list[_Shard] = []
        self._shard_of: dict[int, _Shard] = {}
        self._n_before, self._kept = 0, set[str]()

    def begin(self, entries: Sequence[Entry]) -> None:
        """Take the items of a part, whose files are numbered on from those of the parts before."""
        super().begin(entries)
        size = self.shard_size or PER_SHARD
        groups = [list(entries[start : start + size]) for start in range(0, len(entries), size)]
        self._shards = []
        for number, group in enumerate(groups, self._n_before):
            content = [[self._item_name(e), *e.keys, e.item.label or "", self._class_of(e)] for e in group]
            digest = _digest(json.dumps(content) + self.layout, 6)
            path = self._out / f"{self._prefix}-{number:05d}-{digest}{self.suffix}"
            self._shards.append(_Shard(path, group))
        if self.remote:
            self.remote.fetch([shard.path for shard in self._shards])
        for shard in self._shards:
            shard.there = self._names_or_none(shard.path)
        self._n_before += len(groups)
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

    def end(self, failed: Mapping[int, object]) -> list[str]:
        """Return the files that there are."""
        names = [shard.path.name for shard in self._shards if shard.path.exists()]
        self._kept.update(names)
        return names

    def names_of(self, entry: Entry) -> list[str]:
        """Return the name of the file that holds the images of an item, once a view."""
        return [self._shard_of[entry.index].path.name] * len(entry.views)

    def remove_others(self) -> None:
        """Remove files of the same source that hold what is no longer so."""
        ours = re.compile(rf"{re.escape(self._prefix)}-\d{{5,}}-[0-9a-f]{{12}}{re.escape(self.suffix)}")
        names = (
            self.remote.names() if self.remote else [path.name for path in self._out.glob(f"*{self.suffix}")]
        )
        for name in names:
            if ours.fullmatch(name) and name not in self._kept:
                self.remote.remove(name) if self.remote else (self._out / name).unlink()

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
        return self._class_indices[entry.item.label] if entry.item.label is not None else ""


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
                "view": self.views[view].spec,
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
            "views": [self.views[view].spec for view in entry.views],
        }
        yield "json", json.dumps(about).encode()


class ImageManifest:
    """The table beside the images of a source: of each its file, and what is known of the item that it shows.

    It is written when all is drawn, unless that is there already, and taken away where nothing could be drawn.
    """

    columns = ("file", "path", "fragment", "view", "label", "split", "fold", "group")

    def __init__(self, out: Path, source: str, remote: RemoteFolder | None) -> None:
        self.path, self._remote = out / f"manifest-{source_name(source)}.csv", remote

    def __enter__(self) -> Self:
        self._rows = tempfile.TemporaryFile(  # millions do not wait in memory
            "w+", encoding="utf-8", errors="backslashreplace", newline=""
        )
        return self

    def add(self, entries: Sequence[Entry], export: Export) -> None:
        """Add the images of items."""
        writer = csv.writer(self._rows, lineterminator="\n")
        if entries and not self._rows.tell():
            writer.writerow(self.columns)
        specs = [view.spec for view in export.views]
        for entry in entries:
            item = entry.item
            about = (item.label, item.split, item.fold, item.group)
            files = zip(entry.views, export.names_of(entry), strict=True)
            writer.writerows([file, entry.path, entry.fragment, specs[view], *about] for view, file in files)

    def __exit__(self, error: object, *_: object) -> None:
        with self._rows:
            if error is None and self._rows.tell():
                self._write()
            elif error is None:
                self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        if self._remote:
            self._remote.fetch([self.path])
        if not self._is_there():
            self._rows.seek(0)
            try:
                with atomic_write(self.path) as file:
                    file.writelines(iter(partial(self._rows.buffer.read, 1 << 20), b""))
            except OSError as error:
                raise unwritable(self.path.parent, error) from error
        if self._remote:
            self._remote.put([self.path])

    def _is_there(self) -> bool:
        if not self.path.exists():
            return False
        self._rows.seek(0)
        with self.path.open("rb") as there:
            parts = (iter(partial(file.read, 1 << 20), b"") for file in (self._rows.buffer, there))
            return all(one == other for one, other in zip_longest(*parts))


FORMATS: dict[Form, type[Export]] = {
    "png": PngFiles,
    "parquet": ParquetShards,
    "webdataset": WebDatasetShards,
}


def source_name(source: str) -> str:
    """Return a name for a source that no other has, for files that hold something of all of it.

    Examples
    --------
    >>> source_name("/data/bird songs"), source_name("/more/bird songs")
    ('bird_songs-615e5898', 'bird_songs-eff4f832')
    """
    name = re.sub(r"[^\w-]+", "_", source.rpartition("/")[2] or "all")
    return f"{name}-{_digest(source, 4)}"


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
