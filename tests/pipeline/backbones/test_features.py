"""Pooled features against a plain forward pass."""

import pickle

import numpy as np
import pytest
import torch

from phosphene.converters import make
from phosphene.datasets.manifest import Item
from phosphene.pipeline.backbones.backbone import feature_maps, input_tensor, load_backbone
from phosphene.pipeline.backbones.features import PIXELS, Extractor, all_pooled_layers, view_features
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore


@pytest.fixture(scope="module")
def backbone():
    return load_backbone()


@pytest.fixture(scope="module")
def extractor(backbone):
    return Extractor(backbone, tuple(s for s in all_pooled_layers(backbone) if s[0] in backbone.layers[3:7]))


def _noise(n, size, seed):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 1), dtype=np.uint8)


def _maps(backbone, pixels, layers):
    with torch.inference_mode():
        maps = feature_maps(backbone.body, input_tensor(pixels, backbone), layers=layers)
    return dict(zip(layers, (one.numpy() for one in maps), strict=True))


def test_features_are_average_maximum_and_deviation_of_the_maps(extractor, backbone):
    pixels = _noise(3, 224, 0)
    found = extractor(pixels)
    for layer, maps in _maps(backbone, pixels, extractor.layers).items():
        expected = np.concatenate([maps.mean((2, 3)), maps.max((2, 3)), maps.std((2, 3))], 1)
        assert found[layer, "whole"] == pytest.approx(expected, abs=2e-3)
    assert {way for _, way in found} == {"whole"}  # one cell is the whole


def test_cells_are_pooled_each_for_itself(extractor, backbone):
    pixels = _noise(2, 224, 1)
    layer = extractor.layers[0]
    maps = _maps(backbone, pixels, extractor.layers)[layer]
    height = maps.shape[2]
    found = extractor(pixels, cells=(2, 1))[layer, "cells"].reshape(2, 3, 2, -1)
    assert found[:, 0, 0] == pytest.approx(maps[:, :, : height // 2].mean((2, 3)), abs=2e-3)
    assert found[:, 1, 1] == pytest.approx(maps[:, :, height // 2 :].max((2, 3)), abs=2e-3)
    assert found[:, 2, 1] == pytest.approx(maps[:, :, height // 2 :].std((2, 3)), abs=2e-3)


def test_a_bright_spot_changes_its_own_cell_most(extractor):
    dark, spot = np.full((1, 224, 224, 1), 90, np.uint8), np.full((1, 224, 224, 1), 90, np.uint8)
    spot[0, 150:200, 20:60] = 255  # below, to the left
    layer = extractor.layers[0]
    change = np.abs(
        extractor(spot, cells=(2, 2))[layer, "cells"] - extractor(dark, cells=(2, 2))[layer, "cells"]
    )
    assert change.reshape(3, 4, -1).sum((0, 2)).argmax() == 2


def test_grey_is_the_same_as_three_equal_colours(extractor):
    grey = _noise(2, 224, 2)
    coloured = extractor(np.repeat(grey, 3, axis=3), cells=(4, 1))
    for block, values in extractor(grey, cells=(4, 1)).items():
        assert coloured[block] == pytest.approx(values, abs=2e-3)


def test_a_batch_gives_what_single_images_give(extractor):
    pixels = _noise(3, 96, 3)
    singly = [extractor(pixels[n : n + 1]) for n in range(3)]
    for block, values in extractor(pixels).items():
        assert values == pytest.approx(np.concatenate([one[block] for one in singly]), abs=1e-3)


@pytest.fixture
def tiles(tmp_path):
    rng = np.random.default_rng(4)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(rng.bytes(5000))
    items = [Item(tmp_path / "a"), Item(tmp_path / "missing"), Item(tmp_path / "b")]
    views = (make("grid"), make("bigram"))
    return render(items, views, store=TileStore(tmp_path / "tiles"), workers=1, progress=False)


def test_items_that_failed_have_no_features_and_the_others_keep_their_places(extractor, tiles):
    features = view_features(extractor, tiles, progress=False)
    layer = extractor.layers[1]
    assert features.indices.tolist() == [0, 2]
    grid, bigram = features.select(np.array([2]), {(layer, "whole"): 1.0}).blocks
    assert bigram[0] == pytest.approx(extractor(tiles.pixels([2], 1))[layer, "whole"][0], abs=1e-3)
    assert grid[0] == pytest.approx(extractor(tiles.pixels([2], 0))[layer, "whole"][0], abs=1e-3)


def test_a_view_without_cells_is_looked_at_as_a_whole(extractor, tiles):
    features = view_features(extractor, tiles, progress=False)
    layer = extractor.layers[1]
    grid, bigram = features.select(features.indices, {(layer, "cells"): 1.0}).blocks
    assert grid.shape[1] < bigram.shape[1]
    assert grid.shape == features.select(features.indices, {(layer, "whole"): 1.0}).blocks[0].shape


def test_features_of_some_items_are_those_of_all(extractor, tiles):
    everything = view_features(extractor, tiles, progress=False)
    some = view_features(extractor, tiles, np.array([1, 2]), progress=False)
    assert some.indices.tolist() == [2]
    for block in everything.blocks:
        assert some.blocks[block][0] == pytest.approx(everything.blocks[block][1], abs=1e-3)


def test_the_picture_itself_is_a_source(backbone, tiles):
    weights = {(backbone.layers[2], "whole"): 0.8, (PIXELS, "whole"): 0.2}
    features = view_features(Extractor(backbone, tuple(weights)), tiles, progress=False)
    rows = features.select(features.indices, weights)
    assert rows.pixels == (0, 2)
    assert rows.weights == pytest.approx([0.1, 0.4, 0.1, 0.4])
    bigram = tiles.pixels([0], 1)[0, :, :, 0].reshape(28, 8, 28, 8).mean((1, 3)) / 255
    assert rows.blocks[2][0] == pytest.approx(bigram.ravel(), abs=1e-5)


def test_weights_of_views_divide_those_of_layers(extractor, tiles):
    features = view_features(extractor, tiles, progress=False)
    rows = features.select(features.indices, {(extractor.layers[1], "whole"): 1.0}, {0: 0.25, 1: 0.75})
    assert rows.weights == [0.25, 0.75]
    assert {block[0] for block in features.of_views([1]).blocks} == {1}


def test_a_view_without_cells_gives_one_block_for_both_ways_of_pooling(extractor, tiles):
    features = view_features(extractor, tiles, progress=False)
    layer = extractor.layers[1]
    rows = features.select(features.indices, {(layer, "cells"): 0.75, (layer, "whole"): 0.25})
    assert len(rows.blocks) == 3
    assert sorted(rows.weights) == pytest.approx([0.125, 0.375, 0.5])


def test_blocks_come_in_the_order_of_the_network_whatever_the_order_of_the_sources(backbone):
    first, second = backbone.layers[2:4]
    pixels = _noise(2, 112, 5)
    orders = [((second, "whole"), (first, "cells")), ((first, "cells"), (second, "whole"))]
    one, other = (list(Extractor(backbone, layers)(pixels, cells=(2, 2))) for layers in orders)
    assert one == other == [(first, "cells"), (second, "whole")]


def test_maps_too_small_for_cells_are_pooled_as_a_whole(backbone):
    last = backbone.layers[-1]
    found = Extractor(backbone, ((last, "cells"),))(_noise(2, 112, 6), cells=(4, 4))
    assert list(found) == [(last, "whole")]


def test_one_of_fewer_layers_shares_the_frozen_networks(backbone):
    every, pixels = Extractor(backbone, all_pooled_layers(backbone)), _noise(2, 112, 7)
    wanted = ((backbone.layers[2], "whole"),)
    some, expected = every.some(wanted), every(pixels)[wanted[0]]
    assert some.made is every.made
    assert list(some.made) == [112]
    np.testing.assert_array_equal(some(pixels)[wanted[0]], expected)
    assert every.some([(PIXELS, "whole")])(pixels).keys() == {(PIXELS, "whole")}
    assert pickle.loads(pickle.dumps(some)).made == {}
