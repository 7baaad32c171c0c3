"""The notebook of the docs runs from top to bottom, offline, and is small enough to read."""

import json
from pathlib import Path

import pytest

TOUR = Path(__file__).parents[2] / "docs" / "tour.ipynb"


def test_the_notebook_is_small_and_trains_from_arrays_a_frame_and_a_folder():
    assert TOUR.stat().st_size < 300_000
    cells = json.loads(TOUR.read_text())["cells"]
    text = "".join("".join(cell["source"]) for cell in cells)
    for word in ("ph.train(x", "ph.train(frame", "ph.train(manifest", 'ph.train(work / "binary"', "embed("):
        assert word in text
    for kind in ("Sound", "series", "Mouse", "Program"):
        assert any(f"## {kind}" in "".join(c["source"]) or kind in "".join(c["source"]) for c in cells)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path):
    import nbclient
    import nbformat

    notebook = nbformat.read(TOUR, 4)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 6
    words = "".join(str(out.get("data", out)) for out in outputs)
    assert "Training(Classifier(series, 2 classes" in words
