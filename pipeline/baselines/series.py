"""Baselines of raw series, as aeon has them: random convolutions with a ridge, and nearest neighbours by DTW."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from phosphene.converters import MissingExtra, ParameterError

from ..strategies.estimator import Estimator, Fit
from ..strategies.ridge import RidgeFit, fit_ridge_logo, subsample_groups
from ..strategies.temperature import fit_temperature, log_softmax
from .tabular import accuracy, all_classes, numba_threads

Rocket = Literal["minirocket", "multirocket_hydra"]
Transform = Callable[[np.ndarray], np.ndarray]

ROCKETS: tuple[Rocket, ...] = ("minirocket", "multirocket_hydra")
PENALTIES = np.logspace(-3, 3, 10)
"""Of the ridge fit, those of aeon's classifiers."""
_MIN_LENGTH = 10
"""Kernels are nine steps long, and MultiRocket also sees differences, one step shorter."""
_ROCKET_TEMPERATURE = 1 / 3
"""Where there are no out-of-fold scores to choose one by."""
_BATCH = 64


@dataclass(frozen=True, eq=False)
class RocketEstimator(Estimator):
    """Random convolutions, pooled, with a ridge classifier.

    Predictions are those of aeon's `MiniRocketClassifier` and `MultiRocketHydraClassifier` of the same seed, but for
    the penalty, which is chosen by leaving out groups and not rows where groups have several. Out-of-fold predictions
    come from ridge fits without the group; the biases of the kernels, which are quantiles of training series, and the
    scale of each feature have seen these series, though never a label.

    Parameters
    ----------
    values
        float (n, channels, length), all finite; series of fewer than ten steps are interpolated to ten.
    method
        `minirocket` or `multirocket_hydra`.
    seed
        Random seed of the kernels.

    Raises
    ------
    ParameterError
        There is no such method.
    MissingExtra
        In `fit`: aeon is not installed.

    References
    ----------
    A. Dempster, D. F. Schmidt, G. I. Webb 2021, doi:10.1145/3447548.3467231. C. W. Tan et al. 2022,
    doi:10.1007/s10618-022-00844-1. A. Dempster, D. F. Schmidt, G. I. Webb 2023, doi:10.1007/s10618-023-00939-3.
    M. Middlehurst et al. 2024, "aeon: a Python toolkit for learning from time series", JMLR 25:289.

    Examples
    --------
    >>> RocketEstimator(np.zeros((4, 1, 20)), "rocket", seed=0)
    Traceback (most recent call last):
    ...
    phosphene.converters.core.errors.ParameterError: RocketEstimator.method must be minirocket or multirocket_hydra,
    got 'rocket'
    """

    values: np.ndarray
    method: Rocket
    _: KW_ONLY
    seed: int

    def __post_init__(self) -> None:
        if self.method not in ROCKETS:
            raise ParameterError(
                f"RocketEstimator.method must be {' or '.join(ROCKETS)}, got {self.method!r}"
            )

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Fit kernels and ridge, as `Estimator.fit`."""
        known, codes = np.unique(targets, return_inverse=True)
        if len(known) < 2:
            model = _FittedRocket(None, None, known, 1.0, n_classes)
            return Fit(model, indices[:0], np.zeros((0, n_classes)), 0, {"setting": {}, "settings": 0})
        transform = _TRANSFORMS[self.method](self._series(indices), self.seed)
        features = transform(self._series(indices))
        fit = fit_ridge_logo(features, codes, groups, penalties=PENALTIES, n_classes=len(known))
        seen = _seen_elsewhere(codes[fit.oof_indices], groups[fit.oof_indices])
        rows, scores = fit.oof_indices[seen], fit.oof_scores[seen]
        temperature = fit_temperature(scores, codes[rows]) if len(rows) else _ROCKET_TEMPERATURE
        log_proba = all_classes(log_softmax(scores, temperature=temperature), known, n_classes)
        notes = {
            "setting": {"alpha": fit.penalty},
            "settings": len(PENALTIES),
            "inner_folds": len(np.unique(groups[fit.oof_indices])),
            "left_out_accuracy": accuracy(log_proba, targets[rows]),
        }
        model = _FittedRocket(transform, fit, known, temperature, n_classes)
        return Fit(model, rows, log_proba, _size_bytes(fit), notes)

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return log-probabilities of windows, as `Estimator.predict_log_proba`."""
        scores = np.zeros((len(indices), len(model.known)))
        if model.ridge is not None:
            for part in np.array_split(np.arange(len(indices)), len(indices) // 500 + 1):
                if len(part):
                    scores[part] = model.ridge.scores(model.transform(self._series(indices[part])))
        return all_classes(log_softmax(scores, temperature=model.temperature), model.known, model.n_classes)

    def _series(self, indices: np.ndarray) -> np.ndarray:
        values = np.asarray(self.values[indices], np.float64)
        return values if values.shape[2] >= _MIN_LENGTH else _stretched(values)


class _FittedRocket(NamedTuple):
    """A fitted rocket; without transform and ridge where training items are of one class."""

    transform: Transform | None
    ridge: RidgeFit | None
    known: np.ndarray
    temperature: float
    n_classes: int


def _size_bytes(ridge: RidgeFit) -> int:
    """Return the size of the weights, and of a threshold a feature."""
    return int(ridge.weight.nbytes + ridge.bias.nbytes + 4 * len(ridge.weight))


def _seen_elsewhere(codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return whether the class of each row also occurs in another group."""
    pairs = np.unique(np.stack([codes, groups]), axis=1)
    return np.asarray(np.bincount(pairs[0], minlength=int(codes.max()) + 1)[codes] > 1)


def _stretched(values: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, values.shape[2] - 1, _MIN_LENGTH)
    left = np.minimum(steps.astype(int), max(values.shape[2] - 2, 0))
    share = steps - left
    right = np.minimum(left + 1, values.shape[2] - 1)
    return np.asarray(values[..., left] * (1 - share) + values[..., right] * share)


def _fit_minirocket(values: np.ndarray, seed: int) -> Transform:
    from sklearn.preprocessing import StandardScaler

    kernels, scaler = (
        _aeon_rockets().MiniRocket(random_state=seed, n_jobs=numba_threads()),
        StandardScaler(with_mean=False),
    )
    with _own_state():
        scaler.fit(kernels.fit(values).transform(values))

    def transform(series: np.ndarray) -> np.ndarray:
        with _own_state():
            return np.asarray(scaler.transform(kernels.transform(series)), np.float64)

    return transform


def _fit_multirocket_hydra(values: np.ndarray, seed: int) -> Transform:
    from sklearn.preprocessing import StandardScaler

    rocket = _aeon_rockets().MultiRocket(random_state=seed, n_jobs=numba_threads())
    hydra = _aeon_rockets().HydraTransformer(random_state=seed, n_jobs=numba_threads(), output_type="numpy")
    with _own_state():
        hydra.fit(values)
        spread, scaler = _Sparse.of(_in_batches(hydra, values)), StandardScaler()
        scaler.fit(rocket.fit(values).transform(values))

    def transform(series: np.ndarray) -> np.ndarray:
        with _own_state():
            counted = spread(_in_batches(hydra, series))
            return np.hstack([counted, scaler.transform(rocket.transform(series))]).astype(np.float64)

    return transform


_TRANSFORMS: dict[Rocket, Callable[[np.ndarray, int], Transform]] = {
    "minirocket": _fit_minirocket,
    "multirocket_hydra": _fit_multirocket_hydra,
}


class _Sparse(NamedTuple):
    """Brings Hydra's counts to one scale: their square roots, where a count of nothing stays nothing (its section 3.3).

    Features that are seldom there vary little by that alone, and are kept small.
    """

    mean: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray) -> "_Sparse":
        roots = np.sqrt(np.maximum(counts, 0))
        absent = (roots == 0).mean(axis=0)
        return cls(roots.mean(axis=0), roots.std(axis=0, ddof=1) + absent**4 + 1e-8)

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        roots = np.sqrt(np.maximum(counts, 0))
        return np.asarray((roots - self.mean) * (roots != 0) / self.spread)


def _in_batches(hydra: Any, values: np.ndarray) -> np.ndarray:
    """Transform a part at a time: what all convolutions of all series give would be gigabytes."""
    return np.concatenate([hydra.transform(values[at : at + _BATCH]) for at in range(0, len(values), _BATCH)])


@contextmanager
def _own_state() -> Iterator[None]:
    """Put back what aeon changes for all: the generators of NumPy and torch, and torch's number of threads."""
    import torch

    numpys, torchs, threads = np.random.get_state(), torch.get_rng_state(), torch.get_num_threads()
    try:
        yield
    finally:
        np.random.set_state(numpys)
        torch.set_rng_state(torchs)
        torch.set_num_threads(threads)


def _aeon_rockets() -> Any:
    try:
        from aeon.transformations.collection import convolution_based
    except ImportError as error:
        raise MissingExtra("rockets need aeon: pip install 'phosphene[baselines]'") from error
    return convolution_based


WINDOWS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 25, 30, 40, 60, 100)
"""Half-widths of the Sakoe-Chiba band that are tried, in percent of the length; 0 is the Euclidean distance."""
_NARROW = 10
"""Windows up to this one are always tried; narrow ones are what most sets want (Ratanamahatana and Keogh 2005)."""
MAX_CELLS = 5 * 10**9
"""Cells of cost matrices at most to choose the window by: some ten seconds on one core."""
MAX_CELLS_PREDICT = 2 * 10**8
"""Cells for one prediction at most."""
_DTW_TEMPERATURE = 0.1
"""Where there are no out-of-fold distances to choose one by."""


@dataclass(frozen=True, eq=False)
class DtwEstimator(Estimator):
    """1-NN with dynamic time warping in a Sakoe-Chiba band.

    The window of the fewest leave-group-out mistakes is taken, of equal ones the narrowest. The distance to the nearest
    series of each class, divided by the usual distance and by a temperature, gives probabilities.

    The cost is bounded. Where the search would take more than `MAX_CELLS`, wide windows are not tried; where even
    windows of ten percent would, the window is chosen by some of the rows; and where one prediction would take more
    than `MAX_CELLS_PREDICT`, only some of the rows are kept. The notes tell all three.

    Parameters
    ----------
    values
        float (n, channels, length), all finite; channels are warped together.
    seed
        Not used, nothing is drawn; all estimators have one.

    Raises
    ------
    MissingExtra
        In `fit`: aeon is not installed.

    References
    ----------
    H. Sakoe, S. Chiba 1978, doi:10.1109/TASSP.1978.1163055. C. A. Ratanamahatana, E. Keogh 2005,
    doi:10.1137/1.9781611972757.50. H. A. Dau et al. 2018, doi:10.1007/s10618-018-0565-y.

    Examples
    --------
    >>> values = np.zeros((6, 1, 12))
    >>> values[[0, 1, 2], 0, [3, 5, 7]] = 1.0
    >>> estimator = DtwEstimator(values, seed=0)
    >>> trained = estimator.fit(np.array([0, 1, 3, 4]), np.array([0, 0, 1, 1]), np.arange(4), n_classes=2)
    >>> estimator.predict_log_proba(trained.model, np.array([2, 5])).argmax(axis=1).tolist()
    [0, 1]
    >>> trained.notes["setting"]
    {'window_percent': 9}
    """

    values: np.ndarray
    _: KW_ONLY
    seed: int

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Choose the window and keep the rows, as `Estimator.fit`."""
        plan = _Plan.of(groups, *self.values.shape[1:])
        kept, chosen_by = plan.kept, plan.chosen_by
        rows, groups = self._rows(indices[kept]), groups[kept]
        known, codes = np.unique(targets[kept], return_inverse=True)
        same_group = groups[chosen_by][:, None] == groups
        steps, percent = _best_window(rows, codes, chosen_by, same_group, plan.windows)
        distances = np.where(same_group, np.inf, dtw_distances(rows[chosen_by], rows, steps))
        nearest = _nearest_of_class(distances, codes)
        seen = np.isfinite(nearest[np.arange(len(chosen_by)), codes[chosen_by]])
        nearest, oof = nearest[seen], chosen_by[seen]
        unit = max(float(np.median(nearest.min(axis=1))), 1e-30) if len(oof) else 1.0
        # A class of no other group is as far as the farthest of all.
        farthest = nearest[np.isfinite(nearest)].max(initial=0.0)
        scores = -np.where(np.isfinite(nearest), nearest, farthest) / unit
        temperature = fit_temperature(scores, codes[oof]) if len(oof) else _DTW_TEMPERATURE
        log_proba = all_classes(log_softmax(scores, temperature=temperature), known, n_classes)
        notes = {
            "setting": {"window_percent": percent},
            "settings": len(plan.windows),
            "rows_compared": len(kept),
            "rows_searched": len(chosen_by),
            "left_out_accuracy": accuracy(log_proba, known[codes[oof]]),
        }
        model = _FittedDtw(rows, codes, known, steps, temperature * unit, n_classes)
        return Fit(model, kept[oof], log_proba, int(rows.nbytes + codes.nbytes), notes)

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return log-probabilities of windows, as `Estimator.predict_log_proba`."""
        nearest = _nearest_of_class(
            dtw_distances(self._rows(indices), model.rows, model.window_steps), model.codes
        )
        return all_classes(log_softmax(-nearest, temperature=model.temperature), model.known, model.n_classes)

    def _rows(self, indices: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(self.values[indices], np.float64)


class _FittedDtw(NamedTuple):
    rows: np.ndarray
    codes: np.ndarray
    known: np.ndarray
    window_steps: int
    temperature: float
    n_classes: int


class _Plan(NamedTuple):
    """Rows to compare with, which of these the window is chosen by, and (steps, percent) of the windows to try."""

    kept: np.ndarray
    chosen_by: np.ndarray
    windows: list[tuple[int, int]]

    @classmethod
    def of(cls, groups: np.ndarray, channels: int, length: int) -> "_Plan":
        def cells(percent: int) -> int:
            return channels * length * min(length, 2 * _steps(length, percent) + 1)

        kept = subsample_groups(groups, max(2, MAX_CELLS_PREDICT // cells(_NARROW)))
        chosen_by = subsample_groups(groups[kept], max(2, MAX_CELLS // (cells(_NARROW) * len(kept))))
        affordable = MAX_CELLS / (len(kept) * len(chosen_by))
        # In a short series several windows are one.
        percents = {
            _steps(length, percent): percent
            for percent in reversed(WINDOWS)
            if percent <= _NARROW or cells(percent) <= affordable
        }
        return cls(kept, chosen_by, sorted(percents.items()))


def _steps(length: int, percent: int) -> int:
    return -(-length * percent // 100)  # rounded up, as in the archive's published windows


def dtw_distances(series: np.ndarray, others: np.ndarray, window_steps: int) -> np.ndarray:
    """Return distances of series (n, channels, length) by dynamic time warping in a band: float64 (n, n_others).

    Examples
    --------
    >>> x, y = np.array([[[0.0, 0.0, 1.0, 0.0]]]), np.array([[[0.0, 1.0, 0.0, 0.0]]])
    >>> dtw_distances(x, y, 0).tolist(), dtw_distances(x, y, 1).tolist()
    ([[2.0]], [[0.0]])
    """
    if not len(series):
        return np.zeros((0, len(others)))
    pairwise, window = _aeon_distances().dtw_pairwise_distance, _window(window_steps, series.shape[2])
    with warnings.catch_warnings():
        # By numba, when it compiles the loop of aeon; in colour where it can.
        warnings.filterwarnings("ignore", ".*unsafe cast from uint64")
        return np.asarray(pairwise(series, others, window=window, n_jobs=numba_threads()))


def _window(steps: int, length: int) -> float:
    """Return the window of a number of steps as aeon takes it, a share of the length that it rounds down."""
    return min(1.0, (steps + 0.5) / length)


def _best_window(
    rows: np.ndarray,
    codes: np.ndarray,
    chosen_by: np.ndarray,
    same_group: np.ndarray,
    windows: list[tuple[int, int]],
) -> tuple[int, int]:
    """Return the window by which fewest rows have a nearest one, of another group, of another class.

    Distances in a wider window are lower bounds of those in a narrower one, so that going from the widest down few are
    computed again (Tan et al. 2018, "Efficient search of the best warping window for Dynamic Time Warping").
    """
    if same_group.all():
        return windows[0]
    bounds = np.where(same_group, np.inf, dtw_distances(rows[chosen_by], rows, windows[-1][0]))
    mistakes = []
    for steps, _ in reversed(windows):
        nearest = [_nearest(rows, row, bound, steps) for row, bound in zip(chosen_by, bounds, strict=True)]
        mistakes.append(int((codes[nearest] != codes[chosen_by]).sum()))
    return windows[int(np.argmin(mistakes[::-1]))]


def _nearest(rows: np.ndarray, row: int, bounds: np.ndarray, steps: int) -> int:
    """Return the row nearest to a row; lower bounds of the distances to it are raised to those that are computed."""
    distance, window = _aeon_distances().dtw_distance, _window(steps, rows.shape[2])
    nearest, best = int(row), np.inf
    for other in np.argsort(bounds, kind="stable"):
        if bounds[other] >= best:
            break
        bounds[other] = distance(rows[row], rows[other], window=window)
        if bounds[other] < best:
            nearest, best = int(other), bounds[other]
    return nearest


def _nearest_of_class(distances: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the distance to the nearest series of each class, of squared distances (n, n_others)."""
    n_known = int(codes.max()) + 1
    return np.sqrt(np.stack([distances[:, codes == code].min(axis=1) for code in range(n_known)], axis=1))


def _aeon_distances() -> Any:
    try:
        import aeon.distances
    except ImportError as error:
        raise MissingExtra("dtw needs aeon: pip install 'phosphene[baselines]'") from error
    return aeon.distances
