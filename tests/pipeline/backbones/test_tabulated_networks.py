"""Every network of the table: what is said of it, one step of training, and an answer."""

import dataclasses

import numpy as np
import pytest
import torch

from phosphene.pipeline.backbones.backbone import Backbone, input_tensor, load_backbone
from phosphene.pipeline.backbones.catalog import blueprint, load_network
from phosphene.pipeline.backbones.grey import one_channel
from phosphene.pipeline.backbones.names import DEFAULT, NETWORKS, TABULATED
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
    backbone = one_channel(load_backbone(name, pretrained=False, seed=1))
    return dataclasses.replace(backbone, size=SMALLEST.get(name, 32))


def pictures(n: int, channels: int = 1, size: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


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


GREY = ("efficientnet_lite0", "lenet", "alexnet", "efficientvit_b1")


@pytest.mark.parametrize("name", GREY)
def test_one_channel_gives_what_three_equal_ones_give(name):
    three = load_backbone(name, pretrained=False)
    one = one_channel(three)
    grey = pictures(2, size=three.size)
    colours, plain = input_tensor(grey, three), input_tensor(grey, one)
    assert (colours.shape[1], plain.shape[1]) == (3, 1)
    assert plain.untyped_storage().nbytes() * 3 == colours.untyped_storage().nbytes()
    with torch.inference_mode():
        expected, got = three.body(colours), one.body(plain)
        assert torch.equal(one.body(colours), expected)  # colours still pass as they did
    assert (expected - got).abs().max() <= 1e-4 * expected.abs().max()
    assert expected.stride() == got.stride()


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_the_border_is_exact_too(name):
    # Padding stands for the mean colour there, which differs from colour to colour: 4e-2 if that were left out.
    three = load_backbone(name, pretrained=False)
    one = one_channel(three)
    first = next(part for part, module in one.body.named_modules() if type(module).__name__ == "GreyConv2d")
    grey = np.full((1, three.size, three.size, 1), 200, np.uint8)
    with torch.inference_mode():
        expected = three.body.get_submodule(first)(input_tensor(grey, three))
        got = one.body.get_submodule(first)(input_tensor(grey, one))
    assert (expected - got).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_one_channel_learns_as_three_do(name):
    three = load_backbone(name, pretrained=False)
    gradients = []
    for backbone in (three, one_channel(three)):
        model = build_model(dataclasses.replace(backbone, size=64), n_classes=2).eval()
        images = input_tensor(pictures(2, size=64), dataclasses.replace(backbone, size=64))
        torch.nn.functional.cross_entropy(model(images), torch.tensor([0, 1])).backward()
        gradients.append({key: value.grad for key, value in model.named_parameters()})
    expected, got = gradients
    assert expected.keys() == got.keys()
    first = next(iter(expected))
    assert expected[first].shape[1] == 3
    assert (expected[first] - got[first]).abs().max() <= 1e-3 * expected[first].abs().max()


def test_colours_go_through_a_backbone_of_one_channel():
    backbone = one_channel(load_backbone("resnet18", pretrained=False))
    images = input_tensor(pictures(2, channels=3), backbone)
    assert images.shape == (2, 3, 224, 224)
    assert (backbone.stats(3), backbone.stats(1)) == ((backbone.mean, backbone.std), ((0.456,), (0.225,)))


def test_weights_stay_those_for_three_colours():
    three = load_backbone("resnet18", pretrained=False)
    one = one_channel(three)
    assert {k: v.shape for k, v in one.body.state_dict().items()} == {
        k: v.shape for k, v in three.body.state_dict().items()
    }
    assert three.grey is None
    assert type(three.body.conv1) is torch.nn.Conv2d
    assert one_channel(one) is one


def test_a_first_layer_of_another_sort_goes_on_taking_three():
    three = load_backbone("timm/tresnet_m", pretrained=False)
    assert one_channel(three) is three
    assert input_tensor(pictures(1), three).shape[1] == 3


def test_one_channel_draws_nothing():
    three = load_backbone("lenet", pretrained=False)
    before = torch.random.get_rng_state()
    one_channel(three)
    assert torch.equal(before, torch.random.get_rng_state())
