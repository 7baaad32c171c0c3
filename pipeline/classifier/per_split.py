"""An estimator for each split of a data set, where views depend on the items that are learned from."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from phosphene.converters import Converter, ParameterError
from phosphene.pipeline.strategies.estimator import Fit, ImageEstimator, Model, Outputs, Project

_Views = tuple[Converter, ...]
_Result = TypeVar("_Result")


class EstimatorPerSplit(ImageEstimator):
    """An estimator for each split, whose views took ranges and the like from the items that this split learns from.

    No test item has a part in what it is drawn as. Of smaller parts of the training items, which may belong to several
    splits, the first such split counts.

    Parameters
    ----------
    splits
        Of each split the indices of the windows that it learns from, int (n,), and its views.
    make
        Draws all windows as some views, and makes the estimator of these tiles.
    first
        The estimator of the first split.
    """

    def __init__(
        self,
        splits: Sequence[tuple[np.ndarray, _Views]],
        make: Callable[[_Views], ImageEstimator],
        *,
        first: ImageEstimator,
    ) -> None:
        self.splits, self.make = tuple(splits), make
        self._views, self._estimator = self.splits[0][1], first
        self._of_model: list[tuple[Model, _Views]] = []
        self._shared_s = 0.0

    @property
    def shared_s(self) -> float:
        """Seconds spent so far on tiles and features, which the fits of a split share."""
        return self._shared_s

    def fit(self, indices: np.ndarray, targets: np.ndarray, groups: np.ndarray, *, n_classes: int) -> Fit:
        """Fit a model to windows that one split learns from, or to a part of them."""
        views = self._views_of(indices)
        fit = self._timed(views, lambda one: one.fit(indices, targets, groups, n_classes=n_classes))
        self._of_model.append((fit.model, views))
        return fit

    def predict_log_proba(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the log-probabilities of windows, drawn as those were that the model learned from."""
        return self._timed(self._seen_as(model), lambda one: one.predict_log_proba(model, indices))

    def outputs(self, model: Model, indices: np.ndarray, project: Project | None = None) -> Outputs:
        """Return the log-probabilities and projected features of windows, drawn as the model saw them."""
        return self._timed(self._seen_as(model), lambda one: one.outputs(model, indices, project))

    def _seen_as(self, model: Model) -> _Views:
        return next(views for known, views in self._of_model if known is model)

    def _views_of(self, indices: np.ndarray) -> _Views:
        for learned, views in self.splits:
            if np.isin(indices, learned).all():
                return views
        raise ParameterError("an estimator per split is fitted to windows that one of its splits learns from")

    def _timed(self, views: _Views, use: Callable[[ImageEstimator], _Result]) -> _Result:
        begin, before_s = time.monotonic(), self._estimator.shared_s
        if views != self._views:
            # One at a time: the features of all items take most of the memory, and splits come one after the other.
            self._estimator, self._views = self.make(views), views
            self._shared_s += time.monotonic() - begin
            before_s = 0.0
        result = use(self._estimator)
        self._shared_s += self._estimator.shared_s - before_s
        return result
