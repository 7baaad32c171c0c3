"""What every converter draws, of real files where there are some: a sheet a kind, and one for the choices of each."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np

from phosphene.converters import Converter, Image, ParameterError, PhospheneError, Signal, converters, read
from phosphene.converters.core.files import atomic_write
from phosphene.converters.core.parameters import rules
from phosphene.converters.core.signal import Kind
from phosphene.datasets import Protocol, make_synthetic, protocols
from phosphene.datasets.manifest import Item
from phosphene.datasets.synthetic import SYNTHETIC_KINDS
from phosphene.datasets.windows import cut, plan_windows
from phosphene.pipeline.tiles.pictures import draw_sheet

COLUMNS = 4

Cell = tuple[str, Image]


@dataclass(frozen=True)
class Example:
    """The signal that the converters of a kind are shown by, and what it is."""

    title: str
    signal: Signal


def write_gallery(out: Path, *, kind: Kind | None = None, data: Path | None = None) -> tuple[Path, ...]:
    """Draw what every converter makes of one file of its kind.

    Parameters
    ----------
    out
        The folder: KIND.png holds every converter as it comes, choices/KIND-NAME.png one of them with each choice
        that it offers, README.md shows all of them.
    kind
        Only this kind.
    data
        The folder of published data sets; a file of one that is there serves as the example. Without it,
        and for kinds that it does not hold, a synthetic file does.

    Returns
    -------
    tuple of Path
        The pictures.
    """
    # The files stay until all is drawn: the sections of a program are looked up when they are first asked for.
    with tempfile.TemporaryDirectory() as scratch:
        return _write(
            [
                (shown, _example(shown, data, Path(scratch)))
                for shown in ((kind,) if kind else SYNTHETIC_KINDS)
            ],
            out,
        )


def _write(examples: Sequence[tuple[Kind, Example]], out: Path) -> tuple[Path, ...]:
    pictures: list[Path] = []
    page = ["# Gallery", ""]
    for shown, example in examples:
        everything = converters(shown)
        sheet = _sheet(out / f"{shown}.png", _drawn([owner() for owner in everything], example), example)
        pictures.append(sheet)
        page += [f"## {shown}", "", f"![every {shown} converter]({sheet.relative_to(out)})", ""]
        for owner in everything:
            cells = _different(_drawn(choices(owner), example))
            page += [f"### {owner.name}", "", _summary(owner), ""]
            if len(cells) > 1:
                sheet = _sheet(out / "choices" / f"{shown}-{owner.name}.png", cells, example)
                pictures.append(sheet)
                page += [f"![choices of {owner.name}]({sheet.relative_to(out)})", ""]
    with atomic_write(out / "README.md") as file:
        file.write("\n".join(page).encode())
    return tuple(pictures)


def choices(owner: type[Converter]) -> list[Converter]:
    """Return a converter as it comes, then with each other choice of its parameters, one at a time.

    Examples
    --------
    >>> from phosphene.converters import make
    >>> [view.spec for view in choices(type(make("dwell")))]
    ['dwell', 'dwell(scale=screen)']
    """
    base = owner()
    return [base, *(view for name, value in _others(base) if (view := _changed(base, name, value)))]


def _others(base: Converter) -> Iterator[tuple[str, Any]]:
    for name, rule in rules(type(base)).items():
        if get_origin(rule) is Literal:
            yield from ((name, value) for value in get_args(rule) if value != getattr(base, name))


def _changed(base: Converter, name: str, value: Any) -> Converter | None:
    """Return the converter with one parameter changed; None where that alone makes no sense."""
    try:
        return base.replace(**{name: value})
    except ParameterError:
        return None


def _summary(owner: type[Converter]) -> str:
    return (owner.__doc__ or "").partition("\n")[0]


def _example(kind: Kind, data: Path | None, scratch: Path) -> Example:
    if data is not None:
        for protocol in _published(kind):
            try:
                items = protocol.open(data).items
                return _example_of(items[len(items) // 3], kind, protocol.name)
            except PhospheneError:
                continue  # not there
    return _example_of(make_synthetic(kind, scratch / kind, items_per_class=2).items[0], kind, "synthetic")


def _published(kind: Kind) -> list[Protocol]:
    known = protocols().values()
    return [each for each in known if each.kind == kind and not each.name.startswith("synthetic")]


def _example_of(item: Item, kind: Kind, source: str) -> Example:
    """Return an item, or the first of its windows where training would cut it."""
    windows = plan_windows([item], kind)
    (window, *_), _ = cut([item], windows, kind)
    signal = read(str(window), kind)
    return Example(f"{source}, {Path(str(window)).name}: {signal.describe()}", signal)


def _drawn(views: list[Converter], example: Example) -> list[Cell]:
    return [(view.spec, view(example.signal)) for view in views]


def _different(cells: list[Cell]) -> list[Cell]:
    """Leave out what this example looks the same by as without any choice, as the left channel of mono sound."""
    base = cells[0][1].pixels
    return cells[:1] + [cell for cell in cells[1:] if not np.array_equal(cell[1].pixels, base)]


def _sheet(path: Path, cells: Sequence[Cell], example: Example) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return draw_sheet(cells, path, columns=min(COLUMNS, len(cells)), title=example.title)
