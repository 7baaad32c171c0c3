"""Writes the tables of README.md from benchmarks/results and the registry; `--check` only tells whether they are stale.

python benchmarks/tables.py
"""

import csv
import inspect
import re
import statistics
import sys
from pathlib import Path

from phosphene.converters import converters

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks" / "results"
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def accuracy_table() -> str:
    """Return the table of accuracies, one row a data set, the UCR sets as one."""
    rows = _rows("accuracy")
    lines = ["| data | views | metric | score | seconds |", "|---|---|---|---|---|"]
    for row in rows:
        if not row["set"].startswith("ucr/"):
            lines.append(_line(row["set"], row["views"], row["metric"], float(row["score"]), row["seconds"]))
    series = [row for row in rows if row["set"].startswith("ucr/")]
    if series:
        mean = statistics.mean(float(row["score"]) for row in series)
        slowest = max(float(row["seconds"]) for row in series)
        seconds = (
            f"{statistics.median(float(row['seconds']) for row in series):.1f} median, {slowest:.1f} most"
        )
        lines.append(_line(f"{len(series)} UCR sets, mean", series[0]["views"], "accuracy", mean, seconds))
    return "\n".join(lines) + "\n"


def _line(name: str, views: str, metric: str, score: float, seconds: str) -> str:
    return f"| {name} | {views} | {metric} | {score:.3f} | {seconds} |"


def speed_table() -> str:
    """Return the table of speeds, one row a comparison."""
    lines = ["| work | against | times as fast | asked |", "|---|---|---|---|"]
    for row in _rows("speed"):
        ratio, low, high, asked = (f"{float(row[name]):.3g}" for name in ("ratio", "low", "high", "asked"))
        lines.append(f"| {row['work']} | {row['peer']} | {ratio} ({low} to {high}) | {asked} |")
    return "\n".join(lines) + "\n"


def converters_table() -> str:
    """Return the table of converters, one row each."""
    lines = ["| kind | name | what the picture shows |", "|---|---|---|"]
    for owner in converters():
        summary = inspect.cleandoc(owner.__doc__ or "").partition("\n")[0]
        lines.append(f"| {owner.accepts.kind} | `{owner.name}` | {summary} |")
    return "\n".join(lines) + "\n"


TABLES = {"accuracy": accuracy_table, "speed": speed_table, "converters": converters_table}


def _rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def refreshed(text: str) -> str:
    """Return the text of README with its tables made anew."""
    return _MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> int:
    text = README.read_text()
    if "--check" in sys.argv:
        return int(text != refreshed(text))
    README.write_text(refreshed(text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
