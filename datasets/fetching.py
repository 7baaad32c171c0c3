"""Downloads whose checksum is known before the first byte arrives."""

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from phosphene.converters.core.errors import ReadError


@dataclass(frozen=True)
class Archive:
    """A tar archive at an address that does not change.

    Parameters
    ----------
    url
        Where it is.
    checksum
        `md5:...` or `sha256:...`, from the publisher.
    """

    url: str
    checksum: str

    @property
    def filename(self) -> str:
        """What the archive is called on disk."""
        return self.url.rpartition("/")[2]


def download(archive: Archive, folder: Path) -> None:
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
        tempfile.TemporaryDirectory(dir=folder, prefix=".unpack-") as part,
        tarfile.open(path) as archive,
    ):
        archive.extractall(part, filter="data")
        for entry in Path(part).iterdir():
            entry.replace(folder / entry.name)
