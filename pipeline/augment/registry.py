"""Augmentations by name, and written as text: `time_shift,noise(low_db=20)`."""

from collections.abc import Sequence

import numpy as np

from phosphene.converters import ParameterError, Signal
from phosphene.converters.core import parameters as rules
from phosphene.converters.core.signal import Kind
from phosphene.converters.views import parse_term, split

from . import audio, binary, mouse, series  # noqa: F401  (importing them registers ours)
from .base import Augmentation, registered

# What a class may be told by stays, or nearly: pitch, tempo, the places of a spectrum; and what is masked is little.
DEFAULT_AUGMENTATIONS: dict[Kind, str] = {
    # A microphone starts whenever and hears its own noise; loudness is left alone, for pictures are drawn against the
    # loudest.
    "audio": "time_shift,noise",
    # Sensors err by a little. A series cut or warped is another one where it is a spectrum, whose places are fixed: of
    # OliveOil's training part a probe told 0.63 with `jitter(deviation=0.02),window_slice(share=0.95)`, 0.90 without.
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


def augment(signal: Signal, changes: Sequence[Augmentation], rng: np.random.Generator) -> Signal:
    """Return a signal after one change after the other.

    Examples
    --------
    >>> from phosphene.converters import Series
    >>> changes = parse_augmentations("scaling,jitter", kind="series")
    >>> augment(Series([1.0, 2.0, 3.0]), changes, np.random.default_rng(0)).values.shape
    (1, 3)
    """
    for change in changes:
        signal = change(signal, rng)
    return signal


def _parse_one(text: str, kind: Kind) -> Augmentation:
    name, values = parse_term(text, what="augmentation")
    known = {owner.name: owner for owner in augmentations(kind)}
    if name not in known:
        raise ParameterError(
            f"no augmentation of {kind} signals is called {name!r}; there are {', '.join(known)}"
        )
    owner = known[name]
    fields = rules.rules(owner)
    unknown = next((key for key in values if key not in fields), None)
    if unknown:
        raise ParameterError(f"{owner.__name__} has no parameter {unknown!r}; it has {', '.join(fields)}")
    return owner(**{key: rules.parse(fields[key], value) for key, value in values.items()})
