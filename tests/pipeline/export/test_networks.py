"""Models as torch modules: the probabilities of the models themselves."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from phosphene.converters import Series
from phosphene.datasets import Item
from phosphene.pipeline import Recipe, TileStore, render, train
from phosphene.pipeline.backbones.frozen import cell_edges, pool
from phosphene.pipeline.export.networks import ImageShape, graph_of, pooled
from phosphene.pipeline.strategies.ensemble import Ensemble

# One view smaller than the network's 64 pixels, one larger, one in colour.
VIEWS = "gasf(size=48),mtf(size=100),gasf(size=64)+gadf(size=64)+recurrence(size=64)"
RECIPES = {
    "probe": Recipe(views=VIEWS, arch="lenet", weights=Path("random"), strategy="probe", workers=1),
    "networks": Recipe(views=VIEWS, arch="lenet", strategy="scratch", epochs=1, members=2, workers=1),
}


def waves(count=24, samples=80):
    """Two classes, slow and fast."""
    rng = np.random.default_rng(0)
    time = np.arange(samples) * np.where(np.arange(count) % 2, 0.6, 0.15)[:, None]
    return np.sin(time + rng.uniform(0, 6, (count, 1))) + 0.3 * rng.standard_normal((count, samples))


@pytest.fixture(scope="module")
def models():
    """A model of each sort, and their views."""
    labels = ["slow", "fast"] * 12
    trained = {
        sort: train(waves(), labels, recipe, valid="none", progress=False).classifier
        for sort, recipe in RECIPES.items()
    }
    models = {sort: classifier.model for sort, classifier in trained.items()}
    return models | {"ensemble": Ensemble(tuple(models.values()), np.array([0.3, 0.7]))}, trained[
        "probe"
    ].views


@pytest.mark.parametrize("sort", [*RECIPES, "ensemble"])
def test_a_graph_gives_the_probabilities_of_the_model(sort, models, tmp_path):
    model, views = models[0][sort], models[1]
    items = [Item(Path(f"{index}"), signal=Series(one)) for index, one in enumerate(waves(7))]
    tiles = render(items, views, store=TileStore(tmp_path), workers=1, progress=False)
    shapes = [ImageShape(*tiles.tile(0, k).shape, view.cells) for k, view in enumerate(views)]
    images = [torch.from_numpy(tiles.pixels(tiles.drawn, view)) for view in range(len(shapes))]
    with torch.inference_mode():
        found = graph_of(model, shapes).eval()(images).numpy()
    assert found == pytest.approx(np.exp(model.log_probabilities(tiles)), abs=1e-5)
    assert np.ptp(found, axis=0).max() > 0.002, "equal for every item would show nothing"


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 14), st.integers(1, 14))
def test_pooling_is_that_of_the_frozen_network(down, across, height, width):
    maps = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(height))
    rows, columns = cell_edges(down, height), cell_edges(across, width)
    cells = np.zeros((len(rows), len(columns), height, width), bool)
    for row, (top, bottom) in enumerate(rows):
        for column, (left, right) in enumerate(columns):
            cells[row, column, top:bottom, left:right] = True
    found = pooled(maps, cells.reshape(len(rows) * len(columns), -1))
    assert found.numpy() == pytest.approx(pool(maps, grid=(down, across)).reshape(2, -1), abs=1e-5)


def test_views_of_one_size_share_their_weights():
    recipe = Recipe(
        views="gasf(size=64),gadf(size=64)", arch="lenet", weights=Path("random"), strategy="probe", workers=1
    )
    model = train(waves(), ["a", "b"] * 12, recipe, valid="none", progress=False).classifier.model
    graph = graph_of(model, [ImageShape(64, 64, 1, (4, 4))] * 2)
    assert graph.bodies[0] is graph.bodies[1]


def test_each_pixel_of_kernels_is_a_feature_of_the_graph(tmp_path):
    recipe = Recipe(
        views="gasf(size=64),rocket(size=84)",
        arch="lenet",
        weights=Path("random"),
        strategy="probe",
        workers=1,
    )
    classifier = train(waves(), ["slow", "fast"] * 12, recipe, valid="none", progress=False).classifier
    items = [Item(Path(f"{index}"), signal=Series(one)) for index, one in enumerate(waves(7))]
    tiles = render(items, classifier.views, store=TileStore(tmp_path), workers=1, progress=False)
    shapes = [ImageShape(64, 64, 1, (4, 4)), ImageShape(84, 84, 1, by_pixel="standardised")]
    images = [torch.from_numpy(tiles.pixels(tiles.drawn, view)) for view in range(2)]
    with torch.inference_mode():
        found = graph_of(classifier.model, shapes).eval()(images).numpy()
    assert found == pytest.approx(np.exp(classifier.model.log_probabilities(tiles)), abs=1e-5)
