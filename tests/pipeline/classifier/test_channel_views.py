"""Series of several channels: what views they are given, and that levels of channels tell classes apart."""

import numpy as np
import pytest

from phosphene.converters import Series, SignalError
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.classifier.per_split import channel_views


def _levels(rng, label, *, channels=5, length=30):
    """Noise around levels; the class is in the mean of one channel alone, by less than what the others lie apart."""
    values = rng.normal(size=(channels, length)) + np.arange(channels)[:, None]
    values[3] += 1.2 * (label == "high")
    return Series(values.astype(np.float32))


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    rng, labels = np.random.default_rng(0), ["high", "low"] * 8
    folder = tmp_path_factory.mktemp("channels")
    patch = pytest.MonkeyPatch()
    patch.setenv("PHOSPHENE_CACHE", str(folder / "cache"))
    items = [_levels(rng, label) for label in labels]
    made = train(items, labels, Recipe(strategy="probe"), valid="none", out=folder / "model", progress=False)
    yield made, folder / "model"
    patch.undo()


def test_several_channels_are_drawn_side_by_side_and_their_levels_beside(training):
    *_, first, second, levels, _, _ = training[0].classifier.views
    assert [view.family for view in (first, second, levels)] == ["side by side", "side by side", "levels"]
    assert len(levels.value_range) == 5 * 4 * 2  # resolved at training


def test_levels_of_channels_tell_classes_apart(training):
    made, folder = training
    rng, labels = np.random.default_rng(1), ["high", "low"] * 6
    saved = Classifier.load(folder)
    predictions = saved.predict([_levels(rng, label) for label in labels])
    assert np.mean([one.label == label for one, label in zip(predictions, labels, strict=True)]) >= 0.9
    (levels,) = (view for view in saved.views if view.name == "levels")
    assert made.classifier.notes["fit"]["view_weights"][levels.spec] > 0.2


@pytest.mark.parametrize(("channels", "size"), [(2, 112), (28, 112), (29, 224), (56, 224), (57, None)])
def test_channels_stand_side_by_side_as_far_as_their_strips_fit(channels, size):
    series = Series(np.random.default_rng(0).normal(size=(channels, 12)))
    *strips, levels = channel_views([series])
    assert [view.size for view in strips] == [size] * len(strips)
    assert len(strips) == (2 if size else 0)
    for view in (*strips, levels):
        view.resolve([series])(series)


def test_single_channels_among_others_are_given_no_such_views():
    assert channel_views([Series(np.zeros(9)), Series(np.zeros((2, 9)))]) == ()
    assert channel_views([]) == ()


def test_a_series_with_more_channels_than_learned_from_is_refused():
    (*_, levels) = channel_views([Series(np.arange(18.0).reshape(2, 9))])
    resolved = levels.resolve([Series(np.arange(18.0).reshape(2, 9))])
    with pytest.raises(SignalError, match="2 channels, got a series with 3"):
        resolved(Series(np.zeros((3, 9))))
