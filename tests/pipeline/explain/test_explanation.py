"""Explanations find what was planted, in the units of the raw signal, and say what it is worth."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
import torch

import phosphene as ph
from phosphene.converters import Binary, Fragment, ParameterError
from phosphene.datasets.synthetic import BACKGROUND, PLANTED, plant
from phosphene.datasets.windows import Windows
from phosphene.pipeline.backbones.backbone import input_tensor
from phosphene.pipeline.backbones.features import Extractor
from phosphene.pipeline.explain.attribution import _resized, attribute, contrast
from phosphene.pipeline.explain.explanation import save_explanation
from phosphene.pipeline.explain.faithfulness import average_change, measure, shifted, shuffled, similarity
from phosphene.pipeline.explain.grid import Grid
from phosphene.pipeline.explain.removal import _faded, ask, remembering, remove
from phosphene.pipeline.explain.search import search, top_cells

VIEWS = {
    "audio": "mel(size=96)",
    "series": "line(size=96,value_range=training),windows(size=96,value_range=training)",
    "mouse": "clicks(size=96),trace(size=96)",
    "binary": "grid(size=96)",
}
ALONG = {"audio": "time", "series": "sample", "mouse": "event", "binary": "bytes"}
KEYS = {
    "audio": {"start_s", "stop_s", "low_hz", "high_hz"},
    "series": {"start_sample", "stop_sample"},
    "mouse": {"start_s", "stop_s", "start_event", "stop_event", "left_px", "right_px", "top_px", "bottom_px"},
    "binary": {"start_byte", "stop_byte"},
}


@pytest.fixture(scope="module")
def classifiers():
    made = {}

    def make(kind, strategy="probe", **options):
        if (kind, strategy) not in made:
            some = plant(kind, 28, seed=1)
            recipe = ph.Recipe(views=VIEWS[kind], windows="none", strategy=strategy, workers=1, **options)
            signals, labels = [one.signal for one in some], [one.label for one in some]
            made[kind, strategy] = ph.train(signals, labels, recipe, valid="none", progress=False).classifier
        return made[kind, strategy]

    return make


@pytest.fixture(scope="module")
def explained(classifiers):
    """Three signals of a kind, each with the explanation of why it is of the class that was planted."""
    made = {}

    def make(kind):
        if kind not in made:
            made[kind] = [
                (planted, ph.explain(classifiers(kind), planted.signal, label=PLANTED))
                for planted in plant(kind, 6, seed=99)[1::2]
            ]
        return made[kind]

    return make


@pytest.fixture(scope="module")
def sound(classifiers):
    """A sound with a tone burst, and its explanation."""
    planted = plant("audio", 2, seed=7)[1]
    return planted, ph.explain(classifiers("audio"), planted.signal)


def overlap(explanation, stretch, quantity):
    """The share of the shorter of both, the first region and the planted stretch, that they have in common."""
    spans = explanation.regions[0].region.of(quantity)
    low, high = spans[0].start, spans[-1].stop
    common = max(0.0, min(high, stretch[1]) - max(low, stretch[0]))
    return common / min(high - low, stretch[1] - stretch[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", VIEWS)
def test_finds_what_was_planted(kind, explained):
    found = []
    for planted, explanation in explained(kind):
        found.append(overlap(explanation, planted.stretch, ALONG[kind]))
        assert explanation.mask.mean() <= 0.51
        first = explanation.result["regions"][0]
        assert KEYS[kind] | {"weight", "view"} <= set(first)
        assert 0 < first["weight"] <= 1
        assert first["view"].partition("(")[0] in VIEWS[kind]
    assert np.mean(np.array(found) >= 0.5) == 1


def test_evidence_of_a_probe_adds_up_to_the_log_odds(classifiers, sound):
    planted, explanation = sound
    classifier = classifiers("audio")
    (log_proba,) = ask(classifier, [planted.signal])
    head = classifier.model.head
    target = classifier.classes.index(explanation.label)
    bias = (head.bias[target] - head.bias[1 - target]) / head.temperature
    total = sum(part.sum() for part in explanation.maps)
    assert total + bias == pytest.approx(log_proba[target] - log_proba[1 - target], rel=1e-3)
    # What falls on the columns of the sound: all but what boxes of next to no evidence hold.
    assert explanation.evidence.sum() == pytest.approx(total, rel=0.1)


def test_the_band_of_a_tone_is_found():
    sound = ph.Audio(np.zeros(16000), 8000)
    image = ph.make("mel", size=64)(sound)
    pixels = np.zeros((64, 64))
    pixels[20:24, 32:36] = 1.0
    evidence = Grid.of(sound).evidence(image, pixels)
    region = Grid.of(sound).region(*Grid.of(sound).regions(evidence > evidence.max() / 2)[0])
    (time,), (frequency,) = region.of("time"), region.of("frequency")
    assert (time.start, time.stop) == pytest.approx((1.0, 1.125), abs=0.03)
    edges_hz = image.layout.y.edges
    assert (frequency.start, frequency.stop) == pytest.approx((edges_hz[24], edges_hz[20]), rel=0.15)
    assert evidence.sum() == pytest.approx(16.0)


def test_regions_matter_more_than_others_of_their_size(classifiers, sound):
    _, explanation = sound
    found = measure(classifiers("audio"), explanation, shares=(0.05, 0.1), rng=np.random.default_rng(3))
    assert (found.deletion < found.random_deletion).all()
    assert explanation.without < explanation.alone
    assert found.whole == pytest.approx(explanation.probability, abs=1e-4)
    assert found.insertion.shape == found.random_insertion.shape == (2,)


def test_what_suffices_is_as_probable_as_the_whole(classifiers, sound):
    explanation = sound[1]
    enough = explanation.sufficient
    assert enough.alone >= 0.98 * explanation.probability
    assert enough.mask.mean() < 1
    (log_proba,) = ask(classifiers("audio"), [remove(explanation.grid, ~enough.mask)])
    target = classifiers("audio").classes.index(explanation.label)
    assert np.exp(log_proba[target]) == pytest.approx(enough.alone, abs=1e-4)
    assert explanation.result["sufficient_share"] == pytest.approx(enough.mask.mean(), abs=1e-3)
    assert 20 < explanation.queries < 450


def test_without_what_suffices_the_regions_are_the_same_for_fewer_questions(classifiers, sound):
    planted, explanation = sound
    found = ph.explain(classifiers("audio"), planted.signal, sufficient=False)
    assert found.regions == explanation.regions
    assert found.sufficient is None
    assert "sufficient_share" not in found.result
    assert found.queries < explanation.queries


def test_a_step_is_found_though_the_bridge_across_its_middle_changes_nothing():
    """Removing samples inside a step leaves the step; its edges alone have effects, and are near each other."""
    series = ph.Series(np.repeat([0.0, 1.0, 0.0], [100, 40, 160]))
    grid = Grid.of(series)

    def steepest(signals):
        return np.array([20 * np.abs(np.diff(one.values[0])).sum() for one in signals])

    found = search(grid, np.zeros(grid.shape), steepest)
    columns = np.flatnonzero(found.regions.mask[0])
    assert columns[0] <= 105
    assert columns[-1] >= 135
    assert (np.diff(columns) == 1).all()
    assert found.sufficient.mask.mean() < 0.2


def bump(size, start, stop):
    evidence = np.zeros((1, size))
    evidence[:, start:stop] = 1 + np.hanning(stop - start)
    return evidence


def test_the_least_is_taken_without_which_most_is_lost():
    data = np.repeat(np.array([1, 7, 1], np.uint8), [800, 200, 1000])
    grid = Grid.of(ph.Binary(data))
    found = search(
        grid, bump(2000, 800, 1000), lambda some: np.array([(s.data == 7).sum() / 40 for s in some])
    )
    assert found.regions.mask.mean() == pytest.approx(0.1, abs=0.01)  # 200 of 2000 bytes
    assert found.regions.mask[0, 805:995].mean() > 0.9
    assert found.regions.alone > 0.95
    assert found.without < 0.85


def test_where_nothing_is_lost_the_least_is_taken_that_gives_most_alone():
    """Zeros look like the class: only where most is zero do the bytes of the class count."""
    data = np.repeat(np.array([1, 7, 1], np.uint8), [800, 200, 1000])
    grid = Grid.of(ph.Binary(data))

    def ask_class(signals):
        return np.array([5.0 if (s.data == 0).mean() < 0.5 else (s.data == 7).sum() / 40 for s in signals])

    found = search(grid, bump(2000, 800, 1000), ask_class, sufficient=False)
    assert found.regions.mask.mean() == pytest.approx(0.1, abs=0.01)
    assert found.without == pytest.approx(found.regions.alone, abs=0.01)


def test_of_many_windows_little_is_asked():
    grid = Grid.of(ph.Series(np.arange(90.0)))
    asked = []

    def ask_mean(signals):
        asked.append(len(signals))
        return np.array([one.values.mean() for one in signals])

    found = search(grid, np.arange(90.0)[None], ask_mean, n_windows=100)
    assert sum(asked) == found.queries == 3
    assert found.importance.argmax() == 89


@pytest.mark.slow
def test_a_map_of_shuffled_weights_is_another_one(classifiers, sound):
    planted, explanation = sound
    again = ph.explain(classifiers("audio"), planted.signal, label=PLANTED)
    other = ph.explain(shuffled(classifiers("audio")), planted.signal, label=PLANTED)
    assert similarity(explanation, again) == pytest.approx(1.0)
    assert similarity(explanation, other) < 0.7


@pytest.mark.slow
def test_windows_are_put_together_on_the_time_of_the_item(classifiers):
    noise = plant("audio", 2, seed=5)[0].signal.samples
    planted = plant("audio", 2, seed=7)[1]
    long = ph.Audio(np.concatenate([noise, noise, planted.signal.samples], axis=1), 8000)
    cut = replace(classifiers("audio"), windows=Windows("t", 2.0, 1.0))
    explanation = ph.explain(cut, long, label=PLANTED)
    (start, stop) = planted.stretch
    assert overlap(explanation, (4 + start, 4 + stop), "time") >= 0.5
    assert explanation.grid.shape[1] == 300


def test_a_part_of_a_file_is_told_in_the_time_of_the_file(classifiers, tmp_path):
    import soundfile

    planted = plant("audio", 2, seed=7)[1]
    samples = np.concatenate([np.zeros(8000), planted.signal.samples[0]])
    soundfile.write(tmp_path / "long.wav", samples, 8000)
    explanation = ph.explain(classifiers("audio"), f"{tmp_path / 'long.wav'}#t=1,3", label=PLANTED)
    start, stop = planted.stretch
    assert overlap(explanation, (1 + start, 1 + stop), "time") >= 0.5


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["head", "finetune"])
def test_networks_are_explained_too(strategy, classifiers):
    classifier = classifiers("binary", strategy, epochs=4)
    found = [
        overlap(ph.explain(classifier, one.signal, label=PLANTED), one.stretch, "bytes")
        for one in plant("binary", 8, seed=99)[1::2]
    ]
    assert np.mean(np.array(found) >= 0.5) >= 0.75


def test_the_map_of_a_network_is_its_gradient_times_its_activation(classifiers):
    classifier = classifiers("binary", "scratch", arch="lenet", epochs=1)
    pixels = [view(plant("binary", 2, seed=3)[1].signal).pixels for view in classifier.views]
    direction = contrast(np.log([0.3, 0.7]), 1)
    found = attribute(classifier.model, pixels, classifier.views, target=1, direction=direction)
    network, layers = classifier.model.networks[0].eval(), classifier.model.backbone.layers[-2:]
    body, kept = network[0][0], {}
    hooks = [
        body.get_submodule(layer).register_forward_hook(
            lambda m, a, out, layer=layer: kept.update({layer: out})
        )
        for layer in layers
    ]
    logits = network(input_tensor(pixels[0][None], classifier.model.backbone))[0].double()
    for hook in hooks:
        hook.remove()
    gradients = torch.autograd.grad(logits @ torch.as_tensor(direction), [kept[layer] for layer in layers])
    spread = [
        _resized((kept[layer] * slope)[0].sum(dim=0).detach().double().numpy(), pixels[0])
        for layer, slope in zip(layers, gradients, strict=True)
    ]
    assert found.maps[0] == pytest.approx(np.mean(spread, axis=0), abs=1e-3 * np.abs(spread).max())
    assert np.abs(found.maps[0]).max() > 0
    assert found.maps[0].shape == pixels[0].shape[:2]
    expected = torch.log_softmax(logits, dim=0).detach().numpy()
    assert found.log_proba == pytest.approx(expected, abs=1e-6)


def test_what_is_removed_is_gone_and_the_rest_stays():
    sound = ph.Audio(np.sin(2 * np.pi * 440 * np.arange(16000) / 8000)[None], 8000)
    grid = Grid.of(sound)
    assert remove(grid, np.zeros(grid.shape, bool)).samples == pytest.approx(sound.samples, abs=1e-4)
    mask = np.zeros(grid.shape, bool)
    mask[:, 50:] = True
    left = remove(grid, mask).samples[0]
    assert np.abs(left[9600:]).max() < 1e-3
    assert left[:6400] == pytest.approx(sound.samples[0, :6400], abs=1e-3)
    file = ph.Series([0.0, 5.0, 5.0, 3.0])
    assert remove(Grid.of(file), np.array([[False, True, True, False]])).values.tolist() == [
        [0.0, 1.0, 2.0, 3.0]
    ]
    trace = plant("mouse", 1)[0].signal
    grid = Grid.of(trace)
    assert len(remove(grid, np.arange(150)[None] < 40).time_s) == 110
    assert len(remove(grid, np.ones((1, 150), bool)).time_s) == 2


@pytest.mark.slow
def test_long_sound_is_muted_piece_by_piece():
    rng = np.random.default_rng(0)
    sound = ph.Audio(0.1 * rng.standard_normal(8000 * 60), 8000)
    grid = Grid.of(sound)
    assert remove(grid, np.zeros(grid.shape, bool)).samples == pytest.approx(sound.samples, abs=1e-5)


def test_sound_is_muted_as_by_the_transforms_of_scipy():
    rng = np.random.default_rng(0)
    sound = ph.Audio(0.1 * rng.standard_normal((2, 8000)), 8100)
    grid = Grid.of(sound)
    mask = np.zeros(grid.shape, bool)
    mask[10:30, 15:] = True
    form = {"fs": 8100, "nperseg": 512, "noverlap": 256}
    hz, times_s, spectrum = scipy.signal.stft(sound.samples, **form)
    rows = np.searchsorted(grid.rows[1:-1], hz, "right")
    columns = np.minimum(times_s / grid.columns[1], grid.shape[1] - 1).astype(int)
    expected = scipy.signal.istft(spectrum * _faded(~mask)[np.ix_(rows, columns)], **form)[1][:, :8000]
    assert remove(grid, mask).samples == pytest.approx(expected, abs=1e-6)


def test_a_sound_shorter_than_a_frame_is_muted():
    sound = ph.Audio(0.1 * np.ones(100), 8000)
    grid = Grid.of(sound)
    assert remove(grid, np.zeros(grid.shape, bool)).samples == pytest.approx(sound.samples, abs=1e-6)
    assert not remove(grid, np.ones(grid.shape, bool)).samples.any()


def test_equal_images_go_through_the_network_once(classifiers, monkeypatch):
    classifier, (one, other) = classifiers("audio"), [planted.signal for planted in plant("audio", 2)]
    expected, seen = ask(classifier, [one, other, one]), []
    plain = Extractor.__call__

    def counted(extractor, pixels, **options):
        seen.append(len(pixels))
        return plain(extractor, pixels, **options)

    monkeypatch.setattr(Extractor, "__call__", counted)
    asked = remembering(classifier)
    assert ask(asked, [one, other, one]) == pytest.approx(expected, abs=1e-4)
    assert ask(asked, [other]) == pytest.approx(expected[[1]], abs=1e-4)
    assert seen == [2]


def test_average_change_counts_by_hand():
    assert average_change(np.array([0.5, 0.8]), np.array([0.75, 0.4])) == pytest.approx(
        {"increase": 50.0, "drop": 25.0, "gain": 25.0}
    )


def test_a_shifted_mask_is_as_large():
    mask = top_cells(np.random.default_rng(0).normal(size=(8, 90)), 0.2)
    assert shifted(mask, np.random.default_rng(1)).sum() == mask.sum()


@pytest.mark.parametrize("kind", VIEWS)
def test_pictures_are_written(kind, explained, tmp_path):
    import PIL.Image

    _, explanation = explained(kind)[0]
    path = save_explanation(explanation, tmp_path / "why.png")
    with PIL.Image.open(path) as picture:
        assert min(picture.size) > 400
    assert path.read_bytes() == explanation._repr_png_()  # what a notebook shows


def test_the_sound_of_the_regions_is_the_tone(sound, tmp_path):
    planted, explanation = sound
    heard = ph.read(save_explanation(explanation, tmp_path / "why.wav"))
    start, stop = (int(8000 * time_s) for time_s in planted.stretch)
    power = heard.samples[0] ** 2
    assert power[start:stop].mean() > 20 * np.delete(power, np.s_[start - 800 : stop + 800]).mean()


@pytest.mark.parametrize("name", ["why.jpg", "why"])
def test_another_suffix_is_refused(name, sound, tmp_path):
    with pytest.raises(ParameterError, match=r"\.png.*\.wav"):
        save_explanation(sound[1], tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_sound_cannot_be_heard(explained, tmp_path):
    _, explanation = explained("binary")[0]
    with pytest.raises(ParameterError, match=r"write a \.png"):
        save_explanation(explanation, tmp_path / "why.wav")


def test_several_items_and_unknown_classes_are_refused(classifiers):
    some = [one.signal for one in plant("audio", 2)]
    with pytest.raises(ParameterError, match="one item, got 2"):
        ph.explain(classifiers("audio"), some)
    with pytest.raises(ParameterError, match=f"{BACKGROUND}, {PLANTED}.*'bird'"):
        ph.explain(classifiers("audio"), some[0], label="bird")


def test_the_result_is_json(sound):
    again = json.loads(json.dumps(sound[1].result))
    assert again["label"] == PLANTED
    assert again["regions"][0]["start_s"] < again["regions"][0]["stop_s"]


def test_fragments_of_files_keep_their_offset():
    part = Binary(bytes(4096)).part(Fragment("bytes", 1024, 3072))
    grid = Grid.of(part, 1024.0)
    region = grid.region(slice(0, 1), slice(0, 512))
    assert (region.spans[0].start, region.spans[-1].stop) == (1024, 1536)
