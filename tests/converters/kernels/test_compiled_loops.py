"""Compiled loops are compiled once a machine: a second process finds them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

DRAW_ALL = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2] / "contract")!r})
from example_signals import DRAWN
from phosphene.converters import converters
for owner in converters():
    for name in ("typical", "long"):
        owner(size=32)(DRAWN[owner.accepts.kind][name]())
"""


def kept(folder):
    """The compiled code in a folder and when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.nb*")}


def test_a_second_process_compiles_nothing(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    states = []
    for _ in range(2):
        subprocess.run([sys.executable, "-c", DRAW_ALL], env=environment, check=True)
        states.append(kept(tmp_path))
    assert len(states[0]) > 20
    assert states[1] == states[0]
