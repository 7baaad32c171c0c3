"""Visits: names without paths, uploads that go, images that stay a while."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phosphene.pipeline.web import visits as module
from phosphene.pipeline.web.visits import Visits, safe_name


@given(st.text(max_size=300))
def test_a_name_is_that_of_a_file_in_a_folder(name):
    safe = safe_name(name)
    assert 1 <= len(safe) <= 80
    assert safe[0] not in ".-"
    assert not set(safe) & set("/\\#=\0\n ")


def test_the_suffix_of_a_long_name_stays():
    assert safe_name("a" * 300 + ".tar.gz").endswith(".tar.gz")


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now_s = 1000.0

        def monotonic(self):
            return self.now_s

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_what_nobody_asks_for_is_deleted(tmp_path, clock):
    visits = Visits(tmp_path, 5)
    waiting, started = visits.open("a.wav"), visits.open("b.wav")
    visits.start(started.token)
    clock.now_s += module.UNUSED_S + 1
    visits.sweep()
    assert not waiting.folder.exists()
    assert started.folder.exists()
    assert visits.start(waiting.token) is None
    clock.now_s += module.KEPT_S
    visits.sweep()  # whoever began it is gone
    assert not started.folder.exists()
    assert all(visits.open("c.wav") for _ in range(5))


def test_images_go_after_a_while(tmp_path, clock):
    visits = Visits(tmp_path, 5)
    visit = visits.open("a.wav")
    visits.finish(visits.start(visit.token))
    (visit.shown / "view0.png").write_bytes(b"")
    clock.now_s += module.KEPT_S - 1
    visits.sweep()
    assert visits.result(visit.token, "view0.png")
    clock.now_s += 2
    visits.sweep()
    assert visits.result(visit.token, "view0.png") is None
    assert list(tmp_path.iterdir()) == []


def test_of_many_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    visits = Visits(tmp_path, 5)
    some = [visits.open_own("a.wav") for _ in range(5)]
    visits.sweep()
    assert [visit.folder.exists() for visit in some] == [False, False, True, True, True]


def test_who_leaves_before_his_turn_takes_no_place(tmp_path):
    visits = Visits(tmp_path, 2)
    begun, waiting = visits.open("a.wav"), visits.open("b.wav")
    for visit in (begun, waiting):
        visits.join(visit.token, "session")
    visits.join("no token", "session")
    visits.start(begun.token)
    visits.leave("another")
    assert visits.open("c.wav") is None
    visits.leave("session")
    assert not waiting.folder.exists()
    assert begun.file.parent.exists()
    assert visits.open("c.wav")
