"""What layers and ways of pooling weigh, by training items alone; with two items a class, accuracy says little."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from phosphene.converters import Series, default_views, make
from phosphene.pipeline.backbones.backbone import load_backbone
from phosphene.pipeline.backbones.features import PIXELS, Extractor, Features, all_pooled_layers
from phosphene.pipeline.classifier.per_split import channel_views
from phosphene.pipeline.strategies.probe import PIXELS_WEIGHT, fit_layer_weights, view_families
from phosphene.pipeline.strategies.ridge import fit_head


def _mix(targets, groups=None, pixels=None, **stages):
    """Weigh stages, given as features or as (features of the whole, features of cells)."""
    blocks = {}
    if pixels is not None:
        blocks[0, PIXELS, "whole"] = pixels.astype(np.float32)
    for name, values in stages.items():
        whole, cells = values if isinstance(values, tuple) else (values, None)
        blocks[0, name, "whole"] = whole.astype(np.float32)
        if cells is not None:
            blocks[0, name, "cells"] = cells.astype(np.float32)
    rows = np.arange(len(targets))
    return fit_layer_weights(
        Features(rows, blocks), list(stages), rows, targets, rows if groups is None else groups
    )


def _stage(rng, targets, strength):
    """Features that tell two classes apart by so many deviations."""
    return rng.normal(size=(len(targets), 30)) + strength * targets[:, None] * (np.arange(30) < 5)


def _weight(weighted, name):
    return sum(share for (layer, _), share in weighted.weights.items() if layer == name)


def test_stages_that_tell_the_classes_apart_weigh_most():
    rng, targets = np.random.default_rng(0), np.repeat([0, 1], 40)
    strengths = {"first": 3, "early": 0, "middle": 0.1, "late": 2, "last": 2}
    weighted = _mix(targets, **{name: _stage(rng, targets, strength) for name, strength in strengths.items()})
    assert _weight(weighted, "late") + _weight(weighted, "last") > 0.9
    assert weighted.best == {("late", "whole"): 0.5, ("last", "whole"): 0.5}
    assert _weight(weighted, "first") == 0  # edges and spots
    assert weighted.oof_accuracy["late"] > 0.85 > weighted.oof_accuracy["early"]


def test_what_is_about_as_good_weighs_about_as_much():
    rng, targets = np.random.default_rng(1), np.repeat([0, 1], 10)
    same = _stage(rng, targets, 1)
    stages = {name: same + 0.01 * rng.normal(size=same.shape) for name in ("first", "middle", "late")}
    weighted = _mix(targets, **stages)
    assert _weight(weighted, "middle") == pytest.approx(0.5, abs=0.1)
    assert sum(weighted.weights.values()) == pytest.approx(1)


def test_cells_weigh_where_places_tell_the_classes_apart():
    rng, targets = np.random.default_rng(2), np.repeat([0, 1], 40)
    whole, cells = _stage(rng, targets, 0), _stage(rng, targets, 2)
    assert _mix(targets, one=(whole, cells)).weights["one", "cells"] > 0.95
    assert _mix(targets, one=(cells, whole)).weights["one", "whole"] > 0.95


def test_windows_of_one_recording_do_not_vouch_for_each_other():
    """A stage that knows recordings by heart, but not classes, must not win by copies of its rows."""
    rng = np.random.default_rng(3)
    targets = rng.permutation(np.repeat([0, 1], 20))
    recordings = np.repeat(rng.normal(size=(40, 60)), 4, axis=0)
    weak = np.repeat(_stage(rng, targets, 0.7), 4, axis=0)
    stages = {"first": weak, "weak": weak, "by_heart": recordings}
    weighted = _mix(np.repeat(targets, 4), np.repeat(np.arange(40), 4), **stages)
    assert _weight(weighted, "weak") > 0.9
    assert weighted.oof_accuracy["by_heart"] < 0.7


def test_one_group_alone_weighs_all_the_same():
    rng, targets = np.random.default_rng(4), np.repeat([0, 1], 5)
    stages = {"first": 0, "early": 0, "late": 3}
    weighted = _mix(
        targets,
        np.zeros(10, int),
        **{name: _stage(rng, targets, strength) for name, strength in stages.items()},
    )
    assert weighted.weights == pytest.approx({("early", "whole"): 0.5, ("late", "whole"): 0.5})


def test_pictures_themselves_weigh_where_they_tell_more():
    rng, targets = np.random.default_rng(5), np.repeat([0, 1], 40)
    stage, telling, noise = _stage(rng, targets, 0.5), _stage(rng, targets, 2), _stage(rng, targets, 0)
    used = _mix(targets, pixels=telling, one=stage)
    assert _weight(used, PIXELS) == pytest.approx(PIXELS_WEIGHT, rel=0.05)
    assert used.oof_accuracy[PIXELS] > 0.85
    assert list(used.oof_accuracy) == [PIXELS, "one"]  # from early to late
    assert _weight(_mix(targets, pixels=noise, one=telling), PIXELS) < PIXELS_WEIGHT / 2


@pytest.mark.parametrize("count", range(1, 13))
def test_networks_of_any_depth_can_be_weighed(count):
    rng, targets = np.random.default_rng(6), np.repeat([0, 1], 10)
    weighted = _mix(targets, **{f"stage{number}": _stage(rng, targets, 1) for number in range(count)})
    assert sum(weighted.weights.values()) == pytest.approx(1)
    assert len(weighted.oof_accuracy) == count


def _families(targets, *strengths, families):
    """Weigh views, each of one layer."""
    rng, rows = np.random.default_rng(7), np.arange(len(targets))
    views = {
        (view, "one", "whole"): _stage(rng, targets, s).astype(np.float32) for view, s in enumerate(strengths)
    }
    return fit_layer_weights(Features(rows, views), ["one"], rows, targets, rows, families=families)


def test_families_of_views_weigh_as_much_as_they_tell():
    targets = np.repeat([0, 1], 40)
    weighted = _families(targets, 2, 0, 2, families=[[0, 2], [1]])
    assert weighted.views[0] == weighted.views[2] > 0.45
    assert sum(weighted.views.values()) == pytest.approx(1)
    assert _families(targets, 0, 2, 0, families=[[0, 2], [1]]).views[1] > 0.9


def test_views_of_one_family_have_no_weights():
    assert _families(np.repeat([0, 1], 10), 1, 1, families=[[0, 1]]).views is None


def test_a_single_channel_has_no_families_to_weigh():
    assert len(view_families(default_views("series"))) == 1
    with_channels = (*default_views("series"), *channel_views([Series(np.zeros((3, 20)))]))
    assert sorted(map(len, view_families(with_channels))) == [1, 2, 3, 4]


N_CLASSES, N_EACH, LENGTH = 16, 6, 600


@pytest.fixture(scope="module")
def features():
    """Features of shifted copies of a pattern a class, with noise; the first two of each class are for training."""
    rng = np.random.default_rng(0)
    patterns = np.cumsum(rng.normal(size=(N_CLASSES, LENGTH)), axis=1)
    patterns -= np.linspace(0, 1, LENGTH) * patterns[:, -1:]  # the ends meet
    patterns /= patterns.std(axis=1, keepdims=True)
    series = [
        Series(np.roll(pattern, rng.integers(LENGTH)) + 0.3 * rng.normal(size=LENGTH))
        for pattern in patterns
        for _ in range(N_EACH)
    ]
    backbone = load_backbone()
    extractor = Extractor(backbone, all_pooled_layers(backbone))
    blocks = {}
    for index, view in enumerate((make("windows", size=96), make("scalogram", kind="series", size=96))):
        found = extractor(view.batch(series), cells=view.cells)
        blocks |= {(index, layer, way): values for (layer, way), values in found.items()}
    return Features(np.arange(len(series)), blocks), backbone.layers


def test_with_two_items_a_class_a_probe_is_as_good_as_a_stock_ridge(features):
    features, layers = features
    targets = np.repeat(np.arange(N_CLASSES), N_EACH)
    is_train = np.tile(np.arange(N_EACH) < 2, N_CLASSES)
    train, test = np.flatnonzero(is_train), np.flatnonzero(~is_train)
    weights = fit_layer_weights(features, layers, train, targets[train], train).weights
    some, new = features.select(train, weights), features.select(test, weights)
    head = fit_head(some.blocks, targets[train], train, weights=some.weights, pixels=some.pixels).head
    ours = head.predict_log_proba(np.concatenate(new.blocks, axis=1)).argmax(axis=1)
    stock = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 13)))
    kept = [block for block in features.blocks if block[1] in layers[2:6] and block[2] == "whole"]
    matrix = np.concatenate([features.blocks[block] for block in kept], axis=1)
    theirs = stock.fit(matrix[train], targets[train]).predict(matrix[test])
    accuracy, bar = (ours == targets[test]).mean(), (theirs == targets[test]).mean()

    assert bar > 0.4
    assert accuracy > bar - 0.01, (accuracy, bar)
