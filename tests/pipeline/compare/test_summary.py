"""Several data sets together: means, learning curves, tests and ranking."""

import math

import pytest
from scipy import stats

from phosphene.pipeline.compare.summary import (
    Cost,
    CurvePoint,
    Row,
    SetSummary,
    compare_over_sets,
    mean_curves,
    mean_rows,
    summary_of,
)


def make_set(name, *rows, curves=()):
    return SetSummary(name, "accuracy", 10, 2, rows, tuple(curves))


def row(method, score, side="tables", **changes):
    return Row(method, side, score, 0.0, 1.0, cost=Cost(1.0, 2.0, score, 10.0, 100), **changes)


def failed(method, why):
    return Row(method, "tables", math.nan, math.nan, math.nan, error=why)


def test_means_over_sets_with_their_interval_and_costs():
    scores = [0.8, 0.9, 0.7]
    (mean,) = mean_rows([make_set(str(score), row("forest", score)) for score in scores])
    low, high = stats.ttest_1samp(scores, 0).confidence_interval()
    assert (mean.score, mean.low, mean.high) == pytest.approx((0.8, low, min(1.0, high)))
    assert (mean.folds, mean.n_sets) == ((0.8, 0.9, 0.7), 3)
    assert (mean.cost.prepare_s, mean.cost.train_s, mean.cost.peak_mib) == (3.0, 6.0, 10.0)
    assert mean.cost.predict_s_per_item == pytest.approx(0.8)


def test_what_failed_on_a_set_has_no_mean():
    sets = [make_set("a", row("forest", 0.8)), make_set("b", failed("forest", "no memory")), make_set("c")]
    (mean,) = mean_rows(sets)
    assert math.isnan(mean.score)
    assert mean.error == "failed on 2 of 3 data sets: no memory"
    summary = summary_of(sets, failed=(), seconds=1.0, origin={})
    assert (summary.name, summary.ranking) == ("3 data sets", None)


def test_the_ranking_leaves_out_rows_made_of_others_and_what_failed():
    sets = [
        make_set(
            name,
            row("a", 0.9),
            row("b", 0.8),
            row("stacked", 0.95, None),
            failed("c", "x") if name == "one" else row("c", 1.0),
        )
        for name in ("one", "two")
    ]
    ranking = summary_of(sets, failed=(), seconds=1.0, origin={}).ranking
    assert (ranking.methods, ranking.ranks, ranking.n_sets) == (("a", "b"), (1.0, 2.0), 2)


def test_one_set_is_its_own_summary():
    one = make_set("a", row("images", 0.8, "images"))
    summary = summary_of([one], failed=(("x", "broken"),), seconds=1.0, origin={"seed": "0"})
    assert (summary.name, summary.rows, summary.tests, summary.ranking) == ("a", one.rows, {}, None)


def test_pairs_are_compared_over_the_sets_on_which_both_have_a_score():
    gains = [0.06, 0.02, 0.05, 0.03, 0.07, 0.01, 0.04]
    sets = [make_set(str(gain), row("images", 0.8 + gain), row("best baseline", 0.8)) for gain in gains]
    sets.append(make_set("other", row("images", 0.1)))
    found = compare_over_sets(sets)
    assert list(found) == [("images", "best baseline")]
    test = found["images", "best baseline"]
    low, high = stats.ttest_1samp(gains, 0).confidence_interval()
    assert (test.difference, test.low, test.high) == pytest.approx((0.04, low, high))
    assert test.p == pytest.approx(2 / 2**7)
    assert "Holm" not in test.test


def test_a_single_set_has_no_interval():
    (test,) = compare_over_sets([make_set("a", row("images", 0.9), row("best baseline", 0.8))]).values()
    assert math.isnan(test.low)
    assert math.isnan(test.high)
    assert test.p == 1.0


def test_learning_curves_of_baselines_are_averaged_whichever_was_best():
    def curve(method, **scores):
        return [CurvePoint(method, float(share[1:]) / 100, 10, v, 0, 1) for share, v in scores.items()]

    rows = (row("images", 0.9, "images"), row("forest", 0.8), row("minirocket", 0.8))
    sets = [
        make_set(
            "a", *rows, curves=[*curve("images", s50=0.6, s100=0.9), *curve("forest", s50=0.5, s100=0.7)]
        ),
        make_set("b", *rows, curves=[*curve("images", s100=0.7), *curve("minirocket", s50=0.7, s100=0.8)]),
    ]
    points = {(point.method, point.share): point.score for point in mean_curves(sets)}
    # The second set has no images at 50 %: there the point of 100 % is taken.
    assert points == pytest.approx(
        {
            ("images", 0.5): 0.65,
            ("images", 1.0): 0.8,
            ("best baseline", 0.5): 0.6,
            ("best baseline", 1.0): 0.75,
        }
    )
