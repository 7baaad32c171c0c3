"""What a benchmark leaves in a folder: a page, the table as CSV, and the result as JSON."""

import json
from pathlib import Path

from phosphene.converters.core.files import atomic_write
from phosphene.pipeline.compare.summary import Summary

from .page import write_page
from .tables import csv_rows, json_result

PAGE, TABLE, RESULT = "index.html", "benchmark.csv", "benchmark.json"


def write_outcome(folder: str | Path, summary: Summary) -> None:
    """Write the three files of a benchmark.

    Parameters
    ----------
    folder
        Made where it is not there yet.
    summary
        What was found.
    """
    folder = Path(folder)
    write_page(folder / PAGE, summary)
    texts = {
        TABLE: csv_rows(summary),
        RESULT: json.dumps(json_result(summary), indent=2, allow_nan=False) + "\n",
    }
    for name, text in texts.items():
        with atomic_write(folder / name) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
