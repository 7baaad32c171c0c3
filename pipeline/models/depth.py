"""Where to cut a frozen network: how well its stages tell training items apart that were left out of the fit.

How far features of photographs carry over falls with depth, and falls faster the less the new pictures look like
photographs (Yosinski et al. 2014, "How transferable are features in deep neural networks?",
https://arxiv.org/abs/1411.1792). So the stages are chosen for every data set, on its training items alone.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .heads import PENALTIES, Gram, gram_of, indicators_of, standard


@dataclass(frozen=True)
class Depth:
    """The stages of a network that are looked at, and how well each alone tells left-out training items apart.

    Parameters
    ----------
    taps
        The chosen stages, from early to late.
    accuracy
        Of every stage alone, on left-out training items.
    """

    taps: tuple[str, ...]
    accuracy: dict[str, float]


def choose_depth(
    stages: dict[str, np.ndarray],
    targets: np.ndarray,
    groups: np.ndarray,
    *,
    usual: Sequence[str],
    first: str | None = None,
) -> Depth:
    """Choose neighbouring stages whose features together predict left-out training items best.

    The usual ones stay unless others are better by more than two standard errors of the difference: on a few items the
    best of many is the luckiest. Stages before `first` are judged, not chosen.

    Parameters
    ----------
    stages
        Features of every stage, from early to late, float32 (n, n_features).
    targets, groups
        As for `fit_head`.
    usual
        Stages to take in case of doubt; neighbours.
    first
        The earliest stage that may be chosen; None for any.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> targets = np.repeat([0, 1], 20)
    >>> noise, telling = rng.normal(size=(40, 9)), rng.normal(size=(40, 9)) + 3 * targets[:, None]
    >>> choose_depth({"early": noise, "late": telling}, targets, np.arange(40), usual=("early",)).taps
    ('late',)
    """
    trial = _Trial(targets, groups)
    grams = [_gram(features) for features in stages.values()]
    names, usual_run = list(stages), tuple(list(stages).index(tap) for tap in usual)
    earliest = names.index(first) if first else 0
    runs = [tuple(range(a, b)) for a, b in itertools.combinations(range(earliest, len(names) + 1), 2)]
    outcomes = {run: trial.outcome(*_joined([grams[place] for place in run])) for run in runs}
    best = min(outcomes, key=lambda run: float(outcomes[run].errors.mean()))
    surely = _surely_better(outcomes[best].errors, outcomes[usual_run].errors)
    return Depth(
        tuple(names[place] for place in (best if surely else usual_run)),
        {name: trial.outcome(*gram).accuracy for name, gram in zip(names, grams, strict=True)},
    )


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The squared errors of left-out items (one a group) and the share of them that were named rightly."""

    errors: np.ndarray
    accuracy: float


class _Trial:
    """Predicts training items from those of other groups."""

    def __init__(self, targets: np.ndarray, groups: np.ndarray) -> None:
        self.targets, self.groups = targets, np.unique(groups, return_inverse=True)[1]
        self.indicators = indicators_of(targets)
        self.level = self.indicators.mean(axis=0)

    def outcome(self, gram: np.ndarray, n_features: int) -> _Outcome:
        """Judge features by their inner products."""
        _, outside = Gram(gram / n_features, self.indicators - self.level, self.groups).best(PENALTIES[::2])
        scores = outside + self.level
        errors = ((scores - self.indicators) ** 2).mean(axis=1)
        of_group = np.bincount(self.groups, errors) / np.bincount(self.groups)
        return _Outcome(of_group, float((scores.argmax(axis=1) == self.targets).mean()))


def _gram(features: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the inner products of standardised rows, and how many features they are of."""
    mean, scale = standard(features)
    n_features = features.shape[1]
    return gram_of((features - mean) * scale) * n_features, n_features


def _joined(parts: Sequence[tuple[np.ndarray, int]]) -> tuple[np.ndarray, int]:
    grams, counts = zip(*parts, strict=True)
    return np.sum(grams, axis=0), sum(counts)


def _surely_better(errors: np.ndarray, usual: np.ndarray) -> bool:
    gain = usual - errors
    return bool(gain.mean() > 2 * gain.std(ddof=1) / np.sqrt(len(gain))) if len(gain) > 1 else False
