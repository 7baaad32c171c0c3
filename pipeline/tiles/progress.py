"""Progress on standard error: a bar in a terminal, a line a minute in a file."""

import sys
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

LINE_EVERY_S = 60.0
"""Seconds from one line to the next where standard error is a file or a pipe."""


class Progress(tqdm):
    """A bar of tqdm that writes whole lines, one a minute, where standard error is no terminal.

    What ends within the first minute writes nothing there.

    Parameters
    ----------
    shown
        False for no progress at all.
    settings
        As for `tqdm`.

    Examples
    --------
    >>> with Progress(total=2, shown=False) as bar:
    ...     _ = bar.update()
    """

    disable: bool

    def __init__(self, *items: Any, shown: bool, **settings: Any) -> None:
        slow: dict[str, Any] = {}
        if not sys.stderr.isatty():
            slow = {
                "mininterval": LINE_EVERY_S,
                "maxinterval": LINE_EVERY_S,
                "delay": LINE_EVERY_S,
                "ncols": 100,
            }
        super().__init__(*items, disable=not shown, **(settings | slow))

    @staticmethod
    def status_printer(file: Any) -> Callable[[str], None]:
        """Return what writes one state of the bar."""
        if file.isatty():
            return tqdm.status_printer(file)

        def write(text: str) -> None:
            if text.strip():
                file.write(f"{text.strip()}\n")
                file.flush()

        return write

    def close(self) -> None:
        """Take the bar from the terminal; lines in a file stay as they are."""
        if not self.disable and not self.fp.isatty():
            self.disable = True
            self._decr_instances(self)
        super().close()
