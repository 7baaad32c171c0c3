"""The strategy `auto`: four cases, what stands in for them, and the reason in words with the numbers."""

import pytest

from phosphene.converters import ParameterError
from phosphene.pipeline.backbones.domain_shift import DomainShift
from phosphene.pipeline.strategies.recipe import Amount, choose_strategy

LIKE, UNLIKE = DomainShift(0.04, threshold=0.1), DomainShift(0.35, threshold=0.1)
UNKNOWN = DomainShift(None, why="alexnet has no layer that remembers how photographs look")
FEW, MIDDLING, MANY = Amount(320, 10, 32, 640), Amount(4000, 10, 300, 12_000), Amount(14_000, 10, 900, 42_000)


@pytest.mark.parametrize(
    ("amount", "domain_shift", "options", "strategy"),
    [
        (FEW, LIKE, {}, "head"),
        (FEW, UNLIKE, {}, "probe"),
        (MANY, LIKE, {}, "finetune"),
        (MANY, UNLIKE, {}, "finetune"),
        (FEW, LIKE, {"device": "gpu"}, "head"),
        (FEW, UNLIKE, {"device": "gpu"}, "probe"),
        (MIDDLING, UNLIKE, {}, "probe"),
        (MIDDLING, UNLIKE, {"device": "gpu"}, "finetune"),
        (FEW, UNKNOWN, {}, "probe"),
        (MANY, UNKNOWN, {}, "finetune"),
        (Amount(14_000, 100, 12, 14_000), UNLIKE, {"device": "gpu"}, "probe"),
        (FEW, UNKNOWN, {"weights": "random"}, "probe"),
        (MANY, UNKNOWN, {"weights": "random"}, "scratch"),
    ],
)
def test_cases(amount, domain_shift, options, strategy):
    choice = choose_strategy(amount, domain_shift, **options)
    assert choice.strategy == strategy
    assert choice.why.startswith(f"{strategy}: {amount.items} items ({amount.smallest} of the rarest of ")


def why(*arguments, **options):
    return choose_strategy(*arguments, **options).why


def test_the_reason_has_the_numbers():
    assert why(FEW, UNLIKE) == (
        "probe: 320 items (32 of the rarest of 10 classes) are few (below 2000), and they look unlike photographs "
        "(distance 0.350, photographs stay below 0.100); so the network stays frozen, and a linear head is fitted to "
        "features of its middle layers, which carry over to other images"
    )
    assert "they look like photographs (distance 0.040, below 0.100); so the network stays frozen" in why(
        FEW, LIKE
    )
    assert "leave too few of a class (below 50)" in why(Amount(14_000, 100, 12, 14_000), LIKE, device="gpu")


def test_without_a_gpu_the_reason_tells_the_time():
    assert "are few without a GPU (below 10000, since an epoch of 12000 images takes about 5 minutes" in why(
        MIDDLING, LIKE
    )
    assert "(10000 or more without a GPU, where an epoch of 42000 images takes about 18 minutes" in why(
        MANY, LIKE
    )
    assert "CPU" not in why(MANY, LIKE, device="gpu")


def test_what_could_not_be_measured_and_what_learned_nothing_is_said():
    assert "they count as unlike photographs, for alexnet has no layer that remembers" in why(FEW, UNKNOWN)
    assert "the weights of the network are random; so" in why(FEW, UNKNOWN, weights="random")
    assert "pretrained weights would do better" in why(FEW, UNKNOWN, weights="random")


def test_items_are_counted_and_not_their_windows():
    hours = Amount.of(["a", "b"] * 10, windows=14_400, views=3)
    assert hours == Amount(items=20, classes=2, smallest=10, images=43_200)
    assert choose_strategy(hours, UNLIKE).strategy == "probe"


@pytest.mark.parametrize("labels", [[], ["a"]])
def test_every_class_has_an_item(labels):
    if labels:
        assert Amount.of(labels).smallest == 1
    else:
        with pytest.raises(ParameterError, match="Amount must count one item or more in each class"):
            Amount.of(labels)
