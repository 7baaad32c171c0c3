"""What the arguments of a command stand for: files and protocols, views, recipes, and folders to write to."""

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from phosphene.converters import Converter, ParameterError, ReadOptions, default_views
from phosphene.converters.core.files import DEFAULTS
from phosphene.converters.core.signal import Kind, parse_address
from phosphene.converters.registry import check_options, kinds, set_parameters, views_by_kind
from phosphene.datasets.manifest import Manifest
from phosphene.pipeline.networks.distributed import world_size
from phosphene.pipeline.tiles.remote import is_remote

if TYPE_CHECKING:
    from phosphene.pipeline.networks.schedule import Schedule
    from phosphene.pipeline.strategies.recipe import Recipe

_log = logging.getLogger("phosphene")


def source_of(options: argparse.Namespace) -> str | Manifest:
    """Return what SRC is: the manifest of a protocol, or a path that is there.

    Raises
    ------
    ParameterError
        It is neither.
    """
    from phosphene.datasets import find_protocol, open_protocol

    source: str = options.src
    if options.data is not None:
        return open_protocol(source, options.data)
    if is_remote(source):
        return source
    if source and os.path.lexists(parse_address(source)[0]):
        return source
    try:
        find_protocol(source)
    except ParameterError:
        raise ParameterError(
            f"{source or 'SRC'}: no such file or folder, and no protocol is called so; "
            "check the path, or see phosphene list"
        ) from None
    raise ParameterError(f"{source} is a protocol; add --data DIR, the folder that holds its data")


def read_options(options: argparse.Namespace, saved: ReadOptions = DEFAULTS) -> ReadOptions:
    """Return how files are read: what is named, else what was saved with a classifier.

    Raises
    ------
    ParameterError
        An option is none of those that it can be.
    """
    named: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("layout", "label", "time", "resample")
        if getattr(options, name) is not None
    }
    if options.columns is not None:
        named["columns"] = tuple(name.strip() for name in options.columns.split(","))
    if options.strict:
        named["strict"] = True
    return replace(saved, **named)


def manifest_of(
    options: argparse.Namespace, *, kind: Kind | None = None, saved: ReadOptions = DEFAULTS
) -> Manifest:
    """Return the labelled items of SRC, and say what it holds; `saved` is how a classifier reads files.

    Raises
    ------
    ParameterError
        SRC is none, its items have no labels, or they are of another kind than wanted.
    """
    return items_of_source(options, kind=kind, saved=saved).require_labels()


def items_of_source(
    options: argparse.Namespace, *, kind: Kind | None = None, saved: ReadOptions = DEFAULTS
) -> Manifest:
    """Return the items of SRC, labelled or not.

    Raises
    ------
    ParameterError
        SRC is none, or its items are of another kind than wanted.
    """
    from phosphene.datasets.sources import open_manifest

    kind = kind or options.kind
    source = source_of(options)
    how = read_options(options, saved)
    if isinstance(source, Manifest):
        manifest = _read_so(source, options, how)
    else:
        manifest = open_manifest(source, kind=kind, label=options.label, group=options.group, options=how)
    if kind and manifest.kind != kind:
        raise ParameterError(f"{options.src} holds {manifest.kind} files, not {kind}")
    return manifest


def _read_so(manifest: Manifest, options: argparse.Namespace, how: ReadOptions) -> Manifest:
    """Return the manifest of a protocol with how its files are read; its labels and groups are its own."""
    if options.label is not None or options.group is not None:
        raise ParameterError(
            f"{options.src} is a protocol with labels and groups; leave --label and --group out"
        )
    check_options(how, [manifest.kind], options.src)
    _log.info("%s", manifest.summary())
    return replace(manifest, items=tuple(replace(item, options=how) for item in manifest.items))


def manifests_of(options: argparse.Namespace) -> tuple[Manifest, ...]:
    """Return the data sets to compare methods on: one, or with `ucr` those of the archive that are tabulated."""
    from phosphene.datasets import UCR_SETS, open_protocol

    if options.src == "ucr" and options.data is not None:
        manifests = tuple(open_protocol(f"ucr/{name}", options.data) for name in UCR_SETS)
        _log.info("ucr: %d sets", len(manifests))
        return manifests
    return (manifest_of(options),)


def recipe_of(options: argparse.Namespace) -> "Recipe":
    """Return how a classifier shall be made; wrong names are told before any work is done."""
    from phosphene.pipeline.backbones.catalog import blueprint
    from phosphene.pipeline.strategies.recipe import RANDOM, Recipe

    names = (
        "views", "windows", "arch", "weights", "strategy", "epochs", "augment", "copies", "members", "seed", "workers",
        "engine",
    )  # fmt: skip
    recipe = Recipe(**{name: getattr(options, name) for name in names}, schedule=_schedule_of(options))
    for name in recipe.archs:
        blueprint(name)
    if recipe.views:
        views_by_kind(recipe.views, kind=options.kind)
    if recipe.weights and recipe.weights != RANDOM and not recipe.weights.is_file():
        raise ParameterError(f"{recipe.weights}: no such file of weights; check the path")
    return recipe


def _schedule_of(options: argparse.Namespace) -> "Schedule":
    """Return how networks are trained; what is not named stays as `Schedule` has it."""
    from phosphene.pipeline.networks.schedule import Schedule

    names = ("mixup", "label_smoothing", "class_weights", "patience")
    named = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return Schedule(**named | ({} if options.lr is None else {"lr": _rate(options.lr)}))


def _rate(text: str) -> float | Literal["find"]:
    if text == "find":
        return "find"
    try:
        return float(text)
    except ValueError:
        raise ParameterError(f"--lr must be a number or find, got {text!r}") from None


def views_of(
    options: argparse.Namespace, settings: dict[str, str]
) -> tuple[Converter, ...] | dict[Kind, tuple[Converter, ...]] | None:
    """Return what is to be drawn of every file, or of files of each kind; None for the default views."""
    views = views_by_kind(options.views, kind=options.kind) if options.views else None
    if not settings:
        return views
    if isinstance(views, dict):
        return {kind: set_parameters(some, settings) if some else () for kind, some in views.items()}
    if views or options.kind:
        return set_parameters(views or default_views(options.kind), settings)
    try:
        everything = set_parameters([view for kind in kinds() for view in default_views(kind)], settings)
    except ParameterError as error:
        raise ParameterError(f"{error}; name converters with --as, or --kind") from error
    return {kind: tuple(view for view in everything if view.kind == kind) for kind in kinds()}


def converter_settings(pairs: Sequence[str], size: str | None) -> dict[str, str]:
    """Return parameters by name, as text, from `KEY=VALUE` and `--size`."""
    settings: dict[str, str] = {} if size is None else {"size": size}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise ParameterError(f"--set takes KEY=VALUE, got {pair!r}")
        if key in settings:
            raise ParameterError(f"{key!r} is set twice; leave one out")
        settings[key] = value
    return settings


def use_device(name: str | None) -> None:
    """Train and run networks on a device; None takes a GPU where there is one.

    Raises
    ------
    ParameterError
        There is no such device here.
    """
    if name is None:
        return
    if ":" in name and world_size() > 1:
        raise ParameterError(f"each process takes a GPU of its own; leave the number out of --device {name}")
    import torch
    from fastai.torch_core import default_device

    from phosphene.pipeline.gpu.draw import check_device

    device = check_device(name)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    default_device(device.type != "cpu")


def check_classes(manifest: Manifest, classes: Sequence[str]) -> None:
    """Raise ParameterError if a classifier knows none of the labels, so that it can only be wrong."""
    if manifest.classes and not set(manifest.classes) & set(classes):
        raise ParameterError(
            f"{manifest.name}: the classifier knows none of its labels {', '.join(manifest.classes[:5])}; "
            f"it was trained on {', '.join(classes[:5])}: name files labelled so"
        )


def check_folder(folder: Path | str, source: str | Manifest = "") -> None:
    """Raise ParameterError unless results can be written into a folder, which may not be there yet.

    It must not be the folder that they are made from, nor hold that: results would be taken for raw files.
    """
    if isinstance(folder, str):  # a URL: only who writes there knows whether that works
        if isinstance(source, str) and f"{source.rstrip('/')}/".startswith(f"{folder.rstrip('/')}/"):
            raise ParameterError(f"{folder}: holds the raw files; name another folder for the results")
        return
    raw = Path(source) if isinstance(source, str) and source else None
    if raw and raw.is_dir() and raw.resolve().is_relative_to(folder.resolve()):
        raise ParameterError(f"{folder}: holds the raw files; name another folder for the results")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ParameterError(f"{there}: a file, not a folder; name another folder for the results")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ParameterError(
            f"{there}: may not be written to; name another folder, or change its permissions"
        )


def check_target(file: Path | str, *suffixes: str) -> None:
    """Raise ParameterError unless a file of one of some suffixes can be written."""
    if isinstance(file, str):
        if not file.lower().endswith(suffixes):
            raise ParameterError(f"{file}: must end in {' or '.join(suffixes)}")
        return
    if file.is_dir():
        raise ParameterError(f"{file}: a folder, not a file; name a file in it")
    if file.suffix.lower() not in suffixes:
        raise ParameterError(f"{file}: must end in {' or '.join(suffixes)}")
    check_folder(file.parent)
