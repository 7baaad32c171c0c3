"""A published data set: where it comes from, how it lies on disk, and how a classifier of it is judged."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from phosphene.converters.core.errors import ParameterError, ReadError
from phosphene.converters.core.signal import Kind

from .fetching import Archive, download
from .manifest import Item, Manifest, Metric
from .published.table import require_files


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
    archive: Archive | None = None

    def open(self, data: str | Path) -> Manifest:
        """Return the manifest of the data set in `data`, or in one of its usual folders below `data`.

        Raises
        ------
        ReadError
            The data set is not there, or files that its tables name are missing.
        """
        folder = self.find(Path(data))
        items = self.list_items(folder)
        require_files(folder, items, advice=f"get them from {self.home} and unpack them there")
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
