"""Sessions cut by what the pointer did, and how cuts are written."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from phosphene.converters import Fragment, ParameterError, make
from phosphene.datasets.manifest import Item
from phosphene.datasets.windows import Windows, cut_each, parse_windows
from phosphene.pipeline.tiles.convert import convert

# A pause of 8 s after the third event; 30 pixels a step, none over the pause.
SESSION = "time,x,y,event\n" + "".join(
    f"{t},{x},{y},move\n" for t, x, y in [(0, 0, 0), (1, 30, 0), (2, 60, 0), (10, 60, 0), (11, 90, 40)]
)


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "session.csv"
    path.write_text(SESSION)
    return path


def fragments(items):
    return [str(item.fragment) for item in items]


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("t=5,2.5", Windows("t", 5.0, 2.5)),
        (" samples = 1000", Windows("samples", 1000.0, 1000.0)),
        ("bytes=65536,32768", Windows("bytes", 65536.0, 32768.0)),
        ("events=150", Windows("events", 150.0, 150.0)),
        ("pause=0.5", Windows("pause", 0.5)),
        ("path=2000", Windows("path", 2000.0)),
        ("none", None),
    ],
)
def test_forms(text, windows):
    assert parse_windows(text) == windows
    if windows:
        assert Windows.from_config(windows.config) == windows


def test_windows_of_models_saved_before_are_read():
    assert Windows.from_config({"by": "pause", "limit": 0.5}) == Windows("pause", 0.5)
    old = {"unit": "t", "length": 5.0, "hop": 2.5, "most": None}
    assert Windows.from_config(old) == Windows("t", 5.0, 2.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5", "'5' is no way to cut recordings; write t=5,2.5, samples=1000"),
        ("t=", "'t=' is no way to cut recordings"),
        ("t=5,2,1", "'t=5,2,1' is no way"),
        ("row=3", "'row=3' is no way"),
        ("pause=1,2", "'pause=1,2' is no way"),
        ("t=5,6", "Windows needs 0 < hop <= length, got hop 6.0 and length 5.0"),
        ("pause=0", "Windows needs 0 < hop <= length, got hop 0.0 and length 0.0"),
        ("path=nan", "Windows needs 0 < hop <= length, got hop nan and length nan"),
    ],
)
def test_messages(text, message):
    with pytest.raises(ParameterError) as caught:
        parse_windows(text)
    assert str(caught.value).startswith(message)


def test_a_session_is_cut_where_it_rests_or_after_a_way(session):
    assert fragments(cut_each([Item(session)], "pause=1")) == ["events=0-2", "events=3-4"]
    assert fragments(cut_each([Item(session)], "path=40")) == ["events=0-1", "events=2-3", "events=4-4"]
    assert fragments(cut_each([Item(session)], "pause=60")) == ["None"]


def test_a_part_of_a_session_is_cut_inside_the_part(session):
    part = Item(session, fragment=Fragment("events", 1, 5))
    assert fragments(cut_each([part], "pause=1")) == ["events=1-2", "events=3-4"]


def test_files_of_other_kinds_stay_whole(session, tmp_path):
    program = tmp_path / "program.bin"
    program.write_bytes(bytes(range(256)) * 4)
    items = [Item(session), Item(program)]
    assert fragments(cut_each(items, "bytes=500")) == [
        "None",
        *(["bytes=0-499", "bytes=500-999", "bytes=524-1023"]),
    ]
    assert fragments(cut_each(items, "pause=1")) == ["events=0-2", "events=3-4", "None"]


def test_what_cannot_be_read_stays_whole_and_fails_by_name(tmp_path):
    broken = tmp_path / "broken.csv"
    broken.write_text("time,x,y,event\n0,0,0,move\n5,1,1,move\n3,1,1,move\n")
    for how in ("pause=1", "events=2", None):
        assert cut_each([Item(broken), Item(tmp_path / "none.csv")], how)[-1].fragment is None
    done = convert(broken, tmp_path / "out", windows="pause=1", progress=False)
    assert [str(failure.item) for failure in done.failed] == [str(broken)]


def test_a_recipe_names_only_cuts_of_its_kind():
    assert parse_windows("path=100", kind="mouse") == Windows("path", 100.0)
    with pytest.raises(ParameterError, match="^audio is not cut by 'pause=1'; write t=LENGTH$"):
        parse_windows("pause=1", kind="audio")


def test_every_part_becomes_an_image(session, tmp_path):
    done = convert(
        session, tmp_path / "out", views=[make("trace", size=32)], windows="pause=1", progress=False
    )
    assert [path.name for path in done.files] == ["session.csv.events=0-2.png", "session.csv.events=3-4.png"]
    assert done.converted == 2


def test_sound_over_ten_minutes_is_cut_unless_it_shall_not(tmp_path):
    long, short = tmp_path / "long.wav", tmp_path / "short.wav"
    soundfile.write(long, np.zeros(4000 * 601, np.int16), 4000)
    soundfile.write(short, np.zeros(4000 * 20, np.int16), 4000)
    windows = cut_each([Item(long), Item(short)], None)
    assert len(windows) == 121 + 1
    assert fragments(windows)[:2] == ["t=0,5", "t=5,10"]
    assert fragments(windows)[-2:] == ["t=596,601", "None"]
    assert fragments(cut_each([Item(long)], "none")) == ["None"]
    assert fragments(cut_each([Item(long)], None, kind="binary")) == ["None"]


def test_sound_of_many_channels_is_cut_by_the_size_of_its_file(tmp_path):
    path = tmp_path / "array.wav"
    soundfile.write(path, np.zeros((4000, 64), np.int16), 4000)
    head = bytearray(path.read_bytes()[:44])
    size = (
        4000 * 64 * 2 * 1100
    )  # 18 minutes of one channel in 64 would be 17 s: 563 MB that no disk has to hold
    head[4:8], head[40:44] = (size + 36).to_bytes(4, "little"), size.to_bytes(4, "little")
    path.write_bytes(head)
    os.truncate(path, size + 44)
    assert len(cut_each([Item(path)], None)) == 220
    os.truncate(path, 44 + size // 8)
    assert fragments(cut_each([Item(path)], None)) == ["None"]


def test_address_survives(session):
    assert [item.path for item in cut_each([Item(Path(session))], "events=2")] == [session] * 3


def test_sessions_cut_by_what_happens_are_not_measured_first(session, monkeypatch):
    monkeypatch.setattr("phosphene.datasets.windows.extents", lambda *_: pytest.fail("read for its length"))
    assert fragments(cut_each([Item(session)], "pause=1")) == ["events=0-2", "events=3-4"]


def test_many_files_are_measured_together(tmp_path, monkeypatch):
    from phosphene.datasets import windows as module

    items = []
    for place in range(3):
        items.append(Item(tmp_path / f"{place}.bin"))
        items[-1].path.write_bytes(bytes(range(256)) * (place + 1))
    calls, measure = [], module.extents
    monkeypatch.setattr(module, "extents", lambda *asked: calls.append(asked) or measure(*asked))
    windows = cut_each(items, "bytes=256")
    assert [window.path.name for window in windows] == ["0.bin", "1.bin", "1.bin", "2.bin", "2.bin", "2.bin"]
    assert len(calls) == 1
