"""A manifest made ready to be learned from: cut, rendered, the strategy chosen, the estimator made."""

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from phosphene.converters import Converter, Signal, default_views
from phosphene.converters.core.converter import rules
from phosphene.converters.registry import as_views
from phosphene.datasets.manifest import Failure, Manifest
from phosphene.datasets.scores import Scores, judge
from phosphene.datasets.splits import Split, shares_worth, subset_of
from phosphene.datasets.windows import WindowedManifest, Windows, cut_manifest, item_failures
from phosphene.pipeline.augment.views import augmented_views, parse_augmentations
from phosphene.pipeline.backbones.backbone import Backbone
from phosphene.pipeline.backbones.domain_shift import tiles_domain_shift
from phosphene.pipeline.strategies.build import backbones_of, make_estimator
from phosphene.pipeline.strategies.estimator import Fit, ImageEstimator, Model, Outputs
from phosphene.pipeline.strategies.recipe import Amount, Recipe, StrategyChoice, choose_strategy
from phosphene.pipeline.tiles.render import Tiles, render

from .classifier import Classifier
from .evaluation import Evaluation, LearningPoint, OutOfFold, Predictions
from .novelty import Novelty, choose_points
from .per_split import EstimatorPerSplit, channel_views, level_views, pixel_views, word_views
from .signature import Signature, read_some

FROZEN = ("probe", "head")
"""Strategies whose features do not depend on the training items."""

CURVE_DRAWS = 3
"""Fits that a point of a learning curve is the mean of."""

_log = logging.getLogger("phosphene")


@dataclass(frozen=True, eq=False)
class Prepared:
    """A manifest cut, rendered and ready to be learned from.

    `copies_failed` of the windows have no changed copies, for these could not be drawn; they stand in for themselves.
    """

    cut: WindowedManifest
    recipe: Recipe
    choice: StrategyChoice
    tiles: Tiles
    estimator: ImageEstimator
    copies_failed: int
    signature: Signature

    def expect(self, splits: Sequence[Split]) -> None:
        """Announce the splits to fit, so that they share what they can."""
        self.estimator.expect([self.cut.training_set(split, failed=self._failed) for split in splits])

    def fit(self, split: Split) -> Fit:
        """Fit a model to the windows of the items to learn from."""
        learned = self.cut.training_set(split, failed=self._failed)
        n_classes = len(self.manifest.classes)
        return self.estimator.fit(learned.indices, learned.targets, learned.groups, n_classes=n_classes)

    def oof(self, fit: Fit, split: Split) -> OutOfFold:
        """Return how often training items are right out of fold, and how many items a class there are for it."""
        learned = self.cut.training_set(split, failed=self._failed)
        pairs = np.unique(np.stack([learned.targets, learned.groups]), axis=1)
        most = int(np.bincount(pairs[0]).max())
        windows = learned.indices[fit.oof_indices]
        if not len(windows):
            return OutOfFold(None, 0, most)
        items, log_proba = self.cut.average(fit.oof_log_proba, windows)
        right = np.array(self.manifest.classes)[log_proba.argmax(axis=1)] == self.manifest.labels[items]
        return OutOfFold(float(right.mean()), len(items), most)

    def learning_curve(self, fit: Fit, split: Split, shares: Sequence[float]) -> tuple[LearningPoint, ...]:
        """Return how accurate probes are that learn from some of the training items, on the rest of them.

        Groups stay whole. The last point is that of the fit to all, out of fold. Networks have none: each point would
        take a whole training.
        """
        if self.recipe.strategy != "probe" or not shares:
            return ()
        items, seed = self.manifest.items, self.recipe.seed
        worth = [share for share in shares_worth(split, items, (*shares, 1.0), seed=seed) if share < 1]
        drawn = [
            [subset_of(split, items, share, seed=seed + k) for k in range(CURVE_DRAWS)] for share in worth
        ]
        self.expect([part for parts in drawn for part in parts])
        points = []
        for parts in drawn:
            found = [
                self.judge(self.fit(part).model, replace(part, test=np.setdiff1d(split.train, part.train)))
                for part in parts
            ]
            n, accuracy, judged = np.mean(
                [
                    (len(part.train), one.accuracy, sum(map(sum, one.confusion)))
                    for part, one in zip(parts, found, strict=True)
                ],
                axis=0,
            )
            points.append(LearningPoint(round(n), float(accuracy), round(judged)))
        whole = self.oof(fit, split)
        if whole.accuracy is not None and whole.most > 2:
            learned = self.cut.training_set(split, failed=self._failed).indices
            n = len(np.unique(self.cut.source[learned]))
            points.append(LearningPoint(n, whole.accuracy, whole.n))
        return tuple(points)

    def novelty(self, fit: Fit, split: Split) -> Novelty:
        """Return how far from the training items others are.

        A network that learned its features from them has others to compare with where any were held out.
        """
        learned = self.cut.training_set(split, failed=self._failed)
        seen, held = np.arange(len(learned.indices)), np.zeros(0, int)
        if self.recipe.strategy not in FROZEN:
            seen, held = np.setdiff1d(seen, fit.oof_indices), learned.indices[fit.oof_indices]
            if not len(held) and len(split.test):
                held = self.cut.indices(split.test, failed=self._failed)
        kept = seen[choose_points(learned.targets[seen], fit.model.n_features)]
        windows, source = learned.indices[kept], self.cut.source
        unseen, log_proba = None, fit.oof_of_all(len(learned.indices))[kept]
        if len(held):
            outputs = self._outputs(fit.model, held)
            unseen, log_proba = (np.asarray(outputs.projected), source[held]), outputs.log_proba
        rows = self.features(fit.model, windows)
        return Novelty.fit(
            rows, source[windows], self.manifest.items, learned.groups[kept], log_proba, unseen
        )

    def features(self, model: Model, indices: np.ndarray) -> np.ndarray:
        """Return the features that a model decides by: float32 (n, n_features)."""
        return np.asarray(self._outputs(model, indices).projected)

    def _outputs(self, model: Model, indices: np.ndarray) -> Outputs:
        """Return what a model says of windows, with all features that it decides by."""

        def whole(rows: np.ndarray, start: int) -> np.ndarray:
            placed = np.zeros((len(rows), model.n_features), np.float32)
            placed[:, start : start + rows.shape[1]] = rows
            return placed

        return self.estimator.outputs(model, indices, whole)

    def evaluate(self, classifier: Classifier, split: Split) -> Evaluation:
        """Judge a classifier on the test items."""
        indices = self.cut.indices(split.test, failed=self._failed)
        project = classifier.novelty.project if classifier.novelty else None
        outputs = self.estimator.outputs(classifier.model, indices, project)
        found = classifier.predictions(self.manifest.items, outputs, self.cut.source[indices])
        tests = set(split.test.tolist())
        failures = tuple(
            Failure(self.manifest.items[index], error)
            for index, error in self._failed.items()
            if index in tests
        )
        return Evaluation.of(Predictions(found, failures), classifier.classes)

    def judge(self, model: Model, split: Split) -> Scores:
        """Score a model on the test items."""
        indices = self.cut.indices(split.test, failed=self._failed)
        items, log_proba = self.cut.average(self.estimator.predict_log_proba(model, indices), indices)
        return judge([self.manifest.items[item] for item in items], log_proba, self.manifest.classes)

    def classifier(self, model: Model, notes: dict[str, Any], novelty: Novelty | None = None) -> Classifier:
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
            novelty=novelty,
        )

    @property
    def manifest(self) -> Manifest:
        """What was cut."""
        return self.cut.manifest

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The items of which a window could not be drawn."""
        return item_failures(self.manifest.items, self.cut.source, self.cut.items, self.tiles.failures)

    @functools.cached_property
    def _failed(self) -> dict[int, str]:
        failed = {failure.item: failure.error for failure in self.failures}
        return {index: failed[item] for index, item in enumerate(self.manifest.items) if item in failed}


def prepare(manifest: Manifest, recipe: Recipe, splits: Sequence[Split], *, progress: bool) -> Prepared:
    """Cut and render a manifest, choose a strategy and make its estimator; missing weights are an error before that.

    What views take from signals (ranges of values, bands, durations) they take from the items that a split learns from.
    Where that differs from split to split, each has views, tiles and an estimator of its own.
    """
    backbones = backbones_of(recipe)
    cut = cut_manifest(manifest, recipe.windows, splits)
    learned = np.flatnonzero(np.isin(cut.source, np.concatenate([split.train for split in splits])))
    signals = read_some([cut.items[index] for index in learned], manifest.kind, seed=recipe.seed)
    sources = {index: int(cut.source[learned[index]]) for index in signals}
    of_splits = [_split_views(recipe, cut, split, signals, sources) for split in splits]
    signature = Signature.of(manifest.kind, signals.values())
    del signals
    tiles = render(cut.items, of_splits[0], workers=recipe.workers, progress=progress)
    choice = _with_squares(_choice(recipe, manifest, splits[0], backbones[0], tiles, cut.source), tiles)
    if choice.strategy != "probe" and recipe.engine != "local":
        _log.warning(
            "%s trains on this machine: only the features of a probe go over a cluster", choice.strategy
        )
        recipe = replace(recipe, engine="local")
    recipe = replace(recipe, strategy=choice.strategy)
    if choice.strategy != "probe" and not recipe.views:  # what only a linear head sees anything in
        tiles = tiles.of_views([index for index, view in enumerate(tiles.views) if not view.by_pixel])
        of_splits = [tuple(view for view in views if not view.by_pixel) for views in of_splits]
    make = functools.partial(_estimator, recipe, backbones, manifest, learned, progress=progress)
    estimator, copies_failed = make(tiles)
    if any(one != of_splits[0] for one in of_splits):
        windows = [np.flatnonzero(np.isin(cut.source, split.train)) for split in splits]
        draw = functools.partial(render, cut.items, workers=recipe.workers, progress=progress)
        estimator = EstimatorPerSplit(
            list(zip(windows, of_splits, strict=True)), lambda views: make(draw(views))[0], first=estimator
        )
    return Prepared(cut, recipe, choice, tiles, estimator, copies_failed, signature)


def _estimator(
    recipe: Recipe,
    backbones: Sequence[Backbone],
    manifest: Manifest,
    learned: np.ndarray,
    tiles: Tiles,
    *,
    progress: bool,
) -> tuple[ImageEstimator, int]:
    """Return the estimator of tiles, and of how many windows no changed copy could be drawn."""
    changed = _changed_views(recipe, manifest, tiles.views)
    copies, failed = _render_copies(tiles, learned, changed, recipe, progress=progress)
    return make_estimator(recipe, backbones, tiles, copies, learned=learned, progress=progress), failed


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
    """Render changed copies of some of the windows, each file read once, and tell of how many they failed."""
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
    """Take the views of one copy out of the tiles of all; where these failed, the window stands in for its copy."""
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
    amount = Amount.of(labels, windows=len(indices), views=sum(not view.by_pixel for view in tiles.views))
    return choose_strategy(
        amount,
        tiles_domain_shift(backbone, tiles, indices),
        weights="random" if backbone.weights_source == "random" else "pretrained",
        device="gpu" if torch.cuda.is_available() else "cpu",
    )


def _with_squares(choice: StrategyChoice, tiles: Tiles) -> StrategyChoice:
    """Tell of images that are no squares what networks, which take these alone, are shown of them."""
    shapes = (
        [tiles.pixels(tiles.drawn[:1], view).shape[1:3] for view in range(len(tiles.views))]
        if len(tiles.drawn)
        else []
    )
    oblong = dict.fromkeys(f"{height} x {width}" for height, width in shapes if height != width)
    if not oblong:
        return choice
    squares = f"images of {' and '.join(oblong)} pixels are brought to squares, which networks take"
    return replace(choice, why=f"{choice.why}; {squares}")


def fit_views(views: Sequence[Converter], windows: Windows | None) -> tuple[Converter, ...]:
    """Give every view that has a duration, and none set, the length of the windows: one scale of time for all."""
    if windows is None or windows.unit != "t":
        return tuple(views)
    return tuple(
        view.replace(duration_s=windows.length)
        if "duration_s" in rules(type(view))
        and getattr(view, "duration_s", 0) is None
        and getattr(view, "keep", "") != "trimmed"
        else view
        for view in views
    )


def resolve_views(views: Sequence[Converter], signals: Sequence[Signal]) -> tuple[Converter, ...]:
    """Give every view the numbers that it would take from each signal: bands, durations, scales of values."""
    return tuple(view.resolve(signals) for view in views)


def _split_views(
    recipe: Recipe,
    cut: WindowedManifest,
    split: Split,
    signals: Mapping[int, Signal],
    sources: Mapping[int, int],
) -> tuple[Converter, ...]:
    """Return the views of a split, with the numbers that they take from signals, whose items it learns from."""
    seen, kind = set(split.train.tolist()), cut.manifest.kind
    items = {index: item for index, item in sources.items() if item in seen}
    learned = [signals[index] for index in items]
    if recipe.views:
        views = as_views(recipe.views, kind=kind)
    else:
        views = default_views(kind)
        labels = [cut.manifest.items[item].label for item in items.values()]
        if more := level_views(learned, labels, list(items.values())):
            _log.warning("its classes differ in level: a view that keeps it is added, %s", more[0].spec)
            views += more
        views += word_views(learned) + channel_views(learned)
        if recipe.strategy in ("auto", "probe"):
            views += pixel_views(learned)
    return resolve_views(fit_views(views, cut.windows), learned)
