"""Disks that are full or read-only: one line that names what could not be written, and nothing half-written."""

import json
import subprocess
import sys

import pytest

from phosphene.datasets import make_synthetic

# In a process of its own, since it sees a disk that nobody else does. It imports once and runs all commands.
SCRIPT = """
import contextlib, io, json, os, shutil, sys
from pathlib import Path
from phosphene.pipeline.app.cli import main

disk, raw, model, state = map(Path, sys.argv[1:])
one = sorted(raw.glob("*/*.csv"))[0]
train = ["--as", "gasf(size=64)", "--arch", "lenet", "--strategy", "scratch", "--epochs", "1", "--workers", "1"]

def run(name, *words):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(word) for word in words])
    said = [line for line in err.getvalue().splitlines() if line.startswith("phosphene: ")]
    files = sorted(str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file())
    return {"name": name, "status": status, "said": said, "files": files, "trace": "Traceback" in err.getvalue()}

done = [
    run("convert", "convert", raw, disk / "png", "--as", "gasf(size=256)", "--workers", "1"),
    run("parquet", "convert", raw, disk / "parquet", "--as", "gasf(size=256)", "--workers", "1", "--to", "parquet"),
    run("show", "show", one, "--out", disk / "s.png"),
    run("gallery", "list", "--gallery", disk / "g", "--kind", "binary"),
]
if state.name == "full":
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free))
done += [
    run("train", "train", raw, "--out", disk / "model", *train),
    run("predict", "predict", model, raw, "--out", disk / "p.csv"),
    run("embed", "embed", raw, disk / "e.parquet", "--as", "gasf(size=64)"),
    run("evaluate", "evaluate", model, raw, "--report", disk / "r.html"),
    run("explain", "explain", model, one, "--out", disk / "x.png"),
    run("export", "export", model, disk / "m.onnx"),
]
os.environ["PHOSPHENE_CACHE"] = str(disk / "cache")
done.append(run("cache", "predict", model, raw))
print(json.dumps(done))
"""
MOUNT = """
mount -t tmpfs -o size=300k none "$1" && { [ "$2" = full ] || mount -o remount,ro "$1"; } && shift 2 && exec "$@"
"""
UNSHARE = ["unshare", "--map-root-user", "--mount"]
REASONS = {
    "full": ("No space left on device",),
    "read-only": ("may not be written to", "Read-only file system"),
}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    make_synthetic("series", folder, items_per_class=6)
    return folder


@pytest.fixture(scope="module")
def model(raw, tmp_path_factory):
    from phosphene.pipeline import Recipe, train

    folder = tmp_path_factory.mktemp("model")
    recipe = Recipe(views="gasf(size=64)", arch="lenet", strategy="scratch", epochs=1, workers=1)
    train(raw, recipe, valid="none", out=folder, progress=False)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("state", REASONS)
def test_every_command_says_in_one_line_what_could_not_be_written(raw, model, tmp_path, state):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = [
        *UNSHARE,
        "sh",
        "-c",
        MOUNT,
        "sh",
        disk,
        state,
        sys.executable,
        "-c",
        SCRIPT,
        disk,
        raw,
        model,
        state,
    ]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if not done.stdout and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"needs a disk of its own: {done.stderr.strip()}")
    commands = json.loads(done.stdout)
    assert len(commands) == 11
    for one in commands:
        (said,) = one["said"]
        assert said.startswith(f"phosphene: {disk}")
        assert any(reason in said for reason in REASONS[state]), one
        assert one["status"] in (1, 2)
        assert not one["trace"]
        assert not [name for name in one["files"] if name.endswith(".part") or name.startswith("model/")]
    assert not [
        name for name in commands[-1]["files"] if "parquet" in name or name in ("p.csv", "s.png", "m.onnx")
    ]
