"""A run that is killed at any moment goes on where it was, and ends as one that was not."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import PIL.Image
import pytest

from phosphene.converters import make
from phosphene.datasets.sources import find_files
from phosphene.pipeline.tiles.convert import convert
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

FILES, KILLS = 900, 3
SCRIPT = """
import sys
from phosphene.converters import make
from phosphene.datasets.sources import find_files
from phosphene.pipeline import TileStore, convert, render
from phosphene.pipeline.tiles.engines import LocalEngine

src, out, form = sys.argv[1:]
views = [make("grid", size=64), make("bigram", size=64)]
if form == "tiles":
    render(find_files(src), views, store=TileStore(__import__("pathlib").Path(out)), workers=2)
else:
    convert(src, out, views=views, workers=2, to=form)
"""


def pixels(folder):
    return {
        path.relative_to(folder): np.array(PIL.Image.open(path)).tobytes()
        for path in folder.rglob("*.png")
        if path.name[0] != "."
    }


@pytest.mark.slow
@pytest.mark.parametrize("form", ["png", "tiles"])
def test_killed_again_and_again(tmp_path, form):
    generator, moments = np.random.default_rng(0), random.Random(0)
    src, out = tmp_path / "src", tmp_path / "out"
    for k in range(FILES):
        path = src / f"{k % 7}" / f"{k}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.bytes(5000))
    seen = []
    while True:
        command = [sys.executable, "-c", SCRIPT, str(src), str(out), form]
        process = subprocess.Popen(command, start_new_session=True)
        if len(seen) == KILLS:
            assert process.wait(timeout=60) == 0
            break
        enough = len(pixels_there(out)) + moments.randrange(1, FILES // (2 * KILLS))  # well before the end
        while process.poll() is None and len(pixels_there(out)) < enough:
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it was killed before it had ended"
        seen.append(len(pixels_there(out)))
    assert seen == sorted(seen), "what was drawn is never lost"
    straight = tmp_path / "straight"
    views = [make("grid", size=64), make("bigram", size=64)]
    if form == "tiles":
        render(find_files(src), views, store=TileStore(straight), workers=1)
        assert render(find_files(src), views, store=TileStore(out), workers=1).converted == 0
    else:
        convert(src, straight, views=views, workers=1)
        assert convert(src, out, views=views, workers=1).reused == 2 * FILES
    assert len(pixels(straight)) == 2 * FILES
    assert pixels(out) == pixels(straight)


def pixels_there(folder):
    return [path for path in folder.rglob("*.png") if path.name[0] != "."] if folder.exists() else []


@pytest.mark.slow
def test_a_killed_run_of_parts_leaves_whole_parts_only(tmp_path):
    generator = np.random.default_rng(0)
    src, out = tmp_path / "src", tmp_path / "out"
    src.mkdir()
    for k in range(900):
        (src / f"{k}.bin").write_bytes(generator.bytes(3000))
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(src), str(out), "webdataset"], start_new_session=True
    )
    while process.poll() is None and not list(out.glob("*.tar")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    result = convert(
        src,
        out,
        views=[make("grid", size=64), make("bigram", size=64)],
        workers=1,
        to="webdataset",
        progress=False,
    )
    assert result.reused >= 512
    assert result.converted + result.reused == 1800
    assert result.failed == ()
