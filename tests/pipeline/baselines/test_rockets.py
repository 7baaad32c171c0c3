import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge, RidgeClassifierCV

from phosphene.converters import ParameterError
from phosphene.pipeline.baselines import series as rockets
from phosphene.pipeline.baselines.series import RocketEstimator
from phosphene.pipeline.strategies import ridge


def waves(n=60, channels=1, length=40):
    """Three classes of noisy waves that differ in frequency."""
    random = np.random.default_rng(0)
    targets = np.arange(n) % 3
    values = random.normal(size=(n, channels, length))
    values[:, 0] += np.sin(0.3 * np.outer(1 + targets, np.arange(length)))
    return values, targets


@pytest.fixture
def plain(monkeypatch):
    """A method that leaves series as they are, so that the ridge can be judged alone."""
    monkeypatch.setitem(rockets._TRANSFORMS, "minirocket", lambda values, seed: lambda series: series[:, 0])


@pytest.fixture
def fitted(plain):
    values, targets = waves()
    groups = np.arange(40) // 2
    estimator = RocketEstimator(values, "minirocket", seed=0)
    return (
        estimator,
        estimator.fit(np.arange(40), targets[:40], groups, n_classes=3),
        values[:, 0],
        targets,
        groups,
    )


def test_ridge_of_single_rows_is_that_of_scikit_learn(plain):
    values, targets = waves()
    estimator = RocketEstimator(values, "minirocket", seed=0)
    trained = estimator.fit(np.arange(40), targets[:40], np.arange(40), n_classes=3)
    oracle = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)).fit(values[:40, 0], targets[:40])
    assert trained.notes["setting"]["alpha"] == pytest.approx(oracle.alpha_)
    np.testing.assert_allclose(
        trained.model.ridge.scores(values[40:, 0]), oracle.decision_function(values[40:, 0]), atol=1e-8
    )


def test_oof_errors_keep_their_digits_where_hardly_anything_is_left(plain):
    """With far more features than rows and a small penalty a whole fit is all but exact."""
    random = np.random.default_rng(0)
    values, targets = random.normal(scale=100.0, size=(30, 1, 20000)), np.arange(30) % 2
    estimator = RocketEstimator(values, "minirocket", seed=0)
    trained = estimator.fit(np.arange(30), targets, np.arange(30), n_classes=2)
    wanted = np.where(targets == 1, 1.0, -1.0)
    for place in (0, 11):
        rest = np.arange(30) != place
        centred = values[rest, 0] - values[rest, 0].mean(axis=0)
        level = wanted[rest].mean()
        square = centred @ centred.T + trained.notes["setting"]["alpha"] * np.eye(29)
        weight = centred.T @ np.linalg.solve(square, wanted[rest] - level)
        score = level + (values[place, 0] - values[rest, 0].mean(axis=0)) @ weight
        told = trained.oof_log_proba[place, 1] - trained.oof_log_proba[place, 0]
        assert told == pytest.approx(2 * score / trained.model.temperature, rel=1e-4, abs=1e-6)


def test_two_classes_answer_as_scikit_learn(plain):
    values, targets = waves()
    targets = (targets > 0).astype(int)
    estimator = RocketEstimator(values, "minirocket", seed=0)
    trained = estimator.fit(np.arange(40), targets[:40], np.arange(40), n_classes=2)
    oracle = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)).fit(values[:40, 0], targets[:40])
    log_proba = estimator.predict_log_proba(trained.model, np.arange(40, 60)).argmax(axis=1)
    assert log_proba.tolist() == oracle.predict(values[40:, 0]).tolist()


def test_oof_log_proba_is_that_of_fits_without_the_group(fitted):
    _, trained, rows, targets, groups = fitted
    wanted = np.where(np.eye(3)[targets[:40]] > 0, 1.0, -1.0)
    alpha, inverse = trained.notes["setting"]["alpha"], 1 / trained.model.temperature
    assert trained.oof_indices.tolist() == list(range(40))
    for group in (0, 7):
        fit = Ridge(alpha).fit(rows[:40][groups != group], wanted[groups != group])
        scores = fit.predict(rows[:40][groups == group]) * inverse
        expected = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(trained.oof_log_proba[groups == group], expected, atol=1e-4)


def test_many_rows_are_learned_from_though_some_choose_the_penalty(fitted, monkeypatch):
    estimator, _, rows, targets, _ = fitted
    monkeypatch.setattr(ridge, "MOST_OOF", 30)
    trained = estimator.fit(np.arange(40), targets[:40], np.arange(40), n_classes=3)
    assert len(trained.oof_indices) == 30
    wanted = np.where(np.eye(3)[targets[:40]] > 0, 1.0, -1.0)
    oracle = Ridge(trained.notes["setting"]["alpha"]).fit(rows[:40], wanted)
    np.testing.assert_allclose(trained.model.ridge.scores(rows[40:]), oracle.predict(rows[40:]), atol=1e-8)


def test_one_group_one_class_and_a_class_of_one_row(plain):
    values, targets = waves()
    estimator = RocketEstimator(values, "minirocket", seed=0)
    alone = estimator.fit(np.arange(9), targets[:9], np.zeros(9, int), n_classes=3)
    assert len(alone.oof_indices) == 0 and alone.oof_log_proba.shape == (0, 3)
    assert (estimator.predict_log_proba(alone.model, np.arange(9)).argmax(axis=1) == targets[:9]).all()
    only = estimator.fit(np.arange(4), np.full(4, 2), np.arange(4), n_classes=3)
    assert estimator.predict_log_proba(only.model, np.arange(5)).argmax(axis=1).tolist() == [2] * 5
    few = estimator.fit(np.arange(5), np.array([0, 1, 0, 1, 2]), np.arange(5), n_classes=4)
    assert few.oof_indices.tolist() == [0, 1, 2, 3]
    log_proba = estimator.predict_log_proba(few.model, np.arange(60))
    assert np.isfinite(log_proba).all() and log_proba.shape == (60, 4)


def test_short_series_are_stretched_along_straight_lines(monkeypatch):
    seen = []
    monkeypatch.setitem(
        rockets._TRANSFORMS,
        "minirocket",
        lambda values, seed: lambda series: seen.append(series) or series[:, 0],
    )
    values = np.array([[[0.0, 9.0, 0.0]], [[9.0, 0.0, 9.0]]])
    RocketEstimator(values, "minirocket", seed=0).fit(np.arange(2), np.arange(2), np.arange(2), n_classes=2)
    np.testing.assert_allclose(seen[0][0, 0], [0, 2, 4, 6, 8, 8, 6, 4, 2, 0])
    one = RocketEstimator(values[..., :1], "minirocket", seed=0)
    one.fit(np.arange(2), np.arange(2), np.arange(2), n_classes=2)
    np.testing.assert_allclose(seen[-1][1, 0], [9] * 10)


def test_unknown_method_is_told():
    with pytest.raises(ParameterError, match="must be minirocket or multirocket_hydra, got 'inception'"):
        RocketEstimator(np.zeros((2, 1, 20)), "inception", seed=0)


@pytest.mark.slow  # aeon's loops are compiled at their first call
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("method", ["minirocket", "multirocket_hydra"])
def test_log_proba_are_those_of_aeon(method, channels):
    pytest.importorskip("aeon")
    from aeon.classification.convolution_based import MiniRocketClassifier, MultiRocketHydraClassifier

    owner = {"minirocket": MiniRocketClassifier, "multirocket_hydra": MultiRocketHydraClassifier}[method]
    values, targets = waves(channels=channels)
    estimator = RocketEstimator(values, method, seed=3)
    state, torchs, threads = np.random.get_state()[1].copy(), torch.get_rng_state(), torch.get_num_threads()
    trained = estimator.fit(np.arange(40), targets[:40], np.arange(40), n_classes=3)
    log_proba = estimator.predict_log_proba(trained.model, np.arange(40, 60))
    assert (np.random.get_state()[1] == state).all() and torch.equal(torch.get_rng_state(), torchs)
    assert torch.get_num_threads() == threads
    oracle = owner(random_state=3).fit(values[:40], targets[:40])
    assert log_proba.argmax(axis=1).tolist() == oracle.predict(values[40:]).tolist()
    ridge = oracle.estimator_ if method == "minirocket" else oracle.classifier
    assert trained.notes["setting"]["alpha"] == pytest.approx(ridge.alpha_)
    np.testing.assert_allclose(trained.model.ridge.weight.T, ridge.coef_, atol=1e-5)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.timeout(1200)
def test_minirocket_reaches_on_chinatown_what_aeon_reaches(data):
    pytest.importorskip("aeon")
    parts = [np.loadtxt(data / "ucr" / "Chinatown" / f"Chinatown_{part}.tsv") for part in ("TRAIN", "TEST")]
    n, rows = len(parts[0]), np.concatenate(parts)
    targets = np.unique(rows[:, 0], return_inverse=True)[1]
    estimator = RocketEstimator(rows[:, None, 1:], "minirocket", seed=0)
    trained = estimator.fit(np.arange(n), targets[:n], np.arange(n), n_classes=2)
    log_proba = estimator.predict_log_proba(trained.model, np.arange(n, len(rows))).argmax(axis=1)
    assert (log_proba == targets[n:]).mean() == pytest.approx(0.9826, abs=0.002)
