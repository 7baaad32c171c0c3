"""A published data set: where it comes from, how it lies on disk, and how a classifier of it is judged."""

import csv
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phosphene.converters.core.errors import ParameterError, ReadError
from phosphene.converters.core.signal import Kind

from .manifest import Item, Manifest, Metric

SHOWN = 3
"""Missing files that a message names before it only counts."""


@dataclass(frozen=True)
class Download:
    """A tar archive at an address that does not change, with its published checksum: `md5:...` or `sha256:...`."""

    url: str
    checksum: str

    @property
    def filename(self) -> str:
        """What the archive is called on disk."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A data set with its official split and metric.

    Parameters
    ----------
    name
        As on the command line.
    kind, metric
        The kind of its items, and by what a classifier of them is judged.
    summary, source, licence
        One line each: what it is, whom to cite, under which terms.
    home
        The address where people get it.
    layout
        Patterns of paths, one of which is found in the folder of the data set and in no other.
    folders
        What that folder is called where it stands in another, the likeliest first.
    list_items
        From that folder to its items, with the split or folds of the protocol.
    archive
        What `fetch` downloads; None where no address is known to keep its checksum.

    Examples
    --------
    >>> from phosphene.datasets import find_protocol
    >>> esc = find_protocol("esc10")
    >>> esc.kind, esc.metric
    ('audio', 'accuracy')
    """

    name: str
    kind: Kind
    metric: Metric
    summary: str
    source: str
    licence: str
    home: str
    layout: tuple[str, ...]
    folders: tuple[str, ...]
    list_items: Callable[[Path], tuple[Item, ...]] = field(repr=False)
    archive: Download | None = None

    def open(self, data: str | Path) -> Manifest:
        """Return the manifest of the data set in `data`, or in one of its usual folders below `data`.

        Raises
        ------
        ReadError
            The data set is not there, or files that its tables name are missing.
        """
        folder = self.find(Path(data))
        items = self.list_items(folder)
        paths = dict.fromkeys(item.path for item in items)
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise ReadError(
                f"{folder}: {len(missing)} of {len(paths)} files are missing: {name_some(folder, missing)}; "
                f"get them from {self.home} and unpack them there"
            )
        return Manifest(items, kind=self.kind, name=self.name, metric=self.metric)

    def find(self, data: Path) -> Path:
        """Return the folder of the data set: `data` itself, or below it.

        Raises
        ------
        ReadError
            It is neither; the message says what should be there and where to get it.
        """
        for folder in (*(data / name for name in self.folders), data):
            if not self.layout or any(True for pattern in self.layout for _ in folder.glob(pattern)):
                return folder
        why = f"no {self.name} here" if data.is_dir() else "no such folder"
        raise ReadError(
            f"{data}: {why}; it should hold {' or '.join(self.layout)}, or one of the folders "
            f"{', '.join(f'{name}/' for name in self.folders)} with that in it; get it from {self.home}"
        )

    def fetch(self, folder: str | Path) -> Path:
        """Download the data set into a folder, check it against the published checksum, and unpack it.

        What is there already is not fetched again.

        Returns
        -------
        Path
            The folder of the data set.

        Raises
        ------
        ParameterError
            No address of this data set is known to keep its checksum; the message says where to get it.
        ReadError
            The download fails or is not what was published.
        """
        folder = Path(folder)
        try:
            return self.find(folder)
        except ReadError:
            if self.archive is None:
                raise ParameterError(
                    f"{self.name} cannot be fetched, for no address of it has a published checksum; "
                    f"get it from {self.home} and unpack it in {folder}"
                ) from None
        download(self.archive, folder)
        return self.find(folder)


def download(archive: Download, folder: Path) -> None:
    """Download an archive into a folder, check it, and unpack it there; the archive stays.

    An archive that is there already and whole is not downloaded again, and a folder appears only when all
    of it is unpacked.

    Raises
    ------
    ReadError
        The address does not answer, what came is not what was published, or it cannot be unpacked.
    """
    import pooch

    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = pooch.retrieve(
            archive.url, archive.checksum, fname=archive.filename, path=folder, progressbar=True
        )
        _unpack(Path(path), folder)
    except (OSError, ValueError, tarfile.TarError) as error:
        raise ReadError(
            f"{folder / archive.filename}: cannot be fetched from {archive.url} ({error}); "
            "check the connection and the space on disk, and try again"
        ) from error


def _unpack(path: Path, folder: Path) -> None:
    with (
        tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as unpacked,
        tarfile.open(path) as archive,
    ):
        archive.extractall(unpacked, filter="data")
        for entry in Path(unpacked).iterdir():
            entry.replace(folder / entry.name)


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    r"""Return the rows of a UTF-8 CSV file whose header has these columns, each filled in every row.

    Raises
    ------
    ReadError
        The file is missing, no text, has no rows, lacks a column or a value.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder, "meta.csv")
    ...     _ = table.write_text("path,label\na.wav,dog\n")
    ...     read_rows(table, ["path", "label"])
    [{'path': 'a.wav', 'label': 'dog'}]
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            header = reader.fieldnames or []
    except FileNotFoundError as error:
        raise ReadError(f"{path}: no such file; unpack the data set again") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReadError(f"{path}: is no table of text ({error}); unpack the data set again") from error
    absent = [column for column in columns if column not in header]
    if absent:
        raise ReadError(
            f"{path}: has no column {', '.join(absent)}, only {', '.join(header) or 'an empty header'}; "
            "check that this is the folder of the data set that was asked for"
        )
    if not rows:
        raise ReadError(f"{path}: has a header and no rows; unpack the data set again")
    for number, row in enumerate(rows, start=2):
        empty = [column for column in columns if not row[column]]
        if empty:
            raise ReadError(f"{path}: line {number} has no {', '.join(empty)}; unpack the data set again")
    return rows


def name_some(folder: Path, paths: Sequence[Path]) -> str:
    """Name the first few paths, seen from a folder, and count the others.

    Examples
    --------
    >>> name_some(Path("data"), [Path(f"data/{letter}.wav") for letter in "abcde"])
    'a.wav, b.wav, c.wav and 2 more'
    """
    named = ", ".join(path.relative_to(folder).as_posix() for path in paths[:SHOWN])
    more = len(paths) - SHOWN
    return f"{named} and {more} more" if more > 0 else named
