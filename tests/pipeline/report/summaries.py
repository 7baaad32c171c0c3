"""Benchmarks that never ran, as like real ones as a picture or a page needs them."""

import math

import numpy as np

from phosphene.datasets.scores import Scores, confusion_counts, macro_f1, share_interval
from phosphene.pipeline.compare.statistics import Ranking
from phosphene.pipeline.compare.summary import Cost, CurvePoint, Row, SetSummary, Summary

NAN = float("nan")
# Method, side, what it scores at best, seconds to prepare and to train.
METHODS = (
    ("images", "images", 0.93, 48.0, 21.0),
    ("images, random weights", "images", 0.74, 48.0, 19.0),
    ("statistics + lightgbm", "tables", 0.84, 31.0, 64.0),
    ("statistics + random forest", "tables", 0.83, 31.0, 12.0),
    ("statistics + logistic regression", "tables", 0.8, 31.0, 4.1),
    ("statistics + 1-nn", "tables", 0.68, 31.0, 0.4),
    ("catch22 + random forest", "tables", 0.79, 9.0, 5.0),
    ("raw values + random forest", "tables", 0.72, 0.6, 7.0),
    ("1-nn dtw", "tables", 0.76, 0.5, 210.0),
    ("minirocket", "tables", 0.9, 3.2, 2.4),
    ("multirocket-hydra", "tables", 0.91, 14.0, 6.0),
    ("majority class", "floor", 0.1, 0.001, 0.001),
    ("best baseline", None, 0.905, 0, 0),
    ("stacked", None, 0.94, 0, 0),
)
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
ORIGIN = {"phosphene": "0.1.0", "numpy": "2.3.5", "device": "cpu, 2 threads", "seed": "0"}


def scores_of(accuracy, n_items, classes, rng):
    """Scores of answers that are right about so often."""
    truth = [classes[place % len(classes)] for place in range(n_items)]
    answers = [
        name if rng.random() < accuracy else classes[int(rng.integers(len(classes)))] for name in truth
    ]
    confusion = confusion_counts(truth, answers, classes)
    counts = tuple(tuple(row) for row in confusion.tolist())
    return Scores(
        n_items, float(np.trace(confusion) / n_items), macro_f1(confusion), None, counts, tuple(classes)
    )


def make_row(
    method="images", side="images", *, accuracy=0.9, n_items=400, classes=("cat", "dog"), seed=0, **changes
):
    """A row whose score, interval and confusion fit together; `changes` are fields of Row."""
    rng = np.random.default_rng(seed)
    scores = scores_of(accuracy, n_items, classes, rng)
    low, high = share_interval(scores.accuracy, n_items)
    folds = tuple(float(np.clip(scores.accuracy + shift, 0, 1)) for shift in rng.normal(0, 0.02, 5))
    cost = None if side is None else Cost(48.0, 21.0, 0.0031, 812.0, 3_400_000)
    fields = {"folds": folds, "scores": scores, "cost": cost} | changes
    return Row(method, side, scores.accuracy, low, high, **fields)


def make_failed(method="minirocket", side="tables", error="RuntimeError: out of memory"):
    return Row(method, side, NAN, NAN, NAN, error=error)


def make_set(
    name="esc10", *, n_methods=14, n_classes=10, n_items=400, failed=(), seed=0, warnings=(), easy=0.0
):
    """A data set with rows and learning curves; the methods in `failed` have an error instead of a score."""
    classes = tuple(f"class {place:02d}" for place in range(n_classes))
    rows = []
    for place, (method, side, best, prepare_s, train_s) in enumerate(chosen(n_methods)):
        if method in failed:
            rows.append(make_failed(method, side))
            continue
        cost = Cost(prepare_s, train_s, 0.0004 * (place + 1), 300 + 45 * place, 20_000 * (place + 1) ** 2)
        accuracy = min(1.0, best + easy)
        row = make_row(
            method,
            side,
            accuracy=accuracy,
            n_items=n_items,
            classes=classes,
            seed=seed * 100 + place,
            cost=cost,
        )
        rows.append(
            row
            if side
            else make_row(
                method, side, accuracy=accuracy, n_items=n_items, classes=classes, seed=seed * 100 + place
            )
        )
    verdict = (
        "Images better: 0.930 against 0.905 without them, p = 0.012 (corrected resampled t-test, 5 folds)."
    )
    return SetSummary(
        name,
        "accuracy",
        n_items,
        n_classes,
        tuple(rows),
        make_curves(n_items),
        warnings=tuple(warnings),
        verdict=verdict,
    )


def make_curves(n_items=400, methods=("images", "images, random weights", "statistics + lightgbm")):
    points = []
    for place, method in enumerate(methods):
        for share in SHARES:
            score = 0.93 - 0.04 * place - (0.08 + 0.07 * place) * math.log10(1 / share)
            reach = 0.02 / math.sqrt(share) / 2
            points.append(
                CurvePoint(method, share, 0.8 * n_items * share, score, score - reach, score + reach)
            )
    return tuple(points)


def make_ranking(n_methods=5, *, n_sets=16):
    methods = tuple(method for method, *_ in chosen(n_methods))
    ranks = np.sort(
        np.linspace(1.4, n_methods - 0.3, n_methods) + np.random.default_rng(1).normal(0, 0.2, n_methods)
    )
    ranks = np.clip(ranks, 1, n_methods)
    cliques = ((0, 1), (1, 2, 3)) if n_methods > 3 else ((0, 1),)
    if n_methods > 9:
        cliques += (tuple(range(5, 9)), tuple(range(8, n_methods)))
    p_values = {
        (one, other): min(1.0, 0.4 / (other - one) ** 2)
        for one in range(n_methods)
        for other in range(one + 1, n_methods)
    }
    return Ranking(methods, tuple(ranks.tolist()), cliques, p_values, n_sets)


def chosen(n_methods):
    """The first methods, and always images, the best without, and both."""
    return (*METHODS[: max(1, n_methods - 2)], *METHODS[-2:]) if n_methods < len(METHODS) else METHODS


def make_summary(*, n_sets=1, n_methods=14, failed_items=0, **of_set):
    """A whole benchmark of one data set or of several."""
    sets = [
        make_set(f"set{place:02d}" if n_sets > 1 else "esc10", n_methods=n_methods, seed=place, **of_set)
        for place in range(n_sets)
    ]
    items = tuple((f"audio/{place}.ogg", "no sound in it") for place in range(failed_items))
    if n_sets == 1:
        (one,) = sets
        return Summary(one.name, (one,), one.rows, one.curves, {}, None, items, 412.5, ORIGIN, one.verdict)
    rows = tuple(mean_row([one.rows[place] for one in sets]) for place in range(len(sets[0].rows)))
    verdict = "No difference seen: 0.904 with images, 0.905 without, p = 0.61 (Wilcoxon, Holm)."
    ranking = make_ranking(len(rows), n_sets=n_sets)
    return Summary("ucr", tuple(sets), rows, sets[0].curves, {}, ranking, items, 812.0, ORIGIN, verdict)


def mean_row(rows):
    """The mean of one method over sets: a failure where it failed on any."""
    first = rows[0]
    if any(row.error for row in rows):
        return make_failed(first.method, first.side, error="failed on 1 set")
    score = float(np.mean([row.score for row in rows]))
    return Row(first.method, first.side, score, NAN, NAN, cost=first.cost, n_sets=len(rows))
