"""Writes the tables of README.md and docs/ from benchmarks/results and the registry; `--check` tells if they are stale.

python benchmarks/tables.py
"""

import csv
import inspect
import re
import statistics
import sys
from pathlib import Path

from phosphene.converters import converters
from phosphene.pipeline.models.names import NETWORKS

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
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


def backbones_table() -> str:
    """Return the table of backbones, one row each; columns of a GPU stand there once one was measured."""
    found = {(row["name"], row["device"]): row for row in _rows("backbones")}
    devices = [device for device in ("cpu", "cuda") if any(where == device for _, where in found)]
    names = {"cpu": "CPU", "cuda": "GPU"}
    rates = [f"{names[device]}, {work}" for device in devices for work in ("features/s", "training/s")]
    titles = [
        "name",
        "parameters, M",
        "body alone, M",
        "multiply-adds, G",
        "input, px",
        "weights",
        "licence",
        *rates,
    ]
    lines = [_cells(titles), "|---" * len(titles) + "|"]
    for network in NETWORKS:
        rows = [found.get((network.name, device), {}) for device in devices]
        counts = [f"{int(rows[0][key]) / unit:.{digits}f}" for key, unit, digits in _COUNTS]
        speeds = [_rate(row.get(key, "")) for row in rows for key in ("features_per_s", "train_per_s")]
        about = [str(network.size), network.source or "none", network.licence or "none"]
        lines.append(_cells([f"`{network.name}`", *counts, *about, *speeds]))
    return "\n".join(lines) + "\n"


_COUNTS = (("parameters", 1e6, 2), ("body_parameters", 1e6, 2), ("multiply_adds", 1e9, 2))


def _cells(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rate(text: str) -> str:
    if not text:
        return "not measured"
    return f"{float(text):.0f}" if float(text) >= 10 else text


def backbones_origin_table() -> str:
    """Return where and with what the table of backbones was measured, one row a run."""
    lines = ["| device | threads | commit | date | versions | networks |", "|---|---|---|---|---|---|"]
    runs: dict[tuple[str, ...], list[str]] = {}
    for row in (row for row in _rows("backbones") if row["features_per_s"]):
        run = tuple(row[key] for key in ("machine", "threads", "commit", "date", "versions"))
        runs.setdefault(run, []).append(row["name"])
    lines += [_cells([*run[:4], run[4].replace(";", ", "), str(len(names))]) for run, names in runs.items()]
    return "\n".join(lines) + "\n"


TABLES = {
    "accuracy": accuracy_table,
    "speed": speed_table,
    "converters": converters_table,
    "backbones": backbones_table,
    "backbones_origin": backbones_origin_table,
}


def _rows(name: str) -> list[dict[str, str]]:
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def refreshed(text: str) -> str:
    """Return the text of a page with its tables made anew."""
    return _MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def main() -> int:
    stale = [page for page in PAGES if page.read_text() != refreshed(page.read_text())]
    if "--check" in sys.argv:
        return int(bool(stale))
    for page in stale:
        page.write_text(refreshed(page.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
