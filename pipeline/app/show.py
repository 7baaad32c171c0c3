"""One file through every stage, as words and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from phosphene.converters.core.files import DEFAULTS, ReadOptions
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.converters.registry import readers, recognise
from phosphene.pipeline.augment.views import augment, parse_augmentations
from phosphene.pipeline.tiles.pictures import draw_sheet

from .text import clean

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
