"""Many methods over many data sets: mean ranks, and which of them differ by more than luck."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from phosphene.converters import ParameterError

from .significance import LEVEL
from .summary import Ranking

_DIGITS = 12  # scores that differ by less differ by rounding
_EXACT = 50  # so many signs fall in 2**50 ways, each of which float64 still counts


def rank_methods(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Rank methods by their scores on several data sets.

    Mean ranks (Demšar 2006, Journal of Machine Learning Research 7:1-30), Wilcoxon's signed-rank test for each pair,
    since what it says of two methods does not depend on who else took part (Benavoli et al. 2016, ibid. 17:1-10), and
    Holm's correction for the number of pairs (1979, Scandinavian Journal of Statistics 6:65-70).

    Few sets cannot show a difference: see `least_p`. One set gives ranks alone, without a test.

    Parameters
    ----------
    scores
        By method, the score on each set in the same order, higher the better; a method that failed on a set is to be
        left out.

    Returns
    -------
    Ranking
        A clique is as many methods in a row, by rank, as no difference is seen between any two of; two at least.

    Raises
    ------
    ParameterError
        No methods or no sets, or not the same sets for all, or a score is missing.

    Examples
    --------
    >>> ranking = rank_methods({"floor": [0.3] * 7, "b": [0.80, 0.81, 0.90, 0.85, 0.75, 0.90, 0.60],
    ...     "a": [0.81, 0.80, 0.95, 0.85, 0.80, 0.93, 0.61]})
    >>> ranking.methods, [round(rank, 2) for rank in ranking.ranks]
    (('a', 'b', 'floor'), [1.21, 1.79, 3.0])
    >>> ranking.cliques, round(ranking.p_values[0, 2], 3)
    (((0, 1),), 0.047)
    """
    table = _table(scores)
    ranks = _ranks(table).mean(axis=0)
    names = tuple(scores)
    order = sorted(range(len(names)), key=lambda place: (ranks[place], -table[:, place].mean(), names[place]))
    p_values = _pairs(table[:, order]) if len(table) > 1 else {}
    return Ranking(
        methods=tuple(names[place] for place in order),
        ranks=tuple(float(ranks[place]) for place in order),
        cliques=cliques(len(order), p_values),
        p_values=p_values,
        n_sets=len(table),
    )


def wilcoxon_p(differences: Sequence[float] | np.ndarray) -> float:
    """Return how often luck alone would rank gains and losses as far apart (Wilcoxon 1945, doi:10.2307/3001968).

    Sets without a difference say nothing and are left out; without any other, p is 1. Exact for up to 50 other sets,
    differences that are tied among them or not; beyond, by the normal distribution.

    Parameters
    ----------
    differences
        float (n_sets,), the score of one method less that of the other.

    Examples
    --------
    >>> wilcoxon_p([0.1, 0.2, 0.3, 0.4, 0.5, 0.0]), wilcoxon_p([0.1, 0.1, 0.1, 0.1, 0.1, 0.2])
    (0.0625, 0.03125)
    """
    from scipy import stats

    ranks = _signed_ranks(differences)
    if len(ranks) > _EXACT:
        return float(stats.wilcoxon(ranks, method="auto").pvalue)
    return _exact_p(ranks)


def lean(differences: Sequence[float] | np.ndarray) -> float:
    """Return to which side Wilcoxon's ranks lean: above 0 where gains outweigh losses, from -1 to 1.

    Examples
    --------
    >>> lean([0.1, 0.2, 0.3, -0.4, 0.0])
    0.2
    """
    ranks = _signed_ranks(differences)
    return float(ranks.sum() / max(1.0, np.abs(ranks).sum()))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values of several tests, each as it stands after Holm's step-down correction.

    Examples
    --------
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for step, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        largest = max(largest, min(1.0, (len(p_values) - step) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def cliques(n_methods: int, p_values: Mapping[tuple[int, int], float]) -> tuple[tuple[int, ...], ...]:
    """Return the longest runs of methods, in their order, of which no two differ; none where nothing was tested.

    Parameters
    ----------
    n_methods
        How many there are.
    p_values
        Of each pair of places, the smaller first.

    Examples
    --------
    >>> cliques(4, {(0, 1): 0.4, (0, 2): 0.01, (0, 3): 0.01, (1, 2): 0.2, (1, 3): 0.01, (2, 3): 0.01})
    ((0, 1), (1, 2))
    """
    found: list[tuple[int, ...]] = []
    for start in range(n_methods):
        run = [start]
        while run[-1] + 1 < n_methods and all(p_values.get((one, run[-1] + 1), 0) >= LEVEL for one in run):
            run.append(run[-1] + 1)
        if len(run) > 1 and (not found or run[-1] > found[-1][-1]):
            found.append(tuple(run))
    return tuple(found)


def least_p(n_sets: int, n_pairs: int) -> float:
    """Return the least p-value, corrected, that one pair of so many can have over so many sets.

    Where it is LEVEL or more, that no difference is seen says nothing: with one pair below 6 sets, with 45 below 11.

    Examples
    --------
    >>> least_p(6, 1), least_p(10, 45) < 0.05, least_p(11, 45) < 0.05
    (0.03125, False, True)
    """
    return float(min(1.0, 2.0 ** (1 - n_sets) * max(1, n_pairs)))


def _table(scores: Mapping[str, Sequence[float]]) -> np.ndarray:
    """Return scores once they are known to be a table: float64 (n_sets, n_methods)."""
    counts = sorted({len(column) for column in scores.values()})
    if not counts or counts[0] == 0:
        raise ParameterError("a ranking needs a method and a set, got none")
    if len(counts) > 1:
        raise ParameterError(
            f"all methods must have scores of the same sets, got {counts[0]} to {counts[-1]} sets"
        )
    table = np.array(list(scores.values()), np.float64).T
    missing = [name for name, column in zip(scores, table.T, strict=True) if not np.isfinite(column).all()]
    if missing:
        raise ParameterError(f"{missing[0]} has no score on every set; leave it out of the ranking")
    return np.round(table, _DIGITS)


def _ranks(table: np.ndarray) -> np.ndarray:
    """Return the rank of each method on each set, 1 the best, ties sharing theirs: float64 (n_sets, n_methods)."""
    from scipy import stats

    return np.asarray(stats.rankdata(-table, axis=1), np.float64)


def _pairs(table: np.ndarray) -> dict[tuple[int, int], float]:
    pairs = list(combinations(range(table.shape[1]), 2))
    return dict(zip(pairs, holm([wilcoxon_p(table[:, a] - table[:, b]) for a, b in pairs]), strict=True))


def _signed_ranks(differences: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the ranks of differences by size, negative for losses, without those that are none: float64 (n,)."""
    from scipy import stats

    known = np.round(np.asarray(differences, np.float64), _DIGITS)
    known = known[known != 0]
    return np.asarray(stats.rankdata(np.abs(known)) * np.sign(known))


def _exact_p(ranks: np.ndarray) -> float:
    """Return the two-sided p-value from all the ways in which the signs of ranks could have fallen.

    SciPy counts them out where ranks are tied, in seconds; here the ways to each sum are added up rank by rank.
    """
    doubled = np.rint(2 * np.abs(ranks)).astype(int)  # tied ranks are halves
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    gains = int(doubled[ranks > 0].sum())
    rarer = min(gains, int(doubled.sum()) - gains)
    return float(min(1.0, 2 * ways[: rarer + 1].sum() / ways.sum()))
