"""What there is and what it draws: the commands `list` and `show`, and the gallery of every converter."""

import dataclasses
import inspect
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np

from phosphene.converters import (
    Box,
    Converter,
    Image,
    ParameterError,
    PhospheneError,
    Signal,
    converters,
    parse_views,
    read,
)
from phosphene.converters.core.converter import describe, rules
from phosphene.converters.core.files import DEFAULTS, ReadOptions, atomic_write
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.converters.registry import readers, recognise
from phosphene.datasets import Protocol, make_synthetic, protocols
from phosphene.datasets.manifest import Item
from phosphene.datasets.synthetic import SYNTHETIC_KINDS
from phosphene.datasets.windows import cut, plan_windows
from phosphene.pipeline.augment.views import augment, parse_augmentations
from phosphene.pipeline.backbones.catalog import NETWORKS, TABULATED, Tabulated
from phosphene.pipeline.tiles.pictures import draw_sheet

from .text import clean, table, terminal_width

_SERIES = "ucr/"


def listing(kind: Kind | None) -> tuple[dict[str, Any], str, bool]:
    """Return what there is, for one kind or for all: for programs, for people, and that nothing failed."""
    found = [describe_converter(converter) for converter in converters(kind)]
    known = [
        {"name": name, "kind": p.kind, "metric": p.metric, "summary": p.summary, "home": p.home}
        for name, p in protocols().items()
        if kind in (None, p.kind)
    ]
    width = terminal_width()
    parts = [
        table(
            ["converter", "kind", "what it shows"],
            [[c["name"], c["kind"], c["summary"]] for c in found],
            width=width,
        ),
        "\n".join(line for converter in found for line in _parameter_lines(converter)),
        _backbone_table(width),
        table(["protocol", "kind", "metric", "what it is"], _protocol_rows(known), width=width),
    ]
    result = {"converters": found, "backbones": list(TABULATED), "protocols": known}
    return result, "\n\n".join(parts), False


def _backbone_table(width: int) -> str:
    rows = [[n.name, str(n.size), f"{n.millions:.2f}", _weights(n)] for n in NETWORKS]
    rows.append(["any other", "", "", "of torchvision and timm, by its name there"])
    return table(["backbone", "input, px", "parameters, M", "weights"], rows, width=width)


def _weights(network: Tabulated) -> str:
    return f"{network.source} ({network.licence})" if network.source else "none"


def describe_converter(converter: type[Converter]) -> dict[str, Any]:
    """Return name, kind, first line and parameters of a converter class."""
    defaults = {
        f.name: None if f.default is dataclasses.MISSING else f.default for f in dataclasses.fields(converter)
    }
    return {
        "name": converter.name,
        "kind": converter.accepts.kind,
        "summary": (inspect.getdoc(converter) or "").partition("\n")[0],
        "parameters": {
            name: {"default": defaults[name], "rule": describe(rule)}
            for name, rule in rules(converter).items()
        },
    }


def _parameter_lines(converter: dict[str, Any]) -> list[str]:
    lines = [f"{converter['name']} ({converter['kind']})"]
    return lines + [
        f"    {name} = {about['default']}: {about['rule']}" for name, about in converter["parameters"].items()
    ]


def _protocol_rows(known: list[dict[str, Any]]) -> list[list[str]]:
    """Return a row a protocol, and one for all sets of the UCR archive."""
    rows = [
        [p["name"], p["kind"], p["metric"], p["summary"]] for p in known if not p["name"].startswith(_SERIES)
    ]
    series = [p for p in known if p["name"].startswith(_SERIES)]
    if series:
        names = ", ".join(p["name"].removeprefix(_SERIES) for p in series)
        words = f"a set of the UCR archive of time series, the default split: {names}, or any other"
        rows += [[f"{_SERIES}NAME", series[0]["kind"], series[0]["metric"], words]]
    return rows


COLUMNS = 4
MOST_SPANS = 3


def show(
    file: str,
    *,
    views: Sequence[str] | None,
    kind: Kind | None,
    out: Path | None,
    changes: str | None = None,
    seed: int = 0,
    how: ReadOptions = DEFAULTS,
) -> tuple[dict[str, Any], str, bool]:
    """Read a file, draw it as every view named (without any, as every converter that fits), and say what came of it.

    Returns
    -------
    result, text, failed
        For programs, for people, and whether a converter failed.

    Raises
    ------
    ReadError
        The file is not there, or not what it should be.
    ParameterError
        A view is not known, or views are of several kinds.
    """
    named = _named(views, kind, file)
    kind = kind or (named[0].kind if named else None)
    address = _first_item(file, kind, how)
    signal = read(address, kind, how)
    if changes:
        signal = augment(signal, parse_augmentations(changes, kind=signal.kind), np.random.default_rng(seed))
    chosen = named or tuple(converter() for converter in converters(signal.kind))
    drawn = [_draw(view, signal) for view in chosen]
    cells = [
        (view.spec, image) for view, image in zip(chosen, drawn, strict=True) if isinstance(image, Image)
    ]
    out = out or Path(f"{parse_address(file)[0].name}.show.png")
    if cells:
        title = f"{Path(address).name}: {signal.describe()}" + (f", after {changes}" if changes else "")
        draw_sheet(cells, out, columns=min(COLUMNS, len(cells)), title=title)
    result = {
        "kind": signal.kind,
        "signal": signal.describe(),
        "augment": changes,
        "images": [_report(view, image) for view, image in zip(chosen, drawn, strict=True)],
        "path": address,
        "picture": str(out) if cells else None,
        "notes": list(signal.notes),
    }
    return result, _words(result), len(cells) < len(chosen)


def _named(views: Sequence[str] | None, kind: Kind | None, file: str) -> tuple[Converter, ...]:
    """Return the views that the user named; the file decides between converters of one name."""
    if not views:
        return ()
    text = ",".join(views)
    try:
        return parse_views(text, kind=kind)
    except ParameterError:
        if kind or not parse_address(file)[0].is_file():
            raise
        return parse_views(text, kind=recognise(parse_address(file)[0]))


def _first_item(file: str, kind: Kind | None, how: ReadOptions) -> str:
    """Return the address of the first item where the file is an archive of many, else what the user named."""
    path, fragment = parse_address(file)
    if fragment or not path.is_file():
        return file
    rows = readers()[kind or recognise(path)].rows(path, how)
    return file if rows is None else f"{file}#row=0"


def _draw(view: Converter, signal: Signal) -> Image | str:
    try:
        return view(signal)
    except ParameterError:
        raise
    except PhospheneError as error:
        return str(error)


def _report(view: Converter, image: Image | str) -> dict[str, Any]:
    about: dict[str, Any] = {"name": view.name, "spec": view.spec, "parameters": view.config["parameters"]}
    if isinstance(image, str):
        return about | {"error": image}
    spans = image.locate(Box(0, 0, image.width, image.height)).spans
    more = [f"and {len(spans) - MOST_SPANS} more"] if len(spans) > MOST_SPANS else []
    shape = {"width": image.width, "height": image.height, "channels": image.pixels.shape[2]}
    brightness = round(float(image.pixels.mean()), 3)
    return about | shape | {"mean": brightness, "covers": "; ".join([*map(str, spans[:MOST_SPANS]), *more])}


def _words(result: dict[str, Any]) -> str:
    lines = [("file", result["path"]), ("kind", result["kind"]), ("signal", result["signal"])]
    lines += [("note", note) for note in result["notes"]]
    lines += [("image", _image_words(image)) for image in result["images"]]
    if result["picture"]:
        lines += [("picture", result["picture"])]
    return "\n".join(f"{name:<8}{clean(words)}" for name, words in lines)


def _image_words(image: dict[str, Any]) -> str:
    if "error" in image:
        return f"{image['spec']}: {image['error']}"
    size = f"{image['height']} x {image['width']}" + (" in colour" if image["channels"] == 3 else "")
    return f"{image['spec']}: {size}, mean {image['mean']:.1f} of 255, shows {image['covers']}"


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
