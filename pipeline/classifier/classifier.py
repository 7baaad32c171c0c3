"""The trained result: raw files in, labels out; saved as a folder that holds nothing to be unpickled."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from phosphene.converters import (
    Converter,
    ParameterError,
    PhospheneError,
    ReadError,
    ReadOptions,
    from_config,
)
from phosphene.converters.core.errors import short
from phosphene.converters.core.files import DEFAULTS
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.parts import PART
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.windows import Windows, combine, cut, cut_each, item_failures
from phosphene.pipeline.backbones.backbone import Backbone, load_backbone
from phosphene.pipeline.export.onnx_file import (
    Exported,
    Inputs,
    Precision,
    compared_items,
    export_onnx,
    metadata,
    signal_form,
)
from phosphene.pipeline.strategies.build import load_model, n_outputs
from phosphene.pipeline.strategies.estimator import Model, Outputs, without_prefix
from phosphene.pipeline.tiles.engines import Engine, RayEngine, make_engine
from phosphene.pipeline.tiles.remote import is_remote
from phosphene.pipeline.tiles.render import Tiles, render

from .embed import Embeddings, model_features
from .evaluation import NOVEL_NOTE, UNKNOWN, Evaluation, Prediction, Predictions, shortened
from .folder import FORMAT, model_card, read_folder, write_folder
from .inputs import ArrayForm, input_items, input_parts
from .novelty import Novelty
from .signature import CONSTANT_NOTE, Signature, item_facts

_NOVELTY = "novelty."


@dataclass(frozen=True, eq=False)
class Classifier:
    """Converters, a backbone and a head that together name the class of a raw file.

    Parameters
    ----------
    kind
        The kind of file it takes.
    views
        The converters whose images are looked at.
    classes
        The labels it can give, sorted.
    windows
        How long recordings are cut; predictions for windows are averaged. None leaves all whole.
    model
        The trained networks, with the input they expect.
    notes
        What is known about the training: strategy, why, metrics, versions.
    signature
        What the training items were like; None where a version before did not say.
    options
        How the files were read that it was trained on, and so are those that it predicts.
    novelty
        Tells how far items are from those learned from; None where a version before did not keep them.

    Examples
    --------
    >>> classifier = Classifier.load("model")  # doctest: +SKIP
    >>> classifier.predict("new.wav")[0].label  # doctest: +SKIP
    'dog_bark'
    """

    kind: Kind
    views: tuple[Converter, ...]
    classes: tuple[str, ...]
    windows: Windows | None
    model: Model
    notes: dict[str, Any] = field(default_factory=dict)
    signature: Signature | None = None
    options: ReadOptions = DEFAULTS
    novelty: Novelty | None = None

    def predict(
        self,
        source: Any,
        *,
        rate_hz: float | None = None,
        step_s: float | None = None,
        threshold: float = 0.0,
        max_novelty: float = 1.0,
        workers: int | None = None,
    ) -> Predictions:
        """Name the class of files, signals or arrays.

        Parameters
        ----------
        source
            A path, or `path#fragment` for a part of a file; a folder, table or archive; a signal; an array or tensor
            (samples,), (items, samples), (channels, samples) where more channels were learned from, or (items,
            channels, samples); a data frame with a column of paths; or a list of these.
        rate_hz, step_s
            Samples a second of arrays, or seconds from one to the next; sound needs it.
        threshold
            The label is `unknown` where the probability of the most probable class is below, from 0 to 1.
        max_novelty
            The label is `unknown` where the novelty is above, from 0 to 1: 0.99 for what a note calls unlike anything
            learned from.
        workers
            Processes that render; None takes one a core.

        Returns
        -------
        Predictions
            What cannot be read is in its `failures`, as is what has another number of channels than the training
            items, unless the views mix all channels.

        Raises
        ------
        ParameterError
            Anything else was given, or the classifier does not know what is novel to it.
        """
        self._check_limits(threshold, max_novelty)
        items = self.items(source, rate_hz=rate_hz, step_s=step_s)
        found = self._predictions(items, workers, progress=True)
        kept = [_unless_doubtful(one, threshold, max_novelty) for one in found]
        return Predictions(tuple(kept), found.failures)

    def predict_each(
        self,
        sources: str | Path | Iterable[str | Path],
        *,
        windows: str | None = None,
        threshold: float = 0.0,
        max_novelty: float = 1.0,
        workers: int | None = None,
        engine: Literal["local", "ray"] | Engine = "local",
    ) -> Iterator[Predictions]:
        """Name the class of files, folders and tables, some thousands at a time, in flat memory.

        Parameters
        ----------
        sources
            Files, `path#fragment`, folders, or tables of items; labels in them may be left out.
        windows
            How items are cut for a prediction a window, such as `t=5`; None predicts each item.
        threshold, max_novelty, workers
            As for `predict`.
        engine
            `local`; or `ray`, where each part is done on one core of a cluster, or on one GPU where it has some.

        Yields
        ------
        Predictions
            Of the next part, in sorted order within a folder.

        Examples
        --------
        >>> for part in Classifier.load("model").predict_each("recordings"):  # doctest: +SKIP
        ...     print(len(part), len(part.failures))
        """
        self._check_limits(threshold, max_novelty)
        names = [sources] if isinstance(sources, str | Path) else sources
        pool = make_engine(engine, workers)
        form = ArrayForm(kind=self.kind, options=self.options)
        if isinstance(pool, RayEngine) and any(map(is_remote, names := list(names))):
            raise ParameterError("the Ray engine reads files that every node sees; name files that all share")
        predict = _PredictPart(self, windows, threshold, max_novelty, pool.per_task)
        yield from pool.stream(predict, input_parts(names, form, most=PART))

    def embed(
        self,
        source: Any,
        *,
        layer: str | None = None,
        rate_hz: float | None = None,
        step_s: float | None = None,
        workers: int | None = None,
    ) -> Embeddings:
        """Return the features of items in a layer of the trained networks, for search, clustering or other models.

        Parameters
        ----------
        source, rate_hz, step_s, workers
            As for `predict`.
        layer
            Name of a layer, one of `model.backbones[0].layers`; None takes the last.

        Returns
        -------
        Embeddings
            A row an item: the averages of the maps of that layer, views and networks side by side, of windows averaged.

        Raises
        ------
        ParameterError
            There is no such layer, or nothing could be drawn.
        """
        items = self.items(source, rate_hz=rate_hz, step_s=step_s)
        drawn = self._draw(items, workers, progress=True)
        if not len(drawn.tiles.drawn):
            raise ParameterError(f"nothing could be drawn; {drawn.failures[0].error}")
        features, layers = model_features(self.model, drawn.tiles, layer)
        failed = {failure.item for failure in drawn.failures}
        kept = [index for index, item in enumerate(items) if item not in failed]
        rows = [features[drawn.source == index].mean(axis=0) for index in kept]
        return Embeddings(tuple(items[index] for index in kept), np.stack(rows), layers, drawn.failures)

    def evaluate(self, src: str | Path | Manifest, *, workers: int | None = None) -> Evaluation:
        """Predict labelled items and judge the predictions.

        Of a manifest with a test split, that split alone is judged.

        Returns
        -------
        Evaluation
            Scores, predictions, calibration and what failed; `scores, failures = classifier.evaluate(...)` works too.

        Raises
        ------
        SignalError
            No item has a label.
        """
        manifest = (
            src if isinstance(src, Manifest) else open_manifest(src, kind=self.kind, options=self.options)
        )
        tests = [item for item in manifest.items if item.split == "test"]
        found = self._predictions(tests or list(manifest.items), workers, progress=True)
        return Evaluation.of(found, self.classes)

    def log_probabilities(
        self, items: Sequence[Item], *, workers: int | None = None, progress: bool = True
    ) -> tuple[np.ndarray, tuple[Failure, ...]]:
        """Return float64 (n_items, n_classes), and the items that failed, whose rows mean nothing."""
        drawn = self._draw(items, workers, progress=progress)
        return combine(self._outputs(drawn, progress).log_proba, drawn.source, len(items)), drawn.failures

    def predictions(
        self,
        items: Sequence[Item],
        outputs: Outputs,
        source: np.ndarray,
        notes: Mapping[int, tuple[str, ...]] | None = None,
    ) -> tuple[Prediction, ...]:
        """Put what the model says of windows together to a prediction an item.

        Parameters
        ----------
        items
            What the windows are of; those without windows get no prediction.
        outputs
            Of the windows.
        source
            int (n_windows,), rising: the index of the item that each is of.
        notes
            On items, by their indices.
        """
        log_proba = combine(outputs.log_proba, source, len(items))
        novelty, nearest = np.full(len(items), np.nan), np.zeros((len(items), 0), int)
        if self.novelty is not None and outputs.projected is not None:
            novelty, nearest = self.novelty(outputs.projected, source, log_proba)
        return tuple(
            self._prediction(
                items[index], log_proba[index], novelty[index], nearest[index], (notes or {}).get(index, ())
            )
            for index in np.unique(source).tolist()
        )

    def _prediction(
        self, item: Item, log_proba: np.ndarray, novelty: float, nearest: np.ndarray, notes: tuple[str, ...]
    ) -> Prediction:
        probabilities = dict(zip(self.classes, np.exp(log_proba).tolist(), strict=True))
        label = self.classes[int(log_proba.argmax())]
        if self.novelty is None:
            return Prediction(item, label, probabilities, notes)
        names = tuple(self.novelty.names[index] for index in nearest)
        novelty = (
            1.0 if CONSTANT_NOTE in notes else novelty
        )  # an empty image may look like a faint one of theirs
        found = Prediction(item, label, probabilities, notes, float(novelty), names)
        return replace(found, notes=(*notes, NOVEL_NOTE)) if found.is_novel else found

    def _predictions(self, items: Sequence[Item], workers: int | None, *, progress: bool) -> Predictions:
        drawn = self._draw(items, workers, progress=progress)
        failed = {failure.item for failure in drawn.failures}
        found = self.predictions(items, self._outputs(drawn, progress), drawn.source, drawn.notes)
        return Predictions(tuple(one for one in found if one.item not in failed), drawn.failures)

    def _check_limits(self, threshold: float, max_novelty: float) -> None:
        for name, value in (("threshold", threshold), ("max_novelty", max_novelty)):
            if not 0 <= value <= 1:
                raise ParameterError(f"{name} must be a number >= 0 and <= 1, got {value!r}")
        if max_novelty < 1 and self.novelty is None:
            raise ParameterError(
                "this classifier was trained by a version that did not keep what it learned from, so it cannot tell "
                "what is novel; train it again, or leave max_novelty out"
            )

    def _outputs(self, drawn: "_Drawn", progress: bool) -> Outputs:
        """Return what the model says of the windows that could be drawn."""
        if not len(drawn.source):
            return Outputs(np.zeros((0, len(self.classes))), None)
        project = self.novelty.project if self.novelty else None
        found = self.model.outputs(drawn.tiles, project, progress=progress)
        rows = drawn.tiles.drawn
        return Outputs(found.log_proba[rows], None if found.projected is None else found.projected[rows])

    def items(
        self, source: Any, *, rate_hz: float | None = None, step_s: float | None = None
    ) -> tuple[Item, ...]:
        """List the items of what `predict` takes, read as the classifier's training items were."""
        channels = self.signature.channels if self.signature else ()
        form = ArrayForm(
            kind=self.kind, rate_hz=rate_hz, step_s=step_s, channels=channels, options=self.options
        )
        return input_items(source, form)

    def _draw(self, items: Sequence[Item], workers: int | None, *, progress: bool) -> "_Drawn":
        if not items:
            raise ParameterError("nothing to predict: name at least one file")
        windows, source = cut(items, self.windows, self.kind)
        notes, refused = self._compared(windows, source, workers)
        kept = np.flatnonzero(~np.isin(source, list(refused)))
        windows, source = tuple(windows[index] for index in kept), source[kept]
        tiles = render(windows, self.views, workers=workers, progress=progress)
        undrawn = item_failures(items, source, tiles.items, tiles.failures)
        reasons = {failure.item: failure.error for failure in undrawn}
        reasons |= {items[index]: f"{items[index]}: {reason}" for index, reason in refused.items()}
        failures = tuple(Failure(item, reasons[item]) for item in dict.fromkeys(items) if item in reasons)
        return _Drawn(tiles, source[tiles.drawn], failures, notes)

    def _compared(
        self, windows: Sequence[Item], source: np.ndarray, workers: int | None
    ) -> tuple[dict[int, tuple[str, ...]], dict[int, str]]:
        """Return by the index of an item in what it is unlike the training items, and why it is refused."""
        notes: dict[int, tuple[str, ...]] = {}
        refused: dict[int, str] = {}
        if self.signature is None:
            return notes, refused
        mixed = all(view.mixes_channels for view in self.views)
        for index, facts in item_facts(windows, source, self.kind, workers=workers).items():
            other = self.signature.other_channels(facts)
            if other and not mixed:
                refused[index] = f"{other}; name a file that has as many, or train on files like this one"
                continue
            mixing = (f"of {other}; a mix of all is drawn",) if other else ()
            notes[index] = mixing + self.signature.notes(facts)
        return notes, refused

    def save(self, folder: str | Path) -> Path:
        """Write the classifier as a folder: `model.safetensors`, `config.json`, `README.md`.

        It takes its name once all is on the disk; a classifier that was there is replaced whole.
        """
        import torch

        folder = Path(folder)
        tensors = self.model.tensors()
        if self.novelty:
            tensors |= {f"{_NOVELTY}{name}": torch.from_numpy(a) for name, a in self.novelty.arrays.items()}
        write_folder(folder, self.config, tensors, model_card(self.config))
        return folder

    def export(
        self,
        path: str | Path,
        *,
        inputs: Inputs = "images",
        precision: Precision = "float32",
        samples: int | None = None,
        rate_hz: float | None = None,
        check: Any = None,
    ) -> Exported:
        """Write the classifier as one ONNX file that needs neither phosphene nor torch, after comparing the two.

        Parameters
        ----------
        path
            The file.
        inputs
            `images`, uint8 (n, height, width, channels), one input a view; or `signal`, float32 (n, channels, samples),
            which are drawn inside the graph.
        precision
            `int8` counts convolutions in whole numbers, in a file of a quarter of the size; needs `check`.
        samples, rate_hz
            Of the signals, where the training signals had several lengths or rates.
        check
            Items to compare by, as for `predict`; those like the training items say most. None makes some up.

        Raises
        ------
        ParameterError
            The converters, or the form of the signals, have no form as a graph.
        PhospheneError
            The file would not give the same predictions.
        """
        if precision == "int8" and check is None:
            raise ParameterError(
                "int8 is calibrated on items like the training items; name some with check (--check SRC)"
            )
        if inputs == "images" and (samples or rate_hz):
            raise ParameterError("samples and rate_hz are of signals; add inputs='signal' (--from-signal)")
        form = None
        if inputs == "signal":
            form = signal_form(self.signature, self.views, self.windows, samples=samples, rate_hz=rate_hz)
        given = None if check is None else self.items(check, rate_hz=rate_hz)
        with compared_items(given, self.kind, self.signature, self.windows, form) as items:
            return export_onnx(
                self.model, self.views, Path(path), items=items, form=form, precision=precision,
                metadata=metadata(self.config, form, precision),
            )  # fmt: skip

    @property
    def config(self) -> dict[str, Any]:
        """Everything but the weights, as JSON takes it."""
        return {
            "format": FORMAT,
            "phosphene": version("phosphene"),
            "kind": self.kind,
            "classes": list(self.classes),
            "views": [view.config for view in self.views],
            "windows": self.windows.config if self.windows else None,
            "backbones": [_described(backbone) for backbone in self.model.backbones],
            "model": self.model.config,
            "notes": self.notes,
            "signature": self.signature.config if self.signature else None,
            "novelty": self.novelty.config if self.novelty else None,
        } | ({"options": self.options.config} if self.options != DEFAULTS else {})

    @classmethod
    def load(cls, folder: str | Path) -> "Classifier":
        """Read a classifier that `save` wrote.

        Raises
        ------
        ReadError
            A file is missing, broken or of another model, or was written by a later version.
        """
        folder = Path(folder)
        config, tensors = read_folder(folder)
        counts = set(n_outputs(config["model"], tensors))
        if counts != {len(config["classes"])}:
            raise ReadError(
                f"{folder}: {len(config['classes'])} classes, and weights of {counts or 'none'}; train it again"
            )
        try:
            backbones = [_backbone(one) for one in config["backbones"]]
            return cls(
                kind=config["kind"],
                views=tuple(from_config(view) for view in config["views"]),
                classes=tuple(config["classes"]),
                windows=Windows.from_config(config["windows"]) if config["windows"] else None,
                model=load_model(config["model"], backbones, tensors),
                notes=config["notes"],
                signature=Signature.from_config(config["signature"]) if config.get("signature") else None,
                options=ReadOptions(**config.get("options", {})),
                novelty=_novelty(config.get("novelty"), tensors),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, PhospheneError) as error:
            raise ReadError(f"{folder}: not a whole classifier ({short(error)}); train it again") from error

    def __repr__(self) -> str:
        views = ", ".join(view.spec for view in self.views)
        return (
            f"Classifier({self.kind}, {len(self.classes)} classes: {shortened(self.classes)}; views: {views})"
        )


@dataclass(frozen=True, eq=False)
class _PredictPart:
    """Predicts the items of a part, in whatever process."""

    classifier: Classifier
    windows: str | None
    threshold: float
    max_novelty: float
    workers: int

    def __call__(self, part: tuple[Sequence[Item], Sequence[Failure]]) -> Predictions:
        items, failures = part
        if not items:
            return Predictions((), tuple(failures))
        some = cut_each(items, self.windows, kind=self.classifier.kind) if self.windows else items
        limits = {"threshold": self.threshold, "max_novelty": self.max_novelty}
        done = self.classifier.predict(some, workers=self.workers, **limits)
        return Predictions(done.predictions, (*failures, *done.failures))


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Items as tiles: of which item each that was drawn is, what failed, and notes by the index of an item."""

    tiles: Tiles
    source: np.ndarray
    failures: tuple[Failure, ...]
    notes: dict[int, tuple[str, ...]]


def _unless_doubtful(found: Prediction, threshold: float, max_novelty: float) -> Prediction:
    """Return a prediction, with the label `unknown` where it is too improbable or its item too novel."""
    notes = list(found.notes)
    if found.probability < threshold:
        notes.append(f"of a probability below {threshold:g}")
    is_novel = found.novelty is not None and found.novelty > max_novelty
    if is_novel and not found.is_novel:
        notes.append(f"of a novelty above {max_novelty:g}")
    if found.probability >= threshold and not is_novel:
        return found
    return replace(found, label=UNKNOWN, notes=tuple(notes))


def _novelty(config: dict[str, Any] | None, tensors: dict[str, Any]) -> Novelty | None:
    if config is None:
        return None
    return Novelty.from_arrays(config, {k: v.numpy() for k, v in without_prefix(tensors, _NOVELTY).items()})


def _described(backbone: Backbone) -> dict[str, Any]:
    """Return what is needed to build a network anew, with the input of the weights it was trained from."""
    wanted = {"size": backbone.size, "mean": list(backbone.mean), "std": list(backbone.std)}
    return {"name": backbone.name, "weights": backbone.weights_source, "input": wanted}


def _backbone(config: dict[str, Any]) -> Backbone:
    wanted = config["input"]
    return replace(
        load_backbone(config["name"], pretrained=False),
        size=wanted["size"],
        mean=tuple(wanted["mean"]),
        std=tuple(wanted["std"]),
        weights_source=config["weights"],
    )
