"""Image classifiers against tabular baselines on the real data sets: what `phosphene benchmark` prints, as a table.

    PHOSPHENE_DATA=~/data python benchmarks/accuracy/compare.py [PROTOCOL ...]

Without names: esc10, binaries, ucr and balabit. Rows go to benchmarks/results/benchmark.csv, with commit, versions and
device; what each comes to in words to benchmarks/results/verdicts.csv. An interrupted run goes on where it was.
"""

import csv
import io
import os
import sys
from pathlib import Path

from results import Row, origin, rows_of, write_rows

from phosphene.datasets import UCR_SETS, open_protocol
from phosphene.pipeline.compare.summary import Summary
from phosphene.pipeline.report.benchmark import benchmark, csv_rows

PROTOCOLS = ("esc10", "binaries", "ucr", "balabit")
PACKAGES = ("phosphene", "torch", "scikit-learn", "lightgbm", "aeon", "librosa", "lief", "numpy")


def main() -> None:
    if "PHOSPHENE_DATA" not in os.environ:
        sys.exit("set PHOSPHENE_DATA to the folder that holds esc10/, ucr/, balabit/ and binaries/")
    data = Path(os.environ["PHOSPHENE_DATA"])
    for name in sys.argv[1:] or PROTOCOLS:
        names = [f"ucr/{one}" for one in UCR_SETS] if name == "ucr" else [name]
        summary = benchmark([open_protocol(one, data) for one in names], on_leak="tell")
        print(summary.verdict, flush=True)
        keep("benchmark", name, table_rows(name, summary))
        keep("verdicts", name, verdict_rows(name, summary))


def table_rows(name: str, summary: Summary) -> list[Row]:
    """Return a row a data set and method."""
    told = origin(PACKAGES)
    rows = csv.DictReader(io.StringIO(csv_rows(summary)))
    return [{"protocol": name, **row, **told} for row in rows]


def verdict_rows(name: str, summary: Summary) -> list[Row]:
    """Return the lines of the verdict, and how long this run took: little where an earlier one had done the work."""
    commit = origin(PACKAGES)["commit"]
    lines = enumerate(summary.verdict.splitlines())
    seconds = f"{summary.seconds:.0f}"
    return [
        {"protocol": name, "line": str(place), "words": line, "seconds": seconds, "commit": commit}
        for place, line in lines
    ]


def keep(table: str, name: str, rows: list[Row]) -> None:
    """Write the rows of a protocol in the place of its former ones."""
    write_rows(table, [*(row for row in rows_of(table) if row["protocol"] != name), *rows])


if __name__ == "__main__":
    main()
