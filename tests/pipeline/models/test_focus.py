"""The stages to look at, chosen on training items alone."""

import numpy as np
import pytest

from phosphene.pipeline.models.features import PIXELS, Features
from phosphene.pipeline.models.focus import _runs, choose_focus, usual_focus


def _choose(targets, groups=None, pixels=None, **stages):
    """Choose among stages, given as features or as (features of the whole, features of cells)."""
    blocks = {}
    if pixels is not None:
        blocks[0, PIXELS, "whole"] = pixels.astype(np.float32)
    for name, values in stages.items():
        whole, cells = values if isinstance(values, tuple) else (values, None)
        blocks[0, name, "whole"] = whole.astype(np.float32)
        if cells is not None:
            blocks[0, name, "cells"] = cells.astype(np.float32)
    rows = np.arange(len(targets))
    return choose_focus(
        Features(rows, blocks), list(stages), rows, targets, rows if groups is None else groups
    )


def _stage(rng, targets, strength):
    """Features that tell two classes apart by so many deviations."""
    return rng.normal(size=(len(targets), 30)) + strength * targets[:, None] * (np.arange(30) < 5)


def test_stages_that_tell_the_classes_apart_are_taken():
    rng, targets = np.random.default_rng(0), np.repeat([0, 1], 40)
    trials = _choose(
        targets, early=_stage(rng, targets, 0), middle=_stage(rng, targets, 0.1), late=_stage(rng, targets, 2)
    )
    assert "late" in trials.best.taps
    assert trials.accuracy["late"] > 0.85 > trials.accuracy["early"]


def test_the_usual_stages_stay_where_others_are_not_surely_better():
    rng, targets = np.random.default_rng(1), np.repeat([0, 1], 10)
    same = _stage(rng, targets, 1)
    stages = {name: same + 0.1 * rng.normal(size=same.shape) for name in ("early", "middle", "late")}
    assert _choose(targets, **stages).best.taps == ("early", "middle")


def test_labels_without_meaning_leave_the_usual_stages():
    kept = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        targets = rng.permutation(np.repeat([0, 1], 20))
        stages = {name: _stage(rng, targets, 0) for name in ("early", "middle", "late")}
        kept += _choose(targets, **stages).best.taps == ("early", "middle")
    assert kept >= 8


def test_cells_are_taken_where_places_tell_the_classes_apart():
    rng, targets = np.random.default_rng(2), np.repeat([0, 1], 40)
    whole, cells = _stage(rng, targets, 0), _stage(rng, targets, 2)
    assert _choose(targets, one=(whole, cells)).best.pooling == "cells"
    assert _choose(targets, one=(cells, whole)).best.pooling == "whole"


def test_windows_of_one_recording_do_not_vouch_for_each_other():
    """A stage that knows recordings by heart, but not classes, must not win by copies of its rows."""
    rng = np.random.default_rng(3)
    targets = rng.permutation(np.repeat([0, 1], 20))
    recordings = np.repeat(rng.normal(size=(40, 60)), 4, axis=0)
    weak = np.repeat(_stage(rng, targets, 0.7), 4, axis=0)
    trials = _choose(np.repeat(targets, 4), np.repeat(np.arange(40), 4), weak=weak, by_heart=recordings)
    assert trials.best.taps == ("weak",)
    assert trials.accuracy["by_heart"] < 0.7


def test_one_group_alone_chooses_nothing():
    rng, targets = np.random.default_rng(4), np.repeat([0, 1], 5)
    trials = _choose(targets, np.zeros(10, int), early=_stage(rng, targets, 0), late=_stage(rng, targets, 3))
    assert trials.best.taps == ("early",)


def test_pictures_themselves_are_used_where_they_tell_more():
    rng, targets = np.random.default_rng(5), np.repeat([0, 1], 40)
    stage, telling, noise = _stage(rng, targets, 0.5), _stage(rng, targets, 2), _stage(rng, targets, 0)
    used = _choose(targets, pixels=telling, one=stage)
    assert used.best.sources == (PIXELS, "one")
    assert used.accuracy[PIXELS] > 0.85
    assert _choose(targets, pixels=noise, one=telling).best.sources == ("one",)


@pytest.mark.parametrize("count", range(1, 13))
def test_the_usual_stages_are_among_those_tried(count):
    taps = [f"stage{number}" for number in range(count)]
    assert usual_focus(taps) in _runs(taps, "whole")
