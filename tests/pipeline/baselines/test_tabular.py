import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from phosphene.converters import MissingExtra, ParameterError
from phosphene.pipeline.baselines import tabular
from phosphene.pipeline.baselines.tabular import (
    MODELS,
    SETTINGS,
    TableEstimator,
    size_bytes,
    stratified_splits,
)
from phosphene.pipeline.features import Table

LEARNERS = ("lightgbm", "logistic", "nearest", "random_forest")


def blobs(n=60, columns=8, classes=3, seed=0):
    random = np.random.default_rng(seed)
    targets = np.arange(n) % classes
    values = random.normal(size=(n, columns))
    values[:, :classes] += 3 * np.eye(classes)[targets]
    return Table(values.astype(np.float32), tuple(f"x{c}" for c in range(columns))), targets


def fitted(model, table, targets, n_train, *, groups=None, n_classes=3):
    groups = np.arange(n_train) if groups is None else groups
    estimator = TableEstimator(table, model, seed=0)
    trained = estimator.fit(np.arange(n_train), targets[:n_train], groups, n_classes=n_classes)
    return estimator, trained


@pytest.mark.parametrize("model", LEARNERS)
def test_learns_and_repeats(model):
    table, targets = blobs()
    estimator, trained = fitted(model, table, targets, 45)
    answers = estimator.predict_log_proba(trained.model, np.arange(45, 60))
    assert (answers.argmax(axis=1) == targets[45:]).mean() > 0.7
    np.testing.assert_allclose(np.exp(answers).sum(axis=1), 1.0)
    assert trained.oof_indices.tolist() == list(range(45)) and trained.oof_log_proba.shape == (45, 3)
    accuracy = (trained.oof_log_proba.argmax(axis=1) == targets[:45]).mean()
    assert accuracy > 0.7 and trained.notes["left_out_accuracy"] == accuracy
    assert trained.notes["settings"] == SETTINGS and trained.notes["inner_folds"] == 5
    assert json.loads(json.dumps(trained.notes)) == trained.notes and trained.size_bytes > 100
    again, same = fitted(model, table, targets, 45)
    assert (same.oof_log_proba == trained.oof_log_proba).all()
    assert (again.predict_log_proba(same.model, np.arange(45, 60)) == answers).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "kind", ["few", "constant", "column", "lonely", "one group", "one class", "each its own class"]
)
def test_hard_cases_are_answered(model, kind):
    table, targets = blobs(12, 5)
    groups, n = np.arange(8), 8
    if kind == "few":
        n, groups = 6, np.arange(6)
    if kind == "each its own class":
        targets = np.minimum(np.arange(12), 4)
        n, groups = 5, np.arange(5)
    if kind == "constant":
        table = Table(np.ones_like(table.values), table.names)
    if kind == "column":
        table = Table(table.values[:, :1], table.names[:1])
    if kind == "lonely":
        targets = np.array([0, 0, 0, 0, 1, 1, 1, 3, 0, 0, 0, 0])
    if kind == "one group":
        groups = np.zeros(8, int)
    if kind == "one class":
        targets = np.full(12, 2)
    estimator, trained = fitted(model, table, targets, n, groups=groups, n_classes=5)
    answers = estimator.predict_log_proba(trained.model, np.arange(12))
    assert answers.shape == (12, 5) and np.isfinite(answers).all()
    unseen = np.setdiff1d(np.arange(5), targets[:n])
    assert (answers[:, unseen] < np.log(1e-3)).all()
    assert (
        len(trained.oof_log_proba)
        == len(trained.oof_indices)
        == {"one group": 0, "each its own class": 0, "lonely": 7}.get(kind, n)
    )
    if kind == "one class":
        assert (answers.argmax(axis=1) == 2).all()
    if kind in ("one group", "each its own class"):
        assert trained.notes["left_out_accuracy"] is None


@pytest.mark.slow
def test_groups_are_left_out_whole():
    # Rows of a group are all but alike and its class is drawn by lot: who sees a row's group knows the row.
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 3)
    values = (random.normal(size=(20, 4))[groups] + 1e-3 * random.normal(size=(60, 4))).astype(np.float32)
    targets = random.integers(0, 2, 20)[groups]
    table = Table(values, tuple("abcd"))
    for model in ("nearest", "random_forest"):
        _, trained = fitted(model, table, targets, 60, groups=groups, n_classes=2)
        assert trained.notes["left_out_accuracy"] < 0.8
        _, leaking = fitted(model, table, targets, 60, n_classes=2)
        assert leaking.notes["left_out_accuracy"] > 0.95


def test_majority_answers_with_shares_of_the_classes():
    table, _ = blobs(10)
    targets = np.array([0, 0, 0, 1] + [0] * 6)
    estimator, trained = fitted("majority", table, targets, 4, n_classes=3)
    np.testing.assert_allclose(
        np.exp(estimator.predict_log_proba(trained.model, np.array([7])))[0], [0.75, 0.25, 0.0], atol=1e-5
    )
    assert trained.notes["settings"] == 1 and trained.oof_indices.tolist() == [0, 1, 2]


def by_hand(model, train, targets, test, setting):
    """Log-probabilities by scikit-learn with a setting, without our pipeline: float (n_test, n_classes)."""
    scale = {"StandardScaler": StandardScaler(), "MinMaxScaler": MinMaxScaler(clip=True)}[
        setting["scale"]
    ].fit(train)
    chosen = {name.removeprefix("model__"): value for name, value in setting.items() if name != "scale"}
    estimator = (
        LogisticRegression(**chosen, tol=1e-8, max_iter=1000)
        if model == "logistic"
        else KNeighborsClassifier(**chosen, weights="distance", algorithm="brute")
    )
    proba = estimator.fit(scale.transform(train), targets).predict_proba(scale.transform(test))
    return np.log(proba + (1e-3 if model == "nearest" else 1e-6))


def without_temperature(log_proba, trained):
    return softmax(log_proba * trained.model.temperature, axis=1)


@pytest.mark.parametrize("columns", [5, 90])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("model", ["logistic", "nearest"])
def test_predictions_are_those_of_scikit_learn(model, columns, classes):
    table, targets = blobs(80, columns, classes)
    estimator, trained = fitted(model, table, targets, 60, n_classes=classes)
    values = table.values.astype(float)
    expected = by_hand(model, values[:60], targets[:60], values[60:], trained.notes["setting"])
    found = without_temperature(estimator.predict_log_proba(trained.model, np.arange(60, 80)), trained)
    np.testing.assert_allclose(found, softmax(expected, axis=1), atol=5e-3)


@pytest.mark.parametrize("model", ["logistic", "nearest"])
def test_oof_log_proba_is_that_of_fits_without_the_fold(model):
    table, targets = blobs()
    _, trained = fitted(model, table, targets, 60)
    values = table.values.astype(float)
    for train, test in stratified_splits(targets, np.arange(60), seed=0):
        expected = by_hand(model, values[train], targets[train], values[test], trained.notes["setting"])
        found = without_temperature(trained.oof_log_proba[test], trained)
        np.testing.assert_allclose(found, softmax(expected, axis=1), atol=5e-3)


@pytest.mark.slow
def test_the_setting_is_that_of_the_best_brier_score():
    table, targets = blobs(45)
    _, trained = fitted("logistic", table, targets, 45)
    splits, values = stratified_splits(targets, np.arange(45), seed=0), table.values.astype(float)

    def brier(setting):
        proba = np.zeros((45, 3))
        for train, test in splits:
            proba[test] = np.exp(by_hand("logistic", values[train], targets[train], values[test], setting))
        return np.square(proba - np.eye(3)[targets]).sum(axis=1).mean()

    strengths = [1e-4, 1.0]
    others = [
        brier({"scale": s, "model__C": c}) for s in ("StandardScaler", "MinMaxScaler") for c in strengths
    ]
    assert brier(trained.notes["setting"]) <= min(others) + 1e-3 < max(others)


def test_the_forest_is_that_of_scikit_learn():
    table, targets = blobs(80)
    estimator, trained = fitted("random_forest", table, targets, 60)
    forest = RandomForestClassifier(100, random_state=0, **trained.notes["setting"])
    forest.fit(table.values[:60], targets[:60])
    log_proba = estimator.predict_log_proba(trained.model, np.arange(60, 80))
    proba = forest.predict_proba(table.values[60:])
    assert (log_proba.argmax(axis=1) == proba.argmax(axis=1)).all()


@pytest.mark.parametrize("model", LEARNERS)
def test_probabilities_are_calibrated(model):
    # Labels of which one in five is wrong: nobody can be surer than that, however far the classes are apart.
    table, targets = blobs(300, 4, 2)
    noisy = np.where(np.random.default_rng(1).random(300) < 0.2, 1 - targets, targets)
    estimator, trained = fitted(model, table, noisy, 200, n_classes=2)
    log_proba = estimator.predict_log_proba(trained.model, np.arange(200, 300))
    loss = -log_proba[np.arange(100), noisy[200:]].mean()
    best = -np.log(np.where(noisy == targets, 0.8, 0.2))[200:].mean()
    assert best - 0.1 < loss < best + 0.15
    assert 0.6 < np.exp(log_proba.max(axis=1)).mean() < 0.9


def test_some_of_many_rows_choose(monkeypatch):
    monkeypatch.setattr(tabular, "MAX_ROWS", 20)
    table, targets = blobs()
    estimator, trained = fitted("nearest", table, targets, 60)
    assert len(trained.oof_indices) == 20 == len(trained.oof_log_proba)
    assert trained.size_bytes > table.values[:60].nbytes  # all are kept
    nothing = estimator.predict_log_proba(trained.model, np.zeros(0, int))
    assert nothing.shape == (0, 3)


def test_every_model_tries_as_many_settings():
    from sklearn.model_selection import ParameterGrid

    for name in LEARNERS:
        settings = list(ParameterGrid(MODELS[name](0, 1000).grid))
        assert len(settings) == SETTINGS == len({str(setting) for setting in settings})


def test_folds_keep_groups_whole_and_classes_in_their_share():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    codes = random.integers(0, 3, 30)[groups]
    splits = stratified_splits(codes, groups, seed=0)
    assert len(splits) == 5
    assert sorted(np.concatenate([left for _, left in splits])) == list(range(120))
    for fit, left in splits:
        assert not set(groups[fit]) & set(groups[left])
        assert np.abs(np.bincount(codes[left], minlength=3) - np.bincount(codes) / 5).max() <= 4
    assert stratified_splits(codes, np.zeros(120, int), seed=0) == []
    assert stratified_splits(np.arange(4), np.arange(4), seed=0) == []


def test_size_counts_what_is_nested():
    forest = RandomForestClassifier(3, random_state=0).fit(np.eye(8), np.arange(8) % 2)
    nodes = sum(tree.tree_.__getstate__()["nodes"].nbytes for tree in forest.estimators_)
    assert nodes < size_bytes(forest) < nodes + 2000


@pytest.mark.slow
def test_fits_warn_of_nothing(recwarn):
    for model in LEARNERS:
        fitted(model, *blobs(30, 3), 30)
    assert not recwarn.list


def test_without_lightgbm_it_is_told_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(MissingExtra, match=r"LightGBM: pip install 'phosphene\[baselines\]'"):
        fitted("lightgbm", *blobs(), 30)


def test_unknown_model_is_told():
    with pytest.raises(
        ParameterError, match="lightgbm, logistic, majority, nearest, random_forest, got 'svm'"
    ):
        TableEstimator(blobs()[0], "svm", seed=0)
