"""Two sides of a comparison on one device, timed in turns, and a CSV of rows."""

import csv
import datetime
import io
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from phosphene.converters.core.files import atomic_write

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "phosphene",
    "torch",
    "numpy",
    "scipy",
    "numba",
    "librosa",
    "torchaudio",
    "nnAudio",
    "fastai",
    "torchvision",
)

Work = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One comparison; figures are None where a side could not be run, and `note` says why.

    Parameters
    ----------
    work, peer
        What is done, and by what it is compared with; together the name of the row.
    ratio, low, high
        Our rate over the peer's: the median over the rounds, the least and the most of them.
    asked
        The ratio that was set as a goal; None where the row is for information.
    ours, theirs, unit
        Median rates.
    note
        What the figures mean, or why there are none.
    """

    work: str
    peer: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    asked: float | None = None
    ours: float | None = None
    theirs: float | None = None
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Side:
    """What is timed, and how many of the unit one call does."""

    work: Work
    amount: float


def compare(  # noqa: PLR0913
    work: str, peer: str, ours: Side, theirs: Side, *, device: torch.device, unit: str, rounds: int,
    asked: float | None = None, note: str = "",
) -> Row:  # fmt: skip
    """Time both sides in turns; the first turns warm up, and tell how often to call each in a round."""
    repeats = [calls_for(side.work, device) for side in (ours, theirs)]
    rates: list[list[float]] = [[], []]
    for _ in range(rounds):
        for found, side, calls in zip(rates, (ours, theirs), repeats, strict=True):
            found.append(side.amount / seconds(side.work, device, calls))
    ratios = [own / other for own, other in zip(*rates, strict=True)]
    middle = [statistics.median(found) for found in rates]
    row = Row(work, peer, statistics.median(ratios), min(ratios), max(ratios), asked, *middle, unit, note)
    print(show(row), flush=True)
    return row


def calls_for(work: Work, device: torch.device, *, least_s: float = 0.02, most: int = 50) -> int:
    """Warm up, and return how many calls last long enough to be timed."""
    for _ in range(2):
        work()
    return max(1, min(most, round(least_s / max(seconds(work, device, 1), 1e-6))))


def seconds(work: Work, device: torch.device, calls: int) -> float:
    """Return the seconds of one call: by the device's own clock, where it has one."""
    if device.type == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize(device)
        begin.record()
        for _ in range(calls):
            work()
        end.record()
        torch.cuda.synchronize(device)
        return begin.elapsed_time(end) / 1e3 / calls
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return (time.perf_counter() - start) / calls


def show(row: Row) -> str:
    """Say a row in one line."""
    if row.ratio is None:
        return f"{row.work} / {row.peer}: {row.note}"
    verdict = "" if row.asked is None else f", asked {row.asked:g} x, {verdict_of(row)}"
    spread = f"({row.low:.3g} to {row.high:.3g})"
    rates = f"{row.ours:.5g} against {row.theirs:.5g} {row.unit}"
    return f"{row.work} / {row.peer}: {row.ratio:.3g} x {spread}{verdict}; {rates}" + (
        f"; {row.note}" if row.note else ""
    )


def verdict_of(row: Row) -> str:
    """Say whether a row reaches what was asked."""
    return "reached" if (row.ratio or 0) >= (row.asked or 0) else "MISSED"


def table(rows: Sequence[Row]) -> str:
    """Return the rows with figures as text in columns."""
    cells = [("work", "peer", "ratio", "asked", ""), *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells
    )


def _cells(row: Row) -> tuple[str, ...]:
    if row.ratio is None:
        return row.work, row.peer, "", "", row.note[:80]
    asked, verdict = (f"{row.asked:g}", verdict_of(row)) if row.asked else ("", "")
    return row.work, row.peer, f"{row.ratio:.3g}", asked, verdict


def write(rows: Sequence[Row], *, device: torch.device, name: str = "gpu") -> Path:
    """Write the rows of a run: into the folder that OUT names, else into benchmarks/results."""
    path = Path(os.environ.get("OUT") or ROOT / "benchmarks" / "results") / f"{name}.csv"
    about = {
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "device": device_name(device),
        "versions": versions(),
    }
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [*asdict(rows[0]), *about])
    table.writeheader()
    table.writerows({name: _text(value) for name, value in asdict(row).items()} | about for row in rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
    return path


def _text(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def device_name(device: torch.device) -> str:
    """Name the device."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}"
    return f"{os.cpu_count()} cores, {platform.machine()}"


def versions() -> str:
    """Return the versions of what is installed of PACKAGES."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package}={version(package)}")
        except PackageNotFoundError:
            continue
    return ";".join(found)


def commit() -> str:
    """Return the commit that is checked out; the environment may say it where git cannot."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("COMMIT", "unknown")
    return told.stdout.strip()
