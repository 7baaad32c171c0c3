"""scikit-learn's own checks of estimators, and what people build of them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import phosphene as ph


def small(**changes):
    return ph.PhospheneClassifier(**{"views": "gasf(size=32)", "strategy": "probe", "workers": 1} | changes)


def quick():
    """A network that learns little in no time, where what it learned is not asked."""
    return small(arch="lenet", strategy="scratch", epochs=1)


def waves(n, seed=0):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 64)
    x = [
        np.sin((3 + 9 * (k % 2)) * 2 * np.pi * (t + rng.uniform())) + rng.normal(0, 0.1, 64) for k in range(n)
    ]
    return np.array(x), np.array(["slow", "fast"])[np.arange(n) % 2]


# Checks that cannot hold, and why.
CANNOT = {
    "check_methods_subset_invariance": "a network's sums depend in the last digits on how many images are in a batch",
    "check_methods_sample_order_invariance": "the same",
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([small()], expected_failed_checks=lambda _estimator: CANNOT)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_learns_and_gives_the_labels_back():
    x, y = waves(20)
    model = small().fit(x, y)
    assert model.classes_.tolist() == ["fast", "slow"]
    assert model.n_features_in_ == 64
    assert model.score(*waves(10, seed=1)) >= 0.9
    proba = model.predict_proba(x[:3])
    assert proba.shape == (3, 2)
    assert proba.sum(axis=1) == pytest.approx(1)


def test_classes_that_are_numbers_keep_their_order_and_type():
    x, y = waves(20)
    model = quick().fit(x, np.where(y == "slow", 2, 10))
    assert model.classes_.tolist() == [2, 10]
    assert set(model.predict(x).tolist()) <= {2, 10}


def test_channels_and_signals_are_taken():
    x, y = waves(12)
    assert quick().fit(np.stack([x, x], axis=1), y).predict(np.stack([x, x], axis=1)).shape == (12,)
    assert quick().fit([ph.Series(one) for one in x], y).predict([ph.Series(x[0])]).shape == (1,)


def test_it_works_in_pipelines_searches_and_cross_validation():
    x, y = waves(12)
    assert cross_val_score(make_pipeline(StandardScaler(), quick()), x, y, cv=2).shape == (2,)
    search = GridSearchCV(quick(), {"views": ["gasf(size=32)", "gadf(size=32)"]}, cv=2).fit(x, y)
    assert search.best_params_["views"] in ("gasf(size=32)", "gadf(size=32)")
    assert clone(small(seed=3)).get_params()["seed"] == 3


@pytest.mark.parametrize(
    ("x", "y", "match"),
    [
        (np.zeros(9), [0, 1, 0], "1D array"),
        (np.full((4, 9), np.inf), [0, 1, 0, 1], "infinity"),
        (np.zeros((4, 9), complex), [0, 1, 0, 1], "Complex"),
        (np.zeros((4, 9)), [1, 1, 1, 1], "1 class"),
        (np.zeros((4, 9)), [0.1, 0.2, 0.3, 0.5], "continuous"),
        (np.zeros((4, 9)), [0, 1], "inconsistent numbers"),
    ],
)
def test_what_it_cannot_learn_from_is_a_value_error(x, y, match):
    with pytest.raises(ValueError, match=match):
        small().fit(x, y)


def test_what_it_learned_is_a_classifier_that_can_be_saved(tmp_path):
    x, y = waves(12)
    model = quick().fit(x, y)
    again = ph.Classifier.load(model.classifier_.save(tmp_path / "model"))
    assert [one.label for one in again.predict(x, workers=1)] == [
        f"{k:06}" for k in (model.predict(x) == "slow")
    ]
