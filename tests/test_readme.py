"""README and docs stay true: their tables come from the results, what they name is there."""

import importlib.util
import re
from pathlib import Path

import pytest

from phosphene.pipeline.backbones.catalog import TABULATED

ROOT = Path(__file__).parents[1]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("tables", ROOT / "benchmarks" / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every_page
def test_tables_are_those_of_the_results(page, tables):
    text = page.read_text()
    assert text == tables.refreshed(text), "run python benchmarks/tables.py"


def test_the_tables_hold_what_they_should(tables):
    assert "28 UCR sets, mean" in (ROOT / "docs" / "performance.md").read_text()
    assert len(tables.backbones_table().splitlines()) == 2 + len(TABULATED)
    assert [page.name for page in tables.PAGES] == [page.name for page in PAGES]


# Where networks were published, by the counts that torchvision prints.
@pytest.mark.parametrize(
    ("name", "published_g"),
    [
        ("alexnet", 0.714), ("vgg16", 15.470), ("resnet18", 1.814), ("resnet34", 3.664), ("resnet50", 4.089),
        ("inception_v3", 5.713), ("mobilenet_v3_large", 0.217),
    ],
)  # fmt: skip
def test_multiply_adds_are_the_published_ones(name, published_g, tables):
    row = next(row for row in tables._rows("backbones") if row["name"] == name)
    assert int(row["multiply_adds"]) / 1e9 == pytest.approx(published_g, rel=0.01)


@every_page
def test_pictures_and_pages_it_names_exist(page):
    named = [target for target in re.findall(r"\]\(([^)]+)\)", page.read_text()) if "://" not in target]
    assert len(named) >= 5 * (page.name == "README.md")
    assert [target for target in named if not (page.parent / target).exists()] == []


def test_commands_it_shows_are_commands():
    from phosphene.pipeline.app.cli import make_parser

    text = (ROOT / "README.md").read_text()
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL))
    shown = set(re.findall(r"^phosphene ([a-z-]+)", shell, re.MULTILINE))
    known = set(make_parser()._subparsers._group_actions[0].choices)
    assert shown == known


def test_the_readme_is_a_front_page():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 900
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert tables
    assert max(len(table.splitlines()) - 2 for table in tables) <= 12
