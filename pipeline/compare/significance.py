"""Is one method better than another, or was it luck: intervals and paired tests on one data set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from phosphene.converters import ParameterError
from phosphene.datasets.scores import macro_f1, share_interval

LEVEL = 0.05
"""A difference is seen where luck alone would do as much in fewer than one case in twenty."""

_Z = 1.959964
_SAME = 1e-12  # folds that differ by less than this differ by rounding

Statistic = Callable[[np.ndarray], float]
"""What is measured of some of the items: takes their places, int (n,), some of them repeatedly."""


@dataclass(frozen=True)
class Comparison:
    """How much better the first of two methods scored, and whether luck explains it.

    Parameters
    ----------
    difference, low, high
        The score of the first less that of the second, with its 95 % interval.
    p
        How often luck alone would make as large a difference.
    test
        The name of the test, in words.

    Examples
    --------
    >>> Comparison(0.02, -0.01, 0.05, 0.19, "exact McNemar test").is_seen
    False
    """

    difference: float
    low: float
    high: float
    p: float
    test: str

    @property
    def is_seen(self) -> bool:
        """Whether the test tells the two methods apart."""
        return self.p < LEVEL


def folds_interval(
    scores: Sequence[float], *, test_share: float, n_test: float | None = None
) -> tuple[float, float]:
    """Return the 95 % interval of a mean score over folds.

    Student's t, with the variance corrected for training sets that overlap: 1/k + n_test/n_train in place of 1/k
    (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366).

    Parameters
    ----------
    scores
        One a fold, in 0 to 1; two or more.
    test_share
        The part of all items that one fold tests, in 0 to 1: 0.2 where there are five folds.
    n_test
        How many items one fold tests. Where all folds score alike, their scores are then taken to vary as if one answer
        in one of them had fallen otherwise; without it the interval has no width there.

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
    """Compare the scores of two methods on the same folds by the corrected resampled t-test.

    Paired by fold; the variance is that of `folds_interval` (Nadeau and Bengio 2003, doi:10.1023/A:1024068626366).
    Where the difference is the same in every fold, the formula has no variance and would be certain of anything. The
    differences are then taken to vary as if one answer in one fold had fallen otherwise, the least that can be seen to
    vary: no difference at all has p = 1, one answer a fold in five folds p = 0.03.

    Parameters
    ----------
    a, b
        One score a fold.
    n_train, n_test
        Items learned from and tested in a fold, on the mean.

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
        raise ParameterError(f"both methods must have scores of the same folds, got {len(a)} and {len(b)}")
    differences = _fold_scores(a) - _fold_scores(b)
    mean, freedom = float(differences.mean()), len(differences) - 1
    error = _corrected_error(differences, ratio=n_test / n_train, n_test=n_test)
    low, high = _within(*mean + np.array([-1, 1]) * _t_quantile(freedom) * error)
    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return Comparison(mean, low, high, p, f"corrected resampled t-test over {len(differences)} folds")


def compare_answers(right_a: np.ndarray, right_b: np.ndarray) -> Comparison:
    """Compare two methods by which items each answered rightly, on one split.

    The exact test of McNemar (1947, doi:10.1007/BF02295996): of the items that one method alone has right, half would
    be either's. The interval of the difference in accuracy is method 10 of Newcombe (1998, Statistics in Medicine
    17:2635-2650); it is approximate, so where it ends close to 0, the test decides.

    Parameters
    ----------
    right_a, right_b
        bool (n_items,), the same items in the same order; each stands for itself, apart from the others.

    Examples
    --------
    >>> right = np.array([True] * 9 + [False])
    >>> found = compare_answers(right, np.array([True, False] * 5))
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
    """Return the 95 % interval of the area under the curve.

    The variance is that of DeLong et al. (1988, doi:10.2307/2531595), the interval symmetric in the logit of the area,
    which keeps its promise better near 1 (Qin and Hotilovac 2008, doi:10.1177/0962280207087173). An area of 0 or 1 has
    no logit and no variance: see `compare_aucs`.

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
    """Compare the areas under two curves over the same items (DeLong et al. 1988, doi:10.2307/2531595).

    Ties count half. Where there is no variance at all, as between two perfect rankings, one genuine item and one other
    are taken to have fallen on the wrong side, so that two handfuls of items prove nothing.

    Parameters
    ----------
    scores_a, scores_b
        float (n,); infinite ones are ordered too.
    genuine
        bool (n,), each value at least twice; each item stands for itself, apart from the others.

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
    """Return the 95 % interval of what is measured of items, by drawing them anew (Efron and Tibshirani 1993).

    Parameters
    ----------
    statistic
        What is measured.
    n_items
        How many items there are; as many are drawn in a round, with replacement.
    seed
        Equal seeds give equal intervals.
    rounds
        How often items are drawn.

    Examples
    --------
    >>> right = np.arange(50) < 40
    >>> bootstrap_interval(lambda places: right[places].mean(), 50, seed=0)
    (0.68, 0.9)
    """
    low, high = np.quantile(_drawn(statistic, n_items, seed, rounds), [0.025, 0.975])
    return float(low), float(high)


def compare_by_bootstrap(statistic: Statistic, n_items: int, *, seed: int, rounds: int = 2000) -> Comparison:
    """Compare two methods on one split by any measure, drawing the items anew for both together.

    The p-value is that of the percentile interval: twice the share of rounds in which the difference is not on its own
    side of 0, counting the one that was seen (Efron and Tibshirani 1993, doi:10.1201/9780429246593).

    Parameters
    ----------
    statistic
        The measure of the first method less that of the second, on the items drawn.
    n_items, seed, rounds
        As of `bootstrap_interval`.

    Examples
    --------
    >>> truth = np.arange(60) % 3
    >>> good = macro_f1_on(truth, truth, n_classes=3)
    >>> poor = macro_f1_on(truth, np.where(np.arange(60) < 30, 0, truth), n_classes=3)
    >>> found = compare_by_bootstrap(lambda places: good(places) - poor(places), 60, seed=0)
    >>> round(found.difference, 3), found.p < 0.01
    (0.333, True)
    """
    drawn = _drawn(statistic, n_items, seed, rounds)
    low, high = np.quantile(drawn, [0.025, 0.975])
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (rounds + 1))
    difference = float(statistic(np.arange(n_items)))
    return Comparison(difference, float(low), float(high), p, f"paired bootstrap of {rounds} rounds")


def macro_f1_on(truth: np.ndarray, answers: np.ndarray, *, n_classes: int) -> Statistic:
    """Return a quick macro-F1 of answers on some of the items, for the bootstrap.

    Parameters
    ----------
    truth, answers
        int (n_items,), classes from 0.
    n_classes
        How many there are; those that do not occur do not count.

    Examples
    --------
    >>> round(macro_f1_on(np.array([0, 0, 1]), np.array([0, 1, 1]), n_classes=2)(np.arange(3)), 4)
    0.6667
    """
    cells = np.asarray(truth) * n_classes + np.asarray(answers)

    def measure(places: np.ndarray) -> float:
        counts = np.bincount(cells[places], minlength=n_classes**2).reshape(n_classes, n_classes)
        return macro_f1(counts)

    return measure


def _fold_scores(scores: Sequence[float]) -> np.ndarray:
    """Return scores of folds once they are known to be such: float64 (n_folds,)."""
    values = np.asarray(scores, np.float64)
    if len(values) < 2:
        raise ParameterError(f"folds must be two or more, got {len(values)}; judge one split item by item")
    if not np.isfinite(values).all():
        raise ParameterError(f"scores must be finite, got {values.tolist()}; leave out methods that failed")
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

    return float(stats.t.ppf(1 - LEVEL / 2, freedom))


def _within(low: float, high: float, *, lowest: float = -1.0) -> tuple[float, float]:
    return max(lowest, float(low)), min(1.0, float(high))


def _paired(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.shape != b.shape or a.ndim != 1 or not len(a):
        raise ParameterError(f"both methods must have answered the same items, got {a.shape} and {b.shape}")
    return a, b


def _paired_shares_interval(both: int, only_a: int, only_b: int, n: int) -> tuple[float, float]:
    """Return Newcombe's method 10: two Wilson intervals, joined by how far right answers go together."""
    share_a, share_b = (both + only_a) / n, (both + only_b) / n
    (low_a, high_a), (low_b, high_b) = share_interval(share_a, n), share_interval(share_b, n)
    together = both * (n - both - only_a - only_b) - only_a * only_b
    shrunk = max(together - n / 2, 0.0) if together > 0 else together
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
    """Return areas, float (n_methods,), and the variance of each contrast of them, never 0.

    Parameters
    ----------
    scores
        (n_methods, n).
    contrasts
        float (n_contrasts, n_methods).
    """
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
    places = np.searchsorted(order, of, side="left") + np.searchsorted(order, of, side="right")
    return np.asarray(places / 2 / len(order))


def _drawn(statistic: Statistic, n_items: int, seed: int, rounds: int) -> np.ndarray:
    if n_items < 1 or rounds < 1:
        raise ParameterError(f"n_items and rounds must be above 0, got {n_items} and {rounds}")
    generator = np.random.default_rng(seed)
    return np.array([statistic(generator.integers(n_items, size=n_items)) for _ in range(rounds)])
