"""A manifest made ready to be learned from: cut, rendered, the strategy chosen, the trainer made."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from phosphene.converters import Converter, SignalError, default_views, parse_views
from phosphene.converters.parameters import rules
from phosphene.pipeline.data.augment import parse_augmentations
from phosphene.pipeline.data.augmented import augmented_views
from phosphene.pipeline.data.manifest import Item, Manifest, Split
from phosphene.pipeline.data.pieces import cut_for
from phosphene.pipeline.data.render import Failure, Tiles, render
from phosphene.pipeline.data.windows import Cut, Windows, balance, combine, cut, lengths_for, plan_windows
from phosphene.pipeline.evaluation.metrics import Scores, judge

from .backbones import Backbone
from .choice import Amount, Choice, choose_strategy
from .classifier import Classifier, item_failures
from .likeness import tiles_likeness
from .model import Fitted, Model, Trainer
from .recipe import Recipe
from .speed import keep_memory
from .transfer import backbones_of, make_trainer

MOST_WINDOWS = 500
"""Windows a class to learn from, spread evenly: the time to fit a head grows with the cube of their number."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A manifest cut, rendered and ready to be learned from.

    `copies_failed` of the pieces have no changed copies, for these could not be drawn; they stand in for themselves.
    """

    manifest: Manifest
    recipe: Recipe
    choice: Choice
    windows: Cut | None
    tiles: Tiles
    source: np.ndarray
    trainer: Trainer
    failures: tuple[Failure, ...]
    copies_failed: int

    def fit(self, split: Split) -> Fitted:
        """Fit a model to the pieces of the items to learn from."""
        places = self._pieces(split.train)
        labels, bonds = self.manifest.labels, [item.bond for item in self.manifest.items]
        known = np.array([labels[place] is not None for place in self.source[places]], bool)
        places = places[known]
        items = self.source[places]
        targets = np.searchsorted(np.array(self.manifest.classes), labels[items].astype(str))
        missing = sorted(set(self.manifest.classes) - set(labels[items]))
        if missing:
            raise SignalError(
                f"{self.manifest.name or 'the manifest'}: no item to learn {missing[0]!r} from in split "
                f"{split.name!r}; add items or change the split"
            )
        names = [bonds[item] or f"#{item}" for item in items]
        return self.trainer.fit(places, targets, np.unique(names, return_inverse=True)[1])

    def judge(self, model: Model, split: Split) -> Scores:
        """Judge a model by the items to answer for."""
        places = self._pieces(split.test)
        answers = combine(self.trainer.answer(model, places), self.source[places], len(self.manifest))
        judged = np.unique(self.source[places])
        return judge([self.manifest.items[place] for place in judged], answers[judged], self.manifest.classes)

    def classifier(self, model: Model, notes: dict[str, Any]) -> Classifier:
        """Put a fitted model together with all that raw files go through before it."""
        manifest = self.manifest
        return Classifier(
            manifest.kind,
            self.tiles.views,
            manifest.classes,
            self.windows,
            model,
            notes,
        )

    def _pieces(self, items: np.ndarray) -> np.ndarray:
        """Return the places of the pieces of some items, without items that failed."""
        failed = {failure.item for failure in self.failures}
        kept = [item for item in items if self.manifest.items[item] not in failed]
        if not kept:
            raise SignalError(
                f"{self.manifest.name or 'the manifest'}: not one of {len(items)} items could be drawn"
            )
        return np.flatnonzero(np.isin(self.source, kept))


def prepare(manifest: Manifest, recipe: Recipe, splits: Sequence[Split], *, progress: bool) -> Prepared:
    """Cut, render and look at what is to be learned from; bad choices and missing weights are told before that."""
    keep_memory()
    windows = _cut_of(recipe, manifest)
    views = fit_views(_views(recipe, manifest), windows)
    changed_views = _changed_views(recipe, manifest, views)
    backbones = backbones_of(recipe)
    pieces, source = cut(manifest.items, windows, lengths_for(manifest.items, manifest.kind, windows))
    kept = _thinned(pieces, source, manifest, splits)
    pieces, source = tuple(pieces[place] for place in kept), source[kept]
    learned = np.flatnonzero(np.isin(source, np.concatenate([split.train for split in splits])))
    tiles = render(pieces, views, workers=recipe.workers, progress=progress)
    choice = _choice(recipe, manifest, splits[0], backbones[0], tiles, source)
    recipe = replace(recipe, strategy=choice.strategy)
    copies, copies_failed = _render_copies(tiles, learned, changed_views, recipe, progress=progress)
    trainer = make_trainer(recipe, backbones, tiles, copies, progress=progress)
    failures = item_failures(manifest.items, source, tiles)
    return Prepared(manifest, recipe, choice, windows, tiles, source, trainer, failures, copies_failed)


def _changed_views(
    recipe: Recipe, manifest: Manifest, views: Sequence[Converter]
) -> tuple[tuple[Converter, ...], ...]:
    """Return the views of every changed copy."""
    if recipe.augment is None:
        return ()
    changes = parse_augmentations(recipe.augment, kind=manifest.kind)
    return augmented_views(views, changes, copies=recipe.copies, seed=recipe.seed)


def _render_copies(
    tiles: Tiles,
    places: np.ndarray,
    copies: Sequence[Sequence[Converter]],
    recipe: Recipe,
    *,
    progress: bool,
) -> tuple[list[Tiles], int]:
    """Render changed copies of some of the pieces, each file read once, and tell of how many they failed."""
    if not copies:
        return [], 0
    some = [tiles.items[place] for place in places]
    changed = render(
        some, [view for copy in copies for view in copy], workers=recipe.workers, progress=progress
    )
    made = [_copy(changed, tiles, places, number, views) for number, views in enumerate(copies)]
    return made, sum(tiles.keys[places[place]] is not None for place in _not_drawn(changed))


def _not_drawn(tiles: Tiles) -> np.ndarray:
    return np.setdiff1d(np.arange(len(tiles)), tiles.drawn)


def _copy(changed: Tiles, tiles: Tiles, places: np.ndarray, number: int, views: Sequence[Converter]) -> Tiles:
    """Take the views of one copy out of the tiles of all; where these failed, the piece stands in for its copy."""
    own = slice(number * len(views), (number + 1) * len(views))
    keys: list[tuple[str, ...] | None] = [None] * len(tiles)
    for place, key in zip(places.tolist(), changed.keys, strict=True):
        keys[place] = key[own] if key else tiles.keys[place]
    return replace(changed, items=tiles.items, views=tuple(views), keys=tuple(keys))


def _choice(
    recipe: Recipe, manifest: Manifest, split: Split, backbone: Backbone, tiles: Tiles, source: np.ndarray
) -> Choice:
    """Choose a strategy by the first split's items to learn from, unless the user named one."""
    if recipe.strategy != "auto":
        return Choice(recipe.strategy, "named by the user")
    places = np.intersect1d(np.flatnonzero(np.isin(source, split.train)), tiles.drawn)
    if not len(places):
        return Choice("probe", "nothing could be drawn to choose by")
    labels = [label for label in manifest.labels[split.train] if label is not None]
    amount = Amount.of(labels, pieces=len(places), views=len(tiles.views))
    return choose_strategy(
        amount,
        tiles_likeness(backbone, tiles, places),
        weights="random" if backbone.weights_source == "random" else "pretrained",
        device="gpu" if torch.cuda.is_available() else "cpu",
    )


def _cut_of(recipe: Recipe, manifest: Manifest) -> Cut | None:
    if recipe.windows is None:
        return plan_windows(manifest.items, manifest.kind)
    return cut_for(manifest.kind, recipe.windows)


def fit_views(views: Sequence[Converter], windows: Cut | None) -> tuple[Converter, ...]:
    """Give every view that has a duration, and none set, the length of the windows: one scale of time for all."""
    if not isinstance(windows, Windows) or windows.unit != "t":
        return tuple(views)
    return tuple(
        view.replace(duration_s=windows.length)
        if "duration_s" in rules(type(view)) and getattr(view, "duration_s", 0) is None
        else view
        for view in views
    )


def _views(recipe: Recipe, manifest: Manifest) -> tuple[Converter, ...]:
    return parse_views(recipe.views, kind=manifest.kind) if recipe.views else default_views(manifest.kind)


def _thinned(
    pieces: Sequence[Item], source: np.ndarray, manifest: Manifest, splits: Sequence[Split]
) -> np.ndarray:
    """Return the places of all pieces to answer for and of at most MOST_WINDOWS a class to learn from."""
    if len(pieces) == len(manifest):
        return np.arange(len(pieces))
    learned = np.isin(source, np.unique(np.concatenate([split.train for split in splits])))
    some = np.flatnonzero(learned)
    chosen = balance([pieces[int(place)] for place in some], source[some], manifest.labels, MOST_WINDOWS)
    return np.sort(np.concatenate([np.flatnonzero(~learned), some[chosen]]))
