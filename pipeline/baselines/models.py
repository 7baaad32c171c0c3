"""What learns from a table: each model with the settings that it may try."""

from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from .scaling import Scale, Scaling

Setting = dict[str, Any]
Judge = Literal["log-loss", "accuracy"]


class Fitted(Protocol):
    """A model that has learned."""

    @property
    def size_bytes(self) -> int:
        """What it takes when kept."""

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Return how much speaks for each class: float64 (n, n_known), finite."""


class TabularModel(Protocol):
    """A way to learn from a table."""

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Those that are tried, SETTINGS at most; of equals the first is taken."""

    @property
    def default(self) -> Setting:
        """The one that is taken where nothing can be left out."""

    @property
    def sharpness(self) -> float:
        """What scores are multiplied by where nothing can be left out."""

    @property
    def judged_by(self) -> Judge:
        """What is asked of left-out rows to choose a setting."""

    def trial(self, values: np.ndarray, codes: np.ndarray, questions: np.ndarray, *, seed: int) -> np.ndarray:
        """Learn by every setting, sharing work between them, and answer questions.

        Parameters
        ----------
        values
            float32 (n, n_features), rows to learn from.
        codes
            int (n,), their classes, from 0, each of which occurs; at least two.
        questions
            float32 (n_questions, n_features).

        Returns
        -------
        numpy.ndarray
            float64 (n_settings, n_questions, n_known).
        """

    def fit(self, values: np.ndarray, codes: np.ndarray, setting: Setting, *, seed: int) -> Fitted:
        """Learn by one setting."""


@dataclass(frozen=True, eq=False)
class _Constant:
    answer: np.ndarray

    @property
    def size_bytes(self) -> int:
        return int(self.answer.nbytes)

    def scores(self, values: np.ndarray) -> np.ndarray:
        return np.tile(self.answer, (len(values), 1))


class Majority:
    """The shares of the classes among the training rows: what is known without looking at an item."""

    settings: ClassVar[tuple[Setting, ...]] = ({},)
    default: ClassVar[Setting] = {}
    sharpness = 1.0
    judged_by: Judge = "log-loss"

    def trial(self, values: np.ndarray, codes: np.ndarray, questions: np.ndarray, *, seed: int) -> np.ndarray:
        """Answer every question alike."""
        return self.fit(values, codes, {}, seed=seed).scores(questions)[None]

    def fit(self, values: np.ndarray, codes: np.ndarray, setting: Setting, *, seed: int) -> Fitted:
        """Count."""
        return _Constant(np.log(np.bincount(codes) / len(codes)))


@dataclass(frozen=True, eq=False)
class _Linear:
    scaling: Scaling
    weight: np.ndarray
    bias: np.ndarray

    @property
    def size_bytes(self) -> int:
        kept = (self.weight, self.bias, self.scaling.mean, self.scaling.factor, self.scaling.ordered)
        return sum(int(array.nbytes) for array in kept if array is not None)

    def scores(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(self.scaling(values) @ self.weight + self.bias)


class Logistic:
    """Multinomial logistic regression with a ridge penalty, on columns of variance 1 or on their ranks."""

    _SCALES: tuple[Scale, ...] = ("standard", "rank")
    _STRENGTHS = tuple(float(f"{c:.1e}") for c in np.logspace(-5, 2, 10))
    settings: ClassVar[tuple[Setting, ...]] = tuple(
        {"scale": s, "C": c} for s, c in product(_SCALES, _STRENGTHS)
    )
    default: ClassVar[Setting] = settings[5]
    sharpness = 1.0
    judged_by: Judge = "log-loss"

    def trial(self, values: np.ndarray, codes: np.ndarray, questions: np.ndarray, *, seed: int) -> np.ndarray:
        """Fit from the strongest penalty to the weakest, each from the one before."""
        fits = [fit for scale in self._SCALES for fit in _ridge_path(values, codes, scale, self._STRENGTHS)]
        return np.stack([fit.scores(questions) for fit in fits])

    def fit(self, values: np.ndarray, codes: np.ndarray, setting: Setting, *, seed: int) -> Fitted:
        """Fit with one penalty."""
        return _ridge_path(values, codes, setting["scale"], (setting["C"],))[-1]


def _ridge_path(
    values: np.ndarray, codes: np.ndarray, scale: Scale, strengths: tuple[float, ...]
) -> list[_Linear]:
    from sklearn.linear_model import LogisticRegression

    scaling = Scaling.of(values, scale)
    rows, turn = _turned(scaling(values))
    model = LogisticRegression(max_iter=200, warm_start=True)
    path = []
    for strength in strengths:
        model.set_params(C=strength).fit(rows, codes)
        weight, bias = model.coef_.T, model.intercept_
        if weight.shape[1] == 1:
            weight, bias = np.hstack([0 * weight, weight]), np.array([0.0, bias[0]])
        path.append(_Linear(scaling, turn @ weight, bias.copy()))
    return path


def _turned(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in as few dimensions as they span, and the turn (n_features, n_dimensions) that brings them there.

    A ridge penalty does not change by it, so that a fit to many columns costs no more than one to as many as rows.
    """
    if rows.shape[1] == 0:
        return np.zeros((len(rows), 1)), np.zeros((0, 1))
    if rows.shape[1] <= len(rows):
        return rows, np.eye(rows.shape[1])
    left, length, right = np.linalg.svd(rows, full_matrices=False)
    return left * length, right.T


@dataclass(frozen=True, eq=False)
class _Neighbours:
    scaling: Scaling
    metric: str
    rows: np.ndarray
    codes: np.ndarray
    unit: float

    @property
    def size_bytes(self) -> int:
        return int(self.rows.nbytes + self.codes.nbytes)

    def scores(self, values: np.ndarray) -> np.ndarray:
        parts = np.array_split(values, len(values) // 1000 + 1)
        return np.concatenate([self._nearest(part) for part in parts]) / -self.unit

    def _nearest(self, values: np.ndarray) -> np.ndarray:
        away = _distances(_prepared(self.scaling(values), self.metric), self.rows, self.metric)
        firsts = np.searchsorted(self.codes, np.arange(self.codes[-1] + 1))
        return np.minimum.reduceat(away, firsts, axis=1)


class Nearest:
    """The class of the nearest training row; how near rows of the other classes are says how sure that is.

    Tries four scales of the columns and five ways to measure a distance.
    """

    _SCALES: tuple[Scale, ...] = ("standard", "none", "range", "rank")
    _METRICS = ("euclidean", "cityblock", "chebyshev", "cosine", "correlation")
    settings: ClassVar[tuple[Setting, ...]] = tuple(
        {"scale": s, "metric": m} for m, s in product(_METRICS, _SCALES)
    )
    default: ClassVar[Setting] = settings[0]
    sharpness = 10.0
    judged_by: Judge = "accuracy"  # distances are no probabilities

    def trial(self, values: np.ndarray, codes: np.ndarray, questions: np.ndarray, *, seed: int) -> np.ndarray:
        """Answer by every setting."""
        fits = (self.fit(values, codes, setting, seed=seed) for setting in self.settings)
        return np.stack([fit.scores(questions) for fit in fits])

    def fit(self, values: np.ndarray, codes: np.ndarray, setting: Setting, *, seed: int) -> Fitted:
        """Keep the rows, those of a class together."""
        order = np.argsort(codes, kind="stable")
        scaling, metric = Scaling.of(values, setting["scale"]), setting["metric"]
        rows = _prepared(scaling(values[order]), metric)
        unit = float(_distances(rows, rows.mean(axis=0, keepdims=True), metric).mean())
        return _Neighbours(scaling, metric, rows, codes[order], max(unit, 1e-30))


def _prepared(rows: np.ndarray, metric: str) -> np.ndarray:
    """Return rows whose Euclidean distances are ordered as their angles, where angles are what is measured."""
    if metric == "correlation" and rows.shape[1]:
        rows = rows - rows.mean(axis=1, keepdims=True)
    if metric in ("cosine", "correlation"):
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    return rows


def _distances(rows: np.ndarray, others: np.ndarray, metric: str) -> np.ndarray:
    from scipy.spatial.distance import cdist

    if not rows.shape[1]:
        return np.zeros((len(rows), len(others)))
    return np.asarray(cdist(rows, others, "euclidean" if metric in ("cosine", "correlation") else metric))
