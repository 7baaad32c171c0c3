"""Where the files of a table are: as it says, or by their names in the folders around it."""

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from phosphene.converters import Fragment, ReadError
from phosphene.converters.core.signal import parse_address

FOLDERS_OF_TABLES = frozenset({"meta", "metadata", "labels", "annotations", "lists", "tables", "csv"})
"""Folders of tables, whose files lie in folders beside them."""


class Locator:
    """Finds the files that a table names.

    A cell is a path from the folder of the table. Where nothing is there, a file of that name is looked for in that
    folder and below, or beside it if it is called `meta` or the like; `train/00a1.wav` is found by the name `00a1`.

    Parameters
    ----------
    table
        The file of the table.
    """

    def __init__(self, table: Path) -> None:
        self.table = table
        self.root = table.parent.parent if table.parent.name.lower() in FOLDERS_OF_TABLES else table.parent
        self._by_name: dict[str, list[Path]] | None = None
        self._folders: dict[Path, int] = {}

    def find(self, cell: str, *, fold: str = "", deep: bool = True) -> tuple[Path, Fragment | None] | None:
        """Return a file and the part of it that a cell names; None where there is no such file.

        Parameters
        ----------
        cell
            As in the table.
        fold
            The fold of the item: of several files of one name the one in a folder `fold3` is taken.
        deep
            Whether a file that is not there is looked for by its name.

        Raises
        ------
        ParameterError
            The part is none.
        """
        if not cell or "\0" in cell or len(cell) > 4000:
            return None
        path, fragment = parse_address(self.table.parent / cell)
        if _is_file(path):
            return path, fragment
        name = PurePosixPath(path.name.replace("\\", "/")).name
        found = self._of_name(name, fold) if deep else None
        if found is None:
            return None
        self._folders[found.parent] = self._folders.get(found.parent, 0) + 1
        return found, fragment

    def notes(self) -> list[str]:
        """Return what to say of files that were found by their names."""
        if not self._folders:
            return []
        count, folder = sum(self._folders.values()), next(iter(self._folders))
        return [
            f"{count} paths do not count from its folder; files of these names were found, such as in {folder}"
        ]

    def _of_name(self, name: str, fold: str) -> Path | None:
        if self._by_name is None:
            self._by_name = {}
            for file in walk(self.root):
                if file != self.table:
                    for known in dict.fromkeys((file.name, file.stem)):
                        self._by_name.setdefault(known, []).append(file)
        files = self._by_name.get(name, [])
        if len(files) > 1:
            near = {f"fold{fold}", f"fold_{fold}", self.table.stem}
            files = [file for file in files if near & set(file.relative_to(self.root).parts[:-1])] or files
        return files[0] if len(files) == 1 else None


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder in sorted order, following links; nothing hidden, no devices."""
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        if here.is_dir():
            if here.resolve() not in seen:
                seen.add(here.resolve())
                waiting.extend(sorted((e for e in list_folder(here) if e.name[0] != "."), reverse=True))
        elif _is_data(here):
            yield here


def list_folder(folder: Path) -> list[Path]:
    """Return what lies in a folder; ReadError where it may not be listed."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise ReadError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error


def _is_data(file: Path) -> bool:
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return True  # a broken link is listed, and fails by name when it is read


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name longer than any file's
        return False
