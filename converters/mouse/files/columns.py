"""The usual names of the columns of a mouse file, their units, and the usual words for events."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..signal import DRAG, EVENTS, MOVE, PRESS, RELEASE, SCROLL

# Earlier names win: a recorder that also keeps its own clock writes most of its rows late.
TIMES = ("client_timestamp", "time", "t", "timestamp", "ts", "elapsed", "record_timestamp")
UNITS_S = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3}
UNITS_S |= {"us": 1e-6, "usec": 1e-6, "microseconds": 1e-6, "ns": 1e-9}
PLACES: tuple[str, ...] = (
    "x",
    "x_px",
    "screenx",
    "screen_x",
    "clientx",
    "client_x",
    "pagex",
    "page_x",
    "pos_x",
    "posx",
    "xpos",
    "x_pos",
    "x_position",
    "position_x",
    "mouse_x",
    "cursor_x",
)
EVENT_NAMES = ("event", "event_type", "eventtype", "event_name", "state", "type", "action")
BUTTON_NAMES = ("button", "buttons", "mouse_button")

WORDS = {
    MOVE: ("move", "moved", "moving", "hover"),
    DRAG: ("drag", "dragged", "dragging"),
    PRESS: ("press", "pressed", "down", "click", "clicked", "dblclick", "doubleclick"),
    RELEASE: ("release", "released", "up"),
    SCROLL: ("scroll", "scrolled", "wheel", "scrollup", "scrolldown", "wheelup", "wheeldown"),
}
_CODES = {word: code for code, words in WORDS.items() for word in words}
_PREFIX = re.compile(r"(on)?(mouse|pointer)?(button)?(?=.)")
_NO_BUTTON = {"nobutton", "none", "no", "false", "", "0", "-1"}
UNKNOWN = 255


@dataclass(frozen=True)
class Columns:
    """Places of the columns in a table; None where there is none.

    Parameters
    ----------
    time, x, y, event, button
        Places, counted from 0. One of `event` and `button` is there.
    unit_s
        Seconds in one unit of time, where the name says it.
    """

    time: int
    x: int
    y: int
    event: int | None
    button: int | None
    unit_s: float | None


def find_columns(names: Sequence[str]) -> Columns | str:
    """Find the columns by their usual names, or say which is missing.

    Examples
    --------
    >>> find_columns(["record timestamp", "client timestamp", "button", "state", "x", "y"])
    Columns(time=1, x=4, y=5, event=3, button=2, unit_s=None)
    >>> find_columns(["Time (ms)", "x"])
    'no column of positions (x and y)'
    """
    keys = [_key(name) for name in names]
    places = ((x, re.sub("x(?=_|$)", "y", x, count=1)) for x in PLACES)
    place = next(((x, y) for x, y in places if x in keys and y in keys), None)
    if place is None:
        return "no column of positions (x and y)"
    time = _find_time(keys)
    if time is None:
        return "no column of times (time, t, timestamp, time_ms)"
    event, button = _first(EVENT_NAMES, keys), _first(BUTTON_NAMES, keys)
    if event is None and button is None:
        return "no column of events (event, state, type, action or button)"
    used = (keys[time[0]], *place, *(keys[at] for at in (event, button) if at is not None))
    twice = next((key for key in used if keys.count(key) > 1), None)
    if twice:
        return f"two columns called {twice}"
    return Columns(time[0], keys.index(place[0]), keys.index(place[1]), event, button, time[1])


def event_codes(events: Sequence[str] | None, buttons: Sequence[str] | None) -> np.ndarray:
    """Return the event that each pair of an event word and a button word means.

    Parameters
    ----------
    events, buttons
        Words as the file has them, each once; None where the file has no such column.

    Returns
    -------
    uint8 (n_events, n_buttons)
        Places in EVENTS, UNKNOWN for words of no meaning. Without event words: PRESS where a button is held,
        MOVE where none is.

    Examples
    --------
    >>> event_codes(["Move", "Down"], ["NoButton", "Scroll"]).tolist()
    [[0, 4], [2, 4]]
    """
    words = [None] if events is None else [_CODES.get(_bare(word), UNKNOWN) for word in events]
    wheels = [_is_wheel(button) for button in buttons or [""]]
    held = [button.strip().lower() not in _NO_BUTTON for button in buttons or [""]]
    return np.array(
        [[_code(word, *button) for button in zip(wheels, held, strict=True)] for word in words], np.uint8
    )


def known_words() -> str:
    """List the words for events, for messages."""
    return "; ".join(f"{EVENTS[code]}: {', '.join(words)}" for code, words in WORDS.items())


def _code(word: int | None, wheel: bool, held: bool) -> int:
    if word is None:
        return SCROLL if wheel else PRESS if held else MOVE
    return SCROLL if wheel and word != UNKNOWN else word


def _is_wheel(button: str) -> bool:
    return _bare(button) in WORDS[SCROLL]


def _bare(word: str) -> str:
    letters = re.sub("[^a-z]", "", word.lower())
    return _PREFIX.sub("", letters, count=1)


def _key(name: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def _first(names: Sequence[str], keys: Sequence[str]) -> int | None:
    return next((keys.index(name) for name in names if name in keys), None)


def _find_time(keys: Sequence[str]) -> tuple[int, float | None] | None:
    for stem in TIMES:
        for at, key in enumerate(keys):
            if key == stem:
                return at, None
            if key.startswith(stem + "_") and key.removeprefix(stem + "_") in UNITS_S:
                return at, UNITS_S[key.removeprefix(stem + "_")]
    return None
