"""Figures of a benchmark as words: the same on a terminal, in a picture and on a page."""

import math

from phosphene.datasets.manifest import Metric
from phosphene.pipeline.compare.summary import Cost, Row

METRICS: dict[str, str] = {"accuracy": "accuracy", "macro_f1": "macro-F1", "auc": "AUC", "mixed": "score"}


def plain(text: str) -> str:
    r"""Write what cannot be shown as escapes, on one line: names of files, labels and errors can hold anything.

    Examples
    --------
    >>> plain("a\x00b\nc \udcff")
    'a\\x00b c \\udcff'
    """
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def shortened(text: str, length: int) -> str:
    """Return text as `plain` writes it, its middle left out where it is longer.

    Examples
    --------
    >>> shortened("images, random weights", 13)
    'images…eights'
    """
    text = plain(text)
    if len(text) <= length:
        return text
    return f"{text[: length // 2]}…{text[-((length - 1) // 2) :]}"


def metric_words(metric: Metric | str) -> str:
    """Return what a metric is called.

    Examples
    --------
    >>> metric_words("macro_f1")
    'macro-F1'
    """
    return METRICS.get(metric, metric)


def cost_cells(cost: Cost | None) -> list[str]:
    """Write what a method took as five cells: to prepare, to train, an item, memory, size; empty where not known.

    Examples
    --------
    >>> cost_cells(Cost(31.4, 4.26, 0.0006, 812.0, 17_900_000))
    ['31 s', '4.3 s', '0.60 ms', '812 MiB', '18 MB']
    """
    if not cost:
        return [""] * 5
    times = [duration(seconds) for seconds in (cost.prepare_s, cost.train_s, cost.predict_s_per_item)]
    return [*times, memory(cost.peak_mib), size(cost.size_bytes)]


def score_words(row: Row) -> str:
    """Write a score with its interval, where it has one.

    Examples
    --------
    >>> score_words(Row("images", "images", 0.9375, 0.91234, 0.96))
    '0.938 (0.912 to 0.960)'
    """
    if math.isnan(row.score):
        return "failed"
    known = not (math.isnan(row.low) or math.isnan(row.high))
    return f"{row.score:.3f}" + (f" ({row.low:.3f} to {row.high:.3f})" if known else "")


def duration(seconds: float) -> str:
    """Write a time to two digits or more.

    Examples
    --------
    >>> [duration(s) for s in (0.00004, 0.0312, 0.25, 4.26, 75.0, 5400.0)]
    ['0.04 ms', '31 ms', '0.25 s', '4.3 s', '75 s', '1.5 h']
    """
    units = ((3600.0, 3600.0, "h"), (100.0, 60.0, "min"), (0.1, 1.0, "s"), (0.0, 0.001, "ms"))
    unit, name = next(((unit, name) for least, unit, name in units if seconds >= least), (1.0, "s"))
    return f"{_two_digits(seconds / unit)} {name}"


def size(n_bytes: float) -> str:
    """Write a size by decimal prefixes, as files are.

    Examples
    --------
    >>> [size(n) for n in (0, 812, 3_400, 17_300_000)]
    ['0 B', '812 B', '3.4 kB', '17 MB']
    """
    units = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
    unit, name = next(((unit, name) for unit, name in units if n_bytes >= unit), (1.0, "B"))
    return f"{_two_digits(n_bytes / unit) if n_bytes else '0'} {name}"


def memory(mib: float) -> str:
    """Write memory by binary prefixes, as the system counts it.

    Examples
    --------
    >>> memory(812.4), memory(1536.0)
    ('812 MiB', '1.5 GiB')
    """
    return f"{mib:.0f} MiB" if mib < 1024 else f"{_two_digits(mib / 1024)} GiB"


def _two_digits(value: float) -> str:
    """Return at least two digits that count, and no more after the point than they need."""
    if value >= 9.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.95 else f"{value:.2f}"
