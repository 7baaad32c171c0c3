"""Small labelled raw files of every kind, made from a seed: for tests, demonstrations and a first look."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from phosphene.converters.core.errors import ParameterError
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.parameters import Between, describe, holds
from phosphene.converters.core.signal import Kind
from phosphene.datasets.manifest import Item, Manifest

from ..protocol import Protocol
from . import audio as synthetic_audio
from . import binary as synthetic_binary
from . import mouse as synthetic_mouse
from . import series as synthetic_series

N_FOLDS = 5

Maker = Callable[[np.random.Generator], bytes]

_MAKERS: dict[Kind, tuple[str, dict[str, Maker]]] = {
    "audio": (".wav", synthetic_audio.CLASSES),
    "series": (".csv", synthetic_series.CLASSES),
    "mouse": (".csv", synthetic_mouse.CLASSES),
    "binary": (".bin", synthetic_binary.CLASSES),
}
SYNTHETIC_KINDS: tuple[Kind, ...] = tuple(_MAKERS)


def make_synthetic(kind: Kind, folder: str | Path, *, items_per_class: int = 20, seed: int = 0) -> Manifest:
    """Write labelled files of one kind as `folder/CLASS/NNN.*`, the same bytes for the same seed.

    =========  ===================================================================================
    `audio`    `bird`, `engine`, `rain`: 16-bit WAV, 2 s at 16 kHz
    `series`   `bearing`, `imbalance`, `normal`: vibration of a machine, two channels, CSV
    `mouse`    `bot`, `person`: sessions with moves, drags, clicks and the wheel, CSV
    `binary`   `document`, `program`: texts, pages and tables; ELF files with sections
    =========  ===================================================================================

    Parameters
    ----------
    kind
        `audio`, `series`, `mouse` or `binary`.
    folder
        Made as needed; files of the same name are written anew.
    items_per_class
        How many files of each class, at least 1; a file does not depend on it.
    seed
        At least 0.

    Returns
    -------
    Manifest
        The files, in five folds.

    Raises
    ------
    ParameterError
        No such kind, or a number out of bounds.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manifest = make_synthetic("mouse", folder, items_per_class=2)
    >>> [(item.path.name, item.label, item.fold) for item in manifest.items[:2]]
    [('000.csv', 'bot', '1'), ('001.csv', 'bot', '2')]
    """
    if kind not in _MAKERS:
        raise ParameterError(f"make_synthetic.kind must be one of {', '.join(_MAKERS)}, got {kind!r}")
    _check("items_per_class", Annotated[int, Between(1)], items_per_class)
    _check("seed", Annotated[int, Between(0)], seed)
    items = _write(kind, Path(folder), items_per_class, seed)
    return Manifest(items, kind=kind, name=f"synthetic/{kind}")


def _check(name: str, rule: Any, value: object) -> None:
    if not holds(rule, value):
        raise ParameterError(f"make_synthetic.{name} must be {describe(rule)}, got {value!r}")


def _write(kind: Kind, folder: Path, items_per_class: int, seed: int) -> tuple[Item, ...]:
    suffix, makers = _MAKERS[kind]
    items = []
    for class_index, (label, make) in enumerate(makers.items()):
        for number in range(items_per_class):
            path = folder / label / f"{number:03d}{suffix}"
            with atomic_write(path) as file:
                file.write(make(np.random.default_rng((seed, class_index, number))))
            items.append(Item(path, label=label, fold=str(number % N_FOLDS + 1)))
    return tuple(items)


def _list_items(kind: Kind, folder: Path) -> tuple[Item, ...]:
    return make_synthetic(kind, folder / "synthetic" / kind).items


SYNTHETIC = tuple(
    Protocol(
        name=f"synthetic/{kind}",
        kind=kind,
        metric="accuracy",
        summary=f"20 files of each of {', '.join(makers)}, made from seed 0; 5 folds",
        source="phosphene itself",
        licence="CC0 1.0",
        home="phosphene.datasets.make_synthetic",
        layout=(),
        folders=(),
        list_items=partial(_list_items, kind),
    )
    for kind, (_, makers) in _MAKERS.items()
)
