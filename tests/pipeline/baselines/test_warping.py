import numpy as np
import pytest

from phosphene.pipeline.baselines import series as warping
from phosphene.pipeline.baselines.series import DtwEstimator, dtw_distances

pytest.importorskip("aeon")


def walks(n, channels, length, seed=0):
    return np.random.default_rng(seed).normal(size=(n, channels, length)).cumsum(axis=2)


def slow_distance(x, y, window):
    """The whole table, cell by cell."""
    length = x.shape[1]
    table = np.full((length + 1, length + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(length):
        for j in range(max(0, i - window), min(length, i + window + 1)):
            cost = ((x[:, i] - y[:, j]) ** 2).sum()
            table[i + 1, j + 1] = cost + min(table[i, j], table[i, j + 1], table[i + 1, j])
    return table[length, length]


def test_distance_by_hand():
    x, y = np.array([[[0.0, 0.0, 1.0, 0.0]]]), np.array([[[0.0, 1.0, 0.0, 0.0]]])
    assert dtw_distances(x, y, 0).tolist() == [[2.0]]
    assert dtw_distances(x, y, 1).tolist() == [[0.0]]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("length", [1, 2, 7, 30])
@pytest.mark.parametrize("window", [0, 1, 4, 100])
def test_distances_are_those_of_the_whole_table(channels, length, window):
    values = walks(7, channels, length)
    expected = [[slow_distance(x, y, window) for y in values[2:]] for x in values[:2]]
    np.testing.assert_allclose(dtw_distances(values[:2], values[2:], window), expected, rtol=1e-12)


@pytest.mark.parametrize("percent", [0, 5, 20, 100])
def test_distances_are_those_of_aeon(percent):
    from aeon.distances import dtw_distance

    values = walks(20, 1, 60)
    found = dtw_distances(values[:1], values, 60 * percent // 100)[0]
    expected = [dtw_distance(values[0], other, window=percent / 100) for other in values]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_every_window_of_whole_steps_is_that_many_steps_wide():
    # aeon takes a share of the length and rounds it down: 29 / 100 * 100 is 28.999 in floats.
    for length in (29, 100, 427):
        assert [int(warping._window(steps, length) * length) for steps in range(length + 1)] == list(
            range(length + 1)
        )


def test_bounds_are_raised_and_what_they_exclude_is_not_computed():
    values = walks(40, 1, 20)
    true = dtw_distances(values[:1], values, 2)[0]
    bounds = dtw_distances(values[:1], values, 20)[0]
    assert (bounds <= true).all()
    bounds[0] = np.inf  # its own
    before = bounds.copy()
    assert warping._nearest(values, 0, bounds, 2) == 1 + np.argmin(true[1:])
    changed = bounds != before
    np.testing.assert_allclose(bounds[changed], true[changed])
    assert not changed[1 + np.argsort(before[1:], kind="stable")[-1]]


def bumps(n=24, length=50, seed=0):
    """Two classes, one bump or two, wherever they stand."""
    random = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    values = random.normal(scale=0.05, size=(n, 1, length))
    for place, target in enumerate(targets):
        start = random.integers(5, 15)
        for bump in range(1 + target):
            values[place, 0, start + 15 * bump : start + 15 * bump + 5] += 1.0
    return values, targets


def leave_out_by_hand(values, targets, groups, reach):
    n = len(targets)
    away = np.full((n, n), np.inf)
    for i, j in zip(*np.triu_indices(n), strict=True):
        if groups[i] != groups[j]:
            away[i, j] = away[j, i] = slow_distance(values[i], values[j], reach)
    return targets[away.argmin(axis=1)]


def test_window_is_the_narrowest_of_those_with_the_fewest_mistakes():
    values, targets = bumps(12)
    groups = np.arange(12) // 2
    trained = DtwEstimator(values, seed=0).fit(np.arange(12), targets, groups, n_classes=2)
    by_hand = {
        percent: leave_out_by_hand(values, targets, groups, reach)
        for reach, percent in enumerate((0, 1, 3, 5, 7, 9, 12))  # the least that are so many of 50 steps
    }
    missed = {percent: int((answers != targets).sum()) for percent, answers in by_hand.items()}
    chosen = trained.notes["setting"]["window_percent"]
    assert missed[0] > missed[chosen] == min(missed.values())
    assert all(count > missed[chosen] for percent, count in missed.items() if percent < chosen)
    assert trained.oof_log_proba.argmax(axis=1).tolist() == by_hand[chosen].tolist()
    assert trained.notes["left_out_accuracy"] == pytest.approx((by_hand[chosen] == targets).mean())


def test_answers_are_the_class_of_the_nearest_and_surer_where_others_are_far():
    values = np.zeros((6, 1, 12))
    values[:, 0] += np.array([0.0, 0.1, 1.0, 1.1, 0.05, 0.45])[:, None]
    estimator = DtwEstimator(values, seed=0)
    trained = estimator.fit(np.arange(4), np.array([0, 0, 2, 2]), np.arange(4), n_classes=3)
    answers = np.exp(estimator.predict_log_proba(trained.model, np.array([4, 5])))
    assert answers.argmax(axis=1).tolist() == [0, 0]
    assert answers[0, 0] > answers[1, 0] and (answers[:, 1] < 1e-5).all()
    np.testing.assert_allclose(answers.sum(axis=1), 1.0)


def test_probabilities_do_not_depend_on_the_unit_of_the_values():
    values, targets = bumps(16)
    values = values + np.random.default_rng(0).normal(0, 0.3, values.shape)
    by_unit = []
    for unit in (1.0, 1000.0):
        estimator = DtwEstimator(unit * values, seed=0)
        trained = estimator.fit(np.arange(12), targets[:12], np.arange(12), n_classes=2)
        by_unit.append(estimator.predict_log_proba(trained.model, np.arange(12, 16)))
    np.testing.assert_allclose(by_unit[0], by_unit[1], rtol=1e-3)


def test_nothing_to_leave_out_one_class_and_a_class_of_one_row():
    values, targets = bumps()
    estimator = DtwEstimator(values, seed=0)
    alone = estimator.fit(np.arange(6), targets[:6], np.zeros(6, int), n_classes=2)
    assert len(alone.oof_indices) == 0 and alone.oof_log_proba.shape == (0, 2)
    assert alone.notes["left_out_accuracy"] is None
    assert (
        estimator.predict_log_proba(alone.model, np.arange(6)).argmax(axis=1).tolist() == targets[:6].tolist()
    )
    only = estimator.fit(np.arange(3), np.full(3, 1), np.arange(3), n_classes=2)
    assert estimator.predict_log_proba(only.model, np.arange(4)).argmax(axis=1).tolist() == [1] * 4
    few = estimator.fit(np.arange(3), np.array([0, 0, 1]), np.arange(3), n_classes=2)
    assert few.oof_indices.tolist() == [0, 1]
    assert estimator.predict_log_proba(few.model, np.arange(0)).shape == (0, 2)


def test_what_is_computed_is_bounded(monkeypatch):
    values, targets = bumps()
    estimator = DtwEstimator(values, seed=0)

    def fit():
        return estimator.fit(np.arange(24), targets, np.arange(24), n_classes=2)

    full = 24 * 24 * 50
    monkeypatch.setattr(warping, "MAX_CELLS", full * 21)
    assert fit().notes["settings"] == 10  # a band of 21 cells is the widest: 0 to 8, and 10 steps
    monkeypatch.setattr(warping, "MAX_CELLS", full * 11 // 2)
    some = fit()
    assert some.notes["rows_searched"] == len(some.oof_indices) == 12 and some.notes["rows_compared"] == 24
    monkeypatch.setattr(warping, "MAX_CELLS_PREDICT", 8 * 50 * 11)
    fewer = fit()
    assert fewer.notes["rows_compared"] == 8 == len(fewer.model.rows)
    assert np.isfinite(estimator.predict_log_proba(fewer.model, np.arange(24))).all()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("name", "error"), [("GunPoint", 0.0867), ("Trace", 0.0100), ("OSULeaf", 0.3884)])
def test_errors_are_those_that_the_archive_publishes(data, name, error):
    parts = [np.loadtxt(data / "ucr" / name / f"{name}_{part}.tsv") for part in ("TRAIN", "TEST")]
    n, rows = len(parts[0]), np.concatenate(parts)
    targets = np.unique(rows[:, 0], return_inverse=True)[1]
    estimator = DtwEstimator(rows[:, None, 1:], seed=0)
    trained = estimator.fit(np.arange(n), targets[:n], np.arange(n), n_classes=targets.max() + 1)
    answers = estimator.predict_log_proba(trained.model, np.arange(n, len(rows))).argmax(axis=1)
    assert (answers != targets[n:]).mean() == pytest.approx(error, abs=0.005)
