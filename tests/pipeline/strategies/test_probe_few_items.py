"""With two items a class, one of which is left out in turn, out-of-fold accuracy says little."""

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from phosphene.converters import Series, make
from phosphene.pipeline.backbones.backbone import load_backbone
from phosphene.pipeline.backbones.features import Extractor, Features, all_pooled_layers
from phosphene.pipeline.strategies.layer_weights import fit_layer_weights
from phosphene.pipeline.strategies.ridge_head import fit_head

N_CLASSES, N_EACH, LENGTH = 16, 6, 600


@pytest.fixture(scope="module")
def features():
    """Features of shifted copies of a pattern a class, with noise; the first two of each class are for training."""
    rng = np.random.default_rng(0)
    patterns = np.cumsum(rng.normal(size=(N_CLASSES, LENGTH)), axis=1)
    patterns -= np.linspace(0, 1, LENGTH) * patterns[:, -1:]  # the ends meet
    patterns /= patterns.std(axis=1, keepdims=True)
    series = [
        Series(np.roll(pattern, rng.integers(LENGTH)) + 0.3 * rng.normal(size=LENGTH))
        for pattern in patterns
        for _ in range(N_EACH)
    ]
    backbone = load_backbone()
    extractor = Extractor(backbone, all_pooled_layers(backbone))
    blocks = {}
    for index, view in enumerate((make("windows", size=96), make("scalogram", kind="series", size=96))):
        found = extractor(view.batch(series), cells=view.cells)
        blocks |= {(index, layer, way): values for (layer, way), values in found.items()}
    return Features(np.arange(len(series)), blocks), backbone.layers


def test_with_two_items_a_class_a_probe_is_as_good_as_a_stock_ridge(features):
    features, layers = features
    targets = np.repeat(np.arange(N_CLASSES), N_EACH)
    is_train = np.tile(np.arange(N_EACH) < 2, N_CLASSES)
    train, test = np.flatnonzero(is_train), np.flatnonzero(~is_train)
    weights = fit_layer_weights(features, layers, train, targets[train], train).weights
    some, new = features.select(train, weights), features.select(test, weights)
    head = fit_head(some.blocks, targets[train], train, weights=some.weights, pixels=some.pixels).head
    ours = head.predict_log_proba(np.concatenate(new.blocks, axis=1)).argmax(axis=1)
    stock = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 13)))
    kept = [block for block in features.blocks if block[1] in layers[2:6] and block[2] == "whole"]
    matrix = np.concatenate([features.blocks[block] for block in kept], axis=1)
    theirs = stock.fit(matrix[train], targets[train]).predict(matrix[test])
    accuracy, bar = (ours == targets[test]).mean(), (theirs == targets[test]).mean()

    assert bar > 0.4
    assert accuracy > bar - 0.01, (accuracy, bar)
