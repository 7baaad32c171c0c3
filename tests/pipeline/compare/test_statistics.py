"""Statistics against SciPy, published examples and slow loops; coverage in simulations; ranks, Wilcoxon and Holm."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score

from phosphene.converters import ParameterError
from phosphene.pipeline.compare.statistics import (
    Comparison,
    auc_interval,
    bootstrap_interval,
    cliques,
    compare_accuracies,
    compare_aucs,
    compare_by_bootstrap,
    compare_folds,
    folds_interval,
    holm,
    macro_f1_on,
    min_p,
    rank_biserial,
    rank_methods,
    wilcoxon_p,
)

A = [0.95, 0.90, 0.925, 0.9375, 0.8875]
B = [0.85, 0.86, 0.80, 0.875, 0.90]


def right(both, only_a, only_b, neither):
    """Right answers of two methods, from a table of pairs."""
    counts = (both, only_a, only_b, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


# Folds


def test_folds_without_overlap_are_a_plain_t_test():
    found = compare_folds(A, B, n_train=1e15, n_test=1)
    wanted = stats.ttest_rel(A, B)
    low, high = wanted.confidence_interval()
    assert (found.p, found.low, found.high) == pytest.approx((wanted.pvalue, low, high), rel=1e-9)
    assert found.difference == pytest.approx(np.mean(A) - np.mean(B))
    assert found.test == "corrected resampled t-test over 5 folds"


def test_the_interval_of_folds_without_overlap_is_a_plain_one():
    wanted = stats.ttest_1samp(A, 0).confidence_interval()
    assert folds_interval(A, test_share=0) == pytest.approx(tuple(wanted))


def test_three_folds_by_hand():
    # Differences 0.1, 0.2, 0.3: mean 0.2, variance 0.01; n_test/n_train = 1/2, so the error is sqrt(0.01 (1/3 + 1/2)).
    found = compare_folds([0.6, 0.7, 0.8], [0.5, 0.5, 0.5], n_train=20, n_test=10)
    error = 0.1 * math.sqrt(5 / 6)
    # With two degrees of freedom, t has the distribution 1/2 + t / (2 sqrt(2 + t²)).
    t = 0.2 / error
    assert found.p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    assert (found.low, found.high) == pytest.approx((0.2 - 4.302653 * error, 0.2 + 4.302653 * error))
    ends = folds_interval([0.4, 0.5, 0.6], test_share=1 / 3)
    assert ends == pytest.approx((0.5 - 4.302653 * error, 0.5 + 4.302653 * error))


def test_intervals_of_scores_end_at_0_and_1():
    assert folds_interval([1.0, 0.0, 1.0], test_share=1 / 3) == (0.0, 1.0)
    assert folds_interval([1.0, 0.98, 1.0, 1.0], test_share=0.25)[1] == 1.0


def test_the_other_way_round():
    there, back = (compare_folds(*pair, n_train=320, n_test=80) for pair in ((A, B), (B, A)))
    assert (back.difference, back.low, back.high) == pytest.approx(
        (-there.difference, -there.high, -there.low)
    )
    assert back.p == pytest.approx(there.p)


def test_equal_scores_have_p_1_and_an_interval_about_0():
    found = compare_folds(A, A, n_train=320, n_test=80)
    assert (found.difference, found.p, found.is_significant) == (0.0, 1.0, False)
    # As if one of 80 answers in one of five folds were other: sqrt((1/5 + 1/4) / 80² / 5), times t of 4.
    reach = 2.776445 * math.sqrt(0.45 / 80**2 / 5)
    assert (found.low, found.high) == pytest.approx((-reach, reach))


def test_an_equal_difference_is_as_one_that_varies_by_one_answer():
    step = 1 / 80
    found = compare_folds([0.9 + 3 * step] * 5, [0.9] * 5, n_train=320, n_test=80)
    # One answer more in one fold has the same variance.
    near = compare_folds([0.9 + 3 * step] * 4 + [0.9 + 4 * step], [0.9] * 5, n_train=320, n_test=80)
    assert found.high - found.low == pytest.approx(near.high - near.low)
    assert 0 < found.p < 0.01
    few = compare_folds([0.75, 0.75], [0.5, 0.5], n_train=4, n_test=4)
    assert few.p > 0.05


def test_folds_that_differ_by_rounding_do_not_differ():
    found = compare_folds([0.3, 0.8, 0.3], [0.2, 0.7, 0.2], n_train=20, n_test=10)
    assert found.p == pytest.approx(compare_folds([0.25] * 3, [0.15] * 3, n_train=20, n_test=10).p, rel=1e-6)


def test_folds_that_score_alike():
    assert folds_interval([1.0] * 5, test_share=0.2) == (1.0, 1.0)
    low, high = folds_interval([1.0] * 5, test_share=0.2, n_test=80)
    assert (low, high) == pytest.approx((1 - 2.776445 * math.sqrt(0.45 / 80**2 / 5), 1.0))


@pytest.mark.slow
def test_folds_that_overlap_are_covered_as_often_as_promised():
    # Scores whose correlation is the share of the test items, as Nadeau and Bengio suppose of folds.
    generator, k, share = np.random.default_rng(5), 5, 0.2
    common = generator.normal(size=(2000, 1)) * math.sqrt(share)
    scores = 0.5 + 0.01 * (common + generator.normal(size=(2000, k)) * math.sqrt(1 - share))
    ends = np.array([folds_interval(row, test_share=share) for row in scores])
    assert np.mean((ends[:, 0] <= 0.5) & (ends[:, 1] >= 0.5)) == pytest.approx(0.95, abs=0.012)
    plain = np.array([folds_interval(row, test_share=0) for row in scores])
    assert np.mean((plain[:, 0] <= 0.5) & (plain[:, 1] >= 0.5)) < 0.89
    seen = [compare_folds(row, [0.5] * k, n_train=80, n_test=20).is_significant for row in scores]
    assert np.mean(seen) == pytest.approx(0.05, abs=0.012)


# One split: accuracy


@pytest.mark.parametrize(("only_a", "only_b"), [(9, 2), (0, 5), (7, 7), (1, 0), (20, 4)])
def test_mcnemar_is_a_binomial_test(only_a, only_b):
    found = compare_accuracies(*right(30, only_a, only_b, 8))
    assert found.p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)
    assert found.difference == pytest.approx((only_a - only_b) / (38 + only_a + only_b))
    assert found.test == "exact McNemar test"


def test_mcnemar_by_hand():
    # 5 to 0: both tails of five coins.
    assert compare_accuracies(*right(10, 5, 0, 3)).p == pytest.approx(2 / 2**5)


@pytest.mark.parametrize(
    ("table", "ends"),
    [
        # Newcombe 1998, method 10.
        ((36, 12, 2, 0), (0.0569, 0.3404)),
        # Bentur et al. 2009, in Fagerland, Lydersen and Laake 2014.
        ((1, 1, 7, 12), (-0.507, -0.026)),
    ],
)
def test_published_intervals_of_paired_shares(table, ends):
    found = compare_accuracies(*right(*table))
    assert (found.low, found.high) == pytest.approx(ends, abs=6e-4)


def test_equal_answers_leave_room_for_a_difference():
    found = compare_accuracies(*right(19, 0, 0, 1))
    assert (found.difference, found.p) == (0.0, 1.0)
    assert -0.2 < found.low < -0.05
    assert found.low == pytest.approx(-found.high)
    perfect = compare_accuracies(*right(20, 0, 0, 0))
    assert perfect.low < 0 < perfect.high


@pytest.mark.slow
def test_intervals_of_paired_shares_hold_as_often_as_promised():
    generator = np.random.default_rng(3)
    shares = np.array([0.7, 0.15, 0.08, 0.07])
    tables = generator.multinomial(60, shares, size=1500)
    found = [compare_accuracies(*right(*table)) for table in tables]
    assert np.mean([one.low <= 0.07 <= one.high for one in found]) == pytest.approx(0.95, abs=0.02)


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(0, 12)] * 4).filter(any))
def test_any_table_of_pairs(table):
    found = compare_accuracies(*right(*table))
    both, only_a, only_b, neither = table
    back = compare_accuracies(*right(both, only_b, only_a, neither))
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert 0 < found.p <= 1
    assert (found.low, found.p) == pytest.approx((-back.high, back.p))


# One split: the area under the curve

LOOSE = np.array([0.9, 0.8, 0.8, 0.3, 0.7, 0.2, 0.8, 0.1, 0.4, 0.6])
TIGHT = np.array([0.9, 0.8, 0.7, 0.6, 0.65, 0.2, 0.3, 0.1, 0.4, 0.6])
GENUINE = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], bool)


def slow_delong(scores, genuine):
    """Areas and their covariances by the formulae of DeLong et al., pair by pair."""

    def kernel(one, other):
        return 1.0 if one > other else 0.5 if one == other else 0.0

    pairs = [
        [[kernel(x, y) for y in row[~genuine]] for x in row[genuine]] for row in np.asarray(scores, float)
    ]
    pairs = np.array(pairs)
    m, n = pairs.shape[1:]
    areas = pairs.sum(axis=(1, 2)) / (m * n)
    v10, v01 = pairs.sum(axis=2) / n, pairs.sum(axis=1) / m
    s10 = (v10 - areas[:, None]) @ (v10 - areas[:, None]).T / (m - 1)
    s01 = (v01 - areas[:, None]) @ (v01 - areas[:, None]).T / (n - 1)
    return areas, s10 / m + s01 / n


def test_areas_compared_pair_by_pair():
    areas, covariance = slow_delong([LOOSE, TIGHT], GENUINE)
    found = compare_aucs(LOOSE, TIGHT, GENUINE)
    error = math.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    assert found.difference == pytest.approx(areas[0] - areas[1])
    assert found.difference == pytest.approx(roc_auc_score(GENUINE, LOOSE) - roc_auc_score(GENUINE, TIGHT))
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(areas[0] - areas[1]) / error))
    assert found.high - found.low == pytest.approx(2 * 1.959964 * error)
    assert found.test == "DeLong's test"


def test_the_interval_of_an_area_by_its_logit():
    (area,), ((variance,),) = slow_delong([LOOSE], GENUINE)
    low, high = auc_interval(LOOSE, GENUINE)
    logit = math.log(area / (1 - area))
    reach = 1.959964 * math.sqrt(variance) / area / (1 - area)
    assert math.log(low / (1 - low)) == pytest.approx(logit - reach)
    assert math.log(high / (1 - high)) == pytest.approx(logit + reach)


def test_infinite_scores_are_ranked():
    infinite = np.where(LOOSE == 0.9, np.inf, np.where(LOOSE == 0.1, -np.inf, LOOSE))
    assert auc_interval(infinite, GENUINE) == auc_interval(LOOSE, GENUINE)
    assert compare_aucs(infinite, LOOSE, GENUINE).difference == 0.0


def test_equal_areas_have_p_1():
    found = compare_aucs(TIGHT, TIGHT, GENUINE)
    assert (found.difference, found.p) == (0.0, 1.0)
    assert found.low < 0 < found.high


def test_a_perfect_ranking_of_few_is_not_certain():
    few = np.array([1, 1, 0, 0], bool)
    found = compare_aucs(np.array([4, 3, 2, 1]), np.zeros(4), few)
    assert found.difference == 0.5
    # One of two genuine and one of two others on the wrong side: sqrt(1/4 + 1/4).
    assert found.p == pytest.approx(2 * stats.norm.sf(0.5 / math.sqrt(0.5)))
    low, high = auc_interval(np.arange(40), np.arange(40) >= 20)
    assert (low, high) == pytest.approx((1 - 1.959964 * math.sqrt(2 / 20**2), 1.0))


def test_intervals_of_areas_hold_as_often_as_promised():
    generator = np.random.default_rng(8)
    genuine = np.arange(80) < 30
    area = stats.norm.cdf(2 / math.sqrt(2))
    ends = np.array([auc_interval(generator.normal(size=80) + 2 * genuine, genuine) for _ in range(1500)])
    assert np.mean((ends[:, 0] <= area) & (ends[:, 1] >= area)) == pytest.approx(0.95, abs=0.02)


def test_equal_areas_are_seldom_told_apart():
    generator = np.random.default_rng(9)
    genuine = np.arange(80) < 30
    common = generator.normal(size=(1000, 1, 80)) + 1.2 * genuine
    scores = common + generator.normal(size=(1000, 2, 80))
    seen = [compare_aucs(a, b, genuine).is_significant for a, b in scores]
    assert np.mean(seen) == pytest.approx(0.05, abs=0.02)


# One split: anything


def test_the_bootstrap_of_a_mean_is_near_its_normal_interval():
    values = np.random.default_rng(0).normal(0.1, 1, size=200)
    found = compare_by_bootstrap(lambda places: values[places].mean(), 200, seed=1)
    error = values.std() / math.sqrt(200)
    assert found.difference == values.mean()
    wanted = values.mean() + np.array([-1.96, 1.96]) * error
    assert (found.low, found.high) == pytest.approx(wanted, abs=0.15 * error)
    assert found.p == pytest.approx(2 * stats.norm.sf(values.mean() / error), rel=0.4)
    assert found.test == "paired bootstrap of 2000 rounds"


def test_the_bootstrap_agrees_with_its_interval_and_its_seed():
    values = np.random.default_rng(2).normal(size=50)

    def mean(places):
        return values[places].mean()

    found = compare_by_bootstrap(mean, 50, seed=1, rounds=500)
    assert bootstrap_interval(mean, 50, seed=1, rounds=500) == (found.low, found.high)
    assert compare_by_bootstrap(mean, 50, seed=1, rounds=500) == found
    assert compare_by_bootstrap(mean, 50, seed=2, rounds=500) != found


def test_the_bootstrap_of_no_difference():
    assert compare_by_bootstrap(lambda _: 0.0, 9, seed=0, rounds=99).p == 1.0


def test_the_bootstrap_is_never_surer_than_its_rounds():
    assert compare_by_bootstrap(lambda _: 0.5, 9, seed=0, rounds=99).p == pytest.approx(2 / 100)
    assert compare_by_bootstrap(lambda _: -0.5, 9, seed=0, rounds=99).p == pytest.approx(2 / 100)


@pytest.mark.slow
def test_equal_macro_f1_is_seldom_told_apart():
    generator = np.random.default_rng(4)
    seen = []
    for seed in range(150):
        truth = generator.integers(3, size=90)
        measures = [
            macro_f1_on(
                truth,
                np.where(generator.random(90) < 0.8, truth, generator.integers(3, size=90)),
                n_classes=3,
            )
            for _ in range(2)
        ]
        a, b = measures
        found = compare_by_bootstrap(lambda p, a=a, b=b: a(p) - b(p), 90, seed=seed, rounds=200)
        seen.append(found.is_significant)
    assert np.mean(seen) < 0.1


def test_macro_f1_of_drawn_items_is_that_of_scikit_learn():
    generator = np.random.default_rng(6)
    truth, answers = generator.integers(4, size=(2, 60))
    places = generator.integers(60, size=60)
    wanted = f1_score(truth[places], answers[places], average="macro")
    assert macro_f1_on(truth, answers, n_classes=5)(places) == pytest.approx(wanted)


# What cannot be compared


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: folds_interval([0.9], test_share=0.2),
            "folds must be two or more, got 1; compare one split",
        ),
        (
            lambda: folds_interval([0.9, 0.8], test_share=1.0),
            "test_share must be at least 0 and below 1, got 1",
        ),
        (
            lambda: folds_interval([0.9, math.nan], test_share=0.2),
            "must be finite, got [0.9, nan]; leave out",
        ),
        (lambda: compare_folds(A, B[:4], n_train=2, n_test=1), "scores of the same folds, got 5 and 4"),
        (lambda: compare_folds(A, B, n_train=0, n_test=1), "must be above 0, got 0 and 1"),
        (
            lambda: compare_accuracies(np.ones(3, bool), np.ones(4, bool)),
            "predicted the same items, got (3,) and (4,)",
        ),
        (lambda: auc_interval(np.arange(3), np.array([True, False, False])), "got 1 and 2"),
        (lambda: auc_interval(np.array([1, np.nan, 2, 3]), np.arange(4) < 2), "none missing"),
        (
            lambda: compare_by_bootstrap(len, 0, seed=0),
            "n_items and rounds must be above 0, got 0 and 2000",
        ),
    ],
)
def test_what_cannot_be_compared(call, message):
    with pytest.raises(ParameterError) as error:
        call()
    assert message in str(error.value)


def test_a_difference_is_significant_below_one_in_twenty():
    assert Comparison(0.1, 0.0, 0.2, 0.0499, "t").is_significant
    assert not Comparison(0.1, 0.0, 0.2, 0.05, "t").is_significant
    assert not Comparison(0.1, 0.0, 0.2, math.nan, "t").is_significant


# Over data sets

# Demšar 2006, table 6: areas under the curve on 14 data sets.
PUBLISHED = {
    "c45": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957],
    "m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
    "cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
    "m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
}


def enumerated_p(differences):
    """Wilcoxon's p-value by all the ways in which the signs could have fallen."""
    known = np.array([d for d in differences if d])
    ranks = stats.rankdata(np.abs(known))
    sums = np.array([ranks[np.array(signs, bool)].sum() for signs in product((0, 1), repeat=len(known))])
    seen = ranks[known > 0].sum()
    smaller = min(np.mean(sums <= seen + 1e-9), np.mean(sums >= seen - 1e-9))
    return min(1.0, 2 * smaller)


# Ranks


def test_published_ranks():
    ranking = rank_methods(PUBLISHED)
    assert ranking.methods == ("m+cf", "m", "cf", "c45")
    assert ranking.ranks == pytest.approx((1.964, 2.0, 2.893, 3.143), abs=6e-4)
    assert ranking.n_sets == 14


def test_ties_share_their_ranks():
    ranking = rank_methods({"a": [0.9, 0.5], "b": [0.9, 0.7], "c": [0.1, 0.5]})
    # Set one: 1.5, 1.5, 3; set two: 2.5, 1, 2.5.
    assert dict(zip(ranking.methods, ranking.ranks, strict=True)) == {"a": 2.0, "b": 1.25, "c": 2.75}


def test_scores_that_differ_by_rounding_are_ties():
    ranking = rank_methods({"a": [0.1 + 0.2, 0.5], "b": [0.3, 0.5]})
    assert ranking.ranks == (1.5, 1.5)
    assert ranking.p_values == {(0, 1): 1.0}


def test_the_order_of_the_methods_does_not_matter():
    backwards = dict(reversed(PUBLISHED.items()))
    assert rank_methods(backwards) == rank_methods(PUBLISHED)


# Pairs


def test_published_pair():
    gains = np.round(np.array(PUBLISHED["m"]) - PUBLISHED["c45"], 3)
    assert np.count_nonzero(gains) == 12
    # Losses of 0.008 and 0.005 have ranks 5 and 1.5 of 12; two sets without a difference are left out.
    assert rank_biserial(gains) == pytest.approx((78 - 2 * 6.5) / 78)
    assert wilcoxon_p(gains) == pytest.approx(enumerated_p(gains))
    assert wilcoxon_p(gains) < 0.05


@pytest.mark.parametrize("n_sets", [1, 2, 5, 6, 13, 16, 40])
def test_pairs_without_ties_are_exact(n_sets):
    differences = np.random.default_rng(n_sets).normal(0.3, 1, size=n_sets)
    assert wilcoxon_p(differences) == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_pairs_with_ties_are_exact(steps):
    differences = [step / 100 for step in steps]
    wanted = enumerated_p(steps) if any(steps) else 1.0
    assert wilcoxon_p(differences) == pytest.approx(wanted)


def test_sixteen_sets_with_ties_are_exact():
    differences = np.array([1, 1, 2, 3, -1, 2, 2, 4, -3, 0, 1, 5, 2, 0, -1, 3, 2, 1])
    assert wilcoxon_p(differences / 100) == pytest.approx(enumerated_p(differences))


def test_many_sets_are_normal():
    differences = np.random.default_rng(0).integers(-3, 6, size=70) / 10
    known = np.round(differences[differences != 0], 9)
    assert len(known) > 50
    assert wilcoxon_p(differences) == pytest.approx(stats.wilcoxon(known, correction=False).pvalue)
    smooth = np.random.default_rng(2).normal(0.2, 1, size=50)
    assert wilcoxon_p(smooth) == pytest.approx(stats.wilcoxon(smooth, method="exact").pvalue)


def test_a_pair_without_any_difference():
    assert wilcoxon_p([0.0] * 8) == 1.0
    assert wilcoxon_p([]) == 1.0
    assert rank_biserial([0.0] * 8) == 0.0


def test_p_values_are_of_the_methods_in_their_new_order():
    ranking = rank_methods(PUBLISHED)
    pairs = list(combinations(range(4), 2))
    raw = [
        wilcoxon_p(np.array(PUBLISHED[ranking.methods[a]]) - PUBLISHED[ranking.methods[b]]) for a, b in pairs
    ]
    assert list(ranking.p_values) == pairs
    assert list(ranking.p_values.values()) == pytest.approx(holm(raw))


# Holm


def test_holm_by_hand():
    # 0.005 × 4, 0.01 × 3, 0.03 × 2, then 0.04 × 1, which may not be below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_as_its_rule_says(p_values):
    # One after the other from the least, as long as p <= level / (tests left).
    order, rejected = sorted(range(len(p_values)), key=lambda i: p_values[i]), set()
    for step, index in enumerate(order):
        if p_values[index] * (len(p_values) - step) >= 0.05:
            break
        rejected.add(index)
    assert {index for index, p in enumerate(holm(p_values)) if p < 0.05} == rejected


# Cliques


@given(
    st.integers(1, 6).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.tuples(*[st.integers(0, n)] * 2))))
)
def test_cliques_are_the_longest_runs(case):
    n, apart = case
    p_values = {pair: 0.01 if pair in apart else 0.05 for pair in combinations(range(n), 2)}
    runs = [tuple(range(start, end)) for start in range(n) for end in range(start + 2, n + 1)]
    alike = [run for run in runs if not any(pair in apart for pair in combinations(run, 2))]
    longest = [run for run in alike if not any(set(run) < set(other) for other in alike)]
    assert list(cliques(n, p_values)) == longest


def test_a_method_that_is_always_worst_stands_apart():
    generator = np.random.default_rng(1)
    good = generator.uniform(0.7, 0.9, size=16)
    scores = {"a": good, "b": good + generator.normal(0, 0.02, size=16), "floor": good - 0.5}
    ranking = rank_methods(scores)
    assert ranking.cliques == ((0, 1),)
    assert ranking.methods[2] == "floor"


# Few sets, few methods


def test_five_sets_never_show_a_difference():
    ranking = rank_methods({"a": [0.9, 0.8, 0.7, 0.95, 0.85], "b": [0.1, 0.11, 0.12, 0.13, 0.15]})
    assert ranking.p_values == {(0, 1): pytest.approx(2 / 2**5)}
    assert ranking.cliques == ((0, 1),)


def test_one_set_gives_ranks_without_a_test():
    ranking = rank_methods({"a": [0.8], "b": [0.9]})
    assert (ranking.methods, ranking.ranks) == (("b", "a"), (1.0, 2.0))
    assert (ranking.p_values, ranking.cliques) == ({}, ())


def test_one_method():
    ranking = rank_methods({"a": [0.8] * 9})
    assert (ranking.ranks, ranking.p_values, ranking.cliques) == ((1.0,), {}, ())


@pytest.mark.parametrize("n_sets", range(2, 12))
def test_the_least_p_is_that_of_gains_alone(n_sets):
    assert min_p(n_sets, 1) == pytest.approx(wilcoxon_p(np.arange(1, n_sets + 1) / 10))
    assert min_p(n_sets, 3) == pytest.approx(min(1.0, 3 * min_p(n_sets, 1)))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({}, "a ranking needs an estimator and a set, got none"),
        ({"a": []}, "a ranking needs an estimator and a set, got none"),
        ({"a": [0.5], "b": [0.5, 0.6]}, "scores of the same sets, got 1 to 2 sets"),
        ({"a": [0.5, 0.5], "b": [0.5, math.nan]}, "b has no score on every set; leave it out"),
    ],
)
def test_what_cannot_be_ranked(scores, message):
    with pytest.raises(ParameterError) as error:
        rank_methods(scores)
    assert message in str(error.value)
