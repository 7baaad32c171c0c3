"""From a manifest to a classifier, and to an honest figure for how good such a classifier is."""

import contextlib
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from phosphene.converters import ParameterError
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Failure, Manifest, Metric
from phosphene.datasets.scores import Scores, macro_f1
from phosphene.datasets.splits import Split
from phosphene.pipeline.networks.distributed import first_alone, join, meet, rank, refuse_probe
from phosphene.pipeline.strategies.recipe import Recipe, Strategy

from .classifier import Classifier
from .evaluation import Evaluation
from .inputs import input_manifest
from .prepare import Prepared, prepare

if TYPE_CHECKING:
    import pandas

Labels = Sequence[Any] | np.ndarray
DEFAULT_VALID = ("0.2", "0.34", "0.5")
"""The first share that leaves groups whole is held out."""
DEFAULT_FOLDS = 5
CURVE = (0.05, 0.1, 0.2, 0.4)
"""Shares of the training items on a learning curve, each about twice the one before."""
PACKAGES = ("phosphene", "torch", "timm", "scikit-learn", "numpy")
"""Their versions stand in the notes on a training."""


@dataclass(frozen=True)
class Training:
    """What `train` made: the classifier, how good it is on the items held out (None if none were), and what failed."""

    classifier: Classifier
    evaluation: Evaluation | None
    failures: tuple[Failure, ...]
    seconds: float

    @property
    def scores(self) -> Scores | None:
        """The scores on the items held out, None if none were."""
        return self.evaluation.scores if self.evaluation else None

    def __repr__(self) -> str:
        how = f"accuracy {self.scores.accuracy:.3f} on {self.scores.n} items" if self.scores else "not judged"
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return f"Training({self.classifier!r}, {how}{failed}, {self.seconds:.1f} s)"


@dataclass(frozen=True)
class Fold:
    """The scores of one fold, and what is worth telling about the fit (depth, weights, `oof`), as JSON takes it."""

    name: str
    scores: Scores
    notes: dict[str, Any]


@dataclass(frozen=True)
class CrossValidation:
    """What `cross_validate` found: scores by fold, their means, the strategy taken and why, and the items that failed.

    `score` is the mean of the protocol's own metric, `metric`.
    """

    folds: tuple[Fold, ...]
    metric: Metric
    strategy: Strategy
    why: str
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

    @property
    def pooled(self) -> Scores:
        """The scores of all folds together, with one confusion matrix; AUC is unknown."""
        classes = tuple(sorted({name for fold in self.folds for name in fold.scores.classes}))
        counts = np.zeros((len(classes), len(classes)), int)
        for fold in self.folds:
            if fold.scores.confusion:
                at = np.searchsorted(classes, fold.scores.classes)
                counts[np.ix_(at, at)] += np.array(fold.scores.confusion)
        total = int(counts.sum())
        return Scores(
            n=sum(fold.scores.n for fold in self.folds),
            accuracy=float(np.trace(counts) / total) if total else float("nan"),
            macro_f1=macro_f1(counts),
            auc=None,
            confusion=tuple(map(tuple, counts.tolist())) if total else (),
            classes=classes,
        )

    def __repr__(self) -> str:
        return (
            f"CrossValidation({len(self.folds)} folds, {self.strategy}: accuracy {self.accuracy:.3f}, "
            f"macro_f1 {self.macro_f1:.3f}, {self.seconds:.1f} s)"
        )

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame, one row a fold: fold, n, accuracy, macro_f1 and auc."""
        import pandas as pd

        rows = [{"fold": fold.name} | fold.scores.figures for fold in self.folds]
        return pd.DataFrame(rows)

    def _mean(self, metric: Metric) -> float:
        return float(np.mean([fold.scores.metric(metric) for fold in self.folds]))


def train(  # noqa: PLR0913  (data, labels and recipe, and the words that say what arrays are)
    src: Any,
    y: Labels | Recipe | None = None,
    recipe: Recipe | None = None,
    *,
    kind: Kind | None = None,
    rate_hz: float | None = None,
    step_s: float | None = None,
    valid: str | None = None,
    out: str | Path | None = None,
    curve: Sequence[float] = (),
    progress: bool = True,
) -> Training:
    """Train a classifier on labelled raw files.

    Several processes of torchrun train one network together. All but the first return neither an evaluation nor a
    measure of novelty, and once the first has saved the classifier.

    Parameters
    ----------
    src
        A folder of class folders, a CSV with `path,label`, an archive of labelled items, or a manifest. Or with `y` an
        array or tensor (items, samples) or (items, channels, samples), a list of arrays of any length, of signals or of
        paths, or a data frame of paths, which may have a column of labels instead.
    y
        The label of each item; the recipe may stand in its place where there are none.
    recipe
        Views, backbone, strategy and the rest; None for the defaults.
    kind
        What files and arrays are read as; None asks files, and takes arrays for `series`.
    rate_hz, step_s
        Samples a second of arrays, or seconds from one to the next; sound needs it.
    valid
        What is held out to judge the classifier by: `0.2` (a share of each class), `fold=5`, `split=test`, `none`.
        None takes the official test split where there is one, else the validation split, else a fifth, or more where
        few groups are large.
    out
        A folder to save the classifier in, and the plots of searches for learning rates.
    curve
        Shares of the training items by which a probe's learning curve is drawn, such as `CURVE`: it is fitted to these
        three times each, and the curve is kept with it for reports. None without.
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
    y, recipe = _in_order(y, recipe)
    manifest = _labelled(src, y, kind, rate_hz, step_s)
    split = _holdout(manifest, valid, recipe.seed)
    table = _prepare(manifest, recipe, [split], progress=progress)
    fitted = table.fit(split)
    notes = _notes(table, split) | {"fit": fitted.notes}
    if rank() > 0:
        meet()
        return Training(table.classifier(fitted.model, notes), None, table.failures, time.monotonic() - begin)
    classifier = table.classifier(fitted.model, notes, table.novelty(fitted, split))
    evaluation = table.evaluate(classifier, split) if len(split.test) else None
    known: dict[str, Any] = {
        "metrics": evaluation.figures if evaluation else None,
        "oof": table.oof(fitted, split).as_dict,
        "versions": {name: version(name) for name in PACKAGES},
        "seconds": round(time.monotonic() - begin, 1),
    }
    if points := table.learning_curve(fitted, split, curve):
        known["learning_curve"] = [asdict(point) for point in points]
    classifier = replace(classifier, notes=classifier.notes | known)
    if out is not None:
        classifier.save(out)
        for number, search in enumerate(fitted.searches):
            search.plot(Path(out) / f"learning_rate{number}.png")
    meet()
    return Training(classifier, evaluation, table.failures, time.monotonic() - begin)


def cross_validate(
    src: Any,
    y: Labels | Recipe | None = None,
    recipe: Recipe | None = None,
    *,
    kind: Kind | None = None,
    rate_hz: float | None = None,
    step_s: float | None = None,
    progress: bool = True,
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
    y, recipe = _in_order(y, recipe)
    manifest = _labelled(src, y, kind, rate_hz, step_s)
    if not manifest.is_split:
        manifest = manifest.with_folds(DEFAULT_FOLDS, seed=recipe.seed)
    splits = manifest.splits()
    table = _prepare(manifest, recipe, splits, progress=progress)
    table.expect(splits)
    folds = tuple(_fold(table, split) for split in splits)
    choice = table.choice
    return CrossValidation(
        folds, manifest.metric, choice.strategy, choice.why, table.failures, time.monotonic() - begin
    )


def _prepare(manifest: Manifest, recipe: Recipe, splits: Sequence[Split], *, progress: bool) -> Prepared:
    """Prepare a manifest; of several processes the first draws, and shows bars."""
    refuse_probe(recipe.strategy)
    join()
    with first_alone():
        table = prepare(manifest, recipe, splits, progress=progress and rank() == 0)
    refuse_probe(table.choice.strategy)
    return table


def _fold(table: Prepared, split: Split) -> Fold:
    fitted = table.fit(split)
    notes = fitted.notes | {"oof": table.oof(fitted, split).as_dict}
    return Fold(split.name, table.judge(fitted.model, split), notes)


def _in_order(y: "Labels | Recipe | None", recipe: Recipe | None) -> "tuple[Labels | None, Recipe]":
    """Return labels and recipe; the recipe may have been given in the place of the labels."""
    if not isinstance(y, Recipe):
        return y, recipe or Recipe()
    if recipe is not None:
        raise ParameterError("y must be labels, got a second recipe; give one")
    return None, y


def _labelled(
    src: Any, y: "Labels | None", kind: Kind | None, rate_hz: float | None, step_s: float | None
) -> Manifest:
    manifest = input_manifest(src, y, kind=kind, rate_hz=rate_hz, step_s=step_s)
    if len(manifest.classes) < 2:
        found = ", ".join(manifest.classes) or "no labels"
        raise ParameterError(
            f"{manifest.title}: training needs items of two classes or more, found {found}; "
            "lay the files out as one folder a class, or name a CSV with path,label"
        )
    return manifest


def _holdout(manifest: Manifest, valid: str | None, seed: int) -> Split:
    """Return the split that is named, else an official one, else a fifth, or more where few groups are large."""
    if valid is not None:
        return manifest.valid_split(valid, seed=seed)
    for name in ("test", "valid"):
        if any(item.split == name for item in manifest.items):
            return manifest.valid_split(f"split={name}", seed=seed)
    *shares, last = DEFAULT_VALID
    for share in shares:
        with contextlib.suppress(ParameterError):
            return manifest.valid_split(share, seed=seed)
    return manifest.valid_split(last, seed=seed)


def _notes(table: Prepared, split: Split) -> dict[str, Any]:
    """Return what a model card should say about the training."""
    recipe = table.recipe
    return {
        "strategy": recipe.strategy,
        "why": table.choice.why,
        "epochs": recipe.passes,
        "augment": _augment_spec(recipe),
        "copies_failed": table.copies_failed,
        "seed": recipe.seed,
        "data": table.manifest.name,
        "learned_from": len(split.train),
        "held_out": split.name,
        "n_held_out": len(split.test),
    }


def _augment_spec(recipe: Recipe) -> str | None:
    """Return the augmentation as text."""
    if recipe.augment is None or isinstance(recipe.augment, str):
        return recipe.augment
    return ",".join(change.spec for change in recipe.augment)
