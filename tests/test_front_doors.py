"""What a package shows is what its `__all__` says."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(
    ".".join(("phosphene", *init.parent.relative_to(ROOT).parts)).replace(
        "phosphene.pipeline.front", "phosphene"
    )
    for folder in ("converters", "datasets", "pipeline")
    for init in (ROOT / folder).rglob("__init__.py")
)


def visible(package, listed):
    """The public names of a package that are its own; its modules show only where they are listed."""
    shown = {name: getattr(package, name) for name in {*dir(package), *vars(package)} if name[0] != "_"}
    own = {
        name
        for name, value in shown.items()
        if str(getattr(value, "__module__", "phosphene")).startswith("phosphene")
        and not (isinstance(value, ModuleType) and name not in listed)
    }
    return own - {"TYPE_CHECKING"}


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_complete(name):
    package = importlib.import_module(name)
    listed = list(getattr(package, "__all__", []))
    assert set(listed) == visible(package, listed)


@pytest.mark.parametrize("name", PACKAGES)
def test_says_what_it_is(name):
    assert (importlib.import_module(name).__doc__ or "").strip()
