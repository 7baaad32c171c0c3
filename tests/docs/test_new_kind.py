"""The kind of docs/new_kind.md, installed beside phosphene: converted, learned from and predicted."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "new_kind.md"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder for PYTHONPATH with the module of the page and its entry point."""
    folder = tmp_path_factory.mktemp("site")
    page = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ((group, line),) = re.findall(r'entry-points."(.*?)"\]\n(.*?)\n', page)
    (folder / "my_points.py").write_text(code, encoding="utf-8")
    info = folder / "my_points-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_points\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    return folder


@pytest.fixture(scope="module")
def clouds(tmp_path_factory):
    """Rings and discs, 40 of each: enough for worker processes."""
    folder, rng = tmp_path_factory.mktemp("clouds"), np.random.default_rng(0)
    for label in ("disc", "ring"):
        (folder / label).mkdir()
        for number in range(40):
            angle, radius = rng.uniform(0, 2 * np.pi, 300), rng.uniform(0 if label == "disc" else 0.8, 1, 300)
            np.savetxt(
                folder / label / f"{number}.points", np.c_[radius * np.cos(angle), radius * np.sin(angle)]
            )
    return folder


RUN = """
import contextlib, io, json, sys
from phosphene.pipeline.app.cli import main
said = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        if main([*words, "--json"]):
            sys.exit(out.getvalue())
    said.append(json.loads(out.getvalue()))
print(json.dumps(said))
"""


def phosphene(installed, *commands):
    """Run commands one after the other in one new process; what each said as JSON."""
    paths = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    given = json.dumps([[str(word) for word in words] for words in commands])
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUN, given],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_kind_that_another_package_brings(installed, clouds, tmp_path):
    ring, model = clouds / "ring" / "0.points", tmp_path / "model"
    converted, trained, predicted = phosphene(
        installed,
        ("convert", clouds, tmp_path / "images", "--workers", 2),
        ("train", clouds, "--out", model, "--strategy", "probe", "--workers", 1),
        ("predict", model, ring),
    )
    assert converted["converted"] == 80
    assert trained["strategy"] == "probe"
    assert trained["accuracy"] >= 0.9
    assert [one["label"] for one in predicted["predictions"]] == ["ring"]


def test_the_kind_is_listed_and_shown(installed, clouds, tmp_path):
    listed, shown = phosphene(
        installed, ("list",), ("show", clouds / "disc" / "0.points", "--out", tmp_path / "shown.png")
    )
    assert "cloud" in [found["name"] for found in listed["converters"]]
    assert shown["kind"] == "points"
