import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# The signals and the variants of converters that the contract tries stand there.
sys.path.append(str(Path(__file__).parents[2] / "contract"))


@pytest.fixture(params=["cpu", "cuda"])
def device(request) -> str:
    if request.param == "cuda":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
    return request.param


@pytest.fixture
def dry_run(tmp_path):
    """Run a script of benchmarks/gpu on a few small items of a CPU; return its rows, and what it printed."""

    def run(script: str, table: str) -> tuple[list[dict[str, str]], str]:
        done = subprocess.run(
            [sys.executable, ROOT / "benchmarks" / "gpu" / script, "--device", "cpu", "--quick"],
            env=os.environ | {"OUT": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with (tmp_path / table).open(newline="") as file:
            return list(csv.DictReader(file)), done.stdout

    return run


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Keep what is small from waiting for threads on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
