"""Novelty: what is unlike everything learned from is told, and which training items are nearest."""

import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import ParameterError
from phosphene.datasets import Item
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.app.cli import main
from phosphene.pipeline.classifier import novelty as novelty_module
from phosphene.pipeline.classifier.novelty import Novelty, choose_points

RECIPES = {
    "probe": Recipe(views="gasf(size=64),line(size=64)", strategy="probe", workers=1),
    "networks": Recipe(views="gasf(size=64)", arch="lenet", strategy="scratch", epochs=1, workers=1),
}


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clusters(rng, n, spread=0.1):
    targets = np.arange(n) % 3
    return unit(np.eye(3, 40)[targets] + spread * rng.normal(size=(n, 40))), targets


def unsure(n, n_classes=3):
    """Log-probabilities that are known of no item."""
    return np.full((n, n_classes), np.nan)


def items_of(targets):
    return [Item(Path(f"/data/{t}/{n}.csv"), label=str(t)) for n, t in enumerate(targets)]


# By hand


def test_each_training_item_is_measured_without_its_group():
    rng = np.random.default_rng(0)
    rows, targets = clusters(rng, 30)
    groups = np.arange(30) // 4
    found = novelty_module._oof_squares(rows @ rows.T, np.eye(3, dtype=np.float32)[targets], groups)
    for index in range(30):
        for target in range(3):
            others = (groups != groups[index]) & (targets == target)
            apart = rows[index] - rows[others].mean(axis=0)
            assert found[index, target] == pytest.approx(float(apart @ apart), abs=1e-5)


def test_a_class_of_one_group_has_no_mean_without_it():
    rows, targets = clusters(np.random.default_rng(0), 6)
    found = novelty_module._oof_squares(rows @ rows.T, np.eye(3, dtype=np.float32)[targets], targets)
    assert np.isinf(found[np.arange(6), targets]).all()
    assert np.isfinite(found).sum() == 12


def test_new_items_like_those_learned_from_are_spread_evenly_and_others_are_above():
    rng = np.random.default_rng(1)
    rows, targets = clusters(rng, 300)
    found = Novelty.fit(rows, np.arange(300), items_of(targets), np.arange(300), unsure(300))
    like, _ = found(found.project(clusters(rng, 600)[0], 0), np.arange(600), unsure(600))
    assert np.quantile(like, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.12)
    assert (like > 0.99).mean() < 0.03
    far, _ = found(found.project(unit(rng.normal(size=(50, 40))), 0), np.arange(50), unsure(50))
    assert far.min() > 0.99
    assert len(np.unique(far)) == 50  # farther is more novel beyond the farthest item learned from, too
    assert far.max() <= 1


def log_proba_of(sure):
    """Log-probabilities of three classes of which the first is as probable as that."""
    return np.log(np.stack([sure, (1 - sure) / 2, (1 - sure) / 2], axis=1))


def test_what_is_near_and_doubtful_or_far_and_sure_is_more_novel_than_what_is_neither():
    rng = np.random.default_rng(5)
    rows, targets = clusters(rng, 300)
    found = Novelty.fit(
        rows, np.arange(300), items_of(targets), np.arange(300), log_proba_of(rng.uniform(0.7, 1, 300))
    )
    like, source = found.project(clusters(rng, 600)[0], 0), np.arange(600)
    usual, _ = found(like, source, log_proba_of(rng.uniform(0.7, 1, 600)))
    assert np.quantile(usual, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.12)
    assert (usual > 0.99).mean() < 0.03
    doubtful, _ = found(like, source, log_proba_of(np.full(600, 0.4)))
    assert (doubtful > usual).all()
    assert (doubtful > 0.97).mean() > 0.9
    far = found.project(unit(rng.normal(size=(50, 40))), 0)
    sure, _ = found(far, np.arange(50), log_proba_of(np.full(50, 0.99)))
    both, _ = found(far, np.arange(50), log_proba_of(np.full(50, 0.4)))
    assert (both >= sure).all()
    assert sure.min() > 0.9
    assert both.min() > 0.99


def test_training_items_that_no_fit_left_out_do_not_count():
    rng = np.random.default_rng(6)
    rows, targets = clusters(rng, 60)
    some = log_proba_of(rng.uniform(0.5, 1, 60))
    some[::2] = np.nan
    found = Novelty.fit(rows, np.arange(60), items_of(targets), np.arange(60), some)
    assert (len(found.distances), len(found.doubts), len(found.joint)) == (60, 30, 30)
    assert np.isfinite(found.joint).all()


def test_parts_of_features_add_up_and_windows_of_an_item_are_averaged():
    rng = np.random.default_rng(2)
    rows, targets = clusters(rng, 30)
    found = Novelty.fit(rows, np.arange(30), items_of(targets), np.arange(30), unsure(30))
    whole = found.project(rows, 0)
    parts = found.project(rows[:, :15], 0) + found.project(rows[:, 15:], 15)
    assert parts == pytest.approx(whole, abs=1e-5)
    alone, nearest = found(whole[:2], np.array([0, 1]), unsure(2))
    both, _ = found(whole[[0, 0, 1, 1]], np.array([0, 0, 1, 1]), unsure(2))
    assert both == pytest.approx(alone, abs=1e-6)
    assert [found.names[index] for index in nearest[:, 0]] == ["0/0.csv", "1/1.csv"]
    missing, _ = found(whole[:1], np.array([1]), unsure(2))
    assert np.isnan(missing[0]) and np.isfinite(missing[1])


def test_items_are_compared_some_at_a_time_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(4)
    rows, targets = clusters(rng, 90)
    twice = np.repeat(np.arange(45), 2)
    novelty = Novelty.fit(rows, twice, items_of(targets[:45]), twice, unsure(90))
    source = np.sort(rng.integers(0, 25, 70))  # items of many windows, of one, and of none
    projected = novelty.project(clusters(rng, 70)[0], 0)
    at_once = novelty(projected, source, unsure(25))
    monkeypatch.setattr(novelty_module, "_AT_A_TIME", 4)
    some_at_a_time = novelty(projected, source, unsure(25))
    np.testing.assert_allclose(some_at_a_time[0], at_once[0])
    assert some_at_a_time[1].tolist() == at_once[1].tolist()
    apart = ((projected[source == 3, 3:][:, None] - novelty.points.astype(float)) ** 2).sum(axis=2)
    by_item = np.minimum(apart[:, ::2], apart[:, 1::2]).sum(axis=0)
    assert at_once[1][3].tolist() == np.argsort(by_item)[:3].tolist()


@pytest.mark.slow
def test_many_items_are_compared_in_little_memory():
    rng = np.random.default_rng(7)
    rows, targets = clusters(rng, 1000)
    novelty = Novelty.fit(rows, np.arange(1000), items_of(targets), np.arange(1000), unsure(1000))
    projected = novelty.project(clusters(rng, 20_000)[0], 0)
    tracemalloc.start()
    try:
        _, nearest = novelty(projected, np.arange(20_000), unsure(20_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert nearest.shape == (20_000, 3)
    assert peak < 40e6  # all distances at once: 80 MB, and their order 160 MB


def test_what_is_kept_stays_small_with_every_class_in_it():
    targets = np.r_[np.zeros(5000, int), np.ones(3, int)]
    kept = choose_points(targets, 1000)
    assert len(kept) <= novelty_module.MOST_POINTS
    assert np.bincount(targets[kept]).tolist() == [1997, 3]
    assert len(choose_points(targets, 50_000_000)) == 4


# A classifier


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("waves"), np.random.default_rng(0)
    for label, period in {"slow": 25, "fast": 8}.items():
        for number in range(15):
            wave = np.sin(np.arange(100) * 2 * np.pi / (period * rng.uniform(0.95, 1.05)) + rng.uniform(0, 6))
            write(folder / "seen" / label / f"{number}.csv", wave + 0.1 * rng.normal(size=100))
    write(folder / "usual.csv", np.sin(np.arange(100) * 2 * np.pi / 25) + 0.1 * rng.normal(size=100))
    write(folder / "constant.csv", np.full(100, 0.5))
    write(folder / "walk.csv", np.cumsum(rng.normal(size=100)))
    return folder


def write(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("value\n" + "\n".join(f"{value:.5f}" for value in values) + "\n")


@pytest.fixture(scope="module")
def model(waves, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    return train(
        waves / "seen", RECIPES["probe"], valid="none", out=folder, progress=False
    ).classifier, folder


def names(waves):
    return [waves / f"{name}.csv" for name in ("usual", "constant", "walk")]


def test_a_constant_is_unlike_what_was_learned_from_and_a_usual_one_is_not(model, waves):
    usual, constant, walk = model[0].predict(names(waves), workers=1)
    assert usual.novelty < 0.99 and not usual.notes
    assert constant.novelty > 0.99
    assert "unlike anything it learned from" in constant.notes
    assert walk.novelty > usual.novelty


def test_the_nearest_are_named_relative_to_the_training_folder(model, waves):
    usual, again = model[0].predict([waves / "usual.csv", waves / "seen" / "fast" / "3.csv"], workers=1)
    assert len(usual.nearest) == 3
    assert all(name.startswith("slow/") for name in usual.nearest)
    assert again.nearest[0] == "fast/3.csv"


def test_a_saved_classifier_says_the_same(model, waves):
    classifier, folder = model
    here, there = (one.predict(names(waves), workers=1) for one in (classifier, Classifier.load(folder)))
    assert [one.novelty for one in there] == pytest.approx([one.novelty for one in here], abs=1e-6)
    assert [one.nearest for one in there] == [one.nearest for one in here]
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]


def test_unknown_is_answered_where_it_was_asked_for(model, waves):
    files = names(waves)
    sure = model[0].predict(files, threshold=0.0, max_novelty=1.0, workers=1)
    assert "unknown" not in {one.label for one in sure}
    by_novelty = model[0].predict(files, max_novelty=0.99, workers=1)
    assert [one.label for one in by_novelty][:2] == ["slow", "unknown"]
    by_threshold = model[0].predict(files[0], threshold=1.0, workers=1)[0]
    assert by_threshold.label == "unknown" and by_threshold.best == "slow"
    assert "below 1" in by_threshold.notes[0]
    for name, value in (("threshold", 1.5), ("max_novelty", -0.1)):
        with pytest.raises(ParameterError, match=f"{name} must be a number >= 0 and <= 1, got {value}"):
            model[0].predict(files, **{name: value})


def test_a_folder_of_a_version_before_knows_no_novelty(model, waves, tmp_path):
    for name in ("model.safetensors", "README.md"):
        (tmp_path / name).write_bytes((model[1] / name).read_bytes())
    config = json.loads((model[1] / "config.json").read_text())
    del config["novelty"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    classifier = Classifier.load(tmp_path)
    found = classifier.predict(waves / "usual.csv", workers=1)[0]
    assert (found.novelty, found.nearest) == (None, ())
    with pytest.raises(ParameterError, match="train it again"):
        classifier.predict(waves / "usual.csv", max_novelty=0.9)


def test_a_folder_of_a_version_before_knows_distances_alone(model, waves):
    classifier, _ = model
    arrays = {
        name: array for name, array in classifier.novelty.arrays.items() if name not in ("doubts", "joint")
    }
    before = replace(classifier, novelty=Novelty.from_arrays(classifier.novelty.config, arrays))
    usual, constant, walk = before.predict(names(waves), workers=1)
    assert usual.novelty < 0.99
    assert constant.novelty == 1.0
    assert walk.novelty > usual.novelty
    assert usual.nearest == classifier.predict(names(waves), workers=1)[0].nearest


def test_the_command_line_tells_it(model, waves, capsys, tmp_path):
    arguments = ["predict", str(model[1]), *map(str, names(waves)), "--workers", "1"]
    assert main([*arguments, "--max-novelty", "0.99", "--json"]) == 0
    usual, constant, _ = json.loads(capsys.readouterr().out)["predictions"]
    assert (usual["label"], constant["label"]) == ("slow", "unknown")
    assert usual["novelty"] < 0.99 < constant["novelty"]
    assert len(usual["nearest"]) == 3
    assert main([*arguments, "--threshold", "2"]) == 2
    assert "threshold must be a number >= 0 and <= 1, got 2" in capsys.readouterr().err
    assert main([*arguments, "--out", str(tmp_path / "p.csv")]) == 0
    header, first, *_ = (tmp_path / "p.csv").read_text().splitlines()
    assert header == "path,label,fast,slow,novelty,nearest_1,nearest_2,nearest_3"
    assert first.split(",")[5].startswith("slow/")


def test_networks_tell_it_too(waves):
    done = train(waves / "seen", RECIPES["networks"], valid="0.2", progress=False)
    found = done.classifier.predict(names(waves), workers=1)
    assert all(0 <= one.novelty <= 1 and len(one.nearest) == 3 for one in found)
    kept = done.classifier.novelty
    counts = len(kept.points), len(kept.distances), len(kept.joint)
    assert counts == (24, 6, 6)  # it is measured on items held out
