"""The examples of docs/export.md: a classifier as one file, in Python without torch, and in JavaScript."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from phosphene.converters import Series
from phosphene.pipeline import Recipe, train

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "export.md"


def example(language):
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return code


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with what the examples name, and the classifier's own prediction."""
    folder, rng = tmp_path_factory.mktemp("exported"), np.random.default_rng(0)
    time = np.arange(80) * np.where(np.arange(24) % 2, 0.6, 0.15)[:, None]
    series = np.sin(time + rng.uniform(0, 6, (24, 1)))
    recipe = Recipe(views="gasf(size=64)", arch="lenet", weights=Path("random"), strategy="probe", workers=1)
    labels = ["slow", "fast"] * 12
    classifier = train(series, labels, recipe, valid="none", out=folder / "model", progress=False).classifier
    classifier.export(folder / "model.onnx")
    classifier.export(folder / "signal.onnx", inputs="signal")
    np.savetxt(folder / "series.txt", series[0])
    from PIL import Image

    Image.fromarray(classifier.views[0](Series(series[0])).pixels[:, :, 0]).save(folder / "image.png")
    (prediction,) = classifier.predict(Series(series[0]), workers=1)
    return folder, prediction


def check_printed(out, prediction):
    label, proba = out.split()
    assert label == prediction.label
    assert float(proba) == pytest.approx(prediction.probabilities[label], abs=1e-4)


def test_python(exported):
    folder, prediction = exported
    code = example("python") + "\nimport sys\nassert not {'torch', 'phosphene'} & set(sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    check_printed(done.stdout, prediction)


def test_javascript(exported):
    folder, prediction = exported
    node = shutil.which("node")
    modules = os.environ.get("NODE_PATH", "")
    if not node or not any((Path(part) / "onnxruntime-node").is_dir() for part in modules.split(os.pathsep)):
        pytest.skip(
            "needs Node and onnxruntime-node: npm install onnxruntime-node, and NODE_PATH=.../node_modules"
        )
    (folder / "example.js").write_text(example("javascript"), encoding="utf-8")
    done = subprocess.run([node, "example.js"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_printed(done.stdout, prediction)
