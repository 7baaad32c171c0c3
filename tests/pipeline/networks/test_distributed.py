"""Two processes of torchrun train one network: the same weights in both, batches shared, and one voice."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from phosphene import Classifier, Recipe, make, train
from phosphene.converters import ParameterError
from phosphene.datasets.manifest import Item
from phosphene.pipeline.app.arguments import use_device
from phosphene.pipeline.networks.callbacks import Callback, Distributed, Learner, fused_adam
from phosphene.pipeline.networks.distributed import refuse_probe, world_size
from phosphene.pipeline.networks.schedule import Schedule
from phosphene.pipeline.strategies.recipe import RANDOM
from phosphene.pipeline.tiles.loaders import part_of, tile_loaders
from phosphene.pipeline.tiles.render import render

VIEW = "gasf(size=32)"
TORCHRUN = (
    sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
    "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0",
)  # fmt: skip
TRAIN = ("--as", VIEW, "--arch", "lenet", "--strategy", "scratch", "--workers", "1")
BATCH = 8
RECIPES = {
    "head": Recipe(views=VIEW, arch="lenet", weights=RANDOM, strategy="head", epochs=2, workers=1),
    "all at once": Recipe(
        views=VIEW, arch="lenet", weights=RANDOM, strategy="finetune", epochs=3, workers=1,
        schedule=Schedule(lr="find", mixup=0.3, patience=1, unfreeze="gradual"), members=2, augment="default", copies=1,
    ),
}  # fmt: skip


class Plain(nn.Module):
    """One layer, whose gradients are means over items, and a weight that nothing depends on, as some networks have."""

    def __init__(self):
        super().__init__()
        self.layer, self.unused = nn.Linear(3 * 32 * 32, 2), nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return self.layer(images.flatten(1))


class Seen(Callback):
    """Counts the items that come in training."""

    n = 0

    def before_batch(self):
        if self.training:
            self.n += len(self.yb[0])


def trained_layer(raw, batch_size, cbs=()):
    """Return the weights of a layer after three epochs on 72 items, and how many items came."""
    files = sorted(raw.rglob("*.csv"))[:-4]
    tiles = render([Item(file) for file in files], (make(VIEW),), workers=1, progress=False)
    labels = [file.parent.name for file in files]
    dls = tile_loaders(tiles, labels, range(72), [72], batch_size=batch_size, seed=3)
    torch.manual_seed(5)
    seen = Seen()
    learn = Learner(dls, Plain(), nn.CrossEntropyLoss(), opt_func=fused_adam, cbs=[seen, *cbs])
    with learn.no_bar(), learn.no_logging():
        learn.fit(2, 1e-2)
        learn.fit(1, 1e-2)  # the order of the items goes on
    return learn.model.layer.weight.detach().numpy(), seen.n


@dataclass
class Trained:
    """What is compared of a training."""

    weights: str
    epochs: list
    rates: list | None
    judged: bool


def trained(raw, name, out=None):
    done = train(raw, RECIPES[name], out=out, progress=False)
    tensors = done.classifier.model.tensors()
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors.values())).hexdigest()
    fit = done.classifier.notes["fit"]
    return Trained(digest, fit["epochs"], fit.get("learning_rates"), done.evaluation is not None)


def worker(raw, out):
    """What each of two processes does in the tests in Python."""
    found = {name: asdict(trained(raw, name, out / name)) for name in RECIPES}
    weights, n_seen = trained_layer(raw, BATCH, [Distributed()])
    np.save(out / f"layer{os.environ['RANK']}.npy", weights)
    saved = (out / "head" / "config.json").exists()  # `train` returns in every process once it is
    (out / f"{os.environ['RANK']}.json").write_text(json.dumps(found | {"n_seen": n_seen, "saved": saved}))


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As torchrun gives each process."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    rng, time_s = np.random.default_rng(0), np.linspace(0, 1, 64)
    for name, cycles in (("slow", 2), ("fast", 7)):
        (folder / name).mkdir()
        for number in range(40):
            values = np.sin(2 * np.pi * (cycles * time_s + rng.random())) + 0.1 * rng.standard_normal(64)
            (folder / name / f"{number:02}.csv").write_text(
                "a\n" + "".join(f"{value:.4f}\n" for value in values)
            )
    return folder


def started(*words):
    own = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*TORCHRUN, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own)


def ours(errors):
    """The lines that are not torchrun's own."""
    return [line for line in errors.splitlines() if line.startswith(("phosphene: ", "series: "))]


def test_parts_of_batches():
    rows = list(range(64))
    assert part_of(rows, 0, 2) + part_of(rows, 1, 2) == rows
    assert [part_of([7, 8, 9], part, 4) for part in range(4)] == [[7, 8], [9, 7], [8, 9], [7, 8]]


def test_loaders_share_the_batches_of_one_with_larger_ones(raw):
    files = sorted(raw.rglob("*.csv"))[:33]
    tiles = render([Item(file) for file in files], (make(VIEW),), workers=1, progress=False)

    def loader(batch_size):
        return tile_loaders(tiles, ["a", "b"] * 16 + ["a"], range(33), [0], batch_size=batch_size).train

    whole = [images for images, _ in loader(16)]
    assert [len(images) for images in whole] == [16, 16]  # one item alone is left out
    parts = [[images for images, _ in loader(8).shared(part, 2)] for part in (0, 1)]
    assert [len(part) for part in parts] == [2, 2]
    for batch, first, second in zip(whole, *parts, strict=True):
        assert torch.equal(torch.cat([first, second]), batch)
    (single,) = loader(16).shared(1, 3)  # 33 items in a batch of 48: dropping the last would leave none
    assert len(single[0]) == 11


def test_without_torchrun_there_is_one_process(monkeypatch):
    assert world_size() == 1
    refuse_probe("probe")
    monkeypatch.setenv("WORLD_SIZE", "2")  # set by others too
    assert world_size() == 1


def test_what_several_processes_cannot_do(monkeypatch):
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    with pytest.raises(ParameterError, match="leave torchrun out"):
        refuse_probe("probe")
    with pytest.raises(ParameterError, match="cuda:1"):
        use_device("cuda:1")


@pytest.fixture(scope="module")
def both(raw, tmp_path_factory, loopback):
    """The folder where two processes left what they found, and that, by rank."""
    folder = tmp_path_factory.mktemp("both")
    process = started(__file__, raw, folder)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return folder, [json.loads((folder / f"{number}.json").read_text()) for number in (0, 1)]


@pytest.mark.slow
def test_both_end_with_the_same_weights(both):
    folder, (first, second) = both
    for name in RECIPES:
        assert first[name] == second[name] | {"judged": True}
        assert not second[name]["judged"]
    assert second["saved"]
    np.testing.assert_array_equal(*(np.load(folder / f"layer{number}.npy") for number in (0, 1)))


@pytest.mark.slow
def test_the_head_is_that_of_one_process_to_the_last_bit(raw, both):
    found = both[1][0]
    assert found["head"] == asdict(trained(raw, "head"))  # features are shared, and heads trained alike
    assert found["all at once"]["weights"] != trained(raw, "all at once").weights  # by half as many steps


@pytest.mark.slow
def test_gradients_are_those_of_the_doubled_batch(raw, both):
    folder, found = both
    assert [one["n_seen"] for one in found] == [3 * 72 // 2] * 2
    expected, _ = trained_layer(raw, 2 * BATCH)
    start = Plain().layer.weight.detach().numpy()
    assert np.abs(expected - start).max() > 0.01
    np.testing.assert_allclose(np.load(folder / "layer0.npy"), expected, atol=1e-5)


@pytest.mark.slow
def test_the_command_tells_once_and_saves_a_classifier(raw, tmp_path, loopback):
    process = started(
        "-m", "phosphene", "train", raw, "--out", tmp_path / "model", *TRAIN, "--epochs", "20", "--json"
    )
    words, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    (line,) = ours(errors)
    assert line.startswith("series: 80 files")
    done = json.loads(words)
    alone = train(
        raw, Recipe(views=VIEW, arch="lenet", strategy="scratch", epochs=20, workers=1), progress=False
    )
    assert done["accuracy"] >= alone.scores.accuracy - 0.1
    assert done["accuracy"] > 0.85
    classifier = Classifier.load(tmp_path / "model")
    predicted = classifier.predict([str(raw / "slow" / "00.csv"), str(raw / "fast" / "00.csv")])
    assert [one.label for one in predicted] == ["slow", "fast"]


@pytest.mark.slow
def test_cross_validation_tells_once(raw, loopback):
    process = started("-m", "phosphene", "cross-validate", raw, *TRAIN, "--epochs", "1", "--json")
    words, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert len(json.loads(words)["folds"]) == 5


@pytest.mark.slow
@pytest.mark.parametrize("words", [["train", "nowhere", "--out", "model"], ["list"]])
def test_what_all_refuse_is_told_once(words, loopback):
    process = started("-m", "phosphene", *words)
    said, errors = process.communicate(timeout=240)
    assert process.returncode != 0
    assert said == ""
    assert len(ours(errors)) == 1


BROKEN = """
import os, sys
if os.environ["RANK"] == sys.argv.pop(1):
    os.environ["PHOSPHENE_CACHE"] = "/dev/null/cache"
from phosphene.__main__ import main
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", ["0", "1"])
def test_one_that_fails_ends_all(number, raw, tmp_path, loopback):
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    process = started(script, number, "train", raw, "--out", tmp_path / "model", *TRAIN)
    words, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert words == ""
    (line,) = [line for line in ours(errors) if line.startswith("phosphene: ")]
    assert "/dev/null/cache" in line
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds a process by its environment")
def test_one_that_is_killed_ends_all(raw, tmp_path, loopback):
    process = started(
        "-m", "phosphene", "train", raw, "--out", tmp_path / "model", *TRAIN, "--epochs", "5000"
    )
    assert any("series: " in line for line in process.stderr)  # files are listed: training follows
    time.sleep(4)
    os.kill(child(process.pid, b"RANK=1"), signal.SIGKILL)
    words, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert words == ""
    assert len(ours(errors)) == 1
    assert list(tmp_path.iterdir()) == []


def child(parent, setting):
    """The process that one started with a setting in its environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            of_parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            if of_parent and setting in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
    raise ProcessLookupError(setting)


if __name__ == "__main__":
    worker(*map(Path, sys.argv[1:]))
