"""Files larger than what may be held in memory are converted all the same, as a user does it."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from phosphene.converters import default_views
from phosphene.pipeline import Recipe, train

MOST_KB, MOST_GROWTH_KB = 500_000, 50_000
FEW, MANY = 1_000, 20_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


# A process between, since what starts a process counts towards its memory: this one is small, as is time -v.
MEASURE = """
import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(child.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(*words):
    """What a command says, and the most memory in KiB that it or one of its workers held."""
    main = "import sys; from phosphene.pipeline.app.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, *map(str, words), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said, _, most_kb = done.stdout.rstrip().rpartition("\n")
    return json.loads(said), int(most_kb)


def converted(path, out, *options):
    return measured("convert", path, out, *options)


@pytest.fixture
def two_hours(tmp_path):
    path, rate_hz = tmp_path / "two hours.wav", 44_100
    minute = (np.random.default_rng(0).standard_normal(60 * rate_hz) * 3000).astype(np.int16)
    with soundfile.SoundFile(path, "w", rate_hz, 1, "PCM_16") as sound:
        for _ in range(120):
            sound.write(minute)
    yield path
    path.unlink()


@pytest.fixture
def ten_million_rows(tmp_path):
    path = tmp_path / "rows.csv"
    rows = "".join(f"{n % 997 / 10},{n % 101}\n" for n in range(100_000))
    with path.open("w") as file:
        file.write("left,right\n")
        for _ in range(100):
            file.write(rows)
    yield path
    path.unlink()


@pytest.fixture
def two_gigabytes(tmp_path):
    path = tmp_path / "program.bin"
    block = np.random.default_rng(0).integers(0, 256, 1 << 20, np.uint8).tobytes()
    with path.open("wb") as file:
        for place in range(2048):
            if place % 16 == 0:  # the rest stays a hole: zeros that take no space on the disk
                file.seek(place << 20)
                file.write(block)
        file.truncate(2 << 30)
    yield path
    path.unlink()


def write_series(folder, count, seed):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        rows = "\n".join(f"{value:.4f}" for value in rng.standard_normal(32))
        (folder / f"{number:06}.csv").write_text(f"a\n{rows}\n")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    for label, seed in (("a", 1), ("b", 2)):
        write_series(folder / "raw" / label, 8, seed)
    recipe = Recipe(views="gasf(size=32)", arch="lenet", strategy="scratch", epochs=1, workers=1)
    train(folder / "raw", recipe, valid="none", out=folder / "model", progress=False)
    return folder / "model"


@pytest.fixture(scope="module")
def many_files(tmp_path_factory):
    """Two folders of series, each file another one, and a table of the larger."""
    folder = tmp_path_factory.mktemp("many")
    for count in (FEW, MANY):
        write_series(folder / str(count), count, seed=0)
    names = [f"{MANY}/{number:06}.csv,{'-' * 40}" for number in range(MANY)]
    (folder / "table.csv").write_text("\n".join(["path,comment", *names]) + "\n")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("source", [str(MANY), "table.csv"])
def test_predict_takes_no_more_memory_for_more_files(source, model, many_files, tmp_path):
    def predicted(name):
        out = tmp_path / f"{name}.csv"
        result, most_kb = measured("predict", model, many_files / name, "--out", out, "--workers", 1)
        rows = out.read_text().splitlines()[1:]
        assert len(rows) == result["n"]
        return [row.partition(",")[0] for row in rows], most_kb

    _, few_kb = predicted(str(FEW))
    paths, many_kb = predicted(source)
    assert paths == [str(path) for path in sorted((many_files / str(MANY)).iterdir())]
    growth_kb = many_kb - few_kb
    print(f"{source}: {few_kb / 1024:.0f} MiB of {FEW} files, {growth_kb / 1024:.1f} more of {MANY}")
    assert growth_kb < MOST_GROWTH_KB


def test_two_hours_of_sound_in_windows(two_hours, tmp_path):
    result, most_kb = converted(two_hours, tmp_path / "out", "--as", "mel")
    assert result["converted"] == 1440
    assert most_kb < MOST_KB


def test_ten_million_rows(ten_million_rows, tmp_path):
    result, most_kb = converted(ten_million_rows, tmp_path / "out")
    assert result["converted"] == len(default_views("series"))
    assert most_kb < MOST_KB


def test_ten_million_rows_in_windows(ten_million_rows, tmp_path):
    result, most_kb = converted(
        ten_million_rows, tmp_path / "out", "--windows", "samples=100000", "--as", "gasf"
    )
    assert result["converted"] == 100
    assert most_kb < MOST_KB


def test_two_gigabytes_of_bytes(two_gigabytes, tmp_path):
    result, most_kb = converted(two_gigabytes, tmp_path / "out")
    assert result["converted"] == 4
    assert most_kb < MOST_KB
