"""Both sides of a comparison in one process, in turns, and a row a comparison in benchmarks/results/speed.csv.

A script of this folder sets up its data, then calls `compare` for each row of its table and `write` at the end:

    python benchmarks/speed/series.py

One thread a side unless the row's `work` says otherwise: importing this module before NumPy limits the pools.
"""

import os

for _pool in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ.setdefault(f"{_pool}_NUM_THREADS", "1")

import csv
import datetime
import io
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from phosphene.converters.core.files import atomic_write

RESULTS = Path(__file__).parents[1] / "results" / "speed.csv"


@dataclass(frozen=True)
class Row:
    """One comparison.

    Parameters
    ----------
    work, peer
        What is done, and by what it is compared with; together the name of the row.
    ratio, low, high
        How many times as fast as the peer: the median over the rounds, and the least and the most of them.
    asked
        The ratio that was set as a goal.
    ours_s, peer_s
        Median seconds of a round.
    """

    work: str
    peer: str
    ratio: float
    low: float
    high: float
    asked: float
    ours_s: float
    peer_s: float


def compare(
    work: str,
    peer: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    asked: float,
    rounds: int = 9,
) -> Row:
    """Time both sides in turns, so that what else the machine does falls on both; the first turn is a warm-up.

    Each call must be long enough to be timed, some milliseconds, so loop inside it where one piece of work is short.
    """
    ours(), theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(rounds)]
    return row_of(work, peer, pairs, asked=asked)


def row_of(work: str, peer: str, pairs: Sequence[tuple[float, float]], *, asked: float) -> Row:
    """Return the row of rounds that were timed: our seconds and the peer's, each."""
    ratios = [other / own for own, other in pairs]
    row = Row(
        work,
        peer,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        asked,
        *(statistics.median(side) for side in zip(*pairs, strict=True)),
    )
    print(show(row), flush=True)
    return row


def show(row: Row) -> str:
    """Say a row in one line."""
    verdict = "reached" if row.ratio >= row.asked else "MISSED"
    return (
        f"{row.work} / {row.peer}: {row.ratio:.2f} x ({row.low:.2f} to {row.high:.2f}), asked {row.asked:g} x, "
        f"{verdict}; {row.ours_s * 1e3:.2f} ms against {row.peer_s * 1e3:.2f} ms"
    )


def write(rows: Sequence[Row], *, packages: Sequence[str]) -> None:
    """Put rows into results/speed.csv, each in the place of an older one of the same work and peer."""
    kept = {(row["work"], row["peer"]): row for row in _old_rows()}
    about = {
        "commit": _commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": f"{os.cpu_count()} cores, {platform.machine()}",
        "versions": ";".join(f"{name}={version(name)}" for name in ("phosphene", "numpy", *packages)),
    }
    for row in rows:
        kept[row.work, row.peer] = _text(row) | about
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(next(iter(kept.values()))))
    table.writeheader()
    table.writerows(kept.values())
    with atomic_write(RESULTS) as file:
        file.write(text.getvalue().encode())


def data_folder() -> Path:
    """Return the folder of real data, or end the script saying that it is needed."""
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/, ucr/, balabit/ and binaries/")
    return Path(os.environ["PHOSPHENE_DATA"])


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _text(row: Row) -> dict[str, Any]:
    digits = {"ours_s": 6, "peer_s": 6, "asked": 3}
    return {
        name: f"{value:.{digits.get(name, 2)}f}" if isinstance(value, float) else value
        for name, value in asdict(row).items()
    }


def _commit() -> str:
    told = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    return told.stdout.strip()


def _old_rows() -> list[dict[str, str]]:
    if not RESULTS.exists():
        return []
    with RESULTS.open(newline="") as file:
        return list(csv.DictReader(file))
