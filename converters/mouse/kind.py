"""Mouse sessions from CSV, JSON Lines and JSON arrays: drawn as traces and plots of movement, cut by events."""

import functools
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..core.delimited import UNIT_NAMES, few, guessed_unit, since_1970
from ..core.errors import ParameterError, ReadError
from ..core.files import DEFAULTS, KindSpec, Note, Reader, ReadOptions, kept, note_texts, read_head
from ..core.signal import Fragment, Kind, Unit
from .columns import (
    CLICK,
    DOUBLE_CLICK,
    OTHER,
    UNKNOWN,
    event_codes,
    find_columns,
    known_words,
    moves_like_a_pointer,
    parse_head,
)
from .signal import DRAG, MOVE, PRESS, RELEASE, SCROLL, MouseTrace
from .tables import EventTable, line_of, read_table

LOST_PX = 65535
"""What a recorder writes for x and y while it cannot see the pointer."""


_LONG_STEP_S = 3.0
_LATE_STEPS = 10


class MouseReader(Reader):
    """Reads CSV (comma, semicolon, tab, bar or blanks), JSON Lines and JSON arrays with time, x, y and events.

    MouseColumns are found by their usual names, in any order, other columns are left alone. The unit of times is
    what their name says (`time_ms`, `t (us)`), or else what their size says (numbers above 1e11 count from 1970 in
    milliseconds, above 1e14 in microseconds, above 1e17 in nanoseconds), or else what makes the usual time between two
    moves less than three seconds; times may be ISO dates. `time_s` counts from the first event
    of the file, in fragments also. A file with `client timestamp` and `record timestamp` is read by the
    client's clock.

    `mousedown`, `mouseup` and `click` of one click are one press and one release; `dblclick` adds none. `touchstart`,
    `touchmove` and `touchend` press, drag and release where there are no mouse events beside them. Events of other
    kinds (`mouseleave`, `keydown`) are left out. Without a column of events all rows are moves.

    Rows in which both x and y are 65535 are the recorder's mark for a lost pointer: they carry no position, are
    left out, and are not counted as events. A turn of the wheel at exactly 0, 0 has no position of its own
    either (Balabit's recorder writes every one so): it is kept, at the last position of the pointer before it.
    Where a file has only a button column, the first event with a button down is a press, the following are
    drags, and the first without one is a release.
    """

    kind: ClassVar[Kind] = "mouse"
    suffixes: ClassVar[frozenset[str]] = frozenset({".jsonl", ".ndjson"})
    cut_by: ClassVar[Unit] = "events"
    heeds: ClassVar[frozenset[str]] = frozenset(("time", "strict"))

    def recognises(self, head: bytes, path: Path) -> bool:
        """Tell whether the first line names time, x, y and event columns, and a row holds a known event."""
        lines = parse_head(head)
        columns = find_columns(lines.names) if lines else ""
        if lines is None or isinstance(columns, str):
            return False
        if not columns.has_events:
            return lines.delimiter is not None and moves_like_a_pointer(lines, columns)
        if columns.event is None or not lines.rows:
            return True
        words = [row[columns.event] for row in lines.rows if columns.event < len(row)]
        return (
            bool((event_codes(words, None) < OTHER).any() & (event_codes(words, None) != UNKNOWN).any())
            if words
            else False
        )

    def read(self, path: Path, fragment: Fragment | None, options: ReadOptions = DEFAULTS) -> MouseTrace:
        """Read a session, or the events of a fragment by their number (`events`) or their time (`t`).

        Raises
        ------
        ReadError
            The file is no mouse session, time falls, a word for an event is not known, or the fragment holds
            no event or reaches beyond the last.
        """
        session, found = kept(_session, path, options.time)
        notes = note_texts(found, path=path, strict=options.strict)
        part = slice(None) if fragment is None else _bounds(path, session, fragment)
        return MouseTrace(
            session.time_s[part], session.x[part], session.y[part], session.event[part], notes=notes
        )

    def extent(self, path: Path, options: ReadOptions = DEFAULTS) -> int:
        """Return the number of events that `read` gives."""
        return len(kept(_session, path, options.time)[0].time_s)


@functools.lru_cache(maxsize=4)  # a session cut into many windows is parsed once
def _session(name: str, said_time: str | None, known: tuple[int, ...]) -> tuple[MouseTrace, tuple[Note, ...]]:
    del known  # it makes a changed file another entry of the cache
    path = Path(name)
    table = read_table(path, read_head(path), said_time)
    notes = list(table.notes)
    event = _events(path, table, notes)
    fall = np.flatnonzero(np.diff(table.time) < 0)
    if len(fall) and _is_late(table.time, len(fall)):
        notes.append(Note(f"{len(fall)} rows are not in the order of time and are sorted into it", loss=True))
        order = np.argsort(table.time, kind="stable")
        table = replace(table, time=table.time[order], x=table.x[order], y=table.y[order])
        event = event[order]
    elif len(fall):
        before, after = table.time[fall[0] : fall[0] + 2]
        raise ReadError(
            f"{path}: line {line_of(path, table, int(fall[0]) + 1)}: time falls from {before:.10g} to {after:.10g}; "
            "sort the rows by time"
        )
    kept = event < CLICK - 1
    if not kept.any():
        raise ReadError(f"{path}: holds no events of a mouse; use {known_words()}")
    seen = kept & ((table.x != LOST_PX) | (table.y != LOST_PX))
    if not seen.any():
        raise ReadError(f"{path}: the pointer is lost (65535) in every row; there are no events to read")
    time, x, y, event = table.time[seen], table.x[seen], table.y[seen], event[seen]
    at = _last_placed((event != SCROLL) | (x != 0) | (y != 0))
    unit_s = _unit_s(table, time, event, notes)
    if len(x) > 1 and max(x.max(), y.max()) <= 1 and min(x.min(), y.min()) >= 0 and (x % 1).any():
        notes.append(
            Note(
                "its positions run from 0 to 1: fractions of the screen, not pixels; multiply them by its size"
            )
        )
    return MouseTrace((time - time[0]) * unit_s, x[at], y[at], event), tuple(notes)


def _is_late(time: np.ndarray, falls: int) -> bool:
    """Tell a few rows that were written some events late from a time that starts anew."""
    steps = np.diff(time)
    usual = float(np.median(np.abs(steps[steps != 0]))) if (steps != 0).any() else 0.0
    return few(falls, len(time)) and float(-steps.min()) <= _LATE_STEPS * usual


def _last_placed(placed: np.ndarray) -> np.ndarray:
    """Return for each event the last one up to it that has a position, or the first at all, or itself."""
    if not placed.any():
        return np.arange(len(placed))
    last = np.maximum.accumulate(np.where(placed, np.arange(len(placed)), -1))
    return np.where(last < 0, placed.argmax(), last)


def _events(path: Path, table: EventTable, notes: list[Note]) -> np.ndarray:
    n = len(table.time)
    if not table.columns.has_events:
        notes.append(Note("it has no column of events; every row is taken as a move", loss=True))
        return np.full(n, MOVE, np.uint8)
    none = (None, np.zeros(n, np.int64))
    words, which = table.event or none
    buttons, button = table.button or none
    pressed, press = table.pressed or none
    codes = event_codes(words, buttons, pressed)[which, button, press]
    if words is None and pressed is not None and any(not word.strip() for word in pressed):
        # Only rows of a button say whether it is pressed; the others are moves.
        says = np.array([not word.strip() for word in pressed])[press]
        return np.where(says, MOVE, np.where(codes == PRESS, PRESS, RELEASE)).astype(np.uint8)
    if words is None:
        return _from_held(codes)
    unknown = np.flatnonzero(codes == UNKNOWN)
    if len(unknown) and not few(len(unknown), n):
        row = int(unknown[0])
        raise ReadError(
            f"{path}: line {line_of(path, table, row)}: {words[which[row]]!r} is no known event; use {known_words()}"
        )
    for code, what in ((UNKNOWN, "events that are not known"), (OTHER, "events of other kinds")):
        if (codes == code).any():
            names, counts = np.unique(which[codes == code], return_counts=True)
            some = ", ".join(f"{words[k]} {count}" for k, count in zip(names[:5], counts[:5], strict=True))
            notes.append(Note(f"{counts.sum()} {what} are left out ({some})", loss=True))
    return _one_press_a_click(codes, notes)


def _one_press_a_click(codes: np.ndarray, notes: list[Note]) -> np.ndarray:
    """Leave the click out that follows on a press and a release; a click alone is the press."""
    click, double = codes == CLICK, codes == DOUBLE_CLICK
    presses = int((codes == PRESS).sum())
    codes = codes.copy()
    if double.any():
        codes[double] = OTHER if presses or click.any() else PRESS
    if click.any():
        before = _button_event_before(codes)
        follows = click & (before == RELEASE) if click.sum() > presses else click & (presses > 0)
        codes[click] = PRESS
        codes[follows] = OTHER
        if follows.any():
            notes.append(
                Note(
                    f"{follows.sum()} clicks are counted once, as the press and the release that come with them"
                )
            )
    return codes


def _button_event_before(codes: np.ndarray) -> np.ndarray:
    """Return the last press, release or click before each event."""
    index = np.where(np.isin(codes, (PRESS, RELEASE, CLICK)), np.arange(len(codes)), -1)
    last = np.r_[-1, np.maximum.accumulate(index)[:-1]]
    return np.where(last < 0, MOVE, codes[last])


def _from_held(codes: np.ndarray) -> np.ndarray:
    """Turn PRESS wherever a button is held into press, drags and release."""
    held = codes == PRESS
    before = np.r_[False, held[:-1]]
    codes = np.where(held & before, DRAG, codes)
    return np.where(before & (codes == MOVE), RELEASE, codes).astype(np.uint8)


def _unit_s(table: EventTable, time: np.ndarray, event: np.ndarray, notes: list[Note]) -> float:
    """Return the seconds in one unit of time: as said or as the column is called, by size, or by the usual step."""
    if table.columns.unit_s is not None:
        return table.columns.unit_s
    if known := since_1970(time[0]):
        notes.append(known[1])
        return known[0]
    steps, what = np.diff(time), "from event to event"
    steps = steps[steps > 0]
    if 2 * np.isin(event, (MOVE, DRAG, SCROLL)).sum() < len(event):
        steps, what = _held(time, event), "from press to release"
    if len(steps) < (5 if what.endswith("event") else 1):
        return 1.0
    usual = float(np.median(steps))
    found = next((unit for unit in UNIT_NAMES if usual * unit < _LONG_STEP_S), 1.0)
    if found != 1:
        notes.append(guessed_unit(found, f"{usual * found:.3g} s {what}"))
    return found


def _held(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Return how long buttons are held: from each press to a release that follows at once."""
    buttons = np.flatnonzero(np.isin(event, (PRESS, RELEASE)))
    first = (event[buttons[:-1]] == PRESS) & (event[buttons[1:]] == RELEASE)
    held = (time[buttons[1:]] - time[buttons[:-1]])[first]
    return held[held > 0]


def _bounds(path: Path, session: MouseTrace, fragment: Fragment) -> slice:
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


KIND = KindSpec(
    MouseTrace,
    MouseReader(),
    views="trace(size=112),trace(size=112,scale=screen),motion(size=112),habits(size=112)",
    window="events=150",
)
