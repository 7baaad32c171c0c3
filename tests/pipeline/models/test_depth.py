"""The stages to look at, chosen on training items alone."""

import numpy as np

from phosphene.pipeline.models.depth import choose_depth


def _stages(rng, targets, **strengths):
    """Features of stages, each telling two classes apart by so many deviations."""
    return {
        name: (
            rng.normal(size=(len(targets), 30)) + strength * targets[:, None] * (np.arange(30) < 5)
        ).astype(np.float32)
        for name, strength in strengths.items()
    }


def test_stages_that_tell_the_classes_apart_are_taken():
    targets = np.repeat([0, 1], 40)
    stages = _stages(np.random.default_rng(0), targets, early=0.0, middle=0.1, late=2.0)
    depth = choose_depth(stages, targets, np.arange(80), usual=("early", "middle"))
    assert "late" in depth.taps
    assert depth.accuracy["late"] > 0.85 > depth.accuracy["early"]


def test_the_usual_stages_stay_where_others_are_not_surely_better():
    rng, targets = np.random.default_rng(1), np.repeat([0, 1], 10)
    same = _stages(rng, targets, middle=1.0)["middle"]
    stages = {name: same + 0.1 * rng.normal(size=same.shape) for name in ("early", "middle", "late")}
    assert choose_depth(stages, targets, np.arange(20), usual=("middle",)).taps == ("middle",)


def test_labels_without_meaning_leave_the_usual_stages():
    kept = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        targets = rng.permutation(np.repeat([0, 1], 20))
        stages = _stages(rng, targets, early=0.0, middle=0.0, late=0.0)
        kept += choose_depth(stages, targets, np.arange(40), usual=("middle",)).taps == ("middle",)
    assert kept >= 6


def test_windows_of_one_recording_do_not_vouch_for_each_other():
    """A stage that knows recordings by heart, but not classes, must not win by copies of its rows."""
    rng = np.random.default_rng(2)
    targets = rng.permutation(np.repeat([0, 1], 20))
    recordings = rng.normal(size=(40, 60)).astype(np.float32)
    weak = rng.normal(size=(40, 5)).astype(np.float32) + targets[:, None]
    stages = {"by_heart": np.repeat(recordings, 4, axis=0), "weak": np.repeat(weak, 4, axis=0)}
    depth = choose_depth(stages, np.repeat(targets, 4), np.repeat(np.arange(40), 4), usual=("weak",))
    assert depth.taps == ("weak",)
    assert depth.accuracy["by_heart"] < 0.7


def test_one_group_alone_chooses_nothing():
    targets = np.repeat([0, 1], 5)
    stages = _stages(np.random.default_rng(3), targets, early=0.0, late=3.0)
    assert choose_depth(stages, targets, np.zeros(10, int), usual=("early",)).taps == ("early",)
