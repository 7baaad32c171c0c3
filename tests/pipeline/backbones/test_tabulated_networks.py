"""Every network of the table: what is said of it, one step of training, and an answer."""

import dataclasses

import numpy as np
import pytest
import torch

from phosphene.pipeline.backbones.backbone import Backbone, input_tensor, load_backbone, load_network
from phosphene.pipeline.backbones.catalog import DEFAULT, NETWORKS, TABULATED, blueprint
from phosphene.pipeline.networks.learners import build_model, predict_logits

SMALLEST = {"alexnet": 63, "inception_v3": 75}
LARGE = ("vgg16", "resnet34", "resnet50", "inception_v3")
BY_NAME = {network.name: network for network in NETWORKS}


def networks(*slow: str):
    return pytest.mark.parametrize(
        "name", [pytest.param(name, marks=pytest.mark.slow) if name in slow else name for name in TABULATED]
    )


def small(name: str) -> Backbone:
    """A network with random weights that is given the smallest images it can take."""
    backbone = load_backbone(name, pretrained=False, seed=1)
    return dataclasses.replace(backbone, size=SMALLEST.get(name, 32))


def pictures(n: int, channels: int = 1, size: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


@pytest.mark.slow
@networks(*LARGE)
def test_each_learns_in_one_step_and_answers(name):
    backbone = small(name)
    torch.manual_seed(0)
    model = build_model(backbone, n_classes=3).train()
    before = {key: value.clone() for key, value in model.named_parameters()}
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    images = input_tensor(pictures(4), backbone)
    loss = torch.nn.functional.cross_entropy(model(images), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    optimiser.step()
    assert torch.isfinite(loss)
    for part in ("0.", "1."):  # body and head
        moved = [
            not torch.equal(before[key], now) for key, now in model.named_parameters() if key.startswith(part)
        ]
        assert sum(moved) >= 0.9 * len(moved)
    logits = predict_logits(model, pictures(3), backbone)
    assert logits.shape == (3, 3)
    assert np.isfinite(logits).all()


@networks(*LARGE)
def test_what_is_said_of_each_is_so(name):
    said, plan = BY_NAME[name], blueprint(name)
    count = sum(parameter.numel() for parameter in load_network(name, pretrained=False).parameters())
    assert said.millions == pytest.approx(count / 1e6, abs=0.005)
    if plan.published:
        source, wanted = plan.published[0]
        assert said.size == wanted.size
        assert said.source.split()[-1].removeprefix("timm/") in (
            source.name, source.name.partition(".")[2], source.package and source.package.name
        )  # fmt: skip
    else:
        assert (said.size, said.source, said.licence) == (plan.input.size, "", "")


@pytest.mark.parametrize("name", [n.name for n in NETWORKS if "timm/" in n.source])
def test_licences_are_those_that_timm_tells(name):
    import timm

    assert timm.get_pretrained_cfg(name).license == BY_NAME[name].licence.lower()


def test_the_default_is_tabulated_first():
    assert TABULATED[0] == DEFAULT
    assert len(set(TABULATED)) == len(TABULATED)
