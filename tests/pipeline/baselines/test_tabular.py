import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from phosphene.converters import ParameterError
from phosphene.pipeline.baselines import tabular as baselines
from phosphene.pipeline.baselines import trees as models_trees
from phosphene.pipeline.baselines.calibration import fit_sharpness, sharpened
from phosphene.pipeline.baselines.inner import SETTINGS, inner_folds
from phosphene.pipeline.baselines.models import Logistic, Nearest
from phosphene.pipeline.baselines.scaling import Scaling
from phosphene.pipeline.baselines.tabular import MODELS, TableContender
from phosphene.pipeline.baselines.trees import Boosting, Forest
from phosphene.pipeline.features import Table

LEARNERS = ("lightgbm", "logistic", "nearest", "random_forest")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fewer trees: what is tested does not depend on their number."""
    monkeypatch.setattr(models_trees, "N_TREES", 12)
    monkeypatch.setattr(models_trees, "N_TREES_TRIED", 4)


def blobs(n=60, columns=8, classes=3, seed=0):
    random = np.random.default_rng(seed)
    targets = np.arange(n) % classes
    values = random.normal(size=(n, columns))
    values[:, :classes] += 3 * np.eye(classes)[targets]
    return Table(values.astype(np.float32), tuple(f"x{c}" for c in range(columns))), targets


def fitted(model, table, targets, n_train, *, groups=None, n_classes=3):
    groups = np.arange(n_train) if groups is None else groups
    contender = TableContender(table, model, seed=0)
    trained = contender.fit(np.arange(n_train), targets[:n_train], groups, n_classes=n_classes)
    return contender, trained


@pytest.mark.parametrize("model", LEARNERS)
def test_learns_tells_and_repeats(model):
    table, targets = blobs()
    contender, trained = fitted(model, table, targets, 45)
    answers = contender.predict_log_proba(trained.model, np.arange(45, 60))
    assert (answers.argmax(axis=1) == targets[45:]).mean() > 0.7
    np.testing.assert_allclose(np.exp(answers).sum(axis=1), 1.0)
    assert trained.oof_indices.tolist() == list(range(45)) and trained.oof_log_proba.shape == (45, 3)
    accuracy = (trained.oof_log_proba.argmax(axis=1) == targets[:45]).mean()
    assert accuracy > 0.7 and trained.notes["left_out_accuracy"] == accuracy
    assert trained.notes["settings"] == SETTINGS and trained.notes["inner_folds"] == 5
    assert trained.notes["setting"] in MODELS[model].settings and trained.size_bytes > 100
    again, same = fitted(model, table, targets, 45)
    assert (same.oof_log_proba == trained.oof_log_proba).all()
    assert (again.predict_log_proba(same.model, np.arange(45, 60)) == answers).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", ["few", "constant", "column", "lonely", "one group", "one class"])
def test_hard_cases_are_answered(model, kind):
    table, targets = blobs(12, 5)
    groups, n = np.arange(8), 8
    if kind == "few":
        n, groups = 6, np.arange(6)
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
    contender, trained = fitted(model, table, targets, n, groups=groups, n_classes=5)
    answers = contender.predict_log_proba(trained.model, np.arange(12))
    assert answers.shape == (12, 5) and np.isfinite(answers).all()
    unseen = np.setdiff1d(np.arange(5), targets[:n])
    assert (answers[:, unseen] < np.log(1e-3)).all()
    assert (
        len(trained.oof_log_proba) == len(trained.oof_indices) == {"one group": 0, "lonely": 7}.get(kind, n)
    )
    if kind == "one class":
        assert (answers.argmax(axis=1) == 2).all()
    if kind == "one group":
        assert trained.notes["left_out_accuracy"] is None


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
    contender, trained = fitted("majority", table, targets, 4, n_classes=3)
    np.testing.assert_allclose(
        np.exp(contender.predict_log_proba(trained.model, np.array([7])))[0], [0.75, 0.25, 0.0], atol=1e-5
    )
    assert trained.notes["settings"] == 1 and trained.oof_indices.tolist() == [0, 1, 2]


def test_left_out_answers_are_those_of_the_chosen_setting_without_the_fold():
    table, targets = blobs()
    _, trained = fitted("logistic", table, targets, 60)
    folds = inner_folds(targets, np.arange(60), seed=0)
    train, test = folds != 1, folds == 1
    fit = Logistic().fit(table.values[train], targets[train], trained.notes["setting"], seed=0)
    expected = sharpened(fit.scores(table.values[test]), trained.model.sharpness)
    np.testing.assert_allclose(trained.oof_log_proba[test], expected, atol=2e-2)


def test_choice_is_by_log_loss_of_left_out_rows():
    table, targets = blobs()
    _, trained = fitted("logistic", table, targets, 60)
    folds = inner_folds(targets, np.arange(60), seed=0)
    scores = np.zeros((SETTINGS, 60, 3))
    for fold in range(5):
        train, test = folds != fold, folds == fold
        scores[:, test] = Logistic().trial(table.values[train], targets[train], table.values[test], seed=0)
    losses = []
    for each in scores:
        answers = sharpened(each, fit_sharpness(each, targets, otherwise=1.0))
        losses.append(-answers[np.arange(60), targets].mean())
    assert Logistic.settings[int(np.argmin(losses))] == trained.notes["setting"]
    assert max(losses) > min(losses) + 0.01


def test_some_of_many_rows_choose(monkeypatch):
    monkeypatch.setattr(baselines, "MOST_JUDGED", 20)
    table, targets = blobs()
    _, trained = fitted("nearest", table, targets, 60)
    assert len(trained.oof_indices) == 20 == len(trained.oof_log_proba)
    assert len(trained.model.fitted.rows) == 60


@pytest.mark.parametrize("columns", [5, 90])
@pytest.mark.parametrize("classes", [2, 3])
def test_logistic_regression_is_that_of_scikit_learn(columns, classes):
    table, targets = blobs(40, columns, classes)
    values = table.values.astype(float)
    fit = Logistic().fit(table.values, targets, {"scale": "standard", "C": 0.1}, seed=0)
    scale = StandardScaler().fit(values)
    oracle = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit(scale.transform(values), targets)
    expected = oracle.predict_proba(scale.transform(values))
    np.testing.assert_allclose(np.exp(sharpened(fit.scores(table.values), 1.0)), expected, atol=5e-3)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev", "cosine", "correlation"])
def test_nearest_row_is_that_of_scikit_learn(metric):
    table, targets = blobs(60, 6)
    train, test = table.values[:45].astype(float), table.values[45:].astype(float)
    fit = Nearest().fit(table.values[:45], targets[:45], {"scale": "none", "metric": metric}, seed=0)
    oracle = KNeighborsClassifier(1, metric=metric, algorithm="brute").fit(train, targets[:45])
    assert fit.scores(table.values[45:]).argmax(axis=1).tolist() == oracle.predict(test).tolist()


def test_cut_forest_answers_as_one_that_was_grown_so():
    # Without a bootstrap and with all columns there is nothing to draw, and both are the same trees.
    table, targets = blobs(80)
    grown = {
        few: RandomForestClassifier(
            1, bootstrap=False, max_features=None, min_samples_split=few, random_state=0
        )
        for few in (2, 8, 30)
    }
    for forest in grown.values():
        forest.fit(table.values[:60], targets[:60])
    votes = models_trees._cut_votes(grown[2], table.values[60:], (2, 8, 30))
    for place, forest in enumerate(grown.values()):
        np.testing.assert_allclose(votes[place], forest.predict_proba(table.values[60:]))


@pytest.mark.parametrize("classes", [2, 3])
def test_stages_of_boosting_are_shorter_fits(classes):
    pytest.importorskip("lightgbm")
    table, targets = blobs(80, 8, classes)
    tried = Boosting().trial(table.values[:60], targets[:60], table.values[60:], seed=0)
    for place in (0, 7, 19):
        fit = Boosting().fit(table.values[:60], targets[:60], Boosting.settings[place], seed=0)
        np.testing.assert_allclose(tried[place], fit.scores(table.values[60:]), atol=1e-6)


def test_every_model_tries_as_many_settings():
    for model in (Boosting(), Forest(), Logistic(), Nearest()):
        assert len(model.settings) == SETTINGS == len({str(setting) for setting in model.settings})
        assert model.default in model.settings


def test_scaling_by_hand():
    train = np.array([[1.0, 5.0, 0.0], [1.0, 7.0, 0.0], [1.0, 9.0, 4.0]], np.float32)
    new = np.array([[9.0, 7.0, 2.0], [0.0, 1e9, 0.0]], np.float32)
    np.testing.assert_allclose(Scaling.of(train, "range")(new), [[0.5, 0.5], [10.0, 0.0]])
    np.testing.assert_allclose(Scaling.of(train, "none")(new), [[7.0, 2.0], [1e9, 0.0]])
    np.testing.assert_allclose(Scaling.of(train, "standard")(new)[1, 0], 10.0)
    ranks = Scaling.of(train, "rank")(train)
    np.testing.assert_allclose(ranks[:, 0], [-(1.5**0.5), 0, 1.5**0.5], atol=1e-12)  # of shares 1/6, 3/6, 5/6
    np.testing.assert_allclose(ranks[:, 1], [-(0.5**0.5), -(0.5**0.5), 2**0.5])  # of shares 2/6, 2/6, 5/6


def test_sharpness_makes_scores_tell_the_truth():
    # Right in nine of ten cases: with scores of 1 and 0 the log of the odds is what they are to be multiplied by.
    targets = np.array([0] * 9000 + [1] * 1000)
    scores = np.tile([1.0, 0.0], (10000, 1))
    assert fit_sharpness(scores, targets, otherwise=1.0) == pytest.approx(np.log(9), rel=0.01)
    unknown = np.hstack([scores, np.full((10000, 1), -np.inf)])
    assert fit_sharpness(unknown, targets, otherwise=1.0) == pytest.approx(np.log(9), rel=0.01)
    assert fit_sharpness(scores[:0], targets[:0], otherwise=3.0) == 3.0


def test_unknown_model_is_told():
    with pytest.raises(
        ParameterError, match="lightgbm, logistic, majority, nearest, random_forest, got 'svm'"
    ):
        TableContender(blobs()[0], "svm", seed=0)
