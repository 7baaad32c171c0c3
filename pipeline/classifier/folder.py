"""A saved classifier as files: `model.safetensors`, `config.json`, `README.md`; written whole, checked when read.

Nothing in a folder is trusted: the configuration is held against a schema, the weights against their checksum, and
nothing is ever unpickled. The README is the model card: what a stranger should know before using a classifier.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config
from typing_extensions import TypeAliasType, TypedDict

from phosphene.converters import ReadError, from_config
from phosphene.converters.core.errors import short
from phosphene.converters.core.files import naming

if TYPE_CHECKING:
    import torch

FORMAT = 3
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
LARGEST_CONFIG = 64 * 2**20
"""Bytes of a configuration; one of 10,000 classes takes a hundredth of it."""
_CHECKSUM = "weights_sha256"
LEFT_BEHIND_S = 60.0
"""No save takes so long: what is older was left behind by one that was killed."""
_LEFT_BEHIND = re.compile(r"\.[0-9a-f]{12}\.(part|old)$")

_Strict = with_config(ConfigDict(strict=True, extra="allow"))
_Real = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Epochs = Annotated[list[dict[str, _Real]], Field(max_length=10_000)]
_Three = Annotated[list[_Real], Field(min_length=3, max_length=3)]


@_Strict
class _View(TypedDict):
    name: str
    kind: str
    parameters: dict[str, Any]


@_Strict
class _Input(TypedDict):
    size: Annotated[int, Field(ge=8, le=4096)]
    mean: _Three
    std: Annotated[list[_Positive], Field(min_length=3, max_length=3)]


@_Strict
class _Backbone(TypedDict):
    name: str
    weights: str
    input: _Input


@_Strict
class _Probe(TypedDict):
    sort: Literal["probe"]
    sources: Annotated[list[Annotated[list[str], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    sharpness: _Positive
    penalty: _Positive


@_Strict
class _Networks(TypedDict):
    sort: Literal["networks"]
    n_networks: Annotated[int, Field(ge=1, le=256)]
    n_classes: Annotated[int, Field(ge=2, le=2**20)]
    members: NotRequired[Annotated[int, Field(ge=1, le=256)]]
    weights: NotRequired[list[_Real] | None]


@_Strict
class _Ensemble(TypedDict):
    sort: Literal["ensemble"]
    weights: list[_Real]
    members: Annotated[list["_Model"], Field(min_length=1, max_length=64)]


_Model = TypeAliasType("_Model", Annotated[_Probe | _Networks | _Ensemble, Field(discriminator="sort")])


@_Strict
class _Point(TypedDict):
    n: Annotated[int, Field(ge=1)]
    accuracy: Annotated[float, Field(ge=0, le=1)]
    n_judged: Annotated[int, Field(ge=1)]


@_Strict
class _Fit(TypedDict):
    epochs: NotRequired[Annotated[list[_Epochs], Field(max_length=256)]]
    members: NotRequired[Annotated[list["_FitNotes"], Field(max_length=64)]]


_FitNotes = TypeAliasType("_FitNotes", _Fit)


@_Strict
class _Notes(TypedDict):
    learning_curve: NotRequired[Annotated[list[_Point], Field(max_length=64)]]
    fit: NotRequired[_FitNotes | None]


@_Strict
class _Config(TypedDict):
    kind: str
    classes: Annotated[list[str], Field(min_length=2)]
    views: Annotated[list[_View], Field(min_length=1, max_length=64)]
    windows: dict[str, Any] | None
    backbones: Annotated[list[_Backbone], Field(min_length=1, max_length=64)]
    model: _Model
    notes: _Notes
    signature: NotRequired[dict[str, Any] | None]
    novelty: NotRequired[dict[str, Any] | None]
    options: NotRequired[dict[str, Any]]
    weights_sha256: NotRequired[str]


_SCHEMA = TypeAdapter(_Config)


def write_folder(
    folder: Path, config: Mapping[str, Any], tensors: "Mapping[str, torch.Tensor]", card: str
) -> None:
    """Write a model folder whole or not at all.

    All is written to a new folder beside it and brought to the disk; then the two change names. A folder that holds
    other files too, is mounted or worked in stays: the three files are renamed into it one after another, and
    should that be broken off, the checksum tells that they do not belong together.
    """
    from safetensors.torch import save

    weights = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    config = {**config, _CHECKSUM: hashlib.sha256(weights).hexdigest()}
    text = json.dumps(config, indent=2, allow_nan=False) + "\n"
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.parent / f".{folder.name[:40]}.{secrets.token_hex(6)}.part"
    new.mkdir()
    try:
        for name, content in ((WEIGHTS, weights), (CARD, card.encode()), (CONFIG, text.encode())):
            with naming(folder / name), (new / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        _take_name(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    _sync(folder.parent)
    _sweep(folder)


def _take_name(new: Path, folder: Path) -> None:
    old = new.with_suffix(".old")
    if not folder.exists():
        new.rename(folder)
        return
    others = {path.name for path in folder.iterdir()} - {WEIGHTS, CARD, CONFIG}
    if not others and folder != Path.cwd():
        with suppress(OSError):  # a mount point cannot be renamed
            folder.rename(old)
    if old.exists():
        try:
            new.rename(folder)
        except OSError:
            old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return
    for name in (WEIGHTS, CARD, CONFIG):
        (new / name).replace(folder / name)
    _sync(folder)


def _sweep(folder: Path) -> None:
    """Remove what saves that were killed left beside a folder, now that it is whole; another may be saving still."""
    for path in folder.parent.iterdir():
        is_ours = path.name.startswith(f".{folder.name[:40]}.") and _LEFT_BEHIND.search(path.name)
        with suppress(OSError):
            if is_ours and time.time() - path.stat().st_mtime > LEFT_BEHIND_S:
                shutil.rmtree(path, ignore_errors=True)


def read_folder(folder: Path) -> "tuple[dict[str, Any], dict[str, torch.Tensor]]":
    """Return the configuration and the tensors of a model folder, checked.

    Raises
    ------
    ReadError
        A file is missing or broken, breaks a rule, belongs to another model, or was written by a later version.
    """
    config = _read_config(folder)
    return config, _read_tensors(folder / WEIGHTS, config.get(_CHECKSUM))


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        if path.stat().st_size > LARGEST_CONFIG:
            raise ReadError(
                f"{path}: larger than {LARGEST_CONFIG} bytes, not a configuration; train it again"
            )
        config: dict[str, Any] = json.loads(path.read_text())
        written_by = config["format"]
    except FileNotFoundError as error:
        kept = sorted(folder.parent.glob(f".{folder.name[:40]}.*.old")) if not folder.exists() else []
        if kept:
            raise ReadError(
                f"{folder}: saving it was broken off; it is whole as {kept[-1]}, rename that"
            ) from error
        raise ReadError(f"{path}: no such file; name a folder that `phosphene train --out` wrote") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(
            f"{path}: not the configuration of a classifier ({short(error)}); train it again"
        ) from error
    if written_by != FORMAT:
        remedy = "train it again" if written_by in range(FORMAT) else "update phosphene"
        raise ReadError(f"{path}: format {written_by!r}, this version reads {FORMAT}; {remedy}")
    try:
        _SCHEMA.validate_python(config)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ReadError(f"{path}: {where}: {first['msg']}; not a whole classifier, train it again") from error
    return config


def _read_tensors(path: Path, checksum: str | None) -> "dict[str, torch.Tensor]":
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        content = path.read_bytes()
        if checksum is not None and hashlib.sha256(content).hexdigest() != checksum:
            raise ReadError(
                f"{path}: not the weights that {CONFIG} beside it was saved with (their checksum differs); "
                "take both from one folder, or train it again"
            )
        tensors = load(content)
    except ReadError:
        raise
    except (OSError, SafetensorError, ValueError) as error:
        raise ReadError(f"{path}: the weights cannot be read ({short(error)}); train it again") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ReadError(f"{path}: {name} holds numbers that are not finite; train it again")
    return tensors


_CARD = """\
---
library_name: phosphene
license: unknown
tags: [{kind}, phosphene]
---

# {title}

Tells {kind} files apart: {classes}.

| | |
|---|---|
| looks at | {views} |
| windows | {windows} |
| backbone | {backbone}, weights: {weights} |
| strategy | {strategy}: {why} |
| learned from | {learned_from} items of {data} |
| held out | {held_out}: {metrics} |
| out of fold | {oof} |
| calibration | {calibration} |
| novelty | {novelty} |
| seed | {seed} |
| made by | phosphene {version} |

```python
from phosphene.pipeline import Classifier

classifier = Classifier.load("this folder")
classifier.predict("a file")[0]
```

The figures hold for files like those it learned from. Say what is different about yours before you rely on it.
"""


def model_card(config: dict[str, Any]) -> str:
    """Return the card of a classifier as Markdown, from its configuration."""
    notes = config["notes"]
    values = {
        "title": f"Classifier of {notes.get('data') or config['kind'] + ' files'}",
        "classes": ", ".join(config["classes"]),
        "views": ", ".join(from_config(view).spec for view in config["views"]),
        "windows": windows_words(config["windows"]),
        "backbone": ", ".join(one["name"] for one in config["backbones"]),
        "weights": ", ".join(dict.fromkeys(one["weights"] for one in config["backbones"])),
        "data": notes.get("data") or "files without a name",
        "held_out": held_out_words(
            notes.get("held_out", "unknown"),
            n=notes.get("n_held_out"),
            learned_from=notes.get("learned_from"),
        ),
        "metrics": _metrics(notes.get("metrics")),
        "oof": (notes.get("oof") or {}).get("words", "unknown"),
        "calibration": _calibration(notes.get("metrics")),
        "novelty": _novelty(config.get("novelty")),
        "version": config["phosphene"],
    }
    values |= {name: notes.get(name, "unknown") for name in ("strategy", "why", "learned_from", "seed")}
    return _CARD.format(kind=config["kind"], **{name: _cell(value) for name, value in values.items()})


def held_out_words(name: str, *, n: int | None = None, learned_from: int | None = None) -> str:
    """Say what was held out to judge a classifier by, from the name of the split and the counts of both sides.

    A share that was asked for is not what classes and groups that stay whole allow: the counts say what it is.

    Examples
    --------
    >>> [held_out_words(name) for name in ("0.2", "test", "5", "none")]
    ['20 % of the items', 'the test split', 'fold 5', 'nothing']
    >>> held_out_words("0.34", n=20, learned_from=60)
    '25 % of the items'
    """
    if name in ("train", "valid", "test"):
        return f"the {name} split"
    if name == "none":
        return "nothing"
    try:
        share = float(name)
    except ValueError:
        share = 1.0
    if not 0 < share < 1:
        return f"fold {name}"
    if n is not None and learned_from is not None:
        share = n / (n + learned_from)
    return f"{100 * share:.3g} % of the items"


def windows_words(windows: dict[str, Any] | None) -> str:
    """Say how items are cut, from the configuration of windows; None leaves them whole."""
    if not windows:
        return "none, items stay whole"
    unit = "s" if windows["unit"] == "t" else windows["unit"]
    return f"{windows['length']:g} {unit}, one every {windows['hop']:g} {unit}"


def _metrics(metrics: dict[str, Any] | None) -> str:
    if not metrics:
        return "nobody knows how good it is"
    words = {"accuracy": "accuracy", "macro_f1": "macro-F1", "auc": "AUC of claims"}
    known = [
        f"{word} {metrics[name]:.3f}{_interval(metrics.get(f'{name}_interval'))}"
        for name, word in words.items()
        if metrics.get(name) is not None
    ]
    return f"{', '.join(known) or 'nothing known'} on {metrics['n']} items"


def _interval(ends: list[float] | None) -> str:
    return f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""


def _calibration(metrics: dict[str, Any] | None) -> str:
    if not metrics or metrics.get("ece") is None:
        return "unknown"
    low, high = metrics["ece_interval"]
    return f"error {metrics['ece']:.3f} (95 % interval {low:.3f} to {high:.3f})"


def _novelty(novelty: dict[str, Any] | None) -> str:
    if not novelty:
        return "unknown"
    return f"told by the distance from {len(novelty['names'])} training items, whose names are in config.json"


def _cell(value: object) -> str:
    """Return text that stays in its cell of a Markdown table, whatever classes and files are called."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")
