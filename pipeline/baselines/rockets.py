"""MiniRocket and MultiRocket-Hydra by aeon, with a ridge classifier whose penalty is chosen by leave-group-out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from phosphene.converters import MissingExtra, ParameterError
from phosphene.pipeline.strategies.estimator import Estimator, Fit
from phosphene.pipeline.strategies.ridge import RidgeFit, fit_ridge_logo
from phosphene.pipeline.strategies.temperature import fit_temperature, log_softmax

from .tabular import accuracy, all_classes, numba_threads

Rocket = Literal["minirocket", "multirocket_hydra"]
Transform = Callable[[np.ndarray], np.ndarray]

ROCKETS: tuple[Rocket, ...] = ("minirocket", "multirocket_hydra")
PENALTIES = np.logspace(-3, 3, 10)
"""Of the ridge fit, those of aeon's classifiers."""
_MIN_LENGTH = 10
"""Kernels are nine steps long, and MultiRocket also sees differences, one step shorter."""
_TEMPERATURE = 1 / 3
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
            model = _Model(None, None, known, 1.0, n_classes)
            return Fit(model, indices[:0], np.zeros((0, n_classes)), 0, {"setting": {}, "settings": 0})
        transform = _TRANSFORMS[self.method](self._series(indices), self.seed)
        features = transform(self._series(indices))
        fit = fit_ridge_logo(features, codes, groups, penalties=PENALTIES, n_classes=len(known))
        seen = _seen_elsewhere(codes[fit.oof_indices], groups[fit.oof_indices])
        rows, scores = fit.oof_indices[seen], fit.oof_scores[seen]
        temperature = fit_temperature(scores, codes[rows]) if len(rows) else _TEMPERATURE
        log_proba = all_classes(log_softmax(scores, temperature=temperature), known, n_classes)
        notes = {
            "setting": {"alpha": fit.penalty},
            "settings": len(PENALTIES),
            "inner_folds": len(np.unique(groups[fit.oof_indices])),
            "left_out_accuracy": accuracy(log_proba, targets[rows]),
        }
        model = _Model(transform, fit, known, temperature, n_classes)
        return Fit(model, rows, log_proba, _size_bytes(fit), notes)

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return log-probabilities of pieces, as `Estimator.predict_log_proba`."""
        scores = np.zeros((len(indices), len(model.known)))
        if model.ridge is not None:
            for part in np.array_split(np.arange(len(indices)), len(indices) // 500 + 1):
                if len(part):
                    scores[part] = model.ridge.scores(model.transform(self._series(indices[part])))
        return all_classes(log_softmax(scores, temperature=model.temperature), model.known, model.n_classes)

    def _series(self, indices: np.ndarray) -> np.ndarray:
        values = np.asarray(self.values[indices], np.float64)
        return values if values.shape[2] >= _MIN_LENGTH else _stretched(values)


class _Model(NamedTuple):
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
        _aeon().MiniRocket(random_state=seed, n_jobs=numba_threads()),
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

    rocket = _aeon().MultiRocket(random_state=seed, n_jobs=numba_threads())
    hydra = _aeon().HydraTransformer(random_state=seed, n_jobs=numba_threads(), output_type="numpy")
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


def _aeon() -> Any:
    try:
        from aeon.transformations.collection import convolution_based
    except ImportError as error:
        raise MissingExtra("rockets need aeon: pip install 'phosphene[baselines]'") from error
    return convolution_based
