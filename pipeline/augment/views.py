"""Views of signals that were changed at random first: augmented copies of items are tiles like any other."""

import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from phosphene.converters import Converter, Image, ParameterError, Signal
from phosphene.converters.core.signal import Kind, signal_digest

from .base import Augmentation
from .registry import augment


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
    >>> from phosphene.pipeline.augment.registry import parse_augmentations
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
    """Make views of randomly changed copies of items; the views of one copy see the same changed signal.

    Drawn by one call of `render`, one copy's views after the other's, each file is read and changed once a copy.

    Parameters
    ----------
    views
        What the changed signals are drawn as.
    changes
        What is done to each signal, in this order.
    copies
        How many.
    seed
        Another one, other copies.

    Returns
    -------
    tuple of tuple of Converter
        For each copy its views, in the order of `views`.

    Raises
    ------
    ParameterError
        A change is of another kind than the views, or a number below 0.

    Examples
    --------
    >>> from phosphene.converters import parse_views
    >>> from phosphene.pipeline.augment.registry import parse_augmentations
    >>> copies = augmented_views(
    ...     parse_views("gasf,gadf"), parse_augmentations("jitter", kind="series"), copies=2, seed=7
    ... )
    >>> [[view.spec for view in views] for views in copies]
    [['gasf of jitter #7.0', 'gadf of jitter #7.0'], ['gasf of jitter #7.1', 'gadf of jitter #7.1']]
    """
    _check_count("augmented_views.copies", copies)
    return tuple(
        tuple(Augmented(view=view, changes=tuple(changes), seed=seed, copy=copy) for view in views)
        for copy in range(copies)
    )


# The views of an item are drawn one after the other, so that a cache of one entry serves them all.
@functools.lru_cache(maxsize=1)
def _changed(signal: Signal, changes: tuple[Augmentation, ...], seed: int, copy: int) -> Signal:
    words = np.frombuffer(signal_digest(signal), "<u4").tolist()
    return augment(signal, changes, np.random.default_rng([seed, copy, *words]))


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ParameterError(f"{name} must be an integer >= 0, got {value!r}")
