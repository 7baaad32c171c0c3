"""The trained result: raw files in, labels out; saved as a folder that holds nothing to be unpickled."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from phosphene.converters import Converter, ParameterError, ReadError, ReadOptions, from_config
from phosphene.converters.core.files import DEFAULTS, atomic_write
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Failure, Item, Manifest
from phosphene.datasets.scores import Scores, judge
from phosphene.datasets.sources import open_manifest
from phosphene.datasets.windows import Windows, combine, cut, item_failures
from phosphene.pipeline.backbones.backbone import Backbone, load_backbone
from phosphene.pipeline.strategies.build import load_model
from phosphene.pipeline.strategies.estimator import Model
from phosphene.pipeline.tiles.render import render

from .card import model_card
from .inputs import ArrayForm, input_items
from .signature import Signature, item_facts

if TYPE_CHECKING:
    import pandas

FORMAT = 3
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


@dataclass(frozen=True)
class Prediction:
    """The prediction for one item: the label and the probability of every class.

    `notes` say in what it is unlike the training items: `at 8 kHz, it learned from 44.1 kHz`.
    """

    item: Item
    label: str
    probabilities: dict[str, float]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """The predictions for items, and the items that could not be read or rendered."""

    answers: tuple[Prediction, ...]
    failures: tuple[Failure, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Each note of the predictions once, the most frequent first: `3 of 40 files are at 8 kHz, ...`."""
        counts = Counter(note for answer in self.answers for note in answer.notes)
        return count_notes(counts, len(self.answers) + len(self.failures))

    def __len__(self) -> int:
        return len(self.answers)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.answers)

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Prediction, ...]: ...
    def __getitem__(self, index: int | slice) -> Prediction | tuple[Prediction, ...]:
        return self.answers[index]

    def __repr__(self) -> str:
        counts = Counter(answer.label for answer in self.answers)
        labels = shortened([f"{label} {count}" for label, count in counts.most_common()])
        failed = f"; {len(self.failures)} failed" if self.failures else ""
        return f"Predictions({len(self)} items: {labels or 'none'}{failed})"

    def _repr_html_(self) -> str:
        """Return a table, as a notebook shows it."""
        return str(self.to_frame()._repr_html_())

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame: path, label, and the probability of each class."""
        import pandas as pd

        columns = {"path": [str(answer.item) for answer in self], "label": [answer.label for answer in self]}
        proba = [answer.probabilities for answer in self]
        return pd.DataFrame(columns).join(pd.DataFrame(proba).add_prefix("proba_"))


def count_notes(counts: Counter[str], total: int) -> tuple[str, ...]:
    """Return each note with how many of all files it is about, the most frequent first.

    Examples
    --------
    >>> count_notes(Counter({"at 8 kHz": 3}), 40)
    ('3 of 40 files are at 8 kHz',)
    """
    return tuple(
        f"{count} of {total} files {'is' if count == 1 else 'are'} {note}"
        for note, count in counts.most_common()
    )


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

    Examples
    --------
    >>> classifier = Classifier.load("model")  # doctest: +SKIP
    >>> classifier.predict("new.wav").answers[0].label  # doctest: +SKIP
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

    def predict(
        self,
        source: Any,
        *,
        rate_hz: float | None = None,
        step_s: float | None = None,
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
            Anything else was given.
        """
        channels = self.signature.channels if self.signature else ()
        form = ArrayForm(
            kind=self.kind, rate_hz=rate_hz, step_s=step_s, channels=channels, options=self.options
        )
        items = input_items(source, form)
        log_probabilities, failures, notes = self._predicted(items, workers, progress=True)
        failed = {failure.item for failure in failures}
        answers = [
            Prediction(
                item,
                self.classes[int(row.argmax())],
                dict(zip(self.classes, np.exp(row).tolist(), strict=True)),
                notes.get(index, ()),
            )
            for index, (item, row) in enumerate(zip(items, log_probabilities, strict=True))
            if item not in failed
        ]
        return Predictions(tuple(answers), failures)

    def evaluate(
        self, src: str | Path | Manifest, *, workers: int | None = None
    ) -> tuple[Scores, tuple[Failure, ...]]:
        """Score the predictions for labelled items; return the scores, and the items that failed.

        Of a manifest with a test split, that split alone is judged.

        Raises
        ------
        SignalError
            No item has a label.
        """
        manifest = (
            src if isinstance(src, Manifest) else open_manifest(src, kind=self.kind, options=self.options)
        )
        tests = [item for item in manifest.items if item.split == "test"]
        items = tests or list(manifest.items)
        log_probabilities, failures = self.log_probabilities(items, workers=workers)
        failed = {failure.item for failure in failures}
        kept = [index for index, item in enumerate(items) if item not in failed]
        return judge([items[index] for index in kept], log_probabilities[kept], self.classes), failures

    def log_probabilities(
        self, items: Sequence[Item], *, workers: int | None = None, progress: bool = True
    ) -> tuple[np.ndarray, tuple[Failure, ...]]:
        """Return float64 (n_items, n_classes), and the items that failed, whose rows mean nothing."""
        return self._predicted(items, workers, progress=progress)[:2]

    def _predicted(
        self, items: Sequence[Item], workers: int | None, *, progress: bool
    ) -> tuple[np.ndarray, tuple[Failure, ...], dict[int, tuple[str, ...]]]:
        """Return `log_probabilities`, and the notes on items by their indices."""
        if not items:
            raise ParameterError("nothing to predict: name at least one file")
        pieces, source = cut(items, self.windows, self.kind)
        notes, refused = self._compared(pieces, source, workers)
        kept = np.flatnonzero(~np.isin(source, list(refused)))
        pieces, source = tuple(pieces[index] for index in kept), source[kept]
        tiles = render(pieces, self.views, workers=workers, progress=progress)
        drawn = tiles.drawn
        log_proba = np.zeros((0, len(self.classes)))
        if len(drawn):
            log_proba = self.model.log_probabilities(tiles, progress=progress)[drawn]
        undrawn = item_failures(items, source, tiles.items, tiles.failures)
        reasons = {failure.item: failure.error for failure in undrawn}
        reasons |= {items[index]: f"{items[index]}: {reason}" for index, reason in refused.items()}
        failures = tuple(Failure(item, reasons[item]) for item in dict.fromkeys(items) if item in reasons)
        return combine(log_proba, source[drawn], len(items)), failures, notes

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

        The configuration is written last: a folder that has it is whole.
        """
        from safetensors.torch import save

        folder = Path(folder)
        contents = (
            (WEIGHTS, save({name: tensor.contiguous() for name, tensor in self.model.tensors().items()})),
            (CARD, model_card(self.config).encode()),
            (CONFIG, (json.dumps(self.config, indent=2, allow_nan=False) + "\n").encode()),
        )
        for name, content in contents:
            with atomic_write(folder / name) as file:
                file.write(content)
        return folder

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
        } | ({"options": self.options.config} if self.options != DEFAULTS else {})

    @classmethod
    def load(cls, folder: str | Path) -> "Classifier":
        """Read a classifier that `save` wrote.

        Raises
        ------
        ReadError
            A file is missing or broken, or was written by a later version.
        """
        folder = Path(folder)
        config = _read_config(folder / CONFIG)
        tensors = _read_tensors(folder / WEIGHTS)
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
            )
        except (KeyError, TypeError, RuntimeError, ParameterError) as error:
            raise ReadError(f"{folder}: not a whole classifier ({error}); train it again") from error

    def __repr__(self) -> str:
        views = ", ".join(view.spec for view in self.views)
        return (
            f"Classifier({self.kind}, {len(self.classes)} classes: {shortened(self.classes)}; views: {views})"
        )


def shortened(words: Sequence[str], most: int = 8) -> str:
    """Join words by commas, the first few where they are many.

    Examples
    --------
    >>> shortened("abcd", 2)
    'a, b, ...'
    """
    return ", ".join(words[:most]) + (", ..." if len(words) > most else "")


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


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(path.read_text())
        written_by = config["format"]
    except FileNotFoundError as error:
        raise ReadError(f"{path}: no such file; name a folder that `phosphene train --out` wrote") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReadError(f"{path}: not the configuration of a classifier ({error}); train it again") from error
    if written_by != FORMAT:
        remedy = "train it again" if written_by in range(FORMAT) else "update phosphene"
        raise ReadError(f"{path}: format {written_by!r}, this version reads {FORMAT}; {remedy}")
    return config


def _read_tensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ReadError(f"{path}: the weights cannot be read ({error}); train again") from error
