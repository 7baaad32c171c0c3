"""The estimators of a benchmark: images by a network, tables by a model, series as they are, and the majority class."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from phosphene.converters import ParameterError
from phosphene.converters.core.files import content_digest
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Failure, Manifest
from phosphene.datasets.splits import Split
from phosphene.datasets.windows import WindowedManifest, cut_manifest, item_failures
from phosphene.pipeline.baselines.series import DtwEstimator, Rocket, RocketEstimator
from phosphene.pipeline.baselines.tabular import MODELS, TableEstimator
from phosphene.pipeline.features import feature_sets
from phosphene.pipeline.features.feature_set import FeatureSet, Record, Table
from phosphene.pipeline.strategies.estimator import Estimator
from phosphene.pipeline.strategies.recipe import RANDOM, Recipe

from .summary import CONTROL, FLOOR, IMAGES, Side

TABLE_MODELS = tuple(name for name in MODELS if name != FLOOR)
SERIES_MODELS: Mapping[str, Callable[..., Estimator]] = {
    "dtw": DtwEstimator,
    **{name: functools.partial(RocketEstimator, method=name) for name in get_args(Rocket)},
}
"""What takes float32 (n, channels, length) and a seed."""
_N_WARM_UP = 8


@dataclass(frozen=True, eq=False)
class BenchmarkData:
    """One data set: items and folds, the recipe (windows, seed), and subsets by share of training items."""

    manifest: Manifest
    splits: tuple[Split, ...]
    recipe: Recipe
    digest: str = ""
    subsets: Mapping[float, tuple[Split, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    progress: bool = True

    @property
    def name(self) -> str:
        """The name of the data set."""
        return self.manifest.name or "items"

    @functools.cached_property
    def cut(self) -> WindowedManifest:
        """The windows, the same for all estimators."""
        return cut_manifest(self.manifest, self.recipe.windows, self.splits)

    def failed_items(self, failures: Sequence[Failure]) -> dict[int, str]:
        """Return the items that cannot be read by index, and why."""
        reasons = {failure.item: failure.error for failure in failures}
        return {index: reasons[item] for index, item in enumerate(self.manifest.items) if item in reasons}


class PreparedEstimator(NamedTuple):
    """An estimator made for a data set, with the items that it cannot read and the seconds that took."""

    estimator: Estimator
    failures: tuple[Failure, ...] = ()
    prepare_s: float = 0.0
    notes: Mapping[str, Any] = {}


@dataclass(frozen=True, eq=False)
class EstimatorSpec:
    """An estimator by name and settings, not yet made for a data set.

    Parameters
    ----------
    name
        As in the table.
    side
        What it sees.
    config
        All that its predictions depend on besides the items, the split and the seed, as JSON takes it.
    prepare
        Makes it for a data set: reads all that it needs.
    stages
        What lies between raw files and training: that of `prepare`, and what the estimator shares between its fits.
        Estimators that name the same stage share it.
    """

    name: str
    side: Side
    config: Mapping[str, Any]
    prepare: Callable[[BenchmarkData], PreparedEstimator]
    stages: tuple[str, ...] = ()


def specs_of(kind: Kind, recipe: Recipe) -> tuple[EstimatorSpec, ...]:
    """Return all estimators for items of a kind, images first, the majority class last.

    Examples
    --------
    >>> [spec.name for spec in specs_of("mouse", Recipe())][:3]
    ['images', 'images, random weights', 'movement + lightgbm']
    """
    images = (image_spec(recipe), image_spec(replace(recipe, weights=RANDOM)))
    tables = [table_spec(features, model) for features in feature_sets(kind) for model in TABLE_MODELS]
    if kind == "series":
        # 1-NN by the Euclidean distance is among the windows that DTW tries.
        tables = [spec for spec in tables if spec.name != "raw + nearest"]
        raw = next(features for features in feature_sets(kind) if features.name == "raw")
        tables += [table_spec(raw, model) for model in SERIES_MODELS]
    floor = EstimatorSpec(FLOOR, "floor", {"name": FLOOR, **versions("phosphene")}, _prepare_floor)
    return (*images, *tables, floor)


def chosen_specs(specs: Sequence[EstimatorSpec], names: str | None) -> tuple[EstimatorSpec, ...]:
    """Return the estimators that a text names, separated by commas or semicolons: `images; minirocket`; None for all.

    A part of a name takes all that contain it.

    Raises
    ------
    ParameterError
        A name is in none of them.

    Examples
    --------
    >>> [spec.name for spec in chosen_specs(specs_of("mouse", Recipe()), "forest; majority")]
    ['movement + random_forest', 'majority']
    """
    if names is None:
        return tuple(specs)
    wanted = [name.strip() for name in names.replace(",", ";").split(";") if name.strip()]
    for name in wanted:
        if not any(name in spec.name for spec in specs):
            known = "; ".join(spec.name for spec in specs)
            raise ParameterError(f"--methods names {name!r}, which is none of: {known}")
    return tuple(spec for spec in specs if any(name in spec.name for name in wanted))


def image_spec(recipe: Recipe) -> EstimatorSpec:
    """Return a network on images of the items; weights `RANDOM` make the control."""
    tiles = f"tiles: {recipe.views}, {recipe.windows}, {recipe.augment}, {recipe.copies}"
    settings = {
        name: str(value) for name, value in vars(recipe).items() if name not in ("workers", "seed", "engine")
    }
    if recipe.weights not in (None, RANDOM):
        settings["weights"] = content_digest(Path(settings["weights"]))
    name = CONTROL if recipe.weights == RANDOM else IMAGES
    return EstimatorSpec(
        name,
        "images",
        {"name": name, **settings, **versions("phosphene", "torch")},
        functools.partial(_prepare_images, recipe=recipe),
        (tiles, f"activations: {tiles}, {recipe.arch}, {recipe.weights}"),
    )


def table_spec(features: FeatureSet, model: str) -> EstimatorSpec:
    """Return a model of TABLE_MODELS on a set of features, or one of SERIES_MODELS on the raw series."""
    name = model if model in SERIES_MODELS else f"{features.name} + {model}"
    packages = ("phosphene", "scikit-learn", "librosa", "lief", *baseline_packages())
    return EstimatorSpec(
        name,
        "tables",
        {"name": name, "features": [features.name, features.version], **versions(*packages)},
        functools.partial(_prepare_table, features=features, model=model),
        (f"features {features.name}",),
    )


@functools.cache
def baseline_packages() -> tuple[str, ...]:
    """Return the packages that baselines need besides phosphene's own: its extra `baselines`."""
    extra = [text for text in requires("phosphene") or () if re.search(r"extra == .baselines.", text)]
    return tuple(sorted(re.split(r"[^\w.-]", text)[0] for text in extra))


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of packages as `config` has them; of one that is missing `none`."""
    return {f"version of {package}": package_version(package) for package in packages}


@functools.cache
def package_version(package: str) -> str:
    """Return the version of a package, `none` where it is not installed."""
    try:
        return version(package)
    except ModuleNotFoundError:
        return "none"


def _prepare_images(data: BenchmarkData, recipe: Recipe) -> PreparedEstimator:
    """Render all windows and choose the strategy; the control takes that of the pretrained network."""
    # Not at the top: the processes of tables would hold torch in their memory.
    from phosphene.pipeline.classifier.prepare import prepare

    if recipe.strategy == "auto" and recipe.weights == RANDOM:
        pretrained = replace(recipe, weights=None)
        choice = prepare(data.manifest, pretrained, data.splits, progress=data.progress).choice
        recipe = replace(recipe, strategy=choice.strategy)
    prepared = prepare(data.manifest, recipe, data.splits, progress=data.progress)
    notes = {"strategy": prepared.choice.strategy, "why": prepared.choice.why}
    return PreparedEstimator(prepared.estimator, prepared.failures, prepared.tiles.seconds, notes)


def _prepare_table(data: BenchmarkData, features: FeatureSet, model: str) -> PreparedEstimator:
    """Measure all windows; a fit to a few of them keeps imports and compiling out of the times."""
    from phosphene.pipeline.features.feature_set import measure

    cut = data.cut
    measured = measure(cut.items, features, workers=data.recipe.workers, progress=data.progress)
    few = [record for record in measured.records if record is not None][:_N_WARM_UP]
    if len(few) == _N_WARM_UP:
        _warm_up(_estimator(model, features, few, seed=0), _N_WARM_UP)
    estimator = _estimator(model, features, measured.records, seed=data.recipe.seed)
    failures = item_failures(cut.manifest.items, cut.source, cut.items, measured.failures)
    return PreparedEstimator(estimator, failures, measured.work_s)


def _prepare_floor(data: BenchmarkData) -> PreparedEstimator:
    n_windows = len(data.cut.items)
    estimator = TableEstimator(
        Table(np.zeros((n_windows, 1), np.float32), ("nothing",)), FLOOR, seed=data.recipe.seed
    )
    if n_windows > 1:
        _warm_up(estimator, 2)
    return PreparedEstimator(estimator)


def _warm_up(estimator: Estimator, n: int) -> None:
    indices, targets = np.arange(n), np.arange(n) % 2
    fit = estimator.fit(indices, targets, indices, n_classes=2)
    estimator.predict_log_proba(fit.model, indices)


def _estimator(model: str, features: FeatureSet, records: Sequence[Record | None], *, seed: int) -> Estimator:
    """Make the estimator of a model; windows that failed have rows of 0, which are never used."""
    from phosphene.pipeline.features.series import filled_to

    present = [record for record in records if record is not None]
    if not present:
        raise ParameterError(
            f"not one window could be measured for {features.name}; see the files that failed"
        )
    known = [record is not None for record in records]
    if model in SERIES_MODELS:
        return SERIES_MODELS[model](_with_empty_rows(filled_to(present), known), seed=seed)
    table = features.tabulate(present)
    table = replace(table, values=_with_empty_rows(table.values, known))
    return TableEstimator(table, model, seed=seed)


def _with_empty_rows(rows: np.ndarray, known: Sequence[bool]) -> np.ndarray:
    values = np.zeros((len(known), *rows.shape[1:]), rows.dtype)
    values[np.asarray(known)] = rows
    return values
