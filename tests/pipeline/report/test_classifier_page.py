"""The page of a classifier: whole, true to its figures, readable without eyes or mouse, safe whatever names say."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from page_reader import Page

from phosphene.datasets import make_synthetic
from phosphene.pipeline import Recipe, train
from phosphene.pipeline.report.classifier import write_report

NASTY = '<img src=x onerror=alert(1)>&"quoted"'


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    make_synthetic("series", folder / "seen", items_per_class=8)
    make_synthetic("series", folder / "new", items_per_class=3, seed=1)
    odd = folder / "new" / NASTY
    odd.mkdir()
    shutil.copy(folder / "new" / "normal" / "000.csv", odd / "<b>&'\"{{ 7*7 }}.csv")
    (folder / "new" / "normal" / "broken.csv").write_text("time,a\n0,1\n1,oops\n")
    recipe = Recipe(views="gasf(size=64)", strategy="probe", workers=1)
    return train(folder / "seen", recipe, progress=False), folder


@pytest.fixture(scope="module")
def evaluated(trained):
    return trained[0].classifier.evaluate(trained[1] / "new", workers=1)


@pytest.fixture(scope="module")
def page(trained, evaluated, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "r.html"
    return Page(write_report(path, trained[0].classifier, evaluated, title=NASTY))


def test_sections_in_order(page):
    sections = ["Scores", "Classes", "Mistakes", "Highest losses", "Calibration", "Novelty"]
    found = [heading for heading in page.headings if heading in sections]
    assert found == sections
    assert page.headings[-2:] == ["Failed items, not in the scores (1)", "What was used"]
    assert "oops" in page.text
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_the_learning_curve_is_drawn_where_it_is_kept(trained, evaluated, tmp_path):
    classifier = trained[0].classifier
    points = [{"n": n, "accuracy": share, "n_judged": 40} for n, share in ((10, 0.5), (20, 0.75), (40, 0.9))]
    known = replace(classifier, notes=classifier.notes | {"learning_curve": points})
    found = Page(write_report(tmp_path / "r.html", known, evaluated, title="series", explained=0))
    assert found.headings.index("Learning curve") == found.headings.index("What was used") - 2
    assert "From 20 to 40 items it goes from 75.0 % to 90.0 %." in found.text
    assert any("0.500 from 10, 0.750 from 20, 0.900 from 40" in image["alt"] for image in found.images)
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)


def test_epochs_of_networks_are_drawn_and_those_of_members_of_an_ensemble(trained, tmp_path):
    classifier = trained[0].classifier
    rows = [{"loss": 2.0, "accuracy": 0.25, "held_out_loss": 1.0, "held_out_accuracy": 0.5}, {"loss": 0.5}]
    fit = {"members": [{"epochs": [rows]}, {"epochs": [rows, []]}]}
    known = replace(classifier, notes=classifier.notes | {"fit": fit})
    found = Page(write_report(tmp_path / "r.html", known, None, title="series"))
    (image,) = found.images
    assert "network 1, loss 2.000 to 0.500" in image["alt"]
    assert "network 2, held out accuracy 0.500 to 0.500" in image["alt"]


def test_figures_are_those_of_the_evaluation(page, evaluated):
    scores, (low, high) = evaluated.scores, evaluated.accuracy_interval
    rows = {row[0]: row[1:] for row in page.tables[0][1:]}
    assert rows["accuracy"] == [f"{100 * scores.accuracy:.1f} %", f"{100 * low:.1f} % to {100 * high:.1f} %"]
    assert rows["expected calibration error (ECE)"][0] == f"{evaluated.calibration.ece:.3f}"
    counts = [[int(cell) for cell in row[1:]] for row in page.tables[1][1:]]
    assert counts == [list(row) for row in scores.confusion]
    recall = {row[0]: row[3] for row in page.tables[2][1:]}
    for name, row, index in zip(scores.classes, scores.confusion, range(4), strict=True):
        assert recall[name] == f"{row[index] / sum(row):.3f}"


def test_mistakes_and_losses_are_shown_with_their_images(page, evaluated):
    first, _ = evaluated.losses[0]
    assert first.item.label == NASTY  # a class that was never learned
    assert "infinite: its class was never learned" in page.text
    assert f"{NASTY} taken for {first.best}" in page.headings
    drawn = [image for image in page.images if image["src"].startswith("data:image/png;base64,")]
    assert len(drawn) >= 7
    shown = [image for image in drawn if not image["alt"].startswith("The raw signal of")]
    assert all("gasf" in image["alt"] and "64 by 64 pixels" in image["alt"] for image in shown)
    assert page.text.count("nearest training items") >= 7


def test_some_of_them_are_explained_in_raw_units(page, trained, evaluated, tmp_path):
    signals = [image for image in page.images if image["alt"].startswith("The raw signal of")]
    assert 1 <= len(signals) <= 6  # three items, each once as a mistake and once among the losses
    assert re.search(r"speaks: samples \d+-\d+", signals[0]["alt"])
    assert f"Why {evaluated.losses[0][0].best}: the regions of the raw signal" in page.text
    none = Page(write_report(tmp_path / "r.html", trained[0].classifier, evaluated, title="t", explained=0))
    assert not [image for image in none.images if image["alt"].startswith("The raw signal of")]
    assert len(none.images) == len(page.images) - len(signals)


def test_what_was_used(page):
    for words in ("items of seen", "gasf(size=64)", "efficientnet_lite0", "probe", "torch"):
        assert words in page.text
    assert re.search(r"accuracy \d+\.\d % on \d+ training items", page.text)


def test_names_are_text(page):
    assert not set(page.tags) & {"script", "b", "iframe", "object", "link"}
    assert "onerror" not in {name for image in page.images for name in image}
    assert "{{ 7*7 }}" in page.text and NASTY in page.text


def test_can_be_read_without_eyes_or_mouse_or_network(page):
    assert all(len(image["alt"]) > 30 for image in page.images)
    assert page.tags.count("caption") == len(page.tables)
    assert page.source.count("<th") - page.source.count("<thead") == page.source.count("<th scope=")
    assert page.source.count('class="scroll') == page.source.count('tabindex="0"')
    assert 'lang="en"' in page.source and "color-scheme: light dark" in page.source
    assert "http" not in page.source
    assert len(page.ids) == len(set(page.ids))


def test_nothing_held_out_is_said(trained, tmp_path):
    found = Page(write_report(tmp_path / "r.html", trained[0].classifier, None, title="series"))
    assert "nobody knows how good it is" in found.text
    assert found.images == []
    assert "What was used" in found.headings


def test_the_items_held_out_in_training_make_a_page(trained, tmp_path):
    found = Page(write_report(tmp_path / "r.html", *_both(trained[0]), title="series", explained=0))
    assert f"Scores on {trained[0].scores.n} items" in found.text


def _both(training):
    return training.classifier, training.evaluation


def test_claims_alone(trained, evaluated, tmp_path):
    from phosphene.datasets.scores import Scores

    scores = Scores(20, float("nan"), float("nan"), 0.9375, (), ("a", "b"))
    alone = replace(evaluated, scores=scores, calibration=None, f1_interval=(np.nan, np.nan))
    found = Page(
        write_report(tmp_path / "r.html", trained[0].classifier, alone, title="balabit", explained=0)
    )
    assert ["AUC of the claimed classes", "0.938", ""] in found.tables[0]
