"""The verdict in words, with its numbers: do images pay, what do they cost, and what is transfer worth."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from phosphene.pipeline.compare.ranking import holm, lean, least_p, wilcoxon_p
from phosphene.pipeline.compare.significance import LEVEL, Comparison
from phosphene.pipeline.compare.summary import CurvePoint, Ranking, Row, SetSummary

from .verdict_curves import curve_sentences
from .verdict_lines import (
    WITHOUT,
    Details,
    best_words,
    chosen_counts,
    costs_line,
    evidence,
    hidden_words,
    ranks_line,
    signed,
    together_line,
    transfer_line,
    trouble_words,
    turned,
)
from .words import metric_words

IMAGES, CONTROL = "images", "images, random weights"
TABLES, BOTH = "without images", "both"
_QUESTIONS = ((IMAGES, TABLES), (BOTH, IMAGES), (BOTH, TABLES), (IMAGES, CONTROL))
_EQUAL = 5e-10


def verdict(
    images: Row,
    tables: Row,
    both: Row | None,
    comparison: Comparison | None,
    *,
    random: Row | None = None,
    curves: Sequence[CurvePoint] = (),
    details: Details | None = None,
) -> str:
    """Say of one data set whether images are better, what each side costs, and what else was found: a line each.

    A difference is claimed only where its test sees one; else its interval tells how large one could hide.

    Parameters
    ----------
    images
        The images by a pretrained network.
    tables
        The best method without images, chosen on training items; `notes["chosen"]` tells which by fold.
    both
        Both sides together.
    comparison
        The score of `images` less that of `tables`; None where they cannot be compared.
    random
        The images by a network with random weights.
    curves
        Scores from parts of the training items.
    details
        What else there is to tell.

    Examples
    --------
    >>> images = Row("images", "images", 0.958, 0.92, 0.99)
    >>> tables = Row("without images", None, 0.842, 0.79, 0.9, notes={"chosen": ["lightgbm"] * 5})
    >>> test = "corrected resampled t-test over 5 folds"
    >>> print(verdict(images, tables, None, Comparison(0.116, 0.071, 0.162, 0.002, test)))
    Images are better: accuracy 0.958 against 0.842 of the best without images (lightgbm, chosen on training items),
    difference 0.116 (95 % interval 0.071 to 0.162, p = 0.002, corrected resampled t-test over 5 folds).
    """
    details = details or Details()
    trouble = trouble_words(images, tables, details.metric)
    if trouble:
        return trouble
    lines = [
        _headline(images, tables, comparison, details.metric),
        costs_line(images, tables, details.others),
        together_line(both, images, tables, details) if both else "",
        transfer_line(images, random, details) if random else "",
        curve_sentences(curves, images.method, tables.method, random.method if random else ""),
    ]
    return "\n".join(line for line in lines if line)


def overall_verdict(
    sets: Sequence[SetSummary],
    rows: Sequence[Row],
    ranking: Ranking | None,
    *,
    curves: Sequence[CurvePoint] = (),
) -> str:
    """Say of several data sets what `verdict` says of one.

    By Wilcoxon's signed-rank test over the sets, with Holm's correction for the comparisons that are made here: images
    with tables, both together with either, pretrained weights with random ones. That is fewer than the pairs of a
    ranking, since what else took part has no say in these.

    Parameters
    ----------
    sets
        The data sets, each with rows `images` and `without images`, and where they are known `both` and
        `images, random weights`.
    rows
        The means of all methods over the sets, with costs.
    ranking
        Of all methods; None where there is none.
    curves
        Mean scores from parts of the training items.

    Examples
    --------
    >>> scores = [(0.91, 0.85), (0.88, 0.86), (0.97, 0.92), (0.85, 0.82), (0.93, 0.86), (0.90, 0.89), (0.84, 0.80)]
    >>> sets = [SetSummary("", "accuracy", 60, 2, (Row("images", "images", a, 0.0, 1.0),
    ...     Row("without images", None, b, 0.0, 1.0)), (), "") for a, b in scores]
    >>> print(overall_verdict(sets, (), None))
    Images are better over 7 sets: mean accuracy 0.897 against 0.857 of the best without images, higher on 7 sets,
    equal on 0, lower on 0; mean difference 0.040 (95 % interval 0.020 to 0.060, p = 0.016,
    Wilcoxon's signed-rank test).
    """
    images, tables = _by_set(sets, IMAGES), _by_set(sets, TABLES)
    tests = _tests_over_sets(sets)
    if (IMAGES, TABLES) not in tests:
        return f"No verdict: images and {WITHOUT} have scores on no set together."
    metrics = {one.metric for one in sets}
    metric = metrics.pop() if len(metrics) == 1 else "mixed"
    details = Details(metric, rows, tests)
    named = {row.method: row for row in rows}
    taken = _unknown(TABLES, chosen=_chosen_by_set(sets))
    pictures, both, random = named.get(IMAGES, _unknown(IMAGES)), named.get(BOTH), named.get(CONTROL)
    lines = [
        _overall_headline(images, tables, details, best_words(taken, "sets")),
        costs_line(pictures, taken, rows),
        together_line(both, pictures, taken, details) if both else "",
        transfer_line(pictures, random, details) if random else "",
        ranks_line(ranking) if ranking else "",
        curve_sentences(curves, IMAGES, TABLES, CONTROL),
    ]
    return "\n".join(line for line in lines if line)


def _headline(images: Row, tables: Row, comparison: Comparison | None, metric: str) -> str:
    name = metric_words(metric)
    best = best_words(tables)
    if comparison is None or math.isnan(comparison.p):
        return f"No verdict: {name} {images.score:.3f} of images and {tables.score:.3f} of {best} were not compared."
    if comparison.is_seen and comparison.difference < 0:
        shown = turned(comparison)
        scores = f"{name} {tables.score:.3f} of {best} against {images.score:.3f} of images"
        return f"Tables are better: {scores}, difference {shown.difference:.3f} ({evidence(shown)})."
    scores = f"{images.score:.3f} against {tables.score:.3f} of {best}"
    found = f"difference {signed(comparison.difference)} ({evidence(comparison)})"
    if comparison.is_seen:
        return f"Images are better: {name} {scores}, {found}."
    return f"No difference seen: {name} of images {scores}, {found}{hidden_words(comparison)}."


def _overall_headline(images: np.ndarray, tables: np.ndarray, details: Details, best: str) -> str:
    found, known = details.tests[IMAGES, TABLES], np.isfinite(images - tables)
    differences = (images - tables)[known]
    count = _sets(len(differences))
    if len(differences) < len(images):
        count += f" of {len(images)}, one side having failed on the others"
    higher, lower = int((differences > _EQUAL).sum()), int((differences < -_EQUAL).sum())
    parts = (
        f"mean {metric_words(details.metric)} {images[known].mean():.3f}"
        f" against {tables[known].mean():.3f} of {best},"
        f" higher on {_sets(higher)}, equal on {len(differences) - higher - lower}, lower on {lower}",
        f"mean difference {signed(found.difference)} ({evidence(found)}){hidden_words(found)}",
    )
    claim, subject = _claim(found, differences)
    few = ""
    if least_p(len(differences), len(details.tests)) >= LEVEL:
        few = f" With {_sets(len(differences))} this test cannot see a difference, however large."
    return f"{claim} over {count}: {subject}{'; '.join(parts)}.{few}"


def _claim(found: Comparison, differences: np.ndarray) -> tuple[str, str]:
    """Return what is claimed, and of whom the scores speak where the claim does not tell."""
    if not found.is_seen:
        return "No difference seen", "images have "
    # The test is of ranks: it may lean the other way than the means do.
    if lean(differences) * found.difference <= 0:
        return "Mixed, means and ranks disagreeing,", "images have "
    return ("Images are better", "") if found.difference > 0 else ("Tables are better", "images have ")


def _sets(count: int) -> str:
    return f"{count} set" if count == 1 else f"{count} sets"


def _by_set(sets: Sequence[SetSummary], method: str) -> np.ndarray:
    """Return the score of a method on each set, NaN where it has none: float64 (n_sets,)."""
    found = [{row.method: row.score for row in one.rows if not row.error} for one in sets]
    return np.array([scores.get(method, math.nan) for scores in found], np.float64)


def _chosen_by_set(sets: Sequence[SetSummary]) -> list[str]:
    """Return the method that was taken most often on each set."""
    counts = [chosen_counts(row) for one in sets for row in one.rows if row.method == TABLES]
    return [counter.most_common(1)[0][0] for counter in counts if counter]


def _tests_over_sets(sets: Sequence[SetSummary]) -> dict[tuple[str, str], Comparison]:
    """Return how pairs compare over the sets on which both have a score, corrected for their number."""
    known = {}
    for a, b in _QUESTIONS:
        differences = _by_set(sets, a) - _by_set(sets, b)
        differences = differences[np.isfinite(differences)]
        if len(differences):
            known[a, b] = differences
    adjusted = holm([wilcoxon_p(differences) for differences in known.values()])
    test = "Wilcoxon's signed-rank test"
    if len(known) > 1:
        test += f", Holm's correction for {len(known)} comparisons"
    return {
        pair: Comparison(float(differences.mean()), *_mean_interval(differences), p, test)
        for (pair, differences), p in zip(known.items(), adjusted, strict=True)
    }


def _mean_interval(differences: np.ndarray) -> tuple[float, float]:
    """Return Student's 95 % interval of a mean over sets, without bounds where there is one set."""
    from scipy import stats

    if len(differences) < 2:
        return math.nan, math.nan
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    reach = float(stats.t.ppf(1 - LEVEL / 2, len(differences) - 1)) * error
    return float(differences.mean()) - reach, float(differences.mean()) + reach


def _unknown(method: str, **notes: Any) -> Row:
    return Row(method, None, math.nan, math.nan, math.nan, notes=notes)
