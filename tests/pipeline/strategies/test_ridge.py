"""The closed-form head against scikit-learn, and against fits that really leave groups out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from phosphene.converters import SignalError
from phosphene.pipeline.strategies import ridge as ridge_module
from phosphene.pipeline.strategies.ridge import (
    PENALTIES,
    FeatureScaling,
    GroupRidge,
    _ScaledBlocks,
    fit_head,
    fit_ridge_logo,
    subsample_groups,
)


def _blobs(rng, n_classes=3, n_each=12, n_features=40, spread=0.7):
    centres = rng.normal(size=(n_classes, n_features))
    targets = np.repeat(np.arange(n_classes), n_each)
    features = centres[targets] + spread * rng.normal(size=(len(targets), n_features))
    return features.astype(np.float32), targets, centres


def test_predictions_for_new_items_are_right_and_probabilities():
    rng = np.random.default_rng(0)
    features, targets, centres = _blobs(rng)
    head = fit_head([features], targets, np.arange(len(targets))).head
    new = (np.repeat(centres, 5, axis=0) + 0.7 * rng.normal(size=(15, 40))).astype(np.float32)
    answers = head.predict_log_proba(new)
    assert answers.shape == (15, 3)
    assert np.exp(answers).sum(axis=1) == pytest.approx(np.ones(15))
    assert (answers.argmax(axis=1) == np.repeat(np.arange(3), 5)).mean() >= 0.9


def test_the_fit_is_ridge_regression_of_the_class_indicators():
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(1)
    features, targets, _ = _blobs(rng, n_features=20)
    head = fit_head([features[:, :5], features[:, 5:]], targets, np.arange(len(targets))).head
    parts = [_standardised(part) / np.sqrt(2) for part in (features[:, :5], features[:, 5:])]
    rows = np.concatenate(parts, axis=1)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    indicators = np.where(np.eye(3)[targets] > 0, 1.0, -1.0)
    # The intercept carries the same penalty as a feature that is always 1.
    with_one = np.hstack([rows, np.ones((len(rows), 1))])
    ridge = Ridge(alpha=head.penalty, fit_intercept=False).fit(with_one, indicators - indicators.mean(0))
    scores = head.scaling(features) @ head.weight + head.bias
    assert scores == pytest.approx(ridge.predict(with_one) + indicators.mean(0), abs=1e-4)


def _standardised(part):
    spread = part.std(0)
    scaled = (part - part.mean(0)) / np.hypot(spread, 0.3 * np.median(spread))
    return scaled / np.sqrt((scaled**2).sum(1).mean())


def test_pixels_keep_their_proportions_and_weigh_what_they_are_to():
    rng = np.random.default_rng(13)
    blocks = [
        rng.normal(size=(500, 9)),
        rng.normal(size=(500, 9)) * np.arange(1, 10),
        rng.normal(size=(500, 3)),
    ]
    factor = FeatureScaling.of(blocks, [0.25, 0.5, 0.25], pixels=(1,)).factor
    lengths = [((b - b.mean(0)) * f) ** 2 for b, f in zip(blocks, np.split(factor, [9, 18]), strict=True)]
    first, pixels, last = (length.sum(1).mean() for length in lengths)
    assert (first, pixels, last) == pytest.approx((0.25, 0.5, 0.25), rel=1e-3)
    assert np.ptp(factor[9:18]) < 0.01 * factor[9:18].mean()


def test_blocks_weigh_the_same_whatever_their_size():
    rng = np.random.default_rng(11)
    small, large = rng.normal(size=(500, 4)), rng.normal(size=(500, 400))
    factor = FeatureScaling.of([small, large], [0.5, 0.5]).factor
    lengths = ((small - small.mean(0)) * factor[:4]) ** 2, ((large - large.mean(0)) * factor[4:]) ** 2
    assert lengths[0].sum(1).mean() == pytest.approx(lengths[1].sum(1).mean(), rel=0.05)


def test_a_feature_that_hardly_varies_in_training_does_not_decide_alone():
    features, targets, _ = _blobs(np.random.default_rng(12))
    features[:, 7] = 3.0 + 1e-4 * np.arange(len(features)) / len(features)
    head = fit_head([features], targets, np.arange(len(targets))).head
    new = features.copy()
    new[:, 7] = 3.1  # a thousand deviations away
    before, after = head.predict_log_proba(features), head.predict_log_proba(new)
    assert (before.argmax(1) == after.argmax(1)).mean() > 0.9


@pytest.mark.parametrize("penalty", [1e-3, 0.1, 10.0])
def test_oof_predictions_equal_those_of_a_fit_without_the_group(penalty):
    rng = np.random.default_rng(2)
    rows, values = rng.normal(size=(14, 5)), rng.normal(size=(14, 2))
    groups = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 0, 7, 8])
    outside = GroupRidge(rows @ rows.T, values, groups).oof(penalty)
    for group in np.unique(groups):
        out = groups == group
        kept = rows[~out] @ rows[~out].T + 1 + penalty * np.eye((~out).sum())
        expected = (rows[out] @ rows[~out].T + 1) @ np.linalg.solve(kept, values[~out])
        assert outside[out] == pytest.approx(expected, abs=1e-8)


@given(scale=st.floats(0.01, 100), shift=st.floats(-50, 50))
def test_units_of_the_features_do_not_matter(scale, shift):
    features, targets, _ = _blobs(np.random.default_rng(3), n_each=6, n_features=10)
    groups = np.arange(len(targets))
    plain = fit_head([features], targets, groups).head.predict_log_proba(features)
    moved = (features.astype(np.float64) * scale + shift).astype(np.float32)
    assert fit_head([moved], targets, groups).head.predict_log_proba(moved) == pytest.approx(plain, abs=0.05)


def test_features_that_never_change_are_left_out():
    features, targets, _ = _blobs(np.random.default_rng(4))
    features[:, 7] = 3.0
    head = fit_head([features], targets, np.arange(len(targets))).head
    assert (head.weight[7] == 0).all()
    assert np.isfinite(head.weight).all()


def test_noise_gets_a_heavy_penalty_and_unsure_probabilities():
    rng = np.random.default_rng(5)
    targets = np.repeat([0, 1], 30)
    head = fit_head([rng.normal(size=(60, 200)).astype(np.float32)], targets, np.arange(60)).head
    answers = np.exp(head.predict_log_proba(rng.normal(size=(50, 200)).astype(np.float32)))
    assert head.penalty == PENALTIES[-1]
    assert answers.max() < 0.75


def test_windows_of_one_recording_do_not_vouch_for_each_other():
    """Copies of a row in one group must not make the head surer than one row alone does."""
    rng = np.random.default_rng(6)
    targets = np.repeat([0, 1], 30)
    features = rng.normal(size=(60, 50)).astype(np.float32)
    twice, both = np.repeat(features, 2, axis=0), np.repeat(targets, 2)
    apart = fit_head([twice], both, np.arange(120)).head.temperature
    together = fit_head([twice], both, np.repeat(np.arange(60), 2)).head.temperature
    assert together > apart


def test_one_class_is_refused():
    with pytest.raises(SignalError, match="at least two classes, got one"):
        fit_head([np.zeros((3, 2), np.float32)], np.zeros(3, int), np.arange(3))


def test_oof_predictions_say_how_good_the_head_is_for_new_items():
    rng = np.random.default_rng(7)
    features, targets, centres = _blobs(rng, spread=2.0, n_each=40)
    fit = fit_head([features], targets, np.arange(len(targets)))
    new_targets = np.repeat(np.arange(3), 200)
    new = (centres[new_targets] + 2.0 * rng.normal(size=(600, 40))).astype(np.float32)
    right = (fit.head.predict_log_proba(new).argmax(axis=1) == new_targets).mean()
    assert (fit.oof_log_proba.argmax(axis=1) == targets[fit.oof_indices]).mean() == pytest.approx(
        right, abs=0.06
    )


def test_probabilities_are_calibrated():
    """Of the answers that are held for p likely, the share p is right: checked where many are unsure."""
    rng = np.random.default_rng(8)
    features, targets, centres = _blobs(rng, spread=3.0, n_each=100)
    head = fit_head([features], targets, np.arange(len(targets))).head
    new_targets = np.repeat(np.arange(3), 1000)
    new = (centres[new_targets] + 3.0 * rng.normal(size=(3000, 40))).astype(np.float32)
    probabilities = np.exp(head.predict_log_proba(new))
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == new_targets
    assert 0.5 < right.mean() < 0.95
    assert sure.mean() == pytest.approx(right.mean(), abs=0.03)


@pytest.mark.parametrize("shape", [(60, 12), (12, 60)])
def test_both_sides_of_the_matrix_give_one_fit(shape):
    rng = np.random.default_rng(9)
    features, values = rng.normal(size=shape).astype(np.float32), rng.normal(size=(shape[0], 2))
    blocks = [features[:, :5], features[:, 5:]]
    scaling = FeatureScaling.of(blocks, [0.3, 0.7])
    rows = scaling(features)
    slope, intercept = _ScaledBlocks(blocks, scaling).solve(values, 0.3)
    dual = GroupRidge(rows.astype(np.float64) @ rows.T, values, np.arange(len(rows))).dual(0.3)
    assert slope == pytest.approx(rows.T @ dual, abs=1e-5)
    assert intercept == pytest.approx(dual.sum(axis=0), abs=1e-5)


def test_blocks_weigh_what_they_are_to():
    rng = np.random.default_rng(14)
    blocks = [rng.normal(size=(400, 6)), rng.normal(size=(400, 60))]
    factor = FeatureScaling.of(blocks, [0.9, 0.1]).factor
    first, second = (
        (((block - block.mean(0)) * part) ** 2).sum(1).mean()
        for block, part in zip(blocks, np.split(factor, [6]), strict=True)
    )
    assert (first, second) == pytest.approx((0.9, 0.1), rel=0.05)


def test_of_many_rows_some_of_every_group_choose_the_penalty_and_all_make_the_fit(monkeypatch):
    rng = np.random.default_rng(10)
    features, targets, _ = _blobs(rng, n_each=40)
    groups = np.arange(len(targets)) // 4
    whole = fit_head([features], targets, groups)
    monkeypatch.setattr(ridge_module, "MOST_OOF", 60)
    some = fit_head([features], targets, groups)
    assert len(some.oof_indices) == 60
    assert (np.bincount(groups[some.oof_indices]) == 2).all()
    assert np.corrcoef(some.head.weight.ravel(), whole.head.weight.ravel())[0, 1] > 0.95


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12), most=st.integers(1, 60))
def test_rows_that_judge_come_from_every_group_that_there_is_room_for(sizes, most):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    rows = subsample_groups(groups, most)
    assert rows.tolist() == subsample_groups(groups, most).tolist()
    assert len(rows) == min(most, len(groups)) == len(set(rows.tolist()))
    kept = np.bincount(groups[rows], minlength=len(sizes))
    for size, count in zip(sizes, kept, strict=True):
        assert count >= min(
            size, kept.max() - 1
        )  # none has less than another but for want of rows, or by one


@pytest.mark.parametrize("most", [5000, 20])
def test_ridge_with_a_free_intercept_is_that_of_scikit_learn_refitted_without_each_group(monkeypatch, most):
    from sklearn.linear_model import Ridge

    monkeypatch.setattr(ridge_module, "MOST_OOF", most)
    rng = np.random.default_rng(11)
    features, targets, _ = _blobs(rng, n_features=8)
    features = features.astype(np.float64) + 5.0  # the intercept matters
    groups = np.arange(len(targets)) // 2
    fit = fit_ridge_logo(features, targets, groups, penalties=np.logspace(-2, 2, 5), n_classes=4)
    wanted = np.where(np.eye(4)[targets] > 0, 1.0, -1.0)
    whole = Ridge(fit.penalty).fit(features, wanted)
    assert features @ fit.weight + fit.bias == pytest.approx(whole.predict(features), abs=1e-4)
    rows = fit.oof_indices
    assert len(rows) == min(most, len(targets))
    for group in np.unique(groups[rows]):
        kept, out = rows[groups[rows] != group], groups[rows] == group
        refitted = Ridge(fit.penalty).fit(features[kept], wanted[kept]).predict(features[rows[out]])
        assert fit.oof_scores[out] == pytest.approx(refitted, abs=1e-4)
    assert (fit.oof_scores[:, 3] < 0).all()  # a class without rows


def test_where_all_rows_are_one_group_each_is_left_out_alone():
    features, targets, _ = _blobs(np.random.default_rng(12))
    alone, together = (
        fit_ridge_logo(features, targets, groups, penalties=np.array([1.0]), n_classes=3).oof_scores
        for groups in (np.arange(len(targets)), np.zeros(len(targets), int))
    )
    assert together == pytest.approx(alone)


@pytest.mark.parametrize("strength", [1, 3, 6])
def test_with_two_items_a_class_the_penalty_is_as_good_as_that_of_a_stock_ridge(strength):
    """Something in common that is stronger than the classes drives the squared error out of fold to the heaviest."""
    rng = np.random.default_rng(0)
    centres, common = rng.normal(size=(40, 300)), rng.normal(size=(8, 300)) / 8**0.5

    def draw(n_each):
        targets = np.repeat(np.arange(40), n_each)
        noise = strength * rng.normal(size=(len(targets), 8)) @ common + rng.normal(size=(len(targets), 300))
        return (0.5 * centres[targets] + noise).astype(np.float32), targets

    (features, targets), (new, new_targets) = draw(2), draw(6)
    head = fit_head([features], targets, np.arange(len(targets))).head
    stock = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 13))).fit(features, targets)
    accuracy = (head.predict_log_proba(new).argmax(axis=1) == new_targets).mean()
    assert accuracy > stock.score(new, new_targets) - 0.02


@pytest.mark.parametrize("oof", [200, 40])
def test_some_rows_of_blocks_are_learned_from_as_if_they_were_alone(monkeypatch, oof):
    monkeypatch.setattr(ridge_module, "MOST_OOF", oof)
    rng = np.random.default_rng(3)
    blocks = [rng.normal(size=(120, width)).astype(np.float32) for width in (90, 7)]
    rows = np.sort(rng.permutation(120)[:90])
    targets = (blocks[0][rows, 0] > 0).astype(int)
    alone = fit_head([block[rows] for block in blocks], targets, np.arange(90), pixels=(1,))
    some = fit_head(blocks, targets, np.arange(90), pixels=(1,), rows=rows)
    for name in ("weight", "bias", "temperature", "penalty"):
        np.testing.assert_array_equal(getattr(some.head, name), getattr(alone.head, name))
    np.testing.assert_array_equal(some.oof_log_proba, alone.oof_log_proba)
