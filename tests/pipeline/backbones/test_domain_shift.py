"""Domain shift from photographs: by hand on one layer, and in the order that one would expect on pictures."""

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch
from PIL import Image
from torch import nn

from phosphene.converters import ParameterError, parse_views
from phosphene.datasets import make_synthetic
from phosphene.datasets.manifest import Item
from phosphene.pipeline.backbones import domain_shift as module
from phosphene.pipeline.backbones.backbone import Backbone, load_backbone
from phosphene.pipeline.backbones.domain_shift import (
    THRESHOLD,
    DomainShift,
    measure_domain_shift,
    tiles_domain_shift,
)
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

N = 8
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results" / "likeness.csv"


@pytest.fixture(scope="module")
def backbone():
    return load_backbone()


def crops(files, count):
    """Squares of a half to the whole height of photographs, in turns."""
    rng = np.random.default_rng(0)
    images = [np.asarray(Image.open(file).convert("RGB")) for file in files]
    found = []
    for number in range(count):
        image = images[number % len(images)]
        side = int(min(image.shape[:2]) * rng.uniform(0.5, 1))
        top, left = (int(rng.integers(0, reach - side + 1)) for reach in image.shape[:2])
        square = Image.fromarray(image[top : top + side, left : left + side])
        found.append(np.asarray(square.resize((224, 224), Image.Resampling.BILINEAR)))
    return np.stack(found)


@pytest.fixture(scope="module")
def photographs():
    ours = Path(pytest.importorskip("skimage").data.__file__).parent
    theirs = Path(sklearn.datasets.__file__).parent / "images"
    names = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png"]
    return crops([ours / name for name in names] + [theirs / "china.jpg", theirs / "flower.jpg"], 28)


def drawn(kind, views, folder, count=N):
    items = make_synthetic(kind, folder, items_per_class=-(-count // 2)).items
    views = parse_views(views, kind=kind)
    return render(items, views, store=TileStore(folder / "tiles"), workers=1, progress=False)


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Pictures that no camera took, by name."""
    rng, found = np.random.default_rng(0), {}
    views = {"audio": "mel", "series": "gasf,line", "mouse": "trace,motion", "binary": "hilbert,bigram"}
    for kind, text in views.items():
        tiles = drawn(kind, text, tmp_path_factory.mktemp(kind))
        found |= {view.spec: tiles.pixels(range(N), place) for place, view in enumerate(tiles.views)}
    digits = (sklearn.datasets.load_digits().images[:N] * (255 / 16)).astype(np.uint8)
    found["digits"] = np.stack([np.asarray(Image.fromarray(d).resize((224, 224))) for d in digits])[..., None]
    found["noise"] = rng.integers(0, 256, (N, 224, 224, 1), dtype=np.uint8)
    found["constant"] = np.full((N, 224, 224, 1), 128, np.uint8)
    return found


def test_photographs_come_before_all_else_and_noise_and_nothing_last(backbone, photographs, others):
    like = [
        measure_domain_shift(backbone, photographs[:N]),
        measure_domain_shift(backbone, grey(photographs[:N])),
    ]
    found = {name: measure_domain_shift(backbone, pixels) for name, pixels in others.items()}
    assert all(one.is_small for one in like)
    assert not [name for name, one in found.items() if one.is_small]
    assert 1.5 * max(one.distance for one in like) < min(one.distance for one in found.values())
    far = found["noise"].distance, found["constant"].distance
    assert min(far) > max(one.distance for name, one in found.items() if name not in ("noise", "constant"))
    assert min(far) > 3 * THRESHOLD


def grey(pixels):
    return pixels.mean(3, keepdims=True).astype(np.uint8)


@pytest.mark.slow
def test_more_tiles_change_little_and_their_order_nothing(backbone, photographs, others, tmp_path):
    mel = drawn("audio", "mel", tmp_path, count=28).pixels(range(28))
    few, many = measure_domain_shift(backbone, mel[::3]), measure_domain_shift(backbone, mel)
    assert few.distance == pytest.approx(many.distance, rel=0.15)
    backwards = measure_domain_shift(backbone, mel[::-1].copy())
    assert backwards.by_layer == pytest.approx(many.by_layer, rel=1e-3)
    pictures = [measure_domain_shift(backbone, photographs[:n]).distance for n in (14, 28)]
    assert pictures[0] == pytest.approx(pictures[1], abs=THRESHOLD / 3)


class Ramp(nn.Module):
    """Two channels: tiles as they are, and twice as bright."""

    def __init__(self, mean, variance):
        super().__init__()
        self.norm = nn.BatchNorm2d(2, eps=0.0)
        self.norm.running_mean[:], self.norm.running_var[:] = torch.tensor(mean), torch.tensor(variance)

    def forward(self, images):
        return self.norm(torch.stack([images[:, 0], 2 * images[:, 0]], 1))


def ramp(mean, variance):
    return Backbone("ramp", Ramp(mean, variance), 8, (0, 0, 0), (1 / 255,) * 3, 2, ("norm",), "by hand")


def test_the_distance_of_a_layer_by_hand():
    tiles = np.repeat(np.array([0, 10], np.uint8), 32).reshape(
        1, 8, 8, 1
    )  # mean 5, variance 25; twice: 10, 100
    assert measure_domain_shift(ramp([5.0, 10.0], [25.0, 100.0]), tiles).distance == pytest.approx(
        0, abs=1e-6
    )
    moved = measure_domain_shift(ramp([10.0, 10.0], [25.0, 100.0]), tiles)
    assert moved.distance == pytest.approx((1 / 8 + 0) / 2, abs=1e-5)
    wider = measure_domain_shift(ramp([5.0, 10.0], [25.0, 25.0]), tiles)
    assert wider.distance == pytest.approx((0 + math.log(5 / 4) / 2) / 2, abs=1e-5)
    assert wider.by_layer == (wider.distance,)
    nothing = measure_domain_shift(ramp([0.0, 0.0], [25.0, 25.0]), np.zeros((2, 8, 8, 1), np.uint8))
    assert nothing.distance == pytest.approx(math.log((1 + 1e-3) / (2 * math.sqrt(1e-3))) / 2, abs=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "timm/resnet18", "mobilenet_v3_small"])
def test_every_network_with_batch_normalisation_has_a_measure_and_stays_as_it_is(name):
    network = dataclasses.replace(load_backbone(name, pretrained=False), size=64, weights_source="a file")
    before = {key: value.clone() for key, value in network.body.state_dict().items()}
    network.body.train()
    found = measure_domain_shift(network, np.zeros((2, 64, 64, 1), np.uint8))
    norms = [part for part in network.body.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(found.by_layer) == len(norms)
    assert all(torch.equal(value, before[key]) for key, value in network.body.state_dict().items())
    assert not [part for part in network.body.modules() if part._forward_pre_hooks]


def test_without_a_measure_the_reason_is_told():
    tiles = np.zeros((1, 64, 64, 1), np.uint8)
    lenet = load_backbone("lenet", pretrained=False)
    alexnet = dataclasses.replace(lenet, name="alexnet", weights_source="torchvision's cache")
    found = measure_domain_shift(alexnet, tiles)
    assert (found.distance, found.is_small) == (None, False)
    assert str(found) == (
        "they count as unlike photographs, for alexnet has no layer that remembers how photographs look"
    )
    assert "random weights" in measure_domain_shift(load_backbone("resnet18", pretrained=False), tiles).why


def test_words():
    assert str(DomainShift(0.0412)) == f"they look like photographs (distance 0.041, below {THRESHOLD:.3f})"
    assert str(DomainShift(0.5)).startswith(
        "they look unlike photographs (distance 0.500, photographs stay below "
    )


def test_tiles_are_drawn_by_chance_over_all_views_and_those_that_failed_left_out(
    backbone, tmp_path, monkeypatch
):
    rng, seen = np.random.default_rng(0), []
    for number in range(9):
        (tmp_path / f"{number}").write_bytes(rng.bytes(3000))
    items = [Item(tmp_path / "missing"), *(Item(tmp_path / f"{number}") for number in range(9))]
    views = parse_views("grid,bigram(size=64)", kind="binary")
    tiles = render(items, views, store=TileStore(tmp_path / "t"), workers=1, progress=False)
    monkeypatch.setattr(module, "MOST_TILES", 6)
    monkeypatch.setattr(
        module,
        "measure_domain_shift",
        lambda b, pixels: seen.append(pixels.shape) or DomainShift(1, by_layer=(1.0, 3.0)),
    )
    found = tiles_domain_shift(backbone, tiles)
    assert [shape[0] for shape in seen] == [3, 3]
    assert (found.distance, found.by_layer) == (2, (1, 3))
    tiles_domain_shift(backbone, tiles, np.array([0, 4]))
    assert [shape[0] for shape in seen[2:]] == [1, 1]


def test_no_tiles_are_refused(backbone):
    with pytest.raises(ParameterError, match="measured on one tile or more, got none"):
        measure_domain_shift(backbone, np.zeros((0, 224, 224, 1), np.uint8))


def test_the_table_holds_what_the_threshold_promises():
    rows = list(csv.DictReader(RESULTS.read_text().splitlines()))
    assert {row["threshold"] for row in rows} == {f"{THRESHOLD:g}"}
    for row in rows:
        if row["sort"].removesuffix(", one scene") == "photographs":
            assert row["verdict"] == "like", row["data"]
        if row["sort"] in ("pictures of sound", "pictures of series", "mouse traces", "byte images"):
            assert row["verdict"] == "unlike", row["data"]
        if row["sort"] in ("noise", "constant"):
            assert float(row["distance"]) > 2 * THRESHOLD, row["data"]
