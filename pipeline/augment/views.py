"""Augmentations by name and as text, and views of signals that were changed by them: tiles like any other."""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from phosphene.converters import Converter, Image, ParameterError, Signal
from phosphene.converters.core.converter import ByPixel, parse_value, rules
from phosphene.converters.core.signal import Kind, signal_digest
from phosphene.converters.registry import parse_term, split

from .changes import Augmentation, registered

# What may tell classes apart stays, or nearly: pitch, tempo, the positions in a spectrum; and what is masked is little.
DEFAULT_AUGMENTATIONS: dict[Kind, str] = {
    # A microphone starts whenever and hears its own noise; loudness is left alone, for images are drawn against the
    # loudest.
    "audio": "time_shift,noise",
    # Sensors err by a little. A series cut or warped is another one where it is a spectrum, whose bands are fixed: on
    # OliveOil's training set a probe scored 0.63 with `jitter(deviation=0.02),window_slice(share=0.95)`, 0.90 without.
    "series": "jitter(deviation=0.005)",
    # Windows lie anywhere on screens, mice lie a little askew on tables; speed and size are habits and nearly stay.
    "mouse": "shift,rotation(most_degrees=5),scale(most=0.05),time_scale(most=0.05)",
    # What a program is does not hang on one part of it.
    "binary": "byte_mask(most=0.05)",
}


def augmentations(kind: Kind | None = None) -> tuple[type[Augmentation], ...]:
    """Return every registered augmentation, of one kind or of all, ordered by kind and name."""
    return tuple(owner for (known, _), owner in sorted(registered.items()) if kind in (None, known))


def parse_augmentations(text: str, *, kind: Kind) -> tuple[Augmentation, ...]:
    """Turn text into augmentations of one kind, in their order; `default` stands for those of the kind.

    Raises
    ------
    ParameterError
        One of them, or a parameter, is not known, or a value breaks its rule.

    Examples
    --------
    >>> parse_augmentations("jitter,window_slice(share=0.8)", kind="series")
    (Jitter(deviation=0.03), WindowSlice(share=0.8))
    >>> parse_augmentations("default", kind="binary")
    (ByteMask(most=0.05),)
    """
    terms = [term.strip() for term in split(text, ",")]
    written = [default_augmentations(kind) if term == "default" else term for term in terms]
    return tuple(_parse_one(term, kind) for term in split(",".join(written), ","))


def default_augmentations(kind: Kind) -> str:
    """Return the augmentations of a kind that leave the class alone in general, as `parse_augmentations` takes them.

    Examples
    --------
    >>> default_augmentations("binary")
    'byte_mask(most=0.05)'
    """
    if kind not in DEFAULT_AUGMENTATIONS:
        raise ParameterError(f"no augmentations are known for {kind} signals; train without --augment")
    return DEFAULT_AUGMENTATIONS[kind]


def _parse_one(text: str, kind: Kind) -> Augmentation:
    name, values = parse_term(text, what="augmentation")
    known = {owner.name: owner for owner in augmentations(kind)}
    if name not in known:
        raise ParameterError(
            f"no augmentation of {kind} signals is called {name!r}; there are {', '.join(known)}"
        )
    owner = known[name]
    fields = rules(owner)
    unknown = next((key for key in values if key not in fields), None)
    if unknown is not None:
        raise ParameterError(f"{owner.__name__} has no parameter {unknown!r}; it has {', '.join(fields)}")
    return owner(**{key: parse_value(fields[key], value) for key, value in values.items()})


class Augmented(Converter):
    """What a view draws of a signal that was changed at random before.

    Chance is decided by `seed`, `copy` and the content of the signal. So views that share these and the changes draw
    one and the same changed signal, in any order, batch and process; and each tile is found again in its store.

    Parameters
    ----------
    view
        Draws the changed signal.
    changes
        What is done to the signal, in this order; with none the images, and the tiles, are those of `view`.
    seed, copy
        Whole numbers >= 0; another one of either is another change.

    Raises
    ------
    ParameterError
        A change is of another kind than the view, or a number below 0.

    Examples
    --------
    >>> from phosphene.converters import Series, make
    >>> changes = parse_augmentations("jitter", kind="series")
    >>> view = Augmented(view=make("gasf", size=64), changes=changes, seed=0, copy=1)
    >>> series = Series([0.0, 1.0, 3.0, 2.0])
    >>> view(series).pixels.shape, bool((view(series).pixels == view.view(series).pixels).all())
    ((64, 64, 1), False)
    """

    name: ClassVar[str] = "augmented"
    accepts: ClassVar[type[Signal]] = Signal  # type: ignore[type-abstract]  # of which kind, the view says

    view: Converter
    changes: tuple[Augmentation, ...] = ()
    seed: int = 0
    copy: int = 0

    def __post_init__(self) -> None:
        for name in ("seed", "copy"):
            _check_count(f"Augmented.{name}", getattr(self, name))
        other = next((c for c in self.changes if c.accepts.kind != self.kind), None)
        if other:
            raise ParameterError(
                f"Augmented.changes must be of {self.kind} signals, as the view {self.view.spec}, got {other!r}; "
                f"leave {other.name} out"
            )

    @property
    def kind(self) -> Kind:
        """The kind that the view draws."""
        return self.view.kind

    @property
    def cells(self) -> tuple[int, int]:
        """Those of the view."""
        return self.view.cells

    @property
    def by_pixel(self) -> ByPixel:
        """As of the view."""
        return self.view.by_pixel

    @property
    def spec(self) -> str:
        """The view, what is changed before, and which copy it is; no text that `parse_views` takes."""
        changes = ",".join(change.spec for change in self.changes)
        return f"{self.view.spec} of {changes} #{self.seed}.{self.copy}" if changes else self.view.spec

    @property
    def config(self) -> dict[str, Any]:
        """Everything that decides the pixels, as JSON takes it."""
        values = {
            "view": self.view.config,
            "changes": [change.config for change in self.changes],
            "seed": self.seed,
            "copy": self.copy,
        }
        return {"name": self.name, "kind": self.kind, "parameters": values}

    @property
    def fingerprint(self) -> str:
        """A short digest of the view's fingerprint and of all that decides the change; the view's without changes."""
        if not self.changes:
            return self.view.fingerprint
        changes = [change.config for change in self.changes]
        text = json.dumps([self.name, self.version, self.view.fingerprint, changes, self.seed, self.copy])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def _check_kind(self, signal: Signal) -> None:
        self.view._check_kind(signal)

    def _convert(self, signal: Signal) -> Image:
        return self.view(self._changed(signal))

    def _batch(self, signals: Sequence[Signal]) -> np.ndarray:
        return self.view.batch([self._changed(signal) for signal in signals])

    def _changed(self, signal: Signal) -> Signal:
        return _changed(signal, self.changes, self.seed, self.copy) if self.changes else signal


def augmented_views(
    views: Sequence[Converter], changes: Sequence[Augmentation], *, copies: int, seed: int = 0
) -> tuple[tuple[Converter, ...], ...]:
    """Make for each of some copies its views of randomly changed items; all views of a copy see the same change.

    Drawn by one call of `render`, one copy's views after the other's, each file is read and changed once a copy.

    Raises
    ------
    ParameterError
        A change is of another kind than the views, or a number below 0.

    Examples
    --------
    >>> from phosphene.converters import parse_views
    >>> changes = parse_augmentations("jitter", kind="series")
    >>> copies = augmented_views(parse_views("gasf,gadf"), changes, copies=2, seed=7)
    >>> [[view.spec for view in views] for views in copies]
    [['gasf of jitter #7.0', 'gadf of jitter #7.0'], ['gasf of jitter #7.1', 'gadf of jitter #7.1']]
    """
    _check_count("augmented_views.copies", copies)
    return tuple(
        tuple(Augmented(view=view, changes=tuple(changes), seed=seed, copy=copy) for view in views)
        for copy in range(copies)
    )


def augment(signal: Signal, changes: Sequence[Augmentation], rng: np.random.Generator) -> Signal:
    """Return a signal after one change after the other."""
    for change in changes:
        signal = change(signal, rng)
    return signal


# The views of an item are drawn one after the other, so that a cache of one entry serves them all.
@functools.lru_cache(maxsize=1)
def _changed(signal: Signal, changes: tuple[Augmentation, ...], seed: int, copy: int) -> Signal:
    words = np.frombuffer(signal_digest(signal), "<u4").tolist()
    return augment(signal, changes, np.random.default_rng([seed, copy, *words]))


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ParameterError(f"{name} must be an integer >= 0, got {value!r}")
