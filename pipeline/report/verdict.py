"""A benchmark in words: do images beat the best baseline, what does each cost, and does pretraining help."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from phosphene.pipeline.compare.statistics import ALPHA, Comparison, Ranking, min_p, rank_biserial
from phosphene.pipeline.compare.summary import (
    BEST_BASELINE,
    CONTROL,
    IMAGES,
    STACKED,
    Cost,
    CurvePoint,
    Row,
    SetSummary,
    Summary,
    Tests,
    scores_over_sets,
)

_BASELINE = "the best baseline"
_LABELS = {IMAGES: "images", BEST_BASELINE: _BASELINE, CONTROL: "random weights"}
_TIE = 5e-10


def with_verdicts(summary: Summary) -> Summary:
    """Return a summary with the verdict of each data set and of all together."""
    sets = tuple(replace(one, verdict=set_verdict(one)) for one in summary.sets)
    words = sets[0].verdict if len(sets) == 1 else summary_verdict(summary)
    return replace(summary, sets=sets, verdict=words)


def set_verdict(one: SetSummary) -> str:
    """Describe one data set, a line each: claim, costs, stack, pretrained weights, learning curves.

    A difference is claimed only where it is significant; else its confidence interval shows what is not ruled out.

    Parameters
    ----------
    one
        With rows `images` and `best baseline`, whose `notes["chosen"]` names the baselines by fold; `stacked` and
        `images, random weights` where there are any. Of its tests what is missing is reported as not tested.

    Examples
    --------
    >>> rows = (Row("images", "images", 0.958, 0.92, 0.99),
    ...     Row("best baseline", None, 0.842, 0.79, 0.9, notes={"chosen": ["lightgbm"] * 5}))
    >>> test = Comparison(0.116, 0.071, 0.162, 0.002, "corrected resampled t-test over 5 folds")
    >>> print(set_verdict(SetSummary("", "accuracy", 400, 10, rows, tests={("images", "best baseline"): test})))
    Images are better: accuracy 0.958 for images, 0.842 for the best baseline (lightgbm, chosen on out-of-fold
    training predictions); difference 0.116 (95 % CI 0.071 to 0.162, p = 0.002, corrected resampled t-test over
    5 folds).
    """
    rows, metric = {row.method: row for row in one.rows}, metric_words(one.metric)
    images, tables = rows.get(IMAGES), rows.get(BEST_BASELINE)
    if images is None or tables is None or math.isnan(images.score + tables.score):
        return f"No verdict: images {_result(images, metric)}; {_BASELINE} {_result(tables, metric)}."
    chosen, found = _chosen(tables), one.tests.get((IMAGES, BEST_BASELINE))
    baseline = _baseline_words(chosen, "folds")
    scores = f"{metric} {images.score:.3f} for images, {tables.score:.3f} for {baseline}"
    first = f"No verdict: {scores}; the difference was not tested."
    if found and not math.isnan(found.p):
        first = f"{_claim(found, found.difference)}: {scores}; {_tested(found)}."
    return "\n".join([first, *_other_lines(rows, one.tests, metric, chosen, one.curves)])


def summary_verdict(summary: Summary) -> str:
    """Describe several data sets as `set_verdict` does one, with the mean ranks of all methods.

    Parameters
    ----------
    summary
        Its rows are means over the sets, its tests those of `compare_over_sets`.
    """
    sets, found = summary.sets, summary.tests.get((IMAGES, BEST_BASELINE))
    if found is None:
        return f"No verdict: images and {_BASELINE} have scores on no set together."
    rows, metric = {row.method: row for row in summary.rows}, metric_words(common_metric(sets))
    by_set = [_chosen(row) for one in sets for row in one.rows if row.method == BEST_BASELINE]
    chosen = Counter(counts.most_common(1)[0][0] for counts in by_set if counts)
    images, tables = scores_over_sets(sets, IMAGES), scores_over_sets(sets, BEST_BASELINE)
    known = np.isfinite(images - tables)
    differences = (images - tables)[known]
    n, wins, losses = len(differences), int((differences > _TIE).sum()), int((differences < -_TIE).sum())
    count = f"{n} of {len(sets)} sets (a method failed on the others)" if n < len(sets) else f"{n} sets"
    claim = _claim(found, rank_biserial(differences))
    first = (
        f"{claim} over {count}: mean {metric} {images[known].mean():.3f} for images, "
        f"{tables[known].mean():.3f} for {_baseline_words(chosen, 'sets')}; images win on {wins}, tie on "
        f"{n - wins - losses}, lose on {losses}; mean {_tested(found)}."
    )
    if min_p(n, len(summary.tests)) >= ALPHA:
        first += f" With so few sets this test cannot reach p < {ALPHA}."
    lines = [first, *_other_lines(rows, summary.tests, metric, chosen, summary.curves)]
    return "\n".join(filter(None, [*lines, _ranks_line(summary.ranking) if summary.ranking else ""]))


def common_metric(sets: Sequence[SetSummary]) -> str:
    """Return the metric of all sets; `mixed` where they have several."""
    metrics = {one.metric for one in sets}
    return metrics.pop() if len(metrics) == 1 else "mixed"


def _ranks_line(ranking: Ranking) -> str:
    """Name the best three by mean rank, and say from how many methods the first differs; empty below two methods."""
    n_others, n_pairs = len(ranking.methods) - 1, len(ranking.p_values)
    if n_others < 1 or ranking.n_sets < 2:
        return ""
    first = [f"{plain(name)} ({rank:.1f})" for name, rank in zip(ranking.methods, ranking.ranks, strict=True)]
    n_differ = sum(ranking.p_values.get((0, other), 1.0) < ALPHA for other in range(1, n_others + 1))
    differ = f"the first differs significantly from {n_differ} of the other {n_others}"
    if min_p(ranking.n_sets, n_pairs) >= ALPHA:
        differ = f"{ranking.n_sets} sets are too few for a significant difference"
    test = f"Wilcoxon signed-rank tests, Holm correction for {n_pairs} pairs"
    return f"Best mean ranks of {n_others + 1} methods: {', '.join(first[:3])}; {differ} ({test})."


def _curves_line(curves: Sequence[CurvePoint], subject: str, other: str) -> str:
    """Say at which shares of the training items images lead another method; empty below two common shares."""
    one, two = ({p.share: p for p in curves if p.method == name} for name in (IMAGES, other))
    shares = sorted(one.keys() & two.keys())
    if len(shares) < 2:
        return ""
    leads = [s for s in shares if one[s].score > two[s].score]
    apart = [s for s in shares if one[s].low > two[s].high or one[s].high < two[s].low]
    where = "every share" if leads == shares else _listed(leads) if leads else "no share"
    points = [
        f"{one[s].score:.2f} against {two[s].score:.2f} at {100 * s:.3g} % ({one[s].n_items:.0f} items)"
        for s in (shares[0], shares[-1])
    ]
    overlap = f"do not overlap at {_listed(apart)}" if apart else "overlap at every share"
    lead = f"{subject} lead {_LABELS.get(other, plain(other))} at {where} of the training items"
    return f"{lead}: {', '.join(points)}; the 95 % CIs {overlap}."


def _other_lines(
    rows: Mapping[str, Row], tests: Tests, metric: str, chosen: Counter[str], curves: Sequence[CurvePoint]
) -> list[str]:
    """Return what follows the claim: costs, stack, transfer and learning curves, where there are any."""
    names = [IMAGES, *(name for name, _ in chosen.most_common(1))]
    costs = [
        f"{plain(name)} {_cost_words(cost)}" for name in names if name in rows and (cost := rows[name].cost)
    ]
    lines = [f"Cost: {'; '.join(costs)}." if costs else ""]
    if STACKED in rows:
        title = "Stacked (log-linear stack of baseline and images)"
        lines.append(
            _row_line(title, rows[STACKED], (rows.get(IMAGES), rows.get(BEST_BASELINE)), tests, metric)
        )
    if IMAGES in rows and CONTROL in rows:
        lines.append(_row_line("Pretrained weights", rows[IMAGES], (rows[CONTROL],), tests, metric))
    baseline = next(
        (point.method for point in curves if point.method not in (IMAGES, CONTROL)), BEST_BASELINE
    )
    lines += [_curves_line(curves, "Images", baseline), _curves_line(curves, "Pretrained weights", CONTROL)]
    return [line for line in lines if line]


def _row_line(title: str, row: Row, others: Sequence[Row | None], tests: Tests, metric: str) -> str:
    """Return the score of a row, and how it compares with others."""
    parts = [_result(row, metric)]
    for other in filter(None, () if math.isnan(row.score) else others):
        found, label = tests.get((row.method, other.method)), f"{_LABELS[other.method]} ({_result(other)})"
        if found is None or math.isnan(found.p):
            parts.append(f"not tested against {label}")
        else:
            word = "better than" if found.difference > 0 else "worse than"
            word = word if found.is_significant else "not significantly different from"
            parts.append(f"{word} {label}: {_tested(found, test=False)}")
    return f"{title}: {'; '.join(parts)}."


def _claim(found: Comparison, effect: float) -> str:
    """Return what a test allows to claim; ranks and means may disagree about the sign."""
    if not found.is_significant:
        return "No significant difference"
    if effect * found.difference <= 0:
        return "Mixed result (means and ranks disagree)"
    return "Images are better" if found.difference > 0 else "The best baseline is better"


def _result(row: Row | None, metric: str = "") -> str:
    """Return the score of a row, or why it has none."""
    if row is None:
        return "not run"
    if math.isnan(row.score):
        return f"failed: {shortened(row.error or 'no score', 200).rstrip('.')}"
    return f"{metric} {row.score:.3f}".lstrip()


def _tested(found: Comparison, *, test: bool = True) -> str:
    """Return a difference with its interval and p-value, and the test where that is asked for."""
    interval = f"95 % CI {_signed(found.low)} to {_signed(found.high)}, "
    parts = ["" if math.isnan(found.low + found.high) else interval, p_words(found.p)]
    return f"difference {_signed(found.difference)} ({''.join(parts)}{f', {found.test}' if test else ''})"


def _chosen(row: Row) -> Counter[str]:
    """Count how often each method was chosen; `notes["chosen"]` is one name, or one a fold in order or by fold."""
    chosen = row.notes.get("chosen", ())
    if isinstance(chosen, str):
        return Counter([chosen])
    names: Iterable[object] = chosen.values() if isinstance(chosen, Mapping) else chosen
    return Counter(str(name) for name in names)


def _baseline_words(chosen: Counter[str], unit: str) -> str:
    """Name the baselines that were chosen, at most three, the most frequent first."""
    if not chosen:
        return _BASELINE
    first, total = chosen.most_common(3), chosen.total()
    words = [f"{plain(name)} in {count}" for name, count in first]
    words[0] = f"{words[0]} of {total} {unit}" if len(chosen) > 1 else plain(first[0][0])
    words += [f"others in {total - sum(count for _, count in first)}"] if len(chosen) > 3 else []
    return f"{_BASELINE} ({', '.join(words)}, chosen on out-of-fold training predictions)"


def _listed(shares: Sequence[float]) -> str:
    *others, last = [f"{100 * share:.3g} %" for share in shares]
    return f"{', '.join(others)} and {last}" if others else last


def _signed(value: float) -> str:
    """Write a difference; what rounds to zero has no sign."""
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text


def p_words(p: float) -> str:
    """Write a p-value to two digits, with as many more as show on which side of 0.05 it is.

    Examples
    --------
    >>> [p_words(p) for p in (0.00004, 0.0021, 0.04996, 0.31, 1.0)]
    ['p < 0.001', 'p = 0.002', 'p = 0.04996', 'p = 0.31', 'p = 1']
    """
    if p < 0.001:
        return "p < 0.001"
    texts = [f"{p:.3f}" if p < 0.01 else f"{p:.2g}", *(f"{p:.{digits}g}" for digits in range(3, 17))]
    return "p = " + next((text for text in texts if (float(text) < ALPHA) == (p < ALPHA)), texts[-1])


def metric_words(metric: str) -> str:
    """Return what a metric is called: `macro_f1` is macro-F1."""
    return {"macro_f1": "macro-F1", "auc": "AUC", "mixed": "score"}.get(metric, metric)


def score_words(row: Row) -> str:
    """Write a score with its confidence interval, where it has one.

    Examples
    --------
    >>> score_words(Row("images", "images", 0.9375, 0.91234, 0.96))
    '0.938 (0.912 to 0.960)'
    """
    if math.isnan(row.score):
        return "failed"
    interval = "" if math.isnan(row.low + row.high) else f" ({row.low:.3f} to {row.high:.3f})"
    return f"{row.score:.3f}{interval}"


def cost_cells(cost: Cost | None) -> list[str]:
    """Write a cost as five cells: prepare, train, per item, memory, size; empty where not known.

    Examples
    --------
    >>> cost_cells(Cost(31.4, 4.26, 0.0006, 812.0, 17_900_000))
    ['31 s', '4.3 s', '0.60 ms', '812 MiB', '18 MB']
    """
    if not cost:
        return [""] * 5
    cells = [duration(seconds) for seconds in (cost.prepare_s, cost.train_s, cost.predict_s_per_item)]
    return [*cells, memory(cost.peak_mib), size(cost.size_bytes)]


def _cost_words(cost: Cost) -> str:
    """Write a cost as words, without what was not measured."""
    units = ("to prepare", "to train", "per item", "memory", "model")
    return ", ".join(f"{cell} {unit}" for cell, unit in zip(cost_cells(cost), units, strict=True) if cell)


def percent(value: float) -> str:
    """Write a share as a percentage.

    Examples
    --------
    >>> percent(0.937), number(0.93749), number(math.nan)
    ('93.7 %', '0.937', 'none')
    """
    return f"{100 * value:.1f} %"


def number(value: float) -> str:
    """Write a number between 0 and 1; `none` where it is not defined."""
    return "none" if math.isnan(value) else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Write a time to two digits or more; empty where not known, as `memory` and `size` do.

    Examples
    --------
    >>> [duration(s) for s in (0.00004, 0.0312, 0.25, 4.26, 75.0, 5400.0)]
    ['0.04 ms', '31 ms', '0.25 s', '4.3 s', '75 s', '1.5 h']
    """
    return _scaled(seconds, ((3600, 3600, "h"), (100, 60, "min"), (0.1, 1, "s"), (-math.inf, 0.001, "ms")))


def size(n_bytes: float) -> str:
    """Write a size by decimal prefixes, as files are: 17 MB."""
    return _scaled(n_bytes, ((1e9, 1e9, "GB"), (1e6, 1e6, "MB"), (1e3, 1e3, "kB"), (-math.inf, 1, "B")))


def memory(mib: float) -> str:
    """Write memory by binary prefixes, as the system counts it: 1.5 GiB."""
    return _scaled(mib, ((1024, 1024, "GiB"), (-math.inf, 1, "MiB")))


def _scaled(value: float, units: Sequence[tuple[float, float, str]]) -> str:
    """Write a value in the first unit from whose least value on it is."""
    if not math.isfinite(value):
        return ""
    scale, unit = next((scale, unit) for least, scale, unit in units if value >= least)
    value /= scale
    digits = 0 if value >= 9.95 or not value or unit in ("B", "MiB") else 1 if value >= 0.95 else 2
    return f"{value:.{digits}f} {unit}"


def plain(text: str) -> str:
    r"""Write what cannot be shown as escapes, on one line: names of files, labels and errors can hold anything.

    Examples
    --------
    >>> plain("a\x00b\nc \udcff")
    'a\\x00b c \\udcff'
    """
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def shortened(text: str, length: int) -> str:
    """Return text as `plain` writes it, without its middle where it is longer.

    Examples
    --------
    >>> shortened("images, random weights", 13)
    'images…eights'
    """
    text = plain(text)
    return text if len(text) <= length else f"{text[: length // 2]}…{text[-((length - 1) // 2) :]}"


def kind_of(row: Row) -> str:
    """Return what a row is: `images`, `tables` (a baseline), `floor` (the majority class) or `both` (the stack).

    Examples
    --------
    >>> kind_of(Row("stacked", None, 0.9, 0.8, 1.0)), kind_of(Row("best baseline", None, 0.9, 0.8, 1.0))
    ('both', 'tables')
    """
    return row.side or ("tables" if row.method == BEST_BASELINE else "both")


def learning_s(row: Row) -> float:
    """Return the time to prepare all items and to train all folds, NaN where it is not known."""
    return row.cost.prepare_s + row.cost.train_s if row.cost else math.nan


def best_score(rows: Sequence[Row]) -> float:
    """Return the highest score as it is shown, to three digits; NaN where all failed.

    Examples
    --------
    >>> best_score([Row("a", "images", 0.90049, 0.8, 1.0), Row("b", "tables", float("nan"), 0.0, 1.0)])
    0.9
    """
    return max((round(row.score, 3) for row in rows if not math.isnan(row.score)), default=math.nan)


def all_warnings(summary: Summary) -> list[str]:
    """Return the warnings of all sets, each with the name of its set where there are several."""
    many = len(summary.sets) > 1
    return [f"{one.name}: {text}" if many else text for one in summary.sets for text in one.warnings]
