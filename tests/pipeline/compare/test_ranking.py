"""Ranks over data sets: Demšar's published example, SciPy, all signs enumerated, and cliques looked for one by one."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from phosphene.converters import ParameterError
from phosphene.pipeline.compare.ranking import cliques, holm, lean, least_p, rank_methods, wilcoxon_p

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
    assert lean(gains) == pytest.approx((78 - 2 * 6.5) / 78)
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
    assert lean([0.0] * 8) == 0.0


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
    for step, place in enumerate(order):
        if p_values[place] * (len(p_values) - step) >= 0.05:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(holm(p_values)) if p < 0.05} == rejected


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
    assert least_p(n_sets, 1) == pytest.approx(wilcoxon_p(np.arange(1, n_sets + 1) / 10))
    assert least_p(n_sets, 3) == pytest.approx(min(1.0, 3 * least_p(n_sets, 1)))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ({}, "a ranking needs a method and a set, got none"),
        ({"a": []}, "a ranking needs a method and a set, got none"),
        ({"a": [0.5], "b": [0.5, 0.6]}, "scores of the same sets, got 1 to 2 sets"),
        ({"a": [0.5, 0.5], "b": [0.5, math.nan]}, "b has no score on every set; leave it out"),
    ],
)
def test_what_cannot_be_ranked(scores, message):
    with pytest.raises(ParameterError) as error:
        rank_methods(scores)
    assert message in str(error.value)
