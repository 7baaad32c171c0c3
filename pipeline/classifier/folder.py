"""A saved classifier as files: `model.safetensors`, `config.json`, `README.md`; written whole, checked when read.

Nothing in a folder is trusted: the configuration is held against a schema, the weights against their checksum, and
nothing is ever unpickled.
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

from phosphene.converters import ReadError
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
