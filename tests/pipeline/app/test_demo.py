"""The demo as a person runs it, with the network cut where that can be done."""

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import PIL.Image
import pytest

PROGRAM = Path(sysconfig.get_path("scripts"), "phosphene")


def _offline() -> list[str]:
    """The words that cut a command off the network; none where this user may not."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return []
    works = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0
    return ["unshare", "-n"] if works else []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_four_kinds_offline(tmp_path):
    out = tmp_path / "demo"
    told = subprocess.run(
        [*_offline(), PROGRAM, "demo", "--out", out, "--json"],
        capture_output=True, text=True, check=True, env=os.environ | {"PHOSPHENE_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    result = json.loads(told.stdout)
    assert [row["kind"] for row in result["kinds"]] == ["audio", "series", "mouse", "binary"]
    for row in result["kinds"]:
        folder = out / row["kind"]
        predictions = json.loads((folder / "predictions.json").read_text())
        assert len(predictions) == row["new"]
        assert sum(answer["label"] == answer["true"] for answer in predictions) == row["right"]
        assert row["accuracy"] >= 0.8
        assert row["failed"] == 0
        assert (folder / "model" / "model.safetensors").stat().st_size > 1_000_000
        pictures = list((folder / "images").rglob("*.png"))
        assert len(pictures) == row["seen"] * len(row["views"].split(", "))
        with PIL.Image.open(folder / "sheet.png") as sheet:
            assert min(sheet.size) > 500
