"""How good predictions are: calibration with its interval, scores of classes, and what the fit knows of itself."""

import math
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Series, SignalError
from phosphene.datasets import Item
from phosphene.pipeline import Recipe, train
from phosphene.pipeline.classifier.evaluation import (
    Evaluation,
    OutOfFold,
    Prediction,
    Predictions,
    calibration,
    macro_f1_interval,
)


def predictions(*rows):
    """Rows of label, and probability of `a`."""
    made = [
        Prediction(Item(Path(f"{n}"), label=label), "a" if p >= 0.5 else "b", {"a": p, "b": 1 - p})
        for n, (label, p) in enumerate(rows)
    ]
    return Predictions(tuple(made), ())


def test_the_calibration_error_by_hand():
    # Two bins: 0.9 claimed and 3 of 4 right; 0.6 claimed and 1 of 2 right: (4 * 0.15 + 2 * 0.1) / 6.
    proba, right = np.array([0.9] * 4 + [0.6] * 2), np.array([1, 1, 1, 0, 1, 0], bool)
    found = calibration(proba, right, np.arange(6))
    assert found.ece == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)
    assert [(one.n, one.accuracy) for one in found.bins] == [(2, 0.5), (4, 0.75)]
    assert 0 <= found.low <= found.ece <= found.high


def test_the_interval_holds_the_error_of_the_population():
    """Claims 0.8, right in 0.7: the error is 0.1, whatever small samples say."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(40):
        found = calibration(np.full(150, 0.8), rng.random(150) < 0.7, np.arange(150))
        held += found.low <= 0.1 <= found.high
    assert held >= 35


def test_items_of_a_group_are_drawn_together():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(10) < 0.7, 30)
    alone = calibration(np.full(300, 0.9), right, np.arange(300))
    grouped = calibration(np.full(300, 0.9), right, np.arange(300) // 30)
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)
    truth = np.repeat(rng.integers(0, 2, 10), 30)
    low, high = macro_f1_interval(truth, np.where(right, truth, 1 - truth), np.arange(300) // 30)
    assert high - low > 0.2


def test_an_evaluation_knows_mistakes_and_losses():
    found = Evaluation.of(predictions(("a", 0.9), ("b", 0.8), ("b", 0.7), ("b", 0.1), ("c", 0.6)), ["a", "b"])
    assert [tuple(one) for one in found.mistakes] == [("b", "a", 2), ("c", "a", 1)]
    assert [str(one.item) for one, _ in found.losses[:2]] == ["4", "1"]
    assert math.isinf(found.losses[0][1]) and found.losses[1][1] == pytest.approx(-math.log(0.2))
    scores, failures = found
    assert (scores.accuracy, failures) == (0.4, ())
    figures = found.figures
    assert figures["accuracy_interval"][0] < 0.4 < figures["accuracy_interval"][1]
    assert figures["macro_f1_interval"][0] <= figures["macro_f1"] <= figures["macro_f1_interval"][1]
    assert figures["novel"] is None
    with pytest.raises(SignalError, match="nothing to judge"):
        Evaluation.of(predictions(), ["a", "b"])


@pytest.mark.parametrize(
    ("oof", "words"),
    [
        (OutOfFold(0.9, 20, 5), "accuracy 90.0 % on 20 training items"),
        (OutOfFold(0.0, 4, 2), "the probe could not judge itself: two items a class"),
        (OutOfFold(0.0, 2, 1), "the probe could not judge itself: one item a class"),
        (OutOfFold(None, 0, 9), "no training item was left out"),
    ],
)
def test_what_the_fit_knows_in_words(oof, words):
    assert oof.words == words


def test_two_items_a_class_are_told(tmp_path):
    rng = np.random.default_rng(0)
    signals = [Series(np.sin(np.arange(60) / (2 + n // 2)) + 0.1 * rng.normal(size=60)) for n in range(6)]
    recipe = Recipe(views="gasf(size=64)", strategy="probe", workers=1)
    done = train(signals, list("aabbcc"), recipe, valid="none", out=tmp_path / "m", progress=False)
    assert done.classifier.notes["oof"]["words"] == "the probe could not judge itself: two items a class"
    assert "could not judge itself" in (tmp_path / "m" / "README.md").read_text()
    assert done.evaluation is None and done.scores is None
