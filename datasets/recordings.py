"""Which items were cut from one recording, where the names of their files say so and no column does."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

# UrbanSound8K: fsID-classID-occurrenceID-sliceID, of ten classes.
_SLICE = re.compile(r"(\d+)-\d-\d+-\d+")
_MOST = 0.9


class Part(Protocol):
    """What an item tells of where it comes from."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def bond(self) -> str | None:
        """What keeps it together with others."""


def recordings(items: Sequence[Part]) -> list[str | None]:
    """Return the recording that each item was cut from, by its name.

    Only UrbanSound8K is known to name its files so, and only where nine of ten names have its form is anything read
    from them.

    Examples
    --------
    >>> from phosphene.datasets import Item
    >>> recordings([Item(Path("100032-3-0-0.wav")), Item(Path("100032-3-0-1.wav"))])
    ['100032', '100032']
    >>> recordings([Item(Path("100032-3-0-0.wav")), Item(Path("bark.wav"))])
    [None, None]
    """
    found = [_SLICE.fullmatch(item.path.stem) for item in items]
    if sum(map(bool, found)) < _MOST * len(found):
        return [None] * len(found)
    return [match[1] if match else None for match in found]


def loose_recordings(items: Sequence[Part]) -> list[str]:
    """Return the recordings of which several items are not kept together by one bond, in order.

    Examples
    --------
    >>> from phosphene.datasets import Item
    >>> slices = [Path(f"{recording}-3-0-{k}.wav") for recording in (7, 8) for k in range(2)]
    >>> loose_recordings([Item(path, group="barks" if path.stem[0] == "8" else None) for path in slices])
    ['7']
    """
    bonds = defaultdict[str, list[str | None]](list)
    for item, recording in zip(items, recordings(items), strict=True):
        if recording is not None:
            bonds[recording].append(item.bond)
    return [name for name, held in bonds.items() if len(held) > 1 and (None in held or len(set(held)) > 1)]
