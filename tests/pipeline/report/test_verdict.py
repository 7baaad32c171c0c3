"""Verdicts in words: what is claimed, and what is not, from rows whose numbers are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from phosphene.pipeline.compare.statistics import Comparison, Ranking, rank_methods
from phosphene.pipeline.compare.summary import (
    Cost,
    CurvePoint,
    Row,
    SetSummary,
    Summary,
    compare_over_sets,
    summary_of,
)
from phosphene.pipeline.report.verdict import (
    common_metric,
    p_words,
    set_verdict,
    summary_verdict,
    with_verdicts,
)

FOLDS = "corrected resampled t-test over 5 folds"
IMAGES = Row("images", "images", 0.958, 0.92, 0.99, cost=Cost(31.4, 4.26, 0.08, 812.0, 17_900_000))
TABLES = Row("best baseline", None, 0.842, 0.79, 0.9, notes={"chosen": ["statistics + lightgbm"] * 5})
LIGHTGBM = Row("statistics + lightgbm", "tables", 0.84, 0.79, 0.9, cost=Cost(60.4, 44.0, 0.2, 400.0, 912_000))
BOTH = Row("stacked", None, 0.965, 0.93, 1.0)
CONTROL = Row("images, random weights", "images", 0.758, 0.7, 0.8)
BETTER = Comparison(0.116, 0.0712, 0.1616, 0.0021, FOLDS)
HIDDEN = Comparison(0.016, -0.020, 0.052, 0.31, FOLDS)


def failed(row, why):
    return replace(row, score=math.nan, low=math.nan, high=math.nan, error=why)


def lines(*rows, found=BETTER, tests=None, metric="accuracy", curves=()):
    main = {("images", "best baseline"): found} if found else {}
    one = SetSummary("x", metric, 60, 2, rows, tuple(curves), main | (tests or {}))
    return set_verdict(one).split("\n")


def line(found, start):
    (one,) = [line for line in found if line.startswith(start)]
    return one


# One data set: the claim


def test_images_are_better():
    first = lines(IMAGES, TABLES)[0]
    assert first.startswith("Images are better: accuracy 0.958 for images, 0.842 for the best baseline")
    assert "(statistics + lightgbm, chosen on out-of-fold training predictions)" in first
    assert f"difference 0.116 (95 % CI 0.071 to 0.162, p = 0.002, {FOLDS})" in first


def test_the_best_baseline_is_better():
    found = Comparison(-0.05, -0.09, -0.01, 0.0004, "DeLong's test")
    images, tables = replace(IMAGES, score=0.80), replace(TABLES, score=0.85, notes={})
    first = lines(images, tables, found=found, metric="auc")[0]
    assert first.startswith(
        "The best baseline is better: AUC 0.800 for images, 0.850 for the best baseline; "
    )
    assert "difference -0.050 (95 % CI -0.090 to -0.010, p < 0.001, DeLong's test)" in first


def test_no_significant_difference_gives_its_interval():
    first = lines(IMAGES, replace(TABLES, score=0.942, notes={}), found=HIDDEN)[0]
    assert first.startswith("No significant difference: accuracy 0.958 for images, 0.942")
    assert f"0.016 (95 % CI -0.020 to 0.052, p = 0.31, {FOLDS})" in first


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("p", "is_claimed"), [(0.0499999, True), (0.05, False), (1.0, False)])
def test_nothing_is_claimed_from_one_in_twenty_on(p, is_claimed, sign):
    found = Comparison(0.1 * sign, 0.001, 0.2, p, "exact McNemar test")
    first = lines(IMAGES, TABLES, BOTH, found=found)[0]
    assert ("better" in first) == is_claimed
    assert ("No significant difference" in first) == (not is_claimed)


def test_zero_has_no_sign():
    found = Comparison(-0.0002, -0.0004, 0.0003, 0.9, FOLDS)
    assert "difference 0.000 (95 % CI 0.000 to 0.000, p = 0.9" in lines(IMAGES, TABLES, found=found)[0]


# One data set: no verdict


def test_a_side_that_failed():
    (only,) = lines(failed(IMAGES, "the process died\n(out of memory)."), TABLES, BOTH, found=None)
    assert only.startswith("No verdict: images failed: the process died (out of memory);")
    assert "the best baseline accuracy 0.842." in only
    (only,) = lines(IMAGES, failed(TABLES, "no table"), found=None)
    assert "the best baseline failed: no table" in only
    assert "images accuracy 0.958" in only
    assert "failed: no score" in lines(failed(IMAGES, ""), TABLES, found=None)[0]


def test_a_side_that_was_not_run():
    (only,) = lines(IMAGES, found=None)
    assert only.startswith("No verdict")
    assert "the best baseline not run" in only


@pytest.mark.parametrize("found", [None, replace(BETTER, p=math.nan)])
def test_what_was_not_compared(found):
    first = lines(IMAGES, TABLES, found=found)[0]
    assert first.startswith("No verdict: accuracy 0.958 for images, 0.842 for the best baseline")
    assert "not tested" in first


# One data set: costs


def test_costs_of_both_sides():
    assert lines(IMAGES, TABLES, LIGHTGBM)[1] == (
        "Cost: images 31 s to prepare, 4.3 s to train, 80 ms per item, 812 MiB memory, 18 MB model; statistics + "
        "lightgbm 60 s to prepare, 44 s to train, 0.20 s per item, 400 MiB memory, 912 kB model."
    )


def test_costs_of_the_baseline_that_was_chosen_most_often():
    forest = replace(LIGHTGBM, method="forest", cost=replace(LIGHTGBM.cost, peak_mib=math.nan))
    tables = replace(TABLES, notes={"chosen": ["forest", "statistics + lightgbm", "forest"]})
    costs = line(lines(IMAGES, tables, LIGHTGBM, forest), "Cost")
    assert "; forest 60 s to prepare, 44 s to train, 0.20 s per item, 912 kB model" in costs
    assert "lightgbm" not in costs


def test_without_costs_there_is_no_line_of_them():
    assert len(lines(replace(IMAGES, cost=None), TABLES)) == 1


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("lightgbm", "(lightgbm, chosen"),
        (["a"] * 5, "(a, chosen"),
        ({"0": "a", "1": "b", "2": "b"}, "(b in 2 of 3 folds, a in 1, chosen"),
        (["a", "b", "c", "d", "a"], "(a in 2 of 5 folds, b in 1, c in 1, others in 1, chosen"),
        ([], "0.842 for the best baseline; difference"),
    ],
)
def test_what_was_chosen(chosen, words):
    assert words in lines(IMAGES, replace(TABLES, notes={"chosen": chosen}))[0]


# One data set: the stack, transfer


def test_the_stack_where_it_was_tested():
    tests = {
        ("stacked", "images"): Comparison(0.007, -0.010, 0.024, 0.3, FOLDS),
        ("stacked", "best baseline"): Comparison(0.123, 0.08, 0.17, 0.001, FOLDS),
    }
    told = line(lines(IMAGES, TABLES, BOTH, tests=tests), "Stacked")
    assert ": accuracy 0.965; not significantly different from images (0.958): difference 0.007 " in told
    assert (
        "(95 % CI -0.010 to 0.024, p = 0.3); better than the best baseline (0.842): difference 0.123" in told
    )
    assert FOLDS not in told


def test_the_stack_may_be_worse():
    tests = {("stacked", "images"): Comparison(-0.02, -0.03, -0.01, 0.01, FOLDS)}
    told = line(lines(IMAGES, TABLES, BOTH, tests=tests), "Stacked")
    assert "worse than images (0.958): difference -0.020 (95 % CI -0.030 to -0.010, p = 0.01)" in told
    assert "not tested against the best baseline (0.842)" in told


def test_the_stack_failed():
    told = line(lines(IMAGES, TABLES, failed(BOTH, "too few items")), "Stacked")
    assert told.endswith(": failed: too few items.")


def test_what_pretraining_is_worth():
    tests = {("images", "images, random weights"): Comparison(0.2, 0.15, 0.25, 0.0002, FOLDS)}
    told = line(lines(IMAGES, TABLES, CONTROL, tests=tests), "Pretrained weights")
    assert "accuracy 0.958; better than random weights (0.758): difference 0.200" in told
    assert "(95 % CI 0.150 to 0.250, p < 0.001)" in told
    told = line(lines(IMAGES, TABLES, CONTROL), "Pretrained weights")
    assert "not tested against random weights (0.758)" in told
    told = line(lines(IMAGES, TABLES, failed(CONTROL, "no memory")), "Pretrained weights")
    assert "random weights (failed: no memory)" in told


# Learning curves


def curve(method, scores, reach=0.001):
    shares = (0.05, 0.1, 0.2, 0.5, 1.0)[-len(scores) :]
    return [
        CurvePoint(method, s, 400 * s, v, v - reach, v + reach) for s, v in zip(shares, scores, strict=True)
    ]


def leads(images, tables, **options):
    points = curve("images", images, **options) + curve("best baseline", tables, **options)
    return line(lines(IMAGES, TABLES, curves=points), "Images lead")


def test_images_lead_from_a_share_on():
    told = leads([0.50, 0.60, 0.81, 0.90, 0.95], [0.60, 0.65, 0.75, 0.80, 0.84])
    assert "lead the best baseline at 20 %, 50 % and 100 % of the training items: " in told
    assert ": 0.50 against 0.60 at 5 % (20 items), 0.95 against 0.84 at 100 % (400 items); " in told
    assert told.endswith("do not overlap at 5 %, 10 %, 20 %, 50 % and 100 %.")


def test_intervals_that_overlap_are_not_named():
    told = leads([0.60, 0.70, 0.80, 0.85, 0.90], [0.5, 0.6, 0.79, 0.86, 0.95], reach=0.02)
    assert "at 5 %, 10 % and 20 % of" in told
    assert told.endswith("do not overlap at 5 %, 10 % and 100 %.")
    assert leads([0.8, 0.9], [0.7, 0.8], reach=0.5).endswith("overlap at every share.")


@pytest.mark.parametrize(
    ("images", "tables", "words"),
    [
        ([0.7, 0.8], [0.6, 0.7], "every share"),
        ([0.6, 0.7], [0.6, 0.8], "no share"),
        ([0.7, 0.6, 0.9], [0.6, 0.7, 0.8], "20 % and 100 %"),
    ],
)
def test_where_images_lead(images, tables, words):
    assert f"at {words} of the training items" in leads(images, tables)


def test_pretrained_weights_against_random_ones_and_a_named_baseline():
    points = [
        *curve("images", [0.9, 0.95]),
        *curve("images, random weights", [0.5, 0.7]),
        *curve("catch22 + lightgbm", [0.8, 0.9]),
    ]
    first, second = lines(IMAGES, TABLES, curves=points)[-2:]
    assert first.startswith("Images lead catch22 + lightgbm at every share")
    assert "0.90 against 0.80 at 50 %" in first
    assert second.startswith("Pretrained weights lead random weights at every share")
    assert "0.90 against 0.50 at 50 % (200 items), 0.95 against 0.70 at 100 % (400 items)" in second


@pytest.mark.parametrize(
    "points",
    [[], curve("images", [0.8, 0.9]), curve("images", [0.9]) + curve("best baseline", [0.8])],
)
def test_no_curve_no_words(points):
    assert not [one for one in lines(IMAGES, TABLES, curves=points) if " lead " in one]


# Several data sets


def sets_of(images, tables, both=None, chosen=("minirocket",)):
    both = both or [None] * len(images)
    found = []
    for index, scores in enumerate(zip(images, tables, both, strict=True)):
        names = ("images", "best baseline", "stacked")
        notes = {"chosen": [chosen[index % len(chosen)]]}
        rows = [
            Row(name, None, score, 0.0, 1.0, notes=notes if name == "best baseline" else {})
            for name, score in zip(names, scores, strict=True)
            if score is not None
        ]
        found.append(SetSummary(f"set {index}", "accuracy", 60, 2, tuple(rows)))
    return found


def overall(sets, rows=(), ranking=None):
    tests = compare_over_sets(sets)
    return summary_verdict(Summary("x", tuple(sets), tuple(rows), (), tests, ranking)).split("\n")


GAINS = [0.06, 0.02, 0.05, 0.03, 0.07, 0.01, 0.04, 0.0]


def test_images_are_better_over_several_sets():
    sets = sets_of([0.8 + gain for gain in GAINS], [0.8] * 8, chosen=("minirocket", "minirocket", "lightgbm"))
    # Seven gains: 2 / 2**7 = 0.016. Mean 0.035, deviation sqrt(0.006) / 10, t of 7 degrees of freedom 2.364624.
    reach = 2.364624 * math.sqrt(0.0006) / math.sqrt(8)
    (first,) = overall(sets)
    assert first.startswith(
        "Images are better over 8 sets: mean accuracy 0.835 for images, 0.800 for the best"
    )
    assert "(minirocket in 6 of 8 sets, lightgbm in 2, chosen on" in first
    assert "images win on 7, tie on 1, lose on 0; mean difference 0.035 " in first
    assert f"(95 % CI {0.035 - reach:.3f} to {0.035 + reach:.3f}, p = 0.016, Wilcoxon" in first
    assert "Holm" not in first


def test_the_best_baseline_is_better_over_several_sets():
    (first,) = overall(sets_of([0.8 - gain for gain in GAINS], [0.8] * 8))
    assert first.startswith("The best baseline is better over 8 sets: mean accuracy 0.765 for images, 0.800")
    assert "images win on 0, tie on 1, lose on 7; mean difference -0.035" in first


def test_more_questions_make_a_claim_harder():
    images = [0.8 + gain for gain in GAINS]
    first = overall(sets_of(images, [0.8] * 8, both=images))[0]
    # Three comparisons: 3 × 0.016 for images, as for the stack with baselines; stack and images are equal.
    assert "Images are better" in first
    assert "p = 0.047, Wilcoxon signed-rank test, Holm correction for 3 comparisons" in first
    harder = overall(sets_of(images[1:], [0.8] * 7, both=images[1:]))[0]
    assert harder.startswith("No significant difference over 7 sets")
    assert "p = 0.094" in harder
    assert "cannot" not in harder


def test_few_sets_cannot_show_a_difference():
    (first,) = overall(sets_of([0.9] * 5, [0.5] * 5))
    assert first.startswith("No significant difference over 5 sets")
    assert "cannot reach p < 0.05" in first
    (one,) = overall(sets_of([0.9], [0.5]))
    assert "images win on 1, tie on 0" in one
    assert "(p = 1, Wilcoxon" in one


def test_a_set_on_which_a_side_failed_does_not_count():
    sets = sets_of([0.8 + gain for gain in GAINS] + [math.nan], [0.8] * 9)
    first = overall(sets, [failed(IMAGES, "failed on 1 of 9 data sets")])[0]
    assert first.startswith("Images are better over 8 of 9 sets")
    assert "mean accuracy 0.835 for images, 0.800" in first
    (nothing,) = overall(sets_of([math.nan], [0.8]))
    assert nothing.startswith("No verdict")


def test_means_and_ranks_may_disagree():
    images = [0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.87, 0.88, 0.30]
    assert (np.array(images) - 0.8).mean() < 0
    # One loss of the highest of nine ranks: no claim. Of fifteen gains and the same loss, a claim of ranks alone.
    assert overall(sets_of(images, [0.8] * 9))[0].startswith("No significant difference")
    images = [0.8 + 0.001 * index for index in range(1, 16)] + [0.30]
    assert overall(sets_of(images, [0.8] * 16))[0].startswith(
        "Mixed result (means and ranks disagree) over 16"
    )


def test_stack_and_costs_over_several_sets():
    images = [0.8 + gain for gain in GAINS]
    sets = sets_of(images, [0.8] * 8, both=[score + 0.01 for score in images])
    rows = [
        replace(IMAGES, score=0.835),
        replace(BOTH, score=0.845),
        replace(LIGHTGBM, method="minirocket"),
        failed(CONTROL, "no memory"),
    ]
    _, costs, both, transfer = overall(sets, rows)
    assert costs.startswith("Cost: images 31 s to prepare")
    assert "; minirocket 60 s" in costs
    assert "accuracy 0.845; better than images (0.835): difference 0.010 (95 % CI 0.010 to 0.010" in both
    assert "random weights (failed: no memory)" in transfer


def test_metrics_that_differ_are_scores():
    first, second = sets_of([0.9, 0.9], [0.8, 0.8])
    sets = [replace(first, metric="auc"), second]
    assert common_metric(sets) == "mixed"
    assert common_metric(sets[:1]) == "auc"
    assert "mean score 0.900 for images" in overall(sets)[0]


def test_a_summary_gets_the_verdict_of_each_set_and_of_all():
    sets = sets_of([0.8 + gain for gain in GAINS], [0.8] * 8)
    several = with_verdicts(summary_of(sets, failed=(), seconds=1.0, origin={}))
    assert several.verdict.startswith("Images are better over 8 sets")
    assert [one.verdict for one in several.sets] == [set_verdict(one) for one in sets]
    single = with_verdicts(summary_of(sets[:1], failed=(), seconds=1.0, origin={}))
    assert single.verdict == single.sets[0].verdict == set_verdict(sets[0])


# Ranks


def ranks_line(ranking):
    found = overall(sets_of([0.9] * 9, [0.5] * 9), ranking=ranking)
    return "".join(one for one in found if "mean ranks" in one)


def test_ranks_in_words():
    good = np.linspace(0.7, 0.9, 12)
    scores = {"images": good + 0.01, "minirocket": good, "forest": good - 0.02, "majority": good - 0.5}
    told = ranks_line(rank_methods(scores))
    assert (
        "of 4 methods: images (1.0), minirocket (2.0), forest (3.0); the first differs significantly" in told
    )
    assert "from 3 of the other 3 (" in told
    assert "Holm correction for 6 pairs" in told
    few = ranks_line(rank_methods({name: list(column[:5]) for name, column in scores.items()}))
    assert "; 5 sets are too few" in few
    alike = Ranking(("a", "b"), (1.4, 1.6), ((0, 1),), {(0, 1): 0.4}, 9)
    assert "from 0 of the other 1 (" in ranks_line(alike)
    assert "from 1 of the other 1 (" in ranks_line(replace(alike, p_values={(0, 1): 0.01}))
    assert ranks_line(Ranking(("a",), (1.0,), (), {}, 9)) == ""


# Numbers


@pytest.mark.parametrize(
    ("p", "words"),
    [
        (0.0009999, "p < 0.001"),
        (0.001, "p = 0.001"),
        (0.0098, "p = 0.010"),
        (0.0123, "p = 0.012"),
        (0.04996, "p = 0.04996"),
        (0.05, "p = 0.05"),
        (0.0504, "p = 0.05"),
        (0.317, "p = 0.32"),
        (1.0, "p = 1"),
    ],
)
def test_p_values(p, words):
    assert p_words(p) == words
