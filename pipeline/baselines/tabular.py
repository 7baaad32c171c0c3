"""Tabular baselines as scikit-learn and LightGBM have them, each with the same budget of settings.

A model chooses its setting by grid search on stratified folds of the training rows that keep groups whole. The chosen
one is fitted again to each of these folds for out-of-fold probabilities, by which its temperature is chosen, and then
to all rows.
"""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple

import numpy as np

from phosphene.converters import MissingExtra, ParameterError
from phosphene.pipeline.features.feature_set import Table
from phosphene.pipeline.strategies.estimator import Estimator, Fit
from phosphene.pipeline.strategies.ridge import subsample_groups
from phosphene.pipeline.strategies.temperature import fit_temperature, log_softmax

Split = tuple[np.ndarray, np.ndarray]
Setting = dict[str, Any]
Grid = list[dict[str, Any]]

SETTINGS = 20
"""Settings that every model may try: as many mixtures of layers as a probe weighs."""
N_FOLDS = 5
MAX_ROWS = 5000
"""Rows by which a setting is chosen at most, drawn from all, as many as choose the penalty of a probe."""
MIN_PROBA = 1e-6
"""The least probability of a class: no table of a finite number of rows can rule one out."""
COUNTS_MIN_PROBA = 1e-3
"""Added to shares of trees and of neighbours, which are often exactly 0, before the temperature is chosen."""
_MAX_SD = 10.0
"""Standard deviations from the mean at most, so that one column far from all training rows decides nothing."""


class _Model(NamedTuple):
    """An estimator as it is where nothing can be chosen, its grid, and what changes once a setting is chosen."""

    estimator: Any
    grid: Grid
    final: Setting
    min_proba: float = MIN_PROBA


def _lightgbm(seed: int, n_rows: int) -> _Model:
    try:
        from lightgbm import LGBMClassifier
    except ImportError as error:
        raise MissingExtra("boosting needs LightGBM: pip install 'phosphene[baselines]'") from error
    boosting = LGBMClassifier(
        num_leaves=4,
        min_child_samples=3,
        reg_lambda=1.0,
        subsample=0.8,
        subsample_freq=1,
        # Of few rows, bins of eight are as good as finer ones, and a tree takes half the time.
        max_bin=int(np.clip(n_rows // 8, 15, 63)),
        min_data_in_bin=1,
        deterministic=True,
        force_col_wise=True,
        random_state=seed,
        n_jobs=1,
        verbosity=-1,
    )
    few = max(1, n_rows // 20)
    names, n_trees = ("num_leaves", "min_child_samples", "colsample_bytree"), [10, 25, 50, 100, 150]
    shapes = ((4, min(3, few), 0.3), (8, min(5, few), 0.1), (8, min(10, few), 0.5), (24, min(10, few), 0.3))
    grid: Grid = [{"n_estimators": n_trees, **dict(zip(names, zip(shape), strict=True))} for shape in shapes]
    return _Model(boosting, grid, {})


def _random_forest(seed: int, n_rows: int) -> _Model:
    from sklearn.ensemble import RandomForestClassifier

    grid: Grid = [{"max_features": ["sqrt", 0.03, 0.1, 0.3], "min_samples_split": [2, 4, 8, 16, 32]}]
    # More trees cost time and change little (Probst and Boulesteix 2018, JMLR 18:181).
    return _Model(
        RandomForestClassifier(10, random_state=seed), grid, {"n_estimators": 100}, COUNTS_MIN_PROBA
    )


def _logistic(seed: int, n_rows: int) -> _Model:
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression

    # PCA drops nothing: the penalty does not change by a rotation, and a fit to many columns costs as few rows do.
    steps = {"rotate": PCA(random_state=seed), "model": LogisticRegression(C=0.02, tol=1e-5, max_iter=200)}
    strengths = [float(f"{c:.1e}") for c in np.logspace(-4, 2, 10)]
    return _Model(_scaled(**steps), [{"scale": _scalers(), "model__C": strengths}], {})


def _nearest(seed: int, n_rows: int) -> _Model:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(1, weights="distance")
    counts = sorted({min(count, n_rows) for count in (1, 2, 4, 8, 16)})
    neighbours: dict[str, list[Any]] = {
        "model__n_neighbors": counts,
        "model__metric": ["euclidean", "manhattan"],
    }
    return _Model(_scaled(model=model), [{"scale": _scalers(), **neighbours}], {}, COUNTS_MIN_PROBA)


def _majority(seed: int, n_rows: int) -> _Model:
    from sklearn.dummy import DummyClassifier

    return _Model(DummyClassifier(strategy="prior", random_state=seed), [{}], {})


def _scaled(**steps: Any) -> Any:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    clip = FunctionTransformer(np.clip, kw_args={"a_min": -_MAX_SD, "a_max": _MAX_SD})
    return Pipeline([("scale", _scalers()[0]), ("clip", clip), *steps.items()])


def _scalers() -> list[Any]:
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    return [StandardScaler(), MinMaxScaler(clip=True)]


MODELS = {
    "lightgbm": _lightgbm,
    "random_forest": _random_forest,
    "logistic": _logistic,
    "nearest": _nearest,
    "majority": _majority,
}
"""The models of `TableEstimator` by name: gradient boosting by LightGBM (Ke et al. 2017, NIPS 30), random forest
(Breiman 2001, doi:10.1023/A:1010933404324), logistic regression, nearest neighbours, and the shares of the classes."""


@dataclass(frozen=True, eq=False)
class TableEstimator(Estimator):
    """A model of `MODELS` on the rows of a table, with a seed for its folds and itself.

    Raises
    ------
    ParameterError
        There is no such model.
    MissingExtra
        In `fit`: LightGBM is not installed.

    Examples
    --------
    >>> table = Table(np.array([[0.0], [0.1], [0.2], [0.8], [0.9], [1.0]], np.float32), ("level",))
    >>> estimator = TableEstimator(table, "nearest", seed=0)
    >>> trained = estimator.fit(np.array([0, 1, 4, 5]), np.array([0, 0, 1, 1]), np.arange(4), n_classes=2)
    >>> estimator.predict_log_proba(trained.model, np.array([2, 3])).argmax(axis=1).tolist()
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
                f"TableEstimator.model must be one of {', '.join(sorted(MODELS))}, got {self.model!r}"
            )

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Choose setting and temperature by cross-validation and fit to all rows, as `Estimator.fit`.

        A row whose class occurs in its own fold alone has no out-of-fold prediction.
        """
        values, (known, codes) = self.table.values[indices], np.unique(targets, return_inverse=True)
        some = subsample_groups(groups, MAX_ROWS)
        with _threads():
            splits = stratified_splits(codes[some], groups[some], seed=self.seed)
            model = MODELS[self.model](self.seed, min((len(fit) for fit, _ in splits), default=1))
            setting, n_tried = _search(model, values[some], codes[some], splits)
            estimator = model.estimator.set_params(**setting, **model.final)
            scores, seen = _out_of_fold(
                model._replace(estimator=estimator), values[some], codes[some], splits
            )
            fitted = _fit(estimator, values, codes)
        oof = some[seen]
        temperature = fit_temperature(scores[seen], codes[oof]) if n_tried > 1 and len(oof) else 1.0
        log_proba = all_classes(log_softmax(scores[seen], temperature=temperature), known, n_classes)
        notes = {
            "setting": {name: _plain(value) for name, value in setting.items()},
            "settings": n_tried,
            "inner_folds": len(splits),
            "left_out_accuracy": accuracy(log_proba, targets[oof]),
        }
        kept = _Fitted(fitted, model.min_proba, known, temperature, n_classes)
        return Fit(kept, oof, log_proba, size_bytes(fitted), notes)

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return log-probabilities of windows, as `Estimator.predict_log_proba`."""
        values = self.table.values[indices]
        if not len(values):
            return np.zeros((0, model.n_classes))
        with _threads(1):
            scores = _log_proba(model.estimator, values, len(model.known), model.min_proba)
        return all_classes(log_softmax(scores, temperature=model.temperature), model.known, model.n_classes)


class _Fitted(NamedTuple):
    """An estimator with the class of each of its columns."""

    estimator: Any
    min_proba: float
    known: np.ndarray
    temperature: float
    n_classes: int


def stratified_splits(codes: np.ndarray, groups: np.ndarray, *, seed: int) -> list[Split]:
    """Return inner folds (fit, left out) of rows, groups whole, every class in its share; none where that cannot be.

    Examples
    --------
    >>> splits = stratified_splits(np.array([0, 1, 0, 1]), np.array([5, 5, 7, 7]), seed=0)
    >>> sorted(left.tolist() for _, left in splits)
    [[0, 1], [2, 3]]
    """
    from sklearn.model_selection import StratifiedGroupKFold

    n_splits = min(N_FOLDS, len(np.unique(groups)), int(np.bincount(codes).max()))
    if n_splits < 2:
        return []
    folds = StratifiedGroupKFold(n_splits, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class of fewer rows than folds
        return [(fit, left) for fit, left in folds.split(codes, codes, groups) if len(fit) and len(left)]


def _search(model: _Model, values: np.ndarray, codes: np.ndarray, splits: list[Split]) -> tuple[Setting, int]:
    """Return the setting with the best Brier score on left-out rows, the first of equals, and how many were tried."""
    from sklearn.model_selection import GridSearchCV, ParameterGrid

    splits = [split for split in splits if len(np.unique(codes[split[0]])) > 1]
    n_settings = len(ParameterGrid(model.grid))
    if n_settings < 2 or not splits:
        return {}, min(n_settings, 1)
    search = GridSearchCV(model.estimator, model.grid, scoring=_brier, cv=splits, refit=False)
    search.set_params(error_score="raise").fit(values, codes)
    return dict(search.best_params_), n_settings


def _brier(estimator: Any, values: np.ndarray, codes: np.ndarray) -> float:
    """Return 1 minus the Brier score, which is also defined for classes that the estimator has not seen."""
    proba = estimator.predict_proba(values)
    right = (proba * (codes[:, None] == estimator.classes_)).sum(axis=1)
    return float((2 * right - np.square(proba).sum(axis=1)).mean())


def _out_of_fold(
    model: _Model, values: np.ndarray, codes: np.ndarray, splits: list[Split]
) -> tuple[np.ndarray, np.ndarray]:
    """Return log-probabilities (n, n_known) by fits to the other folds, and which rows' classes these have seen."""
    from sklearn.utils.parallel import Parallel, delayed

    n_known = int(codes.max()) + 1
    scores, seen = np.zeros((len(codes), n_known)), np.zeros(len(codes), bool)

    def predicted(fit: np.ndarray, left: np.ndarray) -> np.ndarray:
        fitted = _fit(model.estimator, values[fit], codes[fit])
        return _log_proba(fitted, values[left], n_known, model.min_proba)

    parts = Parallel()(delayed(predicted)(*split) for split in splits)
    for (fit, left), part in zip(splits, parts, strict=True):
        scores[left], seen[left] = part, np.isin(codes[left], codes[fit])
    return scores, seen


def _fit(estimator: Any, values: np.ndarray, codes: np.ndarray) -> Any:
    from sklearn.base import clone
    from sklearn.dummy import DummyClassifier

    several = len(np.unique(codes)) > 1
    return clone(estimator if several else DummyClassifier(strategy="prior")).fit(values, codes)


def _log_proba(estimator: Any, values: np.ndarray, n_known: int, min_proba: float) -> np.ndarray:
    proba = np.full((len(values), n_known), min_proba)
    proba[:, estimator.classes_] += estimator.predict_proba(values)
    return np.asarray(np.log(proba / proba.sum(axis=1, keepdims=True)))


def all_classes(log_proba: np.ndarray, known: np.ndarray, n_classes: int) -> np.ndarray:
    """Return log-probabilities of all classes, at least about MIN_PROBA, from those of the `known` classes.

    Examples
    --------
    >>> np.exp(all_classes(np.log([[0.75, 0.25]]), np.array([0, 2]), 3)).round(3).tolist()
    [[0.75, 0.0, 0.25]]
    """
    proba = np.zeros((len(log_proba), n_classes))
    proba[:, known] = np.exp(log_proba)
    proba = np.maximum(proba, MIN_PROBA)
    return np.asarray(np.log(proba / proba.sum(axis=1, keepdims=True)))


def accuracy(log_proba: np.ndarray, targets: np.ndarray) -> float | None:
    """Return how often the likeliest class is the true one, None of no rows.

    Examples
    --------
    >>> accuracy(np.log([[0.6, 0.4], [0.7, 0.3]]), np.array([0, 1]))
    0.5
    """
    return float((log_proba.argmax(axis=1) == targets).mean()) if len(targets) else None


def size_bytes(kept: Any) -> int:
    """Return the bytes of all arrays and texts that a fitted estimator holds.

    Examples
    --------
    >>> size_bytes({"weight": np.zeros((3, 2)), "names": ["ab"], "penalty": 1.0})
    50
    """
    if isinstance(kept, np.ndarray | str):
        return kept.nbytes if isinstance(kept, np.ndarray) else len(kept)
    if isinstance(kept, Mapping):
        return sum(map(size_bytes, kept.values()))
    if isinstance(kept, list | tuple):
        return sum(map(size_bytes, kept))
    # What scikit-learn and LightGBM would write to a file: trees have no attributes in Python.
    state = None if isinstance(kept, type) else getattr(kept, "__getstate__", lambda: None)()
    return size_bytes(state) if state is not None else 0


def numba_threads() -> int:
    """Return how many threads aeon may use: the cores of this process, and not more than numba was started with."""
    import numba
    from joblib import cpu_count

    return min(int(cpu_count()), int(numba.config.NUMBA_NUM_THREADS))


def _plain(value: Any) -> Any:
    """Return a setting as JSON takes it: a scaler by its name."""
    return value if isinstance(value, int | float | str) else type(value).__name__


@contextmanager
def _threads(n_jobs: int = -1) -> Iterator[None]:
    """Share fits by the cores, each on one thread, and keep what libraries say of fits that end early from users.

    Products of small matrices lose time by more threads, and results do not depend on the number of cores.
    """
    from joblib import parallel_config
    from threadpoolctl import threadpool_limits

    # scikit-learn resets the filters in every thread while others may warn: what gets through is recorded, not shown.
    recorded = warnings.catch_warnings(record=True)
    with recorded, threadpool_limits(1), parallel_config("threading", n_jobs=n_jobs):
        warnings.simplefilter("ignore")
        yield
