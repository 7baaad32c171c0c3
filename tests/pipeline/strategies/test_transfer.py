"""Probes, ensembles and changed copies, from raw files to saved models and back."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from phosphene.converters import ParameterError, Series, Signal, SignalError
from phosphene.datasets import make_synthetic, open_manifest
from phosphene.datasets.scores import judge
from phosphene.pipeline import Classifier, Recipe, cross_validate, train
from phosphene.pipeline.augment.changes import Augmentation, registered
from phosphene.pipeline.classifier.prepare import prepare
from phosphene.pipeline.networks.schedule import Schedule
from phosphene.pipeline.strategies import probe
from phosphene.pipeline.strategies.recipe import RANDOM

PROBE = Recipe(views="gasf,gadf", strategy="probe", workers=1)
PAIR = Recipe(views="gasf", strategy="probe", arch="efficientnet_lite0,lenet", weights=RANDOM, workers=1)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    make_synthetic("series", folder, items_per_class=8, seed=0)
    return folder


@pytest.fixture(scope="module")
def probed(series):
    return train(series, PROBE, progress=False).classifier


@pytest.fixture(scope="module")
def pair(series):
    return train(series, PAIR, progress=False)


def test_a_probe_tells_its_depth_and_how_good_each_depth_is(probed):
    told = probed.notes["fit"]
    assert {source.split()[0] for source in told["layer_weights"]} <= set(told["oof_accuracy"])
    assert sum(told["layer_weights"].values()) == pytest.approx(1, abs=0.01)
    assert len(told["oof_accuracy"]) == 9  # eight layers, and the pixels
    assert max(told["oof_accuracy"].values()) > 0.8


@pytest.mark.slow
def test_of_many_items_the_best_stages_alone_are_used(series, monkeypatch):
    monkeypatch.setattr(probe, "MOST_AT_ALL_LAYERS", 5)
    manifest = open_manifest(series).with_folds(3, seed=0)
    done = cross_validate(manifest, dataclasses.replace(PROBE, augment="jitter", copies=1), progress=False)
    assert all(
        len(fold.notes["layer_weights"]) in (3, 4) for fold in done.folds
    )  # a run, and the pictures or not
    assert done.accuracy > 0.6


def test_many_tiles_are_looked_at_once_for_all_folds(series, monkeypatch):
    monkeypatch.setattr(probe, "MOST_AT_ALL_LAYERS", 5)
    looks = []
    look = probe.view_features
    monkeypatch.setattr(
        probe, "view_features", lambda *args, **kw: (looks.append(args[2]), look(*args, **kw))[1]
    )
    recipe = Recipe(views="gasf", strategy="probe", arch="lenet", weights=RANDOM, workers=1)
    manifest = open_manifest(series).with_folds(3, seed=0)
    folds = manifest.splits()
    table = prepare(manifest, recipe, folds, progress=False)
    table.expect(folds)
    told = [table.fit(split).model.tensors()["head.weight"] for split in folds]
    assert sum(len(places) == len(table.tiles) for places in looks) == 1
    for split, expected in zip(folds, told, strict=True):
        alone = prepare(manifest, recipe, folds, progress=False).fit(split)
        assert torch.equal(alone.model.tensors()["head.weight"], expected)


def test_of_items_not_learned_from_only_what_the_head_weighs_is_computed(series, monkeypatch):
    looks, look = [], probe.view_features
    monkeypatch.setattr(
        probe, "view_features", lambda *args, **kw: (looks.append(args), look(*args, **kw))[1]
    )
    recipe = Recipe(views="gasf", strategy="probe", arch="lenet", weights=RANDOM, workers=1)
    manifest = open_manifest(series)
    split = manifest.valid_split("0.5", seed=0)
    table = prepare(manifest, recipe, [split], progress=False)
    table.expect([split])
    model = table.fit(split).model
    found = table.estimator.outputs(model, split.test).log_proba
    (all_layers, _, learned), (some, _, rest) = (args[:3] for args in looks)
    assert learned.tolist() == split.train.tolist()
    assert rest.tolist() == split.test.tolist()
    assert some.pooled_layers == model.extractor.pooled_layers
    assert set(some.pooled_layers) < set(all_layers.pooled_layers)
    monkeypatch.setattr(probe, "MOST_AT_ALL_LAYERS", 5)  # the same in parts
    assert len(split.train) > 5
    again = table.estimator.outputs(model, split.test).log_proba
    assert again == pytest.approx(found, abs=1e-5)
    assert found == pytest.approx(model.outputs(table.tiles).log_proba[split.test], abs=1e-5)
    assert len(looks) > 4


@pytest.mark.slow
def test_items_are_answered_for_in_parts(probed, series, monkeypatch):
    items = open_manifest(series).items
    whole, _ = probed.log_probabilities(items, workers=1, progress=False)
    monkeypatch.setattr(probe, "AT_A_TIME", 7)
    parts, _ = probed.log_probabilities(items, workers=1, progress=False)
    assert parts == pytest.approx(whole, abs=1e-5)


def test_an_ensemble_averages_its_members_by_weights_that_sum_to_one(pair, series):
    model = pair.classifier.model
    assert [backbone.name for backbone in model.backbones] == ["efficientnet_lite0", "lenet"]
    assert model.weights.sum() == pytest.approx(1)
    assert (model.weights >= 0).all()
    files = (
        sorted(series.rglob("*.csv"))[:4] or sorted(file for file in series.rglob("*") if file.is_file())[:4]
    )
    answers = pair.classifier.predict(files, workers=1)
    assert [sum(answer.probabilities.values()) for answer in answers] == pytest.approx([1.0] * 4)


def test_a_saved_ensemble_answers_as_before(pair, series, tmp_path):
    files = sorted(file for file in series.rglob("*") if file.is_file())[:5]
    again = Classifier.load(pair.classifier.save(tmp_path / "model"))
    before, after = (one.predict(files, workers=1) for one in (pair.classifier, again))
    assert [a.item for a in before] == [a.item for a in after]
    for first, second in zip(before, after, strict=True):
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-6)


def test_random_weights_are_told_in_the_card(pair, tmp_path):
    card = (pair.classifier.save(tmp_path / "model") / "README.md").read_text()
    assert "weights: random" in card
    assert "efficientnet_lite0, lenet" in card


@pytest.mark.slow
def test_changed_copies_are_learned_from_and_change_the_head(probed, series):
    plain = probed.model
    recipe = Recipe(views="gasf,gadf", strategy="probe", workers=1, augment="jitter,scaling", copies=2)
    changed = train(series, recipe, progress=False).classifier.model
    assert plain.head.weight.shape[1] == changed.head.weight.shape[1]
    assert not np.array_equal(plain.head.bias, changed.head.bias)


@pytest.mark.slow
def test_copies_never_reach_the_items_that_are_judged(series):
    """An item that is held out is judged as it is: its answers are those of a saved model on the raw files."""
    recipe = Recipe(views="gasf", strategy="probe", workers=1, augment="scaling(deviation=0.9)", copies=2)
    manifest = open_manifest(series)
    split = manifest.valid_split("0.2", seed=0)
    done = train(manifest, recipe, valid="0.2", progress=False)
    raw = [manifest.items[place] for place in split.test]
    answers, _ = done.classifier.log_probabilities(raw, workers=1, progress=False)
    assert done.scores == judge(raw, answers, manifest.classes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"strategy": "probe"}, {"strategy": "scratch", "epochs": 1, "arch": "lenet"}]
)
def test_a_piece_whose_copies_cannot_be_drawn_stands_in_for_them(options, series, monkeypatch):
    monkeypatch.setitem(registered, ("series", "unlucky"), _Unlucky)
    recipe = Recipe(views="gasf(size=64)", workers=1, copies=2, augment="unlucky", **options)
    done = train(series, recipe, valid="none", progress=False)
    assert 0 < done.classifier.notes["copies_failed"] < done.classifier.notes["learned_from"]
    assert not done.failures


class _Unlucky(Augmentation):
    """Leaves nothing to draw of some series."""

    name: ClassVar[str] = "unlucky"
    accepts: ClassVar[type[Signal]] = Series

    def _change(self, signal: Signal, rng: np.random.Generator) -> Signal:
        if rng.random() < 0.2:
            raise SignalError("nothing is left")
        return signal


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"arch": "lenet,lenet"}, "names a network twice"),
        ({"arch": "lenet,"}, "must be names separated by commas"),
        ({"copies": 0}, "copies must be 1 or more, got 0"),
        ({"members": 0}, "members must be 1 or more, got 0"),
        ({"strategy": "auto", "epochs": 3}, "may make no epochs"),
        ({"strategy": "guess"}, "must be one of auto, probe"),
        ({"strategy": "probe", "members": 2}, "trains no network"),
        ({"strategy": "probe", "schedule": Schedule(patience=3)}, "trains no network"),
    ],
)
def test_recipes_that_make_no_sense(options, words):
    with pytest.raises(ParameterError, match=words):
        Recipe(**options)


def test_changes_of_another_kind_are_refused_before_any_work(series):
    with pytest.raises(ParameterError, match="no augmentation of series signals is called 'gain'"):
        train(series, Recipe(views="gasf", augment="gain", workers=1), progress=False)


@pytest.mark.slow
def test_a_probe_of_bytes_looks_with_random_weights_besides(tmp_path):
    make_synthetic("binary", tmp_path / "data", items_per_class=6, seed=0)
    recipe = Recipe(views="grid(size=64)", strategy="probe", workers=1)
    done = train(tmp_path / "data", recipe, out=tmp_path / "model", progress=False)
    model = Classifier.load(tmp_path / "model").model
    assert [backbone.weights_source == "random" for backbone in done.classifier.model.backbones] == [
        False,
        True,
    ]
    first, second = (backbone.body.state_dict() for backbone in model.backbones)
    assert any(not torch.equal(first[name], second[name]) for name in first)
