"""The classifier in the form of scikit-learn: for pipelines, cross-validation and searches over parameters."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from phosphene.converters import ParameterError, Signal
from phosphene.converters.core.signal import Kind
from phosphene.converters.registry import Views
from phosphene.pipeline.strategies.recipe import Recipe, Strategy

from .training import train


class PhospheneClassifier(ClassifierMixin, BaseEstimator):
    """Images of series or sounds, classified by a pretrained network, as an estimator of scikit-learn.

    What it has learned is `classifier_`, which is saved by `classifier_.save(folder)`. joblib and pickle may carry it
    to another process; files that they write are not promised to load in another version.

    Parameters
    ----------
    views, windows, arch, strategy, epochs, augment, seed, workers
        As for `Recipe`.
    kind, rate_hz, step_s
        What arrays mean, as for `train`.

    Attributes
    ----------
    classes_
        The labels, sorted.
    n_features_in_
        Samples of each item; of (items, channels, samples) the channels.
    classifier_
        The trained `Classifier`; it names classes by their number, `000002` for `classes_[2]`.

    Examples
    --------
    >>> model = PhospheneClassifier(views="gasf").fit(x, y)  # doctest: +SKIP
    >>> model.score(x_new, y_new)  # doctest: +SKIP
    0.95
    """

    def __init__(  # noqa: PLR0913  (scikit-learn sets and searches parameters by their names)
        self,
        views: Views | None = None,
        strategy: Strategy = "auto",
        *,
        windows: str | None = None,
        arch: str = "efficientnet_lite0",
        epochs: int | None = None,
        augment: str | None = None,
        kind: Kind | None = None,
        rate_hz: float | None = None,
        step_s: float | None = None,
        seed: int = 0,
        workers: int | None = None,
    ) -> None:
        self.views, self.strategy, self.windows, self.arch, self.epochs = (
            views,
            strategy,
            windows,
            arch,
            epochs,
        )
        self.augment, self.kind, self.rate_hz, self.step_s = augment, kind, rate_hz, step_s
        self.seed, self.workers = seed, workers

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on items.

        Parameters
        ----------
        X
            (items, samples) or (items, channels, samples), NaN where a value is missing; or a list of signals.
        y
            The class of each item: text or numbers, of two classes or more.

        Raises
        ------
        ValueError
            Not such arrays, infinity, one class, or numbers to predict.
        """
        if not _is_signals(X):
            X, y = validate_data(self, X, y, **_ARRAYS)  # noqa: N806
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ParameterError(f"training needs two classes or more, got 1 class: {self.classes_[0]!r}")
        recipe = Recipe(
            views=self.views,
            windows=self.windows,
            arch=self.arch,
            strategy=self.strategy,
            epochs=self.epochs,
            augment=self.augment,
            seed=self.seed,
            workers=self.workers,
        )
        self.classifier_ = train(
            X,
            [f"{code:06}" for code in codes],
            recipe,
            kind=self.kind,
            rate_hz=self.rate_hz,
            step_s=self.step_s,
            valid="none",
            progress=False,
        ).classifier
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the probability of each class: float64 (items, classes), in the order of `classes_`.

        Raises
        ------
        ValueError
            X is not like that of `fit`, or an item cannot be drawn.
        """
        check_is_fitted(self)
        if not _is_signals(X):
            X = validate_data(self, X, reset=False, **_ARRAYS)  # noqa: N806
            X = list(X)  # noqa: N806
        found = self.classifier_.predict(X, rate_hz=self.rate_hz, step_s=self.step_s, workers=self.workers)
        if found.failures:
            raise ParameterError(f"{len(found.failures)} items failed; {found.failures[0].error}")
        return np.array([list(one.probabilities.values()) for one in found])

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the class of each item."""
        proba = self.predict_proba(X)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    def __sklearn_tags__(self) -> Tags:
        """Return what scikit-learn should know of it: missing values are allowed, and three dimensions."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.classifier_tags.poor_score = True  # in these checks items are of two samples
        return tags


_ARRAYS: dict[str, Any] = {"allow_nd": True, "ensure_all_finite": "allow-nan"}


def _is_signals(source: Any) -> bool:
    return (
        isinstance(source, list | tuple)
        and len(source) > 0
        and all(isinstance(one, Signal) for one in source)
    )
