"""From a manifest to a classifier, and to an honest figure for how good such a classifier is."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from phosphene.converters import Converter, ParameterError, SignalError, default_views, parse_views
from phosphene.converters.parameters import rules
from phosphene.pipeline.data.manifest import Item, Manifest, Metric, Split
from phosphene.pipeline.data.pieces import cut_for
from phosphene.pipeline.data.render import Failure, Tiles, render
from phosphene.pipeline.data.sources import open_manifest
from phosphene.pipeline.data.windows import Cut, Windows, balance, combine, cut, lengths_for, plan_windows
from phosphene.pipeline.evaluation.metrics import Scores, judge

from .classifier import Classifier, item_failures
from .recipe import Recipe
from .speed import keep_memory
from .transfer import Model, Trainer, backbone_of, make_trainer

DEFAULT_VALID = "0.2"
DEFAULT_FOLDS = 5
MOST_WINDOWS = 500
"""Windows a class to learn from, spread evenly: the time to fit a head grows with the cube of their number."""


@dataclass(frozen=True)
class Training:
    """What `train` made: the classifier, its scores on the items held out (None if none were), and what failed."""

    classifier: Classifier
    scores: Scores | None
    failures: tuple[Failure, ...]
    seconds: float


@dataclass(frozen=True)
class Fold:
    """The scores of one fold."""

    name: str
    scores: Scores


@dataclass(frozen=True)
class CrossValidation:
    """What `cross_validate` found: scores by fold, their means, and the items that failed.

    `score` is the mean of the protocol's own metric, `metric`.
    """

    folds: tuple[Fold, ...]
    metric: Metric
    failures: tuple[Failure, ...]
    seconds: float

    @property
    def score(self) -> float:
        """The mean of the protocol's own metric over the folds."""
        return self._mean(self.metric)

    @property
    def accuracy(self) -> float:
        """The mean accuracy over the folds."""
        return self._mean("accuracy")

    @property
    def macro_f1(self) -> float:
        """The mean macro-F1 over the folds."""
        return self._mean("macro_f1")

    def _mean(self, metric: Metric) -> float:
        return float(np.mean([fold.scores.metric(metric) for fold in self.folds]))


def train(
    src: str | Path | Manifest,
    recipe: Recipe | None = None,
    *,
    valid: str | None = None,
    out: str | Path | None = None,
    progress: bool = True,
) -> Training:
    """Train a classifier on labelled raw files.

    Parameters
    ----------
    src
        A folder of class folders, a CSV with `path,label`, an archive of labelled items, or a manifest.
    recipe
        Views, backbone, strategy and the rest; None for the defaults.
    valid
        What is held out to judge the classifier by: `0.2` (a share of each class), `fold=5`, `split=test`, `none`.
        None takes the official test split where there is one, else a fifth.
    out
        A folder to save the classifier in.
    progress
        Show bars on standard error.

    Raises
    ------
    PhospheneError
        Bad input, parameters or weights; the message says what to do.

    Examples
    --------
    >>> training = train("recordings/", Recipe(views="mel"), out="model")  # doctest: +SKIP
    >>> training.scores.accuracy  # doctest: +SKIP
    0.95
    """
    begin = time.monotonic()
    recipe = recipe or Recipe()
    manifest = _labelled(src)
    split = _holdout(manifest, valid, recipe.seed)
    table = _prepare(manifest, recipe, [split], progress=progress)
    model = table.fit(split)
    scores = table.judge(model, split) if len(split.test) else None
    classifier = table.classifier(model, _notes(recipe, manifest, split, scores))
    if out is not None:
        classifier.save(out)
    return Training(classifier, scores, table.failures, time.monotonic() - begin)


def cross_validate(
    src: str | Path | Manifest, recipe: Recipe | None = None, *, progress: bool = True
) -> CrossValidation:
    """Train and judge once a fold of the manifest, or once on its official split.

    A manifest with neither gets five seeded folds, stratified, with groups kept together. Items are rendered once, and
    what does not depend on the fold is computed once.

    Examples
    --------
    >>> cross_validate("esc10/meta.csv", Recipe(views="mel")).accuracy  # doctest: +SKIP
    0.94
    """
    begin = time.monotonic()
    recipe = recipe or Recipe()
    manifest = _labelled(src)
    if all(item.fold is None and item.split is None for item in manifest.items):
        manifest = manifest.with_folds(DEFAULT_FOLDS, seed=recipe.seed)
    splits = manifest.splits()
    table = _prepare(manifest, recipe, splits, progress=progress)
    folds = tuple(Fold(split.name, table.judge(table.fit(split), split)) for split in splits)
    return CrossValidation(folds, manifest.metric, table.failures, time.monotonic() - begin)


@dataclass(frozen=True, eq=False)
class _Table:
    """A manifest cut, rendered and ready to be learned from."""

    manifest: Manifest
    windows: Cut | None
    tiles: Tiles
    source: np.ndarray
    trainer: Trainer
    failures: tuple[Failure, ...]

    def fit(self, split: Split) -> Model:
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
            self.trainer.backbone,
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


def _prepare(manifest: Manifest, recipe: Recipe, splits: Sequence[Split], *, progress: bool) -> _Table:
    keep_memory()
    windows = _cut_of(recipe, manifest)
    views = fit_views(_views(recipe, manifest), windows)
    backbone = backbone_of(recipe)  # before the long work, so that missing weights are told at once
    pieces, source = cut(manifest.items, windows, lengths_for(manifest.items, manifest.kind, windows))
    kept = _thinned(pieces, source, manifest, splits)
    pieces, source = tuple(pieces[place] for place in kept), source[kept]
    tiles = render(pieces, views, workers=recipe.workers, progress=progress)
    trainer = make_trainer(recipe, backbone, tiles, progress=progress)
    return _Table(manifest, windows, tiles, source, trainer, item_failures(manifest.items, source, tiles))


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


def _labelled(src: str | Path | Manifest) -> Manifest:
    manifest = src if isinstance(src, Manifest) else open_manifest(src)
    if len(manifest.classes) < 2:
        found = ", ".join(manifest.classes) or "no labels"
        raise ParameterError(
            f"{manifest.name or src}: training needs items of two classes or more, found {found}; "
            "lay the files out as one folder a class, or name a CSV with path,label"
        )
    return manifest


def _holdout(manifest: Manifest, valid: str | None, seed: int) -> Split:
    if valid is None:
        has_test = any(item.split == "test" for item in manifest.items)
        valid = "split=test" if has_test else DEFAULT_VALID
    return manifest.valid_split(valid, seed=seed)


def _notes(recipe: Recipe, manifest: Manifest, split: Split, scores: Scores | None) -> dict[str, Any]:
    """Return what a model card should say about the training."""
    return {
        "strategy": recipe.strategy,
        "why": "named by the user"
        if recipe.strategy != "probe"
        else "the default: cheap, and strong on small data",
        "epochs": recipe.passes,
        "seed": recipe.seed,
        "data": manifest.name,
        "learned_from": len(split.train),
        "held_out": split.name,
        "metrics": _metrics(scores),
    }


def _metrics(scores: Scores | None) -> dict[str, float | None] | None:
    """Return the figures as JSON takes them: what is not known is None."""
    if scores is None:
        return None
    figures = {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, "auc": scores.auc}
    return {"n": scores.n} | {k: v if v is not None and np.isfinite(v) else None for k, v in figures.items()}
