"""A manifest made ready to be learned from: cut, rendered, the strategy chosen, the estimator made."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from phosphene.converters import Converter, Signal, default_views
from phosphene.converters.core.parameters import rules
from phosphene.converters.views import as_views
from phosphene.datasets.manifest import Failure, Manifest
from phosphene.datasets.scores import Scores, judge
from phosphene.datasets.splits import Split
from phosphene.datasets.windows import WindowedManifest, Windows, cut_manifest, item_failures
from phosphene.pipeline.augment.views import augmented_views, parse_augmentations
from phosphene.pipeline.backbones.backbone import Backbone
from phosphene.pipeline.backbones.domain_shift import tiles_domain_shift
from phosphene.pipeline.strategies.build import backbones_of, make_estimator
from phosphene.pipeline.strategies.estimator import Estimator, Fit, Model
from phosphene.pipeline.strategies.recipe import Amount, Recipe, StrategyChoice, choose_strategy
from phosphene.pipeline.tiles.render import Tiles, render

from .classifier import Classifier
from .signature import Signature, read_some


@dataclass(frozen=True, eq=False)
class Prepared:
    """A manifest cut, rendered and ready to be learned from.

    `copies_failed` of the pieces have no changed copies, for these could not be drawn; they stand in for themselves.
    """

    cut: WindowedManifest
    recipe: Recipe
    choice: StrategyChoice
    tiles: Tiles
    estimator: Estimator
    copies_failed: int
    signature: Signature

    def expect(self, splits: Sequence[Split]) -> None:
        """Announce the splits to fit, so that they share what they can."""
        self.estimator.expect([self.cut.training_set(split, failed=self._failed) for split in splits])

    def fit(self, split: Split) -> Fit:
        """Fit a model to the pieces of the items to learn from."""
        learned = self.cut.training_set(split, failed=self._failed)
        n_classes = len(self.manifest.classes)
        return self.estimator.fit(learned.indices, learned.targets, learned.groups, n_classes=n_classes)

    def judge(self, model: Model, split: Split) -> Scores:
        """Score a model on the test items."""
        indices = self.cut.indices(split.test, failed=self._failed)
        items, log_proba = self.cut.average(self.estimator.predict_log_proba(model, indices), indices)
        return judge([self.manifest.items[item] for item in items], log_proba, self.manifest.classes)

    def classifier(self, model: Model, notes: dict[str, Any]) -> Classifier:
        """Put a fitted model together with all that raw files go through before it."""
        manifest = self.manifest
        return Classifier(
            manifest.kind,
            self.tiles.views,
            manifest.classes,
            self.cut.windows,
            model,
            notes,
            signature=self.signature,
            options=manifest.options,
        )

    @property
    def manifest(self) -> Manifest:
        """What was cut."""
        return self.cut.manifest

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The items of which a piece could not be drawn."""
        return item_failures(self.manifest.items, self.cut.source, self.cut.items, self.tiles.failures)

    @functools.cached_property
    def _failed(self) -> dict[int, str]:
        failed = {failure.item: failure.error for failure in self.failures}
        return {index: failed[item] for index, item in enumerate(self.manifest.items) if item in failed}


def prepare(manifest: Manifest, recipe: Recipe, splits: Sequence[Split], *, progress: bool) -> Prepared:
    """Cut and render a manifest, choose a strategy and make its estimator; missing weights are an error before that."""
    backbones = backbones_of(recipe)
    cut = cut_manifest(manifest, recipe.windows, splits)
    learned = np.flatnonzero(np.isin(cut.source, np.concatenate([split.train for split in splits])))
    signals = read_some([cut.items[index] for index in learned], manifest.kind, seed=recipe.seed)
    views = resolve_views(fit_views(_views(recipe, manifest), cut.windows), signals)
    signature = Signature.of(manifest.kind, signals)
    del signals
    changed = _changed_views(recipe, manifest, views)
    tiles = render(cut.items, views, workers=recipe.workers, progress=progress)
    choice = _choice(recipe, manifest, splits[0], backbones[0], tiles, cut.source)
    recipe = replace(recipe, strategy=choice.strategy)
    copies, copies_failed = _render_copies(tiles, learned, changed, recipe, progress=progress)
    estimator = make_estimator(recipe, backbones, tiles, copies, progress=progress)
    return Prepared(cut, recipe, choice, tiles, estimator, copies_failed, signature)


def _changed_views(
    recipe: Recipe, manifest: Manifest, views: Sequence[Converter]
) -> tuple[tuple[Converter, ...], ...]:
    """Return the views of every changed copy."""
    if recipe.augment is None:
        return ()
    changes = recipe.augment
    if isinstance(changes, str):
        changes = parse_augmentations(changes, kind=manifest.kind)
    return augmented_views(views, changes, copies=recipe.copies, seed=recipe.seed)


def _render_copies(
    tiles: Tiles,
    indices: np.ndarray,
    copies: Sequence[Sequence[Converter]],
    recipe: Recipe,
    *,
    progress: bool,
) -> tuple[list[Tiles], int]:
    """Render changed copies of some of the pieces, each file read once, and tell of how many they failed."""
    if not copies:
        return [], 0
    some = [tiles.items[index] for index in indices]
    changed = render(
        some, [view for copy in copies for view in copy], workers=recipe.workers, progress=progress
    )
    made = [_copy(changed, tiles, indices, number, views) for number, views in enumerate(copies)]
    return made, sum(tiles.keys[indices[index]] is not None for index in _not_drawn(changed))


def _not_drawn(tiles: Tiles) -> np.ndarray:
    return np.setdiff1d(np.arange(len(tiles)), tiles.drawn)


def _copy(
    changed: Tiles, tiles: Tiles, indices: np.ndarray, number: int, views: Sequence[Converter]
) -> Tiles:
    """Take the views of one copy out of the tiles of all; where these failed, the piece stands in for its copy."""
    own = slice(number * len(views), (number + 1) * len(views))
    keys: list[tuple[str, ...] | None] = [None] * len(tiles)
    for index, key in zip(indices.tolist(), changed.keys, strict=True):
        keys[index] = key[own] if key else tiles.keys[index]
    return replace(changed, items=tiles.items, views=tuple(views), keys=tuple(keys))


def _choice(
    recipe: Recipe, manifest: Manifest, split: Split, backbone: Backbone, tiles: Tiles, source: np.ndarray
) -> StrategyChoice:
    """Choose a strategy by the first split's items to learn from, unless the user named one."""
    if recipe.strategy != "auto":
        return StrategyChoice(recipe.strategy, "named by the user")
    indices = np.intersect1d(np.flatnonzero(np.isin(source, split.train)), tiles.drawn)
    if not len(indices):
        return StrategyChoice("probe", "nothing could be drawn to choose by")
    labels = [label for label in manifest.labels[split.train] if label is not None]
    amount = Amount.of(labels, windows=len(indices), views=len(tiles.views))
    return choose_strategy(
        amount,
        tiles_domain_shift(backbone, tiles, indices),
        weights="random" if backbone.weights_source == "random" else "pretrained",
        device="gpu" if torch.cuda.is_available() else "cpu",
    )


def fit_views(views: Sequence[Converter], windows: Windows | None) -> tuple[Converter, ...]:
    """Give every view that has a duration, and none set, the length of the windows: one scale of time for all."""
    if windows is None or windows.unit != "t":
        return tuple(views)
    return tuple(
        view.replace(duration_s=windows.length)
        if "duration_s" in rules(type(view)) and getattr(view, "duration_s", 0) is None
        else view
        for view in views
    )


def resolve_views(views: Sequence[Converter], signals: Sequence[Signal]) -> tuple[Converter, ...]:
    """Give every view the numbers that it would take from each signal: bands, durations, scales of values."""
    return tuple(view.resolve(signals) for view in views)


def _views(recipe: Recipe, manifest: Manifest) -> tuple[Converter, ...]:
    return as_views(recipe.views, kind=manifest.kind) if recipe.views else default_views(manifest.kind)
