"""The methods of a benchmark: images by a network, tables by a model, series as they are, and the floor."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from phosphene.converters import ParameterError
from phosphene.converters.core.reader import content_digest
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Failure, Manifest
from phosphene.datasets.splits import Split
from phosphene.datasets.windows import WindowedManifest, cut_manifest, item_failures
from phosphene.pipeline.baselines.rockets import Rocket
from phosphene.pipeline.features import feature_sets
from phosphene.pipeline.features.feature_set import FeatureSet, Record, Table
from phosphene.pipeline.strategies.estimator import Estimator
from phosphene.pipeline.strategies.recipe import RANDOM, Recipe, Strategy

Side = Literal["images", "tables", "floor"]
"""`images` sees images alone, `tables` everything else that learns, `floor` nothing but the labels."""
TABLE_MODELS = ("lightgbm", "random_forest", "logistic", "nearest")
_FEW = 8
IMAGES, CONTROL, FLOOR = "images", "images, random weights", "majority"


@dataclass(frozen=True)
class Setting:
    """What a method is made ready for: a manifest with all its splits, and how items are cut and drawn."""

    manifest: Manifest
    splits: tuple[Split, ...]
    recipe: Recipe
    progress: bool = True

    @functools.cached_property
    def cut(self) -> WindowedManifest:
        """The pieces, the same for all methods."""
        return cut_manifest(self.manifest, self.recipe.windows, self.splits)


@dataclass(frozen=True, eq=False)
class Ready:
    """An estimator ready to learn from any part of the items.

    Parameters
    ----------
    estimator
        The method on these pieces.
    failures
        The items that it cannot read.
    shared_s
        Tells by stage the seconds spent so far on what all fits share.
    notes
        What is worth telling besides a fit's own notes.
    """

    estimator: Estimator
    failures: tuple[Failure, ...]
    shared_s: Callable[[], dict[str, float]]
    notes: Mapping[str, Any]


class Method(Protocol):
    """A way to classify, not yet bound to any data."""

    @property
    def name(self) -> str:
        """As in the table."""

    @property
    def side(self) -> Side:
        """What it sees."""

    @property
    def stages(self) -> tuple[str, ...]:
        """What lies between raw files and what is learned from; methods that name the same stage share it."""

    @property
    def config(self) -> dict[str, Any]:
        """All that its answers depend on besides the items, the split and the seed, as JSON takes it."""

    def make(self, setting: Setting) -> Ready:
        """Bind it to data: read all that it needs."""


@dataclass(frozen=True)
class Images:
    """A network that looks at views of the items.

    Parameters
    ----------
    recipe
        Views, network and strategy, with weights `RANDOM` for the control.
    """

    recipe: Recipe
    side: Side = "images"

    @property
    def name(self) -> str:
        """With what weights it starts."""
        return CONTROL if self.recipe.weights == RANDOM else IMAGES

    @property
    def stages(self) -> tuple[str, ...]:
        """Drawing is shared by all weights."""
        recipe = self.recipe
        drawn = f"tiles: {recipe.views}, {recipe.windows}, {recipe.augment}, {recipe.copies}"
        return (drawn, f"activations: {drawn}, {recipe.arch}, {recipe.weights}")

    @property
    def config(self) -> dict[str, Any]:
        """Recipe, with weights by their bytes, and versions; how many processes draw changes nothing."""
        told = {
            name: str(value) for name, value in vars(self.recipe).items() if name not in ("workers", "seed")
        }
        if self.recipe.weights not in (None, RANDOM):
            told["weights"] = content_digest(Path(told["weights"]))
        return {"name": self.name, **told, **_versions("phosphene", "torch")}

    def make(self, setting: Setting) -> Ready:
        """Draw all pieces and choose the strategy."""
        from phosphene.pipeline.classifier.prepare import prepare

        recipe = replace(self.recipe, strategy=self._strategy(setting))
        prepared = prepare(setting.manifest, recipe, setting.splits, progress=setting.progress)
        tiles, estimator = prepared.tiles, prepared.estimator
        tiles_stage, network_stage = self.stages
        notes = {"strategy": prepared.choice.strategy, "why": prepared.choice.why}
        return Ready(
            estimator,
            prepared.failures,
            lambda: {tiles_stage: tiles.seconds, network_stage: estimator.shared_s},
            notes,
        )

    def _strategy(self, setting: Setting) -> Strategy:
        """Return the recipe's strategy; the control takes the one that the pretrained network was put to use by."""
        from phosphene.pipeline.classifier.prepare import prepare

        if self.recipe.strategy != "auto" or self.recipe.weights != RANDOM:
            return self.recipe.strategy
        pretrained = replace(self.recipe, weights=None)
        prepared = prepare(setting.manifest, pretrained, setting.splits, progress=setting.progress)
        return prepared.choice.strategy


@dataclass(frozen=True)
class Tables:
    """A model of tables on a set of features; for time warping and rockets, on the series themselves.

    Parameters
    ----------
    features
        The name of the set, one of the kind's.
    model
        One of TABLE_MODELS, or `dtw`, `minirocket`, `multirocket_hydra`, which take series as they are.
    kind
        The kind of the items.
    """

    features: str
    model: str
    kind: Kind
    side: Side = "tables"

    @property
    def name(self) -> str:
        """Features and model, or the method of series alone."""
        return self.model if self.model in SERIES_MODELS else f"{self.features} + {self.model}"

    @property
    def stages(self) -> tuple[str, ...]:
        """All models of a set of features share it."""
        return (f"features {self.features}",)

    @property
    def config(self) -> dict[str, Any]:
        """Features, model and versions."""
        packages = ("phosphene", "scikit-learn", "lightgbm", "aeon", "pycatch22", "librosa", "lief")
        return {"name": self.name, "features": [self.features, self._set.version], **_versions(*packages)}

    def make(self, setting: Setting) -> Ready:
        """Measure all pieces."""
        from phosphene.pipeline.features.measuring import measure

        cut = setting.cut
        measured = measure(cut.items, self._set, workers=setting.recipe.workers, progress=setting.progress)
        failures = item_failures(cut.manifest.items, cut.source, cut.items, measured.failures)
        self._warm_up(measured.records)
        estimator = _tabular(self.model, self._set, measured.records, seed=setting.recipe.seed)
        return Ready(estimator, failures, lambda: {self.stages[0]: measured.work_s}, {})

    def _warm_up(self, records: Sequence[Record | None]) -> None:
        """Fit to a few pieces, so that imports and compiling are over before the clock runs."""
        few = [record for record in records if record is not None][:_FEW]
        if len(few) == _FEW:
            indices, targets = np.arange(_FEW), np.arange(_FEW) % 2
            estimator = _tabular(self.model, self._set, few, seed=0)
            fit = estimator.fit(indices, targets, indices, n_classes=2)
            estimator.predict_log_proba(fit.model, indices)

    @property
    def _set(self) -> FeatureSet:
        return next(known for known in feature_sets(self.kind) if known.name == self.features)


@dataclass(frozen=True)
class Majority:
    """The floor: the class that occurs most, whatever the item."""

    side: Side = "floor"
    name: str = FLOOR
    stages: tuple[str, ...] = ()

    @property
    def config(self) -> dict[str, Any]:
        """It has no settings."""
        return {"name": self.name, **_versions("phosphene")}

    def make(self, setting: Setting) -> Ready:
        """Read nothing."""
        from phosphene.pipeline.baselines.tabular import TableContender

        nothing = Table(np.zeros((len(setting.cut.items), 1), np.float32), ("nothing",))
        estimator = TableContender(nothing, "majority", seed=setting.recipe.seed)
        if len(nothing.values) > 1:  # what it imports is imported before the clock runs
            estimator.fit(np.arange(2), np.arange(2), np.arange(2), n_classes=2)
        return Ready(estimator, (), dict, {})


SERIES_MODELS = ("dtw", "minirocket", "multirocket_hydra")


def methods_of(kind: Kind, recipe: Recipe) -> tuple[Method, ...]:
    """Return all methods for items of a kind, images first, the floor last.

    Parameters
    ----------
    kind
        The kind of the items.
    recipe
        How classifiers of images are made.

    Examples
    --------
    >>> [method.name for method in methods_of("mouse", Recipe())][:3]
    ['images', 'images, random weights', 'movement + lightgbm']
    """
    images = (Images(recipe), Images(replace(recipe, weights=RANDOM)))
    tables = tuple(Tables(known.name, model, kind) for known in feature_sets(kind) for model in TABLE_MODELS)
    if kind == "series":
        # The nearest neighbour by Euclid's distance is among the widths that time warping tries.
        tables = tuple(t for t in tables if (t.features, t.model) != ("raw", "nearest"))
        tables += tuple(Tables("raw", model, kind) for model in SERIES_MODELS)
    return (*images, *tables, Majority())


def chosen_methods(methods: Sequence[Method], names: str | None) -> tuple[Method, ...]:
    """Return the methods that a text names, parted by commas or semicolons: `images; minirocket`; None for all.

    A part of a name takes all that hold it.

    Raises
    ------
    ParameterError
        A name is in none of them.

    Examples
    --------
    >>> [method.name for method in chosen_methods(methods_of("mouse", Recipe()), "forest; majority")]
    ['movement + random_forest', 'majority']
    """
    if names is None:
        return tuple(methods)
    wanted = [name.strip() for name in names.replace(",", ";").split(";") if name.strip()]
    for name in wanted:
        if not any(name in method.name for method in methods):
            known = "; ".join(method.name for method in methods)
            raise ParameterError(f"--methods names {name!r}, which is none of: {known}")
    return tuple(method for method in methods if any(name in method.name for name in wanted))


def _tabular(model: str, features: FeatureSet, records: Sequence[Record | None], *, seed: int) -> Estimator:
    """Make the estimator of a model; pieces that failed have empty rows, which nobody asks for."""
    present = [record for record in records if record is not None]
    if not present:
        raise ParameterError(
            f"not one piece could be measured for {features.name}; see the files that failed"
        )
    places = np.flatnonzero([record is not None for record in records])
    if model in SERIES_MODELS:
        return _of_series(model, present, places, len(records), seed=seed)
    from phosphene.pipeline.baselines.tabular import TableContender

    table = features.tabulate(present)
    values = np.zeros((len(records), table.values.shape[1]), np.float32)
    values[places] = table.values
    return TableContender(replace(table, values=values), model, seed=seed)


def _of_series(model: str, records: Sequence[Record], places: np.ndarray, n: int, *, seed: int) -> Estimator:
    from phosphene.pipeline.features.series import filled_to

    series = filled_to(records)
    values = np.zeros((n, *series.shape[1:]), series.dtype)
    values[places] = series
    if model == "dtw":
        from phosphene.pipeline.baselines.warping import WarpingContender

        return WarpingContender(values, seed=seed)
    from phosphene.pipeline.baselines.rockets import RocketContender

    rocket: Rocket = "minirocket" if model == "minirocket" else "multirocket_hydra"
    return RocketContender(values, rocket, seed=seed)


def _versions(*packages: str) -> dict[str, str]:
    return {f"version of {package}": _version(package) for package in packages}


_version = functools.cache(version)
