"""Tables and figures for a terminal."""

import math
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phosphene.datasets.manifest import Failure

MOST_FAILURES = 20
MOST_LINES = 3


def terminal_width() -> int:
    """Return how many letters a line of the terminal takes; 100 where there is none."""
    return max(40, shutil.get_terminal_size((100, 24)).columns)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> str:
    """Lay out rows in columns as wide as their widest cell.

    Parameters
    ----------
    header, rows
        The cells.
    width
        Wrap the last column, so that lines are no longer; None lets them be.

    Examples
    --------
    >>> print(table(["name", "n"], [["dog", "40"]]))
    name  n
    dog   40
    """
    lines = [[clean(cell) for cell in line] for line in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header) - 1)]
    indent = sum(widths) + 2 * len(widths)
    return "\n".join(
        "".join(f"{cell:<{size}}  " for cell, size in zip(line[:-1], widths, strict=True))
        + _wrapped(line[-1], indent, width)
        for line in lines
    )


def failure_table(failures: Sequence["Failure"]) -> str:
    """List what failed, and why, as wide as the terminal; of many the first."""
    shown = failures[:MOST_FAILURES]
    rows = [(clean(str(failure.item)), reason(failure)) for failure in shown]
    width, indent = terminal_width(), max(len(path) for path, _ in rows) + 4
    lines = [f"{len(failures)} failed:"]
    for path, why in rows:
        if indent > width // 2:  # a path is never cut: people copy it
            lines += [f"  {path}", "      " + _wrapped(why, 6, width, MOST_LINES)]
        else:
            lines += [f"  {path:<{indent - 2}}" + _wrapped(why, indent, width, MOST_LINES)]
    if len(failures) > len(shown):
        lines += [f"  (and {len(failures) - len(shown)} more; --json lists all)"]
    return "\n".join(lines)


def reason_table(n: int, reasons: Sequence[tuple[str, int, str]]) -> str:
    """List why many items failed: the most frequent reasons, each with its count and an example.

    Examples
    --------
    >>> print(reason_table(2500, [("empty; there is nothing to read", 2500, "a.wav")]))
    2,500 failed:
      2,500 times, such as a.wav
          empty; there is nothing to read
    """
    lines = [f"{n:,} failed:"]
    for why, count, example in reasons[:MOST_FAILURES]:
        such = f", such as {clean(example)}" if example else ""
        lines += [
            f"  {count:,} times{such}",
            "      " + _wrapped(clean(why), 6, terminal_width(), MOST_LINES),
        ]
    if len(reasons) > MOST_FAILURES:
        lines += [f"  (and {len(reasons) - MOST_FAILURES} more reasons; --json has them)"]
    return "\n".join(lines)


def reason(failure: "Failure") -> str:
    """Return why an item failed, without its path, which messages begin with."""
    error = " ".join(failure.error.split())
    for name in (str(failure.item), str(failure.item.path)):
        error = error.removeprefix(f"{name}: ")
    return clean(error)


def clean(text: str) -> str:
    r"""Write what a terminal cannot show, or would obey, as escapes: names of files can hold anything.

    Examples
    --------
    >>> clean("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def share(value: float) -> str:
    """Write a share as a percentage.

    Examples
    --------
    >>> share(0.9375), share(float("nan"))
    ('93.8 %', 'unknown')
    """
    return "unknown" if math.isnan(value) else f"{100 * value:.1f} %"


def figure(value: float) -> str:
    """Write a score between 0 and 1.

    Examples
    --------
    >>> figure(0.9375), figure(float("nan"))
    ('0.938', 'unknown')
    """
    return "unknown" if math.isnan(value) else f"{value:.3f}"


def _wrapped(text: str, indent: int, width: int | None, max_lines: int | None = None) -> str:
    if width is None:
        return text
    room = max(20, width - indent)
    lines = textwrap.wrap(text, room, max_lines=max_lines, placeholder=" ...")
    return f"\n{' ' * indent}".join(lines)
