"""MiniRocket and MultiRocket-Hydra: the strong methods for series that see no image, with aeon's transformations."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from phosphene.converters import MissingExtra, ParameterError
from phosphene.pipeline.strategies.estimator import Estimator, Fit

from .calibration import fit_sharpness, hit_rate, sharpened
from .threads import n_cores

Rocket = Literal["minirocket", "multirocket_hydra"]
Transform = Callable[[np.ndarray], np.ndarray]

ROCKETS: tuple[Rocket, ...] = ("minirocket", "multirocket_hydra")
PENALTIES = np.logspace(-3, 3, 10)
"""Of the ridge fit, those of aeon's classifiers."""
MOST_JUDGED = 5000
"""Rows by which the penalty is chosen: the time for that grows with the cube of their number."""
_SHORTEST = 10
"""Kernels are nine steps long, and MultiRocket also sees differences, one step shorter."""
_SHARPNESS = 3.0
_BATCH = 64


@dataclass(frozen=True, eq=False)
class RocketContender(Estimator):
    """Convolutions by many small kernels, what is counted of them, and a ridge classifier on top.

    Answers are those of aeon's `MiniRocketClassifier` and `MultiRocketHydraClassifier` of the same seed, but for the
    penalty, which is chosen by leaving out groups and not rows where groups have several. The answers for left-out
    rows come from ridge fits without their groups; the thresholds of the kernels, which are quantiles of training
    series, and the scale of each feature have seen these series, though never a label.

    Parameters
    ----------
    values
        float (n, channels, length), all finite; series of fewer than ten steps are stretched to ten.
    method
        `minirocket` or `multirocket_hydra`.
    seed
        Of the kernels.

    Raises
    ------
    ParameterError
        There is no such method.
    MissingExtra
        When it learns: aeon is not there.

    References
    ----------
    A. Dempster, D. F. Schmidt, G. I. Webb 2021, doi:10.1145/3447548.3467231. C. W. Tan et al. 2022,
    doi:10.1007/s10618-022-00844-1. A. Dempster, D. F. Schmidt, G. I. Webb 2023, doi:10.1007/s10618-023-00939-3.
    M. Middlehurst et al. 2024, "aeon: a Python toolkit for learning from time series", JMLR 25:289.

    Examples
    --------
    >>> RocketContender(np.zeros((4, 1, 20)), "rocket", seed=0)
    Traceback (most recent call last):
    ...
    phosphene.converters.core.errors.ParameterError: RocketContender.method must be minirocket or multirocket_hydra,
    got 'rocket'
    """

    values: np.ndarray
    method: Rocket
    _: KW_ONLY
    seed: int

    def __post_init__(self) -> None:
        if self.method not in ROCKETS:
            raise ParameterError(
                f"RocketContender.method must be {' or '.join(ROCKETS)}, got {self.method!r}"
            )

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Fit kernels and ridge, as `Estimator.fit`."""
        known, codes = np.unique(targets, return_inverse=True)
        if len(known) < 2:
            nothing = np.zeros(0, int), np.zeros((0, n_classes))
            return Fit(_Model(None, None, known, 1.0, n_classes), *nothing, 0, {"setting": {}, "settings": 0})
        transform = _FITS[self.method](self._series(indices), self.seed)
        ridge, judged = _fit_ridge(transform(self._series(indices)), codes, groups)
        foreseen = _foreseen(codes[judged.rows], groups[judged.rows])
        checked = judged.rows[foreseen]
        scores = _spread(judged.left_out[foreseen], known, n_classes)
        sharpness = fit_sharpness(scores, targets[checked], otherwise=_SHARPNESS)
        left_out = sharpened(scores, sharpness) if len(checked) else scores
        notes = {
            "setting": {"alpha": judged.penalty},
            "settings": len(PENALTIES),
            "inner_folds": len(np.unique(groups[judged.rows])),
            "left_out_accuracy": hit_rate(left_out, targets[checked]),
        }
        model = _Model(transform, ridge, known, sharpness, n_classes)
        return Fit(model, checked, left_out, ridge.size_bytes, notes)

    def predict_log_proba(self, model: Any, indices: np.ndarray) -> np.ndarray:
        """Return log-probabilities of pieces, as `Estimator.predict_log_proba`."""
        if model.ridge is None:
            return sharpened(_spread(np.zeros((len(indices), 1)), model.known, model.n_classes), 1.0)
        parts = np.array_split(indices, len(indices) // 500 + 1)
        scores = [model.ridge.scores(model.transform(self._series(part))) for part in parts if len(part)]
        whole = np.concatenate([np.zeros((0, len(model.known))), *scores])
        return sharpened(_spread(whole, model.known, model.n_classes), model.sharpness)

    def _series(self, indices: np.ndarray) -> np.ndarray:
        values = np.asarray(self.values[indices], np.float64)
        return values if values.shape[2] >= _SHORTEST else _stretched(values)


class _Ridge(NamedTuple):
    """Slope (n_features, n_known) and intercept (n_known,)."""

    weight: np.ndarray
    bias: np.ndarray

    @property
    def size_bytes(self) -> int:
        # A threshold a feature besides.
        return int(self.weight.nbytes + self.bias.nbytes + 4 * len(self.weight))

    def scores(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(features @ self.weight + self.bias)


class _Model(NamedTuple):
    """A fitted rocket; without transformation and ridge where there is but one class."""

    transform: Transform | None
    ridge: _Ridge | None
    known: np.ndarray
    sharpness: float
    n_classes: int


class _Judged(NamedTuple):
    """The penalty of the least error on left-out rows, which rows were left out, and their answers."""

    penalty: float
    rows: np.ndarray
    left_out: np.ndarray


def _fit_ridge(features: np.ndarray, codes: np.ndarray, groups: np.ndarray) -> tuple[_Ridge, _Judged]:
    from sklearn.linear_model import Ridge

    from phosphene.pipeline.strategies.ridge import subsample_groups

    wanted = np.where(np.eye(codes.max() + 1)[codes] > 0, 1.0, -1.0)
    rows = subsample_groups(groups, MOST_JUDGED)
    solver = _Solver(features[rows], wanted[rows])
    # With one group there is nothing to leave out but rows.
    left = groups[rows] if len(np.unique(groups[rows])) > 1 else np.arange(len(rows))
    answers = [solver.left_out(penalty, left) for penalty in PENALTIES]
    best = int(np.argmin([np.square(answer - wanted[rows]).mean() for answer in answers]))
    judged = _Judged(float(PENALTIES[best]), rows, answers[best])
    if len(rows) == len(features):
        return solver.fit(judged.penalty), judged
    model = Ridge(judged.penalty).fit(features, wanted)
    return _Ridge(model.coef_.T, model.intercept_), judged


class _Solver:
    """Ridge fits with a free intercept for every penalty, from one eigendecomposition."""

    def __init__(self, features: np.ndarray, wanted: np.ndarray) -> None:
        import scipy.linalg

        self.mean, self.level, self.wanted = features.mean(axis=0), wanted.mean(axis=0), wanted
        self.rows = features - self.mean
        gram = self.rows @ self.rows.T
        # What all rows share is made the last direction, which is the intercept's and bears no penalty.
        gram += (2.0 * np.trace(gram) + 1.0) / len(gram)
        self.spectrum, self.vectors = scipy.linalg.eigh(gram)
        self.turned = self.vectors.T @ (wanted - self.level)

    def fit(self, penalty: float) -> _Ridge:
        dual = self.vectors @ (self.turned * self._inverse(penalty)[:, None])
        weight = self.rows.T @ dual
        return _Ridge(weight, self.level - self.mean @ weight)

    def left_out(self, penalty: float, groups: np.ndarray) -> np.ndarray:
        """Return what a fit without its group says of each row.

        With C the inverse of the Gram matrix of centred rows and the penalty, without the direction of the intercept,
        the error for a left-out group is the solution of C_gg e = what is wanted, multiplied by C, of this group.
        """
        inverse = self._inverse(penalty)
        error = self.vectors @ (self.turned * inverse[:, None])
        for group in np.unique(groups):
            of = np.flatnonzero(groups == group)
            square = (self.vectors[of] * inverse) @ self.vectors[of].T
            error[of] = np.linalg.solve(square, error[of])
        return np.asarray(self.wanted - error)

    def _inverse(self, penalty: float) -> np.ndarray:
        return np.append(1.0 / (np.maximum(self.spectrum[:-1], 0.0) + penalty), 0.0)


def _foreseen(codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return whether the class of each row also occurs in another group."""
    pairs = np.unique(np.stack([codes, groups]), axis=1)
    return np.asarray(np.bincount(pairs[0], minlength=int(codes.max()) + 1)[codes] > 1)


def _spread(scores: np.ndarray, known: np.ndarray, n_classes: int) -> np.ndarray:
    whole = np.full((len(scores), n_classes), -np.inf)
    whole[:, known] = scores
    return whole


def _stretched(values: np.ndarray) -> np.ndarray:
    steps = np.linspace(0, values.shape[2] - 1, _SHORTEST)
    left = np.minimum(steps.astype(int), max(values.shape[2] - 2, 0))
    share = steps - left
    right = np.minimum(left + 1, values.shape[2] - 1)
    return np.asarray(values[..., left] * (1 - share) + values[..., right] * share)


def _fit_minirocket(values: np.ndarray, seed: int) -> Transform:
    from sklearn.preprocessing import StandardScaler

    kernels, scaler = _aeon().MiniRocket(random_state=seed, n_jobs=_n_jobs()), StandardScaler(with_mean=False)
    with _own_state():
        scaler.fit(kernels.fit(values).transform(values))

    def transform(series: np.ndarray) -> np.ndarray:
        with _own_state():
            return np.asarray(scaler.transform(kernels.transform(series)), np.float64)

    return transform


def _fit_multirocket_hydra(values: np.ndarray, seed: int) -> Transform:
    from sklearn.preprocessing import StandardScaler

    rocket = _aeon().MultiRocket(random_state=seed, n_jobs=_n_jobs())
    hydra = _aeon().HydraTransformer(random_state=seed, n_jobs=_n_jobs(), output_type="numpy")
    with _own_state():
        hydra.fit(values)
        spread, scaler = _Sparse.of(_in_batches(hydra, values)), StandardScaler()
        scaler.fit(rocket.fit(values).transform(values))

    def transform(series: np.ndarray) -> np.ndarray:
        with _own_state():
            counted = spread(_in_batches(hydra, series))
            return np.hstack([counted, scaler.transform(rocket.transform(series))]).astype(np.float64)

    return transform


_FITS: dict[Rocket, Callable[[np.ndarray, int], Transform]] = {
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


def _n_jobs() -> int:
    import numba

    return min(n_cores(), int(numba.config.NUMBA_NUM_THREADS))


def _aeon() -> Any:
    try:
        from aeon.transformations.collection import convolution_based
    except ImportError as error:
        raise MissingExtra("rockets need aeon: pip install 'phosphene[baselines]'") from error
    return convolution_based
