"""Files: the base of readers and their options, walking folders, the checks before reading, digests, writing whole."""

import errno
import functools
import hashlib
import os
import re
import secrets
import stat
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, BinaryIO, ClassVar, Literal, TypeVar, get_args

from .errors import ParameterError, ReadError
from .signal import Fragment, Kind, Signal, Unit


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only once all is written; folders are made as needed.

    A reader sees the old file or the new one, never a part, also when the process is killed at any moment.
    """
    path = Path(path)
    # 40 letters: a file name has 255 bytes, a letter up to 4.
    part = path.parent / f".{path.name[:40]}.{secrets.token_hex(6)}.part"
    with naming(path):
        file = _create(part)
        try:
            with file:
                yield file
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Name what was to be written when there is no room for it, of which the system's error names no file."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) and error.filename is None:
            error.filename = os.fspath(path)
        raise


def _create(part: Path) -> BinaryIO:
    try:
        return part.open("xb")
    except FileNotFoundError:
        part.parent.mkdir(parents=True, exist_ok=True)
        return part.open("xb")


Layout = Literal["rows", "columns", "long"]
Resample = Literal["linear", "none"]


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be read.

    Parameters
    ----------
    layout
        Of a table: `columns` is one column a channel and one row a sample, `rows` one item a row, `long` one sample of
        one item a row (`id,time,value`). None decides by content.
    label
        The column of labels, by name or number (from 1), `first`, `last` or `none`. None decides by content.
    columns
        The columns that hold values, by name or number (from 1); for files of several named arrays (`.mat`, `.npz`,
        HDF5) the arrays, for EDF and WFDB the channels. None given takes all.
    time
        The column of times, by name or number (from 1), with a unit behind a colon where its name does not say it
        (`t:ms`); or `none`.
    resample
        Of uneven times: `linear` interpolates on an even grid, `none` takes the rows as they come, with no step.
    strict
        Refuse what can only be read with a loss.

    Examples
    --------
    >>> ReadOptions(layout="rows", label="last").columns
    ()
    """

    layout: Layout | None = None
    label: str | None = None
    columns: tuple[str, ...] = ()
    time: str | None = None
    resample: Resample = "linear"
    strict: bool = False

    def __post_init__(self) -> None:
        for name, allowed in (("layout", (None, *get_args(Layout))), ("resample", get_args(Resample))):
            if getattr(self, name) not in allowed:
                words = ", ".join(str(word) for word in allowed if word)
                raise ParameterError(
                    f"ReadOptions.{name} must be one of {words}, got {getattr(self, name)!r}"
                )
        columns: object = self.columns
        if isinstance(columns, str):
            raise ParameterError(f"ReadOptions.columns must be several names, got {self.columns!r}")
        object.__setattr__(self, "columns", tuple(map(str, self.columns)))

    @property
    def fingerprint(self) -> str:
        """What results depend on, as text: every option that is not its default; empty where none is."""
        return "" if self == DEFAULTS else repr(self)

    @property
    def config(self) -> dict[str, object]:
        """The options that are not their defaults, as JSON takes them."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: value for name, value in named.items() if value != getattr(DEFAULTS, name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}


DEFAULTS = ReadOptions()


@dataclass(frozen=True)
class Note:
    """What a reader found in a file, and how to overrule what it made of that.

    Parameters
    ----------
    text
        One short sentence, without the path.
    loss
        Whether something of the file is not in the signal, or was changed.
    """

    text: str
    loss: bool = False


def note_texts(notes: Iterable[Note], *, path: Path, strict: bool) -> tuple[str, ...]:
    """Return the sentences of notes, each once.

    Raises
    ------
    ReadError
        One of them is a loss, and reading is strict.

    Examples
    --------
    >>> note_texts([Note("3 rows are left out", loss=True)], path=Path("a.csv"), strict=False)
    ('3 rows are left out',)
    """
    notes = list(dict.fromkeys(notes))
    lost = next((note for note in notes if note.loss), None)
    if strict and lost:
        raise ReadError(f"{path}: {lost.text}; correct the file, or read it without --strict")
    return tuple(note.text for note in notes)


HEAD_BYTES = 65536
_PLAIN = frozenset({".csv", ".tsv", ".tab", ".txt"})
_SETTLED_NS = 100_000_000
"""Two changes within the ticks of a file system's clock may bear one time."""

T = TypeVar("T")


class Reader(ABC):
    """Reads the files of one kind. One instance a kind, listed in `readers()`."""

    kind: ClassVar[Kind]
    suffixes: ClassVar[frozenset[str]]
    """Lower-case suffixes, with the dot, that decide where the content does not."""
    cut_by: ClassVar[Unit]
    """What windows of this kind are counted in."""
    heeds: ClassVar[frozenset[str]] = frozenset(field.name for field in fields(ReadOptions))
    """The options of reading that change anything for this kind."""

    @abstractmethod
    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell from the first bytes of a file (at most HEAD_BYTES) whether it is surely of this kind."""

    @abstractmethod
    def read(self, path: Path, fragment: Fragment | None, options: ReadOptions = DEFAULTS) -> Signal:
        """Read a file, or a part of it without reading the rest into memory where the format allows.

        Raises
        ------
        ReadError
            The file is not what it should be, or reading is strict and it can only be read with a loss; the message
            starts with its path.
        """

    def extent(self, path: Path, options: ReadOptions = DEFAULTS) -> float:
        """Return how long a file is, in units of `cut_by`, without reading all of it where the format allows."""
        raise NotImplementedError

    def labels(self, path: Path, options: ReadOptions = DEFAULTS) -> list[str] | None:
        """Return the label of each row of a file that holds many labelled items; None for any other file."""
        return None

    def rows(self, path: Path, options: ReadOptions = DEFAULTS) -> int | None:
        """Return how many items a file of many holds, labelled or not; None for a file of one."""
        return None

    @property
    def may_hold_rows(self) -> bool:
        """Whether any file of this kind holds many items."""
        return type(self).labels is not Reader.labels or type(self).rows is not Reader.rows


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file after the checks that any file must pass.

    Those of the last few files are kept, so that listing, hashing and reading a small file open it once.
    """
    head = kept(_head, path)
    if not head:
        raise ReadError(f"{path}: empty; there is nothing to read")
    return head


def is_plain(path: Path) -> bool:
    """Tell a text file of less than HEAD_BYTES, which takes little to read; False for what cannot be opened."""
    if path.suffix.lower() not in _PLAIN:
        return False
    try:
        head = read_head(path)
    except ReadError:
        return False
    return len(head) < HEAD_BYTES and head.isascii() and b"\0" not in head


def content_digest(path: Path) -> str:
    """Return a digest of the bytes of a file and of its suffix, by which some readers tell formats apart.

    Raises
    ------
    ReadError
        The file is missing, a folder, empty or unreadable.
    """
    head = read_head(path)
    whole = len(head) < HEAD_BYTES
    digest = hashlib.blake2b(head, digest_size=16).hexdigest() if whole else kept(_digest, path)
    return digest + path.suffix.lower()


def _why_closed(path: Path, error: OSError) -> str:
    """Say in one line why a file cannot be opened."""
    if isinstance(error, FileNotFoundError):
        why = "a link to nothing" if path.is_symlink() else "no such file"
        return f"{path}: {why}; check the path"
    if isinstance(error, PermissionError):
        return f"{path}: may not be read; change its permissions"
    return f"{path}: cannot be opened ({error.strerror}); check the path"


def _status(path: Path) -> os.stat_result:
    """Return what is known of a regular file; nothing else is opened: a pipe would wait, a device may never end."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        os.scandir(path).close()  # one that may not be listed says so
        raise ReadError(f"{path}: a folder, not a file; name a file in it")
    if stat.S_ISFIFO(status.st_mode):
        raise ReadError(f"{path}: a pipe, which can be read only once; save it as a file first")
    if not stat.S_ISREG(status.st_mode):
        raise ReadError(f"{path}: a device, not a file; save what it gives as a file first")
    held = getattr(status, "st_blocks", 1) * 512
    if (
        status.st_size > _MOST_WITH_HOLES
        and status.st_size > MOST_FROM_A_BYTE * held
        and _has_holes(path, status)
    ):
        raise ReadError(
            f"{path}: {status.st_size >> 20} MB of which {held >> 10} kB are written, the rest are holes; "
            "copy what is meant into a file of its own"
        )
    return status


def _has_holes(path: Path, status: os.stat_result) -> bool:
    """Tell whether parts of a file were never written; some systems count no blocks of files that are whole."""
    if not hasattr(os, "SEEK_HOLE"):
        return False
    with path.open("rb") as file:
        return os.lseek(file.fileno(), 0, os.SEEK_HOLE) < status.st_size


MAPPED_FROM_BYTES = 16 << 20
"""Smaller files are read and not mapped: a map of a file that is cut short later ends the process with SIGBUS."""
LARGE_BYTES, MOST_FROM_A_BYTE = 1 << 28, 100
"""What a packed file may always unpack to, and how much more than its size beyond that."""

_MOST_WITH_HOLES = 1 << 32
"""A file with holes may always have this size: it takes seconds to read."""


def check_unpacked(path: Path, size: int) -> None:
    """Refuse a file that unpacks to so much that it is made to fill memory; measurements pack to a tenth, say.

    Parameters
    ----------
    size
        Bytes that it unpacks to, as far as that is known before they are in memory.

    Raises
    ------
    ReadError
        More than 256 MB, and more than a hundred times as much as the file has.
    """
    packed = path.stat().st_size
    if size > LARGE_BYTES and size > MOST_FROM_A_BYTE * packed:
        raise ReadError(
            f"{path}: unpacks to {size >> 20} MB or more from {packed >> 10} kB; if that is meant, save it unpacked"
        )


_NPY_HEADER = re.compile(
    r"\{ ?(?:'(?:descr|fortran_order|shape)' ?: ?(?:'[^' ]{1,40}'|True|False|\([\d, ]*\)|\[[^\]]*\]) ?,? ?){3}\}"
)
_NPY_HEADER_BYTES = 1 << 14


def check_npy_header(head: bytes, path: Path) -> None:
    """Refuse a header that is none before NumPy parses it, which takes for ever on some."""
    start = 10 if head[6:7] == b"\1" else 12
    length = int.from_bytes(head[8:start], "little")
    text = " ".join(head[start : start + length].decode("latin-1").split())
    if length > _NPY_HEADER_BYTES or not _NPY_HEADER.fullmatch(text):
        raise ReadError(
            f"{path}: is damaged or cut short (no header of an array of numbers); save it with numpy.save"
        )


def kept(function: "functools._lru_cache_wrapper[T]", path: Path, *arguments: Hashable) -> T:
    """Return what a cached function makes of a file as it is now; it gets path, arguments, and the state of the file.

    Of a file that was written just now nothing is kept: it may change again unseen.

    Raises
    ------
    ReadError
        The file is missing, unreadable, or not a regular one.
    """
    try:
        status = _status(path)
        known = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS
        return (function if settled else function.__wrapped__)(str(path), *arguments, known)
    except ReadError:
        raise
    except OSError as error:
        raise ReadError(_why_closed(path, error)) from error
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise ReadError(f"{path}: no file has a zero byte in its name; check the path") from error


@functools.lru_cache(maxsize=256)
def _head(path: str, known: tuple[int, ...]) -> bytes:
    if known[2] >= HEAD_BYTES:
        large = _large(path, known)  # held while it is read: other threads may take its position in the cache
        return read_at(large.file, 0, HEAD_BYTES)
    with Path(path).open("rb", buffering=0) as file:
        return read_at(file, 0, HEAD_BYTES)


@functools.lru_cache(maxsize=1 << 16)  # 30 MB of names at most, in a run of any length
def _digest(path: str, known: tuple[int, ...]) -> str:
    large, digest, offset = _large(path, known), hashlib.blake2b(digest_size=16), 0
    while part := read_at(large.file, offset, 1 << 20):
        digest.update(part)
        offset += len(part)
    return digest.hexdigest()


class _Large:
    """A file that is open for as long as this is."""

    def __init__(self, path: str) -> None:
        self.file = Path(path).open("rb")  # noqa: SIM115  (lives as long as this)
        weakref.finalize(self, self.file.close)


@functools.lru_cache(maxsize=4)  # what is open cannot become another file of the same state
def _large(path: str, known: tuple[int, ...]) -> _Large:
    """Return a file that is opened once for its head, by which it is listed, and its digest, by which it is drawn."""
    del known  # it makes a changed file another entry of the cache
    return _Large(path)


def read_at(file: IO[bytes], offset: int, size: int) -> bytes:
    """Return `size` bytes of a file from `offset` on, fewer at its end, whoever else reads it meanwhile."""
    if not hasattr(os, "pread"):
        file.seek(offset)
        return file.read(size)
    number, parts = file.fileno(), []  # threads and forked workers share the position of a file
    while size > 0 and (part := os.pread(number, size, offset)):  # at most 2 GiB at once
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


@dataclass(frozen=True)
class KindSpec:
    """One sort of raw data. `converters/audio/kind.py` is an example; `docs/new_kind.md` adds another.

    Parameters
    ----------
    signal
        The class of its signals; `signal.kind` is the name of the kind.
    reader
        Reads its files; `reader.cut_by` is the unit in which windows are counted.
    views
        The views that are drawn when none are named, as `parse_views` takes them.
    window
        Into what long items are cut for training, as `--windows` takes it; None leaves them whole.
    """

    signal: type[Signal]
    reader: Reader
    views: str
    window: str | None = None

    @property
    def name(self) -> Kind:
        """The name of the kind."""
        return self.signal.kind


registered_kinds: dict[Kind, KindSpec] = {}


def register_kind(kind: KindSpec) -> KindSpec:
    """Make a kind known by its name.

    Raises
    ------
    ParameterError
        Another kind has the name already.
    """
    if registered_kinds.setdefault(kind.name, kind) != kind:
        raise ParameterError(f"a kind {kind.name!r} is registered already, with {kind.reader}")
    return kind


def walk(folder: Path, *, twice: set[Path] | None = None, closed: set[Path] | None = None) -> Iterator[Path]:
    """Yield what lies below a folder in sorted order, following links; nothing hidden.

    What is no file or may not be opened (a pipe, a device, a folder that may not be listed) is among it, and fails by
    name when it is read.

    Parameters
    ----------
    folder
        Where to begin.
    twice
        Gets the links to folders that were listed already, which are not listed again.
    closed
        Gets the folders that may not be listed.

    Raises
    ------
    ReadError
        The folder itself may not be listed.
    """
    seen = {folder.resolve()}
    waiting = [(folder, _names_in(folder))]
    while waiting:
        here, names = waiting[-1]
        if not names:
            waiting.pop()
            continue
        name = names.pop()
        path = here / name
        if name[-1] != "/":
            yield path
        elif (real := path.resolve()) in seen:
            if twice is not None:
                twice.add(path)
        else:
            seen.add(real)
            try:
                waiting.append((path, _names_in(path)))
            except ReadError:
                if closed is not None:
                    closed.add(path)
                yield path


def list_folder(folder: Path) -> Iterator[Path]:
    """Yield what lies in a folder in sorted order, nothing hidden; ReadError where it may not be listed."""
    names = _names_in(folder)
    while names:
        yield folder / names.pop()


def _names_in(folder: Path) -> list[str]:
    """Return the names in a folder, the last one first, of folders with a slash; a million paths would take more."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(((e.name, _is_folder(e)) for e in entries if e.name[0] != "."), reverse=True)
        return [f"{name}/" if is_one else name for name, is_one in found]
    except OSError as error:
        raise ReadError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that may not be followed
        return False


def is_folder(path: Path) -> bool:
    """Tell whether there is such a folder; what may not be looked at is none."""
    return _asked(Path.is_dir, path)


def is_file(path: Path) -> bool:
    """Tell whether there is such a file and no pipe or device; what may not be looked at is none."""
    return _asked(Path.is_file, path)


def is_there(path: Path) -> bool:
    """Tell whether anything is there; a name that none can have is not."""
    return _asked(Path.exists, path)


def _asked(question: Callable[[Path], bool], path: Path) -> bool:
    try:
        return question(path)
    except OSError:  # a name longer than any file's, or a folder above that may not be entered
        return False
