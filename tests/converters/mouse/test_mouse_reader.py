import gzip
import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters.core.errors import ParameterError, ReadError
from phosphene.converters.core.files import ReadOptions
from phosphene.converters.core.signal import Fragment
from phosphene.converters.mouse import columns
from phosphene.converters.mouse.kind import MouseReader
from phosphene.converters.mouse.signal import DRAG, EVENTS, MOVE, PRESS, RELEASE, SCROLL
from phosphene.converters.registry import read, recognise

BALABIT = "record timestamp,client timestamp,button,state,x,y\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="session"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write


def test_balabit_rows_are_read_by_the_clients_clock(write):
    path = write(
        BALABIT + "0.0,0.0,NoButton,Move,10,20\n0.5,0.25,Left,Pressed,10,20\n0.5,0.5,NoButton,Drag,15,20\n"
        "0.5,0.75,Left,Released,15,20\n0.5,0.75,Scroll,Down,7,8\n0.5,0.8,Scroll,Up,7,8\n"
    )
    session = read(path)
    assert session.kind == "mouse"
    assert session.time_s.tolist() == [0, 0.25, 0.5, 0.75, 0.75, 0.8]
    assert session.event.tolist() == [MOVE, PRESS, DRAG, RELEASE, SCROLL, SCROLL]
    assert session.x.tolist() == [10, 10, 15, 15, 7, 7]


def test_lost_positions_are_left_out_and_the_wheel_turns_where_the_pointer_is(write):
    path = write(
        BALABIT + "0,0,Scroll,Down,0,0\n0,1,NoButton,Move,65535,65535\n0,2,NoButton,Move,3,4\n"
        "0,3,Scroll,Up,0,0\n0,4,NoButton,Move,0,0\n0,5,NoButton,Move,65535,9\n"
    )
    session = read(path)
    assert session.time_s.tolist() == [0, 2, 3, 4, 5]
    assert session.x.tolist() == [3, 3, 3, 0, 65535]
    assert session.y.tolist() == [4, 4, 4, 0, 9]
    assert MouseReader().extent(path) == 5


def test_a_session_of_the_wheel_alone_stays_where_it_is(write):
    assert read(write(BALABIT + "0,0,Scroll,Down,0,0\n0,1,Scroll,Down,0,0\n")).x.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("text", "times", "places"),
    [
        ("time;x;y;event\n0,5;1,25;2;move\n1,5;2;2;move\n", [0, 1], [1.25, 2]),
        ("t\tx\ty\ttype\n1\t5.5\t2\tmousemove\n3\t6\t2\tclick\n", [0, 2], [5.5, 6]),
        ('"time","x","y","event"\n"0","1","2","move"\n"2","4","2","move"\n', [0, 2], [1, 4]),
        ('time,x,y,event\n"0,5","1,5",2,move\n"1,0",2,2,move\n', [0, 0.5], [1.5, 2]),
        ("time_ms,x,y,event\n500,1,2,move\n750,1,2,move\n", [0, 0.25], [1, 1]),
        ("Time (us),x,y,event\n0,1,2,move\n250000,1,2,move\n", [0, 0.25], [1, 1]),
        ("timestamp,x,y,event\n1700000000000,1,2,move\n1700000000250,1,2,move\n", [0, 0.25], [1, 1]),
        ("timestamp,x,y,event\n1700000000,1,2,move\n1700000002,1,2,move\n", [0, 2], [1, 1]),
        ("event,clientY,clientX,ts\nmove,2,1,0\n\nmove,2,3,1\n\n", [0, 1], [1, 3]),
        ("\ufefftime,x,y,event\r\n0,1,2,move\r\n1,1,2,move\r\n", [0, 1], [1, 1]),
        ("time,x,y,event\n0, 1 ,2,move\n1,1e1,2,move", [0, 1], [1, 10]),
    ],
)
def test_delimiters_units_and_usual_names(write, text, times, places):
    session = read(write(text, "session.csv"))
    np.testing.assert_allclose(session.time_s, times)
    assert session.x.tolist() == places


@pytest.mark.parametrize(
    ("word", "event"),
    [
        ("Move", MOVE),
        ("mousemove", MOVE),
        ("pointer-move", MOVE),
        ("dragged", DRAG),
        ("MouseDown", PRESS),
        ("button_press", PRESS),
        ("mouse button down", PRESS),
        ("click", PRESS),
        ("Left Click", PRESS),
        ("left_button_down", PRESS),
        ("RightUp", RELEASE),
        ("513", PRESS),
        ("514", RELEASE),
        ("512", MOVE),
        ("mouseup", RELEASE),
        ("onmouseup", RELEASE),
        ("wheel", SCROLL),
        ("scroll_down", SCROLL),
    ],
)
def test_usual_words_for_events(write, word, event):
    assert EVENTS[read(write(f"time,x,y,event\n0,1,1,{word}\n"), "mouse").event[0]] == EVENTS[event]


def test_a_button_column_alone_tells_presses_drags_and_releases(write):
    rows = "".join(f"{at},{at},0,{button}\n" for at, button in enumerate([0, 1, 1, 1, 0, 0, "wheel"]))
    session = read(write("time,x,y,buttons\n" + rows))
    assert session.event.tolist() == [MOVE, PRESS, DRAG, DRAG, RELEASE, MOVE, SCROLL]


def test_json_lines(write):
    rows = [
        {"type": "mousemove", "time_ms": 100, "x": 1.5, "y": 2, "target": {"id": "a"}},
        {"type": "mousedown", "time_ms": 200, "x": 3, "y": 4, "button": 0},
    ]
    path = write("\n".join(map(json.dumps, rows)) + "\n\n", "log.jsonl")
    session = read(path)
    np.testing.assert_allclose(session.time_s, [0, 0.1])
    assert (session.x.tolist(), session.event.tolist()) == ([1.5, 3], [MOVE, PRESS])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (BALABIT + "0,0,NoButton,Move,1,1\n", "mouse"),
        ("time,x,y,event\n", "mouse"),
        ("time,x,y\n0,1,2\n", "series"),
        ("time,x,y,z,type\n0,1,2,3,walking\n", "series"),
        ("a,b\n1,2\n", "series"),
        ("1,2,3,4\n1,2,3,4\n", "series"),
        ('{"time": 0, "x": 1, "y": 2, "event": "move"}\n', "mouse"),
    ],
)
def test_mouse_files_are_known_by_their_content(write, text, kind):
    path = write(text, "file.csv")
    assert MouseReader().recognises(text.encode(), path) is (kind == "mouse")


def test_hostile_heads_are_not_recognised():
    for head in (
        b'{"a":' * 10_000,
        b"{",
        b"[]",
        b"\0\1\2,",
        b'"' * 60_000,
        b"\xff\xfet\0,\0x\0",
        b"{1}",
        b"\n",
    ):
        assert not MouseReader().recognises(head, Path("file"))


GOOD = "time,x,y,event\n0,1,1,move\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty; there is nothing to read"),
        ("time,x,y,event\n", "no rows below the header; there are no events to read"),
        ("time,x,y,event", "no rows below the header; there are no events to read"),
        (GOOD + "1,2", "line 3 has 2 columns, the header 4; mend or remove the line"),
        (GOOD + "1,2,3,move,5\n", "line 3 has 5 columns, the header 4; mend or remove the line"),
        (GOOD + "\n\n1,left,3,move\n", "line 5: x must be a finite number, got 'left'; mend the line"),
        (GOOD + "1,,3,move\n", "line 3: x must be a finite number, got ''; mend the line"),
        (GOOD + "1,2,nan,move\n", "line 3: y must be a finite number, got 'nan'; mend the line"),
        (GOOD + "inf,2,2,move\n", "line 3: time must be a finite number, got 'inf'; mend the line"),
        (GOOD + "1,1e999,2,move\n", "line 3: x must be a finite number, got '1e999'; mend the line"),
        (GOOD + "1,2,2,\n", "line 3: '' is no known event; use move: move, moved"),
        (GOOD + "1,2,2,jump\n", "line 3: 'jump' is no known event; use move: move, moved"),
        (GOOD + "1,2,2,move\n0.5,2,2,move\n", "line 4: time falls from 1 to 0.5; sort the rows by time"),
        ("time;x;y;event\n0,5;1,5;2;move\n1,5;2.5;2;move\n", "line 3: x must be a finite number, got '2.5'"),
        (
            "0,1,1,move\n1,2,2,move\n",
            "no column of positions (x and y) among 0, 1, 1, move; name the columns",
        ),
        ("x,y,event\n1,1,move\n", "no column of times (time, t, timestamp, time_ms) among x, y, event"),
        ("time,x,X,y,event\n0,1,1,1,move\n", "two columns called x among time, x, X, y, event"),
        ("just text\n", "neither CSV with a header nor JSON Lines; name the columns in the first line"),
        (BALABIT + "0,0,NoButton,Move,65535,65535\n", "the pointer is lost (65535) in every row"),
        ('{"t":0,"x":1,"y":1,"event":"move"}\n{"t":1', "line 2 is no JSON"),
        ('{"t":0,"x":1,"y":1,"event":"move"}\n[1]\n', "line 2 must be a JSON object, got list"),
        ('{"t":0,"x":1,"y":1,"event":"move"}\n{"t":1,"x":1,"event":"move"}\n', "line 2 has no 'y'"),
        ('{"t":0,"x":"1","y":1,"event":"move"}\n', "line 1: x must be a finite number, got '1'"),
        ('{"t":0,"x":NaN,"y":1,"event":"move"}\n', "line 1: x must be a finite number, got nan"),
        ('{"t":0,"x":null,"y":1,"event":"move"}\n', "line 1: x must be a finite number, got None"),
        ('{"t":0,"x":1,"y":1,"event":"hop"}\n', "line 1: 'hop' is no known event"),
    ],
)
def test_bad_files_are_refused_with_path_line_and_rule(write, text, message):
    path = write(text, "bad.csv")
    with pytest.raises(ReadError) as caught:
        read(path, "mouse")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "bad"
    path.write_bytes(GOOD.encode() + b"1,2,2,\xff\xfe\n")
    with pytest.raises(ReadError, match="bad: cannot be read as CSV"):
        read(path, "mouse")


def test_folders_and_dangling_links_are_refused_also_by_extent(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    for path, why in ((tmp_path, "a folder, not a file"), (link, "a link to nothing")):
        for act in (MouseReader().extent, lambda path: MouseReader().read(path, None)):
            with pytest.raises(ReadError, match=why):
                act(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(write):
    path = write(GOOD)
    path.chmod(0)
    with pytest.raises(ReadError, match="may not be read"):
        MouseReader().extent(path)


# Files as people have them.

RNG = np.random.default_rng(2)
MS = np.cumsum(RNG.integers(8, 40, 120))
PX, PY = (np.clip(c + np.cumsum(RNG.normal(0, 9, 120)), 0, 1000).round().astype(int) for c in (500, 400))
CLICKS = {k + j: word for k in (40, 80, 83) for j, word in enumerate(("mousedown", "mouseup", "click"))}
LENGTH_S = (MS[-1] - MS[0]) / 1000


def rows(form, *, events=None):
    events = events or {}
    return "".join(
        form.format(ms=MS[k], s=MS[k] / 1000, x=PX[k], y=PY[k], event=events.get(k, "mousemove"), k=k) + "\n"
        for k in range(120)
    )


def is_noted(signal, *words):
    return any(all(word in note for word in words) for note in signal.notes)


@pytest.mark.parametrize(
    ("head", "form", "noted"),
    [
        ("client timestamp,button,state,x,y", "{ms},NoButton,Move,{x},{y}", "milliseconds"),
        ("t,event,x,y", "{ms},move,{x},{y}", "milliseconds"),
        ("t,event,x,y", "{ms}.25,move,{x},{y}", "milliseconds"),
        ("t,event,x,y", "{ms}000,move,{x},{y}", "microseconds"),
        ("t,event,x,y", "{ms}000000,move,{x},{y}", "nanoseconds"),
        ("timestamp,event,x,y", "17000{ms:08d},move,{x},{y}", "milliseconds since 1970"),
        ("timestamp,event,x,y", "17000{ms:08d}000,move,{x},{y}", "microseconds since 1970"),
        ("timestamp,event,x,y", "17000{ms:08d}000000,move,{x},{y}", "nanoseconds since 1970"),
        ("t;event;x;y", "{ms};move;{x};{y}", "milliseconds"),
        ("t\tevent\tx\ty", "{ms}\tmove\t{x}\t{y}", "milliseconds"),
        ("t event x y", "{ms} move {x} {y}", "milliseconds"),
        ("t|event|x|y", "{ms}|move|{x}|{y}", "milliseconds"),
        ("t_ms,event,x,y", "{ms},move,{x},{y}", None),
        ("time,event,x,y", "{s:.3f},move,{x},{y}", None),
    ],
)
def test_units_of_time_are_known_by_size_and_step(write, head, form, noted):
    path = write(f"{head}\n{rows(form)}", "session.csv")
    assert recognise(path) == "mouse"
    session = read(path)
    assert session.time_s[-1] == pytest.approx(LENGTH_S, abs=1e-3)
    assert len(session.time_s) == 120
    assert is_noted(session, noted, "--time") if noted else not session.notes


def test_the_column_of_times_can_be_named(write):
    path = write(BALABIT + rows("{k},{ms},NoButton,Move,{x},{y}"), "a")
    named = read(path, options=ReadOptions(time="record timestamp"))
    assert named.time_s[-1] == 119
    assert read(path, options=ReadOptions(time="client timestamp:s")).time_s[-1] == MS[-1] - MS[0]
    with pytest.raises(ReadError, match="no column of times"):
        read(path, options=ReadOptions(time="tock"))


def test_iso_times_are_read(write):
    form = "2024-01-01T00:00:{sec:06.3f}Z,move,{x},{y}"
    text = "".join(form.format(sec=MS[k] / 1000, x=PX[k], y=PY[k]) + "\n" for k in range(120))
    session = read(write(f"time,event,x,y\n{text}", "a.csv"))
    assert session.time_s[-1] == pytest.approx(LENGTH_S, abs=1e-3)
    lines = [
        json.dumps({"ts": f"2024-01-01T00:00:{MS[k] / 1000:06.3f}Z", "event": "move", "x": 1, "y": 2})
        for k in range(120)
    ]
    assert read(write("\n".join(lines), "a.jsonl")).time_s[-1] == pytest.approx(LENGTH_S, abs=1e-3)


def counts(session):
    return np.bincount(session.event, minlength=len(EVENTS)).tolist()


@pytest.mark.parametrize(
    "words",
    [("mousedown", "mouseup", "click"), ("press", "release", "click"), ("pointerdown", "pointerup", "click")],
)
def test_a_click_is_one_press_and_one_release(write, words):
    events = {k: words[("mousedown", "mouseup", "click").index(word)] for k, word in CLICKS.items()}
    session = read(write("t,event,x,y\n" + rows("{s},{event},{x},{y}", events=events), "clicks.csv"))
    assert counts(session) == [111, 0, 3, 3, 0]
    assert is_noted(session, "3 clicks")


def test_a_double_click_adds_no_press(write):
    events = dict(CLICKS)
    events.update({86: "dblclick"})
    session = read(write("t,event,x,y\n" + rows("{s},{event},{x},{y}", events=events), "a.csv"))
    assert counts(session) == [110, 0, 3, 3, 0]
    alone = read(
        write(
            "t,event,x,y\n" + rows("{s},{event},{x},{y}", events={50: "click", 55: "click", 56: "dblclick"}),
            "b.csv",
        )
    )
    assert counts(alone) == [117, 0, 2, 0, 0]


def test_pointer_events_beside_mouse_events_count_once(write):
    events = dict(CLICKS) | {k - 1: "pointerdown" for k in (40,)} | dict.fromkeys(range(10), "pointermove")
    session = read(write("t,event,x,y\n" + rows("{s},{event},{x},{y}", events=events), "a.csv"))
    assert counts(session)[2:] == [3, 3, 0]
    assert is_noted(session, "11 events", "left out")


def test_a_finger_presses_drags_and_lifts(write):
    touches = dict.fromkeys(range(120), "touchmove") | {0: "touchstart", 60: "touchend", 61: "touchstart"}
    path = write(
        "t,event,x,y\n" + rows("{s},{event},{x},{y}", events=touches | {119: "touchcancel"}), "a.csv"
    )
    assert recognise(path) == "mouse"
    assert counts(read(path)) == [0, 116, 2, 2, 0]


def test_each_of_many_words_is_looked_at_once(monkeypatch):
    seen = []
    name = columns._browser_name
    monkeypatch.setattr(columns, "_browser_name", lambda word: seen.append(word) or name(word))
    words = [f"pointer{chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(600)]
    assert len(columns.event_codes(words, None)) == 600
    assert len(seen) <= 2 * len(words)


def test_touch_events_beside_mouse_events_count_once(write):
    events = dict(CLICKS) | {39: "touchstart", 44: "touchend"}
    session = read(write("t,event,x,y\n" + rows("{s},{event},{x},{y}", events=events), "a.csv"))
    assert counts(session)[2:] == [3, 3, 0]
    assert is_noted(session, "2 events", "left out")


@pytest.mark.parametrize("true", ["True", "1", "true", "yes"])
def test_a_column_that_says_whether_a_button_is_pressed(write, true):
    held = dict.fromkeys(range(50, 60), true)
    text = "t,x,y,pressed\n" + rows("{s},{x},{y},{event}", events={k: held.get(k, "0") for k in range(120)})
    assert counts(read(write(text, "a.csv"))) == [109, 9, 1, 1, 0]
    events = {50: f"click,{true}", 60: "click,False"}
    text = "time,x,y,event,pressed\n" + rows(
        "{s},{x},{y},{event}", events={k: events.get(k, "move,") for k in range(120)}
    )
    assert counts(read(write(text, "pynput.csv"))) == [118, 0, 1, 1, 0]


def test_a_pressed_column_that_only_rows_of_a_button_fill(write):
    said = {40: "Button.left,True", 45: "Button.left,False"}
    text = "time,x,y,button,pressed\n" + rows(
        "{s},{x},{y},{event}", events={k: said.get(k, ",") for k in range(120)}
    )
    assert counts(read(write(text, "a.csv"))) == [118, 0, 1, 1, 0]


@pytest.mark.parametrize(
    "word",
    [
        "mouseleave",
        "contextmenu",
        "mouseover",
        "keydown",
        "focus",
        "visibilitychange",
        "pointercancel",
        "hiccup",
    ],
)
@pytest.mark.parametrize("times", [1, 5])
def test_events_of_other_kinds_are_left_out_and_told(write, word, times):
    path = write(
        "t,event,x,y\n" + rows("{s},{event},{x},{y}", events={60 + k: word for k in range(times)}),
        "leaves.csv",
    )
    assert recognise(path) == "mouse"
    session = read(path)
    assert len(session.time_s) == 120 - times == MouseReader().extent(path)
    assert is_noted(session, f"{times} events", f"{word} {times}")
    with pytest.raises(ReadError, match=f"leaves.csv: .*{word}.*--strict"):
        read(path, options=ReadOptions(strict=True))


@pytest.mark.parametrize("odd", ["garbage", "1,2", "{k},move,,", "x,move,1,1"])
def test_one_odd_row_is_left_out_and_told(write, odd):
    lines = ("t,event,x,y\n" + rows("{s},move,{x},{y}")).splitlines()
    path = write("\n".join([*lines[:60], odd, *lines[60:]]) + "\n", "a.csv")
    session = read(path)
    assert len(session.time_s) == 120
    assert is_noted(session, "1 rows", "line 61")
    with pytest.raises(ReadError, match="line 61"):
        read(path, options=ReadOptions(strict=True))


@pytest.mark.parametrize("head", ["t,x,y", "timestamp,x,y", "y,x,time_ms"])
def test_times_and_pixels_without_events_are_moves(write, head):
    form = "{y},{x},{ms}" if head[0] == "y" else "{s},{x},{y}"
    path = write(f"{head}\n{rows(form)}", "no_event.csv")
    for kind in ("mouse", None):
        session = read(path, kind)
        assert session.kind == "mouse"
        assert counts(session) == [120, 0, 0, 0, 0]
        assert session.time_s[-1] == pytest.approx(LENGTH_S, abs=1e-3)
        assert is_noted(session, "no column of events")
    assert read(write("time,x,y\n0,1,1\n", "one.csv"), "mouse").event.tolist() == [MOVE]


@pytest.mark.parametrize("form", ["{s},{x}.5,{y}.25", "{k},{x},{y}", "{s},-{x},{y}"])
def test_other_times_and_values_stay_a_series(write, form):
    assert recognise(write("t,x,y\n" + rows(form), "a.csv")) == "series"


def test_positions_from_0_to_1_are_told(write):
    text = "t,event,x,y\n" + "".join(
        f"{k / 50},move,{PX[k] / 1001:.4f},{PY[k] / 1001:.4f}\n" for k in range(120)
    )
    assert is_noted(read(write(text, "a.csv")), "from 0 to 1", "screen")


def event_objects():
    return [
        {
            "type": CLICKS.get(k, "mousemove"),
            "timestamp": int(1_700_000_000_000 + MS[k]),
            "clientX": int(PX[k]),
            "clientY": int(PY[k]),
        }
        for k in range(120)
    ]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "wrap", [lambda e: e, lambda e: {"session": "a", "user": 3, "events": e}, lambda e: {"data": e}]
)
@pytest.mark.parametrize("name", ["array.json", "array.txt"])
def test_json_arrays_of_events(write, wrap, indent, name):
    path = write(json.dumps(wrap(event_objects()), indent=indent), name)
    assert recognise(path) == "mouse"
    session = read(path)
    assert counts(session) == [111, 0, 3, 3, 0]
    assert session.time_s[-1] == pytest.approx(LENGTH_S)


def test_json_events_of_other_kinds_need_no_position(write):
    events = event_objects()
    events[7] = {"type": "keydown", "timestamp": events[7]["timestamp"], "key": "a"}
    events[9] = {"type": "scroll", "timestamp": events[9]["timestamp"], "scrollY": 120}
    for text in (json.dumps(events), "\n".join(map(json.dumps, events))):
        session = read(write(text, "a.json"))
        assert counts(session) == [109, 0, 3, 3, 1]
        assert (
            session.x[8] == session.x[7]
        )  # a turn of the wheel without a position stays where the pointer was


def test_utf16_gzip_preambles_and_units(write, tmp_path):
    table = "time,event,x,y\n" + rows("{s},move,{x},{y}")
    (tmp_path / "a.csv").write_bytes(table.encode("utf-16"))
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(table.encode()))
    write("sep=;\n" + table.replace(",", ";"), "c.csv")
    write("Recorder 7\nUser: ann, session 3\n\n" + table, "d.csv")
    write(table.replace("x,y\n", "x,y\nms,,px,px\n", 1), "e.csv")
    for name in ("a.csv", "b.csv.gz", "c.csv", "d.csv", "e.csv"):
        assert recognise(tmp_path / name) == "mouse"
        session = read(tmp_path / name)
        assert counts(session) == [120, 0, 0, 0, 0]
        assert session.time_s[-1] == pytest.approx(LENGTH_S * (0.001 if name == "e.csv" else 1), abs=1e-3)
        assert bool(session.notes) is (name[0] in "cde")


@pytest.fixture
def long(write):
    return write("time,x,y,event\n" + "".join(f"{5 + at / 10},{at},0,move\n" for at in range(100)))


def test_fragments_keep_the_clock_of_the_file(long):
    part = read(f"{long}#events=20-29")
    assert part.x.tolist() == list(range(20, 30))
    np.testing.assert_allclose(part.time_s[0], 2.0)
    np.testing.assert_array_equal(read(f"{long}#t=1.95,2.45").x, range(20, 25))
    assert read(f"{long}#events=99-99").x.tolist() == [99]


@pytest.mark.parametrize(
    ("fragment", "error", "message"),
    [
        ("events=90-100", ReadError, "has 100 events, #events=90-100 reaches beyond; choose from 0 to 99"),
        ("t=20,30", ReadError, "no event in #t=20,30; the 100 events are from 0 s to 9.9 s"),
        ("row=1", ParameterError, "a mouse session is cut by #events=0-249 or #t=5,10, got #row=1"),
    ],
)
def test_fragments_that_are_not_there(long, fragment, error, message):
    with pytest.raises(error) as caught:
        read(f"{long}#{fragment}")
    assert str(caught.value) == f"{long}: {message}"


def test_a_file_is_parsed_once_and_again_when_it_changes(long, monkeypatch):
    from phosphene.converters.mouse import kind as reader

    time.sleep(0.15)  # of a file that was written just now nothing is kept
    calls = []
    parse = reader.read_table
    monkeypatch.setattr(reader, "read_table", lambda *given: calls.append(given) or parse(*given))
    for start in range(0, 100, 10):
        MouseReader().read(long, Fragment("events", start, start + 10))
    assert len(calls) == 1
    long.write_text(GOOD)
    assert MouseReader().extent(long) == 1
    assert len(calls) == 2


@pytest.mark.data
def test_balabit_sessions_are_known_and_read(data):
    files = sorted((data / "balabit" / "training_files").glob("user*/*"))[::8]
    assert files
    for path in files:
        assert recognise(path) == "mouse"
        session = read(path)
        assert MouseReader().extent(path) == len(session.time_s)
        assert max(session.x.max(), session.y.max()) < 4096
        assert session.time_s[0] == 0


@pytest.mark.parametrize(
    "place", [{"position": {"x": 5, "y": 7}}, {"pos": [5, 7]}, {"coords": {"x": 5, "y": 7}}]
)
@pytest.mark.parametrize("form", ["lines", "array", "object"])
def test_positions_inside_an_object_are_read(write, place, form):
    events = [{"t": k / 50, "type": "mousemove"} | place for k in range(20)]
    text = {"lines": "\n".join(map(json.dumps, events)), "array": json.dumps(events)}
    session = read(write(text.get(form) or json.dumps({"user": "a", "events": events})))
    assert session.kind == "mouse"
    assert (session.x.tolist(), session.y.tolist()) == ([5.0] * 20, [7.0] * 20)


def test_a_session_with_dates_of_the_american_form(write):
    rows = [f"12/31/2024 11:59:{k:02d} PM,move,{k},5" for k in range(50, 60)]
    rows += [f"01/01/2025 12:00:{k:02d} AM,move,{k},5" for k in range(5)]
    session = read(write("\n".join(["time,event,x,y", *rows])))
    assert session.time_s.tolist() == [float(k) for k in range(15)]


@pytest.mark.parametrize("scale", [1000, 1, 1_000_000])
def test_the_unit_of_sessions_with_few_moves_is_known_by_how_long_buttons_are_held(write, scale):
    rows = []
    for k in range(6):
        rows += [f"{int(scale * (3 * k + 1))},mousedown,5,5", f"{scale * (3 * k + 1.09):.0f},mouseup,5,5"]
    if scale == 1:
        rows = [
            f"{3 * k + wait},{event},5,5"
            for k in range(6)
            for wait, event in ((1, "mousedown"), (1.09, "mouseup"))
        ]
    session = read(write("\n".join(["t,event,x,y", *rows])))
    assert session.time_s[-1] == pytest.approx(15.09, abs=0.01)
    assert bool(session.notes) == (scale != 1)


def test_turns_of_the_wheel_are_as_quick_as_moves(write):
    rows = [f"{17 * k},{'wheel' if k % 3 else 'mousemove'},{k},{k}" for k in range(40)]
    assert read(write("\n".join(["t,event,x,y", *rows]))).time_s[-1] == pytest.approx(0.663)


def test_a_few_rows_that_come_late_are_sorted_and_told(write):
    times = [17 * k for k in range(60)]
    times[30], times[31] = times[31], times[30]
    head = "t,event,x,y\n"
    session = read(write(head + "\n".join(f"{t},mousemove,{t},5" for t in times)))
    assert session.x.tolist() == sorted(times)
    assert any("1 rows are not in the order of time" in note for note in session.notes)
    twice = [*range(0, 680, 17), *range(0, 680, 17)]
    with pytest.raises(ReadError, match="time falls from 663 to 0"):
        read(write(head + "\n".join(f"{t},mousemove,{t},5" for t in twice)))
