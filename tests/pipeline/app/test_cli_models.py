"""From raw files to answers by the command line alone: train, predict, evaluate, cross-validate."""

import html.parser
import json

import numpy as np
import pytest

from phosphene.datasets import make_synthetic
from phosphene.datasets.scores import Scores
from phosphene.pipeline.app import commands
from phosphene.pipeline.classifier import training

CLASSES = ["bearing", "imbalance", "normal"]
TRUST = {"accuracy_interval", "macro_f1_interval", "ece", "ece_interval", "novel"}
SMALL = ("--as", "gasf(size=64)", "--workers", "1")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Labelled files to learn from, and others to answer for, one of them broken."""
    folder = tmp_path_factory.mktemp("series")
    make_synthetic("series", folder / "seen", items_per_class=6)
    make_synthetic("series", folder / "new", items_per_class=2, seed=1)
    (folder / "new" / "normal" / "broken.csv").write_text("time,a\n0,1\n1,oops\n")
    return folder


@pytest.fixture(scope="module")
def trained(raw, phosphene):
    report = ("--report", raw / "train.html")
    return phosphene(
        "train", raw / "seen", "--out", raw / "model", "--strategy", "probe", *report, *SMALL, "--json"
    )


@pytest.fixture(scope="module")
def model(raw, trained):
    return raw / "model"


@pytest.fixture(scope="module")
def predicted(raw, model, phosphene):
    files = [*sorted((raw / "new").glob("*/*.csv")), raw / "missing.csv"]
    return phosphene("predict", model, *files, "--workers", "1", "--json")


def test_train_says_how_and_how_good(trained, model):
    summary = "series: 18 files, 3 classes from folder names: bearing 6, imbalance 6, normal 6"
    assert (trained.status, trained.err) == (0, f"{summary}\n")
    result = {
        "strategy",
        "why",
        "fit",
        "oof",
        "classes",
        "accuracy",
        "macro_f1",
        "n",
        "failed",
        "seconds",
        *TRUST,
    }
    assert set(trained.json) == result | {"summary", "notes"}
    assert (trained.json["classes"], trained.json["summary"], trained.json["notes"]) == (CLASSES, summary, [])
    assert (trained.json["strategy"], trained.json["n"], trained.json["failed"]) == ("probe", 3, [])
    assert 0 <= trained.json["accuracy"] <= 1
    assert {file.name for file in model.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    card = (model / "README.md").read_text()
    assert "| looks at | gasf(size=64) |" in card
    assert "| held out | 16.7 % of the items: accuracy " in card  # 3 of 18; a fifth was asked for


def test_train_says_what_the_fit_knows_and_writes_a_report(trained, raw):
    assert trained.json["oof"]["n"] == 15
    assert (
        trained.json["oof"]["words"]
        == f"accuracy {100 * trained.json['oof']['accuracy']:.1f} % on 15 training items"
    )
    page = (raw / "train.html").read_text()
    assert "Scores on 3 items" in page
    assert "Learning curve" in page
    assert trained.json["oof"]["words"] in page


def test_predict_answers_for_each_file_and_names_the_broken_ones(predicted, raw):
    files = sorted(map(str, (raw / "new").glob("*/00?.csv")))
    assert predicted.status == 1
    assert set(predicted.json) == {"predictions", "failed", "summary", "notes"}
    assert [answer["path"] for answer in predicted.json["predictions"]] == files
    for answer in predicted.json["predictions"]:
        assert list(answer["probabilities"]) == CLASSES
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
        assert 0 <= answer["novelty"] <= 1
        assert all((raw / "seen" / name).exists() for name in answer["nearest"])
        assert len(answer["nearest"]) == 3
    errors = {failure["path"]: failure["error"] for failure in predicted.json["failed"]}
    assert "'oops' is not a number" in errors[str(raw / "new" / "normal" / "broken.csv")]
    assert "no such file" in errors[str(raw / "missing.csv")]


def test_predict_without_an_answer(model, raw, phosphene):
    done = phosphene("predict", model, raw / "missing.csv")
    assert done.status == 1
    assert done.out.startswith("no predictions\n\n1 failed:\n")


class Tags(html.parser.HTMLParser):
    """Every tag of a page that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_evaluate_with_a_report_agrees_with_predict(model, predicted, raw, phosphene, tmp_path):
    page = tmp_path / "report.html"
    done = phosphene("evaluate", model, raw / "new", "--report", page, "--workers", "1", "--json")
    assert done.status == 1
    figures = {"n", "accuracy", "macro_f1", "confusion", "per_class", "failed", "summary", "notes"}
    assert set(done.json) == figures | TRUST
    assert done.json["ece_interval"][0] <= done.json["ece"] <= done.json["ece_interval"][1]
    assert done.json["n"] == 6
    assert done.json["confusion"]["classes"] == CLASSES
    counts = done.json["confusion"]["counts"]
    assert [sum(row) for row in counts] == [2, 2, 2]
    answers = [(answer["path"].split("/")[-2], answer["label"]) for answer in predicted.json["predictions"]]
    assert counts == [[answers.count((true, answer)) for answer in CLASSES] for true in CLASSES]
    assert done.json["accuracy"] == pytest.approx(sum(true == answer for true, answer in answers) / 6)
    assert [failure["path"][-10:] for failure in done.json["failed"]] == ["broken.csv"]
    reader = Tags()
    reader.feed(page.read_text())
    assert reader.open == []
    assert f"{100 * done.json['accuracy']:.1f} %" in reader.text
    assert "not in the scores (1)" in reader.text
    assert "broken.csv" in reader.text


def test_labels_that_the_classifier_never_saw_are_wrong_use(model, raw, phosphene, tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.csv").write_bytes((raw / "new" / "normal" / "000.csv").read_bytes())
    done = phosphene("evaluate", model, tmp_path)
    assert done.status == 2
    assert (
        "the classifier knows none of its labels cat; it was trained on bearing, imbalance, normal"
        in done.err
    )


def test_a_broken_classifier_is_told_by_its_path(raw, phosphene, tmp_path):
    (tmp_path / "config.json").write_text("{")
    done = phosphene("predict", tmp_path, raw / "missing.csv")
    assert done.status == 2
    assert f"{tmp_path / 'config.json'}: not the configuration of a classifier" in done.err


def test_cross_validate(raw, phosphene):
    done = phosphene("cross-validate", raw / "seen", *SMALL, "--seed", "3", "--json")
    assert done.status == 0
    assert done.err == "series: 18 files, 3 classes from folder names: bearing 6, imbalance 6, normal 6\n"
    figures = {"folds", "metric", "score", "accuracy", "macro_f1", "failed", "seconds", "summary", "notes"}
    assert set(done.json) == figures | {"strategy", "why", "confusion", "per_class"}
    assert done.json["strategy"] == "probe"
    assert "few" in done.json["why"]
    of_fold = {"fold", "n", "accuracy", "macro_f1", "oof", "confusion", "per_class"}
    assert [set(fold) for fold in done.json["folds"]] == [of_fold] * 5
    assert [fold["oof"]["n"] for fold in done.json["folds"]] == [
        18 - fold["n"] for fold in done.json["folds"]
    ]
    pooled = np.sum([fold["confusion"]["counts"] for fold in done.json["folds"]], axis=0)
    assert done.json["confusion"]["counts"] == pooled.tolist()
    recall = {one["class"]: one["recall"] for one in done.json["per_class"]}
    assert recall == dict(zip(CLASSES, (np.diag(pooled) / pooled.sum(axis=1)).tolist(), strict=True))
    assert sum(fold["n"] for fold in done.json["folds"]) == 18
    mean = sum(fold["accuracy"] for fold in done.json["folds"]) / 5
    assert (done.json["metric"], done.json["score"]) == ("accuracy", pytest.approx(mean))


def test_claims_are_told_by_their_area_under_the_curve(raw, phosphene, monkeypatch):
    unknown = float("nan")
    folds = (training.Fold("test", Scores(8, unknown, unknown, 0.875, (), ("a", "b")), {}),)
    found = training.CrossValidation(folds, "auc", "probe", "so", (), 1.0)
    monkeypatch.setattr(training, "cross_validate", lambda manifest, recipe: found)
    done = phosphene("cross-validate", raw / "seen", "--json")
    assert (done.json["metric"], done.json["score"], done.json["accuracy"]) == ("auc", 0.875, None)
    (fold,) = done.json["folds"]
    assert (fold["fold"], fold["n"], fold["accuracy"], fold["macro_f1"], fold["auc"]) == (
        "test",
        8,
        None,
        None,
        0.875,
    )
    assert fold["per_class"] == []
    words = phosphene("cross-validate", raw / "seen").out
    assert "mean: accuracy unknown, macro-F1 unknown, auc 0.875; in 1.0 s" in words
    assert "nan" not in words


SCORES = Scores(4, 0.5, 0.4, None, ((1, 2, 0), (0, 1, 0), (0, 0, 0)), ("a cat", "a dog", "a mouse"))


def test_a_confusion_in_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert commands._confusion(SCORES).splitlines() == [
        "true \\ predicted  a cat  a dog  a mouse",
        "a cat             1      2      0",
        "a dog             0      1      0",
        "a mouse           0      0      0",
    ]


def test_a_confusion_wider_than_the_terminal_becomes_a_list_of_mistakes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    wide = Scores(4, 0.5, 0.4, None, SCORES.confusion, ("a cat " * 3, "a dog " * 3, "a mouse " * 3))
    assert [line.split() for line in commands._confusion(wide).splitlines()] == [
        ["most", "mistaken", "for", "times"],
        ["a", "cat", "a", "cat", "a", "cat", "a", "dog", "a", "dog", "a", "dog", "2"],
    ]


@pytest.mark.slow
def test_answers_in_words(model, raw, phosphene):
    file = raw / "new" / "normal" / "000.csv"
    header, row = phosphene("predict", model, file, "--workers", "1").out.splitlines()
    assert header.split() == ["path", "label", "probability"]
    assert row.startswith(str(file))
    assert row.split()[1] in CLASSES
    assert "true \\ predicted  bearing" in phosphene("evaluate", model, raw / "new", "--workers", "1").out
    why, header, *rows, mean = phosphene("cross-validate", raw / "seen", *SMALL).out.splitlines()
    assert why.startswith("strategy probe (")
    assert header.split() == ["fold", "n", "accuracy", "macro-F1", "out", "of", "fold"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert mean.startswith("mean: accuracy ")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["head", "finetune", "scratch"])
def test_training_of_networks_prints_nothing_but_the_answer(raw, phosphene, tmp_path, strategy):
    arch = "lenet" if strategy == "scratch" else "efficientnet_lite0"
    options = ("--strategy", strategy, "--epochs", "1", "--arch", arch, *SMALL)
    done = phosphene("train", raw / "seen", "--out", tmp_path, *options, "--json")
    assert (done.status, done.json["strategy"]) == (0, strategy)
    assert json.loads((tmp_path / "config.json").read_text())["notes"]["strategy"] == strategy
    assert phosphene("predict", tmp_path, raw / "new" / "normal" / "000.csv", "--workers", "1").status == 0


@pytest.mark.data
@pytest.mark.slow
def test_a_protocol_from_end_to_end(data, phosphene, tmp_path):
    done = phosphene("train", "ucr/Coffee", "--data", data, "--out", tmp_path / "model", "--json")
    assert done.json["n"] == 28
    assert done.json["accuracy"] > 0.9
    judged = phosphene("evaluate", tmp_path / "model", "ucr/Coffee", "--data", data, "--json")
    assert judged.json["accuracy"] == done.json["accuracy"]
