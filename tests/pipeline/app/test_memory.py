"""Files larger than what may be held in memory are converted all the same, as a user does it."""

import json
import shutil

import numpy as np
import pytest
import soundfile

from phosphene.converters import default_views
from phosphene.pipeline import Recipe, train

MOST_MORE_KB, MOST_GROWTH_KB = 250_000, 50_000
A_THOUSAND, FEW, MANY = 1_000, 4_000, 20_000  # FEW: two whole parts of a prediction

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def of_small_file(measured, tmp_path_factory):
    """What a small file takes, in KiB: libraries, of which more or less is mapped. Loops are compiled before."""
    folder = tmp_path_factory.mktemp("small")
    write_series(folder / "raw", 1, seed=0)
    for out in ("compiling", "out"):
        done, _, most_kb, _ = measured("convert", folder / "raw", folder / out)
        assert done.returncode == 0
    return most_kb


@pytest.fixture
def spent(measured):
    """What a command says, and the most memory in KiB that it or one of its workers held.

    `unmapped` leaves out what is mapped from files: `predict` maps 40 to 120 MB of libraries as it ends, or does not.
    """

    def run(*words, unmapped=False):
        done, _, most_kb, unmapped_kb = measured(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), unmapped_kb if unmapped else most_kb

    return run


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
    for count in (A_THOUSAND, FEW, MANY):
        write_series(folder / str(count), count, seed=0)
    names = [f"{MANY}/{number:06}.csv,{'-' * 40}" for number in range(MANY)]
    (folder / "table.csv").write_text("\n".join(["path,comment", *names]) + "\n")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("source", [str(MANY), "table.csv"])
def test_predict_takes_no_more_memory_for_more_files(spent, source, model, many_files, tmp_path):
    def predicted(name):
        out = tmp_path / f"{name}.csv"
        words = ("predict", model, many_files / name, "--out", out, "--workers", 1)
        result, most_kb = spent(*words, unmapped=True)
        rows = out.read_text().splitlines()[1:]
        assert len(rows) == result["n"]
        return [row.partition(",")[0] for row in rows], most_kb

    _, few_kb = predicted(str(FEW))
    paths, many_kb = predicted(source)
    assert paths == [str(path) for path in sorted((many_files / str(MANY)).iterdir())]
    growth_kb = many_kb - few_kb
    print(f"{source}: {few_kb / 1024:.0f} MiB of {FEW} files, {growth_kb / 1024:.1f} more of {MANY}")
    assert growth_kb < MOST_GROWTH_KB


@pytest.mark.parametrize("form", ["png", "parquet"])
def test_convert_takes_no_more_memory_for_more_files(spent, form, many_files, tmp_path):
    most_kb = {}
    for count in (A_THOUSAND, MANY):
        result, most_kb[count] = spent(
            "convert", many_files / str(count), tmp_path / str(count), "--as", "gasf(size=32)", "--to", form
        )
        assert result["converted"] == count
    growth_kb = most_kb[MANY] - most_kb[A_THOUSAND]
    print(
        f"{form}: {most_kb[A_THOUSAND] / 1024:.0f} MiB of {A_THOUSAND} files, {growth_kb / 1024:.1f} more of {MANY}"
    )
    assert growth_kb < MOST_GROWTH_KB
    shutil.rmtree(tmp_path)


def test_two_hours_of_sound_in_windows(spent, of_small_file, two_hours, tmp_path):
    result, most_kb = spent("convert", two_hours, tmp_path / "out", "--as", "mel")
    assert result["converted"] == 1440
    assert most_kb - of_small_file < MOST_MORE_KB


def test_ten_million_rows(spent, of_small_file, ten_million_rows, tmp_path):
    result, most_kb = spent("convert", ten_million_rows, tmp_path / "out")
    assert result["converted"] == len(default_views("series"))
    assert most_kb - of_small_file < MOST_MORE_KB


def test_ten_million_rows_in_windows(spent, of_small_file, ten_million_rows, tmp_path):
    result, most_kb = spent(
        "convert", ten_million_rows, tmp_path / "out", "--windows", "samples=100000", "--as", "gasf"
    )
    assert result["converted"] == 100
    assert most_kb - of_small_file < MOST_MORE_KB


def test_two_gigabytes_of_bytes(spent, of_small_file, two_gigabytes, tmp_path):
    result, most_kb = spent("convert", two_gigabytes, tmp_path / "out")
    assert result["converted"] == 4
    assert most_kb - of_small_file < MOST_MORE_KB
