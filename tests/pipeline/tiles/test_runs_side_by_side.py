"""Two runs on one output or one store, and files that go away meanwhile: in the end all is whole and complete."""

import subprocess
import sys
import time

import numpy as np
import pytest

from phosphene.converters import make
from phosphene.pipeline.tiles.convert import convert

FILES = 200
SCRIPT = """
import sys
from pathlib import Path
from phosphene.converters import make
from phosphene.datasets.sources import find_files
from phosphene.pipeline import TileStore, convert, render

src, out, form = sys.argv[1:]
views = [make("grid", size=64), make("bigram", size=64)]
print("ready", flush=True)
sys.stdin.readline()
if form == "tiles":
    done = render(find_files(src), views, store=TileStore(Path(out)), workers=2)
    failed = done.failures
else:
    done = convert(src, out, views=views, workers=2, to=form)
    failed = done.failed
print(done.converted, done.reused, len(failed))
for failure in failed:
    print(failure.error)
"""


@pytest.fixture
def src(tmp_path):
    generator = np.random.default_rng(0)
    for k in range(FILES):
        path = tmp_path / "src" / f"{k % 7}" / f"{k}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.bytes(5000))
    return tmp_path / "src"


def started(*arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["png", "tiles", "parquet", "webdataset"])
def test_two_runs_on_one_output_leave_what_one_leaves(src, tmp_path, form):
    both = [started(src, tmp_path / "both", form) for _ in range(2)]
    for process in both:
        go(process)
    told = [process.communicate(timeout=200)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    for words in told:
        converted, reused, failed = map(int, words.split())
        assert converted + reused == 2 * FILES
        assert failed == 0
    alone = started(src, tmp_path / "alone", form)
    go(alone)
    alone.communicate(timeout=200)
    there, expected = contents(tmp_path / "both"), contents(tmp_path / "alone")
    assert there.keys() == expected.keys()
    assert there == expected or form == "webdataset"  # tar files hold the time


@pytest.mark.slow
def test_files_that_are_deleted_while_it_runs_cost_themselves(src, tmp_path):
    out = tmp_path / "out"
    process = started(src, out, "png")
    go(process)
    while not list(out.rglob("*.png")) and process.poll() is None:
        time.sleep(0.002)
    gone = {path for k in range(FILES) if k % 3 == 0 for path in (src / f"{k % 7}" / f"{k}.bin",)}
    for path in gone:
        path.unlink()
    words, *errors = process.communicate(timeout=200)[0].splitlines()
    converted, reused, failed = map(int, words.split())
    assert (process.returncode, reused) == (0, 0)
    assert converted >= 2 * (FILES - len(gone))
    assert failed == len(errors) <= len(gone)
    for error in errors:
        path, _, why = error.partition(": ")
        assert path in set(map(str, gone))
        assert "no such file" in why or "changed while it was read" in why
    again = convert(
        src, out, views=[make("grid", size=64), make("bigram", size=64)], workers=1, progress=False
    )
    assert (again.converted, again.failed) == (0, ())


@pytest.mark.slow
def test_a_folder_that_is_taken_away_while_it_runs_costs_its_files(src, tmp_path):
    out = tmp_path / "out"
    process = started(src, out, "png")
    go(process)
    while not list(out.rglob("*.png")) and process.poll() is None:
        time.sleep(0.002)
    (src / "6").rename(tmp_path / "elsewhere")
    words, *errors = process.communicate(timeout=200)[0].splitlines()
    converted, _, failed = map(int, words.split())
    of_folder = len(list((tmp_path / "elsewhere").iterdir()))
    assert converted >= 2 * (FILES - of_folder)
    assert failed <= of_folder
    assert all(error.startswith(str(src / "6")) for error in errors)
