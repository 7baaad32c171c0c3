"""Models of tables as contenders: settings are chosen by leaving training rows out, then all rows are learned from."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np

from phosphene.converters import ParameterError
from phosphene.pipeline.features.feature_set import Table
from phosphene.pipeline.strategies.estimator import Estimator, Fit

from .calibration import fit_sharpness, hit_rate, log_loss, sharpened
from .inner import inner_folds
from .models import Fitted, Logistic, Majority, Nearest, Setting, TabularModel
from .threads import in_threads
from .trees import Boosting, Forest

MODELS: dict[str, TabularModel] = {
    "lightgbm": Boosting(),
    "random_forest": Forest(),
    "logistic": Logistic(),
    "nearest": Nearest(),
    "majority": Majority(),
}
"""What `TableContender` takes for a model, by name."""
MOST_JUDGED = 5000
"""Rows by which a setting is chosen, drawn from all, as many as choose the penalty of a probe."""


@dataclass(frozen=True, eq=False)
class TableContender(Estimator):
    """A model of `MODELS` that learns from rows of a table.

    Parameters
    ----------
    table
        Features of all pieces.
    model
        By name.
    seed
        Of the inner folds, and of models that draw.

    Raises
    ------
    ParameterError
        There is no such model.
    MissingExtra
        When it learns: its library is not there.

    Examples
    --------
    >>> table = Table(np.array([[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]], np.float32), ("level",))
    >>> contender = TableContender(table, "nearest", seed=0)
    >>> trained = contender.fit(np.array([0, 1, 4, 5]), np.array([0, 0, 1, 1]), np.arange(4), n_classes=2)
    >>> contender.predict_log_proba(trained.model, np.array([2, 3])).argmax(axis=1).tolist()
    [0, 1]
    >>> trained.notes["left_out_accuracy"]
    1.0
    """

    table: Table
    model: str
    _: KW_ONLY
    seed: int

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise ParameterError(
                f"TableContender.model must be one of {', '.join(sorted(MODELS))}, got {self.model!r}"
            )

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Choose a setting by left-out rows and learn from all, as `Estimator.fit`.

        The setting is the one of the least log-loss, each setting's scores first brought to the best sharpness; of
        1-NN, the one that is right most often, the first of equals. A row whose class occurs in its own inner fold
        alone is not `checked`: nothing could be known of it.
        """
        values = self.table.values[indices]
        with _quiet():
            tried = _try_settings(MODELS[self.model], values, targets, groups, n_classes, seed=self.seed)
            choice = _choose(MODELS[self.model], tried, targets[tried.checked])
            fitted = self._learn(values, targets, choice.setting)
        model = _Answering(fitted, np.unique(targets), choice.sharpness, n_classes)
        notes = {
            "setting": choice.setting,
            "settings": len(tried.scores),
            "inner_folds": tried.n_folds,
            "left_out_accuracy": hit_rate(choice.left_out, targets[tried.checked]),
        }
        return Fit(model, tried.checked, choice.left_out, fitted.size_bytes if fitted else 0, notes)

    def _learn(self, values: np.ndarray, targets: np.ndarray, setting: Setting) -> Fitted | None:
        known, codes = np.unique(targets, return_inverse=True)
        return MODELS[self.model].fit(values, codes, setting, seed=self.seed) if len(known) > 1 else None

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return log-probabilities of pieces, as `Estimator.predict_log_proba`."""
        with _quiet():
            return sharpened(model.scores(self.table.values[indices]), model.sharpness)


@dataclass(frozen=True, eq=False)
class _Answering:
    """A fitted model with the classes that it knows; without a model, where they are but one."""

    fitted: Fitted | None
    known: np.ndarray
    sharpness: float
    n_classes: int

    def scores(self, values: np.ndarray) -> np.ndarray:
        whole = np.full((len(values), self.n_classes), -np.inf)
        whole[:, self.known] = 0.0 if self.fitted is None else self.fitted.scores(values)
        return whole


class _Tried(NamedTuple):
    """Scores (n_settings, n_checked, n_classes) of rows that were left out."""

    scores: np.ndarray
    checked: np.ndarray
    n_folds: int


class _Choice(NamedTuple):
    setting: Setting
    sharpness: float
    left_out: np.ndarray


def _try_settings(
    model: TabularModel,
    values: np.ndarray,
    targets: np.ndarray,
    groups: np.ndarray,
    n_classes: int,
    *,
    seed: int,
) -> _Tried:
    from phosphene.pipeline.strategies.ridge import subsample_groups

    judged = subsample_groups(groups, MOST_JUDGED)
    values, targets = values[judged], targets[judged]
    folds = inner_folds(targets, groups[judged], seed=seed)

    def leave_out(fold: int) -> np.ndarray:
        train, test = folds != fold, folds == fold
        known, codes = np.unique(targets[train], return_inverse=True)
        scores = np.full((len(model.settings), test.sum(), n_classes), -np.inf)
        several = len(known) > 1
        answer = model.trial(values[train], codes, values[test], seed=seed) if several else 0.0
        scores[:, :, known] = answer
        return scores

    scores = np.full((len(model.settings), len(judged), n_classes), -np.inf)
    names = np.unique(folds) if folds.any() else folds[:0]
    for fold, part in zip(names, in_threads(leave_out, names.tolist()), strict=True):
        scores[:, folds == fold] = part
    foreseen = np.isfinite(scores[0, np.arange(len(targets)), targets])
    return _Tried(scores[:, foreseen], judged[foreseen], len(names))


def _choose(model: TabularModel, tried: _Tried, targets: np.ndarray) -> _Choice:
    n_classes = tried.scores.shape[2]
    if not len(targets):
        return _Choice(model.default, model.sharpness, np.zeros((0, n_classes)))
    choices = []
    for setting, scores in zip(model.settings, tried.scores, strict=True):
        sharpness = (
            fit_sharpness(scores, targets, otherwise=model.sharpness) if len(tried.scores) > 1 else 1.0
        )
        choices.append(_Choice(setting, sharpness, sharpened(scores, sharpness)))

    def merit(choice: _Choice) -> float:
        by_hits = model.judged_by == "accuracy"
        return (hit_rate(choice.left_out, targets) or 0.0) if by_hits else -log_loss(choice.left_out, targets)

    return max(choices, key=merit)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what libraries say of fits that end early from those who asked for a score."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
