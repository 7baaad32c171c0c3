"""Mouse sessions from CSV and JSON Lines."""

import functools
from pathlib import Path
from typing import ClassVar

import numpy as np

from ...core.errors import ParameterError, ReadError
from ...core.fragment import Fragment, Unit
from ...core.reader import Reader, read_head
from ...core.signal import Kind
from ..signal import DRAG, MOVE, PRESS, RELEASE, SCROLL, MouseTrace
from .columns import UNKNOWN, event_codes, find_columns, known_words
from .tables import Table, line_of, parse_head, read_table

LOST_PX = 65535
"""What a recorder writes for x and y while it cannot see the pointer."""


class MouseReader(Reader):
    """Reads CSV (comma, semicolon or tab) and JSON Lines with time, x, y and an event or button column.

    Columns are found by their usual names, in any order, other columns are left alone. Times are seconds
    unless the name says otherwise (`time_ms`, `t (us)`); numbers above 1e11 without a unit count from 1970 in
    milliseconds, above 1e14 in microseconds, above 1e17 in nanoseconds. `time_s` counts from the first event
    of the file, in fragments also. A file with `client timestamp` and `record timestamp` is read by the
    client's clock.

    Rows in which both x and y are 65535 are the recorder's mark for a lost pointer: they carry no place, are
    left out, and are not counted as events. A turn of the wheel at exactly 0, 0 has no place of its own
    either (Balabit's recorder writes every one so): it is kept, at the last place of the pointer before it.
    Where a file has only a button column, the first event with a button down is a press, the following are
    drags, and the first without one is a release.
    """

    kind: ClassVar[Kind] = "mouse"
    suffixes: ClassVar[frozenset[str]] = frozenset({".jsonl", ".ndjson"})
    cut_by: ClassVar[Unit] = "events"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell whether the first line names time, x, y and event columns, and a row holds a known event."""
        lines = parse_head(head)
        columns = find_columns(lines.names) if lines else ""
        if lines is None or isinstance(columns, str):
            return False
        if columns.event is None or not lines.rows:
            return True
        words = [row[columns.event] for row in lines.rows if columns.event < len(row)]
        return bool((event_codes(words, None) != UNKNOWN).any()) if words else False

    def read(self, path: Path, fragment: Fragment | None) -> MouseTrace:
        """Read a session, or the events of a fragment by their number (`events`) or their time (`t`).

        Raises
        ------
        ReadError
            The file is no mouse session, time falls, a word for an event is not known, or the fragment holds
            no event or reaches beyond the last.
        """
        session = _session(*_identity(path))
        if fragment is None:
            return session
        part = _place(path, session, fragment)
        return MouseTrace(session.time_s[part], session.x[part], session.y[part], session.event[part])

    def extent(self, path: Path) -> int:
        """Return the number of events that `read` gives."""
        return len(_session(*_identity(path)).time_s)


def _identity(path: Path) -> tuple[Path, int, int, int]:
    """Return what changes when the file does: a session cut into many pieces is parsed once."""
    try:
        stat = path.stat()
    except OSError as error:
        read_head(path)
        raise ReadError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    return path, stat.st_ino, stat.st_mtime_ns, stat.st_size


@functools.lru_cache(maxsize=4)
def _session(path: Path, *_identity: int) -> MouseTrace:
    table = read_table(path, read_head(path))
    event = _events(path, table)
    fall = np.flatnonzero(np.diff(table.time) < 0)
    if len(fall):
        before, after = table.time[fall[0] : fall[0] + 2]
        raise ReadError(
            f"{path}: line {line_of(path, int(fall[0]) + 1)}: time falls from {before:.10g} to {after:.10g}; "
            "sort the rows by time"
        )
    seen = (table.x != LOST_PX) | (table.y != LOST_PX)
    if not seen.any():
        raise ReadError(f"{path}: the pointer is lost (65535) in every row; there are no events to read")
    time, x, y, event = table.time[seen], table.x[seen], table.y[seen], event[seen]
    at = _last_placed((event != SCROLL) | (x != 0) | (y != 0))
    return MouseTrace((time - time[0]) * _unit_s(table), x[at], y[at], event)


def _last_placed(placed: np.ndarray) -> np.ndarray:
    """Return for each event the last one up to it that has a place, or the first at all, or itself."""
    if not placed.any():
        return np.arange(len(placed))
    last = np.maximum.accumulate(np.where(placed, np.arange(len(placed)), -1))
    return np.where(last < 0, placed.argmax(), last)


def _events(path: Path, table: Table) -> np.ndarray:
    words, which = table.event or (None, np.zeros(len(table.time), np.int64))
    buttons, button = table.button or (None, np.zeros(len(table.time), np.int64))
    codes = event_codes(words, buttons)[which, button]
    unknown = np.flatnonzero(codes == UNKNOWN)
    if words is not None and len(unknown):
        row = int(unknown[0])
        raise ReadError(
            f"{path}: line {line_of(path, row)}: {words[which[row]]!r} is no known event; use {known_words()}"
        )
    return _from_held(codes) if words is None else codes


def _from_held(codes: np.ndarray) -> np.ndarray:
    """Turn PRESS wherever a button is held into press, drags and release."""
    held = codes == PRESS
    before = np.r_[False, held[:-1]]
    codes = np.where(held & before, DRAG, codes)
    return np.where(before & (codes == MOVE), RELEASE, codes).astype(np.uint8)


def _unit_s(table: Table) -> float:
    if table.columns.unit_s is not None:
        return table.columns.unit_s
    powers = [power for power, above in ((-9, 1e17), (-6, 1e14), (-3, 1e11)) if table.time[0] > above]
    return 10.0 ** next(iter(powers), 0)


def _place(path: Path, session: MouseTrace, fragment: Fragment) -> slice:
    if fragment.unit not in ("events", "t"):
        raise ParameterError(f"{path}: a mouse session is cut by #events=0-249 or #t=5,10, got #{fragment}")
    n = len(session.time_s)
    if fragment.unit == "events":
        part = fragment.whole
        if part.stop > n:
            raise ReadError(f"{path}: has {n} events, #{fragment} reaches beyond; choose from 0 to {n - 1}")
        return part
    first, stop = np.searchsorted(session.time_s, (fragment.start, fragment.stop))
    if first == stop:
        last_s = session.time_s[-1]
        raise ReadError(f"{path}: no event in #{fragment}; the {n} events are from 0 s to {last_s:.6g} s")
    return slice(int(first), int(stop))
