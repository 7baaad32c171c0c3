"""Sources and results on any file system that fsspec reaches (`s3://`, `gs://`, `hdfs://`, `memory://`).

Files are fetched a part at a time into a local folder, worked on there, and forgotten; results are written locally and
then put whole: on an object store they are complete or absent, elsewhere a broken one counts as missing when a run is
resumed. Credentials are those of the environment, as the package of each file system takes them.
"""

import json
import logging
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from phosphene.converters import MissingExtra, ParameterError, ReadError
from phosphene.converters.core.errors import short
from phosphene.converters.core.files import DEFAULTS, ReadOptions
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Item
from phosphene.datasets.parts import PART, PartListing
from phosphene.datasets.splits import class_folders

MOST_FILES, MOST_BYTES = PART, 1 << 31
"""Fetched at a time, but for one file that is larger."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://.")
_log = logging.getLogger("phosphene")
_AT_ONCE = 16  # files on their way
_roots: dict[str, str] = {}  # local folders of this run, and what is in them


def is_remote(path: object) -> bool:
    """Tell a URL from a path.

    Examples
    --------
    >>> is_remote("s3://bucket/sounds"), is_remote("sounds/s3")
    (True, False)
    """
    return isinstance(path, str) and _URL.match(path) is not None


def named(text: str) -> str:
    """Return a text with the URLs of files in place of where they were fetched to."""
    for root, url in _roots.items():
        text = text.replace(root, url)
    return text


def file_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it.

    Raises
    ------
    MissingExtra
        fsspec, or the package of this file system, is not installed.
    ParameterError
        There is no such file system, or it cannot be reached as the environment says.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtra(f"{url}: needs fsspec: pip install 'phosphene[cloud]'") from error
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise MissingExtra(f"{url}: {error}") from error
    except Exception as error:
        raise ParameterError(
            f"{url}: cannot be reached ({short(error)}); check the URL and the environment"
        ) from error
    return system, str(path).rstrip("/")


class RemoteSource:
    """A folder or a file elsewhere, fetched and listed a part at a time.

    Parameters
    ----------
    url
        Where it is; in a folder what is hidden is left out.
    kind, options
        As for `find_files`.

    Raises
    ------
    ReadError
        There is no such file or folder, or nothing in it.
    """

    def __init__(self, url: str, *, kind: Kind | None = None, options: ReadOptions = DEFAULTS) -> None:
        self.url, self._kind, self._options = url.rstrip("/"), kind, options
        self.root = Path()  # of what is fetched
        self._system, self._root = file_system(url)
        self._names = tempfile.TemporaryFile("w+", encoding="ascii")  # noqa: SIM115  (lives as long as this)
        weakref.finalize(self, self._names.close)
        self.n_files, folders = 0, dict[tuple[str, ...], None]()
        self._suffixes = dict[str, int]()
        with _explained(url):
            if self._system.isfile(self._root):
                self._root, _, name = self._root.rpartition("/")
                self.url = self.url.rpartition("/")[0]
                found: Iterable[tuple[str, int]] = [(name, int(self._system.size(f"{self._root}/{name}")))]
            else:
                found = self._walk(())
            for name, size in found:
                self._names.write(json.dumps([name, size]) + "\n")
                self.n_files += 1
                path = PurePosixPath(name)
                folders[path.parts[:-1]] = None
                self._suffixes[path.suffix.lower()] = self._suffixes.get(path.suffix.lower(), 0) + 1
        self.n_parts = sum(1 for _ in self._batches())
        if not self.n_files:
            raise ReadError(f"{url}: no such file or folder, or nothing in it; check the URL")
        self._labels, _ = class_folders(folders)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that folders give, sorted."""
        return tuple(sorted({found.label for found in self._labels.values() if found.label is not None}))

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of all items, where it was named; else it is seen only when they are fetched."""
        return (self._kind,) if self._kind else ()

    def __len__(self) -> int:
        return self.n_files

    def __enter__(self) -> "RemoteSource":
        self._folder = tempfile.TemporaryDirectory(prefix="phosphene-")
        self.root = Path(self._folder.name).resolve() / "files"
        _roots[str(self.root)] = self.url
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def __iter__(self) -> Iterator[list[Item]]:
        """Yield the items of some files at a time, which are there until the next are asked for."""
        for batch in self._batches():
            with _explained(self.url), ThreadPoolExecutor(_AT_ONCE) as pool:
                files = list(pool.map(lambda name: self._fetch(name, self.root), batch))
            yield self._items(self.root, files)
            shutil.rmtree(self.root)

    def _items(self, root: Path, files: list[Path]) -> list[Item]:
        listing = PartListing(root, self._kind, label=self._options.label, options=self._options)
        listing.in_parts = True
        listing.suffixes.update(self._suffixes)
        with closing(listing.facts):
            items = list[Item]()
            for found in listing.listed_part(files, self._labels):
                items += found.items
                for note in found.notes:
                    _log.warning("%s", named(note))
        if listing.tables:
            table = min(listing.tables)
            raise ParameterError(
                f"{named(str(table))}: a table of items, which must lie on this machine; fetch it"
            )
        return items

    def _fetch(self, name: str, root: Path) -> Path:
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # removed meanwhile: it fails by name when it is read
            self._system.get_file(f"{self._root}/{name}", str(target))
        return target

    def _batches(self) -> Iterator[list[str]]:
        self._names.seek(0)
        names, n_bytes = list[str](), 0
        for name, size in map(json.loads, self._names):
            if names and (len(names) >= MOST_FILES or n_bytes + size > MOST_BYTES):
                yield names
                names, n_bytes = [], 0
            names.append(name)
            n_bytes += size
        yield names

    def _walk(self, parts: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        """Yield names below the root and sizes, in the order of `walk`; what could leave a local folder is refused."""
        here = "/".join((self._root, *parts))
        for entry in sorted(self._system.ls(here, detail=True), key=lambda entry: str(entry["name"])):
            name = str(entry["name"]).rstrip("/").rpartition("/")[2]
            if name.startswith(".") or str(entry["name"]).rstrip("/") == here:
                continue
            if "\\" in name or "\0" in name:
                raise ReadError(f"{self.url}: {name!r} is no name that a file here can have; rename it")
            if entry["type"] == "directory":
                yield from self._walk((*parts, name))
            else:
                yield "/".join((*parts, name)), int(entry["size"] or 0)


class RemoteFolder:
    """A folder for results elsewhere, and where they are written here before they are put there."""

    def __init__(self, url: str, local: Path) -> None:
        self.url, self.local = url.rstrip("/"), local
        self._system, self._root = file_system(url)
        self._fetched: dict[Path, int] = {}

    def fetch(self, files: Sequence[Path]) -> None:
        """Fetch those files that there are."""
        with _explained(self.url):
            there = self._names(files)
            wanted = [file for file in files if self._name(file) in there]

            def fetch(file: Path) -> None:
                file.parent.mkdir(parents=True, exist_ok=True)
                self._system.get_file(self._remote(file), str(file))
                self._fetched[file] = file.stat().st_mtime_ns

            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(fetch, wanted))

    def put(self, files: Iterable[Path]) -> None:
        """Put files there that are new or have changed, and forget them here."""
        with _explained(self.url), ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._put, files))
        self._fetched.clear()

    def names(self) -> list[str]:
        """Return the names of the files in the folder itself."""
        with _explained(self.url):
            if not self._system.isdir(self._root):
                return []
            self._system.invalidate_cache()
            return [str(path).rpartition("/")[2] for path in self._system.ls(self._root, detail=False)]

    def remove(self, name: str) -> None:
        """Remove a file."""
        with _explained(self.url):
            self._system.rm_file(f"{self._root}/{name}")

    def _put(self, file: Path) -> None:
        if self._fetched.get(file) != file.stat().st_mtime_ns:
            remote = self._remote(file)
            self._system.makedirs(remote.rpartition("/")[0], exist_ok=True)
            self._system.put_file(str(file), remote)
        file.unlink()

    def _name(self, file: Path) -> str:
        return file.relative_to(self.local).as_posix()

    def _remote(self, file: Path) -> str:
        return f"{self._root}/{self._name(file)}"

    def _names(self, files: Sequence[Path]) -> set[str]:
        """Return the names of what lies in the folders of some files."""
        self._system.invalidate_cache()
        found = set[str]()
        for folder in dict.fromkeys(self._remote(file).rpartition("/")[0] for file in files):
            try:
                entries = self._system.ls(folder, detail=False)
            except FileNotFoundError:
                continue
            found |= {str(path).removeprefix(f"{self._root}/") for path in entries}
        return found


@contextmanager
def local_file(out: str | Path) -> Iterator[Path]:
    """Give the path of a file to write: of a URL a local one, which is put there once all is written."""
    if not is_remote(out):
        yield Path(out)
        return
    system, path = file_system(str(out))
    with tempfile.TemporaryDirectory(prefix="phosphene-") as folder:
        local = Path(folder, path.rpartition("/")[2])
        yield local
        with _explained(str(out)):
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.put_file(str(local), path)


@contextmanager
def local_folder(out: str | Path) -> Iterator[tuple[Path, RemoteFolder | None]]:
    """Give the folder to write to: of a URL a local one, and what puts files from it there."""
    if not is_remote(out):
        yield Path(out), None
        return
    with tempfile.TemporaryDirectory(prefix="phosphene-") as folder:
        root = Path(folder).resolve()
        _roots[str(root)] = str(out).rstrip("/")  # also for what is told at the end
        yield root, RemoteFolder(str(out), root)


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Say in one line why a file system could not do what was asked."""
    try:
        yield
    except (ReadError, ParameterError):
        raise
    except FileNotFoundError as error:
        raise ReadError(f"{url}: no such file or folder; check the URL") from error
    except Exception as error:  # each file system has errors of its own
        raise ReadError(
            f"{url}: cannot be read or written ({short(error)}); check the URL and the environment"
        ) from error
