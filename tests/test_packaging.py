"""What is installed is what stands in the tree: nothing forgotten, nothing too much."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("converters", "datasets", "pipeline")
# The front door installs as `phosphene` itself.
FRONT = ROOT / "pipeline" / "front"


def setuptools_table():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def test_every_package_is_listed():
    packages = {
        ".".join(("phosphene", *init.parent.relative_to(ROOT).parts))
        for folder in FOLDERS
        for init in (ROOT / folder).rglob("__init__.py")
        if init.parent != FRONT
    }
    assert set(setuptools_table()["packages"]) == {"phosphene", *packages}


def test_every_folder_of_modules_is_a_package():
    folders = {module.parent for folder in FOLDERS for module in (ROOT / folder).rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_each_folder_installs_under_phosphene():
    folders = {f"phosphene.{folder}": folder for folder in FOLDERS}
    assert setuptools_table()["package-dir"] == {"phosphene": "pipeline/front", **folders}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of what git knows of the tree, or would, and the names in a wheel built from it."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            target = tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(tree)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (wheel,) = out.glob("*.whl")
    return tree, sorted(zipfile.ZipFile(wheel).namelist())


@pytest.mark.slow
def test_wheel_holds_every_module_and_no_more(built):
    tree, wheel_names = built
    in_tree = {
        f"phosphene/{path.relative_to(tree).as_posix()}".replace("phosphene/pipeline/front/", "phosphene/")
        for folder in FOLDERS
        for path in (tree / folder).rglob("*")
        if path.is_file()
    }
    in_wheel = {name for name in wheel_names if ".dist-info/" not in name}
    assert in_wheel == in_tree
    assert {f"phosphene/{folder}/py.typed" for folder in FOLDERS} <= in_wheel


@pytest.mark.slow
def test_wheel_carries_the_licence(built):
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in built[1])
