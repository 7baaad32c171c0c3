"""A training that is killed at any moment leaves a whole classifier or none, and trained again gives the same one."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from phosphene.converters import ReadError
from phosphene.datasets import make_synthetic
from phosphene.pipeline import Classifier

# Imports once, then trains in a process of its own for each line that it is told.
SCRIPT = """
import os, sys
from phosphene.pipeline import Recipe, train
import phosphene.pipeline.classifier.prepare, phosphene.pipeline.networks.learners

for line in sys.stdin:
    src, out, strategy, cache = line.rstrip("\\n").split("\\t")
    child = os.fork()
    if child == 0:
        os.setsid()
        os.environ["PHOSPHENE_CACHE"] = cache
        how = {"epochs": 3, "arch": "lenet"} if strategy == "scratch" else {}
        recipe = Recipe(views="gasf(size=64),line(size=64)", strategy=strategy, workers=1, **how)
        train(src, recipe, valid="none", out=out, progress=False)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
FRACTIONS = (0.15, 0.4, 0.65, 0.9)
"""Of the time of a training: while it lists, renders, computes features, fits and compares."""
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    make_synthetic("series", folder, items_per_class=12)
    return folder


@pytest.fixture(scope="module")
def trainer(raw):
    """Start a training, and return the number of its process."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    def start(out, strategy, cache):
        print(raw, out, strategy, cache, sep="\t", file=process.stdin, flush=True)
        return int(process.stdout.readline())

    start.ended = lambda: int(process.stdout.readline())
    yield start
    process.communicate()


def kill(pid):
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        os.kill(pid, signal.SIGKILL)


def predictions(folder, raw):
    done = Classifier.load(folder).predict(sorted(raw.glob("*/*.csv"))[::5], workers=1)
    return [prediction.probabilities for prediction in done]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["probe", "scratch"])
def test_killed_at_every_stage(trainer, raw, tmp_path, strategy):
    straight, out, cache = tmp_path / "straight", tmp_path / "there" / "model", tmp_path / "cache"
    begin = time.monotonic()
    trainer(straight, strategy, tmp_path / "other_cache")
    assert trainer.ended() == 0
    whole_s = time.monotonic() - begin
    for fraction in FRACTIONS:
        pid = trainer(out, strategy, cache)
        time.sleep(fraction * whole_s)
        kill(pid)
        assert trainer.ended() == KILLED or Classifier.load(out), (
            "quicker than the first: what it left is whole"
        )
    pid = trainer(out, strategy, cache)
    end = time.monotonic() + 10 * whole_s
    while not list(out.parent.glob(".model.*.part")) and time.monotonic() < end:
        time.sleep(0.0005)
    kill(pid)
    assert trainer.ended() in (0, KILLED)
    if not out.exists():
        with pytest.raises(ReadError, match=r"no such file|saving it was broken off"):
            Classifier.load(out)
    trainer(out, strategy, cache)
    assert trainer.ended() == 0
    assert predictions(out, raw) == predictions(straight, raw)
    assert (out / "model.safetensors").read_bytes() == (straight / "model.safetensors").read_bytes()
