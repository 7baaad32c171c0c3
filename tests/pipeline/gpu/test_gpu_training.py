"""Training on a GPU, and the script that measures it, as far as it goes without one."""

import os

import numpy as np
import pytest
import torch

from phosphene.converters import make
from phosphene.datasets.manifest import Item
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiles")
    items = []
    for k in range(20):
        path = folder / f"{k}.bin"
        path.write_bytes(np.random.default_rng(k).bytes(2000))
        items.append(Item(path))
    return render(
        items, [make("grid", size=64)], store=TileStore(folder / "store"), workers=1, progress=False
    )


@pytest.mark.parametrize("kept", ["on the device", "on the host"])
def test_batches_are_made_on_the_device(tiles, device, kept, monkeypatch):
    from phosphene.pipeline.tiles import loaders

    monkeypatch.setattr(loaders, "MOST_ON_DEVICE", 0.25 if kept == "on the device" else 0.0)
    labels = ["ab"[k % 2] for k in range(20)]
    dls = loaders.tile_loaders(tiles, labels, range(16), range(16, 20), batch_size=8)
    images, targets = dls.to(torch.device(device)).valid.one_batch()
    assert images.device.type == targets.device.type == device
    again = loaders.tile_loaders(tiles, labels, range(16), range(16, 20), batch_size=8)
    expected, _ = again.to(torch.device("cpu")).valid.one_batch()
    torch.testing.assert_close(images.cpu(), expected, atol=1e-5, rtol=1e-5)
    stays = dls.valid.dataset.tls[0].tfms[0].kept.device.type
    assert stays == (device if kept == "on the device" else "cpu")


@pytest.mark.parametrize("strategy", ["train_head", "finetune", "scratch"])
def test_strategies_train_on_the_device_in_its_precision(tiles, device, strategy):
    from phosphene.pipeline.backbones.backbone import load_backbone
    from phosphene.pipeline.networks import learners
    from phosphene.pipeline.tiles.loaders import tile_loaders

    backbone = load_backbone("timm/mobilenetv3_small_050", pretrained=False)
    labels = ["ab"[k % 2] for k in range(20)]
    dls = tile_loaders(tiles, labels, range(16), range(16, 20), batch_size=8).to(torch.device(device))
    learn = learners.learner(dls, backbone)
    names = [type(cb).__name__ for cb in learn.cbs]
    assert ("MixedPrecision" in names) == (device == "cuda")
    getattr(learners, strategy)(learn, epochs=1)
    numbers = learners.predict_logits(learn.model, dls.valid, backbone)
    assert numbers.shape == (4, 2)
    assert np.isfinite(numbers).all()
    assert all(value.dtype != torch.bfloat16 for value in learn.model.state_dict().values())


@pytest.mark.slow
def test_the_benchmark_of_training_runs_dry_on_a_cpu(dry_run):
    rows, printed = dry_run("training.py", "gpu_training.csv")
    assert {row["peer"] for row in rows} == {"the same from synthetic tensors", "plain fastai from PNG files"}
    assert all(float(row["ratio"]) > 0 for row in rows), printed


@pytest.mark.slow
@pytest.mark.skipif("PHOSPHENE_DATA" not in os.environ, reason="PHOSPHENE_DATA names no folder of real data")
def test_the_benchmark_of_esc10_runs_dry_on_a_cpu(dry_run):
    (accuracy, rate), _ = dry_run("esc10.py", "gpu_esc10.csv")
    assert (accuracy["work"], accuracy["peer"]) == (
        "efficientnet_lite0, finetune",
        "official folds of ESC-10",
    )
    assert 0 < float(accuracy["ours"]) <= 1
    assert float(rate["ours"]) > 1
