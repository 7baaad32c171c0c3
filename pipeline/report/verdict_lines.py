"""The parts of a verdict: what failed, what is evidence, what each side costs, what both and transfer are worth."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from phosphene.datasets.manifest import Metric
from phosphene.pipeline.compare.ranking import least_p
from phosphene.pipeline.compare.significance import LEVEL, Comparison
from phosphene.pipeline.compare.summary import Cost, Ranking, Row

from .words import duration, memory, metric_words, plain, shortened, size

WITHOUT = "the best without images"


@dataclass(frozen=True)
class Details:
    """What else a verdict can draw on.

    Parameters
    ----------
    metric
        What scores are.
    others
        The rows of single methods, among them those that the best without images was chosen of, with their costs.
    tests
        By the names of two rows, how the first compares with the second; what is not here is told as not tested.
    """

    metric: Metric | str = "accuracy"
    others: Sequence[Row] = ()
    tests: Mapping[tuple[str, str], Comparison] = field(default_factory=dict)


def cost_words(cost: Cost) -> str:
    """Write what a method took; what was not measured is left out.

    Examples
    --------
    >>> cost_words(Cost(31.4, 4.26, 0.0006, 812.0, 17_900_000))
    '31 s to prepare, 4.3 s to train, 0.60 ms an item, a model of 18 MB, 812 MiB of memory'
    """
    parts = [
        (cost.prepare_s, f"{duration(cost.prepare_s)} to prepare"),
        (cost.train_s, f"{duration(cost.train_s)} to train"),
        (cost.predict_s_per_item, f"{duration(cost.predict_s_per_item)} an item"),
        (cost.size_bytes, f"a model of {size(cost.size_bytes)}"),
        (cost.peak_mib, f"{memory(cost.peak_mib)} of memory"),
    ]
    return ", ".join(words for value, words in parts if math.isfinite(value))


def chosen_words(row: Row, unit: str = "folds") -> str:
    """Name the methods that were taken for a row, the one taken most often first; empty where none is told.

    Examples
    --------
    >>> chosen_words(Row("without images", None, 0.9, 0.8, 1.0, notes={"chosen": ["a", "b", "a"]}))
    'a in 2 of 3 folds, b in 1'
    """
    counts = chosen_counts(row).most_common()
    if len(counts) < 2:
        return plain(counts[0][0]) if counts else ""
    n_all, first = sum(count for _, count in counts), counts[:3]
    words = [f"{plain(name)} in {count}" for name, count in first]
    words[0] += f" of {n_all} {unit}"
    rest = n_all - sum(count for _, count in first)
    return ", ".join(words + ([f"others in {rest}"] if rest else []))


def chosen_counts(row: Row) -> Counter[str]:
    """Count how often each method was taken; `notes["chosen"]` names one, or one a fold in order or by fold."""
    chosen = row.notes.get("chosen", ())
    if isinstance(chosen, str):
        return Counter([chosen])
    names: Iterable[object] = chosen.values() if isinstance(chosen, Mapping) else chosen
    return Counter(str(name) for name in names)


def p_words(p: float) -> str:
    """Write a p-value to two digits, with as many more as it takes to tell on which side of 0.05 it is.

    Examples
    --------
    >>> [p_words(p) for p in (0.00004, 0.0021, 0.04996, 0.31, 1.0)]
    ['p < 0.001', 'p = 0.002', 'p = 0.04996', 'p = 0.31', 'p = 1']
    """
    if p < 0.001:
        return "p < 0.001"
    texts = [f"{p:.3f}" if p < 0.01 else f"{p:.2g}", *(f"{p:.{digits}g}" for digits in range(3, 17))]
    return "p = " + next((text for text in texts if (float(text) < LEVEL) == (p < LEVEL)), texts[-1])


def signed(value: float) -> str:
    """Write a difference; what rounds to nothing has no sign."""
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text


def turned(comparison: Comparison) -> Comparison:
    """Return how the second compares with the first."""
    return Comparison(
        -comparison.difference, -comparison.high, -comparison.low, comparison.p, comparison.test
    )


def evidence(comparison: Comparison) -> str:
    """Write interval, p-value and test."""
    return f"{_interval(comparison)}{p_words(comparison.p)}, {comparison.test}"


def hidden_words(comparison: Comparison) -> str:
    """Say how large a difference could be that is not seen."""
    largest = max(abs(comparison.low), abs(comparison.high))
    if comparison.is_seen or math.isnan(largest):
        return ""
    return f"; one as large as {largest:.3f} could hide"


def best_words(tables: Row, unit: str = "folds") -> str:
    """Say what the best without images is, and how it was found."""
    chosen = chosen_words(tables, unit)
    return f"{WITHOUT} ({chosen}, chosen on training items)" if chosen else WITHOUT


def trouble_words(images: Row, tables: Row, metric: str) -> str:
    """Say why there is no verdict; empty where there can be one."""
    sides = {"images": images, WITHOUT: tables}
    failed = {name: row for name, row in sides.items() if row.error or math.isnan(row.score)}
    if not failed:
        return ""
    why = [f"{name} {failure_words(row)}" for name, row in failed.items()]
    rest = [
        f"{name} {'have' if row is images else 'has'} {metric_words(metric)} {row.score:.3f}"
        for name, row in sides.items()
        if name not in failed
    ]
    return f"No verdict: {'; '.join(why + rest)}."


def failure_words(row: Row) -> str:
    """Say why a row has no score."""
    return f"failed ({shortened(row.error, 200).rstrip('.')})" if row.error else "failed, why is not known"


def costs_line(images: Row, tables: Row, others: Sequence[Row]) -> str:
    """Say what each side took: that of what is put together is the one taken most often."""
    costs = []
    if images.cost:
        costs.append(f"Images took {cost_words(images.cost)}")
    if tables.cost:
        costs.append(f"without images: {cost_words(tables.cost)}")
    elif taken := chosen_counts(tables).most_common(1):
        name = taken[0][0]
        costs += [
            f"{plain(name)}: {cost_words(row.cost)}" for row in others if row.method == name and row.cost
        ]
    return f"{'; '.join(costs)}." if images.cost else ""


def together_line(both: Row, images: Row, tables: Row, details: Details) -> str:
    """Say what both sides together are worth."""
    if both.error or math.isnan(both.score):
        return f"Both together {failure_words(both)}."
    against = [
        _against(both, row, name, details.tests) for row, name in ((images, "images"), (tables, WITHOUT))
    ]
    return f"Both together: {metric_words(details.metric)} {both.score:.3f}, {', and '.join(against)}."


def transfer_line(images: Row, random: Row, details: Details) -> str:
    """Say what pretrained weights are worth; empty where images have no score."""
    if math.isnan(images.score):
        return ""
    if random.error or math.isnan(random.score):
        return f"Transfer: random weights {failure_words(random)}."
    name = metric_words(details.metric)
    against = _against(images, random, "random ones", details.tests)
    scores = f"{name} {images.score:.3f} with pretrained weights, {random.score:.3f} with random ones"
    return f"Transfer: {scores}: {against}."


def ranks_line(ranking: Ranking) -> str:
    """Name the best by mean rank, and those of which it is not told apart."""
    if len(ranking.methods) < 2 or ranking.n_sets < 2:
        return ""
    first = [
        f"{plain(name)} ({rank:.1f})"
        for name, rank in list(zip(ranking.methods, ranking.ranks, strict=True))[:3]
    ]
    n_others = len(ranking.methods) - 1
    apart = sum(ranking.p_values.get((0, place), 1.0) < LEVEL for place in range(1, n_others + 1))
    told = (
        f"the first differs from {'each' if apart == n_others else apart or 'none'} of the other {n_others}"
    )
    if n_others == 1:
        told = "they differ" if apart else "no difference is seen between them"
    if least_p(ranking.n_sets, len(ranking.p_values)) >= LEVEL:
        told = f"{ranking.n_sets} sets are too few to tell any of them apart"
    corrected = "Wilcoxon's test"
    if n_others > 1:
        corrected += f", Holm's correction for {len(ranking.p_values)} pairs"
    return f"Best by mean rank of {len(ranking.methods)} methods: {', '.join(first)}; {told} ({corrected})."


def _against(row: Row, other: Row, name: str, tests: Mapping[tuple[str, str], Comparison]) -> str:
    found = tests.get((row.method, other.method))
    if found is None or math.isnan(found.p):
        gap = signed(row.score - other.score)
        where = (
            f"{gap.lstrip('-')} {'below' if gap.startswith('-') else 'above'}" if float(gap) else "equal to"
        )
        return f"{where} {name} (not tested)"
    if not found.is_seen:
        return f"no difference seen from {name} ({signed(found.difference)}, {_interval(found)}{p_words(found.p)})"
    shown = found if found.difference > 0 else turned(found)
    word = "better" if found.difference > 0 else "worse"
    return f"{word} than {name} by {shown.difference:.3f} ({_interval(shown)}{p_words(found.p)})"


def _interval(comparison: Comparison) -> str:
    if math.isnan(comparison.low) or math.isnan(comparison.high):
        return ""
    return f"95 % interval {signed(comparison.low)} to {signed(comparison.high)}, "
