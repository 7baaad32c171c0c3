"""The columns of a mouse file: their usual names and units, the words for events, and the first lines of the file."""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.delimited import UNITS_S, allow_long_fields, is_date, plain_head
from ..core.files import Note
from .signal import DRAG, EVENTS, MOVE, PRESS, RELEASE, SCROLL

# Earlier names win: a recorder that also keeps its own clock writes most of its rows late.
TIMES = (
    "client_timestamp", "time", "t", "timestamp", "time_stamp", "ts", "elapsed", "elapsed_time", "event_time",
    "datetime", "date_time", "date", "epoch", "record_timestamp",
)  # fmt: skip
X_NAMES = (
    "x", "x_px", "screenx", "screen_x", "clientx", "client_x", "pagex", "page_x", "pos_x", "posx", "xpos", "x_pos",
    "x_position", "position_x", "mouse_x", "cursor_x", "mousex", "cursorx", "pointer_x", "pointerx", "offsetx",
    "offset_x", "x_coord", "xcoord", "coord_x", "x_coordinate", "point_x", "location_x", "coords_x", "coordinates_x",
    "xy_x", "mouse_position_x", "cursor_position_x", "data_x",
)  # fmt: skip
EVENT_NAMES = ("event", "event_type", "eventtype", "event_name", "eventname", "state", "type", "action")
BUTTON_NAMES = ("button", "buttons", "mouse_button")
PRESSED_NAMES = (
    "pressed", "is_pressed", "ispressed", "button_pressed", "button_down", "is_down", "mouse_down", "down",
)  # fmt: skip

WORDS = {
    MOVE: ("move", "moved", "moving", "hover"),
    DRAG: ("drag", "dragged", "dragging"),
    PRESS: ("press", "pressed", "down", "click", "clicked", "dblclick", "doubleclick"),
    RELEASE: ("release", "released", "up"),
    SCROLL: ("scroll", "scrolled", "wheel", "scrollup", "scrolldown", "wheelup", "wheeldown"),
}
_TOUCHES = {"touchstart": PRESS, "touchmove": DRAG, "touchend": RELEASE, "touchcancel": RELEASE}
_CODES = {word: code for code, words in WORDS.items() for word in words}
_PREFIX = re.compile(r"(on)?(mouse|pointer)?(left|right|middle)?(mouse)?(button)?(?=.)")
_NO_BUTTON = {"nobutton", "none", "no", "false", "", "0", "0.0", "-1", "nan", "null"}
_CLICKS, _DOUBLE_CLICKS = ("click", "clicked"), ("dblclick", "doubleclick", "doubleclicked")
_OTHERS = frozenset(
    (
        "leave", "enter", "over", "out", "contextmenu", "auxclick", "cancel", "rawupdate", "gotcapture", "lostcapture",
        "gotpointercapture", "lostpointercapture", "keydown", "keyup", "keypress", "key", "focus", "focusin",
        "focusout", "blur", "resize", "load", "unload", "beforeunload", "visibilitychange", "visibility",
        "select", "selectstart", "selectionchange", "input", "change", "submit", "copy", "cut", "paste",
        "touchstart", "touchmove", "touchend", "touchcancel", "dragenter", "dragleave", "dragover", "drop",
        "hashchange", "popstate", "pageshow", "pagehide",
    )
)  # fmt: skip
# The numbers of Windows' messages: WM_MOUSEMOVE, WM_LBUTTONDOWN and so on.
_MESSAGES = {
    "512": MOVE,
    **dict.fromkeys(("522", "526"), SCROLL),
    **dict.fromkeys(("513", "516", "519", "523"), PRESS),
    **dict.fromkeys(("514", "517", "520", "524"), RELEASE),
}
UNKNOWN, OTHER, CLICK, DOUBLE_CLICK = 255, 254, 253, 252
"""Codes of words that are none of EVENTS: of no known meaning, of another event, and of what follows on a press."""


@dataclass(frozen=True)
class MouseColumns:
    """Where the columns stand in a table; None where there is none.

    Parameters
    ----------
    time, x, y, event, button
        Indices of columns.
    unit_s
        Seconds in one unit of time, where the name says it.
    pressed
        The column that says whether a button is down.
    """

    time: int
    x: int
    y: int
    event: int | None
    button: int | None
    unit_s: float | None
    pressed: int | None = None

    @property
    def has_events(self) -> bool:
        """Whether any column says more than where the pointer was."""
        return (self.event, self.button, self.pressed) != (None, None, None)


def find_columns(names: Sequence[str], time: str | None = None) -> MouseColumns | str:
    """Find the columns by their usual names, or say which is missing.

    Parameters
    ----------
    names
        Of all columns.
    time
        The column of times where the user named it, with a unit behind a colon or without.

    Examples
    --------
    >>> find_columns(["record timestamp", "client timestamp", "button", "state", "x", "y"])
    MouseColumns(time=1, x=4, y=5, event=3, button=2, unit_s=None, pressed=None)
    >>> find_columns(["Time (ms)", "x"])
    'no column of positions (x and y)'
    """
    keys = [_key(name) for name in names]
    positions = ((x, re.sub("x(?=_|$)", "y", x, count=1)) for x in X_NAMES)
    position = next(((x, y) for x, y in positions if x in keys and y in keys), None)
    if position is None:
        return "no column of positions (x and y)"
    found = _find_time(keys) if time is None else _named_time(keys, time)
    if found is None:
        return "no column of times (time, t, timestamp, time_ms)"
    event, button, pressed = (_first(names, keys) for names in (EVENT_NAMES, BUTTON_NAMES, PRESSED_NAMES))
    used = (keys[found[0]], *position, *(keys[at] for at in (event, button, pressed) if at is not None))
    twice = next((key for key in used if keys.count(key) > 1), None)
    if twice:
        return f"two columns called {twice}"
    return MouseColumns(
        found[0], keys.index(position[0]), keys.index(position[1]), event, button, found[1], pressed
    )


def event_codes(
    events: Sequence[str] | None, buttons: Sequence[str] | None, pressed: Sequence[str] | None = None
) -> np.ndarray:
    """Return the event that each combination of words for event, button and pressed means.

    Parameters
    ----------
    events, buttons, pressed
        Words as the file has them, each once; None where the file has no such column.

    Returns
    -------
    uint8 (n_events, n_buttons, n_pressed)
        Indices in EVENTS, or one of the codes for other words. Without event words: PRESS where a button is held,
        MOVE where none is.

    Examples
    --------
    >>> event_codes(["Move", "Down"], ["NoButton", "Scroll"])[:, :, 0].tolist()
    [[0, 4], [2, 4]]
    """
    names = frozenset(map(_browser_name, events or ()))
    touches = {} if any(name.startswith(("mouse", "pointer")) for name in names) else _TOUCHES
    words = [None] if events is None else [_word_code(word, names, touches) for word in events]
    wheels = [_is_wheel(button) for button in buttons or [""]]
    held = [is_held(button) for button in buttons or [""]]
    downs = [None] if pressed is None else [is_held(word) for word in pressed]
    combined = [
        [[_code(word, wheel, hold, down) for down in downs] for wheel, hold in zip(wheels, held, strict=True)]
        for word in words
    ]
    return np.array(combined, np.uint8).reshape(len(words), len(wheels), len(downs))


def is_held(button: str) -> bool:
    """Tell whether a word for a button, or for whether it is pressed, says that one is down."""
    return button.strip().lower() not in _NO_BUTTON


def _word_code(word: str, names: frozenset[str], touches: Mapping[str, int]) -> int:
    """Return the code of a word; browsers send a pointer and a mouse event for one thing, and both after a touch."""
    if word.strip() in _MESSAGES:
        return _MESSAGES[word.strip()]
    bare, name = _bare(word), _browser_name(word)
    if name.startswith("pointer") and "mouse" + name.removeprefix("pointer") in names:
        return OTHER
    if name in touches:
        return touches[name]
    if bare in _CLICKS or bare in _DOUBLE_CLICKS:
        return CLICK if bare in _CLICKS else DOUBLE_CLICK
    return OTHER if bare in _OTHERS else _CODES.get(bare, UNKNOWN)


def _browser_name(word: str) -> str:
    return re.sub("[^a-z]", "", word.lower()).removeprefix("on")


def known_words() -> str:
    """List the words for events, for messages."""
    return "; ".join(f"{EVENTS[code]}: {', '.join(words)}" for code, words in WORDS.items())


def _code(word: int | None, wheel: bool, held: bool, down: bool | None) -> int:
    if word is None:
        return SCROLL if wheel else PRESS if (held if down is None else down) else MOVE
    if wheel and word not in (UNKNOWN, OTHER):
        return SCROLL
    if down is not None:
        if word in (CLICK, PRESS, RELEASE):
            return PRESS if down else RELEASE
        return DRAG if down and word == MOVE else word
    return word


def _is_wheel(button: str) -> bool:
    return _bare(button) in WORDS[SCROLL]


def _bare(word: str) -> str:
    letters = re.sub("[^a-z]", "", word.lower())
    return _PREFIX.sub("", letters, count=1)


def _key(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _first(names: Sequence[str], keys: Sequence[str]) -> int | None:
    return next((keys.index(name) for name in names if name in keys), None)


def _named_time(keys: Sequence[str], said: str) -> tuple[int, float | None] | None:
    """Return the column that the user named, or the usual one where only the unit was named."""
    name, _, unit = said.rpartition(":")
    unit_s = UNITS_S.get(unit.strip().lower()) if name or unit.strip().lower() in UNITS_S else None
    key = _key(name if name and unit_s else said)
    usual = _find_time(keys)
    if key in keys:
        return keys.index(key), unit_s or (usual[1] if usual and usual[0] == keys.index(key) else None)
    return (usual[0], unit_s) if usual and unit_s and not name else None


def _find_time(keys: Sequence[str]) -> tuple[int, float | None] | None:
    for stem in TIMES:
        for at, key in enumerate(keys):
            if key == stem:
                return at, None
            if key.startswith(stem + "_") and key.removeprefix(stem + "_") in UNITS_S:
                return at, UNITS_S[key.removeprefix(stem + "_")]
    return None


_DELIMITERS = ",;\t|"
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.IGNORECASE | re.ASCII)
HEAD_LINES = 20
_PREAMBLE_LINES = 40
_POINTER_ROWS = 20


@dataclass(frozen=True)
class Head:
    """The first lines of a file: the names of its columns and some rows of text."""

    names: list[str]
    rows: list[list[str]]
    delimiter: str | None
    """None for JSON."""
    before: int = 0
    """Lines before the first row, the header with them."""
    notes: tuple[Note, ...] = ()


def parse_head(head: bytes) -> Head | None:
    """Split the first lines of a file; None where they are no text or a single column."""
    text = plain_head(head).decode("utf-8-sig", errors="replace")
    count = _PREAMBLE_LINES + HEAD_LINES
    whole = io.StringIO(text, newline=None).read().split("\n", count)[:count]
    if "\0" in whole[0]:
        return None
    if whole[0].lstrip().startswith(("{", "[")):
        return _parse_json_head(text)
    notes: list[Note] = []
    start = 0
    if re.fullmatch(r'"?sep=."?\s*', whole[0]):
        notes.append(Note("its first line says what parts the fields, and is left out", loss=True))
        start = 1
    header = next((k for k, line in enumerate(whole[:_PREAMBLE_LINES]) if _names_columns(line)), None)
    if header is None:
        header = min(start, len(whole) - 1)
    elif header > start:
        notes.append(
            Note(f"{header - start} lines before the table are left out: {whole[start][:60]!r}", loss=True)
        )
    delimiter = _delimiter(whole[header])
    rows = list(_cells(whole[header : header + HEAD_LINES], delimiter))
    if not rows or len(rows[0]) < 2:
        return None
    names, rows = rows[0], [row for row in rows[1:] if row]
    before = header + 1
    if rows and len(rows[0]) == len(names) and not any(map(_is_value, rows[0])) and len(rows) > 1:
        columns = find_columns(names)
        if not isinstance(columns, str) and _is_value(rows[1][columns.x] if columns.x < len(rows[1]) else ""):
            unit = rows[0][columns.time].strip(" []()").lower()
            names = [f"{name}_{unit}" if k == columns.time and unit else name for k, name in enumerate(names)]
            notes.append(
                Note(f"a row of units is left out: {', '.join(filter(None, rows[0]))[:100]}", loss=True)
            )
            rows, before = rows[1:], before + 1
    return Head(names, rows, delimiter, before, tuple(notes))


def _is_value(cell: str) -> bool:
    return bool(NUMBER.fullmatch(cell.replace(",", "."))) or is_date(cell)


def _names_columns(line: str) -> bool:
    cells = next(_cells([line], _delimiter(line)), [])
    return len(cells) > 2 and isinstance(find_columns(cells), MouseColumns)


def _delimiter(line: str) -> str:
    best = max(_DELIMITERS, key=line.count)
    return best if best in line else " " if len(line.split()) > 2 else best


def _cells(lines: Sequence[str], delimiter: str) -> Iterator[list[str]]:
    if delimiter == " ":
        yield from (line.split() for line in lines)
        return
    allow_long_fields()
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error:
        return


def moves_like_a_pointer(head: Head, columns: MouseColumns) -> bool:
    """Tell times and whole pixels without events that are surely a mouse's: unevenly timed, and on a screen."""
    rows = [row for row in head.rows if len(row) == 3]
    if len(head.names) != 3 or len(rows) < _POINTER_ROWS - 1:
        return False
    try:
        positions = np.array([[int(row[columns.x]), int(row[columns.y])] for row in rows])
        times = np.array([float(row[columns.time]) for row in rows])
    except ValueError:
        return False
    if not np.isfinite(times).all():
        return False
    steps = np.diff(times)
    if (
        positions.min() < 0
        or positions.max() > 10_000
        or positions.max() < 100
        or (steps < 0).any()
        or steps.max() <= 0
    ):
        return False
    uneven = float(np.abs(steps / max(np.median(steps), 1e-12) - 1).mean()) > 0.1
    return uneven and float(np.median(np.abs(np.diff(positions, axis=0)).max(1))) < 200


def _parse_json_head(text: str) -> Head | None:
    """Find the first events of JSON Lines, an array, or an object that holds an array."""
    objects: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    start = text.find("{") if not WRAPPED.match(text) else text.index("{", text.index("["))
    while 0 <= start < len(text) and len(objects) < HEAD_LINES:
        try:
            found, start = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            break
        if isinstance(found, dict):
            objects.append(flat(found))
        start = text.find("{", start)
    if not objects:
        return None
    names = list(dict.fromkeys(name for found in objects for name in found))
    return Head(names, [[word_of(found.get(name)) for name in names] for found in objects], None)


def flat(event: Any) -> Any:
    """Return an event without objects in it: `{"pos": {"x": 1}}` has `pos_x`, `{"pos": [1, 2]}` has `pos_x`, `pos_y`.

    Examples
    --------
    >>> flat({"t": 0, "pos": {"x": 1, "y": 2}, "point": [3, 4]})
    {'t': 0, 'pos_x': 1, 'pos_y': 2, 'point_x': 3, 'point_y': 4}
    """
    if not isinstance(event, dict) or not any(isinstance(value, dict | list) for value in event.values()):
        return event
    plain: dict[str, Any] = {}
    for name, value in event.items():
        if isinstance(value, dict):
            plain |= {f"{name}_{key}": inner for key, inner in value.items()}
        elif isinstance(value, list) and len(value) == 2:
            plain |= {f"{name}_x": value[0], f"{name}_y": value[1]}
        else:
            plain[name] = value
    return plain


WRAPPED = re.compile(
    r'\s*\{\s*(?:"[^"\n]{0,100}"\s*:\s*(?:"[^"\n]{0,400}"|-?[\d.eE+]+|true|false|null)\s*,\s*){0,20}"[^"\n]{0,100}"\s*:\s*\[\s*\{'
)


def word_of(value: Any) -> str:
    """Return the value of an event as a word."""
    return "" if value is None else str(value)
