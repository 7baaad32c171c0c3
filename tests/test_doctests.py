"""The examples in the documentation run: those of every module, and the converter that docs/new_converter.md builds."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Started as programs; importing them does their work.
PROGRAMS = {"__main__"}
MODULES = sorted(
    ".".join(("phosphene", *path.relative_to(ROOT).with_suffix("").parts))
    .removesuffix(".__init__")
    .replace("phosphene.pipeline.front", "phosphene")
    for folder in ("converters", "datasets", "pipeline")
    for path in (ROOT / folder).rglob("*.py")
    if path.stem not in PROGRAMS
)
# Modules that only what comes with a GPU imports.
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=OPTIONS)
    assert results.failed == 0


RUN_EXAMPLE = """
import doctest, importlib.util, sys, pytest
file, contract = sys.argv[1:]
spec = importlib.util.spec_from_file_location("phosphene.converters.series.lag_example", file)
module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
results = doctest.testmod(module)
sys.exit(results.failed or not results.attempted or pytest.main([contract, "-q", "-k", module.EXAMPLE_NAME]))
"""


def test_converter_of_the_docs_keeps_the_contract(tmp_path):
    text = (ROOT / "docs" / "new_converter.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    name = re.search(r'name: ClassVar\[str\] = "(\w+)"', code).group(1)
    file = tmp_path / "steps_example.py"
    file.write_text(f'{code}\nEXAMPLE_NAME = "{name}"\n', encoding="utf-8")
    contract = ROOT / "tests" / "contract" / "test_converters.py"
    done = subprocess.run(
        [sys.executable, "-c", RUN_EXAMPLE, str(file), str(contract)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
