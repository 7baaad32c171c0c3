"""Frozen networks in their fast form against the plain network, tile by tile."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from bodies import Backwards

from phosphene.converters import ParameterError
from phosphene.pipeline.backbones import frozen as module
from phosphene.pipeline.backbones.backbone import feature_maps, input_tensor, load_backbone
from phosphene.pipeline.backbones.frozen import FusedConv, freeze, fused_body, pool, pool_all

NETWORKS = ("lenet", "mobilenet_v3_large")
SLOW_NETWORKS = (
    "resnet18",
    "vit_b_32",
    "inception_v3",
    "densenet121",
    "vgg11_bn",
    "timm/vit_tiny_patch16_224",
    "timm/mobilenetv4_conv_small",
    "timm/convnext_atto",
)


def tiles_of(backbone, n=2, channels=1, side=None):
    side = side or backbone.size
    return np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def plain(backbone, layers, tiles):
    with torch.inference_mode():
        return feature_maps(backbone.body, input_tensor(tiles, backbone), layers=layers)


def assert_same(got, expected, share=2e-5):
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == torch.float32
        assert one.shape == other.shape
        assert float((one - other).abs().max()) <= share * float(other.abs().max())


def middle(layers):
    """Stages such as a probe looks at: the later ones, without the last."""
    count = len(layers)
    return tuple(layers[count * 3 // 8 : max(count * 3 // 8 + 1, count * 7 // 8)])


@pytest.fixture(scope="module")
def lite0():
    return load_backbone()


@pytest.fixture(scope="module")
def lite0_frozen(lite0):
    return freeze(lite0, middle(lite0.layers))


def check_network(name):
    backbone = load_backbone(name, pretrained=False)
    layers = middle(backbone.layers)
    for channels in (1, 3):
        tiles = tiles_of(backbone, channels=channels)
        assert_same(freeze(backbone, layers).maps(tiles), plain(backbone, layers, tiles))


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_are_those_of_the_plain_network(name):
    check_network(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW_NETWORKS)
def test_maps_are_those_of_more_plain_networks(name):
    check_network(name)


def test_the_carried_network_is_cut_and_fused_and_says_the_same(lite0, lite0_frozen):
    layers, tiles = middle(lite0.layers), tiles_of(lite0, n=3)
    assert lite0_frozen.form == "fused"
    assert_same(lite0_frozen.maps(tiles), plain(lite0, layers, tiles))
    network = fused_body(lite0.body, layers, size=lite0.size)
    convolutions = [part for part in network.modules() if isinstance(part, FusedConv)]
    assert sum(part.activation[0] == "hardtanh" for part in convolutions) == 33
    ran = []
    for name, part in network.body.named_modules():
        part.register_forward_hook(lambda m, a, out, name=name: ran.append(name))
    network(input_tensor(tiles, lite0))
    assert not {"network.conv_head", "network.bn2"} & set(ran)
    assert "network.blocks.6.0.conv_dw" in ran


def test_grey_is_the_same_as_three_equal_colours(lite0, lite0_frozen):
    grey = tiles_of(lite0)
    colours = lite0_frozen.maps(np.repeat(grey, 3, axis=3))
    assert_same(lite0_frozen.maps(grey), colours)


def test_grey_and_padding_agree_where_colours_have_different_means():
    backbone = load_backbone("mobilenet_v3_large", pretrained=False)
    layer = ("features.0",)
    white = np.full((1, 224, 224, 1), 255, np.uint8)
    assert len(set(backbone.mean)) == 3
    assert_same(freeze(backbone, layer).maps(white), plain(backbone, layer, white))


@pytest.mark.parametrize("side", [64, 97, 300])
def test_tiles_of_any_size_are_fitted_to_the_network(lite0, lite0_frozen, side):
    tiles = tiles_of(lite0, n=1, side=side)
    assert_same(lite0_frozen.maps(tiles), plain(lite0, lite0_frozen.layers, tiles))


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("form", ["fused", "plain"])
def test_a_tile_gives_the_same_numbers_in_any_company(lite0, lite0_frozen, batch, form, monkeypatch):
    monkeypatch.setattr(module, "BATCH", batch)
    tiles = tiles_of(lite0, n=5)
    together = freeze(lite0, lite0_frozen.layers, form=form)
    alone = [lite0_frozen.maps(tiles[n : n + 1]) for n in range(5)]
    assert_same(together.maps(tiles), [torch.cat(parts) for parts in zip(*alone, strict=True)], share=2e-5)


@pytest.mark.parametrize("form", ["fused", "plain"])
def test_threads_compute_what_one_does_and_leave_their_number_alone(lite0, lite0_frozen, form, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 1)
    frozen = freeze(lite0, lite0_frozen.layers, form=form)
    tiles, before = tiles_of(lite0, n=3), torch.get_num_threads()
    maps = []
    try:
        for count in (2, 1):
            torch.set_num_threads(count)
            maps.append(frozen.maps(tiles))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    assert_same(*maps, share=1e-5)


@pytest.mark.parametrize("form", ["fused", "plain"])
def test_some_layers_are_those_of_all_and_end_sooner(lite0, form):
    layers, tiles, ran = middle(lite0.layers), tiles_of(lite0), []
    every = freeze(lite0, layers, form=form)
    every.body.body.get_submodule(layers[-1]).register_forward_hook(lambda *_: ran.append(1))
    first = replace(every, layers=layers[:1])
    (maps,) = first.maps(tiles)
    assert bool(ran) == (form == "plain")
    torch.testing.assert_close(maps, every.maps(tiles)[0], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("size", "count", "sizes"),
    [
        (224, 11, [4, 4, 2, 1]),
        (112, 43, [16, 16, 8, 2, 1]),
        (112, 20, [8, 8, 4]),
        (160, 16, [8, 8]),
        (600, 2, [1, 1]),
    ],
)
def test_small_tiles_go_together_and_each_thread_has_some(lite0, size, count, sizes, monkeypatch):
    frozen, seen = freeze(replace(lite0, size=size), lite0.layers[:1], form="plain"), []
    monkeypatch.setattr(module.torch, "get_num_threads", lambda: 2)
    frozen._each(tiles_of(lite0, n=count, side=32), lambda maps: seen.append(len(maps[0])))
    assert sorted(seen, reverse=True) == sizes


@pytest.mark.parametrize("fault", ["other maps", "no oneDNN"])
def test_a_fused_form_that_does_not_work_is_not_taken(lite0, monkeypatch, fault):
    def broken(body, layers, *, size, folded):
        if fault == "no oneDNN":
            raise AttributeError("no such operation")
        made = fused_body(body, layers, size=size, folded=folded)
        return lambda images, layers: [maps * 1.01 for maps in made(images, layers)]

    monkeypatch.setattr(module, "fused_body", broken)
    layers = middle(lite0.layers)
    cautious = freeze(lite0, layers)
    assert cautious.form == "plain"
    assert_same(cautious.maps(tiles_of(lite0)), plain(lite0, layers, tiles_of(lite0)))


def test_a_normalisation_that_runs_before_its_convolution_is_not_folded(lite0):
    backwards, tiles = replace(lite0, body=Backwards().eval()), tiles_of(lite0)
    expected = plain(backwards, ("first",), tiles)
    assert_same(freeze(backwards, ("first",)).maps(tiles), expected)
    folded = freeze(backwards, ("first",), form="fused").maps(tiles)
    assert (folded[0] - expected[0]).abs().max() > 0.1


def test_the_network_itself_stays_as_it_is(lite0):
    tiles = tiles_of(lite0)
    before = {name: value.clone() for name, value in lite0.body.state_dict().items()}
    freeze(lite0, lite0.layers[:2]).maps(tiles)
    after = lite0.body.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(part._forward_hooks for part in lite0.body.modules())


def test_pooled_maps_are_means_maxima_and_deviations_of_cells(lite0, lite0_frozen):
    tiles = tiles_of(lite0)
    pooled = lite0_frozen.pooled(tiles, grids=[(1, 1), (2, 1)])
    for maps, (whole, halves) in zip(lite0_frozen.maps(tiles), pooled, strict=True):
        middle = maps.shape[2] // 2
        parts = [maps[:, :, :middle].numpy(), maps[:, :, middle:].numpy()]
        expected = [np.stack([h.mean((2, 3)), h.max((2, 3)), h.std((2, 3))], 1) for h in parts]
        assert halves == pytest.approx(np.stack(expected, 2), abs=1e-5)
        assert whole[:, 1, 0] == pytest.approx(maps.amax((2, 3)).numpy())
    assert [one.shape[2:] for (one,) in lite0_frozen.pooled(tiles)] == [(1, 80), (1, 112), (1, 192), (1, 320)]


@pytest.mark.parametrize(("grid", "cells"), [((1, 1), 1), ((2, 1), 2), ((4, 4), 2), ((9, 1), 2), ((1, 9), 1)])
def test_every_place_is_in_one_cell_and_none_is_too_small(grid, cells):
    maps = torch.rand(2, 5, 7, 4, generator=torch.Generator().manual_seed(0))
    pooled = pool(maps, grid=grid)
    assert pooled.shape == (2, 3, cells, 5)
    assert pooled[:, 1].max(1) == pytest.approx(maps.amax((2, 3)).numpy())


@pytest.mark.parametrize("grid", [(4, 4), (2, 1), (9, 1)])
@pytest.mark.parametrize("level", [0, 1e4])
def test_the_whole_joined_from_its_cells_is_the_whole_pooled_at_once(grid, level):
    maps = level + torch.rand(3, 5, 13, 10, generator=torch.Generator().manual_seed(0))
    cells, whole, again = pool_all(maps, [grid, (1, 1), grid])
    assert whole == pytest.approx(pool(maps), rel=1e-3 if level else 1e-5)
    assert whole.dtype == np.float32
    assert (cells == pool(maps, grid=grid)).all()
    assert cells is again


def test_deviations_keep_their_digits_beside_a_large_mean():
    maps = 1e4 + torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert pool(maps)[0, 2, 0, 0] == pytest.approx(float(maps.double().std(correction=0)), rel=1e-3)


@pytest.mark.parametrize(
    ("pixels", "shown"),
    [
        (np.zeros((1, 8, 8, 2), np.uint8), "uint8 (1, 8, 8, 2)"),
        (np.zeros((1, 8, 8, 1), np.float32), "float32 (1, 8, 8, 1)"),
        (np.zeros((0, 8, 8, 1), np.uint8), "none"),
        (np.zeros((8, 8, 1), np.uint8), "uint8 (8, 8, 1)"),
    ],
)
def test_what_are_no_tiles_is_refused(lite0_frozen, pixels, shown):
    with pytest.raises(ParameterError) as error:
        lite0_frozen.maps(pixels)
    assert str(error.value).startswith("tiles must be ")
    assert str(error.value).endswith(f"got {shown}")


@pytest.mark.parametrize("grids", [[], [(0, 1)], [(1, 1), (2, -1)]])
def test_grids_without_cells_are_refused(lite0, lite0_frozen, grids):
    with pytest.raises(ParameterError) as error:
        lite0_frozen.pooled(tiles_of(lite0), grids=grids)
    assert str(error.value) == f"grids must be one or more pairs of numbers >= 1, got {grids}"
