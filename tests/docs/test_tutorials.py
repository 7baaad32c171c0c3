"""The notebook of each kind runs from top to bottom, offline: load, see, train, predict, explain."""

import json
from pathlib import Path

import pytest

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
KINDS = ("audio", "binary", "mouse", "series")
SECTIONS = ["Load", "See", "Train", "Predict", "Explain"]


def test_each_kind_has_one_of_a_few_cells():
    assert sorted(path.stem for path in TUTORIALS.glob("*.ipynb")) == list(KINDS)
    for kind in KINDS:
        cells = json.loads((TUTORIALS / f"{kind}.ipynb").read_text())["cells"]
        heads = ["".join(cell["source"]).split("\n")[0] for cell in cells if cell["cell_type"] == "markdown"]
        assert [head.removeprefix("## ") for head in heads[1:]] == SECTIONS
        assert len(cells) < 16
        assert not any(cell.get("outputs") for cell in cells)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_runs(kind, tmp_path):
    import nbclient
    import nbformat

    notebook = nbformat.read(TUTORIALS / f"{kind}.ipynb", 4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [out for cell in cells for out in cell.outputs]
    pictures = [out for out in outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 2  # the image, and the explanation
    assert f"Training(Classifier({kind}" in str(outputs)
    assert "%" in cells[-1].outputs[0]["text"]
