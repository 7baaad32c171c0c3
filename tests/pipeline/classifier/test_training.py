"""Training and cross-validation on small files made for it."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from phosphene.converters import ParameterError, SignalError
from phosphene.datasets import Item, Manifest, make_synthetic, open_manifest
from phosphene.pipeline import Classifier, Recipe, cross_validate, train
from phosphene.pipeline.classifier import training as training_module
from phosphene.pipeline.classifier.prepare import prepare

AUTO = Recipe(views="gasf,gadf", workers=1)
PROBE = Recipe(views="gasf(size=64)", strategy="probe", workers=1)
"""A quicker one, where neither the choice of a strategy nor how good it is, is asked."""


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    make_synthetic("series", folder, items_per_class=10, seed=0)
    return folder


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    make_synthetic("audio", folder, items_per_class=6, seed=0)
    return folder


def test_a_probe_learns_and_says_how_well(series):
    done = train(series, AUTO, progress=False)
    assert done.scores is not None
    assert done.scores.n == 6
    assert done.scores.accuracy >= 0.8
    assert done.classifier.notes["metrics"]["accuracy"] == done.scores.accuracy


@pytest.mark.slow
def test_a_learning_curve_rises_to_the_accuracy_out_of_fold_and_is_kept(series, tmp_path):
    done = train(series, PROBE, valid="none", curve=(0.3, 0.6), out=tmp_path / "model", progress=False)
    curve = Classifier.load(tmp_path / "model").notes["learning_curve"]
    assert [(point["n"], point["n_judged"]) for point in curve] == [(9, 21), (18, 12), (30, 30)]
    assert all(0.3 < point["accuracy"] <= 1 for point in curve)
    assert curve[-1]["accuracy"] == done.classifier.notes["oof"]["accuracy"]
    assert "learning_curve" not in train(series, PROBE, valid="none", progress=False).classifier.notes


@pytest.mark.slow
def test_groups_stay_whole_on_a_learning_curve(series):
    """Each item is there three times, as one group: were copies on both sides, all would be right."""
    items = [replace(item, label="ab"[k % 2]) for k, item in enumerate(open_manifest(series).items)]
    labels = np.random.default_rng(0).permutation(["a", "b"] * 15)
    copied = [
        replace(item, label=str(label), group=f"{k}", fragment=None)
        for k, (item, label) in enumerate(zip(items, labels, strict=True))
        for _ in range(3)
    ]
    manifest = replace(open_manifest(series), items=tuple(copied))
    done = train(manifest, PROBE, valid="none", curve=(0.5,), progress=False)
    assert all(point["accuracy"] < 0.85 for point in done.classifier.notes["learning_curve"])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(series):
    first, second = (cross_validate(series, PROBE, progress=False) for _ in range(2))
    assert [fold.scores for fold in first.folds] == [fold.scores for fold in second.folds]
    assert len(first.folds) == 5
    assert first.accuracy == np.mean([fold.scores.accuracy for fold in first.folds])


def test_folds_of_the_manifest_are_kept(series):
    manifest = open_manifest(series)
    items = tuple(replace(item, fold=str(place % 2)) for place, item in enumerate(manifest.items))
    done = cross_validate(replace(manifest, items=items), PROBE, progress=False)
    assert [(fold.name, fold.scores.n) for fold in done.folds] == [("0", 15), ("1", 15)]


@pytest.mark.slow
def test_ranges_of_values_are_those_of_the_items_that_each_fold_learns_from(tmp_path):
    generator = np.random.default_rng(0)
    for k in range(12):
        file = tmp_path / "ab"[k % 2] / f"{k:02d}.csv"
        file.parent.mkdir(exist_ok=True)
        height = 1000 if k in (0, 1) else 1 + k % 2
        values = height * np.sin(np.arange(60) / 3 + generator.random())
        file.write_text("v\n" + "\n".join(f"{v:.4f}" for v in values))
    manifest = open_manifest(tmp_path)
    folds = {item.path.stem: str(int(item.path.stem) // 2 % 3) for item in manifest.items}
    items = tuple(replace(item, fold=folds[item.path.stem]) for item in manifest.items)
    manifest = replace(manifest, items=items)
    recipe = Recipe(views="line(size=32,value_range=training),gasf(size=32)", strategy="probe", workers=1)
    splits = manifest.splits()
    estimator = prepare(manifest, recipe, splits, progress=False).estimator
    tops = [views[0].value_range[1] for _, views in estimator.splits]
    assert tops[0] < 3  # the two that are a thousand times as high are test items of the first fold
    assert min(tops[1:]) > 500
    assert len({views[1] for _, views in estimator.splits}) == 1
    done = cross_validate(manifest, recipe, progress=False)
    assert [fold.scores.n for fold in done.folds] == [4, 4, 4]
    alone = replace(
        manifest,
        items=tuple(replace(i, fold=None, split="test" if i.fold == "0" else "train") for i in items),
    )
    assert done.folds[0].scores == train(alone, recipe, progress=False).scores


def test_windows_are_as_long_as_the_items_to_learn_from(tmp_path):
    for k in range(12):
        file = tmp_path / ("test" if k % 3 == 0 else "train") / "ab"[k % 2] / f"{k}.wav"
        file.parent.mkdir(exist_ok=True, parents=True)
        seconds = 3 if k % 3 == 0 else 1
        noise = np.random.default_rng(k).normal(0, 1000, 8000 * seconds).astype(np.int16)
        wavfile.write(file, 8000, noise)
    manifest = open_manifest(tmp_path)
    table = prepare(manifest, Recipe(views="stft(size=32)", workers=1), manifest.splits(), progress=False)
    assert table.cut.windows.length == 1


def test_the_share_held_out_is_told_as_it_is(tmp_path):
    for k in range(10):
        file = tmp_path / "ab"[k % 2] / f"{k}.csv"
        file.parent.mkdir(exist_ok=True)
        file.write_text("v\n" + "\n".join(f"{(v * (k % 2 + 1)) % 7}" for v in range(60)))
    recipe = Recipe(views="gasf(size=32)", workers=1)
    done = train(tmp_path, recipe, valid="0.45", progress=False, out=tmp_path / "model")
    assert done.scores.n == 4
    assert "40 % of the items" in (tmp_path / "model" / "README.md").read_text()


def test_a_test_split_is_held_out_unless_told_otherwise(series):
    manifest = open_manifest(series)
    items = tuple(
        replace(item, split="test" if place % 5 == 0 else "train")
        for place, item in enumerate(manifest.items)
    )
    done = train(replace(manifest, items=items), PROBE, progress=False)
    assert done.scores is not None
    assert (done.scores.n, done.classifier.notes["held_out"]) == (6, "test")
    assert done.classifier.notes["learned_from"] == 24


def test_nothing_held_out_means_no_scores(series):
    assert train(series, PROBE, valid="none", progress=False).scores is None


@pytest.mark.slow
def test_shuffled_labels_teach_nothing(series):
    """The control: held-out figures must fall to chance when labels mean nothing."""
    manifest = open_manifest(series)
    labels = np.random.default_rng(0).permutation(manifest.labels)
    items = tuple(replace(item, label=label) for item, label in zip(manifest.items, labels, strict=True))
    assert cross_validate(replace(manifest, items=items), AUTO, progress=False).accuracy < 0.65


@pytest.mark.slow
def test_long_recordings_are_cut_and_get_one_answer_each(sounds, tmp_path):
    import soundfile

    rng = np.random.default_rng(0)
    for name, frequency_hz in (("low", 200), ("high", 3000)):
        for number in range(4):
            time_s = np.arange(8000 * 12) / 8000
            wave = np.sin(2 * np.pi * frequency_hz * rng.uniform(0.9, 1.1) * time_s) * 0.3
            file = tmp_path / name / f"{number}.wav"
            file.parent.mkdir(exist_ok=True)
            soundfile.write(file, wave + 0.01 * rng.normal(size=len(wave)), 8000)
    done = train(tmp_path, Recipe(workers=1), valid="0.25", progress=False)
    assert done.classifier.windows is not None
    assert done.classifier.windows.length == 5.0
    assert done.classifier.views[0].parameters["duration_s"] == 5.0
    assert done.scores is not None
    assert (done.scores.n, done.scores.accuracy) == (2, 1.0)


def test_broken_files_are_reported_and_the_rest_goes_on(series, tmp_path):
    manifest = open_manifest(series)
    broken = tmp_path / "broken.csv"
    broken.write_text("a\n1\nx\n")
    items = (*manifest.items, Item(broken, label="normal"))
    done = train(replace(manifest, items=items), PROBE, progress=False)
    assert [failure.item.path for failure in done.failures] == [broken]
    assert done.failures[0].error.startswith(str(broken))


def test_items_without_labels_are_refused(series):
    manifest = open_manifest(series)
    unlabelled = replace(manifest, items=tuple(replace(item, label=None) for item in manifest.items))
    with pytest.raises(ParameterError, match="needs items of two classes or more, found no labels"):
        train(unlabelled, PROBE, progress=False)


def test_a_class_with_nothing_to_learn_from_is_named(series):
    manifest = open_manifest(series)
    items = tuple(
        replace(item, split="test" if item.label == "normal" else "train") for item in manifest.items
    )
    with pytest.raises(SignalError, match="no item to learn 'normal' from in split 'test'"):
        train(replace(manifest, items=items), PROBE, progress=False)


def test_a_class_of_which_nothing_can_be_read_is_told_with_the_reason(series, tmp_path):
    shutil.copytree(series, tmp_path / "raw")
    for path in (tmp_path / "raw" / "normal").iterdir():
        path.write_text("time,a\n0,1\n1,oops\n")
    with pytest.raises(SignalError) as caught:
        train(tmp_path / "raw", PROBE, progress=False)
    assert "no item to learn 'normal' from" in str(caught.value)
    assert "oops" in str(caught.value)
    assert f"such as {tmp_path / 'raw' / 'normal'}" in str(caught.value)


def test_claims_are_judged_by_the_area_under_the_curve(series):
    manifest = open_manifest(series)
    learned = [replace(item, split="train") for item in manifest.items[::2]]
    asked = [replace(item, split="test", claim=item.label) for item in manifest.items[1::2]]
    lies = [
        replace(item, label=None, claim=manifest.classes[(manifest.classes.index(str(item.claim)) + 1) % 3])
        for item in asked
    ]
    claims = Manifest((*learned, *asked, *lies), kind="series", metric="auc")
    done = cross_validate(claims, AUTO, progress=False)
    assert done.metric == "auc"
    assert 0.85 < done.score <= 1.0
    assert done.folds[0].scores.n == 30


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strategy": "magic"}, "strategy must be one of auto, probe, head, finetune, scratch, got 'magic'"),
        ({"epochs": 0}, "epochs must be 1 or more, got 0"),
    ],
)
def test_a_recipe_checks_itself(values, message):
    with pytest.raises(ParameterError, match=message):
        Recipe(**values)


def test_scratch_takes_no_weights(series, tmp_path):
    with pytest.raises(ParameterError, match="starts from random weights"):
        train(series, Recipe(views="gasf", strategy="scratch", weights=tmp_path / "w.pth"), progress=False)


def test_views_take_their_range_from_training_items_alone_and_keep_it(tmp_path):
    """Sines of one size are for training; one a hundred times as large is held out."""
    for index in range(8):
        values = np.sin(np.arange(80) / (3 + 4 * (index % 2))) * (100 if index >= 6 else 1)
        np.savetxt(tmp_path / f"{index}.csv", values)
    items = tuple(
        Item(tmp_path / f"{i}.csv", label="ab"[i % 2], split="test" if i >= 6 else "train") for i in range(8)
    )
    recipe = replace(AUTO, views="line(size=64,value_range=training),gasf(size=64)", strategy="probe")
    train(Manifest(items, "series"), recipe, out=tmp_path / "model", progress=False)
    view = Classifier.load(tmp_path / "model").views[0]
    assert view.value_range == pytest.approx((-1, 1), abs=0.01)


def test_the_validation_split_is_held_out_where_there_is_no_test_split():
    items = tuple(
        Item(Path(f"{k}.wav"), label="ab"[k % 2], split="valid" if k < 4 else "train") for k in range(12)
    )
    split = training_module._holdout(Manifest(items, "audio"), None, 0)
    assert split.test.tolist() == [0, 1, 2, 3]
    assert split.train.tolist() == list(range(4, 12))


def test_more_than_a_fifth_is_held_out_where_groups_are_few_and_large():
    items = tuple(Item(Path(f"{k}.wav"), label="ab"[k % 2], group=f"s{k % 4}") for k in range(24))
    split = training_module._holdout(Manifest(items, "audio"), None, 0)
    held = {items[index].group for index in split.test}
    assert held
    assert not held & {items[index].group for index in split.train}


def test_one_group_cannot_be_split():
    items = tuple(Item(Path(f"{k}.wav"), label="ab"[k % 2], group="s") for k in range(8))
    with pytest.raises(ParameterError, match="--valid none"):
        training_module._holdout(Manifest(items, "audio"), None, 0)
