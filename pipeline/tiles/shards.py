"""Many images in one file: Parquet parts and WebDataset tar files, each written whole or not at all."""

import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from phosphene.converters.core.files import atomic_write
from phosphene.datasets.manifest import Item

PER_PART = 256
"""Items in a file: what an interruption costs at most."""


@dataclass(frozen=True)
class Entry:
    """An item to be drawn: the name it gets, the places of its views, and the keys of its images."""

    place: int
    item: Item
    name: str
    views: tuple[int, ...]
    keys: tuple[str, ...]


@dataclass
class Part:
    """One file, the items that belong in it, those still to be drawn, and those drawn now."""

    path: Path
    entries: list[Entry]
    waiting: set[int] = field(default_factory=set)
    fresh: dict[int, list[bytes]] = field(default_factory=dict)


class Shards:
    """Files of one form, called NAME-00000-DIGEST: another digest means other content.

    Parameters
    ----------
    form
        `parquet` or `webdataset`.
    name
        What the files are called after: the source.
    """

    def __init__(self, form: Literal["parquet", "webdataset"], name: str) -> None:
        self._form = form
        self._name = re.sub(r"[^\w-]+", "_", name)
        self._suffix = {"parquet": ".parquet", "webdataset": ".tar"}[form]
        self._short: list[str] = []
        self._specs: list[str] = []
        self._classes: list[str] = []

    def describe(self, short: list[str], specs: list[str], classes: list[str]) -> None:
        """Tell the names and specs of all views, and the classes in order."""
        self._short, self._specs, self._classes = short, specs, classes

    def parts(self, out: Path, entries: Sequence[Entry]) -> list[Part]:
        """Part the items into files."""
        groups = [list(entries[start : start + PER_PART]) for start in range(0, len(entries), PER_PART)]
        return [Part(out / self._file_name(n, group), group) for n, group in enumerate(groups)]

    def name(self, entry: Entry) -> str:
        """Return what an item is called inside a file."""
        if self._form == "parquet":
            return entry.name
        digest = hashlib.blake2b(entry.name.encode(), digest_size=4).hexdigest()
        return f"{re.sub(r'[^A-Za-z0-9_=-]+', '_', entry.name)}-{digest}"

    def names(self, path: Path) -> set[str]:
        """Return what the items in a file are called; a broken file is removed and counts as missing."""
        if not path.exists():
            return set()
        try:
            return _parquet_names(path) if self._form == "parquet" else _tar_names(path)
        except (OSError, ValueError, tarfile.TarError):
            path.unlink()
            return set()

    def write(self, part: Part) -> None:
        """Write a file with the items drawn now, and those that it held before."""
        if not part.fresh:
            return
        pictures = self._pictures(part.path) if part.path.exists() else {}
        pictures |= {self.name(e): part.fresh[e.place] for e in part.entries if e.place in part.fresh}
        part.fresh.clear()
        entries = [entry for entry in part.entries if self.name(entry) in pictures]
        with atomic_write(part.path) as file:
            if self._form == "parquet":
                self._write_parquet(file, entries, pictures)
            else:
                self._write_tar(file, entries, pictures)

    def remove_others(self, out: Path, keep: Sequence[Path]) -> None:
        """Remove files of the same source and form that hold what is no longer so."""
        form = re.compile(rf"{re.escape(self._name)}-\d{{5}}-[0-9a-f]{{12}}{re.escape(self._suffix)}")
        for path in out.glob(f"*{self._suffix}"):
            if form.fullmatch(path.name) and path not in keep:
                path.unlink()

    def _file_name(self, number: int, entries: Sequence[Entry]) -> str:
        content = [[self.name(e), *e.keys, e.item.label or "", self._class_of(e)] for e in entries]
        digest = hashlib.blake2b(json.dumps(content).encode(), digest_size=6).hexdigest()
        return f"{self._name}-{number:05d}-{digest}{self._suffix}"

    def _class_of(self, entry: Entry) -> str:
        """Return the place of a label among the classes, which tar files hold."""
        return str(self._classes.index(entry.item.label)) if entry.item.label is not None else ""

    def _pictures(self, path: Path) -> dict[str, list[bytes]]:
        pairs = _parquet_pictures(path) if self._form == "parquet" else _tar_pictures(path)
        pictures: dict[str, list[bytes]] = {}
        for name, png in pairs:
            pictures.setdefault(name, []).append(png)
        return pictures

    def _write_parquet(self, file: Any, entries: Sequence[Entry], pictures: dict[str, list[bytes]]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema(
            {
                "path": pa.string(),
                "fragment": pa.string(),
                "label": pa.string(),
                "view": pa.string(),
                "png": pa.binary(),
            }
        )
        rows = [
            {
                "path": entry.name.removesuffix(f".{entry.item.fragment}"),
                "fragment": str(entry.item.fragment) if entry.item.fragment else None,
                "label": entry.item.label,
                "view": self._specs[view],
                "png": png,
            }
            for entry in entries
            for view, png in zip(entry.views, pictures[self.name(entry)], strict=True)
        ]
        pq.write_table(pa.Table.from_pylist(rows, schema), file, compression="none")

    def _write_tar(self, file: Any, entries: Sequence[Entry], pictures: dict[str, list[bytes]]) -> None:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for entry in entries:
                for suffix, data in self._members(entry, pictures[self.name(entry)]):
                    info = tarfile.TarInfo(f"{self.name(entry)}.{suffix}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))

    def _members(self, entry: Entry, pictures: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
        for view, png in zip(entry.views, pictures, strict=True):
            yield f"{self._short[view]}.png" if len(self._specs) > 1 else "png", png
        if entry.item.label is not None:
            yield "cls", self._class_of(entry).encode()
        about = {
            "path": entry.name.removesuffix(f".{entry.item.fragment}"),
            "fragment": str(entry.item.fragment) if entry.item.fragment else None,
            "label": entry.item.label,
            "views": [self._specs[view] for view in entry.views],
        }
        yield "json", json.dumps(about).encode()


def _parquet_names(path: Path) -> set[str]:
    import pyarrow.parquet as pq

    rows = pq.read_table(path, columns=["path", "fragment"]).to_pylist()
    return {_parquet_name(row) for row in rows}


def _parquet_pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    import pyarrow.parquet as pq

    for row in pq.read_table(path, columns=["path", "fragment", "png"]).to_pylist():
        yield _parquet_name(row), row["png"]


def _parquet_name(row: dict[str, Any]) -> str:
    return f"{row['path']}.{row['fragment']}" if row["fragment"] else str(row["path"])


def _tar_names(path: Path) -> set[str]:
    with tarfile.open(path) as tar:
        return {name.partition(".")[0] for name in tar.getnames()}


def _tar_pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file and member.name.endswith(".png"):
                yield member.name.partition(".")[0], file.read()
