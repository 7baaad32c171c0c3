"""Every converter draws the same pixels wherever it runs: here, in a worker process, in one started afresh."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from example_signals import DRAWN, noise

from phosphene.converters import converters, read
from phosphene.datasets.manifest import Item
from phosphene.pipeline.tiles.engines import LocalEngine
from phosphene.pipeline.tiles.render import render
from phosphene.pipeline.tiles.store import TileStore

KINDS = ("audio", "series", "mouse", "binary")
SIZE = 64

ELSEWHERE = f"""
import hashlib, json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from example_signals import DRAWN
from phosphene.converters import converters
digests = {{}}
for owner in converters():
    for name in ("typical", "long"):
        pixels = owner(size={SIZE})(DRAWN[owner.accepts.kind][name]()).pixels
        digests[f"{{owner.accepts.kind}}-{{owner.name}}-{{name}}"] = hashlib.sha256(pixels.tobytes()).hexdigest()
print(json.dumps(digests))
"""


@pytest.fixture(scope="module")
def elsewhere():
    done = subprocess.run([sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("owner", converters(), ids=lambda owner: f"{owner.accepts.kind}-{owner.name}")
@pytest.mark.parametrize("name", ["typical", "long"])
def test_in_a_process_started_afresh(owner, name, elsewhere):
    key = f"{owner.accepts.kind}-{owner.name}-{name}"
    if key not in elsewhere:
        pytest.skip("registered in this process only")
    pixels = owner(size=SIZE)(DRAWN[owner.accepts.kind][name]()).pixels
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == elsewhere[key]


def write(kind, path, place):
    """A raw file of a kind, each place another."""
    rng = np.random.default_rng(place)
    if kind == "audio":
        soundfile.write(path, noise(6000) * (place + 1) / 8, 8000, format="WAV")
    elif kind == "series":
        np.savetxt(
            path, rng.standard_normal((120, 2)).cumsum(axis=0), delimiter=",", header="a,b", comments=""
        )
    elif kind == "mouse":
        rows = rng.integers(0, 600, (90, 2)).tolist()
        lines = [f"{n / 20},{x},{y},{'press' if n % 9 == 0 else 'move'}" for n, (x, y) in enumerate(rows)]
        path.write_text("\n".join(["time,x,y,event", *lines]))
    else:
        path.write_bytes(rng.integers(0, 256, 5000 + place, np.uint8).tobytes())


@pytest.mark.parametrize("kind", KINDS)
def test_by_one_worker_or_many(kind, tmp_path):
    views = tuple(owner(size=SIZE) for owner in converters(kind) if owner.__module__.startswith("phosphene."))
    items = []
    for place in range(4):
        items.append(Item(tmp_path / f"{place}.{'wav' if kind == 'audio' else 'csv'}"))
        write(kind, items[-1].path, place)

    class Apart(LocalEngine):
        def map(self, function, chunks, *, where="anywhere"):
            return super().map(function, chunks, where="apart")

    tiles = render(items, views, store=TileStore(tmp_path / "tiles"), engine=Apart(2), progress=False)
    assert tiles.failures == ()
    for index, item in enumerate(items):
        signal = read(item.path, kind)
        for view, converter in enumerate(views):
            np.testing.assert_array_equal(
                tiles.tile(index, view), converter(signal).pixels, err_msg=converter.spec
            )
