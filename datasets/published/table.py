"""What every protocol reads first: a table in CSV, and the question whether its files are there."""

import csv
from collections.abc import Sequence
from pathlib import Path

from phosphene.converters.core.errors import ReadError
from phosphene.datasets.manifest import Item

NAMED = 3
"""How many missing files a message names before it only counts."""


def read_table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    r"""Return the rows of a CSV file with a header.

    Parameters
    ----------
    path
        A UTF-8 file whose first line names its columns.
    columns
        Those that must be there, with a value in every row.

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
    ...     read_table(table, ["path", "label"])
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
        _check_row(path, number, row, columns)
    return rows


def _check_row(path: Path, number: int, row: dict[str, str], columns: Sequence[str]) -> None:
    empty = [column for column in columns if not row[column]]
    if empty:
        raise ReadError(f"{path}: line {number} has no {', '.join(empty)}; unpack the data set again")


def require_files(folder: Path, items: Sequence[Item], *, advice: str) -> None:
    """Raise ReadError, naming the first few, where files of a manifest are missing."""
    paths = dict.fromkeys(item.path for item in items)
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ReadError(
            f"{folder}: {len(missing)} of {len(paths)} files are missing: "
            f"{name_some(folder, missing)}; {advice}"
        )


def name_some(folder: Path, paths: Sequence[Path]) -> str:
    """Name the first few paths, seen from a folder, and count the others.

    Examples
    --------
    >>> name_some(Path("data"), [Path(f"data/{letter}.wav") for letter in "abcde"])
    'a.wav, b.wav, c.wav and 2 more'
    """
    named = ", ".join(path.relative_to(folder).as_posix() for path in paths[:NAMED])
    more = len(paths) - NAMED
    return f"{named} and {more} more" if more > 0 else named
