"""Plans: measured briefly, in turns, and remembered."""

import json
import os

import pytest

from phosphene.converters import ParameterError
from phosphene.pipeline.backbones import autotune as decisions
from phosphene.pipeline.backbones.autotune import (
    SAFE,
    Plan,
    choose,
    decide,
    decision_key,
    memory_file,
    time_in_turns,
)

FAST = Plan(batch=32, threads="together")
ABOUT = {"network": "some", "layers": ["a", "b"], "size": 224}


class Clock:
    """Time that passes only where something is said to take it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def work(self, *seconds):
        """Return a call that takes some seconds at first, then others, the last ones for good."""
        left = list(seconds)

        def call():
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return call


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PHOSPHENE_CACHE", str(tmp_path))
    monkeypatch.delenv("PHOSPHENE_MEASURE", raising=False)
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """How often something was measured; FAST is found to be twice as fast."""
    counts = []

    def fake(calls):
        counts.append(list(calls))
        return {SAFE: 2.0, FAST: 1.0}

    monkeypatch.setattr(decisions, "time_in_turns", fake)
    return counts


def decided(n_tiles=1000, **changed):
    return decide(ABOUT | changed, lambda: {SAFE: lambda: None, FAST: lambda: None}, n_tiles=n_tiles)


def test_a_decision_is_measured_once_and_remembered(measured, cache):
    assert decided() == FAST
    assert decided() == FAST
    assert len(measured) == 1
    assert memory_file() == cache / "decisions.json"
    (entry,) = json.loads(memory_file().read_text()).values()
    assert entry["plan"] == {"engine": "fused", "batch": 32, "precision": "float32", "threads": "together"}
    assert entry["seconds"] == {
        "fused float32, 4 at a time, threads apart": 2.0,
        "fused float32, 32 at a time, threads together": 1.0,
    }


def test_few_tiles_are_not_worth_a_measurement_but_use_a_remembered_one(measured):
    assert decided(n_tiles=199) == SAFE
    assert not measured
    decided()
    assert decided(n_tiles=1) == FAST


def test_another_network_machine_or_torch_is_measured_anew(measured, monkeypatch):
    decided()
    decided(size=112)
    monkeypatch.setattr(decisions, "_processor", lambda: "another")
    decided()
    monkeypatch.setattr(decisions.torch, "__version__", "0.1")
    decided()
    assert len(measured) == 4
    assert len(json.loads(memory_file().read_text())) == 4


def test_the_environment_refuses_or_forces(measured, monkeypatch):
    decided()
    monkeypatch.setenv("PHOSPHENE_MEASURE", "0")
    assert decided() == SAFE
    monkeypatch.setenv("PHOSPHENE_MEASURE", "1")
    assert decided(n_tiles=1) == FAST
    assert len(measured) == 2


def test_another_word_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("PHOSPHENE_MEASURE", "maybe")
    with pytest.raises(ParameterError) as error:
        decided()
    wanted = "PHOSPHENE_MEASURE must be 0 or 1, got 'maybe'; unset it to measure where it pays"
    assert str(error.value) == wanted


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"3",
        json.dumps({decision_key(ABOUT): {"plan": {"engine": "gone"}}}).encode(),
        json.dumps({decision_key(ABOUT): {"plan": {"batch": 0}}}).encode(),
        json.dumps({decision_key(ABOUT): {"plan": {"depth": 3}}}).encode(),
        json.dumps({decision_key(ABOUT): None}).encode(),
        json.dumps({decision_key(ABOUT): {"plan": None}}).encode(),
    ],
)
def test_a_broken_memory_counts_as_none_and_is_mended(measured, broken):
    memory_file().write_bytes(broken)
    assert decided() == FAST
    assert decided() == FAST
    assert len(measured) == 1


def test_a_memory_that_cannot_be_written_does_no_harm(measured, monkeypatch, cache):
    (cache / "file").write_text("")
    monkeypatch.setenv("PHOSPHENE_CACHE", str(cache / "file"))
    assert decided() == FAST


def test_the_least_of_several_rounds_in_turns_counts():
    clock = Clock()
    calls = {"disturbed": clock.work(0.5, 0.3, 0.1), "even": clock.work(0.5, 0.12)}
    assert time_in_turns(calls, clock=clock) == pytest.approx({"disturbed": 0.1, "even": 0.12})


def test_nothing_is_begun_after_the_budget():
    clock = Clock()
    calls = {"slow": clock.work(3.0), "never": clock.work(0.001)}
    assert time_in_turns(calls, budget_s=2.0, clock=clock) == {}
    assert clock.now == 3.0


def test_what_is_much_slower_is_called_no_more():
    clock = Clock()
    slow, count = clock.work(0.3), []
    time_in_turns({"slow": lambda: (slow(), count.append(1)), "fast": clock.work(0.1)}, clock=clock)
    assert len(count) == 3  # a warm-up, and two that may have been disturbed


def test_what_the_machine_cannot_do_is_left_out():
    def fails():
        raise RuntimeError("bf16 path needs another processor")

    clock = Clock()
    assert list(time_in_turns({"no": fails, "yes": clock.work(0.1)}, clock=clock)) == ["yes"]


def test_the_safe_plan_wins_where_others_are_hardly_faster_or_nothing_was_timed():
    assert choose({SAFE: 1.0, FAST: 0.97}, SAFE) == SAFE
    assert choose({SAFE: 1.0, FAST: 0.9}, SAFE) == FAST
    assert choose({FAST: 0.9}, SAFE) == FAST
    assert choose({}, SAFE) == SAFE


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"engine": "fast"}, "Plan.engine must be one of fused, folded, plain, got 'fast'"),
        ({"precision": "int8"}, "Plan.precision must be one of float32, bfloat16, got 'int8'"),
        ({"threads": 2}, "Plan.threads must be one of together, apart, got 2"),
        ({"batch": True}, "Plan.batch must be an integer >= 1, got True"),
    ],
)
def test_a_plan_checks_itself(wrong, message):
    with pytest.raises(ParameterError) as error:
        Plan(**wrong)
    assert str(error.value) == message


def test_the_cache_folder_of_the_user_is_not_touched(cache):
    assert os.fspath(memory_file()).startswith(os.fspath(cache))
