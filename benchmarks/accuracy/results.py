"""What the scripts of this folder share: the rows of benchmarks/results, and where figures come from."""

import csv
import io
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from phosphene.converters.core.files import atomic_write

RESULTS = Path(__file__).parents[1] / "results"
CODE = ("converters", "datasets", "pipeline")
Row = dict[str, str]


def origin(packages: Sequence[str]) -> Row:
    """Return the commit, the device and the versions that a figure comes from.

    The commit is the last that touched the library: to commit figures does not make them old.
    """
    asked = ["git", "log", "-1", "--format=%h", "--", *CODE]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=RESULTS.parents[1])
    return {
        "commit": told.stdout.strip(),
        "device": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": ";".join(f"{package}={version(package)}" for package in packages),
    }


def rows_of(table: str) -> list[Row]:
    """Return the rows of a table; none where there is no such file."""
    path = RESULTS / f"{table}.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_rows(table: str, rows: Sequence[Row]) -> None:
    """Write a table whole."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(RESULTS / f"{table}.csv") as file:
        file.write(text.getvalue().encode())
