"""What learns trees from a table: random forests, and boosting by LightGBM."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any, ClassVar

import numpy as np

from phosphene.converters import MissingExtra

from .models import Fitted, Judge, Setting
from .threads import n_cores

N_TREES = 500
"""Trees of a forest; more cost time and change little (Probst and Boulesteix 2018, JMLR 18:181)."""
N_TREES_TRIED = 50
"""Trees of one by which a setting is chosen."""


class Forest:
    """Random forest (Breiman 2001, doi:10.1023/A:1010933404324).

    Tries how many columns a split looks at and how few rows are split no further. A tree that stops early is a full
    one cut back, so that one forest stands for all sizes.
    """

    _COLUMNS: tuple[float | str, ...] = ("sqrt", 0.03, 0.1, 0.3)
    _SMALLEST = (2, 4, 8, 16, 32)
    settings: ClassVar[tuple[Setting, ...]] = tuple(
        {"max_features": c, "min_samples_split": s} for c, s in product(_COLUMNS, _SMALLEST)
    )
    default: ClassVar[Setting] = settings[0]
    sharpness = 1.0
    judged_by: Judge = "log-loss"

    def trial(self, values: np.ndarray, codes: np.ndarray, questions: np.ndarray, *, seed: int) -> np.ndarray:
        """Grow a full forest for each number of columns, and cut it back."""
        votes = []
        for columns in self._COLUMNS:
            setting = {"max_features": columns, "min_samples_split": 2}
            forest = _grown(values, codes, setting, n_trees=N_TREES_TRIED, seed=seed)
            votes.append(_cut_votes(forest, questions, self._SMALLEST))
        return _log_votes(np.concatenate(votes), N_TREES_TRIED)

    def fit(self, values: np.ndarray, codes: np.ndarray, setting: Setting, *, seed: int) -> Fitted:
        """Grow a forest that stops where it is to."""
        forest = _grown(values, codes, setting, n_trees=N_TREES, seed=seed, n_jobs=n_cores())
        # Threads add the votes up in any order, and sums of floats depend on it.
        return _Forest(forest.set_params(n_jobs=1))


@dataclass(frozen=True, eq=False)
class _Forest:
    forest: Any

    @property
    def size_bytes(self) -> int:
        trees = [each.tree_ for each in self.forest.estimators_]
        # Two children, the column, the threshold, and the shares of the classes of each node.
        return sum(int(t.node_count) * (3 * 8 + 8 + 8 * int(t.max_n_classes)) for t in trees)

    def scores(self, values: np.ndarray) -> np.ndarray:
        return _log_votes(self.forest.predict_proba(values), len(self.forest.estimators_))


def _grown(
    values: np.ndarray, codes: np.ndarray, setting: Setting, *, n_trees: int, seed: int, n_jobs: int = 1
) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_trees, random_state=seed, n_jobs=n_jobs, **setting).fit(values, codes)


def _log_votes(shares: np.ndarray, n_trees: int) -> np.ndarray:
    """Return logarithms of shares of votes; one more vote is dealt out evenly, for no finite number is sure."""
    return np.asarray(np.log((shares * n_trees + 1.0 / shares.shape[-1]) / (n_trees + 1.0)))


def _cut_votes(forest: Any, questions: np.ndarray, smallest: tuple[int, ...]) -> np.ndarray:
    """Return the shares of votes where nodes of fewer rows were not split: float64 (n_smallest, n, n_classes)."""
    votes = np.zeros((len(smallest), len(questions), len(forest.classes_)))
    for each in forest.estimators_:
        leaves = each.tree_.apply(np.ascontiguousarray(questions, np.float32))
        shares = each.tree_.value[:, 0]
        for place, few in enumerate(smallest):
            votes[place] += shares[_stops(each.tree_, few)[leaves]]
    return np.asarray(votes / len(forest.estimators_))


def _stops(tree: Any, few: int) -> np.ndarray:
    """Return the node at which a way to each node ends where nodes of fewer rows than `few` were not split."""
    nodes = np.arange(tree.node_count)
    parent = np.zeros_like(nodes)
    for children in (tree.children_left, tree.children_right):
        parent[children[children >= 0]] = nodes[children >= 0]
    stops = np.where(tree.n_node_samples[parent] < few, parent, nodes)
    while not np.array_equal(stops, stops[stops]):
        stops = stops[stops]
    return stops


class Boosting:
    """Gradient boosting of trees by LightGBM (Ke et al. 2017, NIPS 30).

    Tries four shapes of trees, and for each five numbers of them: those of the first ones of a longer fit.
    """

    _SHAPES: tuple[Setting, ...] = (
        {"num_leaves": 4, "min_data_in_leaf": 3, "feature_fraction": 0.3},
        {"num_leaves": 8, "min_data_in_leaf": 5, "feature_fraction": 0.1},
        {"num_leaves": 8, "min_data_in_leaf": 10, "feature_fraction": 0.5},
        {"num_leaves": 24, "min_data_in_leaf": 10, "feature_fraction": 0.3},
    )
    _STAGES = (10, 25, 50, 100, 150)
    settings: ClassVar[tuple[Setting, ...]] = tuple(
        {**shape, "n_trees": n} for shape, n in product(_SHAPES, _STAGES)
    )
    default: ClassVar[Setting] = settings[2]
    sharpness = 1.0
    judged_by: Judge = "log-loss"

    def trial(self, values: np.ndarray, codes: np.ndarray, questions: np.ndarray, *, seed: int) -> np.ndarray:
        """Fit each shape once, and answer after each number of trees."""
        table = _dataset(values, codes)
        answers = [
            scores
            for shape in self._SHAPES
            for scores in _stage_scores(table, codes, shape, self._STAGES, questions, seed=seed)
        ]
        return np.stack(answers)

    def fit(self, values: np.ndarray, codes: np.ndarray, setting: Setting, *, seed: int) -> Fitted:
        """Fit as many trees as are wanted."""
        booster = _booster(_dataset(values, codes), codes, setting, seed=seed)
        _advance(booster, setting["n_trees"])
        return _Boosted(booster)


@dataclass(frozen=True, eq=False)
class _Boosted:
    booster: Any

    @property
    def size_bytes(self) -> int:
        return len(self.booster.model_to_string())

    def scores(self, values: np.ndarray) -> np.ndarray:
        return _by_class(self.booster.predict(values, raw_score=True, num_threads=1))


def _stage_scores(
    table: Any,
    codes: np.ndarray,
    shape: Setting,
    stages: tuple[int, ...],
    questions: np.ndarray,
    *,
    seed: int,
) -> Iterator[np.ndarray]:
    booster = _booster(table, codes, shape, seed=seed)
    total: np.ndarray | None = None
    for stage in stages:
        done = booster.current_iteration()
        _advance(booster, stage)
        added = booster.current_iteration() - done
        if added or total is None:
            part = booster.predict(
                questions, raw_score=True, start_iteration=done, num_iteration=added, num_threads=1
            )
            total = part if total is None else total + part
        yield _by_class(total)


def _advance(booster: Any, n_trees: int) -> None:
    while booster.current_iteration() < n_trees:
        if booster.update():  # nothing is left to split
            return


def _dataset(values: np.ndarray, codes: np.ndarray) -> Any:
    return (
        _lightgbm().Dataset(values, label=codes, params=_parameters(codes), free_raw_data=False).construct()
    )


def _booster(table: Any, codes: np.ndarray, setting: Setting, *, seed: int) -> Any:
    least = min(setting["min_data_in_leaf"], max(1, len(codes) // 20))
    chosen = {key: value for key, value in setting.items() if key != "n_trees"} | {"min_data_in_leaf": least}
    return _lightgbm().Booster({**_parameters(codes), **chosen, "seed": seed}, table)


def _parameters(codes: np.ndarray) -> Setting:
    n_classes = int(codes.max()) + 1
    objective = (
        {"objective": "multiclass", "num_class": n_classes} if n_classes > 2 else {"objective": "binary"}
    )
    return {
        **objective,
        "learning_rate": 0.1,
        "lambda_l2": 1.0,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        # Of few rows, bins of eight are as good as finer ones, and a tree takes half the time.
        "max_bin": int(np.clip(len(codes) // 8, 15, 63)),
        "min_data_in_bin": 1,
        "feature_pre_filter": False,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }


def _by_class(raw: np.ndarray) -> np.ndarray:
    return np.asarray(raw if raw.ndim == 2 else np.stack([np.zeros_like(raw), raw], axis=1))


def _lightgbm() -> Any:
    try:
        import lightgbm
    except ImportError as error:
        raise MissingExtra("boosting needs LightGBM: pip install 'phosphene[baselines]'") from error
    return lightgbm
