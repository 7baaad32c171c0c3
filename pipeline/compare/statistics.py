"""Is a difference between estimators significant: confidence intervals, paired tests, ranks over data sets.

On one data set: the corrected resampled t-test over folds; on a single split the exact McNemar test, DeLong's test or
the bootstrap. Over data sets: Wilcoxon's signed-rank test with Holm's correction, and mean ranks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from phosphene.converters import ParameterError
from phosphene.datasets.scores import macro_f1, share_interval

ALPHA = 0.05
"""The level of significance."""

_Z = 1.959964
_SAME = 1e-12  # scores that differ by less differ by rounding
_DIGITS = 12
_MAX_EXACT = 50  # float64 still counts each of the 2**50 ways in which the signs of 50 ranks can fall

Statistic = Callable[[np.ndarray], float]
"""A function of the indices of some items, int (n,), with repetitions."""


@dataclass(frozen=True)
class Comparison:
    """The difference between the scores of two estimators, and its test.

    Parameters
    ----------
    difference, low, high
        The score of the first less that of the second, with its 95 % confidence interval.
    p
        The two-sided p-value.
    test
        The name of the test.

    Examples
    --------
    >>> Comparison(0.02, -0.01, 0.05, 0.19, "exact McNemar test").is_significant
    False
    """

    difference: float
    low: float
    high: float
    p: float
    test: str

    @property
    def is_significant(self) -> bool:
        """Whether p is below ALPHA."""
        return self.p < ALPHA


@dataclass(frozen=True)
class Ranking:
    """Estimators over several data sets.

    Parameters
    ----------
    methods
        Those with a score on every set, the best first.
    ranks
        The mean rank of each, 1 the best.
    cliques
        Runs of `methods`, by index, of which no two differ significantly; each of two at least.
    p_values
        By pair of indices, the smaller first, adjusted for the number of pairs.
    n_sets
        The number of data sets.
    """

    methods: tuple[str, ...]
    ranks: tuple[float, ...]
    cliques: tuple[tuple[int, ...], ...]
    p_values: dict[tuple[int, int], float]
    n_sets: int


def folds_interval(
    scores: Sequence[float], *, test_share: float, n_test: float | None = None
) -> tuple[float, float]:
    """Return the 95 % confidence interval of a mean score over folds.

    Student's t, with the variance corrected for training sets that overlap: 1/k + n_test/n_train in place of 1/k
    (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366).

    Parameters
    ----------
    scores
        One a fold, in 0 to 1; two or more.
    test_share
        The share of all items that one fold tests, in 0 to 1: 0.2 of five folds.
    n_test
        The number of items that one fold tests. Where all folds have the same score, the variance is then that of one
        prediction in one fold being another; without it the interval has no width there.

    Examples
    --------
    >>> [round(end, 3) for end in folds_interval([0.9, 0.8, 0.85, 0.95, 0.9], test_share=0.2)]
    [0.774, 0.986]
    """
    if not 0 <= test_share < 1:
        raise ParameterError(f"test_share must be at least 0 and below 1, got {test_share}")
    values = _fold_scores(scores)
    error = _corrected_error(values, ratio=test_share / (1 - test_share), n_test=n_test)
    reach = _t_quantile(len(values) - 1) * error
    return _within(values.mean() - reach, values.mean() + reach, lowest=0.0)


def compare_folds(a: Sequence[float], b: Sequence[float], *, n_train: float, n_test: float) -> Comparison:
    """Compare the scores of two estimators on the same folds by the corrected resampled t-test.

    Paired by fold; the variance is that of `folds_interval` (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366).
    Where the difference is the same in every fold, it would be 0 and any difference certain. It is then that of one
    prediction in one fold being another, the least that can vary: no difference at all has p = 1, one prediction a fold
    in five folds p = 0.03.

    Examples
    --------
    >>> found = compare_folds([0.95, 0.96, 0.94], [0.85, 0.83, 0.86], n_train=200, n_test=100)
    >>> round(found.difference, 3), round(found.p, 3)
    (0.103, 0.046)
    """
    from scipy import stats

    if n_train <= 0 or n_test <= 0:
        raise ParameterError(f"n_train and n_test must be above 0, got {n_train} and {n_test}")
    if len(a) != len(b):
        raise ParameterError(f"both estimators must have scores of the same folds, got {len(a)} and {len(b)}")
    differences = _fold_scores(a) - _fold_scores(b)
    mean, freedom = float(differences.mean()), len(differences) - 1
    error = _corrected_error(differences, ratio=n_test / n_train, n_test=n_test)
    low, high = _within(*mean + np.array([-1, 1]) * _t_quantile(freedom) * error)
    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return Comparison(mean, low, high, p, f"corrected resampled t-test over {len(differences)} folds")


def compare_accuracies(right_a: np.ndarray, right_b: np.ndarray) -> Comparison:
    """Compare the accuracies of two estimators on one split, paired by item.

    The exact test of McNemar (1947, doi:10.1007/BF02295996): of the items that one estimator alone has right, half are
    either's under the null hypothesis. The interval of the difference is method 10 of Newcombe (1998, Statistics in
    Medicine 17:2635-2650); it is approximate, so where it ends close to 0, the test decides.

    Parameters
    ----------
    right_a, right_b
        bool (n_items,), whether the predictions for the same, independent items are right.

    Examples
    --------
    >>> right = np.array([True] * 9 + [False])
    >>> found = compare_accuracies(right, np.array([True, False] * 5))
    >>> round(found.difference, 3), found.p
    (0.4, 0.125)
    """
    from scipy import stats

    right_a, right_b = _paired(right_a, right_b)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    alone = only_a + only_b
    p = float(stats.binomtest(only_a, alone).pvalue) if alone else 1.0
    low, high = _paired_shares_interval(int((right_a & right_b).sum()), only_a, only_b, len(right_a))
    return Comparison((only_a - only_b) / len(right_a), low, high, p, "exact McNemar test")


def auc_interval(scores: np.ndarray, genuine: np.ndarray) -> tuple[float, float]:
    """Return the 95 % confidence interval of the area under the ROC curve.

    The variance is that of DeLong et al. (1988, doi:10.2307/2531595), the interval symmetric in the logit of the area,
    whose coverage is better near 1 (Qin and Hotilovac 2008, doi:10.1177/0962280207087173). An area of 0 or 1 has no
    logit and no variance: see `compare_aucs`.

    Parameters
    ----------
    scores
        float (n,); infinite ones are ordered too.
    genuine
        bool (n,), each value at least twice.

    Examples
    --------
    >>> genuine = np.array([False] * 4 + [True] * 4)
    >>> [round(end, 3) for end in auc_interval(np.array([1, 2, 3, 5, 4, 6, 7, 8]), genuine)]
    [0.438, 0.997]
    """
    areas, (variance,) = _delong(np.asarray(scores)[None], genuine, np.ones((1, 1)))
    area, error = float(areas[0]), float(np.sqrt(variance))
    if not 0 < area < 1:
        return _within(area - _Z * error, area + _Z * error, lowest=0.0)
    logit, reach = np.log(area / (1 - area)), _Z * error / (area * (1 - area))
    low, high = 1 / (1 + np.exp(-(logit + np.array([-1, 1]) * reach)))
    return float(low), float(high)


def compare_aucs(scores_a: np.ndarray, scores_b: np.ndarray, genuine: np.ndarray) -> Comparison:
    """Compare the areas under two ROC curves over the same items (DeLong et al. 1988, doi:10.2307/2531595).

    Ties count half. Where there is no variance, as between two perfect rankings, it is that of one genuine item and one
    other on the wrong side, so that two handfuls of items prove nothing.

    Examples
    --------
    >>> genuine = np.array([False] * 4 + [True] * 4)
    >>> found = compare_aucs(np.arange(8), np.array([0, 1, 6, 3, 4, 5, 2, 7]), genuine)
    >>> round(found.difference, 3), round(found.p, 2)
    (0.25, 0.22)
    """
    from scipy import stats

    areas, (variance,) = _delong(np.stack([scores_a, scores_b]), genuine, np.array([[1.0, -1.0]]))
    difference, error = float(areas[0] - areas[1]), float(np.sqrt(variance))
    low, high = _within(difference - _Z * error, difference + _Z * error)
    return Comparison(
        difference, low, high, float(2 * stats.norm.sf(abs(difference) / error)), "DeLong's test"
    )


def bootstrap_interval(
    statistic: Statistic, n_items: int, *, seed: int, rounds: int = 2000
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic by the bootstrap (Efron and Tibshirani 1993).

    Examples
    --------
    >>> right = np.arange(50) < 40
    >>> bootstrap_interval(lambda indices: right[indices].mean(), 50, seed=0)
    (0.68, 0.9)
    """
    low, high = np.quantile(_resampled(statistic, n_items, seed, rounds), [0.025, 0.975])
    return float(low), float(high)


def compare_by_bootstrap(statistic: Statistic, n_items: int, *, seed: int, rounds: int = 2000) -> Comparison:
    """Compare two estimators on one split by any score, with paired resamples of the items.

    The p-value is that of the percentile interval: twice the share of rounds in which the difference is not on its own
    side of 0, the observed one counted in (Efron and Tibshirani 1993, doi:10.1201/9780429246593).

    Examples
    --------
    >>> truth = np.arange(60) % 3
    >>> good = macro_f1_on(truth, truth, n_classes=3)
    >>> poor = macro_f1_on(truth, np.where(np.arange(60) < 30, 0, truth), n_classes=3)
    >>> found = compare_by_bootstrap(lambda indices: good(indices) - poor(indices), 60, seed=0)
    >>> round(found.difference, 3), found.p < 0.01
    (0.333, True)
    """
    resampled = _resampled(statistic, n_items, seed, rounds)
    low, high = np.quantile(resampled, [0.025, 0.975])
    beyond = min(int((resampled <= 0).sum()), int((resampled >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (rounds + 1))
    difference = float(statistic(np.arange(n_items)))
    return Comparison(difference, float(low), float(high), p, f"paired bootstrap of {rounds} rounds")


def macro_f1_on(truth: np.ndarray, predicted: np.ndarray, *, n_classes: int) -> Statistic:
    """Return the macro-F1 as a function of the items, fast for the bootstrap; classes that do not occur do not count.

    Examples
    --------
    >>> round(macro_f1_on(np.array([0, 0, 1]), np.array([0, 1, 1]), n_classes=2)(np.arange(3)), 4)
    0.6667
    """
    pairs = np.asarray(truth) * n_classes + np.asarray(predicted)

    def statistic(indices: np.ndarray) -> float:
        counts = np.bincount(pairs[indices], minlength=n_classes**2).reshape(n_classes, n_classes)
        return macro_f1(counts)

    return statistic


def rank_methods(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Rank estimators by their scores on several data sets.

    Mean ranks (Demšar 2006, Journal of Machine Learning Research 7:1-30), Wilcoxon's signed-rank test for each pair,
    whose result does not depend on the other estimators (Benavoli et al. 2016, ibid. 17:1-10), and Holm's correction
    for the number of pairs (1979, Scandinavian Journal of Statistics 6:65-70).

    Few sets cannot show a difference: see `min_p`. One set gives ranks alone, without a test.

    Parameters
    ----------
    scores
        By estimator, the score on each set in the same order, higher the better; leave out one that failed on a set.

    Examples
    --------
    >>> ranking = rank_methods({"floor": [0.3] * 7, "b": [0.80, 0.81, 0.90, 0.85, 0.75, 0.90, 0.60],
    ...     "a": [0.81, 0.80, 0.95, 0.85, 0.80, 0.93, 0.61]})
    >>> ranking.methods, [round(rank, 2) for rank in ranking.ranks]
    (('a', 'b', 'floor'), [1.21, 1.79, 3.0])
    >>> ranking.cliques, round(ranking.p_values[0, 2], 3)
    (((0, 1),), 0.047)
    """
    from scipy import stats

    table = _table(scores)
    ranks = stats.rankdata(-table, axis=1).mean(axis=0)  # ties share theirs
    names = tuple(scores)
    order = sorted(range(len(names)), key=lambda index: (ranks[index], -table[:, index].mean(), names[index]))
    table = table[:, order]
    pairs = list(combinations(range(len(names)), 2)) if len(table) > 1 else []
    adjusted = holm([wilcoxon_p(table[:, a] - table[:, b]) for a, b in pairs])
    p_values = dict(zip(pairs, adjusted, strict=True))
    return Ranking(
        methods=tuple(names[index] for index in order),
        ranks=tuple(float(ranks[index]) for index in order),
        cliques=cliques(len(order), p_values),
        p_values=p_values,
        n_sets=len(table),
    )


def wilcoxon_p(differences: Sequence[float] | np.ndarray) -> float:
    """Return the two-sided p-value of the signed-rank test (Wilcoxon 1945, doi:10.2307/3001968).

    Differences of 0 are dropped; without any other, p is 1. Exact for up to 50 others, with ties or not; beyond, by the
    normal distribution.

    Examples
    --------
    >>> wilcoxon_p([0.1, 0.2, 0.3, 0.4, 0.5, 0.0]), wilcoxon_p([0.1, 0.1, 0.1, 0.1, 0.1, 0.2])
    (0.0625, 0.03125)
    """
    from scipy import stats

    ranks = _signed_ranks(differences)
    if len(ranks) > _MAX_EXACT:
        return float(stats.wilcoxon(ranks, method="auto").pvalue)
    return _exact_p(ranks)


def rank_biserial(differences: Sequence[float] | np.ndarray) -> float:
    """Return the rank-biserial correlation, the effect size of the signed-rank test: -1 to 1, above 0 for gains.

    Examples
    --------
    >>> rank_biserial([0.1, 0.2, 0.3, -0.4, 0.0])
    0.2
    """
    ranks = _signed_ranks(differences)
    return float(ranks.sum() / max(1.0, np.abs(ranks).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down correction.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for step, index in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def cliques(n_methods: int, p_values: Mapping[tuple[int, int], float]) -> tuple[tuple[int, ...], ...]:
    """Return the longest runs of estimators, by rank, of which no two differ significantly; none without tests.

    Examples
    --------
    >>> cliques(4, {(0, 1): 0.4, (0, 2): 0.01, (0, 3): 0.01, (1, 2): 0.2, (1, 3): 0.01, (2, 3): 0.01})
    ((0, 1), (1, 2))
    """
    found: list[tuple[int, ...]] = []
    for start in range(n_methods):
        run = [start]
        while run[-1] + 1 < n_methods and all(p_values.get((one, run[-1] + 1), 0) >= ALPHA for one in run):
            run.append(run[-1] + 1)
        if len(run) > 1 and (not found or run[-1] > found[-1][-1]):
            found.append(tuple(run))
    return tuple(found)


def min_p(n_sets: int, n_pairs: int) -> float:
    """Return the least p-value after Holm's correction that the signed-rank test can give.

    Where it is ALPHA or more, no difference can be significant: one pair needs 6 sets, 45 need 11.

    Examples
    --------
    >>> min_p(6, 1), min_p(10, 45) < 0.05, min_p(11, 45) < 0.05
    (0.03125, False, True)
    """
    return float(min(1.0, 2.0 ** (1 - n_sets) * max(1, n_pairs)))


def _fold_scores(scores: Sequence[float]) -> np.ndarray:
    """Return scores, checked: float64 (n_folds,)."""
    values = np.asarray(scores, np.float64)
    if len(values) < 2:
        raise ParameterError(f"folds must be two or more, got {len(values)}; compare one split item by item")
    if not np.isfinite(values).all():
        raise ParameterError(
            f"scores must be finite, got {values.tolist()}; leave out estimators that failed"
        )
    return values


def _corrected_error(values: np.ndarray, *, ratio: float, n_test: float | None) -> float:
    """Return the standard error of a mean over folds, `ratio` being n_test / n_train."""
    variance = float(values.var(ddof=1))
    if np.ptp(values) < _SAME:
        # One fold of k that is off by h has the variance h²/k.
        variance = 0.0 if n_test is None else 1 / n_test**2 / len(values)
    return float(np.sqrt((1 / len(values) + ratio) * variance))


def _t_quantile(freedom: int) -> float:
    from scipy import stats

    return float(stats.t.ppf(1 - ALPHA / 2, freedom))


def _within(low: float, high: float, *, lowest: float = -1.0) -> tuple[float, float]:
    return max(lowest, float(low)), min(1.0, float(high))


def _paired(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ParameterError(
            f"both estimators must have predicted the same items, got {a.shape} and {b.shape}"
        )
    return a, b


def _paired_shares_interval(both: int, only_a: int, only_b: int, n: int) -> tuple[float, float]:
    """Return Newcombe's method 10: two Wilson intervals, joined by the correlation phi of right predictions."""
    share_a, share_b = (both + only_a) / n, (both + only_b) / n
    (low_a, high_a), (low_b, high_b) = share_interval(share_a, n), share_interval(share_b, n)
    covariance = both * (n - both - only_a - only_b) - only_a * only_b
    shrunk = max(covariance - n / 2, 0.0) if covariance > 0 else covariance
    spread = share_a * (1 - share_a) * share_b * (1 - share_b)
    phi = shrunk / n**2 / np.sqrt(spread) if spread > 0 else 0.0

    def joined(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0)))

    difference = share_a - share_b
    return _within(
        difference - joined(share_a - low_a, high_b - share_b),
        difference + joined(high_a - share_a, share_b - low_b),
    )


def _delong(scores: np.ndarray, genuine: np.ndarray, contrasts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return areas, float (n_estimators,), and the variance of each of some contrasts of them, never 0."""
    genuine = np.asarray(genuine, bool)
    n_genuine, n_other = int(genuine.sum()), int((~genuine).sum())
    if scores.shape[1:] != genuine.shape or np.isnan(scores).any():
        raise ParameterError(
            f"scores must be {len(genuine)} numbers, as many as there are items, none missing"
        )
    if min(n_genuine, n_other) < 2:
        raise ParameterError(f"an area needs 2 genuine items and 2 others, got {n_genuine} and {n_other}")
    of_genuine = np.stack([_placements(row[genuine], row[~genuine]) for row in scores])
    of_others = np.stack([1 - _placements(row[~genuine], row[genuine]) for row in scores])
    spread = (contrasts @ of_genuine).var(axis=1, ddof=1) / n_genuine
    spread = spread + (contrasts @ of_others).var(axis=1, ddof=1) / n_other
    least = 1 / n_genuine**2 + 1 / n_other**2
    return of_genuine.mean(axis=1), np.where(spread > _SAME**2, spread, least)


def _placements(of: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return for each score the share of other scores below it, ties by half."""
    order = np.sort(among)
    below = np.searchsorted(order, of, side="left") + np.searchsorted(order, of, side="right")
    return np.asarray(below / 2 / len(order))


def _resampled(statistic: Statistic, n_items: int, seed: int, rounds: int) -> np.ndarray:
    if n_items < 1 or rounds < 1:
        raise ParameterError(f"n_items and rounds must be above 0, got {n_items} and {rounds}")
    generator = np.random.default_rng(seed)
    return np.array([statistic(generator.integers(n_items, size=n_items)) for _ in range(rounds)])


def _table(scores: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Return scores, checked: float64 (n_sets, n_estimators)."""
    counts = sorted({len(column) for column in scores.values()})
    if not counts or counts[0] == 0:
        raise ParameterError("a ranking needs an estimator and a set, got none")
    if len(counts) > 1:
        raise ParameterError(
            f"all estimators must have scores of the same sets, got {counts[0]} to {counts[-1]} sets"
        )
    table = np.array(list(scores.values()), np.float64).T
    missing = [name for name, column in zip(scores, table.T, strict=True) if not np.isfinite(column).all()]
    if missing:
        raise ParameterError(f"{missing[0]} has no score on every set; leave it out of the ranking")
    return np.round(table, _DIGITS)


def _signed_ranks(differences: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the ranks of the differences that are not 0 by size, negative for losses: float64 (n,)."""
    from scipy import stats

    known = np.round(np.asarray(differences, np.float64), _DIGITS)
    known = known[known != 0]
    return np.asarray(stats.rankdata(np.abs(known)) * np.sign(known))


def _exact_p(ranks: np.ndarray) -> float:
    """Return the two-sided p-value over all ways in which the signs of the ranks can fall.

    SciPy has no exact one for ties but by counting out, in seconds; here the ways to each sum are added up by rank.
    """
    doubled = np.rint(2 * np.abs(ranks)).astype(int)  # tied ranks are halves
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    gains = int(doubled[ranks > 0].sum())
    rarer = min(gains, int(doubled.sum()) - gains)
    return float(min(1.0, 2 * ways[: rarer + 1].sum() / ways.sum()))
