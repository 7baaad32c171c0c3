"""Ctrl-C at any moment, from the first import to the end of Python: one line, at once, and nothing half-done."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from phosphene.datasets import make_synthetic

SOON_S = 2.0
MODULES = (
    "argparse",  # the first that the command line imports
    "phosphene.pipeline.app.cli",
    "phosphene.converters.core.errors",
    "phosphene.pipeline.app.commands",
    "torch.nn.parameter",
    "timm.models",
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    make_synthetic("series", folder, items_per_class=10)
    return folder


def started(*words, python=()):
    command = [sys.executable, *python, "-m", "phosphene", *map(str, words)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_while_it_imports(raw, tmp_path, module):
    process = started("train", raw, "--out", tmp_path / "model", "--json", python=("-X", "importtime"))
    for line in process.stderr:  # Python tells of every import when it is done
        if line.rpartition("|")[2].strip() == module:
            break
    os.killpg(process.pid, signal.SIGINT)
    words, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    (said,) = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert said.startswith("phosphene: interrupted")
    assert not words or "interrupted" in json.loads(words)["error"]
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
@pytest.mark.parametrize("after_s", [1.0, 4.0])
def test_while_it_trains(raw, tmp_path, after_s):
    process = started(
        "train", raw, "--out", tmp_path / "model", "--arch", "lenet", "--strategy", "scratch", "--epochs", "500",
        "--as", "gasf(size=64)",
    )  # fmt: skip
    time.sleep(after_s)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    words, errors = process.communicate(timeout=60)
    assert time.monotonic() - begin < 10 * SOON_S  # on a machine that does other things too
    assert process.returncode == 130
    assert not words
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("phosphene: interrupted")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_when_all_is_said_it_is_too_late(raw, tmp_path):
    process = started("predict", tmp_path / "none", raw)
    said = process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert said.startswith(f"phosphene: {tmp_path / 'none'}")
    assert all(line.startswith("phosphene: interrupted") for line in rest.splitlines())
    assert process.returncode in (2, 130)
