"""Listing, hashing, converting and resuming at 1,000, 10,000 and 100,000 files: seconds and peak memory.

    python benchmarks/scale/run.py --folder FOLDER

Each step is a process of its own, so that its peak memory is its own; workers are counted where one of them held more.
Files are series of 32 values, a thousand in a folder; images are 32 pixels wide. CPU seconds are those of all processes
and say more than the clock on a machine that does other work. Rows go to benchmarks/results/scale.csv.
"""

import argparse
import csv
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).parents[1] / "results" / "scale.csv"
COUNTS = (1_000, 10_000, 100_000)
STEPS = ("list", "list again", "hash", "convert", "resume", "convert parquet", "resume parquet", "predict",
         "train")  # fmt: skip
FIELDS = ("step", "n_files", "seconds", "cpu_s", "peak_mib", "commit", "date", "device")

LISTING = """
import sys
from phosphene.datasets.parts import list_in_parts
list_in_parts(sys.argv[1], most=2048)
"""
HASHING = """
import sys
from concurrent.futures import ThreadPoolExecutor
from phosphene.converters.core.files import walk
from phosphene.datasets import Item
from pathlib import Path
from phosphene.pipeline.tiles.item_map import plan_items
items = []
for file in walk(Path(sys.argv[1])):
    items.append(Item(file))
    if len(items) == 2048:
        plan_items(items, ["x"]); items.clear()
plan_items(items, ["x"])
"""
MEASURE = """
import os, sys, subprocess, time
begin = time.monotonic()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
print(time.monotonic() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def write_series(folder: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(count):
        group = folder / "ab"[number % 2] / f"{number // 1000:03}"
        if number % 1000 < 2:
            group.mkdir(parents=True, exist_ok=True)
        rows = "\n".join(f"{value:.4f}" for value in rng.standard_normal(32))
        (group / f"{number:06}.csv").write_text(f"a\n{rows}\n")


def measured(*words: object) -> tuple[float, float, float]:
    """Seconds, CPU seconds, and peak MiB of a Python process and those that it starts."""
    command = [sys.executable, "-c", MEASURE, sys.executable, *map(str, words)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if told.returncode:
        raise SystemExit(told.stderr)
    seconds, cpu_s, peak_mib = map(float, told.stdout.split())
    return seconds, cpu_s, peak_mib


def model_of(folder: Path) -> Path:
    write_series(folder / "few", 20)
    words = ["train", folder / "few", "--as", "gasf(size=32)", "--arch", "lenet", "--strategy", "scratch"]
    measured("-m", "phosphene", *words, "--epochs", 1, "--valid", "none", "--out", folder / "model")
    return folder / "model"


def command_of(step: str, raw: Path, folder: Path) -> list[object]:
    convert = ["-m", "phosphene", "convert", raw, folder / "out", "--as", "gasf(size=32)"]
    return {
        "list": ["-c", LISTING, raw],
        "list again": ["-c", LISTING, raw],
        "hash": ["-c", HASHING, raw],
        "convert": convert,
        "resume": convert,
        "convert parquet": [*convert, "--to", "parquet"],
        "resume parquet": [*convert, "--to", "parquet"],
        "predict": ["-m", "phosphene", "predict", folder / "model", raw, "--out", folder / "out.csv"],
        "train": [
            "-m", "phosphene", "train", raw, "--as", "gasf(size=32)", "--strategy", "probe", "--out", folder / "probe",
        ],
    }[step]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, help="where the files are written and removed (a temporary one)"
    )
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--steps", nargs="+", default=STEPS, choices=STEPS)
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        for count in options.counts:
            folder = Path(scratch, str(count))
            os.environ["PHOSPHENE_CACHE"] = str(folder / "cache")
            write_series(folder / "raw", count)
            if "predict" in options.steps:
                model_of(folder)
            for step in options.steps:
                figures = measured(*command_of(step, folder / "raw", folder))
                print(
                    f"{step}, {count} files: {figures[0]:.1f} s, CPU {figures[1]:.1f} s, {figures[2]:.0f} MiB",
                    flush=True,
                )
                keep(step, count, figures)
            shutil.rmtree(folder)


def keep(step: str, count: int, figures: tuple[float, float, float]) -> None:
    """Put a row into results/scale.csv, in the place of an older one of the same step and count."""
    rows: dict[tuple[str, str], dict[str, object]] = {}
    if RESULTS.exists():
        with RESULTS.open(newline="") as file:
            rows = {(row["step"], row["n_files"]): dict(row) for row in csv.DictReader(file)}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
    )
    about = (
        commit.stdout.strip(),
        time.strftime("%Y-%m-%d"),
        f"{os.cpu_count()} cores, {platform.machine()}",
    )
    values = (step, str(count), *(f"{figure:.1f}" for figure in figures), *about)
    rows[step, str(count)] = dict(zip(FIELDS, values, strict=True))
    with RESULTS.open("w", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows.values())


if __name__ == "__main__":
    main()
