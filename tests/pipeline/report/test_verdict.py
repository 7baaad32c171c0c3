"""Verdicts in words: what is claimed, and what is not, from rows whose numbers are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from phosphene.pipeline.compare.ranking import rank_methods
from phosphene.pipeline.compare.significance import Comparison
from phosphene.pipeline.compare.summary import Cost, CurvePoint, Ranking, Row, SetSummary
from phosphene.pipeline.report.verdict import overall_verdict, verdict
from phosphene.pipeline.report.verdict_curves import curve_sentences
from phosphene.pipeline.report.verdict_lines import Details, chosen_words, cost_words, p_words, ranks_line

FOLDS = "corrected resampled t-test over 5 folds"
IMAGES = Row("images", "images", 0.958, 0.92, 0.99, cost=Cost(31.4, 4.26, 0.08, 812.0, 17_900_000))
TABLES = Row("without images", None, 0.842, 0.79, 0.9, notes={"chosen": ["statistics + lightgbm"] * 5})
LIGHTGBM = Row("statistics + lightgbm", "tables", 0.84, 0.79, 0.9, cost=Cost(60.4, 44.0, 0.2, 400.0, 912_000))
BOTH = Row("both", None, 0.965, 0.93, 1.0)
CONTROL = Row("images, random weights", "images", 0.758, 0.7, 0.8)
BETTER = Comparison(0.116, 0.0712, 0.1616, 0.0021, FOLDS)
HIDDEN = Comparison(0.016, -0.020, 0.052, 0.31, FOLDS)


def failed(row, why):
    return replace(row, score=math.nan, low=math.nan, high=math.nan, error=why)


def lines(*args, **options):
    return verdict(*args, **options).split("\n")


# One data set: the claim


def test_images_are_better():
    assert lines(IMAGES, TABLES, None, BETTER)[0] == (
        "Images are better: accuracy 0.958 against 0.842 of the best without images (statistics + lightgbm, chosen on "
        "training items), difference 0.116 (95 % interval 0.071 to 0.162, p = 0.002, corrected resampled t-test over "
        "5 folds)."
    )


def test_tables_are_better():
    images, tables = replace(IMAGES, score=0.80), replace(TABLES, score=0.85, notes={})
    found = Comparison(-0.05, -0.09, -0.01, 0.0004, "DeLong's test")
    assert lines(images, tables, None, found, details=Details("auc"))[0] == (
        "Tables are better: AUC 0.850 of the best without images against 0.800 of images, difference 0.050 "
        "(95 % interval 0.010 to 0.090, p < 0.001, DeLong's test)."
    )


def test_no_difference_tells_how_large_one_could_hide():
    assert lines(IMAGES, replace(TABLES, score=0.942, notes={}), None, HIDDEN)[0] == (
        "No difference seen: accuracy of images 0.958 against 0.942 of the best without images, difference 0.016 "
        "(95 % interval -0.020 to 0.052, p = 0.31, corrected resampled t-test over 5 folds); "
        "one as large as 0.052 could hide."
    )


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("p", "is_claimed"), [(0.0499999, True), (0.05, False), (1.0, False)])
def test_nothing_is_claimed_from_one_in_twenty_on(p, is_claimed, sign):
    found = Comparison(0.1 * sign, 0.001, 0.2, p, "exact McNemar test")
    first = lines(IMAGES, TABLES, BOTH, found)[0]
    assert ("better" in first) == is_claimed
    assert ("No difference seen" in first) == (not is_claimed)


def test_nothing_has_no_sign():
    found = Comparison(-0.0002, -0.0004, 0.0003, 0.9, FOLDS)
    assert "difference 0.000 (95 % interval 0.000 to 0.000, p = 0.9" in lines(IMAGES, TABLES, None, found)[0]


# One data set: no verdict


def test_a_side_that_failed():
    images = failed(IMAGES, "the process died\n(out of memory).")
    assert verdict(images, TABLES, BOTH, None) == (
        "No verdict: images failed (the process died (out of memory)); the best without images has accuracy 0.842."
    )
    assert verdict(IMAGES, failed(TABLES, "no table"), None, None) == (
        "No verdict: the best without images failed (no table); images have accuracy 0.958."
    )
    assert "why is not known" in verdict(failed(IMAGES, ""), TABLES, None, None)


def test_what_was_not_compared():
    wanted = "No verdict: accuracy 0.958 of images and 0.842 of the best without images"
    assert verdict(IMAGES, TABLES, None, None).startswith(wanted)
    assert verdict(IMAGES, TABLES, None, replace(BETTER, p=math.nan)).startswith(wanted)


# One data set: costs


def test_costs_of_both_sides():
    assert lines(IMAGES, TABLES, None, BETTER, details=Details(others=[LIGHTGBM, BOTH]))[1] == (
        "Images took 31 s to prepare, 4.3 s to train, 80 ms an item, a model of 18 MB, 812 MiB of memory; "
        "statistics + lightgbm: 60 s to prepare, 44 s to train, 0.20 s an item, a model of 912 kB, 400 MiB of memory."
    )


def test_costs_of_the_method_that_was_taken_most_often():
    forest = replace(LIGHTGBM, method="forest")
    tables = replace(TABLES, notes={"chosen": ["forest", "statistics + lightgbm", "forest"]})
    costs = lines(IMAGES, tables, None, BETTER, details=Details(others=[LIGHTGBM, forest]))[1]
    assert "; forest: 60 s" in costs
    assert "lightgbm" not in costs


def test_what_was_not_measured_is_left_out():
    assert cost_words(Cost(31.0, 4.0, 0.5, math.nan, 1000)).endswith("0.50 s an item, a model of 1.0 kB")


def test_without_costs_there_is_no_line_of_them():
    assert (
        len(lines(replace(IMAGES, cost=None), TABLES, None, BETTER, details=Details(others=[LIGHTGBM]))) == 1
    )


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("lightgbm", "lightgbm"),
        (["a"] * 5, "a"),
        ({"0": "a", "1": "b", "2": "b"}, "b in 2 of 3 folds, a in 1"),
        (["a", "b", "c", "d", "a"], "a in 2 of 5 folds, b in 1, c in 1, others in 1"),
        ([], ""),
    ],
)
def test_what_was_taken(chosen, words):
    assert chosen_words(replace(TABLES, notes={"chosen": chosen})) == words


# One data set: both together, transfer


def test_both_together_where_it_was_tested():
    tests = {
        ("both", "images"): Comparison(0.007, -0.010, 0.024, 0.3, FOLDS),
        ("both", "without images"): Comparison(0.123, 0.08, 0.17, 0.001, FOLDS),
    }
    assert lines(IMAGES, TABLES, BOTH, BETTER, details=Details(tests=tests))[2] == (
        "Both together: accuracy 0.965, no difference seen from images (0.007, 95 % interval -0.010 to 0.024, "
        "p = 0.3), and better than the best without images by 0.123 (95 % interval 0.080 to 0.170, p = 0.001)."
    )


def test_both_together_may_be_worse():
    tests = {("both", "images"): Comparison(-0.02, -0.03, -0.01, 0.01, FOLDS)}
    told = lines(IMAGES, TABLES, BOTH, BETTER, details=Details(tests=tests))[2]
    assert "worse than images by 0.020 (95 % interval 0.010 to 0.030, p = 0.01)" in told


def test_both_together_untested_is_no_claim():
    both = replace(BOTH, score=0.950)
    assert lines(IMAGES, replace(TABLES, score=0.950), both, HIDDEN)[2] == (
        "Both together: accuracy 0.950, 0.008 below images (not tested), "
        "and equal to the best without images (not tested)."
    )


def test_both_together_failed():
    told = verdict(IMAGES, TABLES, failed(BOTH, "too few items"), BETTER)
    assert "Both together failed (too few items)." in told


def test_what_transfer_is_worth():
    tests = {("images", "images, random weights"): Comparison(0.2, 0.15, 0.25, 0.0002, FOLDS)}
    scores = "Transfer: accuracy 0.958 with pretrained weights, 0.758 with random ones: "
    told = lines(IMAGES, TABLES, None, BETTER, random=CONTROL, details=Details(tests=tests))[-1]
    assert told == f"{scores}better than random ones by 0.200 (95 % interval 0.150 to 0.250, p < 0.001)."
    told = lines(IMAGES, TABLES, None, BETTER, random=CONTROL)[-1]
    assert told == f"{scores}0.200 above random ones (not tested)."
    told = lines(IMAGES, TABLES, None, BETTER, random=failed(CONTROL, "no memory"))[-1]
    assert told == "Transfer: random weights failed (no memory)."


# Learning curves


def curve(method, scores, reach=0.001):
    shares = (0.05, 0.1, 0.2, 0.5, 1.0)[-len(scores) :]
    return [
        CurvePoint(method, s, 400 * s, v, v - reach, v + reach) for s, v in zip(shares, scores, strict=True)
    ]


def sentence(images, tables, **options):
    points = curve("images", images, **options) + curve("without images", tables, **options)
    return curve_sentences(points, "images", "without images", "images, random weights")


def test_images_begin_to_pay():
    assert sentence([0.50, 0.60, 0.81, 0.90, 0.95], [0.60, 0.65, 0.75, 0.80, 0.84]) == (
        "Images are ahead from 20 % on: with 20 % of the training items (80) 0.81 against 0.75 without images, "
        "with 10 % (40) 0.60 against 0.65; all of their intervals are apart."
    )


def test_images_pay_with_few_items_alone():
    assert sentence([0.60, 0.70, 0.80, 0.85, 0.90], [0.5, 0.6, 0.79, 0.86, 0.95], reach=0.02) == (
        "Images are ahead up to 20 %: with 20 % of the training items (80) 0.80 against 0.79 without images, "
        "with 50 % (200) 0.85 against 0.86; their intervals are apart at 5 %, 10 % and 100 %."
    )


@pytest.mark.parametrize(
    ("images", "tables", "words"),
    [
        ([0.7, 0.8], [0.6, 0.7], "at every share: with 50 % of the training items (200) 0.70 against 0.60"),
        ([0.6, 0.7], [0.6, 0.8], "at no share: with 50 %"),
        ([0.7, 0.6, 0.9], [0.6, 0.7, 0.8], "at 20 % and 100 % only: with 20 %"),
    ],
)
def test_where_images_are_ahead(images, tables, words):
    assert sentence(images, tables, reach=0.5).startswith(f"Images are ahead {words}")
    assert sentence(images, tables, reach=0.5).endswith("; none of their intervals are apart.")


def test_pretrained_weights_against_random_ones_and_a_named_table():
    points = [
        *curve("images", [0.9, 0.95]),
        *curve("images, random weights", [0.5, 0.7]),
        *curve("catch22 + lightgbm", [0.8, 0.9]),
    ]
    told = lines(IMAGES, TABLES, None, BETTER, random=CONTROL, curves=points)[-1]
    first, second = told.split(". ")
    assert first.startswith("Images are ahead at every share")
    assert "0.90 against 0.80 of catch22 + lightgbm" in first
    assert second.startswith("Pretrained weights are ahead at every share")
    assert "0.90 against 0.50 with random ones, with 100 % (400) 0.95 against 0.70" in second


def test_no_curve_no_words():
    assert curve_sentences([], "images", "without images", "") == ""
    assert sentence([0.9], [0.8]) == ""
    assert curve_sentences(curve("images", [0.8, 0.9]), "images", "without images", "") == ""


# Several data sets


def summaries(images, tables, both=None, chosen=("minirocket",)):
    both = both or [None] * len(images)
    found = []
    for place, scores in enumerate(zip(images, tables, both, strict=True)):
        names = ("images", "without images", "both")
        notes = {"chosen": [chosen[place % len(chosen)]]}
        rows = [
            Row(name, None, score, 0.0, 1.0, notes=notes if name == "without images" else {})
            for name, score in zip(names, scores, strict=True)
            if score is not None
        ]
        found.append(SetSummary(f"set {place}", "accuracy", 60, 2, tuple(rows), (), ""))
    return found


GAINS = [0.06, 0.02, 0.05, 0.03, 0.07, 0.01, 0.04, 0.0]


def test_images_are_better_over_several_sets():
    sets = summaries(
        [0.8 + gain for gain in GAINS], [0.8] * 8, chosen=("minirocket", "minirocket", "lightgbm")
    )
    # Seven gains: 2 / 2**7 = 0.016. Mean 0.035, deviation sqrt(0.006) / 10, t of 7 degrees of freedom 2.364624.
    reach = 2.364624 * math.sqrt(0.0006) / math.sqrt(8)
    assert overall_verdict(sets, (), None) == (
        "Images are better over 8 sets: mean accuracy 0.835 against 0.800 of the best without images (minirocket in "
        "6 of 8 sets, lightgbm in 2, chosen on training items), higher on 7 sets, equal on 1, lower on 0; "
        f"mean difference 0.035 (95 % interval {0.035 - reach:.3f} to {0.035 + reach:.3f}, p = 0.016, "
        "Wilcoxon's signed-rank test)."
    )


def test_tables_are_better_over_several_sets():
    told = overall_verdict(summaries([0.8 - gain for gain in GAINS], [0.8] * 8), (), None)
    assert told.startswith("Tables are better over 8 sets: images have mean accuracy 0.765 against 0.800")
    assert "higher on 0 sets, equal on 1, lower on 7; mean difference -0.035" in told


def test_more_questions_make_a_claim_harder():
    images = [0.8 + gain for gain in GAINS]
    told = overall_verdict(summaries(images, [0.8] * 8, both=images), (), None)
    # Three comparisons: 3 × 0.016 for images, as for both with tables; both and images are equal.
    assert "Images are better" in told
    assert "p = 0.047, Wilcoxon's signed-rank test, Holm's correction for 3 comparisons" in told
    harder = overall_verdict(summaries(images[1:], [0.8] * 7, both=images[1:]), (), None)
    assert harder.startswith("No difference seen over 7 sets: images have mean accuracy")
    assert "p = 0.094" in harder
    assert "cannot see" not in harder


def test_few_sets_cannot_show_a_difference():
    told = overall_verdict(summaries([0.9] * 5, [0.5] * 5), (), None)
    assert told.startswith("No difference seen over 5 sets")
    assert told.endswith("With 5 sets this test cannot see a difference, however large.")
    one = overall_verdict(summaries([0.9], [0.5]), (), None)
    assert "over 1 set: " in one
    assert "higher on 1 set, equal on 0" in one
    assert "(p = 1, Wilcoxon" in one


def test_a_set_on_which_a_side_failed_does_not_count():
    sets = summaries([0.8 + gain for gain in GAINS] + [math.nan], [0.8] * 9)
    told = overall_verdict(sets, [failed(IMAGES, "failed on 1 of 9 data sets")], None)
    assert told.startswith(
        "Images are better over 8 sets of 9, one side having failed on the others: mean accuracy 0.835 against 0.800"
    )
    nothing = overall_verdict(summaries([math.nan], [0.8]), (), None)
    assert nothing == "No verdict: images and the best without images have scores on no set together."


def test_means_and_ranks_may_disagree():
    images = [0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.87, 0.88, 0.30]
    told = overall_verdict(summaries(images, [0.8] * 9), (), None)
    differences = np.array(images) - 0.8
    assert differences.mean() < 0
    # One loss of the highest of nine ranks: no claim. Of fifteen gains and the same loss, a claim of ranks alone.
    assert told.startswith("No difference seen")
    images = [0.8 + 0.001 * place for place in range(1, 16)] + [0.30]
    told = overall_verdict(summaries(images, [0.8] * 16), (), None)
    assert told.startswith("Mixed, means and ranks disagreeing, over 16 sets: images have mean accuracy")


def test_both_and_costs_over_several_sets():
    images = [0.8 + gain for gain in GAINS]
    sets = summaries(images, [0.8] * 8, both=[score + 0.01 for score in images])
    rows = [
        replace(IMAGES, score=0.835),
        replace(BOTH, score=0.845),
        replace(LIGHTGBM, method="minirocket"),
        failed(CONTROL, "no memory"),
    ]
    _, costs, both, transfer = overall_verdict(sets, rows, None).split("\n")
    assert costs.startswith("Images took 31 s to prepare")
    assert "; minirocket: 60 s" in costs
    assert both.startswith(
        "Both together: accuracy 0.845, better than images by 0.010 (95 % interval 0.010 to 0.010"
    )
    assert transfer == "Transfer: random weights failed (no memory)."


def test_metrics_that_differ_are_scores():
    first, second = summaries([0.9, 0.9], [0.8, 0.8])
    assert "images have mean score 0.900" in overall_verdict([replace(first, metric="auc"), second], (), None)


# Ranks


def test_ranks_in_words():
    good = np.linspace(0.7, 0.9, 12)
    scores = {"images": good + 0.01, "minirocket": good, "forest": good - 0.02, "majority": good - 0.5}
    assert ranks_line(rank_methods(scores)) == (
        "Best by mean rank of 4 methods: images (1.0), minirocket (2.0), forest (3.0); the first differs from each of "
        "the other 3 (Wilcoxon's test, Holm's correction for 6 pairs)."
    )
    few = ranks_line(rank_methods({name: list(column[:5]) for name, column in scores.items()}))
    assert "; 5 sets are too few to tell any of them apart (" in few
    alike = Ranking(("a", "b"), (1.4, 1.6), ((0, 1),), {(0, 1): 0.4}, 9)
    assert "; no difference is seen between them (" in ranks_line(alike)
    assert "; they differ (" in ranks_line(replace(alike, p_values={(0, 1): 0.01}))
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
