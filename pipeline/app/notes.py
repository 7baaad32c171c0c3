"""What a run says besides its result: what it took, and what was noted of files. Each line once, on standard error."""

import contextlib
import logging
import sys
from collections.abc import Iterator

from phosphene.pipeline.tiles.remote import named

from .text import clean

_log = logging.getLogger("phosphene")


class NoteHandler(logging.Handler):
    """Collects what is logged, and writes each line once.

    Parameters
    ----------
    summaries, texts
        What was taken (logged as information), and what was noted (logged as warnings), in order.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.summaries: list[str] = []
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep and write a line that is new."""
        text = named(record.getMessage())
        kept = self.summaries if record.levelno < logging.WARNING else self.texts
        if text not in kept:
            kept.append(text)
            sys.stderr.write(f"{clean(text)}\n")

    @property
    def result(self) -> dict[str, object]:
        """The keys `summary` and `notes` of a result; empty where nothing was taken and nothing noted."""
        if not self.summaries and not self.texts:
            return {}
        return {"summary": "; ".join(self.summaries), "notes": list(self.texts)}


@contextlib.contextmanager
def collected() -> Iterator[NoteHandler]:
    """Collect what is logged meanwhile."""
    notes, level = NoteHandler(), _log.level
    _log.addHandler(notes)
    _log.setLevel(logging.INFO)
    try:
        yield notes
    finally:
        _log.removeHandler(notes)
        _log.setLevel(level)
