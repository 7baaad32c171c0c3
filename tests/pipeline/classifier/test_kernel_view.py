"""Series are seen by kernels too, programs by words, whose every pixel a linear head takes, beside images."""

import numpy as np
import pytest

from phosphene.converters import Binary, MouseTrace, Series, default_views, parse_views
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.backbones.backbone import load_backbone
from phosphene.pipeline.backbones.features import (
    EACH_PIXEL,
    IN_PROPORTION,
    Extractor,
    Features,
    all_pooled_layers,
)
from phosphene.pipeline.classifier.embed import model_features
from phosphene.pipeline.classifier.per_split import pixel_views
from phosphene.pipeline.explain.attribution import attribute, contrast
from phosphene.pipeline.strategies.ridge import FeatureScaling
from phosphene.pipeline.tiles.render import render


def _noise(rng, label, *, length=120):
    """White noise, or noise of which each sample resembles the one before: no place of it means anything."""
    noise = rng.standard_normal(length)
    if label == "smooth":
        noise[1:] += 0.4 * noise[:-1]
    return Series(noise / noise.std())


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    rng, labels = np.random.default_rng(0), ["rough", "smooth"] * 15
    folder = tmp_path_factory.mktemp("kernels")
    patch = pytest.MonkeyPatch()
    patch.setenv("PHOSPHENE_CACHE", str(folder / "cache"))
    items = [_noise(rng, label) for label in labels]
    made = train(items, labels, Recipe(strategy="probe"), valid="none", out=folder / "model", progress=False)
    yield made, folder / "model", items
    patch.undo()


@pytest.mark.slow
def test_a_probe_of_series_has_the_view_and_weighs_it(training):
    made, folder, _ = training
    views = made.classifier.views
    kernels = ["rocket", "rocket"]
    assert [view.name for view in views] == [*(view.name for view in default_views("series")), *kernels]
    weights = made.classifier.notes["fit"]["view_weights"]
    assert sum(weights.values()) == pytest.approx(1, abs=0.01)
    assert weights[views[-1].spec] == weights[views[-2].spec] > 0.15
    rng, labels = np.random.default_rng(1), ["rough", "smooth"] * 25
    predictions = Classifier.load(folder).predict([_noise(rng, label) for label in labels])
    assert np.mean([one.label == label for one, label in zip(predictions, labels, strict=True)]) >= 0.8


def test_a_saved_model_answers_as_before(training):
    made, folder, items = training
    one, other = (classifier.predict(items[:4]) for classifier in (made.classifier, Classifier.load(folder)))
    for first, second in zip(one, other, strict=True):
        assert first.probabilities == pytest.approx(second.probabilities, abs=1e-6)


def test_pixels_are_its_evidence_and_add_up(training):
    classifier, items = training[0].classifier, training[2]
    images = [view(items[0]).pixels for view in classifier.views]
    found = [
        attribute(classifier.model, images, classifier.views, target=0, direction=contrast(np.zeros(2), 0))
        for images in (images, [*images[:-1], np.full_like(images[-1], 128)])
    ]
    assert [one.shape for one in found[0].maps] == [image.shape[:2] for image in images]
    assert found[0].log_proba[0] != found[1].log_proba[0]  # the head does look at it


def test_an_extractor_gives_each_pixel():
    backbone = load_backbone("resnet18", pretrained=False)
    pixels = np.arange(2 * 6 * 5, dtype=np.uint8).reshape(2, 6, 5, 1)
    found = Extractor(backbone, all_pooled_layers(backbone))(pixels, by_pixel="standardised")
    assert list(found) == [(EACH_PIXEL, "whole")]
    assert found[EACH_PIXEL, "whole"] * 255 == pytest.approx(pixels.reshape(2, -1))


def test_networks_do_not_see_it(training, tmp_path):
    items, labels = training[2], ["rough", "smooth"] * 15
    recipe = Recipe(strategy="scratch", arch="lenet", epochs=1, workers=1)
    made = train(items, labels, recipe, valid="none", progress=False)
    assert [view.name for view in made.classifier.views] == [view.name for view in default_views("series")]


def test_views_that_are_named_stay(training):
    items, labels = training[2], ["rough", "smooth"] * 15
    recipe = Recipe(strategy="probe", views="rocket(size=112)", workers=1)
    made = train(items, labels, recipe, valid="none", progress=False)
    assert [view.name for view in made.classifier.views] == ["rocket"]
    assert made.classifier.predict(items[:1])[0].probability > 0.5


def test_features_of_the_network_leave_it_out(training):
    classifier, items = training[0].classifier, training[2]
    tiles = render(classifier.items(items[:3]), classifier.views, workers=1, progress=False)
    whole, _ = model_features(classifier.model, tiles, None)
    without, _ = model_features(classifier.model, tiles.of_views(range(len(tiles.views) - 2)), None)
    assert whole == pytest.approx(without)


def test_other_signals_and_the_shortest_series_have_no_such_view():
    assert pixel_views([Series(np.zeros(5))] * 3) == pixel_views([]) == ()
    views = pixel_views([Series(np.zeros(5)), Series(np.zeros(20)), Series(np.zeros(30))])
    assert views == parse_views("rocket(size=112),rocket(size=112,normalise=window)")


def _program(rng, label):
    """Bytes at random with words of the same letters, of which only the order tells the classes apart."""
    words = {"stream": [b"parse_items", b"merge_lines"], "tensor": [b"apser_smite", b"germe_nelis"]}[label]
    parts = [bytes(rng.integers(128, 256, 300, dtype=np.uint8)) for _ in range(6)]
    return Binary(b"\0".join(part + words[rng.integers(2)] for part in parts))


def test_programs_are_seen_by_their_words():
    rng, labels = np.random.default_rng(0), ["stream", "tensor"] * 8
    made = train(
        [_program(rng, label) for label in labels],
        labels,
        Recipe(strategy="probe", workers=1),
        valid="none",
        progress=False,
    )
    assert [view.spec for view in made.classifier.views][-1] == "words(size=112)"
    fits = made.classifier.notes["fit"]["members"]
    assert all(fit["view_weights"]["words(size=112)"] > 0.5 for fit in fits)
    asked = ["stream", "tensor"] * 10
    predictions = made.classifier.predict([_program(rng, label) for label in asked])
    assert [one.label for one in predictions] == asked


def _session(rng, label):
    """A walk of steps that one hand takes twice as fast as the other; where they lead is left to chance."""
    took_s = rng.lognormal(-3 if label == "quick" else -2.3, 0.2, 60)
    steps = rng.normal(size=(2, 60)) * 12
    return MouseTrace(took_s.cumsum(), *(steps.cumsum(axis=1) + 500), np.zeros(60))


@pytest.mark.slow
def test_pointer_sessions_are_seen_by_their_habits_too():
    rng, labels = np.random.default_rng(0), ["quick", "slow"] * 8
    learned = [_session(rng, label) for label in labels]
    made = train(learned, labels, Recipe(strategy="probe", workers=1), valid="none", progress=False)
    view = made.classifier.views[-1]
    assert (view.spec, view.by_pixel) == ("habits(size=56,features=pixel)", "in proportion")
    assert made.classifier.notes["fit"]["view_weights"][view.spec] > 0.2
    asked = ["quick", "slow"] * 10
    predictions = made.classifier.predict([_session(rng, label) for label in asked])
    assert np.mean([one.label == label for one, label in zip(predictions, asked, strict=True)]) >= 0.9
    assert pixel_views([*learned, Series(np.zeros(50))]) == ()


def test_rare_words_do_not_outweigh_frequent_ones():
    rng, labels = np.random.default_rng(0), np.arange(40) % 2
    blocks = {
        name: (rng.random((40, 400)) < 0.03).astype(np.float32) for name in ("each pixel", IN_PROPORTION)
    }
    shares = {}
    for name, block in blocks.items():
        block[:, 0] = labels  # frequent, and tells the class
        features = Features(np.arange(40), {(0, name, "whole"): block})
        some = features.select(np.arange(40), {("any", "whole"): 1.0})
        factor = FeatureScaling.of(some.blocks, some.weights, pixels=some.pixels).factor
        rows = np.abs(block - block.mean(axis=0)) * factor
        shares[name] = (rows[:, 0] ** 2 / (rows**2).sum(axis=1)).mean()
    assert shares[IN_PROPORTION] > 3 * shares["each pixel"]
