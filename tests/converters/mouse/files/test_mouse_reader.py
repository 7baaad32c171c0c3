import json
import os
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters.core.errors import ParameterError, ReadError
from phosphene.converters.core.fragment import Fragment
from phosphene.converters.mouse.files.reader import MouseReader
from phosphene.converters.mouse.signal import DRAG, EVENTS, MOVE, PRESS, RELEASE, SCROLL
from phosphene.converters.reading import read, recognise

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
        ("time,x,y\n0,1,1\n", "no column of events (event, state, type, action or button) among time, x, y"),
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
    from phosphene.converters.mouse.files import reader

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
