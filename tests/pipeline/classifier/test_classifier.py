"""A classifier on disk: whole, safe, and the same in another process."""

import hashlib
import json
import lzma
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save

from phosphene.converters import ParameterError, ReadError
from phosphene.datasets import Item, make_synthetic
from phosphene.pipeline import Classifier, Recipe, train
from phosphene.pipeline.classifier.folder import write_folder

RECIPES = {
    "probe": Recipe(views="gasf(size=64),patches(size=64)", workers=1),
    "networks": Recipe(
        views="gasf(size=64),patches(size=64)", arch="lenet", strategy="scratch", epochs=1, workers=1
    ),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    make_synthetic("series", folder, items_per_class=6, seed=1)
    return folder


@pytest.fixture(scope="module")
def models(files, tmp_path_factory):
    """Classifiers and their folders, by the name of their recipe."""
    folders = {name: tmp_path_factory.mktemp(name) for name in RECIPES}
    return {
        name: (train(files, RECIPES[name], valid="none", out=folder, progress=False).classifier, folder)
        for name, folder in folders.items()
    }


@pytest.fixture(scope="module", params=RECIPES)
def saved(request, models):
    return models[request.param]


@pytest.fixture(scope="module")
def network(models):
    return models["networks"][1]


@pytest.mark.slow
def test_a_new_process_gives_the_same_probabilities(models, files):
    paths = sorted(map(str, files.glob("*/*.csv")))[::3]
    script = (
        "import json, sys; from phosphene.pipeline import Classifier\n"
        "folders, paths = map(json.loads, sys.argv[1:])\n"
        "found = [Classifier.load(folder).predict(paths, workers=1) for folder in folders]\n"
        "print(json.dumps([[one.probabilities for one in answers] for answers in found]))"
    )
    folders = [str(folder) for _, folder in models.values()]
    told = subprocess.run(
        [sys.executable, "-c", script, json.dumps(folders), json.dumps(paths)],
        capture_output=True,
        text=True,
        check=True,
    )
    for (classifier, _), answers in zip(models.values(), json.loads(told.stdout), strict=True):
        here = [answer.probabilities for answer in classifier.predict(paths, workers=1)]
        assert [list(there) for there in answers] == [list(one) for one in here]
        there = np.array([list(one.values()) for one in answers])
        assert there == pytest.approx(np.array([list(one.values()) for one in here]), abs=1e-5)
        assert there.sum(axis=1) == pytest.approx(np.ones(len(paths)))


def test_the_folder_holds_three_files_and_nothing_pickled(saved):
    _, folder = saved
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    assert config["classes"] == ["bearing", "imbalance", "normal"]
    assert [view["name"] for view in config["views"]] == ["gasf", "patches"]
    assert config["backbones"][0]["input"]["size"] in (64, 224)
    assert "bearing, imbalance, normal" in (folder / "README.md").read_text()


def test_the_input_of_the_weights_it_was_trained_from_is_kept(saved, tmp_path):
    """Weights of one network may want different inputs; the folder says which, not the network's default."""
    _, folder = saved
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    other = {"size": 96, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    config["backbones"][0] |= {"input": other, "weights": "mine"}
    path.write_text(json.dumps(config))
    again = Classifier.load(tmp_path / "model")
    (backbone,) = again.model.backbones
    assert (backbone.size, backbone.mean, backbone.std) == (96, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert again.config["backbones"] == config["backbones"]


def test_files_that_cannot_be_read_are_failures_and_the_rest_is_answered(saved, files, tmp_path):
    classifier, _ = saved
    broken = tmp_path / "broken.csv"
    broken.write_text("time,a\n0,1\n1,oops\n")
    good = next(files.glob("normal/*.csv"))
    done = classifier.predict([broken, good, tmp_path / "missing.csv"], workers=1)
    assert [answer.item.path for answer in done] == [good]
    assert [failure.item.path.name for failure in done.failures] == ["broken.csv", "missing.csv"]
    assert "oops" in done.failures[0].error
    assert "no such file" in done.failures[1].error


def test_an_archive_is_answered_row_by_row(saved, tmp_path):
    classifier, _ = saved
    rows = np.random.default_rng(0).normal(size=(3, 2, 60))  # of two channels, as it learned from
    lines = [":".join([*(",".join(f"{v:.4f}" for v in channel) for channel in row), "1"]) for row in rows]
    head = (
        "@problemName New\n@timeStamps false\n@univariate false\n@dimensions 2\n@classLabel true 1 2\n@data"
    )
    archive = tmp_path / "New_TEST.ts"
    archive.write_text("\n".join([head, *lines]) + "\n")
    done = classifier.predict([archive], workers=1)
    assert [str(answer.item.fragment) for answer in done] == ["row=0", "row=1", "row=2"]
    one = classifier.predict([f"{archive}#row=1"], workers=1)[0]
    assert one.probabilities == pytest.approx(done[1].probabilities, abs=1e-4)


def test_one_file_need_not_be_in_a_list(saved, files):
    classifier, _ = saved
    path = next(files.glob("normal/*.csv"))
    listed = classifier.predict([path], workers=1)
    for one in (str(path), path, Item(path), iter([path])):
        assert classifier.predict(one, workers=1) == listed
    missing = classifier.predict("a.wav", workers=1)
    assert [str(failure.item) for failure in missing.failures] == ["a.wav"]


def test_nothing_to_predict_is_wrong_use(saved):
    with pytest.raises(ParameterError, match="name at least one file"):
        saved[0].predict([])


def _without(name):
    return lambda folder: (folder / name).unlink()


def _write(name, text):
    return lambda folder: (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def _change_weights(function):
    """Change weights as somebody would who can also write a checksum."""

    def change(folder):
        weights = save(function(load_file(folder / "model.safetensors")))
        (folder / "model.safetensors").write_bytes(weights)
        _edit("weights_sha256", hashlib.sha256(weights).hexdigest())(folder)

    return change


def _edit(key, value):
    def change(folder):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {key: value}))

    return change


def _of_another_network(folder):
    """Name a network that the weights are not of."""
    config = json.loads((folder / "config.json").read_text())
    _edit("backbones", [one | {"name": "squeezenet1_1"} for one in config["backbones"]])(folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            _without("config.json"),
            r"config\.json: no such file; name a folder that `phosphene train --out` wrote",
        ),
        (_without("model.safetensors"), r"model\.safetensors: the weights cannot be read"),
        (_write("config.json", "{"), r"config\.json: not the configuration of a classifier"),
        (_write("config.json", "[]"), r"config\.json: not the configuration of a classifier"),
        (_write("model.safetensors", "no tensors"), "their checksum differs"),
        (_edit("format", 99), r"config\.json: format 99, this version reads 3; update phosphene"),
        (_edit("views", [{"name": "gasf"}]), "not a whole classifier"),
        (
            _edit("views", [{"name": "unheard_of", "kind": "series", "parameters": {}}]),
            "no converter of series signals is called 'unheard_of'",
        ),
        (_of_another_network, "not a whole classifier"),
        (_edit("model", {"sort": "other"}), "not a whole classifier"),
        (_edit("classes", None), "classes: .* not a whole classifier"),
        (_edit("classes", ["a", "b"]), r"2 classes, and weights of \{3\}"),
        (_edit("windows", {"unit": "t"}), "not a whole classifier"),
        (_edit("signature", {"kind": 3}), "not a whole classifier"),
        (_edit("notes", {"learning_curve": [{"n": 3, "accuracy": 7.0, "n_judged": 1}]}), "learning_curve"),
        (_edit("notes", {"fit": {"epochs": [[{"loss": "0"}]]}}), r"epochs\.0\.0\.loss"),
        (
            _edit("backbones", [{"name": "lenet", "weights": "w", "input": {"size": 10**9}}]),
            r"backbones\.0\.input",
        ),
        (_edit("weights_sha256", "0" * 64), "checksum differs"),
        (_write("config.json", "[" * 100_000), r"config\.json: not the configuration of a classifier"),
        (
            _write("config.json", "é".encode("latin-1")),
            r"config\.json: not the configuration of a classifier",
        ),
        (_change_weights(lambda tensors: {k: v * float("nan") for k, v in tensors.items()}), "not finite"),
        (_change_weights(lambda tensors: dict(list(tensors.items())[1:])), "not a whole classifier"),
        (
            _change_weights(lambda tensors: {k: v[:1] if v.ndim else v for k, v in tensors.items()}),
            "not a whole classifier",
        ),
    ],
)
def test_a_damaged_folder_is_told_by_its_path(network, tmp_path, damage, message):
    shutil.copytree(network, tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(ReadError, match=message) as caught:
        Classifier.load(tmp_path / "model")
    assert str(caught.value).startswith(str(tmp_path / "model"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", ["model_format3", "model_networks"])
def test_a_model_saved_in_format_3_gives_the_same_probabilities(tmp_path, name):
    """A probe from before the temperature and the layers had these names, and networks as the first version of the
    format wrote them: without a checksum, signature, novelty or options (small weights were set to 0 to save space).
    """
    folder = shutil.copytree(Path(__file__).parents[2] / "golden" / name, tmp_path / name)
    for packed in folder.glob("*.xz"):
        packed.with_suffix("").write_bytes(lzma.decompress(packed.read_bytes()))
    expected = json.loads((folder / "expected.json").read_text())
    done = Classifier.load(folder).predict([folder / name for name in expected], workers=1)
    for prediction in done:
        assert prediction.probabilities == pytest.approx(expected[prediction.item.path.name], abs=1e-4)
    assert len(done) == 2


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("others", [(), ("notes.txt",)])
def test_saving_over_a_classifier_replaces_it_whole_and_leaves_other_files(saved, tmp_path, others):
    classifier, _ = saved
    folder = classifier.save(tmp_path / "model")
    for name in others:
        (folder / name).write_text("mine")
    renamed = replace(classifier, classes=("a", "b", "c"))
    renamed.save(folder)
    assert Classifier.load(folder).classes == ("a", "b", "c")
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["README.md", "config.json", "model.safetensors", *others]
    )
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize("others", [(), ("notes.txt",)])
def test_no_room_to_save_in_leaves_the_old_classifier_and_names_the_file(saved, tmp_path, others):
    classifier, _ = saved
    folder = classifier.save(tmp_path / "model")
    for name in others:
        (folder / name).write_text("mine")
    before = _contents(folder)

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limits[1]))  # of the system, as a full disk would be
    try:
        with pytest.raises(OSError, match=r"model/model\.safetensors"):
            replace(classifier, classes=("a", "b", "c")).save(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert _contents(folder) == before
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_weights_of_another_model_are_refused(saved, tmp_path):
    classifier, _ = saved
    one, other = classifier.save(tmp_path / "one"), tmp_path / "other"
    tensors = {name: tensor + 1 for name, tensor in classifier.model.tensors().items()}
    write_folder(other, classifier.config, tensors, "")
    (one / "model.safetensors").write_bytes((other / "model.safetensors").read_bytes())
    with pytest.raises(ReadError, match=r"model\.safetensors: not the weights that config\.json"):
        Classifier.load(one)


def test_a_save_that_was_killed_between_two_names_tells_where_the_old_one_is(saved, tmp_path):
    folder = saved[0].save(tmp_path / "model")
    folder.rename(tmp_path / ".model.0123.old")
    with pytest.raises(ReadError, match=r"it is whole as .*\.model\.0123\.old, rename that"):
        Classifier.load(folder)


def test_what_killed_saves_left_behind_goes_with_the_next(saved, tmp_path):
    names = {".model.0123456789ab.part": 500, ".model.0123456789ab.old": 500, ".model.ba9876543210.part": 0,
             ".model.mine.part": 500, ".models.0123456789ab.part": 500}  # fmt: skip
    for name, age_s in names.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"half")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    folder = saved[0].save(tmp_path / "model")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".model.ba9876543210.part", ".model.mine.part", ".models.0123456789ab.part", "model"]
    Classifier.load(folder)


def test_embed_gives_a_row_of_trained_features_for_each_item(saved, files):
    classifier, _ = saved
    paths = sorted(files.glob("*/*.csv"))[::6]
    found = classifier.embed([*paths, files / "missing.csv"], workers=1)
    bodies = [body for view in range(2) for body in classifier.model.trained_bodies(view)]
    assert found.features.shape == (3, sum(body.n_features for body in bodies))
    assert [item.path for item in found.items] == paths
    assert [failure.item.path.name for failure in found.failures] == ["missing.csv"]
    assert found.layers == (bodies[0].layers[-1],)
    assert list(found.to_frame().columns)[:3] == ["path", "label", "f0"]
    assert "3 items" in repr(found)
    alone = classifier.embed(paths[1], workers=1).features[0]
    assert alone == pytest.approx(found.features[1], abs=1e-4)
    early = classifier.embed(paths, layer=bodies[0].layers[0], workers=1)
    assert early.layers == (bodies[0].layers[0],)
    assert early.features.shape[1] < found.features.shape[1]
    with pytest.raises(ParameterError, match="got 'nowhere'"):
        classifier.embed(paths, layer="nowhere", workers=1)
    with pytest.raises(ParameterError, match="missing"):
        classifier.embed(files / "missing.csv", workers=1)


def test_embed_takes_arrays_and_the_weights_after_training(saved, files):
    classifier, _ = saved
    one = np.sin(np.outer(np.arange(1, 3), np.arange(300)) / 9)
    assert len(classifier.embed(one, workers=1)) == 1
    networks = getattr(classifier.model, "networks", ())
    if networks:
        body = classifier.model.trained_bodies(0)[0].body
        assert body.state_dict().keys() == networks[0][0][0].state_dict().keys()
        assert not np.allclose(
            next(iter(body.parameters())).detach(),
            next(iter(classifier.model.backbone.body.parameters())).detach(),
        )
